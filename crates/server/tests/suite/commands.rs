//! The built program as an operator runs it: exit status, what it prints, and what it leaves alone.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::app::{postgres_schema, unique};

pub(crate) const ACME: &str = "slug = 'acme'\nname = 'Acme'\ndomains = ['lms.acme.test']\n";
pub(crate) const NOBODY: u32 = 65_534;

/// A working directory of its own, gone with the value.
pub(crate) struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{}", self.err);
        self.out
    }

    /// The one line of a refusal, without the program's name.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        assert_eq!((self.code, &*self.out), (1, ""), "{}", self.err);
        let line = self.err.strip_prefix("vestibule: ").unwrap();
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        line.trim_end().to_owned()
    }
}

impl Place {
    pub(crate) fn new() -> Place {
        let folder = std::env::temp_dir().join(unique("vestibule-commands"));
        fs::create_dir_all(&folder).unwrap();
        Place(folder)
    }

    pub(crate) fn with(files: &[(&str, &str)]) -> Place {
        let place = Place::new();
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.env_clear().current_dir(&self.0);
        command.args(line.split_whitespace()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Said {
        said(&mut self.command(line))
    }

    /// A server, once it listens; its log goes to the file `log`.
    pub(crate) fn serve(&self, more: &str) -> Serving {
        let log = fs::File::create(self.path("log")).unwrap();
        let line = format!("serve --listen 127.0.0.1:0 --data data {more}");
        self.serving(self.command(&line).stderr(log))
    }

    /// The same of a command that writes its log there.
    pub(crate) fn serving(&self, command: &mut Command) -> Serving {
        let serving = Serving(command.spawn().unwrap(), self.path("log"));
        serving.wait_for("listening on http://");
        serving
    }
}

pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) struct Serving(Child, PathBuf);

impl Serving {
    /// Where it listens, or tells its metrics.
    pub(crate) fn port(&self, after: &str) -> u16 {
        self.wait_for(after);
        let log = self.log();
        let rest = log.split(after).nth(1).unwrap();
        let digits = rest.split(':').nth(1).unwrap();
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap();
        digits[..end].parse().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Ends it as an operator does; its exit status.
    pub(crate) fn stop(mut self) -> i32 {
        self.signal("TERM");
        self.0.wait().unwrap().code().unwrap()
    }
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.1).unwrap()
    }

    /// Polls the log.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        for _ in 0..300 {
            if self.log().contains(text) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no `{text}` in {}", self.log());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_audit_log_is_listed_and_verified() {
    let place = Place::with(&[("acme.toml", ACME)]);
    place.run("apply acme.toml --data data").done();
    place.run("api-key create --tenant acme --data data").done();
    let listed = place.run("audit list --data data --json").done();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let events: Vec<_> = listed["entries"].as_array().unwrap().iter().collect();
    assert_eq!(events.len(), 2, "{listed}");
    assert_eq!(events[0]["event"], "api_key.created");
    assert_eq!(
        (&events[1]["event"], &events[1]["tenant"]),
        (&"tenant.created".into(), &"acme".into())
    );
    let request = events[0]["request_id"].as_str().unwrap();
    let told = place
        .run(&format!("audit list --request {request} --data data"))
        .done();
    assert!(
        told.lines().count() == 2 && told.contains("api_key.created"),
        "{told}"
    );
    let told = place.run("audit verify --data data").done();
    assert_eq!(told, "acme: whole; nothing sealed; 2 not sealed yet\n");
    let serving = place.serve("");
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(50));
        if place
            .run("audit verify acme --data data")
            .done()
            .ends_with("; 0 not sealed yet\n")
        {
            break;
        }
    }
    drop(serving);
    let told = place.run("audit verify acme --data data").done();
    assert!(
        told.starts_with("acme: whole; entries 1 to 2 sealed, head ")
            && told.ends_with("; 0 not sealed yet\n"),
        "{told}"
    );
    assert!(
        place
            .run("audit verify nobody --data data")
            .refused()
            .contains("no tenant `nobody`")
    );
    let url = format!("sqlite:{}", place.path("data/vestibule.db").display());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let db = vestibule_db::Db::open(&vestibule_db::Options::new(url))
            .await
            .unwrap();
        let change = |tx: &mut vestibule_db::Tx<'_>| {
            tx.exec("UPDATE audit SET actor = 'person' WHERE seq = 2", &[])
        };
        assert_eq!(db.write(change).await.unwrap(), 1);
        db.close().await;
    });
    let Said { code, out, err } = place.run("audit verify --data data --json");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &report["tenants"][0]["fault"]["seq"]),
        (1, &2.into()),
        "{out}"
    );
    assert_eq!(
        err,
        "vestibule: the audit log is not what was written: acme\n"
    );
}

