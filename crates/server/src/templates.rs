//! The operator's folder of templates, which stand in for the built-in ones at every tenant.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use vestibule_identity::Templates;

use crate::settings::Settings;
use crate::tenant_file::told;

/// Reads and checks the folder that the settings name; without one there are none.
pub(crate) fn read(settings: &Settings) -> anyhow::Result<Templates> {
    let Some(folder) = &settings.templates else {
        return Ok(Templates::new());
    };
    of_folder(folder).with_context(|| settings.place("templates"))
}

fn of_folder(folder: &Path) -> anyhow::Result<Templates> {
    let mut found = Templates::new();
    collect(folder, "", &mut found)?;
    match told(vestibule_http::check_templates(&found)).next() {
        Some((field, message)) => {
            // A fault of all of them is the folder's.
            let place = match field.strip_prefix("templates.") {
                Some(name) => folder.join(name),
                None => folder.to_owned(),
            };
            bail!("{}: {message}", place.display())
        }
        None => Ok(found),
    }
}

/// Takes in what lies in the folder and the folders in it; names that begin with a dot are not looked at.
fn collect(folder: &Path, prefix: &str, found: &mut Templates) -> anyhow::Result<()> {
    let cannot = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{}: the name is not UTF-8", path.display()))?;
        if name.starts_with('.') {
            continue;
        }
        let name = format!("{prefix}{name}");
        match path.is_dir() {
            true if prefix.is_empty() => collect(&path, &format!("{name}/"), found)?,
            true => bail!("{}: no template is that deep", path.display()),
            false => {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                found.insert(name, text);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporary;

    #[test]
    fn the_first_fault_is_told_with_its_file() {
        for (name, text, start) in [
            ("sign-in.html", "{{ product }}", ""),
            ("mail/welcome.txt", "{{ link }}", ""),
            (".swp", "{{", ""),
            (
                "sign-inn.html",
                "",
                "sign-inn.html: there is no such template; did you mean `sign-in.html`?",
            ),
            (
                "demo/home.html",
                "",
                "demo/home.html: there is no such template",
            ),
            (
                "mail/old/welcome.txt",
                "",
                "mail/old: no template is that deep",
            ),
            ("error.html", "a\n{% if %}", "error.html: line 2: "),
            (
                "error.html",
                "{{ pasword }}",
                "error.html: nothing fills `pasword` here",
            ),
        ] {
            let folder = temporary::Folder::create("templates").unwrap();
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            match of_folder(folder.path()) {
                Ok(found) => assert_eq!(
                    (start, found.len()),
                    ("", usize::from(!name.starts_with('.'))),
                    "{name}"
                ),
                Err(error) => {
                    let told = format!("{error:#}");
                    let told = told
                        .trim_start_matches(&format!("{}/", folder.path().display()))
                        .to_owned();
                    assert!(
                        !start.is_empty() && told.starts_with(start),
                        "{name}: {told}"
                    );
                }
            }
        }
        let missing = of_folder(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(format!("{missing:#}").starts_with("cannot read /nowhere/at/all: "));
    }

    #[test]
    fn a_fault_of_all_is_told_of_the_folder() {
        let folder = temporary::Folder::create("templates").unwrap();
        for name in ["sign-in", "sign-up", "error", "account", "onboarding"] {
            let file = folder.path().join(format!("{name}.html"));
            fs::write(file, "x".repeat(60 * 1024)).unwrap();
        }
        let told = of_folder(folder.path()).unwrap_err().to_string();
        let expected = format!("{}: have 256 KiB together at most", folder.path().display());
        assert_eq!(told, expected);
    }
}
