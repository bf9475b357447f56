//! Templates that a tenant or the operator puts in place of ours: checked when the tenant's file is applied, or the server
//! starts. One that fails all the same is logged, and ours is shown.

use std::collections::BTreeSet;

use minijinja::Environment;
use vestibule_identity::Templates;

use super::own::TextFault;
use super::{ENGINES, bounds, texts, values};
use crate::language;

/// A template is no longer, in bytes.
const LONGEST: usize = 64 * 1024;
/// All that stand in for ours together; they are compiled anew for each language.
const LONGEST_TOGETHER: usize = 256 * 1024;
/// Steps that such a page may take; ours take some thousand.
const FUEL: u64 = 100_000;
/// What every page and mail can ask for, beside what our own template of that name asks for.
const EVERYWHERE: [&str; 11] = [
    values::MEASURED,
    "say",
    "languages",
    "lang",
    "dir",
    "product",
    "support",
    "terms",
    "privacy",
    "request_id",
    "home",
];

/// Puts the last that there is of each template in place of that which the engine has. From then on all of them are bounded, ours
/// too: they are called by those.
pub(super) fn replace(engine: &mut Environment<'static>, replacing: &[&Templates]) {
    engine.set_fuel(Some(FUEL));
    engine.set_formatter(|out, state, value| {
        values::counted(state, value, super::LONGEST)?;
        super::escaped(out, state, value)
    });
    let ours = engine.templates();
    let ours: Templates = ours
        .map(|(name, template)| (name.to_owned(), template.source().to_owned()))
        .collect();
    let few = replacing.iter().copied().filter(|templates| {
        let few = together(templates) <= LONGEST_TOGETHER;
        if !few {
            tracing::error!("the templates of a tenant or the operator have more than 256 KiB together; ours are used");
        }
        few
    });
    let all = [&ours].into_iter().chain(few);
    for (name, source) in all.flatten() {
        let fault = match bounds::bounded(source) {
            Ok(source) => engine
                .add_template_owned(name.clone(), source)
                .err()
                .map(|error| error.to_string()),
            Err(unbounded) => Some(unbounded.message),
        };
        if let Some(error) = fault {
            tracing::error!(template = name, %error, "a template of a tenant or the operator cannot be used; ours is");
        }
    }
}

/// Bytes of all of them.
fn together(templates: &Templates) -> usize {
    templates.values().map(String::len).sum()
}

/// What is wrong with templates that are to stand in for ours; empty when they can.
pub fn check(templates: &Templates) -> Vec<TextFault> {
    let Some(ours) = ENGINES.get(language::DEFAULT) else {
        return Vec::new();
    };
    if together(templates) > LONGEST_TOGETHER {
        return vec![TextFault {
            field: "templates".to_owned(),
            message: "have 256 KiB together at most".to_owned(),
            word: String::new(),
            known: Vec::new(),
        }];
    }
    let mut faults = Vec::new();
    for (name, source) in templates {
        let fault = |message: String, word: &str, known: Vec<&'static str>| TextFault {
            field: format!("templates.{name}"),
            message,
            word: word.to_owned(),
            known,
        };
        let names = ours.templates().map(|(name, _)| name);
        let names: Vec<&'static str> = names.filter(|name| !name.starts_with("demo/")).collect();
        if !names.contains(&name.as_str()) {
            faults.push(fault("there is no such template".into(), name, names));
        } else if source.len() > LONGEST {
            faults.push(fault("has 64 KiB at most".into(), "", Vec::new()));
        } else if let Some((message, word, known)) = first_fault(ours, name, source) {
            faults.push(fault(message, &word, known));
        }
    }
    faults
}

fn first_fault(
    ours: &Environment<'static>,
    name: &str,
    source: &str,
) -> Option<(String, String, Vec<&'static str>)> {
    let source_bounded = match bounds::bounded(source) {
        Ok(bounded) => bounded,
        Err(fault) => {
            let message = format!("line {}: {}", fault.line, fault.message);
            return Some((message, fault.word, fault.known));
        }
    };
    let mut engine = ours.clone();
    if let Err(error) = engine.add_template_owned(name.to_owned(), source_bounded) {
        let line = error.line().unwrap_or(1);
        let why = error.detail().unwrap_or("does not compile").to_owned();
        return Some((format!("line {line}: {why}"), String::new(), Vec::new()));
    }
    let asked = engine.get_template(name).ok()?.undeclared_variables(false);
    let asked: BTreeSet<String> = asked.into_iter().collect();
    let known = fillable(ours, name);
    if let Some(unknown) = asked.iter().find(|asked| !known.contains(*asked)) {
        let message = format!("nothing fills `{unknown}` here");
        return Some((message, String::new(), Vec::new()));
    }
    let keys: Vec<&'static str> = texts::of(language::DEFAULT)?
        .keys()
        .map(String::as_str)
        .collect();
    let said = source.split("say(\"").skip(1);
    for key in said.filter_map(|rest| Some(rest.split_once('"')?.0)) {
        let is_known = |known: &&str| {
            *known == key
                || known
                    .strip_prefix(key)
                    .is_some_and(|rest| rest.starts_with('.'))
        };
        if !key.ends_with(['.', '_']) && !keys.iter().any(is_known) {
            return Some((format!("there is no text `{key}`"), key.to_owned(), keys));
        }
    }
    None
}

