//! Links in mails lead to the tenant's canonical domain, whatever a request says about hosts.

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use vestibule_identity::MailKind;

use super::{HOST, OTHER_PASSWORD, PASSWORD, Tokens};
use crate::app::{Reply, TestApp, build, claims, on_both};

const OWN_PAGE: (&str, &str) = ("origin", "https://lms.acme.test");

/// What `Wire::everything` answers where all goes well.
const MAILED: [u16; 9] = [200, 200, 200, 200, 200, 303, 303, 303, 303];

/// How a request is sent: its Host, what stands before the path in its target, and further headers.
#[derive(Clone, Debug)]
struct Wire<'a> {
    host: &'a str,
    target: &'a str,
    headers: Vec<(&'a str, &'a str)>,
}

impl<'a> Wire<'a> {
    fn to(host: &'a str) -> Wire<'a> {
        Wire {
            host,
            target: "",
            headers: Vec::new(),
        }
    }

    fn with(headers: &[(&'a str, &'a str)]) -> Wire<'a> {
        Wire {
            headers: headers.to_vec(),
            ..Wire::to(HOST)
        }
    }

    async fn send(
        &self,
        app: &TestApp,
        (method, path): (&str, &str),
        extra: &[(&str, &str)],
        body: String,
    ) -> Reply {
        let mut headers = self.headers.clone();
        headers.extend_from_slice(extra);
        app.send(build(
            method,
            self.host,
            &format!("{}{path}", self.target),
            &headers,
            body,
        ))
        .await
    }

    async fn json(&self, app: &TestApp, path: &str, body: Value) -> Reply {
        self.send(
            app,
            ("POST", path),
            &[("content-type", "application/json")],
            body.to_string(),
        )
        .await
    }

    async fn form(&self, app: &TestApp, path: &str, fields: &[(&str, &str)]) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.send(
            app,
            ("POST", path),
            &[
                ("content-type", "application/x-www-form-urlencoded"),
                OWN_PAGE,
            ],
            body,
        )
        .await
    }

    /// Every route that mails, for one new person; the statuses.
    async fn everything(&self, app: &TestApp, name: &str) -> Vec<u16> {
        let (email, page_email) = (
            format!("{name}@team.example"),
            format!("{name}-page@team.example"),
        );
        let registered = self
            .json(
                app,
                "/api/register",
                json!({ "email": email, "password": PASSWORD, "name": "Ada" }),
            )
            .await;
        let mut statuses = vec![registered.status.as_u16()];
        app.pass(std::time::Duration::from_secs(61));
        let token = serde_json::from_str::<Value>(&registered.body)
            .ok()
            .and_then(|body| Some(body["userToken"].as_str()?.to_owned()));
        let bearer = format!("Bearer {}", token.as_deref().unwrap_or("none"));
        statuses.push(
            self.send(
                app,
                ("GET", "/api/resend-email-verification"),
                &[("authorization", &bearer)],
                String::new(),
            )
            .await
            .status
            .as_u16(),
        );
        for path in [
            "/api/forgot-passsword",
            "/api/forgot-password",
            "/authorize/forgot-password",
        ] {
            statuses.push(
                self.json(app, path, json!({ "email": email }))
                    .await
                    .status
                    .as_u16(),
            );
        }
        statuses.push(
            self.form(app, "/forgot-password", &[("email", &email)])
                .await
                .status
                .as_u16(),
        );
        // Of the first one the mail tells that there is an account already.
        for email in [&email, &page_email] {
            let fields = [("email", &**email), ("password", PASSWORD), ("name", "Ada")];
            let signed_up = self.form(app, "/sign-up", &fields).await;
            statuses.push(signed_up.status.as_u16());
        }
        app.pass(std::time::Duration::from_secs(61));
        let fields = [("email", &*email), ("password", PASSWORD)];
        let signed_in = self.form(app, "/sign-in", &fields).await;
        let cookie = signed_in.session_cookie().unwrap_or_default();
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            OWN_PAGE,
            ("cookie", cookie.as_str()),
        ];
        statuses.push(
            self.send(app, ("POST", "/verify-email"), &headers, String::new())
                .await
                .status
                .as_u16(),
        );
        statuses
    }
}

/// Takes the mails that wait; each must lead to the canonical domain and name no other host.
async fn links(
    app: &TestApp,
    tenant: &std::sync::Arc<vestibule_identity::Tenant>,
    why: &str,
) -> usize {
    let mails = app.mails().await;
    for mail in &mails {
        let path = match mail.kind {
            MailKind::VerifyEmail => "verify-email/",
            MailKind::AccountExists => "sign-in",
            _ => "reset-password/",
        };
        let link = mail.link.as_ref().map_or("", |link| link.expose_secret());
        let rendered = vestibule_http::mail::render(tenant, mail).unwrap();
        let leads_to = format!("https://lms.acme.test/{path}");
        assert!(
            rendered.text.contains(&leads_to) && (link.is_empty() || link.starts_with(&leads_to)),
            "{why}: {link} {}",
            rendered.text
        );
        for part in [&rendered.subject, &rendered.text, &rendered.html] {
            assert!(
                !part.contains("evil") && !part.contains("http://") && !part.contains("alias."),
                "{why}: {part}"
            );
        }
    }
    mails.len()
}

