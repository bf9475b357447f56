//! One server of one tenant, in this process, on a fresh SQLite file, with a clock that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode, header, request};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tower::ServiceExt;
use vestibule_crypto::{HashOptions, HashPool, PasswordPolicyParams, Sealer, SystemRandom};
use vestibule_db::{Db, Options};
use vestibule_dialect::Dialects;
use vestibule_http::{App, Demo, DemoPerson, DemoTenant, FrontDoor, HttpSettings};
use vestibule_identity::*;

pub(crate) const HOST: &str = "lms.acme.test";
pub(crate) const PASSWORD: &str = "correct horse battery";

const TENANT: &str = r##"
slug = "acme"
name = "Acme Learning"
domains = ["lms.acme.test"]
app_url = "https://lms.acme.test/start"
dialects = ["rezi", "enclaive", "alphalearn"]
handoff = { admin = "/admin/enrollments/{enrollmentId}", trainee = "/course/{enrollmentId}" }
branding = { product = "Acme", color = "#1a56db", support = "help@acme.test" }
"##;

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::Relaxed))
    }
}

struct NoUpstream;

#[async_trait::async_trait]
impl Upstream for NoUpstream {
    async fn get(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("none here".into())
    }
    async fn post_form(&self, _: &str, _: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        Err("none here".into())
    }
}

struct NoReferences;

impl References for NoReferences {
    fn resolve(&self, _: &str) -> Result<SecretString, String> {
        Err("none here".into())
    }
}

pub(crate) struct Stage {
    identity: Identity,
    door: FrontDoor,
    clock: Arc<Hands>,
    key: SecretString,
    folder: std::path::PathBuf,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Stage {
    pub(crate) async fn new() -> Stage {
        Stage::build(false).await
    }

    pub(crate) async fn demo() -> Stage {
        Stage::build(true).await
    }

    async fn build(demo: bool) -> Stage {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "http-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let clock = Arc::new(Hands(AtomicI64::new(1_800_000_000_000_000)));
        let identity = start(&folder, clock.clone()).await;
        let file: TenantFile = toml::from_str(TENANT).unwrap();
        identity.apply(&file, false).await.unwrap();
        identity.reload().await.unwrap();
        let cx = identity.operator_cx(identity.directory().by_slug("acme").await.unwrap().unwrap());
        let ada = CreateUser {
            email: "ada@example.com".into(),
            role: None,
            first_name: None,
            last_name: None,
            verified: true,
            password: Some(SecretString::from(PASSWORD)),
        };
        identity.create_user(&cx, ada).await.unwrap();
        let new = CreateApiKey {
            name: "partner".into(),
            expires_in: None,
            test: true,
        };
        let key = identity.create_api_key(&cx, new).await.unwrap().key;
        let people = vec![DemoPerson {
            email: "ada@example.com".into(),
            password: SecretString::from(PASSWORD),
            role: "Trainee".into(),
        }];
        let tenants = vec![DemoTenant {
            slug: "acme".into(),
            api_key: key.clone(),
            people,
        }];
        let settings = HttpSettings {
            demo: demo.then_some(Demo { tenants }),
            ..HttpSettings::default()
        };
        let app = App {
            identity: identity.clone(),
            dialects: Dialects::builtin().unwrap(),
            settings,
        };
        Stage {
            identity,
            door: FrontDoor::new(app),
            clock,
            key,
            folder,
        }
    }

    pub(crate) fn wait(&self, seconds: i64) {
        self.clock
            .0
            .fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST)
    }

