//! What expressions may call. What is absent stays absent; what cannot be used is an error, which makes an input malformed.

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, filters, tests};

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
    environment.add_filter("choose", choose);
    environment.add_filter("default", filters::default);
    environment.add_filter("first", |value: &Value| if_present(value, filters::first));
    environment.add_filter("integer", integer);
    environment.add_filter("join", filters::join);
    environment.add_filter("json", json);
    environment.add_filter("last", |value: &Value| {
        if_present(value, |value| filters::last(value.clone()))
    });
    environment.add_filter("length", |value: &Value| {
        if_present(value, |value| filters::length(value).map(Value::from))
    });
    environment.add_filter("lower", |value: &Value| mapped(value, str::to_lowercase));
    environment.add_filter("member", member);
    environment.add_filter("replace", |value: &Value, from: &str, to: &str| {
        mapped(value, |text| text.replace(from, to))
    });
    environment.add_filter("single", single);
    environment.add_filter("text", text);
    environment.add_filter("trim", |value: &Value| {
        mapped(value, |text| text.trim().to_owned())
    });
    environment.add_filter("upper", |value: &Value| mapped(value, str::to_uppercase));
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
        Some(text) => crate::json::parse(text.as_bytes()).map_err(|_| unusable("not JSON")),
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
