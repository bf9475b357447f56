//! The public keys, from memory.

use super::{Case, against_bare, case};
use crate::load::get;

pub const CASE: Case = case("jwks", "GET /.well-known/jwks.json", |stage| {
    against_bare(stage, 0.9, |_| get("/.well-known/jwks.json", None))
});
