//! The words of pages and mails: `pages/locales/LANGUAGE.toml`.
//!
//! A key is dotted, a text holds `{placeholders}`. Where a number decides the form, the key is a table of plural categories, and
//! `count` is the number.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};
use vestibule_identity::Tenant;

use super::{own, values};
use crate::language;

static LOCALES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../pages/locales");

/// Dotted key -> text.
pub(crate) type Texts = HashMap<String, String>;

static TEXTS: LazyLock<BTreeMap<&'static str, Texts>> = LazyLock::new(load);

fn load() -> BTreeMap<&'static str, Texts> {
    let mut languages = BTreeMap::new();
    for file in LOCALES.files() {
        let Some((name, source)) = file
            .path()
            .file_stem()
            .and_then(|name| name.to_str())
            .zip(file.contents_utf8())
        else {
            continue;
        };
        match source.parse::<toml::Table>() {
            Ok(table) => {
                let mut flat = HashMap::new();
                flatten("", &table, &mut flat);
                languages.insert(name, flat);
            }
            Err(error) => tracing::error!(file = name, %error, "a file of texts cannot be read"),
        }
    }
    languages
}

fn flatten(prefix: &str, table: &toml::Table, flat: &mut Texts) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => flatten(&format!("{prefix}{key}."), inner, flat),
            toml::Value::String(text) => {
                flat.insert(format!("{prefix}{key}"), text.clone());
            }
            _ => {}
        }
    }
}

/// The languages that there are texts in, by their tags.
pub(crate) fn languages() -> impl Iterator<Item = &'static str> {
    TEXTS.keys().copied()
}

/// All texts of a language.
pub(crate) fn of(language: &str) -> Option<&'static Texts> {
    TEXTS.get(language)
}

/// The text of that key, in `language` or else in the default one.
pub(crate) fn text(language: &str, key: &str) -> Option<&'static str> {
    let of = |language: &str| TEXTS.get(language)?.get(key).map(String::as_str);
    of(language).or_else(|| of(language::DEFAULT))
}

/// Who speaks: a language, and the tenant, which may have words of its own.
#[derive(Clone, Copy)]
pub(crate) struct Voice<'a> {
    pub(crate) language: &'static str,
    pub(crate) tenant: Option<&'a Tenant>,
}

impl<'a> Voice<'a> {
    /// The text of that key: the tenant's own, else ours.
    pub(crate) fn text(self, key: &str) -> Option<&'a str> {
        let own = self
            .tenant
            .and_then(|tenant| own::words(tenant, self.language));
        own.and_then(|own| own.text(key))
            .or_else(|| text(self.language, key))
    }

    /// The form of the text that a number asks for; without forms, the text.
    pub(crate) fn counted(self, key: &str, count: u64) -> Option<&'a str> {
        let category = language::plural(self.language, count);
        self.text(&format!("{key}.{category}"))
            .or_else(|| self.text(&format!("{key}.other")))
            .or_else(|| self.text(key))
    }
}

/// `say("sign_in.title", product=…)` in templates: the text, `{product}` filled. Not marked safe, so it is escaped.
pub(crate) fn say(voice: Voice<'_>, key: &str, given: &Kwargs) -> Result<String, Error> {
    let count = given.peek::<Option<u64>>("count").ok().flatten();
    let found = match count {
        Some(count) => voice.counted(key, count),
        None => voice.text(key),
    };
    let missing = || {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("there is no text `{key}`"),
        )
    };
    let mut left = values::LONGEST;
    let said = fill(found.ok_or_else(missing)?, |name| {
        let value = given.get::<Value>(name)?.to_string();
        left = left.checked_sub(value.len()).ok_or_else(values::too_long)?;
        Ok::<_, Error>(value)
    })?;
    // A tenant's own words may leave something out, ours never do.
    if count.is_none() && voice.tenant.is_none() {
        given.assert_all_used()?;
    }
    Ok(said)
}

/// The text with its placeholders filled. What is filled in is not searched again: a person may be called `{product}`.
pub(crate) fn fill<E>(
    text: &str,
    mut value: impl FnMut(&str) -> Result<String, E>,
) -> Result<String, E> {
    let mut rest = text;
    let mut filled = String::with_capacity(rest.len() + 32);
    while let Some((before, (name, after))) = rest
        .split_once('{')
        .and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        filled.push_str(before);
        filled.push_str(&value(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    const CATEGORIES: [&str; 6] = ["zero", "one", "two", "few", "many", "other"];

    /// The key without a plural category.
    fn bare(key: &str) -> &str {
        match key.rsplit_once('.') {
            Some((key, last)) if CATEGORIES.contains(&last) => key,
            _ => key,
        }
    }

    fn placeholders(text: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let _ = fill(text, |name| {
            names.insert(name.to_owned());
            Ok::<_, ()>(String::new())
        });
        names
    }

    #[test]
    fn every_language_says_everything_and_nothing_else() {
        let english = &TEXTS[language::DEFAULT];
        let keys = |texts: &Texts| -> BTreeSet<String> {
            texts.keys().map(|key| bare(key).to_owned()).collect()
        };
        assert_eq!(languages().count(), 8);
        for (language, texts) in TEXTS.iter() {
            let (wanted, there) = (keys(english), keys(texts));
            let differing: Vec<_> = wanted.symmetric_difference(&there).collect();
            assert!(differing.is_empty(), "{language}: {differing:?}");
            for (key, text) in texts {
                let sample = english.get(key).or_else(|| {
                    let key = format!("{}.other", bare(key));
                    english.get(&key)
                });
                assert_eq!(
                    placeholders(text),
                    placeholders(sample.unwrap()),
                    "{language}: {key}"
                );
                assert_eq!(
                    text.matches('{').count(),
                    text.matches('}').count(),
                    "{language}: {key}"
                );
                assert!(
                    !text.trim().is_empty() && text.trim() == text,
                    "{language}: {key}"
                );
                // What is longer than a word or two is not the same by chance.
                let forgotten = *language != language::DEFAULT
                    && key != "date.format"
                    && text.split(' ').count() > 3
                    && english.get(key) == Some(text);
                assert!(!forgotten, "{language}: {key} is English");
            }
            assert_eq!(texts["date.months"].split_whitespace().count(), 12);
        }
    }

    #[test]
    fn every_plural_that_a_number_can_ask_for_is_there() {
        for (language, texts) in TEXTS.iter() {
            let counted = texts.keys().filter(|key| bare(key) != key.as_str());
            for key in counted {
                // The numbers in use are lengths: 8 to 256.
                for number in 8..=256 {
                    let form = format!("{}.{}", bare(key), language::plural(language, number));
                    assert!(texts.contains_key(&form), "{language}: {form} for {number}");
                }
            }
        }
    }

    fn sources(folder: &Path, found: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn no_text_is_left_over() {
        let mut all = String::new();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["../../pages/templates", "src", "../identity/src"] {
            sources(&here.join(folder), &mut all);
        }
        for key in TEXTS[language::DEFAULT].keys().map(|key| bare(key)) {
            let (group, last) = key.rsplit_once('.').unwrap_or(("", key));
            let used = match group {
                // Put together from a kind of error, or of mail.
                _ if key.starts_with("error.") || group.starts_with("mail.") => {
                    all.contains(&format!("\"{last}\""))
                        || all.contains(&format!(".{last}\""))
                        || last == "text"
                        || last.starts_with("title_")
                }
                _ => all.contains(&format!("\"{key}\"")),
            };
            assert!(used, "{key} is said nowhere");
        }
    }
}
