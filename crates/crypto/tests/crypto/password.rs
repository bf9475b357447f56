use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use secrecy::SecretString;
use vestibule_crypto::{
    HashError, HashOptions, HashPool, PasswordPolicyParams, PoolError, Verdict,
};

const CHEAP: PasswordPolicyParams = PasswordPolicyParams {
    m_kib: 64,
    t: 1,
    p: 1,
};

/// Slow enough (tens of milliseconds) that a queue fills behind it.
const SLOW: PasswordPolicyParams = PasswordPolicyParams {
    m_kib: 16384,
    t: 2,
    p: 1,
};

fn options(params: PasswordPolicyParams) -> HashOptions {
    HashOptions {
        params,
        workers: 2,
        queue: 1000,
        max_wait: Duration::from_secs(600),
        ..HashOptions::default()
    }
}

fn pool(params: PasswordPolicyParams) -> HashPool {
    HashPool::new(options(params)).unwrap()
}

fn secret(text: &str) -> SecretString {
    text.into()
}

const YES: Verdict = Verdict {
    matches: true,
    rehash: false,
};
const NO: Verdict = Verdict {
    matches: false,
    rehash: false,
};

#[tokio::test]
async fn a_hash_verifies_its_password_only() {
    let pool = pool(CHEAP);
    for password in [
        "correct horse",
        "",
        "pässwörd\0 with zero",
        &"long".repeat(10_000),
    ] {
        let phc = pool.lane(1).hash(secret(password)).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{phc}");
        assert_eq!(phc.len(), 28 + 22 + 1 + 43);
        assert_eq!(pool.lane(1).verify(&phc, secret(password)).await, Ok(YES));
        assert_eq!(
            pool.lane(1)
                .verify(&phc, secret(&format!("{password} ")))
                .await,
            Ok(NO)
        );
        assert_ne!(pool.lane(1).hash(secret(password)).await.unwrap(), phc);
    }
}

#[tokio::test]
async fn the_default_is_nineteen_mebibytes_and_two_passes() {
    let pool = HashPool::new(HashOptions::default()).unwrap();
    let phc = pool.lane(1).hash(secret("x")).await.unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
    assert_eq!(pool.lane(1).verify(&phc, secret("x")).await, Ok(YES));
}

const REFERENCE: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/// From the test suite of the reference implementation (phc-winner-argon2): "password", "somesalt".
#[tokio::test]
async fn reference_hashes_verify_and_ask_for_a_new_one() {
    let pool = pool(CHEAP);
    for phc in [
        REFERENCE,
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    ] {
        let verdict = pool.lane(1).verify(phc, secret("password")).await;
        assert_eq!(
            verdict,
            Ok(Verdict {
                matches: true,
                rehash: true
            }),
            "{phc}"
        );
        let verdict = pool.lane(1).verify(phc, secret("Password")).await;
        assert_eq!(
            verdict,
            Ok(Verdict {
                matches: false,
                rehash: true
            }),
            "{phc}"
        );
    }
}

#[tokio::test]
async fn any_changed_parameter_asks_for_a_new_hash() {
    let phc = pool(CHEAP).lane(1).hash(secret("x")).await.unwrap();
    for params in [
        PasswordPolicyParams { m_kib: 72, ..CHEAP },
        PasswordPolicyParams { m_kib: 32, ..CHEAP },
        PasswordPolicyParams { t: 2, ..CHEAP },
        PasswordPolicyParams { p: 2, ..CHEAP },
    ] {
        let verdict = pool(params).lane(1).verify(&phc, secret("x")).await;
        assert_eq!(
            verdict,
            Ok(Verdict {
                matches: true,
                rehash: true
            }),
            "{params:?}"
        );
    }
}

#[tokio::test]
async fn absent_accounts_get_no_answer_but_the_work() {
    for like in [None, Some("nothing known"), Some(REFERENCE)] {
        let done = pool(CHEAP).lane(1).verify_absent(like, secret("x")).await;
        assert_eq!(done, Ok(()));
    }
    let busy = HashOptions {
        max_wait: Duration::ZERO,
        ..options(CHEAP)
    };
    let refused = HashPool::new(busy)
        .unwrap()
        .lane(1)
        .verify_absent(None, secret("x"))
        .await;
    assert!(matches!(refused, Err(HashError::Overloaded { .. })));
}