#[test]
fn a_dry_run_leaves_an_empty_folder_empty() {
    let place = Place::with(&[("acme.toml", ACME)]);
    let told = place.run("apply acme.toml --dry-run --data data").done();
    assert!(told.contains("nothing is stored yet"), "{told}");
    assert!(told.ends_with("acme: would be created\n"), "{told}");
    assert_eq!(place.names(), ["acme.toml"]);
    let told = place.run("apply acme.toml --dry-run --data data --json");
    let told: Value = serde_json::from_str(&told.done()).unwrap();
    assert_eq!(told["tenants"][0]["changes"][0], "created");
    assert_eq!(place.names(), ["acme.toml"]);
}

#[test]
fn a_dry_run_makes_no_key_and_asks_for_the_one_there_was() {
    let place = Place::with(&[("acme.toml", ACME)]);
    let dry = "apply acme.toml --dry-run --data data";
    place.run("db migrate --data data").done();
    let told = place.run(dry).done();
    assert!(told.contains("acme: would be created"), "{told}");
    assert!(!place.path("data/secret.key").exists());
    let apply = "apply acme.toml --data data";
    assert_eq!(place.run(apply).done(), "acme: created\n");
    assert_eq!(place.run(apply).done(), "acme: no change\n");
    assert_eq!(place.run(dry).done(), "acme: no change\n");
    place.write("acme.toml", &ACME.replace("'Acme'", "'Acme 2'"));
    let told = place.run(dry).done();
    assert_eq!(told, "acme: would change\n  name: \"Acme\" -> \"Acme 2\"\n");
    let listed = place.run("tenant list --data data").done();
    assert!(listed.contains("Acme") && !listed.contains("Acme 2"));
    fs::remove_file(place.path("data/secret.key")).unwrap();
    for line in [dry, apply, "tenant list --data data"] {
        let refused = place.run(line).refused();
        assert!(refused.contains("secret.key is missing"), "{refused}");
    }
    assert!(!place.path("data/secret.key").exists());
}

#[tokio::test]
async fn a_dry_run_leaves_an_empty_schema_empty() {
    let place = Place::with(&[("acme.toml", ACME)]);
    let url = postgres_schema().await;
    let dry = format!("apply acme.toml --dry-run --data data --database {url}");
    let told = place.run(&dry).done();
    assert!(told.ends_with("acme: would be created\n"), "{told}");
    assert_eq!(place.names(), ["acme.toml"]);
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let count = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace";
    let tables: i64 = client.query_one(count, &[]).await.unwrap().get(0);
    assert_eq!(tables, 0);
    let apply = dry.replace("--dry-run", "");
    assert_eq!(place.run(&apply).done(), "acme: created\n");
    assert_eq!(place.run(&dry).done(), "acme: no change\n");
}

