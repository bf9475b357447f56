//! The old password at the door.

use std::time::{Duration, Instant};

use serde_json::json;
use vestibule_identity::{ImportMode, MailKind};

use super::*;
use crate::app::{at_once, on_both};
use crate::enclaive::{OTHER_PASSWORD, Tokens, forgot, login, reset};

on_both! {
    async fn each_scheme_lets_its_owner_in_and_is_hashed_anew(app: TestApp) {
        let cx = app.acme().await;
        let lines = [
            json!({"password_hash": BCRYPT}),
            json!({"password_hash": BCRYPT.replacen("2b", "2y", 1)}),
            json!({"password_hash": "bcrypt_sha256$$2b$04$eh2Bl5TumRYf5BBgYxKJruZ07diZ8Mm4SR4acHSS5p2qxC/tmXU/K"}),
            json!({"password_hash": "pbkdf2_sha256$2000$seasalt$dRrWdVq0mMT0hmsOiHlEViRRO04uq+XlRBajW34TEus="}),
            json!({"password_hash": "$pbkdf2-sha512$2000$SUkphfA.p9SaM2YspfR.jw$SWDu2G.a8DFFQx6.Rd7FoRyMcYOajL6HBjZfNH5tjb6iAS7C.MaVM/dD9CX/tZWcgCT5h6cCiHoV/l/KC88PKw"}),
            json!({"password_hash": "scrypt$1024$seasalt$8$1$fTwdYrxXK5/OG6iyAYN++CxTZgMb6MHXR6rhVXIgSHjQ7FiXuVEFz4EvVUsmygTk21KAcS7joGurlDlxzzruZA=="}),
            json!({"password_hash": "{SSHA}oO1mgGZziSLwgvoXeDp1yHdiHfL+XwtB"}),
            json!({"password_hash": "$1$SirOua8b$4BPePhvYxinEAdv4pzDth1"}),
            json!({"password_hash": "$5$rounds=1000$07mRKXxIrEbMClSp$z/P.qs9IJVJ61sMSNcjgNi/Wo739EI9f4pFJiDs/vn0"}),
            json!({"password_hash": "$6$sgX7TubzEoEt1/wp$Rqx.AYbP4eTpKF47JbBXeTY/AOOjehmrLUbb4Bx9bhP30Gw9syDwCen.d.Ix/BQJ9dWkH8vQgY4vDWDPLXVwU1"}),
            json!({"password_hash": "argon2$argon2id$v=19$m=512,t=2,p=2$c2Vhc2FsdHNlYXNhbHQ$mhQ2Jmh1DCiMTn5HNmTJ83vy3BQvs1hMa+1KwC0cWSQ"}),
            json!({"password_hash": "$argon2i$v=16$m=64,t=2,p=1$c29tZXNhbHQ$DY9LObWP3COPU3UpfOyx9uWfeDugHgLLjzg+5sY1zxc"}),
            json!({"password_scheme": "pbkdf2-sha256", "password_iterations": 2750, "password_salt": "MDEyMzQ1Njc4OWFiY2RlZg==", "password_hash": "MU+PDyYp6qyuigtr5VjPxvSC4mfcCOzgPf5ZV9DukVfe8G4sEXbierOYBlN2AMsEG+svqAaCm+CWeL456Mojkg=="}),
            json!({"password_scheme": "sha256", "password_salt": "pepper", "password_salt_order": "before", "password_hash": "8db3ddeab50e57aea2e6be5c54f2e0227ff03ade6d6197d2a7c8d31cfb88fdd1"}),
        ];
        let named: Vec<Value> = lines.iter().enumerate().map(|(at, line)| {
            let mut line = line.clone();
            line["email"] = json!(format!("person{at}@team.example"));
            line["email_verified"] = json!(true);
            line
        }).collect();
        let done = import(&app, &cx, &named, ImportMode::default()).await;
        assert_eq!(done, created(named.len() as u64));
        for (at, line) in named.iter().enumerate() {
            let (email, shown) = (format!("person{at}@team.example"), &line["password_hash"]);
            let app = app.from([198, 51, 100, u8::try_from(at).unwrap()]);
            let old = stored(&app, &cx, &email).await.unwrap();
            login(&app, &email, "correct horse batterx").await.status(401);
            assert_eq!(stored(&app, &cx, &email).await.as_ref(), Some(&old), "{shown}: a wrong one changes nothing");
            Tokens::of(&login(&app, &email, PASSWORD).await);
            let new = stored(&app, &cx, &email).await.unwrap();
            assert!(new.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{shown}: {new}");
            Tokens::of(&login(&app, &email, PASSWORD).await);
            assert_eq!(stored(&app, &cx, &email).await, Some(new), "{shown}: once");
        }
    }

    /// Each finds the old hash, one replaces it, and none is told that a right password is wrong.
    async fn many_first_sign_ins_at_once_all_succeed(app: TestApp) {
        let cx = app.acme().await;
        let line = json!({"email": "ada@team.example", "email_verified": true, "password_hash": BCRYPT});
        import(&app, &cx, &[line], ImportMode::default()).await;
        let replies = at_once(12, |_| {
            let app = app.clone();
            async move { login(&app, "ada@team.example", PASSWORD).await }
        }).await;
        for reply in &replies {
            Tokens::of(reply);
        }
        let done = app.audit("acme").await;
        assert_eq!(done.iter().filter(|line| *line == "sign_in.password done").count(), 12, "{done:?}");
    }

    /// bcrypt of this cost takes far longer than the suite's Argon2: who waits less is nobody's.
    async fn an_unknown_address_costs_what_imported_ones_cost(app: TestApp) {
        let cx = app.acme().await;
        let hash = "$2b$10$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
        let time = async |email: &str| {
            let started = Instant::now();
            login(&app, email, "wrong password").await.status(401);
            started.elapsed()
        };
        let lines: Vec<Value> = (0..5).map(|at| json!({"email": format!("p{at}@team.example"), "password_hash": hash})).collect();
        import(&app, &cx, &lines, ImportMode::default()).await;
        let line = json!({"email": "none@team.example"});
        import(&app, &cx, &[line], ImportMode::default()).await;
        // The suite's own Argon2 takes a thousandth of a second, this bcrypt fifty at least.
        for email in ["p0@team.example", "ghost@team.example", "nobody@team.example", "none@team.example"] {
            let took = time(email).await;
            assert!(took > Duration::from_millis(20), "{email}: {took:?}");
        }
        // Where nothing names the tenant, nobody's work is that of some tenant's hash.
        for email in ["p0@team.example", "ghost@team.example"] {
            let started = Instant::now();
            crate::alphalearn::sign_in(&app, crate::alphalearn::NOBODY, email, "wrong password").await.status(401);
            let took = started.elapsed();
            assert!(took > Duration::from_millis(20), "{email}: {took:?}");
        }
    }

    async fn a_reset_replaces_an_imported_password(app: TestApp) {
        let cx = app.acme().await;
        let line = json!({"email": "ada@team.example", "email_verified": true, "password_hash": BCRYPT});
        import(&app, &cx, &[line], ImportMode::default()).await;
        forgot(&app, "ada@team.example").await.status(200);
        let token = app.mailed_token(MailKind::ResetPassword).await;
        reset(&app, &token, OTHER_PASSWORD).await.status(200);
        login(&app, "ada@team.example", PASSWORD).await.status(401);
        Tokens::of(&login(&app, "ada@team.example", OTHER_PASSWORD).await);
    }
}
