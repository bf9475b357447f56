//! One hash, by the scheme that made the stored one.

use std::sync::atomic::Ordering;
use std::time::Instant;

use argon2::{Argon2, Block};
use secrecy::ExposeSecret;

use super::pages::make_large;
use super::{HashError, Job, Shared};
use crate::foreign::Foreign;
use crate::phc::Phc;
use crate::stored::Stored;

/// Blocks (1 KiB). Above 32 MiB glibc takes memory from the system by itself and gives it back when it is freed; below, it
/// keeps what came back once. What is never touched costs nothing.
const ALWAYS_MAPPED: usize = 33 * 1_024;

impl Shared {
    /// Hashes, and does as much besides as a hash with the pool's own parameters would have cost more. Else a refusal of
    /// somebody whose stored hash is of cheaper days or another system came sooner than that of somebody unknown.
    pub(super) fn hash(&self, job: &Job, kept: &mut Vec<Block>) -> Result<Vec<u8>, HashError> {
        let phc = match &job.stored {
            Stored::Ours(phc) => phc,
            Stored::Foreign(foreign) => return self.hash_foreign(job, foreign, kept),
        };
        let hash = self.hash_once(job, phc, kept)?;
        if let Some(rest) = phc.params.lacking(self.options.params) {
            let rest = Phc::blank(rest, [0; 16]);
            std::hint::black_box(self.hash_once(job, &rest, kept)?);
        }
        Ok(hash)
    }

    /// What another scheme lacks of our own one's cost is known by the clock only.
    fn hash_foreign(
        &self,
        job: &Job,
        foreign: &Foreign,
        kept: &mut Vec<Block>,
    ) -> Result<Vec<u8>, HashError> {
        let started = Instant::now();
        let hash = foreign.derive(job.password.expose_secret().as_bytes());
        let hash = hash.ok_or(HashError::BadHash)?;
        let (took, own) = (started.elapsed().as_micros(), self.state.lock().own);
        let lack = own.as_micros().saturating_sub(took) * 1_000;
        // Nothing to compare with yet: the whole of it.
        let lack = lack.checked_div(own.as_micros()).unwrap_or(1_000);
        if lack > 0 {
            let share = self
                .options
                .params
                .share(u32::try_from(lack).unwrap_or(1_000));
            let rest = Phc::blank(share, [0; 16]);
            std::hint::black_box(self.hash_once(job, &rest, kept)?);
        }
        Ok(hash)
    }

    fn hash_once(&self, job: &Job, phc: &Phc, kept: &mut Vec<Block>) -> Result<Vec<u8>, HashError> {
        let params = phc.params.argon2(Some(phc.hash.len()));
        let params = params.ok_or(HashError::BadHash)?;
        let blocks = params.block_count();
        let mut temporary = Vec::new();
        // Only the pool's own parameters size what is kept: one old, expensive hash must not
        // raise the memory of a worker for good.
        let own = self.options.params.m_kib as usize;
        let memory = if blocks <= own { kept } else { &mut temporary };
        if memory.len() < blocks {
            if blocks <= own {
                memory.reserve_exact(own.max(ALWAYS_MAPPED));
                // No further: a page that is not used whole would still be taken whole.
                make_large(&mut memory.spare_capacity_mut()[..own]);
                self.holding.fetch_add(1, Ordering::Relaxed);
            }
            memory.resize(blocks.max(own), Block::new());
        }
        let mut hash = vec![0; phc.hash.len()];
        Argon2::new(phc.algorithm, phc.version, params)
            .hash_password_into_with_memory(
                job.password.expose_secret().as_bytes(),
                &phc.salt,
                &mut hash,
                memory,
            )
            .map_err(|_| HashError::BadHash)?;
        Ok(hash)
    }
}
