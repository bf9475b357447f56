//! Documents for machines: keys, discovery, health, robots.

use serde_json::json;
use tower::Service as _;

use super::HOST;
use crate::app::{build, on_both};

on_both! {
    async fn keys_are_published_per_tenant(app: TestApp) {
        app.acme().await;
        app.zeta().await;
        let mut kids = Vec::new();
        for host in [HOST, "lms.zeta.test"] {
            let reply = app.get(host, "/.well-known/jwks.json", &[("origin", "https://partner.example")]).await;
            assert_eq!((reply.header("content-type"), reply.header("access-control-allow-origin")), ("application/json", "*"));
            assert!(reply.header("cache-control").starts_with("public, max-age="), "{}", reply.header("cache-control"));
            let document = reply.status(200).json();
            let keys = document["keys"].as_array().unwrap();
            assert!(keys.len() >= 2, "{document}");
            for key in keys {
                for name in ["kty", "kid", "alg", "use"] {
                    assert!(key[name].is_string(), "{name} in {key}");
                }
                assert_eq!(key["use"], "sig");
                for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
                    assert!(key.get(private).is_none(), "{private} in {key}");
                }
                assert_ne!(key["kty"], "oct");
                kids.push(key["kid"].as_str().unwrap().to_owned());
            }
        }
        let all = kids.len();
        kids.sort();
        kids.dedup();
        assert_eq!(kids.len(), all, "no key is two tenants'");
        let alias = app.get("alias.acme.test", "/.well-known/jwks.json", &[]).await;
        assert_eq!(alias.json(), app.get(HOST, "/.well-known/jwks.json", &[]).await.json());
    }

    async fn discovery_names_issuer_and_keys(app: TestApp) {
        app.acme().await;
        for host in [HOST, "alias.acme.test"] {
            let document = app.get(host, "/.well-known/openid-configuration", &[]).await.status(200).json();
            assert_eq!((&document["issuer"], &document["jwks_uri"]), (&json!("https://lms.acme.test"), &json!("https://lms.acme.test/.well-known/jwks.json")));
        }
    }

    async fn health_answers_on_any_host(app: TestApp) {
        for with_tenants in [false, true] {
            if with_tenants {
                app.acme().await;
                app.zeta().await;
            }
            for host in ["nobody.test", "127.0.0.1:8080", "[::1]", "localhost", HOST] {
                for path in ["/health/live", "/health/ready"] {
                    let reply = app.get(host, path, &[]).await;
                    reply.is(200, json!({"status": "ok"}));
                    assert_eq!(reply.header("cache-control"), "no-store");
                    assert_eq!(app.send(build("HEAD", host, path, &[], "")).await.status, 200);
                }
            }
        }
    }

    async fn head_tells_the_length_of_a_refusal_and_no_more(app: TestApp) {
        app.acme().await;
        for (host, path) in [(HOST, "/nothing"), ("nobody.test", "/sign-in"), (HOST, "/account/v1/session"), (HOST, "/verify-email/x")] {
            for accept in ["text/html", "application/json"] {
                let told = app.get(host, path, &[("accept", accept)]).await;
                let head = app.send(build("HEAD", host, path, &[("accept", accept)], "")).await;
                assert_eq!((head.status, head.body.as_str()), (told.status, ""), "{path}");
                assert!(head.status.is_client_error() && told.body.len() > 100, "{path}");
                let (length, like) = (head.header("content-length").parse::<usize>().unwrap(), told.body.len());
                assert!(length.abs_diff(like) < 16, "{path}: {length} for {like}");
            }
        }
    }

    /// What surrounds each request is taken from the heap and given back: up to so many bytes glibc has them at hand.
    async fn what_is_taken_for_a_request_is_small(app: TestApp) {
        let request = build("GET", HOST, "/health/live", &[], "");
        let surroundings = app.door.clone().call(request);
        let size = std::mem::size_of_val(&*surroundings);
        assert!(size <= 1_032, "{size}");
        assert_eq!(surroundings.await.unwrap().status(), 200);
    }

    async fn tenant_surfaces_are_421_on_unknown_hosts(app: TestApp) {
        app.acme().await;
        app.zeta().await;
        for host in ["nobody.test", "acme.test", "lms.acme.test.evil.test", "localhost", "127.0.0.1:8080", "[::1]:8080"] {
            for path in [
                "/", "/sign-in", "/sign-up", "/account", "/onboarding", "/forgot-password", "/verify-email/x", "/reset-password/x", "/sign-in/choose", "/login/", "/forward-auth",
                "/account/v1/session", "/account/v1/profile", "/.well-known/jwks.json", "/.well-known/openid-configuration",
            ] {
                assert_eq!(app.get(host, path, &[]).await.status, 421, "{host} {path}");
            }
        }
        for host in ["", " ", "a b", "lms.acme.test:x", "lms.acme.test/", "lms.acme.test@evil.test", "[::1", ".lms.acme.test", "lms..acme.test"] {
            assert_eq!(app.get(host, "/sign-in", &[]).await.status, 400, "{host:?}");
        }
        let twice = build("GET", HOST, "/sign-in", &[("host", "lms.zeta.test")], "");
        assert_eq!(app.send(twice).await.status, 400, "two hosts");
    }

    async fn one_tenant_without_a_domain_answers_everywhere(app: TestApp) {
        app.apply("slug = 'solo'\nname = 'Solo'\ndialects = ['rezi']").await;
        for host in ["localhost:8080", "127.0.0.1", "whatever.test"] {
            assert_eq!(app.get(host, "/sign-in", &[]).await.status, 200, "{host}");
        }
    }

    async fn robots_are_sent_away(app: TestApp) {
        app.acme().await;
        for host in [HOST, "nobody.test"] {
            let reply = app.get(host, "/robots.txt", &[]).await;
            assert_eq!((reply.status.as_u16(), &*reply.body), (200, "User-agent: *\nDisallow: /\n"), "{host}");
            assert!(reply.header("content-type").starts_with("text/plain"));
        }
        assert!(app.get(HOST, "/sign-in", &[]).await.body.contains("name=\"robots\" content=\"noindex\""));
    }

    async fn demo_pages_are_not_there(app: TestApp) {
        app.acme().await;
        for path in ["/dev/inbox", "/demo/partner", "/metrics", "/admin", "/debug", "/.env", "/.git/config"] {
            assert_eq!(app.get(HOST, path, &[]).await.status, 404, "{path}");
        }
    }

    async fn assets_are_files_of_ours_only(app: TestApp) {
        app.acme().await;
        let page = app.get(HOST, "/sign-in", &[]).await;
        let style = page.body.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#x2f;", "/");
        let reply = app.get(HOST, &style, &[]).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type"), reply.header("x-content-type-options")), (200, "text/css; charset=utf-8", "nosniff"));
        assert!(reply.header("cache-control").contains("immutable"));
        for path in ["/assets/x/..%2f..%2fCargo.toml", "/assets/x/%2e%2e", "/assets/x/nothing.css", "/assets/x/", "/assets/../Cargo.toml", "/assets/x/style.css%00"] {
            assert_eq!(app.get(HOST, path, &[]).await.status, 404, "{path}");
        }
    }
}