    pub(crate) async fn send(&self, request: Request<String>) -> Answer {
        let response = self
            .door
            .clone()
            .oneshot(request.map(Body::from))
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path).body(String::new()).unwrap())
            .await
    }

    pub(crate) async fn get_as(&self, path: &str, cookie: &str) -> Answer {
        self.send(
            self.request("GET", path)
                .header("cookie", cookie)
                .body(String::new())
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.form_as(path, fields, "a=b").await
    }

    /// A form of our own page.
    pub(crate) async fn form_as(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        cookie: &str,
    ) -> Answer {
        let request = self
            .request("POST", path)
            .header("origin", "https://lms.acme.test")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookie);
        self.send(request.body(encode(fields)).unwrap()).await
    }

    async fn call(&self, path: &str, authorization: &str, body: Value) -> Value {
        let request = self
            .request("POST", path)
            .header("content-type", "application/json")
            .header("authorization", authorization);
        let answer = self.send(request.body(body.to_string()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    /// A fresh partner's login token.
    pub(crate) async fn login_token(&self, email: &str) -> String {
        let bearer = format!("Bearer {}", self.key.expose_secret());
        let answer = self
            .call(
                "/v1/user/token",
                &bearer,
                json!({ "email": email, "uid": "u-1" }),
            )
            .await;
        answer["token"].as_str().unwrap().to_owned()
    }

    /// Ada's access token of the learning platform's dialect.
    pub(crate) async fn access_token(&self) -> String {
        let answer = self
            .call(
                "/authorize/login",
                "",
                json!({ "email": "ada@example.com", "password": PASSWORD }),
            )
            .await;
        answer["data"]["response"]["data"]["token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The cookie of a browser in which Ada is signed in.
    pub(crate) async fn signed_in(&self) -> String {
        let answer = self
            .form(
                "/sign-in",
                &[("email", "ada@example.com"), ("password", PASSWORD)],
            )
            .await;
        answer.cookie().unwrap()
    }

    /// Whom a cookie signs in.
    pub(crate) async fn who(&self, cookie: &str) -> String {
        self.get_as("/account/v1/session", cookie).await.json()["account"]["email"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The path of the link in the newest mail.
    pub(crate) async fn mailed_path(&self) -> String {
        let jobs = self.identity.claim_mail(10).await.unwrap();
        let job = jobs.last().unwrap();
        for job in &jobs {
            self.identity.mail_sent(&job.id).await.unwrap();
        }
        let rendered = vestibule_http::mail::render(&job.tenant, &job.mail).unwrap();
        let link = rendered
            .text
            .lines()
            .find_map(|line| line.trim().strip_prefix("https://lms.acme.test"))
            .unwrap();
        link.to_owned()
    }
}

async fn start(folder: &std::path::Path, clock: Arc<Hands>) -> Identity {
    let db = Db::open(&Options::new(format!(
        "sqlite:{}",
        folder.join("test.db").display()
    )))
    .await
    .unwrap();
    db.migrate(MIGRATIONS, clock.now().0).await.unwrap();
    let params = PasswordPolicyParams {
        m_kib: 8,
        t: 1,
        p: 1,
    };
    let passwords = HashPool::new(HashOptions {
        params,
        workers: 1,
        ..HashOptions::default()
    })
    .unwrap();
    let ports = Ports {
        clock,
        random: Arc::new(SystemRandom),
        upstream: Arc::new(NoUpstream),
    };
    let parts = Parts {
        db,
        passwords: Arc::new(passwords),
        sealer: Sealer::new([7; 32]),
        ports,
        public_url: None,
        references: Arc::new(NoReferences),
        limits: Default::default(),
        operator_templates: Default::default(),
    };
    Identity::start(parts).await.unwrap()
}

pub(crate) fn encode<K: AsRef<str>, V: AsRef<str>>(fields: &[(K, V)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        &self.body
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The header's value; empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn location(&self) -> &str {
        self.header("location")
    }

    /// `name=value` of the session cookie that was set.
    pub(crate) fn cookie(&self) -> Option<String> {
        self.cookie_named("__Host-vestibule")
    }

    pub(crate) fn cookie_named(&self, name: &str) -> Option<String> {
        let lines = self
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|line| line.to_str().unwrap());
        let pairs = lines.filter_map(|line| line.split(';').next()?.split_once('='));
        pairs
            .filter(|(key, value)| *key == name && !value.is_empty())
            .map(|(key, value)| format!("{key}={value}"))
            .next()
    }
}
