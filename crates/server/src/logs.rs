//! Log lines on standard error.

mod gathered;
mod json;

use std::io::{IsTerminal, stderr};
use std::panic::PanicHookInfo;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::settings::{LogFormat, Settings};
use gathered::Gathered;
pub(crate) use gathered::Rest;

/// What a command that only answers and leaves logs: what goes wrong is its answer, but for panics.
const COMMANDS: &str = "off,vestibule::logs=error";

/// Starts logging; keep what it answers to the end. A command is quiet unless the operator set a filter.
pub(crate) fn start(settings: &Settings, is_node: bool) -> std::io::Result<Rest> {
    let quiet = !is_node && !settings.is_given("log");
    let filter = if quiet { COMMANDS } else { &settings.log };
    // The setting was parsed when it was read.
    let filter: Targets = filter.parse().unwrap_or_default();
    let terminal = stderr().is_terminal();
    let json = match settings.log_format {
        LogFormat::Auto => !terminal && is_node,
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let (lines, rest) = match is_node && !terminal {
        true => {
            let (gathered, rest) = Gathered::new(stderr())?;
            (lines(json, terminal, gathered), rest)
        }
        // Somebody looks on.
        false => (lines(json, terminal, stderr), Rest::none()),
    };
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init();
    std::panic::set_hook(Box::new(log_panic));
    Ok(rest)
}

fn lines<M>(json: bool, colours: bool, writer: M) -> Box<dyn Layer<Registry> + Send + Sync>
where
    M: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    match json {
        true => json::Lines(writer).boxed(),
        false => fmt::layer().with_ansi(colours).with_writer(writer).boxed(),
    }
}

/// A panic is one line of the log like any other.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("(no text)").replace('\n', " ");
    let place = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    tracing::error!(place, "panic: {text}");
}
