//! What the log must never hold, however much it is asked to say.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use serde_json::json;
use vestibule_identity::MailKind;

use super::{EMAIL, HOST, PASSWORD, acme_with_ada, page, sign_in, submit};
use crate::app::{build, on_both};

static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static LISTENERS: AtomicUsize = AtomicUsize::new(0);

/// Keeps what is logged while somebody listens.
struct Tap;

impl io::Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if LISTENERS.load(Ordering::SeqCst) > 0 {
            WRITTEN.lock().unwrap().extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// While it lives, everything that any test of this process logs is kept, at the finest level.
pub struct Listening;

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENERS.fetch_sub(1, Ordering::SeqCst);
    }
}

pub fn listen() -> Listening {
    static TAPPED: OnceLock<()> = OnceLock::new();
    TAPPED.get_or_init(|| {
        let log = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(|| Tap);
        tracing::subscriber::set_global_default(log.finish()).unwrap();
    });
    LISTENERS.fetch_add(1, Ordering::SeqCst);
    Listening
}

pub fn heard() -> String {
    String::from_utf8_lossy(&WRITTEN.lock().unwrap()).into_owned()
}

on_both! {
    async fn no_credential_reaches_a_log_line(app: TestApp) {
        let _listening = listen();
        let cx = acme_with_ada(&app).await;
        let mut secrets = vec![PASSWORD.to_owned(), "wrong-wrong-wrong".to_owned(), "uid-5f1d7a84b0c2".to_owned()];
        let key = app.api_key(&cx).await;
        let bearer = format!("Bearer {key}");
        let exchange = app.post(HOST, "/v1/user/token", &[("authorization", &bearer)], json!({"email": "bob@example.com", "uid": "uid-5f1d7a84b0c2"})).await;
        let login = exchange.status(200).json()["token"].as_str().unwrap().to_owned();
        app.post(HOST, "/v1/user/token", &[("authorization", &bearer), ("origin", "https://evil.test")], json!({"email": "bob@example.com", "uid": "x"})).await.status(403);
        app.post(HOST, &format!("/v1/user/token?key={key}"), &[], json!({})).await.status(401);
        let bob = page(&app, &format!("/login/?token={login}"), "").await.status(303).session_cookie().unwrap();
        for path in ["/login/?token=x", "/login?token=", "/nothing?token=", "/nothing/", "/verify-email/", "/reset-password/", "/api/verify-email/", "/sign-in?next=/", "/x;"] {
            page(&app, &format!("{path}{login}"), &bob).await;
        }
        app.send(build("HEAD", HOST, &format!("/login/?token={login}"), &[("referer", &format!("https://x.test/?{login}"))], "")).await.status(200);
        let ada = sign_in(&app, EMAIL, PASSWORD).await;
        submit(&app, "/sign-in", "", &[("email", EMAIL), ("password", "wrong-wrong-wrong")]).await.status(401);
        let pair = app.post(HOST, "/api/login", &[], json!({"email": EMAIL, "password": PASSWORD})).await.status(200).json();
        let lms = app.post(HOST, "/authorize/login", &[], json!({"email": EMAIL, "password": PASSWORD})).await.status(200).json();
        let lms = &lms["data"]["response"]["data"];
        submit(&app, "/sign-up", "", &[("email", "new@example.com"), ("password", PASSWORD), ("name", "New")]).await.status(303);
        let verify = app.mailed_token(MailKind::VerifyEmail).await;
        submit(&app, &format!("/verify-email/{verify}"), "", &[("password", PASSWORD)]).await.status(303);
        submit(&app, "/forgot-password", "", &[("email", EMAIL)]).await.status(303);
        let reset = app.mailed_token(MailKind::ResetPassword).await;
        page(&app, &format!("/reset-password/{reset}"), "").await.status(200);
        submit(&app, &format!("/reset-password/{reset}"), "", &[("password", PASSWORD)]).await.status(303);

        secrets.extend([&key, &login, &verify, &reset].map(String::clone));
        secrets.extend([&bob, &ada].map(|cookie| cookie.split_once('=').unwrap().1.to_owned()));
        secrets.extend([&pair["userToken"], &pair["vaultToken"], &lms["token"], &lms["user"]["sessionToken"], &lms["refresh-token"]].map(|token| token.as_str().unwrap().to_owned()));
        let heard = heard();
        for path in ["/v1/user/token", "/login/", "/sign-in", "/api/login", "/reset-password/"] {
            assert!(heard.contains(&format!("path=\"{path}")), "nothing of {path} is logged: {}", &heard[..heard.len().min(2_000)]);
        }
        for secret in secrets {
            assert!(secret.len() > 8);
            let line = heard.lines().find(|line| line.contains(&secret));
            assert!(line.is_none(), "{secret} in {}", line.unwrap_or_default());
        }
    }
}
