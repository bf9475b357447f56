//! One round: clients at work, the cut, the restart, the check.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::act::Desk;
use super::check::{Checker, Finding, Sort};
use super::client::Client;
use super::disk::{Disk, is_shared_memory};
use super::faults::{FAULTS, FSYNC_FAILS};
use super::journal::{self, Entry, Journal};
use super::server::{Control, Server, Site, Sync, make_folder, make_private};
use super::smtp::Sink;
use super::story::{Story, stories};

/// Longer than every grace for a lost answer or a second click: what was used or replaced is dead for good.
pub(crate) const GRACE: i64 = 400;
/// Stories of earlier rounds that are looked at again in each.
pub(crate) const ELDERS: usize = 20;

/// How a round ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// kill -9: the system keeps what was written.
    Kill,
    /// The power fails: unsynced writes are lost, kept or torn as chance has it. Looked at also at so many earlier
    /// moments of the round.
    Power { moments: usize },
    /// The storage fails now and then, kill -9, a restart on sound storage, and then the power fails.
    Faults { moments: usize },
}

/// SQLite's shared memory as it was at some time.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    name: PathBuf,
    content: Vec<u8>,
    time: u64,
}

/// What all rounds of one site share.
#[derive(Debug)]
pub(crate) struct Torture<'a> {
    pub(crate) site: &'a Site,
    pub(crate) sink: &'a Sink,
    pub(crate) clients: usize,
    pub(crate) random: fastrand::Rng,
    /// A private key made before the first round.
    pub(crate) key: String,
    pub(crate) clock: i64,
    pub(crate) sync: Sync,
    pub(crate) tally: Tally,
    pub(crate) elders: Vec<Story>,
    pub(crate) shared: Vec<SharedMemory>,
    /// How often clients were let loose.
    pub(crate) lives: usize,
}

/// What has been seen so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: usize,
    pub(crate) cuts: usize,
    pub(crate) effects: usize,
    pub(crate) findings: Vec<Finding>,
    pub(crate) starts: Vec<Duration>,
}

impl Tally {
    pub(crate) fn count(&self, sort: Sort) -> usize {
        self.findings.iter().filter(|f| f.sort == sort).count()
    }

    /// The stories of journals up to a time; counts what was acknowledged, and finds what was refused without a fault.
    pub(crate) fn gather(&mut self, journals: &[Vec<Entry>], time: u64) -> Vec<Story> {
        let mut all = Vec::new();
        for entries in journals {
            let acts = journal::acts_until(entries, time);
            let done = |outcome: &journal::Outcome| matches!(outcome, journal::Outcome::Done(_));
            self.effects += acts.iter().filter(|(_, outcome)| done(outcome)).count();
            let (stories, wrong) = stories(&acts);
            all.extend(stories);
            for what in wrong {
                let sort = Sort::Wrong;
                self.findings.push(Finding { sort, what });
            }
        }
        all
    }
}

