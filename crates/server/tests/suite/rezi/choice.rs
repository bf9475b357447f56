//! Somebody else is signed in here already: the person is asked, and nothing is lost before the answer.

use std::time::Duration;

use vestibule_identity::{Cx, SessionKind};

use super::{HOST, login_token, open, refused};
use crate::app::{Reply, TestApp, build, on_both};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const ORIGIN: (&str, &str) = ("origin", "https://lms.acme.test");

/// Ada is signed in in this browser and follows Bob's link.
struct Scene {
    app: TestApp,
    cx: Cx,
    ada: String,
    token: String,
    asked: Reply,
}

impl Scene {
    async fn set(app: &TestApp) -> Scene {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let ada = open(app, &login_token(app, &key, ADA).await, &[])
            .await
            .session_cookie()
            .unwrap();
        let token = login_token(app, &key, BOB).await;
        let asked = open(app, &token, &[("cookie", &ada)]).await;
        Scene {
            app: app.clone(),
            cx,
            ada,
            token,
            asked,
        }
    }

    fn choice(&self) -> String {
        let lines = self.asked.headers.get_all("set-cookie").iter();
        let line = lines
            .map(|line| line.to_str().unwrap())
            .rfind(|line| line.starts_with("__Host-vestibule-choice="))
            .expect("the choice waits in a cookie");
        line.split(';').next().unwrap().to_owned()
    }

    /// Everything that the browser holds.
    fn cookies(&self) -> String {
        format!("{}; {}", self.ada, self.choice())
    }

    async fn sessions(&self, email: &str) -> usize {
        let account = self.app.identity.user(&self.cx, email).await.unwrap();
        self.app
            .identity
            .sessions(&self.cx, &account.id)
            .await
            .unwrap()
            .len()
    }

    async fn is_ada(&self) {
        let session = self
            .app
            .get(HOST, "/account/v1/session", &[("cookie", &self.ada)])
            .await;
        assert_eq!(session.status(200).json()["account"]["email"], ADA);
    }

    async fn answer(&self, choice: &str, cookies: &str) -> Reply {
        self.app
            .post_form(
                HOST,
                "/sign-in/choose",
                &[ORIGIN, ("cookie", cookies)],
                &[("choice", choice)],
            )
            .await
    }
}

