//! What every request passes through, outermost first: a name and a client, the host and its tenant, a task of its own
//! with a time-out, then on the way out a body for faults, security headers, one log line and the figures.

mod body;
mod client;
mod host;
mod request_id;
mod route;
mod security;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tower::ServiceExt as _;
use vestibule_identity::{Client, Cx, Error, Identity, Kind, Micros, Tenant};

pub(crate) use body::{BodyFault, read as read_body};
#[cfg(feature = "fuzzing")]
pub(crate) use client::address as client_address;
pub(crate) use host::Host;
pub(crate) use request_id::RequestIds;
pub(crate) use route::OwnPaths;

use crate::device;
use crate::dialect;
use crate::fault::{self, Fault};
use crate::language;
use crate::metrics::Metrics;
use crate::shared::{Everything, Shared};
use route::Route;
pub(crate) use security::{Beyond, page_policy};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Who came, and to which tenant: known for every request, also for refused ones.
#[derive(Debug)]
pub(crate) struct Reception {
    pub(crate) client: Client,
    pub(crate) lookup: Lookup,
    /// What the browser likes to read, of what we have.
    pub(crate) wish: Option<&'static str>,
}

/// What the host says about the tenant.
#[derive(Debug)]
pub(crate) enum Lookup {
    Found(Arc<Tenant>),
    Unknown,
    /// The directory could not be asked.
    Failed,
}

impl Reception {
    pub(crate) fn tenant(&self) -> Option<&Arc<Tenant>> {
        match &self.lookup {
            Lookup::Found(tenant) => Some(tenant),
            _ => None,
        }
    }

    /// What somebody who is not known is spoken to in.
    pub(crate) fn language(&self) -> &'static str {
        let tenant = self.tenant().map(AsRef::as_ref);
        self.wish.unwrap_or_else(|| language::of_tenant(tenant))
    }
}

/// A request that was let in. Handlers find it among the request's extensions.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) reception: Arc<Reception>,
    pub(crate) host: Host,
    pub(crate) now: Micros,
}

impl Arrival {
    pub(crate) fn of(parts: &Parts) -> Result<Arc<Arrival>, Fault> {
        parts
            .extensions
            .get::<Arc<Arrival>>()
            .cloned()
            .ok_or_else(|| Error::internal("a handler ran outside the layers").into())
    }
}

/// Answers a request by the router, with everything around it.
#[expect(
    clippy::manual_async_fn,
    reason = "an `async fn` holds what it is given twice; this is taken and given back for each request"
)]
pub(crate) fn around(
    shared: Shared,
    mut request: Request,
    router: Router,
) -> impl Future<Output = Result<Response, Infallible>> + Send {
    async move {
        let shared = &*shared;
        let route = Route::of(&request, shared);
        let html = route.wants_html(request.headers());
        let host = Host::of(request.uri(), request.headers());
        let peer = request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip());
        // Health must be told at once, also when the directory would have to ask a database that is down.
        let tenant_host = host.as_ref().filter(|_| route.surface != "health");
        let mut reception = receive(shared, request.headers(), peer, tenant_host).await;
        if route.signs_in()
            && let Lookup::Found(tenant) = &reception.lookup
        {
            let device = device::read(&shared.identity, tenant, request.headers());
            reception.client.device = device.map(Arc::new);
        }
        let reception = Arc::new(reception);
        // Whatever fails around a dialect's route is told in the dialect's own words, unless a person reads it.
        let in_dialect = (route.surface == "dialect" && !html).then(|| request.uri().clone());
        let line = LogLine {
            started: Instant::now(),
            method: request.method().clone(),
            route,
            reception: reception.clone(),
            metrics: &shared.settings.metrics,
            status: 499,
        };
        let no_host = host.is_none();
        let answer = match host {
            None => Fault::from(Error::with_detail(
                Kind::MalformedInput,
                "The Host header is missing or not valid.",
            ))
            .into_response(),
            Some(host) => {
                let arrival = Arrival {
                    reception: reception.clone(),
                    host,
                    now: shared.identity.now(),
                };
                request.extensions_mut().insert(Arc::new(arrival));
                let handler = Box::pin(answered(router, request));
                in_own_task(handler, shared.settings.request_timeout).await
            }
        };
        let answer = match in_dialect {
            Some(uri) => dialect::in_own_words(shared, uri.path(), &reception, answer),
            None => answer,
        };
        if let (Some(kind), Some(tenant)) = (noteworthy(&answer, html), reception.tenant()) {
            let cx = Cx {
                tenant: tenant.clone(),
                now: shared.identity.now(),
                client: reception.client.clone(),
            };
            // Rare, and large: every request would carry it.
            Box::pin(note(&shared.identity, cx, kind)).await;
        }
        let mut answer = fault::render(answer, &reception, html);
        if line.method == Method::HEAD {
            without_body(&mut answer);
        }
        // What still comes of such a request must not be taken for the next one.
        if no_host || answer.status() == StatusCode::REQUEST_TIMEOUT {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        security::add_headers(&mut answer, reception.tenant().map(AsRef::as_ref));
        if let Ok(id) = HeaderValue::from_str(&reception.client.request_id) {
            answer.headers_mut().insert(X_REQUEST_ID, id);
        }
        line.finish(answer.status().as_u16());
        Ok(answer)
    }
}

/// As HEAD wants it (RFC 9110, section 9.3.2): the router has seen to answers of its own, not to what was rendered since.
fn without_body(answer: &mut Response) {
    if let Some(length) = answer
        .body()
        .size_hint()
        .exact()
        .filter(|length| *length > 0)
    {
        answer
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
        *answer.body_mut() = Body::empty();
    }
}

