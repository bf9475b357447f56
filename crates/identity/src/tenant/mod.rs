//! Tenants: companies, their domains and settings, and the directory that finds them by host.

mod apply;
mod directory;
mod picture;
mod rules;
mod settings;
pub(crate) mod store;
mod stored;
mod words;

pub use apply::Applied;
pub use directory::Directory;
pub(crate) use directory::Seen;
pub use picture::Picture;
pub(crate) use rules::link_is_allowed;
pub use rules::{Fault, check_file};
pub use settings::*;
pub use words::Words;

use std::sync::Arc;

use url::Url;

use crate::audit::AuditKey;

/// A tenant as the running server knows it: its stored settings, compiled.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// 12 characters of [A-Za-z0-9]; 20 where it was made before schema 15.
    pub id: String,
    /// The integer that dialects with numeric company ids show.
    pub number: i64,
    pub file: TenantFile,
    /// `https://canonical.domain` (scheme and port from the public URL): `iss`, and the root of links in mails.
    pub base_url: Url,
    pub audit_key: AuditKey,
    /// The operator's, where the tenant has none of its own.
    pub operator_templates: Arc<Templates>,
}

impl Tenant {
    pub fn slug(&self) -> &str {
        &self.file.slug
    }

    /// The name that pages and mails show.
    pub fn product(&self) -> &str {
        self.file
            .branding
            .product
            .as_deref()
            .unwrap_or(&self.file.name)
    }

    /// The base URL without a trailing slash.
    pub fn issuer(&self) -> &str {
        self.base_url.as_str().trim_end_matches('/')
    }

    /// A page of ours on the canonical domain; `path` begins with `/`.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.issuer())
    }

    pub fn canonical_domain(&self) -> &str {
        self.base_url.host_str().unwrap_or("localhost")
    }

    /// How this tenant mounts the dialect; `None` when it does not.
    pub fn mount(&self, dialect: &str) -> Option<Mount> {
        let listed = || {
            self.file
                .dialects
                .iter()
                .any(|name| name == dialect)
                .then(Mount::default)
        };
        self.file.dialect.get(dialect).cloned().or_else(listed)
    }

    pub fn provider(&self, kind: ProviderKind) -> Option<&Provider> {
        self.file
            .provider
            .iter()
            .find(|provider| provider.kind == kind)
    }

    /// Where a signed-in browser goes.
    pub fn home(&self) -> &str {
        self.file.app_url.as_deref().unwrap_or("/account")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tenant as `apply` would make it from a short file.
    pub(crate) fn tenant(slug: &str, name: &str) -> Tenant {
        let file = TenantFile {
            slug: slug.into(),
            name: name.into(),
            domains: vec![format!("lms.{slug}.test")],
            app_url: None,
            dialects: Vec::new(),
            dialect: Default::default(),
            redirect_hosts: Vec::new(),
            defaults: Defaults::default(),
            registration: Registration::default(),
            password: PasswordPolicy::default(),
            session: SessionPolicy::default(),
            login_token: LoginToken::default(),
            handoff: Default::default(),
            mail: MailSettings::default(),
            branding: Branding::default(),
            texts: Default::default(),
            templates: Default::default(),
            account: Default::default(),
            audit: AuditPolicy::default(),
            provider: Vec::new(),
        };
        let base_url = Url::parse(&format!("https://lms.{slug}.test/")).unwrap();
        Tenant {
            id: "T".repeat(20),
            number: 101,
            file,
            base_url,
            audit_key: AuditKey::default(),
            operator_templates: Arc::default(),
        }
    }
}
