//! `[token.NAME]`: what a reply may have minted.

use std::time::Duration;

use vestibule_identity::{Algorithm, Purpose, Span, Tenant, TokenSpec};

use super::source::{Data, Field, Findings, field, only};
use crate::expression::Mode;
use crate::operation::Subject;
use crate::problem::did_you_mean;
use crate::shape::Shape;

/// A token of a dialect.
#[derive(Debug)]
pub(crate) struct Token {
    pub name: String,
    pub line: usize,
    pub kind: TokenKind,
    /// Extra claims; a table.
    pub claims: Option<Shape>,
    claim_lines: usize,
}

#[derive(Debug)]
pub(crate) enum TokenKind {
    /// The opaque refresh token of the session.
    Refresh,
    /// The opaque session token.
    Session,
    Jwt {
        spec: TokenSpec,
        lifetime: Lifetime,
    },
}

/// How long a JWT is good for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lifetime {
    Fixed(Duration),
    /// The tenant's `login_token.lifetime`.
    Tenant,
}

impl Token {
    /// What the operation must give so that this token can be minted.
    pub(crate) fn needs(&self) -> Subject {
        match &self.kind {
            TokenKind::Jwt {
                spec:
                    TokenSpec {
                        purpose: Purpose::Login,
                        ..
                    },
                ..
            } => Subject::Account,
            _ => Subject::Session,
        }
    }

    pub(crate) fn claims_line(&self) -> usize {
        self.claim_lines
    }
}

impl Lifetime {
    pub(crate) fn of(self, tenant: &Tenant) -> Duration {
        match self {
            Lifetime::Fixed(span) => span,
            Lifetime::Tenant => tenant.file.login_token.lifetime.0,
        }
    }
}

const KEYS: [&str; 5] = ["kind", "algorithm", "lifetime", "audience", "claims"];
const RESERVED: [&str; 10] = [
    "iss", "aud", "sub", "sid", "gen", "iat", "exp", "uid", "nbf", "jti",
];

pub(crate) fn read(root: &[Field], dialect: &str, findings: &mut Findings) -> Vec<Token> {
    let Some(tokens) = field(root, "token") else {
        return Vec::new();
    };
    let listed = tokens.node.fields("`token`", findings).to_vec();
    listed
        .iter()
        .filter_map(|token| one(token, dialect, findings))
        .collect()
}

fn one(token: &Field, dialect: &str, findings: &mut Findings) -> Option<Token> {
    let fields = token.node.fields("a token", findings).to_vec();
    only(&fields, &KEYS, findings);
    let Some(kind) = field(&fields, "kind") else {
        findings.add(
            token.line,
            format!(
                "`[token.{}]` lacks its `kind`: access, login, refresh or session",
                token.name
            ),
        );
        return None;
    };
    let kind_text = kind.node.text("`kind`", findings)?;
    let purpose = match kind_text {
        "access" => Some(Purpose::Access),
        "login" => Some(Purpose::Login),
        "refresh" | "session" => None,
        other => {
            findings.add(
                kind.line,
                format!(
                    "a token of kind `{other}` is not known{}",
                    did_you_mean(other, ["access", "login", "refresh", "session"])
                ),
            );
            return None;
        }
    };
    let Some(purpose) = purpose else {
        for extra in fields
            .iter()
            .filter(|field| field.name != "kind" && KEYS.contains(&field.name.as_str()))
        {
            findings.add(
                extra.line,
                format!(
                    "a token of kind `{kind_text}` is opaque and has no `{}`",
                    extra.name
                ),
            );
        }
        let kind = if kind_text == "refresh" {
            TokenKind::Refresh
        } else {
            TokenKind::Session
        };
        return Some(Token {
            name: token.name.clone(),
            line: token.line,
            kind,
            claims: None,
            claim_lines: 0,
        });
    };
    let spec = TokenSpec {
        purpose,
        algorithm: algorithm(&fields, findings),
        lifetime: Duration::ZERO,
        audience: audience(&fields, purpose, findings),
        dialect: dialect.to_owned(),
    };
    let kind = TokenKind::Jwt {
        spec,
        lifetime: lifetime(&fields, purpose, findings),
    };
    let claim_lines = field(&fields, "claims").map_or(token.line, |claims| claims.line);
    Some(Token {
        name: token.name.clone(),
        line: token.line,
        kind,
        claims: claims(&fields, findings),
        claim_lines,
    })
}

const ALGORITHMS: [(&str, Algorithm); 3] = [
    ("ES256", Algorithm::ES256),
    ("RS256", Algorithm::RS256),
    ("EdDSA", Algorithm::EdDSA),
];

fn algorithm(fields: &[Field], findings: &mut Findings) -> Algorithm {
    let Some(field) = field(fields, "algorithm") else {
        return Algorithm::ES256;
    };
    let Some(text) = field.node.text("`algorithm`", findings) else {
        return Algorithm::ES256;
    };
    match ALGORITHMS.iter().find(|(name, _)| *name == text) {
        Some((_, algorithm)) => *algorithm,
        None => {
            findings.add(
                field.line,
                format!(
                    "no tokens are signed with `{text}`{}",
                    did_you_mean(text, ALGORITHMS.map(|(name, _)| name))
                ),
            );
            Algorithm::ES256
        }
    }
}

fn lifetime(fields: &[Field], purpose: Purpose, findings: &mut Findings) -> Lifetime {
    let hour = Lifetime::Fixed(Duration::from_secs(3_600));
    let Some(field) = field(fields, "lifetime") else {
        return if purpose == Purpose::Login {
            Lifetime::Tenant
        } else {
            hour
        };
    };
    let Some(text) = field.node.text("`lifetime`", findings) else {
        return hour;
    };
    if text == "tenant" {
        return Lifetime::Tenant;
    }
    let Some(Span(span)) = findings.keep(field.line, text.parse::<Span>()) else {
        return hour;
    };
    if span > Duration::from_secs(86_400) {
        findings.add(
            field.line,
            format!("`{text}` is too long for a token that cannot be called back; 24h at most"),
        );
    }
    Lifetime::Fixed(span)
}

fn audience(fields: &[Field], purpose: Purpose, findings: &mut Findings) -> Option<String> {
    let field = field(fields, "audience")?;
    if purpose == Purpose::Access {
        findings.add(field.line, "access tokens are always for `{issuer}/{dialect}`; only login tokens have an `audience` of their own");
    }
    field.node.text("`audience`", findings).map(str::to_owned)
}

fn claims(fields: &[Field], findings: &mut Findings) -> Option<Shape> {
    let claims = field(fields, "claims")?;
    for claim in claims.node.fields("`claims`", findings) {
        if RESERVED.contains(&claim.name.as_str()) {
            findings.add(
                claim.line,
                format!(
                    "the claim `{}` is set by the core and cannot be written here",
                    claim.name
                ),
            );
        }
    }
    matches!(claims.node.value, Data::Table(_)).then(|| claims.node.shape(Mode::Reply, findings))
}
