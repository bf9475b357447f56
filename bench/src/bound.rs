//! What the work that cannot be avoided costs by itself.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};

use crate::clock::{cost, thread_cpu};

/// The server's own default cost.
fn params() -> Result<Params> {
    Params::new(19_456, 2, 1, Some(32)).map_err(|error| anyhow!("{error}"))
}

/// What hashing passwords costs.
#[derive(Debug, Clone, Copy)]
pub struct Hashing {
    /// Hashes a second on all cores together.
    pub throughput: f64,
    /// Processor seconds for each.
    pub cpu: f64,
}

impl Hashing {
    pub fn mean(self, other: Hashing) -> Hashing {
        Hashing {
            throughput: f64::midpoint(self.throughput, other.throughput),
            cpu: f64::midpoint(self.cpu, other.cpu),
        }
    }
}

/// Argon2id on every core at once, each with memory that was taken and touched before.
pub fn argon2(seconds: f64) -> Result<Hashing> {
    let cores = std::thread::available_parallelism()?.get();
    let work = move || -> Result<(u32, f64, f64)> {
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params()?);
        let mut memory = vec![Block::new(); hasher.params().block_count()];
        let mut hash = [0; 32];
        let mut once = || {
            hasher
                .hash_password_into_with_memory(b"a password", &[7; 16], &mut hash, &mut memory)
                .map_err(|error| anyhow!("{error}"))
        };
        once()?;
        let (start, cpu) = (Instant::now(), thread_cpu());
        let mut times = 0;
        while start.elapsed().as_secs_f64() < seconds {
            once()?;
            times += 1;
        }
        Ok((times, start.elapsed().as_secs_f64(), thread_cpu() - cpu))
    };
    let threads: Vec<_> = (0..cores).map(|_| std::thread::spawn(work)).collect();
    let (mut throughput, mut times, mut cpu) = (0.0, 0, 0.0);
    for thread in threads {
        let (done, took, used) = thread.join().map_err(|_| anyhow!("a hashing thread"))??;
        throughput += f64::from(done) / took;
        times += done;
        cpu += used;
    }
    Ok(Hashing {
        throughput,
        cpu: cpu / f64::from(times),
    })
}

/// Processor seconds of one signature over the size of a token.
#[derive(Debug, Clone, Copy)]
pub struct Signatures {
    pub rs256: f64,
    pub es256: f64,
    pub eddsa: f64,
}

pub fn signatures(seconds: f64) -> Result<Signatures> {
    let (message, random) = ([b'm'; 400], SystemRandom::new());
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let ed25519 = Ed25519KeyPair::generate()?;
    let mut signature = [0; 256];
    let part = seconds / 3.0;
    Ok(Signatures {
        rs256: cost(part, || {
            let _ = rsa.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature);
        }),
        es256: cost(part, || {
            let _ = p256.sign(&random, &message);
        }),
        eddsa: cost(part, || {
            let _ = ed25519.try_sign(&message);
        }),
    })
}

/// Writes a second that are on the disk before the next, so many to an fsync, each of which takes `longer` than this disk's.
pub fn syncs(folder: &Path, seconds: f64, together: u32, longer: Duration) -> Result<f64> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    file.write_all(&[0; 1 << 20])?;
    file.sync_all()?;
    let (start, mut done, mut at) = (Instant::now(), 0, 0);
    while start.elapsed().as_secs_f64() < seconds {
        for _ in 0..together {
            file.write_all_at(&[1; 4096], at % (1 << 20))?;
            at += 4096;
        }
        std::thread::sleep(longer);
        file.sync_data()?;
        done += together;
    }
    let rate = f64::from(done) / start.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}
