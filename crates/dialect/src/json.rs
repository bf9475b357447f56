//! JSON into and out of expression values.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use minijinja::value::{Value, ValueKind};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::size::MOST_MEMBERS;

/// Why a text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NotJson,
    TooMany,
}

/// Reads one JSON text strictly: no key twice, no NUL in any text, nothing after the value, 128 levels and [`MOST_MEMBERS`]
/// items and fields at most.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Fault> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let members = Cell::new(0);
    let read = Strict(&members).deserialize(&mut deserializer);
    let whole = read.and_then(|value| deserializer.end().map(|()| value));
    whole.map_err(|_| match members.get() > MOST_MEMBERS {
        true => Fault::TooMany,
        false => Fault::NotJson,
    })
}

/// Counts the members that it comes to.
#[derive(Clone, Copy)]
struct Strict<'c>(&'c Cell<usize>);

impl Strict<'_> {
    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        self.0.set(self.0.get() + 1);
        match self.0.get() > MOST_MEMBERS {
            true => Err(E::custom("too many members")),
            false => Ok(()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::from(()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        match value.contains('\0') {
            true => Err(E::custom("NUL in a text")),
            false => Ok(Value::from(value)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            self.count()?;
            items.push(item);
        }
        Ok(Value::from(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields: BTreeMap<String, Value> = BTreeMap::new();
        while let Some(key) = access.next_key::<String>()? {
            self.count()?;
            if key.contains('\0') {
                return Err(A::Error::custom("NUL in a key"));
            }
            let value = access.next_value_seed(self)?;
            if fields.insert(key, value).is_some() {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(Value::from(fields))
    }
}

/// The JSON of a value. Undefined values and such that JSON has no form for are refused.
pub(crate) fn from_value(value: &Value) -> Result<serde_json::Value, minijinja::Error> {
    use serde_json::Value as Json;
    let refuse =
        |what: &str| minijinja::Error::new(minijinja::ErrorKind::BadSerialization, what.to_owned());
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(refuse("the expression names nothing")),
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => number(value).ok_or_else(|| refuse("a number beyond JSON"))?,
        ValueKind::String => Json::String(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Seq | ValueKind::Iterable => Json::Array(
            value
                .try_iter()?
                .map(|item| from_value(&item))
                .collect::<Result<_, _>>()?,
        ),
        ValueKind::Map => {
            let entry = |key: Value| Ok((key.to_string(), from_value(&value.get_item(&key)?)?));
            Json::Object(
                value
                    .try_iter()?
                    .map(entry)
                    .collect::<Result<_, minijinja::Error>>()?,
            )
        }
        _ => return Err(refuse("this value has no JSON form")),
    })
}

fn number(value: &Value) -> Option<serde_json::Value> {
    if value.is_integer() {
        return match i64::try_from(value.clone()) {
            Ok(number) => Some(number.into()),
            Err(_) => u64::try_from(value.clone()).ok().map(Into::into),
        };
    }
    serde_json::Number::from_f64(f64::try_from(value.clone()).ok()?).map(serde_json::Value::Number)
}

/// The expression value of a JSON.
pub(crate) fn to_value(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (_, Some(number)) => Value::from(number),
            _ => Value::from(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(to_value).collect(),
        Json::Object(fields) => Value::from_pairs(
            fields
                .iter()
                .map(|(key, value)| (key.as_str(), to_value(value))),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_types_there_and_back() {
        let text = r#"{"a":[1,-2,18446744073709551615,1.5,"x",true,null],"b":{"c":"d"},"e":[]}"#;
        assert_eq!(
            from_value(&parse(text.as_bytes()).unwrap())
                .unwrap()
                .to_string(),
            text
        );
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(from_value(&to_value(&json)).unwrap(), json);
    }

    #[test]
    fn members_are_counted_however_they_are_nested() {
        for (text, count) in [
            (r#"{"a":[X]}"#, MOST_MEMBERS - 1),
            (r#"[[[X]]]"#, MOST_MEMBERS - 2),
            (r#"{"a":{"b":1,"c":[X]},"d":[]}"#, MOST_MEMBERS - 4),
        ] {
            let of = |count: usize| text.replace('X', &vec!["1"; count].join(","));
            assert!(parse(of(count).as_bytes()).is_ok(), "{text}");
            let found = parse(of(count + 1).as_bytes());
            assert_eq!(found, Err(Fault::TooMany), "{text}");
        }
        assert_eq!(parse(b"[1,"), Err(Fault::NotJson));
    }

    #[test]
    fn loose_json_is_refused() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":"\u0000"}"#,
            r#"{"\u0000":1}"#,
            "{} {}",
            "{",
            "",
            "\u{feff}{}",
            r#"{"a":"\ud800"}"#,
            "NaN",
            &deep,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"{\"a\":\"\xff\"}").is_err());
    }
}
