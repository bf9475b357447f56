use secrecy::ExposeSecret;
use vestibule_crypto::{
    ApiKey, Opaque, Random, SeededRandom, SystemRandom, alphanumeric, digest, equal, secret_bytes,
};

#[test]
fn a_seed_names_one_stream_and_the_system_never_repeats() {
    let draw = |random: &dyn Random| secret_bytes::<32>(random);
    assert_eq!(draw(&SeededRandom::new(7)), draw(&SeededRandom::new(7)));
    assert_ne!(draw(&SeededRandom::new(7)), draw(&SeededRandom::new(8)));
    assert_ne!(draw(&SystemRandom), draw(&SystemRandom));
    let seeded = SeededRandom::new(7);
    assert_ne!(draw(&seeded), draw(&seeded));
}

#[test]
fn alphanumeric_text_has_the_length_and_an_even_spread() {
    let random = SeededRandom::new(1);
    for len in [0, 1, 20, 63, 64, 65, 200] {
        let text = alphanumeric(&random, len);
        assert_eq!(text.len(), len);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
    let mut counts = [0_u32; 128];
    for byte in alphanumeric(&random, 62_000).bytes() {
        counts[usize::from(byte)] += 1;
    }
    // 1000 expected, standard deviation 31; a plain remainder would give the first eight 1211.
    let used: Vec<_> = counts.into_iter().filter(|count| *count > 0).collect();
    assert_eq!(used.len(), 62);
    assert!(
        used.iter().all(|count| (850..1150).contains(count)),
        "{used:?}"
    );
}

#[test]
fn digest_is_sha_256_and_equal_compares_bytes() {
    let abc = digest(b"abc");
    assert_eq!(abc[..4], [0xba, 0x78, 0x16, 0xbf]);
    assert!(equal(&abc, &digest(b"abc")));
    assert!(!equal(&abc, &digest(b"abd")));
    assert!(!equal(&abc, &abc[..31]));
    assert!(equal(b"", b""));
}

#[test]
fn opaque_tokens_come_back() {
    let token = Opaque::generate(&SystemRandom);
    let text = token.expose();
    let again = Opaque::parse(text.expose_secret()).unwrap();
    assert_eq!(text.expose_secret().len(), 43);
    assert_eq!(again.digest(), token.digest());
    assert_eq!(token.digest(), digest(text.expose_secret().as_bytes()));
    assert_ne!(Opaque::generate(&SystemRandom).digest(), token.digest());
}

#[test]
fn opaque_tokens_have_one_spelling() {
    let token = Opaque::generate(&SeededRandom::new(3)).expose();
    let token = token.expose_secret();
    let last = token.chars().last().unwrap();
    let body = &token[..42];
    // 43 characters carry 258 bits: of 64 last characters, 16 leave the two spare bits clear.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let canonical = alphabet
        .chars()
        .filter(|last| Opaque::parse(&format!("{body}{last}")).is_some());
    assert_eq!(canonical.count(), 16);
    for wrong in [
        String::new(),
        body.to_owned(),
        format!("{token}="),
        format!("{token}A"),
        format!("{token} "),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{body}+"),
        format!("{body}/"),
        format!("{body}="),
        format!("{}é{last}", &token[..40]),
        "\0".repeat(43),
    ] {
        assert!(Opaque::parse(&wrong).is_none(), "{wrong:?}");
    }
}

#[test]
fn api_keys_come_back() {
    for test in [false, true] {
        let key = ApiKey::generate(&SystemRandom, test);
        let text = key.expose();
        let text = text.expose_secret();
        let prefix = if test { "vst_test_" } else { "vst_live_" };
        assert_eq!(text.len(), 60);
        assert!(text.starts_with(&format!("{prefix}{}_", key.id)));
        assert_eq!(key.id.len(), 12);

        let again = ApiKey::parse(text).unwrap();
        assert_eq!((again.id.as_str(), again.test), (key.id.as_str(), test));
        assert_eq!(again.digest(), key.digest());
        assert_eq!(key.digest(), digest(text.as_bytes()));
    }
}

#[test]
fn an_api_key_with_one_character_changed_is_refused() {
    let key = ApiKey::generate(&SeededRandom::new(5), false).expose();
    let key = key.expose_secret();
    for position in 0..key.len() {
        for replacement in (0..=127).map(char::from).chain(['é', 'ä']) {
            let mut changed = key.to_owned();
            changed.replace_range(position..=position, &replacement.to_string());
            assert_eq!(
                ApiKey::parse(&changed).is_some(),
                changed == key,
                "{changed:?}"
            );
        }
        let mut shorter = key.to_owned();
        shorter.remove(position);
        assert!(ApiKey::parse(&shorter).is_none());
        let mut longer = key.to_owned();
        longer.insert(position, 'a');
        assert!(ApiKey::parse(&longer).is_none());
    }
    for wrong in [
        "",
        "vst_live_",
        "vst_live__",
        &format!("{key} "),
        &format!("{key}a"),
    ] {
        assert!(ApiKey::parse(wrong).is_none(), "{wrong:?}");
    }
    assert!(ApiKey::parse(&key.replace("live", "test")).is_none());
    assert!(ApiKey::parse(&key.to_uppercase()).is_none());
}

#[test]
fn debug_output_keeps_secrets() {
    let random = SeededRandom::new(9);
    let (key, token) = (ApiKey::generate(&random, false), Opaque::generate(&random));
    let shown = format!("{key:?} {token:?} {random:?}");
    assert!(shown.contains(&key.id));
    assert!(!shown.contains(&key.expose().expose_secret()[22..]));
    assert!(!shown.contains(token.expose().expose_secret()));
}
