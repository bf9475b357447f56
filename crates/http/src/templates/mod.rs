//! The embedded templates, texts and files of hosted pages and mails.

mod bounds;
pub(crate) mod own;
mod patience;
pub(crate) mod replaced;
#[cfg(test)]
mod tests;
pub(crate) mod texts;
mod values;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock, Weak};

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use include_dir::{Dir, include_dir};
use minijinja::value::Kwargs;
use minijinja::{
    AutoEscape, Environment, Output, State, UndefinedBehavior, Value, context,
    default_auto_escape_callback, escape_formatter,
};
use vestibule_identity::{Error, Picture, Templates, Tenant};

use self::patience::Tried;
use self::texts::Voice;
use crate::brand;
use crate::language;
use crate::site::Site;

static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../pages/templates");
pub(crate) static ASSETS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../pages/assets");

/// One for each language: what `say` says is bound to it, in macros too.
static ENGINES: LazyLock<BTreeMap<&'static str, Arc<Environment<'static>>>> = LazyLock::new(|| {
    let engines =
        texts::languages().map(|language| (language, Arc::new(engine(language, None, &[]))));
    engines.collect()
});
/// Part of every asset's address: changes when any of them does.
pub(crate) static ASSETS_HASH: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    for file in ASSETS.files() {
        (file.path(), file.contents()).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
});

/// Says the tenant's words, and has the last of `replacing` that there is of each template.
fn engine(
    language: &'static str,
    tenant: Option<&Arc<Tenant>>,
    replacing: &[&Templates],
) -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_auto_escape_callback(default_auto_escape_callback);
    values::install(&mut env);
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    env.set_formatter(escaped);
    // Whoever fills a template holds the tenant; the engine of one that is gone must not keep it.
    let tenant = tenant.map(Arc::downgrade);
    env.add_function("say", move |key: &str, values: Kwargs| {
        let tenant = tenant.as_ref().and_then(Weak::upgrade);
        let tenant = tenant.as_deref();
        texts::say(Voice { language, tenant }, key, &values)
    });
    env.add_function("languages", languages);
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
    if replacing.iter().any(|templates| !templates.is_empty()) {
        replaced::replace(&mut env, replacing);
    }
    env
}

/// `languages(account.locale)` in templates: what may be chosen from, under the languages' own names. A tag that stands for
/// one of ours stays as it is when nothing else is chosen, and so does one of none of ours.
fn languages(current: &str) -> Vec<Value> {
    let of_ours = language::of_tag(current);
    let other = of_ours.is_none() && !current.is_empty();
    let other = other.then(|| context! { value => current, name => current, chosen => true });
    let ours = texts::languages().map(|tag| {
        let chosen = of_ours == Some(tag);
        let value = if chosen { current } else { tag };
        context! { value, tag, name => text(tag, "language.name"), chosen }
    });
    other.into_iter().chain(ours).collect()
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

/// The words for an error in the reader's language: for its reason, else for its kind; and where there are none of ours, the
/// core's own.
pub(crate) fn error_text(voice: Voice<'_>, error: &Error) -> String {
    let code = error.kind.code();
    let of_reason = error.reason().and_then(|(reason, number)| {
        let text = voice.counted(&format!("error.{code}.{reason}"), number.into())?;
        let filled = texts::fill(text, |_| Ok::<_, ()>(number.to_string()));
        filled.ok()
    });
    let of_kind = || {
        let key = format!("error.{code}");
        let text = voice
            .text(&key)
            .or_else(|| voice.text(&format!("{key}.text")));
        text.map(str::to_owned)
    };
    let detail = || {
        error
            .detail()
            .filter(|_| voice.language == language::DEFAULT)
    };
    of_reason
        .or_else(|| detail().map(str::to_owned))
        .or_else(of_kind)
        .unwrap_or_else(|| error.message().to_owned())
}

/// The text of that key, in that language.
pub(crate) fn text(language: &str, key: &str) -> Option<&'static str> {
    texts::text(language, key)
}

/// No page and no mail is longer, in bytes.
const LONGEST: usize = 1024 * 1024;

/// What a template writes, up to [`LONGEST`].
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(std::io::Error::other("it writes more than 1 MiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A template filled with values, in one of the languages that there are and the tenant's own words.
pub(crate) fn render(
    tenant: Option<&Arc<Tenant>>,
    language: &'static str,
    name: &str,
    values: Value,
) -> Result<String, Error> {
    let filled = |engine: &Environment<'static>, values| {
        let template = engine.get_template(name)?;
        let mut text = Bounded(Vec::new());
        template.render_captured_to(values, &mut text)?;
        Ok::<_, minijinja::Error>(String::from_utf8_lossy(&text.0).into_owned())
    };
    let own = tenant
        .into_iter()
        .flat_map(|tenant| own::engines_of(tenant, language));
    for own in own {
        let tenant = tenant.map_or("", |tenant| tenant.slug());
        match own.fill(name, |engine| filled(engine, values.clone())) {
            Tried::Filled(Ok(text)) | Tried::Slow(_, Ok(text)) => return Ok(text),
            Tried::Filled(Err(error)) | Tried::Slow(_, Err(error)) => {
                tracing::error!(tenant, template = name, %error, "a template or text of the tenant's or the operator's fails; the next one is used");
            }
            Tried::PassedOver => {}
            Tried::NoTurn(times) => {
                // Whoever floods the pages must not flood the log as well.
                if times.is_power_of_two() {
                    tracing::warn!(
                        tenant,
                        template = name,
                        times,
                        "no turn in time for a template of the tenant's or the operator's; ours is used"
                    );
                }
                break;
            }
        }
    }
    let ours = ENGINES
        .get(language)
        .or_else(|| ENGINES.get(language::DEFAULT))
        .ok_or_else(|| Error::internal("there are no texts"))?;
    filled(ours, values).map_err(Error::internal)
}

/// What the frame around every page needs; without a tenant, ours.
pub(crate) fn base(tenant: Option<&Arc<Tenant>>, request_id: &str, lang: &str) -> Value {
    let tenant = tenant.map(AsRef::as_ref);
    context! {
        lang,
        dir => language::direction(lang),
        request_id,
        product => tenant.map_or("Vestibule", Tenant::product),
        support => tenant.and_then(support),
        terms => tenant.and_then(|tenant| tenant.file.branding.terms.as_deref()),
        privacy => tenant.and_then(|tenant| tenant.file.branding.privacy.as_deref()),
        logo => tenant.and_then(logo),
        style => asset("style.css"),
        page_script => asset("page.js"),
        wrong => "",
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

/// The address of the tenant's logo; it changes with the picture.
fn logo(tenant: &Tenant) -> Option<String> {
    let (hash, kind) = Picture::parts(tenant.file.branding.logo.as_deref()?)?;
    Some(format!("/assets/{hash}/logo.{kind}"))
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
    let tenant = Some(&site.cx.tenant);
    let html = render(tenant, site.language(), name, context! { ..values, ..base })?;
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
    let names = ENGINES[language::DEFAULT]
        .templates()
        .map(|(name, _)| name.to_owned());
    names.filter(|name| !name.starts_with("mail/")).collect()
}
