//! Numbers, base64 and hexadecimal as hashes hold them.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use super::HashFault;

/// With padding or without.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) const SHAPE: HashFault = HashFault::Damaged("a part is missing or too many");
pub(super) const NUMBER: HashFault =
    HashFault::Damaged("a parameter is not the number it should be");
pub(super) const BASE64: HashFault = HashFault::Damaged("a part is not base64");

pub(super) fn lenient(engine: &GeneralPurpose, text: &str) -> Result<Vec<u8>, HashFault> {
    engine.decode(text).map_err(|_| BASE64)
}

/// The values of exactly these names in this order.
pub(super) fn named<'a, const N: usize>(
    params: &'a str,
    names: [&str; N],
) -> Result<[&'a str; N], HashFault> {
    let mut values = [""; N];
    let mut given = params.split(',');
    for (value, name) in values.iter_mut().zip(names) {
        let (found, text) = given
            .next()
            .and_then(|pair| pair.split_once('='))
            .ok_or(SHAPE)?;
        if found != name {
            return Err(SHAPE);
        }
        *value = text;
    }
    match given.next() {
        None => Ok(values),
        Some(_) => Err(SHAPE),
    }
}

/// A decimal without sign.
pub(super) fn number(text: &str) -> Result<u32, HashFault> {
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().map_err(|_| NUMBER),
        false => Err(NUMBER),
    }
}

/// An exponent as it is.
pub(super) fn exponent(text: &str) -> Result<u8, HashFault> {
    u8::try_from(number(text)?).map_err(|_| NUMBER)
}

/// The exponent of a power of two.
pub(super) fn log2(text: &str) -> Result<u8, HashFault> {
    let n: u64 = text.parse().map_err(|_| NUMBER)?;
    match n.is_power_of_two() {
        true => Ok(n.trailing_zeros() as u8),
        false => Err(NUMBER),
    }
}

/// Base64 of either alphabet, with padding or without; passlib writes `.` for `+`.
pub(super) fn b64(text: &str) -> Result<Vec<u8>, HashFault> {
    let plain = text.replace(['-', '.'], "+").replace('_', "/");
    lenient(&TOLERANT, &plain)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Result<Vec<u8>, HashFault> {
    let fault = HashFault::Damaged("a part is not hexadecimal");
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return Err(fault);
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8; 2]| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    pairs.iter().map(byte).collect::<Option<_>>().ok_or(fault)
}
