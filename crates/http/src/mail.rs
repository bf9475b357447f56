//! Mails from templates: the server's worker gives a mail, and sends what comes back.

use minijinja::context;
use secrecy::ExposeSecret;
use vestibule_identity::{Mail, Tenant};

use crate::templates;

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
pub fn render(tenant: &Tenant, mail: &Mail) -> Result<RenderedMail, RenderError> {
    let template = mail.kind.template();
    let failed = |reason: String| RenderError { template, reason };
    let lang = templates::DEFAULT_LANGUAGE;
    let subject = templates::text(lang, &format!("mail.{template}.subject"))
        .ok_or_else(|| failed("it has no subject".to_owned()))?;
    let subject = subject.replace("{product}", tenant.product());
    let subject: String = subject.chars().filter(|c| !c.is_control()).collect();
    let values = context! {
        lang,
        template,
        name => &mail.name,
        to => &mail.to,
        product => tenant.product(),
        support => tenant.file.branding.support.as_deref(),
        home => tenant.issuer(),
        link => mail.link.as_ref().map(|link| link.expose_secret()),
        code => mail.code.as_ref().map(|code| code.expose_secret()),
        subject => &subject,
    };
    let part = |suffix: &str| {
        templates::render(&format!("mail/{template}.{suffix}"), values.clone())
            .map_err(|error| failed(error.to_string()))
    };
    Ok(RenderedMail {
        text: part("txt")?,
        html: part("html")?,
        subject,
    })
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use vestibule_identity::MailKind;

    use super::*;
    use crate::site::sample_tenant;

    #[test]
    fn every_mail_renders_and_escapes() {
        let tenant = sample_tenant("[branding]\nproduct = 'Acme <b>&'\nsupport = 'help@acme.test'");
        for kind in MailKind::ALL {
            let link = "https://lms.acme.test/verify-email/abc";
            let mail = Mail {
                kind,
                to: "ada@example.com".into(),
                name: "<img src=x onerror=alert(1)>{{7777*7777}}".into(),
                locale: "en-US".into(),
                link: Some(SecretString::from(link)),
                code: Some(SecretString::from("314159")),
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
            if kind != MailKind::PasswordChanged {
                assert!(
                    rendered.text.lines().any(|line| line.trim() == link),
                    "{}",
                    rendered.text
                );
                assert!(rendered.text.contains("314159") && rendered.html.contains("314159"));
                let anchor = format!("href=\"{link}\"");
                assert!(rendered.html.contains(&anchor), "{}", rendered.html);
            }
        }
    }
}
