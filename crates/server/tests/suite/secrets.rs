//! Recognisable secrets in every place that takes one, and then a search for them in everything that is left behind.

use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use vestibule_db::{Engine, Tx, params};
use vestibule_identity::MailKind;

use crate::app::{ACME, Reply, TestApp, on_both};
use crate::browser::{HOST, ORIGIN, logs};
use crate::commands::{Place, said};

/// A secret and the one step whose answer hands it out.
struct Secret {
    name: &'static str,
    bytes: Vec<u8>,
    handed_out_by: &'static str,
}

#[derive(Default)]
struct Secrets(Vec<Secret>);

impl Secrets {
    fn add(&mut self, name: &'static str, text: impl AsRef<[u8]>, handed_out_by: &'static str) {
        let bytes = text.as_ref().to_vec();
        assert!(
            bytes.len() >= 16,
            "{name} is too short to be told from chance"
        );
        self.0.push(Secret {
            name,
            bytes,
            handed_out_by,
        });
    }

    /// No secret is in there, as it is or in an encoding that a dump may show it in.
    #[track_caller]
    fn are_not_in(&self, place: &str, content: &[u8]) {
        assert!(
            !content.is_empty(),
            "{place} is empty: nothing was looked through"
        );
        // Every needle is ASCII, which survives this.
        let content = String::from_utf8_lossy(content);
        for secret in self.0.iter().filter(|secret| secret.handed_out_by != place) {
            for needle in secret.needles() {
                if let Some(at) = content.find(&needle) {
                    let around: String = content[..at + needle.len()]
                        .chars()
                        .rev()
                        .take(250)
                        .collect();
                    let around: String = around.chars().rev().collect();
                    panic!("{place} holds the {}: …{around}", secret.name);
                }
            }
        }
    }

    /// The answers that hand a secret out hold it, so that a search that finds nothing would show.
    fn are_where_they_belong(&self, answers: &Answers) {
        for secret in self
            .0
            .iter()
            .filter(|secret| secret.handed_out_by != "nobody")
        {
            let own = |(step, answer): &(&str, String)| {
                *step == secret.handed_out_by && answer.contains(&secret.needles()[0])
            };
            assert!(
                answers.0.iter().any(own),
                "{} does not hand out the {}",
                secret.handed_out_by,
                secret.name
            );
        }
    }
}

impl Secret {
    /// The secret as it is, and as a dump may spell it.
    fn needles(&self) -> [String; 4] {
        let bytes = &self.bytes;
        let whole = &bytes[..bytes.len() / 3 * 3];
        [
            String::from_utf8(bytes.clone()).unwrap(),
            bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            STANDARD.encode(whole),
            URL_SAFE_NO_PAD.encode(whole),
        ]
    }
}

