//! The operation's result, as the expressions of replies see it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, Value};
use vestibule_identity::{Account, Micros, Session, SignedIn, Team, Tenant};

pub(super) type Getters<T> = &'static [(&'static str, fn(&T) -> Value)];

pub(super) fn names<T>(getters: Getters<T>) -> Vec<&'static str> {
    getters.iter().map(|(name, _)| *name).collect()
}

pub(super) const USER: Getters<Account> = &[
    ("id", |user| Value::from(user.id.as_str())),
    ("number", |user| Value::from(user.number)),
    ("email", |user| Value::from(user.email.as_str())),
    ("verified", |user| Value::from(user.email_verified)),
    ("name", |user| Value::from(user.display_name())),
    ("first_name", |user| Value::from(user.first_name.as_str())),
    ("last_name", |user| Value::from(user.last_name.as_str())),
    ("mobile", |user| Value::from(user.mobile.as_str())),
    ("unique_id", |user| Value::from(user.unique_id.as_str())),
    ("role", |user| Value::from(user.role.as_str())),
    ("locale", |user| Value::from(user.locale.as_str())),
    ("timezone", |user| Value::from(user.timezone.as_str())),
    ("created_at", |user| Value::from(user.created_at.secs())),
    ("onboarded", |user| Value::from(user.onboarded)),
];

pub(super) const SESSION: Getters<Session> = &[
    ("id", |session| Value::from(session.id.as_str())),
    ("created_at", |session| {
        Value::from(session.created_at.secs())
    }),
    ("expires_at", |session| {
        Value::from(session.expires_at.secs())
    }),
];

pub(super) const TEAM: Getters<Team> = &[
    ("id", |team| Value::from(team.id.as_str())),
    ("name", |team| Value::from(team.name.as_str())),
    ("role", |team| Value::from(team.role.as_str())),
    ("project_id", |team| Value::from(team.project_id.as_str())),
    ("project_name", |team| {
        Value::from(team.project_name.as_str())
    }),
];

pub(super) const TENANT: Getters<Arc<Tenant>> = &[
    ("id", |tenant| Value::from(tenant.id.as_str())),
    ("number", |tenant| Value::from(tenant.number)),
    ("name", |tenant| Value::from(tenant.file.name.as_str())),
    ("slug", |tenant| Value::from(tenant.slug())),
    ("issuer", |tenant| Value::from(tenant.issuer())),
];

/// A part of what an operation gave, as expressions see it.
struct View<O, T: 'static> {
    of: O,
    part: fn(&O) -> Option<&T>,
    getters: Getters<T>,
}

impl<O, T> fmt::Debug for View<O, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("View")
    }
}

impl<O: Send + Sync + 'static, T: 'static> Object for View<O, T> {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let (_, get) = self.getters.iter().find(|(name, _)| *name == key)?;
        (self.part)(&self.of).map(get)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }
}

/// The part as an object; none where there is no such part.
fn view<O: Send + Sync + 'static, T>(
    of: O,
    part: fn(&O) -> Option<&T>,
    getters: Getters<T>,
) -> Value {
    match part(&of) {
        Some(_) => Value::from_object(View { of, part, getters }),
        None => Value::from(()),
    }
}

/// What an operation gave.
#[derive(Default)]
pub(crate) struct Outcome {
    pub account: Option<Account>,
    pub signed_in: Option<Arc<SignedIn>>,
    pub exists: Option<bool>,
    pub reset_token: Option<String>,
}

/// The operation's result as the expressions of replies see it.
#[derive(Clone)]
pub(crate) struct ReplyScope {
    user: Option<Value>,
    session: Option<Value>,
    team: Option<Value>,
    tenant: Value,
    exists: Option<Value>,
    reset_token: Option<Value>,
    now: i64,
    tokens: Option<Value>,
}

impl ReplyScope {
    pub(crate) fn new(outcome: &Outcome, tenant: &Arc<Tenant>, now: Micros) -> ReplyScope {
        let signed_in = outcome.signed_in.as_ref();
        let user = match (&outcome.account, signed_in) {
            (Some(account), _) => Some(view(account.clone(), |account| Some(account), USER)),
            (None, Some(who)) => Some(view(who.clone(), |who| Some(&who.account), USER)),
            (None, None) => None,
        };
        ReplyScope {
            user,
            session: signed_in.map(|who| view(who.clone(), |who| Some(&who.session), SESSION)),
            // Nobody is in a team before the address is verified: the name is there, its value is none.
            team: signed_in.map(|who| view(who.clone(), |who| who.team.as_ref(), TEAM)),
            tenant: view(tenant.clone(), |tenant| Some(tenant), TENANT),
            exists: outcome.exists.map(Value::from),
            reset_token: outcome.reset_token.as_deref().map(Value::from),
            now: now.secs(),
            tokens: None,
        }
    }

    pub(crate) fn with_tokens(self, tokens: BTreeMap<String, Value>) -> ReplyScope {
        ReplyScope {
            tokens: Some(Value::from(tokens)),
            ..self
        }
    }
}

impl fmt::Debug for ReplyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyScope")
    }
}

impl Object for ReplyScope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "user" => self.user.clone(),
            "session" => self.session.clone(),
            "team" => self.team.clone(),
            "tenant" => Some(self.tenant.clone()),
            "exists" => self.exists.clone(),
            "reset_token" => self.reset_token.clone(),
            "now" => Some(Value::from(self.now)),
            "token" => self.tokens.clone(),
            _ => None,
        }
    }
}
