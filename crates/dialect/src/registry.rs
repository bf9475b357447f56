//! All dialects that a server knows, and which of them a path belongs to.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use http::Method;

use vestibule_identity::{Identity, Tenant};

use crate::call::RouteInfo;
use crate::clash::{clashes, taken};
use crate::files::{builtin_files, files_of};
use crate::load::{Dialect, parse};
use crate::path::{Decoded, Pattern, decode};
use crate::problem::{Problem, Problems};

/// Every dialect, compiled, and the paths they claim. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dialects(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dialects: Vec<Dialect>,
    places: Vec<Place>,
    /// Paths without parameters, decoded, joined by `/`.
    literal: HashMap<Arc<str>, Vec<usize>>,
    /// Places whose path has parameters.
    patterned: Vec<usize>,
}

/// One path of one dialect.
#[derive(Debug)]
pub(crate) struct Place {
    pub dialect: usize,
    pub pattern: Pattern,
    /// Method and index of the route.
    pub methods: Vec<(Method, usize)>,
    /// Requests to one of its routes may name their tenant where the Host does not.
    open: bool,
}

impl Dialects {
    /// The dialects of this program alone.
    pub fn builtin() -> Result<Dialects, Problems> {
        Dialects::load(None, &[])
    }

    /// These and those of a folder: `DIR/NAME/dialect.toml` or `DIR/NAME.toml`. Names must differ; `own` are the patterns of
    /// the paths that the server answers before any dialect.
    pub fn load(extra: Option<&Path>, own: &[&str]) -> Result<Dialects, Problems> {
        let mut problems = Vec::new();
        let mut dialects = Vec::new();
        let mut files = builtin_files();
        match extra.map(files_of).transpose() {
            Ok(found) => files.extend(found.unwrap_or_default()),
            Err(found) => return Err(found),
        }
        for (file, text) in files {
            match parse(&file, &text) {
                Ok(dialect) => dialects.push((file, dialect)),
                Err(found) => problems.extend(found),
            }
        }
        for (index, (file, dialect)) in dialects.iter().enumerate() {
            problems.extend(taken(own, file, dialect));
            let earlier = &dialects[..index];
            match earlier.iter().find(|(_, one)| one.name == dialect.name) {
                Some((other, _)) => problems.push(Problem {
                    file: file.clone(),
                    line: 0,
                    message: format!("the name `{}` is taken by {other}", dialect.name),
                }),
                None => problems.extend(earlier.iter().flat_map(|one| clashes(one, file, dialect))),
            }
        }
        match problems.is_empty() {
            true => Ok(Dialects::of(
                dialects.into_iter().map(|(_, dialect)| dialect).collect(),
            )),
            false => Err(Problems(problems)),
        }
    }

    /// These and no others. Their names must differ.
    pub fn of(mut dialects: Vec<Dialect>) -> Dialects {
        dialects.sort_by(|one, two| one.name.cmp(&two.name));
        let mut places: Vec<Place> = Vec::new();
        for (index, dialect) in dialects.iter().enumerate() {
            for (route_index, route) in dialect.routes.iter().enumerate() {
                for (method, pattern) in &route.on {
                    let entry = (method.clone(), route_index);
                    match places
                        .iter_mut()
                        .find(|place| place.dialect == index && place.pattern.text == pattern.text)
                    {
                        Some(place) => {
                            place.methods.push(entry);
                            place.open |= route.is_open();
                        }
                        None => places.push(Place {
                            dialect: index,
                            pattern: pattern.clone(),
                            methods: vec![entry],
                            open: route.is_open(),
                        }),
                    }
                }
            }
        }
        let mut literal: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
        let mut patterned = Vec::new();
        for (index, place) in places.iter().enumerate() {
            match place.pattern.is_literal() {
                true => literal
                    .entry(place.pattern.text.clone())
                    .or_default()
                    .push(index),
                false => patterned.push(index),
            }
        }
        Dialects(Arc::new(Inner {
            dialects,
            places,
            literal,
            patterned,
        }))
    }

    pub fn names(&self) -> Vec<&str> {
        self.0.dialects.iter().map(Dialect::name).collect()
    }

