//! What a client is told when the database cannot say what became of its request, or cannot be reached.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::app::{Reply, TestApp, build};
use crate::{alphalearn, enclaive, rezi};

const HOST: &str = "lms.acme.test";
const ANN: &str = "ann@team.example";
const PASSWORD: &str = "violet-harbour-42-lanterns";

/// From now on COMMIT succeeds with a warning, as it does when the wait for a synchronous standby is broken off.
const WARN: &str = "DO $$ DECLARE name text; BEGIN
    CREATE FUNCTION warns() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN RAISE WARNING ''canceling wait for synchronous replication''; RETURN NULL; END';
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LOOP
        EXECUTE format('CREATE CONSTRAINT TRIGGER warns AFTER INSERT OR UPDATE OR DELETE ON %I
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warns()', name);
    END LOOP; END $$";

struct People {
    key: String,
    access: String,
    forgotten: String,
    login: String,
}

impl People {
    async fn of(app: &TestApp) -> People {
        let cx = app.acme().await;
        app.person(&cx, ANN, PASSWORD, "Trainee").await;
        let key = app.api_key(&cx).await;
        let tokens = enclaive::Tokens::of(&enclaive::login(app, ANN, PASSWORD).await);
        let authorization = format!("Bearer {key}");
        let forgotten = app
            .post(
                HOST,
                "/authorize/forgot-password",
                &[("authorization", &authorization)],
                json!({"email": ANN}),
            )
            .await;
        let login = rezi::exchange(app, &key, "bob@team.example", "b-1").await;
        People {
            access: tokens.user,
            forgotten: alphalearn::data(&forgotten)["token"]
                .as_str()
                .unwrap()
                .to_owned(),
            login: login.json()["token"].as_str().unwrap().to_owned(),
            key,
        }
    }

    /// One request for each sort of change, by every surface.
    async fn changes(&self, app: &TestApp) -> BTreeMap<&'static str, Reply> {
        let post = async |path, headers: &[(&str, &str)], body: Value| {
            app.post(HOST, path, headers, body).await
        };
        let (key, bearer) = (
            format!("Bearer {}", self.key),
            format!("Bearer {}", self.access),
        );
        let open = format!("/login/?token={}", self.login);
        let person = json!({"email": "new@team.example", "password": PASSWORD, "name": "New"});
        let profile = build(
            "PATCH",
            HOST,
            "/account/v1/profile",
            &[
                ("authorization", &bearer),
                ("content-type", "application/json"),
            ],
            json!({"first_name": "Other"}).to_string(),
        );
        BTreeMap::from([
            ("register", post("/api/register", &[], person).await),
            ("sign in", enclaive::login(app, ANN, PASSWORD).await),
            (
                "lms sign in",
                alphalearn::sign_in(app, HOST, ANN, PASSWORD).await,
            ),
            (
                "refresh",
                app.get(HOST, "/api/refresh", &[("authorization", &bearer)])
                    .await,
            ),
            (
                "mint",
                rezi::exchange(app, &self.key, "cay@team.example", "c-1").await,
            ),
            (
                "forgot",
                post(
                    "/authorize/forgot-password",
                    &[("authorization", &key)],
                    json!({"email": ANN}),
                )
                .await,
            ),
            ("profile", app.send(profile).await),
            (
                "reset",
                post(
                    "/api/reset-password",
                    &[],
                    json!({"token": self.forgotten, "newPassword": "copper-meadow-77-bicycles"}),
                )
                .await,
            ),
            ("open", app.get(HOST, &open, &[]).await),
        ])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_not_sure_to_last_is_503_on_every_surface() {
    let app = TestApp::postgres().await;
    let people = People::of(&app).await;
    app.identity
        .db()
        .write(|tx| tx.exec(WARN, &[]))
        .await
        .unwrap();
    for (what, reply) in people.changes(&app).await {
        assert_eq!(reply.status, 503, "{what}: {}", reply.body);
        let shape = match what {
            "register" | "sign in" | "refresh" | "reset" => reply.json()["statusCode"] == 503,
            "lms sign in" | "forgot" => reply.json()["success"] == false,
            "mint" | "open" => reply.json()["errorCode"] == "server-503",
            _ => reply.header("content-type") == "application/problem+json",
        };
        assert!(shape, "{what}: {}", reply.body);
        assert!(!reply.body.contains("standby") && reply.session_cookie().is_none());
    }
}

/// Keys, metadata and pages come from memory; whatever needs the database says so.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_what_is_in_memory_is_still_served() {
    let app = TestApp::postgres().await;
    let people = People::of(&app).await;
    let keys = app.get(HOST, "/.well-known/jwks.json", &[]).await;
    app.identity.db().close().await;
    let same = app.get(HOST, "/.well-known/jwks.json", &[]).await;
    assert_eq!(same.status(200).body, keys.body);
    for path in [
        "/.well-known/openid-configuration",
        "/sign-in",
        "/health/live",
    ] {
        let reply = app.get(HOST, path, &[]).await;
        assert!(reply.status.is_success(), "{path}: {}", reply.status);
    }
    // Verified from memory first: what is forged needs no database to be refused.
    let forged = format!("Bearer {}x", people.access);
    let refused = app
        .get(HOST, "/account/v1/session", &[("authorization", &forged)])
        .await;
    refused.status(401);
    for (what, reply) in people.changes(&app).await {
        assert_eq!(reply.status, 503, "{what}: {}", reply.body);
    }
    app.get(HOST, "/health/ready", &[]).await.status(503);
}
