use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A server that counts who comes, and answers by the path.
struct Server {
    address: SocketAddr,
    came: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let came = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&came);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer(stream));
            }
        });
        Server { address, came }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }
}

/// One answer on one connection.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = vec![0; 64 * 1024];
    let mut length = 0;
    while !request[..length].windows(4).any(|end| end == b"\r\n\r\n") {
        length += stream.read(&mut request[length..]).await?;
    }
    let text = String::from_utf8_lossy(&request[..length]).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default();
    let head = |status: &str, rest: &str| format!("HTTP/1.1 {status}\r\n{rest}\r\n");
    let filled = |length: usize| "x".repeat(length);
    let whole = match path {
        "/ok" => head("200 OK", "content-length: 4\r\n") + "body",
        "/form" => {
            let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
            head("200 OK", &format!("content-length: {}\r\n", body.len())) + body
        }
        "/moved" => head(
            "307 Temporary Redirect",
            "location: /ok\r\ncontent-length: 0\r\n",
        ),
        "/missing" => head("404 Not Found", "content-length: 0\r\n"),
        "/full" => head("200 OK", &format!("content-length: {MAX_BYTES}\r\n")) + &filled(MAX_BYTES),
        "/announced" => head("200 OK", "content-length: 9999999999\r\n"),
        "/stalled" => head("200 OK", "content-length: 10\r\n") + "half",
        "/endless" => head("200 OK", "transfer-encoding: chunked\r\n"),
        _ => String::new(),
    };
    stream.write_all(whole.as_bytes()).await?;
    match path {
        "/endless" => loop {
            stream
                .write_all(format!("1000\r\n{}\r\n", filled(0x1000)).as_bytes())
                .await?;
        },
        "/stalled" | "/silent" | "/announced" => std::future::pending().await,
        _ => Ok(()),
    }
}

fn loopback() -> HttpUpstream {
    HttpUpstream::new(&["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()])
}

#[tokio::test]
async fn answers_bodies_of_200_only_and_follows_nothing() {
    let (server, upstream) = (Server::start().await, loopback());
    let get = async |path: &str| upstream.get(&server.url(path)).await;
    assert_eq!(get("/ok").await.unwrap(), b"body");
    assert_eq!(get("/full").await.unwrap().len(), MAX_BYTES);
    let before = server.came();
    assert_eq!(get("/moved").await.unwrap_err(), "answered 307");
    assert_eq!(server.came() - before, 1, "the redirect was followed");
    assert_eq!(get("/missing").await.unwrap_err(), "answered 404");
    let form = [("secret", "a&b"), ("response", "ü")];
    let form = upstream.post_form(&server.url("/form"), &form).await;
    assert_eq!(form.unwrap(), b"secret=a%26b&response=%C3%BC");
}

#[tokio::test]
async fn what_does_not_end_is_cut() {
    let (server, mut upstream) = (Server::start().await, loopback());
    for path in ["/endless", "/announced"] {
        let error = upstream.get(&server.url(path)).await.unwrap_err();
        assert_eq!(error, "answered more than 262144 bytes", "{path}");
    }
    upstream = HttpUpstream {
        timeout: Duration::from_millis(100),
        ..loopback()
    };
    for path in ["/stalled", "/silent"] {
        let error = upstream.get(&server.url(path)).await.unwrap_err();
        assert!(error.contains("timed out"), "{path}: {error}");
    }
}

#[tokio::test]
async fn what_is_not_public_is_not_even_connected_to() {
    let server = Server::start().await;
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "user@127.0.0.1",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/ok?secret=hunter2");
            for upstream in [
                HttpUpstream::new(&[]),
                HttpUpstream::new(&["10.0.0.0/8".parse().unwrap()]),
            ] {
                let got = upstream.get(&url).await.unwrap_err();
                let posted = upstream.post_form(&url, &[("a", "b")]).await.unwrap_err();
                for error in [got, posted] {
                    assert!(
                        // Some machines do not know the name with a dot, and ask somebody who may not be there.
                        (host == "localhost."
                            && ["cannot be resolved", "timed out"]
                                .iter()
                                .any(|told| error.contains(told)))
                            || error.contains("not public")
                            || error.contains("not a web address"),
                        "{url}: {error}"
                    );
                    for told in ["hunter2", "127.0.0.1", "::1"] {
                        assert!(!error.contains(told), "{url}: {error}");
                    }
                }
            }
        }
    }
    assert_eq!(server.came(), 0);
    // The same server is reached by name and number once the operator says so.
    for host in ["127.0.0.1", "localhost", "127.1"] {
        assert_eq!(
            loopback()
                .get(&format!("http://{host}:{port}/ok"))
                .await
                .unwrap(),
            b"body",
            "{host}"
        );
    }
    assert_eq!(server.came(), 3);
}

#[tokio::test]
async fn other_schemes_and_plain_http_to_the_world_are_refused() {
    for url in [
        "file:///etc/passwd",
        "ftp://8.8.8.8/x",
        "gopher://8.8.8.8/x",
        "unix:/run/x",
        "data:text/plain,x",
        "//8.8.8.8/x",
        "8.8.8.8",
        "",
        "http://",
    ] {
        let error = loopback().get(url).await.unwrap_err();
        assert!(error.contains("not a web address"), "{url}: {error}");
    }
    let error = loopback().get("http://8.8.8.8/x").await.unwrap_err();
    assert!(error.contains("plain http"), "{error}");
}

#[tokio::test]
async fn errors_do_not_repeat_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    for host in [closed.to_string(), format!("localhost:{}", closed.port())] {
        let error = loopback()
            .get(&format!("http://{host}/?secret=hunter2"))
            .await
            .unwrap_err();
        for told in ["hunter2", "127.0.0.1", "localhost"] {
            assert!(!error.contains(told) && !error.is_empty(), "{error}");
        }
    }
}
