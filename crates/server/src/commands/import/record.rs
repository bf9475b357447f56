//! One JSON object with plain values, each as text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// The fields in the order they stand in, repeated ones too.
pub(super) struct Record(pub(super) Vec<(Cow<'static, str>, Cow<'static, str>)>);

struct Plain(String);

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Record, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some(name) = map.next_key::<String>()? {
                    let Plain(value) = map.next_value()?;
                    fields.push((name.into(), value.into()));
                }
                Ok(Record(fields))
            }
        }
        from.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Plain, D::Error> {
        struct Value;
        impl Visitor<'_> for Value {
            type Value = Plain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, true, false or null")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Plain, E> {
                Ok(Plain(text.to_owned()))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Plain, E> {
                Ok(Plain(text))
            }

            fn visit_bool<E: Error>(self, is: bool) -> Result<Plain, E> {
                Ok(Plain(is.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Plain, E> {
                Ok(Plain(number.to_string()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Plain, E> {
                Ok(Plain(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Plain, E> {
                Ok(Plain(number.to_string()))
            }

            fn visit_unit<E: Error>(self) -> Result<Plain, E> {
                Ok(Plain(String::new()))
            }
        }
        from.deserialize_any(Value)
    }
}