/// A server that has not hashed yet does not know how long it takes; with the first hash it does, and nobody waits in vain.
#[tokio::test]
async fn a_storm_on_a_fresh_pool_is_refused_with_the_first_answer() {
    let options = HashOptions {
        workers: 1,
        max_wait: Duration::from_millis(200),
        ..options(SLOW)
    };
    let pool = std::sync::Arc::new(HashPool::new(options).unwrap());
    let (told, mut answers) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..500 {
        let (pool, told) = (pool.clone(), told.clone());
        tokio::spawn(async move {
            let hashed = pool.lane(1).hash(secret("x")).await;
            told.send(hashed.is_ok()).unwrap();
        });
    }
    let mut order = Vec::new();
    for _ in 0..500 {
        order.push(answers.recv().await.unwrap());
    }
    let hashed = order.iter().filter(|answer| **answer).count();
    let before_the_first = order.iter().position(|answer| !answer).unwrap();
    assert!(
        hashed >= 1 && before_the_first <= 1,
        "{hashed} {before_the_first}"
    );
}

#[tokio::test]
async fn hostile_hashes_are_refused_before_any_work() {
    let salt = "c29tZXNhbHQ";
    let hash = "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let with = |head: &str| format!("{head}${salt}${hash}");
    let mut hostile = vec![
        String::new(),
        "$".repeat(100_000),
        "$argon2id".into(),
        "plain text".into(),
        "$2b$12$é".into(),
        "$2b$99$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".into(),
        format!("$argon2id$v=19$m=256,t=2,p=1${salt}"),
        format!("$argon2id$v=19$m=256,t=2,p=1${salt}$"),
        format!("$argon2id$v=19$m=256,t=2,p=1$${hash}"),
        format!("$argon2id$v=19$m=256,t=2,p=1$c2FsdA${hash}"),
        format!("$argon2id$v=19$m=256,t=2,p=1${salt}${hash}$"),
        format!("$argon2id$v=19$m=256,t=2,p=1${salt}${hash}="),
        format!("$argon2id$v=19$m=256,t=2,p=1${salt}${hash}\n"),
        format!("$argon2id$v=19$m=256,t=2,p=1${salt}$AAAA"),
        format!("$argon2id$v=19$m=256,t=2,p=1${salt}${}", "A".repeat(88)),
        format!(
            "$argon2id$v=19$m=256,t=2,p=1${salt}${}",
            "A".repeat(1_000_000)
        ),
        format!("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHR${hash}"),
        format!("$argon2id$v=19$m=256,t=2,p=1$ç29tZXNhbHQ${hash}"),
    ];
    hostile.extend(
        [
            "$argon2x$v=19$m=256,t=2,p=1",
            "$ARGON2ID$v=19$m=256,t=2,p=1",
            "argon2id$v=19$m=256,t=2,p=1",
            " $argon2id$v=19$m=256,t=2,p=1",
            "$argon2id$m=256,t=2,p=1",
            "$argon2id$v=17$m=256,t=2,p=1",
            "$argon2id$v=19$t=2,m=256,p=1",
            "$argon2id$v=19$m=256,t=2",
            "$argon2id$v=19$m=256,t=2,p=1,keyid=AAAA",
            "$argon2id$v=19$m=256,m=256,t=2,p=1",
            "$argon2id$v=19$m=0256,t=2,p=1",
            "$argon2id$v=19$m=+256,t=2,p=1",
            "$argon2id$v=19$m=-1,t=2,p=1",
            "$argon2id$v=19$m=,t=2,p=1",
            "$argon2id$v=19$m=7,t=2,p=1",
            "$argon2id$v=19$m=256,t=0,p=1",
            "$argon2id$v=19$m=256,t=2,p=0",
            "$argon2id$v=19$m=15,t=2,p=2",
            "$argon2id$v=19$m=262145,t=1,p=1",
            "$argon2id$v=19$m=256,t=17,p=1",
            "$argon2id$v=19$m=256,t=2,p=9",
            "$argon2id$v=19$m=4194304,t=9999,p=1",
            "$argon2id$v=19$m=4294967295,t=4294967295,p=16777215",
            "$argon2id$v=19$m=4294967296,t=2,p=1",
            "$argon2id$v=19$m=99999999999999999999,t=2,p=1",
        ]
        .map(with),
    );
    let pool = pool(CHEAP);
    for phc in hostile {
        let shown: String = phc.chars().take(80).collect();
        assert_eq!(
            pool.lane(1).verify(&phc, secret("x")).await,
            Err(HashError::BadHash),
            "{shown}"
        );
    }
    let sound = with("$argon2id$v=19$m=256,t=2,p=1");
    assert!(
        pool.lane(1)
            .verify(&sound, secret("password"))
            .await
            .unwrap()
            .matches
    );
}

