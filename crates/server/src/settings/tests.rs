use secrecy::ExposeSecret;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Inputs {
    let environment = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Inputs {
        environment,
        ..Inputs::closed(Vec::new())
    }
}

fn in_file(text: &str) -> (crate::temporary::Folder, Inputs) {
    let folder = crate::temporary::Folder::create("settings").unwrap();
    let path = folder.path().join("vestibule.toml");
    std::fs::write(&path, text).unwrap();
    (
        folder,
        Inputs {
            file: Some(path),
            ..Inputs::default()
        },
    )
}

fn refusal(inputs: &Inputs) -> String {
    format!("{:#}", Settings::load(inputs).unwrap_err())
}

#[test]
fn the_reference_names_every_setting_once_and_in_order() {
    let settings: Vec<&str> = DEFAULTS
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once(" = "))
        .map(|(name, _)| name)
        .filter(|name| !name.contains(' '))
        .collect();
    assert_eq!(settings, names::NAMES);
}

#[test]
fn later_layers_win() {
    let (_folder, mut inputs) =
        in_file("# a comment\nlisten = \"127.0.0.1:1\"\nhash_workers = 3\nlog = 'warn'\n");
    inputs
        .environment
        .push(("VESTIBULE_LISTEN".into(), "127.0.0.1:2".into()));
    inputs
        .environment
        .push(("VESTIBULE_LOG".into(), "debug".into()));
    inputs.flags.push(("listen", "127.0.0.1:3".into()));
    let settings = Settings::load(&inputs).unwrap();
    assert_eq!(
        (
            settings.listen.as_str(),
            settings.log.as_str(),
            settings.hash.workers
        ),
        ("127.0.0.1:3", "debug", 3)
    );
    let origin = |name| {
        settings
            .entries
            .iter()
            .find(|entry| entry.name == name)
            .unwrap()
            .origin
            .to_string()
    };
    assert_eq!(origin("listen"), "--listen");
    assert_eq!(origin("log"), "VESTIBULE_LOG");
    assert!(
        origin("hash_workers").ends_with("vestibule.toml:3"),
        "{}",
        origin("hash_workers")
    );
    assert_eq!(origin("data"), "default");
    assert!(settings.is_given("listen") && !settings.is_given("data"));
}

