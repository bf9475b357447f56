//! Dialect routes: whatever no route of ours matches is offered to the dialects.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::SecretString;
use vestibule_dialect::{Answer, BodyError, Call, Head};
use vestibule_identity::{Client, Error, Kind};

use crate::browser;
use crate::demo;
use crate::fault;
use crate::fault::Fault;
use crate::layers::{Arrival, BodyFault, Lookup, Reception, read_body};
use crate::shared::{Everything, Shared};

/// The router's fallback.
pub(crate) async fn answer(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Fault> {
    let (parts, body) = request.into_parts();
    if !shared.dialects.knows_path(parts.uri.path()) {
        return demo::app_page(&shared, &parts).await;
    }
    let arrival = Arrival::of(&parts)?;
    let reception = &arrival.reception;
    if matches!(reception.lookup, Lookup::Failed) {
        return Err(Kind::Unavailable.into());
    }
    let host_tenant = reception.tenant();
    let client = match client(&shared, &parts, reception).await {
        Ok(client) => client,
        Err(error) => return refused(&shared, parts.uri.path(), reception, error),
    };
    let head = Head {
        method: &parts.method,
        path: parts.uri.path(),
        headers: &parts.headers,
        tenant: host_tenant.map(AsRef::as_ref),
        client: &host_tenant.map_or_else(|| client.clone(), |tenant| client.at(tenant)),
    };
    if let Err(error) = shared.dialects.admit(&shared.identity, &head) {
        return refused(&shared, parts.uri.path(), reception, error);
    }
    let body = match read_body(reception.client.address, &parts.headers, body).await {
        Ok(bytes) => Ok(bytes),
        Err(BodyFault::TooLarge) => Err(BodyError::TooLarge),
        Err(BodyFault::Broken) => Err(BodyError::Broken),
        Err(BodyFault::TooSlow) => Err(BodyError::TooSlow),
    };
    let call = Call {
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        headers: parts.headers.clone(),
        body,
        host_tenant: host_tenant.cloned(),
        client,
        now: arrival.now,
    };
    match shared.dialects.answer(&shared.identity, call).await {
        Answer::Plain {
            status,
            headers,
            body,
        } => Ok(plain(status, headers, body)),
        Answer::Browser { cx, open } => browser::open(&shared, &parts, cx, open).await,
        Answer::NoTenant => Err(Kind::UnknownTenant.into()),
        Answer::NotMounted => Err(Kind::NotFound.into()),
    }
}

/// The address of a back end's person, which counts only together with a private key of the tenant.
const CLIENT_ADDRESS: &str = "vestibule-client-address";
const KEY: &str = "vestibule-key";

/// The client, or the person for whom a back end calls.
async fn client(
    shared: &Everything,
    parts: &Parts,
    reception: &Reception,
) -> Result<Client, Error> {
    let mut addresses = parts.headers.get_all(CLIENT_ADDRESS).iter();
    let Some(address) = addresses.next() else {
        return Ok(reception.client.clone());
    };
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    // Of two, one may be the person's own invention.
    let address = match addresses.next() {
        None => text(address),
        Some(_) => String::new(),
    };
    let mut keys = parts.headers.get_all(KEY).iter();
    let key = keys.next().filter(|first| keys.all(|key| key == first));
    let key = key.map(text).map(SecretString::from);
    let (host, client) = (reception.tenant(), &reception.client);
    let identity = &shared.identity;
    identity.forwarded_client(host, client, key, &address).await
}

/// A refusal before anything was read, in the words of the dialect whose path it is.
fn refused(
    shared: &Everything,
    path: &str,
    reception: &Reception,
    error: Error,
) -> Result<Response, Fault> {
    let tenant = reception.tenant().map(AsRef::as_ref);
    match shared.dialects.refuse(path, tenant, &error) {
        Some(Answer::Plain {
            status,
            headers,
            body,
        }) => {
            fault::log(&error, &reception.client.request_id);
            Ok(plain(status, headers, body))
        }
        _ => Err(error.into()),
    }
}

fn plain(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    // Whatever the dialect's file says, an answer may hold a credential.
    response.headers_mut().remove(header::CACHE_CONTROL);
    response
}

/// A fault of the server at a dialect's path (a time-out, a panic) in the shape that the dialect's clients read.
pub(crate) fn in_own_words(
    shared: &Everything,
    path: &str,
    reception: &Reception,
    response: Response,
) -> Response {
    let fault = response.extensions().get::<Fault>();
    let ours = |fault: &&Fault| matches!(fault.error().kind, Kind::Internal | Kind::Unavailable);
    let Some(fault) = fault.filter(ours) else {
        return response;
    };
    let tenant = reception.tenant().map(AsRef::as_ref);
    match shared.dialects.refuse(path, tenant, fault.error()) {
        Some(Answer::Plain {
            status,
            headers,
            body,
        }) => {
            fault::log(fault.error(), &reception.client.request_id);
            plain(status, headers, body)
        }
        _ => response,
    }
}
