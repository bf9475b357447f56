//! Paths: patterns as files write them, and the decoded segments of a request.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

/// `/api/verify-email/{token}`: literal segments and whole-segment parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub text: Arc<str>,
    pub segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    Parameter(String),
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Pattern, String> {
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| format!("the path `{text}` must begin with `/`"))?;
        let segments = rest
            .split('/')
            .map(|part| segment(text, part))
            .collect::<Result<Vec<_>, _>>()?;
        let empty = |segment: &Segment| *segment == Segment::Literal(String::new());
        if segments.iter().rev().skip(1).any(empty) {
            return Err(format!("the path `{text}` has an empty segment"));
        }
        let pattern = Pattern {
            text: text.into(),
            segments,
        };
        let mut names: Vec<&str> = pattern.parameters().collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(format!("the path `{text}` names one parameter twice"));
        }
        Ok(pattern)
    }

    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    pub(crate) fn is_literal(&self) -> bool {
        self.parameters().next().is_none()
    }

    /// Whether some path fits both.
    pub(crate) fn overlaps(&self, other: &Pattern) -> bool {
        let either = |pair: (&Segment, &Segment)| match pair {
            (Segment::Literal(one), Segment::Literal(two)) => one == two,
            (Segment::Literal(text), Segment::Parameter(_))
            | (Segment::Parameter(_), Segment::Literal(text)) => !text.is_empty(),
            (Segment::Parameter(_), Segment::Parameter(_)) => true,
        };
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(either)
    }

    /// Whether every path that fits the other fits this one.
    pub(crate) fn covers(&self, other: &Pattern) -> bool {
        let covers = |pair: (&Segment, &Segment)| match pair {
            (Segment::Literal(one), Segment::Literal(two)) => one == two,
            (Segment::Literal(_), Segment::Parameter(_)) => false,
            (Segment::Parameter(_), Segment::Literal(text)) => !text.is_empty(),
            (Segment::Parameter(_), Segment::Parameter(_)) => true,
        };
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(covers)
    }

    pub(crate) fn matches(&self, segments: &[Decoded<'_>]) -> bool {
        let fits = |(pattern, segment): (&Segment, &Decoded<'_>)| match pattern {
            Segment::Literal(text) => segment.as_deref() == Some(text),
            Segment::Parameter(_) => segment.as_deref() != Some(""),
        };
        self.segments.len() == segments.len() && self.segments.iter().zip(segments).all(fits)
    }
}

fn segment(path: &str, part: &str) -> Result<Segment, String> {
    if let Some(name) = part
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return match plain {
            true => Ok(Segment::Parameter(name.to_owned())),
            false => Err(format!(
                "`{{{name}}}` in the path `{path}` is no parameter name; write letters, digits and `_`"
            )),
        };
    }
    match part
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&b))
    {
        true => Ok(Segment::Literal(part.to_owned())),
        false => Err(format!(
            "the segment `{part}` of the path `{path}` is neither plain text nor one whole `{{parameter}}`"
        )),
    }
}

/// A segment without its percent-encoding; `None` when the bytes are not UTF-8 text.
pub(crate) type Decoded<'a> = Option<Cow<'a, str>>;

/// The segments of a request's path. An encoded `/` stays inside its segment.
pub(crate) fn decode(path: &str) -> Vec<Decoded<'_>> {
    let rest = path.strip_prefix('/').unwrap_or(path);
    rest.split('/').map(decoded).collect()
}

fn decoded(part: &str) -> Decoded<'_> {
    let plain = !part.bytes().any(|byte| matches!(byte, b'%' | 0));
    if plain {
        return Some(Cow::Borrowed(part));
    }
    let text = percent_decode_str(part).decode_utf8().ok();
    text.filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(&decode(path))
    }

    #[test]
    fn segments_match_after_decoding_and_never_split() {
        for (pattern, path, expected) in [
            ("/login/", "/login/", true),
            ("/login/", "/login", false),
            ("/login", "/login/", false),
            ("/login", "/logi%6e", true),
            ("/login", "/LOGIN", false),
            ("/a/b", "/a%2fb", false),
            ("/a/{x}", "/a/b%2Fc", true),
            ("/a/{x}", "/a/b/c", false),
            ("/a/{x}", "/a/", false),
            ("/a/{x}", "/a/%00", true),
            ("/a/{x}", "/a/%ff", true),
            ("/", "/", true),
            ("/a", "//a", false),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
        assert_eq!(decode("/a/%ff/%00")[1..], [None, None]);
    }

    #[test]
    fn bad_patterns_say_why() {
        for (pattern, part) in [
            ("login", "begin with"),
            ("//a", "empty segment"),
            ("/a//b", "empty segment"),
            ("/a/x{b}", "neither plain"),
            ("/a/{b c}", "no parameter name"),
            ("/a/{}", "no parameter name"),
            ("/{a}/{a}", "twice"),
            ("/a?b", "neither plain"),
            ("/a%2f", "neither plain"),
        ] {
            let message = Pattern::parse(pattern).unwrap_err();
            assert!(message.contains(part), "{pattern}: {message}");
        }
    }

    #[test]
    fn overlap_means_that_one_path_fits_both() {
        let overlap = |one, two| {
            Pattern::parse(one)
                .unwrap()
                .overlaps(&Pattern::parse(two).unwrap())
        };
        assert!(overlap("/a/{x}", "/a/b"));
        assert!(overlap("/{y}/b", "/a/{x}"));
        assert!(!overlap("/a/{x}", "/a/"));
        assert!(!overlap("/a", "/a/"));
        assert!(!overlap("/a/{x}/c", "/a/{x}/d"));
    }
}
