//! The core's ports on the real machine.

mod clock;
mod reach;
mod references;
mod upstream;

pub use clock::SystemClock;
pub use references::MachineReferences;
pub use upstream::HttpUpstream;

use std::sync::Arc;

use vestibule_crypto::SystemRandom;
use vestibule_http::IpNet;
use vestibule_identity::Ports;

/// The machine's clock and randomness, and outbound HTTP: to the public internet and these networks.
pub fn ports(outbound_allow: &[IpNet]) -> Ports {
    Ports {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        upstream: Arc::new(HttpUpstream::new(outbound_allow)),
    }
}