#[test]
fn a_domain_of_another_tenant_is_refused_with_its_line() {
    let other = "slug = 'other'\nname = 'Other'\ndomains = [\n'x.test',\n'LMS.acme.test',\n]\n";
    let place = Place::with(&[("acme.toml", ACME), ("other.toml", other)]);
    for more in ["--dry-run", ""] {
        let line = format!("apply acme.toml other.toml --data data {more}");
        let refused = place.run(&line).refused();
        let expected =
            "other.toml:5: `domains`: `lms.acme.test` belongs to `acme`, as acme.toml says";
        assert_eq!(refused, expected);
    }
    let twice = place.run("apply acme.toml acme.toml --data data").refused();
    assert!(twice.starts_with("acme.toml:1: `slug`: "), "{twice}");
    assert!(!place.path("data").exists());
    place.run("apply acme.toml --data data").done();
    for more in ["--dry-run", ""] {
        let line = format!("apply other.toml --data data {more}");
        let refused = place.run(&line).refused();
        assert!(
            refused.starts_with("other.toml:5: `domains`: `lms.acme.test` belongs to"),
            "{refused}"
        );
    }
}

#[test]
fn a_secret_is_never_taken_and_never_repeated() {
    for (table, value) in [
        (
            "registration]\ncaptcha = 'turnstile'\ncaptcha_secret",
            "hunter2",
        ),
        (
            "registration]\ncaptcha = 'turnstile'\ncaptcha_secret",
            "env:",
        ),
        ("mail]\nsmtp_url", "smtp://u:hunter2@mail.test"),
        ("mail]\nsmtp_url", "file:"),
    ] {
        let place = Place::with(&[("acme.toml", &format!("{ACME}[{table} = '{value}'\n"))]);
        let refused = place.run("apply acme.toml --data data").refused();
        assert!(refused.contains("file:PATH"), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
        assert!(!place.path("data").exists());
    }
}

/// Where the server runs may lack what `apply` has not looked for. Whoever comes is told to come back, not that we failed.
#[test]
fn a_secret_that_is_not_there_is_told_at_the_start_and_when_tenants_change() {
    let captcha = |place: &str| {
        format!(
            "[registration]\ncaptcha = 'turnstile'\ncaptcha_site_key = 'k'\ncaptcha_secret = '{place}'\n"
        )
    };
    let mail = |place: &str| format!("[mail]\nsmtp_url = '{place}'\n");
    let tenant = |slug: &str, tables: &str| {
        format!("slug = '{slug}'\nname = 'A'\ndomains = ['{slug}.test']\n{tables}")
    };
    let cases = [
        ("one", captcha("env:THERE"), ""),
        (
            "two",
            captcha("env:TS"),
            "`registration.captcha_secret`: the environment variable `TS` is not set; what asks for a captcha answers 503",
        ),
        (
            "three",
            captcha("file:/nonexistent"),
            "`registration.captcha_secret`: cannot read `/nonexistent`",
        ),
        (
            "four",
            mail("env:TS"),
            "`mail.smtp_url`: the environment variable `TS` is not set; none of the tenant's mails is sent",
        ),
        (
            "five",
            mail("env:THERE"),
            "`mail.smtp_url`: what `env:THERE` holds ",
        ),
        ("six", mail("env:SERVER"), ""),
    ];
    let place = Place::new();
    let mut command = place.command("serve --listen 127.0.0.1:0 --data data");
    for (slug, tables, _) in &cases[..3] {
        place.write(&format!("{slug}.toml"), &tenant(slug, tables));
        place.run(&format!("apply {slug}.toml --data data")).done();
    }
    command.envs([("THERE", "hunter2"), ("SERVER", "smtp://127.0.0.1:9")]);
    command.stderr(fs::File::create(place.path("log")).unwrap());
    let serving = place.serving(&mut command);
    assert_eq!(
        serving.log().matches("captcha_secret`").count(),
        2,
        "{}",
        serving.log()
    );
    for (slug, tables, _) in &cases[3..] {
        place.write(&format!("{slug}.toml"), &tenant(slug, tables));
        place.run(&format!("apply {slug}.toml --data data")).done();
    }
    for (slug, _, says) in &cases {
        let of_it = format!("\"tenant\":\"{slug}\"");
        if !says.is_empty() {
            serving.wait_for(says);
        }
        let log = serving.log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&of_it)).collect();
        assert_eq!(lines.len(), usize::from(!says.is_empty()), "{slug}: {log}");
        assert!(
            lines
                .iter()
                .all(|line| line.contains(says) && line.contains("WARN")),
            "{lines:?}"
        );
    }
    assert!(!serving.log().contains("hunter2"), "{}", serving.log());
}

