//! Storage that fails while the server runs: what is answered meanwhile, how soon it recovers, and that nothing is half
//! done.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use super::act::{Desk, bearer};
use super::check::{Finding, Sort};
use super::journal::{Act, Entry, Event, Got};
use super::round::{Cut, GRACE, Torture};
use super::server::{Control, Sync};
use super::web::Reply;

/// A way for storage to fail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    name: &'static str,
    write_errno: i32,
    sync: Sync,
}

pub(crate) const FAULTS: [Fault; 4] = [
    Fault {
        name: "disk full",
        write_errno: 28,
        sync: Sync::Honest,
    },
    Fault {
        name: "writes fail",
        write_errno: 5,
        sync: Sync::Honest,
    },
    Fault {
        name: "file system read-only",
        write_errno: 30,
        sync: Sync::Honest,
    },
    FSYNC_FAILS,
];

pub(crate) const FSYNC_FAILS: Fault = Fault {
    name: "fsync fails",
    write_errno: 0,
    sync: Sync::Failing,
};

/// SQLite itself overlooks it.
const FOLDER_FSYNC_FAILS: Fault = Fault {
    name: "folder fsync fails",
    write_errno: 0,
    sync: Sync::FailingFolders,
};

impl Fault {
    pub(crate) fn control(self, clock_seconds: i64) -> Control {
        Control {
            write_errno: self.write_errno,
            sync: self.sync,
            clock_seconds,
        }
    }
}

/// A refusal must come within this time, and recovery after the fault within the other.
const REFUSAL: Duration = Duration::from_secs(3);
const RECOVERY: Duration = Duration::from_secs(5);

/// What a dialect's 503 looks like.
#[derive(Clone, Copy)]
enum Shape {
    Enclaive,
    AlphaLearn,
    Rezi,
    /// A page, or the native API.
    Other,
}

impl Shape {
    fn fits(self, body: &Value) -> bool {
        match self {
            Self::Enclaive => body["statusCode"] == 503 && body["error"] == "Service Unavailable",
            Self::AlphaLearn => {
                body["success"] == false && body["data"]["response"]["error"]["code"] == "503"
            }
            Self::Rezi => body["status"] == "error" && body["errorCode"] == "server-503",
            Self::Other => true,
        }
    }
}

/// The longest times seen.
#[derive(Debug, Default)]
pub(crate) struct Times {
    pub(crate) refusal: Duration,
    pub(crate) recovery: Duration,
}

/// One server under one fault after the other, then a power cut and a check of everything.
pub(crate) fn drill(torture: &mut Torture<'_>) -> Result<Times> {
    let mut times = Times::default();
    let mut journals = Vec::new();
    let disk = torture.begin()?;
    let mut server = torture.site.start()?;
    for (number, fault) in FAULTS.into_iter().enumerate() {
        let mut drill = Drill {
            desk: torture.desk(&server),
            fault,
            journal: Vec::new(),
            findings: Vec::new(),
        };
        let acts = drill.prepare(number, torture.sink)?;
        // Long enough for a session's last use to be due: a write on a path that must not need one.
        torture.clock += GRACE;
        torture.site.control(fault.control(torture.clock))?;
        drill.refused(&acts, &mut times)?;
        drill.reads()?;
        torture.control(Sync::Honest)?;
        drill.recovers(&acts, &mut times)?;
        journals.push(drill.journal);
        torture.tally.findings.extend(drill.findings);
    }
    let killed = server.kill();
    torture.finding(killed);
    let full = restart(torture, FAULTS[0], &mut journals);
    torture.finding(full);
    // In good order: the next server begins a new log.
    let folded = torture.site.command(&["db", "check"]).map(drop);
    torture.finding(folded);
    let nameless = restart(torture, FOLDER_FSYNC_FAILS, &mut journals);
    torture.finding(nameless);
    torture.end(disk, Cut::Power { moments: 0 }, &journals)?;
    torture.settle_and_check(&journals)?;
    Ok(times)
}

/// A server that starts while nothing can be written for good tells who people are, that it is not ready, and gets over it.
fn restart(torture: &Torture<'_>, fault: Fault, journals: &mut Vec<Vec<Entry>>) -> Result<()> {
    torture.site.control(fault.control(torture.clock))?;
    let mut server = torture.site.start_until("/health/live")?;
    let known = journals.iter().flatten();
    let mut drill = Drill {
        desk: torture.desk(&server),
        fault,
        journal: known.cloned().collect(),
        findings: Vec::new(),
    };
    drill.reads()?;
    torture.control(Sync::Honest)?;
    drill.recovers(&[], &mut Times::default())?;
    drill.journal.clear();
    drill.really(Act::Register {
        email: format!("after {}@fault.test", fault.name).replace(' ', "-"),
        password: "correct horse".to_owned(),
    })?;
    journals.push(drill.journal);
    server.kill()?;
    match drill.findings.first() {
        None => Ok(()),
        Some(finding) => bail!("started anew: {finding}"),
    }
}

struct Drill<'a> {
    desk: Desk<'a>,
    fault: Fault,
    journal: Vec<Entry>,
    findings: Vec<Finding>,
}

