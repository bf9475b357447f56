//! From a file to a dialect: everything is compiled and checked here, once, and every fault is told.

mod error_table;
mod reply;
mod route;
pub(crate) mod source;
mod tenant;
#[cfg(test)]
mod tests;
mod token;
mod work;

use std::sync::Arc;

use http::HeaderName;
use vestibule_identity::{Algorithm, Kind, Purpose};

use crate::errors::ErrorTable;
use crate::operation::EVERYWHERE;
use crate::problem::Problem;
use source::{Field, Findings, field, only};

pub(crate) use reply::Reply;
pub(crate) use route::Route;
pub(crate) use tenant::TenantSource;
pub(crate) use token::{Token, TokenKind};

/// A dialect, compiled.
#[derive(Debug)]
pub struct Dialect {
    pub(crate) name: Arc<str>,
    pub(crate) title: String,
    pub(crate) bearer_headers: Vec<HeaderName>,
    pub(crate) routes: Vec<Route>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) replies: Vec<Reply>,
    pub(crate) errors: ErrorTable,
}

impl Dialect {
    /// As tenants mount it: lower-case letters, digits and `-`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is, in a few words.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Purpose and algorithm of every JWT that it mints.
    pub(crate) fn signs_with(&self) -> impl Iterator<Item = (Purpose, Algorithm)> + '_ {
        self.tokens.iter().filter_map(|token| match &token.kind {
            TokenKind::Jwt { spec, .. } => Some((spec.purpose, spec.algorithm)),
            TokenKind::Refresh | TokenKind::Session => None,
        })
    }

    /// The status that this dialect gives to an error of that kind; `None` where it cannot happen.
    pub fn status_of(&self, kind: Kind) -> Option<http::StatusCode> {
        raised(&self.routes)
            .iter()
            .any(|(raised, _)| *raised == kind)
            .then(|| self.errors.status(kind))
    }
}

/// Ten times the longest of ours. A start takes longer with each.
const LONGEST_FILE: usize = 64 * 1024;

const KEYS: [&str; 7] = [
    "name",
    "title",
    "bearer_headers",
    "route",
    "token",
    "reply",
    "error",
];

/// Compiles and checks a text; `file` names it in problems.
pub(crate) fn parse(file: &str, text: &str) -> Result<Dialect, Vec<Problem>> {
    let mut findings = Findings::new(file);
    if text.len() > LONGEST_FILE {
        let kib = LONGEST_FILE / 1024;
        findings.add(1, format!("a dialect's file has {kib} KiB at most"));
        return Err(findings.problems);
    }
    let Some(root) = source::parse(text, &mut findings) else {
        return Err(findings.problems);
    };
    let fields = root.fields("the file", &mut findings);
    only(fields, &KEYS, &mut findings);
    let name = name(fields, &mut findings);
    let title = match field(fields, "title") {
        Some(title) => title
            .node
            .text("`title`", &mut findings)
            .unwrap_or_default()
            .to_owned(),
        None => name.clone(),
    };
    let bearer_headers = bearer_headers(fields, &mut findings);
    let tokens = token::read(fields, &name, &mut findings);
    let token_names: Vec<String> = tokens.iter().map(|token| token.name.clone()).collect();
    let replies = reply::read(fields, &token_names, &mut findings);
    let routes = route::read(fields, &replies, &mut findings);
    let errors = error_table::read(fields, &raised(&routes), &mut findings);
    reply::check(fields, &routes, &replies, &tokens, &mut findings);
    work::check(&routes, &replies, &tokens, &mut findings);
    findings.problems.sort_by_key(|problem| problem.line);
    match errors {
        Some(errors) if findings.problems.is_empty() => Ok(Dialect {
            name: name.into(),
            title,
            bearer_headers,
            routes,
            tokens,
            replies,
            errors,
        }),
        _ => Err(findings.problems),
    }
}

fn name(fields: &[Field], findings: &mut Findings) -> String {
    let Some(name) = field(fields, "name") else {
        findings.add(
            1,
            "`name` is missing: the name under which tenants mount the dialect",
        );
        return String::new();
    };
    let text = name.node.text("`name`", findings).unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.starts_with(|c: char| c.is_ascii_lowercase())
        || !text.chars().all(plain)
        || text == "native"
    {
        findings.add(
            name.line,
            format!("`{text}` cannot name a dialect: write lower-case letters, digits and `-`"),
        );
    }
    text.to_owned()
}

fn bearer_headers(fields: &[Field], findings: &mut Findings) -> Vec<HeaderName> {
    let Some(listed) = field(fields, "bearer_headers") else {
        return vec![http::header::AUTHORIZATION];
    };
    let mut headers = Vec::new();
    for item in listed.node.items("`bearer_headers`", findings) {
        let Some(text) = item.text("a header's name", findings) else {
            continue;
        };
        let header = HeaderName::from_bytes(text.as_bytes())
            .map_err(|_| format!("`{text}` cannot be a header's name"))
            .and_then(|header| match header == http::header::COOKIE {
                true => Err("cookies are not for dialects".to_owned()),
                false => Ok(header),
            });
        headers.extend(findings.keep(item.line, header));
    }
    headers
}

/// Every kind that can happen, and who raises it.
fn raised(routes: &[Route]) -> Vec<(Kind, String)> {
    let every = |kind: &Kind| (*kind, "every route".to_owned());
    let mut raised: Vec<_> = EVERYWHERE.iter().map(every).collect();
    for route in routes {
        let who = format!("`{}` (line {})", route.operation.name, route.line);
        raised.extend(route.raises().into_iter().map(|kind| (kind, who.clone())));
    }
    raised
}
