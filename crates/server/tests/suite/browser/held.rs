//! A session that is ended while a request of it is under way does nothing more.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::Frame;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::{EMAIL, HOST, ORIGIN, PASSWORD, acme_with_ada, is_live, sign_in, submit, unproven};
use crate::app::{Reply, TestApp, at_once, build, on_both};

/// A body that is sent once somebody waits for it and it is let go.
struct Late {
    is_read: Option<oneshot::Sender<()>>,
    body: mpsc::Receiver<Bytes>,
}

impl hyper::body::Body for Late {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if let Some(is_read) = self.is_read.take() {
            is_read.send(()).unwrap();
        }
        let body = self.body.poll_recv(cx);
        body.map(|body| body.map(|body| Ok(Frame::data(body))))
    }
}

/// A request whose session is known before its body has come; `meanwhile` happens in between.
async fn held(
    app: &TestApp,
    (method, path): (&str, &str),
    (cookie, kind, body): (&str, &str, &str),
    meanwhile: impl Future<Output = ()>,
) -> Reply {
    let (told, is_read) = oneshot::channel();
    let (go_on, waiting) = mpsc::channel(1);
    let late = Late {
        is_read: Some(told),
        body: waiting,
    };
    let headers = [ORIGIN, ("cookie", cookie), ("content-type", kind)];
    let request = build(method, HOST, path, &headers, Body::new(late));
    let sender = app.clone();
    let sent = tokio::spawn(async move { sender.send(request).await });
    is_read.await.unwrap();
    meanwhile.await;
    go_on.send(Bytes::from(body.to_owned())).await.unwrap();
    drop(go_on);
    sent.await.unwrap()
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

on_both! {
    async fn what_a_request_wants_of_an_ended_session_is_refused(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let own = sign_in(&app, EMAIL, PASSWORD).await;
        let password = json!({ "password": PASSWORD }).to_string();
        let wish = json!({ "email": "new@example.com", "password": PASSWORD }).to_string();
        let id = app.get(HOST, "/account/v1/session", &[("cookie", &own)]).await.json()["session"]["id"].as_str().unwrap().to_owned();
        let own_session = format!("session={id}");
        for (what, kind, body) in [
            (("POST", "/account/v1/deletion"), JSON, &*password),
            (("POST", "/account/v1/export"), JSON, &password),
            (("POST", "/account/v1/email"), JSON, &wish),
            (("PATCH", "/account/v1/profile"), JSON, r#"{"first_name":"Mallory"}"#),
            (("POST", "/account/sessions"), FORM, "session=others"),
            (("POST", "/account/sessions"), FORM, &own_session),
            (("POST", "/account/profile"), FORM, "first_name=Mallory&last_name=M&locale=en&timezone=UTC"),
            (("POST", "/account/email"), FORM, "email=new%40example.com&password=correct+horse+battery"),
            (("POST", "/account/delete"), FORM, "password=correct+horse+battery"),
            (("POST", "/account/export"), FORM, "password=correct+horse+battery"),
            (("POST", "/account/password"), FORM, "current=correct+horse+battery&new=copper-meadow-77-bicycles"),
        ] {
            let stolen = sign_in(&app, EMAIL, PASSWORD).await;
            let told = held(&app, what, (&stolen, kind, body), async {
                submit(&app, "/account/sessions", &own, &[("session", "others")]).await.status(303);
            }).await;
            assert!(matches!(told.status.as_u16(), 303 | 401), "{what:?}: {} {}", told.status, told.body);
            assert!(told.status != 303 || told.header("location").starts_with("/sign-in"), "{what:?}: {:?}", told.headers);
            assert!(is_live(&app, &own).await, "{what:?}");
        }
        assert_eq!(app.mails().await.len(), 0);
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        assert_ne!(account.first_name, "Mallory");
    }

    async fn no_mail_goes_out_for_an_ended_session(app: TestApp) {
        let cx = app.acme().await;
        let cookie = unproven(&app, "new@example.com").await;
        assert_eq!(app.mails().await.len(), 1);
        app.pass(Duration::from_secs(3_601));
        let account = app.identity.user(&cx, "new@example.com").await.unwrap();
        held(&app, ("POST", "/verify-email"), (&cookie, FORM, "again=1"), async {
            app.identity.sign_out_all(&cx, &account.id, None).await.unwrap();
        })
        .await;
        assert_eq!(app.mails().await.len(), 0);
    }

    /// First those that a bearer opened: a stolen one pushes out no sign-in, and makes no address unknown.
    async fn of_very_many_sessions_those_go_that_were_unused_longest(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, crate::alphalearn::PASSWORD, "Trainee").await;
        let own = sign_in(&app, EMAIL, crate::alphalearn::PASSWORD).await;
        app.pass(Duration::from_secs(1));
        let bearer = crate::alphalearn::tokens(&app, HOST, EMAIL).await.access;
        let form = [("token", &*bearer), ("inputData", "{\"enrollmentId\":12555}"), ("type", "2")];
        let open = async || {
            let opened = app.post_form(HOST, "/site/login-by-jwt-token", &[ORIGIN], &form).await;
            app.pass(Duration::from_micros(1));
            opened.session_cookie().unwrap()
        };
        let first = open().await;
        for _ in 0..497 {
            open().await;
        }
        assert!(is_live(&app, &first).await);
        let last = open().await;
        assert!(!is_live(&app, &first).await && is_live(&app, &last).await && is_live(&app, &own).await);
        // Of sign-ins alone, the oldest; and what goes on from another still has its place.
        app.identity.db().write(|tx| tx.exec("UPDATE session SET client_block = '192.0.2.1'", &[])).await.unwrap();
        app.pass(Duration::from_secs(301));
        let newest = open().await;
        assert!(!is_live(&app, &own).await && is_live(&app, &newest).await);
        let rows = app.identity.db().read(|tx| tx.one("SELECT count(*) FROM session", &[], |row| row.get::<i64>(0)));
        assert_eq!(rows.await.unwrap(), 500);
    }

    async fn a_bearer_opens_no_session_that_outlives_its_own(app: TestApp) {
        let cx = app.acme().await;
        for round in 0..6 {
            let email = format!("{round}@example.com");
            app.person(&cx, &email, crate::alphalearn::PASSWORD, "Trainee").await;
            let own = sign_in(&app, &email, crate::alphalearn::PASSWORD).await;
            let bearer = crate::alphalearn::tokens(&app, HOST, &email).await.access;
            let opened = at_once(9, |n| {
                let (app, bearer, own) = (app.clone(), bearer.clone(), own.clone());
                async move {
                    if n == 4 {
                        submit(&app, "/account/sessions", &own, &[("session", "others")]).await.status(303);
                        return None;
                    }
                    let form = [("token", &*bearer), ("inputData", "{\"enrollmentId\":12555}"), ("type", "2")];
                    let from = [("origin", "https://www.partner.test"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
                    app.post_form(HOST, "/site/login-by-jwt-token", &from, &form).await.session_cookie()
                }
            })
            .await;
            for cookie in opened.into_iter().flatten() {
                assert!(!is_live(&app, &cookie).await, "round {round}");
            }
            app.pass(Duration::from_secs(60));
        }
    }
}
