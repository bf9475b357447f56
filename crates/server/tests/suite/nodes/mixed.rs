//! Programs of two releases on one database.

use vestibule_db::{Db, Error, Options};
use vestibule_identity::MailKind;

use super::keys::{kid, published, two_nodes};
use crate::app::{TestApp, on_both, postgres_schema};
use crate::commands::{ACME, Place};
use crate::enclaive::{PASSWORD, forgot};

/// What another program does.
async fn elsewhere(app: &TestApp, statements: &'static [&'static str]) {
    let done = app.identity.db().write(move |tx| {
        for sql in statements {
            assert!(tx.exec(sql, &[])? > 0, "{sql}");
        }
        Ok::<_, Error>(())
    });
    done.await.unwrap();
}

const CHANGED: &str = "UPDATE catalog SET version = version + 1";
const MARKED: &str = "UPDATE tenant SET updated_at = updated_at + 1 WHERE slug = 'acme'";

on_both! {
    async fn settings_of_a_newer_program_hold_nobody_up(app: TestApp) {
        let (two, cx, tokens) = two_nodes(&app).await;
        app.zeta().await;
        two.identity.reload().await.unwrap();
        elsewhere(&app, &[
            "UPDATE tenant SET settings = replace(settings, '{\"slug\":\"acme\",\"name\":\"Acme Learning\"', '{\"slug\":\"acme\",\"later\":{\"on\":[1]},\"name\":\"Newer\"') WHERE slug = 'acme'",
            MARKED,
            CHANGED,
            "UPDATE tenant SET settings = replace(settings, '\"captcha\":\"none\"', '\"captcha\":\"later\"'), updated_at = updated_at + 1 WHERE slug = 'zeta'",
            CHANGED,
        ]).await;
        app.identity.revoke_signing_key(&cx, &kid(&tokens.user)).await.unwrap();
        two.identity.reload().await.unwrap();
        assert_eq!(two.cx("acme").await.tenant.product(), "Newer", "what is known of it counts");
        assert!(!published(&two).await.contains(&kid(&tokens.user)), "a revoked key is gone all the same");
        two.get("nobody.test", "/", &[]).await.status(421);
        two.get("lms.zeta.test", "/sign-in", &[]).await.status(200);
        assert_eq!(two.cx("zeta").await.tenant.product(), "Zeta Learning", "as it was");
        // A node that starts has nothing to go on with for that one.
        let late = app.second_node().await;
        late.get("lms.acme.test", "/sign-in", &[]).await.status(200);
        late.get("lms.zeta.test", "/sign-in", &[]).await.status(421);
    }

    async fn mails_of_a_newer_program_are_left_to_it(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ann@team.example", PASSWORD, "Trainee").await;
        forgot(&app, "ann@team.example").await.status(200);
        elsewhere(&app, &["UPDATE outbox SET kind = 'later' WHERE state = 'due'"]).await;
        assert!(app.mails().await.is_empty());
        // Nor held back for a while, as one in hand would be.
        elsewhere(&app, &["UPDATE outbox SET kind = 'reset-password' WHERE state = 'due'"]).await;
        app.mailed_link(MailKind::ResetPassword).await;
    }

    /// Programs before this one raised the version alone.
    async fn changes_of_an_older_program_are_found(app: TestApp) {
        let (two, _, tokens) = two_nodes(&app).await;
        const REVOKED: &str = "UPDATE signing_key SET revoked_at = 1, retired_at = 0 WHERE revoked_at IS NULL";
        const RENAMED: &str = "UPDATE tenant SET settings = replace(settings, 'Zeta Learning', 'Renamed'), updated_at = updated_at + 1 WHERE slug = 'zeta'";
        app.zeta().await;
        two.identity.reload().await.unwrap();
        // In one look: a tenant's, which is marked, and a key's of another, which is not.
        elsewhere(&app, &[RENAMED, CHANGED, REVOKED, CHANGED]).await;
        two.identity.reload().await.unwrap();
        assert_eq!(two.cx("zeta").await.tenant.product(), "Renamed");
        assert!(!published(&two).await.contains(&kid(&tokens.user)));
    }
}

/// An older program has nothing to do on a schema that a newer one made, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_program_refuses_a_newer_schema() {
    for engine in ["sqlite", "postgres"] {
        let place = Place::with(&[("acme.toml", ACME)]);
        let url = match engine {
            "sqlite" => format!("sqlite:{}", place.path("data/vestibule.db").display()),
            _ => postgres_schema().await,
        };
        let told = format!("--data data --database {url}");
        place.run(&format!("apply acme.toml {told}")).done();
        let db = Db::open(&Options::new(&url)).await.unwrap();
        let newer = "INSERT INTO schema_migration (version, name, checksum, applied_at) VALUES (900, 'later', 0, 0)";
        db.write(move |tx| tx.exec(newer, &[])).await.unwrap();
        db.close().await;
        for command in [
            "serve --listen 127.0.0.1:0",
            "tenant list",
            "db migrate",
            "apply acme.toml",
        ] {
            let refused = place.run(&format!("{command} {told}")).refused();
            let known = vestibule_identity::MIGRATIONS.last().unwrap().version;
            for part in ["newer", "900", &known.to_string()] {
                assert!(refused.contains(part), "{command}: {refused}");
            }
        }
    }
}