/// What our templates of the same kind ask for, or are given for parts of theirs.
fn fillable(ours: &Environment<'static>, name: &str) -> BTreeSet<String> {
    let frame = if name.starts_with("mail/") {
        "mail/frame.html"
    } else {
        "frame.html"
    };
    let twin = match name.rsplit_once('.') {
        Some((stem, "txt")) => format!("{stem}.html"),
        Some((stem, _)) => format!("{stem}.txt"),
        None => String::new(),
    };
    let mut known: BTreeSet<String> = EVERYWHERE.iter().map(|name| (*name).to_owned()).collect();
    for template in [name, &twin, frame] {
        let template = ours.get_template(template).ok();
        known.extend(
            template
                .into_iter()
                .flat_map(|template| template.undeclared_variables(false)),
        );
    }
    known
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use minijinja::context;
    use vestibule_identity::Tenant;

    use super::*;
    use crate::site::sample_tenant;
    use crate::templates::render;

    fn with(name: &str, source: &str) -> Tenant {
        sample_tenant(&format!("[templates]\n'{name}' = '''{source}'''"))
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (name, source, message) in [
            ("sign-on.html", "", "there is no such template"),
            ("demo/home.html", "", "there is no such template"),
            ("sign-in.html", "<p>\n{% if %}", "line 2: "),
            (
                "sign-in.html",
                "{{ pasword }}",
                "nothing fills `pasword` here",
            ),
            (
                "sign-in.html",
                "{{ say(\"sign_in.titel\") }}",
                "there is no text `sign_in.titel`",
            ),
            ("mail/welcome.exe", "", "there is no such template"),
        ] {
            let faults = check(&with(name, source).file.templates);
            assert_eq!(faults.len(), 1, "{name}: {source}");
            assert!(faults[0].message.starts_with(message), "{faults:?}");
        }
        let good = "{% extends \"frame.html\" %}{% block title %}x{% endblock %}{% block content %}{{ say(\"sign_in.title\") }} {{ email }} {{ product }}{% endblock %}";
        assert_eq!(check(&with("sign-in.html", good).file.templates), []);
        assert_eq!(
            check(
                &with("mail/verify-email.txt", "{{ product }} {{ link }}")
                    .file
                    .templates
            ),
            []
        );
    }

    #[test]
    fn together_they_are_not_long_either() {
        let names = ENGINES[language::DEFAULT].templates();
        let names = names.map(|(name, _)| name.to_owned());
        let names = names.filter(|name| !name.starts_with("demo/"));
        let mut templates: Templates = names
            .take(4)
            .map(|name| (name, "x".repeat(LONGEST)))
            .collect();
        assert_eq!(check(&templates), []);
        templates.insert("verify-email.html".into(), "theirs".into());
        let faults = check(&templates);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].field, "templates");
        assert_eq!(faults[0].message, "have 256 KiB together at most");
        // Stored by an earlier version.
        let mut tenant = with("verify-email.html", "");
        tenant.file.templates = templates;
        let values =
            context! { email => "ada@example.com", ..crate::templates::base(None, "r1", "en") };
        let html = render(Some(&Arc::new(tenant)), "en", "verify-email.html", values).unwrap();
        assert!(html.contains("<title>"), "{html}");
    }

    #[test]
    fn every_template_of_ours_passes_its_own_check() {
        let ours = &ENGINES[language::DEFAULT];
        for (name, template) in ours
            .templates()
            .filter(|(name, _)| !name.starts_with("demo/"))
        {
            assert_eq!(first_fault(ours, name, template.source()), None, "{name}");
        }
    }

    #[test]
    fn one_that_fails_gives_way_to_ours() {
        let piece = "x".repeat(1_000);
        let long = format!("{{% for a in range(2000) %}}{piece}{{% endfor %}}");
        for (source, shown) in [
            ("<b>{{ email }}</b>", "<b>ada@example.com</b>"),
            ("{{ email.x.y }}", "<title>"),
            ("{% if %}", "<title>"),
            (
                "{% for a in range(9999) %}{% for b in range(9999) %}.{% endfor %}{% endfor %}",
                "<title>",
            ),
            (&long, "<title>"),
        ] {
            let tenant = Arc::new(with("verify-email.html", source));
            let base = crate::templates::base(Some(&tenant), "r1", "en");
            let values = context! { email => "ada@example.com", ..base };
            let html = render(Some(&tenant), "en", "verify-email.html", values).unwrap();
            assert!(html.contains(shown), "{source}: {html}");
        }
    }
}
