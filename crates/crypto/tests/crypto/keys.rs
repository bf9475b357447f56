use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use vestibule_crypto::{Algorithm, Jws, KeyError, SigningKey, VerifyingKey};

pub(crate) const ALL: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

#[test]
fn algorithms_read_back_and_nothing_else_does() {
    for algorithm in ALL {
        assert_eq!(
            algorithm.to_string().parse::<Algorithm>().unwrap(),
            algorithm
        );
        assert_eq!(
            serde_json::to_value(algorithm).unwrap(),
            algorithm.to_string()
        );
        assert_eq!(
            serde_json::from_value::<Algorithm>(json!(algorithm.as_str())).unwrap(),
            algorithm
        );
    }
    for name in [
        "", "none", "nOnE", "HS256", "PS256", "RS512", "rs256", "ES256 ", "Ed25519",
    ] {
        assert!(name.parse::<Algorithm>().is_err(), "{name}");
        assert!(
            serde_json::from_value::<Algorithm>(json!(name)).is_err(),
            "{name}"
        );
    }
}

#[test]
fn a_key_survives_its_pkcs8_form() {
    for algorithm in ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let stored = key.to_pkcs8().unwrap();
        let again = SigningKey::from_pkcs8(algorithm, &stored).unwrap();
        assert_eq!((again.kid(), again.algorithm()), (key.kid(), algorithm));
        assert_eq!(again.public_jwk(), key.public_jwk());

        let token = again.sign("at+jwt", &json!({ "sub": "a" })).unwrap();
        let claims = Jws::parse(&token)
            .unwrap()
            .verify(&key.verifying_key())
            .unwrap();
        assert_eq!(claims["sub"], "a");

        for other in ALL.into_iter().filter(|other| *other != algorithm) {
            assert!(
                SigningKey::from_pkcs8(other, &stored).is_err(),
                "{algorithm} as {other}"
            );
        }
        for cut in [0, 1, stored.len() / 2, stored.len() - 1] {
            assert!(SigningKey::from_pkcs8(algorithm, &stored[..cut]).is_err());
        }
        assert_ne!(SigningKey::generate(algorithm).unwrap().kid(), key.kid());
    }
}

#[test]
fn a_public_jwk_holds_the_public_members_only_and_reads_back() {
    for (algorithm, members) in [
        (
            Algorithm::RS256,
            &["kty", "alg", "use", "kid", "n", "e"][..],
        ),
        (
            Algorithm::ES256,
            &["kty", "alg", "use", "kid", "crv", "x", "y"],
        ),
        (Algorithm::EdDSA, &["kty", "alg", "use", "kid", "crv", "x"]),
    ] {
        let key = SigningKey::generate(algorithm).unwrap();
        let jwk = key.public_jwk();
        assert!(jwk.as_object().unwrap().keys().eq(members), "{jwk}");
        assert_eq!(
            (&jwk["alg"], &jwk["use"]),
            (&json!(algorithm), &json!("sig"))
        );
        assert_eq!(jwk["kid"], key.kid());

        let read = VerifyingKey::from_jwk(&jwk).unwrap();
        assert_eq!(read.public_jwk(), jwk);
        assert_eq!((read.kid(), read.algorithm()), (key.kid(), algorithm));
        if algorithm == Algorithm::RS256 {
            assert_eq!(jwk["e"], "AQAB");
            assert_eq!(jwk["n"].as_str().unwrap().len(), 342);
        }
        assert_eq!(key.kid().len(), 43);
    }
}

