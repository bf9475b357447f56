//! What the demo prints: where to click, and lines for a shell.

use anyhow::Context;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use vestibule_http::{Demo, DemoTenant};

use crate::node::Node;

const TEXT: &str = include_str!("shown.txt");

/// The text, ready for a terminal. The lines for a shell work as they stand in bash, dash and zsh, with
/// curl and what every system has.
pub(super) fn text(node: &Node, demo: &Demo, temporary: bool) -> anyhow::Result<String> {
    let [first, other, ..] = demo.tenants.as_slice() else {
        anyhow::bail!("the demo has two tenants")
    };
    let [trainee, manager, ..] = first.people.as_slice() else {
        anyhow::bail!("the demo has two people")
    };
    let at = |tenant: &DemoTenant| base(node, tenant).context("the demo has a public URL");
    let keeps = match temporary {
        true => "Ctrl-C stops it and removes everything.".to_owned(),
        false => format!(
            "Ctrl-C stops it; the data stays in {}.",
            node.settings.data.display()
        ),
    };
    let values = [
        ("{base}", at(first)?),
        ("{other}", at(other)?),
        ("{key}", first.api_key.expose_secret().to_owned()),
        ("{trainee}", trainee.email.clone()),
        (
            "{trainee_password}",
            trainee.password.expose_secret().to_owned(),
        ),
        ("{manager}", manager.email.clone()),
        (
            "{manager_password}",
            manager.password.expose_secret().to_owned(),
        ),
        ("{keeps}", keeps),
    ];
    Ok(values.iter().fold(TEXT.to_owned(), |text, (name, value)| {
        text.replace(name, value)
    }))
}

/// The same facts for a program.
pub(super) fn document(node: &Node, demo: &Demo) -> Value {
    let tenant = |tenant: &DemoTenant| {
        let people = tenant.people.iter().map(|person| {
            json!({ "email": person.email, "password": person.password.expose_secret(), "role": person.role })
        });
        json!({
            "slug": tenant.slug,
            "url": base(node, tenant),
            "api_key": tenant.api_key.expose_secret(),
            "people": people.collect::<Vec<_>>(),
        })
    };
    let tenants: Vec<Value> = demo.tenants.iter().map(tenant).collect();
    json!({ "url": demo.tenants.first().and_then(|first| base(node, first)), "tenants": tenants })
}

/// `http://localhost:8080`, without a slash at the end.
fn base(node: &Node, tenant: &DemoTenant) -> Option<String> {
    let mut url = node.settings.public_url.clone()?;
    if tenant.slug != "demo" {
        let host = format!("{}.{}", tenant.slug, url.host_str()?);
        url.set_host(Some(&host)).ok()?;
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_mean_the_same_in_every_shell() {
        let (_, lines) = TEXT.split_once("Paste into a shell").unwrap();
        // Only some shells have these, or read them alike.
        for word in ["$RANDOM", "echo \"", "<<<", "[[", "!"] {
            assert!(!lines.contains(word), "{word}");
        }
        for line in lines.lines().filter(|line| line.starts_with('#')) {
            // zsh takes a comment that is typed for a command: a quote in it would wait for its end.
            assert!(
                !line.contains(['\'', '"', '`', '*', '?', '(', '&', ';', '|']),
                "{line}"
            );
        }
    }
}
