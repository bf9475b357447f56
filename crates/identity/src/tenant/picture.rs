//! A tenant's logo: what is taken for one, and the name it is kept under.

use vestibule_crypto::digest;

use super::{Tenant, store};
use crate::Identity;
use crate::error::Result;

/// A logo is no bigger, in bytes.
const MOST_BYTES: usize = 128 * 1024;

/// What a drawing must not hold, in lower case: what runs, loads from elsewhere, or makes a small file a big one.
const UNSAFE_IN_SVG: [&str; 15] = [
    "<!doctype",
    "<!entity",
    "<?xml-stylesheet",
    "script",
    "foreignobject",
    "<iframe",
    "<embed",
    "<object",
    "<audio",
    "<video",
    "<handler",
    "<listener",
    "javascript:",
    "@import",
    "image-set",
];

/// A picture that browsers may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    name: String,
    bytes: Vec<u8>,
}

impl Picture {
    /// Tells by the content what it is; the error says why it is refused.
    pub fn read(bytes: Vec<u8>) -> Result<Picture, String> {
        if bytes.len() > MOST_BYTES {
            let kib = bytes.len().div_ceil(1024);
            return Err(format!("has {kib} KiB; a logo has 128 KiB at most"));
        }
        let kind = match &*bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "png",
            [0xff, 0xd8, 0xff, ..] => "jpg",
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => "webp",
            other => svg(other)?,
        };
        let hash: String = digest(&bytes)[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = format!("{hash}.{kind}");
        Ok(Picture { name, bytes })
    }

    /// A hash of the content and what it is: `0123456789abcdef0123456789abcdef.png`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Hash and kind of a picture's name; `None` for a name of another shape.
    pub fn parts(name: &str) -> Option<(&str, &str)> {
        let (hash, kind) = name.split_once('.')?;
        let is_hash = hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        (is_hash && matches!(kind, "png" | "jpg" | "webp" | "svg")).then_some((hash, kind))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Drawings are shown as images only, where no browser runs what is in them. What could run all the same, or load something,
/// is refused rather than cut out.
fn svg(bytes: &[u8]) -> Result<&'static str, String> {
    let unknown = "is neither PNG, JPEG, WebP nor SVG";
    let text = std::str::from_utf8(bytes).map_err(|_| unknown)?;
    let lower = text.trim_start_matches('\u{feff}').to_lowercase();
    if !lower.contains("<svg") || !lower.trim_start().starts_with('<') {
        return Err(unknown.into());
    }
    if let Some(found) = UNSAFE_IN_SVG.iter().find(|part| lower.contains(**part)) {
        return Err(format!("holds `{found}`, which has no place in a logo"));
    }
    let tight = lower.split_whitespace().collect::<Vec<_>>().join(" ");
    let tight = tight.replace(" =", "=");
    let mut words = tight.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '/' | '<'));
    let runs = |word: &str| {
        let name = word.split('=').next().unwrap_or_default();
        word.contains('=') && name.len() > 3 && name.starts_with("on")
    };
    if let Some(found) = words.find(|word| runs(word)) {
        return Err(format!("holds `{found}`, which has no place in a logo"));
    }
    let mut rest = lower.as_str();
    while let Some((_, after)) = rest.split_once("href") {
        let value = after.trim_start().trim_start_matches('=').trim_start();
        let value = value.trim_start_matches(['"', '\'']);
        if !value.starts_with('#')
            && !value.starts_with("data:image/png")
            && !value.starts_with("data:image/jpeg")
        {
            return Err("refers to something outside of itself (`href`)".into());
        }
        rest = after;
    }
    let mut rest = lower.as_str();
    while let Some((_, after)) = rest.split_once("url(") {
        if !after.trim_start_matches(['"', '\'', ' ']).starts_with('#') {
            return Err("refers to something outside of itself (`url`)".into());
        }
        rest = after;
    }
    if lower.contains("&#") || lower.contains('\\') {
        return Err("holds characters by their numbers, which could hide anything".into());
    }
    Ok("svg")
}

impl Identity {
    /// The content of the tenant's picture of that name.
    pub async fn picture(&self, tenant: &Tenant, name: &str) -> Result<Option<Vec<u8>>> {
        let (tenant, name) = (tenant.id.clone(), name.to_owned());
        self.db()
            .read(move |tx| store::picture(tx, &tenant, &name))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_told_by_their_content() {
        let svg = "<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"><use href=\"#a\"/><path id=\"a\" fill=\"url(#b)\" d=\"M0 0\"/></svg>";
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n..."[..], "png"),
            (b"\xff\xd8\xff\xe0...", "jpg"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "webp"),
            (svg.as_bytes(), "svg"),
            (b"\xef\xbb\xbf<svg/>", "svg"),
        ] {
            let picture = Picture::read(bytes.to_vec()).unwrap();
            assert_eq!(Picture::parts(picture.name()).unwrap().1, kind);
        }
        for name in [
            "logo.png",
            "",
            "0123456789abcdef0123456789abcdef.gif",
            "../0123456789abcdef0123456789ab.png",
        ] {
            assert_eq!(Picture::parts(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_no_picture_or_could_do_something_is_refused() {
        for bytes in [
            &b""[..],
            b"GIF89a",
            b"<html><svg></svg></html>\xff",
            b"<svg><script>alert(1)</script></svg>",
            b"<svg><x:SCRIPT xmlns:x='http://www.w3.org/2000/svg'/></svg>",
            b"<svg onload=alert(1)>",
            b"<svg/onload='alert(1)'>",
            b"<svg><set attributeName=x onbegin = 'alert(1)'/></svg>",
            b"<svg><a xlink:href=\"javascript:alert(1)\">x</a></svg>",
            b"<svg><image href='https://evil.example/x.png'/></svg>",
            b"<svg><image href = '//evil.example/x.png'/></svg>",
            b"<svg><use href='data:image/svg+xml,x'/></svg>",
            b"<svg><foreignObject/></svg>",
            b"<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>&a;</svg>",
            b"<svg><style>@import 'https://evil.example';</style></svg>",
            b"<svg style=\"mask:image-set('https://evil.example/x' 1x)\"/>",
            b"<svg><rect fill=\"url(https://evil.example/#a)\"/></svg>",
            b"<svg><a href=\"java&#115;cript:alert(1)\"/></svg>",
            b"<?xml-stylesheet href='x'?><svg/>",
        ] {
            let refused = Picture::read(bytes.to_vec());
            assert!(refused.is_err(), "{}", String::from_utf8_lossy(bytes));
        }
        assert!(
            Picture::read(vec![0x89; 200_000])
                .unwrap_err()
                .contains("KiB")
        );
    }
}
