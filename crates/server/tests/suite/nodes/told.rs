//! Two servers that run: what one process changes, both know within a second.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_gone_from_every_node_within_a_second() {
    let url = postgres_schema().await;
    let acme = format!("{ACME}dialects = ['enclaive']\n");
    let (one, two) = (Place::with(&[("acme.toml", &acme)]), Place::new());
    one.run(&format!("apply acme.toml --data data --database {url}"))
        .done();
    std::fs::create_dir(two.path("data")).unwrap();
    std::fs::copy(one.path("data/secret.key"), two.path("data/secret.key")).unwrap();
    let database = format!("--database {url}");
    let nodes: Vec<Serving> = vec![one.serve(&database), two.serve(&database)];
    let ports: Vec<u16> = nodes
        .iter()
        .map(|node| node.port("listening on http://"))
        .collect();
    let list = one.run(&format!(
        "signing-key list --tenant acme --json --data data {database}"
    ));
    let list: Value = serde_json::from_str(&list.done()).unwrap();
    let kid = list["signing_keys"][0]["kid"].as_str().unwrap().to_owned();
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
