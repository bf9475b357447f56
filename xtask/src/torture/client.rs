//! A client: lives short stories with new accounts and keys, noting each step, until the server is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};

use super::act::Desk;
use super::journal::{Act, Event, Got, Journal};
use super::smtp::Sink;

/// What a client works with.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    pub(crate) desk: Desk<'a>,
    pub(crate) sink: &'a Sink,
    pub(crate) journal: Journal,
    pub(crate) random: fastrand::Rng,
    /// Unlike any other client's, of this round or another.
    pub(crate) name: String,
    pub(crate) stop: &'a AtomicBool,
    stories: u32,
}

/// A session that a story holds.
struct Held {
    session: usize,
    token: String,
    access: String,
}

impl<'a> Client<'a> {
    pub(crate) fn new(
        desk: Desk<'a>,
        sink: &'a Sink,
        journal: Journal,
        (name, random): (String, fastrand::Rng),
        stop: &'a AtomicBool,
    ) -> Client<'a> {
        Client {
            desk,
            sink,
            journal,
            random,
            name,
            stop,
            stories: 0,
        }
    }

    /// Goes on until told to stop. Whatever ends a story, what was noted counts.
    pub(crate) fn live(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            self.stories += 1;
            let subject = format!("{}-{}", self.name, self.stories);
            let story = match self.random.u8(..20) {
                0 => self.key(subject),
                1..6 => self.partner(format!("{subject}@torture.test")),
                _ => self.person(&format!("{subject}@torture.test")),
            };
            if story.is_err() {
                // The server is away, or ill: ask again, but not in a hurry.
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    /// Notes what is about to be asked, asks, and notes what came of it. An error ends the story.
    fn act(&mut self, act: Act) -> Result<Got> {
        if self.stop.load(Ordering::Relaxed) {
            bail!("stopped");
        }
        self.journal.note(Event::Intent(act.clone()))?;
        match self.desk.perform(&act)? {
            Ok(got) => {
                self.journal.note(Event::Done(got.clone()))?;
                Ok(got)
            }
            Err(reply) => {
                let said = format!("{} {}", reply.status, reply.body);
                self.journal.note(Event::Refused(said.clone()))?;
                bail!(said);
            }
        }
    }

    fn word(&mut self) -> String {
        format!("pw-{:016x}", self.random.u64(..))
    }

    fn key(&mut self, name: String) -> Result<()> {
        let got = self.act(Act::CreateKey { name: name.clone() })?;
        if self.random.bool() {
            self.act(Act::RevokeKey { name, id: got.id })?;
        }
        Ok(())
    }

    fn partner(&mut self, email: String) -> Result<()> {
        let uid = self.word();
        for _ in 0..self.random.u8(1..4) {
            let (email, uid) = (email.clone(), uid.clone());
            let got = self.act(Act::Mint {
                email: email.clone(),
                uid,
            })?;
            if self.random.bool() {
                let token = got.token;
                self.act(Act::Open { email, token })?;
            }
        }
        Ok(())
    }

    fn person(&mut self, email: &str) -> Result<()> {
        let mut password = self.word();
        let got = self.act(Act::Register {
            email: email.to_owned(),
            password: password.clone(),
        })?;
        let mut held = vec![held(0, got)];
        let (mut sessions, mut resets, mut verified) = (1, 0, false);
        for _ in 0..self.random.u8(1..12) {
            match self.random.u8(..10) {
                0..2 => {
                    let lms = self.random.bool();
                    let got = self.act(Act::SignIn {
                        email: email.to_owned(),
                        password: password.clone(),
                        session: sessions,
                        lms,
                    })?;
                    held.push(self::held(sessions, got));
                    sessions += 1;
                }
                2..6 => self.refresh(email, &mut held)?,
                6 => self.sign_out(email, &mut held)?,
                7 if resets < 3 => {
                    resets += 1;
                    password = self.reset(email)?;
                    held.clear();
                }
                8 if !verified => {
                    verified = self.verify(email)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn refresh(&mut self, email: &str, held: &mut [Held]) -> Result<()> {
        let Some(index) = self.choose(held) else {
            return Ok(());
        };
        let got = self.act(Act::Refresh {
            email: email.to_owned(),
            session: held[index].session,
            token: held[index].token.clone(),
        })?;
        held[index] = self::held(held[index].session, got);
        Ok(())
    }

    fn sign_out(&mut self, email: &str, held: &mut Vec<Held>) -> Result<()> {
        let Some(index) = self.choose(held) else {
            return Ok(());
        };
        let gone = held.swap_remove(index);
        let (session, token) = (gone.session, gone.access);
        let email = email.to_owned();
        self.act(Act::SignOut {
            email,
            session,
            token,
        })?;
        Ok(())
    }

    /// Answers the new password.
    fn reset(&mut self, email: &str) -> Result<String> {
        let email = email.to_owned();
        let got = self.act(Act::Forgot {
            email: email.clone(),
        })?;
        let password = self.word();
        self.act(Act::Reset {
            email,
            token: got.token,
            password: password.clone(),
        })?;
        Ok(password)
    }

    fn verify(&mut self, email: &str) -> Result<bool> {
        let Some(token) = self.sink.token(email, Duration::from_millis(50)) else {
            return Ok(false);
        };
        let email = email.to_owned();
        self.act(Act::Verify { email, token })?;
        Ok(true)
    }

    fn choose(&mut self, held: &[Held]) -> Option<usize> {
        (!held.is_empty()).then(|| self.random.usize(..held.len()))
    }
}

fn held(session: usize, got: Got) -> Held {
    Held {
        session,
        token: got.token,
        access: got.access,
    }
}
