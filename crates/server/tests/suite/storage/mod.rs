//! What is stored: that it outlives upgrades, restores and restarts, and what an operator is told when it cannot.

mod fixture;
mod upgrade;

pub(crate) use fixture::Fixture;
