//! A server in this process, and what a client sees of it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tower::ServiceExt;
use vestibule_crypto::{HashOptions, HashPool, PasswordPolicyParams, Sealer, SeededRandom};
use vestibule_db::{Db, Options};
use vestibule_dialect::Dialects;
use vestibule_http::{App, HttpSettings};
use vestibule_identity::limit::Numbers;
use vestibule_identity::{
    Account, Clock, CreateApiKey, CreateUser, Cx, Identity, MIGRATIONS, Mail, MailKind, Micros,
    Parts, Ports, References, Templates, TenantFile,
};

use crate::storage::Fixture;

/// Runs each test on both engines: `NAME::sqlite` and `NAME::postgres`.
macro_rules! on_both {
    ($($(#[$doc:meta])* async fn $name:ident($app:ident: TestApp) $body:block)+) => {
        $($(#[$doc])* mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn run($app: crate::app::TestApp) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                run(crate::app::TestApp::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                run(crate::app::TestApp::postgres().await).await;
            }
        })+
    };
}
pub(crate) use on_both;

/// 2026-01-01T00:00:00Z: where every test begins.
pub const START: i64 = 1_767_225_600;

/// A clock that only moves when told to.
pub struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::SeqCst))
    }
}

struct Env;

impl References for Env {
    fn resolve(&self, reference: &str) -> Result<SecretString, String> {
        Ok(SecretString::from(format!("secret of {reference}")))
    }
}

/// One server on an empty database. Clones are the same server.
#[derive(Clone)]
pub struct TestApp {
    pub identity: Identity,
    pub router: Router,
    clock: Arc<TestClock>,
    client: IpAddr,
    _folder: Option<Arc<Folder>>,
}

/// A temporary folder, gone with the last clone.
struct Folder(PathBuf);

impl Folder {
    /// A new one, and the URL of a database to be made in it.
    fn with_database() -> (String, Arc<Folder>) {
        let folder = std::env::temp_dir().join(unique("vestibule-suite"));
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite:{}/vestibule.db", folder.display());
        (url, Arc::new(Folder(folder)))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{prefix}_{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::SeqCst)
    )
}

/// The private PostgreSQL that `cargo xtask test` starts.
pub fn postgres_url() -> String {
    std::env::var("VESTIBULE_TEST_POSTGRES").expect("VESTIBULE_TEST_POSTGRES is not set: run `cargo xtask test`, or `cargo xtask postgres` beside it")
}

/// The URL of an empty schema of its own.
pub async fn postgres_schema() -> String {
    let (schema, base) = (unique("suite"), postgres_url());
    let (client, connection) = tokio_postgres::connect(&base, tokio_postgres::NoTls)
        .await
        .expect("PostgreSQL answers");
    tokio::spawn(connection);
    client
        .batch_execute(&format!(
            "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"
        ))
        .await
        .unwrap();
    let sign = if base.contains('?') { '&' } else { '?' };
    format!("{base}{sign}options=-c%20search_path%3D{schema}")
}

const CHEAP: PasswordPolicyParams = PasswordPolicyParams {
    m_kib: 64,
    t: 1,
    p: 1,
};

async fn core(
    db: Db,
    clock: Arc<TestClock>,
    seed: u64,
    secret_key: [u8; 32],
    params: PasswordPolicyParams,
) -> vestibule_identity::Result<Identity> {
    core_with(db, clock, (seed, secret_key), params, Own::default()).await
}

/// What an operator sets.
#[derive(Default)]
struct Own {
    limits: Numbers,
    templates: Templates,
}

