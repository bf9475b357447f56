//! What befalls the servers and their connections while both PostgreSQL servers are well.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::Nodes;

#[derive(Debug, Clone, Copy)]
enum Trouble {
    Kill,
    /// SIGSTOP in the middle of requests, and on again.
    Stop,
    Cut,
    Reset,
    Stall,
    /// Every connection waits for a lock.
    Exhaust,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::Kill,
    Trouble::Stop,
    Trouble::Cut,
    Trouble::Reset,
    Trouble::Stall,
    Trouble::Exhaust,
];

/// Longer than a server waits for an answer to BEGIN.
const EXHAUST: &str =
    "BEGIN; LOCK TABLE session IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(1.2); COMMIT;\n";

impl Nodes<'_> {
    /// A few troubles, each after a while of work.
    pub(super) fn trouble(&mut self) -> Result<()> {
        for _ in 0..self.random.usize(2..=4) {
            self.pass(100..=600);
            let trouble = self.random.choice(TROUBLES).unwrap_or(Trouble::Kill);
            self.befall(trouble)?;
        }
        self.pass(50..=400);
        Ok(())
    }

    fn befall(&mut self, trouble: Trouble) -> Result<()> {
        match trouble {
            Trouble::Kill => {
                let index = self.random.usize(..2);
                self.kill_server(index);
                self.start_server(index)?;
            }
            Trouble::Stop => {
                let index = self.random.usize(..2);
                self.signal(index, "STOP")?;
                self.pass(100..=1500);
                self.signal(index, "CONT")?;
            }
            Trouble::Cut | Trouble::Reset => {
                let reset = matches!(trouble, Trouble::Reset);
                self.wires.iter().for_each(|wire| wire.cut(reset));
            }
            Trouble::Stall => {
                self.wires.iter().for_each(|wire| wire.stall(true));
                self.pass(200..=3000);
                self.wires.iter().for_each(|wire| wire.stall(false));
            }
            Trouble::Exhaust => {
                self.cluster.sql_aside(EXHAUST)?;
                self.pass(1300..=1500);
            }
        }
        Ok(())
    }

    fn signal(&self, index: usize, name: &str) -> Result<()> {
        self.servers[index]
            .as_ref()
            .map_or(Ok(()), |server| server.signal(name))
    }

    fn pass(&mut self, millis: std::ops::RangeInclusive<u64>) {
        let millis = self.random.u64(millis);
        thread::sleep(Duration::from_millis(millis));
    }
}
