//! A start that cannot be right is refused with one line that says what to do, and leaves everything as it was.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use vestibule_db::{Db, Error, Options};

use crate::commands::{ACME, NOBODY, Place, said};

const SERVE: &str = "serve --listen 127.0.0.1:0 --data data";

/// A database that a server has run on.
fn used() -> Place {
    let place = Place::with(&[("acme.toml", ACME)]);
    place.run("apply acme.toml --data data").done();
    assert_eq!(place.serve("").stop(), 0);
    assert!(!place.path("data/vestibule.db-wal").exists());
    place
}

async fn open(place: &Place) -> Db {
    let url = format!("sqlite:{}", place.path("data/vestibule.db").display());
    Db::open(&Options::new(url)).await.unwrap()
}

async fn catalog_version(db: &Db) -> i64 {
    let sql = "SELECT version FROM catalog";
    let read = db.read(|tx| tx.one(sql, &[], |row| row.get(0)));
    read.await.unwrap()
}

/// The same with changes that are in the write-ahead log only, as a kill leaves it, and the last of them.
async fn used_and_killed() -> (Place, i64) {
    let (place, killed) = (used(), Place::new());
    let db = open(&place).await;
    for _ in 0..4 {
        let sql = "UPDATE catalog SET version = version + 1";
        let changed = db.write(|tx| tx.exec(sql, &[])).await;
        assert_eq!(changed.unwrap(), 1);
    }
    copy(&place, &killed);
    let version = catalog_version(&db).await;
    db.close().await;
    assert!(
        fs::metadata(killed.path("data/vestibule.db-wal"))
            .unwrap()
            .len()
            > 4_096
    );
    (killed, version)
}

fn copy(from: &Place, to: &Place) {
    let mut command = std::process::Command::new("cp");
    command
        .arg("-a")
        .arg(from.path("data"))
        .arg(to.path("data"));
    assert!(command.status().unwrap().success());
}

/// Every file of the data folder with its content, but what says nothing lasting: SQLite's index, an empty log, the lock.
fn contents(place: &Place) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(place.path("data"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            let content = fs::read(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), content)
        })
        .filter(|(name, _)| !name.ends_with("-shm") && !name.ends_with(".lock"))
        .filter(|(name, content)| !name.ends_with("-wal") || !content.is_empty())
        .collect()
}

fn cut(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
}

fn scribble(path: &Path) {
    fs::write(path, "not what was here before ".repeat(4_000)).unwrap();
}

#[expect(clippy::type_complexity, reason = "named it would say less")]
struct Case {
    what: &'static str,
    log: bool,
    spoil: fn(&dyn Fn(&str) -> PathBuf),
    said: &'static str,
}

