//! Rules by themselves, for the fuzzers.

use crate::tenant::{self, Tenant};

/// Whether a caller may have this link mailed.
pub fn link_is_allowed(tenant: &Tenant, link: &str) -> bool {
    tenant::link_is_allowed(tenant, link).is_ok()
}
