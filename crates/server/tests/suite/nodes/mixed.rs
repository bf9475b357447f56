//! Programs of two releases on one database.

use vestibule_db::{Db, Options};

use crate::app::postgres_schema;
use crate::commands::{ACME, Place};

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
