//! What is stored: that it outlives upgrades, restores and restarts, and what an operator is told when it cannot.

mod backups;
mod fixture;
mod restore;
mod start;
mod stop;
mod upgrade;

pub(crate) use fixture::Fixture;
