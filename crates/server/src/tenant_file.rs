//! Reading tenant files: every fault is told with its line and, where a word is misspelt, the nearest right one.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use lettre::message::Mailbox;
use toml::de::{DeTable, DeValue};
use vestibule_dialect::Dialects;
use vestibule_identity::{TenantFile, check_file};

use crate::mail::SmtpUrl;
use crate::settings::{is_reference, line_of, suggestion};

/// Reads and checks one file; `dialects` are those that the server knows.
pub fn read(path: &Path, dialects: &Dialects) -> anyhow::Result<TenantFile> {
    let shown = path.display().to_string();
    let bytes = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let text =
        String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{shown}: is not UTF-8 text"))?;
    parse(&shown, &text, dialects)
}

/// The same from text; `name` is for messages.
pub fn parse(name: &str, text: &str, dialects: &Dialects) -> anyhow::Result<TenantFile> {
    let file: TenantFile = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        anyhow::anyhow!("{name}:{line}: {}", reworded(error.message()))
    })?;
    let faults = check_file(&file)
        .into_iter()
        .map(|fault| (fault.field, fault.message));
    if let Some((field, message)) = faults
        .chain(check_mail(&file))
        .chain(check_dialects(&file, dialects))
        .next()
    {
        bail!(
            "{name}:{}: `{field}`: {message}",
            line_of_field(text, &field)
        );
    }
    Ok(file)
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
    let listed = file
        .dialects
        .iter()
        .filter(is_unknown)
        .map(|name| ("dialects".to_owned(), unknown(name)));
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

/// The line of a setting given by its dotted name, or of the nearest table around it.
fn line_of_field(text: &str, field: &str) -> usize {
    let Ok(root) = DeTable::parse(text) else {
        return 1;
    };
    let mut table = root.get_ref();
    let mut at = 0;
    for name in field.split('.') {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == name) else {
            break;
        };
        at = key.span().start;
        table = match value.get_ref() {
            DeValue::Table(inner) => inner,
            DeValue::Array(items) => match items.first().map(|item| item.get_ref()) {
                Some(DeValue::Table(first)) => first,
                _ => break,
            },
            _ => break,
        };
    }
    line_of(text, at)
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
}
