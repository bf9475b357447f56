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
    claims_line: usize,
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

    /// What the expressions of its claims read, with the claims' line.
    pub(crate) fn names(&self) -> Vec<(usize, String)> {
        let codes = self.claims.iter().flat_map(Shape::codes);
        codes
            .flat_map(|code| code.names())
            .map(|name| (self.claims_line, name))
            .collect()
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
        .map(|token| one(token, dialect, findings))
        .collect()
}

fn one(token: &Field, dialect: &str, findings: &mut Findings) -> Token {
    let fields = token.node.fields("a token", findings).to_vec();
    only(&fields, &KEYS, findings);
    let kind = match kind(token, &fields, findings) {
        Kind::Jwt(purpose) => TokenKind::Jwt {
            spec: TokenSpec {
                purpose,
                algorithm: algorithm(&fields, findings),
                lifetime: Duration::ZERO,
                audience: audience(&fields, purpose, findings),
                dialect: dialect.to_owned(),
            },
            lifetime: lifetime(&fields, purpose, findings),
        },
        Kind::Opaque(kind) => {
            refuse_settings(&fields, findings);
            kind
        }
    };
    Token {
        name: token.name.clone(),
        line: token.line,
        claims_line: field(&fields, "claims").map_or(token.line, |claims| claims.line),
        claims: claims(&fields, findings),
        kind,
    }
}

enum Kind {
    Jwt(Purpose),
    Opaque(TokenKind),
}

/// A token whose kind is wrong is taken for a login token, which forbids the least, so that the rest of it is checked.
fn kind(token: &Field, fields: &[Field], findings: &mut Findings) -> Kind {
    let Some(kind) = field(fields, "kind") else {
        findings.add(
            token.line,
            format!(
                "`[token.{}]` lacks its `kind`: access, login, refresh or session",
                token.name
            ),
        );
        return Kind::Jwt(Purpose::Login);
    };
    match kind.node.text("`kind`", findings) {
        Some("access") => Kind::Jwt(Purpose::Access),
        Some("login") | None => Kind::Jwt(Purpose::Login),
        Some("refresh") => Kind::Opaque(TokenKind::Refresh),
        Some("session") => Kind::Opaque(TokenKind::Session),
        Some(other) => {
            findings.add(
                kind.line,
                format!(
                    "a token of kind `{other}` is not known{}",
                    did_you_mean(other, ["access", "login", "refresh", "session"])
                ),
            );
            Kind::Jwt(Purpose::Login)
        }
    }
}

fn refuse_settings(fields: &[Field], findings: &mut Findings) {
    for setting in fields
        .iter()
        .filter(|field| field.name != "kind" && KEYS.contains(&field.name.as_str()))
    {
        findings.add(
            setting.line,
            format!(
                "refresh and session tokens are opaque and have no `{}`",
                setting.name
            ),
        );
    }
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
