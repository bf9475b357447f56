//! From one node to many: a running installation's database copied to the other engine.

use serde_json::json;
use vestibule_db::{Db, Options};
use vestibule_identity::{Identity, MIGRATIONS};

use crate::app::{START, TestApp, postgres_schema};
use crate::commands::{ACME, Place};
use crate::{alphalearn, enclaive, rezi};

const HOST: &str = "lms.acme.test";
const ANN: &str = "ann@team.example";
const PASSWORD: &str = "violet-harbour-42-lanterns";

/// What was handed out before the move does the same after it, and everything can go on.
async fn assert_whole(app: &TestApp, key: &str, tokens: &enclaive::Tokens, lms: &str, login: &str) {
    let by = format!("Bearer {}", tokens.user);
    let by = [("authorization", &*by)];
    app.get(HOST, "/account/v1/session", &by).await.status(200);
    app.post(
        HOST,
        "/authorize/refresh-token",
        &[],
        json!({"refreshToken": lms}),
    )
    .await
    .status(200);
    enclaive::Tokens::of(&enclaive::login(app, ANN, PASSWORD).await);
    enclaive::login(app, ANN, "wrong-password-1")
        .await
        .status(401);
    let opened = app.get(HOST, &format!("/login/?token={login}"), &[]).await;
    assert!(opened.session_cookie().is_some(), "{}", opened.body);
    rezi::exchange(app, key, "new@team.example", "n-1")
        .await
        .status(200);
    while app.identity.seal_audit().await.unwrap() > 0 {}
    let acme = app.cx("acme").await.tenant;
    let report = app.identity.verify_audit(&acme).await.unwrap();
    assert!(report.fault.is_none() && report.last > 3, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_moves_with_everything_in_it_and_back() {
    let first = TestApp::sqlite().await;
    let cx = first.acme().await;
    first.person(&cx, ANN, PASSWORD, "Trainee").await;
    let key = first.api_key(&cx).await;
    let mut app = first.clone();
    let folder = std::env::temp_dir().join(crate::app::unique("vestibule-moved"));
    std::fs::create_dir_all(&folder).unwrap();
    let back = format!("sqlite:{}", folder.join("moved.db").display());
    for url in [postgres_schema().await, back] {
        let tokens = enclaive::Tokens::of(&enclaive::login(&app, ANN, PASSWORD).await);
        let data = alphalearn::data(&alphalearn::sign_in(&app, HOST, ANN, PASSWORD).await);
        let lms = data["refresh-token"].as_str().unwrap().to_owned();
        let login = rezi::exchange(&app, &key, "bob@team.example", "b-1").await;
        let login = login.json()["token"].as_str().unwrap().to_owned();
        let keys = app.get(HOST, "/.well-known/jwks.json", &[]).await;
        let (from, to) = (
            app.identity.db(),
            Db::open(&Options::new(&url)).await.unwrap(),
        );
        let source = Identity::installation(from).await.unwrap().unwrap();
        vestibule_db::copy((from, &to), &source, MIGRATIONS, START, |_| ())
            .await
            .unwrap();
        to.close().await;
        let moved = TestApp::on_too(&url, &app).await;
        let same = moved.get(HOST, "/.well-known/jwks.json", &[]).await;
        assert_eq!(same.body, keys.body);
        assert_whole(&moved, &key, &tokens, &lms, &login).await;
        // A minute later, so that what is minted next is another token.
        moved.pass(std::time::Duration::from_secs(3_600));
        app = moved;
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_copies_once_and_not_under_a_server() {
    let place = Place::with(&[("acme.toml", ACME)]);
    let url = postgres_schema().await;
    let copy = format!("db copy --from sqlite:data/vestibule.db --to {url} --data data");
    let refused = place.run(&copy).refused();
    assert!(refused.contains("there is no database at"), "{refused}");
    place.run("apply acme.toml --data data").done();
    let server = place.serve("");
    let refused = place.run(&copy).refused();
    assert!(refused.contains("another server (process "), "{refused}");
    assert_eq!(server.stop(), 0);
    let told = place.run(&copy).done();
    assert!(told.contains("to PostgreSQL, and compared them"), "{told}");
    let refused = place.run(&copy).refused();
    assert!(refused.contains("the target is not empty"), "{refused}");
    let list = format!("tenant list --data data --database {url}");
    assert!(place.run(&list).done().contains("acme"));
    let server = place.serve(&format!("--database {url}"));
    assert_eq!(server.stop(), 0);
    for line in [
        "db copy --from nothing --to sqlite:b.db --data data",
        "db copy --from sqlite:data/vestibule.db --to sqlite:data/vestibule.db --data data",
    ] {
        place.run(line).refused();
    }
}
