//! Request bodies and queries: JSON, forms and multipart become one table of fields, read strictly.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, header};
use minijinja::value::{Value, ValueKind};
use percent_encoding::percent_decode;
use vestibule_identity::{Error, Kind};

use crate::call::BodyError;
use crate::form::Form;
use crate::json;
use crate::size::{MOST_MEMBERS, TOO_MANY};

fn malformed(why: &'static str) -> Error {
    Error::with_detail(Kind::MalformedBody, why)
}

/// The fields of a body. An empty body has none.
pub(crate) async fn fields(
    headers: &HeaderMap,
    body: &Result<Bytes, BodyError>,
) -> Result<Value, Error> {
    let bytes = match body {
        Ok(bytes) => bytes,
        Err(BodyError::TooLarge) => return Err(Kind::BodyTooLarge.into()),
        Err(BodyError::TooSlow) => return Err(Kind::BodyTooSlow.into()),
        Err(BodyError::Broken) => return Err(Kind::MalformedBody.into()),
    };
    if bytes.is_empty() {
        return Ok(Form::default().into_object());
    }
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence == "multipart/form-data" {
        return multipart(media_type, bytes.clone()).await;
    }
    // Many clients send JSON and call it a form or a text.
    let looks_like_json = bytes.trim_ascii_start().starts_with(b"{");
    match essence.as_str() {
        _ if looks_like_json || is_json(&essence) => from_json(bytes),
        "application/x-www-form-urlencoded" => form(bytes),
        _ => Err(malformed("The request body is neither JSON nor a form.")),
    }
}

fn is_json(essence: &str) -> bool {
    essence == "application/json"
        || essence == "text/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn from_json(bytes: &[u8]) -> Result<Value, Error> {
    let value = json::parse(bytes).map_err(|fault| match fault {
        json::Fault::NotJson => malformed("The request body is not valid JSON."),
        json::Fault::TooMany => malformed(TOO_MANY),
    })?;
    match value.kind() {
        ValueKind::Map => Ok(value),
        _ => Err(malformed("The request body must be a JSON object.")),
    }
}

fn form(bytes: &[u8]) -> Result<Value, Error> {
    let mut form = Form::default();
    for pair in pairs(bytes) {
        let (name, value) = pair.ok_or_else(|| malformed("The form is not valid UTF-8 text."))?;
        form.add(name, value)?;
    }
    Ok(form.into_object())
}

async fn multipart(media_type: &str, bytes: Bytes) -> Result<Value, Error> {
    let broken = |_| malformed("The multipart form could not be read.");
    let boundary = multer::parse_boundary(media_type).map_err(broken)?;
    let stream = futures_util::stream::once(std::future::ready(Ok::<_, Infallible>(bytes)));
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut form = Form::default();
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        let name = part
            .name()
            .map(str::to_owned)
            .ok_or_else(|| malformed("A part of the form has no name."))?;
        let content = part.bytes().await.map_err(broken)?;
        let value =
            text(content.to_vec()).ok_or_else(|| malformed("The form is not valid UTF-8 text."))?;
        form.add(name, value)?;
    }
    Ok(form.into_object())
}

/// The options of a query, decoded, in order. Bad UTF-8 and NUL are refused, as is a known option given twice.
pub(crate) fn query(query: Option<&str>, known: &[String]) -> Result<Vec<(String, String)>, Error> {
    let mut options: Vec<(String, String)> = Vec::new();
    for pair in pairs(query.unwrap_or_default().as_bytes()) {
        let (name, value) = pair.ok_or_else(|| {
            Error::with_detail(Kind::MalformedInput, "The query is not valid UTF-8 text.")
        })?;
        if known.contains(&name) && options.iter().any(|(earlier, _)| *earlier == name) {
            return Err(Error::with_detail(
                Kind::MalformedInput,
                format!("{name} is given twice"),
            ));
        }
        if options.len() == MOST_MEMBERS {
            let why = "The query has more than 1,000 options.";
            return Err(Error::with_detail(Kind::MalformedInput, why));
        }
        options.push((name, value));
    }
    Ok(options)
}

/// application/x-www-form-urlencoded; `None` for a pair that is not UTF-8 text.
fn pairs(bytes: &[u8]) -> impl Iterator<Item = Option<(String, String)>> {
    bytes
        .split(|b| *b == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = match pair.iter().position(|b| *b == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            Some((decode(name)?, decode(value)?))
        })
}

