//! Refresh: how generations follow each other, when a session ends, and what races do.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use vestibule_identity::{
    Account, ChangePassword, Cx, Kind, Refresh, Session, SessionKind, SignInPassword, SignedIn,
};

use crate::app::{TestApp, at_once, claims, on_both};
use crate::enclaive::{HOST, OTHER_PASSWORD, PASSWORD, Tokens, failure, login, refresh, signed_in};

const ADA: &str = "ada@team.example";

async fn ada(app: &TestApp) -> (Cx, Account) {
    let cx = app.acme().await;
    let account = app.person(&cx, ADA, PASSWORD, "Trainee").await;
    (cx, account)
}

async fn next(app: &TestApp, tokens: &Tokens) -> Tokens {
    Tokens::of(&refresh(app, &tokens.user).await)
}

async fn is_refused(app: &TestApp, tokens: &Tokens, why: &str) {
    let reply = refresh(app, &tokens.user).await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()),
        (401, failure(401, "Unauthorized")),
        "{why}"
    );
}

async fn replays(app: &TestApp) -> usize {
    app.audit("acme")
        .await
        .iter()
        .filter(|line| *line == "session.refresh refused replay")
        .count()
}

/// A context as a dialect makes it, for tokens that no route of a dialect hands out.
async fn surface(app: &TestApp, slug: &str, dialect: &str) -> Cx {
    let mut cx = app.cx(slug).await;
    cx.client.dialect = Some(dialect.into());
    cx
}

async fn session_of(app: &TestApp, cx: &Cx) -> SignedIn {
    let command = SignInPassword {
        email: ADA.into(),
        password: PASSWORD.into(),
        captcha: None,
        kind: SessionKind::Api,
    };
    app.identity.sign_in_password(cx, command).await.unwrap()
}

async fn turn(app: &TestApp, cx: &Cx, token: &SecretString) -> Result<Session, Kind> {
    let command = Refresh {
        token: token.clone(),
        rotate: true,
    };
    app.identity
        .refresh(cx, command)
        .await
        .map(|new| new.session)
        .map_err(|error| error.kind)
}

