//! How long entries are kept, and how many.

use std::time::Duration;

use vestibule_identity::{Client, Kind};

use super::*;
use crate::app::on_both;

const DAY: Duration = Duration::from_secs(86_400);

async fn count(app: &TestApp, cx: &Cx) -> usize {
    app.identity.audit_entries(cx, 10_000).await.unwrap().len()
}

on_both! {
    async fn old_entries_go_and_the_chain_stays_whole(app: TestApp) {
        let cx = lively(&app).await;
        app.pass(364 * DAY);
        app.api_key(&cx).await;
        app.api_key(&app.cx("acme").await).await;
        app.identity.seal_audit().await.unwrap();
        app.identity.purge().await.unwrap();
        assert_eq!((verify(&app, "acme").await.first, count(&app, &cx).await), (1, 9));
        app.pass(2 * DAY);
        app.identity.purge().await.unwrap();
        let report = verify(&app, "acme").await;
        // One of the two keys was made by a context from before the time that passed.
        assert_eq!((report.fault, report.first, report.last), (None, 9, 9));
        assert_eq!(count(&app, &cx).await, 1);
        let cx = app.acme_with("[audit]\nretention = \"1d\"").await;
        app.pass(2 * DAY);
        app.identity.seal_audit().await.unwrap();
        app.identity.purge().await.unwrap();
        assert_eq!(count(&app, &cx).await, 0);
        app.api_key(&app.cx("acme").await).await;
        app.identity.seal_audit().await.unwrap();
        let report = verify(&app, "acme").await;
        assert_eq!((report.fault, report.first, report.last), (None, 11, 11));
    }

    async fn an_entry_made_to_look_old_is_not_purged(app: TestApp) {
        let cx = lively(&app).await;
        tamper(&app, "UPDATE audit SET at = 0 WHERE seq <= 3", &params![]).await;
        assert!(app.identity.purge().await.is_err());
        assert_eq!(count(&app, &cx).await, 7);
        assert_eq!(fault(&app, "acme").await.unwrap().0, Some(1));
    }

    async fn a_flood_of_refusals_is_counted_not_written(app: TestApp) {
        let cx = lively(&app).await;
        let written = count(&app, &cx).await;
        // Two of this address's sixty were its wrong passwords.
        for turn in 0..100 {
            let form = [("email", &*format!("nobody{turn}@example.com")), ("password", "wrong-wrong-wrong")];
            submit(&app, "/sign-in", "", &form).await.status(401);
        }
        // Nor do made-up addresses that forgot their passwords fill it.
        for turn in 0..10 {
            let form = [("email", &*format!("nobody{turn}@example.com"))];
            submit(&app, "/forgot-password", "", &form).await.status(303);
        }
        assert_eq!(count(&app, &cx).await, written + 58);
        let elsewhere = Cx { client: Client { address: Some([198, 51, 100, 7].into()), ..cx.client.clone() }, ..cx.clone() };
        app.identity.note_refusal(&elsewhere, "sign_in.browser", Kind::InvalidLoginToken).await.unwrap();
        assert_eq!(count(&app, &cx).await, written + 59, "another address has room of its own");
        app.pass(Duration::from_secs(60));
        app.identity.seal_audit().await.unwrap();
        let newest = app.identity.audit_entries(&cx, 2).await.unwrap();
        let mut newest: Vec<_> = newest.iter().map(|entry| (&*entry.event, entry.reason.as_deref(), entry.times)).collect();
        newest.sort_unstable();
        assert_eq!(newest, [("password.forgotten", Some("invalid_email"), 10), ("sign_in.password", Some("invalid_credentials"), 42)]);
        assert_eq!((count(&app, &cx).await, fault(&app, "acme").await), (written + 61, None));
    }
}
