//! What expressions may name: the request on the way in, the operation's result on the way out.

mod reply;
mod request;

use crate::problem::did_you_mean;
use reply::{SESSION, TEAM, TENANT, USER, names};

pub(crate) use reply::{Outcome, ReplyScope};
pub(crate) use request::{RequestScope, check_header};

/// A name that a scope has.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    pub name: &'static str,
    pub fields: Fields,
}

#[derive(Clone, Debug)]
pub(crate) enum Fields {
    /// It is a value itself.
    None,
    Any,
    Only(Vec<String>),
}

/// Whether the scope has this dotted name; the error says what it has instead.
pub(crate) fn check_name(dotted: &str, roots: &[Root]) -> Result<(), String> {
    let mut parts = dotted.splitn(3, '.');
    let (name, field) = (parts.next().unwrap_or_default(), parts.next());
    let Some(root) = roots.iter().find(|root| root.name == name) else {
        return Err(format!(
            "`{name}` names nothing here{}",
            did_you_mean(name, roots.iter().map(|root| root.name))
        ));
    };
    match (&root.fields, field) {
        (Fields::None, Some(field)) => Err(format!("`{name}` has no fields, so no `{field}`")),
        (Fields::Only(known), Some(field)) if !known.iter().any(|known| known == field) => {
            Err(format!(
                "`{name}` has no `{field}`{}",
                did_you_mean(field, known.iter().map(String::as_str))
            ))
        }
        _ => Ok(()),
    }
}

/// Names of a request. `path` has the parameters of the route's patterns, as far as they are known.
pub(crate) fn input_roots(parameters: Option<Vec<String>>) -> Vec<Root> {
    let root = |name, fields| Root { name, fields };
    vec![
        root("body", Fields::Any),
        root("query", Fields::Any),
        root("header", Fields::Any),
        root("path", parameters.map_or(Fields::Any, Fields::Only)),
        root("bearer", Fields::None),
    ]
}

/// Names of a reply where `gives` is given; claims of tokens name no `tokens`.
pub(crate) fn reply_roots(gives: &[&str], tokens: Option<Vec<String>>) -> Vec<Root> {
    let only = |names: Vec<&str>| Fields::Only(names.into_iter().map(str::to_owned).collect());
    let mut roots = vec![
        Root {
            name: "user",
            fields: only(names(USER)),
        },
        Root {
            name: "session",
            fields: only(names(SESSION)),
        },
        Root {
            name: "team",
            fields: only(names(TEAM)),
        },
        Root {
            name: "exists",
            fields: Fields::None,
        },
        Root {
            name: "reset_token",
            fields: Fields::None,
        },
    ];
    roots.retain(|root| gives.contains(&root.name));
    roots.push(Root {
        name: "tenant",
        fields: only(names(TENANT)),
    });
    roots.push(Root {
        name: "now",
        fields: Fields::None,
    });
    if let Some(tokens) = tokens {
        roots.push(Root {
            name: "token",
            fields: Fields::Only(tokens),
        });
    }
    roots
}
