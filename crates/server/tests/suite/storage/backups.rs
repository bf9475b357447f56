//! Backups by the clock.

use std::fs;
use std::time::Duration;

use crate::commands::{ACME, Place, Serving};

async fn metrics(serving: &Serving) -> String {
    let port = serving.port("metrics on http://");
    let reply = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await;
    reply.unwrap().text().await.unwrap()
}

fn backups(place: &Place) -> Vec<String> {
    let Ok(folder) = fs::read_dir(place.path("kept")) else {
        return Vec::new();
    };
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

const SETTINGS: &str = "metrics_listen = '127.0.0.1:0'\nbackup_every = '1s'\nbackup_keep = 2\nbackup_directory = 'kept'\n";

#[tokio::test]
async fn backups_are_made_by_the_clock_and_the_oldest_removed() {
    let place = Place::with(&[
        ("acme.toml", ACME),
        ("vestibule.toml", SETTINGS),
        ("kept/vestibule-20200101T000000Z.db", "old"),
        ("kept/vestibule-20200102T000000Z.db", "old"),
        (
            "kept/vestibule-20200103T000000Z.db.partial",
            "left by a crash",
        ),
        ("kept/precious.db", "not ours"),
    ]);
    place.run("apply acme.toml --data data").done();
    let serving = place.serve("");
    for _ in 0..200 {
        if serving.log().matches("backed up the database").count() >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = metrics(&serving).await;
    assert_eq!(serving.stop(), 0);
    let mut left = backups(&place);
    left.retain(|name| !name.ends_with(".partial"));
    left.sort();
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(left[0], "precious.db");
    assert!(*left[1] > *"vestibule-20260101", "{left:?}");
    assert!(
        told.contains("vestibule_backup_last_success_timestamp_seconds{} 1"),
        "{told}"
    );
    assert!(told.contains("vestibule_backup_failures_total 0"), "{told}");
    let line = format!("db restore kept/{} --data data", left[1]);
    place.run(&line).done();
}

#[tokio::test]
async fn a_backup_that_fails_is_told() {
    let place = Place::with(&[
        ("acme.toml", ACME),
        ("vestibule.toml", SETTINGS),
        ("kept", "a file"),
    ]);
    place.run("apply acme.toml --data data").done();
    let serving = place.serve("");
    serving.wait_for("the backup failed: cannot create kept");
    let told = metrics(&serving).await;
    assert!(told.contains("vestibule_backup_failures_total 1"), "{told}");
    assert!(!told.contains("last_success"), "{told}");
}
