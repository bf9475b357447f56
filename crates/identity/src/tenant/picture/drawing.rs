//! Which SVG drawings are taken. They are shown as images only, where no browser runs what is in them; what could run all the same,
//! or load something, is refused rather than cut out.

/// What a drawing must not hold, in lower case: what runs, loads from elsewhere, or makes a small file a big one; and the
/// namespaces in which an element is not of a drawing. What is of any other namespace, as editors leave it, does nothing.
const UNSAFE: [&str; 23] = [
    "<!doctype",
    "<!entity",
    "<?xml-stylesheet",
    "<script",
    ":script",
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
    "src(",
    "image(",
    "cross-fade(",
    "xml:base",
    "1999/xhtml",
    "1998/math",
    "2001/xml-events",
];

/// The error says why it is refused.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let unknown = "is neither PNG, JPEG, WebP nor SVG";
    let text = std::str::from_utf8(bytes).map_err(|_| unknown)?;
    let lower = text.trim_start_matches('\u{feff}').to_lowercase();
    if !lower.contains("<svg") || !lower.trim_start().starts_with('<') {
        return Err(unknown.into());
    }
    if lower.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n')) {
        return Err("holds control characters, which have no place in a logo".into());
    }
    encoding(&lower)?;
    styles(&lower)?;
    if lower.contains("&#") || lower.contains('\\') {
        return Err("holds characters by their numbers, which could hide anything".into());
    }
    // Browsers read a style sheet without the marks that can stand inside of it.
    let bare = lower.replace("<![cdata[", "").replace("]]>", "");
    content(&lower)?;
    content(&bare)
}

/// What is read here is what a browser reads only in UTF-8.
fn encoding(lower: &str) -> Result<(), String> {
    for head in lower.split("<?xml").skip(1) {
        let head = head.split("?>").next().unwrap_or_default();
        let Some((_, named)) = head.split_once("encoding") else {
            continue;
        };
        if named.split(['"', '\'']).nth(1) != Some("utf-8") {
            return Err("is not in UTF-8 (`encoding`); save it as UTF-8".into());
        }
    }
    Ok(())
}

/// A style sheet is one text: comments or elements in it are left out by browsers, and could cut a word in two.
fn styles(lower: &str) -> Result<(), String> {
    let mut inside = false;
    for tag in lower.split('<').skip(1) {
        let name = tag
            .split(|c: char| c.is_whitespace() || matches!(c, '>'))
            .next();
        let name = name.unwrap_or_default();
        let is_style = |name: &str| name.rsplit(':').next() == Some("style");
        if inside && !tag.starts_with("![cdata[") {
            inside = false;
            if !name.strip_prefix('/').is_some_and(is_style) {
                return Err("holds something other than text in `<style>`".into());
            }
        } else if is_style(name.trim_end_matches('/')) {
            inside = !closes_itself(tag);
        }
    }
    Ok(())
}

/// Whether the first `>` ends the tag, rather than standing in quotes, and with a `/` before it; `false` if in doubt.
fn closes_itself(tag: &str) -> bool {
    let head = tag.split('>').next().unwrap_or_default();
    let quotes = [head.matches('"').count(), head.matches('\'').count()];
    head.ends_with('/') && quotes.contains(&0) && quotes.iter().all(|count| count % 2 == 0)
}

