//! Large pages for the memory of a hash: the only unsafe code of the server.
#![expect(
    unsafe_code,
    reason = "a lone sign-in takes a fifth less time; decision 0027"
)]

use std::mem::MaybeUninit;

use argon2::Block;
use rustix::mm::{Advice, madvise};

/// Bytes of a large page, on the processors that we run on.
const LARGE: usize = 2 * 1_024 * 1_024;

/// Asks the system for large pages under as many of these blocks as fill such pages whole: a hash runs through all its
/// memory, and each small page costs it a fault at first and a look-up later. Where the system has none to give, nothing
/// changes.
pub(super) fn make_large(blocks: &mut [MaybeUninit<Block>]) {
    let bytes = blocks.as_mut_ptr_range();
    let (start, end) = (bytes.start.addr(), bytes.end.addr());
    let (first, last) = (start.next_multiple_of(LARGE), end - end % LARGE);
    let Some(length) = last.checked_sub(first).filter(|length| *length > 0) else {
        return;
    };
    let first = bytes.start.cast::<u8>().wrapping_add(first - start);
    // SAFETY: the range lies within `blocks`, which we borrow, and the advice changes no byte of it.
    let _ = unsafe { madvise(first.cast(), length, Advice::LinuxHugepage) };
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What the system notes about the memory at this address.
    fn flags(address: usize) -> String {
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut here = false;
        for line in maps.lines() {
            let range = line.split(' ').next().unwrap();
            if let Some((start, end)) = range.split_once('-') {
                let bound = |text| usize::from_str_radix(text, 16).unwrap();
                here = (bound(start)..bound(end)).contains(&address);
            }
            if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| here) {
                return flags.to_owned();
            }
        }
        panic!("{address:x} is nobody's");
    }

    #[test]
    fn what_fills_large_pages_whole_is_to_have_them_and_no_more() {
        let mut blocks: Vec<Block> = Vec::with_capacity(33 * 1_024);
        make_large(&mut blocks.spare_capacity_mut()[..19 * 1_024]);
        let start = blocks.as_ptr().addr();
        let large = |mib: usize| flags(start + mib * 1_024 * 1_024).contains(" hg");
        let knows_any = Path::new("/sys/kernel/mm/transparent_hugepage").exists();
        assert_eq!(
            (large(3), large(16), large(20)),
            (knows_any, knows_any, false)
        );
    }

    #[test]
    fn too_few_blocks_for_a_large_page_are_left_alone() {
        for count in [0, 1, 1_024] {
            let mut blocks: Vec<Block> = Vec::with_capacity(count);
            make_large(blocks.spare_capacity_mut());
            blocks.resize(count, Block::new());
        }
    }
}