async fn core_with(
    db: Db,
    clock: Arc<TestClock>,
    (seed, secret_key): (u64, [u8; 32]),
    params: PasswordPolicyParams,
    own: Own,
) -> vestibule_identity::Result<Identity> {
    let cheap = HashOptions {
        params,
        queue: 10_000,
        max_wait: Duration::from_secs(60),
        ..HashOptions::default()
    };
    Identity::start(Parts {
        db,
        passwords: Arc::new(HashPool::new(cheap).unwrap()),
        sealer: Sealer::new(secret_key),
        ports: Ports {
            clock,
            random: Arc::new(SeededRandom::new(seed)),
            upstream: Arc::new(vestibule::effects::HttpUpstream::new(&["127.0.0.0/8"
                .parse()
                .unwrap()])),
        },
        public_url: None,
        references: Arc::new(Env),
        limits: own.limits,
        operator_templates: Arc::new(own.templates),
    })
    .await
}

impl TestApp {
    pub async fn sqlite() -> TestApp {
        let (url, folder) = Folder::with_database();
        TestApp::start(&url, Some(folder), None).await
    }

    pub async fn postgres() -> TestApp {
        TestApp::start(&postgres_schema().await, None, None).await
    }

    /// A server on the empty database at this URL.
    pub async fn on(url: &str) -> TestApp {
        TestApp::start(url, None, None).await
    }

    /// Another node, with connections of its own.
    pub async fn on_too(url: &str, first: &TestApp) -> TestApp {
        let db = Db::open(&Options::new(url)).await.unwrap();
        static SEED: AtomicU64 = AtomicU64::new(1_000);
        let seed = SEED.fetch_add(1, Ordering::SeqCst);
        TestApp::node(db, first.clock.clone(), None, seed).await
    }

    /// A server on what an older program left.
    pub async fn sqlite_of(old: &Fixture) -> TestApp {
        let (url, folder) = Folder::with_database();
        TestApp::start(&url, Some(folder), Some(old)).await
    }

    /// The same on PostgreSQL.
    pub async fn postgres_of(old: &Fixture) -> TestApp {
        TestApp::start(&postgres_schema().await, None, Some(old)).await
    }

    async fn start(url: &str, folder: Option<Arc<Folder>>, old: Option<&Fixture>) -> TestApp {
        let db = Db::open(&Options {
            pool: 20,
            ..Options::new(url)
        })
        .await
        .unwrap();
        if let Some(old) = old {
            old.load(&db).await;
        }
        db.migrate(MIGRATIONS, START * 1_000_000).await.unwrap();
        TestApp::node(
            db,
            Arc::new(TestClock(AtomicI64::new(START * 1_000_000))),
            folder,
            1,
        )
        .await
    }

    /// Where the embedded database is.
    pub fn folder(&self) -> Option<PathBuf> {
        self._folder.as_ref().map(|folder| folder.0.clone())
    }

    /// Another node of the same installation: memory and keys of its own, the same database and clock.
    pub async fn second_node(&self) -> TestApp {
        TestApp::node(
            self.identity.db().clone(),
            self.clock.clone(),
            self._folder.clone(),
            2,
        )
        .await
    }

    /// A node whose secret key is not the one that first opened this database.
    pub async fn under_another_secret_key(&self) -> vestibule_identity::Result<()> {
        let db = self.identity.db().clone();
        core(db, self.clock.clone(), 3, [8; 32], CHEAP)
            .await
            .map(drop)
    }

    /// The core of a node that hashes at twice the cost.
    pub async fn dearer_core(&self) -> Identity {
        let db = self.identity.db().clone();
        let params = PasswordPolicyParams { t: 2, ..CHEAP };
        core(db, self.clock.clone(), 4, [7; 32], params)
            .await
            .unwrap()
    }

    async fn node(
        db: Db,
        clock: Arc<TestClock>,
        folder: Option<Arc<Folder>>,
        seed: u64,
    ) -> TestApp {
        let identity = core(db, clock.clone(), seed, [7; 32], CHEAP).await.unwrap();
        TestApp::around(identity, clock, folder)
    }

    fn around(identity: Identity, clock: Arc<TestClock>, folder: Option<Arc<Folder>>) -> TestApp {
        let dialects = Dialects::builtin().unwrap();
        let router = vestibule_http::router(App {
            identity: identity.clone(),
            dialects,
            settings: HttpSettings::default(),
        });
        TestApp {
            identity,
            router,
            clock,
            client: IpAddr::from([192, 0, 2, 1]),
            _folder: folder,
        }
    }

