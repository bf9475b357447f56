//! Several nodes on one PostgreSQL, and what lies between them and it.

mod outcome;
mod pooled;
