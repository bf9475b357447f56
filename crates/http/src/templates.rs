//! The embedded templates, texts and files of hosted pages and mails.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use include_dir::{Dir, include_dir};
use minijinja::value::Kwargs;
use minijinja::{
    AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value, context,
    escape_formatter,
};
use vestibule_identity::{Error, Tenant};

use crate::brand;
use crate::site::Site;

static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../pages/templates");
static LOCALES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../pages/locales");
pub(crate) static ASSETS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../pages/assets");

/// The language of texts that another language lacks, and for now of every page.
pub(crate) const DEFAULT_LANGUAGE: &str = "en";

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(engine);
/// Language -> dotted key -> text with `{placeholders}`.
static TEXTS: LazyLock<BTreeMap<&'static str, HashMap<String, String>>> = LazyLock::new(texts);
/// Part of every asset's address: changes when any of them does.
pub(crate) static ASSETS_HASH: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    for file in ASSETS.files() {
        (file.path(), file.contents()).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
});

fn engine() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    env.set_formatter(escaped);
    env.add_function("say", say);
    for dir in [
        Some(&TEMPLATES),
        TEMPLATES.get_dir("mail"),
        TEMPLATES.get_dir("demo"),
    ]
    .into_iter()
    .flatten()
    {
        for file in dir.files() {
            let Some((name, source)) = file.path().to_str().zip(file.contents_utf8()) else {
                continue;
            };
            // A template with a fault in it stays out and its pages fail; the tests render every one.
            if let Err(error) = env.add_template(name, source) {
                tracing::error!(template = name, %error, "a template does not compile");
            }
        }
    }
    env
}

/// HTML escaping as OWASP asks for, without the engine's own of `/`, which makes addresses unreadable.
fn escaped(out: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    let text = value.as_str().filter(|_| !value.is_safe());
    let Some(mut rest) = text.filter(|_| matches!(state.auto_escape(), AutoEscape::Html)) else {
        return escape_formatter(out, state, value);
    };
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        let (before, after) = rest.split_at(at);
        out.write_str(before)?;
        out.write_str(match after.as_bytes().first() {
            Some(b'&') => "&amp;",
            Some(b'<') => "&lt;",
            Some(b'>') => "&gt;",
            Some(b'"') => "&quot;",
            _ => "&#x27;",
        })?;
        rest = &after[1..];
    }
    Ok(out.write_str(rest)?)
}

fn texts() -> BTreeMap<&'static str, HashMap<String, String>> {
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

fn flatten(prefix: &str, table: &toml::Table, flat: &mut HashMap<String, String>) {
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

/// The text of that key, in `lang` or else in the default language.
pub(crate) fn text(lang: &str, key: &str) -> Option<&'static str> {
    let of = |lang: &str| {
        TEXTS
            .get(lang)
            .and_then(|texts| texts.get(key))
            .map(String::as_str)
    };
    of(lang).or_else(|| of(DEFAULT_LANGUAGE))
}

/// The words for an error: what its detail says, else the reader's language, else the core's own.
pub(crate) fn error_text(lang: &str, error: &Error) -> String {
    let translated = || text(lang, &format!("error.{}", error.kind.code()));
    error
        .detail()
        .or_else(translated)
        .unwrap_or_else(|| error.message())
        .to_owned()
}

/// `say("sign_in.title", product=…)` in templates: the text, `{product}` filled. Not marked safe, so it is escaped.
fn say(state: &State, key: &str, values: Kwargs) -> Result<String, minijinja::Error> {
    let lang = state.lookup("lang").unwrap_or_default();
    let missing = || {
        minijinja::Error::new(
            ErrorKind::InvalidOperation,
            format!("there is no text `{key}`"),
        )
    };
    let mut rest = text(lang.as_str().unwrap_or(DEFAULT_LANGUAGE), key).ok_or_else(missing)?;
    let mut said = String::with_capacity(rest.len() + 32);
    // What is filled in is not searched again: a person may be called `{product}`.
    while let Some((before, (name, after))) = rest
        .split_once('{')
        .and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        said.push_str(before);
        said.push_str(&values.get::<Value>(name)?.to_string());
        rest = after;
    }
    said.push_str(rest);
    values.assert_all_used()?;
    Ok(said)
}

/// A template filled with values.
pub(crate) fn render(name: &str, values: Value) -> Result<String, Error> {
    ENGINE
        .get_template(name)
        .and_then(|template| template.render(values))
        .map_err(Error::internal)
}

/// What the frame around every page needs; without a tenant, ours.
pub(crate) fn base(tenant: Option<&std::sync::Arc<Tenant>>, request_id: &str, lang: &str) -> Value {
    let tenant = tenant.map(AsRef::as_ref);
    context! {
        lang,
        request_id,
        product => tenant.map_or("Vestibule", Tenant::product),
        support => tenant.and_then(support),
        style => format!("/assets/{}/style.css", *ASSETS_HASH),
        brand => tenant.map(|tenant| format!("/assets/{}/brand.css", brand_hash(tenant))),
    }
}

/// The address of one of our files.
pub(crate) fn asset(name: &str) -> String {
    format!("/assets/{}/{name}", *ASSETS_HASH)
}

/// Part of the address of the tenant's stylesheet.
pub(crate) fn brand_hash(tenant: &Tenant) -> String {
    let mut hasher = DefaultHasher::new();
    brand::stylesheet(tenant).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The tenant's support contact as label and link; one that is neither a mail address nor a web page has no link.
fn support(tenant: &Tenant) -> Option<Value> {
    let contact = tenant.file.branding.support.as_deref()?;
    let href = match contact {
        web if web.starts_with("https://") || web.starts_with("http://") => Some(web.to_owned()),
        mail if mail.contains('@') && !mail.contains(':') => Some(format!("mailto:{mail}")),
        _ => None,
    };
    Some(context! { label => contact, href })
}

/// A whole page for this site.
pub(crate) fn page(
    site: &Site,
    status: StatusCode,
    name: &str,
    values: Value,
) -> Result<Response, Error> {
    let base = base(Some(&site.cx.tenant), site.request_id(), site.language());
    let html = render(name, context! { ..values, ..base })?;
    let mut response = Response::new(html.into());
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    Ok(response)
}

/// The templates of pages; those of mails not.
#[cfg(test)]
pub(crate) fn page_names() -> Vec<String> {
    let names = ENGINE.templates().map(|(name, _)| name.to_owned());
    names.filter(|name| !name.starts_with("mail/")).collect()
}
