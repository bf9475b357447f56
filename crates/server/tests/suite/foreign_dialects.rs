//! Dialects that one company brings, on a server that others share: where they answer, and what they may read.

use serde_json::{Value, json};
use vestibule_dialect::Dialects;
use vestibule_http::routes;

use crate::alphalearn::{NOBODY, PASSWORD};
use crate::app::{Reply, TestApp, build, on_both};
use crate::commands::Place;
use crate::fourth_dialect::{Folder, with_dialects};

/// Claims the paths of others and some of its own, and keeps what it reads as a name in its own company.
const GREEDY: &str = r#"
name = "a-greedy"

[[route]]
on = [
    "POST /api/login", "POST /api/register", "POST /api/forgot-password",
    "GET /api/verify-email/{x}", "GET /api/refresh", "GET /login", "GET /login/",
    "POST /greedy/{x}", "GET /greedy/look", "PUT /greedy/look/",
]
do = "register"
with = { email = "{{ query.n or body.n }}@evil.test", password = "mallory knows 4711 it", name = "{{ body.password or header['coo' ~ 'kie'] or header['AUTHORI' ~ 'ZATION'] or header['Authentica' ~ 'tion'] or header['vestibule' ~ '_key'] or header['x-harmless'] or 'nothing' }}" }
tenant = "{{ body.d or query.d }}"
reply = "told"

# Where the Host names nobody these are another dialect's.
[[route]]
on = ["POST /authorize/login", "POST /v3/authorize/{x}", "POST /v1/user/token"]
do = "register"
with = { email = "{{ body.email }}", password = "{{ body.password }}", name = "x y" }
reply = "told"

[reply.told]
body = { greedy = "{{ tenant.slug }}", read = "{{ user.name }}" }

[error]
body = { greedy = "{{ error.kind }}" }
"#;

const EVIL: &str = "slug = 'evil'\nname = 'Evil'\ndomains = ['evil.test']\ndialects = ['a-greedy']";

fn greedy(app: &TestApp) -> TestApp {
    let dialects = Folder::of(&[("a-greedy", GREEDY)]).load();
    with_dialects(
        app,
        dialects.unwrap_or_else(|problems| panic!("{problems}")),
    )
}

async fn ask(app: &TestApp, method: &str, host: &str, path: &str, body: Value) -> Reply {
    let headers = [
        ("content-type", "application/json"),
        ("cookie", "__Host-vestibule=vsc_101_secret"),
        ("authorization", "Bearer vst_live_secret"),
    ];
    app.send(build(method, host, path, &headers, body.to_string()))
        .await
}

