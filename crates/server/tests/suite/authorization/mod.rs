//! Every route by everybody: `table.txt` says how each is answered. A route that is not in it fails, ours or a dialect's.

mod principals;
mod requests;

use std::fmt::Write;

use vestibule_dialect::Dialects;
use vestibule_http::routes;

use crate::alphalearn::HOST;
use crate::app::{TestApp, build, on_both};
use principals::{NAMES, Principal};

/// What is expected: method, path, and an answer's status for each principal.
const TABLE: &str = include_str!("table.txt");

/// Every method that the path is there for; the answer to one that it is not there for names them.
async fn methods(app: &TestApp, path: &str) -> Vec<String> {
    let reply = app.send(build("BREW", HOST, path, &[], "")).await;
    reply.status(405);
    let allowed = reply.header("allow").split(',');
    let mut methods: Vec<String> = allowed.map(|name| name.trim().to_owned()).collect();
    methods.sort();
    methods
}

/// Every route of this server, ours first; the one that signs out last, since it ends what the others need.
async fn all_routes(app: &TestApp) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (_, path) in routes(false) {
        for method in methods(app, path).await {
            all.push((method, path.to_owned()));
        }
    }
    let dialects = Dialects::builtin().unwrap().routes();
    all.extend(dialects.into_iter().map(|route| (route.method, route.path)));
    all.sort_by_key(|(_, path)| path == "/sign-out");
    all
}

fn row(method: &str, path: &str, answers: &[String]) -> String {
    let mut line = format!("{method:<7} {path:<36}");
    for (answer, name) in answers.iter().zip(NAMES) {
        let _ = write!(line, " {answer:>width$}", width = name.len());
    }
    line
}

/// The lines of the table, blanks and remarks left out.
fn expected() -> Vec<String> {
    let lines = TABLE
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

on_both! {
    async fn every_route_answers_everybody_as_the_table_says(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        let principals = Principal::all(&app, &acme, &zeta).await;
        let mut told = String::new();
        for (method, path) in all_routes(&app).await {
            let mut answers = Vec::new();
            for principal in &principals {
                answers.push(requests::ask(&app, &method, &path, principal).await);
            }
            let _ = writeln!(told, "{}", row(&method, &path, &answers));
        }
        let found: Vec<String> = told.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let wanted = expected();
        let missing: Vec<_> = found.iter().filter(|line| !wanted.contains(line)).collect();
        let gone: Vec<_> = wanted.iter().filter(|line| !found.contains(line)).collect();
        assert!(
            missing.is_empty() && gone.is_empty() && found == wanted,
            "not in table.txt: {missing:#?}\nin table.txt only: {gone:#?}\nwhole:\n{}\n{told}",
            row("#", "", &NAMES.map(str::to_owned))
        );
    }
}
