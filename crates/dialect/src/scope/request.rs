//! The request, as the expressions of inputs see it.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, Value};

use crate::call::Call;

/// A request as the expressions of inputs see it.
pub(crate) struct RequestScope {
    pub body: Value,
    pub query: Value,
    pub path: Value,
    pub call: Arc<Call>,
    pub bearer: Option<Value>,
}

impl fmt::Debug for RequestScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestScope")
    }
}

impl Object for RequestScope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "body" => Some(self.body.clone()),
            "query" => Some(self.query.clone()),
            "path" => Some(self.path.clone()),
            "header" => Some(Value::from_object(Headers(self.clone()))),
            "bearer" => self.bearer.clone(),
            _ => None,
        }
    }
}

/// What no expression sees: cookies open hosted pages, and what back ends prove themselves with is `bearer`.
const HIDDEN: [&str; 5] = [
    "cookie",
    "authentication",
    "authorization",
    "proxy-authorization",
    "vestibule-key",
];

fn is_hidden(name: &str) -> bool {
    HIDDEN.contains(&name.replace('_', "-").to_ascii_lowercase().as_str())
}

/// Whether an expression may name the header.
pub(crate) fn check_header(name: &str) -> Result<(), String> {
    match is_hidden(name) {
        true => Err(format!(
            "the header `{name}` is not for expressions; the credential that a client brings is `bearer`"
        )),
        false => Ok(()),
    }
}

/// `header['x-forwarded-host']` or `header.x_forwarded_host`.
#[derive(Debug)]
struct Headers(Arc<RequestScope>);

impl Object for Headers {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if is_hidden(key) {
            return None;
        }
        let headers = &self.0.call.headers;
        let value = headers
            .get(key)
            .or_else(|| headers.get(key.replace('_', "-")))?;
        value.to_str().ok().map(Value::from)
    }
}
