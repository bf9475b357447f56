//! Errors as a dialect's clients expect them.

use http::StatusCode;
use minijinja::value::Value;
use serde_json::Value as Json;
use vestibule_identity::{Error, Kind};

use crate::document::Document;
use crate::json;

/// What expressions in an error's body may name besides the table's own fields.
pub(crate) const ERROR_FIELDS: [&str; 7] = [
    "kind",
    "status",
    "reason",
    "message",
    "messages",
    "field_error",
    "retry_after",
];

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Entry {
    pub status: StatusCode,
    /// Instead of the core's own words.
    pub message: Option<String>,
    /// Whatever else the body names.
    pub fields: Vec<(String, Value)>,
    /// One of the table's `shapes`, instead of its `body`.
    pub shape: Option<usize>,
}

/// The table of errors, by kind.
#[derive(Debug)]
pub(crate) struct ErrorTable {
    pub body: Document,
    pub shapes: Vec<Document>,
    entries: Vec<Option<Entry>>,
    pub default: Option<Entry>,
}

impl ErrorTable {
    pub(crate) fn new(body: Document, shapes: Vec<Document>) -> ErrorTable {
        ErrorTable {
            body,
            shapes,
            entries: Kind::ALL.iter().map(|_| None).collect(),
            default: None,
        }
    }

    fn position(kind: Kind) -> Option<usize> {
        Kind::ALL.iter().position(|known| *known == kind)
    }

    pub(crate) fn set(&mut self, kind: Kind, entry: Entry) {
        if let Some(slot) = Self::position(kind).and_then(|at| self.entries.get_mut(at)) {
            *slot = Some(entry);
        }
    }

    pub(crate) fn get(&self, kind: Kind) -> Option<&Entry> {
        Self::position(kind)
            .and_then(|at| self.entries.get(at)?.as_ref())
            .or(self.default.as_ref())
    }

    pub(crate) fn shape_of(&self, entry: &Entry) -> &Document {
        entry
            .shape
            .and_then(|index| self.shapes.get(index))
            .unwrap_or(&self.body)
    }

    /// Status and body. The first failure decides; the body may list them all.
    pub(crate) fn render(&self, failures: &[Error]) -> (StatusCode, Vec<u8>) {
        let unknown = Error::new(Kind::Internal);
        let first = failures.first().unwrap_or(&unknown);
        let entry = self.get(first.kind).or_else(|| {
            tracing::error!(
                kind = first.kind.code(),
                "the dialect's table has no such error"
            );
            self.get(Kind::Internal)
        });
        let Some(entry) = entry else {
            return (StatusCode::INTERNAL_SERVER_ERROR, Vec::new());
        };
        let scope = Value::from_pairs([("error", self.facts(entry, failures))]);
        let body = self.shape_of(entry).render(&scope).unwrap_or_else(|error| {
            tracing::error!(%error, "the body of an error could not be written");
            b"null".to_vec()
        });
        (entry.status, body)
    }

    fn facts(&self, entry: &Entry, failures: &[Error]) -> Value {
        let messages: Vec<Value> = failures
            .iter()
            .map(|failure| Value::from(self.message(failure)))
            .collect();
        let (kind, retry_after) = failures.first().map_or((Kind::Internal, 0), |first| {
            (first.kind, first.retry_after.unwrap_or(0))
        });
        let by_default = self.default.iter().flat_map(|default| &default.fields);
        let own = by_default
            .chain(&entry.fields)
            .map(|(name, value)| (name.as_str(), value.clone()));
        let field_error = blames_a_field(kind) && matches!(entry.status.as_u16(), 400 | 422);
        let known = [
            ("kind", Value::from(kind.code())),
            ("status", Value::from(entry.status.as_u16())),
            (
                "reason",
                Value::from(entry.status.canonical_reason().unwrap_or("Error")),
            ),
            ("message", messages.first().cloned().unwrap_or_default()),
            ("messages", Value::from(messages)),
            ("field_error", Value::from(field_error)),
            ("retry_after", Value::from(retry_after)),
        ];
        Value::from_pairs(own.chain(known).collect::<Vec<_>>())
    }

    fn message(&self, failure: &Error) -> String {
        let own = self
            .get(failure.kind)
            .and_then(|entry| entry.message.as_deref());
        own.unwrap_or_else(|| failure.message()).to_owned()
    }
}

/// Kinds that say which field of the request is wrong.
fn blames_a_field(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::MalformedInput
            | Kind::MissingEmail
            | Kind::InvalidEmail
            | Kind::MissingPassword
            | Kind::WeakPassword
            | Kind::MissingName
            | Kind::InvalidName
            | Kind::MissingUid
            | Kind::MissingToken
            | Kind::MissingRefreshToken
            | Kind::MissingProvider
            | Kind::MissingProviderData
            | Kind::MissingCaptcha
            | Kind::LinkNotAllowed
    )
}

/// The table's value for a field of the file.
pub(crate) fn field_value(json: &Json) -> Value {
    json::to_value(json)
}
