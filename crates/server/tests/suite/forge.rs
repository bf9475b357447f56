//! Tokens that nobody should believe, made with any key, also the tenant's own.

use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use aws_lc_rs::{hmac, signature};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use vestibule_crypto::{Algorithm, SigningKey};
use vestibule_db::{Error, params};
use vestibule_identity::Cx;

use crate::app::TestApp;

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The decoded part of a compact token.
fn part(token: &str, at: usize) -> String {
    String::from_utf8(
        URL_SAFE_NO_PAD
            .decode(token.split('.').nth(at).unwrap())
            .unwrap(),
    )
    .unwrap()
}

/// A private key that signs whatever it is given.
pub struct Key {
    pub kid: String,
    pub jwk: Value,
    algorithm: Algorithm,
    pkcs8: Vec<u8>,
}

impl Key {
    pub fn generate(algorithm: Algorithm) -> Key {
        Key::of(&SigningKey::generate(algorithm).unwrap())
    }

    fn of(key: &SigningKey) -> Key {
        Key {
            kid: key.kid().to_owned(),
            jwk: key.public_jwk(),
            algorithm: key.algorithm(),
            pkcs8: key.to_pkcs8().unwrap().to_vec(),
        }
    }

    /// The tenant's own current key, out of the database.
    pub async fn stolen(
        app: &TestApp,
        cx: &Cx,
        purpose: &'static str,
        algorithm: Algorithm,
    ) -> Key {
        let tenant = cx.tenant.id.clone();
        let row = app.identity.db().read(move |tx| {
            tx.one(
                "SELECT kid, private_sealed FROM signing_key WHERE tenant_id = $1 AND purpose = $2 AND algorithm = $3 AND retired_at IS NULL",
                &params![&tenant, purpose, algorithm.as_str()],
                |row| Ok::<_, Error>((row.get::<String>(0)?, row.get::<Vec<u8>>(1)?)),
            )
        });
        let (kid, sealed) = row.await.map_err(|error: Error| error).unwrap();
        let context = format!("signing-key/{}/{purpose}/{kid}", cx.tenant.id);
        let der = app.identity.sealer().open(&context, &sealed).unwrap();
        Key::of(&SigningKey::from_pkcs8(algorithm, &der).unwrap())
    }

    /// A compact token of this header and payload, to the letter.
    pub fn sign(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", b64(header), b64(payload));
        let random = SystemRandom::new();
        let signature = match self.algorithm {
            Algorithm::RS256 => {
                let pair = RsaKeyPair::from_pkcs8(&self.pkcs8).unwrap();
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.pkcs8)
                    .unwrap();
                pair.sign(&random, input.as_bytes())
                    .unwrap()
                    .as_ref()
                    .to_vec()
            }
            Algorithm::EdDSA => signature::Ed25519KeyPair::from_pkcs8(&self.pkcs8)
                .unwrap()
                .sign(input.as_bytes())
                .as_ref()
                .to_vec(),
        };
        format!("{input}.{}", b64(signature))
    }

    /// A token with the usual header.
    pub fn token(&self, typ: &str, claims: &Value) -> String {
        self.sign(&self.header(typ).to_string(), &claims.to_string())
    }

    pub fn header(&self, typ: &str) -> Value {
        json!({"alg": self.algorithm.as_str(), "typ": typ, "kid": self.kid})
    }

    /// The public half as SubjectPublicKeyInfo.
    fn spki(&self) -> Vec<u8> {
        match self.algorithm {
            Algorithm::RS256 => {
                let pair = RsaKeyPair::from_pkcs8(&self.pkcs8).unwrap();
                pair.public_key().as_der().unwrap().as_ref().to_vec()
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.pkcs8);
                let der = pair.unwrap().public_key().as_der();
                der.unwrap().as_ref().to_vec()
            }
            Algorithm::EdDSA => {
                let pair = signature::Ed25519KeyPair::from_pkcs8(&self.pkcs8).unwrap();
                pair.public_key().as_der().unwrap().as_ref().to_vec()
            }
        }
    }

    /// Signatures by this very key that are not in the form of its algorithm: RSA-PSS, and ECDSA in DER.
    fn other_forms(&self, signed: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let random = SystemRandom::new();
        match self.algorithm {
            Algorithm::RS256 => {
                let pair = RsaKeyPair::from_pkcs8(&self.pkcs8).unwrap();
                let mut pss = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PSS_SHA256, &random, signed, &mut pss)
                    .unwrap();
                vec![("PSS", pss)]
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.pkcs8);
                let der = pair.unwrap().sign(&random, signed);
                vec![("DER", der.unwrap().as_ref().to_vec())]
            }
            Algorithm::EdDSA => Vec::new(),
        }
    }

    /// What an attacker might take for this key's shared secret.
    fn as_secrets(&self) -> Vec<Vec<u8>> {
        let member = |name: &str| self.jwk[name].as_str().map(str::to_owned);
        let raw = ["n", "x", "y"]
            .into_iter()
            .filter_map(member)
            .map(|text| URL_SAFE_NO_PAD.decode(text).unwrap());
        let mut secrets: Vec<Vec<u8>> = raw.collect();
        if let [x, y] = &secrets[..] {
            secrets.push([&[4], &x[..], &y[..]].concat());
        }
        let text = STANDARD.encode(self.spki());
        let lines: Vec<&str> = (0..text.len().div_ceil(64))
            .map(|at| &text[at * 64..text.len().min(at * 64 + 64)])
            .collect();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
            lines.join("\n")
        );
        secrets.push(format!("{pem}\n").replace('\n', "\r\n").into_bytes());
        secrets.push(format!("{pem}\n").into_bytes());
        secrets.extend([pem.into_bytes(), text.into_bytes(), self.spki()]);
        secrets.push(json!({"keys": [self.jwk]}).to_string().into_bytes());
        secrets.push(self.jwk.to_string().into_bytes());
        secrets.push(self.kid.clone().into_bytes());
        secrets.push(b"secret".to_vec());
        secrets
    }
}

