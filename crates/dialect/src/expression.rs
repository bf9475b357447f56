//! Expressions: compiled once, evaluated for each request, their names checked when a file is loaded.

use std::sync::LazyLock;

use minijinja::value::Value;
use minijinja::{Environment, Error, Expression, UndefinedBehavior};

use crate::problem::did_you_mean;
use crate::size::measure;
use crate::tokens::{is_request_field, is_word, request_fields, tokens};
use crate::{filters, operators};

/// What an undefined name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Absent, as are its fields: requests may lack anything.
    Input,
    /// A fault: replies are complete or are not sent.
    Reply,
}

static INPUT: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(UndefinedBehavior::Chainable));
static REPLY: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(UndefinedBehavior::Strict));

/// No expression of a sane file comes near; an endless one stops here.
const FUEL: u64 = 20_000;
/// Words and signs of an expression. It can hold so many long values at most.
const MOST_SIGNS: usize = 256;

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(32);
    filters::install(&mut environment);
    environment
}

/// One `{{ expression }}`.
#[derive(Debug)]
pub(crate) struct Code {
    pub source: String,
    mode: Mode,
    run: Run,
}

#[derive(Debug)]
enum Run {
    /// `user.id`: looked up without the machine.
    Path(Vec<String>),
    Program(Expression<'static, 'static>),
}

impl Code {
    pub(crate) fn compile(source: &str, mode: Mode) -> Result<Code, String> {
        let source = source.trim().to_owned();
        let environment: &'static Environment<'static> = match mode {
            Mode::Input => &INPUT,
            Mode::Reply => &REPLY,
        };
        let wrong = |error: Error| {
            format!(
                "`{source}` is not an expression: {}",
                error.detail().unwrap_or("it cannot be read")
            )
        };
        if tokens(&source).len() > MOST_SIGNS {
            return Err(format!(
                "an expression has {MOST_SIGNS} words and signs at most; make two of it"
            ));
        }
        operators::check(&source)?;
        let program = environment
            .compile_expression_owned(source.clone())
            .map_err(wrong)?;
        check_calls(&source, environment)?;
        let run = match plain_path(&source) {
            Some(path) => Run::Path(path),
            None => Run::Program(program),
        };
        Ok(Code { source, mode, run })
    }

    pub(crate) fn evaluate(&self, scope: &Value) -> Result<Value, Error> {
        let path = match &self.run {
            Run::Program(program) => {
                let value = program.eval(scope)?;
                return measure(&value).map(|()| value);
            }
            Run::Path(path) => path,
        };
        let mut value = scope.clone();
        for name in path {
            if value.is_undefined() && self.mode == Mode::Input {
                return Ok(value);
            }
            value = value.get_attr(name)?;
        }
        Ok(value)
    }

    /// The error of using its value, with the expression named.
    pub(crate) fn blame(&self, error: Error) -> Error {
        let detail = error.detail().unwrap_or_default();
        Error::new(error.kind(), format!("`{}`: {detail}", self.source))
    }

    /// The names it reads, with their fields: `body.email`, `header`.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match &self.run {
            Run::Path(path) => vec![path.join(".")],
            Run::Program(program) => program.undeclared_variables(true).into_iter().collect(),
        };
        names.sort_unstable();
        names
    }

    /// The field of the request that a reader would call this: the first of `body.X`, `query.X`, `path.X`, `header.X`.
    pub(crate) fn request_field(&self) -> Option<String> {
        request_fields(&self.source)
            .into_iter()
            .next()
            .map(|(_, name)| name)
    }

    /// How many words and signs it has.
    pub(crate) fn signs(&self) -> usize {
        tokens(&self.source).len()
    }

    /// Whether it is what the request says, and nothing of its own.
    pub(crate) fn is_field(&self) -> bool {
        is_request_field(&self.source)
    }

    /// Every header that the text reads, by field or by subscript.
    pub(crate) fn headers(&self) -> Vec<String> {
        request_fields(&self.source)
            .into_iter()
            .filter(|(root, _)| root == "header")
            .map(|(_, name)| name)
            .collect()
    }

    /// Every query option that the text reads, by field or by subscript.
    pub(crate) fn query_options(&self) -> Vec<String> {
        request_fields(&self.source)
            .into_iter()
            .filter(|(root, _)| root == "query")
            .map(|(_, name)| name)
            .collect()
    }
}

const KEYWORDS: [&str; 11] = [
    "and", "else", "false", "False", "if", "in", "is", "none", "None", "not", "true",
];

fn plain_path(source: &str) -> Option<Vec<String>> {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let parts: Vec<String> = source.split('.').map(str::to_owned).collect();
    let plain = parts.iter().all(|part| word(part))
        && !KEYWORDS.contains(&parts[0].as_str())
        && !matches!(parts[0].as_str(), "or" | "True");
    plain.then_some(parts)
}

