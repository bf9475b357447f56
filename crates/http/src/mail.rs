//! Mails from templates: the server's worker gives a mail, and sends what comes back.

use std::sync::Arc;

use minijinja::context;
use secrecy::{ExposeSecret, SecretString};
use vestibule_identity::{Mail, MailKind, Micros, Tenant};

use crate::brand;
use crate::language;
use crate::moment;
use crate::pages::device_values;
use crate::templates::{self, texts, texts::Voice};

/// A mail ready to be sent. The bodies may hold a link that is a secret.
#[derive(Clone)]
pub struct RenderedMail {
    /// One line.
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl std::fmt::Debug for RenderedMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RenderedMail")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// A template that does not fit its values: a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("the mail `{template}` cannot be rendered: {reason}")]
pub struct RenderError {
    template: &'static str,
    reason: String,
}

/// Renders the mail in its reader's language, with the tenant's name and support contact.
pub fn render(tenant: &Arc<Tenant>, mail: &Mail) -> Result<RenderedMail, RenderError> {
    let template = mail.kind.template();
    let failed = |reason: String| RenderError { template, reason };
    let lang = language::of_mail(&mail.locale, tenant);
    let voice = Voice {
        language: lang,
        tenant: Some(tenant),
    };
    let subject = voice
        .text(&format!("mail.{template}.subject"))
        .ok_or_else(|| failed("it has no subject".to_owned()))?;
    let subject = texts::fill(subject, |_| {
        Ok::<_, RenderError>(tenant.product().to_owned())
    })?;
    let subject: String = subject.chars().filter(|c| !c.is_control()).collect();
    let values = context! {
        lang,
        dir => language::direction(lang),
        template,
        name => greeted(&mail.name),
        to => &mail.to,
        product => tenant.product(),
        support => tenant.file.branding.support.as_deref(),
        terms => tenant.file.branding.terms.as_deref(),
        privacy => tenant.file.branding.privacy.as_deref(),
        look => brand::mail_look(tenant),
        fonts => brand::MAIL_FONTS,
        home => tenant.issuer(),
        link => mail.link.as_ref().map(|link| link.expose_secret()),
        facts => &mail.facts,
        device => mail.facts.get("user_agent").map(|agent| device_values(Some(agent))),
        at => mail.facts.get("at").and_then(|at| Some(moment::readable(Micros(at.parse().ok()?), lang, "UTC"))),
        code => mail.code.as_ref().map(|code| code.expose_secret()),
        subject => &subject,
    };
    let part = |suffix: &str| {
        templates::render(
            Some(tenant),
            lang,
            &format!("mail/{template}.{suffix}"),
            values.clone(),
        )
        .map_err(|error| failed(error.to_string()))
    };
    Ok(RenderedMail {
        text: part("txt")?,
        html: part("html")?,
        subject,
    })
}

/// Names longer than this, or of more words, are not repeated.
const LONGEST_NAME: usize = 48;
const MOST_WORDS: usize = 5;

/// The name as a mail may repeat it. Whoever signs up chooses the name, and the mail may reach somebody else: what could be
/// taken for an address, an order or a message of the sender's is left out, and so is what turns the reading direction.
fn greeted(name: &str) -> Option<&str> {
    let is_mark = |c| matches!(c, '\u{300}'..='\u{36f}' | '\u{64b}'..='\u{65f}' | '\u{900}'..='\u{dff}' | '\u{200c}' | '\u{200d}' | '\u{3099}' | '\u{309a}');
    // Digits and full stops of other scripts, and letters that look like dots.
    let is_telling = |c: char| {
        c.is_numeric()
            || matches!(
                c,
                '\u{964}' | '\u{965}' | '\u{970}' | '\u{a4f8}'..='\u{a4ff}'
            )
    };
    let is_of_names = |c: char| {
        (c.is_alphabetic() || is_mark(c)) && !is_telling(c)
            || matches!(c, ' ' | '-' | '\'' | '’' | '·' | '.')
    };
    let is_short = name.chars().count() <= LONGEST_NAME && name.split(' ').count() <= MOST_WORDS;
    // A dot ends an initial or a title; inside a word it makes a domain.
    let mut after_dots = name.split('.').skip(1);
    let is_dotted = after_dots.any(|rest| !rest.is_empty() && !rest.starts_with([' ', '-']));
    let has_letter = name.chars().any(char::is_alphabetic);
    (is_short && has_letter && !is_dotted && name.chars().all(is_of_names)).then_some(name)
}

/// A mail as it could be sent, to look at.
pub fn sample(tenant: &Tenant, kind: MailKind, locale: &str) -> Mail {
    let link = match kind {
        MailKind::VerifyEmail => Some("/verify-email/"),
        MailKind::ResetPassword => Some("/reset-password/"),
        MailKind::ApproveEmailChange | MailKind::ConfirmNewEmail => Some("/account/email/"),
        MailKind::Invitation => Some("/invitation/"),
        MailKind::Welcome | MailKind::AccountDeletion => Some("/?"),
        MailKind::AccountExists
        | MailKind::PasswordChanged
        | MailKind::EmailChanged
        | MailKind::NewDevice => None,
    };
    let by_code = matches!(kind, MailKind::VerifyEmail | MailKind::ResetPassword);
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let facts = [
        ("old_email", "ada@example.com"),
        ("new_email", "ada.king@example.com"),
        ("user_agent", firefox),
        ("address", "198.51.100.7"),
        ("at", "1767225600000000"),
    ];
    let link = link.map(|path| {
        format!(
            "{}0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
            tenant.link(path)
        )
    });
    Mail {
        kind,
        to: "ada@example.com".into(),
        name: "Ada King".into(),
        locale: locale.into(),
        code: by_code.then(|| SecretString::from("314159")),
        link: link.map(SecretString::from),
        facts: facts
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::sample_tenant;

    #[test]
    fn names_that_are_none_are_not_repeated() {
        for name in [
            "Ada King",
            "Seán O’Brien-Smith",
            "J. R. R. Tolkien",
            "Jean-Luc Dr. Müller",
            "山田 太郎",
            "प्रिया शर्मा",
            "محمد بن سلمان",
            "J.-P. Sartre",
        ] {
            assert_eq!(greeted(name), Some(name));
        }
        for name in [
            "http://evil.example click",
            "evil.example",
            "www.evil.example now",
            "Ada evil。example",
            "evil．example",
            "Call 0800 123 456",
            "Call ०८०० १२३४५६",
            "evil\u{a4f8}com",
            "ada@evil.example",
            "<b>Ada</b>",
            "You have won a prize today",
            "Ada\u{202e}gniK",
            "Ada\u{2066}King",
            "Ada\u{2028}King",
            "Ada\u{200b}King",
            "Ada: your parcel",
            "Win! Now",
            "...",
            "",
        ] {
            assert_eq!(greeted(name), None, "{name}");
        }
        assert_eq!(greeted(&"a".repeat(49)), None);
    }

    #[test]
    fn every_mail_speaks_every_language() {
        let tenant = Arc::new(sample_tenant("[branding]\nsupport = 'help@acme.test'"));
        let mut said = std::collections::BTreeSet::new();
        for kind in MailKind::ALL {
            for language in texts::languages() {
                let mail = Mail {
                    locale: language.into(),
                    link: Some(SecretString::from("https://lms.acme.test/verify-email/abc")),
                    ..sample(&tenant, kind, "en-US")
                };
                let rendered = render(&tenant, &mail).unwrap();
                let html = &rendered.html;
                assert!(html.len() < 102 * 1024, "Gmail cuts off the rest");
                let address = |attribute: &'static str| html.split(attribute).skip(1);
                for link in address("href=\"") {
                    assert!(
                        link.starts_with("https://lms.acme.test/"),
                        "{kind:?}: {link}"
                    );
                }
                assert_eq!(
                    address("src=").count() + address("url(").count(),
                    0,
                    "nothing is loaded"
                );
                let whole = format!("{}\n{}", rendered.subject, rendered.text);
                assert!(!whole.contains(['{', '}']), "{language}: {whole}");
                assert!(
                    rendered
                        .html
                        .contains(&format!("<html lang=\"{language}\""))
                );
                assert!(said.insert(whole), "{kind:?} is not in {language}");
            }
        }
    }

    #[test]
    fn every_mail_renders_and_escapes() {
        let tenant = Arc::new(sample_tenant(
            "[branding]\nproduct = 'Acme <b>&'\nsupport = 'help@acme.test'",
        ));
        for kind in MailKind::ALL {
            let link = "https://lms.acme.test/verify-email/abc";
            let mail = Mail {
                to: "<img src=x onerror=alert(1)>{{7777*7777}}@example.com".into(),
                link: Some(SecretString::from(link)),
                ..sample(&tenant, kind, "en-US")
            };
            let rendered = render(&tenant, &mail).unwrap();
            assert!(
                rendered.subject.contains("Acme <b>&") && !rendered.subject.contains('\n'),
                "{}",
                rendered.subject
            );
            assert!(
                !rendered.html.contains("<img") && rendered.html.contains("&lt;img"),
                "{}",
                rendered.html
            );
            assert!(
                rendered.html.contains("{{7777*7777}}") && !rendered.html.contains("60481729"),
                "{}",
                rendered.html
            );
            assert!(
                rendered.text.contains("help@acme.test"),
                "{}",
                rendered.text
            );
            if !matches!(
                kind,
                MailKind::AccountExists
                    | MailKind::PasswordChanged
                    | MailKind::EmailChanged
                    | MailKind::NewDevice
            ) {
                assert!(
                    rendered.text.lines().any(|line| line.trim() == link),
                    "{}",
                    rendered.text
                );
                let by_code = matches!(kind, MailKind::VerifyEmail | MailKind::ResetPassword);
                for part in [&rendered.text, &rendered.html] {
                    assert_eq!(part.contains("314159"), by_code, "{part}");
                }
                let anchor = format!("href=\"{link}\"");
                assert!(rendered.html.contains(&anchor), "{}", rendered.html);
            }
        }
    }
}
