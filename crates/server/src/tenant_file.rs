//! Reading tenant files: every fault is told with its line and, where a word is misspelt, the nearest right one.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use lettre::message::Mailbox;
use toml::de::{DeTable, DeValue};
use vestibule_dialect::Dialects;
use vestibule_http::TextFault;
use vestibule_identity::{Picture, TenantFile, check_file};

use crate::mail::SmtpUrl;
use crate::settings::{is_reference, line_of, suggestion};

/// A tenant file's text, to find the lines of its settings.
#[derive(Debug)]
pub struct Source {
    /// As messages name it.
    pub name: String,
    text: String,
}

impl Source {
    /// A fault of the setting with that dotted name, told with its line.
    pub fn fault(&self, field: &str, message: &str) -> anyhow::Error {
        let line = line_of_field(&self.text, field);
        let is_name = |part: &&str| part.parse::<usize>().is_err();
        let shown: Vec<&str> = field.split('.').filter(is_name).collect();
        anyhow::anyhow!("{}:{line}: `{}`: {message}", self.name, shown.join("."))
    }
}

/// A tenant as its file and what lies beside it describe it.
#[derive(Debug)]
pub struct Described {
    pub source: Source,
    pub file: TenantFile,
    pub picture: Option<Picture>,
}

/// Reads and checks the files of one call, each and against each other; `dialects` are those that the server knows.
pub fn read_all(paths: &[PathBuf], dialects: &Dialects) -> anyhow::Result<Vec<Described>> {
    let mut read: Vec<Described> = Vec::with_capacity(paths.len());
    for path in paths {
        let source = load(path)?;
        let mut file = check(&source, dialects)?;
        for earlier in &read {
            check_pair(&source, &file, &earlier.source, &earlier.file)?;
        }
        let picture = picture(path, &source, &mut file)?;
        templates(path, &source, &mut file)?;
        read.push(Described {
            source,
            file,
            picture,
        });
    }
    Ok(read)
}

/// Takes in the templates that lie beside the file (`file:NAME`), and checks them.
fn templates(path: &Path, source: &Source, file: &mut TenantFile) -> anyhow::Result<()> {
    for (name, text) in &mut file.templates {
        let Some(beside) = text.strip_prefix("file:").map(str::trim) else {
            continue;
        };
        let fault = |message: String| source.fault(&format!("templates.{name}"), &message);
        if !is_text_for_all(beside) {
            return Err(fault(format!(
                "`{beside}` will be shown to everybody: its name must end in {}",
                SHOWN.map(|ending| format!("`.{ending}`")).join(" or ")
            )));
        }
        let place = beside_file(path, beside).map_err(&fault)?;
        let read = fs::read_to_string(&place);
        *text = read.map_err(|error| fault(format!("cannot read {}: {error}", place.display())))?;
    }
    match told(vestibule_http::check_templates(&file.templates)).next() {
        Some((field, message)) => Err(source.fault(&field, &message)),
        None => Ok(()),
    }
}

/// How files are called that templates may be read from. Whoever writes tenant files must not publish what else lies beside
/// them: settings, the secret key, other tenants' files.
const SHOWN: [&str; 2] = ["html", "txt"];

fn is_text_for_all(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| SHOWN.contains(&ending))
}

/// The logo that the file names, which lies beside it; from here on the file calls it by its content's name. That of a picture
/// which is stored already, as `tenant export` prints it, needs no file.
fn picture(path: &Path, source: &Source, file: &mut TenantFile) -> anyhow::Result<Option<Picture>> {
    let Some(logo) = file.branding.logo.clone() else {
        return Ok(None);
    };
    let fault = |message: String| source.fault("branding.logo", &message);
    let place = beside_file(path, &logo).map_err(fault)?;
    let bytes = match fs::read(&place) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound && Picture::parts(&logo).is_some() => {
            return Ok(None);
        }
        Err(error) => return Err(fault(format!("cannot read {}: {error}", place.display()))),
    };
    let picture = Picture::read(bytes).map_err(|why| fault(format!("`{logo}` {why}")))?;
    file.branding.logo = Some(picture.name().to_owned());
    Ok(Some(picture))
}

/// The file of that name beside the tenant file, or in a folder beside it: who may write tenant files may not read everything
/// that the server may.
fn beside_file(path: &Path, name: &str) -> Result<PathBuf, String> {
    let mut parts = Path::new(name).components();
    let is_name = !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)));
    let place = path.with_file_name(name);
    // Nor by a link. A file that is not there is told by who reads it.
    let real = |path: &Path| fs::canonicalize(path).ok();
    let is_inside = match (real(&place), real(&path.with_file_name("."))) {
        (Some(place), Some(folder)) => place.starts_with(folder) && place.is_file(),
        _ => true,
    };
    match is_name && is_inside {
        true => Ok(place),
        false => Err(format!(
            "`{name}` is not the name of a file beside this one"
        )),
    }
}

fn load(path: &Path) -> anyhow::Result<Source> {
    let name = path.display().to_string();
    let bytes = fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let text =
        String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{name}: is not UTF-8 text"))?;
    Ok(Source { name, text })
}

