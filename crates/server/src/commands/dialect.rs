//! stub
use std::process::ExitCode;
use crate::cli::{DialectCommand, Output};
use crate::settings::Settings;
pub(super) async fn run(_: DialectCommand, _: &Settings, _: Output) -> anyhow::Result<ExitCode> { Ok(ExitCode::SUCCESS) }
