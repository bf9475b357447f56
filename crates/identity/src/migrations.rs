//! The schema's history. A landed migration is never edited; changes are added.

use vestibule_db::Migration;

/// In order; one text for both engines.
pub static MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "foundation",
        sql: include_str!("../migrations/0001_foundation.sql"),
    },
    Migration {
        version: 2,
        name: "captcha",
        sql: include_str!("../migrations/0002_captcha.sql"),
    },
    Migration {
        version: 3,
        name: "audit_chain",
        sql: include_str!("../migrations/0003_audit_chain.sql"),
    },
    Migration {
        version: 4,
        name: "limits",
        sql: include_str!("../migrations/0004_limits.sql"),
    },
    Migration {
        version: 5,
        name: "held_keys",
        sql: include_str!("../migrations/0005_held_keys.sql"),
    },
    Migration {
        version: 6,
        name: "mailed_codes",
        sql: include_str!("../migrations/0006_mailed_codes.sql"),
    },
    Migration {
        version: 7,
        name: "signing_key_times",
        sql: include_str!("../migrations/0007_signing_key_times.sql"),
    },
    Migration {
        version: 8,
        name: "tenant_picture",
        sql: include_str!("../migrations/0008_tenant_picture.sql"),
    },
    Migration {
        version: 9,
        name: "email_changes",
        sql: include_str!("../migrations/0009_email_changes.sql"),
    },
    Migration {
        version: 10,
        name: "account_deletions",
        sql: include_str!("../migrations/0010_account_deletions.sql"),
    },
    Migration {
        version: 11,
        name: "password_set_from",
        sql: include_str!("../migrations/0011_password_set_from.sql"),
    },
    Migration {
        version: 12,
        name: "reset_tokens_given_to",
        sql: include_str!("../migrations/0012_reset_tokens_given_to.sql"),
    },
    Migration {
        version: 13,
        name: "signed_out_at",
        sql: include_str!("../migrations/0013_signed_out_at.sql"),
    },
    Migration {
        version: 14,
        name: "sign_ups",
        sql: include_str!("../migrations/0014_sign_ups.sql"),
    },
    Migration {
        version: 15,
        name: "account_numbers",
        sql: include_str!("../migrations/0015_account_numbers.sql"),
    },
];

#[cfg(test)]
mod tests;
