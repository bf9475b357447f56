//! The sign-up page: nobody is there until the mailbox is proven, and nobody is told who is there.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use vestibule_identity::{Cx, Mail, MailKind};

use super::{
    EMAIL, HOST, PASSWORD, acme_with_ada, flow_cookie, is_live, leads_to, page, password_works,
    refused, sign_in, submit,
};
use crate::app::{Reply, TestApp, at_once, on_both};

const OTHER_PASSWORD: &str = "copper-meadow-77-bicycles";

fn form<'a>(email: &'a str, password: &'a str, name: &'a str) -> [(&'a str, &'a str); 3] {
    [("email", email), ("password", password), ("name", name)]
}

async fn sign_up(app: &TestApp, email: &str, password: &str) -> Reply {
    submit(app, "/sign-up", "", &form(email, password, "Ada Lovelace")).await
}

/// Signs up; the browser's cookie and the mail.
async fn newcomer(app: &TestApp, email: &str) -> (String, Mail) {
    let reply = sign_up(app, email, PASSWORD).await;
    leads_to(&reply, "/sign-up/sent");
    let mut mails = app.mails().await;
    assert_eq!(mails.len(), 1);
    (flow_cookie(&reply), mails.remove(0))
}

fn path(mail: &Mail) -> String {
    let link = mail.link.as_ref().expect("a link").expose_secret();
    link.replace("https://lms.acme.test", "")
}

async fn type_in(app: &TestApp, flow: &str, mail: &Mail) -> Reply {
    let code = mail.code.as_ref().unwrap().expose_secret();
    submit(app, "/sign-up/sent", flow, &[("code", code)]).await
}

async fn people(app: &TestApp, cx: &Cx) -> usize {
    app.identity.users(cx, "", 10).await.unwrap().len()
}

async fn waiting(app: &TestApp) -> Vec<Vec<u8>> {
    let read = app.identity.db().read(|tx| {
        tx.all("SELECT sealed FROM sign_up", &[], |row| {
            row.get::<Vec<u8>>(0)
        })
    });
    read.await.unwrap()
}

