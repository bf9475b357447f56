//! POST /authorize/third-party with a provider whose keys are fetched over HTTP.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;

use serde_json::{Value, json};
use vestibule_crypto::Algorithm;
use vestibule_identity::{Cx, Kind, MailKind};

use crate::alphalearn::{
    HOST, OTHER, PASSWORD, code, data, failure, is_bearer, refresh, sign_in, success, tokens,
};
use crate::app::{ACME, Reply, TestApp, at_once, on_both};
use crate::forge::{self, Key};

const CLIENT: &str = "acme-client.apps.test";
const EMAIL: &str = "pooja.g@example.com";

/// What the provider answers when asked for its keys.
#[derive(Clone)]
enum Says {
    Keys(Vec<Value>),
    Text(&'static str),
    Status(StatusCode),
    Elsewhere,
}

/// An OpenID provider on a port of its own.
struct Provider {
    rsa: Key,
    ec: Key,
    says: Arc<Mutex<Says>>,
    asked: Arc<AtomicUsize>,
    base: String,
}

impl Provider {
    async fn start() -> Provider {
        let (rsa, ec) = (
            Key::generate(Algorithm::RS256),
            Key::generate(Algorithm::ES256),
        );
        let says = Arc::new(Mutex::new(Says::Keys(vec![
            rsa.jwk.clone(),
            ec.jwk.clone(),
        ])));
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = {
            let (says, asked) = (says.clone(), asked.clone());
            move || {
                asked.fetch_add(1, Ordering::SeqCst);
                let says = says.lock().unwrap().clone();
                async move {
                    match says {
                        Says::Keys(keys) => axum::Json(json!({"keys": keys})).into_response(),
                        Says::Text(text) => text.into_response(),
                        Says::Status(status) => status.into_response(),
                        Says::Elsewhere => Redirect::temporary("/good").into_response(),
                    }
                }
            }
        };
        let good = json!({"keys": [rsa.jwk.clone()]});
        let app = Router::new()
            .route("/jwks", get(answer))
            .route("/good", get(move || async move { axum::Json(good) }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Provider {
            rsa,
            ec,
            says,
            asked,
            base,
        }
    }

    /// `acme` with this provider.
    async fn tenant(&self, app: &TestApp, create: bool) -> Cx {
        app.apply(&format!("{ACME}\n{}", self.entry(CLIENT, create)))
            .await
    }

    fn entry(&self, client: &str, create: bool) -> String {
        format!(
            "[[provider]]\nkind = 'google'\nclient_id = '{client}'\ncreate = {create}\nissuer = '{0}'\njwks_url = '{0}/jwks'\n",
            self.base
        )
    }

    fn says(&self, what: Says) {
        *self.says.lock().unwrap() = what;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// What a good ID token says.
    fn claims(&self, app: &TestApp, sub: &str, email: &str) -> Value {
        let now = app.identity.now().secs();
        json!({"iss": self.base, "aud": CLIENT, "azp": CLIENT, "sub": sub, "email": email, "email_verified": true, "given_name": "Pooja", "family_name": "G", "iat": now, "exp": now + 3_600, "at_hash": "x"})
    }

    fn token(&self, app: &TestApp, sub: &str, email: &str) -> String {
        self.rsa.token("JWT", &self.claims(app, sub, email))
    }
}

async fn post(app: &TestApp, body: Value) -> Reply {
    app.post(HOST, "/authorize/third-party", &[], body).await
}

async fn show(app: &TestApp, token: &str) -> Reply {
    post(
        app,
        json!({"provider": 1, "thirdPartyData": {"token": token}}),
    )
    .await
}

fn refused() -> Value {
    failure("1031", "Invalid thirdPartyData")
}

async fn nobody(app: &TestApp, cx: &Cx, email: &str) -> bool {
    matches!(app.identity.user(cx, email).await, Err(error) if error.kind == Kind::NotFound)
}

on_both! {
    async fn a_good_token_signs_in_and_the_answer_is_that_of_a_login(app: TestApp) {
        let provider = Provider::start().await;
        let cx = provider.tenant(&app, true).await;
        let reply = show(&app, &provider.token(&app, "sub-1", EMAIL)).await;
        let inner = data(&reply);
        let person = app.identity.user(&cx, EMAIL).await.unwrap();
        assert!(person.email_verified);
        reply.is(200, success(json!({
            "user": {
                "id": person.number, "firstName": "Pooja", "lastName": "G", "email": EMAIL, "mobile": "", "uniqueId": "", "role": "Trainee", "language": "en-US",
                "timezone": "Asia/Kolkata", "sessionToken": inner["user"]["sessionToken"], "companyId": cx.tenant.number, "companyName": "Acme Learning",
            },
            "token": inner["token"],
            "refresh-token": inner["refresh-token"],
        })));
        assert_eq!(reply.header("cache-control"), "no-store");
        assert!(is_bearer(&app, HOST, inner["token"].as_str().unwrap()).await);
        refresh(&app, HOST, inner["refresh-token"].as_str().unwrap()).await.status(200);
        // Nobody is mailed: the provider has proven the address.
        assert!(app.mails().await.is_empty());
        // ES256, an audience of one, ours among several as `azp` says, a clock a little off.
        let now = app.identity.now().secs();
        for (what, change) in [
            ("list", json!({"aud": [CLIENT]})),
            ("list with azp", json!({"aud": ["other", CLIENT], "azp": CLIENT})),
            ("iat ahead", json!({"iat": now + 30})),
            ("exp just over", json!({"exp": now - 30})),
            ("nbf", json!({"nbf": now})),
            ("no azp", json!({"azp": null})),
        ] {
            let mut claims = provider.claims(&app, "sub-1", EMAIL);
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
            if claims["azp"].is_null() {
                claims.as_object_mut().unwrap().remove("azp");
            }
            for key in [&provider.rsa, &provider.ec] {
                assert_eq!(data(&show(&app, &key.token("JWT", &claims)).await)["user"]["id"], person.number, "{what}");
            }
        }
        assert_eq!(provider.asked(), 1, "the keys are kept");
    }

    async fn third_party_data_comes_in_many_dresses(app: TestApp) {
        let provider = Provider::start().await;
        provider.tenant(&app, true).await;
        let token = provider.token(&app, "sub-1", EMAIL);
        let inside = json!({"token": token, "email": "other@example.com"});
        for number in [json!(1), json!("1")] {
            for given in [inside.clone(), json!([inside]), json!(inside.to_string()), json!(json!([inside]).to_string())] {
                let body = json!({"provider": number, "thirdPartyData": given});
                assert_eq!(data(&post(&app, body.clone()).await)["user"]["email"], EMAIL, "{body}");
            }
        }
        for text in [inside.to_string(), json!([inside]).to_string()] {
            let form = [("provider", "1"), ("thirdPartyData", text.as_str())];
            for path in ["/authorize/third-party", "/v3/authorize/third-party"] {
                assert_eq!(data(&app.post_form(HOST, path, &[], &form).await)["user"]["email"], EMAIL);
            }
        }
    }

    async fn mistakes_have_their_numbers(app: TestApp) {
        let provider = Provider::start().await;
        let cx = provider.tenant(&app, true).await;
        let token = provider.token(&app, "sub-1", EMAIL);
        let good = json!({"token": token});
        let missing_provider = (400, failure("1028", "Missing provider"));
        let invalid_provider = (400, failure("1029", "Invalid provider"));
        let missing_data = (400, failure("1030", "Missing thirdPartyData"));
        let invalid_data = (401, refused());
        for provider in [json!(null), json!("")] {
            let reply = post(&app, json!({"provider": provider, "thirdPartyData": good})).await;
            assert_eq!((reply.status.as_u16(), reply.json()), missing_provider, "{provider}");
        }
        let reply = post(&app, json!({"thirdPartyData": good})).await;
        assert_eq!((reply.status.as_u16(), reply.json()), missing_provider);
        for provider in [json!(0), json!(2), json!(-1), json!("2"), json!("google"), json!("Google"), json!(true), json!([1]), json!({}), json!(1.5), json!("1 "), json!("01")] {
            let reply = post(&app, json!({"provider": provider, "thirdPartyData": good})).await;
            assert_eq!((reply.status.as_u16(), reply.json()), invalid_provider, "{provider}");
        }
        let reply = post(&app, json!({"provider": 1})).await;
        assert_eq!((reply.status.as_u16(), reply.json()), missing_data);
        for given in [json!(null), json!(""), json!({"token": null}), json!({"token": ""}), json!({"token": " "}), json!([{"token": ""}])] {
            let reply = post(&app, json!({"provider": 1, "thirdPartyData": given})).await;
            assert_eq!((reply.status.as_u16(), reply.json()), missing_data, "{given}");
        }
        for given in [
            json!({}), json!([]), json!("{}"), json!({"Token": token}), json!(7), json!(true), json!("nonsense"), json!("{"), json!(token), json!([token]), json!({"token": 7}), json!({"token": [token]}), json!({"token": {"token": token}}),
            json!([good, good]), json!([[good]]), json!({"token": "ya29.a0AfB_an-access-token-of-the-provider"}), json!({"token": "x"}), json!({"token": "y".repeat(20_000)}),
            json!("{\"token\":\"a\",\"token\":\"b\"}"),
        ] {
            let reply = post(&app, json!({"provider": 1, "thirdPartyData": given})).await;
            assert_eq!((reply.status.as_u16(), reply.json()), invalid_data, "{given}");
        }
        assert!(nobody(&app, &cx, EMAIL).await);
    }

    async fn a_token_that_says_one_thing_wrong_is_refused(app: TestApp) {
        let provider = Provider::start().await;
        let cx = provider.tenant(&app, true).await;
        app.person(&cx, "victim@example.com", PASSWORD, "Admin").await;
        let now = app.identity.now().secs();
        let base = &provider.base;
        let mut cases: Vec<(String, Value)> = Vec::new();
        for (claim, values) in [
            ("iss", vec![json!("https://accounts.google.com"), json!("accounts.google.com"), json!(format!("{base}/")), json!(format!("{base}.evil.test")), json!(base.replace("http:", "https:")), json!(base.to_uppercase()), json!("https://evil.test"), json!([base]), json!(7), json!(null), json!("")]),
            ("aud", vec![json!("other-client"), json!(["other-client"]), json!([]), json!(""), json!(null), json!(7), json!({CLIENT: 1}), json!(CLIENT.to_uppercase()), json!(format!("{CLIENT} "))]),
            ("azp", vec![json!("other-client"), json!(null), json!(""), json!([CLIENT]), json!(7)]),
            ("email_verified", vec![json!(false), json!("true"), json!("false"), json!(1), json!(0), json!(null), json!([true]), json!({}), json!("")]),
            ("email", vec![json!(null), json!(""), json!("nobody"), json!(["victim@example.com"]), json!("victim@example.com,a@evil.test"), json!("victim@example.com\r\na@evil.test"), json!(7)]),
            ("sub", vec![json!(null), json!(""), json!(7), json!(["x"]), json!("x".repeat(256))]),
        ] {
            for value in values {
                let mut claims = provider.claims(&app, "sub-1", "victim@example.com");
                claims[claim] = value.clone();
                cases.push((format!("{claim} {}", value.to_string().chars().take(60).collect::<String>()), claims));
            }
            if claim != "azp" {
                let mut claims = provider.claims(&app, "sub-1", "victim@example.com");
                claims.as_object_mut().unwrap().remove(claim);
                cases.push((format!("no {claim}"), claims));
            }
        }
        for (what, aud, azp) in [("several without azp", json!([CLIENT, "other"]), None), ("several, another's azp", json!([CLIENT, "other"]), Some("other")), ("one, another's azp", json!([CLIENT]), Some("other"))] {
            let mut claims = provider.claims(&app, "sub-1", "victim@example.com");
            claims["aud"] = aud;
            claims.as_object_mut().unwrap().remove("azp");
            if let Some(azp) = azp {
                claims["azp"] = json!(azp);
            }
            cases.push((what.to_owned(), claims));
        }
        let mut old = provider.claims(&app, "sub-1", "victim@example.com");
        old["iat"] = json!(now - 90_000);
        cases.push(("made long ago".into(), old));
        let mut texts: Vec<(String, String)> = cases.into_iter().map(|(what, claims)| (what, claims.to_string())).collect();
        texts.extend(forge::odd_times(&provider.claims(&app, "sub-1", "victim@example.com"), now, &["exp", "iat"]));
        for (what, payload) in texts {
            for key in [&provider.rsa, &provider.ec] {
                let token = key.sign(&key.header("JWT").to_string(), &payload);
                let reply = show(&app, &token).await;
                assert_eq!((reply.status.as_u16(), reply.json()), (401, refused()), "{what}");
            }
        }
        let victim = app.identity.user(&cx, "victim@example.com").await.unwrap();
        assert!(app.identity.sessions(&cx, &victim.id).await.unwrap().is_empty());
        // The same with nothing wrong.
        show(&app, &provider.token(&app, "sub-1", "victim@example.com")).await.status(200);
    }

    async fn headers_and_signatures_that_lie_are_refused_and_fetch_nothing_from_where_they_say(app: TestApp) {
        let provider = Provider::start().await;
        let trap = Provider::start().await;
        let cx = provider.tenant(&app, true).await;
        let claims = provider.claims(&app, "sub-1", EMAIL);
        for key in [&provider.rsa, &provider.ec] {
            let good = key.token("JWT", &claims);
            for (what, token) in forge::lies(&good, key, &format!("{}/jwks", trap.base)) {
                let reply = show(&app, &token).await;
                assert_eq!((reply.status.as_u16(), reply.json()), (401, refused()), "{what}");
            }
        }
        for own in forge::strangers() {
            show(&app, &own.token("JWT", &claims)).await.is(401, refused());
        }
        // Our own tokens are none of the provider's.
        app.person(&cx, "own@example.com", PASSWORD, "Trainee").await;
        let own = tokens(&app, HOST, "own@example.com").await;
        for token in [own.access, own.refresh, own.session, app.api_key(&cx).await] {
            show(&app, &token).await.is(401, refused());
        }
        assert_eq!(trap.asked(), 0);
        assert!(nobody(&app, &cx, EMAIL).await);
        // What other providers put into their headers does no harm.
        let mut header = provider.rsa.header("JWT");
        header["x-extra"] = json!("y");
        show(&app, &provider.rsa.sign(&header.to_string(), &claims.to_string())).await.status(200);
    }

    async fn unknown_people_are_created_only_where_the_tenant_says_so(app: TestApp) {
        let provider = Provider::start().await;
        let cx = provider.tenant(&app, false).await;
        let known = app.person(&cx, EMAIL, PASSWORD, "Manager").await;
        show(&app, &provider.token(&app, "sub-2", "new@example.com")).await.status(401);
        assert_eq!(code(&show(&app, &provider.token(&app, "sub-2", "new@example.com")).await), "1031");
        assert!(nobody(&app, &cx, "new@example.com").await);
        let user = data(&show(&app, &provider.token(&app, "sub-1", EMAIL)).await)["user"].clone();
        assert_eq!((&user["id"], &user["role"]), (&json!(known.number), &json!("Manager")));
        // A verified account keeps its password.
        sign_in(&app, HOST, EMAIL, PASSWORD).await.status(200);
        provider.tenant(&app, true).await;
        show(&app, &provider.token(&app, "sub-2", "new@example.com")).await.status(200);
    }

    async fn a_squatters_password_sessions_and_links_are_gone(app: TestApp) {
        let provider = Provider::start().await;
        let cx = provider.tenant(&app, true).await;
        // The attacker signs up with the victim's address and never proves it.
        let body = json!({"email": EMAIL, "password": PASSWORD, "name": "Attacker"});
        let taken = app.post(HOST, "/api/register", &[], body).await.json();
        let user_token = taken["userToken"].as_str().unwrap().to_owned();
        let verify = app.mailed_token(MailKind::VerifyEmail).await;
        let held = tokens(&app, HOST, EMAIL).await;
        app.post(HOST, "/authorize/forgot-password", &[], json!({"email": EMAIL})).await.status(200);
        let reset = app.mailed_token(MailKind::ResetPassword).await;
        assert!(is_bearer(&app, HOST, &user_token).await);
        let cookie = app.post_form(HOST, "/sign-in", &[("origin", "https://lms.acme.test")], &[("email", EMAIL), ("password", PASSWORD)]).await.session_cookie().unwrap();

        let inner = data(&show(&app, &provider.token(&app, "sub-1", EMAIL)).await);
        let person = app.identity.user(&cx, EMAIL).await.unwrap();
        assert!(person.email_verified);
        assert_eq!(inner["user"]["id"], person.number);

        sign_in(&app, HOST, EMAIL, PASSWORD).await.is(401, failure("1004", "Invalid password"));
        refresh(&app, HOST, &held.refresh).await.is(401, failure("1017", "Invalid refreshToken"));
        for token in [&held.access, &held.session, &user_token] {
            assert!(!is_bearer(&app, HOST, token).await);
        }
        app.get(HOST, "/account/v1/session", &[("cookie", &cookie)]).await.status(401);
        app.get(HOST, "/api/refresh", &[("authorization", &format!("Bearer {user_token}"))]).await.status(401);
        app.get(HOST, &format!("/api/verify-email/{verify}"), &[]).await.status(400);
        app.post(HOST, "/authorize/reset-password", &[], json!({"token": reset, "password": "copper-meadow-77-bridges"})).await.status(400);
        // The victim stays signed in, and comes back.
        assert!(is_bearer(&app, HOST, inner["token"].as_str().unwrap()).await);
        assert_eq!(data(&show(&app, &provider.token(&app, "sub-1", EMAIL)).await)["user"]["id"], person.number);
        assert_eq!(app.identity.sessions(&cx, &person.id).await.unwrap().len(), 2);
    }

    async fn the_subject_is_the_person_not_the_address(app: TestApp) {
        let provider = Provider::start().await;
        let cx = provider.tenant(&app, true).await;
        let first = data(&show(&app, &provider.token(&app, "sub-1", EMAIL)).await)["user"]["id"].clone();
        let victim = app.person(&cx, "victim@example.com", PASSWORD, "Admin").await;
        // The same subject under another address, also one that somebody else has here, is the same account.
        for email in ["moved@example.com", "victim@example.com", "Pooja.G@Example.COM"] {
            assert_eq!(data(&show(&app, &provider.token(&app, "sub-1", email)).await)["user"]["id"], first, "{email}");
        }
        assert!(nobody(&app, &cx, "moved@example.com").await);
        assert!(app.identity.sessions(&cx, &victim.id).await.unwrap().is_empty());
        // Another subject with an address that is linked already is somebody else.
        for email in [EMAIL, "POOJA.G@example.com"] {
            show(&app, &provider.token(&app, "sub-2", email)).await.is(401, refused());
        }
        for sub in ["SUB-1", "sub-1 ", "sub-1\u{200b}"] {
            show(&app, &provider.token(&app, sub, EMAIL)).await.is(401, refused());
        }
        assert_eq!(data(&show(&app, &provider.token(&app, "sub-1", EMAIL)).await)["user"]["id"], first);
    }

    async fn what_else_the_body_and_the_token_claim_is_ignored(app: TestApp) {
        let provider = Provider::start().await;
        let cx = provider.tenant(&app, true).await;
        let victim = app.person(&cx, "victim@example.com", PASSWORD, "Admin").await;
        let mut claims = provider.claims(&app, "sub-1", EMAIL);
        for (name, value) in [("role", json!("Admin")), ("roles", json!(["Admin"])), ("uid", json!(victim.id)), ("user_id", json!(victim.id)), ("sid", json!("x")), ("hd", json!("acme.test"))] {
            claims[name] = value;
        }
        let token = provider.rsa.token("JWT", &claims);
        let body = json!({
            "provider": 1, "thirdPartyData": {"token": token, "email": "victim@example.com", "email_verified": true, "sub": "sub-9"},
            "email": "victim@example.com", "user": {"email": "victim@example.com", "id": victim.number}, "createData": {"email": "victim@example.com", "role": "Admin"},
            "role": "Admin", "id": victim.number, "userId": victim.id, "companyId": 99,
        });
        let user = data(&post(&app, body).await)["user"].clone();
        assert_eq!((&user["email"], &user["role"]), (&json!(EMAIL), &json!("Trainee")));
        assert_ne!(user["id"], victim.number);
        assert!(app.identity.sessions(&cx, &victim.id).await.unwrap().is_empty());
    }

    async fn suspended_people_stay_out(app: TestApp) {
        let provider = Provider::start().await;
        let cx = provider.tenant(&app, true).await;
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.status(200);
        let linked = app.identity.user(&cx, EMAIL).await.unwrap();
        app.identity.suspend_user(&cx, &linked.id).await.unwrap();
        let other = app.person(&cx, "other@example.com", PASSWORD, "Trainee").await;
        app.identity.suspend_user(&cx, &other.id).await.unwrap();
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.is(401, refused());
        show(&app, &provider.token(&app, "sub-2", "other@example.com")).await.is(401, refused());
        app.identity.restore_user(&cx, &linked.id).await.unwrap();
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.status(200);
    }

    async fn a_tenant_without_the_provider_knows_none_also_from_one_moment_to_the_next(app: TestApp) {
        let provider = Provider::start().await;
        app.acme().await;
        let token = provider.token(&app, "sub-1", EMAIL);
        let unknown = failure("1029", "Invalid provider");
        show(&app, &token).await.is(400, unknown.clone());
        assert_eq!(provider.asked(), 0);
        provider.tenant(&app, true).await;
        show(&app, &token).await.status(200);
        app.acme().await;
        show(&app, &token).await.is(400, unknown);
    }

    async fn a_token_for_one_tenant_is_no_good_at_another(app: TestApp) {
        let provider = Provider::start().await;
        provider.tenant(&app, true).await;
        let zeta = ACME.replace("acme", "zeta").replace("Acme", "Zeta");
        let zeta = app.apply(&format!("{zeta}\n{}", provider.entry("zeta-client.apps.test", true))).await;
        let body = json!({"provider": 1, "thirdPartyData": {"token": provider.token(&app, "sub-1", EMAIL)}});
        app.post(OTHER, "/authorize/third-party", &[], body.clone()).await.is(401, refused());
        assert!(nobody(&app, &zeta, EMAIL).await);
        app.post(HOST, "/authorize/third-party", &[], body).await.status(200);
    }

    async fn sixteen_first_sign_ins_at_once_make_one_account(app: TestApp) {
        let provider = Provider::start().await;
        let cx = provider.tenant(&app, true).await;
        let token = provider.token(&app, "sub-1", EMAIL);
        let ids = at_once(16, |_| {
            let (app, token) = (app.clone(), token.clone());
            async move { data(&show(&app, &token).await)["user"]["id"].as_i64().unwrap() }
        }).await;
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(app.identity.users(&cx, 0, 10).await.unwrap().len(), 1);
        assert_eq!(provider.asked(), 1, "one fetch serves all that wait");
    }

    async fn rotated_keys_are_fetched_when_first_seen(app: TestApp) {
        let provider = Provider::start().await;
        provider.tenant(&app, true).await;
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.status(200);
        let new = Key::generate(Algorithm::RS256);
        let claims = provider.claims(&app, "sub-1", EMAIL);
        show(&app, &new.token("JWT", &claims)).await.is(401, refused());
        assert_eq!(provider.asked(), 2);
        provider.says(Says::Keys(vec![new.jwk.clone()]));
        // Somebody's made-up key ids must not buy a fetch each; so the new key may take half a minute.
        app.pass(Duration::from_secs(31));
        show(&app, &new.token("JWT", &claims)).await.status(200);
        assert_eq!(provider.asked(), 3);
        // The old key is gone from the set, and with it its tokens.
        app.pass(Duration::from_secs(31));
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.is(401, refused());
    }

    async fn made_up_key_ids_buy_no_fetches(app: TestApp) {
        let provider = Provider::start().await;
        provider.tenant(&app, true).await;
        let claims = provider.claims(&app, "sub-1", EMAIL);
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.status(200);
        for _ in 0..2 {
            let before = provider.asked();
            let token = |index: usize| {
                let mut header = provider.rsa.header("JWT");
                header["kid"] = json!(format!("made-up-{index}"));
                provider.rsa.sign(&header.to_string(), &claims.to_string())
            };
            let statuses = at_once(50, |index| {
                let (app, token) = (app.clone(), token(index));
                async move { show(&app, &token).await.status.as_u16() }
            }).await;
            assert_eq!(statuses, [401; 50]);
            assert_eq!(provider.asked() - before, 1);
            app.pass(Duration::from_secs(31));
        }
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.status(200);
    }

    async fn keys_that_cannot_be_had_are_our_trouble_and_nobody_signs_in(app: TestApp) {
        for trouble in [
            Says::Status(StatusCode::INTERNAL_SERVER_ERROR), Says::Status(StatusCode::NOT_FOUND), Says::Status(StatusCode::NO_CONTENT), Says::Elsewhere,
            Says::Text("<html>maintenance</html>"), Says::Text("{}"), Says::Text("{\"keys\":7}"), Says::Text("[]"), Says::Text(""),
        ] {
            let provider = Provider::start().await;
            let cx = provider.tenant(&app, true).await;
            provider.says(trouble);
            let email = "later@example.com";
            let token = provider.token(&app, "sub-1", email);
            for _ in 0..3 {
                let reply = show(&app, &token).await;
                assert_eq!((reply.status.as_u16(), code(&reply).as_str()), (503, "503"), "{}", reply.body);
                assert!(reply.header("retry-after").parse::<u32>().is_ok());
            }
            assert_eq!(provider.asked(), 1, "a moment's pause before asking again");
            assert!(nobody(&app, &cx, email).await);
            // Other ways in are not affected.
            sign_in(&app, HOST, "nobody@example.com", "x").await.status(401);
            provider.says(Says::Keys(vec![provider.rsa.jwk.clone()]));
            app.pass(Duration::from_secs(6));
            show(&app, &token).await.status(200);
            let made = app.identity.user(&cx, email).await.unwrap();
            app.identity.delete_user(&cx, &made.id).await.unwrap();
        }
    }

    async fn known_keys_outlast_an_outage_of_hours_but_not_of_days(app: TestApp) {
        let provider = Provider::start().await;
        provider.tenant(&app, true).await;
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.status(200);
        provider.says(Says::Status(StatusCode::BAD_GATEWAY));
        for _ in 0..5 {
            app.pass(Duration::from_secs(2 * 3_600));
            show(&app, &provider.token(&app, "sub-1", EMAIL)).await.status(200);
        }
        app.pass(Duration::from_secs(20 * 3_600));
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.status(503);
        provider.says(Says::Keys(vec![provider.rsa.jwk.clone()]));
        app.pass(Duration::from_secs(6));
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.status(200);
    }

    async fn keys_that_we_cannot_use_are_passed_over(app: TestApp) {
        let provider = Provider::start().await;
        provider.tenant(&app, true).await;
        let mut encryption = provider.ec.jwk.clone();
        encryption["use"] = json!("enc");
        let mut odd = provider.ec.jwk.clone();
        odd["alg"] = json!("HS256");
        let symmetric = json!({"kty": "oct", "kid": provider.ec.kid, "k": forge::b64("secret"), "alg": "HS256"});
        provider.says(Says::Keys(vec![json!(7), json!(null), json!({}), json!({"kty": "RSA"}), encryption, odd, symmetric, provider.rsa.jwk.clone()]));
        show(&app, &provider.ec.token("JWT", &provider.claims(&app, "sub-1", EMAIL))).await.is(401, refused());
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.status(200);
    }
}
