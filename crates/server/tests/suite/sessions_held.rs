//! Sessions are held in memory for a moment: what this node ends is over at once, what another one ends within half a second.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;
use vestibule_db::params;
use vestibule_identity::{Account, Cx, ProfileChange};

use crate::app::{TestApp, on_both, postgres_schema};
use crate::{alphalearn, enclaive};

const HOST: &str = "lms.acme.test";
const PASSWORD: &str = "violet-harbour-42-lanterns";
/// What the documentation promises.
const HELD: Duration = Duration::from_millis(500);

/// Every way in which somebody is shut out.
#[derive(Clone, Copy, Debug)]
enum Ending {
    SignOut,
    OneSession,
    AllSessions,
    Suspension,
    Deletion,
}

const ENDINGS: [Ending; 5] = [
    Ending::SignOut,
    Ending::OneSession,
    Ending::AllSessions,
    Ending::Suspension,
    Ending::Deletion,
];

async fn shut_out(node: &TestApp, cx: &Cx, account: &Account, ending: Ending) {
    let (core, id) = (&node.identity, &account.id);
    let session = core.sessions(cx, id).await.unwrap().remove(0);
    match ending {
        Ending::SignOut => core.sign_out(cx, &session).await.unwrap(),
        Ending::OneSession => core.end_session(cx, (id, None), &session.id).await.unwrap(),
        Ending::AllSessions => drop(core.sign_out_all(cx, id, None).await.unwrap()),
        Ending::Suspension => core.suspend_user(cx, id).await.unwrap(),
        Ending::Deletion => core.delete_user(cx, id).await.unwrap(),
    }
}

/// The account that each token opens, or 401.
async fn asks(node: &TestApp, tokens: &[String]) -> Vec<Option<String>> {
    let mut names = Vec::new();
    for token in tokens {
        let bearer = format!("Bearer {token}");
        let reply = node
            .get(HOST, "/account/v1/profile", &[("authorization", &bearer)])
            .await;
        names.push(match reply.status.as_u16() {
            401 => None,
            _ => Some(reply.status(200).json()["first_name"].to_string()),
        });
    }
    names
}

async fn tokens(node: &TestApp, email: &str) -> Vec<String> {
    let data = alphalearn::data(&alphalearn::sign_in(node, HOST, email, PASSWORD).await);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    vec![text(&data["token"]), text(&data["user"]["sessionToken"])]
}

async fn is_held_and_let_go(one: TestApp, two: TestApp) {
    let cx = one.acme().await;
    for ending in ENDINGS {
        for elsewhere in [false, true] {
            let email = format!("{ending:?}-{elsewhere}@example.com");
            let account = one.person(&cx, &email, PASSWORD, "Trainee").await;
            let tokens = tokens(&one, &email).await;
            let known = vec![Some("\"Pooja\"".to_owned()); 2];
            assert_eq!(asks(&one, &tokens).await, known);
            let before = one.identity.db().statements();
            assert_eq!(asks(&one, &tokens).await, known);
            assert_eq!(one.identity.db().statements(), before, "from memory");
            shut_out(if elsewhere { &two } else { &one }, &cx, &account, ending).await;
            if elsewhere {
                one.pass(HELD);
            }
            assert_eq!(
                asks(&one, &tokens).await,
                [None, None],
                "{ending:?}, {elsewhere}"
            );
        }
    }
    changed_names_show(&one, &two, &cx).await;
    nothing_is_given_by_what_is_over(&one, &two, &cx).await;
}

/// What is held tells more than who may pass.
async fn changed_names_show(one: &TestApp, two: &TestApp, cx: &Cx) {
    let account = one
        .person(cx, "names@example.com", PASSWORD, "Trainee")
        .await;
    let tokens = tokens(one, "names@example.com").await;
    asks(one, &tokens).await;
    for (node, name, wait) in [(one, "Ada", Duration::ZERO), (two, "Grace", HELD)] {
        let change = ProfileChange {
            first_name: Some(name.to_owned()),
            ..ProfileChange::default()
        };
        node.identity
            .update_profile(cx, (&account.id, None), change)
            .await
            .unwrap();
        one.pass(wait);
        let shown = Some(format!("\"{name}\""));
        assert_eq!(asks(one, &tokens).await, [shown.clone(), shown]);
    }
}

