//! Invitations: the operator makes an account, the person sets its password by a mailed link.

use std::time::Duration;

use vestibule_identity::{Kind, MailKind};

use super::{
    EMAIL, PASSWORD, acme_with_ada, is_live, leads_to, page, password_works, refused, submit,
};
use crate::app::{TestApp, at_once, on_both};

const GUEST: &str = "guest@example.com";

fn guest(email: &str) -> vestibule_identity::CreateUser {
    vestibule_identity::CreateUser {
        email: email.into(),
        role: Some("Manager".into()),
        first_name: Some("Gus".into()),
        last_name: None,
        verified: false,
        password: None,
    }
}

async fn invited(app: &TestApp) -> String {
    let cx = app.cx("acme").await;
    app.identity.invite_user(&cx, guest(GUEST)).await.unwrap();
    let link = app.mailed_link(MailKind::Invitation).await;
    link.strip_prefix("https://lms.acme.test")
        .unwrap()
        .to_owned()
}

on_both! {
    async fn the_link_sets_the_password_proves_the_address_and_signs_in(app: TestApp) {
        let cx = app.acme().await;
        let link = invited(&app).await;
        assert!(link.starts_with("/invitation/"), "{link}");
        for _ in 0..2 {
            let shown = page(&app, &link, "").await;
            assert!(shown.status(200).body.contains(GUEST) && shown.body.contains("autocomplete=\"new-password\""), "{}", shown.body);
        }
        assert!(!app.identity.user(&cx, GUEST).await.unwrap().email_verified);
        for weak in ["", "short", "guest@example.com"] {
            refused(&submit(&app, &link, "", &[("password", weak)]).await, 400);
        }
        let done = submit(&app, &link, "", &[("password", PASSWORD)]).await;
        leads_to(&done, "/onboarding");
        let cookie = done.session_cookie().unwrap();
        let account = app.identity.user(&cx, GUEST).await.unwrap();
        assert_eq!((account.email_verified, &*account.role, &*account.first_name), (true, "Manager", "Gus"));
        assert_eq!(app.identity.teams(&cx, &account.id).await.unwrap().len(), 1);
        assert!(is_live(&app, &cookie).await && password_works(&app, GUEST, PASSWORD).await);
        let spent = page(&app, &link, "").await;
        refused(&spent, 400);
        assert!(spent.body.contains("href=\"/forgot-password\""), "{}", spent.body);
        refused(&submit(&app, &link, "", &[("password", "another good password")]).await, 400);
        assert!(password_works(&app, GUEST, PASSWORD).await);
        let audit = app.audit("acme").await;
        assert!(audit.contains(&"account.invited done".to_owned()) && audit.contains(&"account.invitation_accepted done".to_owned()), "{audit:?}");
    }

    async fn eight_at_once_set_one_password(app: TestApp) {
        app.acme().await;
        let link = invited(&app).await;
        let replies = at_once(8, |n| {
            let (app, link) = (app.clone(), link.clone());
            async move { submit(&app, &link, "", &[("password", &format!("{PASSWORD} {n}"))]).await.status.as_u16() }
        })
        .await;
        assert_eq!(replies.iter().filter(|status| **status == 303).count(), 1, "{replies:?}");
    }

    async fn who_has_a_password_is_not_invited_and_another_invitation_ends_the_first(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        assert_eq!(app.identity.invite_user(&cx, guest(EMAIL)).await.unwrap_err().kind, Kind::EmailTaken);
        assert_eq!(app.mails().await.len(), 0);
        let first = invited(&app).await;
        let second = invited(&app).await;
        refused(&submit(&app, &first, "", &[("password", PASSWORD)]).await, 400);
        // A forgotten password's link does as well, and ends the invitation.
        submit(&app, "/forgot-password", "", &[("email", GUEST)]).await.status(303);
        let reset = app.mailed_link(MailKind::ResetPassword).await;
        submit(&app, reset.strip_prefix("https://lms.acme.test").unwrap(), "", &[("password", "their own password")]).await.status(303);
        refused(&submit(&app, &second, "", &[("password", PASSWORD)]).await, 400);
        assert!(password_works(&app, GUEST, "their own password").await);
    }

    async fn an_invitation_is_for_a_week_a_tenant_and_nothing_else(app: TestApp) {
        let cx = app.acme().await;
        app.zeta().await;
        let link = invited(&app).await;
        refused(&app.post_form("lms.zeta.test", &link, &[("origin", "https://lms.zeta.test")], &[("password", PASSWORD)]).await, 400);
        for other in ["/verify-email/", "/reset-password/", "/account/email/"] {
            refused(&submit(&app, &link.replace("/invitation/", other), "", &[("password", PASSWORD)]).await, 400);
        }
        app.pass(Duration::from_secs(7 * 86_400 - 1));
        page(&app, &link, "").await.status(200);
        app.pass(Duration::from_secs(2));
        refused(&submit(&app, &link, "", &[("password", PASSWORD)]).await, 400);
        let link = invited(&app).await;
        let id = app.identity.user(&cx, GUEST).await.unwrap().id;
        app.identity.suspend_user(&cx, &id).await.unwrap();
        refused(&submit(&app, &link, "", &[("password", PASSWORD)]).await, 400);
        assert_eq!(app.identity.invite_user(&cx, guest(GUEST)).await.unwrap_err().kind, Kind::Forbidden);
    }
}
