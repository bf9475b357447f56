//! Where dialects' files are: in this program, and in a folder of the operator's.

use std::path::Path;

use include_dir::{Dir, include_dir};

use crate::problem::Problems;

static BUILTIN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../dialects");

/// Name and text of each file in this program.
pub(crate) fn builtin_files() -> Vec<(String, String)> {
    let file = |dir: &Dir<'static>| {
        let file = dir.get_file(dir.path().join("dialect.toml"))?;
        Some((
            format!("dialects/{}", file.path().display()),
            file.contents_utf8()?.to_owned(),
        ))
    };
    BUILTIN.dirs().filter_map(file).collect()
}

/// The same of a folder.
pub(crate) fn files_of(folder: &Path) -> Result<Vec<(String, String)>, Problems> {
    let wrong = |path: &Path, error: std::io::Error| {
        Problems::one(&path.display().to_string(), error.to_string())
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| wrong(folder, error))? {
        let path = entry.map_err(|error| wrong(folder, error))?.path();
        let inner = path.join("dialect.toml");
        if inner.is_file() {
            paths.push(inner);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: &std::path::PathBuf| match std::fs::read_to_string(path) {
        Ok(text) => Ok((path.display().to_string(), text)),
        Err(error) => Err(wrong(path, error)),
    };
    paths.iter().map(read).collect()
}
