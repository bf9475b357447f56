//! How a word is written in the embedded list of common passwords. `xtask` builds the list with this very file.

/// Bytes of an entry. Among a hundred thousand entries a word that is not listed is taken for one once in ten million.
pub(crate) const WIDTH: usize = 5;

/// The list's entry for a word in lower case: FNV-1a of its UTF-8 bytes, mixed, and cut. The list is public, so nothing is
/// gained by a hash that is hard to invert.
pub(crate) fn fingerprint(word: &str) -> [u8; WIDTH] {
    let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let [a, b, c, d, e, ..] = (hash ^ (hash >> 31)).to_be_bytes();
    [a, b, c, d, e]
}
