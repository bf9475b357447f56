//! Reading tenant files: every fault is told with its line and, where a word is misspelt, the nearest right one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use lettre::message::Mailbox;
use toml::de::{DeTable, DeValue};
use vestibule_dialect::Dialects;
use vestibule_identity::{TenantFile, check_file};

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

/// Reads and checks the files of one call, each and against each other; `dialects` are those that the server knows.
pub fn read_all(
    paths: &[PathBuf],
    dialects: &Dialects,
) -> anyhow::Result<Vec<(Source, TenantFile)>> {
    let mut read: Vec<(Source, TenantFile)> = Vec::with_capacity(paths.len());
    for path in paths {
        let source = load(path)?;
        let file = check(&source, dialects)?;
        for (earlier, other) in &read {
            check_pair(&source, &file, earlier, other)?;
        }
        read.push((source, file));
    }
    Ok(read)
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

fn check_dialects(file: &TenantFile, known: &Dialects) -> Vec<(String, String)> {
    let unknown = |name: &str| {
        format!(
            "there is no dialect `{name}`{}",
            suggestion(name, known.names())
        )
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
mod tests {
    use super::*;

    const GOOD: &str =
        "slug = \"acme\"\nname = \"Acme\"\ndialects = [\"rezi\"]\n\n[session]\nidle = \"7d\"\n";

    fn refusal(text: &str) -> String {
        format!(
            "{:#}",
            parse("acme.toml", text, &Dialects::builtin().unwrap()).unwrap_err()
        )
    }

    #[test]
    fn a_good_file_is_read() {
        let file = parse("acme.toml", GOOD, &Dialects::builtin().unwrap()).unwrap();
        assert_eq!(file.slug, "acme");
    }

    #[test]
    fn misspelt_words_are_told_with_line_and_right_word() {
        for (text, message) in [
            (
                GOOD.replace("name =", "nam ="),
                "acme.toml:2: unknown setting `nam`; did you mean `name`?",
            ),
            (
                GOOD.replace("idle", "idel"),
                "acme.toml:6: unknown setting `idel`; did you mean `idle`?",
            ),
            (
                format!("{GOOD}[registration]\ncaptcha = \"turnstil\"\n"),
                "acme.toml:8: unknown value `turnstil`; did you mean `turnstile`?",
            ),
            (
                GOOD.replace("rezi", "rezzi"),
                "acme.toml:3: `dialects`: there is no dialect `rezzi`; did you mean `rezi`?",
            ),
            (
                format!("{GOOD}[dialect.enclave]\n"),
                "acme.toml:7: `dialect.enclave`: there is no dialect `enclave`; did you mean `enclaive`?",
            ),
        ] {
            assert_eq!(refusal(&text), message);
        }
    }

    #[test]
    fn wrong_values_are_told_with_their_line() {
        let provider = "[[provider]]\nkind = \"google\"\nclient_id = \"x\"\n";
        for (text, start) in [
            (
                GOOD.replace("7d", "7 days"),
                "acme.toml:6: `7 days` is not a span of time",
            ),
            (GOOD.replace("7d", "95d"), "acme.toml:6: `session.idle`: "),
            (
                GOOD.replace("\"acme\"", "\"Acme!\""),
                "acme.toml:1: `slug`: ",
            ),
            (GOOD.replace("\"Acme\"", "5"), "acme.toml:2: "),
            (
                GOOD.replace("name = \"Acme\"", "name = \"Acme"),
                "acme.toml:2: ",
            ),
            (
                format!("{GOOD}[password]\nmin_length = 4\n"),
                "acme.toml:8: `password.min_length`: ",
            ),
            (
                format!("{GOOD}[mail]\nfrom = \"nobody\"\n"),
                "acme.toml:8: `mail.from`: ",
            ),
            (
                format!("{GOOD}[mail]\nsmtp_url = \"smtp://u:hunter2@mail\"\n"),
                "acme.toml:8: `mail.smtp_url`: holds a password",
            ),
            (
                format!("{GOOD}[[provider]]\nkind = \"google\"\nclient_id = \" \"\n"),
                "acme.toml:9: `provider.client_id`: ",
            ),
            (
                format!("{GOOD}{provider}{provider}"),
                "acme.toml:11: `provider.kind`: there is a provider of this kind already",
            ),
            (
                GOOD.replace("[\"rezi\"]", "[\n  \"rezi\",\n  \"rezi\",\n]"),
                "acme.toml:5: `dialects`: `rezi` is listed twice",
            ),
            (
                format!("domains = [\n\"a.test\",\n\"b.test\",\n\"A.test\"]\n{GOOD}"),
                "acme.toml:4: `domains`: `A.test` is listed twice",
            ),
            (
                format!("{GOOD}[registration]\ncaptcha_secret = \"hunter2\"\n"),
                "acme.toml:8: `registration.captcha_secret`: names where the secret is",
            ),
            (
                format!("{GOOD}[mail]\nfrom = \"Acme\\n<a@acme.test>\"\n"),
                "acme.toml:8: `mail.from`: a sender is one line",
            ),
            (
                format!("{GOOD}[dialect.enclaive]\naudience = \"\"\n"),
                "acme.toml:8: `dialect.enclaive.audience`: ",
            ),
        ] {
            let message = refusal(&text);
            assert!(
                message.starts_with(start)
                    && !message.contains("hunter2")
                    && !message.contains('\n'),
                "{message}"
            );
        }
    }

    fn refusal_of_both(one: &str, other: &str) -> String {
        let folder = crate::temporary::Folder::create("tenants").unwrap();
        let paths = [("one.toml", one), ("other.toml", other)].map(|(name, text)| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        });
        let error = read_all(&paths, &Dialects::builtin().unwrap()).unwrap_err();
        format!("{error:#}").replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn files_of_one_call_must_not_contradict_each_other() {
        let domains = "domains = [\"lms.acme.test\"]\n";
        let other = GOOD.replace("acme", "other");
        assert_eq!(
            refusal_of_both(
                &format!("{domains}{GOOD}"),
                &format!("domains = [\n  \"x.test\",\n  \"LMS.acme.test\",\n]\n{other}")
            ),
            "other.toml:3: `domains`: `lms.acme.test` belongs to `acme`, as one.toml says"
        );
        assert_eq!(
            refusal_of_both(GOOD, GOOD),
            "other.toml:1: `slug`: one.toml describes this tenant already"
        );
    }
}