on_both! {
    async fn each_turn_is_the_next_generation_of_one_session(app: TestApp) {
        let (cx, account) = ada(&app).await;
        let mut tokens = signed_in(&app, ADA).await;
        let session = tokens.session();
        for generation in 1..=20 {
            app.pass(Duration::from_secs(300));
            tokens = next(&app, &tokens).await;
            assert_eq!((tokens.session(), tokens.generation()), (session.clone(), generation));
        }
        assert_eq!(app.identity.sessions(&cx, &account.id).await.unwrap().len(), 1, "one row, whatever number of tokens");
        assert_eq!(replays(&app).await, 0);
    }

    async fn the_generation_just_before_is_answered_the_present_one_however_late(app: TestApp) {
        ada(&app).await;
        let first = signed_in(&app, ADA).await;
        app.pass(Duration::from_secs(600));
        let second = next(&app, &first).await;
        for wait in [0, 1, 30, 31, 3_600, 86_400] {
            app.pass(Duration::from_secs(wait));
            let again = next(&app, &first).await;
            assert_eq!((again.session(), again.generation()), (second.session(), 1), "after {wait} s");
        }
        let third = next(&app, &second).await;
        assert_eq!(third.generation(), 2);
        assert_eq!(next(&app, &second).await.generation(), 2);
    }

    async fn a_repeat_in_the_same_moment_holds_the_same_claims(app: TestApp) {
        ada(&app).await;
        let first = signed_in(&app, ADA).await;
        let (one, two) = (next(&app, &first).await, next(&app, &first).await);
        assert_eq!(claims(&one.user), claims(&two.user));
        assert_eq!(claims(&one.vault), claims(&two.vault));
    }

    async fn older_ones_are_answered_for_thirty_seconds_after_they_were_replaced(app: TestApp) {
        ada(&app).await;
        let first = signed_in(&app, ADA).await;
        app.pass(Duration::from_secs(600));
        let second = next(&app, &first).await;
        app.pass(Duration::from_secs(10));
        let third = next(&app, &second).await;
        app.pass(Duration::from_secs(10));
        let fourth = next(&app, &third).await;
        app.pass(Duration::from_secs(10));
        for token in [&first, &second, &third] {
            let again = next(&app, token).await;
            assert_eq!((again.session(), again.generation()), (fourth.session(), 3));
        }
        app.pass(Duration::from_secs(1));
        assert_eq!(next(&app, &third).await.generation(), 3, "the one just before is not bound to the window");
        is_refused(&app, &first, "31 s after it was replaced").await;
        assert_eq!(replays(&app).await, 1);
    }

    async fn every_replaced_one_has_thirty_seconds_of_its_own(app: TestApp) {
        ada(&app).await;
        let first = signed_in(&app, ADA).await;
        let second = next(&app, &first).await;
        app.pass(Duration::from_secs(25));
        let third = next(&app, &second).await;
        app.pass(Duration::from_secs(7));
        let fourth = next(&app, &third).await;
        let again = next(&app, &second).await;
        assert_eq!((again.session(), again.generation()), (fourth.session(), 3), "replaced seven seconds ago");
        assert_eq!(replays(&app).await, 0);
    }

    async fn a_replay_ends_this_session_and_no_other(app: TestApp) {
        let (cx, account) = ada(&app).await;
        let (stolen, other) = (signed_in(&app, ADA).await, signed_in(&app, ADA).await);
        app.pass(Duration::from_secs(600));
        let second = next(&app, &stolen).await;
        app.pass(Duration::from_secs(600));
        let third = next(&app, &second).await;
        app.pass(Duration::from_secs(600));
        is_refused(&app, &stolen, "two generations old").await;
        for dead in [&stolen, &second, &third] {
            is_refused(&app, dead, "its session has ended").await;
        }
        let own = app.get(HOST, "/account/v1/session", &[("authorization", &format!("Bearer {}", third.user))]).await;
        assert_eq!(own.status, 401, "access tokens end with their session");
        assert_eq!(replays(&app).await, 1, "told once");
        let left: Vec<String> = app.identity.sessions(&cx, &account.id).await.unwrap().into_iter().map(|session| session.id).collect();
        assert_eq!(left, [other.session()]);
        let entry = app.identity.audit_entries(&cx, 10).await.unwrap().into_iter().find(|entry| entry.reason.as_deref() == Some("replay")).unwrap();
        assert_eq!((entry.account_id.as_deref(), entry.surface.as_str(), entry.client_address.as_deref()), (Some(account.id.as_str()), "enclaive", Some("192.0.2.1")));
        next(&app, &other).await;
        signed_in(&app, ADA).await;
    }

    async fn every_node_knows_a_replay_when_it_sees_one(app: TestApp) {
        ada(&app).await;
        let first = signed_in(&app, ADA).await;
        app.pass(Duration::from_secs(7_200));
        let second = next(&app, &first).await;
        app.pass(Duration::from_secs(7_200));
        next(&app, &second).await;
        let node = app.second_node().await;
        is_refused(&node, &first, "another node knows it too").await;
        is_refused(&app, &second, "the session has ended").await;
    }

    async fn sixteen_at_once_all_succeed_with_one_new_generation(app: TestApp) {
        ada(&app).await;
        for round in 0..4_i64 {
            let tokens = signed_in(&app, ADA).await;
            app.pass(Duration::from_secs(60));
            let replies = at_once(16, |index| {
                let (app, token) = (app.clone(), if index % 2 == 0 { tokens.user.clone() } else { tokens.vault.clone() });
                async move { refresh(&app, &token).await }
            })
            .await;
            let new: Vec<Tokens> = replies.iter().map(Tokens::of).collect();
            assert!(new.iter().all(|new| new.generation() == 1 && new.session() == tokens.session()), "round {round}: {new:?}");
            assert_eq!(next(&app, &new[0]).await.generation(), 2);
        }
        assert_eq!(replays(&app).await, 0);
    }

    async fn two_nodes_racing_on_one_token_both_end_up_signed_in(app: TestApp) {
        ada(&app).await;
        let nodes = [app.clone(), app.second_node().await];
        let mut tokens = signed_in(&app, ADA).await;
        for generation in 1..=5 {
            app.pass(Duration::from_secs(60));
            let replies = at_once(16, |index| {
                let (node, token) = (nodes[index % 2].clone(), tokens.user.clone());
                async move { refresh(&node, &token).await }
            })
            .await;
            let new: Vec<Tokens> = replies.iter().map(Tokens::of).collect();
            assert!(new.iter().all(|new| new.generation() == generation), "{new:?}");
            tokens = new[15].clone();
        }
        assert_eq!(replays(&app).await, 0);
    }

    async fn a_replay_in_a_race_ends_the_session_once(app: TestApp) {
        ada(&app).await;
        let first = signed_in(&app, ADA).await;
        app.pass(Duration::from_secs(600));
        let second = next(&app, &first).await;
        app.pass(Duration::from_secs(600));
        next(&app, &second).await;
        app.pass(Duration::from_secs(600));
        let statuses = at_once(16, |_| {
            let (app, token) = (app.clone(), first.user.clone());
            async move { refresh(&app, &token).await.status.as_u16() }
        })
        .await;
        assert_eq!(statuses, [401; 16]);
        assert_eq!(replays(&app).await, 1);
    }

    async fn a_session_ends_at_its_absolute_time_used_or_not(app: TestApp) {
        let (_, _) = ada(&app).await;
        app.acme_with("[session]\nidle = \"10d\"\nabsolute = \"10d\"\n").await;
        let (used, alive, dead) = (signed_in(&app, ADA).await, signed_in(&app, ADA).await, signed_in(&app, ADA).await);
        let day = Duration::from_secs(86_400);
        let mut latest = used;
        for _ in 0..9 {
            app.pass(day);
            latest = next(&app, &latest).await;
        }
        app.pass(day - Duration::from_secs(1));
        latest = next(&app, &latest).await;
        next(&app, &alive).await;
        app.pass(Duration::from_secs(2));
        is_refused(&app, &latest, "refreshed a moment ago, but ten days old").await;
        is_refused(&app, &dead, "ten days and a second old").await;
        assert_eq!(replays(&app).await, 0);
    }

    async fn a_session_ends_when_nobody_uses_it(app: TestApp) {
        ada(&app).await;
        app.acme_with("[session]\nidle = \"2h\"\nabsolute = \"10d\"\n").await;
        let (kept, left) = (signed_in(&app, ADA).await, signed_in(&app, ADA).await);
        app.pass(Duration::from_secs(7_199));
        let kept = next(&app, &kept).await;
        app.pass(Duration::from_secs(2));
        is_refused(&app, &left, "idle for two hours and a second").await;
        app.pass(Duration::from_secs(7_197));
        let kept = next(&app, &kept).await;
        app.pass(Duration::from_secs(7_201));
        is_refused(&app, &kept, "idle for two hours and a second").await;
    }

    async fn the_purge_changes_no_answer(app: TestApp) {
        ada(&app).await;
        let (first, ended) = (signed_in(&app, ADA).await, signed_in(&app, ADA).await);
        let cx = app.cx("acme").await;
        let id = claims(&ended.user)["sub"].as_str().unwrap().to_owned();
        app.identity.end_session(&cx, (&id, None), &ended.session()).await.unwrap();
        app.pass(Duration::from_secs(8 * 86_400));
        app.identity.purge().await.unwrap();
        is_refused(&app, &ended, "ended and forgotten").await;
        next(&app, &first).await;
    }

    async fn whatever_ends_sessions_ends_refreshing(app: TestApp) {
        let (cx, account) = ada(&app).await;
        let change = |keep: Option<String>| ChangePassword { current: PASSWORD.into(), new: OTHER_PASSWORD.into(), keep_session: keep };

        let tokens = signed_in(&app, ADA).await;
        app.identity.sign_out_all(&cx, &account.id, None).await.unwrap();
        is_refused(&app, &tokens, "signed out everywhere").await;

        let (kept, gone) = (signed_in(&app, ADA).await, signed_in(&app, ADA).await);
        app.identity.sign_out_all(&cx, &account.id, Some(&kept.session())).await.unwrap();
        is_refused(&app, &gone, "signed out everywhere else").await;
        let kept = next(&app, &kept).await;

        app.identity.end_session(&cx, (&account.id, None), &kept.session()).await.unwrap();
        is_refused(&app, &kept, "ended by its owner").await;

        let (kept, gone) = (signed_in(&app, ADA).await, signed_in(&app, ADA).await);
        app.identity.change_password(&cx, &account.id, change(Some(kept.session()))).await.unwrap();
        is_refused(&app, &gone, "the password changed").await;
        next(&app, &kept).await;
        login(&app, ADA, PASSWORD).await.status(401);

        let tokens = Tokens::of(&login(&app, ADA, OTHER_PASSWORD).await);
        app.identity.suspend_user(&cx, &account.id).await.unwrap();
        is_refused(&app, &tokens, "suspended").await;
        app.identity.restore_user(&cx, &account.id).await.unwrap();
        is_refused(&app, &tokens, "suspended and restored").await;

        let tokens = Tokens::of(&login(&app, ADA, OTHER_PASSWORD).await);
        app.identity.delete_user(&cx, &account.id).await.unwrap();
        is_refused(&app, &tokens, "deleted").await;
    }

    async fn signing_out_while_sixteen_refresh_leaves_nobody_signed_in(app: TestApp) {
        let (cx, account) = ada(&app).await;
        let tokens = signed_in(&app, ADA).await;
        let replies = at_once(17, |index| {
            let (app, cx, account, token) = (app.clone(), cx.clone(), account.id.clone(), tokens.user.clone());
            async move {
                if index == 8 {
                    app.identity.sign_out_all(&cx, &account, None).await.unwrap();
                    return None;
                }
                Some(refresh(&app, &token).await)
            }
        })
        .await;
        for reply in replies.into_iter().flatten() {
            assert!([200, 401].contains(&reply.status.as_u16()), "{}", reply.body);
            if reply.status == 200 {
                is_refused(&app, &Tokens::of(&reply), "signed out meanwhile").await;
            }
        }
        assert!(app.identity.sessions(&cx, &account.id).await.unwrap().is_empty());
    }

    async fn an_opaque_refresh_token_follows_the_same_rule(app: TestApp) {
        ada(&app).await;
        let cx = surface(&app, "acme", "enclaive").await;
        let started = session_of(&app, &cx).await;
        let token = |session: &Session| app.identity.refresh_token(&cx.tenant, session);
        let first = token(&started.session);
        assert_eq!(first.expose_secret(), token(&started.session).expose_secret(), "the same each time it is asked for");
        let at = |seconds: u64| Cx { now: started.session.created_at + Duration::from_secs(seconds), ..cx.clone() };
        let second = turn(&app, &at(100), &first).await.unwrap();
        assert_ne!(first.expose_secret(), token(&second).expose_secret());
        assert_eq!(token(&turn(&app, &at(5_000), &first).await.unwrap()).expose_secret(), token(&second).expose_secret(), "the same answer again");
        let third = turn(&app, &at(6_000), &token(&second)).await.unwrap();
        assert_eq!(turn(&app, &at(6_031), &first).await.unwrap_err(), Kind::InvalidRefreshToken);
        assert_eq!(turn(&app, &at(6_032), &token(&third)).await.unwrap_err(), Kind::InvalidRefreshToken);
        assert_eq!(replays(&app).await, 1);
    }

    async fn without_a_place_for_a_new_token_the_generation_stays(app: TestApp) {
        ada(&app).await;
        let answer = app.post(HOST, "/authorize/login", &[], json!({ "email": ADA, "password": PASSWORD })).await.json();
        let token = answer["data"]["response"]["data"]["refresh-token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        for wait in [0, 31, 3_600, 86_400, 60 * 86_400] {
            app.pass(Duration::from_secs(wait));
            let reply = app.post(HOST, "/authorize/refresh-token", &[], json!({ "refreshToken": token })).await;
            let answer = reply.status(200).json()["data"]["response"]["data"].take();
            assert_eq!((&answer["status"], answer.as_object().unwrap().len()), (&json!("ok"), 2), "{answer}");
            assert_eq!(claims(answer["token"].as_str().unwrap())["gen"], 0);
        }
        assert_eq!(replays(&app).await, 0);
    }

    async fn altered_and_truncated_opaque_tokens_name_nothing(app: TestApp) {
        let (_, account) = ada(&app).await;
        app.zeta().await;
        let cx = surface(&app, "acme", "alphalearn").await;
        let started = session_of(&app, &cx).await;
        let other = session_of(&app, &cx).await;
        let good = app.identity.refresh_token(&cx.tenant, &started.session).expose_secret().to_owned();
        let (head, mac) = good.rsplit_once('.').unwrap();
        let ahead = Session { generation: 1, ..started.session.clone() };
        let other_mac = app.identity.refresh_token(&cx.tenant, &other.session).expose_secret().rsplit_once('.').unwrap().1.to_owned();
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = alphabet.find(mac.chars().last().unwrap()).unwrap();
        let unused_bits = format!("{}{}", &good[..good.len() - 1], &alphabet[at + 1..at + 2]);
        let flipped: String = mac.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
        let zeta = app.cx("zeta").await;
        for (why, token) in [
            ("empty", String::new()),
            ("cut at the end", good[..good.len() - 1].to_owned()),
            ("cut at the beginning", good[1..].to_owned()),
            ("cut in half", good[..good.len() / 2].to_owned()),
            ("no MAC", head.to_owned()),
            ("an empty MAC", format!("{head}.")),
            ("a character more", format!("{good}A")),
            ("padding", format!("{good}=")),
            ("unused bits", unused_bits),
            ("the other case", format!("{head}.{flipped}")),
            ("standard alphabet", format!("{head}.{}", mac.replace('-', "+").replace('_', "/")) + "+"),
            ("another session's MAC", format!("{head}.{other_mac}")),
            ("another generation", good.replacen(".0.", ".1.", 1)),
            ("a generation with a sign", good.replacen(".0.", ".+0.", 1)),
            ("a negative generation", good.replacen(".0.", ".-1.", 1)),
            ("a generation with zeros", good.replacen(".0.", ".00.", 1)),
            ("an immense generation", good.replacen(".0.", &format!(".{}.", "9".repeat(30)), 1)),
            ("another kind's prefix", good.replacen("vsr_", "vsc_", 1)),
            ("another tenant's number", good.replacen("_101_", "_102_", 1)),
            ("a tenant's number with zeros", good.replacen("_101_", "_0101_", 1)),
            ("a prefix in capitals", good.replacen("vsr_", "VSR_", 1)),
            ("twice", format!("{good}{good}")),
            ("a newline", format!("{good}\n ") + "x"),
            ("a cookie", app.identity.cookie_value(&cx.tenant, &started.session).expose_secret().to_owned()),
            ("the session's bearer", app.identity.session_token(&cx.tenant, &started.session).expose_secret().to_owned()),
            ("made for another tenant", app.identity.refresh_token(&zeta.tenant, &started.session).expose_secret().to_owned()),
        ] {
            let reply = app.post(HOST, "/authorize/refresh-token", &[], json!({ "refreshToken": token })).await;
            let code = if token.is_empty() { "1016" } else { "1017" };
            assert_eq!(reply.json()["data"]["response"]["error"]["code"], code, "{why}: {}", reply.body);
        }
        assert_eq!(app.identity.sessions(&cx, &account.id).await.unwrap().len(), 2, "nothing of that ended a session");
        let there = app.post("lms.zeta.test", "/authorize/refresh-token", &[], json!({ "refreshToken": good })).await;
        assert_eq!(there.json()["data"]["response"]["error"]["code"], "1017");
        app.post(HOST, "/authorize/refresh-token", &[], json!({ "refreshToken": good })).await.status(200);
        // A generation never handed out, with a MAC that fits: only a thief of our key could make one.
        let never = app.identity.refresh_token(&cx.tenant, &ahead).expose_secret().to_owned();
        let reply = app.post(HOST, "/authorize/refresh-token", &[], json!({ "refreshToken": never })).await;
        assert_eq!(reply.json()["data"]["response"]["error"]["code"], "1017");
    }
}
