//! Errors as a dialect's clients expect them.

use http::StatusCode;
use minijinja::value::Value;
use serde_json::Value as Json;
use vestibule_identity::{Error, Kind};

use crate::document::Document;
use crate::json;
use crate::status::natural_status;

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
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Instead of the kind's natural one.
    pub status: Option<StatusCode>,
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
    /// For kinds without a line, and for what a line lacks; its status only ever stands in for a 400.
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

    /// The kind's own line.
    fn line(&self, kind: Kind) -> Option<&Entry> {
        self.entries.get(Self::position(kind)?)?.as_ref()
    }

    pub(crate) fn get(&self, kind: Kind) -> Option<&Entry> {
        self.line(kind).or(self.default.as_ref())
    }

    /// The line's own, else the natural one. The default's line must not make a caller's mistake of a wrong method, a
    /// missing page, or a fault of ours.
    pub(crate) fn status(&self, kind: Kind) -> StatusCode {
        let natural = natural_status(kind);
        let by_default = self
            .default
            .as_ref()
            .filter(|_| natural == StatusCode::BAD_REQUEST);
        let given = [self.line(kind), by_default].into_iter().flatten();
        given
            .filter_map(|entry| entry.status)
            .next()
            .unwrap_or(natural)
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
        let mut kind = first.kind;
        if self.get(kind).is_none() {
            tracing::error!(kind = kind.code(), "the dialect's table has no such error");
            kind = Kind::Internal;
        }
        let status = self.status(kind);
        let Some(entry) = self.get(kind) else {
            return (status, b"null".to_vec());
        };
        let scope = Value::from_pairs([("error", self.facts(entry, status, failures))]);
        let body = self.shape_of(entry).render(&scope).unwrap_or_else(|error| {
            tracing::error!(%error, "the body of an error could not be written");
            b"null".to_vec()
        });
        (status, body)
    }

    fn facts(&self, entry: &Entry, status: StatusCode, failures: &[Error]) -> Value {
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
        let field_error = blames_a_field(kind) && matches!(status.as_u16(), 400 | 422);
        let known = [
            ("kind", Value::from(kind.code())),
            ("status", Value::from(status.as_u16())),
            (
                "reason",
                Value::from(status.canonical_reason().unwrap_or("Error")),
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
