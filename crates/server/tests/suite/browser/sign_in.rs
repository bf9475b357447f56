//! The sign-in page.

use std::time::Duration;

use super::{
    APP, EMAIL, HOST, ORIGIN, PASSWORD, acme_with_ada, bearer, is_live, leads_to, page, refused,
    sign_in, submit,
};
use crate::app::{build, on_both};
use crate::hostile::PATHS;

on_both! {
    async fn the_right_password_signs_in(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let form = page(&app, "/sign-in", "").await;
        assert!(form.status(200).body.contains("method=\"post\" action=\"/sign-in\""), "{}", form.body);
        for email in [EMAIL, " ADA@Example.com "] {
            let reply = submit(&app, "/sign-in", "", &[("email", email), ("password", PASSWORD)]).await;
            leads_to(&reply, APP);
            assert_eq!(reply.header("cache-control"), "no-store");
            assert!(is_live(&app, &reply.session_cookie().unwrap()).await);
        }
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        let sessions = app.identity.sessions(&cx, &account.id).await.unwrap();
        assert_eq!(sessions.iter().map(|session| (session.kind, session.client_address.as_deref())).collect::<Vec<_>>(), [(vestibule_identity::SessionKind::Browser, Some("192.0.2.1")); 2]);
    }

    async fn the_cookie_is_locked_to_its_host(app: TestApp) {
        acme_with_ada(&app).await;
        let reply = submit(&app, "/sign-in", "", &[("email", EMAIL), ("password", PASSWORD)]).await;
        let lines: Vec<&str> = reply.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
        let session = lines.iter().find(|line| line.starts_with("__Host-vestibule=")).unwrap();
        assert!(session.ends_with("; HttpOnly; Secure; SameSite=Lax") && session.contains("; Path=/;") && !session.contains("Domain"), "{session}");
    }

    async fn whatever_is_wrong_is_told_alike(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        app.person(&cx, "out@example.com", PASSWORD, "Trainee").await;
        let out = app.identity.user(&cx, "out@example.com").await.unwrap();
        app.identity.suspend_user(&cx, &out.id).await.unwrap();
        let mut told = Vec::new();
        for (email, password) in [(EMAIL, "wrong password"), ("nobody@example.com", PASSWORD), ("out@example.com", PASSWORD), (EMAIL, &"x".repeat(5_000)), (EMAIL, "\u{301}")] {
            let reply = submit(&app, "/sign-in", "", &[("email", email), ("password", password)]).await;
            refused(&reply, 401);
            assert!(!reply.body.contains(password), "the page repeats the password");
            told.push(reply.body.replace(email, "EMAIL"));
        }
        told.dedup();
        assert_eq!(told.len(), 1, "{told:?}");
    }

    async fn missing_and_malformed_fields(app: TestApp) {
        acme_with_ada(&app).await;
        for form in [
            &[("email", EMAIL)][..],
            &[("password", PASSWORD)],
            &[("email", ""), ("password", PASSWORD)],
            &[("email", EMAIL), ("password", "")],
            &[("email", "  "), ("password", PASSWORD)],
            &[("email", "ada"), ("password", PASSWORD)],
            &[("email", "ada@example.com,eve@evil.test"), ("password", PASSWORD)],
            &[("email", "ada@example.com\0"), ("password", PASSWORD)],
            &[],
        ] {
            refused(&submit(&app, "/sign-in", "", form).await, 400);
        }
    }

    async fn next_leads_back_inside_and_never_outside(app: TestApp) {
        acme_with_ada(&app).await;
        let form = |next| [("email", EMAIL), ("password", PASSWORD), ("next", next)];
        for next in ["/account", "/onboarding?a=b", "/course/7#x"] {
            leads_to(&submit(&app, "/sign-in", "", &form(next)).await, next);
        }
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        for hostile in PATHS.iter() {
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", hostile).finish();
            leads_to(&page(&app, &format!("/sign-in?{query}"), &cookie).await, APP);
            leads_to(&page(&app, &format!("/sign-up?{query}"), &cookie).await, APP);
            if !hostile.contains('\0') {
                leads_to(&submit(&app, "/sign-in", "", &form(hostile)).await, APP);
            }
        }
    }

    async fn what_was_typed_is_escaped(app: TestApp) {
        acme_with_ada(&app).await;
        let hostile = "\"><script>alert(1)</script>{{7*7}}";
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", hostile).append_pair("email", hostile).append_pair("name", hostile).finish();
        for reply in [
            submit(&app, "/sign-in", "", &[("email", hostile), ("password", "x"), ("next", hostile)]).await,
            submit(&app, "/sign-up", "", &[("email", hostile), ("password", "x"), ("name", hostile), ("next", hostile)]).await,
            submit(&app, "/forgot-password", "", &[("email", hostile)]).await,
            page(&app, &format!("/sign-in?{query}"), "").await,
            page(&app, &format!("/sign-up?{query}"), "").await,
            page(&app, &format!("/forgot-password?{query}"), "").await,
        ] {
            assert!(!reply.body.contains("<script>alert") && !reply.body.contains(">49<") && !reply.body.contains("}49"), "{}", reply.body);
        }
    }

    async fn every_sign_in_is_a_new_session(app: TestApp) {
        acme_with_ada(&app).await;
        let first = sign_in(&app, EMAIL, PASSWORD).await;
        let again = submit(&app, "/sign-in", &first, &[("email", EMAIL), ("password", PASSWORD)]).await;
        let second = again.session_cookie().unwrap();
        assert_ne!(first, second);
        assert!(!is_live(&app, &first).await, "the former one ends with its cookie");
        let planted = "__Host-vestibule=vsc_AAAAAAAAAAAAAAAAAAAA.0.AAAA; session=x; vestibule=x";
        let reply = submit(&app, "/sign-in", planted, &[("email", EMAIL), ("password", PASSWORD)]).await;
        assert!(!reply.session_cookie().unwrap().contains("AAAAAAAAAAAAAAAAAAAA"));
    }

    async fn whoever_is_signed_in_is_sent_on(app: TestApp) {
        acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        leads_to(&page(&app, "/sign-in", &cookie).await, APP);
        leads_to(&page(&app, "/sign-in?next=/account", &cookie).await, "/account");
        leads_to(&page(&app, "/sign-up", &cookie).await, APP);
    }

    async fn the_root_leads_home_or_to_the_door(app: TestApp) {
        acme_with_ada(&app).await;
        leads_to(&page(&app, "/", "").await, "/sign-in");
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        leads_to(&page(&app, "/", &cookie).await, APP);
    }

    async fn too_many_wrong_passwords_have_to_wait(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        app.person(&cx, "bob@example.com", PASSWORD, "Trainee").await;
        for email in [EMAIL, "nobody@example.com"] {
            for _ in 0..50 {
                refused(&submit(&app, "/sign-in", "", &[("email", email), ("password", "wrong")]).await, 401);
            }
            let reply = submit(&app, "/sign-in", "", &[("email", email), ("password", PASSWORD)]).await;
            refused(&reply, 429);
            assert!((1..=901).contains(&reply.header("retry-after").parse::<u32>().unwrap()));
        }
        sign_in(&app, "bob@example.com", PASSWORD).await;
        app.pass(Duration::from_secs(901));
        sign_in(&app, EMAIL, PASSWORD).await;
    }

    async fn a_cookie_is_good_at_its_tenant_only(app: TestApp) {
        acme_with_ada(&app).await;
        let zeta = app.zeta().await;
        app.person(&zeta, EMAIL, PASSWORD, "Admin").await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        assert_eq!(app.get("lms.zeta.test", "/account/v1/session", &[("cookie", &cookie)]).await.status, 401);
        leads_to(&app.get("lms.zeta.test", "/account", &[("cookie", &cookie)]).await, "/sign-in?next=%2Faccount");
        assert_eq!(app.get("alias.acme.test", "/account/v1/session", &[("cookie", &cookie)]).await.status, 200, "another domain of the same tenant");
    }

    async fn a_cookie_is_no_bearer_and_a_token_no_cookie(app: TestApp) {
        acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let value = cookie.split_once('=').unwrap().1;
        for authorization in [format!("Bearer {value}"), format!("Bearer {cookie}"), format!("Cookie {value}")] {
            for path in ["/account/v1/session", "/forward-auth", "/api/refresh"] {
                assert_eq!(app.get(HOST, path, &[("authorization", &authorization)]).await.status, 401, "{path}");
            }
        }
        let token = bearer(&app, EMAIL, PASSWORD).await.replace("Bearer ", "");
        assert!(!is_live(&app, &format!("__Host-vestibule={token}")).await);
        for planted in [format!("vestibule={value}"), format!("__Secure-vestibule={value}"), format!("__host-vestibule={value}"), format!("__Host-vestibule={value}x"), format!("__Host-vestibule=x{value}")] {
            assert!(!is_live(&app, &planted).await, "{planted}");
        }
    }

    async fn a_session_ends_when_idle_and_in_the_end(app: TestApp) {
        let cx = app.acme_with("[session]\nidle = '1d'\nabsolute = '3d'").await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let (idle, busy) = (sign_in(&app, EMAIL, PASSWORD).await, sign_in(&app, EMAIL, PASSWORD).await);
        for hours in [20, 20, 20, 11] {
            app.pass(Duration::from_secs(hours * 3_600));
            assert!(is_live(&app, &busy).await, "{hours}");
        }
        assert!(!is_live(&app, &idle).await);
        app.pass(Duration::from_secs(3_600));
        assert!(!is_live(&app, &busy).await);
    }

    async fn head_shows_nothing_and_other_methods_are_refused(app: TestApp) {
        acme_with_ada(&app).await;
        let head = app.send(build("HEAD", HOST, "/sign-in", &[], "")).await;
        assert_eq!((head.status.as_u16(), &*head.body), (200, ""));
        for method in ["PUT", "DELETE", "PATCH"] {
            let reply = app.send(build(method, HOST, "/sign-in", &[ORIGIN], "")).await;
            assert_eq!(reply.status, 405, "{method}");
            assert!(reply.header("allow").contains("GET") && reply.header("allow").contains("POST"), "{}", reply.header("allow"));
        }
    }
}