/// Keys of nobody's, one of each kind.
pub fn strangers() -> &'static [Key; 3] {
    static KEYS: LazyLock<[Key; 3]> =
        LazyLock::new(|| [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA].map(Key::generate));
    &KEYS
}

fn hmac_token(name: &str, secret: &[u8], header: &Value, payload: &str) -> String {
    let algorithm = match name {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    };
    let input = format!("{}.{}", b64(header.to_string()), b64(payload));
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
    format!("{input}.{}", b64(tag))
}

/// Every way in which a header or a signature can lie about a good token; `key` is the one that made it. `trap` is an address
/// at which nobody must ever ask for keys.
pub fn lies(good: &str, key: &Key, trap: &str) -> Vec<(String, String)> {
    let (header, payload): (Value, String) =
        (serde_json::from_str(&part(good, 0)).unwrap(), part(good, 1));
    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        header
    };
    let without = |name: &str| {
        let mut header = header.clone();
        header.as_object_mut().unwrap().remove(name);
        header
    };
    let mut lies: Vec<(String, String)> = Vec::new();
    let mut add = |what: String, token: String| lies.push((what, token));
    let (signed, signature) = good.rsplit_once('.').unwrap();

    for alg in [
        json!("none"),
        json!("None"),
        json!("nOnE"),
        json!("NONE"),
        json!(""),
        json!(null),
        json!(["none"]),
        json!(7),
        json!(true),
    ] {
        let header = with("alg", alg.clone());
        let input = format!("{}.{}", b64(header.to_string()), b64(&payload));
        add(format!("alg {alg}, no signature"), format!("{input}."));
        add(format!("alg {alg}, two parts"), input.clone());
        add(
            format!("alg {alg}, the old signature"),
            format!("{input}.{signature}"),
        );
        add(
            format!("alg {alg}, signed"),
            key.sign(&header.to_string(), &payload),
        );
    }
    add(
        "no alg".into(),
        key.sign(&without("alg").to_string(), &payload),
    );
    for alg in ["HS256", "HS384", "HS512"] {
        for (index, secret) in key.as_secrets().iter().enumerate() {
            add(
                format!("{alg} with public secret {index}"),
                hmac_token(alg, secret, &with("alg", json!(alg)), &payload),
            );
        }
    }
    for alg in [
        "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES256K", "EdDSA", "Ed25519",
        "rs256", "es256",
    ] {
        if header["alg"] != alg {
            add(
                format!("alg {alg} over the key's own signature"),
                key.sign(&with("alg", json!(alg)).to_string(), &payload),
            );
        }
    }
    for own in strangers() {
        let algorithm = own.algorithm;
        let mut header = with("alg", json!(algorithm.as_str()));
        add(
            format!("{algorithm} by another key under the right kid"),
            own.sign(&header.to_string(), &payload),
        );
        for kid in [json!(key.kid), json!(own.kid)] {
            header["kid"] = kid.clone();
            for (name, value) in [
                ("jwk", own.jwk.clone()),
                ("jku", json!(trap)),
                ("x5u", json!(trap)),
                ("x5c", json!([b64("x")])),
            ] {
                let mut header = header.clone();
                header[name] = value;
                add(
                    format!("{algorithm} by another key that brings its {name}, kid {kid}"),
                    own.sign(&header.to_string(), &payload),
                );
            }
        }
    }
    for (name, value) in [
        ("jwk", key.jwk.clone()),
        ("jku", json!(trap)),
        ("x5u", json!(trap)),
        ("x5c", json!([])),
        ("crit", json!(["x"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
    ] {
        add(
            format!("header {name} {value}"),
            key.sign(&with(name, value).to_string(), &payload),
        );
    }
    for kid in [
        json!("../../../../dev/null"),
        json!("' OR 1=1--"),
        json!("x".repeat(20_000)),
        json!(""),
        json!(null),
        json!(7),
        json!([key.kid]),
        json!("unknown"),
        json!(format!("{} ", key.kid)),
        json!(key.kid.to_ascii_uppercase()),
        json!("\u{0}"),
        json!(trap),
    ] {
        add(
            format!(
                "kid {}",
                kid.to_string().chars().take(40).collect::<String>()
            ),
            key.sign(&with("kid", kid).to_string(), &payload),
        );
    }
    add(
        "no kid".into(),
        key.sign(&without("kid").to_string(), &payload),
    );
    let text = header.to_string();
    add(
        "alg twice".into(),
        key.sign(&format!("{{\"alg\":\"none\",{}", &text[1..]), &payload),
    );
    for broken in ["", "{", "[]", "null", "7", "\"x\"", "{}"] {
        add(format!("header {broken:?}"), key.sign(broken, &payload));
        add(format!("payload {broken:?}"), key.sign(&text, broken));
    }
    add(
        "a claim twice".into(),
        key.sign(&text, &format!("{{\"exp\":1,{}", &payload[1..])),
    );
    add("a token in a token".into(), key.sign(&text, good));
    for (form, other) in key.other_forms(signed.as_bytes()) {
        add(
            format!("the signature as {form}"),
            format!("{signed}.{}", b64(other)),
        );
    }
    for (form, alg) in [("PSS", "PS256"), ("DER", "ES256")] {
        let input = format!(
            "{}.{}",
            b64(with("alg", json!(alg)).to_string()),
            b64(&payload)
        );
        for (_, other) in key
            .other_forms(input.as_bytes())
            .iter()
            .filter(|other| other.0 == form)
        {
            add(
                format!("{alg} as {form}"),
                format!("{input}.{}", b64(other)),
            );
        }
    }
    shapes(good, signed, signature, &mut add);
    lies
}

/// The same bytes in another spelling: the last character's bits that mean nothing are set.
fn respelt(token: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = token.chars().last().and_then(|last| ALPHABET.find(last));
    let other = &ALPHABET[last.unwrap() + 1..][..1];
    format!("{}{other}", &token[..token.len() - 1])
}

/// Damage to the compact form itself.
fn shapes(good: &str, signed: &str, signature: &str, add: &mut impl FnMut(String, String)) {
    let (header, payload) = signed.split_once('.').unwrap();
    let flip = |text: &str, at: usize| {
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    };
    for (what, token) in [
        ("no signature", format!("{signed}.")),
        ("two parts", signed.to_owned()),
        ("another signature", format!("{signed}.{}", flip(signature, 3))),
        ("another payload", format!("{header}.{}.{signature}", flip(payload, payload.len() / 2))),
        ("another header", format!("{}.{payload}.{signature}", flip(header, header.len() / 2))),
        ("signature cut", format!("{signed}.{}", &signature[..signature.len() - 4])),
        ("signature zero", format!("{signed}.{}", b64(vec![0; signature.len() * 3 / 4]))),
        ("padding", format!("{good}=")),
        ("a dot more", format!("{good}.")),
        ("a dot before", format!(".{good}")),
        ("four parts", format!("{good}.{signature}")),
        ("five parts", format!("{header}.{payload}.{signature}.{payload}.{signature}")),
        ("three dots", "...".to_owned()),
        ("two dots", "..".to_owned()),
        ("many dots", ".".repeat(10_000)),
        ("JSON serialisation", json!({"protected": header, "payload": payload, "signature": signature}).to_string()),
        ("general JSON serialisation", json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]}).to_string()),
        ("spare bits of the last character set", respelt(good)),
        ("a blank within", format!("{header}. {payload}.{signature}")),
        ("a zero-width space behind", format!("{good}\u{200b}")),
        ("in another alphabet", good.replace('-', "+").replace('_', "/") + "+"),
        ("twice", format!("{good}{good}")),
        ("upper case", good.to_ascii_uppercase()),
        ("percent", good.replace('.', "%2e")),
    ] {
        add(what.to_owned(), token);
    }
}