fn decode(bytes: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = bytes
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    text(percent_decode(&spaced).collect())
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";
    const MULTIPART: &str = "multipart/form-data; boundary=b";

    async fn read(media_type: &str, body: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        if !media_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        }
        match fields(&headers, &Ok(Bytes::copy_from_slice(body))).await {
            Ok(value) => json::from_value(&value).unwrap().to_string(),
            Err(error) => error.kind.code().to_owned(),
        }
    }

    #[tokio::test]
    async fn bodies_in_every_dress() {
        let part = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx y\r\n--b--\r\n";
        let nested =
            b"--b\r\nContent-Disposition: form-data; name=\"a[0][b]\"\r\n\r\nx\r\n--b--\r\n";
        let cases: &[(&str, &[u8], &str)] = &[
            ("application/json", br#"{"a":"x"}"#, r#"{"a":"x"}"#),
            (
                "Application/JSON; charset=utf-8",
                br#"{"a":1}"#,
                r#"{"a":1}"#,
            ),
            ("application/vnd.x+json", br#"{}"#, "{}"),
            ("", br#" {"a":"x"}"#, r#"{"a":"x"}"#),
            ("text/plain", br#"{"a":"x"}"#, r#"{"a":"x"}"#),
            (FORM, br#"{"a":"x"}"#, r#"{"a":"x"}"#),
            (
                FORM,
                b"a=x+y&b=%C3%A4&c",
                r#"{"a":"x y","b":"\u00e4","c":""}"#,
            ),
            (FORM, b"a=1=2&&", r#"{"a":"1=2"}"#),
            (FORM, b"a[b]=x", r#"{"a":{"b":"x"}}"#),
            (FORM, b"a%5B0%5D%5Bb%5D=x", r#"{"a":[{"b":"x"}]}"#),
            (MULTIPART, nested, r#"{"a":[{"b":"x"}]}"#),
            (MULTIPART, part, r#"{"a":"x y"}"#),
            ("", b"", "{}"),
            ("application/json", b"", "{}"),
        ];
        for (media_type, body, expected) in cases {
            let expected = expected.replace("\\u00e4", "ä");
            assert_eq!(
                read(media_type, body).await,
                expected,
                "{media_type} {}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[tokio::test]
    async fn hostile_bodies_are_malformed() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(40_000), "]".repeat(40_000));
        let twice = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n--b--\r\n";
        let cases: &[(&str, &[u8])] = &[
            ("application/json", b"{"),
            ("application/json", b"[]"),
            ("application/json", b"null"),
            ("application/json", b"\"a\""),
            ("application/json", b"7"),
            ("application/json", b"a=b"),
            ("application/json", b" "),
            ("application/json", b"{} {}"),
            ("application/json", br#"{"a":1,"a":1}"#),
            ("application/json", br#"{"b":{"a":1,"a":1}}"#),
            ("application/json", br#"{"a":"\u0000"}"#),
            ("application/json", br#"{"a":"\ud800"}"#),
            ("application/json", b"{\"a\":\"\xff\"}"),
            ("application/json", b"{\"a\":\"\xc0\x80\"}"),
            ("application/json", b"\xef\xbb\xbf{}"),
            ("application/json", b"{\"a\":1e999}"),
            ("application/json", b"{'a':1}"),
            ("application/json", deep.as_bytes()),
            ("", b"a=b"),
            ("text/xml", b"<a/>"),
            (FORM, b"a=%ff"),
            (FORM, b"a=%00"),
            (FORM, b"%00=a"),
            (FORM, b"a=1&a=2"),
            (FORM, b"a=1&a[b]=2"),
            (FORM, b"a[%00]=1"),
            (MULTIPART, b"--c\r\n"),
            (MULTIPART, twice),
            (
                MULTIPART,
                b"--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--\r\n",
            ),
            (
                MULTIPART,
                b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\xff\r\n--b--\r\n",
            ),
            ("multipart/form-data", b"--b\r\n"),
        ];
        for (media_type, body) in cases {
            assert_eq!(
                read(media_type, body).await,
                "malformed_body",
                "{media_type} {:?}",
                String::from_utf8_lossy(&body[..body.len().min(80)])
            );
        }
        for (fault, kind) in [
            (BodyError::TooLarge, Kind::BodyTooLarge),
            (BodyError::TooSlow, Kind::BodyTooSlow),
            (BodyError::Broken, Kind::MalformedBody),
        ] {
            let refused = fields(&HeaderMap::new(), &Err(fault)).await.unwrap_err();
            assert_eq!(refused.kind, kind);
        }
    }

    #[test]
    fn queries_keep_what_nobody_knows() {
        let known = ["token".to_owned()];
        let options = query(Some("x=1&token=a%2Fb&x=2&y"), &known).unwrap();
        let options: Vec<(&str, &str)> = options
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            options,
            [("x", "1"), ("token", "a/b"), ("x", "2"), ("y", "")]
        );
        for bad in ["token=a&token=b", "token=%ff", "x=%00"] {
            assert_eq!(
                query(Some(bad), &known).unwrap_err().kind,
                Kind::MalformedInput,
                "{bad}"
            );
        }
    }
}
