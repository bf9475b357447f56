//! Whom a good token signs in.

use super::*;

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

    async fn who_was_imported_with_a_subject_and_no_proof_is_proven_by_the_provider(app: TestApp) {
        let provider = Provider::start().await;
        let cx = provider.tenant(&app, false).await;
        let lines = [("a@example.com", "sub-1"), ("b@example.com", "sub-2")].map(|(email, subject)| json!({"email": email, "google_subject": subject}));
        crate::import::import(&app, &cx, &lines, vestibule_identity::ImportMode::default()).await;
        show(&app, &provider.token(&app, "sub-1", "A@example.com")).await.status(200);
        assert!(app.identity.user(&cx, "a@example.com").await.unwrap().email_verified);
        // Of another address the provider says nothing.
        show(&app, &provider.token(&app, "sub-2", "elsewhere@example.com")).await.status(200);
        assert!(!app.identity.user(&cx, "b@example.com").await.unwrap().email_verified);
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
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap().len(), 1);
        assert_eq!(provider.asked(), 1, "one fetch serves all that wait");
    }
}
