use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use vestibule_crypto::{Jws, JwsError, KeyError, SigningKey, VerifyingKey};

use crate::keys::ALL;

/// The claims of RFC 7515 appendix A: issuer joe, and an expiry in 2011.
const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                       cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[test]
fn a_signed_token_verifies_and_says_what_it_is() {
    for algorithm in ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let claims = json!({ "sub": "abc", "exp": 5, "nested": { "a": [1, 2.5, null, "ü"] } });
        let token = key.sign("at+jwt", &claims).unwrap();

        let header = URL_SAFE_NO_PAD
            .decode(token.split('.').next().unwrap())
            .unwrap();
        let expected = format!(
            r#"{{"alg":"{algorithm}","typ":"at+jwt","kid":"{}"}}"#,
            key.kid()
        );
        assert_eq!(String::from_utf8(header).unwrap(), expected);

        for jws in [
            Jws::parse(&token).unwrap(),
            Jws::parse_foreign(&token).unwrap(),
        ] {
            assert_eq!((jws.kid(), jws.typ()), (Some(key.kid()), Some("at+jwt")));
            assert_eq!(jws.alg_name(), algorithm.as_str());
            let verified = jws.verify(&key.verifying_key()).unwrap();
            assert_eq!(serde_json::Value::Object(verified), claims);
        }
    }
}

#[test]
fn a_token_of_another_key_does_not_verify() {
    for signer in ALL {
        let token = SigningKey::generate(signer)
            .unwrap()
            .sign("JWT", &json!({}))
            .unwrap();
        let jws = Jws::parse(&token).unwrap();
        for verifier in ALL {
            let key = SigningKey::generate(verifier).unwrap().verifying_key();
            let expected = if signer == verifier {
                JwsError::UnknownKey
            } else {
                JwsError::Algorithm
            };
            assert_eq!(jws.verify(&key), Err(expected));

            // The same, with the other key going by the name that the token gives.
            let mut jwk = key.public_jwk();
            jwk["kid"] = json!(jws.kid());
            let key = VerifyingKey::from_jwk(&jwk).unwrap();
            let expected = if signer == verifier {
                JwsError::Signature
            } else {
                JwsError::Algorithm
            };
            assert_eq!(jws.verify(&key), Err(expected));
        }
    }
}

#[test]
fn claims_that_are_no_object_or_too_large_are_not_signed() {
    let key = SigningKey::generate(ALL[2]).unwrap();
    for claims in [json!(null), json!([]), json!("{}"), json!(1)] {
        assert!(matches!(key.sign("JWT", &claims), Err(KeyError::Claims)));
    }
    let sized = |len: usize| key.sign("JWT", &json!({ "a": "x".repeat(len) }));
    assert!(matches!(sized(12_300), Err(KeyError::Claims)));
    let token = sized(12_000).unwrap();
    assert!(
        Jws::parse(&token)
            .unwrap()
            .verify(&key.verifying_key())
            .is_ok()
    );
}

/// RFC 7515 appendix A.2.
#[test]
fn the_published_rs256_token_verifies() {
    let jwk = json!({
        "kty": "RSA", "e": "AQAB",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz\
              P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6\
              3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw\
              Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW\
              yuXpoQ"
    });
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Q\
                     c_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTy\
                     WzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwu\
                     sC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5A\
                     XLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    check_published(&jwk, &format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}.{signature}"));
}

/// RFC 7515 appendix A.3.
#[test]
fn the_published_es256_token_verifies() {
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    });
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqP\
                     P3-Kg6NU1Q";
    check_published(&jwk, &format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}.{signature}"));
}

fn check_published(jwk: &serde_json::Value, token: &str) {
    let key = VerifyingKey::from_jwk(jwk).unwrap();
    let jws = Jws::parse(token).unwrap();
    assert_eq!((jws.kid(), jws.typ()), (None, None));
    let claims = jws.verify(&key).unwrap();
    assert_eq!(claims["iss"], "joe");
    assert_eq!(claims["exp"], 1_300_819_380);
}

/// RFC 8037 appendix A.4 signs a text that is no JSON: the signature holds, the payload does not.
#[test]
fn the_published_ed25519_signature_verifies() {
    let jwk = json!({
        "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    });
    let key = VerifyingKey::from_jwk(&jwk).unwrap();
    let body = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvp\
                     Ar_MuM0KAg";
    let verify = |token: String| Jws::parse(&token).unwrap().verify(&key);
    assert_eq!(
        verify(format!("{body}.{signature}")),
        Err(JwsError::Malformed)
    );
    assert_eq!(
        verify(format!("{body}.i{}", &signature[1..])),
        Err(JwsError::Signature)
    );
}

/// The group order of P-256: (r, s) and (r, n - s) are both valid ECDSA signatures.
const ORDER: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
];

#[test]
fn the_signing_digest_names_a_token_whatever_its_signature() {
    let key = SigningKey::generate(ALL[1]).unwrap();
    let token = key.sign("JWT", &json!({ "jti": "1" })).unwrap();
    let (body, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrow = 0;
    for index in (0..32).rev() {
        let digit = i16::from(ORDER[index]) - i16::from(signature[32 + index]) - borrow;
        borrow = i16::from(digit < 0);
        signature[32 + index] = digit.rem_euclid(256) as u8;
    }
    let twin = format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature));

    assert_ne!(twin, token);
    let (jws, twin) = (Jws::parse(&token).unwrap(), Jws::parse(&twin).unwrap());
    assert!(twin.verify(&key.verifying_key()).is_ok());
    assert_eq!(twin.signing_digest(), jws.signing_digest());

    let other = key.sign("JWT", &json!({ "jti": "2" })).unwrap();
    assert_ne!(
        Jws::parse(&other).unwrap().signing_digest(),
        jws.signing_digest()
    );
}

#[test]
fn debug_output_shows_the_header_only() {
    let key = SigningKey::generate(ALL[2]).unwrap();
    let token = key
        .sign("JWT", &json!({ "email": "ada@example.org" }))
        .unwrap();
    let shown = format!("{:?}", Jws::parse(&token).unwrap());
    let kid = key.kid();
    assert_eq!(
        shown,
        format!(r#"Jws {{ alg: "EdDSA", typ: Some("JWT"), kid: Some("{kid}"), .. }}"#)
    );
}