/// Each answer, headers and body, under the name of its step.
#[derive(Default)]
struct Answers(Vec<(&'static str, String)>);

impl Answers {
    fn keep(&mut self, step: &'static str, reply: Reply) -> Reply {
        let mut told = String::new();
        for (name, value) in &reply.headers {
            told += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
        }
        self.0.push((step, told + &reply.body));
        reply
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Everything that the database holds, as a thief of it would read it.
async fn stored(app: &TestApp) -> Vec<(String, Vec<u8>)> {
    let db = app.identity.db();
    if let (Engine::Sqlite, Some(folder)) = (db.engine(), app.folder()) {
        let copy = folder.join("backup.db");
        db.backup(&copy, |_, _| {}).await.unwrap();
        let files = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        return files
            .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
            .filter(|(_, bytes)| !bytes.is_empty())
            .collect();
    }
    let tables = |tx: &mut Tx<'_>| {
        let sql = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()";
        tx.all(sql, &params![], |row| row.get::<String>(0))
    };
    let mut all = Vec::new();
    for table in db.read(tables).await.unwrap() {
        let sql: &'static str =
            Box::leak(format!("SELECT CAST(t.* AS text) FROM \"{table}\" AS t").into());
        let rows: Vec<String> = db
            .read(move |tx| tx.all(sql, &params![], |row| row.get::<String>(0)))
            .await
            .unwrap();
        all.extend(rows.join("\n").into_bytes());
    }
    vec![("the tables".to_owned(), all)]
}

const FIRST: &str = "CANARY-first-password-1b7f";
const SECOND: &str = "CANARY-second-password-93ac";
const THIRD: &str = "CANARY-third-password-e055";
const WRONG: &str = "CANARY-wrong-password-40d2";
const UID: &str = "CANARY-uid-8c16f3aa";
const OTHER_UID: &str = "CANARY-other-uid-2be9";
const CAPTCHA_ANSWER: &str = "CANARY-captcha-answer-77";
const JUNK: &str = "CANARY-junk-token-f00d";

on_both! {
    async fn no_secret_is_left_behind(app: TestApp) {
        let _listening = logs::listen();
        let (mut secrets, mut answers) = (Secrets::default(), Answers::default());
        for (name, secret) in [("password", FIRST), ("second password", SECOND), ("third password", THIRD), ("wrong password", WRONG), ("uid", UID), ("other uid", OTHER_UID), ("captcha answer", CAPTCHA_ANSWER), ("junk token", JUNK)] {
            secrets.add(name, secret, "nobody");
        }
        secrets.add("secret key", [7; 32], "nobody");
        secrets.add("captcha secret", "secret of env:CANARY_CAPTCHA", "nobody");
        let cx = app.acme().await;
        app.person(&cx, "ada@example.com", FIRST, "Admin").await;

        // A partner's back end, and the browser it sends.
        let key = app.api_key(&cx).await;
        secrets.add("private key", &key, "nobody");
        let bearer = format!("Bearer {key}");
        let by_key = [("authorization", bearer.as_str())];
        let person = json!({"email": "bob@example.com", "uid": UID});
        let login = answers.keep("exchange", app.post(HOST, "/v1/user/token", &by_key, person.clone()).await);
        let login = text(&login.status(200).json()["token"]);
        secrets.add("login token", &login, "exchange");
        let other = json!({"email": "bob@example.com", "uid": OTHER_UID});
        answers.keep("wrong uid", app.post(HOST, "/v1/user/token", &by_key, other).await).status(401);
        let from_page = [by_key[0], ("origin", "https://evil.test")];
        answers.keep("key in a page", app.post(HOST, "/v1/user/token", &from_page, person).await).status(403);
        let cookie = answers.keep("login link", app.get(HOST, &format!("/login/?token={login}"), &[]).await).session_cookie().unwrap();
        secrets.add("cookie of the link", cookie.split_once('=').unwrap().1, "login link");
        for path in ["/login/?token=", "/nothing?token=", "/verify-email/", "/reset-password/", "/api/verify-email/"] {
            answers.keep("junk", app.get(HOST, &format!("{path}{JUNK}"), &[("accept", "text/html"), ("cookie", &cookie)]).await);
            answers.keep("junk", app.get(HOST, &format!("{path}{JUNK}"), &[("authorization", &format!("Bearer {JUNK}"))]).await);
        }

        // Pages: signing in, up, out, and a change of password.
        let form = async |path: &str, cookie: &str, fields: &[(&str, &str)]| app.post_form(HOST, path, &[ORIGIN, ("cookie", cookie)], fields).await;
        answers.keep("wrong password", form("/sign-in", "", &[("email", "ada@example.com"), ("password", WRONG)]).await).status(401);
        answers.keep("weak password", form("/sign-up", "", &[("email", "short@example.com"), ("password", &WRONG.repeat(20)), ("name", "S")]).await).status(400);
        let ada = answers.keep("sign-in", form("/sign-in", "", &[("email", "ada@example.com"), ("password", FIRST)]).await).session_cookie().unwrap();
        secrets.add("cookie", ada.split_once('=').unwrap().1, "sign-in");
        let (_, told) = answers.0.last().unwrap();
        let device = told.split("__Host-vestibule-device=").nth(1).and_then(|rest| rest.split(';').next());
        secrets.add("device's cookie", device.unwrap(), "sign-in");
        let changed = answers.keep("change of password", form("/account/password", &ada, &[("current", FIRST), ("new", SECOND)]).await);
        let ada = changed.status(303).session_cookie().unwrap();
        secrets.add("renewed cookie", ada.split_once('=').unwrap().1, "change of password");
        app.mails().await;
        answers.keep("account", app.get(HOST, "/account", &[("cookie", &ada)]).await).status(200);
        answers.keep("sign-up", form("/sign-up", "", &[("email", "new@example.com"), ("password", FIRST), ("name", "New")]).await).status(303);
        let verify = app.mailed_token(MailKind::VerifyEmail).await;
        secrets.add("verification token", &verify, "nobody");
        answers.keep("verification page", app.get(HOST, &format!("/verify-email/{verify}"), &[]).await).status(200);
        let verified = answers.keep("verification", form(&format!("/verify-email/{verify}"), "", &[("password", FIRST)]).await).session_cookie().unwrap();
        secrets.add("cookie of the verified", verified.split_once('=').unwrap().1, "verification");
        answers.keep("forgotten", form("/forgot-password", "", &[("email", "ada@example.com")]).await).status(303);
        let reset = app.mailed_token(MailKind::ResetPassword).await;
        secrets.add("reset token", &reset, "nobody");
        answers.keep("reset page", app.get(HOST, &format!("/reset-password/{reset}"), &[]).await).status(200);
        answers.keep("reset", form(&format!("/reset-password/{reset}"), "", &[("password", THIRD)]).await).status(303);
        app.mails().await;

        // Dialects: sign-in, refresh, forgotten password, a refused upstream token.
        let body = json!({"email": "ada@example.com", "password": THIRD});
        let pair = answers.keep("enclaive login", app.post(HOST, "/api/login", &[], body.clone()).await).status(200).json();
        secrets.add("user token", text(&pair["userToken"]), "enclaive login");
        secrets.add("vault token", text(&pair["vaultToken"]), "enclaive login");
        let user = format!("Bearer {}", text(&pair["userToken"]));
        app.pass(std::time::Duration::from_secs(60));
        let pair = answers.keep("enclaive refresh", app.get(HOST, "/api/refresh", &[("authorization", &user)]).await).status(200).json();
        secrets.add("second user token", text(&pair["userToken"]), "enclaive refresh");
        let lms = answers.keep("alphalearn login", app.post(HOST, "/authorize/login", &[], body).await).status(200).json();
        let lms = &lms["data"]["response"]["data"];
        for (name, token) in [("access token", &lms["token"]), ("refresh token", &lms["refresh-token"]), ("session token", &lms["user"]["sessionToken"])] {
            secrets.add(name, text(token), "alphalearn login");
        }
        answers.keep("alphalearn refresh", app.post(HOST, "/authorize/refresh-token", &[], json!({"refreshToken": lms["refresh-token"]})).await).status(200);
        let forgotten = answers.keep("alphalearn forgot", app.post(HOST, "/authorize/forgot-password", &by_key, json!({"email": "ada@example.com"})).await).status(200).json();
        secrets.add("handed reset token", text(&forgotten["data"]["response"]["data"]["token"]), "alphalearn forgot");
        answers.keep("third party", app.post(HOST, "/authorize/third-party", &[], json!({"provider": 1, "thirdPartyData": {"token": JUNK}})).await);
        answers.keep("broken body", app.post(HOST, "/authorize/login", &[], json!({"email": {"a": JUNK}, "password": [WRONG]})).await).status(400);
        answers.keep("course", app.post_form(HOST, "/site/login-by-jwt-token", &[], &[("token", JUNK), ("type", "1"), ("inputData", "{\"enrollmentId\":1}")]).await).status(401);

        // A captcha whose provider cannot be reached.
        let zeta = ACME.replace("acme", "zeta");
        app.apply(&zeta).await;
        let fresh = json!({"email": "zoe@example.com", "password": FIRST, "name": "Zoe"});
        let zoe = answers.keep("register", app.post("lms.zeta.test", "/api/register", &[], fresh).await).status(200).json();
        secrets.add("token of the new", text(&zoe["userToken"]), "register");
        let tables = "[registration]\ncaptcha = 'turnstile'\ncaptcha_secret = 'env:CANARY_CAPTCHA'\ncaptcha_url = 'http://127.0.0.1:9/verify'";
        app.apply(&format!("{zeta}\n{tables}")).await;
        let path = format!("/api/resend-email-verification?capcha={CAPTCHA_ANSWER}");
        let zoe = format!("Bearer {}", text(&zoe["userToken"]));
        app.pass(std::time::Duration::from_secs(61));
        answers.keep("captcha", app.get("lms.zeta.test", &path, &[("authorization", &zoe)]).await).status(503);
        app.identity.seal_audit().await.unwrap();

        secrets.are_where_they_belong(&answers);
        for (step, answer) in &answers.0 {
            // A page that a link leads to holds the link's token, in the address of its form at most.
            if !["verification page", "reset page"].contains(step) {
                secrets.are_not_in(step, answer.as_bytes());
            }
        }
        let mut people = 0;
        for (place, bytes) in stored(&app).await {
            people += String::from_utf8_lossy(&bytes).matches("ada@example.com").count();
            secrets.are_not_in(&place, &bytes);
        }
        assert!(people > 0, "the database was not looked through");
        let mut audit = Vec::new();
        for slug in ["acme", "zeta"] {
            let entries = app.identity.audit_entries(&app.cx(slug).await, 10_000).await.unwrap();
            audit.extend(serde_json::to_vec(&entries).unwrap());
        }
        secrets.are_not_in("the audit log", &audit);
        let log = logs::heard();
        assert!(log.contains("path=\"/api/refresh\""), "the log was not listened to");
        secrets.are_not_in("the log", log.as_bytes());
    }
}

/// One HTTP/1.1 request to a server that listens; the whole answer.
fn request(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "{head}\r\nHost: lms.acme.test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_node_and_its_commands_tell_no_secret_of_their_settings() {
    let key = [0x5a; 32];
    let tenant = "slug = 'acme'\nname = 'Acme'\ndomains = ['lms.acme.test']\ndialects = ['enclaive', 'rezi']\n[mail]\nsmtp_url = 'env:ACME_SMTP'\n";
    let guarded = format!(
        "{tenant}[registration]\ncaptcha = 'turnstile'\ncaptcha_secret = 'file:captcha'\ncaptcha_url = 'http://127.0.0.1:9/verify'\n"
    );
    let place = Place::with(&[
        ("open.toml", tenant),
        ("acme.toml", &guarded),
        ("captcha", "CANARY-captcha-secret-51\n"),
        ("secret.key", &format!("{}\n", STANDARD.encode(key))),
    ]);
    std::fs::set_permissions(
        place.path("secret.key"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let environment = [
        (
            "VESTIBULE_SMTP_URL",
            "smtp://mailer:CANARY-smtp-password-aa@127.0.0.1:9",
        ),
        (
            "ACME_SMTP",
            "smtp://mailer:CANARY-tenant-smtp-password-bb@127.0.0.1:9",
        ),
        ("VESTIBULE_SECRET_KEY_FILE", "secret.key"),
    ];
    let run = |line: &str| {
        said(
            place
                .command(&format!("{line} --data data --log trace"))
                .envs(environment),
        )
    };
    let mut secrets = Secrets::default();
    secrets.add("SMTP password", "CANARY-smtp-password-aa", "nobody");
    secrets.add(
        "tenant's SMTP password",
        "CANARY-tenant-smtp-password-bb",
        "nobody",
    );
    secrets.add("captcha secret", "CANARY-captcha-secret-51", "nobody");
    secrets.add("secret key", key, "nobody");
    secrets.add("password", FIRST, "nobody");
    let applied = run("apply open.toml");
    assert_eq!(applied.code, 0, "{}", applied.err);
    let made = run("api-key create --tenant acme --json");
    let made_key: Value = serde_json::from_str(&made.out).unwrap();
    secrets.add("private key", text(&made_key["key"]), "api-key create");

    let log = std::fs::File::create(place.path("log")).unwrap();
    let line = "serve --listen 127.0.0.1:0 --data data --log trace --metrics-listen 127.0.0.1:0";
    let mut command = place.command(line);
    let serving = place.serving(command.envs(environment).stderr(log));
    let address = |after: &str| format!("127.0.0.1:{}", serving.port(after));
    let (web, metrics) = (
        address("listening on http://"),
        address("metrics on http://"),
    );
    let body = json!({"email": "ada@example.com", "password": FIRST, "name": "Ada"}).to_string();
    let answer = request(
        &web,
        "POST /api/register HTTP/1.1\r\nContent-Type: application/json",
        &body,
    );
    let tokens: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    secrets.add("user token", text(&tokens["userToken"]), "nobody");
    let bearer = format!("Authorization: Bearer {}", text(&tokens["userToken"]));
    assert_eq!(run("apply acme.toml").code, 0);
    // The node takes the change over within a quarter of a second, and asks the provider from then on.
    let resend =
        format!("GET /api/resend-email-verification?capcha={CAPTCHA_ANSWER} HTTP/1.1\r\n{bearer}");
    let mut captcha = String::new();
    for _ in 0..100 {
        captcha = request(&web, &resend, "");
        if captcha.starts_with("HTTP/1.1 503") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(captcha.starts_with("HTTP/1.1 503"), "{captcha}");
    secrets.add("captcha answer", CAPTCHA_ANSWER, "nobody");
    let key = format!("Authorization: Bearer {}", text(&made_key["key"]));
    let partner = json!({"email": "bob@example.com", "uid": UID}).to_string();
    request(
        &web,
        &format!("POST /v1/user/token HTTP/1.1\r\nContent-Type: application/json\r\n{key}"),
        &partner,
    );
    secrets.add("uid", UID, "nobody");
    // The mail is tried, and fails: nobody listens there.
    serving.wait_for("mail");
    let measured = request(&metrics, "GET /metrics HTTP/1.1", "");
    assert!(measured.contains("vestibule_requests_total"), "{measured}");
    secrets.are_not_in("the metrics", measured.as_bytes());
    secrets.are_not_in("the answer to a captcha", captcha.as_bytes());

    for line in [
        "config",
        "config --json",
        "--help",
        "serve --help",
        "tenant show acme",
        "tenant show acme --json",
        "tenant export acme",
        "apply acme.toml --dry-run --json",
        "audit list --json",
        "audit verify --json",
        "user list --tenant acme --json",
        "user export --tenant acme",
        "user sessions ada@example.com --tenant acme --json",
        "api-key list --tenant acme --json",
        "signing-key list --tenant acme --json",
        "db backup backup.db",
    ] {
        let told = run(line);
        assert_eq!(told.code, 0, "{line}: {}", told.err);
        secrets.are_not_in(line, format!("{} {}", told.out, told.err).as_bytes());
    }
    let log = serving.log();
    drop(serving);
    secrets.are_not_in("the log", log.as_bytes());
    for file in ["data/vestibule.db", "data/vestibule.db-wal", "backup.db"] {
        if let Some(bytes) = std::fs::read(place.path(file))
            .ok()
            .filter(|bytes| !bytes.is_empty())
        {
            secrets.are_not_in(file, &bytes);
        }
    }
}
