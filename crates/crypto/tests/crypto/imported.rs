//! Hashes of other systems: published vectors, and what the systems' own libraries make.

use secrecy::SecretString;
use vestibule_crypto::{
    GivenHash, HashError, HashFault, HashOptions, HashPool, PasswordPolicyParams, Verdict,
};

fn pool() -> HashPool {
    let params = PasswordPolicyParams {
        m_kib: 64,
        t: 1,
        p: 1,
    };
    HashPool::new(HashOptions {
        params,
        workers: 2,
        queue: 1_000,
        max_wait: std::time::Duration::from_secs(600),
        ..HashOptions::default()
    })
    .unwrap()
}

fn stored(hash: &str) -> Result<String, HashFault> {
    let given = GivenHash {
        hash,
        ..GivenHash::default()
    };
    given.to_stored()
}

/// The hash is taken, kept in a form that reads back as itself, fits its password only, and asks to be made anew.
async fn holds(pool: &HashPool, given: GivenHash<'_>, password: &str) {
    let shown = given.hash;
    let text = given
        .to_stored()
        .unwrap_or_else(|fault| panic!("{shown}: {fault}"));
    assert_eq!(stored(&text).as_ref(), Ok(&text), "{shown}");
    let wrong = match password {
        "" => "x".to_owned(),
        password => format!("{}\u{1}", &password[..password.len() - 1]),
    };
    for (password, matches) in [(password, true), (&wrong, false)] {
        let verdict = pool
            .lane(1)
            .verify(&text, SecretString::from(password))
            .await;
        let expected = Verdict {
            matches,
            rehash: true,
        };
        assert_eq!(verdict, Ok(expected), "{shown} kept as {text}");
    }
}