impl Drill<'_> {
    fn expect(&mut self, good: bool, what: impl FnOnce() -> String) {
        if !good {
            self.findings.push(Finding {
                sort: Sort::Wrong,
                what: format!("{}: {}", self.fault.name, what()),
            });
        }
    }

    fn note(&mut self, act: &Act, event: Event) {
        for event in [Event::Intent(act.clone()), event] {
            self.journal.push(Entry { time: 0, event });
        }
    }

    /// Does an act that must work.
    fn really(&mut self, act: Act) -> Result<Got> {
        match self.desk.perform(&act)? {
            Ok(got) => {
                self.note(&act, Event::Done(got.clone()));
                Ok(got)
            }
            Err(reply) => bail!("{act:?} was refused: {} {}", reply.status, reply.body),
        }
    }

    /// A subject for each act that writes.
    fn prepare(&mut self, number: usize, sink: &super::smtp::Sink) -> Result<Vec<(Act, Shape)>> {
        let password = "correct horse".to_owned();
        let address = |name: &str| format!("{name}-{number}@fault.test");
        let mut acts = Vec::new();
        let mut add = |act, shape| acts.push((act, shape));
        let register = |email: &str| Act::Register {
            email: email.to_owned(),
            password: password.clone(),
        };
        add(register(&address("new")), Shape::Enclaive);
        for (lms, shape) in [(false, Shape::Enclaive), (true, Shape::AlphaLearn)] {
            let email = address(if lms { "lms" } else { "login" });
            self.really(register(&email))?;
            let password = password.clone();
            let session = 1;
            add(
                Act::SignIn {
                    email,
                    password,
                    session,
                    lms,
                },
                shape,
            );
        }
        let (email, session) = (address("refresh"), 0);
        let token = self.really(register(&email))?.token;
        add(
            Act::Refresh {
                email,
                session,
                token,
            },
            Shape::Enclaive,
        );
        let email = address("out");
        let token = self.really(register(&email))?.access;
        add(
            Act::SignOut {
                email,
                session,
                token,
            },
            Shape::Other,
        );
        let email = address("forgot");
        self.really(register(&email))?;
        add(Act::Forgot { email }, Shape::AlphaLearn);
        let email = address("reset");
        self.really(register(&email))?;
        let token = self.really(Act::Forgot {
            email: email.clone(),
        })?;
        let (token, password) = (token.token, "another horse".to_owned());
        add(
            Act::Reset {
                email,
                token,
                password,
            },
            Shape::Enclaive,
        );
        let email = address("verify");
        self.really(register(&email))?;
        let Some(token) = sink.token(&email, RECOVERY) else {
            bail!("no mail came for {email}");
        };
        add(Act::Verify { email, token }, Shape::Enclaive);
        let (email, uid) = (address("partner"), "a partner's uid".to_owned());
        add(Act::Mint { email, uid }, Shape::Rezi);
        let (email, uid) = (address("open"), "a partner's uid".to_owned());
        let token = self.really(Act::Mint {
            email: email.clone(),
            uid,
        })?;
        let token = token.token;
        add(Act::Open { email, token }, Shape::Other);
        Ok(acts)
    }

    fn refused(&mut self, acts: &[(Act, Shape)], times: &mut Times) -> Result<()> {
        for (act, shape) in acts {
            let begun = Instant::now();
            let answer = self.desk.perform(act)?;
            let took = begun.elapsed();
            times.refusal = times.refusal.max(took);
            self.expect(took <= REFUSAL, || format!("{act:?} took {took:?}"));
            match answer {
                Ok(got) => {
                    self.note(act, Event::Done(got));
                    self.expect(false, || format!("{act:?} was acknowledged"));
                }
                Err(Reply { status, body, .. }) => {
                    let parsed = serde_json::from_str(&body).unwrap_or_default();
                    self.expect(status == 503 && shape.fits(&parsed), || {
                        format!("{act:?} was answered {status} {body}")
                    });
                    self.note(act, Event::Refused(format!("{status}")));
                }
            }
        }
        let name = format!("{} {}", self.fault.name, "key");
        let made = self.desk.perform(&Act::CreateKey { name });
        self.expect(made.is_err(), || "a key was made".to_owned());
        Ok(())
    }

    /// What needs no change is answered as ever; that changes fail is no secret.
    fn reads(&mut self) -> Result<()> {
        let access = self.journal.iter().find_map(|entry| match &entry.event {
            Event::Done(got) if !got.access.is_empty() => Some(got.access.clone()),
            _ => None,
        });
        let bearer = bearer(access.unwrap_or_default());
        let signed_in = [bearer.as_pair()];
        for (path, headers, expected) in [
            ("/account/v1/session", &signed_in[..], 200),
            ("/account/v1/profile", &signed_in, 200),
            ("/forward-auth", &signed_in, 200),
            ("/.well-known/jwks.json", &[], 200),
            ("/health/live", &[], 200),
            ("/health/ready", &[], 503),
        ] {
            let reply = self.desk.web.get(path, headers)?;
            self.expect(reply.status == expected, || {
                format!("{path} was answered {} {}", reply.status, reply.body)
            });
        }
        Ok(())
    }

    /// The same acts as before work now, as if they had never been tried.
    fn recovers(&mut self, acts: &[(Act, Shape)], times: &mut Times) -> Result<()> {
        let begun = Instant::now();
        while self.desk.web.get("/health/ready", &[])?.status != 200 {
            if begun.elapsed() > RECOVERY {
                self.expect(false, || "not ready after it".to_owned());
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        times.recovery = times.recovery.max(begun.elapsed());
        for (act, _) in acts {
            match self.desk.perform(act)? {
                Ok(got) => self.note(act, Event::Done(got)),
                Err(Reply { status, body, .. }) => self.expect(false, || {
                    format!("{act:?} was answered {status} {body} after recovery")
                }),
            }
        }
        Ok(())
    }
}