impl Torture<'_> {
    /// Forgets the log and takes the data as they are for safely stored.
    pub(crate) fn begin(&mut self) -> Result<Disk> {
        self.shared.clear();
        self.site.settle()
    }

    /// Runs clients for a while and kills the server under their hands; answers the journals.
    fn live(&mut self, troubled: bool) -> Result<Vec<Vec<Entry>>> {
        self.control(self.sync)?;
        let server = self.site.start()?;
        self.tally.starts.push(server.start);
        let (killed, journals) = self.work(server, troubled)?;
        self.control(Sync::Honest)?;
        self.finding(killed);
        journals.iter().map(|path| journal::read(path)).collect()
    }

    /// Leaves the data as the cut does.
    pub(crate) fn end(&mut self, disk: Disk, cut: Cut, journals: &[Vec<Entry>]) -> Result<()> {
        let moments = match cut {
            Cut::Kill => {
                self.tally.kills += 1;
                return Ok(());
            }
            Cut::Power { moments } | Cut::Faults { moments } => moments,
        };
        let log = self.site.changes()?;
        disk.clone().agrees_with(&log)?;
        for _ in 0..moments {
            self.moment(&disk, &log, journals)?;
        }
        let mut disk = disk;
        disk.replay(&log, &mut self.random);
        let data = self.site.data();
        fs::remove_dir_all(&data)?;
        make_folder(&data)?;
        disk.cut(&data, &mut self.random)?;
        super::disk::reboot(&data)?;
        self.leave_shared_memory(&data, u64::MAX)?;
        self.tally.cuts += 1;
        Ok(())
    }

    /// Shared memory is a file too: the system may have written it at some time, or never.
    fn leave_shared_memory(&mut self, data: &Path, until: u64) -> Result<()> {
        let mut kept = self.shared.iter().filter(|kept| kept.time <= until);
        let choice = self.random.usize(..=kept.clone().count());
        if let Some(kept) = kept.nth(choice) {
            let path = data.join(&kept.name);
            fs::write(&path, &kept.content)?;
            make_private(&path)?;
        }
        Ok(())
    }

    fn keep_shared_memory(&mut self) -> Result<()> {
        for entry in fs::read_dir(self.site.data())? {
            let path = entry?.path();
            if let (true, Some(name)) = (is_shared_memory(&path), path.file_name()) {
                self.shared.push(SharedMemory {
                    name: name.into(),
                    content: fs::read(&path)?,
                    time: journal::now(),
                });
            }
        }
        Ok(())
    }

    pub(crate) fn control(&self, sync: Sync) -> Result<()> {
        self.site.control(Control {
            sync,
            clock_seconds: self.clock,
            ..Control::default()
        })
    }

    pub(crate) fn finding(&mut self, result: Result<()>) {
        if let Err(error) = result {
            let what = format!("{error:#}");
            let sort = Sort::Wrong;
            self.tally.findings.push(Finding { sort, what });
        }
    }

    /// Lets the clients work for a while, kills the server, and lets them notice. Answers how the kill went.
    fn work(
        &mut self,
        mut server: Server<'_>,
        troubled: bool,
    ) -> Result<(Result<()>, Vec<PathBuf>)> {
        self.lives += 1;
        let stop = AtomicBool::new(false);
        let mut journals = Vec::new();
        let mut clients = Vec::new();
        for number in 0..self.clients {
            let name = format!("r{}c{number}", self.lives);
            let path = self.site.folder().join(format!("journal-{name}"));
            clients.push(Client::new(
                self.desk(&server),
                self.sink,
                Journal::create(&path)?,
                (name, self.random.fork()),
                &stop,
            ));
            journals.push(path);
        }
        let killed = thread::scope(|scope| {
            for client in clients {
                scope.spawn(|| client.live());
            }
            let passed = self.pass(troubled);
            let killed = server.kill();
            stop.store(true, Ordering::Relaxed);
            passed.and(killed)
        });
        Ok((killed, journals))
    }

    /// Lets a random time pass, with faults of the storage that come and go if so wished.
    fn pass(&mut self, troubled: bool) -> Result<()> {
        let mut left = self.random.u64(50..=2000);
        while left > 0 {
            if troubled {
                let fault = self.random.choice(FAULTS);
                let control = fault.map(|fault| fault.control(self.clock));
                let healthy = Control {
                    clock_seconds: self.clock,
                    ..Control::default()
                };
                let control = control.filter(|_| self.random.bool());
                self.site.control(control.unwrap_or(healthy))?;
            }
            let step = self.random.u64(20..=200).min(left);
            thread::sleep(Duration::from_millis(step));
            left -= step;
            self.keep_shared_memory()?;
        }
        if troubled {
            // The last thing that happens to the log before the kill: what the next process cannot know.
            self.site.control(FSYNC_FAILS.control(self.clock))?;
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(crate) fn desk<'s>(&self, server: &Server<'s>) -> Desk<'s> {
        Desk {
            web: server.web(),
            site: server.site(),
            key: self.key.clone(),
        }
    }

    /// A power cut at some moment of the round, looked at on a copy.
    fn moment(
        &mut self,
        disk: &Disk,
        log: &[super::disk::Record],
        journals: &[Vec<Entry>],
    ) -> Result<()> {
        ensure!(!log.is_empty(), "the shim logged nothing");
        let index = self.random.usize(..log.len());
        let mut disk = disk.clone();
        disk.replay(&log[..index], &mut self.random);
        let side = self.site.beside("side")?;
        disk.cut(&side.data(), &mut self.random)?;
        super::disk::reboot(&side.data())?;
        self.leave_shared_memory(&side.data(), log[index].time)?;
        side.control(Control {
            clock_seconds: self.clock + GRACE,
            ..Control::default()
        })?;
        self.tally.cuts += 1;
        self.check(&side, journals, log[index].time).map(drop)
    }

    /// Starts the server again and holds everything known at that time against it. Answers the stories.
    pub(crate) fn check(
        &mut self,
        site: &Site,
        journals: &[Vec<Entry>],
        time: u64,
    ) -> Result<Vec<Story>> {
        let mut server = match site.start() {
            Ok(server) => server,
            Err(error) => {
                let what = format!("everything: the server does not start any more: {error:#}");
                let sort = Sort::Lost;
                self.tally.findings.push(Finding { sort, what });
                return Ok(Vec::new());
            }
        };
        self.tally.starts.push(server.start);
        let all = self.tally.gather(journals, time);
        self.random.shuffle(&mut self.elders);
        let mut looked_at = all.clone();
        looked_at.extend(self.elders.iter().take(ELDERS).cloned());
        let label = self.tally.starts.len().to_string();
        let desk = self.desk(&server);
        let found = look(&desk, self.sink, (self.clients, &label), looked_at)?;
        self.tally.findings.extend(found);
        self.finding(site.command(&["db", "check"]).map(drop));
        self.finding(server.kill());
        Ok(all)
    }

    /// A whole round.
    pub(crate) fn round(&mut self, cut: Cut) -> Result<()> {
        let disk = self.begin()?;
        let troubled = matches!(cut, Cut::Faults { .. });
        let mut journals = self.live(troubled)?;
        if troubled {
            // What a failed fsync left behind must not harm those who come after a restart.
            journals.extend(self.live(false)?);
        }
        self.end(disk, cut, &journals)?;
        self.settle_and_check(&journals)
    }

    /// Checks after every grace is over.
    pub(crate) fn settle_and_check(&mut self, journals: &[Vec<Entry>]) -> Result<()> {
        self.clock += GRACE;
        self.control(Sync::Honest)?;
        let stories = self.check(self.site, journals, u64::MAX)?;
        self.elders.extend(stories.iter().filter_map(elder));
        Ok(())
    }
}

