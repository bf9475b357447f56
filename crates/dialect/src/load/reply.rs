//! `[reply.NAME]`: the JSON that answers, and which tokens it wants minted.

use http::StatusCode;

use super::route::Route;
use super::source::{Field, Findings, field, only};
use super::token::Token;
use crate::document::Document;
use crate::expression::Mode;
use crate::operation::{Operation, Subject};
use crate::problem::did_you_mean;
use crate::scope::{check_name, reply_roots};
use crate::shape::Shape;

#[derive(Debug)]
pub(crate) struct Reply {
    pub name: String,
    pub line: usize,
    pub status: StatusCode,
    pub body: Document,
    /// Indices of the tokens that the body names.
    pub tokens: Vec<usize>,
    /// Every expression's source with its line.
    lines: Vec<(usize, String)>,
}

impl Reply {
    fn line_of(&self, source: &str) -> usize {
        self.lines
            .iter()
            .find(|(_, text)| text.contains(source))
            .map_or(self.line, |(line, _)| *line)
    }
}

pub(crate) fn read(root: &[Field], tokens: &[String], findings: &mut Findings) -> Vec<Reply> {
    let Some(replies) = field(root, "reply") else {
        return Vec::new();
    };
    let listed = replies.node.fields("`reply`", findings).to_vec();
    listed
        .iter()
        .filter_map(|reply| one(reply, tokens, findings))
        .collect()
}

fn one(reply: &Field, tokens: &[String], findings: &mut Findings) -> Option<Reply> {
    let fields = reply.node.fields("a reply", findings).to_vec();
    only(&fields, &["status", "body"], findings);
    let Some(body) = field(&fields, "body") else {
        findings.add(
            reply.line,
            format!("`[reply.{}]` lacks its `body`", reply.name),
        );
        return None;
    };
    let status = field(&fields, "status").map_or(StatusCode::OK, |status| {
        super::error_table::status(status, findings)
    });
    let lines = body
        .node
        .texts()
        .into_iter()
        .map(|(line, text)| (line, text.to_owned()))
        .collect();
    let body = Document::of(body.node.shape(Mode::Reply, findings));
    let named = |name: &&String| {
        body.codes().any(|code| {
            code.names()
                .iter()
                .any(|read| *read == format!("token.{name}"))
        })
    };
    let wanted = tokens
        .iter()
        .enumerate()
        .filter(|(_, name)| named(name))
        .map(|(index, _)| index)
        .collect();
    Some(Reply {
        name: reply.name.clone(),
        line: reply.line,
        status,
        body,
        tokens: wanted,
        lines,
    })
}

/// Each reply against the operations that answer with it.
pub(crate) fn check(
    routes: &[Route],
    replies: &[Reply],
    tokens: &[Token],
    findings: &mut Findings,
) {
    for (index, reply) in replies.iter().enumerate() {
        let mut operations: Vec<&Operation> = routes
            .iter()
            .filter(|route| route.reply == Some(index))
            .map(|route| route.operation)
            .collect();
        operations.dedup_by_key(|operation| operation.name);
        if operations.is_empty() {
            findings.add(
                reply.line,
                format!("no route answers with `[reply.{}]`", reply.name),
            );
        }
        for operation in operations {
            check_one(reply, operation, tokens, findings);
        }
    }
    for (index, token) in tokens.iter().enumerate() {
        if !replies.iter().any(|reply| reply.tokens.contains(&index)) {
            findings.add(token.line, format!("no reply names `token.{}`", token.name));
        }
    }
}

fn check_one(reply: &Reply, operation: &Operation, tokens: &[Token], findings: &mut Findings) {
    let token_names: Vec<String> = tokens.iter().map(|token| token.name.clone()).collect();
    let roots = reply_roots(operation.gives, Some(token_names.clone()));
    for code in reply.body.codes() {
        let line = reply.line_of(&code.source);
        for name in code.names() {
            let checked = match name.strip_prefix("token.") {
                Some(token) if !token_names.iter().any(|known| known == token) => Err(format!(
                    "there is no `[token.{token}]`{}",
                    did_you_mean(token, token_names.iter().map(String::as_str))
                )),
                _ => check_name(&name, &roots),
            };
            findings.keep(
                line,
                checked.map_err(|why| format!("{why} (in a reply to `{}`)", operation.name)),
            );
        }
    }
    let roots = reply_roots(operation.gives, None);
    for token in reply.tokens.iter().filter_map(|index| tokens.get(*index)) {
        let given = operation.subject == Subject::Session || operation.subject == token.needs();
        if !given {
            findings.add(
                reply.line,
                format!(
                    "`{}` signs nobody in, so `token.{}` cannot be minted",
                    operation.name, token.name
                ),
            );
            continue;
        }
        for name in token
            .claims
            .iter()
            .flat_map(Shape::codes)
            .flat_map(|code| code.names())
        {
            let checked = check_name(&name, &roots)
                .map_err(|why| format!("{why} (in the claims of a reply to `{}`)", operation.name));
            findings.keep(token.claims_line(), checked);
        }
    }
}
