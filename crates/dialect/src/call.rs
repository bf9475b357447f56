//! What comes in from the HTTP surface and what goes back to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use vestibule_identity::{BrowserCredential, Client, Cx, Error, Micros, Tenant};

/// One request, its body already read within the size limit.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: http::Method,
    pub uri: http::Uri,
    pub headers: http::HeaderMap,
    pub body: Result<Bytes, BodyError>,
    /// The tenant that the Host names.
    pub host_tenant: Option<Arc<Tenant>>,
    pub client: Client,
    pub now: Micros,
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Longer than the surface reads.
    TooLarge,
    /// It did not arrive in time.
    TooSlow,
    /// The client broke off or broke its framing.
    Broken,
}

/// What the HTTP surface is to do.
#[derive(Debug)]
pub enum Answer {
    /// Send this as it is.
    Plain {
        status: http::StatusCode,
        headers: http::HeaderMap,
        body: Vec<u8>,
    },
    /// Go on with the browser: set a cookie, ask, redirect, or show a page.
    Browser { cx: Cx, open: BrowserOpen },
    /// The request names no tenant: 421.
    NoTenant,
    /// No dialect that the tenant mounts has this path: 404.
    NotMounted,
}

/// A browser that came to be signed in, or why it will not be.
#[derive(Debug)]
pub struct BrowserOpen {
    pub outcome: Result<BrowserRequest, Error>,
}

/// What the browser brought.
#[derive(Debug, Default)]
pub struct BrowserRequest {
    /// `None`: show the sign-in page.
    pub credential: Option<BrowserCredential>,
    pub onboarding: bool,
    /// As the request had it; not checked yet.
    pub return_to: Option<String>,
    /// One of the tenant's hand-off destinations and what fills its placeholders.
    pub destination: Option<(String, BTreeMap<String, String>)>,
    /// Query options that the dialect does not know.
    pub pass_on: Vec<(String, String)>,
}

/// One line of the table of routes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteInfo {
    pub dialect: String,
    pub path: String,
    pub method: String,
    pub operation: &'static str,
}
