//! Two servers that run: what one process changes, both know within a second.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use vestibule_db::{Db, Options};

use crate::app::postgres_schema;
use crate::commands::{ACME, Place, Serving};

fn jwks(port: u16) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request =
        "GET /.well-known/jwks.json HTTP/1.1\r\nhost: lms.acme.test\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    serde_json::from_str(reply.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

fn has(port: u16, kid: &str) -> bool {
    let keys = jwks(port);
    keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .any(|key| key["kid"] == kid)
}

/// The first one's folder holds the tenant's file; both have the same secret key.
async fn two_places() -> (Place, Place, String) {
    let url = postgres_schema().await;
    let acme = format!("{ACME}dialects = ['enclaive']\n");
    let (one, two) = (Place::with(&[("acme.toml", &acme)]), Place::new());
    one.run(&format!("apply acme.toml --data data --database {url}"))
        .done();
    std::fs::create_dir(two.path("data")).unwrap();
    std::fs::copy(one.path("data/secret.key"), two.path("data/secret.key")).unwrap();
    (one, two, url)
}

fn listed(place: &Place, url: &str) -> Vec<Value> {
    let list = format!("signing-key list --tenant acme --json --data data --database {url}");
    let list: Value = serde_json::from_str(&place.run(&list).done()).unwrap();
    list["signing_keys"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_have_signed_for_long_are_followed_by_one_node() {
    let (one, two, url) = two_places().await;
    let old = listed(&one, &url);
    let db = Db::open(&Options::new(&url)).await.unwrap();
    let aged = "UPDATE signing_key SET activates_at = activates_at - 8 * 86400000000";
    db.write(move |tx| tx.exec(aged, &[])).await.unwrap();
    db.close().await;
    let nodes = [&one, &two].map(|place| {
        place.write("vestibule.toml", "signing_key_age = '7d'");
        place.serve(&format!("--database {url}"))
    });
    let next = || {
        let mut keys = listed(&one, &url);
        keys.retain(|key| key["state"] == "next");
        keys
    };
    let start = Instant::now();
    let published = |node: &Serving| {
        let port = node.port("listening on http://");
        let next = next();
        !next.is_empty()
            && next
                .iter()
                .all(|key| has(port, key["kid"].as_str().unwrap()))
    };
    while !nodes.iter().all(published) {
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "new keys are not published"
        );
    }
    assert_eq!(next().len(), old.len(), "one for each");
    let logs: String = nodes.iter().map(Serving::log).collect();
    assert_eq!(
        logs.matches("are followed by new ones").count(),
        1,
        "{logs}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_gone_from_every_node_within_a_second() {
    let (one, two, url) = two_places().await;
    let database = format!("--database {url}");
    let nodes: Vec<Serving> = vec![one.serve(&database), two.serve(&database)];
    let ports: Vec<u16> = nodes
        .iter()
        .map(|node| node.port("listening on http://"))
        .collect();
    let kid = listed(&one, &url)[0]["kid"].as_str().unwrap().to_owned();
    let start = Instant::now();
    while !ports.iter().all(|port| has(*port, &kid)) {
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "a new key is not published"
        );
    }
    one.run(&format!(
        "signing-key revoke {kid} --tenant acme --data data {database}"
    ))
    .done();
    // The command has ended, its change been made before that.
    let start = Instant::now();
    while ports.iter().any(|port| has(*port, &kid)) {
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "a revoked key is still published"
        );
    }
}