    /// Another node, whose limits have other numbers.
    pub async fn with_limits(&self, numbers: &[(&str, u32)]) -> TestApp {
        let mut limits = Numbers::default();
        for (name, number) in numbers {
            assert!(limits.set(name, *number), "{name}");
        }
        let templates = Templates::new();
        self.with(Own { limits, templates }).await
    }

    /// Another node, whose operator has templates.
    pub async fn with_templates(&self, templates: &[(&str, &str)]) -> TestApp {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let templates = templates.iter().map(owned).collect();
        let limits = Numbers::default();
        self.with(Own { limits, templates }).await
    }

    async fn with(&self, own: Own) -> TestApp {
        let (db, clock) = (self.identity.db().clone(), self.clock.clone());
        static SEED: AtomicU64 = AtomicU64::new(100);
        let seed = SEED.fetch_add(1, Ordering::SeqCst);
        let core = core_with(db, clock.clone(), (seed, [7; 32]), CHEAP, own).await;
        TestApp::around(core.unwrap(), clock, self._folder.clone())
    }

    /// The same server, asked from another address.
    pub fn from(&self, client: impl Into<IpAddr>) -> TestApp {
        TestApp {
            client: client.into(),
            ..self.clone()
        }
    }

    /// Lets time pass.
    pub fn pass(&self, span: Duration) {
        self.clock
            .0
            .fetch_add(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// Sets the clock back.
    pub fn step_back(&self, span: Duration) {
        self.clock
            .0
            .fetch_sub(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// Applies tenant files, as `vestibule apply` does.
    pub async fn apply(&self, toml: &str) -> Cx {
        let file: TenantFile = toml::from_str(toml).unwrap();
        self.identity.apply(&file, false).await.unwrap();
        self.cx(&file.slug).await
    }

    /// An operator's context on the tenant.
    pub async fn cx(&self, slug: &str) -> Cx {
        let tenant = self
            .identity
            .directory()
            .by_slug(slug)
            .await
            .unwrap()
            .expect("the tenant is there");
        self.identity.operator_cx(tenant)
    }

    /// The tenant that most tests use: `acme` on lms.acme.test, with every dialect and everything set.
    pub async fn acme(&self) -> Cx {
        self.apply(ACME).await
    }

    /// The same tenant with further tables in its file.
    pub async fn acme_with(&self, tables: &str) -> Cx {
        self.apply(&format!("{ACME}\n{tables}")).await
    }

    /// A second one that must never see anything of the first: `zeta` on lms.zeta.test.
    pub async fn zeta(&self) -> Cx {
        self.apply(&ACME.replace("acme", "zeta").replace("Acme", "Zeta"))
            .await
    }

    /// A verified person with a password.
    pub async fn person(&self, cx: &Cx, email: &str, password: &str, role: &str) -> Account {
        let new = CreateUser {
            email: email.into(),
            role: Some(role.into()),
            first_name: Some("Pooja".into()),
            last_name: Some("G".into()),
            verified: true,
            password: Some(SecretString::from(password)),
        };
        self.identity.create_user(cx, new).await.unwrap()
    }

    /// A private key of the tenant.
    pub async fn api_key(&self, cx: &Cx) -> String {
        let new = CreateApiKey {
            name: "test".into(),
            ..CreateApiKey::default()
        };
        self.identity
            .create_api_key(cx, new)
            .await
            .unwrap()
            .key
            .expose_secret()
            .to_owned()
    }

    /// Sends one request from this app's client address, 192.0.2.1 unless `from` gave another.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let mut request = request;
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::from((self.client, 4711))));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 16 << 20).await.unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// GET of a path on a host, with further headers.
    pub async fn get(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(build("GET", host, path, headers, String::new()))
            .await
    }

    /// POST of a JSON document.
    pub async fn post(
        &self,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Reply {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(build("POST", host, path, &all, body.to_string()))
            .await
    }

    /// POST of an HTML form.
    pub async fn post_form(
        &self,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.send(build("POST", host, path, &all, body)).await
    }

    /// Every mail waiting to be sent, taken as the worker takes them and sent.
    pub async fn mails(&self) -> Vec<Mail> {
        let jobs = self.identity.claim_mail(100).await.unwrap();
        for job in &jobs {
            vestibule_http::mail::render(&job.tenant, &job.mail).unwrap();
            self.identity.mail_sent(&job.id).await.unwrap();
        }
        jobs.into_iter().map(|job| job.mail).collect()
    }

    /// The one mail waiting, which must be of this kind; its link.
    pub async fn mailed_link(&self, kind: MailKind) -> String {
        let mails = self.mails().await;
        assert_eq!(
            mails.iter().map(|mail| mail.kind).collect::<Vec<_>>(),
            [kind]
        );
        mails[0].link.as_ref().unwrap().expose_secret().to_owned()
    }

    /// Takes the mails waiting, of which there is one or more, all of this kind.
    pub async fn mailed_nothing_but(&self, kind: MailKind) {
        let kinds: Vec<_> = self.mails().await.iter().map(|mail| mail.kind).collect();
        assert!(
            !kinds.is_empty() && kinds.iter().all(|sent| *sent == kind),
            "{kinds:?}"
        );
    }

    /// The token at the end of the one mailed link.
    pub async fn mailed_token(&self, kind: MailKind) -> String {
        self.mailed_link(kind)
            .await
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    }

    /// The events of the tenant's audit log, newest first, as `event outcome reason`.
    pub async fn audit(&self, slug: &str) -> Vec<String> {
        let entries = self
            .identity
            .audit_entries(&self.cx(slug).await, 1_000)
            .await
            .unwrap();
        entries
            .into_iter()
            .map(|entry| {
                format!(
                    "{} {} {}",
                    entry.event,
                    entry.outcome,
                    entry.reason.unwrap_or_default()
                )
                .trim()
                .to_owned()
            })
            .collect()
    }
}

/// A request; the host is the tenant's.
pub fn build(
    method: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, self.body))
    }

    /// Asserts status and JSON body.
    #[track_caller]
    pub fn is(&self, status: u16, body: Value) {
        assert_eq!((self.status.as_u16(), self.json()), (status, body));
    }

    /// Asserts the status, showing the body otherwise.
    #[track_caller]
    pub fn status(&self, status: u16) -> &Reply {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The `name=value` of the session cookie just set, if any.
    pub fn session_cookie(&self) -> Option<String> {
        let set = self
            .headers
            .get_all("set-cookie")
            .iter()
            .filter_map(|value| value.to_str().ok());
        set.map(|cookie| cookie.split(';').next().unwrap().to_owned())
            .find(|pair| pair.starts_with("__Host-vestibule=") && !pair.ends_with('='))
    }
}

/// The claims of a JWT, unverified.
pub fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(payload)
            .unwrap(),
    )
    .unwrap()
}

/// The header of a JWT.
pub fn header(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').next().expect("a JWT");
    serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(part)
            .unwrap(),
    )
    .unwrap()
}

/// `count` tasks of the same work at once; their results.
pub async fn at_once<T, F>(count: usize, work: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|index| tokio::spawn(work(index))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

pub const ACME: &str = r#"
slug = "acme"
name = "Acme Learning"
domains = ["lms.acme.test", "alias.acme.test"]
app_url = "https://app.acme.test/"
dialects = ["rezi", "enclaive", "alphalearn"]
redirect_hosts = ["www.acme.test"]

[defaults]
role = "Trainee"
locale = "en-US"
timezone = "Asia/Kolkata"

[handoff]
admin = "/admin/enrollments/{enrollmentId}"
trainee = "/course/{enrollmentId}"
"#;
