//! `[error]`: the body of errors and the table from kind to status and words.

use std::collections::BTreeSet;

use http::StatusCode;
use vestibule_identity::Kind;

use super::source::{Data, Field, Findings, Node, field, only};
use super::work::check_error;
use crate::document::Document;
use crate::errors::{ERROR_FIELDS, Entry, ErrorTable, field_value};
use crate::expression::{Code, Mode};
use crate::problem::did_you_mean;
use crate::shape::Shape;

/// Bytes of text in a line of the table: every expression of the body may read it.
const LONGEST: usize = 4 * 1024;

/// `raised` has every kind that can happen with who raises it.
pub(crate) fn read(
    root: &[Field],
    raised: &[(Kind, String)],
    findings: &mut Findings,
) -> Option<ErrorTable> {
    let Some(error) = field(root, "error") else {
        findings.add(
            1,
            "there is no `[error]`: the body of errors and their table",
        );
        return None;
    };
    let fields = error.node.fields("`error`", findings).to_vec();
    only(&fields, &["body", "shapes", "default", "kinds"], findings);
    let body = field(&fields, "body");
    if body.is_none() {
        findings.add(error.line, "`[error]` lacks its `body`");
    }
    let shapes = match field(&fields, "shapes") {
        Some(shapes) => shapes.node.fields("`shapes`", findings).to_vec(),
        None => Vec::new(),
    };
    let mut compiled = |field: &Field| Document::of(field.node.shape(Mode::Reply, findings));
    let documents = shapes.iter().map(&mut compiled).collect();
    let mut table = ErrorTable::new(body.map(compiled).unwrap_or_default(), documents);
    let kinds = match field(&fields, "kinds") {
        Some(kinds) => kinds.node.fields("`kinds`", findings).to_vec(),
        None => Vec::new(),
    };
    let default = field(&fields, "default");
    let lines: Vec<(&Field, Entry)> = default
        .into_iter()
        .chain(&kinds)
        .map(|line| (line, entry(line, &shapes, findings)))
        .collect();
    let body_line = body.map_or(error.line, |body| body.line);
    let at = std::iter::once(body_line).chain(shapes.iter().map(|shape| shape.line));
    check_bodies(&table, at, &lines, findings);
    check_lines(&table, &lines, default.is_some(), findings);
    let mut lines = lines.into_iter();
    table.default = default.and_then(|_| lines.next()).map(|(_, entry)| entry);
    for (line, entry) in lines {
        match Kind::from_code(&line.name) {
            Some(kind) => table.set(kind, entry),
            None => findings.add(line.line, unknown_kind(&line.name)),
        }
    }
    complete(&mut table, raised, error.line, findings);
    Some(table)
}

fn unknown_kind(name: &str) -> String {
    let known = Kind::ALL.iter().map(|kind| kind.code());
    format!(
        "there is no kind of error `{name}`{}",
        did_you_mean(name, known)
    )
}

/// A kind without a line has its natural status and the core's words. What else the body names only a line or the
/// default can give.
fn complete(
    table: &mut ErrorTable,
    raised: &[(Kind, String)],
    line: usize,
    findings: &mut Findings,
) {
    if table.default.is_some() {
        return;
    }
    let Some(wanted) = extras(&table.body).pop_first() else {
        table.default = Some(Entry::default());
        return;
    };
    for (kind, who) in raised.iter().filter(|(kind, _)| table.get(*kind).is_none()) {
        findings.add(
            line,
            format!(
                "`[error.kinds]` lacks `{}`, which {who} can raise: the body names `error.{wanted}`",
                kind.code()
            ),
        );
    }
}

fn entry(kind: &Field, shapes: &[Field], findings: &mut Findings) -> Entry {
    let fields = kind.node.fields("an error", findings).to_vec();
    let mut entry = Entry::default();
    let texts: usize = kind.node.texts().iter().map(|(_, text)| text.len()).sum();
    if texts > LONGEST {
        findings.add(
            kind.line,
            format!("what is said of an error has {LONGEST} bytes at most"),
        );
    }
    for other in &fields {
        match other.name.as_str() {
            "status" => entry.status = status(other, findings),
            "message" => entry.message = other.node.text("`message`", findings).map(str::to_owned),
            "shape" => entry.shape = shape(other, shapes, findings),
            name if ERROR_FIELDS.contains(&name) => findings.add(
                other.line,
                format!("`error.{name}` is set by the core and cannot be written here"),
            ),
            name => entry.fields.extend(extra(name, &other.node, findings)),
        }
    }
    entry
}

