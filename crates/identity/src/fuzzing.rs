//! Rules by themselves, for the fuzzers.

use crate::tenant::{self, Tenant};

/// Whether a caller may have this link mailed.
pub fn link_is_allowed(tenant: &Tenant, link: &str) -> bool {
    tenant::link_is_allowed(tenant, link).is_ok()
}

/// Whether a captcha answer can be read as one to a challenge of ours.
pub fn captcha_answer_is_read(answer: &str) -> bool {
    crate::captcha::is_read(answer)
}
