//! Requests through the front door, and what comes back.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

use super::TestApp;

impl TestApp {
    /// Sends one request from this app's client address, 192.0.2.1 unless `from` gave another.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let mut request = request;
        let is_head = request.method() == Method::HEAD;
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::from((self.client, 4711))));
        let response = self.door.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 16 << 20).await.unwrap();
        // A connection believes it, and cuts the body off there.
        assert!(!is_head || bytes.is_empty(), "HEAD has no body");
        if let Some(length) = parts.headers.get("content-length").filter(|_| !is_head) {
            assert_eq!(length.to_str().unwrap(), bytes.len().to_string());
        }
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// GET of a path on a host, with further headers.
    pub async fn get(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(build("GET", host, path, headers, String::new()))
            .await
    }

    /// POST of a JSON document.
    pub async fn post(
        &self,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Reply {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(build("POST", host, path, &all, body.to_string()))
            .await
    }

    /// POST of an HTML form.
    pub async fn post_form(
        &self,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.send(build("POST", host, path, &all, body)).await
    }
}

/// A request; the host is the tenant's.
pub fn build(
    method: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, self.body))
    }

    /// Asserts status and JSON body.
    #[track_caller]
    pub fn is(&self, status: u16, body: Value) {
        assert_eq!((self.status.as_u16(), self.json()), (status, body));
    }

    /// Asserts the status, showing the body otherwise.
    #[track_caller]
    pub fn status(&self, status: u16) -> &Reply {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The `name=value` of the session cookie just set, if any.
    pub fn session_cookie(&self) -> Option<String> {
        let set = self
            .headers
            .get_all("set-cookie")
            .iter()
            .filter_map(|value| value.to_str().ok());
        set.map(|cookie| cookie.split(';').next().unwrap().to_owned())
            .find(|pair| pair.starts_with("__Host-vestibule=") && !pair.ends_with('='))
    }
}

/// The claims of a JWT, unverified.
pub fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(payload)
            .unwrap(),
    )
    .unwrap()
}

/// The header of a JWT.
pub fn header(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').next().expect("a JWT");
    serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(part)
            .unwrap(),
    )
    .unwrap()
}
