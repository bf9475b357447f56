//! Who is signed in, by an opaque token.

use super::{Case, against_bare, case};
use crate::load::get;

pub const CASE: Case = case(
    "session",
    "GET /account/v1/session with a session token",
    |stage| {
        let people = stage.people.clone();
        against_bare(stage, 0.7, |client| {
            get("/account/v1/session", Some(&people[client].session))
        })
    },
);
