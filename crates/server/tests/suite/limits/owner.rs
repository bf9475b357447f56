//! Strangers' guesses, and whom they must not shut out.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::Frame;

use super::{HOST, PASSWORD, WRONG, lms_login, login, page_login, set_cookie, stranger};
use crate::app::{TestApp, at_once, build, on_both};
use crate::browser::{ORIGIN, page};

const ADA: &str = "ada@team.example";
const BOB: &str = "bob@team.example";
const DEVICE: &str = "__Host-vestibule-device";

async fn ada_and_bob(app: &TestApp) {
    let cx = app.acme().await;
    app.person(&cx, ADA, PASSWORD, "Trainee").await;
    app.person(&cx, BOB, PASSWORD, "Trainee").await;
}

/// Wrong passwords until one is refused; how many were looked at.
async fn exhaust(app: &TestApp, email: &str) -> usize {
    let mut count = 0;
    while login(app, email, WRONG).await.status == 401 {
        count += 1;
    }
    count
}

/// The device cookie of somebody who signs in on the page.
async fn device(app: &TestApp, email: &str, cookie: &str) -> String {
    let reply = page_login(app, email, PASSWORD, cookie).await;
    reply.status(303);
    set_cookie(&reply, DEVICE).expect("a device cookie")
}

/// A body that breaks off as soon as somebody reads it, which is a 400.
struct Unreadable;

impl hyper::body::Body for Unreadable {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("the body was read"))))
    }
}

