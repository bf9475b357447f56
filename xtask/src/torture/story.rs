//! A journal read as what must be true now: accounts, partners' people and keys.

use super::journal::{Act, Got, Outcome};

/// Somebody with a password.
#[derive(Debug, Clone, Default)]
pub(crate) struct Person {
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) old_passwords: Vec<String>,
    pub(crate) used_resets: Vec<String>,
    /// The token that confirmed the address.
    pub(crate) verified: Option<String>,
    pub(crate) sessions: Vec<Session>,
    /// What was asked for last and not acknowledged: done or not, and nothing in between.
    pub(crate) open: Option<Act>,
}

/// A session with the refresh tokens that were handed out, newest last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    pub(crate) number: usize,
    pub(crate) tokens: Vec<String>,
    pub(crate) access: String,
    pub(crate) ended: bool,
}

/// Somebody whom a partner connects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Partner {
    pub(crate) email: String,
    pub(crate) uid: String,
    pub(crate) id: Option<String>,
    /// A login token that nobody tried.
    pub(crate) unused: Option<String>,
    /// Login tokens that were used, and the cookies that they gave.
    pub(crate) opened: Vec<(String, String)>,
}

/// A private key of the tenant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) revoked: bool,
    pub(crate) open: bool,
}

/// One subject of a journal.
#[derive(Debug, Clone)]
pub(crate) enum Story {
    Person(Person),
    Partner(Partner),
    Key(Key),
}

/// Folds a client's acts, subject by subject. A refusal that no fault explains comes second.
pub(crate) fn stories(acts: &[(Act, Outcome)]) -> (Vec<Story>, Vec<String>) {
    let mut wrong = Vec::new();
    let mut acts = acts.to_vec();
    acts.sort_by(|a, b| a.0.subject().cmp(b.0.subject()));
    let groups = acts.chunk_by(|a, b| a.0.subject() == b.0.subject());
    let stories = groups
        .filter_map(|group| {
            for (act, outcome) in group {
                if let Outcome::Refused(why) = outcome
                    && !why.starts_with('5')
                {
                    wrong.push(format!("{act:?} was refused: {why}"));
                }
            }
            match &group.first()?.0 {
                Act::CreateKey { .. } => key(group),
                Act::Mint { .. } => Some(Story::Partner(partner(group))),
                _ => Some(Story::Person(person(group))),
            }
        })
        .collect();
    (stories, wrong)
}

fn key(acts: &[(Act, Outcome)]) -> Option<Story> {
    let mut key = Key::default();
    for (act, outcome) in acts {
        match (act, outcome) {
            (Act::CreateKey { name }, Outcome::Done(got)) => {
                key.name = name.clone();
                key.key = got.token.clone();
            }
            (Act::RevokeKey { .. }, Outcome::Done(_)) => key.revoked = true,
            (Act::RevokeKey { .. }, _) => key.open = true,
            _ => {}
        }
    }
    // One that was never shown cannot be tried.
    (!key.key.is_empty()).then_some(Story::Key(key))
}

fn partner(acts: &[(Act, Outcome)]) -> Partner {
    let mut partner = Partner::default();
    for (act, outcome) in acts {
        match (act, outcome) {
            (Act::Mint { email, uid }, outcome) => {
                partner.email = email.clone();
                partner.uid = uid.clone();
                if let Outcome::Done(got) = outcome {
                    partner.id = Some(got.id.clone());
                    // Two minted within one second are the same text, and one of them used is both used.
                    let used = partner.opened.iter().any(|(token, _)| *token == got.token);
                    partner.unused = (!used).then(|| got.token.clone());
                }
            }
            (Act::Open { token, .. }, outcome) => {
                partner.unused = None;
                if let Outcome::Done(got) = outcome {
                    partner.opened.push((token.clone(), got.token.clone()));
                }
            }
            _ => {}
        }
    }
    partner
}

fn person(acts: &[(Act, Outcome)]) -> Person {
    let mut person = Person::default();
    for (act, outcome) in acts {
        person.email = act.subject().to_owned();
        if let Act::Register { password, .. } = act {
            person.password = password.clone();
        }
        match outcome {
            Outcome::Done(got) => {
                person.open = None;
                person.done(act, got);
            }
            Outcome::Open | Outcome::Refused(_) => person.open = Some(act.clone()),
        }
    }
    person
}

impl Person {
    /// What an acknowledged act made true.
    pub(crate) fn done(&mut self, act: &Act, got: &Got) {
        match act {
            Act::Register { .. } => self.session(0, got),
            Act::SignIn { session, .. } => self.session(*session, got),
            Act::Refresh { session, .. } => {
                let found = self.sessions.iter_mut().find(|s| s.number == *session);
                if let Some(found) = found {
                    found.access = got.access.clone();
                    if found.tokens.last() != Some(&got.token) {
                        found.tokens.push(got.token.clone());
                    }
                }
            }
            Act::SignOut { session, .. } => {
                let ended = self.sessions.iter_mut().filter(|s| s.number == *session);
                ended.for_each(|s| s.ended = true);
            }
            Act::Reset {
                token, password, ..
            } => {
                let old = std::mem::replace(&mut self.password, password.clone());
                self.old_passwords.push(old);
                self.used_resets.push(token.clone());
                self.sessions.iter_mut().for_each(|s| s.ended = true);
            }
            Act::Verify { token, .. } => self.verified = Some(token.clone()),
            _ => {}
        }
    }

    fn session(&mut self, number: usize, got: &Got) {
        self.sessions.push(Session {
            number,
            tokens: vec![got.token.clone()],
            access: got.access.clone(),
            ended: false,
        });
    }
}
