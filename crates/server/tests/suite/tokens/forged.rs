//! Signed tokens that lie: in their header, their signature, their times, their names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vestibule_crypto::Algorithm;

use super::*;
use crate::app::{claims, on_both};
use crate::forge::{Key, b64, lies, odd_times};

const HOST: &str = "lms.acme.test";

/// An address that counts who comes.
async fn trap() -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/keys", listener.local_addr().unwrap());
    let counter = asked.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, asked)
}

/// Signed by the tenant's own key, wrong in a name or a type.
fn misnamed(good: &str, key: &Key, changes: &[(&str, Vec<Value>)]) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    let header = crate::app::header(good);
    for (claim, values) in changes {
        for value in values {
            let mut claims = claims(good);
            claims[*claim] = value.clone();
            wrong.push((
                format!("{claim} {value}"),
                key.sign(&header.to_string(), &claims.to_string()),
            ));
        }
        let mut claims = claims(good);
        claims.as_object_mut().unwrap().remove(*claim);
        wrong.push((
            format!("no {claim}"),
            key.sign(&header.to_string(), &claims.to_string()),
        ));
    }
    wrong
}

/// The header's type changed or left out.
fn mistyped(good: &str, key: &Key, types: &[Value]) -> Vec<(String, String)> {
    let retyped = types.iter().map(|typ| {
        let mut header = crate::app::header(good);
        header["typ"] = typ.clone();
        (
            format!("typ {typ}"),
            key.sign(&header.to_string(), &claims(good).to_string()),
        )
    });
    let mut header = crate::app::header(good);
    header.as_object_mut().unwrap().remove("typ");
    let untyped = (
        "no typ".to_owned(),
        key.sign(&header.to_string(), &claims(good).to_string()),
    );
    retyped.chain([untyped]).collect()
}

/// A JWE around a good token, as far as somebody without our keys can make one.
fn wrapped(good: &str) -> Vec<(String, String)> {
    let part = b64("x".repeat(32));
    [
        json!({"alg": "dir", "enc": "A256GCM"}),
        json!({"alg": "none", "enc": "none"}),
        json!({"alg": "RSA-OAEP", "enc": "A256GCM", "cty": "JWT"}),
    ]
    .into_iter()
    .map(|header| {
        (
            format!("wrapped {header}"),
            format!(
                "{}.{part}.{part}.{}.{part}",
                b64(header.to_string()),
                b64(good)
            ),
        )
    })
    .collect()
}

async fn all_refused(app: &TestApp, door: Door, forged: &[(String, String)]) {
    static KNOCKS: AtomicUsize = AtomicUsize::new(0);
    for (what, token) in forged {
        // Whoever brings so many from one address is told to wait instead.
        let [.., a, b] = KNOCKS.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        let stranger = app.from([198, 18, a, b]);
        let reply = door.knock(&stranger, HOST, token).await;
        assert!(
            !door.opened(&reply, what),
            "{door:?} opened to {what}: {}",
            reply.body
        );
    }
    app.mails().await;
}