const CASES: &[Case] = &[
    Case {
        what: "the database is gone",
        log: false,
        spoil: |at| fs::remove_file(at("vestibule.db")).unwrap(),
        said: "there is no database at data/vestibule.db, but there was one before (data/secret.key.used says so); \
               put it back, or restore a backup with `vestibule db restore`, or run `vestibule db migrate` to begin with an empty one",
    },
    Case {
        what: "database and key are gone",
        log: false,
        spoil: |at| {
            for name in ["vestibule.db", "secret.key", "secret.key.used"] {
                fs::remove_file(at(name)).unwrap();
            }
        },
        said: "but there was one before (data/vestibule.db.lock says so)",
    },
    Case {
        what: "an empty database",
        log: false,
        spoil: |at| fs::write(at("vestibule.db"), "").unwrap(),
        said: "data/vestibule.db is empty (0 bytes); restore a backup",
    },
    Case {
        what: "a garbage database",
        log: false,
        spoil: |at| scribble(&at("vestibule.db")),
        said: "data/vestibule.db: file is not a database; restore a backup",
    },
    Case {
        what: "a database cut short",
        log: false,
        spoil: |at| cut(&at("vestibule.db")),
        said: "data/vestibule.db: database disk image is malformed; restore a backup",
    },
    Case {
        what: "a folder in its place",
        log: false,
        spoil: |at| {
            fs::remove_file(at("vestibule.db")).unwrap();
            fs::create_dir(at("vestibule.db")).unwrap();
        },
        said: "data/vestibule.db is not a file; remove it",
    },
    Case {
        what: "a log cut short",
        log: true,
        spoil: |at| cut(&at("vestibule.db-wal")),
        said: "data/vestibule.db-wal lacks changes that were confirmed; put it back, or restore a backup; \
               to go on without these changes, delete data/vestibule.db-shm",
    },
    Case {
        what: "a log that is gone",
        log: true,
        spoil: |at| fs::remove_file(at("vestibule.db-wal")).unwrap(),
        said: "data/vestibule.db-wal lacks changes that were confirmed",
    },
    Case {
        what: "a garbage log",
        log: true,
        spoil: |at| scribble(&at("vestibule.db-wal")),
        said: "data/vestibule.db-wal is damaged; put it back, or restore a backup",
    },
    Case {
        what: "a log spoilt in the middle",
        log: true,
        spoil: |at| {
            let mut log = fs::read(at("vestibule.db-wal")).unwrap();
            let middle = log.len() / 2;
            log[middle..middle + 8].fill(0x55);
            fs::write(at("vestibule.db-wal"), log).unwrap();
        },
        said: "data/vestibule.db-wal lacks changes that were confirmed",
    },
    Case {
        what: "another secret key",
        log: false,
        spoil: |at| fs::write(at("secret.key"), "A".repeat(43) + "=\n").unwrap(),
        said: "the secret key is not the one that this database was first opened with; put that one back",
    },
    Case {
        what: "a garbage secret key",
        log: false,
        spoil: |at| scribble(&at("secret.key")),
        said: "the secret key file data/secret.key is damaged",
    },
    Case {
        what: "no secret key",
        log: false,
        spoil: |at| fs::remove_file(at("secret.key")).unwrap(),
        said: "the secret key file data/secret.key is missing",
    },
    Case {
        what: "a folder as secret key",
        log: false,
        spoil: |at| {
            fs::remove_file(at("secret.key")).unwrap();
            fs::create_dir(at("secret.key")).unwrap();
        },
        said: "the secret key file data/secret.key is not a file",
    },
    Case {
        what: "a secret key that others can read",
        log: false,
        spoil: |at| fs::set_permissions(at("secret.key"), Permissions::from_mode(0o644)).unwrap(),
        said: "is open to others (mode 0644); run: chmod 600 data/secret.key",
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_right_is_refused_in_one_line_and_left_alone() {
    let (plain, (logged, _)) = (used(), used_and_killed().await);
    for case in CASES {
        let from = if case.log { &logged } else { &plain };
        let place = Place::new();
        copy(from, &place);
        (case.spoil)(&|name| place.path("data").join(name));
        let before = contents(&place);
        for line in ["tenant list --data data", SERVE] {
            let refused = place.run(line).refused();
            let said = refused.contains(case.said);
            // A command makes no database anyway, and needs no sign that there was one.
            assert!(said, "{}, {line}: {refused}", case.what);
        }
        assert!(contents(&place) == before, "{} was touched", case.what);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_lines_advise_helps() {
    let (place, _) = used_and_killed().await;
    cut(&place.path("data/vestibule.db-wal"));
    fs::remove_file(place.path("data/vestibule.db-shm")).unwrap();
    assert_eq!(place.serve("").stop(), 0);
    fs::remove_file(place.path("data/vestibule.db")).unwrap();
    place.run(SERVE).refused();
    place.run("db migrate --data data").done();
    assert_eq!(place.serve("").stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_log_that_a_kill_left_is_taken() {
    let (place, version) = used_and_killed().await;
    // Half a transaction, never confirmed, is no loss.
    let log = place.path("data/vestibule.db-wal");
    let mut content = fs::read(&log).unwrap();
    content.extend([0x55; 5_000]);
    fs::write(&log, content).unwrap();
    let serving = place.serve("");
    serving.signal("KILL");
    drop(serving);
    assert_eq!(place.serve("").stop(), 0);
    let db = open(&place).await;
    assert_eq!(catalog_version(&db).await, version);
    db.close().await;
}

/// After a clean stop and a power failure the index may be back as it was before the log was emptied.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_reboot_the_index_of_the_log_says_nothing() {
    let (place, _) = used_and_killed().await;
    fs::write(place.path("data/vestibule.db-wal"), "").unwrap();
    let lock = place.path("data/vestibule.db.lock");
    let said = fs::read_to_string(&lock).unwrap();
    let (process, boot) = said.trim().split_once('\n').unwrap();
    assert_eq!(boot.len(), 36, "{said}");
    place.run(SERVE).refused();
    place.run("tenant list --data data").refused();
    let earlier = format!("{process}\n00000000-0000-4000-8000-000000000000\n");
    fs::write(&lock, earlier).unwrap();
    place.run("tenant list --data data").done();
    assert_eq!(place.serve("").stop(), 0);
}

#[test]
fn a_database_open_to_others_is_closed_to_them() {
    let place = used();
    let file = place.path("data/vestibule.db");
    fs::set_permissions(&file, Permissions::from_mode(0o664)).unwrap();
    let serving = place.serve("");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    serving.wait_for("was open to others (mode 0664)");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    let place = used();
    fs::remove_file(place.path("data/vestibule.db.lock")).unwrap();
    fs::set_permissions(place.path("data"), Permissions::from_mode(0o500)).unwrap();
    let mut command = place.command(SERVE);
    // Nothing is forbidden to root.
    if fs::metadata(place.path("data")).unwrap().uid() == 0 {
        for name in ["data", "data/vestibule.db", "data/secret.key"] {
            chown(place.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    let refused = said(&mut command).refused();
    assert!(
        refused.contains("this user must be able to write the file and its folder"),
        "{refused}"
    );
}

#[test]
fn one_server_at_a_time_and_commands_beside_it() {
    let place = Place::with(&[("acme.toml", ACME)]);
    let first = place.serve("");
    let refused = place.run(SERVE).refused();
    assert!(
        refused.contains("another server (process ")
            && refused.contains(") is using data/vestibule.db; stop it first"),
        "{refused}"
    );
    std::os::unix::fs::symlink("vestibule.db", place.path("data/link.db")).unwrap();
    let by_link = format!("{SERVE} --database sqlite:data/link.db");
    place.run(&by_link).refused();
    place.run("apply acme.toml --data data").done();
    place.run("db backup copy.db --data data").done();
    let refused = place.run("db restore copy.db --data data").refused();
    assert!(refused.contains("another server (process "), "{refused}");
    first.signal("KILL");
    drop(first);
    assert_eq!(place.serve("").stop(), 0);
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused() {
    let place = used();
    let db = open(&place).await;
    db.write(|tx| {
        tx.exec(
            "INSERT INTO schema_migration (version, name, checksum, applied_at) VALUES (9999, 'later', 1, 1)",
            &[],
        )?;
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
    db.close().await;
    place.run("db backup newer.db --data data").done();
    for line in [
        SERVE,
        "tenant list --data data",
        "db migrate --data data",
        "db restore newer.db --data data",
    ] {
        let refused = place.run(line).refused();
        assert!(
            refused.contains("newer") && refused.contains("9999"),
            "{refused}"
        );
    }
}
