//! The core's ports on the real machine.

mod clock;
mod references;
mod upstream;

pub use clock::SystemClock;
pub use references::MachineReferences;
pub use upstream::HttpUpstream;

use std::sync::Arc;

use vestibule_crypto::SystemRandom;
use vestibule_identity::Ports;

/// The machine's clock and randomness, and outbound HTTP.
pub fn ports() -> Ports {
    Ports {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        upstream: Arc::new(HttpUpstream::default()),
    }
}
