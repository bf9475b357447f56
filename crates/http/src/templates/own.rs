//! What a tenant says in its own words: checked when its file is applied, used when its pages and mails are filled.

use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, OnceLock, Weak};

use minijinja::Environment;
use parking_lot::Mutex;
use vestibule_identity::{Templates, Tenant, TenantFile, Words};

use super::patience::{self, Pace, Tried};
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

/// What engines are made from: they are made anew when that has changed.
type Source = Arc<dyn Any + Send + Sync>;
type Engine = Arc<OnceLock<Environment<'static>>>;

/// What is kept of a tenant, or of the operator.
struct Kept {
    source: Weak<dyn Any + Send + Sync>,
    /// One for each language, made when first used.
    engines: HashMap<&'static str, Engine>,
    pace: Arc<Pace>,
}

/// By the tenant's id, the operator's by an empty one. No engine is made while this is locked: all tenants look here.
static KEPT: LazyLock<Mutex<HashMap<String, Kept>>> = LazyLock::new(Mutex::default);

fn kept(id: &str, language: &'static str, source: &Source) -> (Engine, Arc<Pace>) {
    let mut all = KEPT.lock();
    let is_same = |kept: &Kept| std::ptr::addr_eq(kept.source.as_ptr(), Arc::as_ptr(source));
    if !all.get(id).is_some_and(is_same) {
        all.remove(id);
        all.retain(|_, kept| kept.source.strong_count() > 0);
    }
    let kept = all.entry(id.to_owned()).or_insert_with(|| Kept {
        source: Arc::downgrade(source),
        engines: HashMap::new(),
        pace: Arc::default(),
    });
    let engine = kept.engines.entry(language).or_default();
    (engine.clone(), kept.pace.clone())
}

/// An engine that is tried before ours.
pub(super) struct Own<'a> {
    tenant: &'a Arc<Tenant>,
    language: &'static str,
    engine: Engine,
    /// Of its templates in all languages.
    pub(super) pace: Arc<Pace>,
    of_tenant: bool,
}

/// What is tried for this tenant before ours: its own words and templates, with the operator's templates where it has none;
/// then the operator's alone.
pub(super) fn engines_of<'a>(
    tenant: &'a Arc<Tenant>,
    language: &'static str,
) -> impl Iterator<Item = Own<'a>> {
    let operators = &tenant.operator_templates;
    let has_own = words(tenant, language).is_some() || !tenant.file.templates.is_empty();
    let own = move |id: &str, source: Source, of_tenant| {
        let (engine, pace) = kept(id, language, &source);
        Own {
            tenant,
            language,
            engine,
            pace,
            of_tenant,
        }
    };
    let tenants = has_own.then(|| own(&tenant.id, tenant.clone(), true));
    let operators = (!operators.is_empty()).then(|| own("", operators.clone(), false));
    tenants.into_iter().chain(operators)
}

impl Own<'_> {
    /// What `fill` makes of the template of that name with this engine.
    pub(super) fn fill<T>(
        &self,
        name: &str,
        fill: impl FnOnce(&Environment<'static>) -> T,
    ) -> Tried<T> {
        // With words alone the templates are ours, whose cost is known.
        if self
            .replacing()
            .iter()
            .all(|templates| templates.is_empty())
        {
            return Tried::Filled(fill(self.engine()));
        }
        let tried = patience::patiently(&self.pace, || self.engine(), fill);
        if let Tried::Slow(took, _) = &tried {
            let (tenant, took) = (self.tenant.slug(), took.as_millis());
            tracing::error!(
                tenant,
                template = name,
                "a template of the tenant's or the operator's took {took} ms; ours are used until it changes"
            );
        }
        tried
    }

    fn replacing(&self) -> Vec<&Templates> {
        let operators = &*self.tenant.operator_templates;
        match self.of_tenant {
            true => vec![operators, &self.tenant.file.templates],
            false => vec![operators],
        }
    }

    fn engine(&self) -> &Environment<'static> {
        self.engine.get_or_init(|| {
            let speaking = self.of_tenant.then_some(self.tenant);
            engine(self.language, speaking, &self.replacing())
        })
    }
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