/// Times that are no times, as literals for a claim, each with the name of the claim; and the claim left out where it must be there.
pub fn odd_times(claims: &Value, now: i64, required: &[&str]) -> Vec<(String, String)> {
    let mut odd = Vec::new();
    for claim in ["exp", "iat", "nbf"] {
        let mut rest = claims.clone();
        rest.as_object_mut().unwrap().remove(claim);
        let rest = rest.to_string();
        let good = if claim == "exp" { now + 600 } else { now };
        let text = format!("\"{good}\"");
        let (list, float) = (format!("[{good}]"), format!("{good}.0"));
        for literal in [
            text.as_str(),
            "null",
            &list,
            "{}",
            "true",
            "1e400",
            "-1",
            "1.5",
            &float,
            "1e10",
            "0x7fffffff",
            "\"\"",
            "99999999999999999999",
            "\"9999999999\"",
        ] {
            odd.push((
                format!("{claim} {literal}"),
                format!("{{\"{claim}\":{literal},{}", &rest[1..]),
            ));
        }
        if required.contains(&claim) {
            odd.push((format!("no {claim}"), rest));
        }
    }
    for (claim, at) in [
        ("exp", now - 3_600),
        ("exp", 0),
        ("iat", now + 600),
        ("nbf", now + 600),
    ] {
        let mut claims = claims.clone();
        claims[claim] = json!(at);
        odd.push((format!("{claim} {at}"), claims.to_string()));
    }
    odd
}