on_both! {
    async fn nobody_is_there_until_the_mailbox_is_proven(app: TestApp) {
        let cx = app.acme().await;
        let shown = page(&app, "/sign-up", "").await;
        assert!(shown.status(200).body.contains("action=\"/sign-up\""), "{}", shown.body);
        let reply = sign_up(&app, EMAIL, PASSWORD).await;
        leads_to(&reply, "/sign-up/sent");
        assert_eq!(reply.session_cookie(), None);
        let cookie = reply.header("set-cookie");
        assert!(cookie.contains("; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"), "{cookie}");
        let told = page(&app, "/sign-up/sent", &flow_cookie(&reply)).await;
        assert!(told.status(200).body.contains(EMAIL) && told.body.contains("autocomplete=\"one-time-code\""), "{}", told.body);
        assert!(told.body.contains("href=\"/sign-up?email=ada%40example.com\""), "{}", told.body);
        let link = app.mailed_link(MailKind::VerifyEmail).await;
        assert!(link.starts_with("https://lms.acme.test/verify-email/"), "{link}");
        assert_eq!(people(&app, &cx).await, 0);
        assert!(!password_works(&app, EMAIL, PASSWORD).await);
        leads_to(&page(&app, "/sign-up/sent", "").await, "/sign-up");
        let waiting = waiting(&app).await;
        let holds = |part: &[u8]| waiting[0].windows(part.len()).any(|window| window == part);
        assert!(waiting.len() == 1 && !holds(b"ada") && !holds(b"argon2"), "what waits is sealed");
    }

    async fn link_and_code_make_the_account_and_sign_in(app: TestApp) {
        let cx = app.acme().await;
        for by_code in [false, true] {
            let email = &*format!("{by_code}@example.com");
            let (flow, mail) = newcomer(&app, email).await;
            let done = match by_code {
                true => type_in(&app, &flow, &mail).await,
                false => submit(&app, &path(&mail), "", &[("password", PASSWORD)]).await,
            };
            leads_to(&done, "/onboarding");
            let cookies: Vec<_> = done.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
            assert!(cookies.iter().any(|line| line.starts_with("__Host-vestibule-device=")), "{cookies:?}");
            let cookie = done.session_cookie().unwrap();
            let session = page(&app, "/account/v1/session", &cookie).await.json();
            let account = &session["account"];
            assert_eq!((&account["email"], &account["email_verified"]), (&json!(email), &json!(true)));
            assert_eq!((&account["first_name"], &account["last_name"]), (&json!("Ada"), &json!("Lovelace")));
            assert_eq!((&account["role"], &account["timezone"]), (&json!("Trainee"), &json!("Asia/Kolkata")));
            assert_ne!(session["team"], json!(null));
            let account = app.identity.user(&cx, email).await.unwrap();
            assert_eq!(app.identity.sessions(&cx, &account.id).await.unwrap().len(), 1);
            assert!(password_works(&app, email, PASSWORD).await);
            let events: Vec<_> = app.audit("acme").await.into_iter().filter(|line| !line.starts_with("session")).collect();
            for event in ["sign_up.asked done", "account.registered done", "email.verified done"] {
                assert!(events.iter().any(|line| line.starts_with(event)), "{event}: {events:?}");
            }
            // The other way of the same mail is spent.
            if by_code {
                leads_to(&submit(&app, &path(&mail), "", &[("password", PASSWORD)]).await, "/onboarding");
            } else {
                refused(&type_in(&app, &flow, &mail).await, 429);
            }
        }
        assert_eq!((people(&app, &cx).await, waiting(&app).await.len()), (2, 0));
    }

    async fn the_code_is_good_in_the_browser_that_signed_up_only(app: TestApp) {
        let cx = app.acme().await;
        let (flow, mail) = newcomer(&app, EMAIL).await;
        let (other, others) = newcomer(&app, "bob@example.com").await;
        let forgot = flow_cookie(&submit(&app, "/forgot-password", "", &[("email", EMAIL)]).await);
        refused(&type_in(&app, &other, &mail).await, 400);
        refused(&type_in(&app, &flow, &others).await, 400);
        for none in ["", &*forgot] {
            leads_to(&type_in(&app, none, &mail).await, "/sign-up");
        }
        leads_to(&submit(&app, "/forgot-password/sent", &flow, &[("code", "123456")]).await, "/forgot-password");
        assert_eq!(people(&app, &cx).await, 0);
        leads_to(&type_in(&app, &flow, &mail).await, "/onboarding");
    }

    async fn eight_that_follow_link_and_code_at_once_make_one_account(app: TestApp) {
        let cx = app.acme().await;
        let (flow, mail) = newcomer(&app, EMAIL).await;
        let replies = at_once(8, |n| {
            let (app, flow, mail) = (app.clone(), flow.clone(), mail.clone());
            async move {
                match n % 2 {
                    0 => type_in(&app, &flow, &mail).await,
                    _ => submit(&app, &path(&mail), &flow, &[]).await,
                }
            }
        })
        .await;
        let done = replies.iter().filter(|reply| reply.status == 303).count();
        assert!(done >= 4, "the link answers again: {replies:?}");
        assert!(replies.iter().all(|reply| matches!(reply.status.as_u16(), 303 | 429)), "{replies:?}");
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        assert_eq!(app.identity.sessions(&cx, &account.id).await.unwrap().len(), 1);
        assert_eq!(app.identity.teams(&cx, &account.id).await.unwrap().len(), 1);
    }

    async fn a_link_of_yesterday_makes_nobody(app: TestApp) {
        let cx = app.acme().await;
        for how in ["expired", "restored"] {
            let (flow, mail) = newcomer(&app, EMAIL).await;
            if how == "restored" {
                app.identity.end_all_after_restore(false).await.unwrap();
            } else {
                app.pass(Duration::from_secs(24 * 3_600));
            }
            refused(&page(&app, &path(&mail), "").await, 400);
            refused(&submit(&app, &path(&mail), "", &[("password", PASSWORD)]).await, 400);
            let typed = type_in(&app, &flow, &mail).await;
            assert!(typed.status == 429 || typed.header("location") == "/sign-up", "{how}: {}", typed.status);
            app.identity.purge().await.unwrap();
            assert_eq!((people(&app, &cx).await, waiting(&app).await.len()), (0, 0), "{how}");
        }
    }

    /// Both were asked for while there was nobody.
    async fn of_two_sign_ups_the_first_that_is_proven_counts(app: TestApp) {
        let cx = app.acme().await;
        let (flow, first) = newcomer(&app, EMAIL).await;
        sign_up(&app, "ADA@example.com", OTHER_PASSWORD).await.status(303);
        let link = app.mailed_link(MailKind::VerifyEmail).await.replace("https://lms.acme.test", "");
        leads_to(&submit(&app, &link, "", &[("password", OTHER_PASSWORD)]).await, "/onboarding");
        for _ in 0..2 {
            let late = submit(&app, &path(&first), &flow, &[]).await;
            refused(&late, 409);
            assert!(late.body.contains("href=\"/forgot-password\""), "{}", late.body);
            refused(&type_in(&app, &flow, &first).await, 409);
        }
        assert!(password_works(&app, EMAIL, OTHER_PASSWORD).await && !password_works(&app, EMAIL, PASSWORD).await);
        assert_eq!(people(&app, &cx).await, 1);
    }

    async fn where_sign_up_was_closed_meanwhile_nobody_comes_in(app: TestApp) {
        let cx = app.acme().await;
        let (flow, mail) = newcomer(&app, EMAIL).await;
        app.acme_with("[registration]\nopen = false").await;
        refused(&submit(&app, &path(&mail), &flow, &[]).await, 403);
        refused(&type_in(&app, &flow, &mail).await, 403);
        assert_eq!(people(&app, &cx).await, 0);
        app.acme().await;
        leads_to(&submit(&app, &path(&mail), &flow, &[]).await, "/onboarding");
    }

    /// A stranger may sign up with anybody's address, and the mail looks like the owner's own: it must not lead the owner
    /// into an account with the stranger's password.
    async fn the_link_is_good_for_whoever_signed_up(app: TestApp) {
        let cx = app.acme().await;
        let (own, owners) = newcomer(&app, EMAIL).await;
        sign_up(&app, EMAIL, OTHER_PASSWORD).await.status(303);
        let strangers = app.mailed_link(MailKind::VerifyEmail).await.replace("https://lms.acme.test", "");
        let bobs = flow_cookie(&sign_up(&app, "bob@example.com", PASSWORD).await);
        app.mails().await;
        let forgot = flow_cookie(&submit(&app, "/forgot-password", "", &[("email", EMAIL)]).await);
        for (link, cookie) in [(&strangers, &*own), (&strangers, ""), (&strangers, &*bobs), (&path(&owners), &*bobs), (&path(&owners), &*forgot)] {
            let shown = page(&app, link, cookie).await;
            let asks = shown.status(200).body.contains("name=\"password\"") && !shown.body.contains("data-continue");
            assert!(asks && shown.body.contains(EMAIL), "{}", shown.body);
            refused(&submit(&app, link, cookie, &[]).await, 400);
            refused(&submit(&app, link, cookie, &[("password", "wrong-password-1")]).await, 401);
        }
        refused(&submit(&app, &strangers, &own, &[("password", PASSWORD)]).await, 401);
        let token = path(&owners).replace("/verify-email/", "");
        app.get(HOST, &format!("/api/verify-email/{token}"), &[]).await.status(400);
        assert_eq!(people(&app, &cx).await, 0);
        let shown = page(&app, &path(&owners), &own).await;
        assert!(shown.status(200).body.contains("data-continue") && !shown.body.contains("name=\"password\""), "{}", shown.body);
        let done = submit(&app, &path(&owners), &own, &[]).await;
        leads_to(&done, "/onboarding");
        let cookies: Vec<_> = done.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
        assert!(cookies.iter().any(|line| line.starts_with("__Host-vestibule-flow=; ")), "{cookies:?}");
        assert!(password_works(&app, EMAIL, PASSWORD).await);
    }

    /// For five minutes the link answers again, but nobody else.
    async fn a_followed_link_leads_nobody_else_in(app: TestApp) {
        app.acme().await;
        let (flow, mail) = newcomer(&app, EMAIL).await;
        leads_to(&submit(&app, &path(&mail), &flow, &[]).await, "/onboarding");
        for form in [&[][..], &[("password", "")], &[("password", OTHER_PASSWORD)]] {
            refused(&submit(&app, &path(&mail), "", form).await, 400);
        }
        leads_to(&submit(&app, &path(&mail), &flow, &[]).await, "/onboarding");
        leads_to(&submit(&app, &path(&mail), "", &[("password", PASSWORD)]).await, "/onboarding");
        app.pass(Duration::from_secs(301));
        refused(&submit(&app, &path(&mail), &flow, &[]).await, 400);
    }

    async fn passwords_are_not_guessed_behind_a_link(app: TestApp) {
        app.acme().await;
        let node = app.with_limits(&[("password_change", 3)]).await;
        let (_, mail) = newcomer(&node, EMAIL).await;
        for _ in 0..3 {
            refused(&submit(&node, &path(&mail), "", &[("password", "wrong-password-1")]).await, 401);
        }
        refused(&submit(&node, &path(&mail), "", &[("password", PASSWORD)]).await, 429);
        let (_, other) = newcomer(&node, "bob@example.com").await;
        leads_to(&submit(&node, &path(&other), "", &[("password", PASSWORD)]).await, "/onboarding");
        app.pass(Duration::from_secs(901));
        leads_to(&submit(&node, &path(&mail), "", &[("password", PASSWORD)]).await, "/onboarding");
    }

    async fn wrong_fields_are_told_and_make_nobody(app: TestApp) {
        let cx = app.acme().await;
        for (email, password, name) in [
            ("", PASSWORD, "Ada"),
            (EMAIL, "", "Ada"),
            (EMAIL, PASSWORD, ""),
            (EMAIL, PASSWORD, "  "),
            (EMAIL, "short", "Ada"),
            (EMAIL, &"x".repeat(5_000), "Ada"),
            (EMAIL, PASSWORD, &"n".repeat(500)),
            (EMAIL, PASSWORD, "Ada\nBcc: eve@evil.test"),
            ("ada", PASSWORD, "Ada"),
            ("ada@example.com,eve@evil.test", PASSWORD, "Ada"),
            ("ada@example.com\r\nBcc: eve@evil.test", PASSWORD, "Ada"),
        ] {
            let reply = submit(&app, "/sign-up", "", &form(email, password, name)).await;
            refused(&reply, 400);
            assert!(password.is_empty() || !reply.body.contains(password), "the page repeats the password");
        }
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap(), []);
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn of_a_taken_address_the_mailbox_alone_is_told(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        for email in [EMAIL, "ADA@example.COM"] {
            let reply = submit(&app, "/sign-up", "", &form(email, OTHER_PASSWORD, "Eve")).await;
            leads_to(&reply, "/sign-up/sent");
            let mails = app.mails().await;
            let told: Vec<_> = mails.iter().map(|mail| (mail.kind, &*mail.to, mail.link.is_some(), mail.code.is_some())).collect();
            assert_eq!(told, [(MailKind::AccountExists, EMAIL, false, false)]);
            let rendered = vestibule_http::mail::render(&cx.tenant, &mails[0]).unwrap();
            for part in [&rendered.text, &rendered.html] {
                assert!(part.contains("https://lms.acme.test/sign-in") && part.contains("Forgot your password?"), "{part}");
                assert!(part.contains("Pooja") && !part.contains("Eve"), "the owner's name, and nobody's words: {part}");
            }
        }
        assert!(password_works(&app, EMAIL, PASSWORD).await && !password_works(&app, EMAIL, OTHER_PASSWORD).await);
        assert_eq!((people(&app, &cx).await, waiting(&app).await.len()), (1, 0));
        assert!(app.audit("acme").await.contains(&"sign_up.asked refused email_taken".to_owned()));
    }

    async fn one_mailbox_is_written_to_ten_times_an_hour(app: TestApp) {
        let cx = app.acme().await;
        let replies = at_once(16, |_| {
            let app = app.clone();
            async move { sign_up(&app, EMAIL, PASSWORD).await.status.as_u16() }
        })
        .await;
        let mut statuses = replies;
        statuses.sort_unstable();
        assert_eq!(statuses, [&[303; 10][..], &[429; 6]].concat());
        assert_eq!((people(&app, &cx).await, app.mails().await.len()), (0, 10));
    }

    async fn closed_registration_is_closed(app: TestApp) {
        let cx = app.acme_with("[registration]\nopen = false").await;
        let shown = page(&app, "/sign-up", "").await;
        assert!(!shown.status(200).body.contains("<form"), "{}", shown.body);
        assert!(!page(&app, "/sign-in", "").await.body.contains("/sign-up"));
        refused(&submit(&app, "/sign-up", "", &form(EMAIL, PASSWORD, "Ada")).await, 403);
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap(), []);
    }

    async fn a_newcomer_of_one_browser_has_one_session(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let ada = sign_in(&app, EMAIL, PASSWORD).await;
        submit(&app, "/sign-up", &ada, &form("new@example.com", PASSWORD, "New")).await.status(303);
        assert!(is_live(&app, &ada).await, "nothing is proven yet");
        let link = app.mailed_link(MailKind::VerifyEmail).await.replace("https://lms.acme.test", "");
        let new = submit(&app, &link, &ada, &[("password", PASSWORD)]).await.session_cookie().unwrap();
        assert!(is_live(&app, &new).await && !is_live(&app, &ada).await, "the session that this browser had has ended");
        let again = submit(&app, &link, &new, &[("password", PASSWORD)]).await.session_cookie().unwrap();
        assert!(is_live(&app, &again).await, "the button pressed twice");
        let account = app.identity.user(&cx, "new@example.com").await.unwrap();
        assert_eq!(app.identity.sessions(&cx, &account.id).await.unwrap().len(), 1);
    }

    async fn a_tenant_that_wants_a_captcha_has_no_form_here(app: TestApp) {
        let cx = app.acme_with("[registration]\ncaptcha = 'turnstile'\ncaptcha_secret = 'env:CAPTCHA'").await;
        let shown = page(&app, "/sign-up", "").await;
        assert!(!shown.status(200).body.contains("<form") && shown.body.contains("on the website of Acme Learning"), "{}", shown.body);
        assert!(shown.body.contains("href=\"https://app.acme.test/\""), "{}", shown.body);
        let more = [&form(EMAIL, PASSWORD, "Ada")[..], &[("captcha", "x")]].concat();
        refused(&submit(&app, "/sign-up", "", &more).await, 400);
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap(), []);
    }

    async fn nobody_grants_themselves_anything(app: TestApp) {
        let cx = app.acme().await;
        let more = [("role", "Admin"), ("email_verified", "true"), ("verified", "1"), ("id", "AAAAAAAAAAAAAAAAAAAA"), ("tenant_id", "zeta"), ("state", "suspended"), ("onboarded", "true")];
        let all = [&form(EMAIL, PASSWORD, "Ada")[..], &more].concat();
        submit(&app, "/sign-up", "", &all).await.status(303);
        let link = app.mailed_link(MailKind::VerifyEmail).await.replace("https://lms.acme.test", "");
        let brought = [&more[..], &[("password", PASSWORD)]].concat();
        let cookie = submit(&app, &link, "", &brought).await.session_cookie().unwrap();
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        assert_eq!((&*account.role, account.onboarded), ("Trainee", false));
        assert_ne!(account.id, "AAAAAAAAAAAAAAAAAAAA");
        assert!(is_live(&app, &cookie).await);
    }

    async fn a_name_is_text_wherever_it_is_shown(app: TestApp) {
        app.acme().await;
        let name = "<img src=x onerror=alert(1)>\"'{{7*7}}";
        submit(&app, "/sign-up", "", &form(EMAIL, PASSWORD, name)).await.status(303);
        let mails = app.mails().await;
        let rendered = format!("{:?}", vestibule_http::mail::render(&app.cx("acme").await.tenant, &mails[0]).unwrap());
        assert!(!rendered.contains("<img"), "{rendered}");
        let cookie = submit(&app, &path(&mails[0]), "", &[("password", PASSWORD)]).await.session_cookie().unwrap();
        for path in ["/account", "/onboarding"] {
            let shown = page(&app, path, &cookie).await;
            assert!(!shown.status(200).body.contains("<img") && !shown.body.contains("49"), "{path}: {}", shown.body);
        }
    }

    async fn sign_up_at_a_second_tenant_is_another_person(app: TestApp) {
        acme_with_ada(&app).await;
        let zeta = app.zeta().await;
        let zetas = [("origin", "https://lms.zeta.test")];
        app.post_form("lms.zeta.test", "/sign-up", &zetas, &form(EMAIL, "another password", "Ada")).await.status(303);
        let link = app.mailed_link(MailKind::VerifyEmail).await.replace("https://lms.zeta.test", "");
        refused(&submit(&app, &link, "", &[]).await, 400);
        let done = app.post_form("lms.zeta.test", &link, &zetas, &[("password", "another password")]).await;
        leads_to(&done, "/onboarding");
        assert_eq!(app.identity.users(&zeta, "", 10).await.unwrap().len(), 1);
        assert!(!password_works(&app, EMAIL, "another password").await);
        assert_eq!(app.get(HOST, "/account/v1/session", &[("cookie", &done.session_cookie().unwrap())]).await.status, 401);
    }
}