#[test]
fn the_database_and_the_key_follow_the_data_folder() {
    let settings = Settings::load(&environment(&[("VESTIBULE_DATA", "/srv/v")])).unwrap();
    assert_eq!(
        settings.database_url.expose_secret(),
        "sqlite:/srv/v/vestibule.db"
    );
    assert_eq!(settings.secret_key_file, PathBuf::from("/srv/v/secret.key"));
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_known_one() {
    let (_folder, inputs) = in_file("log = \"info\"\n\nlistne = \"127.0.0.1:1\"\n");
    let message = refusal(&inputs);
    assert!(
        message.ends_with("vestibule.toml:3: unknown setting `listne`; did you mean `listen`?"),
        "{message}"
    );
    let message = refusal(&environment(&[("VESTIBULE_DATABSE_URL", "x")]));
    assert_eq!(
        message,
        "environment: unknown setting `VESTIBULE_DATABSE_URL`; did you mean `VESTIBULE_DATABASE_URL`?"
    );
    assert!(Settings::load(&environment(&[("VESTIBULE_TEST_POSTGRES", "x")])).is_ok());
}

#[test]
fn a_wrong_value_is_refused_with_its_place() {
    for (name, value, part) in [
        (
            "VESTIBULE_LISTEN",
            "8080",
            "VESTIBULE_LISTEN: `listen`: `8080` is not an address and port",
        ),
        ("VESTIBULE_LISTEN", "", "`listen` must not be empty"),
        ("VESTIBULE_PUBLIC_URL", "ftp://x", "not a URL such as"),
        (
            "VESTIBULE_PUBLIC_URL",
            "https://x/path",
            "must be a scheme and a host",
        ),
        (
            "VESTIBULE_DATABASE_URL",
            "mysql://x",
            "must be sqlite:PATH or postgres://",
        ),
        (
            "VESTIBULE_TRUSTED_PROXIES",
            "10.0.0.0/8,nonsense",
            "`nonsense` is not an address or network",
        ),
        ("VESTIBULE_HASH_MEMORY_KIB", "-1", "not a whole number"),
        ("VESTIBULE_REQUEST_TIMEOUT", "30", "not a span of time"),
        ("VESTIBULE_REQUEST_TIMEOUT", "0s", "must be at least 1s"),
        ("VESTIBULE_REQUEST_TIMEOUT", "s", "not a span of time"),
        ("VESTIBULE_SIGNING_KEY_AGE", "23h", "must be at least 1d"),
        ("VESTIBULE_LOG_FORMAT", "jsn", "did you mean `json`?"),
        (
            "VESTIBULE_LIMITS",
            "sign_in_adress=5",
            "unknown limit `sign_in_adress`; did you mean `sign_in_address`?",
        ),
        ("VESTIBULE_LIMITS", "email_exists=0", "of at least 1"),
        ("VESTIBULE_LIMITS", "email_exists", "of at least 1"),
        (
            "VESTIBULE_LOG",
            "loud",
            "`loud` is not a log filter; there are off, error",
        ),
        ("VESTIBULE_LOG", "inof", "did you mean `info`?"),
        (
            "VESTIBULE_LOG",
            "info,vestibule_http",
            "`vestibule_http` is not a log filter",
        ),
        ("VESTIBULE_LOG", "info,", "`` is not a log filter"),
        (
            "VESTIBULE_LOG",
            "a b=info",
            "`a b=info` is not a log filter",
        ),
        ("VESTIBULE_LOG", "=info", "`=info` is not a log filter"),
        ("VESTIBULE_LOG", "%$!", "`%$!` is not a log filter"),
        ("VESTIBULE_SMTP_URL", "env:", "`env:` names no place"),
        ("VESTIBULE_DATABASE_URL", "file: ", "`file:` names no place"),
        ("VESTIBULE_SMTP_URL", "http://x", "smtp://"),
        ("VESTIBULE_MAIL_FROM", "nobody", "is not a sender"),
    ] {
        let message = refusal(&environment(&[(name, value)]));
        assert!(message.contains(part), "{name}={value}: {message}");
    }
    let (_folder, inputs) = in_file("listen = { host = 1 }\n");
    assert!(
        refusal(&inputs).contains("vestibule.toml:1: `listen`: must be text"),
        "{}",
        refusal(&inputs)
    );
    let (_folder, inputs) = in_file("log = \"info\"\nlisten = \n");
    assert!(
        refusal(&inputs).contains("vestibule.toml:2: "),
        "{}",
        refusal(&inputs)
    );
}

#[test]
fn keys_are_followed_by_age_unless_told_otherwise() {
    let age = |inputs: &Inputs| Settings::load(inputs).unwrap().signing_key_age;
    let days = |count: u64| Some(Duration::from_secs(count * 86_400));
    assert_eq!(age(&environment(&[])), days(90));
    let named = |value| environment(&[("VESTIBULE_SIGNING_KEY_AGE", value)]);
    assert_eq!(age(&named("7d")), days(7));
    assert_eq!(age(&named("")), None);
    let (_folder, inputs) = in_file("signing_key_age = \"\"\n");
    assert_eq!(age(&inputs), None);
}

#[test]
fn documented_log_filters_are_taken() {
    for filter in [
        "error",
        "WARN",
        "off",
        "warn,vestibule_http=debug",
        "info, vestibule::mail=trace",
    ] {
        let settings = Settings::load(&environment(&[("VESTIBULE_LOG", filter)]));
        assert!(settings.is_ok(), "{filter}: {settings:?}");
    }
}

#[test]
fn a_wrong_value_that_another_layer_overrides_is_refused_too() {
    let (_folder, mut inputs) = in_file("listen = \"nowhere\"\nlog = \"loud\"\n");
    inputs.flags.push(("listen", "127.0.0.1:0".into()));
    inputs.flags.push(("log", "info".into()));
    assert!(
        refusal(&inputs).contains("vestibule.toml:1: `listen`: `nowhere` is not an address"),
        "{}",
        refusal(&inputs)
    );
    let mut inputs = environment(&[("VESTIBULE_DATABASE_URL", "mysql://x")]);
    inputs.flags.push(("database_url", "sqlite:x.db".into()));
    assert!(
        refusal(&inputs).starts_with("VESTIBULE_DATABASE_URL: `database_url`: must be"),
        "{}",
        refusal(&inputs)
    );
    inputs.flags = vec![("database_url", "mysql://x".into())];
    inputs.environment.clear();
    assert!(
        refusal(&inputs).starts_with("--database: `database_url`: must be"),
        "{}",
        refusal(&inputs)
    );
    let mut inputs = environment(&[("VESTIBULE_PUBLIC_URL", "")]);
    inputs.flags.push(("public_url", "https://x.test".into()));
    assert!(Settings::load(&inputs).unwrap().public_url.is_some());
}

#[test]
fn lists_read_alike_in_file_and_environment() {
    let (_folder, inputs) = in_file("trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n");
    let file = Settings::load(&inputs).unwrap().trusted_proxies;
    let variable = Settings::load(&environment(&[(
        "VESTIBULE_TRUSTED_PROXIES",
        "10.0.0.0/8, ::1",
    )]))
    .unwrap();
    assert_eq!(file, variable.trusted_proxies);
    assert_eq!(file.len(), 2);
}

#[test]
fn passwords_are_masked_wherever_they_are_shown() {
    for (url, shown) in [
        (
            "postgres://v:secret@db/v?sslmode=require",
            "postgres://v:***@db/v?sslmode=require",
        ),
        (
            "postgres://db/v?user=v&password=secret",
            "postgres://db/v?user=v&password=***",
        ),
        ("smtp://u:p%40ss@mail:25", "smtp://u:***@mail:25"),
        ("sqlite:/a/b.db", "sqlite:/a/b.db"),
        ("file:/run/secrets/smtp", "file:/run/secrets/smtp"),
        ("postgres://v:se cret@[bad", "***"),
    ] {
        assert_eq!(mask_url(url), shown);
    }
    let inputs = environment(&[
        ("VESTIBULE_DATABASE_URL", "postgres://v:hunter2@db/v"),
        ("VESTIBULE_SMTP_URL", "smtps://u:hunter2@mail"),
    ]);
    let settings = Settings::load(&inputs).unwrap();
    let shown = format!(
        "{settings:?} {}",
        serde_json::to_string(&settings.entries).unwrap()
    );
    assert!(!shown.contains("hunter2"), "{shown}");
}
