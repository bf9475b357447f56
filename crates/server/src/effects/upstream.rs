//! Outbound HTTP: short, small, only to where it may go, and never led elsewhere by a redirect or a proxy.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method, Request, StatusCode, Url, header, redirect};
use vestibule_http::IpNet;
use vestibule_identity::Upstream;

use super::reach::{Reach, Unreachable};

/// From the name's look-up to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Key sets and verdicts have a few KiB.
const MAX_BYTES: usize = 256 * 1024;

/// One client for everything that is fetched. Its connections go to public addresses by https, and to networks that the
/// operator has opened by https or http.
#[derive(Debug)]
pub struct HttpUpstream {
    allowed: Arc<[IpNet]>,
    timeout: Duration,
    /// For each scheme, made when first used: most nodes never need one.
    https: OnceLock<Client>,
    http: OnceLock<Client>,
}

impl HttpUpstream {
    /// `allowed` are networks that are reached although they are not public; also by plain http.
    pub fn new(allowed: &[IpNet]) -> HttpUpstream {
        HttpUpstream {
            allowed: allowed.into(),
            timeout: TIMEOUT,
            https: OnceLock::new(),
            http: OnceLock::new(),
        }
    }

    /// The client for a URL's scheme, if the URL may be asked at all.
    fn client(&self, url: &Url) -> Result<&Client, String> {
        let (place, encrypted) = match url.scheme() {
            "https" => (&self.https, true),
            "http" => (&self.http, false),
            _ => return Err(Unreachable::NotAWebAddress.to_string()),
        };
        let reach = Reach::new(Arc::clone(&self.allowed), encrypted);
        reach.check(url).map_err(|error| error.to_string())?;
        if let Some(client) = place.get() {
            return Ok(client);
        }
        #[expect(clippy::disallowed_methods, reason = "this is the one outbound client")]
        let builder = Client::builder();
        let builder = match encrypted {
            true => builder.https_only(true),
            // Certificates that nobody will show need not be read.
            false => builder.tls_certs_only([]),
        };
        let client = builder
            .dns_resolver(reach)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .timeout(self.timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("no outbound HTTP: {}", causes(&error)))?;
        Ok(place.get_or_init(|| client))
    }

    async fn fetch(
        &self,
        method: Method,
        url: &str,
        form: Option<String>,
    ) -> Result<Vec<u8>, String> {
        let url = Url::parse(url).map_err(|_| Unreachable::NotAWebAddress.to_string())?;
        let client = self.client(&url)?;
        let mut request = Request::new(method, url);
        if let Some(form) = form {
            let form_type = header::HeaderValue::from_static("application/x-www-form-urlencoded");
            request
                .headers_mut()
                .insert(header::CONTENT_TYPE, form_type);
            *request.body_mut() = Some(form.into());
        }
        // Query strings may hold secrets; the error must not repeat them.
        let failed = |error: reqwest::Error| causes(&error.without_url());
        let mut response = client.execute(request).await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(format!("answered {}", response.status().as_u16()));
        }
        let too_long = || format!("answered more than {MAX_BYTES} bytes");
        if response
            .content_length()
            .is_some_and(|length| length > MAX_BYTES as u64)
        {
            return Err(too_long());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[async_trait]
impl Upstream for HttpUpstream {
    async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        self.fetch(Method::GET, url, None).await
    }

    async fn post_form(&self, url: &str, form: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        self.fetch(Method::POST, url, Some(body)).await
    }
}

/// The error and what caused it, on one line.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests;
