//! The whole through a real PgBouncer in transaction mode.

#[path = "../../../../db/tests/suite/pgbouncer.rs"]
mod pgbouncer;

use serde_json::json;

use crate::app::{TestApp, at_once, postgres_url, unique};
use crate::{alphalearn, enclaive, rezi};
use pgbouncer::PgBouncer;

const HOST: &str = "lms.acme.test";
const PASSWORD: &str = "violet-harbour-42-lanterns";

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_work_through_a_transaction_pooler() {
    let pooler = PgBouncer::start(&postgres_url(), unique("pooled"), "").await;
    let one = TestApp::on(&pooler.url()).await;
    let two = TestApp::on_too(&pooler.url(), &one).await;
    let cx = one.acme().await;
    let key = one.api_key(&cx).await;
    let nodes = [&one, &two];
    at_once(20, |n| {
        let (here, there) = (nodes[n % 2].clone(), nodes[(n + 1) % 2].clone());
        let key = key.clone();
        async move {
            let email = format!("p{n}@team.example");
            enclaive::sign_up(&here, HOST, &email, PASSWORD)
                .await
                .status(200);
            let tokens = enclaive::Tokens::of(&enclaive::login(&there, &email, PASSWORD).await);
            let next = enclaive::Tokens::of(&enclaive::refresh(&here, &tokens.user).await);
            let bearer = format!("Bearer {}", next.user);
            let by = [("authorization", &*bearer)];
            there
                .get(HOST, "/account/v1/sessions", &by)
                .await
                .status(200);
            let data = alphalearn::sign_in(&there, HOST, &email, PASSWORD).await;
            let refresh = alphalearn::data(&data)["refresh-token"].clone();
            here.post(
                HOST,
                "/authorize/refresh-token",
                &[],
                json!({"refreshToken": refresh}),
            )
            .await
            .status(200);
            enclaive::login(&here, &email, "wrong-password-1")
                .await
                .status(401);
            let minted = rezi::exchange(&here, &key, &format!("q{n}@team.example"), "q").await;
            let token = minted.status(200).json()["token"]
                .as_str()
                .unwrap()
                .to_owned();
            let open = format!("/login/?token={token}");
            let opened = there.get(HOST, &open, &[]).await;
            assert!(
                opened.session_cookie().is_some(),
                "{}: {}",
                opened.status,
                opened.body
            );
        }
    })
    .await;
    assert_eq!(two.mails().await.len(), 20);
    assert!(one.mails().await.is_empty(), "each mail once");
    while one.identity.seal_audit().await.unwrap() > 0 {}
    two.identity.purge().await.unwrap();
    for node in nodes {
        node.identity.db().close().await;
    }
    pooler.stop().await;
}
