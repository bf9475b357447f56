//! What handlers ask for: who is signed in, a form of ours, a token in the path. The rules that nobody may forget (own
//! origin, content type, size) are kept here.

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, header};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use vestibule_identity::{Authenticated, Door, Error, Identity, Kind};

use crate::cookie::Cookie;
use crate::csrf;
use crate::fault::Fault;
use crate::layers::{Arrival, BodyFault, read_body};
use crate::pages::see_other;
use crate::redirect;
use crate::shared::Shared;
use crate::site::Site;

/// Whoever comes, with the person whom the browser's cookie signs in, if any.
pub(crate) struct Visitor {
    pub(crate) site: Site,
    pub(crate) who: Option<Authenticated>,
}

impl FromRequestParts<Shared> for Visitor {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Visitor, Fault> {
        let site = Site::from_request_parts(parts, shared).await?;
        let who = browser(&shared.identity, &site, &parts.headers).await?;
        let site = match &who {
            Some(who) => site.speaking_to(&who.account),
            None => site,
        };
        Ok(Visitor { site, who })
    }
}

/// Whom the browser's cookie signs in; a cookie that is no longer good is none.
pub(crate) async fn browser(
    identity: &Identity,
    site: &Site,
    headers: &HeaderMap,
) -> Result<Option<Authenticated>, Error> {
    let Some(cookie) = Cookie::Session.read(site.tenant(), headers) else {
        return Ok(None);
    };
    match identity.authenticate_cookie(&site.cx, &cookie).await {
        Ok(who) => Ok(Some(who)),
        Err(error) if error.kind == Kind::Unauthorized => Ok(None),
        Err(error) => Err(error),
    }
}

/// A browser that is signed in; others are sent to the sign-in page and back.
pub(crate) struct Person {
    pub(crate) site: Site,
    pub(crate) who: Authenticated,
}

impl FromRequestParts<Shared> for Person {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Person, Response> {
        let visitor = Visitor::from_request_parts(parts, shared)
            .await
            .map_err(IntoResponse::into_response)?;
        match visitor.who {
            Some(who) => Ok(Person {
                site: visitor.site,
                who,
            }),
            None => Err(see_other(&sign_in_and_back(parts))),
        }
    }
}

/// Forms that are shown at the address they are sent to, with what they lead to in its query.
const ALSO_PAGES: [&str; 3] = ["/verify-email", "/onboarding", "/account/keep"];

/// The sign-in page that leads back to this page.
pub(crate) fn sign_in_and_back(parts: &Parts) -> String {
    // The address of most forms is not a page to come back to.
    let is_page = parts.method == Method::GET || ALSO_PAGES.contains(&parts.uri.path());
    let back = match is_page {
        true => parts
            .uri
            .path_and_query()
            .map_or("/account", |path| path.as_str()),
        false => "/account",
    };
    format!(
        "/sign-in?{}",
        form_urlencoded::Serializer::new(String::new())
            .append_pair("next", back)
            .finish()
    )
}

/// A person proven by bearer token or by cookie, for questions that change nothing whatever their method.
pub(crate) struct Proven {
    pub(crate) site: Site,
    pub(crate) who: Authenticated,
    by_cookie: bool,
}

impl FromRequestParts<Shared> for Proven {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Proven, Fault> {
        let site = Site::of(parts)?;
        let identity = &shared.identity;
        let by_cookie = !parts.headers.contains_key(header::AUTHORIZATION);
        let who = if by_cookie {
            let who = browser(identity, &site, &parts.headers).await?;
            who.ok_or(Kind::Unauthorized)?
        } else {
            let token = bearer(&parts.headers).ok_or(Kind::Unauthorized)?;
            identity.authenticate_access(&site.cx, &token).await?
        };
        Ok(Proven {
            site,
            who,
            by_cookie,
        })
    }
}

/// A caller of the native API. Changes that a cookie drives must come from our own pages.
pub(crate) struct Caller {
    pub(crate) site: Site,
    pub(crate) who: Authenticated,
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Caller, Fault> {
        let Proven {
            site,
            who,
            by_cookie,
        } = Proven::from_request_parts(parts, shared).await?;
        if by_cookie && !parts.method.is_safe() {
            csrf::check(&parts.headers, site.tenant(), &site.arrival.host)?;
        }
        Ok(Caller { site, who })
    }
}

/// The one token of the one `Authorization: Bearer` header (RFC 6750).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let (scheme, token) = line.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' '))
        .then(|| SecretString::from(token))
}

/// A one-time token in the path.
pub(crate) struct PathToken(pub(crate) SecretString);

impl FromRequestParts<Shared> for PathToken {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<PathToken, Fault> {
        match Path::<String>::from_request_parts(parts, shared).await {
            Ok(Path(token)) => Ok(PathToken(SecretString::from(token))),
            Err(_) => Err(Kind::InvalidToken.into()),
        }
    }
}

