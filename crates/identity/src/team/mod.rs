//! Teams and their projects. Every verified person who signs in has a default team with a default project.

pub(crate) mod store;

use serde::Serialize;
use vestibule_crypto::{Random, alphanumeric};

use crate::Identity;
use crate::context::Cx;
use crate::error::Result;

/// A team as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Team {
    pub id: String,
    pub name: String,
    /// The member's role in the team.
    pub role: String,
    /// The team's oldest project.
    pub project_id: String,
    pub project_name: String,
}

/// Ids drawn before the transaction, so that a repeated one draws nothing new.
#[derive(Clone, Debug)]
pub(crate) struct TeamIds {
    team: String,
    project: String,
}

impl TeamIds {
    pub(crate) fn new(random: &dyn Random) -> TeamIds {
        TeamIds {
            team: alphanumeric(random, 20),
            project: alphanumeric(random, 20),
        }
    }
}

impl Identity {
    /// The teams of an account, the oldest membership first.
    pub async fn teams(&self, cx: &Cx, account_id: &str) -> Result<Vec<Team>> {
        let (tenant, account) = (cx.tenant.id.clone(), account_id.to_owned());
        self.db()
            .read(move |tx| store::of_account(tx, &tenant, &account))
            .await
    }
}
