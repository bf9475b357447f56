//! The identity core with a clock that tests set, and the dialects in front of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use vestibule_crypto::{Algorithm, HashOptions, HashPool, Sealer, SigningKey, SystemRandom};
use vestibule_db::{Db, Options};
use vestibule_dialect::examples::{Given, Received, Request, User};
use vestibule_dialect::{Answer, BrowserOpen, Call, Dialects};
use vestibule_identity::{
    Client, Clock, CreateApiKey, CreateUser, Cx, Identity, Kind, MIGRATIONS, Micros, OpenBrowser,
    Parts, Ports, References, Span, Tenant, TenantFile, Upstream,
};

const START: i64 = 1_800_000_000_000_000;
const CLIENT_ID: &str = "client.apps.example";

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::SeqCst))
    }
}

/// Serves the key set of the provider that the test plays.
struct Provider(SigningKey);

#[async_trait]
impl Upstream for Provider {
    async fn get(&self, _url: &str) -> Result<Vec<u8>, String> {
        Ok(json!({ "keys": [self.0.public_jwk()] })
            .to_string()
            .into_bytes())
    }

    async fn post_form(&self, url: &str, _form: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        Err(format!("nobody answers at {url}"))
    }
}

struct NoReferences;

impl References for NoReferences {
    fn resolve(&self, reference: &str) -> Result<SecretString, String> {
        Err(format!("`{reference}` is not there"))
    }
}

