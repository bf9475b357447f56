//! The development inbox: mails that were kept because there is no mail server. In demo mode only.

use axum::extract::State;
use http::StatusCode;
use minijinja::{Value, context};

use vestibule_identity::{Error, Identity};

use crate::language;
use crate::mail;
use crate::moment;
use crate::pages::Answer;
use crate::shared::Shared;
use crate::site::Site;
use crate::templates;

const SHOWN: i64 = 50;

/// GET `/dev/inbox`: the newest first.
pub(crate) async fn show(State(shared): State<Shared>, site: Site) -> Answer {
    let mails = newest(&shared.identity, SHOWN).await?;
    Ok(templates::page(
        &site,
        StatusCode::OK,
        "demo/inbox.html",
        context! { mails },
    )?)
}

/// So many mails that were kept, as pages show them.
pub(crate) async fn newest(identity: &Identity, count: i64) -> Result<Vec<Value>, Error> {
    let mut mails = Vec::new();
    for job in identity.inbox(count).await? {
        let rendered = match mail::render(&job.tenant, &job.mail) {
            Ok(rendered) => rendered,
            Err(error) => {
                tracing::error!(%error, "a mail of the inbox");
                continue;
            }
        };
        mails.push(context! {
            tenant => job.tenant.product(),
            to => &job.mail.to,
            subject => rendered.subject,
            at => moment::readable(job.created_at, language::DEFAULT, "UTC"),
            lines => rendered.text.lines().map(line_values).collect::<Vec<_>>(),
        });
    }
    Ok(mails)
}

/// A line of text; one that is a link and nothing else can be followed.
fn line_values(line: &str) -> Value {
    let link = line.trim();
    let is_link = (link.starts_with("http://") || link.starts_with("https://"))
        && !link.contains(char::is_whitespace);
    context! { text => line, link => is_link.then_some(link) }
}
