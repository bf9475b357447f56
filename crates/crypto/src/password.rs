//! Password hashing with Argon2id (RFC 9106) on threads of its own, so that hashing can neither
//! starve the rest of the server nor take more memory than planned.

mod compute;
mod pages;

use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use argon2::Block;
use parking_lot::{Condvar, Mutex, MutexGuard};
use secrecy::SecretString;
use tokio::sync::oneshot;

use crate::phc::Phc;
use crate::random::SystemRandom;
use crate::stored::Stored;
use crate::token::{equal, secret_bytes};
use crate::turns::Turns;

/// How far behind the server's other threads those that hash stand, on the system's scale from 0 to 19.
const NICENESS: i32 = 10;

/// The lane that never has a job.
const NOBODY: i64 = i64::MIN;

/// The cost of one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicyParams {
    /// Memory in KiB, at least 8 for each lane, at most 262144.
    pub m_kib: u32,
    /// Passes over the memory, 1 to 16.
    pub t: u32,
    /// Lanes, 1 to 8. They are computed one after the other.
    pub p: u32,
}

impl Default for PasswordPolicyParams {
    /// 19 MiB, two passes, one lane: OWASP's first choice.
    fn default() -> Self {
        Self {
            m_kib: 19456,
            t: 2,
            p: 1,
        }
    }
}

/// How a [`HashPool`] works.
#[derive(Debug, Clone)]
pub struct HashOptions {
    /// The cost of new hashes.
    pub params: PasswordPolicyParams,
    /// Threads, at least one; each keeps the memory of one hash while there is work.
    pub workers: usize,
    /// Jobs that may wait; one more is refused at once.
    pub queue: usize,
    /// Jobs that waited longer are refused without hashing.
    pub max_wait: Duration,
    /// A thread without work for so long gives its memory back.
    pub rest: Duration,
}

impl Default for HashOptions {
    /// A worker for each core, 64 waiting jobs for each worker, two seconds of waiting, five before the memory goes back.
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            params: PasswordPolicyParams::default(),
            workers,
            queue: 64 * workers,
            max_wait: Duration::from_secs(2),
            rest: Duration::from_secs(5),
        }
    }
}

/// Why a pool did not start.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// See [`PasswordPolicyParams`] for the bounds.
    #[error("the password hashing parameters are out of bounds")]
    Params,
    /// The system gave no thread.
    #[error("cannot start a hashing thread")]
    Thread(#[source] std::io::Error),
}

/// Why a password was not hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// More work is waiting than the pool can do in time.
    #[error("too many passwords are being hashed, retry in {retry_after_secs} s")]
    Overloaded {
        /// When the queue should have drained, in seconds, at least 1.
        retry_after_secs: u64,
    },
    /// The stored hash is in no form known here, or would cost more than is allowed.
    #[error("the stored password hash is not usable")]
    BadHash,
    /// The pool is shutting down.
    #[error("password hashing has stopped")]
    Closed,
}

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is the password.
    pub matches: bool,
    /// Whether the hash has other parameters than the pool makes now.
    pub rehash: bool,
}

/// Threads that hash passwords from a bounded queue. Dropping the pool ends it; who still waits
/// gets [`HashError::Closed`].
pub struct HashPool {
    shared: Arc<Shared>,
}

/// One tenant's way into a [`HashPool`]: first come, first served; tenants take turns, so that a
/// storm at one does not starve the others.
#[derive(Debug, Clone, Copy)]
pub struct HashLane<'a> {
    pool: &'a HashPool,
    lane: i64,
}

impl HashPool {
    /// Starts the threads. Their memory is taken with the first hash.
    pub fn new(options: HashOptions) -> Result<Self, PoolError> {
        options.params.argon2(None).ok_or(PoolError::Params)?;
        let workers = options.workers.max(1);
        let shared = Arc::new(Shared {
            options,
            state: Mutex::new(State::default()),
            wake: Condvar::new(),
            hashed: AtomicU64::new(0),
            holding: AtomicUsize::new(0),
        });
        // From here on a failure drops the pool and with it the threads already started.
        let pool = Self { shared };
        for index in 0..workers {
            let shared = Arc::clone(&pool.shared);
            std::thread::Builder::new()
                .name(format!("hash-{index}"))
                .spawn(move || {
                    // Whoever only wants a token checked goes first. Where the system refuses, all are equal.
                    let _ = rustix::process::setpriority_process(None, NICENESS);
                    shared.work();
                })
                .map_err(PoolError::Thread)?;
        }
        Ok(pool)
    }

    /// The lane of a tenant, by its number.
    pub fn lane(&self, lane: i64) -> HashLane<'_> {
        HashLane { pool: self, lane }
    }

    /// How many jobs wait for a thread.
    pub fn waiting(&self) -> usize {
        self.shared.state.lock().queue.len()
    }

    /// How many threads hold the memory of a hash.
    pub fn holding(&self) -> usize {
        self.shared.holding.load(Ordering::Relaxed)
    }

    /// How many passwords were hashed since the start.
    pub fn hashed(&self) -> u64 {
        self.shared.hashed.load(Ordering::Relaxed)
    }
}

