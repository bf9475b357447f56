use secrecy::ExposeSecret;

use super::*;
use crate::expression::Mode;
use crate::operation::Operation;

fn input(operation: &str, name: &str) -> Input {
    let spec = Operation::named(operation).unwrap().input(name).unwrap();
    Input {
        spec,
        shape: Shape::of_text(&format!("{{{{ body.{name} }}}}"), Mode::Input).unwrap(),
        label: name.to_owned(),
    }
}

fn take(operation: &str, names: &[&str], body: &str) -> Result<Inputs, Vec<String>> {
    let inputs: Vec<Input> = names.iter().map(|name| input(operation, name)).collect();
    let scope = Value::from_pairs([("body", crate::json::parse(body.as_bytes()).unwrap())]);
    let (taken, failures) = Inputs::take(&inputs, &scope);
    let told = |(_, error): &(_, Error)| format!("{}: {}", error.kind.code(), error.message());
    match failures.is_empty() {
        true => Ok(taken),
        false => Err(failures.iter().map(told).collect()),
    }
}

#[test]
fn every_failing_input_is_told_in_order() {
    let failures = take(
        "register",
        &["email", "password", "name"],
        r#"{"email":"nobody","password":"","name":7}"#,
    )
    .unwrap_err();
    assert_eq!(
        failures,
        [
            "invalid_email: email is not a valid e-mail address",
            "missing_password: password is missing",
            "invalid_name: name must be a text"
        ]
    );
}

#[test]
fn wrong_types_and_blanks() {
    for (value, code) in [
        ("null", "missing_email"),
        ("\"\"", "missing_email"),
        ("\"  \"", "missing_email"),
        ("1", "invalid_email"),
        ("[\"a@b.c\"]", "invalid_email"),
        ("{}", "invalid_email"),
        ("true", "invalid_email"),
    ] {
        let failures = take(
            "forgot_password",
            &["email"],
            &format!("{{\"email\":{value}}}"),
        )
        .unwrap_err();
        assert!(failures[0].starts_with(code), "{value}: {failures:?}");
    }
    let long = "x".repeat(17_000);
    assert_eq!(
        take(
            "verify_email",
            &["token"],
            &format!("{{\"token\":\"{long}\"}}")
        )
        .unwrap_err(),
        ["invalid_token: token is too long"]
    );
}

#[test]
fn passwords_and_tokens_are_kept_to_the_letter() {
    let mut inputs = take(
        "reset_password",
        &["token", "password"],
        r#"{"token":" t ","password":"  "}"#,
    )
    .unwrap();
    assert_eq!(inputs.secret("password").expose_secret(), "  ");
    assert_eq!(inputs.secret("token").expose_secret(), " t ");
}

#[test]
fn what_cannot_be_a_proof_is_none() {
    let long = format!("\"{}\"", "x".repeat(17_000));
    for value in [long.as_str(), "7", "[]", "{}", "true", "\" \"", "null"] {
        let body = format!("{{\"proof\":{value}}}");
        let mut inputs = take("forgot_password", &["proof"], &body).unwrap();
        assert!(inputs.optional_secret("proof").is_none(), "{value}");
    }
    let mut inputs = take("forgot_password", &["proof"], r#"{"proof":" k "}"#).unwrap();
    assert_eq!(inputs.secret("proof").expose_secret(), " k ");
    let unusable = Input {
        shape: Shape::of_text("{{ body.proof | integer }}", Mode::Input).unwrap(),
        ..input("forgot_password", "proof")
    };
    let scope = Value::from_pairs([("body", Value::from_pairs([("proof", "k")]))]);
    let mut inputs = Inputs::take(&[unusable], &scope).0;
    assert!(inputs.optional_secret("proof").is_none());
}

#[test]
fn flags_have_many_spellings() {
    for (value, expected) in [
        ("true", true),
        ("1", true),
        ("\"1\"", true),
        ("\"TRUE\"", true),
        ("false", false),
        ("2", false),
        ("\"2\"", false),
        ("0", false),
        ("null", false),
    ] {
        assert_eq!(
            take(
                "forgot_password",
                &["notify"],
                &format!("{{\"notify\":{value}}}")
            )
            .unwrap()
            .flag("notify"),
            expected,
            "{value}"
        );
    }
    for value in ["3", "\"yes\"", "1.0", "[]", "{}"] {
        assert!(
            take(
                "forgot_password",
                &["notify"],
                &format!("{{\"notify\":{value}}}")
            )
            .is_err(),
            "{value}"
        );
    }
}

#[test]
fn placeholders_are_texts_and_whole_numbers() {
    let mut inputs = take(
        "open_browser",
        &["placeholders"],
        r#"{"placeholders":{"a":1,"b":"x"}}"#,
    )
    .unwrap();
    assert_eq!(
        inputs.object("placeholders"),
        BTreeMap::from([("a".into(), "1".into()), ("b".into(), "x".into())])
    );
    for value in [
        "[]",
        "\"x\"",
        "{\"a\":null}",
        "{\"a\":{}}",
        "{\"a\":1.5}",
        "{\"a\":true}",
    ] {
        assert!(
            take(
                "open_browser",
                &["placeholders"],
                &format!("{{\"placeholders\":{value}}}")
            )
            .is_err(),
            "{value}"
        );
    }
}
