use serde_json::{Map, Value, json};
use vestibule_crypto::{JwsError, TimeClaims, check_times};

const NOW: i64 = 1_000_000;

fn check(claims: Value) -> Result<TimeClaims, JwsError> {
    check_times(claims.as_object().unwrap(), NOW, 60)
}

#[test]
fn whole_seconds_within_the_leeway_pass() {
    assert_eq!(
        check(json!({ "exp": NOW + 300, "nbf": NOW, "iat": NOW - 5 })),
        Ok(TimeClaims {
            exp: NOW + 300,
            nbf: Some(NOW),
            iat: Some(NOW - 5)
        })
    );
    for claims in [
        json!({ "exp": NOW + 1 }),
        json!({ "exp": NOW - 59 }),
        json!({ "exp": i64::MAX }),
        json!({ "exp": NOW + 1, "nbf": NOW + 60, "iat": NOW + 60 }),
        json!({ "exp": NOW + 1, "nbf": 0, "iat": 0 }),
    ] {
        assert!(check(claims.clone()).is_ok(), "{claims}");
    }
}

#[test]
fn outside_the_leeway_says_which_way() {
    for exp in [NOW - 60, NOW - 61, 0] {
        assert_eq!(check(json!({ "exp": exp })), Err(JwsError::Expired));
    }
    for claim in ["nbf", "iat"] {
        for start in [NOW + 61, i64::MAX] {
            let claims = json!({ "exp": NOW + 900, claim: start });
            assert_eq!(check(claims), Err(JwsError::NotYetValid));
        }
    }
    let late = json!({ "exp": NOW + 900, "nbf": NOW, "iat": NOW + 61 });
    assert_eq!(check(late), Err(JwsError::NotYetValid));
}

#[test]
fn a_time_of_any_other_type_is_an_error_and_not_absent() {
    let wrong = [
        json!(null),
        json!(true),
        json!("1000300"),
        json!(""),
        json!([1_000_300]),
        json!({}),
        json!(-1),
        json!(1_000_300.5),
        json!(1_000_300.0),
        json!(1e18),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MAX as u64 + 1),
    ];
    for claim in ["exp", "nbf", "iat"] {
        for value in &wrong {
            let mut claims = json!({ "exp": NOW + 300 });
            claims[claim] = value.clone();
            assert_eq!(
                check(claims),
                Err(JwsError::Claim(claim)),
                "{claim}: {value}"
            );
        }
    }
    assert_eq!(
        check_times(&Map::new(), NOW, 60),
        Err(JwsError::Claim("exp"))
    );
    assert_eq!(check(json!({ "nbf": 1 })), Err(JwsError::Claim("exp")));
}

#[test]
fn extreme_clocks_do_not_overflow() {
    let claims = json!({ "exp": 5, "nbf": 5 });
    let claims = claims.as_object().unwrap();
    assert_eq!(
        check_times(claims, i64::MAX, i64::MAX),
        Ok(TimeClaims {
            exp: 5,
            nbf: Some(5),
            iat: None
        })
    );
    assert_eq!(
        check_times(claims, i64::MIN, 60),
        Err(JwsError::NotYetValid)
    );
    assert_eq!(check_times(claims, i64::MAX, -1), Err(JwsError::Expired));
}