on_both! {
    /// Whatever it claims, and whomever its expression names: at a host of a company that does not mount it, it is not there.
    async fn it_answers_nobody_at_a_host_of_who_does_not_mount_it(app: TestApp) {
        let (acme, plain) = (app.acme().await, app.clone());
        let app = greedy(&app);
        let evil = app.apply(EVIL).await;
        app.person(&acme, "one@acme.test", PASSWORD, "Trainee").await;
        for (method, path) in [
            ("POST", "/api/login"), ("POST", "/api/register"), ("POST", "/api/forgot-password"), ("POST", "/api/log%69n"),
            ("GET", "/api/verify-email/abc"), ("GET", "/api/verify-email/a%2Fb"), ("GET", "/api/refresh"), ("POST", "/api/refresh"),
            ("GET", "/login"), ("GET", "/login/"), ("HEAD", "/login/"), ("POST", "/login/"), ("DELETE", "/api/login"),
            ("POST", "/authorize/login"), ("POST", "/v3/authorize/login"), ("POST", "/v3/authorize/nothing"), ("POST", "/v1/user/token"),
            ("POST", "/greedy/x"), ("GET", "/greedy/look"), ("GET", "/greedy/l%6fok"), ("GET", "/greedy/look/"), ("PUT", "/greedy/look/"),
        ] {
            for domain in [Value::Null, json!("evil.test"), json!("lms.acme.test"), json!("nobody.test")] {
                let body = json!({"email": "one@acme.test", "password": PASSWORD, "name": "A B", "n": "one", "d": domain, "domain": domain});
                let query = domain.as_str().map(|domain| format!("?n=one&d={domain}")).unwrap_or("?n=one".into());
                let path = format!("{path}{query}");
                let reply = ask(&app, method, "lms.acme.test", &path, body.clone()).await;
                assert!(!reply.body.contains("greedy"), "{method} {path}: {}", reply.body);
                // Nor does it change who answers.
                let control = ask(&plain, method, "lms.acme.test", &path, body).await;
                assert_eq!(reply.status, control.status, "{method} {path}: {} / {}", reply.body, control.body);
            }
        }
        assert_eq!(app.identity.users(&evil, "", 10).await.unwrap(), []);
    }

    /// Its own company's hosts, hosts of nobody, and a company that mounts it as well.
    async fn it_answers_its_own_and_no_expression_leads_beyond(app: TestApp) {
        let app = greedy(&app);
        app.apply(EVIL).await;
        app.apply(&EVIL.replace("evil", "partner").replace("Evil", "Partner")).await;
        app.acme().await;
        for (at, (host, path, domain, expected)) in [
            ("evil.test", "/greedy/x", None, (200, "evil")),
            ("evil.test", "/api/login", None, (200, "evil")),
            ("evil.test", "/greedy/x", Some("partner.test"), (200, "partner")),
            ("evil.test", "/greedy/x", Some("lms.acme.test"), (421, "unknown_tenant")),
            ("partner.test", "/greedy/x", Some("evil.test"), (200, "evil")),
            ("partner.test", "/greedy/x", Some("lms.acme.test"), (421, "unknown_tenant")),
            (NOBODY, "/greedy/x", Some("evil.test"), (200, "evil")),
            (NOBODY, "/greedy/x", Some("partner.test"), (200, "partner")),
            (NOBODY, "/greedy/x", Some("lms.acme.test"), (421, "unknown_tenant")),
            (NOBODY, "/greedy/x", Some("nobody.test"), (421, "unknown_tenant")),
            (NOBODY, "/api/register", Some("lms.acme.test"), (421, "unknown_tenant")),
        ].into_iter().enumerate() {
            let reply = ask(&app, "POST", host, path, json!({"n": format!("p{at}"), "password": "told", "d": domain})).await;
            let said = reply.json()["greedy"].clone();
            assert_eq!((reply.status.as_u16(), said), (expected.0, json!(expected.1)), "{path} at {host} with {domain:?}");
        }
    }

    /// A company may call itself as it likes; what everybody's requests say is no name at a host of nobody.
    async fn a_word_that_others_use_leads_nobody_to_a_company(app: TestApp) {
        let app = greedy(&app);
        app.apply(&EVIL.replace("['evil.test']", "['evil.test', 'password', 'trainee']")).await;
        for (host, word, expected) in [
            (NOBODY, "password", (421, "unknown_tenant")),
            (NOBODY, " Trainee ", (421, "unknown_tenant")),
            (NOBODY, "evil.test", (200, "evil")),
            ("evil.test", "password", (200, "evil")),
            ("password", "evil.test", (200, "evil")),
        ] {
            let reply = ask(&app, "POST", host, "/greedy/x", json!({"n": format!("{host}-{}", word.trim()), "password": "told", "d": word})).await;
            let said = reply.json()["greedy"].clone();
            assert_eq!((reply.status.as_u16(), said), (expected.0, json!(expected.1)), "{word} at {host}");
        }
    }

    /// At a host of nobody the routes by which a company is found are one dialect's, whatever comes before it by name.
    async fn where_the_host_names_nobody_it_takes_no_request_of_others(app: TestApp) {
        let acme = app.acme().await;
        let key = app.api_key(&acme).await;
        app.person(&acme, "one@acme.test", PASSWORD, "Trainee").await;
        let app = greedy(&app);
        let evil = app.apply(EVIL).await;
        let bearer = format!("Bearer {key}");
        for (path, body, headers) in [
            ("/authorize/login", json!({"email": "one@acme.test", "password": PASSWORD}), &[][..]),
            ("/v3/authorize/login", json!({"email": "one@acme.test", "password": PASSWORD, "domain": "lms.acme.test"}), &[]),
            ("/v1/user/token", json!({"email": "two@acme.test", "uid": "2"}), &[("authorization", bearer.as_str())]),
        ] {
            let reply = app.post(NOBODY, path, headers, body).await;
            assert!(!reply.status(200).body.contains("greedy"), "{path}: {}", reply.body);
        }
        for (method, path) in [("GET", "/authorize/login"), ("PUT", "/v1/user/token")] {
            assert!(!ask(&app, method, NOBODY, path, json!({})).await.status(405).body.contains("greedy"), "{path}");
        }
        assert_eq!(app.identity.users(&evil, "", 10).await.unwrap(), []);
    }

    /// However an expression spells them: cookies and credentials are not among the headers that it sees.
    async fn no_expression_sees_a_cookie_or_a_credential(app: TestApp) {
        let app = greedy(&app);
        app.apply(EVIL).await;
        for (at, (name, value, expected)) in [
            ("cookie", "__Host-vestibule=vsc_101_secret", "nothing"),
            ("authorization", "Basic c2VjcmV0", "nothing"),
            ("authentication", "Bearer vst_live_secret", "nothing"),
            ("vestibule-key", "vst_live_secret", "nothing"),
            ("x-harmless", "harmless", "harmless"),
        ].into_iter().enumerate() {
            let reply = app.get("evil.test", &format!("/greedy/look?n=h{at}"), &[(name, value)]).await;
            reply.is(200, json!({"greedy": "evil", "read": expected}));
        }
    }
}

