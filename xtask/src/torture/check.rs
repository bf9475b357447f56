//! Every story held against what the public API says after the restart.

use std::fmt;
use std::time::Duration;

use anyhow::Result;

use super::act::{Desk, bearer};
use super::journal::{Act, Got};
use super::smtp::Sink;
use super::story::{Key, Partner, Person, Session, Story};

/// What must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    /// An acknowledged change is gone.
    Lost,
    /// Something ended or replaced works again.
    Revived,
    /// A one-time thing worked a second time.
    Twice,
    /// An unacknowledged change is half done.
    Between,
    /// Anything else.
    Wrong,
}

/// One thing that should not be.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) sort: Sort,
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sort = format!("{:?}", self.sort).to_lowercase();
        write!(f, "{sort}: {}", self.what)
    }
}

/// A mail must be out so long after the restart.
const MAIL: Duration = Duration::from_secs(10);

/// Checks stories one after the other.
#[derive(Debug)]
pub(crate) struct Checker<'a> {
    pub(crate) desk: Desk<'a>,
    pub(crate) sink: &'a Sink,
    pub(crate) findings: Vec<Finding>,
}

impl Checker<'_> {
    /// An error only when the server does not answer at all.
    pub(crate) fn check(&mut self, story: &Story) -> Result<()> {
        match story {
            Story::Person(person) => self.person(&mut person.clone()),
            Story::Partner(partner) => self.partner(partner),
            Story::Key(key) => self.key(key),
        }
    }

    fn expect(&mut self, good: bool, sort: Sort, what: impl FnOnce() -> String) {
        if !good {
            self.findings.push(Finding { sort, what: what() });
        }
    }

    fn works(&self, act: &Act) -> Result<bool> {
        Ok(self.desk.perform(act)?.is_ok())
    }

    fn signs_in(&self, email: &str, password: &str) -> Result<Option<Got>> {
        let act = Act::SignIn {
            email: email.to_owned(),
            password: password.to_owned(),
            session: 0,
            lms: false,
        };
        Ok(self.desk.perform(&act)?.ok())
    }

    /// Several try one reset token at the same moment: one of them may change the password, and only that one has.
    pub(crate) fn race(&mut self, name: &str) -> Result<()> {
        const RACERS: usize = 6;
        let email = format!("{name}@race.test");
        let register = Act::Register {
            email: email.clone(),
            password: "before the race".to_owned(),
        };
        let forgot = Act::Forgot {
            email: email.clone(),
        };
        self.desk.perform(&register)?.ok();
        let Ok(Got { token, .. }) = self.desk.perform(&forgot)? else {
            self.expect(false, Sort::Wrong, || format!("{email} got no token"));
            return Ok(());
        };
        let passwords: Vec<String> = (0..RACERS).map(|n| format!("after the race {n}")).collect();
        let ready = std::sync::Barrier::new(RACERS);
        let won: Vec<Result<bool>> = std::thread::scope(|scope| {
            let run = |password: &String| {
                let (email, token, password) = (email.clone(), token.clone(), password.clone());
                let (desk, ready) = (&self.desk, &ready);
                scope.spawn(move || {
                    ready.wait();
                    let reset = Act::Reset {
                        email,
                        token,
                        password,
                    };
                    Ok(desk.perform(&reset)?.is_ok())
                })
            };
            let racers: Vec<_> = passwords.iter().map(run).collect();
            let join = |racer: std::thread::ScopedJoinHandle<'_, _>| {
                racer
                    .join()
                    .unwrap_or_else(|_| anyhow::bail!("a racer panicked"))
            };
            racers.into_iter().map(join).collect()
        });
        let won = won.into_iter().collect::<Result<Vec<_>>>()?;
        let count = won.iter().filter(|won| **won).count();
        self.expect(count == 1, Sort::Twice, || {
            format!("one reset token of {email} was taken {count} times")
        });
        for (password, won) in passwords.iter().zip(won) {
            let signs_in = self.signs_in(&email, password)?.is_some();
            self.expect(signs_in == won || count != 1, Sort::Wrong, || {
                format!("{email}: won the race {won}, signs in {signs_in}")
            });
        }
        Ok(())
    }

    fn person(&mut self, person: &mut Person) -> Result<()> {
        let email = person.email.clone();
        let open = person.open.take();
        if let Some(act @ Act::Register { .. }) = &open {
            let whole = self.signs_in(&email, &person.password)?.is_some() || self.works(act)?;
            self.expect(whole, Sort::Between, || {
                format!("{email} can neither sign in nor register")
            });
            return Ok(());
        }
        let mut proof = None;
        if let Some(act @ Act::Reset { password, .. }) = &open {
            if self.signs_in(&email, password)?.is_some() {
                person.done(act, &Got::default());
            } else {
                proof = Some(act);
            }
        }
        let Some(entry) = self.signs_in(&email, &person.password)? else {
            self.expect(false, Sort::Lost, || {
                format!("{email} cannot sign in with the password that was acknowledged")
            });
            return Ok(());
        };
        for old in &person.old_passwords {
            let refused = self.signs_in(&email, old)?.is_none();
            self.expect(refused, Sort::Revived, || {
                format!("{email} signs in with a replaced password")
            });
        }
        self.address(person, open.as_ref(), &entry.access)?;
        for session in &person.sessions {
            let doubtful = matches!(&open, Some(Act::SignOut { session: number, .. }) if *number == session.number);
            self.session(&email, session, doubtful)?;
        }
        if let Some(act) = proof {
            // The password did not change, so the token must not be used up.
            let usable = self.works(act)?;
            self.expect(usable, Sort::Between, || {
                format!("the reset of {email} was not done, but its token is used up")
            });
            person.done(act, &Got::default());
        }
        for token in &person.used_resets {
            let refused = !self.works(&Act::Reset {
                email: email.clone(),
                token: token.clone(),
                password: "another-password".to_owned(),
            })?;
            self.expect(refused, Sort::Twice, || {
                format!("a used reset token of {email} was taken again")
            });
        }
        let mailed = self.sink.token(&email, MAIL).is_some();
        self.expect(mailed, Sort::Lost, || {
            format!("the mail that confirms {email} was never sent")
        });
        Ok(())
    }

    /// Confirmed, and with the one team that confirming makes; or neither.
    fn address(&mut self, person: &Person, open: Option<&Act>, access: &str) -> Result<()> {
        let email = &person.email;
        let bearer = bearer(access);
        let headers = [bearer.as_pair()];
        let profile = self.desk.web.get("/account/v1/profile", &headers)?.json();
        let verified = profile["email_verified"] == true;
        let teams = self.desk.web.get("/account/v1/teams", &headers)?.json();
        let teams = teams["teams"].as_array().map_or(0, Vec::len);
        self.expect(teams == usize::from(verified), Sort::Between, || {
            format!("{email}: confirmed {verified}, teams {teams}")
        });
        let doubtful = match open {
            Some(Act::Verify { token, .. }) => Some(token),
            _ => None,
        };
        let Some(token) = person.verified.as_ref().or(doubtful) else {
            self.expect(!verified, Sort::Wrong, || {
                format!("{email} is confirmed and nobody did it")
            });
            return Ok(());
        };
        self.expect(verified || doubtful.is_some(), Sort::Lost, || {
            format!("{email} is not confirmed any more")
        });
        let again = self.works(&Act::Verify {
            email: email.clone(),
            token: token.clone(),
        })?;
        let sort = if verified { Sort::Twice } else { Sort::Between };
        self.expect(again != verified, sort, || {
            format!("{email}: confirmed {verified}, yet the link works: {again}")
        });
        Ok(())
    }

    fn session(&mut self, email: &str, session: &Session, doubtful: bool) -> Result<()> {
        let refresh = |token: &String| Act::Refresh {
            email: email.to_owned(),
            session: session.number,
            token: token.clone(),
        };
        let Some(newest) = session.tokens.last() else {
            return Ok(());
        };
        let signed_in = self.is_signed_in(bearer(&session.access).as_pair())?;
        let refreshed = self.works(&refresh(newest))?;
        let number = session.number;
        if doubtful {
            self.expect(signed_in == refreshed, Sort::Between, || {
                format!("session {number} of {email}: signed in {signed_in}, refresh {refreshed}")
            });
            return Ok(());
        }
        if session.ended {
            self.expect(!signed_in && !refreshed, Sort::Revived, || {
                format!("the ended session {number} of {email}: signed in {signed_in}, refresh {refreshed}")
            });
            return Ok(());
        }
        self.expect(signed_in && refreshed, Sort::Lost, || {
            format!("session {number} of {email}: signed in {signed_in}, refresh {refreshed}")
        });
        let count = session.tokens.len();
        if count >= 2 && refreshed {
            let replayed = self.works(&refresh(&session.tokens[count - 2]))?;
            let alive = self.works(&refresh(newest))?;
            self.expect(!replayed && !alive, Sort::Revived, || {
                format!("session {number} of {email}: a replaced token works {replayed}, the session outlives it {alive}")
            });
        }
        Ok(())
    }

    fn is_signed_in(&self, header: (&str, &str)) -> Result<bool> {
        let reply = self.desk.web.get("/account/v1/session", &[header])?;
        Ok(reply.status == 200)
    }

    fn partner(&mut self, partner: &Partner) -> Result<()> {
        let email = &partner.email;
        let open = |token: &String| Act::Open {
            email: email.clone(),
            token: token.clone(),
        };
        let minted = self.desk.mint(&self.desk.key, email, &partner.uid)?;
        let id = minted.ok().map(|got| got.id);
        let same = id.is_some() && (partner.id.is_none() || partner.id == id);
        self.expect(same, Sort::Lost, || {
            format!("{email} was {:?} to the partner and is {id:?}", partner.id)
        });
        for (token, cookie) in &partner.opened {
            let refused = !self.works(&open(token))?;
            self.expect(refused, Sort::Twice, || {
                format!("a used login token of {email} was taken again")
            });
            let signed_in = self.is_signed_in(("cookie", cookie))?;
            self.expect(signed_in, Sort::Lost, || {
                format!("the browser session of {email} is gone")
            });
        }
        if let Some(token) = &partner.unused {
            let good = self.works(&open(token))?;
            self.expect(good, Sort::Lost, || {
                format!("a login token of {email} that nobody used is refused")
            });
        }
        Ok(())
    }

    fn key(&mut self, key: &Key) -> Result<()> {
        if key.open && !key.revoked {
            return Ok(());
        }
        let email = format!("probe-{}@torture.test", key.name);
        let taken = self.desk.mint(&key.key, &email, "a probe's uid")?.is_ok();
        let (good, sort) = if key.revoked {
            (!taken, Sort::Revived)
        } else {
            (taken, Sort::Lost)
        };
        self.expect(good, sort, || {
            format!(
                "the key {} (revoked: {}) works: {taken}",
                key.name, key.revoked
            )
        });
        Ok(())
    }
}