/// The query's options, in their order; the first of a name counts.
pub(crate) struct Query(pub(crate) Fields);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query, Self::Rejection> {
        Ok(Query(Fields::parse(
            parts.uri.query().unwrap_or_default().as_bytes(),
        )))
    }
}

/// Names and values as a form or a query brings them.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// `next`, where a page leads in the end, comes out as a path of ours or empty, whatever it was.
    pub(crate) fn parse(bytes: &[u8]) -> Fields {
        let fields = form_urlencoded::parse(bytes).into_owned();
        let checked = fields.map(|(name, value)| match &*name {
            "next" => (name, redirect::way_on(&value)),
            _ => (name, value),
        });
        Fields(checked.collect())
    }

    /// The value, or an empty text.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    pub(crate) fn secret(&self, name: &str) -> SecretString {
        SecretString::from(self.get(name))
    }

    /// All pairs but the first of that name, which `get` answers.
    pub(crate) fn without(&self, name: &str) -> Vec<(String, String)> {
        let first = self.0.iter().position(|(key, _)| key == name);
        let others = self
            .0
            .iter()
            .enumerate()
            .filter(|(at, _)| Some(*at) != first);
        others.map(|(_, pair)| pair.clone()).collect()
    }

    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

/// A form of one of our own pages: same origin, urlencoded, within the size limit, without NUL bytes.
pub(crate) struct Form(pub(crate) Fields);

impl FromRequest<Shared> for Form {
    type Rejection = Fault;

    async fn from_request(request: Request, shared: &Shared) -> Result<Form, Fault> {
        let (mut parts, body) = request.into_parts();
        let site = Site::from_request_parts(&mut parts, shared).await?;
        csrf::check(&parts.headers, site.tenant(), &site.arrival.host)?;
        if let Some(door) = door(parts.uri.path()) {
            let tenant = Some(site.tenant());
            shared.identity.admit(door, tenant, &site.cx.client)?;
        }
        if !is_type(&parts.headers, "application/x-www-form-urlencoded") {
            return Err(Fault::unsupported_media_type(
                "application/x-www-form-urlencoded",
            ));
        }
        let fields = Fields::parse(&whole_body(&parts, body).await?);
        if fields
            .0
            .iter()
            .any(|(name, value)| name.contains('\0') || value.contains('\0'))
        {
            return Err(Kind::MalformedBody.into());
        }
        Ok(Form(fields))
    }
}

/// What the form of a page is limited by.
fn door(path: &str) -> Option<Door> {
    match path {
        "/sign-in" => Some(Door::SignIn),
        "/sign-up" => Some(Door::SignUp),
        "/forgot-password" => Some(Door::Forgot),
        _ => None,
    }
}

/// A JSON body of the native API.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Json<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, _: &Shared) -> Result<Json<T>, Fault> {
        let (parts, body) = request.into_parts();
        if !is_type(&parts.headers, "application/json") {
            return Err(Fault::unsupported_media_type("application/json"));
        }
        let body = whole_body(&parts, body).await?;
        let refuse = |error: serde_json::Error| {
            let kind = if error.is_data() {
                Kind::MalformedInput
            } else {
                Kind::MalformedBody
            };
            Fault::from(Error::with_detail(kind, error.to_string()))
        };
        serde_json::from_slice(&body).map(Json).map_err(refuse)
    }
}

/// Of a request that was let in.
async fn whole_body(parts: &Parts, body: axum::body::Body) -> Result<bytes::Bytes, Fault> {
    let client = Arrival::of(parts)?.reception.client.address;
    let whole = read_body(client, &parts.headers, body).await;
    whole.map_err(|fault| match fault {
        BodyFault::TooLarge => Kind::BodyTooLarge.into(),
        BodyFault::TooSlow => Kind::BodyTooSlow.into(),
        BodyFault::Broken => Kind::MalformedBody.into(),
    })
}

fn is_type(headers: &HeaderMap, wanted: &str) -> bool {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    given
        .split(';')
        .next()
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn bearer_tokens() {
        let read = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(line));
            }
            bearer(&headers).map(|token| token.expose_secret().to_owned())
        };
        assert_eq!(read(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(read(&["bearer  abc "]).as_deref(), Some("abc"));
        for lines in [
            &["Bearer"][..],
            &["Bearer "],
            &["Basic abc"],
            &["Bearer a b"],
            &["Bearer a", "Bearer a"],
            &["abc"],
            &[""],
            &[],
        ] {
            assert_eq!(read(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn the_first_of_a_name_counts() {
        let fields = Fields::parse(b"a=1&b=x%20y+z&a=2&c");
        assert_eq!(
            (
                fields.get("a"),
                fields.get("b"),
                fields.get("c"),
                fields.get("d")
            ),
            ("1", "x y z", "", "")
        );
        assert_eq!(
            fields.without("a"),
            [
                ("b".to_owned(), "x y z".to_owned()),
                ("a".to_owned(), "2".to_owned()),
                ("c".to_owned(), String::new())
            ]
        );
    }
}
