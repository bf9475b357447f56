//! Recorded exchanges: tests of a dialect, and its documentation. A runner sets up what is given, plays the steps one
//! after the other, and compares the answers.

mod matching;

use std::collections::BTreeMap;
use std::path::Path;

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::problem::{Problem, Problems};

pub use matching::Received;

static BUILTIN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../dialects");

/// One file of exchanges, played on a fresh tenant that mounts the dialect.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The file, for messages.
    #[serde(skip)]
    pub file: String,
    pub title: String,
    #[serde(default)]
    pub given: Vec<Given>,
    pub step: Vec<Step>,
}

/// What there is before the first step.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Given {
    /// Keys that the tenant's file has beyond `slug`, `name`, `domains` and the dialect.
    Settings(toml::Table),
    /// A second tenant that mounts the dialect too; its domain is `${NAME.domain}`.
    Tenant(String),
    User(User),
    ApiKey(ApiKey),
    /// An ID token of the provider that the runner plays; the tenant lists it.
    IdToken(IdToken),
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub email: String,
    #[serde(default)]
    pub password: Option<String>,
    #[serde(default)]
    pub verified: bool,
    #[serde(default)]
    pub role: Option<String>,
    #[serde(default)]
    pub first_name: String,
    #[serde(default)]
    pub last_name: String,
    /// The name of a given tenant; the first one when absent.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// A private key of the tenant; steps write `${NAME}`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    pub name: String,
    /// A span after which it expires: `1h`.
    #[serde(default)]
    pub expires: Option<String>,
    #[serde(default)]
    pub revoked: bool,
    #[serde(default)]
    pub tenant: Option<String>,
}

/// Steps write `${NAME}`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct IdToken {
    pub name: String,
    pub email: String,
    pub subject: String,
    #[serde(default)]
    pub verified: bool,
}

/// One exchange, or a leap of the clock.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Lets so much time pass before the request: `2h`.
    #[serde(default)]
    pub after: Option<String>,
    /// `POST /path?query`.
    pub request: String,
    /// `Host`; the tenant's domain when absent.
    #[serde(default)]
    pub host: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A table is sent as JSON; a text as it stands, its `content-type` among the headers.
    #[serde(default)]
    pub body: Option<Json>,
    pub status: u16,
    /// What the answer's headers must be, by lower-case name.
    #[serde(default)]
    pub answer_headers: BTreeMap<String, String>,
    /// The JSON that must answer; texts such as `<string>` stand for any value of that sort.
    #[serde(default)]
    pub answer: Option<Json>,
    /// JSON pointer to a JWT of the answer -> its claims.
    #[serde(default)]
    pub claims: BTreeMap<String, Json>,
    /// Variable -> JSON pointer into the answer; later steps write `${NAME}`.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
}

/// A step's request with every variable filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub host: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub body: Option<String>,
}

