//! Backup and restore: what was ended, used or revoked after the backup stays so.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::alphalearn::{PASSWORD, is_bearer, refresh, tokens};
use crate::app::on_both;
use crate::browser::is_live;
use crate::commands::{Place, Serving};
use crate::rezi::{EMAIL, HOST, UID, exchange, open, text, unauthorized};

const ADA: &str = "ada@example.com";
const NEW: &str = "copper-meadow-77-bridges";
const ACME: &str = "slug = 'acme'\nname = 'Acme'\ndomains = ['lms.acme.test']\ndialects = ['rezi', 'alphalearn']\n";

on_both! {
    async fn nothing_handed_out_before_a_restore_works_after_it(app: TestApp) {
        let cx = app.acme().await;
        let account = app.person(&cx, ADA, PASSWORD, "Trainee").await;
        let (kept, revoked) = (app.api_key(&cx).await, app.api_key(&cx).await);
        let signed_in = tokens(&app, HOST, ADA).await;
        let login = text(&exchange(&app, &kept, EMAIL, UID).await, "token");
        let cookie = open(&app, &login, &[]).await.session_cookie().unwrap();
        let unused = text(&exchange(&app, &kept, EMAIL, UID).await, "token");
        let forgot = json!({"email": ADA});
        app.post(HOST, "/authorize/forgot-password", &[], forgot).await.status(200);
        let before = app.get(HOST, "/.well-known/jwks.json", &[]).await.json();
        let keys = app.identity.api_keys(&cx).await.unwrap();
        let id = |key: &str| keys.iter().find(|view| key.contains(&view.id)).unwrap().id.clone();
        app.identity.revoke_api_key(&id(&revoked)).await.unwrap();

        let ended = app.identity.end_all_after_restore(false).await.unwrap();
        assert_eq!((ended.sessions, ended.mails, ended.api_keys.len()), (2, 1, 1), "{ended:?}");
        assert!(ended.one_time_tokens >= 1 && ended.signing_keys >= 2, "{ended:?}");

        for token in [&signed_in.refresh, &signed_in.access] {
            refresh(&app, HOST, token).await.status(401);
        }
        assert!(!is_bearer(&app, HOST, &signed_in.access).await);
        assert!(!is_bearer(&app, HOST, &signed_in.session).await);
        assert!(!is_live(&app, &cookie).await);
        for token in [&login, &unused] {
            open(&app, token, &[]).await.status(401);
        }
        assert_eq!(app.mails().await.len(), 0);
        for key in [&kept, &revoked] {
            exchange(&app, key, EMAIL, UID).await.is(401, unauthorized());
        }
        app.identity.confirm_api_key(&id(&kept)).await.unwrap();
        app.identity.confirm_api_key(&id(&revoked)).await.unwrap_err();
        let fresh = text(&exchange(&app, &kept, EMAIL, UID).await, "token");
        open(&app, &fresh, &[]).await.status(303);
        tokens(&app, HOST, ADA).await;
        let after = app.get(HOST, "/.well-known/jwks.json", &[]).await.json();
        let kids = |document: &Value| -> Vec<String> {
            document["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
        };
        assert!(kids(&before).iter().all(|kid| !kids(&after).contains(kid)) && !kids(&after).is_empty());
        let late = app.person(&cx, "late@example.com", PASSWORD, "Trainee").await;
        assert!(late.number > account.number + 1_000_000 - 1, "{}", late.number);
        assert!(app.audit("acme").await.contains(&"database.restored done".to_owned()));

        let ended = app.identity.end_all_after_restore(true).await.unwrap();
        assert_eq!(ended.api_keys.len(), 0);
        exchange(&app, &kept, EMAIL, UID).await.status(200);
    }
}

/// What a client sees of the program.
struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    fn of(serving: &Serving) -> Client {
        let port = serving.port("listening on http://");
        Client {
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            base: format!("http://127.0.0.1:{port}"),
        }
    }

    async fn post(&self, path: &str, bearer: &str, body: Value) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .header("host", HOST)
            .header("content-type", "application/json")
            .bearer_auth(bearer)
            .body(body.to_string());
        let reply = request.send().await.unwrap();
        let status = reply.status().as_u16();
        let text = reply.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn status(&self, path: &str) -> u16 {
        let request = self.http.get(format!("{}{path}", self.base));
        let reply = request.header("host", HOST).send().await.unwrap();
        reply.status().as_u16()
    }

    async fn sign_in(&self, password: &str) -> Option<Value> {
        let body = json!({"email": ADA, "password": password});
        let (status, reply) = self.post("/authorize/login", "", body).await;
        (status == 200).then(|| reply["data"]["response"]["data"].clone())
    }

    async fn refresh(&self, token: &Value) -> u16 {
        let body = json!({ "refreshToken": token });
        self.post("/authorize/refresh-token", "", body).await.0
    }

    async fn reset(&self, token: &Value, password: &str) -> u16 {
        let body = json!({"token": token, "password": password});
        self.post("/authorize/reset-password", "", body).await.0
    }

    async fn login_token(&self, key: &str) -> Option<String> {
        let body = json!({"email": EMAIL, "uid": UID});
        let (status, reply) = self.post("/v1/user/token", key, body).await;
        (status == 200).then(|| reply["token"].as_str().unwrap().to_owned())
    }

    async fn open(&self, token: &str) -> u16 {
        self.status(&format!("/login/?token={token}")).await
    }
}

