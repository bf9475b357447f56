//! A tenant's logo: what is taken for one, and the name it is kept under.

mod drawing;

use vestibule_crypto::digest;

use super::{Tenant, store};
use crate::Identity;
use crate::error::Result;

/// A logo is no bigger, in bytes.
const MOST_BYTES: usize = 128 * 1024;

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
            other => {
                drawing::check(other)?;
                "svg"
            }
        };
        let hash = crate::hex(&digest(&bytes)[..16]);
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
}
