//! Answering a request: which dialect's place it is, and what every answer has in common.

mod admission;
mod reply;
mod visit;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use vestibule_identity::{Client, Cx, Error, Identity, Kind, Tenant};

use crate::call::{Answer, BrowserOpen, BrowserRequest, Call};
use crate::load::{Dialect, Route};
use crate::path::{Decoded, decode};
use crate::registry::{Dialects, Place};
pub use admission::Head;
use visit::Visit;

/// Why a place does not answer.
enum Refusal {
    NoTenant,
    NotMounted,
    Failed(Vec<Error>),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Failed(vec![error])
    }
}

impl Dialects {
    /// Answers a request whose path some dialect knows. Never fails: failures are answers of the dialect.
    pub async fn answer(&self, identity: &Identity, call: Call) -> Answer {
        let call = Arc::new(call);
        let segments = decode(call.uri.path());
        let mut last = match call.host_tenant {
            Some(_) => Answer::NotMounted,
            None => Answer::NoTenant,
        };
        let host = call.host_tenant.as_deref();
        for (dialect, place) in self.answering(call.uri.path(), &segments, host) {
            match at_place(identity, dialect, place, &call, &segments).await {
                refused @ (Answer::NotMounted | Answer::NoTenant) => last = refused,
                answer => return answer,
            }
        }
        last
    }

    /// A refusal by the surface itself (a limit, a time-out) in the words of the dialect that owns the path for this tenant.
    pub fn refuse(&self, path: &str, tenant: Option<&Tenant>, error: &Error) -> Option<Answer> {
        let segments = decode(path);
        let answering = self.answering(path, &segments, tenant);
        let dialect = match (answering.first(), tenant) {
            (Some((dialect, _)), _) => *dialect,
            // Where nobody will answer, words are all that is wanted.
            (None, None) => self.at(self.places(path, &segments).first()?.dialect)?,
            (None, Some(_)) => return None,
        };
        let (status, body) = dialect.errors.render(std::slice::from_ref(error));
        let status = if always_200(dialect, tenant) {
            StatusCode::OK
        } else {
            status
        };
        Some(Answer::Plain {
            status,
            headers: error_headers(status, Some(error)),
            body,
        })
    }
}

fn always_200(dialect: &Dialect, tenant: Option<&Tenant>) -> bool {
    tenant
        .and_then(|tenant| tenant.mount(dialect.name()))
        .is_some_and(|mount| mount.always_200)
}

async fn at_place(
    identity: &Identity,
    dialect: &Dialect,
    place: &Place,
    call: &Arc<Call>,
    segments: &[Decoded<'_>],
) -> Answer {
    let found = place
        .methods
        .iter()
        .find(|(method, _)| *method == call.method);
    let mut client = call.client.clone();
    client.dialect = Some(dialect.name.clone());
    let Some((_, index)) = found else {
        return wrong_method(dialect, place, call, client);
    };
    let Some(route) = dialect.routes.get(*index) else {
        return Answer::NotMounted;
    };
    let mut visit = Visit {
        identity,
        dialect,
        place,
        route,
        call,
        client,
        tenant: call.host_tenant.clone(),
        named: false,
    };
    match visit.respond(segments).await {
        Ok(answer) => answer,
        Err(Refusal::NoTenant) => Answer::NoTenant,
        Err(Refusal::NotMounted) => Answer::NotMounted,
        Err(Refusal::Failed(errors)) => visit.failed(errors),
    }
}

/// HEAD never does what GET does: a browser's place shows its page without looking at the credential, every other one
/// refuses.
fn wrong_method(dialect: &Dialect, place: &Place, call: &Call, client: Client) -> Answer {
    let routes: Vec<&Route> = place
        .methods
        .iter()
        .filter_map(|(_, index)| dialect.routes.get(*index))
        .collect();
    let opens_browser = place
        .methods
        .iter()
        .zip(&routes)
        .any(|((method, _), route)| *method == Method::GET && route.operation.is_browser());
    if let Some(tenant) = call
        .host_tenant
        .clone()
        .filter(|_| call.method == Method::HEAD && opens_browser)
    {
        let cx = Cx {
            tenant,
            now: call.now,
            client,
        };
        return Answer::Browser {
            cx,
            open: BrowserOpen {
                outcome: Ok(BrowserRequest::default()),
            },
        };
    }
    let (status, body) = dialect.errors.render(&[Error::new(Kind::MethodNotAllowed)]);
    let mut allowed: Vec<&str> = place
        .methods
        .iter()
        .map(|(method, _)| method.as_str())
        .collect();
    if opens_browser {
        allowed.push("HEAD");
    }
    let mut headers = error_headers(status, None);
    if let Ok(allow) = HeaderValue::from_str(&allowed.join(", ")) {
        headers.insert(header::ALLOW, allow);
    }
    Answer::Plain {
        status,
        headers,
        body,
    }
}

/// Of every answer: any may carry a credential, so none may be kept.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers
}

fn error_headers(status: StatusCode, error: Option<&Error>) -> HeaderMap {
    let mut headers = headers();
    let seconds = error.and_then(|error| error.retry_after);
    if seconds.is_some()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        )
    {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.unwrap_or(1)));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    headers
}
