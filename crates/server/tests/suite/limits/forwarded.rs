//! A back end that signs its people in names their addresses, under its private key.

use serde_json::{Value, json};

use super::{HOST, PASSWORD, WRONG};
use crate::app::{Reply, TestApp, on_both};

const ADA: &str = "ada@team.example";
const ADDRESS: &str = "vestibule-client-address";
const KEY: &str = "vestibule-key";

async fn login(app: &TestApp, headers: &[(&str, &str)], email: &str, password: &str) -> Reply {
    let body = json!({ "email": email, "password": password });
    app.post(HOST, "/api/login", headers, body).await
}

/// From where the account's sessions came, newest first.
async fn seen_from(app: &TestApp, slug: &str) -> Vec<String> {
    let cx = app.cx(slug).await;
    let account = app.identity.user(&cx, ADA).await.unwrap();
    let sessions = app.identity.sessions(&cx, &account.id).await.unwrap();
    let addresses = sessions.into_iter().filter_map(|one| one.client_address);
    addresses.collect()
}

on_both! {
    async fn people_behind_a_back_end_are_counted_apart(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, ADA, PASSWORD, "Trainee").await;
        let key = app.api_key(&cx).await;
        let node = app.with_limits(&[("sign_in_address", 3)]).await;
        let (one, other) = ([(KEY, &*key), (ADDRESS, "203.0.113.1")], [(KEY, &*key), (ADDRESS, "2001:db8:9:9::1")]);
        for n in 0..3 {
            login(&node, &one, &format!("nobody.{n}@team.example"), WRONG).await.status(401);
        }
        login(&node, &one, ADA, PASSWORD).await.status(429);
        login(&node, &other, ADA, PASSWORD).await.status(200);
        assert_eq!(seen_from(&app, "acme").await, ["2001:db8:9:9::1"]);
        // The back end itself has used up nothing.
        login(&node, &[], ADA, PASSWORD).await.status(200);
        let same_block = [(KEY, &*key), (ADDRESS, "2001:db8:9:9:5::5")];
        for _ in 0..3 {
            login(&node, &same_block, ADA, WRONG).await.status(401);
        }
        login(&node, &other, ADA, PASSWORD).await.status(429);
    }

    async fn an_address_without_a_good_key_is_refused_and_counts_for_nothing(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        app.person(&acme, ADA, PASSWORD, "Trainee").await;
        let (key, foreign, revoked) = (app.api_key(&acme).await, app.api_key(&zeta).await, app.api_key(&acme).await);
        let id = revoked.split('_').nth(2).unwrap().to_owned();
        app.identity.revoke_api_key(&id).await.unwrap();
        let at = (ADDRESS, "203.0.113.1");
        let unauthorized = json!({ "statusCode": 401, "message": "The private key is missing or not valid.", "error": "Unauthorized" });
        for headers in [&[at][..], &[at, (KEY, "x")], &[at, (KEY, &foreign)], &[at, (KEY, &revoked)], &[at, ("authorization", &format!("Bearer {key}"))]] {
            login(&app, headers, ADA, PASSWORD).await.is(401, unauthorized.clone());
        }
        login(&app, &[at, (KEY, &key), ("origin", "https://lms.acme.test")], ADA, PASSWORD).await.status(403);
        for address in ["", "x", "203.0.113.256", "203.0.113.1, 10.0.0.1", "203.0.113.1:80", "fe80::1%eth0", "localhost"] {
            let reply = login(&app, &[(ADDRESS, address), (KEY, &key)], ADA, PASSWORD).await;
            assert_eq!((reply.status.as_u16(), &reply.json()["statusCode"]), (400, &json!(400)), "{address}");
        }
        for (one, other) in [(&*key, "x"), ("x", &*key), (&*key, &*foreign)] {
            login(&app, &[at, (KEY, one), (KEY, other)], ADA, PASSWORD).await.is(401, unauthorized.clone());
        }
        let twice = [at, (ADDRESS, "203.0.113.2"), (KEY, &*key)];
        login(&app, &twice, ADA, PASSWORD).await.status(400);
        assert_eq!(seen_from(&app, "acme").await, Vec::<String>::new());
        // Elsewhere the header means nothing.
        app.get(HOST, "/sign-in", &[at]).await.status(200);
        login(&app, &[(KEY, "x")], ADA, PASSWORD).await.status(200);
        assert_eq!(seen_from(&app, "acme").await, ["192.0.2.1"]);
    }

    /// At a host of nobody the key names its tenant; a body that names another one is not helped by it.
    async fn another_tenants_key_is_not_believed(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        app.person(&acme, ADA, PASSWORD, "Trainee").await;
        app.person(&zeta, ADA, PASSWORD, "Trainee").await;
        let key = app.api_key(&acme).await;
        let headers = [(KEY, &*key), (ADDRESS, "203.0.113.1")];
        for (domain, slug, address) in [("lms.acme.test", "acme", "203.0.113.1"), ("lms.zeta.test", "zeta", "192.0.2.1")] {
            let body: Value = json!({ "email": ADA, "password": PASSWORD, "domain": domain });
            app.post("api.vendor.test", "/authorize/login", &headers, body).await.status(200);
            assert_eq!(seen_from(&app, slug).await, [address]);
        }
    }
}