/// Within the moment, a session that is over gets no reset token that works: who ended it could not end that.
async fn nothing_is_given_by_what_is_over(one: &TestApp, two: &TestApp, cx: &Cx) {
    let owner = "owner@example.com";
    one.person(cx, owner, PASSWORD, "Trainee").await;
    for ending in [None].into_iter().chain(ENDINGS.map(Some)) {
        let email = format!("admin-{ending:?}@example.com").replace(['(', ')'], "");
        let account = one.person(cx, &email, PASSWORD, "Admin").await;
        let tokens = tokens(one, &email).await;
        asks(one, &tokens).await;
        if let Some(ending) = ending {
            shut_out(two, cx, &account, ending).await;
        }
        let bearer = format!("Bearer {}", tokens[0]);
        let asked = one
            .post(
                HOST,
                "/authorize/forgot-password",
                &[("authorization", &bearer)],
                json!({"email": owner}),
            )
            .await;
        let handed = alphalearn::data(&asked)["token"].clone();
        let used = json!({"token": handed, "password": PASSWORD});
        let used = two.post(HOST, "/authorize/reset-password", &[], used).await;
        let wanted = if ending.is_none() { 200 } else { 400 };
        assert_eq!(used.status, wanted, "{ending:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_what_ends_is_let_go() {
    let one = TestApp::sqlite().await;
    let file = one.folder().unwrap().join("vestibule.db");
    let two = TestApp::on_too(&format!("sqlite:{}", file.display()), &one).await;
    is_held_and_let_go(one, two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_what_ends_is_let_go() {
    let url = postgres_schema().await;
    let one = TestApp::on(&url).await;
    let two = TestApp::on_too(&url, &one).await;
    is_held_and_let_go(one, two).await;
}

on_both! {
    async fn the_oldest_team_with_a_project_is_the_sessions(app: TestApp) {
        let cx = app.acme().await;
        let account = app.person(&cx, "ada@team.example", enclaive::PASSWORD, "Trainee").await;
        let signed_in = enclaive::signed_in(&app, "ada@team.example").await;
        let team_of = async || {
            app.pass(Duration::from_secs(1));
            let token = SecretString::from(signed_in.user.as_str());
            let who = app.identity.authenticate_access(&cx, &token).await.unwrap();
            let team = who.team.clone().unwrap();
            (team.id, team.project_id)
        };
        let own = team_of().await;
        let add = async |sql: &'static str, id: &'static str, of: &'static str| {
            let (tenant, account) = (cx.tenant.id.clone(), account.id.clone());
            let added = app.identity.db().write(move |tx| {
                let of = if of.is_empty() { &account } else { of };
                tx.exec(sql, &params![&tenant, id, of])
            });
            assert_eq!(added.await.unwrap(), 1, "{sql}");
        };
        const TEAM: &str = "INSERT INTO team (tenant_id, id, name, created_at) VALUES ($1, $2, $3, 1)";
        const MEMBER: &str = "INSERT INTO team_member (tenant_id, team_id, account_id, role, joined_at) VALUES ($1, $2, $3, 'member', 1)";
        const OLD: &str = "INSERT INTO project (tenant_id, id, team_id, name, created_at) VALUES ($1, $2, $3, 'A project', 1)";
        const YOUNG: &str = "INSERT INTO project (tenant_id, id, team_id, name, created_at) VALUES ($1, $2, $3, 'A project', 2)";
        for team in ["team-c", "team-b", "team-a"] {
            add(TEAM, team, "A team").await;
            add(MEMBER, team, "").await;
        }
        assert_eq!(team_of().await, own, "older teams, but without a project");
        let expect = |team: &str, project: &str| (team.to_owned(), project.to_owned());
        add(YOUNG, "project-1", "team-c").await;
        assert_eq!(team_of().await, expect("team-c", "project-1"));
        add(OLD, "project-3", "team-c").await;
        assert_eq!(team_of().await, expect("team-c", "project-3"), "its oldest project");
        add(OLD, "project-2", "team-c").await;
        assert_eq!(team_of().await, expect("team-c", "project-2"), "of two as old the first by name");
        add(YOUNG, "project-4", "team-b").await;
        assert_eq!(team_of().await, expect("team-b", "project-4"), "of two teams joined at once the first by name");
    }
}

/// A table made for each look was half of its work.
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_makes_no_table_to_find_a_session() {
    let app = TestApp::sqlite().await;
    let source = include_str!("../../../identity/src/session/store.rs");
    let from = source.find("SELECT found.id").unwrap();
    let text = &source[from..from + source[from..].find('"').unwrap()];
    let plan: &'static str = format!("EXPLAIN QUERY PLAN {text}").leak();
    let steps = app.identity.db().read(move |tx| {
        let params = params!["tenant", "session", 0, 0];
        tx.all(plan, &params, |row| row.get::<String>(3))
    });
    let steps = steps.await.unwrap();
    assert_eq!(steps[0], "CO-ROUTINE found", "{steps:#?}");
    let is_free = |step: &String| !step.contains("TEMP B-TREE") && !step.starts_with("MATERIALIZE");
    assert!(steps.iter().all(is_free), "{steps:#?}");
}
