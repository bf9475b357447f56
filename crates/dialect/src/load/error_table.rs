//! `[error]`: the body of errors and the table from kind to status and words.

use http::StatusCode;
use vestibule_identity::Kind;

use super::source::{Data, Field, Findings, Node, field, only};
use crate::document::Document;
use crate::errors::{ERROR_FIELDS, Entry, ErrorTable, field_value};
use crate::expression::Mode;
use crate::problem::did_you_mean;
use crate::shape::Shape;

pub(crate) fn read(root: &[Field], findings: &mut Findings) -> Option<ErrorTable> {
    let Some(error) = field(root, "error") else {
        findings.add(
            1,
            "there is no `[error]`: the body of errors and their table",
        );
        return None;
    };
    let fields = error.node.fields("`error`", findings).to_vec();
    only(&fields, &["body", "shapes", "default", "kinds"], findings);
    let Some(body) = field(&fields, "body") else {
        findings.add(error.line, "`[error]` lacks its `body`");
        return None;
    };
    let shapes = match field(&fields, "shapes") {
        Some(shapes) => shapes.node.fields("`shapes`", findings).to_vec(),
        None => Vec::new(),
    };
    let compiled = shapes
        .iter()
        .map(|shape| Document::of(shape.node.shape(Mode::Reply, findings)))
        .collect();
    let mut table = ErrorTable::new(
        Document::of(body.node.shape(Mode::Reply, findings)),
        compiled,
    );
    table.default = field(&fields, "default").map(|default| entry(default, &shapes, findings));
    let kinds = match field(&fields, "kinds") {
        Some(kinds) => kinds.node.fields("`kinds`", findings).to_vec(),
        None => Vec::new(),
    };
    for kind in &kinds {
        match Kind::from_code(&kind.name) {
            Some(known) => table.set(known, entry(kind, &shapes, findings)),
            None => {
                let known = Kind::ALL.iter().map(|kind| kind.code());
                findings.add(
                    kind.line,
                    format!(
                        "there is no kind of error `{}`{}",
                        kind.name,
                        did_you_mean(&kind.name, known)
                    ),
                );
            }
        }
    }
    check_bodies(&table, &kinds, body.line, findings);
    Some(table)
}

fn entry(kind: &Field, shapes: &[Field], findings: &mut Findings) -> Entry {
    let fields = kind.node.fields("an error", findings).to_vec();
    let mut entry = Entry {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        message: None,
        fields: Vec::new(),
        shape: None,
    };
    match field(&fields, "status") {
        Some(code) => entry.status = status(code, findings),
        None => findings.add(kind.line, format!("`{}` lacks its `status`", kind.name)),
    }
    for other in fields.iter().filter(|other| other.name != "status") {
        match other.name.as_str() {
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
pub(crate) fn status(field: &Field, findings: &mut Findings) -> StatusCode {
    let code = match field.node.value {
        Data::Integer(code) => u16::try_from(code)
            .ok()
            .filter(|code| (200..600).contains(code))
            .and_then(|code| StatusCode::from_u16(code).ok()),
        _ => None,
    };
    code.unwrap_or_else(|| {
        findings.add(
            field.line,
            "`status` must be an HTTP status from 200 to 599",
        );
        StatusCode::INTERNAL_SERVER_ERROR
    })
}

/// Whatever a body names beyond the core's facts, the kind's line or the default must have.
fn check_bodies(table: &ErrorTable, kinds: &[Field], body_line: usize, findings: &mut Findings) {
    let extras = |entry: Option<&Entry>| -> Vec<String> {
        entry
            .iter()
            .flat_map(|entry| &entry.fields)
            .map(|(name, _)| name.clone())
            .collect()
    };
    let fallback = extras(table.default.as_ref());
    let listed = kinds
        .iter()
        .filter_map(|field| Some((table.get(Kind::from_code(&field.name)?)?, Some(field))));
    for (entry, field) in listed.chain(table.default.iter().map(|entry| (entry, None))) {
        let own = [extras(Some(entry)), fallback.clone()].concat();
        for name in table.shape_of(entry).codes().flat_map(|code| code.names()) {
            let known = ERROR_FIELDS
                .iter()
                .copied()
                .chain(own.iter().map(String::as_str));
            match name
                .strip_prefix("error.")
                .map(|rest| rest.split('.').next().unwrap_or_default())
            {
                None if name == "error" => {}
                None => findings.add(
                    body_line,
                    format!("`{name}` names nothing here; did you mean `error.{name}`?"),
                ),
                Some(part) if known.clone().any(|known| known == part) => {}
                Some(part) => {
                    let (line, who) =
                        match field.filter(|_| kinds.iter().any(|kind| has(kind, part))) {
                            Some(field) => (field.line, field.name.as_str()),
                            None => (body_line, "error"),
                        };
                    let hint = did_you_mean(part, known);
                    findings.add(
                        line,
                        format!("`{who}` has no `{part}`, which the body of errors names{hint}"),
                    );
                }
            }
        }
    }
}

fn has(entry: &Field, name: &str) -> bool {
    matches!(&entry.node.value, Data::Table(fields) if field(fields, name).is_some())
}
