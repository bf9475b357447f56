//! `vestibule user import`, the program itself.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vestibule_db::{Db, Options};

use super::BCRYPT;
use crate::commands::{Place, said};

const ACME: &str = "slug = 'acme'\nname = 'Acme'\ndomains = ['acme.test']\n";
const IMPORT: &str = "user import --tenant acme --data data";

fn place(files: &[(&str, &str)]) -> Place {
    let place = Place::with(files);
    place.write("acme.toml", ACME);
    place.run("apply acme.toml --data data").done();
    place
}

/// The answer of `--json`, whatever the exit status.
fn told(place: &Place, line: &str, status: i32) -> Value {
    let said = place.run(&format!("{IMPORT} --json {line}"));
    assert_eq!(said.code, status, "{} {}", said.out, said.err);
    serde_json::from_str(&said.out).unwrap()
}

fn people(place: &Place) -> Vec<Value> {
    let out = place.run("user list --json --tenant acme --data data");
    let told: Value = serde_json::from_str(&out.done()).unwrap();
    told["users"].as_array().unwrap().clone()
}

#[test]
fn lines_of_both_formats_become_people_and_an_export_comes_in_again() {
    let place = place(&[
        (
            "a.jsonl",
            &format!(
                "\u{feff}{{\"email\":\"ada@x.test\",\"email_verified\":true,\"password_hash\":\"{BCRYPT}\",\"mobile\":null}}\r\n\n{{\"email\":\"bob@x.test\",\"created_at\":1500000000}}"
            ),
        ),
        (
            "b.csv",
            &format!(
                "\u{feff}email, name,password_hash\r\ncy@x.test,\"Cy, \"\"the\"\" Young\",{BCRYPT}\r\ndot@x.test,,\r\n"
            ),
        ),
        ("usual.toml", "role = 'Manager'\nemail_verified = true\n"),
    ]);
    let dry = told(&place, "a.jsonl --dry-run", 0);
    assert_eq!(
        (&dry["created"], &dry["dry_run"]),
        (&json!(2), &json!(true))
    );
    assert!(people(&place).is_empty());
    assert_eq!(told(&place, "a.jsonl", 0)["created"], 2);
    let said = place
        .run(&format!("{IMPORT} b.csv --defaults usual.toml"))
        .done();
    assert_eq!(said, "2 created, 0 updated, 0 known already, 0 refused\n");
    let people = people(&place);
    let cy = &people[2];
    assert_eq!(
        (&cy["first_name"], &cy["last_name"], &cy["role"]),
        (&json!("Cy,"), &json!("\"the\" Young"), &json!("Manager"))
    );
    let verified: Vec<_> = people
        .iter()
        .map(|person| person["email_verified"].as_bool().unwrap())
        .collect();
    assert_eq!(verified, [true, false, true, true]);
    // What `user export` prints is a file to import.
    place.write("acme.toml", &ACME.replace("acme", "other"));
    place.run("apply acme.toml --data data").done();
    let export = place.run("user export --tenant acme --data data").done();
    place.write("export.jsonl", &export);
    let out = place
        .run("user import export.jsonl --tenant other --data data")
        .done();
    assert!(out.starts_with("4 created"), "{out}");
}

