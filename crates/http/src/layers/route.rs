//! What a request's path is called in logs and figures: without its query, and with everything cut out of it that could
//! be a secret or a person.

use std::sync::Arc;

use axum::extract::Request;
use http::{HeaderMap, header};

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

/// The patterns of our own paths, found as the router finds them.
#[derive(Debug, Default)]
pub(crate) struct OwnPaths(matchit::Router<OwnPath>);

#[derive(Debug)]
struct OwnPath {
    surface: &'static str,
    pattern: Arc<str>,
}

impl FromIterator<&'static str> for OwnPaths {
    fn from_iter<T: IntoIterator<Item = &'static str>>(patterns: T) -> OwnPaths {
        let mut paths = OwnPaths::default();
        for pattern in patterns {
            let path = OwnPath {
                surface: surface(pattern),
                pattern: pattern.into(),
            };
            let taken = paths.0.insert(pattern, path);
            debug_assert!(taken.is_ok(), "the router would not take it either");
        }
        paths
    }
}

/// A request's place in the table of routes.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) surface: &'static str,
    /// For the figures: few different ones, whatever clients ask for.
    pub(crate) label: Arc<str>,
    /// What a path that is none of ours is called in the log.
    unmatched: Option<String>,
    matched: bool,
}

impl Route {
    pub(crate) fn of(request: &Request, shared: &Everything) -> Route {
        let path = request.uri().path();
        if let Ok(found) = shared.own_paths.0.at(path) {
            return Route {
                surface: found.value.surface,
                label: found.value.pattern.clone(),
                unmatched: None,
                matched: true,
            };
        }
        if let Some(pattern) = shared.dialects.pattern_of(path) {
            return Route {
                surface: "dialect",
                label: pattern.clone(),
                unmatched: None,
                matched: false,
            };
        }
        Route {
            surface: "other",
            label: "unmatched".into(),
            unmatched: Some(cut(path)),
            matched: false,
        }
    }

    /// For the log.
    pub(crate) fn path(&self) -> &str {
        self.unmatched.as_deref().unwrap_or(&self.label)
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
    use crate::router::routes;

    #[test]
    fn every_path_of_ours_is_found_by_its_pattern() {
        let patterns = || routes(true).into_iter().map(|(_, pattern)| pattern);
        let own: OwnPaths = patterns().collect();
        for pattern in patterns() {
            let path = pattern.replace(['{', '}'], "");
            let found = own.0.at(&path).map(|found| &*found.value.pattern);
            assert_eq!(found, Ok(pattern));
        }
        assert!(own.0.at("/nothing").is_err() && own.0.at("").is_err());
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
