//! The tenant that a request is for, with the context that operations want.

use axum::extract::FromRequestParts;
use http::request::Parts;
use std::sync::Arc;
use vestibule_identity::{Account, Cx, Kind, Tenant};

use crate::fault::Fault;
use crate::language;
use crate::layers::{Arrival, Lookup};
use crate::shared::Shared;
use crate::templates::texts::Voice;

/// A request on a tenant's host. Handlers of tenant surfaces get their context from here and from nowhere else;
/// an unknown host is refused before they run (421).
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) cx: Cx,
    pub(crate) arrival: Arc<Arrival>,
    /// What the person chose.
    chosen: Option<&'static str>,
}

impl Site {
    /// `UnknownTenant` when the host leads to none.
    pub(crate) fn of(parts: &Parts) -> Result<Site, Fault> {
        let arrival = Arrival::of(parts)?;
        let tenant = match &arrival.reception.lookup {
            Lookup::Found(tenant) => tenant.clone(),
            Lookup::Unknown => return Err(Kind::UnknownTenant.into()),
            Lookup::Failed => return Err(Kind::Unavailable.into()),
        };
        let cx = Cx {
            tenant,
            now: arrival.now,
            client: arrival.reception.client.clone(),
        };
        Ok(Site::new(cx, arrival))
    }

    /// The place of a request in that context; it speaks the browser's language.
    pub(crate) fn new(cx: Cx, arrival: Arc<Arrival>) -> Site {
        Site {
            cx,
            arrival,
            chosen: None,
        }
    }

    /// The same, in the language that the person chose.
    pub(crate) fn speaking_to(self, account: &Account) -> Site {
        let chosen = language::of_account(account, self.tenant()).or(self.chosen);
        Site { chosen, ..self }
    }

    pub(crate) fn tenant(&self) -> &Tenant {
        &self.cx.tenant
    }

    /// What says the texts of this page.
    pub(crate) fn voice(&self) -> Voice<'_> {
        Voice {
            language: self.language(),
            tenant: Some(self.tenant()),
        }
    }

    pub(crate) fn request_id(&self) -> &str {
        &self.cx.client.request_id
    }

    /// The language of the page: one for which there are texts.
    pub(crate) fn language(&self) -> &'static str {
        let visitor = || self.arrival.reception.language();
        self.chosen.unwrap_or_else(visitor)
    }
}

impl FromRequestParts<Shared> for Site {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Site, Fault> {
        Site::of(parts)
    }
}

#[cfg(test)]
pub(crate) use samples::{sample_tenant, sample_tenant_at};

#[cfg(test)]
mod samples {
    use vestibule_identity::{Tenant, TenantFile};

    /// A tenant at `https://lms.acme.test` with more lines in its file.
    pub(crate) fn sample_tenant(more: &str) -> Tenant {
        sample_tenant_at("https://lms.acme.test", more)
    }

    pub(crate) fn sample_tenant_at(base_url: &str, more: &str) -> Tenant {
        let text = format!(
            "slug = 'acme'\nname = 'Acme Learning'\ndomains = ['lms.acme.test', 'other.acme.test']\n\
             handoff.trainee = '/course/{{enrollmentId}}'\n{more}"
        );
        let file: TenantFile = toml::from_str(&text).unwrap();
        Tenant {
            id: "t1".into(),
            number: 101,
            file,
            base_url: base_url.parse().unwrap(),
            audit_key: Default::default(),
            operator_templates: Default::default(),
        }
    }
}
