//! A refusal or failure on its way out. Handlers answer it bare; what stands around the router gives it a body, as a page or as
//! problem+json (RFC 9457), with the request's id.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use minijinja::context;
use serde_json::json;
use vestibule_dialect::natural_status;
use vestibule_identity::{Error, Kind};

use crate::layers::Reception;
use crate::templates::{self, texts::Voice};

/// An error and the status it is answered with.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    error: std::sync::Arc<Error>,
    status: StatusCode,
}

impl Fault {
    pub(crate) fn new(status: StatusCode, error: Error) -> Fault {
        Fault {
            error: std::sync::Arc::new(error),
            status,
        }
    }

    pub(crate) fn error(&self) -> &Error {
        &self.error
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The body is of a type that this address does not read.
    pub(crate) fn unsupported_media_type(wanted: &str) -> Fault {
        let detail = format!("The body must be {wanted}.");
        Fault::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Error::with_detail(Kind::MalformedBody, detail),
        )
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::new(natural_status(error.kind), error)
    }
}

impl From<Kind> for Fault {
    #[track_caller]
    fn from(kind: Kind) -> Fault {
        Error::new(kind).into()
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives a bare fault its body; other answers pass unchanged.
pub(crate) fn render(response: Response, reception: &Reception, html: bool) -> Response {
    let Some(fault) = response.extensions().get::<Fault>().cloned() else {
        return response;
    };
    log(&fault.error, &reception.client.request_id);
    let (mut parts, _) = response.into_parts();
    parts.extensions.remove::<Fault>();
    // The router's, of the bare fault.
    parts.headers.remove(header::CONTENT_LENGTH);
    if let Some(seconds) = fault.error.retry_after {
        parts
            .headers
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if fault.status == StatusCode::UNAUTHORIZED && !html {
        parts
            .headers
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let (content_type, body) = match html.then(|| page(&fault, reception)) {
        Some(Ok(page)) => ("text/html; charset=utf-8", page),
        Some(Err(error)) => {
            log(&error, &reception.client.request_id);
            (
                "application/problem+json",
                problem(&fault, &reception.client.request_id),
            )
        }
        None => (
            "application/problem+json",
            problem(&fault, &reception.client.request_id),
        ),
    };
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Response::from_parts(parts, body.into())
}

fn problem(fault: &Fault, request_id: &str) -> String {
    json!({
        "type": "about:blank",
        "title": fault.status.canonical_reason().unwrap_or("Error"),
        "status": fault.status.as_u16(),
        "detail": fault.error.message(),
        "code": fault.error.kind.code(),
        "request_id": request_id,
    })
    .to_string()
}

fn page(fault: &Fault, reception: &Reception) -> Result<String, Error> {
    let lang = reception.language();
    let base = templates::base(reception.tenant(), &reception.client.request_id, lang);
    let text = templates::error_text(
        Voice {
            language: lang,
            tenant: reception.tenant().map(AsRef::as_ref),
        },
        &fault.error,
    );
    templates::render(
        reception.tenant(),
        lang,
        "error.html",
        context! { status => fault.status.as_u16(), text, ..base },
    )
}

/// Faults of ours go to the log with their cause; refusals are told by the request's own line.
pub(crate) fn log(error: &Error, request_id: &str) {
    let at = error.location();
    match error.kind {
        Kind::Internal => {
            tracing::error!(request_id, %error, file = at.file(), line = at.line(), "request failed")
        }
        Kind::Unavailable => {
            tracing::warn!(request_id, %error, file = at.file(), line = at.line(), "request failed")
        }
        _ => {}
    }
}
