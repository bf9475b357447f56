//! Accounts of another system, many at once.

mod fields;
mod rules;
mod store;

pub use rules::{ImportFields, ImportPerson, Refusal};

use std::collections::HashSet;
use std::sync::Arc;

use rules::Uid;
use vestibule_crypto::{Random, alphanumeric};
use vestibule_db::Tx;

use crate::account::{self, Account, AccountState};
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::session::{self, EndReason};
use crate::tenant::ProviderKind;
use crate::{Identity, audit, one_time, partner, provider};

/// What becomes of people whom the tenant knows already, and whether anything is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportMode {
    /// Known people take over what their lines say; else they stay as they are.
    pub update: bool,
    /// Nothing is written; the answer says what would be.
    pub dry_run: bool,
}

/// What an import did with a batch.
#[derive(Debug, Default, PartialEq)]
pub struct ImportDone {
    pub created: u64,
    pub updated: u64,
    /// What is to be told of single lines, by their number.
    pub notes: Vec<(u64, ImportNote)>,
}

/// Why a line made no account.
#[derive(Clone, Debug, PartialEq)]
pub enum ImportNote {
    /// The tenant knows the address.
    Known,
    Refused(Refusal),
}

/// An account about to be added.
struct New {
    account: Account,
    canonical: String,
    phc: Option<String>,
    uid: Option<String>,
    google_subject: Option<String>,
}

/// A line of the batch, with everything drawn and hashed that a repeated transaction must not draw again.
struct Line {
    number: u64,
    person: ImportPerson,
    new: New,
}

const GOOGLE: &str = ProviderKind::Google.name();

impl Identity {
    /// Imports a batch of lines, all of it or, on an error, nothing.
    pub async fn import(
        &self,
        cx: &Cx,
        batch: Vec<(u64, ImportPerson)>,
        mode: ImportMode,
    ) -> Result<ImportDone> {
        let mut lines = Vec::with_capacity(batch.len());
        let hashes = match mode.dry_run {
            true => vec![None; batch.len()],
            false => self.hash_uids(cx, &batch).await?,
        };
        let mut ids = Ids::new(self.random(), batch.len());
        for ((number, person), uid) in batch.into_iter().zip(hashes) {
            let new = self.draw(cx, &person, uid, &mut ids);
            lines.push(Line {
                number,
                person,
                new,
            });
        }
        let (cx, lines) = (cx.clone(), Arc::new(lines));
        match mode.dry_run {
            true => {
                let look = move |tx: &mut Tx<'_>| Ok(sort(tx, &cx, &lines, mode)?.0);
                self.db().read(look).await
            }
            false => {
                self.db()
                    .write(move |tx| write(tx, &cx, &lines, mode))
                    .await
            }
        }
    }

    fn draw(&self, cx: &Cx, person: &ImportPerson, uid: Option<String>, ids: &mut Ids<'_>) -> New {
        let mut account = Account::new(self, &cx.tenant, &person.email, cx.now);
        account.id = ids.next();
        account.email_verified = person.verified;
        merge(&mut account, person);
        New {
            account,
            canonical: person.email.canonical().to_owned(),
            phc: person.phc.clone(),
            uid,
            google_subject: person.google_subject.clone(),
        }
    }

    /// A uid in the clear is hashed as a partner's call would, each with the full cost.
    async fn hash_uids(
        &self,
        cx: &Cx,
        batch: &[(u64, ImportPerson)],
    ) -> Result<Vec<Option<String>>> {
        let mut hashes = Vec::with_capacity(batch.len());
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        for some in batch.chunks(at_once) {
            let tasks: Vec<_> = some
                .iter()
                .map(|(_, person)| {
                    let (identity, tenant) = (self.clone(), cx.tenant.clone());
                    let uid = person.uid.clone();
                    tokio::spawn(async move {
                        match uid {
                            None => Ok(None),
                            Some(Uid::Hash(hash)) => Ok(Some(hash)),
                            Some(Uid::Plain(uid)) => {
                                identity.passwords(&tenant).hash(uid).await.map(Some)
                            }
                        }
                    })
                })
                .collect();
            for task in tasks {
                hashes.push(task.await.map_err(Error::internal)??);
            }
        }
        Ok(hashes)
    }
}

