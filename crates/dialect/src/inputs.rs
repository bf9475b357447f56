//! The inputs of an operation, taken out of a request and checked. All that fail are told at once.

use std::collections::BTreeMap;

use minijinja::value::{Value, ValueKind};
use secrecy::SecretString;
use vestibule_identity::{Email, Error, Kind};

use crate::filters::as_integer;
use crate::operation::{InputKind, InputSpec, Presence};
use crate::shape::Shape;

/// An input as a route names it.
#[derive(Debug)]
pub(crate) struct Input {
    pub spec: &'static InputSpec,
    pub shape: Shape,
    /// What the client calls it, for messages.
    pub label: String,
}

#[derive(Clone, Debug)]
enum Given {
    Text(String),
    Secret(SecretString),
    Flag(bool),
    Texts(Vec<String>),
    Object(BTreeMap<String, String>),
}

/// The inputs that a request brought.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs(Vec<(&'static str, Given)>);

impl Inputs {
    /// Evaluates and checks every input in the operation's order: those that are well, and every failure with its input.
    pub(crate) fn take(inputs: &[Input], scope: &Value) -> (Inputs, Vec<(&'static str, Error)>) {
        let mut taken = Inputs(Vec::with_capacity(inputs.len()));
        let mut failures = Vec::new();
        for input in inputs {
            match input.check(input.shape.value(scope)) {
                Ok(Some(given)) => taken.0.push((input.spec.name, given)),
                Ok(None) => {}
                Err(error) => failures.push((input.spec.name, error)),
            }
        }
        (taken, failures)
    }

    fn remove(&mut self, name: &str) -> Option<Given> {
        let at = self.0.iter().position(|(given, _)| *given == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// The text; empty where the request brought none.
    pub(crate) fn text(&mut self, name: &str) -> String {
        self.optional_text(name).unwrap_or_default()
    }

    pub(crate) fn optional_text(&mut self, name: &str) -> Option<String> {
        match self.remove(name)? {
            Given::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn secret(&mut self, name: &str) -> SecretString {
        self.optional_secret(name).unwrap_or_default()
    }

    pub(crate) fn optional_secret(&mut self, name: &str) -> Option<SecretString> {
        match self.remove(name)? {
            Given::Secret(secret) => Some(secret),
            _ => None,
        }
    }

    pub(crate) fn peek_secret(&self, name: &str) -> Option<&SecretString> {
        self.0.iter().find_map(|(given, value)| match value {
            Given::Secret(secret) if *given == name => Some(secret),
            _ => None,
        })
    }

    pub(crate) fn flag(&mut self, name: &str) -> bool {
        matches!(self.remove(name), Some(Given::Flag(true)))
    }

    pub(crate) fn texts(&mut self, name: &str) -> Vec<String> {
        match self.remove(name) {
            Some(Given::Texts(texts)) => texts,
            _ => Vec::new(),
        }
    }

    pub(crate) fn object(&mut self, name: &str) -> BTreeMap<String, String> {
        match self.remove(name) {
            Some(Given::Object(object)) => object,
            _ => BTreeMap::new(),
        }
    }
}

impl Input {
    fn check(&self, value: Result<Value, minijinja::Error>) -> Result<Option<Given>, Error> {
        match (self.given(value), self.spec.kind) {
            (Err(_), InputKind::Proof) => Ok(None),
            (checked, _) => checked,
        }
    }

    fn given(&self, value: Result<Value, minijinja::Error>) -> Result<Option<Given>, Error> {
        let Ok(value) = value else {
            return Err(self.malformed("is not valid"));
        };
        if value.is_undefined() || value.is_none() || self.is_blank(&value) {
            return match self.spec.presence {
                Presence::Optional => Ok(None),
                Presence::Required | Presence::WhenNamed => Err(Error::with_detail(
                    self.spec.missing,
                    format!("{} is missing", self.label),
                )),
            };
        }
        self.typed(&value).map(Some)
    }

    fn is_blank(&self, value: &Value) -> bool {
        match (value.as_str(), self.spec.kind) {
            (Some(text), InputKind::Password) => text.is_empty(),
            (Some(text), _) => text.trim().is_empty(),
            (None, _) => false,
        }
    }

    fn typed(&self, value: &Value) -> Result<Given, Error> {
        match self.spec.kind {
            InputKind::Line => self
                .bounded(value, 200)
                .map(|text| Given::Text(text.trim().to_owned())),
            InputKind::Text => self
                .bounded(value, 2_048)
                .map(|text| Given::Text(text.to_owned())),
            // Exactly as given: a credential with something around it is another one.
            InputKind::Token | InputKind::Proof | InputKind::Secret => self
                .bounded(value, 16_384)
                .map(|text| Given::Secret(SecretString::from(text))),
            InputKind::Password => match value.as_str() {
                Some(text) => Ok(Given::Secret(SecretString::from(text))),
                None => Err(self.malformed("must be a text")),
            },
            InputKind::Email => match Email::parse(self.bounded(value, 320)?) {
                Ok(email) => Ok(Given::Text(email.given().to_owned())),
                Err(_) => Err(self.malformed("is not a valid e-mail address")),
            },
            InputKind::Flag => flag(value)
                .map(Given::Flag)
                .ok_or_else(|| self.malformed("must be true or false")),
            InputKind::Texts => texts(value)
                .map(Given::Texts)
                .ok_or_else(|| self.malformed("must be a list of texts")),
            InputKind::Object => object(value)
                .map(Given::Object)
                .ok_or_else(|| self.malformed("is not valid")),
        }
    }

    fn bounded<'v>(&self, value: &'v Value, most: usize) -> Result<&'v str, Error> {
        match value.as_str() {
            None => Err(self.malformed("must be a text")),
            Some(text) if text.len() > most && text.chars().count() > most => {
                Err(self.malformed("is too long"))
            }
            Some(text) => Ok(text),
        }
    }

    fn malformed(&self, why: &str) -> Error {
        let kind: Kind = self.spec.malformed;
        Error::with_detail(kind, format!("{} {why}", self.label))
    }
}

fn flag(value: &Value) -> Option<bool> {
    if value.kind() == ValueKind::Bool {
        return Some(value.is_true());
    }
    match (
        value.as_str().map(str::to_ascii_lowercase).as_deref(),
        as_integer(value),
    ) {
        (Some("true"), _) | (_, Some(1)) => Some(true),
        (Some("false"), _) | (_, Some(0 | 2)) => Some(false),
        _ => None,
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    if value.kind() != ValueKind::Seq {
        return None;
    }
    value
        .try_iter()
        .ok()?
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn object(value: &Value) -> Option<BTreeMap<String, String>> {
    if value.kind() != ValueKind::Map {
        return None;
    }
    let entry = |key: Value| {
        let item = value.get_item(&key).ok()?;
        let text = item
            .as_str()
            .map(str::to_owned)
            .or_else(|| as_integer(&item).map(|number| number.to_string()))?;
        Some((key.as_str()?.to_owned(), text))
    };
    value.try_iter().ok()?.map(entry).collect()
}

#[cfg(test)]
mod tests;
