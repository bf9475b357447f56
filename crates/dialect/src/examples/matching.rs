//! Whether an answer is the one that an example expects.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value as Json;

use super::{Step, fill, fill_json};

/// An answer as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub status: u16,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Step {
    /// Compares; the error says where the answer differs.
    pub fn matches(
        &self,
        received: &Received,
        variables: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let text = String::from_utf8_lossy(&received.body);
        if received.status != self.status {
            return Err(format!(
                "the status is {}, not {}: {text}",
                received.status, self.status
            ));
        }
        for (name, expected) in &self.answer_headers {
            let expected = Json::String(fill(expected, variables)?);
            let found = received
                .headers
                .get(&name.to_ascii_lowercase())
                .cloned()
                .map_or(Json::Null, Json::String);
            compare(&expected, &found, &format!("the header `{name}`"))?;
        }
        if self.answer.is_none() && self.claims.is_empty() {
            return Ok(());
        }
        let json: Json = serde_json::from_slice(&received.body)
            .map_err(|_| format!("the body is not JSON: {text}"))?;
        if let Some(expected) = &self.answer {
            compare(&fill_json(expected, variables)?, &json, "")?;
        }
        for (pointer, expected) in &self.claims {
            let token = json
                .pointer(pointer)
                .and_then(Json::as_str)
                .ok_or_else(|| format!("there is no text at {pointer}"))?;
            let claims = claims_of(token).ok_or_else(|| format!("there is no JWT at {pointer}"))?;
            compare(
                &fill_json(expected, variables)?,
                &claims,
                &format!("claims of {pointer}"),
            )?;
        }
        Ok(())
    }

    /// The variables that the step saves from its answer.
    pub fn saved(&self, received: &Received) -> Result<BTreeMap<String, String>, String> {
        if self.save.is_empty() {
            return Ok(BTreeMap::new());
        }
        let json: Json = serde_json::from_slice(&received.body)
            .map_err(|_| "the body is not JSON".to_owned())?;
        let value = |pointer: &str| match json.pointer(pointer) {
            Some(Json::String(text)) => Ok(text.clone()),
            Some(other) => Ok(other.to_string()),
            None => Err(format!("there is nothing at {pointer}")),
        };
        self.save
            .iter()
            .map(|(name, pointer)| Ok((name.clone(), value(pointer)?)))
            .collect()
    }
}

fn claims_of(token: &str) -> Option<Json> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = URL_SAFE_NO_PAD.decode(payload).ok()?;
    parts
        .next()
        .is_none()
        .then(|| serde_json::from_slice(&bytes).ok())?
}

fn compare(expected: &Json, found: &Json, at: &str) -> Result<(), String> {
    let differs = || {
        Err(format!(
            "{}: expected {expected}, found {found}",
            if at.is_empty() { "the body" } else { at }
        ))
    };
    match (expected, found) {
        (Json::String(sort), _) if sort.starts_with('<') && sort.ends_with('>') => {
            match fits(sort, found) {
                Some(true) => Ok(()),
                Some(false) => differs(),
                None => Err(format!(
                    "{at}: `{sort}` stands for nothing; write one of {}",
                    SORTS.join(", ")
                )),
            }
        }
        (Json::Object(fields), Json::Object(others)) => {
            if let Some(extra) = others.keys().find(|key| !fields.contains_key(*key)) {
                return Err(format!("{at}/{extra} is not expected"));
            }
            for (key, value) in fields {
                let found = others
                    .get(key)
                    .ok_or_else(|| format!("{at}/{key} is missing"))?;
                compare(value, found, &format!("{at}/{key}"))?;
            }
            Ok(())
        }
        (Json::Array(items), Json::Array(others)) if items.len() == others.len() => {
            let mut pairs = items.iter().zip(others).enumerate();
            pairs.try_for_each(|(index, (item, other))| {
                compare(item, other, &format!("{at}/{index}"))
            })
        }
        _ if expected == found => Ok(()),
        _ => differs(),
    }
}

const SORTS: [&str; 8] = [
    "<any>",
    "<string>",
    "<text>",
    "<id>",
    "<jwt>",
    "<integer>",
    "<boolean>",
    "<null>",
];

/// `<string>` is a text with something in it, `<text>` may be empty, `<id>` is 20 letters and digits.
fn fits(sort: &str, found: &Json) -> Option<bool> {
    let text = found.as_str();
    Some(match sort {
        "<any>" => true,
        "<string>" => text.is_some_and(|text| !text.is_empty()),
        "<text>" => text.is_some(),
        "<id>" => text.is_some_and(|text| {
            text.len() == 20 && text.bytes().all(|b| b.is_ascii_alphanumeric())
        }),
        "<jwt>" => text.and_then(claims_of).is_some(),
        "<integer>" => found.is_i64() || found.is_u64(),
        "<boolean>" => found.is_boolean(),
        "<null>" => found.is_null(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_to_the_letter_but_for_their_sorts() {
        let jwt = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(r#"{"a":1}"#));
        let answer =
            format!(r#"{{"s":"x","e":"","n":8,"b":true,"z":null,"list":[1,"y"],"t":"{jwt}"}}"#);
        let check = |expected: &str| {
            let step = format!("request = \"GET /\"\nstatus = 200\n{expected}");
            let step: Step = toml::from_str(&step).unwrap();
            let received = Received {
                status: 200,
                body: answer.clone().into_bytes(),
                ..Received::default()
            };
            step.matches(&received, &BTreeMap::new())
        };
        let rest = r#"b = "<boolean>", z = "<null>", list = [1, "<string>"]"#;
        check(&format!(
            r#"answer = {{ s = "<string>", e = "<text>", n = "<integer>", t = "<jwt>", {rest} }}"#
        ))
        .unwrap();
        check(r#"claims = { "/t" = { a = 1 } }"#).unwrap();
        for (wrong, part) in [
            (
                format!(
                    r#"answer = {{ s = "<string>", e = "<string>", n = 8, t = "<jwt>", {rest} }}"#
                ),
                "/e",
            ),
            (
                format!(r#"answer = {{ s = "y", e = "", n = 8, t = "<jwt>", {rest} }}"#),
                "/s",
            ),
            (
                format!(r#"answer = {{ s = "x", e = "", n = "8", t = "<jwt>", {rest} }}"#),
                "/n",
            ),
            (
                format!(r#"answer = {{ s = "x", e = "", t = "<jwt>", {rest} }}"#),
                "/n is not expected",
            ),
            (
                format!(r#"answer = {{ more = 1, s = "x", e = "", n = 8, t = "<jwt>", {rest} }}"#),
                "/more is missing",
            ),
            (
                format!(r#"answer = {{ s = "<strin>", e = "", n = 8, t = "<jwt>", {rest} }}"#),
                "stands for nothing",
            ),
            (r#"claims = { "/t" = { a = 2 } }"#.into(), "/a"),
            (r#"claims = { "/s" = { a = 2 } }"#.into(), "no JWT"),
            (r#"answer_headers = { allow = "POST" }"#.into(), "allow"),
        ] {
            let message = check(&wrong).unwrap_err();
            assert!(message.contains(part), "{wrong}: {message}");
        }
    }
}