fn content(lower: &str) -> Result<(), String> {
    if let Some(found) = UNSAFE.iter().find(|part| lower.contains(**part)) {
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
    let outside = |what| format!("refers to something outside of itself (`{what}`)");
    for after in lower.split("href").skip(1) {
        let value = after.trim_start().trim_start_matches('=').trim_start();
        let value = value.trim_start_matches(['"', '\'']);
        let picture = value
            .strip_prefix("data:image/png")
            .or_else(|| value.strip_prefix("data:image/jpeg"));
        if !value.starts_with('#') && !picture.is_some_and(|rest| rest.starts_with([';', ','])) {
            return Err(outside("href"));
        }
    }
    for after in lower.split("url(").skip(1) {
        if !after.trim_start_matches(['"', '\'', ' ']).starts_with('#') {
            return Err(outside("url"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Picture;

    #[test]
    fn what_editors_make_is_taken() {
        for drawing in [
            // As Inkscape saves it.
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n<!-- Created with Inkscape (http://www.inkscape.org/) -->\n\
             <svg width=\"210mm\" viewBox=\"0 0 210 297\" inkscape:version=\"1.3\" sodipodi:docname=\"logo.svg\" xmlns:inkscape=\"http://www.inkscape.org/namespaces/inkscape\" \
             xmlns:sodipodi=\"http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" xmlns=\"http://www.w3.org/2000/svg\" \
             xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns:cc=\"http://creativecommons.org/ns#\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\n\
             <sodipodi:namedview id=\"base\" pagecolor=\"#ffffff\" inkscape:zoom=\"0.7\"><inkscape:grid type=\"xygrid\"/></sodipodi:namedview>\n\
             <defs><style id=\"style1\" /><linearGradient id=\"a\" xlink:href=\"#b\"/></defs>\n\
             <metadata><rdf:RDF><cc:Work rdf:about=\"\"><dc:format>image/svg+xml</dc:format><dc:type rdf:resource=\"http://purl.org/dc/dcmitype/StillImage\"/>\
             <dc:description>Ours</dc:description></cc:Work></rdf:RDF></metadata><path style=\"fill:url(#a);stroke:none\" d=\"m 0,0\" sodipodi:nodetypes=\"cc\"/></svg>",
            // As Illustrator does.
            "<?xml version='1.0' encoding='utf-8'?><!-- Generator: Adobe Illustrator 27.0 --><svg version=\"1.1\" xmlns=\"http://www.w3.org/2000/svg\" xml:space=\"preserve\">\
             <style type=\"text/css\"><![CDATA[ .st0{fill:#E30613;} .st1>path{clip-path:url(#c);} ]]></style><switch><g class=\"st0\"/></switch></svg>",
            // As Figma and Sketch do.
            "<svg width=\"64\" height=\"64\" viewBox=\"0 0 64 64\" fill=\"none\" xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\">\
             <title>A &amp; B</title><g clip-path=\"url(#clip0)\"><use xlink:href=\"#image0\" transform=\"scale(0.01)\"/></g>\
             <defs><image id=\"image0\" xlink:href=\"data:image/png;base64,iVBORw0KGgo=\"/></defs></svg>",
            "\u{feff}<svg xmlns=\"http://www.w3.org/2000/svg\"><text>T\u{fc}r\t\r\n</text></svg>",
        ] {
            assert_eq!(super::check(drawing.as_bytes()), Ok(()), "{drawing}");
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
            b"<?xml version='1.0' encoding='ISO-2022-JP'?><svg><scr\x1b(Bipt>alert(1)</scr\x1b(Bipt></svg>",
            b"<?xml version='1.0' encoding='ISO-2022-JP'?><svg/>",
            b"<?xml version='1.0' Encoding = \"utf-7\"?><svg/>",
            b"<?xml version='1.0' encoding='UTF-16'?><svg/>",
            b"<svg><image hr\x1b(Bef='https://evil.example/x'/></svg>",
            b"<svg>\xc2\x85</svg>",
            b"<svg>\0</svg>",
            b"\xff\xfe<\0s\0v\0g\0/\0>\0",
            b"<\0s\0v\0g\0/\0>\0",
            b"<svg><h:img xmlns:h='http://www.w3.org/1999/xhtml' src='https://evil.example/x'/></svg>",
            b"<svg><meta xmlns='http://www.w3.org/1999/XHTML' http-equiv='refresh' content='0;https://evil.example'/></svg>",
            b"<svg><m:mtext xmlns:m='http://www.w3.org/1998/Math/MathML'/></svg>",
            b"<svg><ev:x xmlns:ev='http://www.w3.org/2001/xml-events'/></svg>",
            b"<svg><g xml:base='https://evil.example/'><use href='#a'/></g></svg>",
            b"<svg><style>rect{fill:src('https://evil.example/x')}</style></svg>",
            b"<svg><style>rect{fill:IMAGE('https://evil.example/x')}</style></svg>",
            b"<svg><style>rect{fill:-webkit-cross-fade('https://evil.example/x','y',50%)}</style></svg>",
            b"<svg><style>rect{fill:-webkit-image-set('https://evil.example/x' 1x)}</style></svg>",
            b"<svg><style>rect{fill:u<![CDATA[rl(https://evil.example/x)]]>}</style></svg>",
            b"<svg><style>rect{fill:u<!-- -->rl(https://evil.example/x)}</style></svg>",
            b"<svg><style>rect{fill:u<g/>rl(https://evil.example/x)}</style></svg>",
            b"<svg><s:style>rect{fill:u<?x ?>rl(https://evil.example/x)}</s:style></svg>",
            b"<svg><style a='\"' b=\"/>\">u<g/>rl(https://evil.example/x)</style></svg>",
            b"<svg><image href='data:image/png+xml,x'/></svg>",
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
