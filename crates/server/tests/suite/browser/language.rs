//! The language of pages and mails: the account's, else the browser's, else the tenant's.

use super::{EMAIL, HOST, ORIGIN, PASSWORD, acme_with_ada, page, sign_in, submit};
use crate::app::{ACME, TestApp, on_both};

/// The language of a page for a browser that likes these.
async fn spoken(app: &TestApp, path: &str, likes: &str, cookie: &str) -> String {
    let headers = [
        ("accept-language", likes),
        ("accept", "text/html"),
        ("cookie", cookie),
    ];
    let reply = app.get(HOST, path, &headers).await;
    let (_, rest) = reply.body.split_once("<html lang=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

on_both! {
    async fn a_stranger_is_spoken_to_as_the_browser_likes(app: TestApp) {
        app.acme().await;
        for (likes, language) in [("de-CH,de;q=0.9,en;q=0.5", "de"), ("tlh, ar;q=0.1", "ar"), ("tlh", "en"), ("", "en"), ("pt", "pt-BR")] {
            for path in ["/sign-in", "/sign-up", "/forgot-password", "/verify-email/x", "/nothing"] {
                assert_eq!(spoken(&app, path, likes, "").await, language, "{path} for {likes}");
            }
        }
        let reply = app.get(HOST, "/sign-in", &[("accept-language", "ar")]).await;
        assert!(reply.body.contains("<html lang=\"ar\" dir=\"rtl\">"));
        app.apply(&ACME.replace("en-US", "ja-JP")).await;
        assert_eq!(spoken(&app, "/sign-in", "tlh", "").await, "ja", "the tenant's own");
    }

    async fn what_a_person_chose_comes_before_the_browser(app: TestApp) {
        acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        assert_eq!(spoken(&app, "/account", "fr", &cookie).await, "fr", "the tenant's default is no choice");
        let onboarding = app.get(HOST, "/onboarding", &[("accept-language", "fr"), ("cookie", &cookie)]).await;
        assert!(onboarding.body.contains("<option value=\"fr\" lang=\"fr\" selected>"), "{}", onboarding.body);
        let form = [("first_name", "Ada"), ("last_name", ""), ("locale", "hi"), ("timezone", "Asia/Kolkata")];
        submit(&app, "/account/profile", &cookie, &form).await.status(303);
        assert_eq!(spoken(&app, "/account", "fr", &cookie).await, "hi");
        let account = page(&app, "/account", &cookie).await;
        assert!(account.body.contains("जनवरी 2026, 05:30"), "at the person's clock: {}", account.body);
        // A language that nobody here speaks is kept, and not lost by saving something else.
        let form = [("first_name", "Ada"), ("last_name", ""), ("locale", "it-IT"), ("timezone", "Europe/Rome")];
        submit(&app, "/account/profile", &cookie, &form).await.status(303);
        let account = app.get(HOST, "/account", &[("accept-language", "es"), ("cookie", &cookie)]).await;
        assert!(account.body.contains("<html lang=\"es\"") && account.body.contains("<option value=\"it-IT\" selected>"), "{}", account.body);
    }

    async fn a_newcomers_mails_are_in_the_language_of_the_sign_up(app: TestApp) {
        app.acme().await;
        let form = [("name", "Ada"), ("email", EMAIL), ("password", PASSWORD)];
        app.post_form(HOST, "/sign-up", &[ORIGIN, ("accept-language", "de-AT,en;q=0.3")], &form).await.status(303);
        let jobs = app.identity.claim_mail(1).await.unwrap();
        let mail = vestibule_http::mail::render(&jobs[0].tenant, &jobs[0].mail).unwrap();
        assert!(mail.subject.starts_with("Bestätigen Sie"), "{}", mail.subject);
        assert!(mail.html.contains("<html lang=\"de\" dir=\"ltr\">"));
    }

    async fn refusals_are_told_in_the_readers_language(app: TestApp) {
        app.acme().await;
        let likes = [ORIGIN, ("accept-language", "fr")];
        let weak = app.post_form(HOST, "/sign-up", &likes, &[("name", "Ada"), ("email", EMAIL), ("password", "123")]).await;
        assert!(weak.status(400).body.contains("au moins 8 caractères"), "{}", weak.body);
        assert!(weak.body.contains("href=\"#password\"") && weak.body.contains("aria-invalid=\"true\""), "{}", weak.body);
        let wrong = app.post_form(HOST, "/sign-in", &likes, &[("email", EMAIL), ("password", "wrong")]).await;
        assert!(wrong.body.contains("incorrect"), "{}", wrong.body);
    }
}
