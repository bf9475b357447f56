//! Settings as they are stored. While nodes are replaced one by one, those of a newer release may have stored settings that
//! this program does not know: it goes by those that it does. A file, on the other hand, must hold known ones only.

use serde::Deserialize;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

use super::TenantFile;

/// Reads stored settings. The error says which value is not understood.
pub(super) fn read(settings: &str) -> Result<TenantFile, Error> {
    TenantFile::deserialize(Known(serde_json::from_str(settings)?))
}

/// A document of which each structure is given the fields that it knows.
struct Known(Value);

impl<'de> IntoDeserializer<'de, Error> for Known {
    type Deserializer = Known;

    fn into_deserializer(self) -> Known {
        self
    }
}

impl<'de> Deserializer<'de> for Known {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => {
                visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Known)))
            }
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name, Known(value)));
                visitor.visit_map(MapDeserializer::new(fields))
            }
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut document = self.0;
        if let Value::Object(fields) = &mut document {
            fields.retain(|name, _| known.contains(&name.as_str()));
        }
        Known(document).deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_release_stores_is_read_as_far_as_it_is_known() {
        let stored = r#"{
            "slug": "acme", "name": "Acme", "domains": ["lms.acme.test"], "later": {"on": true},
            "dialect": {"rezi": {"always_200": true, "later": 1}},
            "password": {"min_length": 12, "later": ["x"]},
            "provider": [{"kind": "google", "client_id": "c", "later": null}],
            "texts": {"de": {"later": {"title": "Hallo"}}},
            "mail": {"from": null, "later": 1.5},
            "session": {"idle": "1h", "absolute": "2h", "later": "3h"}
        }"#;
        let file = read(stored).unwrap();
        assert_eq!(file.domains, ["lms.acme.test"]);
        assert!(file.dialect["rezi"].always_200);
        assert_eq!(file.password.min_length, 12);
        assert_eq!(file.provider[0].client_id, "c");
        assert_eq!(file.texts["de"].text("later.title"), Some("Hallo"));
        assert_eq!((file.mail.from, file.mail.new_device), (None, true));
        assert_eq!(file.session.idle.0.as_secs(), 3_600);
        // What this program stores it reads as it was.
        let whole = crate::tenant::tests::tenant("acme", "Acme").file;
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(read(&text).unwrap(), whole);
    }

    #[test]
    fn a_value_that_is_not_understood_is_told() {
        for stored in [
            r#"{"slug": "acme"}"#,
            r#"{"slug": "acme", "name": "Acme", "registration": {"captcha": "later"}}"#,
            r#"{"slug": "acme", "name": "Acme", "domains": "later"}"#,
            "later",
        ] {
            assert!(read(stored).is_err(), "{stored}");
        }
    }
}
