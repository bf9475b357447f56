//! POST /authorize/forgot-password and /authorize/reset-password: only a proven back end is handed a token that works.

use std::time::Duration;

use serde_json::{Value, json};
use vestibule_identity::{CreateApiKey, Cx, MailKind};

use super::{
    HOST, NOBODY, OTHER, PASSWORD, code, data, failure, is_bearer, refresh, sign_in, success,
    tokens,
};
use crate::app::{Reply, TestApp, at_once, on_both};
use crate::hostile::LINKS;

const EMAIL: &str = "pooja.g@example.com";
pub(super) const NEW: &str = "copper-meadow-77-bridges";
const PARTNER: (&str, &str) = ("origin", "https://www.partner.test");

pub(super) async fn ask(app: &TestApp, host: &str, proof: Option<&str>, body: Value) -> Reply {
    let bearer = proof.map(|proof| format!("Bearer {proof}"));
    let headers: Vec<_> = bearer
        .iter()
        .map(|bearer| ("authorization", bearer.as_str()))
        .collect();
    app.post(host, "/authorize/forgot-password", &headers, body)
        .await
}

/// The token that the caller was handed; the answer must be nothing but that.
#[track_caller]
pub(super) fn handed(reply: &Reply) -> String {
    let token = data(reply)["token"].as_str().unwrap().to_owned();
    assert_eq!(reply.json(), success(json!({"token": token})));
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(
        token.len() >= 43
            && token
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
        "{token}"
    );
    token
}

pub(super) async fn reset(app: &TestApp, host: &str, token: &str, password: &str) -> Reply {
    app.post(
        host,
        "/authorize/reset-password",
        &[],
        json!({"token": token, "password": password}),
    )
    .await
}

/// A worthless token opens neither door.
pub(super) async fn assert_worthless(app: &TestApp, token: &str) {
    reset(app, HOST, token, NEW)
        .await
        .is(400, failure("400", "Invalid token"));
    let path = format!("/reset-password/{token}");
    app.get(HOST, &path, &[]).await.status(400);
    app.post_form(
        HOST,
        &path,
        &[("origin", "https://lms.acme.test")],
        &[("password", NEW)],
    )
    .await
    .status(400);
}

async fn bearer_of(app: &TestApp, cx: &Cx, email: &str, role: &str) -> String {
    app.person(cx, email, PASSWORD, role).await;
    let host = cx.tenant.file.domains[0].clone();
    tokens(app, &host, email).await.access
}