impl HashLane<'_> {
    /// Hashes a password under a fresh salt, into a PHC string.
    pub async fn hash(self, password: SecretString) -> Result<String, HashError> {
        let mut phc = Phc::blank(self.pool.shared.options.params, secret_bytes(&SystemRandom));
        phc.hash = self.compute(Stored::Ours(phc.clone()), password).await?;
        Ok(phc.to_text())
    }

    /// Checks a password against a stored hash: a PHC string of Argon2, or what an import took over.
    pub async fn verify(self, stored: &str, password: SecretString) -> Result<Verdict, HashError> {
        let stored = Stored::parse(stored).ok_or(HashError::BadHash)?;
        let rehash = !stored.is_current(self.pool.shared.options.params);
        let wanted = stored.hash().to_vec();
        let hash = self.compute(stored, password).await?;
        Ok(Verdict {
            matches: equal(&hash, &wanted),
            rehash,
        })
    }

    /// Does the work of a verification that fails, for accounts that do not exist or have no
    /// password, so that the time of an answer does not tell: that of a hash with today's parameters, or of the stored
    /// hash given.
    pub async fn verify_absent(
        self,
        like: Option<&str>,
        password: SecretString,
    ) -> Result<(), HashError> {
        let ours = || Stored::Ours(Phc::blank(self.pool.shared.options.params, [0; 16]));
        let stored = like.and_then(Stored::parse).unwrap_or_else(ours);
        let wanted = stored.hash().to_vec();
        let hash = self.compute(stored, password).await?;
        std::hint::black_box(equal(&hash, &wanted));
        Ok(())
    }

    async fn compute(self, stored: Stored, password: SecretString) -> Result<Vec<u8>, HashError> {
        let (answer, wait) = oneshot::channel();
        self.pool.shared.push(Job {
            lane: self.lane,
            stored,
            password,
            since: Instant::now(),
            answer,
        })?;
        wait.await.unwrap_or(Err(HashError::Closed))
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        state.queue.clear();
        self.shared.wake.notify_all();
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

struct Job {
    lane: i64,
    stored: Stored,
    password: SecretString,
    since: Instant,
    answer: oneshot::Sender<Result<Vec<u8>, HashError>>,
}

#[derive(Default)]
struct State {
    queue: Turns<Job>,
    closed: bool,
    /// How long a job takes, smoothed; zero until there was one.
    cost: Duration,
    /// How long a hash with the pool's own parameters takes, smoothed; zero until there was one.
    own: Duration,
}

struct Shared {
    options: HashOptions,
    state: Mutex<State>,
    wake: Condvar,
    hashed: AtomicU64,
    holding: AtomicUsize,
}

impl Shared {
    fn push(&self, job: Job) -> Result<(), HashError> {
        let lane = job.lane;
        let mut state = self.state.lock();
        if state.queue.len() >= self.options.queue {
            // Callers that hung up must not keep others out.
            state.queue.retain(|job| !job.answer.is_closed());
        }
        // Waiting for what will come too late helps nobody.
        if self.wait(&state, lane) >= self.options.max_wait {
            return Err(self.overloaded(&state, lane));
        }
        if state.queue.len() >= self.options.queue {
            let refused = self.overloaded(&state, lane);
            match state.queue.yield_to(lane) {
                None => return Err(refused),
                Some(job) => drop(job.answer.send(Err(refused))),
            }
        }
        state.queue.push(lane, job);
        self.wake.notify_one();
        Ok(())
    }

    /// The next job that is still worth doing; `None` when the pool ends. The memory does not wait for long.
    fn next(&self, memory: &mut Vec<Block>) -> Option<Job> {
        let mut state = self.state.lock();
        while !state.closed {
            match state.queue.pop() {
                None if memory.is_empty() => self.wake.wait(&mut state),
                None => {
                    if self
                        .wake
                        .wait_for(&mut state, self.options.rest)
                        .timed_out()
                    {
                        MutexGuard::unlocked(&mut state, || *memory = Vec::new());
                        self.holding.fetch_sub(1, Ordering::Relaxed);
                    }
                }
                Some(job) if job.answer.is_closed() => {}
                Some(job) if job.since.elapsed() >= self.options.max_wait => {
                    // An error means that the caller has just left, which is as good.
                    let _ = job.answer.send(Err(self.overloaded(&state, job.lane)));
                }
                Some(job) => return Some(job),
            }
        }
        None
    }

    /// How long a new job of this lane would wait.
    fn wait(&self, state: &State, lane: i64) -> Duration {
        self.time_of(state, state.queue.ahead(lane))
    }

    fn time_of(&self, state: &State, jobs: usize) -> Duration {
        let jobs = u32::try_from(jobs).unwrap_or(u32::MAX);
        let workers = u32::try_from(self.options.workers).unwrap_or(u32::MAX);
        state.cost.saturating_mul(jobs) / workers.max(1)
    }

    /// Refuses at once who would only be refused after a long wait, now that it is known better what a hash takes.
    fn shed(&self, state: &mut State) {
        while self.time_of(state, state.queue.len()) > self.options.max_wait {
            let Some(job) = state.queue.yield_to(NOBODY) else {
                return;
            };
            let refused = self.overloaded(state, job.lane);
            let _ = job.answer.send(Err(refused));
        }
    }

    fn overloaded(&self, state: &State, lane: i64) -> HashError {
        HashError::Overloaded {
            retry_after_secs: self.wait(state, lane).as_secs() + 1,
        }
    }

    fn work(&self) {
        let mut memory = Vec::new();
        while let Some(job) = self.next(&mut memory) {
            let started = Instant::now();
            let hash = self.hash(&job, &mut memory);
            let took = started.elapsed();
            self.hashed.fetch_add(1, Ordering::Relaxed);
            let is_own = job.stored.is_current(self.options.params);
            let _ = job.answer.send(hash);
            let mut state = self.state.lock();
            state.cost = smoothed(state.cost, took);
            if is_own {
                state.own = smoothed(state.own, took);
            }
            self.shed(&mut state);
        }
    }
}

fn smoothed(before: Duration, took: Duration) -> Duration {
    match before {
        Duration::ZERO => took,
        before => (before * 7 + took) / 8,
    }
}
