//! `[reply.NAME]`: the JSON that answers, and which tokens it wants minted.

use http::StatusCode;

use super::route::Route;
use super::source::{Data, Field, Findings, Node, field, only};
use super::token::Token;
use crate::document::Document;
use crate::expression::{Code, Mode};
use crate::operation::{OPERATIONS, Operation, Subject};
use crate::scope::{Root, check_name, reply_roots};

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
    /// The tokens that the body names.
    pub(crate) fn minted<'t>(&'t self, tokens: &'t [Token]) -> impl Iterator<Item = &'t Token> {
        self.tokens.iter().filter_map(|index| tokens.get(*index))
    }

    fn line_of(&self, source: &str) -> usize {
        self.lines
            .iter()
            .find(|(_, text)| text.contains(source))
            .map_or(self.line, |(line, _)| *line)
    }

    /// Whether the file's text names it, however faulty the expression.
    fn mentions(&self, name: &str) -> bool {
        self.lines.iter().any(|(_, text)| text.contains(name))
    }

    /// What its expressions read, with the lines.
    fn names(&self) -> Vec<(usize, String)> {
        let of_code = |code: &Code| {
            let line = self.line_of(&code.source);
            code.names().into_iter().map(move |name| (line, name))
        };
        self.body.codes().flat_map(of_code).collect()
    }
}

pub(crate) fn read(root: &[Field], tokens: &[String], findings: &mut Findings) -> Vec<Reply> {
    let Some(replies) = field(root, "reply") else {
        return Vec::new();
    };
    let listed = replies.node.fields("`reply`", findings).to_vec();
    listed
        .iter()
        .map(|reply| one(reply, tokens, findings))
        .collect()
}

fn one(reply: &Field, tokens: &[String], findings: &mut Findings) -> Reply {
    let fields = reply.node.fields("a reply", findings).to_vec();
    only(&fields, &["status", "body"], findings);
    let body = field(&fields, "body");
    if body.is_none() {
        findings.add(
            reply.line,
            format!("`[reply.{}]` lacks its `body`", reply.name),
        );
    }
    let status = field(&fields, "status")
        .and_then(|status| super::error_table::status(status, findings))
        .unwrap_or(StatusCode::OK);
    let lines = body
        .iter()
        .flat_map(|body| body.node.texts())
        .map(|(line, text)| (line, text.to_owned()))
        .collect();
    let body = body.map(|body| Document::of(body.node.shape(Mode::Reply, findings)));
    let body = body.unwrap_or_default();
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
    Reply {
        name: reply.name.clone(),
        line: reply.line,
        status,
        body,
        tokens: wanted,
        lines,
    }
}

/// What the bodies of replies may name, and the claims of their tokens.
struct Roots {
    body: Vec<Root>,
    claims: Vec<Root>,
}

impl Roots {
    fn of(gives: &[&str], tokens: &[Token]) -> Roots {
        let tokens = tokens.iter().map(|token| token.name.clone()).collect();
        Roots {
            body: reply_roots(gives, Some(tokens)),
            claims: reply_roots(gives, None),
        }
    }
}

/// Every name must be one that some operation gives; then each reply against the operations that answer with it.
pub(crate) fn check(
    root: &[Field],
    routes: &[Route],
    replies: &[Reply],
    tokens: &[Token],
    findings: &mut Findings,
) {
    let gives: Vec<&str> = OPERATIONS
        .iter()
        .flat_map(|operation| operation.gives)
        .copied()
        .collect();
    let known = Roots::of(&gives, tokens);
    for (line, name) in replies.iter().flat_map(Reply::names) {
        findings.keep(line, check_name(&name, &known.body));
    }
    for (line, name) in tokens.iter().flat_map(Token::names) {
        findings.keep(line, check_name(&name, &known.claims));
    }
    for (index, reply) in replies.iter().enumerate() {
        if !is_used(root, reply) {
            findings.add(
                reply.line,
                format!("no route answers with `[reply.{}]`", reply.name),
            );
        }
        let mut operations: Vec<&Operation> = routes
            .iter()
            .filter(|route| route.reply == Some(index))
            .map(|route| route.operation)
            .collect();
        operations.dedup_by_key(|operation| operation.name);
        for operation in operations {
            check_for(operation, reply, tokens, &known, findings);
        }
    }
    for token in tokens {
        let name = format!("token.{}", token.name);
        if !replies.iter().any(|reply| reply.mentions(&name)) {
            findings.add(token.line, format!("no reply names `{name}`"));
        }
    }
}

/// Also by a route that has faults of its own.
fn is_used(root: &[Field], reply: &Reply) -> bool {
    let Some(Data::List(routes)) = field(root, "route").map(|routes| &routes.node.value) else {
        return false;
    };
    let names = |route: &Node| match &route.value {
        Data::Table(fields) => field(fields, "reply").is_some_and(
            |named| matches!(&named.node.value, Data::Text(name) if *name == reply.name),
        ),
        _ => false,
    };
    routes.iter().any(names)
}

/// What some operation gives, this one may not give.
fn check_for(
    operation: &Operation,
    reply: &Reply,
    tokens: &[Token],
    known: &Roots,
    findings: &mut Findings,
) {
    let roots = Roots::of(operation.gives, tokens);
    let wrong = |name: &str, known: &[Root], roots: &[Root]| {
        check_name(name, known).ok()?;
        let why = check_name(name, roots).err()?;
        Some(format!("{why} (in the reply to `{}`)", operation.name))
    };
    for (line, name) in reply.names() {
        if let Some(message) = wrong(&name, &known.body, &roots.body) {
            findings.add(line, message);
        }
    }
    for token in reply.minted(tokens) {
        if operation.subject != Subject::Session && operation.subject != token.needs() {
            findings.add(
                reply.line,
                format!(
                    "`{}` signs nobody in, so `token.{}` cannot be minted",
                    operation.name, token.name
                ),
            );
            continue;
        }
        for (line, name) in token.names() {
            if let Some(message) = wrong(&name, &known.claims, &roots.claims) {
                findings.add(line, message);
            }
        }
    }
}
