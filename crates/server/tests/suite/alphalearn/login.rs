//! POST /authorize/login.

use axum::http::Request;
use secrecy::SecretString;
use serde_json::{Value, json};
use vestibule_identity::CreateUser;

use super::{HOST, NOBODY, OTHER, PASSWORD, code, data, failure, sign_in, success};
use crate::app::{Reply, build, claims, header, on_both};

const EMAIL: &str = "pooja.g@example.com";

/// Everything that a client could tell two answers apart by.
fn seen(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (reply.status.as_u16(), headers, reply.body.clone())
}

on_both! {
    async fn the_answer_is_the_vendors_envelope_to_the_letter(app: TestApp) {
        let cx = app.acme().await;
        let person = app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let reply = sign_in(&app, HOST, EMAIL, PASSWORD).await;
        let inner = data(&reply);
        let (access, refresh, session) = (&inner["token"], &inner["refresh-token"], &inner["user"]["sessionToken"]);
        for credential in [access, refresh, session] {
            assert!(credential.as_str().unwrap().len() > 40, "{credential}");
        }
        reply.is(200, success(json!({
            "user": {
                "id": person.number,
                "firstName": "Pooja",
                "lastName": "G",
                "email": EMAIL,
                "mobile": "",
                "uniqueId": "",
                "role": "Trainee",
                "language": "en-US",
                "timezone": "Asia/Kolkata",
                "sessionToken": session,
                "companyId": cx.tenant.number,
                "companyName": "Acme Learning",
            },
            "token": access,
            "refresh-token": refresh,
        })));
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!(reply.header("content-type"), "application/json");
        let access = access.as_str().unwrap();
        let claims = claims(access);
        assert_eq!(header(access)["typ"], "at+jwt");
        assert_eq!(claims["iss"], "https://lms.acme.test");
        assert_eq!(claims["aud"], "https://lms.acme.test/alphalearn");
        assert_eq!(claims["sub"], person.id);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3_600);
    }

    async fn empty_profile_fields_are_empty_texts_and_numbers_are_whole(app: TestApp) {
        let cx = app.acme().await;
        let new = CreateUser { email: "bare@example.com".into(), role: None, first_name: None, last_name: None, verified: true, password: Some(SecretString::from(PASSWORD)) };
        app.identity.create_user(&cx, new).await.unwrap();
        app.person(&cx, EMAIL, PASSWORD, "Manager").await;
        let zeta = app.zeta().await;
        app.person(&zeta, EMAIL, PASSWORD, "Trainee").await;
        let bare = data(&sign_in(&app, HOST, "bare@example.com", PASSWORD).await)["user"].clone();
        for (field, expected) in [("firstName", ""), ("lastName", ""), ("mobile", ""), ("uniqueId", ""), ("role", "Trainee"), ("language", "en-US"), ("timezone", "Asia/Kolkata")] {
            assert_eq!(bare[field], expected, "{field}");
        }
        let named = data(&sign_in(&app, HOST, EMAIL, PASSWORD).await)["user"].clone();
        let elsewhere = data(&sign_in(&app, OTHER, EMAIL, PASSWORD).await)["user"].clone();
        assert_eq!(named["role"], "Manager");
        for user in [&bare, &named, &elsewhere] {
            assert!(user["id"].is_i64() && user["companyId"].is_i64(), "{user}");
        }
        assert_ne!(bare["id"], named["id"]);
        assert_eq!(bare["companyId"], named["companyId"]);
        assert_ne!(named["companyId"], elsewhere["companyId"]);
    }

    async fn every_path_is_also_under_v3_and_takes_post_only(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        for (path, expected) in [
            ("/authorize/login", failure("1001", "Missing email")),
            ("/authorize/refresh-token", failure("1016", "Missing refreshToken")),
            ("/authorize/refreshtoken", failure("1016", "Missing refreshToken")),
            ("/authorize/third-party", failure("1028", "Missing provider")),
            ("/authorize/forgot-password", failure("1001", "Missing email")),
            ("/authorize/reset-password", failure("400", "Missing token")),
        ] {
            for path in [path.to_owned(), format!("/v3{path}")] {
                app.post(HOST, &path, &[], json!({})).await.is(400, expected.clone());
                for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"] {
                    let reply = app.send(build(method, HOST, &path, &[], "")).await;
                    reply.status(405);
                    assert_eq!(reply.header("allow"), "POST", "{method} {path}");
                    if method != "HEAD" {
                        assert_eq!(code(&reply), "405", "{method} {path}");
                    }
                }
            }
        }
        let body = json!({"email": EMAIL, "password": PASSWORD});
        assert_eq!(data(&app.post(HOST, "/v3/authorize/login", &[], body).await)["user"]["email"], EMAIL);
    }

    async fn mistakes_have_their_numbers_and_change_nothing(app: TestApp) {
        let cx = app.acme().await;
        let person = app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let missing_email = (400, failure("1001", "Missing email"));
        let invalid_email = (400, failure("1002", "Invalid email"));
        let missing_password = (400, failure("1003", "Missing password"));
        let invalid_password = (401, failure("1004", "Invalid password"));
        let invalid_domain = (400, failure("1006", "Invalid domain"));
        let mut cases: Vec<(Value, &(u16, Value))> = vec![
            (json!({}), &missing_email),
            (json!({"password": PASSWORD}), &missing_email),
            (json!({"domain": "nowhere.test"}), &missing_email),
            (json!({"email": EMAIL}), &missing_password),
            (json!({"email": EMAIL, "password": ""}), &missing_password),
            (json!({"email": EMAIL, "password": null}), &missing_password),
            (json!({"email": EMAIL, "domain": "nowhere.test"}), &missing_password),
        ];
        for email in [json!(""), json!("  "), json!(null)] {
            cases.push((json!({"email": email, "password": PASSWORD}), &missing_email));
        }
        for email in [
            json!("nobody"), json!("@"), json!("a@"), json!("@b.test"), json!(7), json!(true), json!({}), json!([EMAIL]), json!([EMAIL, "a@evil.test"]),
            json!(format!("{EMAIL},a@evil.test")), json!(format!("{EMAIL};a@evil.test")), json!(format!("{EMAIL}\na@evil.test")), json!(format!("{EMAIL}\r\nBcc: a@evil.test")),
            json!(format!("<{EMAIL}>,<a@evil.test>")), json!(format!("Pooja <{EMAIL}>")), json!("pooja.g\u{ff20}example.com"), json!(format!("{EMAIL} a@evil.test")),
            json!(format!("{}@example.com", "x".repeat(400))),
        ] {
            cases.push((json!({"email": email, "password": PASSWORD}), &invalid_email));
        }
        for password in ["wrong", "VIOLET-HARBOUR-42-LANTERNS", " violet-harbour-42-lanterns", "violet-harbour-42-lantern", &"x".repeat(20_000)] {
            cases.push((json!({"email": EMAIL, "password": password}), &invalid_password));
        }
        cases.push((json!({"email": "unknown@example.com", "password": PASSWORD}), &invalid_password));
        for domain in [json!("nowhere.test"), json!("acme.test"), json!("evil.lms.acme.test"), json!("https://lms.acme.test"), json!("lms.acme.test/x"), json!("acme"), json!("*"), json!(7), json!({}), json!(["lms.acme.test"]), json!(true)] {
            cases.push((json!({"email": EMAIL, "password": PASSWORD, "domain": domain}), &invalid_domain));
        }
        for (body, (status, expected)) in cases {
            let reply = app.post(HOST, "/authorize/login", &[], body.clone()).await;
            assert_eq!((reply.status.as_u16(), reply.json()), (*status, expected.clone()), "{body}");
        }
        for body in ["{", "[]", "null", "\"x\"", "{\"email\":\"a@b.test\",\"email\":\"c@d.test\"}", "{\"email\":\"a\\u0000@b.test\"}", "email=a"] {
            let reply = app.send(build("POST", HOST, "/authorize/login", &[("content-type", "application/json")], body)).await;
            assert_eq!((reply.status.as_u16(), code(&reply).as_str()), (400, "400"), "{body}");
        }
        let reply = app.post(HOST, "/authorize/login", &[], json!({"email": EMAIL, "password": 7})).await;
        assert_eq!((reply.status.as_u16(), code(&reply).as_str()), (400, "400"));
        assert!(app.identity.sessions(&cx, &person.id).await.unwrap().is_empty());
        assert!(app.mails().await.is_empty());
    }

    async fn unknown_wrong_passwordless_and_suspended_are_one_answer(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let suspended = app.person(&cx, "suspended@example.com", PASSWORD, "Trainee").await;
        app.identity.suspend_user(&cx, &suspended.id).await.unwrap();
        let new = CreateUser { email: "sso@example.com".into(), role: None, first_name: None, last_name: None, verified: true, password: None };
        app.identity.create_user(&cx, new).await.unwrap();
        for host in [HOST, NOBODY] {
            let wrong = seen(&sign_in(&app, host, EMAIL, "wrong").await);
            assert_eq!(wrong.0, 401);
            for (email, password) in [("unknown@example.com", PASSWORD), ("sso@example.com", PASSWORD), ("suspended@example.com", PASSWORD)] {
                assert_eq!(seen(&sign_in(&app, host, email, password).await), wrong, "{email} at {host}");
            }
        }
    }

    async fn the_domain_in_the_body_wins_over_the_host(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        app.apply("slug = 'mute'\nname = 'Mute'\ndomains = ['lms.mute.test']\ndialects = ['rezi']").await;
        app.person(&acme, "a@example.com", PASSWORD, "Trainee").await;
        app.person(&zeta, "z@example.com", PASSWORD, "Trainee").await;
        let ask = async |host: &str, email: &str, domain: &str| {
            let body = json!({"email": email, "password": PASSWORD, "domain": domain});
            let reply = app.post(host, "/authorize/login", &[], body).await;
            match reply.status.as_u16() {
                200 => data(&reply)["user"]["companyName"].as_str().unwrap().to_owned(),
                _ => code(&reply),
            }
        };
        for (host, email, domain, expected) in [
            (HOST, "z@example.com", OTHER, "Zeta Learning"),
            (HOST, "a@example.com", OTHER, "1004"),
            (OTHER, "z@example.com", HOST, "1004"),
            (HOST, "a@example.com", "", "Acme Learning"),
            (HOST, "a@example.com", "  ", "Acme Learning"),
            (HOST, "a@example.com", "alias.acme.test", "Acme Learning"),
            (OTHER, "a@example.com", " LMS.Acme.Test ", "Acme Learning"),
            (NOBODY, "a@example.com", HOST, "Acme Learning"),
            (NOBODY, "a@example.com", OTHER, "1004"),
            (HOST, "a@example.com", "nowhere.test", "1006"),
            (NOBODY, "a@example.com", "nowhere.test", "1006"),
            // Speaks other dialects only: for this one it is not there.
            (HOST, "a@example.com", "lms.mute.test", "1006"),
            (HOST, "z@example.com", "", "1004"),
        ] {
            assert_eq!(ask(host, email, domain).await, expected, "{email} at {host} with domain {domain:?}");
        }
        sign_in(&app, "lms.mute.test", "a@example.com", PASSWORD).await.status(404);
    }

    async fn without_domain_and_host_the_company_is_found_by_the_person(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        let mute = app.apply("slug = 'mute'\nname = 'Mute'\ndomains = ['lms.mute.test']\ndialects = ['rezi']").await;
        app.person(&acme, "one@example.com", PASSWORD, "Trainee").await;
        app.person(&mute, "one@example.com", PASSWORD, "Trainee").await;
        app.person(&acme, "differ@example.com", "another-long-password-1", "Trainee").await;
        app.person(&zeta, "differ@example.com", PASSWORD, "Trainee").await;
        app.person(&acme, "same@example.com", PASSWORD, "Trainee").await;
        app.person(&zeta, "same@example.com", PASSWORD, "Trainee").await;
        let gone = app.person(&acme, "gone@example.com", PASSWORD, "Trainee").await;
        app.person(&zeta, "gone@example.com", PASSWORD, "Trainee").await;
        app.identity.suspend_user(&acme, &gone.id).await.unwrap();
        app.person(&mute, "mute@example.com", PASSWORD, "Trainee").await;
        for (email, company) in [("one@example.com", "Acme Learning"), ("differ@example.com", "Zeta Learning"), ("gone@example.com", "Zeta Learning")] {
            assert_eq!(data(&sign_in(&app, NOBODY, email, PASSWORD).await)["user"]["companyName"], company, "{email}");
        }
        // What was wrong at one company is noted there, though it was right at another.
        let wrong = app.audit("acme").await.iter().filter(|line| *line == "sign_in.password refused invalid_credentials").count();
        assert_eq!(wrong, 1);
        sign_in(&app, NOBODY, "same@example.com", PASSWORD).await.is(400, failure("1005", "Missing domain"));
        for (email, password) in [("same@example.com", "wrong"), ("differ@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("mute@example.com", PASSWORD)] {
            sign_in(&app, NOBODY, email, password).await.is(401, failure("1004", "Invalid password"));
        }
        // Nobody was signed in anywhere by the question that stayed open.
        let same = app.identity.user(&acme, "same@example.com").await.unwrap();
        assert!(app.identity.sessions(&acme, &same.id).await.unwrap().is_empty());
        // With the Host of a company only that one is asked.
        assert_eq!(data(&sign_in(&app, OTHER, "same@example.com", PASSWORD).await)["user"]["companyName"], "Zeta Learning");
    }

    /// Neither accounts that a stranger makes under the address, nor those at companies that do not speak the dialect.
    async fn accounts_elsewhere_keep_nobody_out(app: TestApp) {
        for at in 0..20_u8 {
            let dialects = if at % 2 == 0 { "'enclaive', 'alphalearn'" } else { "'enclaive'" };
            let host = format!("lms.t{at}.test");
            let cx = app.apply(&format!("slug = 't{at}'\nname = 'T'\ndomains = ['{host}']\ndialects = [{dialects}]")).await;
            if at % 2 == 0 {
                let stranger = json!({"email": EMAIL, "password": "velvet-otter-91-canyon", "name": "Mal Lory"});
                app.from([198, 51, 100, at]).post(&host, "/api/register", &[], stranger).await.status(200);
            } else {
                app.person(&cx, EMAIL, "velvet-otter-91-canyon", "Trainee").await;
            }
            app.pass(std::time::Duration::from_secs(1));
        }
        let cx = app.acme().await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        assert_eq!(data(&sign_in(&app, NOBODY, EMAIL, PASSWORD).await)["user"]["companyName"], "Acme Learning");
    }

    async fn bodies_come_as_json_form_or_multipart(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let form = [("email", EMAIL), ("password", PASSWORD), ("unknown", "x")];
        assert_eq!(data(&app.post_form(HOST, "/authorize/login", &[], &form).await)["user"]["email"], EMAIL);
        let part = |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        let body = format!("{}{}--b--\r\n", part("email", EMAIL), part("password", PASSWORD));
        let multipart = build("POST", HOST, "/authorize/login", &[("content-type", "multipart/form-data; boundary=b")], body);
        assert_eq!(data(&app.send(multipart).await)["user"]["email"], EMAIL);
        let spelt = json!({"email": "  Pooja.G@EXAMPLE.com ", "password": PASSWORD, "role": "Admin", "user": {"id": 1}});
        let user = data(&app.post(HOST, "/authorize/login", &[], spelt).await)["user"].clone();
        assert_eq!((&user["email"], &user["role"]), (&json!(EMAIL), &json!("Trainee")));
        let long = app.post(HOST, "/authorize/login", &[], json!({"email": EMAIL, "password": PASSWORD, "x": "y".repeat(64 << 10)})).await;
        assert_eq!((long.status.as_u16(), code(&long).as_str()), (413, "413"));
        let bad = Request::builder().method("POST").uri("/authorize/login").header("host", HOST).header("content-type", "application/json").body(b"{\"email\":\"\xff\"}".to_vec().into()).unwrap();
        let bad = app.send(bad).await;
        assert_eq!((bad.status.as_u16(), code(&bad).as_str()), (400, "400"));
    }

    async fn too_many_wrong_passwords_are_429_for_known_and_unknown_alike(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let mut tries = Vec::new();
        for email in [EMAIL, "unknown@example.com"] {
            let mut count = 0;
            let refused = loop {
                let reply = sign_in(&app, HOST, email, "wrong").await;
                match reply.status.as_u16() {
                    401 if count < 1_000 => count += 1,
                    _ => break reply,
                }
            };
            refused.status(429);
            assert_eq!(code(&refused), "429");
            let seconds: u64 = refused.header("retry-after").parse().unwrap();
            assert!((1..=901).contains(&seconds), "{seconds}");
            tries.push(count);
        }
        assert_eq!(tries[0], tries[1]);
        sign_in(&app, HOST, EMAIL, PASSWORD).await.status(429);
        app.pass(std::time::Duration::from_secs(901));
        sign_in(&app, HOST, EMAIL, PASSWORD).await.status(200);
    }

    async fn a_tenant_may_have_200_for_everything(app: TestApp) {
        let cx = app.apply("slug = 'old'\nname = 'Old'\ndomains = ['lms.old.test']\n[dialect.alphalearn]\nalways_200 = true").await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        sign_in(&app, "lms.old.test", EMAIL, "wrong").await.is(200, failure("1004", "Invalid password"));
        app.post("lms.old.test", "/authorize/login", &[], json!({})).await.is(200, failure("1001", "Missing email"));
        sign_in(&app, "lms.old.test", EMAIL, PASSWORD).await.status(200);
    }
}

