//! POST /api/register.

use serde_json::{Value, json};
use vestibule_identity::MailKind;

use super::{HOST, PASSWORD, Tokens, failure, login, refresh, registered, sign_up};
use crate::app::{at_once, claims, header, on_both};
use crate::hostile::EMAILS;

on_both! {
    async fn signing_up_answers_tokens_and_mails_one_link(app: TestApp) {
        app.acme().await;
        let body = json!({ "email": " Ada@Team.example ", "password": PASSWORD, "name": "  Ada   King Lovelace " });
        let tokens = Tokens::of(&app.post(HOST, "/api/register", &[], body).await);
        let user = claims(&tokens.user);
        assert_eq!((&user["email"], &user["email_verified"], &user["name"]), (&json!("Ada@Team.example"), &json!(false), &json!("Ada King Lovelace")));
        let link = app.mailed_link(MailKind::VerifyEmail).await;
        assert!(link.starts_with("https://lms.acme.test/verify-email/"), "{link}");
        assert!(app.mails().await.is_empty());
        assert!(app.audit("acme").await.contains(&"account.registered done".to_owned()));
    }

    async fn tokens_carry_these_claims_and_no_others(app: TestApp) {
        let cx = app.acme().await;
        let tokens = registered(&app, "ada@team.example").await;
        let (user, vault) = (claims(&tokens.user), claims(&tokens.vault));
        let names = |claims: &Value| {
            let mut names: Vec<String> = claims.as_object().unwrap().keys().cloned().collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(names(&user), "aud email email_verified exp gen iat iss name sid sub");
        assert_eq!(names(&vault), "aud exp gen iat iss project role sid sub team");
        assert_eq!((&vault["team"], &vault["project"], &vault["role"]), (&Value::Null, &Value::Null, &Value::Null));
        let keys = app.get(HOST, "/.well-known/jwks.json", &[]).await.json();
        let account = app.identity.user(&cx, "ada@team.example").await.unwrap();
        for (token, claims) in [(&tokens.user, &user), (&tokens.vault, &vault)] {
            assert_eq!(claims["iss"], "https://lms.acme.test");
            assert_eq!(claims["sub"], account.id.as_str());
            assert_eq!(claims["aud"], "https://lms.acme.test/enclaive");
            assert_eq!(claims["iat"], crate::app::START);
            assert_eq!(claims["exp"], crate::app::START + 3_600);
            let header = header(token);
            assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("at+jwt")));
            assert_eq!(header.as_object().unwrap().len(), 3, "{header}");
            let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
            let key = vestibule_crypto::VerifyingKey::from_jwk(key).unwrap();
            vestibule_crypto::Jws::parse(token).unwrap().verify(&key).unwrap();
        }
        assert_eq!((&user["sid"], &user["gen"]), (&vault["sid"], &vault["gen"]));
    }

    async fn a_taken_address_is_409_however_it_is_spelt(app: TestApp) {
        app.acme().await;
        registered(&app, "Käthe@Bücher.example").await;
        app.mails().await;
        for email in [
            "Käthe@Bücher.example", "käthe@bücher.example", "KÄTHE@BÜCHER.EXAMPLE", " käthe@bücher.example\t", "Ka\u{308}the@bu\u{308}cher.example",
            "käthe@xn--bcher-kva.example", "käthe@XN--BCHER-KVA.example",
        ] {
            let reply = sign_up(&app, HOST, email, "another-good-password-1").await;
            reply.is(409, failure(409, "This e-mail address is already registered"));
        }
        assert!(app.mails().await.is_empty(), "nobody is told by mail");
        login(&app, "käthe@bücher.example", PASSWORD).await.status(200);
        login(&app, "käthe@bücher.example", "another-good-password-1").await.status(401);
    }

    async fn tags_and_dots_make_other_people(app: TestApp) {
        app.acme().await;
        for email in ["a.b@gmail.com", "ab@gmail.com", "ab+x@gmail.com"] {
            registered(&app, email).await;
        }
        assert_eq!(app.mails().await.len(), 3);
    }

    async fn another_tenant_has_its_own_people(app: TestApp) {
        app.acme().await;
        app.zeta().await;
        registered(&app, "ada@team.example").await;
        let there = Tokens::of(&sign_up(&app, "lms.zeta.test", "ada@team.example", PASSWORD).await);
        assert_eq!(claims(&there.user)["iss"], "https://lms.zeta.test");
        let links: Vec<String> = app.mails().await.iter().map(|mail| secrecy::ExposeSecret::expose_secret(mail.link.as_ref().unwrap()).to_owned()).collect();
        assert!(links.iter().any(|link| link.starts_with("https://lms.zeta.test/")), "{links:?}");
    }

    async fn several_faults_are_one_list(app: TestApp) {
        app.acme().await;
        let (missing_email, missing_password, missing_name) = ("email is missing", "password is missing", "name is missing");
        for (body, messages) in [
            (json!({}), json!([missing_email, missing_password, missing_name])),
            (json!({ "email": null, "password": null, "name": null }), json!([missing_email, missing_password, missing_name])),
            (json!({ "email": "  ", "password": "", "name": " " }), json!([missing_email, missing_password, missing_name])),
            (json!({ "email": "ada", "password": PASSWORD }), json!(["email is not a valid e-mail address", missing_name])),
            (json!({ "email": 7, "password": [], "name": {} }), json!(["email must be a text", "password must be a text", "name must be a text"])),
            (json!({ "email": "ada@team.example", "password": true, "name": "Ada" }), json!(["password must be a text"])),
            (json!({ "email": "ada", "password": "short", "name": "" }), json!(["email is not a valid e-mail address", "The password must have at least 8 characters.", missing_name])),
            (json!({ "email": "ada@team.example", "password": PASSWORD, "name": "x".repeat(201) }), json!(["name is too long"])),
        ] {
            app.post(HOST, "/api/register", &[], body).await.is(400, failure(400, messages));
        }
        assert!(app.mails().await.is_empty());
    }

    async fn weak_passwords_are_refused_and_say_why(app: TestApp) {
        app.acme().await;
        let long = "ab c".repeat(64) + "x";
        for (password, part) in [
            ("seven77", "at least 8 characters"),
            ("p\u{301}p\u{301}x", "at least 8 characters"),
            ("aaaaaaaaaaaa", "too easy"),
            ("abababababab", "too easy"),
            ("12345678", "too easy"),
            ("hgfedcba", "too easy"),
            ("password", "too easy"),
            ("PassWord123", "too easy"),
            ("Qwerty123", "too easy"),
            ("ada.king@team.example", "your address"),
            ("ADA.KING@team.example", "your address"),
            ("Ada.King", "your address"),
            ("Acme Learning", "name of this service"),
            (&long, "at most 256"),
        ] {
            let reply = sign_up(&app, HOST, "ada.king@team.example", password).await;
            reply.status(400);
            let body = reply.json();
            assert_eq!((&body["statusCode"], &body["error"]), (&json!(400), &json!("Bad Request")), "{password}");
            let messages = body["message"].as_array().unwrap_or_else(|| panic!("no list in {body}"));
            assert!(messages.len() == 1 && messages[0].as_str().unwrap().contains(part), "{password}: {body}");
        }
        assert!(app.mails().await.is_empty());
        assert_eq!(app.audit("acme").await.iter().filter(|line| line.contains("registered")).count(), 0);
    }

    async fn good_passwords_are_kept_to_the_letter(app: TestApp) {
        app.acme().await;
        let (pictures, long) = ("😀😁😂🤣😃😄😅😆".repeat(8), "ab c".repeat(64));
        for (index, (password, opens, shut)) in [
            ("aaaa bbbb cccc dddd", "aaaa bbbb cccc dddd", "aaaa bbbb cccc ddd"),
            ("  led by blanks  ", "  led by blanks  ", "led by blanks"),
            ("caf\u{e9} au lait", "cafe\u{301} au lait", "cafe au lait"),
            (&pictures, &pictures, &pictures[..pictures.len() - 4]),
            (&long, &long, &long[..255]),
            ("Case Matters Here", "Case Matters Here", "case matters here"),
        ].into_iter().enumerate() {
            let email = format!("p{index}@team.example");
            sign_up(&app, HOST, &email, password).await.status(200);
            login(&app, &email, opens).await.status(200);
            login(&app, &email, shut).await.status(401);
        }
    }

    async fn a_tenant_may_ask_for_longer_passwords(app: TestApp) {
        app.acme().await;
        app.acme_with("[password]\nmin_length = 15\n").await;
        let reply = sign_up(&app, HOST, "ada@team.example", "fourteen chars").await;
        reply.is(400, failure(400, json!(["The password must have at least 15 characters."])));
        sign_up(&app, HOST, "ada@team.example", "fifteen charsss").await.status(200);
    }

    async fn a_closed_tenant_takes_nobody(app: TestApp) {
        app.acme().await;
        app.acme_with("[registration]\nopen = false\n").await;
        let reply = sign_up(&app, HOST, "ada@team.example", PASSWORD).await;
        assert_eq!((reply.status.as_u16(), reply.json()["statusCode"].clone()), (403, json!(403)));
        assert!(app.mails().await.is_empty());
        login(&app, "ada@team.example", PASSWORD).await.status(401);
    }

    async fn nobody_may_set_what_is_not_theirs(app: TestApp) {
        let cx = app.acme().await;
        let body = json!({
            "email": "eve@team.example", "password": PASSWORD, "name": "Eve", "role": "Admin", "email_verified": true, "emailVerified": true, "verified": true,
            "id": "x", "number": 1, "tenant": "zeta", "team": "x", "state": "active", "locale": "xx", "__proto__": { "role": "Admin" },
        });
        Tokens::of(&app.post(HOST, "/api/register", &[], body).await);
        let account = app.identity.user(&cx, "eve@team.example").await.unwrap();
        assert_eq!((account.role.as_str(), account.email_verified, account.locale.as_str()), ("Trainee", false, "en-US"));
    }

    async fn hostile_addresses_are_400_and_mail_nobody(app: TestApp) {
        app.acme().await;
        for email in EMAILS.iter() {
            let reply = sign_up(&app, HOST, email, PASSWORD).await;
            reply.is(400, failure(400, json!(["email is not a valid e-mail address"])));
        }
        assert!(app.mails().await.is_empty());
    }

    async fn sixteen_at_once_make_one_account_and_one_mail(app: TestApp) {
        let cx = app.acme().await;
        let replies = at_once(16, |index| {
            let app = app.clone();
            let email = if index % 2 == 0 { "ada@team.example" } else { "ADA@TEAM.example" };
            async move { sign_up(&app, HOST, email, PASSWORD).await }
        })
        .await;
        let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [&[200][..], &[409; 15]].concat());
        for reply in replies.iter().filter(|reply| reply.status == 409) {
            reply.is(409, failure(409, "This e-mail address is already registered"));
        }
        assert_eq!(app.mails().await.len(), 1);
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap().len(), 1);
        let winner = replies.iter().find(|reply| reply.status == 200).unwrap();
        refresh(&app, &Tokens::of(winner).user).await.status(200);
    }
}
