//! Dialects: authentication APIs described as data. A file maps requests onto operations of the identity core and
//! writes the reply and every error as the vendor's clients expect them.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod answer;
mod bearer;
mod body;
mod call;
mod clash;
mod document;
mod errors;
pub mod examples;
mod expression;
mod files;
mod filters;
mod form;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod inputs;
mod json;
mod load;
mod operation;
mod operators;
mod path;
mod perform;
mod problem;
mod registry;
mod scope;
mod shape;
mod size;
mod status;
mod tokens;

pub use answer::Head;
pub use call::{Answer, BodyError, BrowserOpen, BrowserRequest, Call, RouteInfo};
pub use clash::check_file;
pub use load::Dialect;
pub use problem::{Problem, Problems};
pub use registry::Dialects;
pub use status::natural_status;
