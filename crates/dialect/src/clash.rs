//! One dialect beside others and beside the server: files that would read each other's requests at a host of no tenant, and
//! paths that never reach a dialect.

use std::path::Path;

use crate::files::builtin_files;
use crate::load::{Dialect, parse};
use crate::path::Pattern;
use crate::problem::{Problem, Problems};

/// Where both dialects would answer at a host of no tenant. Each could read there what is meant for the other.
pub(crate) fn clashes(
    (other_file, other): &(String, Dialect),
    file: &str,
    dialect: &Dialect,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (line, pattern) in open(dialect) {
        let taken = open(other).find(|(_, taken)| taken.overlaps(pattern));
        problems.extend(taken.map(|(other_line, taken)| Problem {
            file: file.to_owned(),
            line,
            message: format!(
                "`{}`, and `{}` of {other_file}:{other_line}, both answer where the Host names no tenant; leave out `tenant` and `without_tenant` in one of the two",
                pattern.text, taken.text
            ),
        }));
    }
    problems.dedup();
    problems
}

/// Paths all of which the server answers itself; `own` are its patterns. One that leaves the dialect some is sound.
pub(crate) fn taken(own: &[&str], file: &str, dialect: &Dialect) -> Vec<Problem> {
    let own: Vec<Pattern> = own
        .iter()
        .filter_map(|text| Pattern::parse(text).ok())
        .collect();
    let mut problems = Vec::new();
    for route in &dialect.routes {
        for (_, pattern) in &route.on {
            let covering = own.iter().find(|own| own.covers(pattern));
            problems.extend(covering.map(|own| Problem {
                file: file.to_owned(),
                line: route.line,
                message: format!(
                    "`{}` is this server's own path{}, so no request to it reaches a dialect; leave it out or choose another",
                    pattern.text,
                    match own.text == pattern.text {
                        true => String::new(),
                        false => format!(" (`{}`)", own.text),
                    }
                ),
            }));
        }
    }
    problems.dedup();
    problems
}

/// The paths of the routes that find a tenant where the Host names none, with their lines.
fn open(dialect: &Dialect) -> impl Iterator<Item = (usize, &Pattern)> {
    let routes = dialect.routes.iter().filter(|route| route.is_open());
    routes.flat_map(|route| route.on.iter().map(|(_, pattern)| (route.line, pattern)))
}

/// Reads and checks one file, by itself, beside the dialects of this program and the server's `own` paths.
pub fn check_file(path: &Path, own: &[&str]) -> Result<Dialect, Problems> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| Problems::one(&name, error.to_string()))?;
    let dialect = parse(&name, &text).map_err(Problems)?;
    let mut problems = taken(own, &name, &dialect);
    problems.extend(clashes_with_builtin(&name, &dialect));
    match problems {
        problems if problems.is_empty() => Ok(dialect),
        problems => Err(Problems(problems)),
    }
}

/// Where it clashes with a dialect of this program; the file of one of them is not held against itself.
fn clashes_with_builtin(file: &str, dialect: &Dialect) -> Vec<Problem> {
    let parsed = |(file, text): (String, String)| Some((parse(&file, &text).ok()?, file));
    builtin_files()
        .into_iter()
        .filter_map(parsed)
        .filter(|(other, _)| other.name != dialect.name)
        .flat_map(|(other, other_file)| clashes(&(other_file, other), file, dialect))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At a host of no tenant one dialect alone may read what comes to a path, whichever method it has there.
    #[test]
    fn where_the_host_names_nobody_a_path_has_one_reader() {
        let dialect = |name: &str, on: &str, finds: &str| {
            let text = format!(
                "name = \"{name}\"\n[[route]]\non = [\"{on}\"]\ndo = \"sign_in_password\"\nwith = {{ email = \"{{{{ body.e }}}}\", password = \"{{{{ body.p }}}}\" }}\nreply = \"r\"\n{finds}\n\
                 [reply.r]\nbody = \"{{{{ user.id }}}}\"\n[error]\nbody = \"x\""
            );
            (format!("{name}.toml"), parse(name, &text).unwrap())
        };
        let (by_body, by_person) = (
            "tenant = \"{{ body.domain }}\"",
            "without_tenant = \"person\"",
        );
        let first = dialect("first", "POST /in/{x}", by_body);
        for (on, finds, told) in [
            ("POST /in/{x}", by_body, true),
            ("POST /in/{y}", by_person, true),
            ("POST /in/now", by_body, true),
            ("POST /{a}/{b}", by_person, true),
            ("PUT /in/{x}", by_body, true),
            ("POST /in/{x}", "", false),
            ("POST /in/{x}", "without_tenant = \"refuse\"", false),
            ("POST /in/", by_body, false),
            ("POST /in", by_person, false),
            ("POST /in/{x}/", by_body, false),
        ] {
            let (file, second) = dialect("second", on, finds);
            let problems = clashes(&first, &file, &second);
            assert_eq!(problems.len(), usize::from(told), "{on} {finds}");
            for problem in problems {
                let (path, shown) = (on.split_once(' ').unwrap().1, problem.to_string());
                let start = format!(
                    "second.toml:2: `{path}`, and `/in/{{x}}` of first.toml:2, both answer"
                );
                assert!(shown.starts_with(&start), "{shown}");
            }
        }
    }
}