/// Each line is refused by its number, field and reason, in words that hold nothing of a hash; the others are imported.
#[test]
fn hostile_lines_are_refused_one_by_one() {
    let long = "x".repeat(70_000);
    let lines: Vec<(String, &str, &str)> = vec![
        ("hunter2".into(), "", "is not JSON"),
        ("\"hunter2\"".into(), "", "is not an object"),
        ("[1]".into(), "", "is not an object"),
        ("{\"email\":\"a@x.test\"".into(), "", "is not JSON"),
        ("{\"email\":\"a@x.test\"}}".into(), "", "is not JSON"),
        ("{\"email\":{\"x\":\"hunter2\"}}".into(), "", "is not an object of"),
        ("{\"email\":[\"a@x.test\"]}".into(), "", "is not an object of"),
        (format!("{{\"email\":\"{long}\"}}"), "", "longer than 64 KiB"),
        (format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000)), "", "is not"),
        ("{}".into(), "email", "is missing"),
        ("{\"email\":5}".into(), "email", "not valid"),
        ("{\"email\":\"a@x.test\",\"email\":\"b@x.test\"}".into(), "email", "twice"),
        ("{\"email\":\"a@x.test\",\"pasword\":\"hunter2\"}".into(), "pasword", "no field"),
        ("{\"email\":\"a@x.test\",\"role\":\"\\u0000\"}".into(), "role", "NUL"),
        ("{\"email\":\"a@x.test\",\"role\":\"\\ud800\"}".into(), "", "is not"),
        ("{\"email\":\"a@x.test\",\"password_hash\":\"hunter2\"}".into(), "password_hash", "not written in any way"),
        ("{\"email\":\"a@x.test\",\"password_hash\":\"$2b$31$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW\"}".into(), "password_hash", "too long or too much"),
        ("{\"email\":\"a@x.test\",\"created_at\":\"2999-01-01T00:00:00Z\"}".into(), "created_at", "future"),
    ];
    let mut file: Vec<u8> = Vec::new();
    for (line, _, _) in &lines {
        file.extend(line.as_bytes());
        file.extend(b"\n{\"email\":\"good");
        file.extend(file.len().to_string().into_bytes());
        file.extend(b"@x.test\"}\n");
    }
    file.extend(b"{\"email\":\"\xff\xfe@x.test\"}\n");
    let place = place(&[]);
    std::fs::write(place.path("bad.jsonl"), &file).unwrap();
    let said = place.run(&format!("{IMPORT} bad.jsonl --report report.jsonl"));
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(
        said.out
            .starts_with("18 created, 0 updated, 0 known already, 19 refused"),
        "{}",
        said.out
    );
    assert!(
        said.err.ends_with("vestibule: 19 lines were refused\n"),
        "{}",
        said.err
    );
    let report = std::fs::read_to_string(place.path("report.jsonl")).unwrap();
    for shown in [&said.err, &report] {
        assert!(
            !shown.contains("hunter2") && !shown.contains("R9h/cIPz"),
            "{shown}"
        );
    }
    let entries: Vec<Value> = report
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(entries.len(), 19);
    for (at, (entry, (line, field, reason))) in entries.iter().zip(&lines).enumerate() {
        let shown: String = line.chars().take(80).collect();
        assert_eq!(
            (&entry["line"], &entry["field"]),
            (&json!(at * 2 + 1), &json!(field)),
            "{shown}: {entry}"
        );
        assert!(
            entry["reason"].as_str().unwrap().contains(reason),
            "{shown}: {entry}"
        );
    }
    let again = told(&place, "bad.jsonl", 1);
    assert_eq!(
        (&again["created"], &again["known"], &again["refused"]),
        (&json!(0), &json!(18), &json!(19))
    );
    assert_eq!(again["refusals"][9]["field"], "email", "{again}");
}

#[test]
fn a_csv_file_that_is_none_is_refused_with_its_line() {
    let open_quote = format!(
        "email,name\na@x.test,A\nb@x.test,\"{}",
        "x,\n".repeat(100_000)
    );
    for (file, status, told) in [
        (
            "email,pasword_hash\na@x.test,x\n",
            1,
            "line 1: `pasword_hash` is no field of an import; did you mean `password_hash`?",
        ),
        (
            "email,name,email\n",
            1,
            "line 1: `email` stands there twice",
        ),
        ("a@x.test,A\n", 1, "line 1: `a@x.test` is no field"),
        (&open_quote, 1, "is a quote not closed?"),
    ] {
        let place = place(&[("people.csv", file)]);
        let said = place.run(&format!("{IMPORT} people.csv"));
        assert_eq!(said.code, status, "{}", said.err);
        assert!(said.err.contains(told), "{}", said.err);
    }
    let place = place(&[
        (
            "people.csv",
            "email,name\na@x.test\nb@x.test,B,more\nc@x.test,\"multi\nline\"\nd@x.test,D\n",
        ),
        ("people.txt", "email\n"),
        ("wrong.toml", "emial = 'x'\n"),
        ("list.toml", "role = ['x']\n"),
        ("broken.toml", "\nrole = \n"),
    ]);
    let told = told(&place, "people.csv", 1);
    let at = |index: usize| {
        (
            told["refusals"][index]["line"].clone(),
            told["refusals"][index]["reason"]
                .as_str()
                .unwrap()
                .to_owned(),
        )
    };
    assert_eq!(at(0), (json!(2), "has 1 fields, the heading 2".to_owned()));
    assert_eq!(at(1), (json!(3), "has 3 fields, the heading 2".to_owned()));
    assert_eq!(at(2).0, json!(4));
    assert_eq!(told["created"], 1);
    for (line, said) in [
        (
            "people.txt",
            "people.txt: say what it is with --format jsonl or --format csv",
        ),
        ("missing.csv", "cannot read missing.csv"),
        (
            "people.csv --defaults wrong.toml",
            "wrong.toml: `emial` is no field of an import; did you mean `email`?",
        ),
        (
            "people.csv --defaults list.toml",
            "list.toml: `role` must be text, a whole number, true or false",
        ),
        ("people.csv --defaults broken.toml", "broken.toml:2:"),
        (
            "people.csv --report no/such/folder",
            "cannot write no/such/folder",
        ),
    ] {
        let refused = place.run(&format!("{IMPORT} {line}")).refused();
        assert!(refused.contains(said), "{refused}");
    }
    let refused = place
        .run("user import people.csv --tenant acne --data data")
        .refused();
    assert_eq!(refused, "there is no tenant `acne`; did you mean `acme`?");
}

