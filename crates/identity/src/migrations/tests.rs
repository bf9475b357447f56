//! Migrations only add: docs/decisions/0018-expand-and-contract.md.

use super::MIGRATIONS;

/// Whether what a program that does not know of it does, works on.
fn only_adds(statement: &str) -> bool {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let has = |part: &str| statement.contains(part);
    // A row that refers to an older table's must not keep it from being deleted or getting another key.
    let references = statement.matches("REFERENCES").count();
    let let_go = statement.matches("ON DELETE CASCADE").count()
        + statement.matches("ON DELETE SET NULL").count();
    let adds = match (words[0], words[1]) {
        ("CREATE", "TABLE") => true,
        // A unique one would refuse what was allowed.
        ("CREATE", "INDEX") => true,
        // No server looked for numbers, and no statement named it by ON CONFLICT.
        ("DROP", "INDEX") => words[2] == "account_number",
        ("ALTER", "TABLE") => {
            words.get(3..5) == Some(&["ADD", "COLUMN"])
                && (!has("NOT NULL") || has("DEFAULT"))
                && !["CHECK", "UNIQUE", "PRIMARY", "REFERENCES"]
                    .into_iter()
                    .any(has)
        }
        _ => false,
    };
    adds && references == let_go
}

/// Nodes of the release before work on beside us.
#[test]
fn migrations_only_add() {
    for migration in MIGRATIONS.iter().filter(|migration| migration.version >= 7) {
        let lines = migration.sql.lines();
        let code: Vec<&str> = lines.filter(|line| !line.starts_with("--")).collect();
        let code = code.join(" ");
        for statement in code.split(';').map(str::trim).filter(|s| !s.is_empty()) {
            let version = migration.version;
            assert!(only_adds(statement), "migration {version}: {statement}");
        }
    }
}

#[test]
fn what_would_hinder_an_older_program_is_told() {
    for hinders in [
        "ALTER TABLE account ADD COLUMN later INTEGER NOT NULL",
        "ALTER TABLE account ADD COLUMN later TEXT UNIQUE",
        "ALTER TABLE account ADD COLUMN later INTEGER CHECK (later > 0)",
        "ALTER TABLE account ADD COLUMN later TEXT REFERENCES tenant (id)",
        "ALTER TABLE account DROP COLUMN email",
        "ALTER TABLE account RENAME TO person",
        "CREATE UNIQUE INDEX later ON account (tenant_id, email)",
        "CREATE TABLE later (tenant_id TEXT NOT NULL REFERENCES tenant (id), id TEXT) STRICT",
        "CREATE TABLE later (a TEXT REFERENCES tenant (id) ON DELETE CASCADE, b TEXT REFERENCES tenant (id) ON DELETE RESTRICT) STRICT",
        "CREATE TRIGGER later BEFORE INSERT ON account BEGIN SELECT 1; END",
        "DROP TABLE account",
        "DROP INDEX later",
        "DELETE FROM session",
        "UPDATE account SET state = 'later'",
    ] {
        assert!(!only_adds(hinders), "{hinders}");
    }
    for adds in [
        "ALTER TABLE account ADD COLUMN later INTEGER",
        "ALTER TABLE account ADD COLUMN later INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX later ON account (tenant_id, created_at)",
        "CREATE TABLE later (id TEXT NOT NULL PRIMARY KEY) STRICT",
        "CREATE TABLE later (id TEXT REFERENCES tenant (id) ON DELETE CASCADE) STRICT",
    ] {
        assert!(only_adds(adds), "{adds}");
    }
}