on_both! {
    async fn a_stranger_gets_a_worthless_token_and_the_mail_goes_out_whatever_the_flag_says(app: TestApp) {
        let cx = app.acme().await;
        let flags = [None, Some(json!(1)), Some(json!(2)), Some(json!("1")), Some(json!("2")), Some(json!(true)), Some(json!(false)), Some(json!(null))];
        for (index, flag) in flags.into_iter().enumerate() {
            let email = format!("person{index}@example.com");
            app.person(&cx, &email, PASSWORD, "Trainee").await;
            let mut body = json!({"email": email});
            if let Some(flag) = flag {
                body["sendEmailNotification"] = flag;
            }
            let token = handed(&ask(&app, HOST, None, body).await);
            let link = app.mailed_link(MailKind::ResetPassword).await;
            let mailed = link.strip_prefix("https://lms.acme.test/reset-password/").unwrap_or_else(|| panic!("{link}"));
            assert_ne!(mailed, token);
            assert_eq!(mailed.len(), token.len());
            assert_worthless(&app, &token).await;
            sign_in(&app, HOST, &email, PASSWORD).await.status(200);
            reset(&app, HOST, mailed, NEW).await.is(200, success(json!({"status": "ok"})));
            sign_in(&app, HOST, &email, NEW).await.status(200);
            app.mailed_nothing_but(MailKind::PasswordChanged).await;
        }
    }

    async fn a_proven_back_end_gets_a_token_that_works(app: TestApp) {
        let cx = app.acme().await;
        let proofs = [app.api_key(&cx).await, bearer_of(&app, &cx, "admin@example.com", "Admin").await, bearer_of(&app, &cx, "manager@example.com", "Manager").await];
        let mut index = 0;
        for proof in &proofs {
            for (flag, mails) in [(json!(null), false), (json!(2), false), (json!(1), true)] {
                for hosted in [false, true] {
                    index += 1;
                    let email = format!("person{index}@example.com");
                    app.person(&cx, &email, PASSWORD, "Trainee").await;
                    let token = handed(&ask(&app, HOST, Some(proof), json!({"email": email, "sendEmailNotification": flag})).await);
                    let mut mailed = None;
                    match mails {
                        true => mailed = Some(app.mailed_token(MailKind::ResetPassword).await),
                        false => assert!(app.mails().await.is_empty(), "flag {flag}"),
                    }
                    if hosted {
                        let path = format!("/reset-password/{token}");
                        let page = app.get(HOST, &path, &[]).await;
                        assert!(page.status(200).body.contains(&email), "{}", page.body);
                        let done = app.post_form(HOST, &path, &[("origin", "https://lms.acme.test")], &[("password", NEW)]).await;
                        done.status(303);
                        assert_eq!(done.header("location"), "/sign-in?notice=password-reset");
                    } else {
                        reset(&app, HOST, &token, NEW).await.is(200, success(json!({"status": "ok"})));
                    }
                    app.mailed_nothing_but(MailKind::PasswordChanged).await;
                    sign_in(&app, HOST, &email, PASSWORD).await.is(401, failure("1004", "Invalid password"));
                    sign_in(&app, HOST, &email, NEW).await.status(200);
                    // One use, and its sibling in the mailbox goes with it.
                    assert_worthless(&app, &token).await;
                    if let Some(mailed) = mailed {
                        assert_worthless(&app, &mailed).await;
                    }
                }
            }
        }
    }

    async fn a_manager_gets_no_way_into_an_admin_or_another_manager(app: TestApp) {
        let cx = app.acme().await;
        let manager = bearer_of(&app, &cx, "manager@example.com", "Manager").await;
        for (email, role, reached) in [
            ("trainee@example.com", "Trainee", true),
            ("admin@example.com", "Admin", false),
            ("other@example.com", "Manager", false),
        ] {
            app.person(&cx, email, PASSWORD, role).await;
            let reply = ask(&app, HOST, Some(&manager), json!({"email": email})).await;
            let token = handed(&reply);
            if reached {
                assert!(app.mails().await.is_empty());
                reset(&app, HOST, &token, NEW).await.status(200);
                app.mailed_nothing_but(MailKind::PasswordChanged).await;
            } else {
                assert_worthless(&app, &token).await;
                app.mailed_nothing_but(MailKind::ResetPassword).await;
            }
        }
    }

    async fn strangers_do_not_use_up_the_back_ends_tries(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let mut last = 200;
        for _ in 0..30 {
            last = ask(&app, HOST, None, json!({"email": EMAIL})).await.status.as_u16();
        }
        assert_eq!(last, 429);
        let key = app.api_key(&cx).await;
        handed(&ask(&app, HOST, Some(&key), json!({"email": EMAIL})).await);
    }

    async fn what_proves_nothing_gets_a_worthless_token(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        app.person(&acme, "admin@example.com", PASSWORD, "Admin").await;
        let stale = tokens(&app, HOST, "admin@example.com").await.access;
        app.pass(Duration::from_secs(3_700));
        let admin = tokens(&app, HOST, "admin@example.com").await;
        let suspended = bearer_of(&app, &acme, "suspended@example.com", "Admin").await;
        let id = app.identity.user(&acme, "suspended@example.com").await.unwrap().id;
        app.identity.suspend_user(&acme, &id).await.unwrap();
        let revoked = app.identity.create_api_key(&acme, CreateApiKey { name: "r".into(), ..CreateApiKey::default() }).await.unwrap();
        app.identity.revoke_api_key(&revoked.id).await.unwrap();
        let expired = app.identity.create_api_key(&acme, CreateApiKey { name: "e".into(), expires_in: Some(Duration::from_secs(1)), ..CreateApiKey::default() }).await.unwrap();
        app.pass(Duration::from_secs(2));
        let enclaive = app.post(HOST, "/api/login", &[], json!({"email": "admin@example.com", "password": PASSWORD})).await.json();
        let expose = |key: &secrecy::SecretString| secrecy::ExposeSecret::expose_secret(key).to_owned();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let proofs = [
            ("a trainee", bearer_of(&app, &acme, "trainee@example.com", "Trainee").await),
            ("another role", bearer_of(&app, &acme, "admins@example.com", "Administrator").await),
            ("another tenant's key", app.api_key(&zeta).await),
            ("another tenant's admin", bearer_of(&app, &zeta, "admin@example.com", "Admin").await),
            ("a revoked key", expose(&revoked.key)),
            ("an expired key", expose(&expired.key)),
            ("an expired bearer", stale),
            ("a suspended admin", suspended),
            ("an admin's refresh token", admin.refresh.clone()),
            ("an admin's token of another dialect", text(&enclaive["userToken"])),
            ("an admin's team token", text(&enclaive["vaultToken"])),
            ("nonsense", "x".to_owned()),
            ("a key that never was", format!("{}x", app.api_key(&acme).await)),
        ];
        for (index, (what, proof)) in proofs.iter().enumerate() {
            let email = format!("person{index}@example.com");
            app.person(&acme, &email, PASSWORD, "Trainee").await;
            let token = handed(&ask(&app, HOST, Some(proof), json!({"email": email, "sendEmailNotification": 2})).await);
            assert_eq!(app.mails().await.iter().map(|mail| mail.kind).collect::<Vec<_>>(), [MailKind::ResetPassword], "{what}");
            assert_worthless(&app, &token).await;
        }
        // A private key in the hands of a page proves nothing, and the operator can see that it happened.
        let key = format!("Bearer {}", app.api_key(&acme).await);
        app.person(&acme, EMAIL, PASSWORD, "Trainee").await;
        let reply = app.post(HOST, "/authorize/forgot-password", &[("authorization", &key), PARTNER], json!({"email": EMAIL})).await;
        let token = handed(&reply);
        app.mailed_link(MailKind::ResetPassword).await;
        assert_worthless(&app, &token).await;
        assert!(app.audit("acme").await.iter().any(|entry| entry.starts_with("api_key.used refused browser_origin")), "{:?}", app.audit("acme").await);
        // The key of the tenant that the body names is no key of the Host's.
        let key = app.api_key(&acme).await;
        app.person(&zeta, EMAIL, PASSWORD, "Trainee").await;
        let token = handed(&ask(&app, HOST, Some(&key), json!({"email": EMAIL, "domain": OTHER})).await);
        app.mailed_link(MailKind::ResetPassword).await;
        reset(&app, OTHER, &token, NEW).await.is(400, failure("400", "Invalid token"));
        // The genuine article, to show that the table above could have passed.
        let token = handed(&ask(&app, HOST, Some(&admin.access), json!({"email": EMAIL})).await);
        reset(&app, HOST, &token, NEW).await.status(200);
    }

    async fn unknown_and_known_people_get_answers_of_one_shape(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let key = app.api_key(&cx).await;
        for proof in [None, Some(key.as_str())] {
            let shape = async |email: &str| {
                let reply = ask(&app, HOST, proof, json!({"email": email, "sendEmailNotification": 1})).await;
                let token = handed(&reply);
                let mut names: Vec<_> = reply.headers.keys().map(|name| name.to_string()).collect();
                names.sort();
                (token.len(), names, reply.body.replace(&token, ""), token)
            };
            let known = shape(EMAIL).await;
            assert_eq!(app.mails().await.len(), 1);
            let unknown = shape("nobody@example.com").await;
            assert!(app.mails().await.is_empty());
            assert_eq!((known.0, known.1, known.2), (unknown.0, unknown.1, unknown.2));
            assert_worthless(&app, &unknown.3).await;
        }
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        app.identity.suspend_user(&cx, &account.id).await.unwrap();
        let token = handed(&ask(&app, HOST, Some(&key), json!({"email": EMAIL, "sendEmailNotification": 1})).await);
        assert!(app.mails().await.is_empty());
        app.identity.restore_user(&cx, &account.id).await.unwrap();
        assert_worthless(&app, &token).await;
    }

    async fn a_link_of_the_callers_own_must_be_on_the_list(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        for (index, (link, before)) in [
            ("https://www.acme.test/verify-token/{token}", "https://www.acme.test/verify-token/"),
            ("https://WWW.acme.test/?t={token}", "https://WWW.acme.test/?t="),
            ("https://www.acme.test/#{token}", "https://www.acme.test/#"),
            ("https://lms.acme.test/reset-password/{token}", "https://lms.acme.test/reset-password/"),
        ].into_iter().enumerate() {
            let email = format!("person{index}@example.com");
            app.person(&cx, &email, PASSWORD, "Trainee").await;
            let token = handed(&ask(&app, HOST, None, json!({"email": email, "overrideEmailUrl": link})).await);
            let mailed = app.mailed_link(MailKind::ResetPassword).await;
            let mailed = mailed.strip_prefix(before).unwrap_or_else(|| panic!("{mailed}"));
            assert_worthless(&app, &token).await;
            reset(&app, HOST, mailed, NEW).await.status(200);
            app.mailed_nothing_but(MailKind::PasswordChanged).await;
        }
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let long = format!("https://www.acme.test/{{token}}?{}", "a".repeat(4_096));
        let more = ["https://lms.zeta.test/{token}".to_owned(), long];
        for link in LINKS.iter().chain(&more) {
            for proof in [None, Some(key.as_str())] {
                let reply = ask(&app, HOST, proof, json!({"email": EMAIL, "overrideEmailUrl": link, "sendEmailNotification": 1})).await;
                assert_eq!((reply.status.as_u16(), code(&reply).as_str()), (400, "400"), "{link:?} {}", reply.body);
                let unknown = ask(&app, HOST, proof, json!({"email": "nobody@example.com", "overrideEmailUrl": link, "sendEmailNotification": 1})).await;
                assert_eq!((unknown.status, &unknown.body), (reply.status, &reply.body), "{link:?}");
            }
        }
        for link in [json!(7), json!(["https://www.acme.test/{token}"]), json!({}), json!(true)] {
            let reply = ask(&app, HOST, None, json!({"email": EMAIL, "overrideEmailUrl": link})).await;
            assert_eq!((reply.status.as_u16(), code(&reply).as_str()), (400, "400"), "{link}");
        }
        assert!(app.mails().await.is_empty());
        // Another tenant's list is not ours.
        let zeta = app.zeta().await;
        app.person(&zeta, EMAIL, PASSWORD, "Trainee").await;
        let reply = ask(&app, HOST, None, json!({"email": EMAIL, "domain": OTHER, "overrideEmailUrl": "https://www.acme.test/{token}"})).await;
        assert_eq!((reply.status.as_u16(), code(&reply).as_str()), (400, "400"));
        assert!(app.mails().await.is_empty());
    }

    async fn mistakes_have_their_numbers(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        for (body, status, expected) in [
            (json!({}), 400, failure("1001", "Missing email")),
            (json!({"email": ""}), 400, failure("1001", "Missing email")),
            (json!({"email": "nobody"}), 400, failure("1002", "Invalid email")),
            (json!({"email": format!("{EMAIL},a@evil.test")}), 400, failure("1002", "Invalid email")),
            (json!({"email": [EMAIL, "a@evil.test"]}), 400, failure("1002", "Invalid email")),
            (json!({"email": format!("{EMAIL}\r\nBcc: a@evil.test")}), 400, failure("1002", "Invalid email")),
            (json!({"email": EMAIL, "domain": "nowhere.test"}), 400, failure("1006", "Invalid domain")),
            (json!({"email": EMAIL, "domain": 7}), 400, failure("1006", "Invalid domain")),
        ] {
            let reply = ask(&app, HOST, None, body.clone()).await;
            assert_eq!((reply.status.as_u16(), reply.json()), (status, expected), "{body}");
        }
        for flag in [json!(3), json!(-1), json!("yes"), json!(1.5), json!([]), json!({})] {
            let reply = ask(&app, HOST, None, json!({"email": EMAIL, "sendEmailNotification": flag})).await;
            assert_eq!((reply.status.as_u16(), code(&reply).as_str()), (400, "400"), "{flag}");
        }
        ask(&app, NOBODY, None, json!({"email": EMAIL})).await.status(421);
        assert!(app.mails().await.is_empty());
    }

    async fn the_domain_in_the_body_wins_and_the_host_never_reaches_the_mail(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        app.person(&acme, "a@example.com", PASSWORD, "Trainee").await;
        app.person(&zeta, "z@example.com", PASSWORD, "Trainee").await;
        for host in [HOST, NOBODY] {
            handed(&ask(&app, host, None, json!({"email": "z@example.com", "domain": OTHER})).await);
            let link = app.mailed_link(MailKind::ResetPassword).await;
            assert!(link.starts_with("https://lms.zeta.test/reset-password/"), "{link}");
            handed(&ask(&app, host, None, json!({"email": "a@example.com", "domain": OTHER})).await);
            assert!(app.mails().await.is_empty(), "nobody of that name there");
        }
        for (name, value) in [("x-forwarded-host", "evil.test"), ("forwarded", "host=evil.test;proto=http"), ("x-host", "evil.test"), ("x-original-host", "evil.test"), ("x-forwarded-server", "evil.test"), ("x-forwarded-proto", "http"), ("origin", "https://evil.test"), ("referer", "https://evil.test/")] {
            app.pass(Duration::from_secs(3_601));
            app.post("alias.acme.test:8443", "/authorize/forgot-password", &[(name, value)], json!({"email": "a@example.com"})).await.status(200);
            let link = app.mailed_link(MailKind::ResetPassword).await;
            assert!(link.starts_with("https://lms.acme.test/reset-password/"), "{name}: {link}");
        }
    }

    async fn a_reset_token_works_once_for_an_hour_at_its_own_tenant(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        let key = app.api_key(&acme).await;
        app.person(&acme, EMAIL, PASSWORD, "Trainee").await;
        app.person(&zeta, EMAIL, PASSWORD, "Trainee").await;
        let held = tokens(&app, HOST, EMAIL).await;
        let invalid = failure("400", "Invalid token");
        let old = handed(&ask(&app, HOST, Some(&key), json!({"email": EMAIL})).await);
        app.pass(Duration::from_secs(3_600));
        reset(&app, HOST, &old, NEW).await.is(400, invalid.clone());
        let token = handed(&ask(&app, HOST, Some(&key), json!({"email": EMAIL})).await);
        // Mistakes do not use it up.
        let post = async |body: Value| app.post(HOST, "/authorize/reset-password", &[], body).await;
        post(json!({"password": NEW})).await.is(400, failure("400", "Missing token"));
        post(json!({"token": token})).await.is(400, failure("1003", "Missing password"));
        for weak in ["short", "password", "aaaaaaaaaaaa", "pooja.g@example.com"] {
            let reply = reset(&app, HOST, &token, weak).await;
            assert_eq!((reply.status.as_u16(), code(&reply).as_str()), (400, "400"), "{weak} {}", reply.body);
        }
        let last = token.chars().last().unwrap();
        let other = if last == 'A' { 'Q' } else { 'A' };
        for altered in [token[1..].to_owned(), token[..token.len() - 1].to_owned(), format!("{token}A"), format!("{token}="), format!("{}{other}", &token[..token.len() - 1]), token.to_ascii_uppercase(), token.to_ascii_lowercase()] {
            reset(&app, HOST, &altered, NEW).await.is(400, invalid.clone());
        }
        reset(&app, OTHER, &token, NEW).await.is(400, invalid.clone());
        let body = json!({"token": token, "password": NEW, "domain": OTHER});
        post(body).await.is(400, invalid.clone());
        // Whose password it is, the token says and nobody else.
        let other = app.person(&acme, "other@example.com", PASSWORD, "Trainee").await;
        let body = json!({"token": token, "password": NEW, "email": "other@example.com", "userId": other.id, "id": other.number});
        post(body).await.is(200, success(json!({"status": "ok"})));
        sign_in(&app, HOST, "other@example.com", PASSWORD).await.status(200);
        sign_in(&app, OTHER, EMAIL, PASSWORD).await.status(200);
        sign_in(&app, HOST, EMAIL, NEW).await.status(200);
        reset(&app, HOST, &token, PASSWORD).await.is(400, invalid);
        // Every session from before has ended.
        refresh(&app, HOST, &held.refresh).await.is(401, failure("1017", "Invalid refreshToken"));
        assert!(!is_bearer(&app, HOST, &held.access).await && !is_bearer(&app, HOST, &held.session).await);
        app.mailed_nothing_but(MailKind::PasswordChanged).await;
    }

    async fn of_sixteen_resets_at_once_one_succeeds(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let token = handed(&ask(&app, HOST, Some(&key), json!({"email": EMAIL})).await);
        let mut statuses = at_once(16, |index| {
            let (app, token) = (app.clone(), token.clone());
            async move { reset(&app, HOST, &token, &format!("{NEW}-{index}")).await.status.as_u16() }
        }).await;
        statuses.sort_unstable();
        assert_eq!((statuses[0], &statuses[1..]), (200, &[400; 15][..]));
        app.mailed_nothing_but(MailKind::PasswordChanged).await;
    }

    async fn asking_without_end_spares_the_mailbox_and_is_429_at_last(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let mut counts = Vec::new();
        for email in [EMAIL, "nobody@example.com"] {
            let mut count = 0;
            let refused = loop {
                let reply = ask(&app, HOST, None, json!({"email": email})).await;
                match reply.status.as_u16() {
                    200 if count < 1_000 => count += 1,
                    _ => break reply,
                }
            };
            refused.status(429);
            assert_eq!(code(&refused), "429");
            assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds <= 3_601));
            counts.push(count);
        }
        assert_eq!(counts[0], counts[1]);
        assert_eq!(app.mails().await.len(), 5);
    }
}