/// What an error page's reference, or a failure of ours, stands for.
fn noteworthy(answer: &Response, html: bool) -> Option<Kind> {
    match answer.extensions().get::<Fault>() {
        Some(fault) if html || fault.status().is_server_error() => Some(fault.error().kind),
        None if answer.status() == StatusCode::INTERNAL_SERVER_ERROR => Some(Kind::Internal),
        None if answer.status() == StatusCode::SERVICE_UNAVAILABLE => Some(Kind::Unavailable),
        _ => None,
    }
}

/// Notes it, so that the reference leads to an entry.
async fn note(identity: &Identity, cx: Cx, kind: Kind) {
    let (identity, request_id) = (identity.clone(), cx.client.request_id.clone());
    let noted = async move {
        let event = match kind {
            Kind::Internal | Kind::Unavailable | Kind::Overloaded => "request.failed",
            _ => "request.refused",
        };
        if let Err(error) = identity.note_refusal(&cx, event, kind).await {
            fault::log(&error, &request_id);
        }
    };
    // Where the database may be what fails, nobody waits for it again.
    match kind {
        Kind::Unavailable => drop(tokio::spawn(noted)),
        _ => noted.await,
    }
}

/// Runs the handler in a task of its own: a client that hangs up, or a time-out, leaves no operation half done, and a
/// panic costs this request only. What needs to wait for nothing is done at once, without the task.
async fn in_own_task(
    mut handler: Pin<Box<impl Future<Output = Response> + Send + 'static>>,
    limit: Duration,
) -> Response {
    let first = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx)));
        Poll::Ready(polled)
    });
    match first.await {
        Ok(Poll::Ready(response)) => return response,
        Ok(Poll::Pending) => {}
        Err(_) => return Fault::from(Error::internal("a handler panicked")).into_response(),
    }
    let task = tokio::spawn(handler);
    match tokio::time::timeout(limit, task).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => Fault::from(Error::internal(error)).into_response(),
        Err(_) => Fault::from(Error::unavailable("the request took too long")).into_response(),
    }
}

async fn answered(router: Router, request: Request) -> Response {
    let Ok(answer) = router.oneshot(request).await;
    answer
}

async fn receive(
    shared: &Everything,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
    host: Option<&Host>,
) -> Reception {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
            .map(Arc::from)
    };
    let client = Client {
        address: peer.map(|peer| client::address(peer, headers, &shared.settings.trusted_proxies)),
        user_agent: text(header::USER_AGENT),
        // Present but unreadable still means: a page calls.
        origin: headers
            .get(header::ORIGIN)
            .map(|origin| origin.to_str().unwrap_or("null").into()),
        request_id: shared.request_ids.next(),
        dialect: None,
        device: None,
        forwarded: None,
    };
    let lookup = match host {
        None => Lookup::Unknown,
        Some(host) => match shared.identity.directory().by_host(host.name()).await {
            Ok(Some(tenant)) => Lookup::Found(tenant),
            Ok(None) => Lookup::Unknown,
            Err(error) => {
                fault::log(&error, &client.request_id);
                Lookup::Failed
            }
        },
    };
    Reception {
        client,
        lookup,
        wish: language::of_browser(headers),
    }
}

/// The one line that each request leaves in the log. Dropped unfinished (the client hung up), it says 499.
struct LogLine<'a> {
    started: Instant,
    method: Method,
    route: Route,
    reception: Arc<Reception>,
    metrics: &'a Metrics,
    status: u16,
}

impl LogLine<'_> {
    fn finish(mut self, status: u16) {
        self.status = status;
    }
}

impl Drop for LogLine<'_> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.metrics
            .request(self.route.surface, &self.route.label, self.status, took);
        let client = &self.reception.client;
        tracing::info!(
            target: "vestibule::request",
            message = "request",
            method = self.method.as_str(),
            path = self.route.path(),
            status = self.status,
            ms = took.as_micros() as f64 / 1_000.0,
            client = client.address.map(tracing::field::display),
            tenant = self.reception.tenant().map(|tenant| tenant.slug()),
            request_id = &*client.request_id,
        );
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tokio::sync::oneshot;

    use super::*;

    async fn status(router: Router, limit: Duration) -> StatusCode {
        let request = Request::builder().uri("/").body(Body::empty()).unwrap();
        let handler = Box::pin(answered(router, request));
        in_own_task(handler, limit).await.status()
    }

    #[tokio::test]
    async fn a_panic_costs_its_own_request_only() {
        async fn broken() -> StatusCode {
            panic!("on purpose")
        }
        let router = Router::new().route("/", get(broken));
        let minute = Duration::from_secs(60);
        assert_eq!(
            status(router, minute).await,
            StatusCode::INTERNAL_SERVER_ERROR
        );
    }

    #[tokio::test]
    async fn a_time_out_does_not_stop_the_work() {
        let (go_on, wait) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let ends = Arc::new(std::sync::Mutex::new(Some((wait, done))));
        let slow = move || async move {
            let (wait, done) = ends.lock().unwrap().take().unwrap();
            wait.await.unwrap();
            done.send(()).unwrap();
        };
        let router = Router::new().route("/", get(slow));
        let code = status(router, Duration::from_millis(5)).await;
        assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
        go_on.send(()).unwrap();
        is_done.await.expect("the handler ran to its end");
    }
}
