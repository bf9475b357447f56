//! Which tenant answers, and what a tenant may set.

use serde_json::json;

use super::{
    EMAIL, HOST, TOKEN, UID, exchange, exchange_at, login_token, mismatch, open, person, text,
    unauthorized,
};
use crate::app::{claims, on_both};

const PLAIN: &str =
    "slug = 'plain'\nname = 'Plain'\ndomains = ['lms.plain.test']\ndialects = ['enclaive']";

on_both! {
    async fn a_tenant_that_does_not_mount_it_answers_404(app: TestApp) {
        app.acme().await;
        let plain = app.apply(PLAIN).await;
        let key = app.api_key(&plain).await;
        assert_eq!(exchange_at(&app, "lms.plain.test", &key, person()).await.status, 404);
        assert_eq!(app.get("lms.plain.test", "/login/", &[]).await.status, 404);
        assert_eq!(app.get("lms.plain.test", "/login/?token=x", &[("accept", "text/html")]).await.status, 404);
        assert_eq!(app.get("lms.plain.test", TOKEN, &[]).await.status, 404, "not 405: there is nothing here");
        assert_eq!(app.identity.users(&plain, "", 10).await.unwrap(), []);
    }

    async fn an_unknown_host_is_no_tenant(app: TestApp) {
        let cx = app.acme().await;
        app.zeta().await;
        let key = app.api_key(&cx).await;
        let token = login_token(&app, &key, EMAIL).await;
        for host in ["nobody.test", "acme.test", "x.lms.acme.test", "lms.acme.test.evil.test", "127.0.0.1"] {
            let reply = app.get(host, &format!("/login/?token={token}"), &[]).await;
            assert_eq!((reply.status.as_u16(), reply.session_cookie()), (421, None), "{host}");
        }
        assert_eq!(open(&app, &token, &[]).await.status, 303);
    }

    async fn on_a_shared_api_host_the_key_names_the_tenant(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        let plain = app.apply(PLAIN).await;
        let (acme_key, zeta_key, plain_key) = (app.api_key(&acme).await, app.api_key(&zeta).await, app.api_key(&plain).await);
        let shared = "api.vestibule.test";
        let reply = exchange_at(&app, shared, &acme_key, person()).await;
        let id = text(&reply, "userID");
        assert_eq!(app.identity.user(&acme, EMAIL).await.unwrap().id, id);
        assert_eq!(app.identity.users(&zeta, "", 10).await.unwrap(), []);
        assert_eq!(text(&exchange(&app, &acme_key, EMAIL, UID).await, "userID"), id, "the same person as on the tenant's own host");
        assert_eq!(open(&app, &text(&reply, "token"), &[]).await.status, 303);
        assert_ne!(text(&exchange_at(&app, shared, &zeta_key, person()).await, "userID"), id);
        exchange_at(&app, shared, &acme_key, json!({"email": EMAIL, "uid": "another"})).await.is(401, mismatch());
        exchange_at(&app, shared, "nothing", person()).await.is(401, unauthorized());
        assert_eq!(exchange_at(&app, shared, &plain_key, person()).await.status, 404);
        let headers = [("authorization", &*format!("Bearer {acme_key}")), ("origin", "https://partner.example")];
        assert_eq!(app.post(shared, TOKEN, &headers, person()).await.json()["errorCode"], "token-03");
    }

    async fn every_domain_of_the_tenant_answers(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let mut ids = Vec::new();
        for host in ["lms.acme.test", "alias.acme.test", "LMS.ACME.TEST", "lms.acme.test:8443"] {
            ids.push(text(&exchange_at(&app, host, &key, person()).await, "userID"));
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
    }

    async fn issuer_and_audience_may_be_set(app: TestApp) {
        let cx = app.acme_with("[dialect.rezi]\nissuer = 'svc@acme.iam.example'\naudience = 'https://partner.example/aud'").await;
        let key = app.api_key(&cx).await;
        let token = text(&exchange(&app, &key, EMAIL, UID).await, "token");
        let named = claims(&token);
        assert_eq!((&named["iss"], &named["sub"]), (&json!("svc@acme.iam.example"), &json!("svc@acme.iam.example")));
        assert_eq!(named["aud"], "https://partner.example/aud");
        assert_eq!(open(&app, &token, &[]).await.status, 303);
    }

    async fn always_200_changes_statuses_and_nothing_else(app: TestApp) {
        let strict = app.zeta().await;
        let lenient = app.acme_with("[dialect.rezi]\nalways_200 = true").await;
        let (strict_key, lenient_key) = (app.api_key(&strict).await, app.api_key(&lenient).await);
        let first = json!({"email": EMAIL, "uid": UID});
        for (host, key) in [("lms.zeta.test", &strict_key), (HOST, &lenient_key)] {
            text(&exchange_at(&app, host, key, first.clone()).await, "userID");
        }
        let origin = [("origin", "https://partner.example")];
        for (body, key_is_good, more, status) in [
            (first.clone(), false, &[][..], 401),
            (first.clone(), true, &origin[..], 403),
            (json!({"email": EMAIL, "uid": "another"}), true, &[], 401),
            (json!({"uid": UID}), true, &[], 400),
            (json!({"email": "user", "uid": UID}), true, &[], 400),
            (json!([]), true, &[], 400),
            (json!({"email": EMAIL, "uid": "x".repeat(70_000)}), true, &[], 413),
        ] {
            let mut answers = Vec::new();
            for (host, key, expected) in [("lms.zeta.test", &strict_key, status), (HOST, &lenient_key, 200)] {
                let bearer = format!("Bearer {}", if key_is_good { key } else { "nothing" });
                let mut headers = vec![("authorization", &*bearer)];
                headers.extend_from_slice(more);
                let reply = app.post(host, TOKEN, &headers, body.clone()).await;
                assert_eq!(reply.status, expected, "{}", reply.body);
                assert_eq!(reply.header("cache-control"), "no-store");
                answers.push(reply.json());
            }
            assert_eq!(answers[0], answers[1]);
        }
        assert_eq!(open(&app, "nonsense", &[]).await.status, 401, "pages keep their statuses");
    }
}
