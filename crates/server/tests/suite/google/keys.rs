//! The provider's keys: fetched, kept, rotated, out of reach.

use super::*;

on_both! {
    async fn rotated_keys_are_fetched_when_first_seen(app: TestApp) {
        let provider = Provider::start().await;
        provider.tenant(&app, true).await;
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.status(200);
        let new = Key::generate(Algorithm::RS256);
        let claims = provider.claims(&app, "sub-1", EMAIL);
        show(&app, &new.token("JWT", &claims)).await.is(401, refused());
        assert_eq!(provider.asked(), 1);
        provider.says(Says::Keys(vec![new.jwk.clone()]));
        // Somebody's made-up key ids must not buy a fetch each; so the new key may take half a minute.
        app.pass(Duration::from_secs(31));
        show(&app, &new.token("JWT", &claims)).await.status(200);
        assert_eq!(provider.asked(), 2);
        // The old key is gone from the set, and with it its tokens.
        app.pass(Duration::from_secs(31));
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.is(401, refused());
    }

    async fn made_up_key_ids_buy_no_fetches(app: TestApp) {
        let provider = Provider::start().await;
        provider.tenant(&app, true).await;
        let claims = provider.claims(&app, "sub-1", EMAIL);
        show(&app, &provider.token(&app, "sub-1", EMAIL)).await.status(200);
        for fetches in [0, 1, 1] {
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
            assert_eq!(provider.asked() - before, fetches);
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
                assert_eq!(reply.header("retry-after"), "30");
            }
            assert_eq!(provider.asked(), 1, "half a minute's pause before asking again");
            assert!(nobody(&app, &cx, email).await);
            // Other ways in are not affected.
            sign_in(&app, HOST, "nobody@example.com", "x").await.status(401);
            provider.says(Says::Keys(vec![provider.rsa.jwk.clone()]));
            app.pass(Duration::from_secs(31));
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
        app.pass(Duration::from_secs(31));
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

    async fn a_provider_that_hangs_holds_up_no_other(app: TestApp) {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Provider::start().await;
        provider.tenant(&app, true).await;
        let zeta = ACME.replace("acme", "zeta").replace("Acme", "Zeta");
        let hung = format!("http://{}", silent.local_addr().unwrap());
        app.apply(&format!("{zeta}\n{}", provider.entry(CLIENT, true).replace(&provider.base, &hung))).await;
        let token = provider.token(&app, "sub-1", EMAIL);
        let body = json!({"provider": 1, "thirdPartyData": {"token": token}});
        let waits = tokio::spawn({
            let (app, body) = (app.clone(), body.clone());
            async move { app.post(OTHER, "/authorize/third-party", &[], body).await }
        });
        // It is being asked, and does not answer.
        let _connection = silent.accept().await.unwrap();
        show(&app, &token).await.status(200);
        assert!(!waits.is_finished());
        waits.abort();
    }

    async fn addresses_that_are_not_public_are_asked_only_where_the_operator_says_so(app: TestApp) {
        let trap = Provider::start().await;
        for (address, loopback) in [(trap.base.clone(), true), (trap.base.replace("127.0.0.1", "[::1]"), false), ("http://169.254.169.254".to_owned(), false), ("http://10.0.0.1".to_owned(), false)] {
            app.apply(&format!("{ACME}\n{}", trap.entry(CLIENT, true).replace(&trap.base, &address))).await;
            let mut claims = trap.claims(&app, "sub-1", EMAIL);
            claims["iss"] = json!(address);
            let reply = show(&app, &trap.rsa.token("JWT", &claims)).await;
            assert_eq!(reply.status.as_u16(), if loopback { 200 } else { 503 }, "{address}: {}", reply.body);
            assert!(!reply.body.contains("address"), "{}", reply.body);
        }
        assert_eq!(trap.asked(), 1);
    }
}
