//! Numbers of accounts, which partners and operators know them by: no index keeps two from being alike.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use vestibule_identity::{ImportMode, Kind};

use crate::alphalearn::PASSWORD;
use crate::app::{at_once, on_both};
use crate::commands::{ACME, Place};
use crate::import::import;

on_both! {
    async fn no_two_people_of_a_tenant_have_one_number(app: TestApp) {
        let shared = Arc::new((app.clone(), app.acme().await, app.zeta().await));
        at_once(16, |index| {
            let shared = shared.clone();
            async move {
                let (app, acme, zeta) = &*shared;
                let email = |n| format!("person{index}-{n}@x.test");
                if index % 4 == 0 {
                    let people: Vec<_> = (0..5).map(|n| json!({"email": email(n)})).collect();
                    import(app, acme, &people, ImportMode::default()).await;
                }
                app.person(zeta, &email(9), PASSWORD, "Trainee").await;
                app.person(acme, &email(9), PASSWORD, "Trainee").await;
            }
        })
        .await;
        let (app, acme, zeta) = &*shared;
        for (cx, people) in [(acme, 36), (zeta, 16)] {
            let accounts = app.identity.users(cx, "", 100).await.unwrap();
            let numbers: BTreeSet<i64> = accounts.iter().map(|account| account.number).collect();
            assert_eq!((accounts.len(), numbers.len()), (people, people));
            for account in &accounts {
                let found = app.identity.user(cx, &account.number.to_string()).await.unwrap();
                assert_eq!(&found, account);
            }
            let none = numbers.last().unwrap() + 1;
            assert_eq!(app.identity.user(cx, &none.to_string()).await.unwrap_err().kind, Kind::NotFound);
        }
    }

    async fn pages_of_people_hold_everybody_once(app: TestApp) {
        let cx = app.acme().await;
        let people: Vec<_> = (0..7).map(|n| json!({"email": format!("person{n}@x.test")})).collect();
        import(&app, &cx, &people, ImportMode::default()).await;
        import(&app, &app.zeta().await, &people, ImportMode::default()).await;
        let (mut seen, mut after) = (BTreeSet::new(), String::new());
        loop {
            let page = app.identity.users(&cx, &after, 3).await.unwrap();
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            assert!(page.iter().all(|account| seen.insert(account.number)), "{page:?}");
        }
        assert_eq!(seen, (1..=7).collect());
    }
}

#[test]
fn lists_show_the_oldest_first() {
    let place = Place::with(&[("acme.toml", ACME)]);
    place.run("apply acme.toml --data data").done();
    let people: String = (1..=12)
        .map(|n| format!("{{\"email\":\"person{n}@x.test\"}}\n"))
        .collect();
    place.write("people.jsonl", &people);
    place
        .run("user import people.jsonl --tenant acme --data data")
        .done();
    let expected: Vec<Value> = (1..=12)
        .map(|n| json!(format!("person{n}@x.test")))
        .collect();
    for list in ["list", "export"] {
        let line = format!("user {list} --json --tenant acme --data data");
        let told: Value = serde_json::from_str(&place.run(&line).done()).unwrap();
        let people = told["users"].as_array().unwrap().iter();
        assert_eq!(
            people
                .map(|person| person["email"].clone())
                .collect::<Vec<_>>(),
            expected
        );
    }
}