const A63: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Of the specifications and the reference implementations.
#[tokio::test]
async fn published_vectors() {
    let pool = pool();
    for (hash, password) in [
        // jBCrypt, OpenBSD, crypt_blowfish.
        (
            "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
            "",
        ),
        (
            "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
            "a",
        ),
        (
            "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz.",
            "abcdefghijklmnopqrstuvwxyz",
        ),
        (
            "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "U*U",
        ),
        (
            "$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK",
            "U*U*",
        ),
        // Drepper's SHA-crypt.
        (
            "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
            "Hello world!",
        ),
        (
            "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
            "Hello world!",
        ),
        (
            "$5$rounds=10000$saltstringsaltstring$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
            "Hello world!",
        ),
        (
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            "Hello world!",
        ),
        (
            "$6$rounds=5000$kf8.jB3ZLrhG2/n1$BZk4ni5Rx3KgyM7vd48EpPgr8AoICCq5HRQPu6vNf6t6xnJ3xNu7MMMBXh/3eUZ5ql.mBqjNhlYUWHBqjKRkU/",
            A63,
        ),
        // RFC 7914, 12.
        (
            "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA",
            "password",
        ),
        (
            "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw",
            "pleaseletmein",
        ),
        // RFC 6070.
        (
            "$pbkdf2-sha1$i=4096$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE",
            "password",
        ),
        // The crypt of FreeBSD and that of Apache.
        ("$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "password"),
        // The reference implementation of Argon2, with versions written and left out.
        (
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
            "password",
        ),
        (
            "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
            "password",
        ),
    ] {
        let given = GivenHash {
            hash,
            ..GivenHash::default()
        };
        holds(&pool, given, password).await;
    }
}

/// Made by Django 5 and 6, passlib 1.7, Werkzeug 3, argon2-cffi and bcrypt of Python, which agree with nothing of ours.
#[tokio::test]
async fn what_other_libraries_write() {
    let pool = pool();
    for hash in [
        "pbkdf2_sha256$2000$seasalt$dRrWdVq0mMT0hmsOiHlEViRRO04uq+XlRBajW34TEus=",
        "pbkdf2_sha1$2000$seasalt$DjkG9z+Ll9ZOm1bVlKZB+cEjwfY=",
        "scrypt$1024$seasalt$8$1$fTwdYrxXK5/OG6iyAYN++CxTZgMb6MHXR6rhVXIgSHjQ7FiXuVEFz4EvVUsmygTk21KAcS7joGurlDlxzzruZA==",
        "argon2$argon2id$v=19$m=512,t=2,p=2$c2Vhc2FsdHNlYXNhbHQ$mhQ2Jmh1DCiMTn5HNmTJ83vy3BQvs1hMa+1KwC0cWSQ",
        "bcrypt_sha256$$2b$04$eh2Bl5TumRYf5BBgYxKJruZ07diZ8Mm4SR4acHSS5p2qxC/tmXU/K",
        "bcrypt$$2b$04$qf7hAhbKx8qAJhpMsWCGO.W//PZmi/aMBPtSP2rWYmeqGzreouY8a",
        "md5$seasalt$d095db9c9036ec46c15dbe6549434dcd",
        "sha1$seasalt$90bf127f93cb576ca6fe017406be24e9b0d5fcae",
        "$pbkdf2-sha256$2000$zvlfC0HIOcdYaw3hnPPemw$z1b2E7/0kAHYonOo.o6gv32MBrrVrtk/iuXHfmLk2JQ",
        "$pbkdf2-sha512$2000$SUkphfA.p9SaM2YspfR.jw$SWDu2G.a8DFFQx6.Rd7FoRyMcYOajL6HBjZfNH5tjb6iAS7C.MaVM/dD9CX/tZWcgCT5h6cCiHoV/l/KC88PKw",
        "$pbkdf2$2000$ynkP4fy/l3Lu/R/j3LsX4g$Y0u159Lkij6EkncFQImLifkefuA",
        "$scrypt$ln=10,r=8,p=1$kxLC2Ls3Ruh97/1fi/Gecw$rCmnCm8l+hJxyAg1DUtwOgbiOPRytnhGrNxV7DlpsNo",
        "{SSHA}oO1mgGZziSLwgvoXeDp1yHdiHfL+XwtB",
        "{SHA}mN7MYuzjmaIu0w1JDvMzvn/ec4U=",
        "{SMD5}s2i4IVNREtmZNhpS2AdTjiglRMg=",
        "{MD5}iOTd0kAtktUOGHnW7Nn/1A==",
        "{SSHA256}U5lQlLMfBlgsmlo+7viEwVcgSnX9iIiXEG3+WtT/Jn28t1bKWSuldA==",
        "{SSHA512}CWzglyKkmWCaQNyjJ8iiDvIPWdb83elXxTQr9+3XXZMmapzRMRliI8dCNW/dEpwMTRvnNyGH1MLtAE50xDdaziBE6J0zxhiD",
        "{CRYPT}$6$rounds=1000$QVRZrQ7ldfevoo38$8KXD7KvBHuS6ZmFSLwCVKwwGL5OkNWxg4rYZ5EZ65aS.spuTMeh0i8q06jcC6IaD8tqzIQ.3o/.rYAaICBC.y.",
        "$apr1$QEql1tHU$awDxkDnYJoIX8YJGHJ.nI.",
        "$1$SirOua8b$4BPePhvYxinEAdv4pzDth1",
        "$5$rounds=1000$07mRKXxIrEbMClSp$z/P.qs9IJVJ61sMSNcjgNi/Wo739EI9f4pFJiDs/vn0",
        "$6$sgX7TubzEoEt1/wp$Rqx.AYbP4eTpKF47JbBXeTY/AOOjehmrLUbb4Bx9bhP30Gw9syDwCen.d.Ix/BQJ9dWkH8vQgY4vDWDPLXVwU1",
        "pbkdf2:sha256:2000$J9ydsz1Ox0P8dO6X$6d3befc81517ed5eb4a6574094aec7f390af5479d26fc64aa3820b8e871060bd",
        "pbkdf2:sha1:2000$a69XWHZkUp5GXTxU$6846fe7529964c39e4bd943926913bbe02d73e21",
        "scrypt:1024:8:1$5bmPpXTfia6tf77H$e2aba5fd5965fe6116d02babb9acad3ba459de9ad4876294f775346a6d2cfca21ab118fbd5614dcd4b2d46eb6600a4721cd5a95de658ea7648b0ef7d7d304ed3",
        "$argon2d$v=16$m=64,t=2,p=1$c29tZXNhbHQ$LkyCuL8uWCE4bvxlwxaCyMkBRv1GiDw5ed65dMbATBg",
        "$argon2d$v=19$m=64,t=2,p=1$c29tZXNhbHQ$Aw6vHtehXUX7kNchMYcVStGqZhcMzJCaJz9H6dMrHeg",
        "$argon2i$v=16$m=64,t=2,p=1$c29tZXNhbHQ$DY9LObWP3COPU3UpfOyx9uWfeDugHgLLjzg+5sY1zxc",
        "$argon2i$v=19$m=64,t=2,p=1$c29tZXNhbHQ$wFKPrg4x5/gVXhLAK97XAMNH+3uWABYTP8u9jvju0zs",
        "$argon2id$v=16$m=64,t=2,p=1$c29tZXNhbHQ$/gnFWdb/1LGdv2BUgsN0+e0MgC6q1FNawKm5vb8hM5E",
        "$argon2id$m=64,t=2,p=1$c29tZXNhbHQ$/gnFWdb/1LGdv2BUgsN0+e0MgC6q1FNawKm5vb8hM5E",
    ] {
        let given = GivenHash {
            hash,
            ..GivenHash::default()
        };
        holds(&pool, given, "correct horse battery").await;
    }
    // bcrypt looks at 72 bytes.
    let long = "$2b$04$qgsPrM.mkjYUJ45vvThMR.Rn1aL6KGKctdnmfuXt2YDz3TsP2z7H2";
    for (length, matches) in [(71, false), (72, true), (90, true)] {
        let password = SecretString::from("x".repeat(length));
        let verdict = pool.lane(1).verify(long, password).await;
        assert_eq!(verdict.unwrap().matches, matches, "{length}");
    }
}

/// As exports have them whose hashes are no text by themselves.
#[tokio::test]
async fn hashes_in_parts() {
    let pool = pool();
    let password = "correct horse battery";
    // The vector that Firebase publishes with its scrypt.
    let firebase = GivenHash {
        scheme: "firebase-scrypt",
        hash: "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
        salt: "42xEC+ixf3L2lw==",
        memory_cost: "14",
        rounds: "8",
        signer_key: "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
        salt_separator: "Bw==",
        ..GivenHash::default()
    };
    holds(&pool, firebase.clone(), "user1password").await;
    let keycloak = GivenHash {
        salt: "MDEyMzQ1Njc4OWFiY2RlZg==",
        ..GivenHash::default()
    };
    for (scheme, iterations, hash) in [
        (
            "pbkdf2-sha256",
            "2750",
            "MU+PDyYp6qyuigtr5VjPxvSC4mfcCOzgPf5ZV9DukVfe8G4sEXbierOYBlN2AMsEG+svqAaCm+CWeL456Mojkg==",
        ),
        (
            "pbkdf2-sha512",
            "2100",
            "I3Y7g3x5mLEvqBrZ7zd84Ns3nZRZbwaVO31P1+S1j6c+ro/coKGHVDrz9Gyh6lMKaO9s/v28+cTRxPWxXaYUGw==",
        ),
        (
            "pbkdf2-sha1",
            "2000",
            "6xtA0Gw8DJNvji3D9pZsRfoAS5oSuBOIWwFUjVddCsR1aLpn5KUy9W7JJcliWRJ3wZqU5T3q7Eiuact0BnpmEg==",
        ),
    ] {
        let given = GivenHash {
            scheme,
            iterations,
            hash,
            ..keycloak.clone()
        };
        holds(&pool, given, password).await;
    }
    for (scheme, before, after) in [
        (
            "md5",
            "1c725c67aec1d01e27f9eb1a9026de51",
            "4qiui0anMSpX3U+OBclCNw==",
        ),
        (
            "sha1",
            "0490a6a8921debc3289fc81737b7e571fe6513ab",
            "RhyNIyTMFrZx2eRabtQY4g7dAgw=",
        ),
        (
            "sha256",
            "8db3ddeab50e57aea2e6be5c54f2e0227ff03ade6d6197d2a7c8d31cfb88fdd1",
            "33qkQ0N8XI5Bdwz2saZlFtadzZ9ykQyBHVquFfGRovc=",
        ),
        (
            "sha512",
            "f18b07a72e10201d2bfb566aa0d13fe59069023fa9d2e908b17ab81b35a54c7f64a7ef2c8060fdc6cd2391d17e48799944bcc4a3478444c95f83341c026bb11e",
            "2Al1ypQc1Yej3EtRuh19HkzhxiwwFxv/3/FfvpNtPfEhXLmjmMYCWfS1rQ5IxkoPZGb11xbkjxlWTwf53LOipQ==",
        ),
    ] {
        for (salt_order, hash) in [("before", before), ("after", after)] {
            let given = GivenHash {
                scheme,
                hash,
                salt: "pepper",
                salt_order,
                ..GivenHash::default()
            };
            holds(&pool, given, password).await;
        }
    }
    let scrypt = GivenHash {
        scheme: "scrypt",
        hash: "rCmnCm8l+hJxyAg1DUtwOgbiOPRytnhGrNxV7DlpsNo",
        salt: "kxLC2Ls3Ruh97/1fi/Gecw",
        memory_cost: "1024",
        rounds: "8",
        ..GivenHash::default()
    };
    holds(&pool, scrypt, password).await;
}

const SALT: &str = "c29tZXNhbHQ";
const HASH: &str = "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/// A hash that would cost minutes or gigabytes is refused when it is read, before any work; so is what is cut.
#[tokio::test]
async fn hostile_hashes_are_refused_with_a_reason() {
    let bcrypt = "R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
    let of = |head: &str| format!("{head}${SALT}${HASH}");
    let table = [
        ("too long or too much", vec![
            format!("$2b$16${bcrypt}"),
            format!("$2b$31${bcrypt}"),
            of("$scrypt$ln=22,r=8,p=1"),
            of("$scrypt$ln=40,r=4294967295,p=4294967295"),
            of("$scrypt$ln=15,r=8,p=4294967295"),
            of("$scrypt$ln=1,r=1,p=4194304"),
            of("$scrypt$ln=17,r=8,p=5"),
            of("$fbscrypt$v=1,n=20,r=8,p=1,ss=Bw==,sk=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            of("$pbkdf2-sha256$i=5000001"),
            of("$pbkdf2-sha1$i=2500001"),
            of("$pbkdf2-sha512$i=4294967295"),
            of("pbkdf2_sha256$1000000000"),
            "$5$rounds=1000001$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5".into(),
            "$6$rounds=999999999$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1".into(),
        ]),
        ("faulty version of bcrypt", vec![format!("$2x$10${bcrypt}"), format!("$2$10${bcrypt}")]),
        ("not written in any way known", vec![
            String::new(),
            "x".into(),
            "hunter2".into(),
            "$".into(),
            "{".into(),
            "{}".into(),
            "{X}AAAA".into(),
            "$y$j9T$AAAA$BBBB".into(),
            "$P$B12345678abcdefgh".into(),
            "5f4dcc3b5aa765d61d8327deb882cf99".into(),
            of("$argon"),
            "pbkdf2:whirlpool:1000$salt$00".into(),
        ]),
        ("damaged", vec![
            "$2b$10$".into(),
            "$2b$03$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".into(),
            "$2b$+9$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".into(),
            format!("$2b$10${}", &bcrypt[..52]),
            format!("$2b$10${bcrypt}x"),
            "$2b$10$ééééééééééééééééééééééééé".into(),
            "$2b$10$*9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".into(),
            of("$scrypt$ln=0,r=8,p=1"),
            of("$scrypt$ln=10,r=0,p=1"),
            of("$scrypt$ln=999,r=8,p=1"),
            of("$scrypt$r=8,ln=10,p=1"),
            of("$scrypt$ln=10,r=8,p=1,x=1"),
            format!("$scrypt$ln=10,r=8,p=1${SALT}$AAAA"),
            of("scrypt$1000").replace("c29t", "x$8$1$"),
            of("$pbkdf2-sha256$i=0"),
            of("$pbkdf2-sha256$i=-1"),
            of("$pbkdf2-sha256$i=1000,l=20"),
            format!("$pbkdf2-sha256$i=1000${SALT}$"),
            format!("$pbkdf2-sha256$i=1000${SALT}$AA%A"),
            format!("$pbkdf2-sha256$i=1000$%${HASH}"),
            format!("$pbkdf2-sha256$i=1000${}${HASH}", "A".repeat(400)),
            format!("$pbkdf2-sha256$i=1000${SALT}${}", "A".repeat(2_000)),
            "$1$salt$short".into(),
            "$1$sa lt$qjXMvbEw8oaL.CzflDtaK/".into(),
            "$1$saltsalt$qjXMvbEw8oaL.CzflDta*/".into(),
            "$6$saltstring$svn8".into(),
            "$5$rounds=10$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5".into(),
            "$5$rounds=x$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5".into(),
            "{SSHA}AAAA".into(),
            "{SSHA}mN7MYuzjmaIu0w1JDvMzvn/ec4U=".into(),
            "{SHA}oO1mgGZziSLwgvoXeDp1yHdiHfL+XwtB".into(),
            "{SSHA}é".into(),
            "md5$salt$d095db9c".into(),
            "sha1$salt$zzbf127f93cb576ca6fe017406be24e9b0d5fcae".into(),
            "sha1$salt".into(),
            of("$argon2id$v=19$m=4194304,t=1,p=1"),
            of("$argon2id$v=19$m=256,t=9999,p=1"),
            of("$argon2x$v=19$m=256,t=2,p=1"),
            format!("$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=AAAA${SALT}${HASH}"),
        ]),
    ];
    let pool = pool();
    for (reason, hashes) in table {
        for hash in hashes {
            let shown: String = hash.chars().take(60).collect();
            let fault = stored(&hash).err().map(|fault| fault.to_string());
            let fault = fault.unwrap_or_else(|| panic!("{shown} was taken"));
            assert!(fault.contains(reason), "{shown}: {fault}");
            assert!(hash.len() < 12 || !fault.contains(&hash), "{fault}");
            let verdict = pool.lane(1).verify(&hash, SecretString::from("x")).await;
            assert_eq!(verdict, Err(HashError::BadHash), "{shown}");
        }
    }
}

/// What a scheme needs is named by the field that lacks.
#[test]
fn parts_that_lack_are_named() {
    let hash =
        "MU+PDyYp6qyuigtr5VjPxvSC4mfcCOzgPf5ZV9DukVfe8G4sEXbierOYBlN2AMsEG+svqAaCm+CWeL456Mojkg==";
    let given = |scheme| GivenHash {
        hash,
        scheme,
        ..GivenHash::default()
    };
    for (given, told) in [
        (given("pbkdf2-sha256"), "password_iterations"),
        (given("scrypt"), "password_memory_cost"),
        (given("firebase-scrypt"), "password_memory_cost"),
        (
            GivenHash {
                memory_cost: "14",
                rounds: "8",
                ..given("firebase-scrypt")
            },
            "password_signer_key",
        ),
        (
            GivenHash {
                salt: "x",
                ..given("sha512")
            },
            "password_salt_order",
        ),
        (
            GivenHash {
                salt: "x",
                salt_order: "around",
                ..given("sha512")
            },
            "`before` or `after`",
        ),
        (
            GivenHash {
                encoding: "base32",
                ..given("sha512")
            },
            "`hex` or `base64`",
        ),
        (given("whirlpool"), "`whirlpool`"),
        (given("pbkdf2-md5"), "`pbkdf2-md5`"),
        (
            GivenHash {
                iterations: "1e6",
                ..given("pbkdf2-sha256")
            },
            "not the number",
        ),
    ] {
        let fault = given.to_stored().unwrap_err().to_string();
        assert!(fault.contains(told), "{fault}");
    }
}

/// The answer to a wrong password takes at least a hash of ours, however cheap the imported one is.
#[tokio::test]
async fn a_cheap_hash_costs_no_less_than_ours() {
    let params = PasswordPolicyParams {
        m_kib: 16_384,
        t: 2,
        p: 1,
    };
    let pool = HashPool::new(HashOptions {
        params,
        workers: 1,
        ..HashOptions::default()
    })
    .unwrap();
    let wrong = || SecretString::from("wrong");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    pool.lane(1).verify_absent(None, wrong()).await.unwrap();
    for _ in 0..9 {
        let started = std::time::Instant::now();
        pool.lane(1).verify_absent(None, wrong()).await.unwrap();
        ours.push(started.elapsed());
        let started = std::time::Instant::now();
        let cheap = "{SHA}mN7MYuzjmaIu0w1JDvMzvn/ec4U=";
        pool.lane(1)
            .verify(&stored(cheap).unwrap(), wrong())
            .await
            .unwrap();
        theirs.push(started.elapsed());
    }
    ours.sort();
    theirs.sort();
    assert!(theirs[4] * 2 > ours[4], "{theirs:?} {ours:?}");
}
