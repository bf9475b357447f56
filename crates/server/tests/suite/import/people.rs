//! What becomes of the other fields, and of people who are there already.

use serde_json::json;
use vestibule_identity::{AccountState, ImportMode, ImportNote};

use super::*;
use crate::app::{at_once, on_both};
use crate::enclaive::{Tokens, login, sign_up};
use crate::rezi::{exchange, open, text};

const EMAIL: &str = "ada@team.example";
const OWN: &str = "violet-harbour-42-lanterns";

on_both! {
    async fn who_comes_with_a_uid_and_no_proof_is_proven_by_the_partner(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let nina = json!({ "email": "nina@x.test", "uid": "partner-secret", "first_name": "Nina", "password_hash": BCRYPT });
        assert_eq!(import(&app, &cx, &[nina], ImportMode::default()).await, created(1));
        for _ in 0..2 {
            crate::rezi::exchange(&app, &key, "nina@x.test", "partner-secret").await.status(200);
            let account = app.identity.user(&cx, "nina@x.test").await.unwrap();
            assert!(account.email_verified && account.first_name == "Nina", "{account:?}");
            crate::browser::sign_in(&app, "nina@x.test", PASSWORD).await;
        }
    }

    async fn every_field_arrives(app: TestApp) {
        let cx = app.acme().await;
        let line = json!({
            "email": "Ada@Team.Example", "email_verified": true, "first_name": "Ada", "last_name": "King", "role": "Manager",
            "locale": "en-GB", "timezone": "Europe/London", "mobile": "+44 20 7946 0000", "unique_id": "4711", "onboarded": true,
            "created_at": "2019-05-01T10:00:00Z", "uid": "partner-secret", "google_subject": "sub-1", "password_hash": BCRYPT,
            "id": "ignored", "number": 99,
        });
        let plain = json!({"email": "bob@team.example", "name": "Bob van Dyk", "state": "suspended", "uid_hash": BCRYPT});
        assert_eq!(import(&app, &cx, &[line, plain], ImportMode::default()).await, created(2));
        let ada = app.identity.user(&cx, EMAIL).await.unwrap();
        assert_eq!(
            (&*ada.email, ada.number, ada.email_verified, &*ada.first_name, &*ada.last_name, &*ada.role),
            ("Ada@Team.Example", 1, true, "Ada", "King", "Manager")
        );
        assert_eq!(
            (&*ada.locale, &*ada.timezone, &*ada.mobile, &*ada.unique_id, ada.onboarded, ada.created_at.secs()),
            ("en-GB", "Europe/London", "+44 20 7946 0000", "4711", true, 1_556_704_800)
        );
        let bob = app.identity.user(&cx, "bob@team.example").await.unwrap();
        let defaults = &cx.tenant.file.defaults;
        assert_eq!((&*bob.first_name, &*bob.last_name, bob.number), ("Bob", "van Dyk", 2));
        assert_eq!((&bob.role, &bob.locale, &bob.timezone), (&defaults.role, &defaults.locale, &defaults.timezone));
        assert_eq!((bob.state, bob.email_verified, bob.created_at), (AccountState::Suspended, false, cx.now));
        assert!(app.identity.teams(&cx, &bob.id).await.unwrap().is_empty());
        let key = app.api_key(&cx).await;
        let login = text(&exchange(&app, &key, EMAIL, "partner-secret").await, "token");
        assert!(app.identity.teams(&cx, &ada.id).await.unwrap().is_empty());
        open(&app, &login, &[]).await.status(303);
        assert_eq!(app.identity.teams(&cx, &ada.id).await.unwrap()[0].name, "Ada King's team", "the first sign-in makes it");
        exchange(&app, &key, EMAIL, "another").await.status(401);
        app.identity.restore_user(&cx, &bob.id).await.unwrap();
        exchange(&app, &key, "bob@team.example", PASSWORD).await.status(200);
        assert_eq!(count(&app, "SELECT count(*) FROM provider_link WHERE subject = 'sub-1'").await, 1);
        // The next account goes on from there.
        let next = app.person(&cx, "next@team.example", OWN, "Trainee").await;
        assert_eq!(next.number, 3);
        let entries = app.identity.audit_entries(&cx, 100).await.unwrap();
        let noted: Vec<_> = entries.iter().filter(|entry| entry.event == "account.imported").collect();
        assert_eq!((noted.len(), noted[0].times, &*noted[0].actor), (1, 2, "operator"));
    }

    async fn a_second_run_makes_no_doubles_and_changes_nothing(app: TestApp) {
        let cx = app.acme().await;
        let line = |email: &str, name: &str| json!({"email": email, "first_name": name, "password_hash": BCRYPT});
        let first = [line("a@team.example", "One"), line("b@team.example", "One"), line("A@team.example", "Twice")];
        let done = import(&app, &cx, &first, ImportMode::default()).await;
        assert_eq!(done, ImportDone { notes: vec![(3, ImportNote::Known)], ..created(2) });
        let again = [line("a@team.example", "Two"), line("c@team.example", "Two"), line("b@team.example", "Two")];
        let dry = ImportMode { dry_run: true, update: false };
        let expected = ImportDone { notes: vec![(1, ImportNote::Known), (3, ImportNote::Known)], ..created(1) };
        assert_eq!(import(&app, &cx, &again, dry).await, expected);
        assert_eq!(count(&app, "SELECT count(*) FROM account").await, 2, "a dry run writes nothing");
        assert_eq!(import(&app, &cx, &again, ImportMode::default()).await, expected);
        let a = app.identity.user(&cx, "a@team.example").await.unwrap();
        let c = app.identity.user(&cx, "c@team.example").await.unwrap();
        assert_eq!((&*a.first_name, c.number), ("One", 3), "no number is lost on those who are known");
    }

    async fn two_imports_of_one_file_at_once_make_each_person_once(app: TestApp) {
        let cx = app.acme().await;
        let lines: Vec<Value> = (0..510).map(|at| json!({"email": format!("p{at}@team.example"), "email_verified": true, "password_hash": BCRYPT})).collect();
        let done = at_once(3, |_| {
            let (app, cx, lines) = (app.clone(), cx.clone(), lines.clone());
            async move { import(&app, &cx, &lines, ImportMode::default()).await }
        }).await;
        let (made, known): (Vec<u64>, Vec<usize>) = done.iter().map(|done| (done.created, done.notes.len())).unzip();
        assert_eq!((made.iter().sum::<u64>(), known.iter().sum::<usize>()), (510, 1_020));
        for table in ["SELECT count(*) FROM account", "SELECT count(*) FROM password"] {
            assert_eq!(count(&app, table).await, 510, "{table}");
        }
    }

    async fn a_subject_belongs_to_one_account(app: TestApp) {
        let cx = app.acme().await;
        let line = |email: &str, subject: &str| json!({"email": email, "google_subject": subject});
        import(&app, &cx, &[line("a@team.example", "s1")], ImportMode::default()).await;
        let lines = [line("b@team.example", "s1"), line("c@team.example", "s2"), line("d@team.example", "s2")];
        let done = import(&app, &cx, &lines, ImportMode::default()).await;
        let another = "belongs to another account";
        let notes = vec![refused(1, "google_subject", another), refused(3, "google_subject", another)];
        assert_eq!(done, ImportDone { notes, ..created(1) });
        assert!(app.identity.user(&cx, "b@team.example").await.is_err(), "nothing half-written");
        let taken = [line("c@team.example", "s1"), line("a@team.example", "s9"), line("a@team.example", "s1")];
        let done = import(&app, &cx, &taken, UPDATE).await;
        let other = "is not this account's";
        let notes = vec![refused(1, "google_subject", other), refused(2, "google_subject", other)];
        assert_eq!(done, ImportDone { notes, ..updated(1) });
    }

    async fn an_update_writes_what_the_line_says_and_no_more(app: TestApp) {
        let cx = app.acme().await;
        let line = json!({"email": EMAIL, "email_verified": true, "first_name": "Ada", "role": "Manager", "password_hash": "{SHA}mN7MYuzjmaIu0w1JDvMzvn/ec4U="});
        import(&app, &cx, &[line], ImportMode::default()).await;
        let change = json!({"email": EMAIL, "first_name": "Augusta", "mobile": "1", "created_at": 1_000_000_000, "password_hash": BCRYPT, "uid": "u"});
        assert_eq!(import(&app, &cx, std::slice::from_ref(&change), UPDATE).await, updated(1));
        let ada = app.identity.user(&cx, EMAIL).await.unwrap();
        assert_eq!(
            (&*ada.first_name, &*ada.role, &*ada.mobile, ada.email_verified, ada.created_at.secs()),
            ("Augusta", "Manager", "1", true, 1_000_000_000)
        );
        assert_eq!(stored(&app, &cx, EMAIL).await.as_deref(), Some(BCRYPT), "never used here: the newer file counts");
        Tokens::of(&login(&app, EMAIL, PASSWORD).await);
        let own = stored(&app, &cx, EMAIL).await;
        assert_eq!(import(&app, &cx, &[change], UPDATE).await, updated(1));
        assert_eq!(stored(&app, &cx, EMAIL).await, own, "used here: it stays");
        let shut = json!({"email": EMAIL, "state": "suspended"});
        import(&app, &cx, &[shut], UPDATE).await;
        login(&app, EMAIL, PASSWORD).await.status(401);
        assert!(app.identity.sessions(&cx, &ada.id).await.unwrap().is_empty());
    }

    /// Somebody else's sign-up with the address must not survive in an account that the file vouches for.
    async fn an_update_that_vouches_for_the_address_drops_what_a_squatter_left(app: TestApp) {
        let cx = app.acme().await;
        let squatter = Tokens::of(&sign_up(&app, "lms.acme.test", EMAIL, OWN).await);
        let line = json!({"email": EMAIL, "email_verified": true, "password_hash": BCRYPT});
        assert_eq!(import(&app, &cx, std::slice::from_ref(&line), ImportMode::default()).await.notes, [(1, ImportNote::Known)]);
        Tokens::of(&login(&app, EMAIL, OWN).await);
        assert_eq!(import(&app, &cx, &[line], UPDATE).await, updated(1));
        login(&app, EMAIL, OWN).await.status(401);
        let id = app.identity.user(&cx, EMAIL).await.unwrap().id;
        assert!(app.identity.sessions(&cx, &id).await.unwrap().is_empty(), "{squatter:?}");
        Tokens::of(&login(&app, EMAIL, PASSWORD).await);
    }

    async fn an_update_finds_people_under_any_spelling(app: TestApp) {
        let cx = app.acme().await;
        for (stored, said) in [("JOSÉ@acme.test", "josé@acme.test"), ("x@bücher.test", "x@xn--bcher-kva.test"), ("y@xn--bcher-kva.test", "Y@BÜCHER.test")] {
            sign_up(&app, "lms.acme.test", stored, OWN).await.status(200);
            let line = json!({"email": said, "first_name": "Found"});
            assert_eq!(import(&app, &cx, &[line], UPDATE).await, updated(1), "{said}");
        }
    }

    /// Nor may a line lead the owner into what somebody else signed up for.
    async fn a_way_in_is_refused_where_nobody_vouches_for_the_address(app: TestApp) {
        let cx = app.acme().await;
        sign_up(&app, "lms.acme.test", EMAIL, OWN).await.status(200);
        let needs = "needs `email_verified`: somebody else may have signed up with the address";
        for (line, field) in [
            (json!({"email": EMAIL, "google_subject": "s1"}), "google_subject"),
            (json!({"email": EMAIL, "role": "Admin", "name": "Big Boss"}), "role"),
            (json!({"email": EMAIL, "unique_id": "1"}), "unique_id"),
            (json!({"email": EMAIL, "uid": "u"}), "uid"),
            (json!({"email": EMAIL, "google_subject": "s1", "uid": "u", "first_name": "Owner"}), "google_subject"),
        ] {
            assert_eq!(import(&app, &cx, &[line], UPDATE).await.notes, [refused(1, field, needs)]);
        }
        for sql in ["SELECT count(*) FROM provider_link", "SELECT count(*) FROM partner_secret", "SELECT count(*) FROM account WHERE first_name IN ('Owner', 'Big') OR role <> 'Trainee' OR unique_id <> ''"] {
            assert_eq!(count(&app, sql).await, 0, "{sql}");
        }
        let id = app.identity.user(&cx, EMAIL).await.unwrap().id;
        app.identity.suspend_user(&cx, &id).await.unwrap();
        assert_eq!(import(&app, &cx, &[json!({"email": EMAIL, "state": "active"})], UPDATE).await.notes, [refused(1, "state", needs)]);
        app.identity.restore_user(&cx, &id).await.unwrap();
        let same = json!({"email": EMAIL, "role": "Trainee", "unique_id": "", "first_name": "Other"});
        assert_eq!(import(&app, &cx, &[same], UPDATE).await, updated(1));
        let vouched = json!({"email": EMAIL, "google_subject": "s1", "email_verified": true});
        assert_eq!(import(&app, &cx, &[vouched], UPDATE).await, updated(1));
        assert_eq!(count(&app, "SELECT count(*) FROM provider_link").await, 1);
        login(&app, EMAIL, OWN).await.status(401);
    }

    async fn another_tenants_people_are_not_touched(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        app.person(&zeta, EMAIL, OWN, "Trainee").await;
        let before = stored(&app, &zeta, EMAIL).await;
        let line = json!({"email": EMAIL, "first_name": "New", "password_hash": BCRYPT, "google_subject": "s1"});
        assert_eq!(import(&app, &acme, &[line], UPDATE).await, created(1));
        assert_eq!(app.identity.user(&zeta, EMAIL).await.unwrap().first_name, "Pooja");
        assert_eq!(stored(&app, &zeta, EMAIL).await, before);
    }
}