/// Draws ids. Those of some people of a large batch begin alike, so that their rows lie side by side: an import of many then
/// writes a tenth of the pages. Few enough begin alike that the hashes of people drawn by id are a fair sample
/// (`password::store::any`).
struct Ids<'a> {
    random: &'a dyn Random,
    alike: usize,
    drawn: usize,
    head: String,
}

impl<'a> Ids<'a> {
    fn new(random: &'a dyn Random, people: usize) -> Ids<'a> {
        Ids {
            random,
            alike: if people < 500 { 1 } else { 50 },
            drawn: 0,
            head: String::new(),
        }
    }

    /// 20 characters of [A-Za-z0-9].
    fn next(&mut self) -> String {
        if self.drawn.is_multiple_of(self.alike) {
            self.head = alphanumeric(self.random, 10);
        }
        self.drawn += 1;
        format!("{}{}", self.head, alphanumeric(self.random, 10))
    }
}

/// What a line says of a person, over what the account has.
fn merge(account: &mut Account, person: &ImportPerson) {
    for (field, value) in [
        (&mut account.first_name, &person.first_name),
        (&mut account.last_name, &person.last_name),
        (&mut account.role, &person.role),
        (&mut account.locale, &person.locale),
        (&mut account.timezone, &person.timezone),
        (&mut account.mobile, &person.mobile),
        (&mut account.unique_id, &person.unique_id),
    ] {
        if let Some(value) = value {
            field.clone_from(value);
        }
    }
    account.state = person.state.unwrap_or(account.state);
    account.onboarded |= person.onboarded;
    account.created_at = person.created_at.unwrap_or(account.created_at);
}

/// The lines that make accounts and those of people who are there, as far as can be said before anything is written.
fn sort<'a>(
    tx: &mut Tx<'_>,
    cx: &Cx,
    lines: &'a [Line],
    mode: ImportMode,
) -> Result<(ImportDone, Vec<&'a Line>, Vec<&'a Line>)> {
    let tenant = &cx.tenant.id;
    let addresses = lines.iter().map(|line| line.person.address());
    let known = store::known(tx, tenant, addresses)?;
    let mut seen = HashSet::new();
    let (mut fresh, mut there) = (Vec::new(), Vec::new());
    for (line, known) in lines.iter().zip(known) {
        match !known && seen.insert(line.person.address()) {
            true => fresh.push(line),
            false => there.push(line),
        }
    }
    let mut done = ImportDone::default();
    let (with, mut kept): (Vec<&Line>, Vec<&Line>) = fresh
        .into_iter()
        .partition(|line| line.new.google_subject.is_some());
    let subject = |line: &&'a Line| line.new.google_subject.as_deref();
    let linked = store::linked(tx, tenant, GOOGLE, with.iter().filter_map(subject))?;
    let mut subjects = HashSet::new();
    for (line, linked) in with.into_iter().zip(linked) {
        match !linked && subjects.insert(subject(&line)) {
            true => kept.push(line),
            false => done.refuse(line, "google_subject", "belongs to another account"),
        }
    }
    kept.sort_by_key(|line| line.number);
    done.created = kept.len() as u64;
    match mode.update {
        true => done.updated = there.len() as u64,
        false => there.iter().for_each(|line| done.known(line)),
    }
    Ok((done, kept, there))
}

fn write(tx: &mut Tx<'_>, cx: &Cx, lines: &[Line], mode: ImportMode) -> Result<ImportDone> {
    let (mut done, fresh, mut there) = sort(tx, cx, lines, mode)?;
    if !fresh.is_empty() {
        let first = store::take_numbers(tx, &cx.tenant.id, fresh.len())?;
        let new: Vec<&New> = fresh.iter().map(|line| &line.new).collect();
        let added = store::insert_accounts(tx, cx, first, &new)?;
        let pairs = new.into_iter().zip(added.clone());
        let new: Vec<&New> = pairs
            .filter(|(_, added)| *added)
            .map(|(new, _)| new)
            .collect();
        store::insert_belongings(tx, cx, &new)?;
        done.created = new.len() as u64;
        // Somebody signed up with the address in this very moment.
        let late = fresh.iter().zip(added).filter(|(_, added)| !added);
        there.extend(late.map(|(line, _)| *line));
        note(tx, cx, "account.imported", done.created)?;
    }
    if mode.update {
        done.updated = 0;
        for line in there {
            match update(tx, cx, line)? {
                None => done.updated += 1,
                Some((field, reason)) => done.refuse(line, field, reason),
            }
        }
        note(tx, cx, "account.import_updated", done.updated)?;
    } else {
        done.notes.retain(|(_, note)| *note != ImportNote::Known);
        there.iter().for_each(|line| done.known(line));
    }
    Ok(done)
}