on_both! {
    /// The question waits in a cookie, and a cookie has room for so much.
    async fn options_too_long_to_wait_are_let_go_and_the_person_is_still_asked(app: TestApp) {
        let scene = Scene::set(&app).await;
        for (length, kept) in [(1_000, true), (2_500, false), (6_000, false)] {
            let path = format!("/login/?token={}&utm={}", scene.token, "a".repeat(length));
            let asked = app.get(HOST, &path, &[("cookie", &scene.ada)]).await;
            assert_eq!((asked.status.as_u16(), asked.header("location")), (303, "/sign-in/choose"), "{length}");
            let scene = Scene { app: app.clone(), cx: scene.cx.clone(), ada: scene.ada.clone(), token: scene.token.clone(), asked };
            scene.is_ada().await;
            if length == 6_000 {
                let answered = scene.answer("new", &scene.cookies()).await;
                assert_eq!(answered.header("location").contains("utm="), kept);
                assert!(answered.session_cookie().is_some());
            }
        }
    }

    async fn the_question_names_both_and_changes_nothing(app: TestApp) {
        let scene = Scene::set(&app).await;
        assert_eq!((scene.asked.status.as_u16(), scene.asked.header("location")), (303, "/sign-in/choose"));
        assert_eq!(scene.asked.session_cookie(), None);
        assert!(!scene.choice().contains(&scene.token), "the token is sealed");
        for _ in 0..2 {
            let page = app.get(HOST, "/sign-in/choose", &[("cookie", &scene.cookies())]).await;
            assert!(page.status(200).body.contains(ADA) && page.body.contains(BOB), "{}", page.body);
            assert!(!page.body.contains(&scene.token));
            assert_eq!((page.header("referrer-policy"), page.header("cache-control")), ("no-referrer", "no-store"));
        }
        scene.is_ada().await;
        assert_eq!((scene.sessions(ADA).await, scene.sessions(BOB).await), (1, 0));
        app.pass(Duration::from_secs(900));
        assert_eq!(open(&app, &scene.token, &[]).await.status, 303, "asking used nothing up");
    }

    async fn staying_loses_nothing(app: TestApp) {
        let scene = Scene::set(&app).await;
        for choice in ["stay", "", "other"] {
            let reply = scene.answer(choice, &scene.cookies()).await;
            assert_eq!((reply.status.as_u16(), reply.header("location"), reply.session_cookie()), (303, "https://app.acme.test/", None), "{choice}");
            assert!(reply.headers.get_all("set-cookie").iter().any(|line| line.to_str().unwrap().starts_with("__Host-vestibule-choice=;")));
        }
        scene.is_ada().await;
        assert_eq!((scene.sessions(ADA).await, scene.sessions(BOB).await), (1, 0));
        app.pass(Duration::from_secs(900));
        assert_eq!(open(&app, &scene.token, &[]).await.status, 303, "the link is still good");
    }

    async fn being_the_new_one_replaces_the_session(app: TestApp) {
        let scene = Scene::set(&app).await;
        let reply = scene.answer("new", &scene.cookies()).await;
        assert_eq!((reply.status.as_u16(), reply.header("location")), (303, "https://app.acme.test/"), "{}", reply.body);
        let bob = reply.session_cookie().unwrap();
        let session = app.get(HOST, "/account/v1/session", &[("cookie", &bob)]).await;
        assert_eq!(session.status(200).json()["account"]["email"], BOB);
        assert_eq!(app.get(HOST, "/account/v1/session", &[("cookie", &scene.ada)]).await.status, 401, "Ada's session ended with its cookie");
        assert_eq!((scene.sessions(ADA).await, scene.sessions(BOB).await), (0, 1));
        app.pass(Duration::from_secs(61));
        refused(&open(&app, &scene.token, &[]).await, 401, &scene.token);
    }

    async fn the_answer_keeps_where_the_link_led(app: TestApp) {
        let scene = Scene::set(&app).await;
        let path = format!("/login/?token={}&openOnboarding=true&closeOnboardingRedirect=/dash&utm=1", scene.token);
        let asked = app.get(HOST, &path, &[("cookie", &scene.ada)]).await;
        let scene = Scene { asked, ..scene };
        let reply = scene.answer("new", &scene.cookies()).await;
        assert_eq!(reply.header("location"), "/onboarding?next=%2Fdash&utm=1");
    }

    async fn only_our_own_page_may_answer(app: TestApp) {
        let scene = Scene::set(&app).await;
        let cookies = scene.cookies();
        for origin in [None, Some("null"), Some("https://evil.test"), Some("https://sub.lms.acme.test"), Some("https://acme.test"), Some("https://lms.zeta.test")] {
            let mut headers = vec![("cookie", &*cookies)];
            headers.extend(origin.map(|origin| ("origin", origin)));
            let reply = app.post_form(HOST, "/sign-in/choose", &headers, &[("choice", "new")]).await;
            assert_eq!((reply.status.as_u16(), reply.session_cookie()), (403, None), "{origin:?}");
        }
        for dest in ["iframe", "image", "empty"] {
            let reply = app.get(HOST, "/sign-in/choose", &[("cookie", &cookies), ("sec-fetch-dest", dest)]).await;
            assert_eq!((reply.status.as_u16(), reply.session_cookie()), (403, None), "{dest}");
        }
        let head = app.send(build("HEAD", HOST, "/sign-in/choose", &[("cookie", &*cookies)], "")).await;
        assert_eq!((head.status.as_u16(), head.session_cookie(), &*head.body), (200, None, ""));
        scene.is_ada().await;
        assert_eq!(scene.sessions(BOB).await, 0);
    }

    async fn the_waiting_choice_is_this_tenants_and_ten_minutes_old_at_most(app: TestApp) {
        let scene = Scene::set(&app).await;
        app.zeta().await;
        let (cookies, choice) = (scene.cookies(), scene.choice());
        let headers = [("cookie", &*cookies), ("origin", "https://lms.zeta.test")];
        let foreign = app.post_form("lms.zeta.test", "/sign-in/choose", &headers, &[("choice", "new")]).await;
        assert_eq!((foreign.status.as_u16(), foreign.header("location"), foreign.session_cookie()), (303, "/sign-in", None));
        for planted in ["", "__Host-vestibule-choice=x", "__Host-vestibule-choice=", &format!("{choice}A"), &choice.replace("__Host-", "")] {
            let reply = scene.answer("new", planted).await;
            assert_eq!((reply.status.as_u16(), reply.header("location"), reply.session_cookie()), (303, "/sign-in", None), "{planted}");
        }
        app.pass(Duration::from_secs(601));
        let late = scene.answer("new", &cookies).await;
        assert_eq!((late.status.as_u16(), late.header("location"), late.session_cookie()), (303, "/sign-in", None));
        scene.is_ada().await;
        assert_eq!(scene.sessions(BOB).await, 0);
    }

    async fn a_link_used_elsewhere_meanwhile_is_refused_at_the_answer(app: TestApp) {
        let scene = Scene::set(&app).await;
        open(&app, &scene.token, &[]).await.status(303);
        app.pass(Duration::from_secs(120));
        refused(&scene.answer("new", &scene.cookies()).await, 401, &scene.token);
        scene.is_ada().await;
        assert_eq!(scene.sessions(ADA).await, 1);
    }

    async fn once_the_other_one_has_left_there_is_nothing_to_ask(app: TestApp) {
        let scene = Scene::set(&app).await;
        app.post_form(HOST, "/sign-out", &[ORIGIN, ("cookie", &scene.ada)], &[]).await.status(303);
        let reply = app.get(HOST, "/sign-in/choose", &[("cookie", &scene.cookies())]).await;
        assert_eq!((reply.status.as_u16(), reply.header("location")), (303, "https://app.acme.test/"));
        assert!(reply.session_cookie().is_some());
        assert_eq!((scene.sessions(ADA).await, scene.sessions(BOB).await), (0, 1));
    }

    async fn a_person_suspended_meanwhile_is_refused_at_the_answer(app: TestApp) {
        let scene = Scene::set(&app).await;
        let bob = app.identity.user(&scene.cx, BOB).await.unwrap();
        app.identity.suspend_user(&scene.cx, &bob.id).await.unwrap();
        refused(&scene.answer("new", &scene.cookies()).await, 401, &scene.token);
        scene.is_ada().await;
    }

    async fn a_bad_token_does_not_sign_anybody_out(app: TestApp) {
        let scene = Scene::set(&app).await;
        refused(&open(&app, "nonsense", &[("cookie", &scene.ada)]).await, 401, "nonsense");
        scene.is_ada().await;
        let stale = format!("{}x", scene.ada);
        let reply = open(&app, &scene.token, &[("cookie", &stale)]).await;
        assert_eq!(reply.header("location"), "https://app.acme.test/", "a cookie that signs nobody in is no reason to ask");
        let account = app.identity.user(&scene.cx, BOB).await.unwrap();
        let sessions = app.identity.sessions(&scene.cx, &account.id).await.unwrap();
        assert_eq!(sessions.iter().map(|session| session.kind).collect::<Vec<_>>(), [SessionKind::Browser]);
    }
}
