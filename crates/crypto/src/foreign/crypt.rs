//! The crypt family: MD5-crypt (Poul-Henning Kamp) and SHA-crypt (Ulrich Drepper), with the base64 they are written in.

use md5::Digest as _;

use super::{Digest, new_md5};

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// MD5 of the parts one after the other.
pub(super) fn md5_of(parts: &[&[u8]]) -> [u8; 16] {
    let mut md5 = new_md5();
    parts.iter().for_each(|part| md5.update(part));
    md5.finalize().into()
}

/// The 22 characters after the salt of `$1$` or `$apr1$`.
pub(super) fn md5(password: &[u8], salt: &[u8], apache: bool) -> Vec<u8> {
    let magic: &[u8] = if apache { b"$apr1$" } else { b"$1$" };
    let inner = md5_of(&[password, salt, password]);
    let mut first = new_md5();
    first.update(password);
    first.update(magic);
    first.update(salt);
    for chunk in password.chunks(16) {
        first.update(&inner[..chunk.len()]);
    }
    let mut bits = password.len();
    while bits > 0 {
        match (bits & 1, password.first()) {
            (0, Some(first_byte)) => first.update([*first_byte]),
            _ => first.update([0]),
        }
        bits >>= 1;
    }
    let mut last: [u8; 16] = first.finalize().into();
    for round in 0..1_000 {
        let odd = round % 2 == 1;
        let mut next = new_md5();
        next.update(if odd { password } else { &last });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if odd { &last } else { password });
        last = next.finalize().into();
    }
    let mut text = Vec::with_capacity(22);
    for [high, middle, low] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        put(&mut text, [last[high], last[middle], last[low]], 4);
    }
    put(&mut text, [0, 0, last[11]], 2);
    text
}

/// The characters after the salt of `$5$` (43) or `$6$` (86); `None` for other digests or too few rounds.
pub(super) fn sha(digest: Digest, password: &[u8], salt: &[u8], rounds: u32) -> Option<Vec<u8>> {
    let params = sha_crypt::Params::new(rounds).ok()?;
    let mut text = Vec::with_capacity(86);
    match digest {
        Digest::Sha256 => {
            let hash = sha_crypt::sha256_crypt(password, salt, params);
            for first in 0..10 {
                let mut triple = [first, first + 10, first + 20];
                triple.rotate_right(first % 3);
                put(&mut text, triple.map(|at| hash[at]), 4);
            }
            put(&mut text, [0, hash[31], hash[30]], 3);
        }
        Digest::Sha512 => {
            let hash = sha_crypt::sha512_crypt(password, salt, params);
            for first in 0..21 {
                let mut triple = [first, first + 21, first + 42];
                triple.rotate_left(first % 3);
                put(&mut text, triple.map(|at| hash[at]), 4);
            }
            put(&mut text, [0, 0, hash[63]], 2);
        }
        Digest::Md5 | Digest::Sha1 => return None,
    }
    Some(text)
}

/// Three bytes as characters, the lowest six bits first.
fn put(text: &mut Vec<u8>, [high, middle, low]: [u8; 3], characters: usize) {
    let mut bits = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    for _ in 0..characters {
        text.push(ALPHABET[bits & 63]);
        bits >>= 6;
    }
}

/// Whether the text is of the family's alphabet.
pub(super) fn is_crypt64(text: &str) -> bool {
    text.bytes().all(|byte| ALPHABET.contains(&byte))
}
