//! Fields of a form, whose names may nest: `a[b]`, `a[0][b]`, `a[]`.

use std::collections::BTreeMap;

use minijinja::value::Value;
use vestibule_identity::{Error, Kind};

use crate::size::{MOST_MEMBERS, TOO_MANY};

/// Brackets behind a name; one with more of them is plain.
const DEPTH: usize = 4;

/// The fields so far.
#[derive(Debug, Default)]
pub(crate) struct Form {
    fields: BTreeMap<String, Field>,
    /// Of the whole form, with those in between: `a[b]` counts twice.
    members: usize,
}

#[derive(Debug)]
enum Field {
    Text(String),
    Nested(Form),
}

impl Form {
    /// Adds one pair. A field given twice, or both as a text and with fields of its own, makes the body malformed, and so do
    /// more than [`MOST_MEMBERS`].
    pub(crate) fn add(&mut self, name: String, value: String) -> Result<(), Error> {
        let (first, rest) = brackets(&name).unwrap_or((&name, Vec::new()));
        self.members += 1 + rest.len();
        if self.members > MOST_MEMBERS {
            return Err(Error::with_detail(Kind::MalformedBody, TOO_MANY));
        }
        let place = self.insert(first, &rest, value);
        place
            .ok_or_else(|| Error::with_detail(Kind::MalformedBody, "The form names a field twice."))
    }

    fn insert(&mut self, name: &str, rest: &[&str], value: String) -> Option<()> {
        let Some((next, rest)) = rest.split_first() else {
            return match self.fields.insert(name.to_owned(), Field::Text(value)) {
                None => Some(()),
                Some(_) => None,
            };
        };
        let nested = || Field::Nested(Form::default());
        match self.fields.entry(name.to_owned()).or_insert_with(nested) {
            Field::Text(_) => None,
            Field::Nested(form) if next.is_empty() => {
                let end = form.fields.len().to_string();
                form.insert(&end, rest, value)
            }
            Field::Nested(form) => form.insert(next, rest, value),
        }
    }

    /// The fields as JSON would have them.
    pub(crate) fn into_object(self) -> Value {
        let fields = self.fields.into_iter();
        fields
            .map(|(name, field)| (name, field.into_value()))
            .collect::<BTreeMap<_, _>>()
            .into()
    }

    /// Names that count from 0 without a gap make a list.
    fn into_value(mut self) -> Value {
        let count = self.fields.len();
        let counts = (0..count).all(|index| self.fields.contains_key(&index.to_string()));
        if !counts {
            return self.into_object();
        }
        let item = |index: usize| self.fields.remove(&index.to_string());
        let items = (0..count).filter_map(item);
        items.map(Field::into_value).collect()
    }
}

impl Field {
    fn into_value(self) -> Value {
        match self {
            Field::Text(text) => Value::from(text),
            Field::Nested(form) => form.into_value(),
        }
    }
}

/// The name before the brackets and what each of them holds; `None` for a plain name.
fn brackets(name: &str) -> Option<(&str, Vec<&str>)> {
    let (first, rest) = name.strip_suffix(']')?.split_once('[')?;
    let inner: Vec<&str> = rest.split("][").collect();
    let plain = |part: &&str| !part.contains(['[', ']']);
    let nests = !first.is_empty() && inner.len() <= DEPTH;
    (nests && plain(&first) && inner.iter().all(plain)).then_some((first, inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Option<String> {
        let mut form = Form::default();
        for (name, value) in pairs {
            form.add((*name).to_owned(), (*value).to_owned()).ok()?;
        }
        let json = crate::json::from_value(&form.into_object()).unwrap();
        Some(json.to_string())
    }

    #[test]
    fn names_nest_by_their_brackets() {
        for (pairs, expected) in [
            (&[("a[b]", "1")][..], r#"{"a":{"b":"1"}}"#),
            (
                &[("a[b]", "1"), ("a[c]", "2")],
                r#"{"a":{"b":"1","c":"2"}}"#,
            ),
            (&[("a[0][b]", "1")], r#"{"a":[{"b":"1"}]}"#),
            (&[("a[1]", "y"), ("a[0]", "x")], r#"{"a":["x","y"]}"#),
            (&[("a[]", "x"), ("a[]", "y")], r#"{"a":["x","y"]}"#),
            (&[("a[][b]", "1")], r#"{"a":[{"b":"1"}]}"#),
            (&[("a[1]", "x")], r#"{"a":{"1":"x"}}"#),
            (&[("a[00]", "x")], r#"{"a":{"00":"x"}}"#),
            (
                &[("a[b][c][d][e]", "1")],
                r#"{"a":{"b":{"c":{"d":{"e":"1"}}}}}"#,
            ),
            (&[("0", "x")], r#"{"0":"x"}"#),
            (
                &[("a[0]", "x"), ("a[b]", "y")],
                r#"{"a":{"0":"x","b":"y"}}"#,
            ),
        ] {
            assert_eq!(read(pairs).as_deref(), Some(expected), "{pairs:?}");
        }
        let many: Vec<(&str, &str)> = vec![("a[]", "x"); 12];
        let list = format!("{{\"a\":[{}]}}", ["\"x\""; 12].join(","));
        assert_eq!(read(&many), Some(list));
    }

    #[test]
    fn fields_are_counted() {
        for (name, count) in [
            ("X", MOST_MEMBERS),
            ("a[X]", MOST_MEMBERS / 2),
            ("a[][X]", MOST_MEMBERS / 3),
        ] {
            let mut form = Form::default();
            let mut add = |at: usize| form.add(name.replace('X', &at.to_string()), String::new());
            assert!((0..count).all(|at| add(at).is_ok()), "{name}");
            assert!(add(count).is_err(), "{name}");
        }
    }

    #[test]
    fn other_brackets_are_part_of_the_name() {
        for name in [
            "a[",
            "a]",
            "a[b",
            "a]b[",
            "[b]",
            "[]",
            "a[b]c",
            "a[b]]",
            "a[[b]]",
            "a[b]c[d]",
            "a[b][c][d][e][f]",
            "a][b]",
            "",
        ] {
            let expected = serde_json::json!({ name: "1" }).to_string();
            assert_eq!(read(&[(name, "1")]), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_field_is_one_thing() {
        for pairs in [
            [("a", "1"), ("a", "2")],
            [("a", "1"), ("a[b]", "2")],
            [("a[b]", "1"), ("a", "2")],
            [("a[b]", "1"), ("a[b]", "1")],
            [("a[b]", "1"), ("a[b][c]", "2")],
            [("a[b][c]", "1"), ("a[b]", "2")],
            [("a", "1"), ("a[]", "2")],
            [("a[1]", "x"), ("a[]", "y")],
        ] {
            assert_eq!(read(&pairs), None, "{pairs:?}");
        }
    }
}
