//! Stopping and starting: no request is lost, and with a socket that outlives the program none is refused.

use std::io;
use std::net::TcpListener as StdListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::commands::{ACME, Place, Serving};

/// Half of the requests hash a password, which takes a while.
const REQUESTS: [&str; 2] = [
    "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n",
    "POST /sign-in HTTP/1.1\r\nhost: lms.acme.test\r\norigin: https://lms.acme.test\r\n\
     content-type: application/x-www-form-urlencoded\r\ncontent-length: 37\r\n\r\nemail=a@example.com&password=12345678",
];

/// Sends a request and reads its whole answer; its head.
async fn ask(stream: &mut TcpStream, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        if answer.len() >= head.len() + 4 + length {
            return Ok(head.to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_loses_no_request() {
    let place = Place::with(&[("acme.toml", ACME)]);
    place.run("apply acme.toml --data data").done();
    let serving = place.serve("");
    let port = serving.port("listening on http://");
    let answered = Arc::new(AtomicUsize::new(0));
    let client = |number: usize| {
        let answered = answered.clone();
        async move {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            loop {
                let head = ask(&mut stream, REQUESTS[number % 2]).await;
                let head = head.expect("a request was lost");
                answered.fetch_add(1, Ordering::Relaxed);
                if head.contains("connection: close") {
                    return;
                }
            }
        }
    };
    let clients: Vec<_> = (0..24).map(|number| tokio::spawn(client(number))).collect();
    // One that never asks anything is not waited for.
    let _silent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    while answered.load(Ordering::Relaxed) < 200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let since = Instant::now();
    let status = tokio::task::spawn_blocking(move || serving.stop()).await;
    assert_eq!(status.unwrap(), 0);
    assert!(
        since.elapsed() < Duration::from_secs(10),
        "{:?}",
        since.elapsed()
    );
    for client in clients {
        client.await.unwrap();
    }
}

/// A server on a socket that somebody else listens on, as systemd starts it.
fn activated(place: &Place, socket: &StdListener) -> Serving {
    let log = std::fs::File::create(place.path("log")).unwrap();
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve --data data 3<&0 </dev/null";
    let program = place.command("");
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(program.get_program());
    command.env_clear().current_dir(place.path(""));
    let socket = OwnedFd::from(socket.try_clone().unwrap());
    place.serving(command.stdin(Stdio::from(socket)).stderr(log))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_a_socket_handed_over_refuses_nobody() {
    let place = Place::new();
    let socket = StdListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let (done, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let client = || {
        let (done, answered) = (done.clone(), answered.clone());
        async move {
            while !done.load(Ordering::Relaxed) {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let head = ask(&mut stream, REQUESTS[0])
                    .await
                    .expect("a request was lost");
                assert!(head.starts_with("http/1.1 200"), "{head}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let more = async |count| {
        let wanted = answered.load(Ordering::Relaxed) + count;
        while answered.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let first = activated(&place, &socket);
    assert_eq!(first.port("listening on http://"), port);
    let clients: Vec<_> = (0..8).map(|_| tokio::spawn(client())).collect();
    more(50).await;
    let status = tokio::task::spawn_blocking(move || first.stop()).await;
    assert_eq!(status.unwrap(), 0);
    let second = activated(&place, &socket);
    more(50).await;
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    drop(second);
}

#[test]
fn the_service_manager_is_told() {
    let place = Place::new();
    let manager = UnixDatagram::bind(place.path("notify")).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let log = std::fs::File::create(place.path("log")).unwrap();
    let mut command = place.command("serve --listen 127.0.0.1:0 --data data");
    command.env("NOTIFY_SOCKET", place.path("notify"));
    let serving = place.serving(command.stderr(log));
    let heard = || {
        let mut text = [0; 64];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length])
            .trim_end()
            .to_owned()
    };
    assert_eq!(heard(), "READY=1");
    assert_eq!(serving.stop(), 0);
    assert_eq!(heard(), "STOPPING=1");
}
