//! Signing keys that change while several nodes sign.

use std::time::Duration;

use serde_json::Value;
use vestibule_identity::{Cx, Kind};

use crate::app::{TestApp, at_once, header, on_both};
use crate::enclaive::{Tokens, login, refresh};

const HOST: &str = "lms.acme.test";
const ANN: &str = "ann@team.example";
const PASSWORD: &str = "violet-harbour-42-lanterns";
const MONTH: Duration = Duration::from_secs(30 * 86_400);
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// Two nodes, and a person who has signed in.
pub(super) async fn two_nodes(one: &TestApp) -> (TestApp, Cx, Tokens) {
    let cx = one.acme().await;
    one.person(&cx, ANN, PASSWORD, "Trainee").await;
    let tokens = Tokens::of(&login(one, ANN, PASSWORD).await);
    (one.second_node().await, cx, tokens)
}

pub(super) fn kid(token: &str) -> String {
    header(token)["kid"].as_str().unwrap().to_owned()
}

/// Which key a node signs with, and that its own answer is good there.
async fn signs_with(app: &TestApp) -> String {
    let tokens = Tokens::of(&login(app, ANN, PASSWORD).await);
    refresh(app, &tokens.user).await.status(200);
    kid(&tokens.user)
}

pub(super) async fn published(app: &TestApp) -> Vec<String> {
    let keys = app.get(HOST, "/.well-known/jwks.json", &[]).await.json();
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    keys["keys"].as_array().unwrap().iter().map(kid).collect()
}

/// The keys like that one, by state.
async fn in_state(app: &TestApp, like: &str, state: &str) -> Vec<String> {
    let cx = app.cx("acme").await;
    let keys = app.identity.signing_keys(&cx).await.unwrap();
    let one = keys.iter().find(|key| key.kid == like).unwrap();
    keys.iter()
        .filter(|key| (&key.purpose, &key.algorithm) == (&one.purpose, &one.algorithm))
        .filter(|key| key.state == state)
        .map(|key| key.kid.clone())
        .collect()
}

