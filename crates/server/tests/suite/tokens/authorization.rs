//! `Authorization` headers in disorder.

use super::*;
use crate::app::on_both;

const HOST: &str = "lms.acme.test";
const DOORS: [(Door, Kind); 7] = [
    (PartnerKey, ApiKey),
    (EnclaiveResend, UserToken),
    (EnclaiveRefresh, TeamToken),
    (LmsProof, LmsToken),
    (NativeBearer, LmsToken),
    (NativeProfile, SessionToken),
    (ForwardAuth, UserToken),
];

on_both! {
    async fn a_malformed_header_is_no_credential(app: TestApp) {
        let cx = app.acme().await;
        let bunch = Bunch::new(&app, &cx, "person").await;
        for (door, kind) in DOORS {
            let good = bunch.token(kind);
            let mut lines: Vec<Vec<Vec<u8>>> = vec![vec![]];
            for line in [
                String::new(), " ".into(), "Bearer".into(), "Bearer ".into(), "Bearer \t".into(), "bearer".into(), "Bearer x".into(), "Bearer a.b".into(), "Bearer a.b.c".into(), "Bearer ...".into(),
                format!("Bearer {}", ".".repeat(1 << 20)), format!("Bearer {}", "a".repeat(1 << 20)), "Bearer %00%ff%zz".into(), "Bearer null".into(), "Bearer undefined".into(), "Bearer {}".into(),
                "Basic".into(), "Basic =".into(), "Basic eDp5".into(), "Digest x".into(), "Negotiate".into(),
                good.to_owned(), format!("Basic {good}"), format!("Token {good}"), format!("Bearer{good}"), format!("Bearer:{good}"), format!("Bearer={good}"), format!("Bearer Bearer {good}"),
                format!("Bearer {good} x"), format!("Bearer x {good}"), format!("Bearer {good},x"), format!("Bearer {good},{good}"), format!("Bearer \"{good}\""), format!("Bearer token={good}"),
                format!("x Bearer {good}"), format!("Bearer\t{good}"), format!("Bearer {good};"), format!("Bearer <{good}>"), format!("Bearer {good}\u{e9}"),
            ] {
                lines.push(vec![line.into_bytes()]);
            }
            for raw in [&b"Bearer \xff\xfe"[..], b"\xc3\x28", b"Bearer \x80"] {
                lines.push(vec![raw.to_vec()]);
            }
            lines.push(vec![[b"Bearer ", good.as_bytes(), b"\xff"].concat()]);
            let (right, wrong) = (format!("Bearer {good}").into_bytes(), b"Bearer x".to_vec());
            lines.push(vec![right.clone(), wrong.clone()]);
            lines.push(vec![wrong, right.clone()]);
            lines.push(vec![right.clone(), b"Basic eDp5".to_vec()]);
            lines.push(vec![right, b"\xff".to_vec()]);
            for headers in lines {
                let shown: Vec<_> = headers.iter().map(|line| String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned()).collect();
                let reply = door.knock_with(&app, HOST, &headers).await;
                assert!(!door.opened(&reply, &format!("{shown:?}")), "{door:?} opened to {shown:?}");
                if reply.status == 401 {
                    assert!(door == ForwardAuth || reply.header("www-authenticate") == "Bearer", "{door:?} {shown:?}");
                }
            }
            app.mails().await;
        }
    }

    async fn a_token_in_the_query_or_the_body_is_no_bearer(app: TestApp) {
        let cx = app.acme().await;
        let bunch = Bunch::new(&app, &cx, "person").await;
        for (door, kind) in DOORS {
            let (method, path, body) = door.bearer_request("nobody@example.com").unwrap();
            let good = bunch.token(kind);
            for name in ["access_token", "token", "authorization", "Authorization", "bearer", "key", "api_key"] {
                let query = format!("{path}?{name}={good}");
                let mut body = body.clone();
                if body.is_object() {
                    body[name] = json!(good);
                }
                let reply = app.send(build(method, HOST, &query, &[("content-type", "application/json")], if body.is_null() { String::new() } else { body.to_string() })).await;
                // A stranger may ask for a forgotten password; what comes back is worthless.
                let expected = if door == LmsProof { 200 } else { 401 };
                assert_eq!(reply.status.as_u16(), expected, "{door:?} by ?{name}=: {}", reply.body);
            }
        }
    }

    async fn the_scheme_is_read_whatever_its_case_and_blanks(app: TestApp) {
        let cx = app.acme().await;
        for (index, (door, kind)) in DOORS.into_iter().enumerate() {
            let bunch = Bunch::new(&app, &cx, &format!("person{index}")).await;
            for scheme in ["bearer ", "BEARER ", "Bearer   "] {
                let header = format!("{scheme}{}", bunch.token(kind)).into_bytes();
                let reply = door.knock_with(&app, HOST, &[header]).await;
                assert!(door.opened(&reply, scheme), "{door:?} stayed shut to {scheme:?}: {}", reply.body);
            }
            app.mails().await;
        }
    }
}
