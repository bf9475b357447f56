//! Documents for machines: keys, discovery, health, robots; and the files of the pages.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use vestibule_identity::{Kind, Picture};

use crate::brand;
use crate::fault::Fault;
use crate::shared::Shared;
use crate::site::Site;
use crate::templates::{ASSETS, ASSETS_HASH, brand_hash};
use crate::views;

const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("public, max-age=300");

fn public_json(document: String) -> Response {
    let mut response = views::json(document.into());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, ASK_AGAIN);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}

/// GET `/.well-known/jwks.json` (RFC 7517).
pub(crate) async fn jwks(State(shared): State<Shared>, site: Site) -> Result<Response, Fault> {
    let tenant = site.tenant();
    let complete = shared
        .dialects
        .ensure_signing_keys(&shared.identity, tenant)
        .await;
    let keys = shared.identity.jwks(tenant).await?;
    // Where no key can be made just now, those that have signed something are still told. No key at all is no answer:
    // it would be remembered.
    let keys = match keys {
        Some(keys) => keys.to_string(),
        None => {
            complete?;
            r#"{"keys":[]}"#.to_owned()
        }
    };
    Ok(public_json(keys))
}

/// GET `/.well-known/openid-configuration`: only what is true. There is no authorization endpoint yet.
pub(crate) async fn discovery(site: Site) -> Response {
    let tenant = site.tenant();
    let [issuer, jwks_uri] = [
        tenant.issuer().to_owned(),
        tenant.link("/.well-known/jwks.json"),
    ]
    .map(Value::from);
    public_json(format!(r#"{{"issuer":{issuer},"jwks_uri":{jwks_uri}}}"#))
}

/// GET `/health/live`: the process answers.
pub(crate) async fn live() -> axum::Json<Value> {
    axum::Json(json!({ "status": "ok" }))
}

/// GET `/health/ready`: the database answers too; else 503.
pub(crate) async fn ready(State(shared): State<Shared>) -> Response {
    match shared.identity.db().ping().await {
        Ok(()) => axum::Json(json!({ "status": "ok" })).into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                axum::Json(json!({ "status": "unavailable" })),
            )
                .into_response()
        }
    }
}

/// GET `/robots.txt`: nothing here is for search engines.
pub(crate) async fn robots() -> Response {
    (
        [(header::CACHE_CONTROL, ASK_AGAIN)],
        "User-agent: *\nDisallow: /\n",
    )
        .into_response()
}

/// GET `/favicon.ico`.
pub(crate) async fn favicon() -> Result<Response, Fault> {
    file("favicon.svg", ASK_AGAIN)
}

/// GET `/assets/{hash}/{name}`: for ever where the hash is that of the content, else (another version's page asks) for now.
pub(crate) async fn asset(
    State(shared): State<Shared>,
    site: Result<Site, Fault>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Fault> {
    let Path((hash, name)) = path.map_err(|_| Kind::NotFound)?;
    let caching = |current: &str| {
        if hash == current {
            FOR_EVER
        } else {
            HeaderValue::from_static("no-cache")
        }
    };
    if name == "brand.css" {
        let site = site?;
        let headers = [
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/css; charset=utf-8"),
            ),
            (header::CACHE_CONTROL, caching(&brand_hash(site.tenant()))),
        ];
        return Ok((headers, brand::stylesheet(site.tenant())).into_response());
    }
    if let Some(kind) = name.strip_prefix("logo.") {
        return logo(&shared, &site?, &format!("{hash}.{kind}")).await;
    }
    file(&name, caching(&ASSETS_HASH))
}

/// A drawing may hold styles of its own, and does nothing, wherever it is opened.
const DRAWING_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
);

async fn logo(shared: &Shared, site: &Site, name: &str) -> Result<Response, Fault> {
    let (_, kind) = Picture::parts(name).ok_or(Kind::NotFound)?;
    let content = shared.identity.picture(site.tenant(), name).await?;
    let content_type = match kind {
        "png" => "image/png",
        "jpg" => "image/jpeg",
        "webp" => "image/webp",
        _ => "image/svg+xml",
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, FOR_EVER),
        (header::CONTENT_SECURITY_POLICY, DRAWING_POLICY),
    ];
    Ok((headers, content.ok_or(Kind::NotFound)?).into_response())
}

fn file(name: &str, caching: HeaderValue) -> Result<Response, Fault> {
    let content = ASSETS.get_file(name).ok_or(Kind::NotFound)?;
    let content_type = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, caching),
    ];
    Ok((headers, content.contents()).into_response())
}
