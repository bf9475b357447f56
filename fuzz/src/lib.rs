//! The fuzzers' targets; each binary under `fuzz_targets/` runs one. `cargo run --bin seeds` writes what they begin with.

pub mod front_door;
pub mod targets;
pub mod wire;

/// Runs the named target once.
pub fn run(name: &str, bytes: &[u8]) {
    let target = targets::TARGETS.iter().find(|target| target.name == name);
    (target
        .unwrap_or_else(|| panic!("there is no target {name}"))
        .run)(bytes);
}
