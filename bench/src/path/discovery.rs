//! The discovery document.

use super::{Case, against_bare, case};
use crate::load::get;

pub const CASE: Case = case(
    "discovery",
    "GET /.well-known/openid-configuration",
    |stage| {
        against_bare(stage, 0.9, |_| {
            get("/.well-known/openid-configuration", None)
        })
    },
);
