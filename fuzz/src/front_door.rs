//! Whole requests against a whole server: nothing that a client sends is an error of ours.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;
use vestibule::node::{Node, Schema};
use vestibule::settings::{Inputs, Settings};
use vestibule::temporary::Folder;
use vestibule_crypto::SeededRandom;
use vestibule_http::FrontDoor;
use vestibule_identity::{Clock, Micros, Ports, TenantFile, Upstream};

use super::targets::texts;

/// Every look at it is a minute later, so that limits on how often something may be done do not end the fun.
struct Running(AtomicI64);

impl Clock for Running {
    fn now(&self) -> Micros {
        Micros(self.0.fetch_add(60_000_000, Ordering::Relaxed))
    }
}

struct Nowhere;

#[async_trait]
impl Upstream for Nowhere {
    async fn get(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("nothing is fetched here".to_owned())
    }

    async fn post_form(&self, _: &str, _: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        Err("nothing is fetched here".to_owned())
    }
}

struct Server {
    runtime: Runtime,
    door: FrontDoor,
    _folder: Folder,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let folder = Folder::create("fuzz").unwrap();
        let flags = [
            ("data", folder.path().to_str().unwrap()),
            ("hash_memory_kib", "64"),
            ("hash_iterations", "1"),
            ("hash_workers", "1"),
        ];
        let flags = flags.map(|(name, value)| (name, value.to_owned())).to_vec();
        let settings = Settings::load(&Inputs::closed(flags)).unwrap();
        let ports = Ports {
            clock: Arc::new(Running(AtomicI64::new(1_767_225_600_000_000))),
            random: Arc::new(SeededRandom::new(7)),
            upstream: Arc::new(Nowhere),
        };
        let door = runtime.block_on(async {
            let node = Node::with_ports(settings, Schema::Migrate, ports).await.unwrap();
            let file: TenantFile = toml::from_str(
                "slug = 'acme'\nname = 'Acme'\ndomains = ['lms.acme.test']\ndialects = ['rezi', 'enclaive', 'alphalearn']\nredirect_hosts = ['www.acme.test']\n\
                 [handoff]\ntrainee = '/course/{enrollmentId}'\n[[provider]]\nkind = 'google'\nclient_id = 'x'\n",
            ).unwrap();
            node.identity.apply(&file, false).await.unwrap();
            FrontDoor::new(node.app(None))
        });
        Server { runtime, door, _folder: folder }
    })
}

/// `METHOD target`, header lines, an empty line, the body.
pub fn request(bytes: &[u8]) {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = bytes.split_at(end.unwrap_or(bytes.len()));
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (method, target) = first.split_once(' ').unwrap_or(("GET", &first));
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "lms.acme.test");
    for line in lines {
        let at = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        request = request.header(&line[..at], line.get(at + 1..).unwrap_or_default());
    }
    let body = body.get(2..).unwrap_or_default().to_vec();
    let Ok(mut request) = request.body(Body::from(body)) else {
        return;
    };
    request
        .extensions_mut()
        .insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4711))));
    let server = server();
    server.runtime.block_on(async {
        let answer = server.door.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 16 << 20)
            .await
            .unwrap();
        // Keys of a provider that cannot be fetched are a 503; nothing else may be.
        let excused = status == 503 && target.contains("third-party");
        assert!(
            status < 500 || excused,
            "{status} {first:?}: {}",
            String::from_utf8_lossy(&body)
        );
    });
}

pub fn seeds() -> Vec<Vec<u8>> {
    let json = "content-type: application/json\n\n";
    let form = "content-type: application/x-www-form-urlencoded\norigin: https://lms.acme.test\n\n";
    let mut seeds = texts(&[
        "GET /login/?token=eyJhbGciOiJSUzI1NiJ9.e30.AA&openOnboarding=true&closeOnboardingRedirect=/a\n\n",
        "GET /api/verify-email/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\n",
        "GET /api/exist-email/v%40t.test\n\n",
        "GET /api/refresh\nauthorization: Bearer vsr_101_aaaaaaaaaaaaaaaaaaaa.0.AA\n\n",
        "GET /account/v1/session\ncookie: __Host-vestibule=vsc_101_aaaaaaaaaaaaaaaaaaaa.0.AA\n\n",
        "PATCH /account/v1/profile\ncontent-type: application/json\nauthorization: Bearer x\n\n{\"first_name\":\"A\"}",
        "GET /sign-in?next=/a&email=x\naccept: text/html\n\n",
        "GET /reset-password/AAAA\n\n",
        "GET /.well-known/jwks.json\n\n",
        "GET /assets/0/site.css\n\n",
    ]);
    for (path, body) in [
        ("/v1/user/token", "{\"email\":\"v@t.test\",\"uid\":\"x\"}"),
        (
            "/api/register",
            "{\"email\":\"v@t.test\",\"password\":\"copper-meadow-77\",\"name\":\"V\"}",
        ),
        (
            "/api/login",
            "{\"email\":\"v@t.test\",\"password\":\"copper-meadow-77\"}",
        ),
        ("/api/forgot-passsword", "{\"email\":\"v@t.test\"}"),
        (
            "/api/reset-passsword",
            "{\"token\":\"AAAA\",\"newPassword\":\"copper-meadow-77\"}",
        ),
        (
            "/authorize/login",
            "{\"email\":\"v@t.test\",\"password\":\"x\",\"domain\":\"lms.acme.test\"}",
        ),
        (
            "/authorize/refresh-token",
            "{\"refreshToken\":\"vsr_101_aaaaaaaaaaaaaaaaaaaa.0.AA\"}",
        ),
        (
            "/authorize/third-party",
            "{\"provider\":1,\"thirdPartyData\":[{\"token\":\"a.b.c\"}]}",
        ),
        (
            "/authorize/forgot-password",
            "{\"email\":\"v@t.test\",\"sendEmailNotification\":1,\"overrideEmailUrl\":\"https://www.acme.test/{token}\"}",
        ),
    ] {
        seeds.push(format!("POST {path}\n{json}{body}").into_bytes());
    }
    for (path, body) in [
        (
            "/site/login-by-jwt-token",
            "token=a.b.c&type=2&inputData=%7B%22enrollmentId%22%3A1%7D",
        ),
        ("/sign-in", "email=v%40t.test&password=x&next=/a"),
        (
            "/sign-up",
            "email=v%40t.test&password=copper-meadow-77&name=V",
        ),
        ("/forgot-password", "email=v%40t.test"),
        ("/api/login", "email=v%40t.test&password=x&a[b][]=c"),
    ] {
        seeds.push(format!("POST {path}\n{form}{body}").into_bytes());
    }
    seeds
}