on_both! {
    async fn strangers_do_not_shut_out_a_device_that_the_owner_used(app: TestApp) {
        ada_and_bob(&app).await;
        let cookie = device(&app, ADA, "").await;
        let (attacker, elsewhere) = (app.from(stranger(1)), app.from(stranger(2)));
        assert_eq!(exhaust(&attacker, ADA).await, 50);
        login(&elsewhere, ADA, PASSWORD).await.status(429);
        page_login(&elsewhere, ADA, PASSWORD, "").await.status(429);
        page_login(&elsewhere, ADA, PASSWORD, &cookie).await.status(303);
        // Its own wrong ones are bounded as well, and nobody else's.
        for _ in 0..50 {
            page_login(&elsewhere, ADA, WRONG, &cookie).await.status(401);
        }
        page_login(&elsewhere, ADA, PASSWORD, &cookie).await.status(429);
        app.pass(Duration::from_secs(901));
        login(&elsewhere, ADA, PASSWORD).await.status(200);
    }

    async fn who_knew_an_earlier_password_has_no_tries_of_their_own(app: TestApp) {
        ada_and_bob(&app).await;
        let known = device(&app, ADA, "").await;
        app.pass(Duration::from_secs(1));
        let own = page_login(&app, ADA, PASSWORD, "").await.session_cookie().unwrap();
        let form = [("current", PASSWORD), ("new", "copper-meadow-77-bicycles")];
        let changed = app.post_form(HOST, "/account/password", &[ORIGIN, ("cookie", &own)], &form).await;
        let here = set_cookie(changed.status(303), DEVICE).expect("the owner's device is known again");
        let away = app.from(stranger(1));
        assert_eq!(exhaust(&away, ADA).await, 50);
        page_login(&app.from(stranger(2)), ADA, "copper-meadow-77-bicycles", &known).await.status(429);
        page_login(&app.from(stranger(2)), ADA, "copper-meadow-77-bicycles", &here).await.status(303);
    }

    async fn a_known_device_is_not_held_up_by_its_neighbours_or_its_tenant(app: TestApp) {
        ada_and_bob(&app).await;
        for limit in ["sign_in_address", "sign_in_tenant"] {
            let node = app.with_limits(&[(limit, 5)]).await;
            let cookie = device(&node, ADA, "").await;
            for n in 0..5 {
                login(&node, &format!("nobody.{n}@team.example"), WRONG).await.status(401);
            }
            let elsewhere = node.from(stranger(3));
            let held_up = if limit == "sign_in_address" { &node } else { &elsewhere };
            page_login(held_up, BOB, PASSWORD, "").await.status(429);
            page_login(held_up, BOB, PASSWORD, &cookie).await.status(429);
            page_login(held_up, ADA, PASSWORD, &cookie).await.status(303);
        }
    }

    async fn a_device_is_known_to_its_people_and_its_tenant_only(app: TestApp) {
        ada_and_bob(&app).await;
        let zeta = app.zeta().await;
        app.person(&zeta, ADA, PASSWORD, "Trainee").await;
        let cookie = device(&app, ADA, "").await;
        let shared = device(&app, BOB, &cookie).await;
        let away = app.from(stranger(1));
        assert_eq!((exhaust(&away, ADA).await, exhaust(&away, BOB).await), (50, 50));
        page_login(&away, BOB, PASSWORD, &cookie).await.status(429);
        page_login(&away, BOB, PASSWORD, &shared).await.status(303);
        page_login(&away, ADA, PASSWORD, &shared).await.status(303);
        for forged in [format!("{DEVICE}=AAAA"), format!("{DEVICE}="), cookie.replace('=', "=A"), cookie[..cookie.len() - 2].to_owned()] {
            page_login(&app.from(stranger(3)), ADA, PASSWORD, &forged).await.status(429);
        }
        let form = [("email", ADA), ("password", WRONG)];
        let there = [("origin", "https://lms.zeta.test"), ("cookie", &*cookie)];
        for _ in 0..50 {
            app.from(stranger(2)).post_form("lms.zeta.test", "/sign-in", &[there[0]], &form).await.status(401);
        }
        app.from(stranger(2)).post_form("lms.zeta.test", "/sign-in", &there, &form).await.status(429);
    }

    async fn the_device_cookie_is_locked_to_its_host_and_outlives_signing_out(app: TestApp) {
        ada_and_bob(&app).await;
        let reply = page_login(&app, ADA, PASSWORD, "").await;
        let line = reply.headers.get_all("set-cookie").iter().find(|line| line.to_str().unwrap().starts_with(DEVICE)).unwrap();
        assert!(line.to_str().unwrap().ends_with("; Path=/; Max-Age=31536000; HttpOnly; Secure; SameSite=Lax"), "{line:?}");
        assert!(!line.to_str().unwrap().contains("ada"), "{line:?}");
        let session = reply.session_cookie().unwrap();
        let out = app.post_form(HOST, "/sign-out", &[ORIGIN, ("cookie", &session)], &[]).await;
        assert_eq!(set_cookie(out.status(303), DEVICE), None);
        // Whoever signs up with an address has not proven it.
        let form = [("email", "new@team.example"), ("password", PASSWORD), ("name", "New")];
        let reply = app.post_form(HOST, "/sign-up", &[ORIGIN], &form).await;
        assert_eq!(set_cookie(reply.status(303), DEVICE), None);
        let body = serde_json::json!({ "email": "newer@team.example", "password": PASSWORD, "name": "New" });
        app.post(HOST, "/api/register", &[], body).await.status(200);
        let reply = page_login(&app, "newer@team.example", PASSWORD, "").await;
        assert!(reply.session_cookie().is_some() && set_cookie(&reply, DEVICE).is_none());
        page(&app, "/verify-email", &reply.session_cookie().unwrap()).await.status(200);
    }

    async fn strangers_do_not_shut_out_an_address_from_which_the_owner_signed_in(app: TestApp) {
        ada_and_bob(&app).await;
        let home: IpAddr = "2001:db8:1:2::7".parse().unwrap();
        let home = app.from(home);
        login(&home, ADA, PASSWORD).await.status(200);
        assert_eq!(exhaust(&app.from(stranger(1)), ADA).await, 50);
        for (address, status) in [("2001:db8:1:2:ffff::1", 200), ("2001:db8:1:3::7", 429), ("198.51.100.9", 429)] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(login(&app.from(address), ADA, PASSWORD).await.status, status, "{address}");
        }
        lms_login(&home, ADA, PASSWORD).await.status(200);
        // Whoever knows nobody there gets no more than elsewhere.
        assert_eq!(exhaust(&home, BOB).await, 50);
        assert_eq!(exhaust(&home, ADA).await, 50);
        login(&home, ADA, PASSWORD).await.status(429);
    }

    async fn whoever_has_a_bearer_makes_no_device_and_no_address_known(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, ADA, crate::alphalearn::PASSWORD, "Trainee").await;
        let bearer = crate::alphalearn::tokens(&app.from(stranger(1)), HOST, ADA).await.access;
        let thief = app.from(stranger(2));
        let form = [("token", &*bearer), ("inputData", "{\"enrollmentId\":12555}"), ("type", "2")];
        let opened = thief.post_form(HOST, "/site/login-by-jwt-token", &[ORIGIN], &form).await;
        assert!(opened.status(303).session_cookie().is_some());
        assert_eq!(set_cookie(&opened, DEVICE), None);
        assert_eq!(exhaust(&app.from(stranger(3)), ADA).await, 50);
        login(&thief, ADA, WRONG).await.status(429);
        login(&app.from(stranger(1)), ADA, crate::alphalearn::PASSWORD).await.status(200);
    }

    async fn whoever_sets_a_password_is_known_where_they_did(app: TestApp) {
        ada_and_bob(&app).await;
        let home = app.from(stranger(1));
        login(&home, ADA, PASSWORD).await.status(200);
        assert_eq!(exhaust(&app.from(stranger(2)), ADA).await, 50);
        app.post(HOST, "/api/forgot-password", &[], serde_json::json!({ "email": ADA })).await.status(200);
        let token = app.mailed_token(vestibule_identity::MailKind::ResetPassword).await;
        let body = serde_json::json!({ "token": token, "password": "copper-meadow-77-bicycles", "newPassword": "copper-meadow-77-bicycles" });
        home.post(HOST, "/api/reset-password", &[], body).await.status(200);
        login(&home, ADA, "copper-meadow-77-bicycles").await.status(200);
        login(&app.from(stranger(3)), ADA, "copper-meadow-77-bicycles").await.status(429);
    }

    async fn an_address_of_an_unproven_sign_up_is_not_the_owners(app: TestApp) {
        let cx = app.acme().await;
        let (squatter, key) = (app.from(stranger(1)), app.api_key(&cx).await);
        let body = serde_json::json!({ "email": ADA, "password": PASSWORD, "name": "Ada" });
        squatter.post(HOST, "/api/register", &[], body).await.status(200);
        crate::rezi::exchange(&app, &key, ADA, "uid").await.status(200);
        assert_eq!(exhaust(&app.from(stranger(2)), ADA).await, 50);
        login(&squatter, ADA, WRONG).await.status(429);
    }

    async fn where_nothing_names_the_tenant_the_owner_is_known_as_well(app: TestApp) {
        ada_and_bob(&app).await;
        let (home, away) = (app.from(stranger(1)), app.from(stranger(2)));
        lms_login(&home, ADA, PASSWORD).await.status(200);
        let at_none = async |app: &TestApp, password: &str| {
            crate::alphalearn::sign_in(app, "api.vendor.test", ADA, password).await.status.as_u16()
        };
        for _ in 0..50 {
            assert_eq!(at_none(&away, WRONG).await, 401);
        }
        assert_eq!((at_none(&away, PASSWORD).await, at_none(&home, PASSWORD).await), (429, 200));
    }

    async fn success_clears_nobodys_count(app: TestApp) {
        ada_and_bob(&app).await;
        let attacker = app.from(stranger(1));
        let mut looked_at = 0;
        for _ in 0..60 {
            login(&attacker, BOB, PASSWORD).await.status(200);
            looked_at += usize::from(login(&attacker, ADA, WRONG).await.status == 401);
        }
        assert_eq!(looked_at, 50);
        let away = app.from(stranger(2));
        for _ in 0..49 {
            login(&away, BOB, WRONG).await.status(401);
        }
        login(&away, BOB, PASSWORD).await.status(200);
        // Known here now, so the count of strangers is looked at from elsewhere.
        let third = app.from(stranger(3));
        login(&third, BOB, WRONG).await.status(401);
        login(&third, BOB, WRONG).await.status(429);
    }

    async fn wrong_passwords_are_counted_across_nodes_and_restarts(app: TestApp) {
        ada_and_bob(&app).await;
        let here = app.from(stranger(1));
        for email in [ADA, "nobody@team.example"] {
            for _ in 0..30 {
                login(&here, email, WRONG).await.status(401);
            }
            let there = app.second_node().await;
            assert_eq!(exhaust(&there, email).await, 20, "{email}");
            let restarted = app.second_node().await;
            login(&restarted, email, PASSWORD).await.status(429);
            login(&here, email, PASSWORD).await.status(429);
        }
        app.pass(Duration::from_secs(901));
        assert_eq!(exhaust(&app.second_node().await, ADA).await, 50);
        app.pass(Duration::from_secs(86_401));
        assert_eq!(app.identity.purge().await.unwrap(), 2, "both windows are over");
    }

    async fn of_two_hundred_at_once_no_more_than_the_limit_are_looked_at(app: TestApp) {
        ada_and_bob(&app).await;
        let before = app.identity.hashes_done();
        let statuses = at_once(200, |n| {
            let app = app.from(stranger(n % 7));
            async move { lms_login(&app, ADA, WRONG).await.status.as_u16() }
        })
        .await;
        assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 50);
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 150);
        assert_eq!(app.identity.hashes_done() - before, 50);
        login(&app, ADA, PASSWORD).await.status(429);
        assert_eq!(app.identity.hashes_done() - before, 50);
    }

    async fn one_block_is_one_client_whatever_it_says_of_itself(app: TestApp) {
        ada_and_bob(&app).await;
        let node = app.with_limits(&[("sign_in_address", 20)]).await;
        for n in 0..20 {
            let address: IpAddr = format!("2001:db8:5:6:{n:x}::{n:x}").parse().unwrap();
            login(&node.from(address), &format!("nobody.{n}@team.example"), WRONG).await.status(401);
        }
        let address: IpAddr = "2001:db8:5:6::ffff".parse().unwrap();
        let blocked = node.from(address);
        let body = serde_json::json!({ "email": BOB, "password": PASSWORD });
        for (name, value) in [("x-forwarded-for", "203.0.113.9"), ("x-real-ip", "203.0.113.9"), ("forwarded", "for=203.0.113.9"), ("cf-connecting-ip", "203.0.113.9"), ("true-client-ip", "203.0.113.9")] {
            assert_eq!(blocked.post(HOST, "/api/login", &[(name, value)], body.clone()).await.status, 429, "{name}");
        }
        let neighbour: IpAddr = "2001:db8:5:7::1".parse().unwrap();
        login(&node.from(neighbour), BOB, PASSWORD).await.status(200);
    }

    async fn who_is_over_the_limit_is_refused_before_the_body_is_read(app: TestApp) {
        ada_and_bob(&app).await;
        let cx = app.cx("acme").await;
        let node = app.with_limits(&[("sign_in_address", 1), ("sign_up_address", 1), ("forgot_address", 1), ("wrong_uid_key", 1)]).await;
        let bearer = format!("Bearer {}", node.api_key(&cx).await);
        let key = bearer.trim_start_matches("Bearer ");
        crate::rezi::exchange(&node, key, ADA, "right").await.status(200);
        crate::rezi::exchange(&node, key, ADA, "wrong").await.status(401);
        login(&node, ADA, WRONG).await.status(401);
        let body = serde_json::json!({ "email": BOB, "password": PASSWORD, "name": "Bob" });
        node.post(HOST, "/api/register", &[], body.clone()).await.status(409);
        node.post(HOST, "/api/forgot-password", &[], body).await.status(200);
        let hashes = node.identity.hashes_done();
        for path in ["/api/login", "/authorize/login", "/v3/authorize/login", "/sign-in", "/api/register", "/sign-up", "/api/forgot-password", "/api/forgot-passsword", "/authorize/forgot-password", "/forgot-password", "/v1/user/token"] {
            let (name, value) = if path == "/v1/user/token" { ("authorization", &*bearer) } else { ("accept", "*/*") };
            let headers = [ORIGIN, ("content-type", "application/x-www-form-urlencoded"), (name, value)];
            let statements = node.identity.db().statements();
            let reply = node.send(build("POST", HOST, path, &headers, Body::new(Unreadable))).await;
            assert_eq!(reply.status, 429, "{path} {}", reply.body);
            assert!(reply.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{path}");
            // That an error page was shown is noted.
            let noted = u64::from(["/sign-in", "/sign-up", "/forgot-password"].contains(&path));
            assert_eq!(node.identity.db().statements() - statements, noted, "{path}");
        }
        assert_eq!(node.identity.hashes_done(), hashes);
    }
}