pub(crate) struct Server {
    pub(crate) identity: Identity,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) dialects: Dialects,
    clock: Arc<TestClock>,
    provider: Arc<Provider>,
    domain: String,
    folder: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    pub(crate) async fn start(dialects: Dialects, dialect: &str, given: &[Given]) -> Server {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "replay-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let db = Db::open(&Options::new(format!(
            "sqlite:{}",
            folder.join("test.db").display()
        )))
        .await
        .unwrap();
        db.migrate(MIGRATIONS, START).await.unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(START)));
        let provider = Arc::new(Provider(SigningKey::generate(Algorithm::RS256).unwrap()));
        let ports = Ports {
            clock: clock.clone(),
            random: Arc::new(SystemRandom),
            upstream: provider.clone(),
        };
        let passwords = Arc::new(HashPool::new(HashOptions::default()).unwrap());
        let parts = Parts {
            db,
            passwords,
            sealer: Sealer::new([7; 32]),
            ports,
            public_url: None,
            references: Arc::new(NoReferences),
            limits: Default::default(),
            operator_templates: Default::default(),
        };
        let identity = Identity::start(parts).await.unwrap();
        let domain = "first.example".to_owned();
        let mut server = Server {
            identity,
            variables: BTreeMap::new(),
            dialects,
            clock,
            provider,
            domain,
            folder,
        };
        server.prepare(dialect, given).await;
        server
    }

    async fn prepare(&mut self, dialect: &str, given: &[Given]) {
        let settings = given.iter().find_map(|given| match given {
            Given::Settings(settings) => Some(settings.clone()),
            _ => None,
        });
        self.tenant("first", dialect, settings.unwrap_or_default())
            .await;
        self.variables.insert("domain".into(), self.domain.clone());
        for given in given {
            match given {
                Given::Settings(_) => {}
                Given::Tenant(name) => self.tenant(name, dialect, toml::Table::new()).await,
                Given::User(user) => self.user(user).await,
                Given::ApiKey(key) => {
                    let cx = self.cx(key.tenant.as_deref()).await;
                    let expires_in = key
                        .expires
                        .as_deref()
                        .map(|span| span.parse::<Span>().unwrap().0);
                    let new = CreateApiKey {
                        name: key.name.clone(),
                        expires_in,
                        test: false,
                    };
                    let created = self.identity.create_api_key(&cx, new).await.unwrap();
                    if key.revoked {
                        self.identity.revoke_api_key(&created.id).await.unwrap();
                    }
                    self.variables
                        .insert(key.name.clone(), created.key.expose_secret().to_owned());
                }
                Given::IdToken(token) => {
                    let now = self.identity.now().secs();
                    let claims = json!({
                        "iss": "https://accounts.google.com", "aud": CLIENT_ID, "sub": token.subject, "iat": now, "exp": now + 3_600,
                        "email": token.email, "email_verified": token.verified, "given_name": "Ada", "family_name": "King",
                    });
                    self.variables.insert(
                        token.name.clone(),
                        self.provider.0.sign("JWT", &claims).unwrap(),
                    );
                }
            }
        }
    }

    async fn tenant(&mut self, name: &str, dialect: &str, settings: toml::Table) {
        let mut file = settings;
        let domain = format!("{name}.example");
        file.insert("slug".into(), name.into());
        file.insert("name".into(), format!("Company {name}").into());
        file.insert("domains".into(), vec![domain.clone()].into());
        file.insert("dialects".into(), vec![dialect.to_owned()].into());
        let google = toml::toml! {
            kind = "google"
            client_id = "client.apps.example"
            create = true
        };
        file.insert("provider".into(), vec![google].into());
        let file: TenantFile = file.try_into().unwrap();
        self.identity.apply(&file, false).await.unwrap();
        self.identity.reload().await.unwrap();
        self.variables.insert(format!("{name}.domain"), domain);
    }

    async fn cx(&self, tenant: Option<&str>) -> Cx {
        let tenant = self
            .identity
            .directory()
            .by_slug(tenant.unwrap_or("first"))
            .await
            .unwrap()
            .unwrap();
        Cx {
            tenant,
            now: self.identity.now(),
            client: Client::default(),
        }
    }

    async fn user(&self, user: &User) {
        let cx = self.cx(user.tenant.as_deref()).await;
        let new = CreateUser {
            email: user.email.clone(),
            role: user.role.clone(),
            first_name: Some(user.first_name.clone()),
            last_name: Some(user.last_name.clone()),
            verified: user.verified,
            password: user.password.clone().map(SecretString::from),
        };
        self.identity.create_user(&cx, new).await.unwrap();
    }

    pub(crate) fn advance(&self, span: &str) {
        let span: Span = span.parse().unwrap();
        self.clock
            .0
            .fetch_add(i64::try_from(span.0.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// The token in the link of the newest mail that carries one.
    pub(crate) async fn read_mail(&self, variables: &mut BTreeMap<String, String>) {
        for job in self.identity.claim_mail(100).await.unwrap() {
            self.identity.mail_sent(&job.id).await.unwrap();
            if let Some(link) = &job.mail.link {
                let token = link.expose_secret().rsplit('/').next().unwrap().to_owned();
                variables.insert("mail.token".into(), token);
            }
        }
    }

    /// The answer, and whether it was the browser's.
    pub(crate) async fn send(&self, request: Request) -> (Received, bool) {
        let host = request.host.as_deref().unwrap_or(&self.domain);
        let host_tenant: Option<Arc<Tenant>> =
            self.identity.directory().by_host(host).await.unwrap();
        let mut headers = http::HeaderMap::new();
        for (name, value) in &request.headers {
            headers.append(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        let client = Client {
            origin: request
                .headers
                .get("origin")
                .map(|origin| origin.as_str().into()),
            ..Client::default()
        };
        let call = Call {
            method: request.method.parse().unwrap(),
            uri: request.target.parse().unwrap(),
            headers,
            body: Ok(request.body.unwrap_or_default().into()),
            host_tenant,
            client,
            now: self.identity.now(),
        };
        match self.dialects.answer(&self.identity, call).await {
            Answer::Plain {
                status,
                headers,
                body,
            } => {
                let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                    (name.to_string(), value.to_str().unwrap().to_owned())
                };
                (
                    Received {
                        status: status.as_u16(),
                        headers: headers.iter().map(header).collect(),
                        body,
                    },
                    false,
                )
            }
            Answer::Browser { cx, open } => (
                Received {
                    status: self.browser(&cx, open).await,
                    ..Received::default()
                },
                true,
            ),
            Answer::NoTenant => (
                Received {
                    status: 421,
                    ..Received::default()
                },
                false,
            ),
            Answer::NotMounted => (
                Received {
                    status: 404,
                    ..Received::default()
                },
                false,
            ),
        }
    }

    /// The status that the HTTP surface gives.
    async fn browser(&self, cx: &Cx, open: BrowserOpen) -> u16 {
        let outcome = match open.outcome {
            Err(error) => Err(error),
            Ok(request) => match request.credential {
                None => return 200,
                Some(credential) => {
                    self.identity
                        .open_browser(
                            cx,
                            OpenBrowser {
                                credential,
                                current: None,
                                confirmed: false,
                            },
                        )
                        .await
                }
            },
        };
        match outcome {
            Ok(_) => 303,
            Err(error) => match error.kind {
                Kind::InvalidLoginToken | Kind::ExpiredLoginToken => 401,
                Kind::WrongRole => 403,
                Kind::InvalidDestination | Kind::MalformedInput | Kind::MalformedBody => 400,
                other => panic!("{other:?}"),
            },
        }
    }
}