/// What expressions could make much of little with; `X` is what the request brings.
const GROWING: [&str; 8] = [
    "X | replace('a', X)",
    "X | replace('', X)",
    "X | replace('a', X) | replace('a', X)",
    "X | join(X)",
    "body.list | join(X)",
    "[X, X, X] | join(X)",
    "X | text ~ X | text ~ X | text ~ X | text",
    "X | text + X | text + X | text + X | text",
];

const GROWN: &str = r#"
[[route]]
on = ["POST /sign-up/{x}"]
do = "register"
with = { email = "{{ body.email }}", password = "violet-harbour-42-lanterns", name = "{{ body.name }}" }
reply = "grown"

[token.access]
kind = "access"
lifetime = "15m"
claims = { claim = "{{ user.name | replace('a', user.name) }}" }

[reply.short]
body = { id = "{{ user.id }}" }

[reply.grown]
body = { name = "{{ user.name | replace('a', user.name) | replace('a', user.name) }}", token = "{{ token.access }}" }

[error]
body = { kind = "{{ error.kind }}", says = "{{ error.message }}" }
"#;

on_both! {
    async fn sixty_kilobytes_make_no_gigabytes(app: TestApp) {
        let mut file = "name = \"growing\"\n".to_owned();
        for (at, expression) in GROWING.iter().enumerate() {
            for (place, written) in [("a", "{{ E }}"), ("b", "x{{ E }}{{ E }}")] {
                let written = written.replace('E', expression).replace('X', "body.x");
                file += &format!("[[route]]\non = [\"POST /{place}/{at}\"]\ndo = \"register\"\nwith = {{ email = \"p{place}{at}@grow.test\", password = \"violet-harbour-42-lanterns\", name = \"{written}\" }}\nreply = \"short\"\n");
            }
        }
        let dialects = Folder::of(&[("growing", &(file + GROWN))]).load();
        let app = with_dialects(&app, dialects.unwrap_or_else(|problems| panic!("{problems}")));
        app.apply("slug = 'grow'\nname = 'Grow'\ndomains = ['grow.test']\ndialects = ['growing']").await;
        for (at, expression) in GROWING.iter().enumerate() {
            for place in ["a", "b"] {
                let body = json!({"x": "a".repeat(30_000), "list": vec![""; 900]});
                let reply = app.post("grow.test", &format!("/{place}/{at}"), &[], body).await;
                let field = if expression.contains("list") { "list" } else { "x" };
                reply.is(400, json!({"kind": "invalid_name", "says": format!("{field} is not valid")}));
            }
        }
        // As many fields as no person's client sends are not even looked at.
        let many = json!({"x": "ab", "list": vec![""; 999]});
        app.post("grow.test", "/a/0", &[], many).await.is(400, json!({"kind": "malformed_body", "says": "The request body has more than 1,000 fields."}));
        // What short values make is made.
        app.post("grow.test", "/a/0", &[], json!({"x": "ab"})).await.status(200);
        // Whoever calls themselves so long is told so, and it is no fault of the server's.
        let name = "a".repeat(60);
        let body = json!({"email": "long@grow.test", "name": name});
        app.post("grow.test", "/sign-up/x", &[], body).await.is(400, json!({"kind": "malformed_input", "says": "the answer is too long"}));
    }
}

/// Two files that claim one path at hosts of nobody are refused, with both named; by a copy of a dialect of this program too.
#[test]
fn two_readers_of_one_path_are_refused_when_they_are_loaded() {
    let open = |name: &str, on: &str, finds: &str| {
        format!(
            "name = \"{name}\"\n[[route]]\non = [\"{on}\"]\ndo = \"sign_in_password\"\nwith = {{ email = \"{{{{ body.email }}}}\", password = \"{{{{ body.password }}}}\" }}\n{finds}\nreply = \"r\"\n\
             [reply.r]\nbody = \"{{{{ user.id }}}}\"\n[error]\nbody = \"x\""
        )
    };
    let (by_body, by_person) = (
        "tenant = \"{{ body.domain }}\"",
        "without_tenant = \"person\"",
    );
    for (on, finds, other) in [
        (
            "POST /authorize/login",
            by_person,
            "dialects/alphalearn/dialect.toml",
        ),
        (
            "POST /v3/{x}/login",
            by_body,
            "dialects/alphalearn/dialect.toml",
        ),
        (
            "GET /authorize/reset-password",
            by_body,
            "dialects/alphalearn/dialect.toml",
        ),
        ("POST /v1/user/{x}", by_person, "dialects/rezi/dialect.toml"),
        ("POST /own", by_body, "aaa/dialect.toml"),
        ("POST /authorize/login", "", ""),
        ("POST /api/login", by_body, ""),
    ] {
        let aaa = open("aaa", "POST /{own}", by_person);
        let found = Folder::of(&[("aaa", &aaa), ("bbb", &open("bbb", on, finds))]).load();
        let told = found.err().map(|problems| problems.to_string());
        let path = on.split_once(' ').unwrap().1;
        match (other, told) {
            ("", None) => {}
            ("", Some(told)) => panic!("{on} {finds}: {told}"),
            (other, told) => {
                let told = told.unwrap_or_else(|| panic!("{on} {finds} was loaded"));
                let says = [
                    "bbb/dialect.toml:2: ",
                    &format!("`{path}`, and `/"),
                    &format!("{other}:"),
                ];
                assert!(says.iter().all(|part| told.contains(part)), "{told}");
            }
        }
    }
    assert!(Dialects::builtin().is_ok());
}