    pub fn get(&self, name: &str) -> Option<&Dialect> {
        self.0
            .dialects
            .iter()
            .find(|dialect| dialect.name() == name)
    }

    pub(crate) fn at(&self, index: usize) -> Option<&Dialect> {
        self.0.dialects.get(index)
    }

    /// Makes the signing keys that the tenant's dialects will need, so that they are published before the first token.
    pub async fn ensure_signing_keys(
        &self,
        identity: &Identity,
        tenant: &Tenant,
    ) -> vestibule_identity::Result<()> {
        let mounted = self
            .0
            .dialects
            .iter()
            .filter(|dialect| tenant.mount(dialect.name()).is_some());
        let wanted: Vec<_> = mounted.flat_map(Dialect::signs_with).collect();
        identity.ensure_signing_keys(tenant, &wanted).await
    }

    /// Every method and path of every dialect, sorted.
    pub fn routes(&self) -> Vec<RouteInfo> {
        let of_dialect = |dialect: &Dialect| -> Vec<RouteInfo> {
            let info = |operation, (method, pattern): &(Method, Pattern)| RouteInfo {
                dialect: dialect.name().to_owned(),
                path: pattern.text.to_string(),
                method: method.to_string(),
                operation,
            };
            dialect
                .routes
                .iter()
                .flat_map(|route| {
                    route
                        .on
                        .iter()
                        .map(move |on| info(route.operation.name, on))
                })
                .collect()
        };
        let mut routes: Vec<RouteInfo> = self.0.dialects.iter().flat_map(of_dialect).collect();
        routes.sort();
        routes
    }

    /// Where two of these dialects claim one path, so that no tenant can mount both; one sentence each.
    pub fn conflicts(&self, names: &[&str]) -> Vec<String> {
        let mounted = |place: &&Place| {
            self.at(place.dialect)
                .is_some_and(|dialect| names.contains(&dialect.name()))
        };
        let places: Vec<&Place> = self.0.places.iter().filter(mounted).collect();
        let mut conflicts = Vec::new();
        for (index, place) in places.iter().enumerate() {
            for other in places[..index].iter().filter(|other| {
                other.dialect != place.dialect && other.pattern.overlaps(&place.pattern)
            }) {
                let name = |place: &Place| {
                    self.at(place.dialect)
                        .map(Dialect::name)
                        .unwrap_or_default()
                };
                let (one, two) = (name(other), name(place));
                conflicts.push(format!(
                    "the dialects `{one}` and `{two}` both claim `{}`",
                    place.pattern.text
                ));
            }
        }
        conflicts
    }

    /// Whether some dialect may answer at this path (as it came, percent-encoded).
    pub fn knows_path(&self, path: &str) -> bool {
        self.pattern_of(path).is_some()
    }

    /// The pattern that such a path fits, as a dialect's file writes it.
    pub fn pattern_of(&self, path: &str) -> Option<&Arc<str>> {
        let places = self.places(path, &decode(path));
        places.first().map(|place| &place.pattern.text)
    }

