//! Tokens that an attacker may send. Each is refused with an error that says why, never a panic.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use vestibule_crypto::{Algorithm, Jws, JwsError, Random, SeededRandom, SigningKey, VerifyingKey};

use crate::keys::ALL;

/// A key whose raw half is at hand, to sign whatever header and payload a test wants.
struct Forge {
    pair: Ed25519KeyPair,
    key: VerifyingKey,
}

impl Forge {
    fn new() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k1" });
        let key = VerifyingKey::from_jwk(&jwk).unwrap();
        Self { pair, key }
    }

    fn sign_parts(&self, header: &str, payload: &str) -> String {
        let body = format!("{header}.{payload}");
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(body.as_bytes()));
        format!("{body}.{signature}")
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        self.sign_parts(
            &URL_SAFE_NO_PAD.encode(header),
            &URL_SAFE_NO_PAD.encode(payload),
        )
    }

    fn verify(&self, token: &str) -> Result<(), JwsError> {
        Jws::parse(token)?.verify(&self.key).map(drop)
    }

    fn verify_foreign(&self, token: &str) -> Result<(), JwsError> {
        Jws::parse_foreign(token)?.verify(&self.key).map(drop)
    }
}

const HEADER: &str = r#"{"alg":"EdDSA","typ":"JWT","kid":"k1"}"#;

#[test]
fn the_forge_makes_good_tokens_too() {
    let forge = Forge::new();
    for header in [
        HEADER,
        r#"{"alg":"EdDSA"}"#,
        r#" { "kid" : "k1" , "alg" : "EdDSA" } "#,
        r#"{"\u0061lg":"EdDS\u0041"}"#,
    ] {
        assert_eq!(forge.verify(&forge.sign(header, "{}")), Ok(()), "{header}");
    }
}