/// The server answers its own paths before any dialect, whatever the method: a file that claims one is refused where it is
/// loaded, and where it is checked.
#[test]
fn a_path_of_the_server_is_refused_with_its_line() {
    let mut astray = Vec::new();
    let own = routes(true).into_iter().map(|(_, path)| (path, true));
    let others = [
        ("/verify-email/now", true),
        ("/verify-email/{other}", true),
        ("/account/v1/sessions/all", true),
        ("/assets/{x}/logo.svg", true),
        ("/{mail}", false),
        ("/sign-in/", false),
        ("/account/{x}", false),
        ("/account/v1/{x}", false),
        ("/{x}/{y}", false),
        ("/health/live/{x}", false),
        ("/verify-email/", false),
        ("/Sign-In", false),
        ("/v2/sign-in", false),
    ];
    let place = Place::new();
    for (at, (path, refused)) in own.chain(others).enumerate() {
        let method = ["GET", "POST", "PUT", "PATCH", "DELETE"][at % 5];
        let text = format!(
            "name = \"mine\"\n\n[[route]]\non = [\"{method} /v2/fine/by/itself\", \"{method} {path}\"]\ndo = \"sign_in_password\"\nwith = {{ email = \"{{{{ body.e }}}}\", password = \"{{{{ body.p }}}}\" }}\nreply = \"r\"\n\
             [reply.r]\nbody = \"{{{{ user.id }}}}\"\n[error]\nbody = \"x\""
        );
        let loaded = Folder::of(&[("mine", &text)]).load();
        let told = loaded.err().map(|problems| problems.to_string());
        let says = format!("mine/dialect.toml:3: `{path}` is this server's own path");
        let right = match &told {
            Some(told) => refused && told.contains(&says) && told.lines().count() == 1,
            None => !refused,
        };
        if !right {
            astray.push(format!("{path}: {told:?}"));
        }
        if refused && at % 10 == 0 {
            place.write("mine/dialect.toml", &text);
            for command in [
                "dialect check mine",
                "dialect test mine",
                "dialect routes --dialects .",
                "serve --dialects . --data data",
            ] {
                let said = place.run(command).refused();
                assert!(
                    said.contains(&says) && said.contains("choose another"),
                    "{command}: {said}"
                );
            }
        }
    }
    assert!(astray.is_empty(), "{}", astray.join("\n"));
    // The folder above, or none: which file is missing, and what to give.
    for (given, missing) in [
        (".", "./dialect.toml"),
        ("none", "none"),
        ("mine/examples.toml", "mine/examples.toml"),
    ] {
        for command in ["check", "test"] {
            let said = place.run(&format!("dialect {command} {given}")).refused();
            let says = format!("there is no file {missing}; give the folder of one dialect");
            assert!(said.contains(&says), "{said}");
        }
    }
}

on_both! {
    /// A pattern that leaves the dialect some paths is sound; the server keeps its own.
    async fn the_server_keeps_its_own_of_a_wider_pattern(app: TestApp) {
        let text = "name = 'wide'\n[[route]]\non = ['GET /{mail}']\ndo = 'email_exists'\nwith = { email = '{{ path.mail }}' }\nreply = 'r'\n\
             [reply.r]\nbody = { wide = '{{ exists }}' }\n[error]\nbody = 'x'";
        let dialects = Folder::of(&[("wide", text)]).load().unwrap();
        let app = with_dialects(&app, dialects);
        app.apply("slug = 'wide'\nname = 'Wide'\ndomains = ['wide.test']\ndialects = ['wide']").await;
        app.get("wide.test", "/ada@wide.test", &[]).await.is(200, json!({"wide": false}));
        for path in ["/sign-in", "/robots.txt"] {
            let reply = app.get("wide.test", path, &[]).await;
            assert!(reply.status == 200 && !reply.body.contains("wide\":"), "{path}: {}", reply.body);
        }
    }
}