on_both! {
    async fn headers_about_hosts_move_no_link(app: TestApp) {
        let cx = app.acme().await;
        for (index, (name, value)) in [
            ("x-forwarded-host", "evil.test"),
            ("forwarded", "host=evil.test;proto=http;for=127.0.0.1"),
            ("x-host", "evil.test"),
            ("x-original-host", "evil.test"),
            ("x-forwarded-server", "evil.test"),
            ("x-http-host-override", "evil.test"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-port", "444"),
            ("x-forwarded-prefix", "/evil"),
            ("x-original-url", "http://evil.test/"),
            ("x-rewrite-url", "http://evil.test/"),
            ("referer", "https://evil.test/"),
            ("base-url", "https://evil.test/"),
        ].into_iter().enumerate() {
            let wire = Wire::with(&[(name, value)]);
            assert_eq!(wire.everything(&app, &format!("p{index}")).await, MAILED, "{name}");
            assert_eq!(links(&app, &cx.tenant, name).await, MAILED.len(), "{name}");
        }
    }

    async fn other_names_of_the_tenant_still_mail_the_canonical_one(app: TestApp) {
        let cx = app.acme().await;
        for (index, host) in ["alias.acme.test", "LMS.acme.TEST", "lms.acme.test:8443", "alias.acme.test:444"].into_iter().enumerate() {
            let statuses = Wire::to(host).everything(&app, &format!("p{index}")).await;
            assert_eq!(statuses, MAILED, "{host}");
            assert_eq!(links(&app, &cx.tenant, host).await, MAILED.len(), "{host}");
        }
        let wire = Wire { target: "http://lms.acme.test", ..Wire::to(HOST) };
        assert_eq!(wire.everything(&app, "absolute").await, MAILED);
        assert_eq!(links(&app, &cx.tenant, "absolute form").await, MAILED.len());
    }

    async fn hosts_that_are_not_ours_are_refused_and_mail_nobody(app: TestApp) {
        let cx = app.acme().await;
        app.zeta().await;
        app.person(&cx, "p@team.example", PASSWORD, "Trainee").await;
        let with_host = |headers: &[(&'static str, &'static str)]| Wire::with(headers);
        for (wire, status) in [
            (Wire::to("evil.test"), 421),
            (Wire::to("evil.test:443"), 421),
            (Wire::to("lms.acme.test.evil.test"), 421),
            (Wire::to("xlms.acme.test"), 421),
            (Wire::to("127.0.0.1"), 421),
            (Wire::to("lms.acme.test:evil.test"), 400),
            (Wire::to("lms.acme.test@evil.test"), 400),
            (Wire::to("evil.test@lms.acme.test"), 400),
            (Wire::to("lms.acme.test, evil.test"), 400),
            (Wire::to("lms.acme.test/evil"), 400),
            (Wire::to("lms.acme.test#evil.test"), 400),
            (Wire::to(""), 400),
            (with_host(&[("host", "evil.test")]), 400),
            (with_host(&[("host", "lms.acme.test")]), 400),
            (Wire { target: "http://evil.test", ..Wire::to(HOST) }, 400),
            (Wire { target: "http://lms.acme.test", ..Wire::to("evil.test") }, 400),
            (Wire { target: "http://lms.zeta.test", ..Wire::to(HOST) }, 400),
        ] {
            let statuses = wire.everything(&app, "p").await;
            assert!(statuses.iter().all(|given| *given == status), "{wire:?}: {statuses:?}");
            assert!(app.mails().await.is_empty(), "{wire:?}");
        }
    }

    async fn a_call_that_names_its_tenant_in_the_body_mails_that_tenants_link(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        for domain in ["lms.acme.test", "alias.acme.test"] {
            let body = json!({ "email": "ada@team.example", "domain": domain });
            Wire::to("evil.test").json(&app, "/authorize/forgot-password", body).await.status(200);
            assert_eq!(links(&app, &cx.tenant, domain).await, 1);
        }
    }

    async fn the_notice_of_a_reset_leads_home_too(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let wire = Wire { host: "alias.acme.test", ..Wire::with(&[("x-forwarded-host", "evil.test"), ("forwarded", "host=evil.test")]) };
        wire.json(&app, "/api/forgot-passsword", json!({ "email": "ada@team.example" })).await.status(200);
        let token = app.mailed_token(MailKind::ResetPassword).await;
        wire.json(&app, "/api/reset-passsword", json!({ "token": token, "newPassword": OTHER_PASSWORD })).await.status(200);
        let mails = app.mails().await;
        let rendered = vestibule_http::mail::render(&cx.tenant, &mails[0]).unwrap();
        assert!(rendered.text.contains("https://lms.acme.test/forgot-password"), "{}", rendered.text);
        assert!(!rendered.text.contains("evil") && !rendered.html.contains("evil") && !rendered.text.contains("alias"));
    }

    async fn tokens_name_the_canonical_issuer_under_every_host(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        for host in [HOST, "alias.acme.test"] {
            let wire = Wire { host, ..Wire::with(&[("x-forwarded-host", "evil.test")]) };
            let tokens = Tokens::of(&wire.json(&app, "/api/login", json!({ "email": "ada@team.example", "password": PASSWORD })).await);
            assert_eq!(claims(&tokens.user)["iss"], "https://lms.acme.test", "{host}");
        }
    }
}
