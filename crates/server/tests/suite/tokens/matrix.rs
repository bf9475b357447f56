//! Kind by door, tenant by tenant.

use super::*;
use crate::app::on_both;
use crate::forge::Key;
use vestibule_crypto::Algorithm;

const HOST: &str = "lms.acme.test";
const OTHER: &str = "lms.zeta.test";

/// The same credential with one character changed.
fn altered(token: &str) -> String {
    let at = token.len() - 10;
    let other = if &token[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

/// How often something came about at zeta.
async fn done(app: &TestApp) -> usize {
    app.audit("zeta")
        .await
        .iter()
        .filter(|event| event.contains(" done"))
        .count()
}

/// The answer without what differs from request to request.
fn plain(reply: &Reply, token: &str) -> (u16, String) {
    let body = reply
        .body
        .replace(reply.header("x-request-id"), "…")
        .replace(token, "…");
    (reply.status.as_u16(), body)
}

on_both! {
    async fn each_door_opens_to_its_own_kinds_only(app: TestApp) {
        let cx = app.acme().await;
        for (index, door) in Door::ALL.into_iter().enumerate() {
            let bunch = Bunch::new(&app, &cx, &format!("person{index}")).await;
            let (right, wrong): (Vec<_>, Vec<_>) = bunch.tokens.iter().partition(|(kind, _)| door.takes().contains(kind));
            for (kind, token) in wrong {
                let reply = door.knock(&app, HOST, token).await;
                assert!(!door.opened(&reply, &format!("{kind:?}")), "{door:?} opened to {kind:?}: {}", reply.body);
                assert!(token.len() < 20 || !reply.body.contains(token.as_str()) || matches!(door, VerifyPage | ResetPage), "{door:?} repeats the {kind:?}");
                app.mails().await;
            }
            for (kind, token) in right {
                let reply = door.knock(&app, HOST, token).await;
                assert!(door.opened(&reply, &format!("{kind:?}")), "{door:?} stayed shut to {kind:?}: {}", reply.body);
            }
            app.mails().await;
        }
    }

    async fn what_one_tenant_gave_out_is_nothing_at_another(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        for (index, door) in Door::ALL.into_iter().enumerate() {
            let name = format!("person{index}");
            let bunch = Bunch::new(&app, &acme, &name).await;
            let twin = app.person(&zeta, &bunch.email, PASSWORD, "Admin").await;
            // At a tenant that has signing keys, people and sessions of its own.
            tokens(&app, OTHER, &bunch.email).await;
            let before = done(&app).await;
            for kind in door.takes() {
                let token = bunch.token(*kind);
                let reply = door.knock(&app, OTHER, token).await;
                assert!(!door.opened(&reply, &format!("{kind:?}")), "{door:?} of zeta opened to acme's {kind:?}: {}", reply.body);
                let nonsense = altered(token);
                let other = door.knock(&app, OTHER, &nonsense).await;
                assert_eq!(plain(&reply, token), plain(&other, &nonsense), "{door:?}: a foreign {kind:?} can be told from a wrong one");
            }
            assert_eq!(app.identity.sessions(&zeta, &twin.id).await.unwrap().len(), 1, "{door:?}");
            if door != LmsProof {
                assert_eq!(done(&app).await, before, "{door:?}");
            }
            app.mails().await;
            // None of this has used it up at home.
            for kind in door.takes() {
                let reply = door.knock(&app, HOST, bunch.token(*kind)).await;
                assert!(door.opened(&reply, &format!("{kind:?}")), "{door:?} stayed shut to {kind:?}: {}", reply.body);
            }
            app.mails().await;
        }
    }

    async fn one_tenants_key_signs_for_no_other(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        app.person(&acme, "a@example.com", PASSWORD, "Admin").await;
        app.person(&zeta, "z@example.com", PASSWORD, "Admin").await;
        tokens(&app, HOST, "a@example.com").await;
        let target = tokens(&app, OTHER, "z@example.com").await.access;
        let (ours, theirs) = (Key::stolen(&app, &acme, "access", Algorithm::ES256).await, Key::stolen(&app, &zeta, "access", Algorithm::ES256).await);
        let claims = crate::app::claims(&target).to_string();
        for kid in [&ours.kid, &theirs.kid] {
            let mut header = ours.header("at+jwt");
            header["kid"] = json!(kid);
            let token = ours.sign(&header.to_string(), &claims);
            for door in [NativeBearer, ForwardAuth, LmsCourse, LmsProof] {
                for host in [HOST, OTHER] {
                    let reply = door.knock(&app, host, &token).await;
                    assert!(!door.opened(&reply, "a token of the wrong key"), "{door:?} at {host}");
                }
            }
        }
        // The right key makes the same claims good: the forgery above failed for its key alone.
        let token = theirs.sign(&theirs.header("at+jwt").to_string(), &claims);
        assert!(NativeBearer.opened(&NativeBearer.knock(&app, OTHER, &token).await, "the right key"));
    }
}
