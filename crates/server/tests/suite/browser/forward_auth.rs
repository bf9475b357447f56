//! The question that reverse proxies ask about each request.

use super::{EMAIL, HOST, PASSWORD, acme_with_ada, bearer, sign_in};
use crate::app::{Reply, build, on_both};

const HEADERS: [&str; 5] = [
    "x-vestibule-user",
    "x-vestibule-email",
    "x-vestibule-email-verified",
    "x-vestibule-role",
    "x-vestibule-tenant",
];

fn person(reply: &Reply) -> [&str; 5] {
    HEADERS.map(|name| reply.header(name))
}

on_both! {
    async fn cookie_and_bearer_are_named_in_headers(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        for (name, value) in [("cookie", sign_in(&app, EMAIL, PASSWORD).await), ("authorization", bearer(&app, EMAIL, PASSWORD).await)] {
            let reply = app.get(HOST, "/forward-auth", &[(name, &value)]).await;
            reply.status(200);
            assert_eq!(person(&reply), [&*account.id, EMAIL, "true", "Trainee", "acme"]);
            assert_eq!((&*reply.body, reply.header("cache-control")), ("", "no-store"));
        }
    }

    async fn nobody_is_401_and_named_by_nothing(app: TestApp) {
        acme_with_ada(&app).await;
        app.zeta().await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        for (host, headers) in [
            (HOST, &[][..]),
            (HOST, &[("cookie", "__Host-vestibule=x")]),
            (HOST, &[("authorization", "Bearer x")]),
            (HOST, &[("authorization", "Basic eDp5")]),
            (HOST, &[("cookie", &*cookie), ("authorization", "Bearer x")]),
            (HOST, &[("x-vestibule-user", "eve"), ("x-vestibule-email", EMAIL), ("x-vestibule-role", "Admin")]),
            (HOST, &[("accept", "text/html")]),
            ("lms.zeta.test", &[("cookie", &*cookie)]),
        ] {
            let reply = app.get(host, "/forward-auth", headers).await;
            assert_eq!((reply.status.as_u16(), &*reply.body), (401, ""), "{headers:?}");
            assert_eq!(person(&reply), [""; 5], "{headers:?}");
            assert_eq!(reply.header("cache-control"), "no-store");
        }
        assert_eq!(app.get("nobody.test", "/forward-auth", &[("cookie", &cookie)]).await.status, 421);
    }

    async fn every_method_is_answered_alike(app: TestApp) {
        acme_with_ada(&app).await;
        let (cookie, token) = (sign_in(&app, EMAIL, PASSWORD).await, bearer(&app, EMAIL, PASSWORD).await);
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            for header in [("cookie", &*cookie), ("authorization", &*token)] {
                for origin in [None, Some("https://app.acme.test"), Some("https://evil.test")] {
                    let headers: Vec<_> = std::iter::once(header).chain(origin.map(|origin| ("origin", origin))).collect();
                    let reply = app.send(build(method, HOST, "/forward-auth", &headers, "")).await;
                    assert_eq!((reply.status.as_u16(), reply.header("x-vestibule-email")), (200, EMAIL), "{method} {origin:?}");
                }
            }
            assert_eq!(app.send(build(method, HOST, "/forward-auth", &[], "")).await.status, 401, "{method}");
        }
    }

    async fn a_role_may_be_asked_for(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        app.person(&cx, "boss@example.com", PASSWORD, "Admin").await;
        let (ada, boss) = (sign_in(&app, EMAIL, PASSWORD).await, sign_in(&app, "boss@example.com", PASSWORD).await);
        for (query, adas, bosses) in [("", 200, 200), ("?role=", 403, 403), ("?role=%20,", 403, 403), ("?role=Admin", 403, 200), ("?role=Admin,Manager", 403, 200), ("?role=Trainee,%20Admin", 200, 200), ("?role=admin", 403, 403), ("?role=Adm", 403, 403)] {
            for (cookie, status) in [(&ada, adas), (&boss, bosses)] {
                let reply = app.get(HOST, &format!("/forward-auth{query}"), &[("cookie", cookie)]).await;
                assert_eq!(reply.status, status, "{query}");
                assert_eq!(reply.header("x-vestibule-user").is_empty(), status == 403, "{query}");
            }
        }
        assert_eq!(app.get(HOST, "/forward-auth?role=Admin", &[]).await.status, 401);
        // A slip in a proxy's settings lets nobody in.
        for query in ["?ROLE=Admin", "?role[]=Admin", "?roles=Admin", "?role=Admin&x", "?=", "?%72ole%20=Admin"] {
            let reply = app.get(HOST, &format!("/forward-auth{query}"), &[("cookie", &boss)]).await;
            assert_eq!((reply.status.as_u16(), reply.header("x-vestibule-user")), (400, ""), "{query}");
        }
    }

    async fn a_suspended_or_deleted_person_is_nobody(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        let (cookie, token) = (sign_in(&app, EMAIL, PASSWORD).await, bearer(&app, EMAIL, PASSWORD).await);
        app.identity.suspend_user(&cx, &account.id).await.unwrap();
        for header in [("cookie", &*cookie), ("authorization", &*token)] {
            let reply = app.get(HOST, "/forward-auth", &[header]).await;
            assert_eq!((reply.status.as_u16(), person(&reply)), (401, [""; 5]));
        }
        app.identity.restore_user(&cx, &account.id).await.unwrap();
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        app.identity.delete_user(&cx, &account.id).await.unwrap();
        assert_eq!(app.get(HOST, "/forward-auth", &[("cookie", &cookie)]).await.status, 401);
    }

    async fn any_address_fits_into_a_header(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "käthe@bücher.example", PASSWORD, "Trainee").await;
        let cookie = sign_in(&app, "käthe@bücher.example", PASSWORD).await;
        let reply = app.get(HOST, "/forward-auth", &[("cookie", &cookie)]).await;
        assert_eq!((reply.status.as_u16(), reply.header("x-vestibule-email")), (200, "k%C3%A4the@b%C3%BCcher.example"));
    }
}
