//! A dialect of an operator's own: a file in a folder, no Rust.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use vestibule_dialect::{Dialects, Problems};
use vestibule_http::{App, HttpSettings, routes};

use crate::alphalearn::{PASSWORD, code, is_bearer};
use crate::app::{Reply, TestApp, build, claims, header, on_both};

const FILE: &str = include_str!("../dialects/harbour/dialect.toml");
const HOST: &str = "pier.test";
const EMAIL: &str = "ada@example.com";
const TENANT: &str = "slug = 'pier'\nname = 'Pier'\ndomains = ['pier.test']\ndialects = ['harbour', 'alphalearn']\nhandoff = { admin = '/{enrollmentId}' }";

/// The same server with the dialects of the folder as well.
fn with_harbour(app: &TestApp) -> TestApp {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects");
    let dialects =
        Dialects::load(Some(&folder), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(
        dialects.names(),
        ["alphalearn", "enclaive", "harbour", "rezi"]
    );
    with_dialects(app, dialects)
}

/// The same server with these dialects and no others.
pub fn with_dialects(app: &TestApp, dialects: Dialects) -> TestApp {
    let mut app = app.clone();
    app.door = vestibule_http::FrontDoor::new(App {
        identity: app.identity.clone(),
        dialects,
        settings: HttpSettings::default(),
    });
    app
}

async fn sign_in(app: &TestApp, body: Value) -> Reply {
    app.post(HOST, "/v2/tokens", &[], body).await
}

async fn renew(app: &TestApp, token: &Value) -> Reply {
    let body = json!({"refresh": token}).to_string();
    let headers = [("content-type", "application/json")];
    app.send(build("PUT", HOST, "/v2/tokens", &headers, body))
        .await
}

fn fault(sort: &str, kind: &str, says: &str) -> Value {
    json!({"faults": [{"sort": sort, "is": kind, "says": says}], "again_in": 0})
}

on_both! {
    async fn a_file_alone_makes_a_dialect(app: TestApp) {
        let app = with_harbour(&app);
        let cx = app.apply(TENANT).await;
        let person = app.person(&cx, EMAIL, PASSWORD, "Admin").await;
        let reply = sign_in(&app, json!({"login": EMAIL, "secret": PASSWORD})).await;
        let body = reply.json();
        reply.is(201, json!({
            "pass": body["pass"], "renewal": body["renewal"], "seconds": 300,
            "holder": {"number": person.number, "label": "Pooja G <ada@example.com>", "ranks": ["Admin"]},
        }));
        assert_eq!(reply.header("cache-control"), "no-store");
        let pass = body["pass"].as_str().unwrap();
        assert_eq!(header(pass)["alg"], "RS256");
        let said = claims(pass);
        assert_eq!((&said["ship"], &said["crew"]), (&json!("PIER"), &json!(true)));
        assert_eq!((&said["iss"], &said["aud"], &said["sub"]), (&json!("https://pier.test"), &json!("https://pier.test/harbour"), &json!(person.id)));
        assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 300);
        assert!(is_bearer(&app, HOST, pass).await);
        // Its key stands in the tenant's key set.
        let keys = app.get(HOST, "/.well-known/jwks.json", &[]).await.json();
        assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header(pass)["kid"]));
        // A renewal gives the next; the one before still gets the same answer for a moment, older ones end it all.
        let first = body["renewal"].clone();
        let second = renew(&app, &first).await.status(200).json()[1].clone();
        assert_ne!(first, second);
        assert_eq!(renew(&app, &first).await.status(200).json()[1], second);
        app.pass(Duration::from_secs(60));
        let third = renew(&app, &second).await.status(200).json()[1].clone();
        app.pass(Duration::from_secs(60));
        let fourth = renew(&app, &third).await.status(200).json()[1].clone();
        renew(&app, &first).await.status(410);
        renew(&app, &fourth).await.is(410, fault("renewal", "invalid_refresh_token", "The refresh token is not valid."));
        assert!(!is_bearer(&app, HOST, pass).await);
        app.get(HOST, "/v2/people/ada%40example.com", &[]).await.is(200, json!({"known": true}));
        app.get(HOST, "/v2/people/bob%40example.com", &[]).await.is(200, json!({"known": false}));
    }

    async fn its_errors_have_its_own_shape(app: TestApp) {
        let app = with_harbour(&app);
        let cx = app.apply(TENANT).await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        for (body, status, expected) in [
            (json!({}), 400, fault("input", "missing_email", "login is missing")),
            (json!({"login": "nobody", "secret": "x"}), 400, fault("input", "invalid_email", "login is not a valid e-mail address")),
            (json!({"login": EMAIL}), 400, fault("input", "missing_password", "secret is missing")),
            (json!({"login": EMAIL, "secret": "wrong"}), 403, fault("secret", "invalid_credentials", "No such pair")),
            (json!({"login": "bob@example.com", "secret": PASSWORD}), 403, fault("secret", "invalid_credentials", "No such pair")),
            (json!({"login": EMAIL, "secret": PASSWORD, "workspace": "nowhere.test"}), 421, fault("input", "unknown_tenant", "The domain is not known.")),
            (json!({"login": EMAIL, "secret": PASSWORD, "x": "y".repeat(70_000)}), 413, fault("size", "body_too_large", "The request body is too large.")),
        ] {
            let shown: String = body.to_string().chars().take(80).collect();
            let reply = sign_in(&app, body).await;
            assert_eq!((reply.status.as_u16(), reply.json()), (status, expected), "{shown}");
        }
        let wrong = app.send(build("DELETE", HOST, "/v2/tokens", &[], "")).await;
        wrong.is(405, fault("method", "method_not_allowed", "This method is not allowed here."));
        assert_eq!(wrong.header("allow"), "POST, PUT");
        app.get(HOST, "/v2/people/nobody", &[]).await.status(400);
    }

    async fn it_answers_where_it_is_mounted_and_its_tokens_are_its_own(app: TestApp) {
        let app = with_harbour(&app);
        let cx = app.apply(TENANT).await;
        app.person(&cx, EMAIL, PASSWORD, "Admin").await;
        app.acme().await;
        app.post("lms.acme.test", "/v2/tokens", &[], json!({"login": EMAIL, "secret": PASSWORD})).await.status(404);
        let body = sign_in(&app, json!({"login": EMAIL, "secret": PASSWORD})).await.status(201).json();
        let (pass, renewal) = (body["pass"].as_str().unwrap(), body["renewal"].as_str().unwrap());
        for token in [pass, renewal] {
            let reply = app.post(HOST, "/authorize/refresh-token", &[], json!({"refreshToken": token})).await;
            assert_eq!((reply.status.as_u16(), code(&reply).as_str()), (401, "1017"));
            let form = [("token", token), ("type", "1"), ("inputData", "{\"enrollmentId\":1}")];
            app.post_form(HOST, "/site/login-by-jwt-token", &[], &form).await.status(401);
        }
        let lms = crate::alphalearn::tokens(&app, HOST, EMAIL).await;
        for token in [&lms.access, &lms.refresh, &lms.session] {
            renew(&app, &json!(token)).await.status(410);
        }
        renew(&app, &json!(renewal)).await.status(200);
        // The tenant of the file's own dialect can have its statuses flattened as any other.
        app.apply(&format!("{}\n[dialect.harbour]\nalways_200 = true", TENANT.replace("'harbour', ", ""))).await;
        sign_in(&app, json!({"login": EMAIL, "secret": "wrong"})).await.is(200, fault("secret", "invalid_credentials", "No such pair"));
    }
}

