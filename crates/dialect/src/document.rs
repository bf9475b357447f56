//! JSON to be sent: everything that does not change is written out when the file is loaded.

use std::io::Write;

use minijinja::Error;
use minijinja::value::{Value, ValueKind};

use crate::expression::Code;
use crate::json;
use crate::shape::{Part, Shape, concatenated};
use crate::size::{LONGEST, Room, too_long};

/// Bytes of a whole reply.
const MOST: usize = 16 * LONGEST;

/// A reply or the body of an error, as a sequence of fixed bytes and holes.
#[derive(Debug, Default)]
pub(crate) struct Document(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Fixed(Vec<u8>),
    Typed(Code),
    Text(Vec<Part>),
}

impl Document {
    pub(crate) fn of(shape: Shape) -> Document {
        let mut document = Document::default();
        document.add(shape);
        document
    }

    fn add(&mut self, shape: Shape) {
        match shape {
            Shape::Fixed(json) => self.fixed(json.to_string().as_bytes()),
            Shape::Typed(code) => self.0.push(Piece::Typed(code)),
            Shape::Text(parts) => self.0.push(Piece::Text(parts)),
            Shape::List(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    self.fixed(if index == 0 { b"[" } else { b"," });
                    self.add(item);
                }
                self.fixed(b"]");
            }
            Shape::Table(fields) => {
                for (index, (key, value)) in fields.into_iter().enumerate() {
                    self.fixed(if index == 0 { b"{" } else { b"," });
                    self.fixed(serde_json::Value::String(key).to_string().as_bytes());
                    self.fixed(b":");
                    self.add(value);
                }
                self.fixed(b"}");
            }
        }
    }

    fn fixed(&mut self, bytes: &[u8]) {
        match self.0.last_mut() {
            Some(Piece::Fixed(earlier)) => earlier.extend_from_slice(bytes),
            _ => self.0.push(Piece::Fixed(bytes.to_vec())),
        }
    }

    /// Writes it with the scope's values; every expression must name something.
    pub(crate) fn render(&self, scope: &Value) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(1_024);
        for piece in &self.0 {
            match piece {
                Piece::Fixed(bytes) => out.extend_from_slice(bytes),
                Piece::Typed(code) => {
                    write(&code.evaluate(scope)?, &mut out).map_err(|error| code.blame(error))?;
                }
                Piece::Text(parts) => {
                    let text = concatenated(parts, scope, &mut Room::default())?;
                    write_text(&text, &mut out)?;
                }
            }
            if out.len() > MOST {
                return Err(too_long());
            }
        }
        Ok(out)
    }

    /// All expressions in it.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &Code> {
        self.0.iter().flat_map(|piece| match piece {
            Piece::Fixed(_) => Vec::new(),
            Piece::Typed(code) => vec![code],
            Piece::Text(parts) => parts.iter().filter_map(Part::code).collect(),
        })
    }
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), Error> {
    match (value.kind(), value.as_str(), value.as_i64()) {
        (_, Some(text), _) => write_text(text, out),
        (ValueKind::Number, _, Some(number)) if value.is_integer() => {
            write!(out, "{number}").map_err(|_| unwritable())
        }
        _ => serde_json::to_writer(out, &json::from_value(value)?).map_err(|_| unwritable()),
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    serde_json::to_writer(out, text).map_err(|_| unwritable())
}

fn unwritable() -> Error {
    Error::new(
        minijinja::ErrorKind::BadSerialization,
        "the value cannot be written",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Mode;

    fn render(text: &str) -> Result<String, String> {
        let scope =
            json::parse(br#"{"n":8,"big":18446744073709551615,"half":0.5,"name":"A\"<b>","none":null,"list":[1,"x"]}"#)
                .unwrap();
        let shape = Shape::of_text(text, Mode::Reply)?;
        let nested = Shape::Table(vec![("k\"".into(), Shape::List(vec![shape]))]);
        let bytes = Document::of(nested)
            .render(&scope)
            .map_err(|error| error.to_string())?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn holes_are_filled_with_typed_and_escaped_values() {
        for (text, expected) in [
            ("{{ n }}", "8"),
            ("{{ big }}", "18446744073709551615"),
            ("{{ half }}", "0.5"),
            ("{{ name }}", r#""A\"<b>""#),
            ("{{ none }}", "null"),
            ("{{ list }}", r#"[1,"x"]"#),
            ("{{ n == 8 }}", "true"),
            ("{{ n }}-{{ name }}", r#""8-A\"<b>""#),
            ("plain", r#""plain""#),
        ] {
            assert_eq!(
                render(text).unwrap(),
                format!(r#"{{"k\"":[{expected}]}}"#),
                "{text}"
            );
        }
        assert!(
            render("{{ missing }}")
                .unwrap_err()
                .contains("names nothing")
        );
    }
}
