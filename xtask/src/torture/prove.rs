//! The proof that the harness finds what it is there to find.

use anyhow::{Result, bail, ensure};

use super::act::Desk;
use super::check::Sort;
use super::journal::{Act, Entry, Event, Got};
use super::round::{Cut, GRACE};
use super::server::Sync;
use super::{Options, Place};

/// Rounds on a lying disk; one is nearly always enough.
const ROUNDS: usize = 10;

/// Fails if a fault that was put in on purpose is not found.
pub(crate) fn run(place: &Place<'_>, options: &Options) -> Result<()> {
    let site = place.site("lying", None)?;
    let mut torture = place.torture(&site, options.clients)?;
    torture.sync = Sync::Lying;
    let mut rounds = 0;
    while torture.tally.count(Sort::Lost) == 0 && rounds < ROUNDS {
        rounds += 1;
        torture.round(Cut::Power { moments: 0 })?;
    }
    let lost = torture.tally.count(Sort::Lost);
    ensure!(
        lost > 0,
        "a disk that only says it syncs lost nothing in {rounds} power cuts"
    );
    println!("torture: {lost} lost changes found after {rounds} power cuts on a lying disk");
    planted(place, options)
}

/// Journals with a claim that is not true, which must be found; and one of true claims only.
fn planted(place: &Place<'_>, options: &Options) -> Result<()> {
    let site = place.site("planted", None)?;
    let mut torture = place.torture(&site, options.clients)?;
    let mut server = site.start()?;
    let claims = claims(&torture.desk(&server))?;
    server.kill()?;
    torture.clock = GRACE;
    torture.control(Sync::Honest)?;
    for claim in claims {
        let before = torture.tally.findings.len();
        torture.check(&site, &[journal(&claim.acts)], u64::MAX)?;
        let found = &torture.tally.findings[before..];
        let right = match claim.expected {
            Some(sort) => found.iter().any(|finding| finding.sort == sort),
            None => found.is_empty(),
        };
        ensure!(right, "planted: {}; found: {found:?}", claim.name);
        println!("torture: planted and found: {}", claim.name);
    }
    Ok(())
}

/// What a journal claims, and what must be found in it.
struct Claim {
    name: &'static str,
    expected: Option<Sort>,
    acts: Vec<(Act, Got)>,
}

fn claims(desk: &Desk<'_>) -> Result<Vec<Claim>> {
    let lie = |mut acts: Vec<(Act, Got)>, act| {
        acts.push((act, Got::default()));
        acts
    };
    let gone = "gone@torture.test".to_owned();
    let register = |email: &str| Act::Register {
        email: email.to_owned(),
        password: "correct horse".to_owned(),
    };
    let person = |email: &str| really(desk, &[register(email)]);
    let signed_in = person("in@torture.test")?;
    let token = signed_in[0].1.token.clone();
    let minted = really(
        desk,
        &[Act::Mint {
            email: "minted@torture.test".to_owned(),
            uid: "a partner's uid".to_owned(),
        }],
    )?;
    let login = minted[0].1.token.clone();
    let name = "planted".to_owned();
    let key = really(desk, &[Act::CreateKey { name: name.clone() }])?;
    let id = key[0].1.id.clone();
    let email = "in@torture.test".to_owned();
    Ok(vec![
        Claim {
            name: "nothing",
            expected: None,
            acts: person("honest@torture.test")?,
        },
        Claim {
            name: "an account that was never made",
            expected: Some(Sort::Lost),
            acts: lie(Vec::new(), register(&gone)),
        },
        Claim {
            name: "a sign-out that never happened",
            expected: Some(Sort::Revived),
            acts: lie(
                signed_in,
                Act::SignOut {
                    email,
                    session: 0,
                    token,
                },
            ),
        },
        Claim {
            name: "a login token that was never used",
            expected: Some(Sort::Twice),
            acts: lie(
                minted,
                Act::Open {
                    email: "minted@torture.test".to_owned(),
                    token: login,
                },
            ),
        },
        Claim {
            name: "a key that was never revoked",
            expected: Some(Sort::Revived),
            acts: lie(key, Act::RevokeKey { name, id }),
        },
    ])
}

/// Does acts; each with what was got.
fn really(desk: &Desk<'_>, acts: &[Act]) -> Result<Vec<(Act, Got)>> {
    acts.iter()
        .map(|act| match desk.perform(act)? {
            Ok(got) => Ok((act.clone(), got)),
            Err(reply) => bail!("{act:?} was refused: {} {}", reply.status, reply.body),
        })
        .collect()
}

/// A journal that says of each act that it was acknowledged.
fn journal(acts: &[(Act, Got)]) -> Vec<Entry> {
    acts.iter()
        .flat_map(|(act, got)| [Event::Intent(act.clone()), Event::Done(got.clone())])
        .map(|event| Entry { time: 0, event })
        .collect()
}