on_both! {
    async fn forged_access_tokens_open_nothing(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        let (trap, asked) = trap().await;
        let bunch = Bunch::new(&app, &acme, "person").await;
        Bunch::new(&app, &zeta, "person").await;
        let key = Key::stolen(&app, &acme, "access", Algorithm::ES256).await;
        let login = Key::stolen(&app, &acme, "login", Algorithm::RS256).await;
        let now = app.identity.now().secs();
        let issuer = "https://lms.acme.test";
        let other = app.person(&acme, "other@example.com", PASSWORD, "Admin").await;
        let stranger = app.person(&zeta, "stranger@example.com", PASSWORD, "Admin").await;
        let audience = |dialect: &str| json!(format!("{issuer}/{dialect}"));
        for (kind, doors, others) in [
            (UserToken, &[EnclaiveResend, EnclaiveRefresh, NativeBearer, ForwardAuth][..], vec![audience("alphalearn"), audience("rezi")]),
            (LmsToken, &[LmsCourse, LmsProof, NativeProfile], vec![audience("enclaive"), audience("rezi")]),
        ] {
            let good = bunch.token(kind);
            let header = key.header("at+jwt").to_string();
            let mut forged = lies(good, &key, &trap);
            forged.extend(wrapped(good));
            forged.extend(mistyped(good, &key, &[json!("JWT"), json!("jwt"), json!(""), json!(null), json!(7), json!("at+jwt "), json!("dpop+jwt"), json!("refresh")]));
            forged.push(("the login key".into(), login.token("at+jwt", &claims(good))));
            let names = [
                ("iss", vec![json!("https://lms.zeta.test"), json!(format!("{issuer}/")), json!("http://lms.acme.test"), json!("https://LMS.acme.test"), json!([issuer]), json!(null), json!(7), json!("")]),
                ("aud", vec![audience("unknown"), audience(""), json!(issuer), json!("https://lms.zeta.test/enclaive"), json!("https://lms.zeta.test/alphalearn"), json!([claims(good)["aud"]]), json!(null), json!(7), json!("")]),
                ("sub", vec![json!("aaaaaaaaaaaaaaaaaaaa"), json!(other.id), json!(stranger.id), json!(""), json!(null), json!(7), json!([claims(good)["sub"]])]),
                ("sid", vec![json!("aaaaaaaaaaaaaaaaaaaa"), json!("' OR 1=1--"), json!(""), json!(null), json!(7), json!([claims(good)["sid"]])]),
                ("gen", vec![json!("0"), json!(null), json!(0.5), json!([0]), json!(true)]),
            ];
            forged.extend(misnamed(good, &key, &names));
            let signed = |(what, payload): (String, String)| (what, key.sign(&header, &payload));
            let times: Vec<_> = odd_times(&claims(good), now, &["exp"]).into_iter().map(signed).collect();
            for door in doors {
                all_refused(&app, *door, &forged).await;
                // Refreshing works after expiry, and after a clock of ours was ahead, so long as the times are times at all.
                let over = |what: &str| what.split_once(' ').is_some_and(|(claim, at)| {
                    at.parse::<i64>().is_ok_and(|at| match claim { "exp" => (0..now).contains(&at), _ => at > now })
                });
                let times: Vec<_> = times.iter().filter(|(what, _)| *door != EnclaiveRefresh || !over(what)).cloned().collect();
                all_refused(&app, *door, &times).await;
                // A dialect's own doors take its own tokens only; the native API takes any that the tenant mounts.
                if !matches!(door, NativeBearer | NativeProfile | ForwardAuth) {
                    all_refused(&app, *door, &misnamed(good, &key, &[("aud", others.clone())])).await;
                }
            }
            // Made by the same hand with nothing wrong, it opens: what failed above failed for what it says.
            let genuine = key.sign(&header, &claims(good).to_string());
            for door in doors {
                let reply = door.knock(&app, HOST, &genuine).await;
                assert!(door.opened(&reply, "the genuine token"), "{door:?}: {}", reply.body);
            }
            app.mails().await;
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0, "somebody went to fetch a key");
    }

    async fn forged_login_tokens_open_nothing(app: TestApp) {
        let acme = app.acme().await;
        let (trap, asked) = trap().await;
        let bunch = Bunch::new(&app, &acme, "person").await;
        let key = Key::stolen(&app, &acme, "login", Algorithm::RS256).await;
        let access = Key::stolen(&app, &acme, "access", Algorithm::ES256).await;
        let now = app.identity.now().secs();
        let good = bunch.token(LoginToken);
        let mut forged = lies(good, &key, &trap);
        forged.extend(wrapped(good));
        forged.extend(mistyped(good, &key, &[json!("at+jwt"), json!("jwt"), json!(""), json!(null), json!(7)]));
        forged.push(("the access key".into(), access.token("JWT", &claims(good))));
        let names = [
            ("iss", vec![json!("rezi@lms.zeta.test"), json!("enclaive@lms.acme.test"), json!("https://lms.acme.test"), json!(""), json!(null), json!(7), json!([claims(good)["iss"]])]),
            ("sub", vec![json!("rezi@lms.zeta.test"), json!(claims(good)["uid"]), json!(""), json!(null), json!(7)]),
            ("uid", vec![json!("aaaaaaaaaaaaaaaaaaaa"), json!("' OR 1=1--"), json!(""), json!(null), json!(7), json!([claims(good)["uid"]])]),
        ];
        forged.extend(misnamed(good, &key, &names));
        let header = key.header("JWT").to_string();
        forged.extend(odd_times(&claims(good), now, &["exp"]).into_iter().map(|(what, payload)| (what, key.sign(&header, &payload))));
        all_refused(&app, LoginLink, &forged).await;
        assert_eq!(asked.load(Ordering::SeqCst), 0, "somebody went to fetch a key");
        let genuine = key.sign(&header, &claims(good).to_string());
        assert!(LoginLink.opened(&LoginLink.knock(&app, HOST, &genuine).await, "the genuine token"));
    }

    async fn opaque_credentials_are_good_to_the_letter_only(app: TestApp) {
        let cx = app.acme().await;
        for (index, (door, kind)) in [
            (PartnerKey, ApiKey), (LmsProof, ApiKey), (LmsRefresh, RefreshToken), (NativeBearer, SessionToken), (ForwardAuth, SessionToken), (NativeCookie, Cookie), (EnclaiveVerify, VerifyToken),
            (VerifyPage, VerifyToken), (EnclaiveReset, ResetToken), (EnclaiveResetBearer, ResetToken), (LmsReset, ResetToken), (ResetPage, ResetToken),
        ].into_iter().enumerate() {
            let bunch = Bunch::new(&app, &cx, &format!("person{index}")).await;
            let good = bunch.token(kind);
            let mut forged: Vec<(String, String)> = vec![
                ("one cut".into(), good[..good.len() - 1].to_owned()), ("two cut".into(), good[..good.len() - 2].to_owned()), ("the first cut".into(), good[1..].to_owned()),
                ("half".into(), good[..good.len() / 2].to_owned()), ("one more".into(), format!("{good}A")), ("padded".into(), format!("{good}=")), ("twice padded".into(), format!("{good}==")),
                ("doubled".into(), format!("{good}{good}")), ("upper case".into(), good.to_ascii_uppercase()), ("lower case".into(), good.to_ascii_lowercase()),
            ];
            for at in 0..good.len() {
                let old = good.as_bytes()[at];
                // The last character of base64url has bits that mean nothing: those must not be free to choose either.
                for new in [if old == b'A' { b'B' } else { b'A' }, old ^ 1, if old.is_ascii_alphabetic() { old ^ 0x20 } else { b'x' }] {
                    let mut bytes = good.as_bytes().to_vec();
                    bytes[at] = new;
                    let text = String::from_utf8(bytes).unwrap();
                    let safe = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
                    if safe && text != good && !matches!(&text[..], "." | "..") {
                        forged.push((format!("character {at} changed"), text));
                    }
                }
            }
            all_refused(&app, door, &forged).await;
            let reply = door.knock(&app, HOST, good).await;
            assert!(door.opened(&reply, "the genuine one"), "{door:?}: {}", reply.body);
            app.mails().await;
        }
    }
}
