use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::*;

async fn start(router: Router) -> Listener {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Listener::start(socket, router, 4_096).unwrap()
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

/// How often a path was served, and the statuses of all that came back before the server closed.
async fn sent_raw(request: &[u8]) -> (usize, Vec<String>) {
    let served = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&served);
    let router = Router::new().fallback(
        move |body: Result<String, axum::extract::rejection::StringRejection>| {
            counter.fetch_add(1, Ordering::SeqCst);
            // As every handler does with a body that breaks off.
            std::future::ready(match body {
                Ok(_) => axum::http::StatusCode::OK,
                Err(_) => axum::http::StatusCode::BAD_REQUEST,
            })
        },
    );
    let listener = start(router).await;
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    // The server may hang up before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let statuses = text
        .lines()
        .filter_map(|line| line.strip_prefix("HTTP/1.1 "));
    let statuses = statuses.map(|rest| rest[..3].to_owned()).collect();
    (served.load(Ordering::SeqCst), statuses)
}

/// The answer to a request of which each byte comes by itself.
async fn byte_by_byte(request: &str) -> String {
    let (client, server) = tokio::io::duplex(1);
    let service =
        service_fn(|_| std::future::ready(Ok::<_, Infallible>(Response::new(String::new()))));
    let stream = TokioIo::new(Strict::new(server));
    let serving = tokio::spawn(http1::Builder::new().serve_connection(stream, service));
    let (mut reading, mut writing) = tokio::io::split(client);
    let mut answer = Vec::new();
    let (_, read) = tokio::join!(
        async {
            let written = writing.write_all(request.as_bytes()).await;
            (written, writing.shutdown().await)
        },
        reading.read_to_end(&mut answer)
    );
    read.unwrap();
    let _ = serving.await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Who is answered before the whole request was read, and sends on, gets the answer.
#[tokio::test]
async fn an_early_answer_is_not_lost() {
    let router = Router::new().route("/", axum::routing::post(|| async { "early" }));
    let listener = start(router).await;
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 40000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.readable().await.unwrap();
    for _ in 0..4 {
        stream.write_all(&[b'x'; 10_000]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("early"),
        "{answer}"
    );
}

const LAST: &str = "GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_whose_end_is_in_doubt_is_refused_and_nothing_behind_it_is_served() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let mut refused = Vec::new();
    for headers in [
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5,5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length : 5\r\n",
        "X: y\r\n Content-Length: 5\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n",
        "X: a\0b\r\n",
        "X: a\rb\r\n",
        "nonsense\r\n",
        "\n",
    ] {
        refused.push((
            format!("POST / HTTP/1.1\r\nhost: x\r\n{headers}\r\n0\r\n\r\n"),
            0,
        ));
    }
    refused.push((
        format!("POST / HTTP/1.0\r\nhost: x\r\n{chunked}\r\n0\r\n\r\n"),
        0,
    ));
    for chunks in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0;a\nX: y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\n\r\n",
        "0\n\r\n",
    ] {
        refused.push((
            format!("POST / HTTP/1.1\r\nhost: x\r\n{chunked}\r\n{chunks}"),
            1,
        ));
    }
    for (request, _) in refused.iter().filter(|(_, most_served)| *most_served == 0) {
        let answer = byte_by_byte(request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?}: {answer}");
    }
    for (request, most_served) in refused {
        let (served, statuses) = sent_raw(format!("{request}{LAST}").as_bytes()).await;
        assert_eq!(statuses, ["400"], "{request:?}");
        assert!(served <= most_served, "{request:?}: served {served} times");
    }
}

#[tokio::test]
async fn sound_requests_in_a_row_are_all_served() {
    let (served, statuses) = sent_raw(
        format!(
            "\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n\
             POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 14\r\n\r\nGET / HTTP/1.1\
             POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n{LAST}"
        )
        .as_bytes(),
    )
    .await;
    assert_eq!((served, statuses), (4, vec!["200".to_owned(); 4]));
}

#[tokio::test]
async fn a_head_may_have_32_kib_and_no_more() {
    let request = |length: usize| {
        let start = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: ";
        let filler = "y".repeat(length - start.len() - 4);
        format!("{start}{filler}\r\n\r\n")
    };
    for (length, status) in [(MAX_HEAD_BYTES, "200"), (MAX_HEAD_BYTES + 1, "431")] {
        let (_, statuses) = sent_raw(request(length).as_bytes()).await;
        assert_eq!(statuses, [status], "{length}");
    }
}

#[tokio::test]
async fn quiet_connections_make_room_for_those_who_ask() {
    let router = Router::new().route("/", get(|| async { "served" }));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = Listener::start_with(socket, router, 3).unwrap();
    let mut quiet = Vec::new();
    for _ in 0..3 {
        quiet.push(TcpStream::connect(listener.address()).await.unwrap());
    }
    for _ in 0..6 {
        let mut stream = TcpStream::connect(listener.address()).await.unwrap();
        let answer = exchange(
            &mut stream,
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        );
        let answer = tokio::time::timeout(Duration::from_secs(5), answer).await;
        assert!(answer.unwrap().ends_with("served"));
    }
    let closed = quiet[0].read(&mut [0]).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
}
