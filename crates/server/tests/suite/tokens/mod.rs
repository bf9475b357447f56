//! Every credential at every door: each door opens to its own kinds, of its own tenant, in good order, and to nothing else.

mod authorization;
mod forged;
mod matrix;

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{HeaderValue, Request};
use serde_json::{Value, json};
use vestibule_identity::{Cx, MailKind};

use crate::alphalearn::{PASSWORD, data, tokens};
use crate::app::{Reply, TestApp, build};

const NEW_PASSWORD: &str = "copper-meadow-77-bridges";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ApiKey,
    LoginToken,
    UserToken,
    TeamToken,
    LmsToken,
    RefreshToken,
    SessionToken,
    Cookie,
    VerifyToken,
    ResetToken,
}

use Kind::*;

/// One person's credentials of every kind at one tenant, all good.
struct Bunch {
    email: String,
    tokens: Vec<(Kind, String)>,
}

impl Bunch {
    /// A new Admin with a full set, and a new member who has yet to prove an address.
    async fn new(app: &TestApp, cx: &Cx, name: &str) -> Bunch {
        let host = cx.tenant.file.domains[0].clone();
        let origin = format!("https://{host}");
        let email = format!("{name}@example.com");
        app.person(cx, &email, PASSWORD, "Admin").await;
        let key = app.api_key(cx).await;
        let bearer = format!("Bearer {key}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let lms = tokens(app, &host, &email).await;
        let enclaive = app
            .post(
                &host,
                "/api/login",
                &[],
                json!({"email": email, "password": PASSWORD}),
            )
            .await
            .json();
        let partner = app
            .post(
                &host,
                "/v1/user/token",
                &[("authorization", &bearer)],
                json!({"email": email, "uid": "12345678910"}),
            )
            .await
            .json();
        let signed_in = app
            .post_form(
                &host,
                "/sign-in",
                &[("origin", &origin)],
                &[("email", &email), ("password", PASSWORD)],
            )
            .await;
        let cookie = signed_in.session_cookie().unwrap();
        let fresh =
            json!({"email": format!("fresh-{email}"), "password": PASSWORD, "name": "Fresh"});
        app.post(&host, "/api/register", &[], fresh)
            .await
            .status(200);
        let verify = app.mailed_token(MailKind::VerifyEmail).await;
        let forgotten = app
            .post(
                &host,
                "/authorize/forgot-password",
                &[("authorization", &bearer)],
                json!({"email": email}),
            )
            .await;
        let tokens = vec![
            (ApiKey, key),
            (LoginToken, text(&partner["token"])),
            (UserToken, text(&enclaive["userToken"])),
            (TeamToken, text(&enclaive["vaultToken"])),
            (LmsToken, lms.access),
            (RefreshToken, lms.refresh),
            (SessionToken, lms.session),
            (Cookie, cookie.split_once('=').unwrap().1.to_owned()),
            (VerifyToken, verify),
            (ResetToken, text(&data(&forgotten)["token"])),
        ];
        Bunch { email, tokens }
    }

    fn token(&self, kind: Kind) -> &str {
        &self
            .tokens
            .iter()
            .find(|(other, _)| *other == kind)
            .unwrap()
            .1
    }
}

/// Somebody new at the host's tenant, whose password a proven back end may reset.
async fn victim(app: &TestApp, host: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let tenant = app
        .identity
        .directory()
        .by_host(host)
        .await
        .unwrap()
        .unwrap();
    let email = format!("victim{}@example.com", NEXT.fetch_add(1, Ordering::SeqCst));
    app.person(
        &app.identity.operator_cx(tenant),
        &email,
        PASSWORD,
        "Trainee",
    )
    .await;
    email
}

/// A place that takes a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    PartnerKey,
    LoginLink,
    EnclaiveResend,
    EnclaiveRefresh,
    EnclaiveVerify,
    EnclaiveReset,
    EnclaiveResetBearer,
    LmsRefresh,
    /// The proof of a back end: it opens when the token handed out works.
    LmsProof,
    LmsReset,
    LmsCourse,
    NativeBearer,
    NativeProfile,
    ForwardAuth,
    NativeCookie,
    VerifyPage,
    ResetPage,
    ChoiceCookie,
}

use Door::*;

impl Door {
    const ALL: [Door; 18] = [
        PartnerKey,
        LoginLink,
        EnclaiveResend,
        EnclaiveRefresh,
        EnclaiveVerify,
        EnclaiveReset,
        EnclaiveResetBearer,
        LmsRefresh,
        LmsProof,
        LmsReset,
        LmsCourse,
        NativeBearer,
        NativeProfile,
        ForwardAuth,
        NativeCookie,
        VerifyPage,
        ResetPage,
        ChoiceCookie,
    ];

