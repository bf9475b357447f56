//! What expressions may call. What is absent stays absent; what cannot be used is an error, which makes an input malformed.

use minijinja::value::{Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, filters, tests};

use crate::json::Fault;
use crate::size::{Room, measure, too_long};

/// Every filter, for messages.
pub(crate) const FILTERS: [&str; 15] = [
    "choose", "default", "first", "integer", "join", "json", "last", "length", "lower", "member",
    "replace", "single", "text", "trim", "upper",
];

/// Every test, for messages.
pub(crate) const TESTS: [&str; 9] = [
    "boolean",
    "defined",
    "integer",
    "mapping",
    "none",
    "number",
    "sequence",
    "string",
    "undefined",
];

pub(crate) fn install(environment: &mut Environment<'static>) {
    let trim = |value: &Value| mapped(value, |text| text.trim().to_owned());
    let first = |value: &Value| if_present(value, filters::first);
    let last = |value: &Value| if_present(value, |value| filters::last(value.clone()));
    let length = |value: &Value| if_present(value, |value| filters::length(value).map(Value::from));
    let lower = |value: &Value| mapped(value, str::to_lowercase);
    let upper = |value: &Value| mapped(value, str::to_uppercase);
    let mut add = |name, of| measuring(environment, name, of);
    add("choose", Value::from_function(choose));
    add("default", Value::from_function(filters::default));
    add("first", Value::from_function(first));
    add("integer", Value::from_function(integer));
    add("join", Value::from_function(join));
    add("json", Value::from_function(json));
    add("last", Value::from_function(last));
    add("length", Value::from_function(length));
    add("lower", Value::from_function(lower));
    add("member", Value::from_function(member));
    add("replace", Value::from_function(replace));
    add("single", Value::from_function(single));
    add("text", Value::from_function(text));
    add("trim", Value::from_function(trim));
    add("upper", Value::from_function(upper));
    environment.add_test("boolean", tests::is_boolean);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("integer", tests::is_integer);
    environment.add_test("mapping", tests::is_mapping);
    environment.add_test("none", tests::is_none);
    environment.add_test("number", tests::is_number);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("string", tests::is_string);
    environment.add_test("undefined", tests::is_undefined);
}

/// A filter that measures what it is given and what it makes. One that could make much of little looks before it does.
fn measuring(environment: &mut Environment<'static>, name: &'static str, of: Value) {
    let filter = move |state: &mut State<'_, '_>, args: Rest<Value>| {
        args.iter().try_for_each(measure)?;
        let made = of.call(state, &args)?;
        measure(&made).map(|()| made)
    };
    environment.add_filter(name, filter);
}

fn replace(value: &Value, from: &str, to: &str) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        Room::default().take_times(text.matches(from).count(), to.len())?;
    }
    mapped(value, |text| text.replace(from, to))
}

fn join(state: &mut State<'_, '_>, args: Rest<Value>) -> Result<Value, Error> {
    if let [value, between @ ..] = &**args {
        // Its letters would be a value each.
        if value.as_str().is_some() {
            return Err(unusable("not a list"));
        }
        let pieces = value.try_iter().map_or(0, Iterator::count);
        let mut each = Room::default();
        between.iter().try_for_each(|value| each.take(value))?;
        let mut whole = Room::default();
        whole.take(value)?;
        whole.take_times(pieces, each.taken())?;
    }
    Value::from_function(filters::join).call(state, &args)
}

fn unusable(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

fn if_present(
    value: &Value,
    change: impl FnOnce(&Value) -> Result<Value, Error>,
) -> Result<Value, Error> {
    match value.is_undefined() || value.is_none() {
        true => Ok(Value::UNDEFINED),
        false => change(value),
    }
}

fn mapped(value: &Value, change: impl FnOnce(&str) -> String) -> Result<Value, Error> {
    if_present(value, |value| {
        value
            .as_str()
            .map(|text| Value::from(change(text)))
            .ok_or_else(|| unusable("not a text"))
    })
}

/// A text is read as JSON; anything else is left alone.
fn json(value: &Value) -> Result<Value, Error> {
    match value.as_str() {
        Some("") => Ok(Value::UNDEFINED),
        Some(text) => crate::json::parse(text.as_bytes()).map_err(|fault| match fault {
            Fault::NotJson => unusable("not JSON"),
            Fault::TooMany => too_long(),
        }),
        None => Ok(value.clone()),
    }
}

/// The element of a list of one; anything but a list is left alone.
fn single(value: &Value) -> Result<Value, Error> {
    match (value.kind(), value.len()) {
        (ValueKind::Seq, Some(1)) => value.get_item_by_index(0),
        (ValueKind::Seq, _) => Err(unusable("not a list of one")),
        _ => Ok(value.clone()),
    }
}

/// The field of an object; a value that is no object, or has no such field, cannot be used.
fn member(value: &Value, name: &str) -> Result<Value, Error> {
    if_present(value, |value| match value.kind() {
        ValueKind::Map => {
            let found = value.get_attr(name)?;
            match found.is_undefined() {
                true => Err(unusable("no such field")),
                false => Ok(found),
            }
        }
        _ => Err(unusable("not an object")),
    })
}

/// A whole number, written as one or as its decimal digits.
fn integer(value: &Value) -> Result<Value, Error> {
    if_present(value, |value| match as_integer(value) {
        Some(number) => Ok(Value::from(number)),
        None => Err(unusable("not a whole number")),
    })
}

pub(crate) fn as_integer(value: &Value) -> Option<i64> {
    match value.as_str() {
        Some(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse().ok())?
        }
        None if value.is_integer() => i64::try_from(value.clone()).ok(),
        None => None,
    }
}

