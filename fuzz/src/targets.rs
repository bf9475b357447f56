//! What is fuzzed: for each parser a function that must not panic, with what must hold of everything it lets through, and
//! the texts to begin with. Read by the fuzzers here and by the suite, which tries some thousand changes of the seeds.

use std::sync::LazyLock;

use serde_json::Value;
use vestibule::mail::SmtpUrl;
use vestibule::settings::{Inputs, Settings};
use vestibule_crypto::{ApiKey, Jws, SigningKey, VerifyingKey, check_times};
use vestibule_dialect::Dialects;
use vestibule_identity::{Algorithm, Email, Span, Tenant};

use super::{front_door, wire};

/// One parser under attack.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    pub seeds: fn() -> Vec<Vec<u8>>,
}

pub const TARGETS: &[Target] = &[
    Target {
        name: "token",
        run: token,
        seeds: tokens,
    },
    Target {
        name: "token_json",
        run: token_json,
        seeds: json_texts,
    },
    Target {
        name: "jwk",
        run: jwk,
        seeds: jwks,
    },
    Target {
        name: "api_key",
        run: api_key,
        seeds: || texts(&[&KEY, "vst_live_", "vst_test_abcdefghijkl_"]),
    },
    Target {
        name: "password_hash",
        run: password_hash,
        seeds: || {
            texts(&[
                HASH,
                "$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
                "$2b$12$é",
                "$2b$10$R9h/cIPz0gi.URNNXOPST9/PgBkqquzi.Ss7KIUgOIUgO2t0jWMUW",
            ])
        },
    },
    Target {
        name: "email",
        run: email,
        seeds: || {
            list(
                include_str!("../../testdata/hostile/emails.json"),
                &["Käthe@bücher.example", "a+b.c@x.test"],
            )
        },
    },
    Target {
        name: "path",
        run: path,
        seeds: || {
            list(
                include_str!("../../testdata/hostile/paths.json"),
                &["/a?b=c&d=%2Fe#f", "/über uns"],
            )
        },
    },
    Target {
        name: "link",
        run: link,
        seeds: || {
            list(
                include_str!("../../testdata/hostile/links.json"),
                &[
                    "https://www.acme.test/{token}",
                    "https://WWW.acme.test/?t={token}#x",
                ],
            )
        },
    },
    Target {
        name: "body",
        run: body,
        seeds: bodies,
    },
    Target {
        name: "json",
        run: json,
        seeds: json_texts,
    },
    Target {
        name: "dialect",
        run: dialect,
        seeds: dialects,
    },
    Target {
        name: "tenant_file",
        run: tenant_file,
        seeds: || {
            texts(&[
                TENANT,
                &format!(
                    "{TENANT}[[provider]]\nkind = 'google'\nclient_id = 'x'\njwks_url = 'https://x.test/'\n[session]\nidle = '7d'\n[handoff]\ntrainee = '/course/{{enrollmentId}}'\n"
                ),
            ])
        },
    },
    Target {
        name: "span",
        run: span,
        seeds: || texts(&["45s", "15m", "12h", "90d", "0d", "18446744073709551615d"]),
    },
    Target {
        name: "settings",
        run: settings,
        seeds: || {
            texts(&[
                "listen=127.0.0.1:0\nsmtp_url=smtp://u:p@mail.test:587\ntrusted_proxies=10.0.0.0/8, ::1",
                "limits=sign_in_account = 5, forgot_account=0\nlog=info,hyper=off\nrequest_timeout=30s",
                "database_url=postgres://u:p@db.test/x?sslmode=verify-full\npublic_url=https://a.test/",
                "database_url=sqlite:/a b/c?d\npublic_url=http://[::1]:8080\nmail_from=A <a@b.test>",
            ])
        },
    },
    Target {
        name: "smtp_url",
        run: smtp_url,
        seeds: || {
            texts(&[
                "smtp://user:p%40ss@mail.test:587",
                "smtps://mail.test",
                "smtps://mail.test:0",
                "smtp://[::1]:25?tls=none",
                "smtp://a:b@c@d:99999/x?y#z",
            ])
        },
    },
    wire::HOST,
    wire::COOKIE,
    wire::FORWARDED,
    wire::FRAMING,
    wire::CAPTCHA_ANSWER,
    Target {
        name: "request",
        run: front_door::request,
        seeds: front_door::seeds,
    },
];

