//! What a mail looks like when it arrives.

use serde_json::json;
use vestibule_identity::{CreateUser, TenantFile};

use super::sink::Sink;
use super::{link, post, secret, worker};
use crate::app::{ACME, build, on_both};
use crate::enclaive::{HOST, OTHER_PASSWORD, PASSWORD, forgot, registered, reset, sign_up, verify};

on_both! {
    async fn a_mail_has_one_recipient_both_parts_and_honest_headers(app: TestApp) {
        let (_, sink, worker) = post(&app).await;
        registered(&app, "ada@team.example").await;
        assert_eq!(worker.run_once().await.unwrap(), 1);
        let mails = sink.take();
        assert_eq!(mails.len(), 1);
        let mail = &mails[0];
        assert_eq!(mail.from, ["FROM:<no-reply@lms.acme.test>"], "the address of nobody's mailbox, no options");
        assert_eq!(mail.to, ["TO:<ada@team.example>"]);
        assert_eq!(mail.header("From"), "no-reply@lms.acme.test");
        assert_eq!(mail.header("To"), "ada@team.example");
        assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
        assert_eq!(mail.header("Date"), "Thu, 01 Jan 2026 00:00:00 +0000");
        assert_eq!(mail.header("MIME-Version"), "1.0");
        assert!(mail.header("Subject").contains("Acme Learning"), "{}", mail.data);
        let id = mail.header("Message-ID");
        assert!(id.starts_with('<') && id.ends_with("@lms.acme.test>"), "{id}");
        assert_eq!(mail.header_names(), ["auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"]);
        let parts = mail.parts();
        let kinds: Vec<&str> = parts.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["text/plain; charset=utf-8", "text/html; charset=utf-8"], "the plainest first (RFC 2046, section 5.1.4)");
        assert!(mail.header("Content-Type").starts_with("multipart/alternative;"));
        let address = link(&parts[0].1);
        assert!(address.starts_with("https://lms.acme.test/verify-email/"), "{address}");
        assert!(parts[1].1.contains(&format!("href=\"{address}\"")), "{}", parts[1].1);
        assert!(parts.iter().all(|(_, content)| content.contains("Ada King") && content.contains("Acme Learning")));
        assert!(mail.data.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
    }

    async fn the_mailed_links_work(app: TestApp) {
        let (_, sink, worker) = post(&app).await;
        registered(&app, "ada@team.example").await;
        forgot(&app, "ada@team.example").await.status(200);
        assert_eq!(worker.run_once().await.unwrap(), 2);
        let links: Vec<String> = sink.take().iter().map(|mail| link(&mail.parts()[0].1)).collect();
        let token = |kind: &str| links.iter().find_map(|link| link.strip_prefix(&format!("https://lms.acme.test/{kind}/"))).unwrap_or_else(|| panic!("{links:?}")).to_owned();
        verify(&app, &token("verify-email")).await.status(200);
        reset(&app, &token("reset-password"), OTHER_PASSWORD).await.status(200);
        assert_eq!(worker.run_once().await.unwrap(), 1);
        let notice = &sink.take()[0];
        assert_eq!(notice.to, ["TO:<ada@team.example>"]);
        let text = &notice.parts()[0].1;
        assert!(text.contains("https://lms.acme.test/forgot-password") && !text.contains("reset-password/"), "{text}");
    }

    async fn each_tenant_writes_under_its_own_name_and_through_its_own_server(app: TestApp) {
        let (_, common, _) = post(&app).await;
        let own = Sink::start().await;
        let zeta = format!("{}\n[mail]\nfrom = \"Zeta Söhne <hello@zeta.test>\"\nsmtp_url = \"{}\"\n", ACME.replace("acme", "zeta").replace("Acme", "Zeta"), own.url());
        app.apply(&zeta).await;
        let worker = worker(&app, &[("smtp_url", &common.url()), ("mail_from", "House <post@house.test>")]);
        registered(&app, "ada@team.example").await;
        sign_up(&app, "lms.zeta.test", "zoe@team.example", PASSWORD).await.status(200);
        assert_eq!(worker.run_once().await.unwrap(), 2);
        let (common, own) = (common.take(), own.take());
        assert_eq!((common.len(), own.len()), (1, 1));
        assert_eq!((common[0].header("From").as_str(), common[0].from[0].as_str()), ("House <post@house.test>", "FROM:<post@house.test>"));
        assert_eq!((own[0].from[0].as_str(), own[0].to[0].as_str()), ("FROM:<hello@zeta.test>", "TO:<zoe@team.example>"));
        assert!(own[0].header("From").ends_with("<hello@zeta.test>"), "{}", own[0].header("From"));
        assert!(own[0].header("From").starts_with("=?utf-8?"), "names beyond ASCII are encoded: {}", own[0].header("From"));
        assert!(own[0].header("Message-ID").ends_with("@lms.zeta.test>"));
        assert!(own[0].header("Subject").contains("Zeta Learning") && own[0].parts()[0].1.contains("https://lms.zeta.test/"));
    }

    async fn credentials_are_used_and_a_wrong_login_waits(app: TestApp) {
        app.acme().await;
        let sink = Sink::start().await;
        registered(&app, "ada@team.example").await;
        let wrong = worker(&app, &[("smtp_url", &format!("smtp://postman:wrong@127.0.0.1:{}?tls=none", sink.port))]);
        assert_eq!(wrong.run_once().await.unwrap(), 1);
        assert!(sink.take().is_empty());
        app.pass(std::time::Duration::from_secs(60));
        let right = worker(&app, &[("smtp_url", &format!("smtp://postman:right@127.0.0.1:{}?tls=none", sink.port))]);
        assert_eq!(right.run_once().await.unwrap(), 1);
        assert_eq!(sink.take().len(), 1, "the mail waited until the operator mended the login");
    }

    async fn encryption_that_is_required_is_not_done_without(app: TestApp) {
        app.acme().await;
        let sink = Sink::start().await;
        registered(&app, "ada@team.example").await;
        let worker = worker(&app, &[("smtp_url", &format!("smtp://postman:right@127.0.0.1:{}?tls=required", sink.port))]);
        assert_eq!(worker.run_once().await.unwrap(), 1);
        assert!(sink.take().is_empty());
        let commands = sink.commands();
        assert!(commands.iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")), "{commands:?}");
    }

    async fn without_a_server_the_mail_stays_in_the_inbox(app: TestApp) {
        app.acme().await;
        registered(&app, "ada@team.example").await;
        let worker = worker(&app, &[]);
        assert_eq!(worker.run_once().await.unwrap(), 1);
        assert_eq!(worker.run_once().await.unwrap(), 0);
        let kept = app.identity.inbox(10).await.unwrap();
        assert_eq!((kept.len(), kept[0].mail.to.as_str()), (1, "ada@team.example"));
        assert!(secret(kept[0].mail.link.as_ref().unwrap()).starts_with("https://lms.acme.test/verify-email/"));
    }

    async fn names_stay_names(app: TestApp) {
        let (cx, sink, worker) = post(&app).await;
        let names = [
            "<img src=x onerror=alert(1)>", "\"><svg/onload=alert(1)>", "{{7*7}} ${7*7} {% raw %} <%=7*7%>", "Eve <eve@evil.test>", "eve@evil.test, bob", ".", "..", "=?utf-8?q?x?=", "%0d%0aBcc: eve@evil.test",
            "Ünïcödé 名前", "\u{202e}drowssap", "-oQ/tmp/x", "=cmd|' /C calc'!A0",
        ];
        for (index, name) in names.into_iter().enumerate() {
            let body = json!({ "email": format!("p{index}@team.example"), "password": PASSWORD, "name": name });
            app.post(HOST, "/api/register", &[], body).await.status(200);
        }
        assert_eq!(worker.run_once().await.unwrap(), names.len());
        let mut mails = sink.take();
        assert_eq!(mails.len(), names.len());
        mails.sort_by_key(|mail| mail.to[0].trim_start_matches("TO:<p").split('@').next().unwrap().parse::<usize>().unwrap());
        for (index, (mail, name)) in mails.iter().zip(names).enumerate() {
            assert_eq!(mail.to, [format!("TO:<p{index}@team.example>")]);
            assert_eq!(mail.header("To"), format!("p{index}@team.example"));
            assert_eq!(mail.header_names().len(), 8, "{}", mail.data);
            let parts = mail.parts();
            // Whoever signed up wrote the name, and who gets the mail may be somebody else.
            let is_name = name == "Ünïcödé 名前";
            assert_eq!(parts[0].1.contains(&format!("Hello {name},")), is_name, "{}", parts[0].1);
            assert_eq!(parts[0].1.contains("Hello,"), !is_name, "{}", parts[0].1);
            assert!(!parts[0].1.contains("evil") && !parts[0].1.contains('\u{202e}'), "{}", parts[0].1);
            assert!(!parts[1].1.contains("<img") && !parts[1].1.contains("<svg") && !parts[1].1.contains("49"), "{}", parts[1].1);
        }
        assert_eq!(app.identity.users(&cx, "", 100).await.unwrap().len(), names.len());
    }

    async fn line_breaks_never_reach_a_header_or_the_envelope(app: TestApp) {
        let (cx, sink, worker) = post(&app).await;
        for name in ["Ada\r\nBcc: eve@evil.test", "Ada\nBcc: eve@evil.test", "Ada\rBcc: eve@evil.test", "Ada\r\n.\r\nMAIL FROM:<eve@evil.test>", "Ada\u{85}x", "Ada\u{0b}x", "Ada\u{1b}[31m"] {
            let body = json!({ "email": "ada@team.example", "password": PASSWORD, "name": name });
            let reply = app.post(HOST, "/api/register", &[], body.clone()).await;
            assert_eq!((reply.status.as_u16(), reply.json()["statusCode"].clone()), (400, json!(400)), "{name:?}");
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("email", "ada@team.example").append_pair("password", PASSWORD).append_pair("name", name).finish();
            app.send(build("POST", HOST, "/api/register", &[("content-type", "application/x-www-form-urlencoded")], form)).await.status(400);
            let new = CreateUser { email: "x@team.example".into(), role: None, first_name: Some(name.into()), last_name: None, verified: false, password: None };
            assert!(app.identity.create_user(&cx, new).await.is_err());
        }
        assert_eq!(worker.run_once().await.unwrap(), 0);
        // What a tenant's own file says is shown to strangers too.
        for setting in ["product", "support"] {
            let file = format!("{ACME}\n[branding]\n{setting} = \"Acme\\r\\nBcc: eve@evil.test\\r\\n\"\n");
            let file: TenantFile = toml::from_str(&file).unwrap();
            assert!(app.identity.apply(&file, false).await.is_err(), "{setting}");
        }
        registered(&app, "ada@team.example").await;
        assert_eq!(worker.run_once().await.unwrap(), 1);
        let mails = sink.take();
        assert_eq!((mails.len(), mails[0].to.len(), mails[0].from.len()), (1, 1, 1));
        assert_eq!(mails[0].header_names(), ["auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"]);
        let commands = sink.commands();
        assert!(commands.iter().all(|command| !command.contains("evil")), "{commands:?}");
    }

    async fn addresses_beyond_ascii_arrive(app: TestApp) {
        let (_, sink, worker) = post(&app).await;
        registered(&app, "käthe@bücher.example").await;
        assert_eq!(worker.run_once().await.unwrap(), 1);
        let mails = sink.take();
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].to.len(), 1);
        assert!(mails[0].to[0].starts_with("TO:<käthe@"), "{:?}", mails[0].to);
    }
}
