//! What is no good, and changes nothing.

use super::*;

on_both! {
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
            ("sub", vec![json!(null), json!(""), json!(7), json!(["x"]), json!("x".repeat(256)), json!("sub\u{0}9"), json!("sub\n9")]),
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
}
