//! Folders that go away with the value that made them.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use vestibule_crypto::{SystemRandom, alphanumeric};

/// A folder of our own under the system's temporary folder, readable by nobody else, removed on drop.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// `purpose` becomes part of the name.
    pub fn create(purpose: &str) -> io::Result<Folder> {
        let name = format!("vestibule-{purpose}-{}", alphanumeric(&SystemRandom, 12));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Folder(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nobody is left to tell, and the system clears its temporary folder anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