/// Filters and tests that do not exist would only be found when they run.
fn check_calls(source: &str, environment: &'static Environment<'static>) -> Result<(), String> {
    let exists = |probe: String, missing: minijinja::ErrorKind| match environment
        .compile_expression_owned(probe)
    {
        Ok(expression) => !matches!(expression.eval(()), Err(error) if error.kind() == missing),
        Err(_) => true,
    };
    let tokens = tokens(source);
    for (index, token) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1).copied().unwrap_or_default();
        let named = next.starts_with(is_word);
        if *token == "|"
            && named
            && !exists(format!("none|{next}"), minijinja::ErrorKind::UnknownFilter)
        {
            return Err(format!(
                "there is no filter `{next}`{}",
                did_you_mean(next, filters::FILTERS)
            ));
        }
        if *token != "is" || !named {
            continue;
        }
        let name = if next == "not" {
            tokens.get(index + 2).copied().unwrap_or_default()
        } else {
            next
        };
        if !exists(format!("none is {name}"), minijinja::ErrorKind::UnknownTest) {
            return Err(format!(
                "there is no test `is {name}`{}",
                did_you_mean(name, filters::TESTS)
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Value {
        crate::json::parse(
            br#"{"body":{"email":"A@b.c","n":"12","list":[{"token":"t"}],"text":"[{\"token\":\"t\"}]","type":2,"no":null},"query":{},"team":null}"#,
        )
        .unwrap()
    }

    fn run(source: &str, mode: Mode) -> String {
        match Code::compile(source, mode).unwrap().evaluate(&scope()) {
            Ok(value) if value.is_undefined() => "absent".into(),
            Ok(value) => crate::json::from_value(&value).unwrap().to_string(),
            Err(_) => "error".into(),
        }
    }

    #[test]
    fn inputs_are_lenient_and_typed() {
        for (source, expected) in [
            ("body.email", r#""A@b.c""#),
            ("body.email | lower", r#""a@b.c""#),
            ("body.missing", "absent"),
            ("body.missing.deeper", "absent"),
            ("body.missing | lower | trim", "absent"),
            ("query.a == 'true'", "false"),
            ("body.missing == 'x'", "false"),
            ("body.missing | text ~ 'x'", r#""x""#),
            ("(body.missing | integer) + 1", "error"),
            ("body.missing or 'x'", r#""x""#),
            ("body.email if body.missing", "absent"),
            ("body.missing | length", "absent"),
            ("body.no | default('')", "null"),
            ("body.no or ''", r#""""#),
            ("body.n | integer", "12"),
            ("body.email | integer", "error"),
            ("body.missing | integer", "absent"),
            ("body.text | json | single | member('token')", r#""t""#),
            ("body.list | json | single | member('token')", r#""t""#),
            ("body.missing | json | single | member('token')", "absent"),
            ("body.email | json | single | member('token')", "error"),
            (
                "body.type | choose({'1': 'admin', '2': 'trainee'})",
                r#""trainee""#,
            ),
            ("body.n | choose({'1': 'admin', '2': 'trainee'})", "error"),
            ("body.missing | choose({'1': 'admin'})", "absent"),
            ("body.type | text", r#""2""#),
            ("body.no | text", "absent"),
            (
                "body['email'] if body.email is string else none",
                r#""A@b.c""#,
            ),
        ] {
            assert_eq!(run(source, Mode::Input), expected, "{source}");
        }
    }

    #[test]
    fn replies_are_strict() {
        assert_eq!(run("body.missing", Mode::Reply), "absent");
        assert_eq!(run("body.missing.deeper", Mode::Reply), "error");
        assert_eq!(run("missing.deeper | lower", Mode::Reply), "error");
        assert_eq!(
            run("{'id': team.id} if team else none", Mode::Reply),
            "null"
        );
    }

    #[test]
    fn faults_are_found_when_compiling() {
        for (source, part) in [
            ("body.", "not an expression"),
            ("body.email | lowr", "did you mean `lower`"),
            ("body.email is strng", "did you mean `string`"),
            ("body.email is not strng", "did you mean `string`"),
            ("", "not an expression"),
        ] {
            let message = Code::compile(source, Mode::Input).unwrap_err();
            assert!(message.contains(part), "{source}: {message}");
        }
        assert!(Code::compile("query.a ~ ' | nofilter is nothing'", Mode::Input).is_ok());
    }

    #[test]
    fn a_field_and_nothing_of_its_own() {
        for (source, expected) in [
            ("body.domain", true),
            ("header['x-company']", true),
            ("body.domain or query['d'] or path.x", true),
            ("body.domain or 'evil.test'", false),
            ("'evil.test' if body.d else 'evil.test'", false),
            ("body.domain | default('evil.test')", false),
            ("(body.domain | text) ~ 'evil.test'", false),
            ("body.domain or bearer", false),
            ("body.domain or now", false),
            ("body.domain and body.d", false),
            ("body.a.b", false),
            ("body['a' ~ 'b']", false),
            ("body[0]", false),
            ("'evil.test'", false),
        ] {
            let code = Code::compile(source, Mode::Input).unwrap();
            assert_eq!(code.is_field(), expected, "{source}");
        }
    }

    #[test]
    fn names_and_fields_are_told() {
        let code = Code::compile(
            "(query.a or query['b']) if body.x | json else header['x-y']",
            Mode::Input,
        )
        .unwrap();
        assert_eq!(code.names(), ["body.x", "header", "query", "query.a"]);
        assert_eq!(code.query_options(), ["a", "b"]);
        assert_eq!(code.request_field().as_deref(), Some("a"));
    }
}