on_both! {
    async fn a_key_is_published_before_it_signs_and_changes_once(app: TestApp) {
        let (two, _, tokens) = two_nodes(&app).await;
        let old = kid(&tokens.user);
        let nodes = [app.clone(), two.clone()];
        at_once(6, |n| {
            let node = nodes[n % 2].clone();
            async move { node.identity.rotate_signing_keys(&node.cx("acme").await, false).await.unwrap() }
        })
        .await;
        let next = in_state(&app, &old, "next").await;
        assert_eq!(next.len(), 1, "{next:?}");
        two.identity.reload().await.unwrap();
        app.pass(TEN_MINUTES - Duration::from_secs(1));
        for node in [&app, &two] {
            assert!(published(node).await.contains(&next[0]));
            assert_eq!(signs_with(node).await, old);
        }
        app.pass(Duration::from_secs(1));
        for node in [&app, &two] {
            assert_eq!(signs_with(node).await, next[0], "without being told");
            assert!(published(node).await.contains(&old));
        }
        refresh(&two, &tokens.user).await.status(200);
        assert_eq!(in_state(&app, &old, "retired").await, std::slice::from_ref(&old));
        // Longer than any token lives.
        app.pass(Duration::from_secs(91 * 86_400));
        let late = app.second_node().await;
        assert!(!published(&late).await.contains(&old));
    }

    async fn a_key_that_has_signed_for_long_is_followed_once(app: TestApp) {
        let (two, _, tokens) = two_nodes(&app).await;
        let old = kid(&tokens.user);
        let nodes = [app.clone(), two.clone()];
        let by_age = || async {
            let followed = at_once(6, |n| {
                let node = nodes[n % 2].clone();
                async move { node.identity.follow_aged_keys(MONTH).await.unwrap() }
            });
            followed.await.into_iter().sum::<u64>()
        };
        app.pass(MONTH - Duration::from_secs(1));
        assert_eq!(by_age().await, 0);
        assert_eq!(in_state(&app, &old, "next").await, Vec::<String>::new());
        app.pass(Duration::from_secs(1));
        assert_eq!(by_age().await, 1, "one node did it");
        assert_eq!(by_age().await, 0, "another waits already");
        let next = in_state(&app, &old, "next").await;
        assert_eq!(next.len(), 1, "{next:?}");
        two.identity.reload().await.unwrap();
        let last = Tokens::of(&login(&app, ANN, PASSWORD).await);
        for node in [&app, &two] {
            assert!(published(node).await.contains(&next[0]));
            assert_eq!(signs_with(node).await, old);
        }
        app.pass(TEN_MINUTES);
        assert_eq!(by_age().await, 0, "it is young");
        for node in [&app, &two] {
            assert_eq!(signs_with(node).await, next[0]);
            refresh(node, &last.user).await.status(200);
        }
        let told = app.audit("acme").await;
        let told: Vec<_> = told.iter().filter(|line| line.starts_with("signing_key")).collect();
        assert_eq!(told, ["signing_key.rotated done age"]);
        // Whoever does it by hand has begun the month anew.
        app.identity.rotate_signing_keys(&app.cx("acme").await, true).await.unwrap();
        app.pass(MONTH - TEN_MINUTES);
        assert_eq!(by_age().await, 0);
    }

    async fn a_key_that_waits_can_be_put_in_force(app: TestApp) {
        let (_, cx, tokens) = two_nodes(&app).await;
        let old = kid(&tokens.user);
        app.identity.rotate_signing_keys(&cx, false).await.unwrap();
        let next = in_state(&app, &old, "next").await;
        app.identity.rotate_signing_keys(&cx, true).await.unwrap();
        assert_eq!(signs_with(&app).await, next[0]);
        assert_eq!(in_state(&app, &old, "next").await, Vec::<String>::new());
        app.identity.rotate_signing_keys(&cx, true).await.unwrap();
        assert_ne!(signs_with(&app).await, next[0], "another one, at once");
    }

    async fn nothing_that_a_revoked_key_signed_counts(app: TestApp) {
        let (two, cx, tokens) = two_nodes(&app).await;
        let old = kid(&tokens.user);
        let bearer = format!("Bearer {}", tokens.user);
        let by = [("authorization", &*bearer)];
        two.get(HOST, "/account/v1/session", &by).await.status(200);
        app.identity.revoke_signing_key(&cx, &old).await.unwrap();
        // A request for an unknown host reads the tenants; the keys must follow all the same.
        two.get("nobody.test", "/", &[]).await;
        two.identity.reload().await.unwrap();
        for node in [&app, &two] {
            assert!(!published(node).await.contains(&old));
            node.get(HOST, "/account/v1/session", &by).await.status(401);
            assert_eq!(refresh(node, &tokens.user).await.status, 401);
            assert_ne!(signs_with(node).await, old);
        }
        assert_eq!(signs_with(&app).await, signs_with(&two).await);
        assert_eq!(in_state(&app, &old, "revoked").await, std::slice::from_ref(&old));
        for unknown in [&*old, "nothing"] {
            let refused = app.identity.revoke_signing_key(&cx, unknown).await;
            assert_eq!(refused.unwrap_err().kind, Kind::NotFound);
        }
        let left: i64 = app.identity.db()
            .read(move |tx| tx.one("SELECT count(*) FROM signing_key WHERE revoked_at IS NOT NULL AND length(private_sealed) > 0", &[], |row| row.get(0)))
            .await
            .unwrap();
        assert_eq!(left, 0, "its private half is gone");
        assert!(app.audit("acme").await.iter().any(|line| line == "signing_key.revoked done"));
    }

    async fn a_key_signs_whichever_is_revoked(app: TestApp) {
        let (two, cx, tokens) = two_nodes(&app).await;
        let first = kid(&tokens.user);
        // The next one: the present one stays, for good.
        app.identity.rotate_signing_keys(&cx, false).await.unwrap();
        let next = in_state(&app, &first, "next").await.remove(0);
        app.identity.revoke_signing_key(&cx, &next).await.unwrap();
        two.identity.reload().await.unwrap();
        app.pass(2 * TEN_MINUTES);
        for node in [&app, &two] {
            assert_eq!(signs_with(node).await, first);
        }
        assert_eq!(in_state(&app, &first, "current").await, std::slice::from_ref(&first));
        // The present one, with another waiting: that one is in force at once.
        let cx = app.cx("acme").await;
        app.identity.rotate_signing_keys(&cx, false).await.unwrap();
        let next = in_state(&app, &first, "next").await.remove(0);
        app.identity.revoke_signing_key(&cx, &first).await.unwrap();
        two.identity.reload().await.unwrap();
        for node in [&app, &two] {
            assert_eq!(signs_with(node).await, next);
        }
        // One of the past: the present one signs on.
        app.identity.rotate_signing_keys(&cx, true).await.unwrap();
        let present = signs_with(&app).await;
        app.identity.revoke_signing_key(&cx, &next).await.unwrap();
        assert_eq!(signs_with(&app).await, present);
        assert!(!published(&app).await.contains(&next));
    }

    /// What a program that knows no times of keys makes of them.
    async fn an_older_program_takes_no_revoked_key(app: TestApp) {
        let (_, cx, tokens) = two_nodes(&app).await;
        app.identity.revoke_signing_key(&cx, &kid(&tokens.user)).await.unwrap();
        app.identity.rotate_signing_keys(&cx, false).await.unwrap();
        let keys: Vec<String> = app.identity.db()
            .read(|tx| tx.all("SELECT kid FROM signing_key WHERE retired_at IS NULL OR retired_at > 1", &[], |row| row.get(0)))
            .await
            .unwrap();
        assert!(!keys.contains(&kid(&tokens.user)) && keys.contains(&signs_with(&app).await));
    }
}
