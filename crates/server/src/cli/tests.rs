use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn documented_commands_parse() {
    for line in [
        "vestibule serve --listen 127.0.0.1:0 --public-url https://x.test",
        "vestibule demo --data /tmp/x",
        "vestibule apply a.toml b.toml --dry-run --json",
        "vestibule --json tenant list",
        "vestibule tenant show acme",
        "vestibule tenant export acme",
        "vestibule tenant mails acme /tmp/mails --language pt-BR",
        "vestibule tenant delete acme --yes",
        "vestibule tenant delete acme",
        "vestibule api-key create --tenant acme --name partner --expires 90d --test",
        "vestibule api-key list --tenant acme",
        "vestibule api-key revoke abc",
        "vestibule user list --tenant acme",
        "vestibule user show ann@acme.test --tenant acme",
        "vestibule user create --tenant acme --email ann@acme.test --role Admin --first-name Ann --last-name Lee --verified --password-stdin",
        "vestibule user suspend x --tenant acme",
        "vestibule user restore x --tenant acme",
        "vestibule user delete x --tenant acme",
        "vestibule user sessions x --tenant acme",
        "vestibule user sign-out x --tenant acme",
        "vestibule user export --tenant acme",
        "vestibule dialect list",
        "vestibule dialect check dialect.toml",
        "vestibule dialect test dialects/rezi",
        "vestibule dialect routes --dialects more",
        "vestibule db copy --from sqlite:a.db --to postgres://h/d",
        "vestibule signing-key list --tenant acme",
        "vestibule signing-key rotate --tenant acme",
        "vestibule signing-key rotate --tenant acme --now",
        "vestibule signing-key revoke K1 --tenant acme",
        "vestibule audit list acme --user ann@acme.test --action sign_in --since 24h --outcome refused --limit 10 --json",
        "vestibule audit list --request k7f3c2ab-1x",
        "vestibule audit list --since 2026-01-31T08:00:00Z",
        "vestibule audit list --since 2026-01-31",
        "vestibule audit verify",
        "vestibule audit verify acme",
        "vestibule db migrate --database sqlite:x.db",
        "vestibule db check",
        "vestibule db backup x.db",
        "vestibule db restore x.db --keep-api-keys",
        "vestibule db restored",
        "vestibule api-key confirm abc def",
        "vestibule api-key confirm --tenant acme",
        "vestibule config --config x.toml",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    for line in [
        "vestibule serv",
        "vestibule audit list --since yesterday",
        "vestibule audit list --outcome failed",
        "vestibule audit list --limit 0",
        "vestibule apply",
        "vestibule api-key create",
        "vestibule api-key create --tenant acme --expires soon",
        "vestibule user show ann@acme.test",
        "vestibule tenant list --wrong",
        "vestibule api-key confirm",
        "vestibule api-key confirm abc --tenant acme",
        "vestibule db restore",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
    assert_eq!(parse("vestibule --help").unwrap_err().exit_code(), 0);
}

#[test]
fn a_role_cannot_be_empty() {
    let create = |role| {
        let line = ["vestibule", "user", "create", "--tenant", "acme"];
        let more = ["--email", "ann@acme.test", "--role", role];
        Cli::try_parse_from(line.into_iter().chain(more))
    };
    assert!(create("Admin").is_ok());
    for role in ["", " "] {
        assert_eq!(create(role).unwrap_err().exit_code(), 2, "{role:?}");
    }
}

#[test]
fn flags_become_settings() {
    let flags = parse("vestibule serve --listen 127.0.0.1:0 --database sqlite:x --data d")
        .unwrap()
        .flags();
    let expected = [
        ("data", "d"),
        ("database_url", "sqlite:x"),
        ("listen", "127.0.0.1:0"),
    ];
    assert_eq!(
        flags,
        expected.map(|(name, value)| (name, value.to_owned()))
    );
}