/// Ended between two batches, it goes on from there: nobody twice, nobody missing.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_ended_is_completed_by_the_same_command() {
    for signal in ["KILL", "INT"] {
        ended_by(signal).await;
    }
}

async fn ended_by(signal: &str) {
    let place = place(&[]);
    let line = |at: usize| {
        format!(
            "{{\"email\":\"p{at}@x.test\",\"email_verified\":true,\"password_hash\":\"{BCRYPT}\"}}\n"
        )
    };
    let mut command = place.command(&format!("{IMPORT} --json /dev/stdin --format jsonl"));
    let mut import = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A batch and a half; the rest it waits for.
    let begun: String = (0..1_500).map(line).collect();
    let mut stdin = import.stdin.take().unwrap();
    stdin.write_all(begun.as_bytes()).unwrap();
    let url = format!("sqlite:{}", place.path("data/vestibule.db").display());
    let db = Db::open(&Options::new(&url)).await.unwrap();
    let count = async |sql: &'static str| {
        db.read(move |tx| tx.one(sql, &[], |row| row.get::<i64>(0)))
            .await
            .unwrap()
    };
    let since = Instant::now();
    while count("SELECT count(*) FROM account").await < 1_000 {
        assert!(since.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let pid = import.id().to_string();
    let sent = Command::new("kill").args(["-s", signal, &pid]).status();
    assert!(sent.unwrap().success());
    let ended = import.wait_with_output().unwrap();
    if signal == "INT" {
        let said = String::from_utf8(ended.stderr).unwrap();
        let how = "stopped after line 1000; the same command again goes on from there";
        assert!(
            ended.status.code() == Some(1) && said.contains(how),
            "{said}"
        );
        let summary: Value = serde_json::from_slice(&ended.stdout).unwrap();
        assert_eq!(summary["created"], 1_000);
    }
    drop(stdin);
    assert_eq!(count("SELECT count(*) FROM account").await, 1_000);
    let whole: String = (0..2_100).map(line).collect();
    place.write("whole.jsonl", &whole);
    let told = told(&place, "whole.jsonl", 0);
    assert_eq!(
        (&told["created"], &told["known"]),
        (&json!(1_100), &json!(1_000))
    );
    for table in [
        "SELECT count(*) FROM account",
        "SELECT count(*) FROM password",
        "SELECT max(number) FROM account",
    ] {
        assert_eq!(count(table).await, 2_100, "{table}");
    }
    db.close().await;
}

/// A server and an import share the database: sign-ins go on, and people are there at once.
#[test]
fn an_import_runs_beside_a_server() {
    let place = place(&[(
        "a.jsonl",
        &format!("{{\"email\":\"ada@x.test\",\"password_hash\":\"{BCRYPT}\"}}\n"),
    )]);
    let server = place.serve("");
    assert_eq!(told(&place, "a.jsonl", 0)["created"], 1);
    let said = said(&mut place.command("user show ada@x.test --tenant acme --data data"));
    assert!(said.done().contains("ada@x.test"));
    assert_eq!(server.stop(), 0);
}