#[tokio::test]
async fn many_at_once_all_get_their_own_answer() {
    let pool = Arc::new(pool(CHEAP));
    let tasks: Vec<_> = (0..200)
        .map(|index| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move {
                let phc = pool
                    .lane(1)
                    .hash(secret(&format!("password {index}")))
                    .await
                    .unwrap();
                let own = pool
                    .lane(1)
                    .verify(&phc, secret(&format!("password {index}")))
                    .await;
                let other = pool
                    .lane(1)
                    .verify(&phc, secret(&format!("password {}", index + 1)))
                    .await;
                assert_eq!((own, other), (Ok(YES), Ok(NO)));
                phc
            })
        })
        .collect();
    let mut hashes = HashSet::new();
    for task in tasks {
        hashes.insert(task.await.unwrap());
    }
    assert_eq!(hashes.len(), 200);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_serves_the_rest() {
    let options = HashOptions {
        workers: 1,
        queue: 2,
        ..options(SLOW)
    };
    let pool = Arc::new(HashPool::new(options).unwrap());
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { pool.lane(1).hash(secret("x")).await })
        })
        .collect();
    let mut served = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(phc) => served.push(phc),
            Err(HashError::Overloaded { retry_after_secs }) => assert!(retry_after_secs >= 1),
            Err(other) => panic!("{other}"),
        }
    }
    assert!((2..20).contains(&served.len()), "{}", served.len());
    for phc in served {
        assert_eq!(pool.lane(1).verify(&phc, secret("x")).await, Ok(YES));
    }
}

#[tokio::test]
async fn callers_that_hang_up_keep_nobody_out() {
    let options = HashOptions {
        workers: 1,
        queue: 2,
        ..options(SLOW)
    };
    let pool = HashPool::new(options).unwrap();
    for _ in 0..50 {
        let mut call = pin!(pool.lane(1).hash(secret("x")));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Pending);
    }
    assert!(pool.lane(1).hash(secret("x")).await.is_ok());
}

#[tokio::test]
async fn a_storm_at_one_tenant_keeps_no_other_out() {
    let options = HashOptions {
        workers: 1,
        queue: 16,
        ..options(SLOW)
    };
    let pool = Arc::new(HashPool::new(options).unwrap());
    let storm: Vec<_> = (0..16)
        .map(|_| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { pool.lane(1).hash(secret("x")).await })
        })
        .collect();
    while pool.waiting() < 15 {
        tokio::task::yield_now().await;
    }
    let mut single = pin!(pool.lane(2).hash(secret("x")));
    assert!(
        single
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    assert!(single.await.is_ok());
    // At most the one in work and one turn of the storm's lane came first.
    assert!(pool.waiting() >= 10, "{}", pool.waiting());
    for task in storm {
        task.abort();
    }
}

#[tokio::test]
async fn a_job_that_waited_too_long_is_not_hashed() {
    let options = HashOptions {
        max_wait: Duration::ZERO,
        ..options(CHEAP)
    };
    let pool = HashPool::new(options).unwrap();
    let refused = pool.lane(1).hash(secret("x")).await;
    assert_eq!(
        refused,
        Err(HashError::Overloaded {
            retry_after_secs: 1
        })
    );
}

#[test]
fn a_pool_with_parameters_out_of_bounds_does_not_start() {
    for params in [
        PasswordPolicyParams { m_kib: 7, ..CHEAP },
        PasswordPolicyParams {
            m_kib: 262_145,
            ..CHEAP
        },
        PasswordPolicyParams { t: 0, ..CHEAP },
        PasswordPolicyParams { t: 17, ..CHEAP },
        PasswordPolicyParams { p: 0, ..CHEAP },
        PasswordPolicyParams {
            p: 9,
            m_kib: 262_144,
            t: 1,
        },
        PasswordPolicyParams {
            m_kib: 8,
            t: 1,
            p: 2,
        },
    ] {
        assert!(
            matches!(HashPool::new(options(params)), Err(PoolError::Params)),
            "{params:?}"
        );
    }
}

#[test]
fn debug_output_of_a_pool_shows_its_options_only() {
    assert_eq!(
        format!("{:?}", pool(CHEAP)),
        format!("HashPool {{ options: {:?}, .. }}", options(CHEAP))
    );
}

/// What a storm of sign-ins took is not kept for the quiet after it.
#[tokio::test]
async fn threads_without_work_hold_no_memory() {
    let pool = HashPool::new(HashOptions {
        rest: Duration::from_millis(1),
        ..options(CHEAP)
    })
    .unwrap();
    let lane = pool.lane(1);
    for _ in 0..3 {
        let phc = lane.hash(secret("green-valley-74")).await.unwrap();
        let verdict = lane.verify(&phc, secret("green-valley-74")).await.unwrap();
        assert!(verdict.matches);
        let since = std::time::Instant::now();
        while pool.holding() > 0 {
            assert!(since.elapsed() < Duration::from_secs(60));
            tokio::task::yield_now().await;
        }
    }
    let kept = HashPool::new(options(CHEAP)).unwrap();
    kept.lane(1).hash(secret("green-valley-74")).await.unwrap();
    assert_eq!(kept.holding(), 1);
}
