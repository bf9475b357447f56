//! A stored password hash: one of Argon2, ours or not, or one of another system.

use crate::foreign::Foreign;
use crate::password::PasswordPolicyParams;
use crate::phc::Phc;

/// A stored hash taken apart.
pub(crate) enum Stored {
    Ours(Phc),
    Foreign(Box<Foreign>),
}

impl Stored {
    pub(crate) fn parse(text: &str) -> Option<Stored> {
        match text.starts_with("$argon2") {
            true => Phc::parse(text).map(Stored::Ours),
            false => Some(Stored::Foreign(Box::new(Foreign::parse(text).ok()?))),
        }
    }

    pub(crate) fn hash(&self) -> &[u8] {
        match self {
            Stored::Ours(phc) => &phc.hash,
            Stored::Foreign(foreign) => &foreign.hash,
        }
    }

    pub(crate) fn is_current(&self, params: PasswordPolicyParams) -> bool {
        matches!(self, Stored::Ours(phc) if phc.is_current(params))
    }
}
