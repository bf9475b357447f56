//! Behind nginx and HAProxy: whatever is sent through them on one connection, the others get their own answers.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::commands::{ACME, Place};

/// A proxy in front of the server, on a socket file. It keeps one connection to the server for everybody.
struct Proxy {
    process: Child,
    socket: PathBuf,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Debian keeps them where only root's PATH looks.
fn program(name: &str) -> String {
    let full = format!("/usr/sbin/{name}");
    if Path::new(&full).is_file() {
        full
    } else {
        name.to_owned()
    }
}

impl Proxy {
    fn nginx(place: &Place, port: u16) -> Proxy {
        let folder = place.path("");
        let folder = folder.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {folder}/{kind};"))
            .concat();
        let config = format!(
            "daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
             events {{ worker_connections 64; }}
             http {{ access_log off; {temporary}
               upstream vestibule {{ server 127.0.0.1:{port}; keepalive 1; }}
               server {{ listen unix:{folder}/nginx.sock; location / {{
                 proxy_pass http://vestibule; proxy_http_version 1.1; proxy_request_buffering off;
                 proxy_set_header Connection \"\"; proxy_set_header Host $host; }} }} }}"
        );
        place.write("nginx.conf", &config);
        let mut command = Command::new(program("nginx"));
        command.arg("-c").arg(place.path("nginx.conf"));
        Proxy::start(&mut command, place.path("nginx.sock"))
    }

    fn haproxy(place: &Place, port: u16) -> Proxy {
        let socket = place.path("haproxy.sock");
        let config = format!(
            "global\n nbthread 1\ndefaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n\
             frontend front\n bind unix@{}\n default_backend back\n\
             backend back\n http-reuse always\n server one 127.0.0.1:{port}\n",
            socket.display()
        );
        place.write("haproxy.cfg", &config);
        let mut command = Command::new(program("haproxy"));
        command.arg("-db").arg("-f").arg(place.path("haproxy.cfg"));
        Proxy::start(&mut command, socket)
    }

    fn start(command: &mut Command, socket: PathBuf) -> Proxy {
        let command = command.stdin(Stdio::null()).stderr(Stdio::null());
        let process = command
            .spawn()
            .expect("`cargo xtask test` installs nginx and HAProxy");
        let proxy = Proxy { process, socket };
        for _ in 0..200 {
            if UnixStream::connect(&proxy.socket).is_ok() {
                return proxy;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("{} does not listen", proxy.socket.display());
    }

    /// What comes back until the end, or until nothing more comes.
    fn send(&self, request: &[u8], patience: Duration) -> String {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        // The proxy may hang up before it has read everything.
        let _ = stream.write_all(request);
        let (mut answer, mut piece) = (Vec::new(), [0; 4_096]);
        while let Ok(length @ 1..) = stream.read(&mut piece) {
            answer.extend_from_slice(&piece[..length]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn assert_others_get_their_own(&self, after: &str) {
        for _ in 0..3 {
            let own = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: lms.acme.test\r\nConnection: close\r\n\r\n";
            let answer = self.send(own, Duration::from_secs(20));
            let heads = answer.matches("HTTP/1.").count();
            let right = answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"keys\"");
            assert!(right && heads == 1, "after {after:?}: {answer}");
        }
    }
}

/// Requests with another one hidden behind what one of two readers may take for the end.
fn shapes() -> Vec<String> {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: lms.acme.test\r\nX: ";
    let length = hidden.len();
    let framings = [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: 0, {length}\r\n"),
        format!("Content-Length: +{length}\r\n"),
        format!("Content-Length: 0{length}\r\n"),
        format!("Content-Length : {length}\r\n"),
        format!("X: y\r\n Content-Length: {length}\r\n"),
        format!("Content-Length:\u{b}{length}\r\n"),
        "Transfer-Encoding: xchunked\r\n".into(),
        "Transfer-Encoding: chunked, identity\r\n".into(),
        "Transfer-Encoding: identity, chunked\r\n".into(),
        "Transfer-Encoding:\tchunked\r\n".into(),
        "Transfer-Encoding: \u{b}chunked\r\n".into(),
        "Transfer-Encoding : chunked\r\n".into(),
        "X: y\nTransfer-Encoding: chunked\r\n".into(),
        "X: y\rTransfer-Encoding: chunked\r\n".into(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".into(),
        "Transfer-Encoding: \"chunked\"\r\n".into(),
        "Transfer-Encoding:\r\n chunked\r\n".into(),
        "Content-Length: 0\r\n".into(),
    ];
    let bodies = [
        format!("0\r\n\r\n{hidden}"),
        hidden.to_owned(),
        format!("0\n\n{hidden}"),
        format!("1;x\n0\r\n\r\n{hidden}"),
        format!("00\r\nX: y\n\r\n{hidden}"),
    ];
    let mut shapes = Vec::new();
    for (at, framing) in framings.iter().enumerate() {
        // Each framing with the plain bodies; the odd chunks by turns.
        for body in [&bodies[0], &bodies[1], &bodies[2 + at % 3]] {
            shapes.push(format!(
                "POST /api/login HTTP/1.1\r\nHost: lms.acme.test\r\n{framing}\r\n{body}"
            ));
        }
    }
    shapes
}

#[test]
fn nothing_smuggled_through_a_proxy_reaches_somebody_elses_answer() {
    let place = Place::with(&[("acme.toml", &format!("{ACME}dialects = ['enclaive']\n"))]);
    place.run("apply acme.toml --data data").done();
    let serving = place.serve("");
    let port = serving.port("listening on http:");
    for start in [Proxy::nginx, Proxy::haproxy] {
        let proxy = start(&place, port);
        proxy.assert_others_get_their_own("nothing");
        for shape in shapes() {
            proxy.send(shape.as_bytes(), Duration::from_millis(40));
            proxy.assert_others_get_their_own(&shape);
        }
    }
    assert!(
        fs::read_to_string(place.path("log"))
            .unwrap()
            .contains("jwks")
    );
    assert_eq!(serving.stop(), 0);
}
