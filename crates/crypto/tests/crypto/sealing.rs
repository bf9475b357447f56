use std::collections::HashSet;

use vestibule_crypto::{SealError, Sealer};

#[test]
fn sealed_bytes_open_under_the_same_key_and_context() {
    let sealer = Sealer::new([7; 32]);
    for plain in [&b""[..], b"x", &[0xA5; 5000]] {
        let sealed = sealer.seal("smtp password of t1", plain);
        assert_eq!(sealed.len(), 1 + 12 + plain.len() + 16);
        assert_eq!(sealed[0], 1);
        let again = Sealer::new([7; 32]);
        assert_eq!(*again.open("smtp password of t1", &sealed).unwrap(), plain);
    }
}

#[test]
fn the_same_secret_is_sealed_differently_each_time() {
    let sealer = Sealer::new([7; 32]);
    let sealed: HashSet<_> = (0..100).map(|_| sealer.seal("c", b"secret")).collect();
    assert_eq!(sealed.len(), 100);
}

#[test]
fn another_key_or_context_does_not_open() {
    let sealed = Sealer::new([7; 32]).seal("t1", b"secret");
    for (key, context) in [
        ([7; 32], "t2"),
        ([7; 32], ""),
        ([7; 32], "t1 "),
        ([8; 32], "t1"),
    ] {
        let result = Sealer::new(key).open(context, &sealed);
        assert_eq!(result.unwrap_err(), SealError::Rejected, "{context}");
    }
}

#[test]
fn a_flipped_bit_a_cut_or_an_addition_does_not_open() {
    let sealer = Sealer::new([7; 32]);
    let sealed = sealer.seal("t1", b"a secret of some length");
    for position in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[position] ^= 1 << bit;
            let expected = if position == 0 {
                SealError::Format
            } else {
                SealError::Rejected
            };
            assert_eq!(
                sealer.open("t1", &changed).unwrap_err(),
                expected,
                "{position}"
            );
        }
        assert!(
            sealer.open("t1", &sealed[..position]).is_err(),
            "{position}"
        );
        assert!(
            sealer.open("t1", &sealed[position + 1..]).is_err(),
            "{position}"
        );
    }
    assert!(sealer.open("t1", &[&*sealed, &[0]].concat()).is_err());
    assert_eq!(sealer.open("t1", &[]).unwrap_err(), SealError::Format);
}

#[test]
fn a_mac_depends_on_key_purpose_parts_and_their_boundaries() {
    let sealer = Sealer::new([7; 32]);
    let macs = [
        sealer.mac("a", &[]),
        sealer.mac("a", &[b""]),
        sealer.mac("a", &[b"ab", b"c"]),
        sealer.mac("a", &[b"a", b"bc"]),
        sealer.mac("a", &[b"abc"]),
        sealer.mac("a", &[b"ab", b"c", b""]),
        sealer.mac("b", &[b"ab", b"c"]),
        Sealer::new([8; 32]).mac("a", &[b"ab", b"c"]),
    ];
    assert_eq!(HashSet::from(macs).len(), macs.len());
    assert_eq!(
        sealer.mac("a", &[b"ab", b"c"]),
        Sealer::new([7; 32]).mac("a", &[b"ab", b"c"])
    );
}

/// Stored values must stay readable: computed independently with Python's hmac module.
#[test]
fn the_derivation_does_not_change() {
    let mac = Sealer::new([7; 32]).mac("email", &[b"t1", b"ada@example.org"]);
    let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "9179ad8a7fb3a38fc0c043d859793c0f7a1fb9962f6fb34c76510bb8bb0b21d1"
    );
}
