//! What comes in before anybody knows from whom: framing, headers, captcha answers.

use axum::http::HeaderValue;
use vestibule_http::fuzzing::framed;

use super::targets::{ACME, Target, text, texts};

pub const HOST: Target = Target {
    name: "host",
    run: host,
    seeds: || {
        texts(&[
            "lms.acme.test",
            "LMS.acme.test:8080",
            "[::1]:80",
            "[::ffff:1.2.3.4]",
            "a@b",
            "a..b",
            "a:99999",
        ])
    },
};

pub const COOKIE: Target = Target {
    name: "cookie",
    run: cookie,
    seeds: || {
        texts(&[
            "__Host-vestibule=vsc_101_a.0.b; x=y",
            "a=b;__Host-vestibule=\"x\";;=;",
            "__Host-vestibule=",
            "=; =",
        ])
    },
};

pub const FORWARDED: Target = Target {
    name: "forwarded",
    run: forwarded,
    seeds: || {
        texts(&[
            "1.2.3.4",
            "6.6.6.6, [::1]:80, 10.0.0.2",
            "fe80::1%lo",
            ",,",
            "unknown",
        ])
    },
};

pub const FRAMING: Target = Target {
    name: "framing",
    run: framing,
    seeds: || {
        texts(&[
            "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe\nloPOST / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\nx",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        ])
    },
};

pub const CAPTCHA_ANSWER: Target = Target {
    name: "captcha_answer",
    run: captcha_answer,
    seeds: || {
        // {"challenge":{"parameters":{…},"signature":"aa"},"solution":{"counter":1,"derivedKey":"00"}} in base64.
        texts(&[
            "eyJjaGFsbGVuZ2UiOnsicGFyYW1ldGVycyI6eyJhbGdvcml0aG0iOiJQQktERjIvU0hBLTI1NiIsImNvc3QiOjUwMDAsImtleUxlbmd0aCI6MzIsImtleVByZWZpeCI6IjAwIiwibm9uY2UiOiIwMDExMjIzMzQ0NTU2Njc3ODg5OWFhYmJjY2RkZWVmZiIsInNhbHQiOiIwMDExMjIzMzQ0NTU2Njc3ODg5OWFhYmJjY2RkZWVmZiIsImV4cGlyZXNBdCI6MX0sInNpZ25hdHVyZSI6ImFhIn0sInNvbHV0aW9uIjp7ImNvdW50ZXIiOjEsImRlcml2ZWRLZXkiOiIwMCJ9fQ==",
            "e30=",
            "bnVsbA==",
        ])
    },
};

fn host(bytes: &[u8]) {
    let text = text(bytes);
    if let Some(host) = vestibule_http::fuzzing::host(text) {
        assert!(
            !host.contains(|c: char| c.is_ascii_uppercase() && !"NoneSome".contains(c)),
            "{text:?}"
        );
        assert!(
            !text.contains(['@', '/', '\\', '?', '#', ',']) && text.is_ascii(),
            "{text:?}"
        );
    }
}

fn cookie(bytes: &[u8]) {
    if let Ok(line) = HeaderValue::from_bytes(bytes)
        && let Some(value) = vestibule_http::fuzzing::session_cookie(&ACME, line)
    {
        assert!(!value.is_empty() && !value.contains(';'));
    }
}

fn forwarded(bytes: &[u8]) {
    if let Ok(line) = HeaderValue::from_bytes(bytes) {
        let _ = vestibule_http::fuzzing::forwarded(line);
    }
}

/// However the bytes arrive, as much of them passes, unchanged; and a bare line feed ends no line of a head.
fn framing(bytes: &[u8]) {
    let whole = framed(bytes, bytes.len().max(1));
    for step in [1, 2, 7] {
        assert_eq!(framed(bytes, step), whole, "{step} at a time");
    }
    assert!(whole <= bytes.len());
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let bare = bytes.iter().position(|byte| *byte == b'\n');
    if let Some(bare) = bare.filter(|bare| head.is_none_or(|head| *bare < head))
        && (bare == 0 || bytes[bare - 1] != b'\r')
    {
        assert!(whole <= bare);
    }
}

fn captcha_answer(bytes: &[u8]) {
    let text = text(bytes);
    if vestibule_identity::fuzzing::captcha_answer_is_read(text) {
        assert!(text.len() <= 4_096);
    }
}
