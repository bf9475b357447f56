//! Who asks.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use vestibule_identity::{CreateApiKey, Cx};

use crate::alphalearn::{PASSWORD, tokens};
use crate::app::TestApp;

/// Columns of the table. `z-` is the same of another tenant, `s-` of somebody suspended since.
pub const NAMES: [&str; 20] = [
    "anon",
    "cookie",
    "user",
    "team",
    "lms",
    "refresh",
    "login",
    "key",
    "old-key",
    "z-cookie",
    "z-user",
    "z-lms",
    "z-refresh",
    "z-login",
    "z-key",
    "s-cookie",
    "s-user",
    "s-lms",
    "s-refresh",
    "s-login",
];

/// What somebody brings: a cookie, or a token wherever a route may take one.
#[derive(Default)]
pub struct Principal {
    pub cookie: Option<String>,
    pub token: Option<String>,
}

impl Principal {
    fn token(token: impl Into<String>) -> Principal {
        Principal {
            token: Some(token.into()),
            ..Principal::default()
        }
    }

    /// In the order of `NAMES`. All are Admins, so that a refusal is never one of the role.
    pub async fn all(app: &TestApp, acme: &Cx, zeta: &Cx) -> Vec<Principal> {
        let old = CreateApiKey {
            name: "old".into(),
            expires_in: Some(Duration::from_secs(1)),
            ..CreateApiKey::default()
        };
        let old = app.identity.create_api_key(acme, old).await.unwrap().key;
        app.pass(Duration::from_secs(2));
        let (ours, theirs, gone) = (
            Person::new(app, acme, "ada@example.com").await,
            Person::new(app, zeta, "zoe@example.com").await,
            Person::new(app, acme, "sue@example.com").await,
        );
        app.identity.suspend_user(acme, &gone.id).await.unwrap();
        let mut all = vec![Principal::default(), ours.cookie()];
        all.extend(
            [
                &ours.user,
                &ours.team,
                &ours.lms,
                &ours.refresh,
                &ours.login,
            ]
            .map(Principal::token),
        );
        all.push(Principal::token(app.api_key(acme).await));
        all.push(Principal::token(old.expose_secret()));
        all.push(theirs.cookie());
        all.extend(
            [&theirs.user, &theirs.lms, &theirs.refresh, &theirs.login].map(Principal::token),
        );
        all.push(Principal::token(app.api_key(zeta).await));
        all.push(gone.cookie());
        all.extend([&gone.user, &gone.lms, &gone.refresh, &gone.login].map(Principal::token));
        assert_eq!(all.len(), NAMES.len());
        all
    }
}

struct Person {
    id: String,
    cookie: String,
    user: String,
    team: String,
    lms: String,
    refresh: String,
    login: String,
}

impl Person {
    async fn new(app: &TestApp, cx: &Cx, email: &str) -> Person {
        let host = cx.tenant.file.domains[0].clone();
        let id = app.person(cx, email, PASSWORD, "Admin").await.id;
        let origin = format!("https://{host}");
        let form = [("email", email), ("password", PASSWORD)];
        let signed_in = app
            .post_form(&host, "/sign-in", &[("origin", &origin)], &form)
            .await;
        let pair = json!({"email": email, "password": PASSWORD});
        let pair = app.post(&host, "/api/login", &[], pair).await.json();
        let lms = tokens(app, &host, email).await;
        let bearer = format!("Bearer {}", app.api_key(cx).await);
        let person = json!({"email": email, "uid": "12345678910"});
        let login = app
            .post(
                &host,
                "/v1/user/token",
                &[("authorization", &bearer)],
                person,
            )
            .await;
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        Person {
            id,
            cookie: signed_in.session_cookie().unwrap(),
            user: text(&pair["userToken"]),
            team: text(&pair["vaultToken"]),
            lms: lms.access,
            refresh: lms.refresh,
            login: text(&login.json()["token"]),
        }
    }

    fn cookie(&self) -> Principal {
        Principal {
            cookie: Some(self.cookie.clone()),
            ..Principal::default()
        }
    }
}