fn json_of(place: &Place, line: &str) -> Value {
    let told = place.run(&format!("{line} --data data --json")).done();
    serde_json::from_str(&told).unwrap()
}

fn create_ada(place: &Place) {
    let line =
        format!("user create --tenant acme --email {ADA} --verified --password-stdin --data data");
    let mut command = place.command(&line);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let stdin = child.stdin.as_mut().unwrap();
    stdin.write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_after_the_backup_is_not_undone_by_its_restore() {
    let place = Place::with(&[("acme.toml", ACME)]);
    place.run("apply acme.toml --data data").done();
    create_ada(&place);
    let create = "api-key create --tenant acme";
    let (kept, revoked) = (json_of(&place, create), json_of(&place, create));
    let key = |created: &Value| created["key"].as_str().unwrap().to_owned();
    let serving = place.serve("");
    let client = Client::of(&serving);
    let (out, quiet) = (
        client.sign_in(PASSWORD).await.unwrap(),
        client.sign_in(PASSWORD).await.unwrap(),
    );
    let (used, unused) = (
        client.login_token(&key(&kept)).await.unwrap(),
        client.login_token(&key(&revoked)).await.unwrap(),
    );
    let forgot = json!({"email": ADA});
    let (_, reply) = client
        .post("/authorize/forgot-password", &key(&kept), forgot)
        .await;
    let reset = reply["data"]["response"]["data"]["token"].clone();

    let told = place.run("db backup copy.db --data data").done();
    assert!(told.contains("data/secret.key is not in it"), "{told}");

    assert_eq!(client.open(&used).await, 303);
    assert_eq!(client.reset(&reset, NEW).await, 200);
    place
        .run(&format!("user sign-out {ADA} --tenant acme --data data"))
        .done();
    let revoke = format!(
        "api-key revoke {} --data data",
        revoked["id"].as_str().unwrap()
    );
    place.run(&revoke).done();
    let late = client.sign_in(NEW).await.unwrap();
    let late_login = client.login_token(&key(&kept)).await.unwrap();
    assert_eq!(serving.stop(), 0);

    let told = place.run("db restore copy.db --data data").done();
    let id = |created: &Value| created["id"].as_str().unwrap().to_owned();
    for said in [
        "is kept as data/vestibule.db.replaced-",
        "api-key confirm",
        &id(&kept),
        &id(&revoked),
    ] {
        assert!(told.contains(said), "{said} not in {told}");
    }
    let serving = place.serve("");
    let client = Client::of(&serving);
    for token in [
        &out["refresh-token"],
        &quiet["refresh-token"],
        &late["refresh-token"],
        &out["token"],
        &late["token"],
    ] {
        assert_eq!(client.refresh(token).await, 401, "{token}");
    }
    for token in [&used, &unused, &late_login] {
        assert_eq!(client.open(token).await, 401);
    }
    assert_eq!(client.reset(&reset, NEW).await, 400);
    for key in [key(&kept), key(&revoked)] {
        assert_eq!(client.login_token(&key).await, None);
    }
    place
        .run(&format!("api-key confirm {} --data data", id(&kept)))
        .done();
    let again = client.login_token(&key(&kept)).await.unwrap();
    assert_eq!(client.open(&again).await, 303);
    // The password is the backup's again: nothing else is known of it.
    assert!(client.sign_in(NEW).await.is_none());
    let anew = client.sign_in(PASSWORD).await.unwrap();
    assert_eq!(client.refresh(&anew["refresh-token"]).await, 200);
}

#[test]
fn a_backup_that_cannot_be_restored_changes_nothing() {
    let place = Place::with(&[("acme.toml", ACME)]);
    place.run("apply acme.toml --data data").done();
    place.run("db backup copy.db --data data").done();
    let whole = fs::read(place.path("copy.db")).unwrap();
    place.write("text.db", &"nothing of ours ".repeat(1_000));
    place.write("empty.db", "");
    fs::write(place.path("half.db"), &whole[..whole.len() / 2]).unwrap();
    let mut holed = whole.clone();
    let page = holed.len() - 4_096;
    holed[page..].fill(0xff);
    fs::write(place.path("holed.db"), holed).unwrap();
    let before = fs::read(place.path("data/vestibule.db")).unwrap();
    for (name, said) in [
        ("missing.db", "cannot read missing.db: No such file"),
        ("data", "data is not a file"),
        (
            "text.db",
            "text.db: file is not a database; name another backup",
        ),
        (
            "empty.db",
            "empty.db is empty (0 bytes); name another backup",
        ),
        ("half.db", "malformed; name another backup"),
        // Told by the check, or by whoever meets the page first.
        ("holed.db", ""),
    ] {
        let refused = place
            .run(&format!("db restore {name} --data data"))
            .refused();
        let start = format!("cannot restore {name}; nothing was changed: ");
        assert!(
            refused.starts_with(&start) && refused.contains(said),
            "{refused}"
        );
    }
    fs::write(place.path("data/secret.key"), "A".repeat(43) + "=\n").unwrap();
    let refused = place.run("db restore copy.db --data data").refused();
    assert!(
        refused.contains("the secret key is not the one"),
        "{refused}"
    );
    fs::remove_file(place.path("data/secret.key")).unwrap();
    let refused = place.run("db restore copy.db --data data").refused();
    assert!(
        refused.contains("the secret key file data/secret.key is missing"),
        "{refused}"
    );
    assert!(fs::read(place.path("data/vestibule.db")).unwrap() == before);
    let left: Vec<String> = fs::read_dir(place.path("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("restoring") || name.contains("replaced"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_restore_takes_the_place_of_whatever_is_there() {
    let place = Place::with(&[("acme.toml", ACME)]);
    place.run("apply acme.toml --data data").done();
    place.run("db backup copy.db --data data").done();
    let again = place.run("db backup copy.db --data data").refused();
    assert!(again.contains("copy.db already exists"), "{again}");
    let kept = |place: &Place| {
        fs::read_dir(place.path("data"))
            .unwrap()
            .filter(|entry| {
                entry
                    .as_ref()
                    .unwrap()
                    .file_name()
                    .to_str()
                    .unwrap()
                    .contains("replaced")
            })
            .count()
    };
    type Spoil = fn(&Place);
    let spoil: [(&str, Spoil); 4] = [
        ("sound", |_| ()),
        ("garbage", |place| {
            place.write("data/vestibule.db", "garbage")
        }),
        ("empty", |place| place.write("data/vestibule.db", "")),
        ("gone", |place| {
            fs::remove_file(place.path("data/vestibule.db")).unwrap()
        }),
    ];
    for (what, spoil) in spoil {
        let replaced = kept(&place);
        spoil(&place);
        place
            .run("db restore copy.db --data data --keep-api-keys")
            .done();
        let told = place.run("tenant list --data data").done();
        assert!(told.contains("acme"), "{what}: {told}");
        assert!(kept(&place) > replaced || what == "gone", "{what}");
        assert_eq!(place.serve("").stop(), 0, "{what}");
    }
}

#[test]
fn a_kill_leaves_the_old_database_or_the_restored_one() {
    const ROUNDS: u32 = 8;
    let backup = Place::with(&[("acme.toml", ACME)]);
    backup.run("apply acme.toml --data data").done();
    json_of(&backup, "api-key create --tenant acme");
    backup.run("db backup copy.db --data data").done();
    let other = "slug = 'later'\nname = 'Later'\n";
    backup.write("later.toml", other);
    backup.run("apply later.toml --data data").done();
    let mut whole = Duration::ZERO;
    for round in 0..=ROUNDS {
        let place = Place::new();
        let mut copy = std::process::Command::new("cp");
        copy.arg("-a")
            .arg(backup.path("data"))
            .arg(backup.path("copy.db"));
        assert!(copy.arg(place.path("")).status().unwrap().success());
        let mut command = place.command("db restore copy.db --data data");
        let since = Instant::now();
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if round == 0 {
            assert!(child.wait().unwrap().success());
            whole = since.elapsed();
        } else {
            std::thread::sleep(whole * (round - 1) / ROUNDS);
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let is_old = place
            .run("tenant list --data data")
            .done()
            .contains("later");
        let keys = json_of(&place, "api-key list --tenant acme");
        let is_held = !keys["api_keys"][0]["held_at"].is_null();
        assert_eq!(is_held, !is_old, "round {round}: {keys}");
        place.run("db restore copy.db --data data").done();
        assert!(!place.path("data/vestibule.db.restoring").exists());
    }
}