pub fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn list(json: &str, more: &[&str]) -> Vec<Vec<u8>> {
    let list: Vec<String> = serde_json::from_str(json).unwrap();
    let more = more.iter().map(|text| (*text).to_owned());
    list.into_iter()
        .chain(more)
        .map(String::into_bytes)
        .collect()
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const TENANT: &str = "slug = 'acme'\nname = 'Acme'\ndomains = ['lms.acme.test']\ndialects = ['rezi', 'enclaive']\nredirect_hosts = ['www.acme.test']\n";

static KEY: LazyLock<String> = LazyLock::new(|| {
    use secrecy::ExposeSecret;
    let key = ApiKey::generate(&vestibule_crypto::SeededRandom::new(1), true);
    key.expose().expose_secret().to_owned()
});

pub static ACME: LazyLock<Tenant> = LazyLock::new(|| Tenant {
    id: "t".repeat(20),
    number: 101,
    file: vestibule::tenant_file::parse("acme", TENANT, &BUILTIN).unwrap(),
    base_url: "https://lms.acme.test".parse().unwrap(),
    audit_key: Default::default(),
    operator_templates: Default::default(),
});

static BUILTIN: LazyLock<Dialects> = LazyLock::new(|| Dialects::builtin().unwrap());

static SIGNING: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::ES256).unwrap());

fn token(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(jws) = Jws::parse_foreign(text) {
        // One token, one spelling; and nobody but the key's holder makes one.
        assert_eq!(text.matches('.').count(), 2);
        assert!(!text.contains('='));
        if let Ok(claims) = jws.verify(&SIGNING.verifying_key()) {
            assert!(text == GOOD.as_str(), "a forged token: {text}");
            let _ = check_times(&claims, 0, 60);
        }
    } else {
        assert!(Jws::parse(text).is_err());
    }
}

static GOOD: LazyLock<String> = LazyLock::new(|| {
    let claims =
        serde_json::json!({"iss": "https://lms.acme.test", "sub": "a", "exp": 1, "aud": ["x"]});
    SIGNING.sign("at+jwt", &claims).unwrap()
});

fn tokens() -> Vec<Vec<u8>> {
    texts(&[
        &GOOD,
        "eyJhbGciOiJub25lIn0.e30.",
        "a.b.c",
        "...",
        "{\"payload\":\"\",\"signatures\":[]}",
    ])
}

fn token_json(bytes: &[u8]) {
    if vestibule_crypto::fuzzing::strict_object(bytes) {
        assert!(serde_json::from_slice::<serde_json::Map<String, Value>>(bytes).is_ok());
    }
}

fn json_texts() -> Vec<Vec<u8>> {
    texts(&[
        "{\"alg\":\"ES256\",\"kid\":\"x\"}",
        "{\"a\":1,\"a\":2}",
        "{\"exp\":1e400}",
        "{\"a\":{\"b\":[1,{\"c\":null}]}}",
        "{\"\\u0061\":\"\\ud800\\udc00\"}",
        "{\"email\":\"v@t.test\",\"password\":\"x\\u0000\"}",
        "[[[[[[[[]]]]]]]]",
        "{\"n\":-0.0,\"m\":18446744073709551615,\"o\":-9223372036854775808}",
    ])
}

fn jwk(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<Value>(bytes)
        && let Ok(key) = VerifyingKey::from_jwk(&value)
    {
        let again = VerifyingKey::from_jwk(&key.public_jwk()).unwrap();
        assert_eq!(
            (again.kid(), again.algorithm()),
            (key.kid(), key.algorithm())
        );
    }
}

