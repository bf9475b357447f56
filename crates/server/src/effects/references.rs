//! Secrets that settings and tenant files name by where they are.

use secrecy::SecretString;
use vestibule_identity::References;
use zeroize::Zeroizing;

const MAX_BYTES: u64 = 64 * 1024;

/// `env:NAME` and `file:PATH` on this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineReferences;

impl References for MachineReferences {
    fn resolve(&self, reference: &str) -> Result<SecretString, String> {
        let text = match reference.split_once(':') {
            Some(("env", name)) => environment(name)?,
            Some(("file", path)) => file(path)?,
            _ => return Err("a reference to a secret is written env:NAME or file:PATH".to_owned()),
        };
        let secret = text.trim_end_matches(['\r', '\n']);
        match secret.is_empty() {
            true => Err(format!("`{reference}` is empty")),
            false => Ok(secret.into()),
        }
    }
}

fn environment(name: &str) -> Result<Zeroizing<String>, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the operator's configuration names this variable"
    )]
    let value = std::env::var(name);
    value
        .map(Zeroizing::new)
        .map_err(|_| format!("the environment variable `{name}` is not set"))
}

fn file(path: &str) -> Result<Zeroizing<String>, String> {
    use std::io::Read as _;
    let mut text = Zeroizing::new(String::new());
    // A pipe or a terminal may never answer, and some secrets are looked up for a request.
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(format!("cannot read `{path}`: it is not a file"));
    }
    let read =
        std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
    read.map(|_| text)
        .map_err(|error| format!("cannot read `{path}`: {error}"))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn files_and_variables_are_read_without_their_line_end() {
        let folder = crate::temporary::Folder::create("references").unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "hunter2\n").unwrap();
        let resolve = |reference: &str| MachineReferences.resolve(reference);
        let reference = format!("file:{}", path.display());
        assert_eq!(resolve(&reference).unwrap().expose_secret(), "hunter2");
        std::fs::write(&path, "\n").unwrap();
        assert!(resolve(&reference).unwrap_err().ends_with("is empty"));
        assert!(resolve("env:CARGO_MANIFEST_DIR").is_ok());
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let pipe = format!("file:{}", pipe.display());
        for wrong in [
            "env:VESTIBULE_TEST_ABSENT",
            "file:/nonexistent",
            "hunter2",
            "vault:x",
            // Nobody would write into it: opening it would wait for ever.
            &pipe,
            "file:/dev/zero",
            "file:/tmp",
        ] {
            assert!(resolve(wrong).is_err(), "{wrong}");
        }
    }
}