/// One entry for the batch.
fn note(tx: &mut Tx<'_>, cx: &Cx, event: &'static str, count: u64) -> Result<()> {
    if count == 0 {
        return Ok(());
    }
    let entry = audit::Entry::done(event).actor("operator");
    let times = i64::try_from(count).unwrap_or(i64::MAX);
    audit::record(tx, cx, entry.times(times))
}

/// Why a line does not fit the known person.
fn stands_in_the_way(
    tx: &mut Tx<'_>,
    cx: &Cx,
    line: &Line,
    account: &Account,
) -> Result<Option<(&'static str, &'static str)>> {
    let tenant = &cx.tenant.id;
    let mut subject = line.person.google_subject.as_deref();
    if let Some(given) = subject {
        if !provider::store::is_free(tx, tenant, (GOOGLE, given), &account.id)? {
            return Ok(Some(("google_subject", "is not this account's")));
        }
        let linked = provider::store::find(tx, tenant, GOOGLE, given)?;
        subject = subject.filter(|_| linked.is_none());
    }
    // The account may be that of somebody who signed up with the address and is not its owner: that one would be given a
    // power, or the owner led to him.
    let person = &line.person;
    let differs =
        |given: &Option<String>, has: &String| given.as_ref().is_some_and(|given| given != has);
    let wants = [
        ("google_subject", subject.is_some()),
        ("uid", line.new.uid.is_some()),
        ("role", differs(&person.role, &account.role)),
        ("unique_id", differs(&person.unique_id, &account.unique_id)),
        (
            "state",
            person.state == Some(AccountState::Active) && !account.is_active(),
        ),
    ];
    let proven = person.verified || account.email_verified;
    let wanted = wants.iter().find(|(_, wanted)| *wanted && !proven);
    Ok(wanted.map(|(field, _)| {
        let reason = "needs `email_verified`: somebody else may have signed up with the address";
        (*field, reason)
    }))
}

/// Gives a known person what the line says; answers what stands in the way, before anything is written.
fn update(tx: &mut Tx<'_>, cx: &Cx, line: &Line) -> Result<Option<(&'static str, &'static str)>> {
    let (tenant, person) = (&cx.tenant.id, &line.person);
    let found = account::store::by_email(tx, tenant, &person.email)?.ok_or(Kind::Unavailable)?;
    let id = found.id;
    account::store::hold(tx, tenant, &id)?;
    let held = account::store::by_id(tx, tenant, &id)?;
    let same = held.filter(|held| held.email == found.email);
    let mut account = same.ok_or(Kind::Unavailable)?;
    if let Some(refusal) = stands_in_the_way(tx, cx, line, &account)? {
        return Ok(Some(refusal));
    }
    if person.verified && !account.email_verified {
        let names = (account.first_name.clone(), account.last_name.clone());
        account = partner::take_over(tx, cx, account, (&names.0, &names.1))?;
    }
    if let Some(subject) = &person.google_subject {
        provider::store::link(tx, tenant, GOOGLE, subject, &id, cx.now)?;
    }
    let before = account.state;
    merge(&mut account, person);
    account::store::update_profile(tx, tenant, &account, cx.now)?;
    store::update(tx, cx, &account)?;
    if person.onboarded {
        account::store::set_onboarded(tx, tenant, &id, cx.now)?;
    }
    if account.state != before {
        account::store::set_state(tx, tenant, &id, account.state, cx.now)?;
        if account.state == AccountState::Suspended {
            session::store::end_all(tx, cx, &id, None, EndReason::Suspended)?;
            one_time::store::void_all(tx, tenant, &id, cx.now)?;
        }
    }
    if let Some(phc) = &line.new.phc {
        store::give_password(tx, cx, &id, phc)?;
    }
    if let Some(uid) = &line.new.uid {
        partner::store::bind(tx, tenant, &id, uid, cx.now)?;
    }
    Ok(None)
}

impl ImportDone {
    fn known(&mut self, line: &Line) {
        self.notes.push((line.number, ImportNote::Known));
    }

    fn refuse(&mut self, line: &Line, field: &str, reason: &str) {
        let refusal = Refusal::new(field, reason);
        self.notes.push((line.number, ImportNote::Refused(refusal)));
    }
}
