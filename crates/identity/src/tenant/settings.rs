//! What a tenant's file may say. The same shape is stored and exported.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Words;
use crate::duration::Span;

/// Name of a page's or mail's template -> the text in place of ours.
pub type Templates = BTreeMap<String, String>;

/// One tenant as its TOML file describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantFile {
    pub slug: String,
    pub name: String,
    /// Hosts that lead here; the first is canonical: issuer, links in mails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// Where a signed-in browser goes; the account page when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_url: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dialects: Vec<String>,
    /// `[dialect.NAME]`: mounts it as well, with settings of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dialect: BTreeMap<String, Mount>,
    /// Hosts that links of a caller's own may point to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_hosts: Vec<String>,
    #[serde(default)]
    pub defaults: Defaults,
    #[serde(default)]
    pub registration: Registration,
    #[serde(default)]
    pub password: PasswordPolicy,
    #[serde(default)]
    pub session: SessionPolicy,
    #[serde(default)]
    pub login_token: LoginToken,
    /// Destination name -> path with `{placeholders}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub handoff: BTreeMap<String, String>,
    #[serde(default)]
    pub mail: MailSettings,
    #[serde(default)]
    pub branding: Branding,
    /// `[texts.LANGUAGE]`: words in place of ours, by the keys of `pages/locales`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub texts: BTreeMap<String, Words>,
    #[serde(default, skip_serializing_if = "Templates::is_empty")]
    pub templates: Templates,
    #[serde(default)]
    pub account: AccountPolicy,
    #[serde(default)]
    pub audit: AuditPolicy,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provider: Vec<Provider>,
}

/// How a tenant mounts a dialect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// `iss` and `sub` of the dialect's login tokens; by default an e-mail-shaped service name of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `aud` of the dialect's login tokens, where the dialect's own is not wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Answer 200 whatever happened, for clients written so; bodies stay the same.
    #[serde(default)]
    pub always_200: bool,
    #[serde(default)]
    pub exist_email: ExistEmail,
}

/// What a question for an address's existence answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExistEmail {
    /// The truth, throttled.
    #[default]
    Answer,
    /// 404.
    Off,
    /// `true` for everybody.
    AlwaysTrue,
}

/// What a new account gets when nobody says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    pub role: String,
    pub locale: String,
    pub timezone: String,
}

impl Default for Defaults {
    fn default() -> Defaults {
        Defaults {
            role: "Trainee".into(),
            locale: "en-US".into(),
            timezone: "UTC".into(),
        }
    }
}

/// Who may sign up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registration {
    pub open: bool,
    pub captcha: Captcha,
    /// What asks for it.
    pub captcha_on: Vec<CaptchaAt>,
    /// The provider's public key, with which pages show its widget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captcha_site_key: Option<String>,
    /// Iterations of PBKDF2 in each of the 256 tries that proof of work takes on average.
    pub captcha_cost: u32,
    /// The captcha provider's secret, by reference: `env:NAME` or `file:PATH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captcha_secret: Option<String>,
    /// The provider's verdict address, where it is not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captcha_url: Option<String>,
}

impl Default for Registration {
    fn default() -> Registration {
        Registration {
            open: true,
            captcha: Captcha::None,
            captcha_on: vec![CaptchaAt::SignUp],
            captcha_site_key: None,
            captcha_cost: 5_000,
            captcha_secret: None,
            captcha_url: None,
        }
    }
}

impl Registration {
    /// Whether such a request must bring a captcha's answer.
    pub fn wants_captcha(&self, at: CaptchaAt) -> bool {
        self.captcha != Captcha::None && self.captcha_on.contains(&at)
    }
}

/// What may ask for a captcha.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptchaAt {
    /// Signing up, and asking for the mail that confirms the address again.
    SignUp,
    SignIn,
    ForgotPassword,
}

/// Whose proof of being human is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Captcha {
    #[default]
    None,
    Pow,
    Turnstile,
    Hcaptcha,
    Recaptcha,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordPolicy {
    /// In code points; 8 at least.
    pub min_length: u32,
}

impl Default for PasswordPolicy {
    fn default() -> PasswordPolicy {
        PasswordPolicy { min_length: 8 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionPolicy {
    /// A session not used for so long ends.
    pub idle: Span,
    /// A session ends so long after its start, used or not.
    pub absolute: Span,
}

impl Default for SessionPolicy {
    fn default() -> SessionPolicy {
        SessionPolicy {
            idle: Span(days(90)),
            absolute: Span(days(90)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoginToken {
    /// One hour at most.
    pub lifetime: Span,
    #[serde(rename = "use")]
    pub usage: LoginTokenUse,
}

impl Default for LoginToken {
    fn default() -> LoginToken {
        LoginToken {
            lifetime: Span(std::time::Duration::from_secs(3_600)),
            usage: LoginTokenUse::Once,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginTokenUse {
    /// Once, and again within a minute (a double click).
    Once,
    /// Until it expires.
    Reusable,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailSettings {
    /// `Name <address>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// By reference (`env:NAME`, `file:PATH`) or, without a password, plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp_url: Option<String>,
    /// Welcome people once they have confirmed their address.
    pub welcome: bool,
    /// Tell people of a sign-in with a browser that they were never seen in.
    pub new_device: bool,
}

impl Default for MailSettings {
    fn default() -> MailSettings {
        MailSettings {
            from: None,
            smtp_url: None,
            welcome: false,
            new_device: true,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Branding {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// In a file: the picture beside it. As stored: the picture's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo: Option<String>,
    /// `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// Mail address or web page of the tenant's support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support: Option<String>,
    /// Web page of the terms of use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
    /// Web page that says how personal data is treated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountPolicy {
    /// Between a person's wish to be deleted and its fulfilment; 90 days at most.
    pub deletion_grace: Span,
}

impl Default for AccountPolicy {
    fn default() -> AccountPolicy {
        AccountPolicy {
            deletion_grace: Span(days(14)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditPolicy {
    /// Entries older than this are removed; one day at least.
    pub retention: Span,
}

impl Default for AuditPolicy {
    fn default() -> AuditPolicy {
        AuditPolicy {
            retention: Span(days(365)),
        }
    }
}

/// An upstream that signs people in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    pub kind: ProviderKind,
    /// The `aud` its ID tokens must carry.
    pub client_id: String,
    /// Create an account for a person nobody knows yet.
    #[serde(default)]
    pub create: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    Google,
}

impl ProviderKind {
    pub const fn name(self) -> &'static str {
        match self {
            ProviderKind::Google => "google",
        }
    }
}

fn days(count: u64) -> std::time::Duration {
    std::time::Duration::from_secs(count * 86_400)
}
