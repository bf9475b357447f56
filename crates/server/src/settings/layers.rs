//! Which layer gives which setting.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Serialize, Serializer};

use super::{file, names};

const PREFIX: &str = "VESTIBULE_";

/// What the layers are read from.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// `--config`; else `VESTIBULE_CONFIG`, else `vestibule.toml` in the working directory if it is there.
    pub file: Option<PathBuf>,
    /// The environment; only names that start with `VESTIBULE_` are looked at.
    pub environment: Vec<(String, String)>,
    /// Setting name and value of each flag given.
    pub flags: Vec<(&'static str, String)>,
}

impl Inputs {
    /// The process's environment, and nothing else yet.
    pub fn from_process() -> anyhow::Result<Inputs> {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is where the environment enters the configuration"
        )]
        let variables = std::env::vars_os();
        let mut environment = Vec::new();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else {
                continue;
            };
            if name.starts_with(PREFIX) {
                let value = value.into_string();
                environment.push((
                    name.clone(),
                    value.map_err(|_| anyhow::anyhow!("{name} is not valid UTF-8"))?,
                ));
            }
        }
        Ok(Inputs {
            environment,
            ..Inputs::default()
        })
    }

    /// These flags and nothing else: no file, no environment.
    pub fn closed(flags: Vec<(&'static str, String)>) -> Inputs {
        Inputs {
            file: Some(PathBuf::from("/dev/null")),
            environment: Vec::new(),
            flags,
        }
    }

    fn config_file(&self) -> Option<PathBuf> {
        let variable = || {
            self.environment
                .iter()
                .find(|(name, _)| name == "VESTIBULE_CONFIG")
        };
        let implicit = || Some(PathBuf::from("vestibule.toml")).filter(|path| path.exists());
        self.file
            .clone()
            .or_else(|| variable().map(|(_, value)| value.into()))
            .or_else(implicit)
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Environment(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) | Origin::Flag(name) => f.write_str(name),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A setting as `vestibule config` shows it; passwords are masked.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    pub name: &'static str,
    pub value: Option<String>,
    #[serde(rename = "source")]
    pub origin: Origin,
}

/// What each layer says about each name, the one that counts last.
pub(super) struct Layered {
    values: BTreeMap<&'static str, Vec<(String, Origin)>>,
}

impl Layered {
    pub(super) fn read(inputs: &Inputs) -> anyhow::Result<Layered> {
        let mut layered = Layered {
            values: BTreeMap::new(),
        };
        for line in file::read(Path::new("vestibule.default.toml"), names::DEFAULTS)? {
            layered.set(line.name, line.value, Origin::Default);
        }
        if let Some(path) = inputs.config_file() {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            for line in file::read(&path, &text)? {
                layered.set(
                    line.name,
                    line.value,
                    Origin::File {
                        path: path.clone(),
                        line: line.line,
                    },
                );
            }
        }
        for (variable, value) in &inputs.environment {
            if let Some(name) = setting_of(variable)? {
                layered.set(name, value.clone(), Origin::Environment(variable.clone()));
            }
        }
        for (name, value) in &inputs.flags {
            let flag = match *name {
                "database_url" => "--database".to_owned(),
                name => format!("--{}", name.replace('_', "-")),
            };
            layered.set(name, value.clone(), Origin::Flag(flag));
        }
        Ok(layered)
    }

    fn set(&mut self, name: &'static str, value: String, origin: Origin) {
        let layers = self.values.entry(name).or_default();
        layers.push((value.trim().to_owned(), origin));
    }

    /// The values of all layers, the one that counts last.
    pub(super) fn all(&self, name: &str) -> &[(String, Origin)] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value; an empty one counts as none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let (value, _) = self.all(name).last()?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn origin(&self, name: &str) -> Origin {
        let layer = self.all(name).last();
        layer.map_or(Origin::Default, |(_, origin)| origin.clone())
    }
}

/// The setting that a variable names; `None` for variables that are not settings.
fn setting_of(variable: &str) -> anyhow::Result<Option<&'static str>> {
    let Some(rest) = variable.strip_prefix(PREFIX) else {
        return Ok(None);
    };
    if rest == "CONFIG" || rest.starts_with("TEST_") {
        return Ok(None);
    }
    let name = names::known(&rest.to_ascii_lowercase())
        .filter(|_| !rest.bytes().any(|byte| byte.is_ascii_lowercase()));
    if name.is_none() {
        let variables: Vec<String> = names::NAMES
            .iter()
            .map(|name| format!("{PREFIX}{}", name.to_ascii_uppercase()))
            .collect();
        let suggestion = names::suggestion(variable, variables.iter().map(String::as_str));
        bail!("environment: unknown setting `{variable}`{suggestion}");
    }
    Ok(name)
}