fn shape(field: &Field, shapes: &[Field], findings: &mut Findings) -> Option<usize> {
    let name = field.node.text("`shape`", findings)?;
    let found = shapes.iter().position(|shape| shape.name == name);
    if found.is_none() {
        let known = shapes.iter().map(|shape| shape.name.as_str());
        findings.add(
            field.line,
            format!(
                "there is no `[error.shapes]` entry `{name}`{}",
                did_you_mean(name, known)
            ),
        );
    }
    found
}

fn extra(
    name: &str,
    node: &Node,
    findings: &mut Findings,
) -> Option<(String, minijinja::value::Value)> {
    match node.shape(Mode::Reply, findings) {
        Shape::Fixed(json) => Some((name.to_owned(), field_value(&json))),
        _ => {
            findings.add(
                node.line,
                format!("`{name}` is a plain value; expressions belong into the `body`"),
            );
            None
        }
    }
}

/// An HTTP status that an answer may have.
pub(crate) fn status(field: &Field, findings: &mut Findings) -> Option<StatusCode> {
    let code = match field.node.value {
        Data::Integer(code) => u16::try_from(code)
            .ok()
            .filter(|code| (200..600).contains(code))
            .and_then(|code| StatusCode::from_u16(code).ok()),
        _ => None,
    };
    if code.is_none() {
        findings.add(
            field.line,
            "`status` must be an HTTP status from 200 to 599",
        );
    }
    code
}

/// The fields beyond the core's that a body names.
fn extras(document: &Document) -> BTreeSet<String> {
    let names = document.codes().flat_map(Code::names);
    let field = |name: String| {
        let field = name.strip_prefix("error.")?.split('.').next()?.to_owned();
        (!ERROR_FIELDS.contains(&field.as_str())).then_some(field)
    };
    names.filter_map(field).collect()
}

fn gives(entry: &Entry) -> impl Iterator<Item = &str> {
    entry.fields.iter().map(|(name, _)| name.as_str())
}

/// What the bodies name, the core or some line must give. `at` has the line of each body.
fn check_bodies(
    table: &ErrorTable,
    at: impl Iterator<Item = usize>,
    lines: &[(&Field, Entry)],
    findings: &mut Findings,
) {
    let given = || lines.iter().flat_map(|(_, entry)| gives(entry));
    let documents = at.zip([&table.body].into_iter().chain(&table.shapes));
    for (line, document) in documents {
        check_error(line, document, findings);
        for name in document.codes().flat_map(Code::names) {
            if name.split('.').next() != Some("error") {
                let message = format!("`{name}` names nothing here; did you mean `error.{name}`?");
                findings.add(line, message);
            }
        }
        for name in extras(document) {
            if !given().any(|given| given == name) {
                let hint = did_you_mean(&name, ERROR_FIELDS.into_iter().chain(given()));
                let message =
                    format!("`error` has no `{name}`, which the body of errors names{hint}");
                findings.add(line, message);
            }
        }
    }
}

/// What the body of a line names and some line gives, that line must give too, or the default's.
fn check_lines(
    table: &ErrorTable,
    lines: &[(&Field, Entry)],
    has_default: bool,
    findings: &mut Findings,
) {
    let default = lines.iter().take(usize::from(has_default));
    for (line, entry) in lines {
        for name in extras(table.shape_of(entry)) {
            let has = |(_, entry): &(&Field, Entry)| gives(entry).any(|given| given == name);
            let here = gives(entry).any(|given| given == name) || default.clone().any(has);
            if !here && lines.iter().any(has) {
                let message = format!(
                    "`{}` has no `{name}`, which the body of errors names",
                    line.name
                );
                findings.add(line.line, message);
            }
        }
    }
}
