//! Outbound HTTP: short, small, and never led elsewhere by a redirect.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use vestibule_identity::Upstream;

const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 1024 * 1024;

/// One client for everything that is fetched. It is made when first used: most nodes never need it.
#[derive(Debug, Default)]
pub struct HttpUpstream(OnceLock<Client>);

impl HttpUpstream {
    fn client(&self) -> Result<&Client, String> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        #[expect(clippy::disallowed_methods, reason = "this is the one outbound client")]
        let builder = Client::builder();
        let client = builder
            .redirect(redirect::Policy::none())
            .referer(false)
            .timeout(TIMEOUT)
            .connect_timeout(TIMEOUT)
            .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("no outbound HTTP: {}", causes(&error)))?;
        Ok(self.0.get_or_init(|| client))
    }
}

#[async_trait]
impl Upstream for HttpUpstream {
    async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        fetch(self.client()?.get(url)).await
    }

    async fn post_form(&self, url: &str, form: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = self
            .client()?
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded");
        fetch(request.body(body)).await
    }
}

async fn fetch(request: RequestBuilder) -> Result<Vec<u8>, String> {
    // Query strings may hold secrets; the error must not repeat them.
    let failed = |error: reqwest::Error| causes(&error.without_url());
    let mut response = request.send().await.map_err(failed)?;
    if response.status() != StatusCode::OK {
        return Err(format!("answered {}", response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(format!("answered more than {MAX_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The error and what caused it, on one line.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::response::Redirect;
    use axum::routing::{get, post};

    use super::*;

    async fn serve() -> String {
        let app = Router::new()
            .route("/ok", get(|| async { "body" }))
            .route("/form", post(|body: String| async move { body }))
            .route("/moved", get(|| async { Redirect::temporary("/ok") }))
            .route(
                "/missing",
                get(|| async { axum::http::StatusCode::NOT_FOUND }),
            )
            .route("/huge", get(|| async { vec![0_u8; MAX_BYTES + 1] }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn answers_bodies_of_200_only_and_follows_nothing() {
        let (base, upstream) = (serve().await, HttpUpstream::default());
        let get = async |path: &str| upstream.get(&format!("{base}{path}")).await;
        assert_eq!(get("/ok").await.unwrap(), b"body");
        assert_eq!(get("/moved").await.unwrap_err(), "answered 307");
        assert_eq!(get("/missing").await.unwrap_err(), "answered 404");
        assert!(
            get("/huge")
                .await
                .unwrap_err()
                .contains("more than 1048576 bytes")
        );
        let form = upstream
            .post_form(
                &format!("{base}/form"),
                &[("secret", "a&b"), ("response", "ü")],
            )
            .await;
        assert_eq!(form.unwrap(), b"secret=a%26b&response=%C3%BC");
    }

    #[tokio::test]
    async fn errors_do_not_repeat_the_address() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = listener.local_addr().unwrap();
        drop(listener);
        let error = HttpUpstream::default()
            .get(&format!("http://{closed}/?secret=hunter2"))
            .await
            .unwrap_err();
        assert!(!error.contains("hunter2") && !error.is_empty(), "{error}");
    }
}
