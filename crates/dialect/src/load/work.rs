//! What one request can make the server do, as far as a file decides it.

use super::reply::Reply;
use super::route::Route;
use super::source::Findings;
use super::token::Token;
use crate::document::Document;
use crate::expression::Code;
use crate::shape::Shape;

/// Words and signs of all expressions of a route: of its inputs, its reply, and the claims of the tokens in it; and of the
/// body of an error. Each may have to look at as much as a value may hold.
const MOST_SIGNS: usize = 300;

/// Tokens that one reply has minted; each is a signature.
const MOST_TOKENS: usize = 8;

pub(super) fn check(
    routes: &[Route],
    replies: &[Reply],
    tokens: &[Token],
    findings: &mut Findings,
) {
    for reply in replies.iter().filter(|it| it.tokens.len() > MOST_TOKENS) {
        findings.add(
            reply.line,
            format!("a reply has {MOST_TOKENS} tokens at most"),
        );
    }
    for route in routes {
        let inputs = route.inputs.iter().map(|input| &input.shape);
        let of_request = inputs.chain(&route.tenant).flat_map(Shape::codes);
        let reply = route.reply.and_then(|index| replies.get(index));
        let total = signs(of_request) + reply.map_or(0, |reply| of_reply(reply, tokens));
        if total > MOST_SIGNS {
            findings.add(
                route.line,
                format!(
                    "the expressions of a route, its reply and the tokens in it have {MOST_SIGNS} words and signs at most, not {total}"
                ),
            );
        }
    }
}

pub(super) fn check_error(line: usize, body: &Document, findings: &mut Findings) {
    let total = signs(body.codes());
    if total > MOST_SIGNS {
        findings.add(
            line,
            format!("the body of an error has {MOST_SIGNS} words and signs in its expressions at most, not {total}"),
        );
    }
}

fn of_reply(reply: &Reply, tokens: &[Token]) -> usize {
    let claims = reply.minted(tokens).filter_map(|it| it.claims.as_ref());
    signs(reply.body.codes()) + signs(claims.flat_map(Shape::codes))
}

fn signs<'c>(codes: impl Iterator<Item = &'c Code>) -> usize {
    codes.map(Code::signs).sum()
}
