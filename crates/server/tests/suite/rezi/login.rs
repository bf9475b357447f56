//! The link with a login token: what it opens, how often, and for whom.

use std::time::Duration;

use super::{EMAIL, HOST, UID, exchange, login_token, open, refused, text};
use crate::app::{TestApp, at_once, build, claims, on_both};

async fn sessions(app: &TestApp, email: &str) -> usize {
    let cx = app.cx("acme").await;
    let account = app.identity.user(&cx, email).await.unwrap();
    app.identity.sessions(&cx, &account.id).await.unwrap().len()
}

on_both! {
    async fn a_good_token_signs_the_browser_in(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let reply = exchange(&app, &key, EMAIL, UID).await;
        let (id, token) = (text(&reply, "userID"), text(&reply, "token"));
        for path in ["/login/", "/login"] {
            let reply = app.get(HOST, &format!("{path}?token={token}"), &[]).await;
            assert_eq!((reply.status.as_u16(), reply.header("location")), (303, "https://app.acme.test/"), "{}", reply.body);
            assert_eq!((reply.header("referrer-policy"), reply.header("cache-control")), ("no-referrer", "no-store"));
            assert!(!reply.body.contains(&token), "the answer repeats the token");
            let cookie = reply.session_cookie().unwrap();
            assert!(!cookie.contains(&token));
            let session = app.get(HOST, "/account/v1/session", &[("cookie", &cookie)]).await;
            assert_eq!(session.status(200).json()["account"]["id"], *id);
            assert_eq!(session.json()["session"]["kind"], "browser");
            assert_eq!(session.json()["session"]["client_address"], "192.0.2.1");
        }
        assert_eq!(app.audit("acme").await.iter().filter(|line| *line == "sign_in.login_token done").count(), 1);
    }

    async fn whoever_is_signed_out_everywhere_gets_in_by_no_link_from_before(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let (used, unused) = (login_token(&app, &key, EMAIL).await, login_token(&app, &key, EMAIL).await);
        open(&app, &used, &[]).await.session_cookie().unwrap();
        app.pass(Duration::from_secs(1));
        let id = app.identity.user(&cx, EMAIL).await.unwrap().id;
        app.identity.sign_out_all(&cx, &id, None).await.unwrap();
        for token in [&used, &unused] {
            refused(&open(&app, token, &[]).await, 401, token);
        }
        let after = login_token(&app, &key, EMAIL).await;
        open(&app, &after, &[]).await.session_cookie().unwrap();
    }

    async fn the_session_cookie_is_locked_to_its_host(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        let reply = open(&app, &token, &[]).await;
        let lines: Vec<&str> = reply.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
        let session = lines.iter().find(|line| line.starts_with("__Host-vestibule=")).unwrap();
        let attributes: Vec<&str> = session.split("; ").skip(1).collect();
        for wanted in ["Path=/", "HttpOnly", "Secure", "SameSite=Lax"] {
            assert!(attributes.contains(&wanted), "{wanted} not in {session}");
        }
        assert!(!session.to_ascii_lowercase().contains("domain="), "{session}");
        for line in lines {
            assert!(line.starts_with("__Host-") && line.contains("Secure") && line.contains("HttpOnly"), "{line}");
        }
    }

    async fn a_double_click_leads_into_the_same_session(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        let first = open(&app, &token, &[]).await.session_cookie().unwrap();
        for seconds in [0, 1, 58, 1] {
            app.pass(Duration::from_secs(seconds));
            assert_eq!(open(&app, &token, &[]).await.session_cookie().as_ref(), Some(&first));
            assert_eq!(open(&app, &token, &[("cookie", &first)]).await.session_cookie().as_ref(), Some(&first), "a reload");
        }
        assert_eq!(sessions(&app, EMAIL).await, 1);
        app.pass(Duration::from_secs(1));
        refused(&open(&app, &token, &[]).await, 401, &token);
        refused(&open(&app, &token, &[("cookie", &first)]).await, 401, &token);
        assert_eq!(app.get(HOST, "/account/v1/session", &[("cookie", &first)]).await.status, 200, "the session itself goes on");
    }

    async fn signing_out_ends_the_link_too(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        let cookie = open(&app, &token, &[]).await.session_cookie().unwrap();
        let reply = app.post_form(HOST, "/sign-out", &[("origin", "https://lms.acme.test"), ("cookie", &cookie)], &[]).await;
        reply.status(303);
        refused(&open(&app, &token, &[]).await, 401, &token);
        assert_eq!(sessions(&app, EMAIL).await, 0);
    }

    async fn sixteen_clicks_open_one_session(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        let replies = at_once(16, |_| {
            let (app, token) = (app.clone(), token.clone());
            async move { open(&app, &token, &[]).await }
        })
        .await;
        let mut cookies: Vec<String> = replies.iter().map(|reply| reply.status(303).session_cookie().unwrap()).collect();
        cookies.dedup();
        assert_eq!((cookies.len(), sessions(&app, EMAIL).await), (1, 1));
        assert_eq!(app.audit("acme").await.iter().filter(|line| *line == "sign_in.login_token done").count(), 1);
    }

    async fn each_token_opens_a_session_of_its_own(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let first = open(&app, &login_token(&app, &key, EMAIL).await, &[]).await.session_cookie().unwrap();
        app.pass(Duration::from_secs(2));
        let token = login_token(&app, &key, EMAIL).await;
        let second = open(&app, &token, &[]).await.session_cookie().unwrap();
        assert_ne!(first, second);
        assert_eq!(sessions(&app, EMAIL).await, 2, "two browsers");
        app.pass(Duration::from_secs(2));
        let third = open(&app, &login_token(&app, &key, EMAIL).await, &[("cookie", &second)]).await;
        assert_eq!((third.status.as_u16(), third.header("location")), (303, "https://app.acme.test/"), "the same person is not asked");
        assert_ne!(third.session_cookie().unwrap(), second, "a new session id with each sign-in");
        assert_eq!(sessions(&app, EMAIL).await, 2, "it took the place of that browser's former one");
        assert_eq!(app.get(HOST, "/account/v1/session", &[("cookie", &second)]).await.status, 401);
        assert_eq!(app.get(HOST, "/account/v1/session", &[("cookie", &first)]).await.status, 200);
    }

    async fn two_exchanges_in_one_second_give_two_tokens(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let first = open(&app, &login_token(&app, &key, EMAIL).await, &[]).await;
        let second = open(&app, &login_token(&app, &key, EMAIL).await, &[]).await;
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (303, 303));
    }

    async fn an_expired_token_is_refused_and_says_so(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        app.pass(Duration::from_secs(3_600));
        let reply = open(&app, &token, &[]).await;
        refused(&reply, 401, &token);
        assert!(reply.body.contains("has expired") && reply.body.contains("action=\"/sign-in\""), "{}", reply.body);
        assert_eq!(sessions(&app, EMAIL).await, 0);
    }

    async fn a_token_is_good_until_its_last_second(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        app.pass(Duration::from_secs(3_599));
        assert_eq!(open(&app, &token, &[]).await.status, 303);
    }

    async fn the_tenant_sets_the_lifetime(app: TestApp) {
        let cx = app.acme_with("[login_token]\nlifetime = '5m'").await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        assert_eq!(claims(&token)["exp"].as_i64().unwrap() - claims(&token)["iat"].as_i64().unwrap(), 300);
        app.pass(Duration::from_secs(300));
        refused(&open(&app, &token, &[]).await, 401, &token);
    }

    async fn a_clock_that_goes_back_makes_no_used_token_new(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        app.pass(Duration::from_secs(600));
        assert_eq!(open(&app, &token, &[]).await.status, 303);
        // Another node's clock, a little behind: the same link once more.
        app.step_back(Duration::from_secs(2));
        assert_eq!(open(&app, &token, &[]).await.status, 303);
        app.step_back(Duration::from_secs(300));
        refused(&open(&app, &token, &[]).await, 401, &token);
        app.pass(Duration::from_secs(86_400));
        app.identity.purge().await.unwrap();
        app.step_back(Duration::from_secs(86_400));
        refused(&open(&app, &token, &[]).await, 401, &token);
        assert_eq!(sessions(&app, EMAIL).await, 1);
    }

    async fn a_reusable_token_signs_in_until_it_expires(app: TestApp) {
        let cx = app.acme_with("[login_token]\nuse = 'reusable'").await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        let mut cookies = Vec::new();
        for minutes in [0, 5, 54] {
            app.pass(Duration::from_secs(minutes * 60));
            cookies.push(open(&app, &token, &[]).await.status(303).session_cookie().unwrap());
        }
        cookies.sort();
        cookies.dedup();
        assert_eq!((cookies.len(), sessions(&app, EMAIL).await), (3, 3));
        app.pass(Duration::from_secs(60));
        refused(&open(&app, &token, &[]).await, 401, &token);
    }

    async fn only_a_navigation_uses_the_token(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        for headers in [
            &[("sec-fetch-dest", "image"), ("sec-fetch-mode", "no-cors")][..],
            &[("sec-fetch-dest", "iframe"), ("sec-fetch-mode", "navigate")],
            &[("sec-fetch-dest", "frame"), ("sec-fetch-mode", "navigate")],
            &[("sec-fetch-dest", "embed"), ("sec-fetch-mode", "navigate")],
            &[("sec-fetch-dest", "object"), ("sec-fetch-mode", "navigate")],
            &[("sec-fetch-dest", "empty"), ("sec-fetch-mode", "cors")],
            &[("sec-fetch-dest", "script"), ("sec-fetch-mode", "no-cors")],
            &[("sec-fetch-dest", "style")],
            &[("sec-fetch-mode", "cors")],
            &[("sec-purpose", "prefetch")],
            &[("sec-purpose", "prefetch;prerender"), ("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate")],
        ] {
            let reply = open(&app, &token, headers).await;
            assert_eq!((reply.status.as_u16(), reply.session_cookie()), (403, None), "{headers:?}: {}", reply.body);
            assert!(!reply.body.contains(&token));
        }
        assert_eq!(sessions(&app, EMAIL).await, 0);
        // Long after the grace of a second use: nothing was used up.
        app.pass(Duration::from_secs(600));
        let headers = [("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site"), ("sec-fetch-user", "?1")];
        assert_eq!(open(&app, &token, &headers).await.status, 303);
    }

    async fn head_never_uses_the_token(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        for path in ["/login/", "/login"] {
            let reply = app.send(build("HEAD", HOST, &format!("{path}?token={token}"), &[], "")).await;
            assert_eq!((reply.status.as_u16(), reply.session_cookie(), &*reply.body), (200, None, ""));
        }
        assert_eq!(sessions(&app, EMAIL).await, 0);
        app.pass(Duration::from_secs(600));
        assert_eq!(open(&app, &token, &[]).await.status, 303);
    }

    async fn other_methods_are_refused(app: TestApp) {
        let cx = app.acme().await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let reply = app.send(build(method, HOST, &format!("/login/?token={token}"), &[], "")).await;
            assert_eq!((reply.status.as_u16(), reply.session_cookie()), (405, None), "{method}");
            let mut allowed: Vec<&str> = reply.header("allow").split(", ").collect();
            allowed.sort_unstable();
            assert_eq!(allowed, ["GET", "HEAD"], "{method}");
        }
        app.pass(Duration::from_secs(600));
        assert_eq!(open(&app, &token, &[]).await.status, 303);
    }

    async fn without_a_token_it_is_the_sign_in_page(app: TestApp) {
        app.acme().await;
        for path in ["/login/", "/login", "/login/?token=", "/login/?token=%20", "/login/?openOnboarding=false&utm=1"] {
            let reply = app.get(HOST, path, &[]).await;
            reply.status(200);
            assert_eq!(reply.session_cookie(), None, "{path}");
            for wanted in ["action=\"/sign-in\"", "name=\"email\"", "name=\"password\""] {
                assert!(reply.body.contains(wanted), "{path}: no {wanted} in {}", reply.body);
            }
            assert!(!reply.body.contains("role=\"alert\""), "{path}: {}", reply.body);
            assert_eq!((reply.header("referrer-policy"), reply.header("cache-control")), ("no-referrer", "no-store"));
        }
    }
}
