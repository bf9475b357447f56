//! The file with the master key that seals secrets in the database.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vestibule_crypto::{Sealer, SystemRandom, alphanumeric, secret_bytes};
use zeroize::Zeroizing;

const MARK: &str = "This key has opened a database. While this file is here, a missing database is not silently made anew.\n";

/// Opens the key file; `None` if there is none.
pub(crate) fn load(path: &Path) -> anyhow::Result<Option<Sealer>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot open the secret key file {}", path.display()));
        }
    };
    read(&mut file, path).map(Some)
}

/// Makes a key file that only its owner can read. Of several processes that do so at once one wins and all use its key.
pub(crate) fn create(path: &Path) -> anyhow::Result<Sealer> {
    let folder = parent(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    // Written beside its place and linked to it: nobody ever sees half a key, and an existing one is never replaced.
    let draft = folder.join(format!(".secret-key-{}", alphanumeric(&SystemRandom, 12)));
    let linked = write_draft(&draft).and_then(|()| std::fs::hard_link(&draft, path));
    // A draft left behind is harmless: its key is in use nowhere.
    let _ = std::fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(error)
                .with_context(|| format!("cannot create the secret key file {}", path.display()));
        }
        _ => File::open(&folder)
            .and_then(|folder| folder.sync_all())
            .context("cannot sync the secret key's folder")?,
    }
    load(path)?.with_context(|| {
        format!(
            "the secret key file {} went away while it was made",
            path.display()
        )
    })
}

/// The file beside the key that says that the key has opened a database.
pub(crate) fn mark_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".used");
    PathBuf::from(name)
}

/// Leaves that file, where this user may: the key's folder can be another's, and read-only.
pub(crate) fn mark_used(path: &Path) {
    let mark = mark_of(path);
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(&mark);
    match made.and_then(|mut file| file.write_all(MARK.as_bytes())) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            tracing::debug!(path = %mark.display(), "cannot be written: {error}");
        }
        _ => {}
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
        .to_owned()
}

fn write_draft(path: &Path) -> std::io::Result<()> {
    let key = Zeroizing::new(secret_bytes::<32>(&SystemRandom));
    let line = Zeroizing::new(format!(
        "{}\n",
        Zeroizing::new(STANDARD.encode(key.as_slice())).as_str()
    ));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()
}

fn read(file: &mut File, path: &Path) -> anyhow::Result<Sealer> {
    let shown = path.display();
    let metadata = file
        .metadata()
        .with_context(|| format!("cannot read the secret key file {shown}"))?;
    ensure!(
        metadata.is_file(),
        "the secret key file {shown} is not a file"
    );
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!(
            "the secret key file {shown} is open to others (mode {mode:04o}); run: chmod 600 {shown}"
        );
    }
    let mut text = Zeroizing::new(String::with_capacity(64));
    let limited = std::io::Read::take(file, 1024);
    std::io::Read::read_to_string(&mut { limited }, &mut text)
        .with_context(|| format!("cannot read the secret key file {shown}"))?;
    let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new).ok();
    let key: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.as_slice().try_into().ok());
    let key = key.with_context(|| {
        format!("the secret key file {shown} is damaged: it must hold 32 bytes in base64, as `head -c 32 /dev/urandom | base64` prints; restore it from your backup")
    })?;
    Ok(Sealer::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporary::Folder;

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_key_is_private_and_stays() {
        let folder = Folder::create("key").unwrap();
        let path = folder.path().join("data").join("secret.key");
        assert!(load(&path).unwrap().is_none());
        let sealed = create(&path).unwrap().seal("test", b"text");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
        let again = load(&path).unwrap().unwrap();
        assert_eq!(again.open("test", &sealed).unwrap().as_slice(), b"text");
        assert_eq!(
            create(&path)
                .unwrap()
                .open("test", &sealed)
                .unwrap()
                .as_slice(),
            b"text"
        );
    }

    #[test]
    fn processes_that_start_together_share_one_key() {
        let folder = Folder::create("key").unwrap();
        let path = folder.path().join("secret.key");
        let sealers: Vec<Sealer> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| create(&path).unwrap()))
                .collect();
            started
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let sealed = sealers[0].seal("test", b"text");
        assert!(
            sealers
                .iter()
                .all(|sealer| sealer.open("test", &sealed).is_ok())
        );
    }

    #[test]
    fn a_key_open_to_others_or_damaged_is_refused() {
        let folder = Folder::create("key").unwrap();
        let path = folder.path().join("secret.key");
        create(&path).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            set_mode(&path, mode);
            let message = format!("{:#}", load(&path).unwrap_err());
            assert!(
                message.contains(&format!("(mode {mode:04o}); run: chmod 600 ")),
                "{message}"
            );
        }
        set_mode(&path, 0o400);
        assert!(load(&path).is_ok());
        set_mode(&path, 0o600);
        for text in [
            "",
            "short",
            &STANDARD.encode([7; 31]),
            &STANDARD.encode([7; 33]),
        ] {
            std::fs::write(&path, text).unwrap();
            let message = format!("{:#}", load(&path).unwrap_err());
            assert!(message.contains("must hold 32 bytes"), "{message}");
            assert!(text.is_empty() || !message.contains(text));
        }
    }
}
