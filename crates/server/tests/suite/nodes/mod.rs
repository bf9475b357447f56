//! Several nodes on one database, and what lies between them and it.

mod keys;
mod mixed;
mod moved;
mod outcome;
mod pooled;
mod told;
