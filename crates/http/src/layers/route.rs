//! What a request's path is called in logs and figures: without its query, and with everything cut out of it that could
//! be a secret or a person.

use std::collections::HashSet;

use axum::extract::{MatchedPath, Request};
use http::{HeaderMap, header};
use vestibule_dialect::Dialects;

use crate::shared::Everything;

/// Longer path segments are taken for tokens.
const LONGEST_SEGMENT: usize = 32;
/// The segment after these is a secret or an address.
const BEFORE_SECRETS: &[&str] = &[
    "verify-email",
    "reset-password",
    "exist-email",
    "email",
    "invitation",
];

/// A request's place in the table of routes.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) surface: &'static str,
    /// For the log.
    pub(crate) path: String,
    /// For the figures: few different ones, whatever clients ask for.
    pub(crate) label: String,
    matched: bool,
}

impl Route {
    pub(crate) fn of(request: &Request, shared: &Everything) -> Route {
        if let Some(pattern) = request.extensions().get::<MatchedPath>() {
            let pattern = pattern.as_str().to_owned();
            return Route {
                surface: surface(&pattern),
                label: pattern.clone(),
                path: pattern,
                matched: true,
            };
        }
        let path = request.uri().path();
        if shared.dialects.knows_path(path) {
            let pattern = shared.dialect_patterns.find(path).to_owned();
            return Route {
                surface: "dialect",
                label: pattern.clone(),
                path: pattern,
                matched: false,
            };
        }
        let path = cut(path);
        Route {
            surface: "other",
            label: "unmatched".to_owned(),
            path,
            matched: false,
        }
    }

    /// Whether somebody may sign in here, where it matters which browser it is.
    pub(crate) fn signs_in(&self) -> bool {
        matches!(self.surface, "pages" | "dialect")
    }

    /// Whether a fault here is told as a page rather than as problem+json.
    pub(crate) fn wants_html(&self, headers: &HeaderMap) -> bool {
        match self.surface {
            "pages" => self.matched,
            "other" | "dialect" => {
                let lines = headers.get_all(header::ACCEPT).iter();
                lines
                    .filter_map(|line| line.to_str().ok())
                    .any(|line| line.contains("text/html"))
            }
            _ => false,
        }
    }
}

/// The paths of the dialects, as their files write them.
pub(crate) struct DialectPatterns {
    literal: HashSet<String>,
    /// Those with parameters, by their segments.
    open: Vec<(String, Vec<Segment>)>,
}

enum Segment {
    Literal(String),
    Parameter,
}

impl DialectPatterns {
    pub(crate) fn new(dialects: &Dialects) -> DialectPatterns {
        let routes = dialects.routes().into_iter();
        DialectPatterns::of(routes.map(|route| route.path).collect())
    }

    fn of(mut patterns: Vec<String>) -> DialectPatterns {
        patterns.sort();
        patterns.dedup();
        let (open, literal): (Vec<_>, Vec<_>) = patterns
            .into_iter()
            .partition(|pattern| pattern.contains('{'));
        let segment = |text: &str| match text.starts_with('{') {
            true => Segment::Parameter,
            false => Segment::Literal(text.to_owned()),
        };
        let split = |pattern: String| {
            let segments = pattern.split('/').map(segment).collect();
            (pattern, segments)
        };
        DialectPatterns {
            literal: literal.into_iter().collect(),
            open: open.into_iter().map(split).collect(),
        }
    }

    /// The pattern that the path fits: the path itself before those with parameters, as the dialects themselves decide.
    fn find(&self, path: &str) -> &str {
        let fits = |(_, segments): &&(String, Vec<Segment>)| {
            let mut given = path.split('/');
            let same = segments
                .iter()
                .all(|segment| match (segment, given.next()) {
                    (Segment::Literal(wanted), Some(given)) => wanted == given,
                    (Segment::Parameter, Some(given)) => !given.is_empty(),
                    (_, None) => false,
                });
            same && given.next().is_none()
        };
        let named = || self.open.iter().find(fits).map(|(pattern, _)| pattern);
        // A path that spells a literal with percent-encoding is known to the dialects, but not named here.
        let found = self.literal.get(path).or_else(named);
        found.map_or("dialect", String::as_str)
    }
}

fn surface(pattern: &str) -> &'static str {
    let first = pattern
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    match first {
        "account" if pattern.starts_with("/account/v1/") => "account",
        "captcha" => "captcha",
        "assets" | "favicon.ico" | "robots.txt" => "assets",
        "forward-auth" => "forward-auth",
        "health" => "health",
        ".well-known" => "well-known",
        _ => "pages",
    }
}

/// The path as a log may hold it.
fn cut(path: &str) -> String {
    let mut kept = String::with_capacity(path.len().min(256));
    let mut before = "";
    for segment in path.split('/').skip(1).take(16) {
        kept.push('/');
        let secret = BEFORE_SECRETS.contains(&before)
            || segment.len() > LONGEST_SEGMENT
            || segment.contains('@')
            || segment.contains('%');
        kept.push_str(if secret && !segment.is_empty() {
            "…"
        } else {
            segment
        });
        before = segment;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialect_paths_are_named_by_their_pattern() {
        let patterns = DialectPatterns::of(
            ["/api/login", "/login/", "/api/verify-email/{token}"]
                .map(str::to_owned)
                .into(),
        );
        for (path, pattern) in [
            ("/api/login", "/api/login"),
            ("/login/", "/login/"),
            ("/api/verify-email/abc", "/api/verify-email/{token}"),
            ("/api/verify-email/", "dialect"),
            ("/api/verify-email/abc/x", "dialect"),
            ("/api", "dialect"),
            ("/api/lo%67in", "dialect"),
        ] {
            assert_eq!(patterns.find(path), pattern);
        }
    }

    #[test]
    fn secrets_and_people_are_cut_out() {
        for (path, kept) in [
            ("/", "/"),
            ("/login/", "/login/"),
            ("/v1/user/token", "/v1/user/token"),
            (
                "/api/resend-email-verification",
                "/api/resend-email-verification",
            ),
            ("/api/verify-email/abc", "/api/verify-email/…"),
            ("/verify-email/", "/verify-email/"),
            ("/reset-password/x/y", "/reset-password/…/y"),
            ("/api/exist-email/ada%40example.com", "/api/exist-email/…"),
            ("/x/ada@example.com", "/x/…"),
            ("/x/eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2ln", "/x/…"),
            ("/authorize/third-party", "/authorize/third-party"),
            ("/site/login-by-jwt-token", "/site/login-by-jwt-token"),
        ] {
            assert_eq!(cut(path), kept);
        }
    }
}