/// A folder of dialect files, gone when dropped.
pub struct Folder(PathBuf);

impl Folder {
    fn with(text: &str) -> Folder {
        Folder::of(&[("harbour", text)])
    }

    /// Names of dialects and their files' texts.
    pub fn of(files: &[(&str, &str)]) -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "vestibule-dialect-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::SeqCst)
        );
        let folder = std::env::temp_dir().join(name);
        for (name, text) in files {
            std::fs::create_dir_all(folder.join(name)).unwrap();
            std::fs::write(folder.join(name).join("dialect.toml"), text).unwrap();
        }
        Folder(folder)
    }

    pub fn load(&self) -> Result<Dialects, Problems> {
        let own: Vec<_> = routes(true).into_iter().map(|(_, path)| path).collect();
        Dialects::load(Some(&self.0), &own)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_broken_file_is_told_by_file_line_and_what_to_do() {
    assert!(Folder::with(FILE).load().is_ok());
    let mut astray = Vec::new();
    for (before, after, says) in [
        (
            "do = \"sign_in_password\"",
            "do = \"sign_in_pasword\"",
            "did you mean `sign_in_password`",
        ),
        // What a route lacks is told at the route.
        (
            "[[route]]\non = [\"POST /v2/tokens\"]\ndo = \"sign_in_password\"\nwith = { email = \"{{ body.login }}\", password",
            "[[route]]\non = [\"POST /v2/tokens\"]\ndo = \"sign_in_password\"\nwith = { email = \"{{ body.login }}\", passwort",
            "needs `password`",
        ),
        (
            "{{ body.login }}",
            "{{ bodi.login }}",
            "did you mean `body`",
        ),
        ("{{ body.login }}", "{{ body.login", "body.login"),
        ("{{ path.mail }}", "{{ path.male }}", "did you mean `mail`"),
        (
            "reply = \"issued\"",
            "reply = \"isued\"",
            "did you mean `issued`",
        ),
        (
            "on = [\"GET /v2/people/{mail}\"]",
            "on = [\"FETCH /v2/people/{mail}\"]",
            "FETCH",
        ),
        ("rotate = true", "rotat = true", "did you mean `rotate`"),
        ("algorithm = \"RS256\"", "algorithm = \"HS256\"", "HS256"),
        ("lifetime = \"5m\"", "lifetime = \"5 parsecs\"", "5 parsecs"),
        ("ship = ", "sub = ", "`sub` is set by the core"),
        ("status = 201", "status = 42", "status"),
        (
            "{{ token.renewal }}\", seconds",
            "{{ token.renewel }}\", seconds",
            "did you mean `renewal`",
        ),
        (
            "{{ user.number }}",
            "{{ user.password }}",
            "`user` has no `password`",
        ),
        ("{{ exists }}", "{{ user.id }}", "email_exists"),
        (
            "invalid_credentials = {",
            "invalid_credential = {",
            "did you mean `invalid_credentials`",
        ),
        ("kind = \"refresh\"", "kind = \"forever\"", "forever"),
        ("title = ", "titel = ", "did you mean `title`"),
        ("[reply.renewed]", "[reply.renewed", ""),
    ] {
        let at = FILE
            .find(before)
            .unwrap_or_else(|| panic!("{before} is not in the file"));
        let line = FILE[..at].matches('\n').count() + 1;
        let folder = Folder::with(&FILE.replacen(before, after, 1));
        let problems = folder.load().expect_err(after).0;
        let found = problems.iter().any(|problem| {
            problem.file.ends_with("harbour/dialect.toml")
                && problem.line == line
                && problem.message.contains(says)
        });
        if !found {
            astray.push(format!("{after:?} in line {line}: {problems:?}"));
        }
    }
    assert!(astray.is_empty(), "{}", astray.join("\n"));
}

#[test]
fn every_fault_is_told_at_once_and_names_are_taken_once() {
    let text = FILE
        .replace("{{ body.login }}", "{{ bodi.login }}")
        .replace("status = 201", "status = 42")
        .replace("lifetime = \"5m\"", "lifetime = \"soon\"");
    let problems = Folder::with(&text).load().unwrap_err();
    assert_eq!(problems.0.len(), 3, "{problems}");
    let shown = problems.to_string();
    assert!(
        shown
            .lines()
            .all(|line| line.contains("harbour/dialect.toml:")),
        "{shown}"
    );
    let taken = Folder::with(&FILE.replace("name = \"harbour\"", "name = \"alphalearn\""))
        .load()
        .unwrap_err()
        .to_string();
    assert!(taken.contains("harbour/dialect.toml: the name `alphalearn` is taken by dialects/alphalearn/dialect.toml"), "{taken}");
    // An error that an operation may raise and no line of the table answers.
    let start = FILE.find("default = ").unwrap();
    let end = start + FILE[start..].find('\n').unwrap();
    let bare = format!("{}{}", &FILE[..start], &FILE[end..]);
    let missing = Folder::with(&bare).load().unwrap_err().to_string();
    for kind in [
        "missing_email",
        "unknown_tenant",
        "missing_refresh_token",
        "malformed_body",
    ] {
        assert!(missing.contains(&format!("`{kind}`")), "{kind}: {missing}");
    }
    let nowhere = Dialects::load(Some(Path::new("/nonexistent/dialects")), &[])
        .unwrap_err()
        .to_string();
    assert!(nowhere.starts_with("/nonexistent/dialects"), "{nowhere}");
}
