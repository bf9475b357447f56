//! JSON with holes: a tree as the file writes it, expressions in its leaves.

use minijinja::Error;
use minijinja::value::Value;
use serde_json::Value as Json;

use crate::expression::{Code, Mode};
use crate::json;
use crate::size::Room;

/// A value of a file, compiled.
#[derive(Debug)]
pub(crate) enum Shape {
    Fixed(Json),
    /// A text that is one expression: keeps the expression's type.
    Typed(Code),
    /// A text with expressions in it.
    Text(Vec<Part>),
    List(Vec<Shape>),
    Table(Vec<(String, Shape)>),
}

#[derive(Debug)]
pub(crate) enum Part {
    Plain(String),
    Code(Code),
}

impl Shape {
    /// Compiles one text of a file.
    pub(crate) fn of_text(text: &str, mode: Mode) -> Result<Shape, String> {
        let mut parts = parts(text, mode)?;
        Ok(match (parts.len(), parts.pop()) {
            (_, None) => Shape::Fixed(Json::String(String::new())),
            (1, Some(Part::Plain(text))) => Shape::Fixed(Json::String(text)),
            (1, Some(Part::Code(code))) => Shape::Typed(code),
            (_, Some(last)) => {
                parts.push(last);
                Shape::Text(parts)
            }
        })
    }

    /// A tree without a hole needs no walk.
    pub(crate) fn folded(self) -> Shape {
        let fixed = |shape: &Shape| match shape {
            Shape::Fixed(json) => Some(json.clone()),
            _ => None,
        };
        let whole = match &self {
            Shape::List(items) => items
                .iter()
                .map(fixed)
                .collect::<Option<Vec<_>>>()
                .map(Json::Array),
            Shape::Table(fields) => {
                let field =
                    |(key, shape): &(String, Shape)| fixed(shape).map(|json| (key.clone(), json));
                fields
                    .iter()
                    .map(field)
                    .collect::<Option<serde_json::Map<_, _>>>()
                    .map(Json::Object)
            }
            _ => None,
        };
        whole.map_or(self, Shape::Fixed)
    }

    /// For claims: every leaf must name something.
    pub(crate) fn json(&self, scope: &Value) -> Result<Json, Error> {
        self.json_within(scope, &mut Room::default())
    }

    fn json_within(&self, scope: &Value, room: &mut Room) -> Result<Json, Error> {
        Ok(match self {
            Shape::Fixed(json) => json.clone(),
            Shape::Typed(code) => {
                let value = code.evaluate(scope)?;
                room.take(&value)?;
                json::from_value(&value).map_err(|error| code.blame(error))?
            }
            Shape::Text(parts) => Json::String(concatenated(parts, scope, room)?),
            Shape::List(items) => Json::Array(
                items
                    .iter()
                    .map(|item| item.json_within(scope, room))
                    .collect::<Result<_, _>>()?,
            ),
            Shape::Table(fields) => {
                let mut object = serde_json::Map::with_capacity(fields.len());
                for (key, shape) in fields {
                    object.insert(key.clone(), shape.json_within(scope, room)?);
                }
                Json::Object(object)
            }
        })
    }

    /// For inputs: what is absent is undefined.
    pub(crate) fn value(&self, scope: &Value) -> Result<Value, Error> {
        self.value_within(scope, &mut Room::default())
    }

    fn value_within(&self, scope: &Value, room: &mut Room) -> Result<Value, Error> {
        Ok(match self {
            Shape::Fixed(json) => json::to_value(json),
            Shape::Typed(code) => {
                let value = code.evaluate(scope)?;
                room.take(&value)?;
                value
            }
            Shape::Text(parts) => Value::from(concatenated(parts, scope, room)?),
            Shape::List(items) => items
                .iter()
                .map(|item| item.value_within(scope, room))
                .collect::<Result<Vec<_>, _>>()?
                .into(),
            Shape::Table(fields) => {
                let pairs = fields
                    .iter()
                    .map(|(key, shape)| Ok((key.as_str(), shape.value_within(scope, room)?)));
                Value::from_pairs(pairs.collect::<Result<Vec<_>, Error>>()?)
            }
        })
    }