#[test]
fn a_dialect_that_the_server_does_not_know_is_told() {
    let mounts = "dialects = ['rezi', 'harbour']\n";
    let place = Place::with(&[
        ("acme.toml", &format!("{ACME}{mounts}")),
        (
            "other.toml",
            &format!("slug = 'other'\nname = 'Other'\n{mounts}"),
        ),
    ]);
    let dialects = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects");
    let known = format!("--data data --dialects {}", dialects.display());
    place.run(&format!("apply acme.toml {known}")).done();
    let warned = "the tenant mounts the dialect `harbour`, which this program does not know";
    let quiet = place.serve(&format!("--dialects {}", dialects.display()));
    assert!(!quiet.log().contains(warned), "{}", quiet.log());
    drop(quiet);
    let serving = place.serve("");
    serving.wait_for(warned);
    place.run(&format!("apply other.toml {known}")).done();
    serving.wait_for("\"tenant\":\"other\"");
    let log = serving.log();
    assert_eq!(log.matches(warned).count(), 2, "{log}");
    assert!(!log.contains("`rezi`"), "{log}");
    drop(serving);
    let show = place.run("tenant show acme --data data").done();
    assert!(show.contains("# unknown dialect harbour: "), "{show}");
    let show = place.run("tenant show acme --data data --json").done();
    let show: Value = serde_json::from_str(&show).unwrap();
    assert_eq!(show["unknown_dialects"], serde_json::json!(["harbour"]));
    let show = place.run(&format!("tenant show acme {known}")).done();
    assert!(!show.contains("unknown"), "{show}");
}

/// `apply` refuses it, but the folder may change afterwards.
#[test]
fn two_dialects_of_a_tenant_on_one_path_are_told() {
    let own = |path: &str| {
        format!(
            "name = 'own'\n[[route]]\non = ['POST {path}']\ndo = 'sign_in_password'\nwith = {{ email = '{{{{ body.e }}}}', password = '{{{{ body.p }}}}' }}\nreply = 'r'\n\
             [reply.r]\nbody = '{{{{ user.id }}}}'\n[error]\nbody = 'x'"
        )
    };
    let place = Place::with(&[
        ("acme.toml", &format!("{ACME}dialects = ['rezi', 'own']\n")),
        ("own.toml", &own("/own")),
    ]);
    fs::create_dir(place.path("dialects")).unwrap();
    fs::rename(place.path("own.toml"), place.path("dialects/own.toml")).unwrap();
    place
        .run("apply acme.toml --data data --dialects dialects")
        .done();
    fs::write(place.path("dialects/own.toml"), own("/v1/user/token")).unwrap();
    let serving = place.serve("--dialects dialects");
    serving.wait_for("the dialects `own` and `rezi` both claim `/v1/user/token`, so one of them does not answer there");
}

