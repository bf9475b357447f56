//! What a tenant says in its own words: checked when its file is applied, used when its pages and mails are filled.

use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use minijinja::Environment;
use vestibule_identity::{Tenant, TenantFile, Words};

use super::{engine, texts};

/// A text is no longer, in characters.
const LONGEST: usize = 2_000;

/// Something wrong with `[texts.LANGUAGE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFault {
    /// Dotted, as in `texts.de.sign_in.title`.
    pub field: String,
    pub message: String,
    /// What is not known, and what could have been meant.
    pub word: String,
    pub known: Vec<&'static str>,
}

/// What is wrong with the texts of a tenant's file; empty when it can be applied.
pub fn check(file: &TenantFile) -> Vec<TextFault> {
    let mut faults = Vec::new();
    for (language, words) in &file.texts {
        let mut fault = |field: String, message: String, word: &str, known| {
            let word = word.to_owned();
            faults.push(TextFault {
                field,
                message,
                word,
                known,
            });
        };
        let Some(ours) = texts::of(language) else {
            let message = format!("there are no texts in `{language}`");
            fault(
                format!("texts.{language}"),
                message,
                language,
                texts::languages().collect(),
            );
            continue;
        };
        for (key, text) in words.all() {
            let field = format!("texts.{language}.{key}");
            let Some(sample) = ours.get(&key) else {
                let known = ours.keys().map(String::as_str).collect();
                fault(field, "there is no such text".into(), &key, known);
                continue;
            };
            if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
                let message = format!("has at most {LONGEST} characters and no control characters");
                fault(field, message, "", Vec::new());
                continue;
            }
            let known = placeholders(sample);
            let unknown = placeholders(text).difference(&known).next().copied();
            if text.matches(['{', '}']).count() != 2 * placeholders_in_order(text).len() {
                let message = "a placeholder is a name between { and }".to_owned();
                fault(field, message, "", Vec::new());
            } else if let Some(name) = unknown {
                let message = format!("nothing fills `{{{name}}}` here");
                let names = known.into_iter().collect();
                fault(field, message, name, names);
            }
        }
    }
    faults
}

fn placeholders_in_order(text: &str) -> Vec<&str> {
    let after_brace = text.split('{').skip(1);
    after_brace
        .filter_map(|rest| Some(rest.split_once('}')?.0))
        .collect()
}

fn placeholders(text: &str) -> BTreeSet<&str> {
    placeholders_in_order(text).into_iter().collect()
}

/// The tenant's words in that language.
pub(super) fn words<'a>(tenant: &'a Tenant, language: &str) -> Option<&'a Words> {
    tenant.file.texts.get(language)
}

/// What an engine was made from: it is made anew when that has changed.
type Source = Arc<dyn Any + Send + Sync>;
type Engines =
    HashMap<(String, &'static str), (Weak<dyn Any + Send + Sync>, Arc<Environment<'static>>)>;

/// Made when first asked for; by the tenant's id, the operator's by an empty one.
static ENGINES: LazyLock<Mutex<Engines>> = LazyLock::new(Mutex::default);

/// What is tried for this tenant before ours: its own words and templates, with the operator's templates where it has none;
/// then the operator's alone.
pub(super) fn engines_of(
    tenant: &Arc<Tenant>,
    language: &'static str,
) -> impl Iterator<Item = Arc<Environment<'static>>> {
    let operators = &tenant.operator_templates;
    let has_own = words(tenant, language).is_some() || !tenant.file.templates.is_empty();
    let own = has_own.then(|| {
        let make = || {
            let replacing = [&**operators, &tenant.file.templates];
            engine(language, Some(tenant.clone()), &replacing)
        };
        held((&tenant.id, language), tenant.clone(), make)
    });
    let operators = (!operators.is_empty()).then(|| {
        let make = || engine(language, None, &[operators]);
        held(("", language), operators.clone(), make)
    });
    own.into_iter().chain(operators)
}

fn held(
    (id, language): (&str, &'static str),
    source: Source,
    make: impl FnOnce() -> Environment<'static>,
) -> Arc<Environment<'static>> {
    let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (id.to_owned(), language);
    let known = engines
        .get(&key)
        .filter(|(of, _)| std::ptr::addr_eq(of.as_ptr(), Arc::as_ptr(&source)));
    if let Some((_, engine)) = known {
        return engine.clone();
    }
    engines.retain(|_, (of, _)| of.strong_count() > 0);
    let engine = Arc::new(make());
    engines.insert(key, (Arc::downgrade(&source), engine.clone()));
    engine
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::sample_tenant;

    #[test]
    fn only_texts_that_there_are_can_be_replaced() {
        for (texts, field, message) in [
            (
                "de.sign_in.title = 'Hallo {product}'",
                "texts.de.sign_in.title",
                "nothing fills `{product}` here",
            ),
            (
                "de.sign_in.titel = 'Hallo'",
                "texts.de.sign_in.titel",
                "there is no such text",
            ),
            (
                "de.sign_in = 'Hallo'",
                "texts.de.sign_in",
                "there is no such text",
            ),
            (
                "tlh.sign_in.title = 'x'",
                "texts.tlh",
                "there are no texts in `tlh`",
            ),
            (
                "en.sign_in.to = 'to {product'",
                "texts.en.sign_in.to",
                "a placeholder is a name between { and }",
            ),
            (
                "en.sign_in.to = \"a\\nb\"",
                "texts.en.sign_in.to",
                "has at most 2000 characters and no control characters",
            ),
        ] {
            let faults = check(&sample_tenant(&format!("[texts]\n{texts}")).file);
            let told: Vec<_> = faults
                .iter()
                .map(|fault| (&*fault.field, &*fault.message))
                .collect();
            assert_eq!(told, [(field, message)]);
        }
        let good = "en.sign_in.to = 'on to {product}'\nen.sign_in.title = 'Hello'\nar.field.password_hint.few = '{count}'";
        assert_eq!(check(&sample_tenant(&format!("[texts]\n{good}")).file), []);
    }
}
