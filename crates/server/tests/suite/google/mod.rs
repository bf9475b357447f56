//! POST /authorize/third-party with a provider whose keys are fetched over HTTP.

mod keys;
mod people;
mod refused;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use serde_json::{Value, json};
use vestibule_crypto::Algorithm;
use vestibule_identity::{Cx, Kind, MailKind};

use crate::alphalearn::{
    HOST, OTHER, PASSWORD, code, data, failure, is_bearer, refresh, sign_in, success, tokens,
};
use crate::app::{ACME, Reply, TestApp, at_once, on_both};
use crate::forge::{self, Key};

const CLIENT: &str = "acme-client.apps.test";
const EMAIL: &str = "pooja.g@example.com";

/// What the provider answers when asked for its keys.
#[derive(Clone)]
enum Says {
    Keys(Vec<Value>),
    Text(&'static str),
    Status(StatusCode),
    Elsewhere,
}

/// An OpenID provider on a port of its own.
pub(crate) struct Provider {
    rsa: Key,
    ec: Key,
    says: Arc<Mutex<Says>>,
    asked: Arc<AtomicUsize>,
    base: String,
}

impl Provider {
    pub(crate) async fn start() -> Provider {
        let (rsa, ec) = (
            Key::generate(Algorithm::RS256),
            Key::generate(Algorithm::ES256),
        );
        let says = Arc::new(Mutex::new(Says::Keys(vec![
            rsa.jwk.clone(),
            ec.jwk.clone(),
        ])));
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = {
            let (says, asked) = (says.clone(), asked.clone());
            move || {
                asked.fetch_add(1, Ordering::SeqCst);
                let says = says.lock().unwrap().clone();
                async move {
                    match says {
                        Says::Keys(keys) => axum::Json(json!({"keys": keys})).into_response(),
                        Says::Text(text) => text.into_response(),
                        Says::Status(status) => status.into_response(),
                        Says::Elsewhere => Redirect::temporary("/good").into_response(),
                    }
                }
            }
        };
        let good = json!({"keys": [rsa.jwk.clone()]});
        let app = Router::new()
            .route("/jwks", get(answer))
            .route("/good", get(move || async move { axum::Json(good) }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Provider {
            rsa,
            ec,
            says,
            asked,
            base,
        }
    }

    /// `acme` with this provider.
    pub(crate) async fn tenant(&self, app: &TestApp, create: bool) -> Cx {
        app.apply(&format!("{ACME}\n{}", self.entry(CLIENT, create)))
            .await
    }

    fn entry(&self, client: &str, create: bool) -> String {
        format!(
            "[[provider]]\nkind = 'google'\nclient_id = '{client}'\ncreate = {create}\nissuer = '{0}'\njwks_url = '{0}/jwks'\n",
            self.base
        )
    }

    fn says(&self, what: Says) {
        *self.says.lock().unwrap() = what;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// What a good ID token says.
    fn claims(&self, app: &TestApp, sub: &str, email: &str) -> Value {
        let now = app.identity.now().secs();
        json!({"iss": self.base, "aud": CLIENT, "azp": CLIENT, "sub": sub, "email": email, "email_verified": true, "given_name": "Pooja", "family_name": "G", "iat": now, "exp": now + 3_600, "at_hash": "x"})
    }

    pub(crate) fn token(&self, app: &TestApp, sub: &str, email: &str) -> String {
        self.rsa.token("JWT", &self.claims(app, sub, email))
    }
}

async fn post(app: &TestApp, body: Value) -> Reply {
    app.post(HOST, "/authorize/third-party", &[], body).await
}

pub(crate) async fn show(app: &TestApp, token: &str) -> Reply {
    post(
        app,
        json!({"provider": 1, "thirdPartyData": {"token": token}}),
    )
    .await
}

fn refused() -> Value {
    failure("1031", "Invalid thirdPartyData")
}

async fn nobody(app: &TestApp, cx: &Cx, email: &str) -> bool {
    matches!(app.identity.user(cx, email).await, Err(error) if error.kind == Kind::NotFound)
}
