//! What each command does.

mod api_key;
mod apply;
mod audit;
mod config;
mod copy;
mod db;
mod dialect;
mod import;
mod moment;
mod restore;
mod signing_key;
mod tenant;
mod user;

pub(crate) use moment::compact;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use vestibule_identity::{Cx, Tenant};

use crate::cli::{Cli, Command, Output, UserCommand};
use crate::node::{Node, Schema, core_error};
use crate::settings::Settings;
use crate::{demo, serve};

pub(crate) async fn run(cli: Cli, settings: Settings) -> anyhow::Result<ExitCode> {
    let output = Output {
        json: cli.global.json,
    };
    match cli.command {
        Command::Serve(_) => serve::serve(settings).await?,
        Command::Demo(_) => demo::demo(settings, output).await?,
        Command::Config => config::config(&settings, output).await?,
        Command::Dialect(command) => return dialect::run(command, &settings, output).await,
        Command::Db(command) => return db::run(command, &settings, output).await,
        Command::Apply { files, dry_run } => {
            let mut settings = settings;
            settings.hash.workers = 1;
            match dry_run {
                true => apply::plan(&files, settings, output).await?,
                false => apply::apply(&files, settings, output).await?,
            }
        }
        Command::Tenant(command) => {
            tenant::run(command, &operator(settings).await?, output).await?
        }
        Command::ApiKey(command) => {
            api_key::run(command, &operator(settings).await?, output).await?
        }
        Command::Audit(command) => {
            return audit::run(command, &operator(settings).await?, output).await;
        }
        Command::User(command) => {
            let node = match command {
                // Partners' secrets in the clear are hashed on all cores.
                UserCommand::Import(_) => Node::open(settings, Schema::MustBeCurrent).await?,
                _ => operator(settings).await?,
            };
            return user::run(command, &node, output).await;
        }
        Command::SigningKey(command) => {
            signing_key::run(command, &operator(settings).await?, output).await?
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The core as a command uses it, beside a server or without one.
async fn operator(mut settings: Settings) -> anyhow::Result<Node> {
    settings.hash.workers = 1;
    Node::open(settings, Schema::MustBeCurrent).await
}

impl Node {
    async fn tenant(&self, slug: &str) -> anyhow::Result<Arc<Tenant>> {
        if let Some(tenant) = self
            .identity
            .directory()
            .by_slug(slug)
            .await
            .map_err(core_error)?
        {
            return Ok(tenant);
        }
        let tenants = self.identity.directory().all().await.map_err(core_error)?;
        let known = tenants.iter().map(|tenant| tenant.slug());
        anyhow::bail!(
            "there is no tenant `{slug}`{}",
            crate::settings::suggestion(slug, known)
        )
    }

    /// The context of an operator's deed.
    pub(crate) async fn cx(&self, slug: &str) -> anyhow::Result<Cx> {
        Ok(self.identity.operator_cx(self.tenant(slug).await?))
    }
}

/// A bar on standard error, where a person watches. Beside indicatif's own keys its template may say `{left}`, a time.
fn bar(output: Output, template: &str) -> anyhow::Result<ProgressBar> {
    let target = match output.json {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr(),
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    // Nothing is known of the rest before the first of it is done.
    let left = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = match state.pos() {
            0 => out.write_char('…'),
            _ => write!(out, "{:#}", HumanDuration(state.eta())),
        };
    };
    bar.set_style(ProgressStyle::with_template(template)?.with_key("left", left));
    Ok(bar)
}

/// One line of standard input, without its end.
fn line_of_stdin() -> anyhow::Result<zeroize::Zeroizing<String>> {
    let mut line = zeroize::Zeroizing::new(String::new());
    std::io::stdin()
        .read_line(&mut line)
        .context("cannot read standard input")?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}