    /// Who may answer there: dialects that the Host's tenant mounts, and no other reads the request. At a host of no tenant
    /// those whose requests name one; of them one alone claims a path.
    pub(crate) fn answering(
        &self,
        path: &str,
        segments: &[Decoded<'_>],
        host: Option<&Tenant>,
    ) -> Vec<(&Dialect, &Place)> {
        let places = self.places(path, segments).into_iter();
        let of_dialect = |place: &Place| self.0.dialects.get(place.dialect);
        places
            .filter_map(|place| of_dialect(place).map(|dialect| (dialect, place)))
            .filter(|(dialect, place)| match host {
                Some(tenant) => tenant.mount(dialect.name()).is_some(),
                None => place.open,
            })
            .collect()
    }

    /// The places that the path fits; literal paths come first.
    pub(crate) fn places(&self, path: &str, segments: &[Decoded<'_>]) -> Vec<&Place> {
        let literal = match path.contains('%') {
            false => self.0.literal.get(path),
            true => self
                .0
                .literal
                .get(plain(segments).unwrap_or_default().as_str()),
        };
        let patterned = self
            .0
            .patterned
            .iter()
            .filter(|index| self.0.places[**index].pattern.matches(segments));
        literal
            .into_iter()
            .flatten()
            .chain(patterned)
            .filter_map(|index| self.0.places.get(*index))
            .collect()
    }
}

/// The decoded path; `None` when an encoded `/` hides in a segment or a segment is no text.
fn plain(segments: &[Decoded<'_>]) -> Option<String> {
    let mut path = String::new();
    for segment in segments {
        let text = segment.as_ref().filter(|text| !text.contains('/'))?;
        path.push('/');
        path.push_str(text);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use vestibule_identity::Kind;

    use super::*;

    #[test]
    fn the_builtin_dialects_load_and_agree() {
        let dialects = Dialects::builtin().unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(dialects.names(), ["alphalearn", "enclaive", "rezi"]);
        assert_eq!(dialects.conflicts(&dialects.names()), Vec::<String>::new());
    }

    #[test]
    fn paths_are_known_after_decoding() {
        let dialects = Dialects::builtin().unwrap();
        for (path, known) in [
            ("/v1/user/token", true),
            ("/v1/user/tok%65n", true),
            ("/v1/user%2ftoken", false),
            ("/v1/user/token/", false),
            ("/V1/user/token", false),
            ("/login", true),
            ("/login/", true),
            ("/login//", false),
            ("/api/verify-email/abc", true),
            ("/api/verify-email/a%2Fb", true),
            ("/api/verify-email/", false),
            ("/api/verify-email", false),
            ("/api/forgot-passsword", true),
            ("/api/forgot-password", true),
            ("/api/exist-email/a%40b.c", true),
            ("/v3/authorize/refreshtoken", true),
            ("/", false),
            ("", false),
            ("/%ff", false),
        ] {
            assert_eq!(dialects.knows_path(path), known, "{path}");
        }
        for (path, pattern) in [
            ("/v1/user/tok%65n", "/v1/user/token"),
            ("/api/verify-email/abc", "/api/verify-email/{token}"),
            ("/api/verify-email/a%2Fb", "/api/verify-email/{token}"),
        ] {
            assert_eq!(
                dialects.pattern_of(path).map(AsRef::as_ref),
                Some(pattern),
                "{path}"
            );
        }
    }

    /// The table of errors, kind by dialect; `-` where a dialect cannot raise it.
    #[test]
    fn statuses_by_kind() {
        let dialects = Dialects::builtin().unwrap();
        let row = |first: &str, cells: &[&str]| {
            format!(
                "{first:<22} {:<10} {:<8} {}\n",
                cells[0], cells[1], cells[2]
            )
        };
        let mut table = row("kind", &dialects.names());
        for kind in Kind::ALL {
            let status = |name: &&str| dialects.get(name)?.status_of(*kind).map(|s| s.to_string());
            let cells: Vec<Option<String>> = dialects.names().iter().map(status).collect();
            let cells: Vec<&str> = cells
                .iter()
                .map(|cell| cell.as_deref().map_or("-", |s| &s[..3]))
                .collect();
            if cells.iter().any(|cell| *cell != "-") {
                table.push_str(&row(kind.code(), &cells));
            }
        }
        assert_eq!(table, include_str!("../tests/statuses.txt"));
    }

    #[test]
    fn two_dialects_on_one_path_are_told() {
        let with = |name: &str, path: &str| {
            let text = format!(
                "name = \"{name}\"\n[[route]]\non = [\"GET {path}\"]\ndo = \"email_exists\"\nwith = {{ email = \"{{{{ path.x }}}}\" }}\nreply = \"r\"\n\
                 [reply.r]\nbody = \"{{{{ exists }}}}\"\n[error]\nbody = \"x\""
            );
            parse(name, &text).unwrap()
        };
        let dialects = Dialects::of(vec![
            with("one", "/a/{x}"),
            with("two", "/{x}/b"),
            with("three", "/c/{x}"),
        ]);
        assert_eq!(dialects.conflicts(&["one", "two", "three"]).len(), 2);
        assert_eq!(dialects.conflicts(&["one", "three"]), Vec::<String>::new());
        assert!(dialects.conflicts(&["one", "two"])[0].contains("`one` and `two`"));
    }
}
