use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::*;

async fn start(router: Router) -> Listener {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Listener::start(socket, router).unwrap()
}

async fn exchange(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn the_router_sees_the_peer() {
    let router = Router::new().route(
        "/",
        get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
    );
    let listener = start(router).await;
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    let own = stream.local_addr().unwrap().to_string();
    let answer = exchange(
        &mut stream,
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(&own),
        "{answer}"
    );
}

#[tokio::test]
async fn too_large_a_head_is_not_served() {
    let listener = start(Router::new()).await;
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    let answer = exchange(
        &mut stream,
        &format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101)),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    // The server hangs up on what it will not read, so writing may fail and the answer get lost: both are fine.
    let _ = stream
        .write_all(format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(200_000)).as_bytes())
        .await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_waits_for_no_idle_connection() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let gates = (Arc::clone(&entered), Arc::clone(&release));
    let router = Router::new().route(
        "/slow",
        get(move || {
            let (entered, release) = gates.clone();
            async move {
                entered.notify_one();
                release.notified().await;
                "done"
            }
        }),
    );
    let listener = start(router).await;
    let address = listener.address();
    let _idle = TcpStream::connect(address).await.unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = tokio::spawn(async move {
        exchange(&mut stream, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await
    });
    entered.notified().await;
    let stopped = tokio::spawn(listener.stop());
    // The socket is gone first of all.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    release.notify_one();
    assert!(answer.await.unwrap().ends_with("done"));
    tokio::time::timeout(Duration::from_secs(5), stopped)
        .await
        .unwrap()
        .unwrap();
}
