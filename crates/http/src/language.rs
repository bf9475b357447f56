//! Which language a page or mail speaks: the account's, else the browser's, else the tenant's; of those that there are texts in.

use http::{HeaderMap, header};
use vestibule_identity::{Account, Tenant};

use crate::templates::texts;

/// What is spoken where nothing else is wanted, and by texts that another language lacks.
pub(crate) const DEFAULT: &str = "en";

/// More than these of a header are not looked at.
const MOST_WISHES: usize = 32;

/// The language for a tag of BCP 47: that very one, else the one of its first part (`pt-PT` gets `pt-BR`).
pub(crate) fn of_tag(tag: &str) -> Option<&'static str> {
    fn primary(tag: &str) -> &str {
        tag.split('-').next().unwrap_or_default()
    }
    let exact = texts::languages().find(|known| known.eq_ignore_ascii_case(tag));
    exact.or_else(|| {
        texts::languages().find(|known| primary(known).eq_ignore_ascii_case(primary(tag)))
    })
}

/// What the browser's `Accept-Language` likes best (RFC 9110, section 12.5.4).
pub(crate) fn of_browser(headers: &HeaderMap) -> Option<&'static str> {
    let lines = headers.get_all(header::ACCEPT_LANGUAGE).iter();
    let wishes = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .take(MOST_WISHES);
    let mut best: Option<(f32, &'static str)> = None;
    for wish in wishes {
        let (tag, quality) = match wish.split_once(';') {
            None => (wish, 1.0),
            Some((tag, rest)) => {
                let quality = rest.trim().strip_prefix("q=").unwrap_or_default();
                (tag, quality.parse().unwrap_or(0.0))
            }
        };
        let known = of_tag(tag.trim()).filter(|_| quality > best.map_or(0.0, |(best, _)| best));
        best = known.map(|known| (quality, known)).or(best);
    }
    best.map(|(_, known)| known)
}

/// The tenant's own language.
pub(crate) fn of_tenant(tenant: Option<&Tenant>) -> &'static str {
    tenant
        .and_then(|tenant| of_tag(&tenant.file.defaults.locale))
        .unwrap_or(DEFAULT)
}

/// The language that the person chose: the tenant's default, before they have seen it on a page, is no choice.
pub(crate) fn of_account(account: &Account, tenant: &Tenant) -> Option<&'static str> {
    let chosen = account.onboarded || account.locale != tenant.file.defaults.locale;
    of_tag(&account.locale).filter(|_| chosen)
}

/// The language of a mail to somebody with that locale.
pub(crate) fn of_mail(locale: &str, tenant: &Tenant) -> &'static str {
    of_tag(locale).unwrap_or_else(|| of_tenant(Some(tenant)))
}

/// `rtl` or `ltr`, as HTML's `dir` wants it.
pub(crate) fn direction(language: &str) -> &'static str {
    match language {
        "ar" => "rtl",
        _ => "ltr",
    }
}

/// The plural category of a whole number (Unicode CLDR).
pub(crate) fn plural(language: &str, number: u64) -> &'static str {
    match (language, number) {
        ("ar", 0) => "zero",
        ("ar", 2) => "two",
        ("ar", _) if (3..=10).contains(&(number % 100)) => "few",
        ("ar", _) if number % 100 >= 11 => "many",
        ("ar", _) if number != 1 => "other",
        ("ja", _) => "other",
        ("fr" | "hi" | "pt-BR", 0) => "one",
        (_, 1) => "one",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::site::sample_tenant;

    #[test]
    fn tags_find_the_nearest_language() {
        for (tag, language) in [
            ("de", Some("de")),
            ("DE-at", Some("de")),
            ("pt-PT", Some("pt-BR")),
            ("pt-br", Some("pt-BR")),
            ("en-US", Some("en")),
            ("ar-EG", Some("ar")),
            ("tlh", None),
            ("", None),
            ("d", None),
        ] {
            assert_eq!(of_tag(tag), language, "{tag}");
        }
    }

    #[test]
    fn the_browsers_wishes_are_weighed() {
        let german = sample_tenant("[defaults]\nlocale = 'de-DE'");
        let visitor = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::ACCEPT_LANGUAGE, HeaderValue::from_static(line));
            }
            of_browser(&headers).unwrap_or_else(|| of_tenant(Some(&german)))
        };
        for (lines, language) in [
            (&["fr-CH, fr;q=0.9, en;q=0.8"][..], "fr"),
            (&["en;q=0.4, ja;q=0.9"], "ja"),
            (&["tlh, hi;q=0.1"], "hi"),
            (&["en;q=0.2", "ar;q=0.3"], "ar"),
            (&["en;q=0"], "de"),
            (&["en;q=NaN, *;q=0.5"], "de"),
            (&["*"], "de"),
            (&[";;q=,,=,"], "de"),
            (&[], "de"),
        ] {
            assert_eq!(visitor(lines), language, "{lines:?}");
        }
        assert_eq!(of_tenant(None), "en");
    }

    #[test]
    fn numbers_take_their_plural() {
        for (language, expected) in [
            ("en", "other one other other other other other"),
            ("fr", "one one other other other other other"),
            ("ja", "other other other other other other other"),
            ("ar", "zero one two few many other few"),
        ] {
            let found = [0, 1, 2, 8, 12, 100, 103].map(|number| plural(language, number));
            assert_eq!(found.join(" "), expected, "{language}");
        }
    }
}
