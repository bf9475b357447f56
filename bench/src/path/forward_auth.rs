//! The question of a reverse proxy, by a session token.

use super::{Case, against_bare, case};
use crate::load::get;

pub const CASE: Case = case(
    "forward-auth",
    "GET /forward-auth with a session token",
    |stage| {
        let people = stage.people.clone();
        against_bare(stage, 0.7, |client| {
            get("/forward-auth", Some(&people[client].session))
        })
    },
);