#[test]
fn a_database_that_cannot_be_written_is_refused_at_start() {
    let place = Place::with(&[("acme.toml", ACME)]);
    place.run("apply acme.toml --data data").done();
    let file = place.path("data/vestibule.db");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    let mut command = place.command("serve --listen 127.0.0.1:0 --data data");
    // Nothing is forbidden to root.
    if fs::metadata(&place.0).unwrap().uid() == 0 {
        for name in ["data", "data/vestibule.db", "data/secret.key"] {
            chown(place.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    let refused = said(&mut command).refused();
    assert_eq!(
        refused,
        "cannot open the database: data/vestibule.db cannot be written by this user; make the file and its folder \
         writable, or run as their owner"
    );
}

#[test]
fn what_is_no_database_of_ours_is_refused_and_left_alone() {
    for (content, said) in [
        (
            "",
            "is empty (0 bytes); restore a backup, or delete the file",
        ),
        ("garbage", "file is not a database; restore a backup"),
    ] {
        let place = Place::with(&[("acme.toml", ACME)]);
        place.run("apply acme.toml --data data").done();
        for companion in ["data/vestibule.db-wal", "data/vestibule.db-shm"] {
            let _ = fs::remove_file(place.path(companion));
        }
        let content = content.repeat(200);
        place.write("data/vestibule.db", &content);
        for line in ["serve --listen 127.0.0.1:0", "tenant list", "db migrate"] {
            let refused = place.run(&format!("{line} --data data")).refused();
            assert!(
                refused.starts_with("cannot open the database: data/vestibule.db")
                    && refused.contains(said)
                    && !refused.contains("make a new one"),
                "{refused}"
            );
        }
        let left = fs::read_to_string(place.path("data/vestibule.db")).unwrap();
        assert_eq!(left, content);
    }
}

#[test]
fn a_missing_database_is_told_with_what_makes_one() {
    let place = Place::new();
    assert_eq!(
        place.run("tenant list --data data").refused(),
        "there is no database at data/vestibule.db; `vestibule serve` and `vestibule db migrate` make a new one"
    );
    assert_eq!(place.names(), Vec::<String>::new());
}

#[test]
fn another_secret_key_is_told_by_its_cause_alone() {
    let place = Place::with(&[("acme.toml", ACME)]);
    place.run("apply acme.toml --data data").done();
    let key = "A".repeat(43) + "=\n";
    fs::write(place.path("data/secret.key"), key).unwrap();
    for line in ["tenant list", "serve --listen 127.0.0.1:0"] {
        let refused = place.run(&format!("{line} --data data")).refused();
        assert!(refused.starts_with("the secret key is not"), "{refused}");
    }
}

#[tokio::test]
async fn a_failed_migration_is_told_without_its_statements() {
    let place = Place::new();
    let url = postgres_schema().await;
    let (base, _) = url.rsplit_once("%3D").unwrap();
    let line = format!("db migrate --data data --database {base}%3Dno_such_schema");
    let refused = place.run(&line).refused();
    assert!(
        refused.contains("migration 1 (foundation) failed: no schema has been selected"),
        "{refused}"
    );
    assert!(!refused.contains("CREATE"), "{refused}");
}

#[test]
fn settings_that_lead_nowhere_are_told_with_their_line() {
    for (text, line, said) in [
        (
            "\ndatabase_url = 'env:NOPE'\n",
            "tenant list",
            "vestibule.toml:2: `database_url`: the environment variable `NOPE` is not set",
        ),
        (
            "database_url = 'file:url'\n",
            "tenant list",
            "vestibule.toml:1: `database_url`: the database URL must start with",
        ),
        (
            "dialects = '/nope'\n",
            "dialect list",
            "vestibule.toml:1: `dialects`: `/nope` is not a folder",
        ),
        (
            "dialects = '/nope'\n",
            "apply acme.toml",
            "vestibule.toml:1: `dialects`: `/nope` is not a folder",
        ),
        (
            "log = 'loud'\n",
            "config --log info",
            "vestibule.toml:1: `log`: `loud` is not a log filter",
        ),
        (
            "smtp_url = 'env:NOPE'\n",
            "serve --listen 127.0.0.1:0",
            "vestibule.toml:1: `smtp_url`: the environment variable `NOPE` is not set",
        ),
        (
            "smtp_url = 'file:url'\n",
            "serve --listen 127.0.0.1:0",
            "vestibule.toml:1: `smtp_url`: must be smtp://",
        ),
    ] {
        let place = Place::with(&[
            ("vestibule.toml", text),
            ("acme.toml", ACME),
            ("url", "mysql://u:hunter2@x\n"),
        ]);
        let refused = place.run(line).refused();
        assert!(refused.starts_with(said), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
        assert_eq!(place.names(), ["acme.toml", "url", "vestibule.toml"]);
    }
    let place = Place::new();
    let mut command = place.command("serve --listen 127.0.0.1:0");
    command.env("VESTIBULE_SMTP_URL", "env:NOPE");
    let refused = said(&mut command).refused();
    assert!(
        refused.starts_with("VESTIBULE_SMTP_URL: `smtp_url`: "),
        "{refused}"
    );
}