/// One tenant is described once, and a domain belongs to one tenant.
fn check_pair(
    source: &Source,
    file: &TenantFile,
    earlier: &Source,
    other: &TenantFile,
) -> anyhow::Result<()> {
    if file.slug == other.slug {
        let message = format!("{} describes this tenant already", earlier.name);
        return Err(source.fault("slug", &message));
    }
    for (at, domain) in file.canonical_domains() {
        if other.canonical_domains().any(|(_, taken)| taken == domain) {
            let message = format!(
                "`{domain}` belongs to `{}`, as {} says",
                other.slug, earlier.name
            );
            return Err(source.fault(&format!("domains.{at}"), &message));
        }
    }
    Ok(())
}

/// Reads and checks one file's text; `name` is for messages.
pub fn parse(name: &str, text: &str, dialects: &Dialects) -> anyhow::Result<TenantFile> {
    let source = Source {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    check(&source, dialects)
}

fn check(source: &Source, dialects: &Dialects) -> anyhow::Result<TenantFile> {
    let Source { name, text } = source;
    let file: TenantFile = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        anyhow::anyhow!("{name}:{line}: {}", reworded(error.message()))
    })?;
    let faults = check_file(&file)
        .into_iter()
        .map(|fault| (fault.field, fault.message));
    let first = faults
        .chain(check_mail(&file))
        .chain(check_dialects(&file, dialects))
        .chain(check_texts(&file))
        .next();
    match first {
        Some((field, message)) => Err(source.fault(&field, &message)),
        None => Ok(file),
    }
}

/// serde's list of everything that would have been right becomes the nearest right word.
fn reworded(message: &str) -> String {
    let message = message.replace('\n', ", ");
    let unknown = ["unknown field ", "unknown variant "]
        .iter()
        .find(|start| message.starts_with(*start));
    let (Some(start), Some((_, expected))) = (unknown, message.split_once(", expected ")) else {
        return message;
    };
    let quoted = |text: &str| -> Vec<String> {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let word = quoted(&message).into_iter().next().unwrap_or_default();
    let candidates = quoted(expected);
    let kind = if start.contains("field") {
        "setting"
    } else {
        "value"
    };
    format!(
        "unknown {kind} `{word}`{}",
        suggestion(&word, candidates.iter().map(String::as_str))
    )
}

fn check_mail(file: &TenantFile) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    if let Some(from) = &file.mail.from
        && from.parse::<Mailbox>().is_err()
    {
        faults.push((
            "mail.from".to_owned(),
            format!("`{from}` is not a sender such as Acme <no-reply@acme.test>"),
        ));
    }
    let plain = file
        .mail
        .smtp_url
        .as_deref()
        .filter(|url| !is_reference(url));
    let fault = match plain.map(str::parse::<SmtpUrl>) {
        Some(Err(error)) => Some(format!("{error:#}")),
        Some(Ok(url)) if url.credentials.is_some() => Some(
            "holds a password; write env:NAME or file:PATH, which names where the URL is"
                .to_owned(),
        ),
        _ => None,
    };
    faults.extend(fault.map(|message| ("mail.smtp_url".to_owned(), message)));
    faults
}

fn check_texts(file: &TenantFile) -> impl Iterator<Item = (String, String)> + use<> {
    told(vestibule_http::check_texts(file))
}

/// Faults of texts and templates, with the nearest right word.
pub(crate) fn told(faults: Vec<TextFault>) -> impl Iterator<Item = (String, String)> {
    faults.into_iter().map(|fault| {
        let nearest = suggestion(&fault.word, fault.known.iter().copied());
        (fault.field, fault.message + &nearest)
    })
}

fn check_dialects(file: &TenantFile, known: &Dialects) -> Vec<(String, String)> {
    let unknown = |name: &str| {
        let nearest = suggestion(name, known.names());
        let own = match nearest.ends_with('?') {
            true => "",
            false => "; your own come with the folder that `--dialects` names",
        };
        format!("there is no dialect `{name}`{nearest}{own}")
    };
    let is_unknown = |name: &&String| known.get(name).is_none();
    let listed = file.dialects.iter().enumerate();
    let listed = listed
        .filter(|(_, name)| is_unknown(name))
        .map(|(at, name)| (format!("dialects.{at}"), unknown(name)));
    let tables = file
        .dialect
        .keys()
        .filter(is_unknown)
        .map(|name| (format!("dialect.{name}"), unknown(name)));
    let mounted: Vec<&str> = file
        .dialects
        .iter()
        .chain(file.dialect.keys())
        .map(String::as_str)
        .collect();
    let conflicts = known
        .conflicts(&mounted)
        .into_iter()
        .map(|conflict| ("dialects".to_owned(), conflict));
    listed.chain(tables).chain(conflicts).collect()
}

/// The line of a setting given by its dotted name, with places in lists from 0; or of the nearest thing around it.
fn line_of_field(text: &str, field: &str) -> usize {
    let Ok(root) = DeTable::parse(text) else {
        return 1;
    };
    let mut names = field.split('.');
    let first = names.next().and_then(|name| item(root.get_ref(), name));
    let Some((mut at, mut value)) = first else {
        return 1;
    };
    for name in names {
        let found = match value {
            DeValue::Table(table) => item(table, name),
            DeValue::Array(items) => name
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get(index))
                .map(|item| (item.span().start, item.get_ref())),
            _ => None,
        };
        let Some(found) = found else { break };
        (at, value) = found;
    }
    line_of(text, at)
}

fn item<'a, 'i>(table: &'a DeTable<'i>, name: &str) -> Option<(usize, &'a DeValue<'i>)> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    Some((key.span().start, value.get_ref()))
}

#[cfg(test)]
mod tests;