fn jwks() -> Vec<Vec<u8>> {
    [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
        .map(|algorithm| {
            SigningKey::generate(algorithm)
                .unwrap()
                .public_jwk()
                .to_string()
                .into_bytes()
        })
        .to_vec()
}

fn api_key(bytes: &[u8]) {
    if let Some(key) = ApiKey::parse(text(bytes)) {
        assert!(key.id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}

fn password_hash(bytes: &[u8]) {
    let text = text(bytes);
    let read = vestibule_crypto::fuzzing::password_hash;
    if let Some(written) = read(text) {
        // Other systems' hashes have several spellings; ours is one.
        assert_eq!(read(&written).as_deref(), Some(&*written), "{text:?}");
    }
}

fn email(bytes: &[u8]) {
    let text = text(bytes);
    let Ok(email) = Email::parse(text) else {
        return;
    };
    let (given, canonical) = (email.given(), email.canonical());
    for form in [given, canonical] {
        assert_eq!(form.matches('@').count(), 1, "{text:?}");
        assert!(
            !form.contains(|c: char| c.is_control()
                || c.is_whitespace()
                || ",;<>\"()[]\\:".contains(c)),
            "{text:?}"
        );
    }
    let again =
        Email::parse(canonical).unwrap_or_else(|_| panic!("{canonical:?} of {text:?} is none"));
    assert_eq!(again.canonical(), canonical, "{text:?}");
    assert_eq!(
        Email::parse(given).unwrap().canonical(),
        canonical,
        "{text:?}"
    );
    assert!(canonical.rsplit_once('@').unwrap().1.is_ascii(), "{text:?}");
}

fn path(bytes: &[u8]) {
    let text = text(bytes);
    let Some(path) = vestibule_http::fuzzing::internal_path(text) else {
        return;
    };
    assert!(
        path.starts_with('/') && !path.contains("//") && !path.contains('\\'),
        "{text:?} -> {path:?}"
    );
    assert!(
        path.bytes().all(|byte| byte.is_ascii_graphic()),
        "{text:?} -> {path:?}"
    );
    let base: url::Url = "https://lms.acme.test/login/".parse().unwrap();
    assert_eq!(
        base.join(&path).unwrap().origin(),
        base.origin(),
        "{text:?}"
    );
    assert_eq!(
        vestibule_http::fuzzing::internal_path(&path).as_ref(),
        Some(&path),
        "{text:?}"
    );
}

fn link(bytes: &[u8]) {
    let text = text(bytes);
    if vestibule_identity::fuzzing::link_is_allowed(&ACME, text) {
        let url: url::Url = text.replace("{token}", "abc").parse().unwrap();
        assert_eq!(url.scheme(), "https", "{text:?}");
        assert!(
            matches!(url.host_str(), Some("www.acme.test" | "lms.acme.test")),
            "{text:?}"
        );
        assert!(
            url.username().is_empty() && url.password().is_none() && url.port().is_none(),
            "{text:?}"
        );
        assert!(url[url::Position::BeforePath..].contains("abc"), "{text:?}");
    }
}

/// The media type up to the first line end, then the body.
fn body(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let _ = vestibule_dialect::fuzzing::body_is_read(text(&bytes[..end]), &bytes[end..]);
}

fn bodies() -> Vec<Vec<u8>> {
    texts(&[
        "application/json\n{\"email\":\"a@b.test\",\"user\":{\"x\":[1]}}",
        "application/x-www-form-urlencoded\nemail=a%40b.test&data[token]=x&data[list][]=1&data[list][]=2&a[0][b]=c",
        "application/x-www-form-urlencoded\na[=1&a]=2&[]=3&a[b]=4&a=5&a[b][c]=6&%ff=%00&=&&a[[b]]=7",
        "multipart/form-data; boundary=b\n--b\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\na@b.test\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
        "text/plain\n{}",
    ])
}

fn json(bytes: &[u8]) {
    if vestibule_dialect::fuzzing::json_is_read(bytes) {
        assert!(serde_json::from_slice::<Value>(bytes).is_ok());
    }
}

fn dialect(bytes: &[u8]) {
    let _ = vestibule_dialect::fuzzing::dialect_is_read(text(bytes));
}

fn dialects() -> Vec<Vec<u8>> {
    texts(&[
        include_str!("../../dialects/rezi/dialect.toml"),
        include_str!("../../dialects/enclaive/dialect.toml"),
        include_str!("../../dialects/alphalearn/dialect.toml"),
    ])
}

fn tenant_file(bytes: &[u8]) {
    if let Err(error) = vestibule::tenant_file::parse("acme.toml", text(bytes), &BUILTIN) {
        assert!(error.to_string().starts_with("acme.toml:"), "{error}");
    }
}

fn span(bytes: &[u8]) {
    if let Ok(span) = text(bytes).parse::<Span>() {
        assert_eq!(span.to_string().parse::<Span>(), Ok(span));
    }
}

/// Lines of `name=value`, as the environment gives them.
fn settings(bytes: &[u8]) {
    let lines = text(bytes).lines().filter_map(|line| line.split_once('='));
    let environment = lines.map(|(name, value)| {
        (
            format!("VESTIBULE_{}", name.to_uppercase()),
            value.to_owned(),
        )
    });
    let inputs = Inputs {
        environment: environment.collect(),
        ..Inputs::closed(Vec::new())
    };
    if let Err(error) = Settings::load(&inputs) {
        let told = format!("{error:#}");
        assert!(
            told.contains("VESTIBULE_") && !told.contains('\n'),
            "{told}"
        );
    }
}

fn smtp_url(bytes: &[u8]) {
    let text = text(bytes);
    match text.parse::<SmtpUrl>() {
        Ok(url) => assert!(!url.host.is_empty() && url.port > 0, "{text:?}"),
        Err(error) => {
            let told = format!("{error:#}");
            let repeats = text.len() > 40 && told.contains(text);
            assert!(!repeats, "it may hold a password: {told}");
        }
    }
}