    /// All expressions in it.
    pub(crate) fn codes(&self) -> Vec<&Code> {
        match self {
            Shape::Fixed(_) => Vec::new(),
            Shape::Typed(code) => vec![code],
            Shape::Text(parts) => parts.iter().filter_map(Part::code).collect(),
            Shape::List(items) => items.iter().flat_map(Shape::codes).collect(),
            Shape::Table(fields) => fields.iter().flat_map(|(_, shape)| shape.codes()).collect(),
        }
    }
}

impl Part {
    pub(crate) fn code(&self) -> Option<&Code> {
        match self {
            Part::Code(code) => Some(code),
            Part::Plain(_) => None,
        }
    }
}

/// The text of the parts, as long as there is room for it.
pub(crate) fn concatenated(
    parts: &[Part],
    scope: &Value,
    room: &mut Room,
) -> Result<String, Error> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Plain(plain) => text.push_str(plain),
            Part::Code(code) => {
                let value = code.evaluate(scope)?;
                if !value.is_undefined() && !value.is_none() {
                    let written = value.to_string();
                    room.take_bytes(written.len())?;
                    text.push_str(&written);
                }
            }
        }
    }
    Ok(text)
}

fn parts(text: &str, mode: Mode) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        if start > 0 {
            parts.push(Part::Plain(rest[..start].to_owned()));
        }
        let inner = &rest[start + 2..];
        let end = end_of_code(inner)
            .ok_or_else(|| format!("`{text}` opens `{{{{` and does not close it"))?;
        parts.push(Part::Code(Code::compile(&inner[..end], mode)?));
        rest = &inner[end + 2..];
    }
    if rest.contains("{%") {
        return Err(format!(
            "`{text}` has a `{{% %}}` block; only expressions are known here"
        ));
    }
    if !rest.is_empty() {
        parts.push(Part::Plain(rest.to_owned()));
    }
    Ok(parts)
}

/// Where the `}}` stands that closes the expression: outside of quotes and of braces that the expression opened.
fn end_of_code(inner: &str) -> Option<usize> {
    let (mut quote, mut escaped, mut depth) = (None, false, 0_usize);
    for (at, c) in inner.char_indices() {
        match (quote, c) {
            (Some(open), _) => {
                if !escaped && c == open {
                    quote = None;
                }
                escaped = !escaped && c == '\\';
            }
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth > 0 => depth -= 1,
            (None, '}') if inner[at..].starts_with("}}") => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> Result<String, String> {
        let scope = json::parse(br#"{"n":8,"name":"A<b>","none":null}"#).unwrap();
        let shape = Shape::of_text(text, Mode::Reply)?;
        shape
            .json(&scope)
            .map(|json| json.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn one_expression_keeps_its_type_and_several_make_a_text() {
        for (text, expected) in [
            ("{{ n }}", "8"),
            ("{{n}}", "8"),
            (" {{ n }}", r#"" 8""#),
            ("{{ n }}-{{ name }}", r#""8-A<b>""#),
            ("plain", r#""plain""#),
            ("", r#""""#),
            ("{{ none }}", "null"),
            ("{{ '}}' }}", r#""}}""#),
            ("{{ {'a': {'b': n}} }}", r#"{"a":{"b":8}}"#),
            ("{token}", r#""{token}""#),
        ] {
            assert_eq!(render(text).unwrap(), expected, "{text}");
        }
        assert!(render("{{ n").unwrap_err().contains("does not close"));
        assert!(
            render("{% if n %}")
                .unwrap_err()
                .contains("only expressions")
        );
        assert!(
            render("{{ missing }}")
                .unwrap_err()
                .contains("names nothing")
        );
    }
}
