//! The account page, and signing out.

use vestibule_identity::MailKind;

use super::{
    EMAIL, HOST, ORIGIN, PASSWORD, acme_with_ada, bearer, is_live, leads_to, page, password_works,
    sign_in, submit,
};
use crate::app::{Reply, on_both};

const NEW: &str = "a brand new password";

/// The page again, with the reason; whoever is signed in stays so.
#[track_caller]
fn told(reply: &Reply, status: u16) {
    reply.status(status);
    assert!(reply.body.contains("role=\"alert\""), "{}", reply.body);
}

on_both! {
    async fn it_shows_the_person_and_their_sessions(app: TestApp) {
        acme_with_ada(&app).await;
        let agent = ("user-agent", "curl <b>4</b>");
        let form = [("email", EMAIL), ("password", PASSWORD)];
        app.post_form(HOST, "/sign-in", &[ORIGIN, agent], &form).await.status(303);
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let shown = page(&app, "/account", &cookie).await;
        for wanted in [EMAIL, "Pooja", "Asia", "curl", "192.0.2.1", "action=\"/sign-out\"", "this browser"] {
            assert!(shown.status(200).body.contains(wanted), "no {wanted} in {}", shown.body);
        }
        assert!(!shown.body.contains("<b>4"), "{}", shown.body);
        leads_to(&page(&app, "/account", "").await, "/sign-in?next=%2Faccount");
        leads_to(&page(&app, "/account?notice=saved", "__Host-vestibule=x").await, "/sign-in?next=%2Faccount%3Fnotice%3Dsaved");
    }

    async fn the_profile_is_saved(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let form = [("first_name", " Ada "), ("last_name", ""), ("locale", "de"), ("timezone", "Europe/Berlin")];
        leads_to(&submit(&app, "/account/profile", &cookie, &form).await, "/account?notice=saved");
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        assert_eq!((&*account.first_name, &*account.last_name, &*account.locale), ("Ada", "", "de"));
        let bad = [("first_name", "Ada"), ("last_name", ""), ("locale", "!"), ("timezone", "Europe/Berlin")];
        told(&submit(&app, "/account/profile", &cookie, &bad).await, 400);
    }

    /// A zone that nobody knows would be shown as UTC; each place that takes one refuses it, and keeps a known one's own spelling.
    async fn a_time_zone_is_one_that_there_is(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let (cookie, token) = (sign_in(&app, EMAIL, PASSWORD).await, bearer(&app, EMAIL, PASSWORD).await);
        for (typed, known) in [
            ("Europe/Berlin", Some("Europe/Berlin")), (" europe/KYIV ", Some("Europe/Kyiv")), ("UTC", Some("UTC")), ("Asia/Calcutta", Some("Asia/Calcutta")),
            ("America/Argentina/Ushuaia", Some("America/Argentina/Ushuaia")), ("Etc/GMT+5", Some("Etc/GMT+5")),
            ("Berlin", None), ("Foo/Bar", None), ("Europe", None), ("Europe/", None), ("+05:30", None), ("", None), ("<b>", None), (&"x".repeat(500), None),
        ] {
            let form = [("first_name", "Ada"), ("last_name", ""), ("locale", "en"), ("timezone", typed)];
            for path in ["/account/profile", "/onboarding", "PATCH"] {
                let set = [("first_name", "Ada"), ("last_name", ""), ("locale", "en"), ("timezone", "Asia/Tokyo")];
                submit(&app, "/account/profile", &cookie, &set).await.status(303);
                let reply = match path {
                    "PATCH" => {
                        let headers = [("authorization", &*token), ("content-type", "application/json")];
                        let body = serde_json::json!({ "timezone": typed }).to_string();
                        app.send(crate::app::build("PATCH", HOST, "/account/v1/profile", &headers, body)).await
                    }
                    path => submit(&app, path, &cookie, &form).await,
                };
                let says = "There is no such time zone. Write a name such as Europe/Berlin or UTC.";
                assert_eq!((reply.status == 400, reply.body.contains(says)), (known.is_none(), known.is_none()), "{path} {typed}: {}", reply.body);
                let marked = reply.body.contains("href=\"#timezone\"");
                assert_eq!(marked, known.is_none() && path != "PATCH", "{path} {typed}: {}", reply.body);
                let kept = app.identity.user(&cx, EMAIL).await.unwrap().timezone;
                assert_eq!(kept, known.unwrap_or("Asia/Tokyo"), "{path} {typed}");
            }
        }
    }

    async fn a_new_password_ends_every_other_session(app: TestApp) {
        acme_with_ada(&app).await;
        let (here, there, token) = (sign_in(&app, EMAIL, PASSWORD).await, sign_in(&app, EMAIL, PASSWORD).await, bearer(&app, EMAIL, PASSWORD).await);
        for (current, new, status) in [("wrong password", NEW, 401), (PASSWORD, "short", 400), (PASSWORD, "", 400), ("", NEW, 400)] {
            told(&submit(&app, "/account/password", &here, &[("current", current), ("new", new)]).await, status);
        }
        assert!(is_live(&app, &there).await && password_works(&app, EMAIL, PASSWORD).await);
        let changed = submit(&app, "/account/password", &here, &[("current", PASSWORD), ("new", NEW)]).await;
        leads_to(&changed, "/account?notice=password-changed");
        let renewed = changed.session_cookie().unwrap();
        assert!(is_live(&app, &renewed).await && !is_live(&app, &here).await && !is_live(&app, &there).await);
        assert_eq!(app.get(HOST, "/account/v1/session", &[("authorization", &token)]).await.status, 401);
        assert!(password_works(&app, EMAIL, NEW).await && !password_works(&app, EMAIL, PASSWORD).await);
        app.mailed_nothing_but(MailKind::PasswordChanged).await;
    }

    async fn wrong_present_passwords_are_counted(app: TestApp) {
        acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let form = [("current", "wrong password"), ("new", NEW)];
        let mut statuses = Vec::new();
        for _ in 0..51 {
            statuses.push(submit(&app, "/account/password", &cookie, &form).await.status.as_u16());
        }
        assert_eq!(statuses, [&[401; 50][..], &[429]].concat(), "whoever holds a cookie must not guess the password");
    }

    async fn however_many_sessions_there_are_they_are_shown_and_ended(app: TestApp) {
        acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        for _ in 0..250 {
            bearer(&app, EMAIL, PASSWORD).await;
        }
        let shown = page(&app, "/account", &cookie).await;
        assert!(shown.status(200).body.matches("name=\"session\"").count() == 251, "{}", shown.body.len());
        told(&submit(&app, "/account/password", &cookie, &[("current", PASSWORD), ("new", "short")]).await, 400);
        leads_to(&submit(&app, "/account/sessions", &cookie, &[("session", "others")]).await, "/account?notice=session-ended");
        assert_eq!(page(&app, "/account", &cookie).await.status(200).body.matches("name=\"session\"").count(), 0);
    }

    async fn sessions_are_ended_one_by_one_or_all(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        app.person(&cx, "bob@example.com", PASSWORD, "Trainee").await;
        let bob = sign_in(&app, "bob@example.com", PASSWORD).await;
        let (here, second, third) = (sign_in(&app, EMAIL, PASSWORD).await, sign_in(&app, EMAIL, PASSWORD).await, sign_in(&app, EMAIL, PASSWORD).await);
        let id_of = async |cookie: &str| page(&app, "/account/v1/session", cookie).await.json()["session"]["id"].as_str().unwrap().to_owned();
        leads_to(&submit(&app, "/account/sessions", &here, &[("session", &id_of(&second).await)]).await, "/account?notice=session-ended");
        assert!(!is_live(&app, &second).await && is_live(&app, &third).await && is_live(&app, &here).await);
        for none in [&*id_of(&bob).await, "", "x", "AAAAAAAAAAAAAAAAAAAA", "%"] {
            submit(&app, "/account/sessions", &here, &[("session", none)]).await.status(303);
        }
        assert!(is_live(&app, &bob).await && is_live(&app, &third).await && is_live(&app, &here).await, "nobody ends another's session");
        leads_to(&submit(&app, "/account/sessions", &here, &[("session", "others")]).await, "/account?notice=session-ended");
        assert!(is_live(&app, &here).await && !is_live(&app, &third).await && is_live(&app, &bob).await);
    }

    async fn sign_ins_and_devices_are_shown_in_plain_words(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        app.person(&cx, "bob@example.com", PASSWORD, "Trainee").await;
        let firefox = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");
        let iphone = ("user-agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1");
        let form = |email, password| [("email", email), ("password", password)];
        let cookie = app.post_form(HOST, "/sign-in", &[ORIGIN, firefox], &form(EMAIL, PASSWORD)).await.session_cookie().unwrap();
        app.from([198, 51, 100, 7]).post_form(HOST, "/sign-in", &[ORIGIN, iphone], &form(EMAIL, PASSWORD)).await.status(303);
        app.from([203, 0, 113, 9]).post_form(HOST, "/sign-in", &[ORIGIN, ("user-agent", "<img src=x>")], &form(EMAIL, "wrong password")).await.status(401);
        app.from([203, 0, 113, 66]).post_form(HOST, "/sign-in", &[ORIGIN], &form("bob@example.com", "wrong password")).await.status(401);
        let shown = page(&app, "/account", &cookie).await.status(200).body.clone();
        let (sessions, history) = shown.split_once("Recent sign-ins").unwrap();
        for words in ["Firefox on Linux", "Safari on iPhone"] {
            assert!(sessions.contains(words) && history.contains(words), "{words}: {shown}");
        }
        assert!(history.contains("from 198.51.100.7") && history.contains("from 203.0.113.9") && history.contains("Sign-in refused"), "{history}");
        assert!(!shown.contains("203.0.113.66") && !shown.contains("<img"), "{shown}");
        let told = page(&app, "/account/v1/sign-ins", &cookie).await.json();
        let told: Vec<_> = told["sign_ins"].as_array().unwrap().iter().map(|entry| (entry["way"].as_str().unwrap().to_owned(), entry["outcome"].as_str().unwrap().to_owned(), entry["client_address"].as_str().unwrap().to_owned())).collect();
        let line = |outcome: &str, address: &str| ("password".to_owned(), outcome.to_owned(), address.to_owned());
        assert_eq!(told, [line("refused", "203.0.113.9"), line("done", "198.51.100.7"), line("done", "192.0.2.1")]);
    }

    async fn signing_out_ends_the_session(app: TestApp) {
        acme_with_ada(&app).await;
        let (here, there) = (sign_in(&app, EMAIL, PASSWORD).await, sign_in(&app, EMAIL, PASSWORD).await);
        assert_eq!(page(&app, "/sign-out", &here).await.status, 405, "no link signs anybody out");
        assert!(is_live(&app, &here).await);
        let reply = submit(&app, "/sign-out", &here, &[]).await;
        leads_to(&reply, "/sign-in?notice=signed-out");
        let lines: Vec<&str> = reply.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
        assert!(lines.iter().any(|line| line.starts_with("__Host-vestibule=; Path=/; Max-Age=0;")), "{lines:?}");
        assert!(!is_live(&app, &here).await && is_live(&app, &there).await);
        let shown = page(&app, "/sign-in?notice=signed-out", &here).await;
        assert!(shown.status(200).body.contains("role=\"status\""), "{}", shown.body);
        for cookie in ["", &here] {
            leads_to(&submit(&app, "/sign-out", cookie, &[]).await, "/sign-in?notice=signed-out");
        }
    }

    async fn suspending_a_person_ends_every_way_in(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let (cookie, token) = (sign_in(&app, EMAIL, PASSWORD).await, bearer(&app, EMAIL, PASSWORD).await);
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        app.identity.suspend_user(&cx, &account.id).await.unwrap();
        assert!(!is_live(&app, &cookie).await && !password_works(&app, EMAIL, PASSWORD).await);
        for path in ["/account/v1/session", "/forward-auth", "/api/refresh"] {
            assert_eq!(app.get(HOST, path, &[("authorization", &token)]).await.status, 401, "{path}");
        }
        leads_to(&page(&app, "/account", &cookie).await, "/sign-in?next=%2Faccount");
        app.identity.restore_user(&cx, &account.id).await.unwrap();
        assert!(!is_live(&app, &cookie).await, "restoring brings no session back");
        assert!(password_works(&app, EMAIL, PASSWORD).await);
    }
}