/// RFC 7638 section 3.1, and RFC 8037 appendix A.3.
#[test]
fn thumbprints_match_the_published_ones() {
    let rsa = json!({
        "kty": "RSA", "e": "AQAB", "alg": "RS256",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tS\
              oc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65\
              YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyr\
              dkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK\
              nqDKgw"
    });
    assert_eq!(
        VerifyingKey::from_jwk(&rsa).unwrap().kid(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
    let okp = json!({
        "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    });
    assert_eq!(
        VerifyingKey::from_jwk(&okp).unwrap().kid(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
}

#[test]
fn jwk_members_that_may_be_absent_or_extra() {
    for algorithm in ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let with = |change: fn(&mut Value)| {
            let mut jwk = key.public_jwk();
            change(&mut jwk);
            VerifyingKey::from_jwk(&jwk)
        };
        let bare = with(|jwk| {
            for name in ["alg", "use", "kid"] {
                jwk.as_object_mut().unwrap().remove(name);
            }
        })
        .unwrap();
        assert_eq!((bare.kid(), bare.algorithm()), (key.kid(), algorithm));
        assert_eq!(
            with(|jwk| jwk["kid"] = json!("2026-01")).unwrap().kid(),
            "2026-01"
        );
        assert!(with(|jwk| jwk["key_ops"] = json!(["verify"])).is_ok());
        assert!(with(|jwk| jwk["x5t"] = json!("abc")).is_ok());
        let private = with(|jwk| jwk["d"] = json!("AAAA")).unwrap();
        assert!(private.public_jwk().get("d").is_none());

        let wrong: [fn(&mut Value); 16] = [
            |jwk| jwk["use"] = json!("enc"),
            |jwk| jwk["use"] = json!(null),
            |jwk| jwk["alg"] = json!("RS512"),
            |jwk| jwk["alg"] = json!("HS256"),
            |jwk| jwk["alg"] = json!("none"),
            |jwk| jwk["alg"] = json!(null),
            |jwk| jwk["kid"] = json!(5),
            |jwk| jwk["key_ops"] = json!(["sign"]),
            |jwk| jwk["key_ops"] = json!([]),
            |jwk| jwk["key_ops"] = json!("verify"),
            |jwk| jwk["kty"] = json!("oct"),
            |jwk| jwk["kty"] = json!(null),
            |jwk| jwk["kty"] = json!("rsa"),
            |jwk| *jwk = json!([]),
            |jwk| *jwk = json!("text"),
            |jwk| *jwk = json!({}),
        ];
        for (index, change) in wrong.into_iter().enumerate() {
            assert!(with(change).is_err(), "{algorithm} {index}");
        }
    }
}

#[test]
fn key_material_must_be_exact() {
    for algorithm in ALL {
        let jwk = SigningKey::generate(algorithm).unwrap().public_jwk();
        let names = match algorithm {
            Algorithm::RS256 => &["n", "e"][..],
            Algorithm::ES256 => &["x", "y", "crv"],
            Algorithm::EdDSA => &["x", "crv"],
        };
        for name in names {
            let text = jwk[name].as_str().unwrap();
            let longer = URL_SAFE_NO_PAD.decode(text).map(|bytes| {
                let zero_first = [&[0], &*bytes].concat();
                URL_SAFE_NO_PAD.encode(zero_first)
            });
            let longer = longer.unwrap_or_default();
            for wrong in [
                json!(null),
                json!(7),
                json!(""),
                json!("AA"),
                json!(longer),
                json!(format!("{text}=")),
                json!(format!("{text} ")),
                json!(format!("{text}\n")),
                json!(format!("+{}", &text[1..])),
                json!("P-384"),
                json!("secp256k1"),
                json!("X25519"),
            ] {
                let mut changed = jwk.clone();
                changed[name] = wrong.clone();
                assert!(
                    VerifyingKey::from_jwk(&changed).is_err(),
                    "{algorithm} {name} {wrong}"
                );
            }
            let mut changed = jwk.clone();
            changed.as_object_mut().unwrap().remove(*name);
            assert!(
                VerifyingKey::from_jwk(&changed).is_err(),
                "{algorithm} without {name}"
            );
        }
    }
}

#[test]
fn points_off_the_curve_and_weak_rsa_keys_are_refused() {
    let mut jwk = SigningKey::generate(Algorithm::ES256).unwrap().public_jwk();
    jwk["y"] = jwk["x"].clone();
    assert!(matches!(
        VerifyingKey::from_jwk(&jwk),
        Err(KeyError::Invalid)
    ));
    let zero = URL_SAFE_NO_PAD.encode([0; 32]);
    let origin = json!({ "kty": "EC", "crv": "P-256", "x": zero, "y": zero });
    assert!(matches!(
        VerifyingKey::from_jwk(&origin),
        Err(KeyError::Invalid)
    ));

    let rsa = |bits: usize, e: &[u8]| {
        let mut n = vec![0xFF; bits.div_ceil(8)];
        n[0] >>= (8 - bits % 8) % 8;
        let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
        VerifyingKey::from_jwk(&json!({ "kty": "RSA", "n": n, "e": e }))
    };
    assert!(rsa(2048, &[1, 0, 1]).is_ok());
    assert!(rsa(8192, &[1, 0, 1]).is_ok());
    for bits in [0, 1, 512, 1024, 2028, 2047, 8193, 65536] {
        assert!(rsa(bits.max(1), &[1, 0, 1]).is_err(), "{bits}");
    }
    for e in [
        &[][..],
        &[0],
        &[1],
        &[3],
        &[17],
        &[1, 0, 0],
        &[1, 0, 2],
        &[0, 1, 0, 1],
        &[1; 5],
    ] {
        assert!(rsa(2048, e).is_err(), "{e:?}");
    }
}

#[test]
fn other_rsa_sizes_are_accepted() {
    use aws_lc_rs::encoding::AsDer;
    let der = KeyPair::generate(KeySize::Rsa3072)
        .unwrap()
        .as_der()
        .unwrap();
    let key = SigningKey::from_pkcs8(Algorithm::RS256, der.as_ref()).unwrap();
    let token = key.sign("JWT", &json!({})).unwrap();
    let public = VerifyingKey::from_jwk(&key.public_jwk()).unwrap();
    assert!(Jws::parse(&token).unwrap().verify(&public).is_ok());
}

#[test]
fn debug_output_shows_id_and_algorithm_only() {
    for algorithm in ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let fields = format!("{{ kid: {:?}, algorithm: {algorithm}, .. }}", key.kid());
        assert_eq!(format!("{key:?}"), format!("SigningKey {fields}"));
        assert_eq!(
            format!("{:?}", key.verifying_key()),
            format!("VerifyingKey {fields}")
        );
    }
}