impl Step {
    /// The names of the variables in the request and in the expected answer. `mail.token` is the token in the link of the last mail.
    pub fn variables(&self) -> Vec<String> {
        let mut texts = vec![self.request.clone()];
        texts.extend(self.host.clone());
        texts.extend(self.headers.values().cloned());
        texts.extend(
            self.body
                .iter()
                .chain(&self.answer)
                .chain(self.claims.values())
                .map(Json::to_string),
        );
        let mut names: Vec<String> = texts.iter().flat_map(|text| names_in(text)).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Fills in the variables. The error names the one that has no value.
    pub fn request(&self, variables: &BTreeMap<String, String>) -> Result<Request, String> {
        let line = fill(&self.request, variables)?;
        let (method, target) = line
            .split_once(' ')
            .ok_or_else(|| format!("`{line}` must be a method and a path"))?;
        let mut headers = BTreeMap::new();
        for (name, value) in &self.headers {
            headers.insert(name.to_ascii_lowercase(), fill(value, variables)?);
        }
        let body = match &self.body {
            None => None,
            Some(Json::String(text)) => Some(fill(text, variables)?),
            Some(json) => {
                headers
                    .entry("content-type".to_owned())
                    .or_insert_with(|| "application/json".to_owned());
                Some(fill_json(json, variables)?.to_string())
            }
        };
        let host = self
            .host
            .as_deref()
            .map(|host| fill(host, variables))
            .transpose()?;
        Ok(Request {
            method: method.to_owned(),
            target: target.to_owned(),
            host,
            headers,
            body,
        })
    }
}

fn names_in(text: &str) -> Vec<String> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn fill(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut filled = text.to_owned();
    for name in names_in(text) {
        let value = variables
            .get(&name)
            .ok_or_else(|| format!("there is no variable `{name}`"))?;
        filled = filled.replace(&format!("${{{name}}}"), value);
    }
    Ok(filled)
}

fn fill_json(json: &Json, variables: &BTreeMap<String, String>) -> Result<Json, String> {
    Ok(match json {
        Json::String(text) => Json::String(fill(text, variables)?),
        Json::Array(items) => Json::Array(
            items
                .iter()
                .map(|item| fill_json(item, variables))
                .collect::<Result<_, _>>()?,
        ),
        Json::Object(fields) => {
            let field =
                |(key, value): (&String, &Json)| Ok((key.clone(), fill_json(value, variables)?));
            Json::Object(fields.iter().map(field).collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

/// The examples that this program carries for one of its dialects, by file name.
pub fn builtin(dialect: &str) -> Result<Vec<Example>, Problems> {
    let Some(dir) = BUILTIN.get_dir(format!("{dialect}/examples")) else {
        return Ok(Vec::new());
    };
    let text = |file: &include_dir::File<'_>| {
        Some((
            file.path().display().to_string(),
            file.contents_utf8()?.to_owned(),
        ))
    };
    parse_all(dir.files().filter_map(text).collect())
}

/// The examples of a dialect's folder: `DIR/examples/*.toml`.
pub fn load(dir: &Path) -> Result<Vec<Example>, Problems> {
    let folder = dir.join("examples");
    let wrong = |path: &Path, error: std::io::Error| {
        Problems::one(&path.display().to_string(), error.to_string())
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(|error| wrong(&folder, error))? {
        let path = entry.map_err(|error| wrong(&folder, error))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let text = std::fs::read_to_string(&path).map_err(|error| wrong(&path, error))?;
            files.push((path.display().to_string(), text));
        }
    }
    parse_all(files)
}

fn parse_all(mut files: Vec<(String, String)>) -> Result<Vec<Example>, Problems> {
    files.sort();
    let mut problems = Vec::new();
    let mut examples = Vec::new();
    for (file, text) in files {
        match toml::from_str::<Example>(&text) {
            Ok(example) => examples.push(Example { file, ..example }),
            Err(error) => {
                let line = error
                    .span()
                    .map_or(0, |span| text[..span.start].matches('\n').count() + 1);
                problems.push(Problem {
                    file,
                    line,
                    message: error.message().to_owned(),
                });
            }
        }
    }
    if problems.is_empty() {
        Ok(examples)
    } else {
        Err(Problems(problems))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_example_is_well_formed() {
        for dialect in ["rezi", "enclaive", "alphalearn"] {
            let examples = builtin(dialect).unwrap_or_else(|problems| panic!("{problems}"));
            assert!(!examples.is_empty(), "{dialect} has no examples");
            for example in examples {
                assert!(!example.step.is_empty(), "{}", example.file);
                for step in &example.step {
                    assert!(
                        step.request
                            .split_once(' ')
                            .is_some_and(|(_, path)| path.starts_with('/')),
                        "{}: {}",
                        example.file,
                        step.request
                    );
                }
            }
        }
    }

    #[test]
    fn variables_are_filled_in_everywhere() {
        let text = r#"
            request = "POST /a/${x}"
            headers = { Authorization = "Bearer ${key}" }
            body = { deep = [{ x = "${x}" }] }
            status = 200
        "#;
        let step: Step = toml::from_str(text).unwrap();
        assert_eq!(step.variables(), ["key", "x"]);
        let variables = BTreeMap::from([
            ("x".to_owned(), "1".to_owned()),
            ("key".to_owned(), "k".to_owned()),
        ]);
        let request = step.request(&variables).unwrap();
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("POST", "/a/1")
        );
        assert_eq!(request.headers["authorization"], "Bearer k");
        assert_eq!(request.body.as_deref(), Some(r#"{"deep":[{"x":"1"}]}"#));
        assert!(step.request(&BTreeMap::new()).unwrap_err().contains('x'));
    }
}