    /// What it opens to.
    fn takes(self) -> &'static [Kind] {
        match self {
            PartnerKey => &[ApiKey],
            LoginLink => &[LoginToken],
            EnclaiveResend | EnclaiveRefresh => &[UserToken, TeamToken],
            EnclaiveVerify | VerifyPage => &[VerifyToken],
            EnclaiveReset | EnclaiveResetBearer | LmsReset | ResetPage => &[ResetToken],
            LmsRefresh => &[RefreshToken],
            LmsProof => &[ApiKey, LmsToken],
            LmsCourse => &[LmsToken],
            NativeBearer | NativeProfile | ForwardAuth => {
                &[UserToken, TeamToken, LmsToken, SessionToken]
            }
            NativeCookie => &[Cookie],
            ChoiceCookie => &[],
        }
    }

    /// Its answer to what it does not take.
    fn refusal(self) -> u16 {
        match self {
            PartnerKey | LoginLink | EnclaiveResend | EnclaiveRefresh | LmsRefresh | LmsCourse
            | NativeBearer | NativeProfile | ForwardAuth | NativeCookie => 401,
            EnclaiveVerify | EnclaiveReset | EnclaiveResetBearer | LmsProof | LmsReset
            | VerifyPage | ResetPage => 400,
            ChoiceCookie => 303,
        }
    }

    /// Method, path and body of a request whose credential is a bearer. `email` is whose password is said to be forgotten.
    fn bearer_request(self, email: &str) -> Option<(&'static str, &'static str, Value)> {
        Some(match self {
            PartnerKey => (
                "POST",
                "/v1/user/token",
                json!({"email": "partner@example.com", "uid": "12345678910"}),
            ),
            EnclaiveResend => ("GET", "/api/resend-email-verification", Value::Null),
            EnclaiveRefresh => ("GET", "/api/refresh", Value::Null),
            EnclaiveResetBearer => (
                "POST",
                "/api/reset-passsword",
                json!({"newPassword": NEW_PASSWORD}),
            ),
            LmsProof => (
                "POST",
                "/authorize/forgot-password",
                json!({"email": email}),
            ),
            NativeBearer => ("GET", "/account/v1/session", Value::Null),
            NativeProfile => ("GET", "/account/v1/profile", Value::Null),
            ForwardAuth => ("GET", "/forward-auth", Value::Null),
            _ => return None,
        })
    }

    /// Brings the credential as the door wants it.
    async fn knock(self, app: &TestApp, host: &str, token: &str) -> Reply {
        if self.bearer_request("").is_some() {
            return self
                .knock_with(app, host, &[format!("Bearer {token}").into_bytes()])
                .await;
        }
        let origin = format!("https://{host}");
        let own = [("origin", origin.as_str())];
        let query = |name: &str| {
            url::form_urlencoded::Serializer::new(String::new())
                .append_pair(name, token)
                .finish()
        };
        let cookie = |name: &str| format!("{name}={token}");
        match self {
            LoginLink => {
                app.get(host, &format!("/login/?{}", query("token")), &[])
                    .await
            }
            EnclaiveVerify => {
                app.get(host, &format!("/api/verify-email/{token}"), &[])
                    .await
            }
            EnclaiveReset => {
                app.post(
                    host,
                    "/api/reset-passsword",
                    &[],
                    json!({"token": token, "newPassword": NEW_PASSWORD}),
                )
                .await
            }
            LmsRefresh => {
                app.post(
                    host,
                    "/authorize/refresh-token",
                    &[],
                    json!({"refreshToken": token}),
                )
                .await
            }
            LmsReset => {
                app.post(
                    host,
                    "/authorize/reset-password",
                    &[],
                    json!({"token": token, "password": NEW_PASSWORD}),
                )
                .await
            }
            LmsCourse => {
                let form = [
                    ("token", token),
                    ("type", "1"),
                    ("inputData", "{\"enrollmentId\":1}"),
                ];
                app.post_form(
                    host,
                    "/site/login-by-jwt-token",
                    &[("origin", "https://www.partner.test")],
                    &form,
                )
                .await
            }
            NativeCookie => {
                app.get(
                    host,
                    "/account/v1/session",
                    &[("cookie", &cookie("__Host-vestibule"))],
                )
                .await
            }
            ChoiceCookie => {
                app.get(
                    host,
                    "/sign-in/choose",
                    &[("cookie", &cookie("__Host-vestibule-choice"))],
                )
                .await
            }
            VerifyPage => {
                app.post_form(host, &format!("/verify-email/{token}"), &own, &[])
                    .await
            }
            ResetPage => {
                app.post_form(
                    host,
                    &format!("/reset-password/{token}"),
                    &own,
                    &[("password", NEW_PASSWORD)],
                )
                .await
            }
            other => panic!("{other:?} takes a bearer"),
        }
    }

    /// Brings these `Authorization` headers, as they are.
    async fn knock_with(self, app: &TestApp, host: &str, headers: &[Vec<u8>]) -> Reply {
        let victim = if self == LmsProof {
            victim(app, host).await
        } else {
            String::new()
        };
        let (method, path, body) = self.bearer_request(&victim).unwrap();
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut request: Request<_> = build(
            method,
            host,
            path,
            &[("content-type", "application/json")],
            body,
        );
        for header in headers {
            request
                .headers_mut()
                .append("authorization", HeaderValue::from_bytes(header).unwrap());
        }
        let reply = app.send(request).await;
        if self != LmsProof || reply.status == 401 {
            return reply;
        }
        let token = data(&reply)["token"].as_str().unwrap().to_owned();
        let reply = app
            .post(
                host,
                "/authorize/reset-password",
                &[],
                json!({"token": token, "password": NEW_PASSWORD}),
            )
            .await;
        app.mails().await;
        reply
    }

    /// Whether it opened; anything but its own refusal is a failure.
    #[track_caller]
    fn opened(self, reply: &Reply, what: &str) -> bool {
        let status = reply.status.as_u16();
        let welcome = match self {
            LoginLink | LmsCourse | VerifyPage | ResetPage => 303,
            _ => 200,
        };
        if status == welcome && self != ChoiceCookie {
            return true;
        }
        // Of a proof too long to be one the dialect says so at once.
        let told = self == LmsProof && status == 401;
        assert!(
            told || status == self.refusal(),
            "{self:?} to {what}: {status} {}",
            reply.body
        );
        assert!(reply.session_cookie().is_none(), "{self:?} to {what}");
        if self == ChoiceCookie {
            assert_eq!(reply.header("location"), "/sign-in");
        }
        false
    }
}