on_both! {
    /// Whoever counts refusals must not learn who exists.
    async fn where_nothing_names_the_tenant_known_and_unknown_people_are_throttled_alike(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        app.person(&acme, "one@example.com", PASSWORD, "Trainee").await;
        app.person(&acme, "two@example.com", PASSWORD, "Trainee").await;
        app.person(&zeta, "two@example.com", PASSWORD, "Trainee").await;
        // Some tries at the tenant's own host first.
        for _ in 0..20 {
            sign_in(&app, HOST, "one@example.com", "wrong").await.status(401);
        }
        let mut answers = Vec::new();
        for email in ["ghost@example.com", "one@example.com", "two@example.com"] {
            let mut statuses = Vec::new();
            for _ in 0..60 {
                let reply = sign_in(&app, NOBODY, email, "wrong").await;
                statuses.push((reply.status.as_u16(), reply.body));
            }
            answers.push(statuses);
        }
        // Nor whoever counts hashes: beyond the longest password nobody's is worked on, throttled at home or not.
        for email in ["ghost@example.com", "one@example.com"] {
            for _ in 0..60 {
                sign_in(&app, HOST, email, "wrong").await;
            }
            app.pass(std::time::Duration::from_secs(1));
            let before = app.identity.hashes_done();
            sign_in(&app.from([198, 51, 100, 77]), "nobody.test", email, &"x".repeat(5_000)).await;
            assert_eq!(app.identity.hashes_done(), before, "{email}");
        }
        assert_eq!(answers[0].last().unwrap().0, 429);
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2]);
    }
}
