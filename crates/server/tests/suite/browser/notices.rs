//! Mails that tell people of what happened to their account.

use std::time::Duration;

use vestibule_identity::{MailKind, TenantFile};

use super::{EMAIL, HOST, ORIGIN, PASSWORD, acme_with_ada, bearer, submit};
use crate::app::{Reply, TestApp, on_both};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/604.1";

async fn sign_in(app: &TestApp, agent: &str, cookie: &str) -> Reply {
    let headers = [ORIGIN, ("user-agent", agent), ("cookie", cookie)];
    let form = [("email", EMAIL), ("password", PASSWORD)];
    let reply = app.post_form(HOST, "/sign-in", &headers, &form).await;
    reply.status(303);
    reply
}

fn device(reply: &Reply) -> String {
    let lines = reply.headers.get_all("set-cookie").iter();
    let mut lines = lines.map(|line| line.to_str().unwrap());
    let line = lines.find(|line| line.starts_with("__Host-vestibule-device="));
    line.unwrap().split(';').next().unwrap().to_owned()
}

async fn kinds(app: &TestApp) -> Vec<MailKind> {
    app.mails().await.iter().map(|mail| mail.kind).collect()
}

on_both! {
    async fn a_sign_in_with_a_browser_never_seen_is_told(app: TestApp) {
        acme_with_ada(&app).await;
        let known = device(&sign_in(&app, FIREFOX, "").await);
        assert_eq!(kinds(&app).await, [], "the first sign-in is news to nobody");
        let abroad = app.from([198, 51, 100, 7]);
        sign_in(&abroad, FIREFOX, &known).await;
        sign_in(&app, FIREFOX, "").await;
        bearer(&abroad, EMAIL, PASSWORD).await;
        assert_eq!(kinds(&app).await, [], "a known browser, a known address and program, a dialect");
        sign_in(&abroad, IPHONE, "").await;
        let mails = app.identity.claim_mail(10).await.unwrap();
        assert_eq!(mails.iter().map(|job| (job.mail.kind, &*job.mail.to)).collect::<Vec<_>>(), [(MailKind::NewDevice, EMAIL)]);
        let rendered = vestibule_http::mail::render(&mails[0].tenant, &mails[0].mail).unwrap();
        for part in [&rendered.text, &rendered.html] {
            for words in ["Safari on iPhone", "198.51.100.7", "1 January 2026, 00:00 UTC", "https://lms.acme.test/account"] {
                assert!(part.contains(words), "{words}: {part}");
            }
        }
        sign_in(&abroad, IPHONE, "").await;
        assert_eq!(kinds(&app).await, [], "once");
    }

    async fn a_forged_or_foreign_device_cookie_is_no_known_browser(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        app.person(&cx, "bob@example.com", PASSWORD, "Trainee").await;
        let zeta = app.zeta().await;
        app.person(&zeta, EMAIL, PASSWORD, "Trainee").await;
        let known = device(&sign_in(&app, FIREFOX, "").await);
        let form = |email| [("email", email), ("password", PASSWORD)];
        let bobs = device(&submit(&app, "/sign-in", "", &form("bob@example.com")).await);
        let foreign = device(&app.post_form("lms.zeta.test", "/sign-in", &[("origin", "https://lms.zeta.test")], &form(EMAIL)).await);
        app.mails().await;
        for (n, cookie) in [bobs, foreign, format!("{known}x"), "__Host-vestibule-device=x".to_owned()].iter().enumerate() {
            sign_in(&app.from([198, 51, 100, u8::try_from(n).unwrap()]), IPHONE, cookie).await;
            assert_eq!(kinds(&app).await, [MailKind::NewDevice], "{cookie}");
        }
    }

    async fn after_a_long_time_away_it_is_news_again(app: TestApp) {
        acme_with_ada(&app).await;
        sign_in(&app, FIREFOX, "").await;
        app.pass(Duration::from_secs(120 * 86_400));
        app.identity.purge().await.unwrap();
        sign_in(&app, IPHONE, "").await;
        assert_eq!(kinds(&app).await, [MailKind::NewDevice]);
    }

    async fn a_tenant_may_leave_it_out(app: TestApp) {
        acme_with_ada(&app).await;
        app.acme_with("[mail]\nnew_device = false").await;
        sign_in(&app, FIREFOX, "").await;
        sign_in(&app.from([198, 51, 100, 7]), IPHONE, "").await;
        assert_eq!(kinds(&app).await, []);
    }

    async fn a_confirmed_address_is_welcomed_where_the_tenant_says_so(app: TestApp) {
        for (tables, wanted) in [("", None), ("[mail]\nwelcome = true", Some(MailKind::Welcome))] {
            app.acme_with(tables).await;
            let email = format!("w{}@example.com", tables.len());
            let form = [("email", &*email), ("password", PASSWORD), ("name", "New")];
            submit(&app, "/sign-up", "", &form).await.status(303);
            let link = app.mailed_link(MailKind::VerifyEmail).await;
            for _ in 0..2 {
                submit(&app, link.strip_prefix("https://lms.acme.test").unwrap(), "", &[("password", PASSWORD)]).await.status(303);
            }
            assert_eq!(kinds(&app).await, wanted.into_iter().collect::<Vec<_>>(), "{tables}");
        }
        let file: Result<TenantFile, _> = toml::from_str("slug = 'x'\nname = 'X'\n[mail]\nwelcom = true");
        assert!(file.is_err());
    }
}