/// The written form of a text, a number or a truth value.
fn text(value: &Value) -> Result<Value, Error> {
    if_present(value, |value| match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => {
            Ok(Value::from(value.to_string()))
        }
        _ => Err(unusable("has no written form")),
    })
}

/// The table's entry for the value's written form; a blank that the table does not name is absent.
fn choose(value: &Value, table: &Value) -> Result<Value, Error> {
    if_present(value, |value| {
        let key = text(value)?;
        let found = table.get_item(&key)?;
        let blank = key.as_str().is_some_and(|key| key.trim().is_empty());
        match found.is_undefined() && !blank {
            true => Err(unusable("not one of the choices")),
            false => Ok(found),
        }
    })
}

#[cfg(test)]
mod growth {
    use super::*;
    use crate::expression::{Code, Mode};
    use crate::size::LONGEST;

    /// Every filter and operator on what a request may bring, with arguments that the request brings too.
    #[test]
    fn nothing_grows_beyond_what_a_value_may_be() {
        let request = serde_json::json!({
            "none": null, "empty": "", "a": "a", "long": "a".repeat(60_000), "half": "a".repeat(31_000),
            "wide": "ŉ".repeat(30_000), "sharp": "ΐ".repeat(20_000), "blanks": vec![""; 900], "floats": vec![1e300; 700],
            "between": "x".repeat(25_000), "map": {"long": "a".repeat(60_000)}, "deep": [[["a".repeat(50_000)]]],
        });
        let scope = crate::json::to_value(&serde_json::json!({ "body": request }));
        let names = request.as_object().unwrap().keys();
        let names: Vec<String> = names.map(|name| format!("body.{name}")).collect();
        let mut sources = Vec::new();
        for value in &names {
            for filter in FILTERS {
                sources.push(format!("{value} | {filter}"));
                for other in &names {
                    sources.push(format!("{value} | {filter}({other})"));
                    if filter == "replace" || filter == "join" {
                        sources.push(format!("{value} | {filter}('', {other})"));
                        sources.push(format!("{value} | {filter}('a', {other})"));
                        sources.push(format!("{value} | {filter}(d={other})"));
                        sources.push(format!("[{value}, {value}] | {filter}({other}, {other})"));
                    }
                }
            }
            for sign in ["~", "+"] {
                let sum = vec![format!("({value} | text)"); 17].join(sign);
                sources.push(sum.clone());
                sources.push(format!("({sum}) | replace('a', {value})"));
            }
        }
        for source in sources {
            let code = Code::compile(&source, Mode::Input).unwrap_or_else(|why| panic!("{why}"));
            let made = code.evaluate(&scope);
            if let Ok(value) = made {
                assert!(
                    value.as_str().is_none_or(|text| text.len() <= LONGEST),
                    "{source}"
                );
                assert!(measure(&value).is_ok(), "{source}");
            }
        }
    }

    /// What comes in fits, and what is not too long is made.
    #[test]
    fn what_a_body_holds_is_not_too_long() {
        let body = format!(
            r#"{{"x":"{}","list":[{}1]}}"#,
            "a".repeat(40_000),
            "1,".repeat(900)
        );
        assert!(body.len() < LONGEST);
        let scope = crate::json::parse(format!(r#"{{"body":{body}}}"#).as_bytes()).unwrap();
        for (source, length) in [
            ("body.x | upper", 40_000),
            ("body.x | replace('a', 'b')", 40_000),
            ("(body.x | text) ~ (body.x | text)", 0),
            ("body.x | replace('a', 'bb')", 0),
            ("body.list | join", 901),
            ("body.list | join(', ')", 2_701),
            ("body.list | join(body.x)", 0),
            ("[body.list, body.list] | length | text", 0),
            ("body | member('x')", 40_000),
            ("body.list | length | text", 3),
        ] {
            let made = Code::compile(source, Mode::Input).unwrap().evaluate(&scope);
            let made = made.map_or(0, |value| value.as_str().unwrap().len());
            assert_eq!(made, length, "{source}");
        }
    }
}
