//! What templates may call, and how long what they handle may be.

use minijinja::value::{Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, filters, tests};

/// No value in a template is longer, in bytes; something in a list or a map counts [`MEMBER`] more.
pub(super) const LONGEST: usize = 16 * 1024;
const MEMBER: usize = 32;

/// All values that a rendering measures, together, in bytes.
const MOST_WORK: usize = 2 * 1024 * 1024;

/// Answers what it is given, if that is not too long. The bounds put it around what puts values together.
pub(super) const MEASURED: &str = "__measured";

/// Every filter, for messages.
pub(super) const FILTERS: [&str; 18] = [
    "capitalize",
    "count",
    "d",
    "default",
    "e",
    "escape",
    "first",
    "items",
    "join",
    "last",
    "length",
    "lower",
    "replace",
    "safe",
    "title",
    "trim",
    "upper",
    "urlencode",
];

/// Every test, for messages.
pub(super) const TESTS: [&str; 11] = [
    "defined",
    "even",
    "false",
    "mapping",
    "none",
    "number",
    "odd",
    "sequence",
    "string",
    "true",
    "undefined",
];

pub(super) fn install(env: &mut Environment<'static>) {
    env.add_function(MEASURED, |state: &mut State<'_, '_>, value: Value| {
        worked(state, measure(&value)?).map(|()| value)
    });
    filter(
        env,
        &["capitalize"],
        Value::from_function(filters::capitalize),
    );
    filter(
        env,
        &["d", "default"],
        Value::from_function(filters::default),
    );
    filter(env, &["e", "escape"], Value::from_function(filters::escape));
    filter(env, &["first"], Value::from_function(filters::first));
    filter(env, &["items"], Value::from_function(filters::items));
    filter(env, &["join"], Value::from_function(join));
    filter(env, &["last"], Value::from_function(filters::last));
    filter(
        env,
        &["count", "length"],
        Value::from_function(filters::length),
    );
    filter(env, &["lower"], Value::from_function(filters::lower));
    filter(env, &["replace"], Value::from_function(replace));
    filter(env, &["safe"], Value::from_function(filters::safe));
    filter(env, &["title"], Value::from_function(filters::title));
    let trim = |text: &str| text.trim().to_owned();
    filter(env, &["trim"], Value::from_function(trim));
    filter(env, &["upper"], Value::from_function(filters::upper));
    filter(
        env,
        &["urlencode"],
        Value::from_function(filters::urlencode),
    );
    env.add_test("defined", tests::is_defined);
    env.add_test("even", tests::is_even);
    env.add_test("false", tests::is_false);
    env.add_test("mapping", tests::is_mapping);
    env.add_test("none", tests::is_none);
    env.add_test("number", tests::is_number);
    env.add_test("odd", tests::is_odd);
    env.add_test("sequence", tests::is_sequence);
    env.add_test("string", tests::is_string);
    env.add_test("true", tests::is_true);
    env.add_test("undefined", tests::is_undefined);
}

/// A filter under these names, which measures what it makes: a part or a number of what it is given, or little more than that.
/// What it is given may be a long list of the page's own.
fn filter(env: &mut Environment<'static>, names: &[&'static str], of: Value) {
    for name in names {
        let of = of.clone();
        let measuring = move |state: &mut State<'_, '_>, args: Rest<Value>| {
            let texts = args.iter().filter_map(Value::as_str);
            worked(state, texts.map(str::len).sum())?;
            let made = of.call(state, &args)?;
            worked(state, measure(&made)?).map(|()| made)
        };
        env.add_filter(*name, measuring);
    }
}

/// Many empty items with a long text between them make one that is too long before it can be measured.
fn join(state: &mut State<'_, '_>, args: Rest<Value>) -> Result<Value, Error> {
    for arg in &*args {
        worked(state, measure(arg)?)?;
    }
    let items = args.first().map_or(Some(0), Value::len);
    let items = items.unwrap_or(LONGEST / MEMBER);
    let between = args.get(1).and_then(Value::as_str).map_or(0, str::len);
    match items.saturating_mul(between) <= LONGEST {
        true => Value::from_function(filters::join).call(state, &args),
        false => Err(too_long()),
    }
}

/// A letter replaced by a long text makes one that is too long before it can be measured.
fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let grown = text.matches(from).count().saturating_mul(to.len());
    match grown <= LONGEST {
        true => Ok(text.replace(from, to)),
        false => Err(too_long()),
    }
}

pub(super) fn too_long() -> Error {
    let why = format!("a value is longer than {} KiB", LONGEST / 1024);
    Error::new(ErrorKind::InvalidOperation, why)
}

/// How long the value is with all that is in it, if it is short enough.
fn measure(value: &Value) -> Result<usize, Error> {
    match shortened(value, LONGEST) {
        Some(left) => Ok(LONGEST - left),
        None => Err(too_long()),
    }
}

/// Bytes that have been gone through.
#[derive(Default)]
struct Worked(usize);

/// Steps are cheap, but one may go through all that a value holds.
fn worked(state: &mut State<'_, '_>, bytes: usize) -> Result<(), Error> {
    let worked = state.get_or_insert_extension_with(Worked::default);
    worked.0 = worked.0.saturating_add(bytes);
    match worked.0 <= MOST_WORK {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::InvalidOperation,
            "it goes through more than 2 MiB",
        )),
    }
}

/// What `left` leaves when the value is taken off it.
fn shortened(value: &Value, left: usize) -> Option<usize> {
    if let Some(text) = value.as_str() {
        return left.checked_sub(text.len());
    }
    if !matches!(
        value.kind(),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map
    ) {
        return Some(left);
    }
    let mut left = left;
    for member in value.try_iter().ok()? {
        left = shortened(&member, left.checked_sub(MEMBER)?)?;
        if value.kind() == ValueKind::Map {
            left = shortened(&value.get_item(&member).ok()?, left)?;
        }
    }
    Some(left)
}

/// Bytes that `{{ … }}` have written, in what is shown and in what macros make.
#[derive(Default)]
struct Written(usize);

/// Counts what is shown, before it is: no more than `most` bytes in a rendering.
pub(super) fn counted(state: &mut State<'_, '_>, value: &Value, most: usize) -> Result<(), Error> {
    let length = match value.as_str() {
        Some(text) => text.len(),
        None => value.to_string().len(),
    };
    let written = state.get_or_insert_extension_with(Written::default);
    written.0 = written.0.saturating_add(length);
    match written.0 <= most {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::InvalidOperation,
            "it writes more than 1 MiB",
        )),
    }
}