/// Holds stories against what a desk says, with so many threads; the label sets their races apart from others.
pub(crate) fn look(
    desk: &Desk<'_>,
    sink: &Sink,
    (threads, label): (usize, &str),
    stories: Vec<Story>,
) -> Result<Vec<Finding>> {
    let waiting = Mutex::new(stories);
    let found: Vec<Result<Vec<Finding>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|number| {
                let (waiting, desk) = (&waiting, desk.clone());
                let name = format!("{label}-{number}");
                scope.spawn(move || {
                    let mut checker = Checker {
                        desk,
                        sink,
                        findings: Vec::new(),
                    };
                    checker.race(&name)?;
                    loop {
                        let mut rest = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                        let Some(story) = rest.pop() else {
                            break Ok(checker.findings);
                        };
                        drop(rest);
                        checker.check(&story)?;
                    }
                })
            })
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Result<Vec<Finding>>>| {
            thread
                .join()
                .unwrap_or_else(|_| bail!("a checker panicked"))
        };
        threads.into_iter().map(join).collect()
    });
    let mut all = Vec::new();
    for findings in found {
        all.extend(findings.context("the server does not answer the checks")?);
    }
    Ok(all)
}

/// What the check leaves of a story, to be true for ever.
pub(crate) fn elder(story: &Story) -> Option<Story> {
    match story {
        Story::Person(person) if person.open.is_none() => {
            let mut elder = person.clone();
            elder.sessions.clear();
            Some(Story::Person(elder))
        }
        Story::Partner(partner) if partner.id.is_some() => {
            let mut elder = partner.clone();
            (elder.unused, elder.opened) = (None, Vec::new());
            Some(Story::Partner(elder))
        }
        Story::Key(key) if !key.open => Some(story.clone()),
        _ => None,
    }
}