#[test]
fn headers_that_are_refused_though_rightly_signed() {
    let forge = Forge::new();
    let long = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, "k".repeat(64 * 1024));
    let deep = format!(
        r#"{{"alg":"EdDSA","x":{}{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    for (header, expected) in [
        (r#"{"alg":"none","kid":"k1"}"#, JwsError::Algorithm),
        (r#"{"alg":"nOnE"}"#, JwsError::Algorithm),
        (r#"{"alg":""}"#, JwsError::Algorithm),
        (r#"{"alg":"eddsa"}"#, JwsError::Algorithm),
        (r#"{"alg":"EdDSA "}"#, JwsError::Algorithm),
        (r#"{"alg":"Ed25519"}"#, JwsError::Algorithm),
        (r#"{"alg":"RS256"}"#, JwsError::Algorithm),
        (r#"{"alg":"ES256"}"#, JwsError::Algorithm),
        (r#"{"alg":"PS256"}"#, JwsError::Algorithm),
        (r#"{"alg":"HS256"}"#, JwsError::Algorithm),
        (r#"{}"#, JwsError::Malformed),
        (r#"{"typ":"JWT"}"#, JwsError::Malformed),
        (r#"{"alg":null}"#, JwsError::Malformed),
        (r#"{"alg":["EdDSA"]}"#, JwsError::Malformed),
        (r#"{"alg":{"EdDSA":1}}"#, JwsError::Malformed),
        (r#"{"alg":0}"#, JwsError::Malformed),
        (r#"{"alg":true}"#, JwsError::Malformed),
        (r#"{"alg":"EdDSA","alg":"EdDSA"}"#, JwsError::Malformed),
        (r#"{"alg":"none","alg":"EdDSA"}"#, JwsError::Malformed),
        (r#"{"alg":"EdDSA","\u0061lg":"none"}"#, JwsError::Malformed),
        (
            r#"{"alg":"EdDSA","kid":"k1","kid":"k2"}"#,
            JwsError::Malformed,
        ),
        (
            r#"{"alg":"EdDSA","typ":"JWT","typ":"JWT"}"#,
            JwsError::Malformed,
        ),
        (r#"{"alg":"EdDSA","kid":null}"#, JwsError::Malformed),
        (r#"{"alg":"EdDSA","kid":["k1"]}"#, JwsError::Malformed),
        (r#"{"alg":"EdDSA","kid":1}"#, JwsError::Malformed),
        (r#"{"alg":"EdDSA","typ":1}"#, JwsError::Malformed),
        (r#"{"alg":"EdDSA","kid":""}"#, JwsError::UnknownKey),
        (r#"{"alg":"EdDSA","kid":"K1"}"#, JwsError::UnknownKey),
        (
            r#"{"alg":"EdDSA","kid":"../../dev/null"}"#,
            JwsError::UnknownKey,
        ),
        (
            r#"{"alg":"EdDSA","kid":"' OR 1=1--"}"#,
            JwsError::UnknownKey,
        ),
        (r#"{"ALG":"EdDSA"}"#, JwsError::Malformed),
        (r#"{"alg":"EdDSA",}"#, JwsError::Malformed),
        (r#"{"alg":"EdDSA"} x"#, JwsError::Malformed),
        (r#"{"alg":"EdDSA"}{}"#, JwsError::Malformed),
        (r#"{"alg":"EdDSA""#, JwsError::Malformed),
        (r#"["EdDSA"]"#, JwsError::Malformed),
        (r#""EdDSA""#, JwsError::Malformed),
        ("null", JwsError::Malformed),
        ("\u{feff}{\"alg\":\"EdDSA\"}", JwsError::Malformed),
        (&long, JwsError::Malformed),
        (&deep, JwsError::Malformed),
    ] {
        let token = forge.sign(header, "{}");
        let shown: String = header.chars().take(100).collect();
        assert_eq!(forge.verify(&token), Err(expected), "{shown}");
        assert_eq!(
            forge.verify_foreign(&token),
            Err(expected),
            "foreign {shown}"
        );
    }
}

#[test]
fn header_members_that_bring_keys_or_change_the_meaning_are_refused() {
    let forge = Forge::new();
    let own = Ed25519KeyPair::generate().unwrap();
    let jwk =
        json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(own.public_key()) });
    for (name, value) in [
        ("jwk", jwk),
        ("jwk", json!(null)),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5c", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
    ] {
        let header = json!({ "alg": "EdDSA", "kid": "k1", name: value }).to_string();
        let token = forge.sign(&header, "{}");
        assert_eq!(forge.verify(&token), Err(JwsError::Malformed), "{header}");
        assert_eq!(
            forge.verify_foreign(&token),
            Err(JwsError::Malformed),
            "foreign {header}"
        );
    }
    for name in ["cty", "x5t", "x5t#S256", "nonce", "iss", "pi.atm"] {
        let header = json!({ "alg": "EdDSA", "kid": "k1", name: "x" }).to_string();
        let token = forge.sign(&header, "{}");
        assert_eq!(forge.verify(&token), Err(JwsError::Malformed), "{header}");
        assert_eq!(forge.verify_foreign(&token), Ok(()), "foreign {header}");
    }
    let repeated = r#"{"alg":"EdDSA","x5t":{"a":1,"a":2}}"#;
    assert_eq!(
        forge.verify_foreign(&forge.sign(repeated, "{}")),
        Err(JwsError::Malformed)
    );
}

#[test]
fn payloads_that_are_refused_though_rightly_signed() {
    let forge = Forge::new();
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    for payload in [
        "null",
        "[]",
        "\"{}\"",
        "1",
        "{",
        "{}{}",
        "{} x",
        "\0{}",
        r#"{"sub":"a","sub":"a"}"#,
        r#"{"sub":"a","\u0073ub":"b"}"#,
        r#"{"realm":{"roles":1,"roles":2}}"#,
        r#"{"list":[{"a":1,"a":1}]}"#,
        r#"{"exp":1e400}"#,
        r#"{"exp":-1e400}"#,
        r#"{"exp":NaN}"#,
        r#"{"exp":01}"#,
        r#"{'sub':'a'}"#,
        "{\"sub\":\"\u{1}\"}",
        r#"{"sub":"\ud800"}"#,
        &deep,
    ] {
        assert_eq!(
            forge.verify(&forge.sign(HEADER, payload)),
            Err(JwsError::Malformed),
            "{payload}"
        );
    }
    let not_utf8 = URL_SAFE_NO_PAD.encode(b"{\"sub\":\"\xff\"}");
    let token = forge.sign_parts(&URL_SAFE_NO_PAD.encode(HEADER), &not_utf8);
    assert_eq!(forge.verify(&token), Err(JwsError::Malformed));
}

#[test]
fn spellings_that_are_refused_though_rightly_signed() {
    let forge = Forge::new();
    // 13 and 14 bytes leave four and two spare bits in the last character.
    let header = URL_SAFE_NO_PAD.encode(HEADER);
    let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"abc"}"#);
    let good = forge.sign_parts(&header, &claims);
    assert_eq!(forge.verify(&good), Ok(()));
    assert!(claims.ends_with('Q'));
    for claims in [
        format!("{}R", &claims[..claims.len() - 1]),
        format!("{}f", &claims[..claims.len() - 1]),
        format!("{claims}="),
        format!("{claims}=="),
        format!("{claims} "),
        format!(" {claims}"),
        format!("{claims}\n"),
        format!("{}\r\n{}", &claims[..4], &claims[4..]),
        format!("{claims}.{claims}"),
        format!("{claims}%3D"),
        STANDARD.encode(r#"{"sub":"abc"}"#),
        STANDARD.encode(r#"{"sub":"???>>>"}"#),
        String::new(),
    ] {
        let token = forge.sign_parts(&header, &claims);
        assert_eq!(forge.verify(&token), Err(JwsError::Malformed), "{claims:?}");
    }
    let (body, signature) = good.rsplit_once('.').unwrap();
    for token in [
        format!("{good}="),
        format!("{good}=="),
        format!("{good} "),
        format!(" {good}"),
        format!("{good}\n"),
        format!("\t{good}"),
        format!("Bearer {good}"),
        format!("{good}\0"),
        format!("{body}.{}B", &signature[..85]),
    ] {
        assert_eq!(forge.verify(&token), Err(JwsError::Malformed), "{token:?}");
    }
}

#[test]
fn only_three_parts_make_a_token() {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let token = key.sign("JWT", &json!({ "sub": "a" })).unwrap();
    let (body, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = body.split_once('.').unwrap();
    let json_form =
        json!({ "protected": header, "payload": payload, "signature": signature }).to_string();
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        ".".repeat(16 * 1024),
        ".".repeat(1024 * 1024),
        header.to_owned(),
        body.to_owned(),
        format!("{body}."),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{header}.{payload}..{signature}"),
        format!("{header}.a.b.c.{signature}"),
        json_form,
    ] {
        assert_eq!(Jws::parse(&token).unwrap_err(), JwsError::Malformed);
        assert_eq!(Jws::parse_foreign(&token).unwrap_err(), JwsError::Malformed);
    }
}

#[test]
fn a_public_key_is_no_hmac_secret() {
    for algorithm in ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let jwk = key.public_jwk();
        let material = jwk["n"].as_str().or(jwk["x"].as_str()).unwrap();
        let spki = ed25519_spki();
        for secret in [
            jwk.to_string().into_bytes(),
            material.as_bytes().to_vec(),
            URL_SAFE_NO_PAD.decode(material).unwrap(),
            spki,
        ] {
            for alg in ["HS256", algorithm.as_str()] {
                let header = json!({ "alg": alg, "typ": "JWT", "kid": key.kid() }).to_string();
                let body = format!("{}.e30", URL_SAFE_NO_PAD.encode(header));
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), body.as_bytes());
                let token = format!("{body}.{}", URL_SAFE_NO_PAD.encode(tag));
                let expected = if alg == "HS256" {
                    JwsError::Algorithm
                } else {
                    JwsError::Signature
                };
                let jws = Jws::parse(&token).unwrap();
                assert_eq!(jws.verify(&key.verifying_key()), Err(expected));
            }
        }
    }
}

fn ed25519_spki() -> Vec<u8> {
    let pair = Ed25519KeyPair::generate().unwrap();
    pair.public_key().as_der().unwrap().as_ref().to_vec()
}

#[test]
fn a_token_cut_or_changed_anywhere_does_not_verify() {
    for algorithm in ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let token = key.sign("JWT", &json!({ "sub": "a", "exp": 5 })).unwrap();
        let verify = |token: &str| Jws::parse(token)?.verify(&key.verifying_key()).map(drop);
        assert_eq!(verify(&token), Ok(()));
        for position in 0..token.len() {
            assert!(
                verify(&token[..position]).is_err(),
                "{algorithm} cut at {position}"
            );
            assert!(
                verify(&token[position + 1..]).is_err(),
                "{algorithm} from {position}"
            );
            let (head, tail) = (&token[..position], &token[position + 1..]);
            assert!(
                verify(&format!("{head}{tail}")).is_err(),
                "{algorithm} without {position}"
            );
            for other in ["A", "B", "_", ".", "é", " ", "="] {
                let changed = format!("{head}{other}{tail}");
                assert!(
                    changed == token || verify(&changed).is_err(),
                    "{algorithm} {changed:?}"
                );
            }
        }
    }
}

#[test]
fn signatures_of_trivial_values_do_not_verify() {
    for algorithm in ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let token = key.sign("JWT", &json!({ "sub": "a" })).unwrap();
        let (body, signature) = token.rsplit_once('.').unwrap();
        let len = URL_SAFE_NO_PAD.decode(signature).unwrap().len();
        for signature in [
            vec![0; len],
            vec![0xFF; len],
            vec![0; 1],
            vec![0; len - 1],
            vec![0; len + 1],
            [vec![0; len - 1], vec![1]].concat(),
            [vec![0; len / 2 - 1], vec![1], vec![0; len / 2 - 1], vec![1]].concat(),
            [0x30, 6, 2, 1, 0, 2, 1, 0].to_vec(),
        ] {
            let token = format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature));
            let result = Jws::parse(&token).unwrap().verify(&key.verifying_key());
            assert_eq!(result, Err(JwsError::Signature), "{algorithm}");
        }
    }
}

#[test]
fn noise_is_refused_without_a_panic() {
    let random = SeededRandom::new(42);
    let good = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let good = good.sign("JWT", &json!({ "sub": "a" })).unwrap();
    for _ in 0..20_000 {
        let mut noise = [0; 4];
        random.fill(&mut noise);
        let mut bytes = good.clone().into_bytes();
        let position = usize::from(noise[0]) % bytes.len();
        bytes[position] = noise[1];
        bytes.truncate(usize::from(noise[2]).max(1));
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(jws) = Jws::parse_foreign(&text) {
            let _ = (jws.kid(), jws.typ(), jws.alg_name(), jws.signing_digest());
        }
    }
}
