//! Whether the write-ahead log still holds what it is known to have held.
//!
//! SQLite reads a log up to its last whole transaction and takes what is missing for never written. Where the index
//! beside it (`-shm`) survived, as it does when a process is killed, it says how much had been committed.
//! Formats: <https://www.sqlite.org/walformat.html>.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, Write};
use std::path::Path;

use super::lock::pause;
use super::open::{companion, folder_of};
use crate::Error;

const VERSION: u32 = 3_007_000;
/// Another process may be writing while we look.
const LOOKS: u32 = 3;

enum Damage {
    /// What the index says was committed is not all there.
    Lost,
    /// It does not begin as a log does.
    Garbage,
}

/// Refuses a log that was damaged since it was written. To be asked while nobody has the database open. After a reboot
/// the index says nothing: the system never has to write it.
pub(super) fn check(database: &Path, rebooted: bool) -> Result<(), Error> {
    let (wal, shm) = (companion(database, "-wal"), companion(database, "-shm"));
    let mut damage = None;
    for _ in 0..LOOKS {
        damage = match look(&wal, Index::read(&shm).filter(|_| !rebooted)) {
            Ok(None) => return Ok(()),
            Ok(found) => found,
            // SQLite will not get further either, and has more to say.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
            Err(error) => {
                return Err(Error::File(format!(
                    "cannot read {}: {error}",
                    wal.display()
                )));
            }
        };
        pause();
    }
    let (wal, shm) = (wal.display(), shm.display());
    Err(Error::File(match damage {
        Some(Damage::Lost) => format!(
            "{wal} lacks changes that were confirmed; put it back, or restore a backup; to go on without these changes, delete {shm}"
        ),
        _ => format!(
            "{wal} is damaged; put it back, or restore a backup; to go on without the changes in it, delete it and {shm}"
        ),
    }))
}

/// Writes the log's content over itself and syncs it.
///
/// A failed fsync may leave commits in the log that the system will never write and yet takes for written; a process
/// that starts after such a one cannot tell. Commits appended behind them would be lost with them at a power failure.
/// What has just been written, the system must write. So it is with the log's name: SQLite overlooks it when the folder
/// cannot be synced.
pub(super) fn renew(database: &Path) -> Result<(), Error> {
    let wal = companion(database, "-wal");
    let written = match File::options().read(true).write(true).open(&wal) {
        Ok(mut file) => overwrite(&mut file),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    let written = written.and_then(|()| File::open(folder_of(database))?.sync_all());
    written.map_err(|error| match error.kind() {
        ErrorKind::StorageFull => Error::Full,
        ErrorKind::ReadOnlyFilesystem => Error::ReadOnly,
        _ => Error::Unavailable(format!("{}: {error}", wal.display())),
    })
}

fn overwrite(file: &mut File) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return file.sync_all();
        }
        file.seek_relative(-i64::try_from(count).map_err(io::Error::other)?)?;
        file.write_all(&buffer[..count])?;
    }
}

fn look(wal: &Path, index: Option<Index>) -> io::Result<Option<Damage>> {
    let open = match index.as_ref().map(Index::open_frames) {
        // Everything is in the database file already.
        Some(0) => return Ok(None),
        Some(frames) => Some(frames),
        None => None,
    };
    let mut file = match File::open(wal) {
        Ok(file) => BufReader::with_capacity(1 << 20, file),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(open.map(|_| Damage::Lost));
        }
        Err(error) => return Err(error),
    };
    let mut head = [0; 32];
    if !fill(&mut file, &mut head)? {
        return Ok(open.map(|_| Damage::Lost));
    }
    let Some(header) = Header::parse(&head) else {
        // Zeros are what a power failure leaves of a log that nothing was confirmed in yet.
        let zeros = head == [0; 32] && open.is_none();
        return Ok((!zeros).then_some(Damage::Garbage));
    };
    let (Some(frames), Some(index)) = (open, index) else {
        return Ok(None);
    };
    if index.salt != header.salt {
        return Ok(None);
    }
    let committed = header.committed(&mut file)?;
    Ok((committed < frames).then_some(Damage::Lost))
}

/// Fills the buffer; `false` at the end of the file.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Four bytes at an offset; zeros beyond the end.
fn word(bytes: &[u8], at: usize) -> [u8; 4] {
    let found = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    found.unwrap_or_default()
}

/// What the index's header says.
struct Index {
    frames: u32,
    in_database: u32,
    salt: [[u8; 4]; 2],
}

impl Index {
    /// `None` where it is missing, half-written or of no use.
    fn read(shm: &Path) -> Option<Index> {
        let mut bytes = [0; 136];
        let mut file = File::open(shm).ok()?;
        fill(&mut file, &mut bytes).ok().filter(|whole| *whole)?;
        let native = |at| u32::from_ne_bytes(word(&bytes, at));
        // Version, twice the same, initialised.
        let sound = native(0) == VERSION && bytes[..48] == bytes[48..96] && bytes[12] == 1;
        sound.then(|| Index {
            frames: native(16),
            in_database: native(96),
            salt: [word(&bytes, 32), word(&bytes, 36)],
        })
    }

    /// The number of the last committed frame that may be nowhere but in the log; 0 if there is none.
    fn open_frames(&self) -> u32 {
        if self.in_database >= self.frames {
            return 0;
        }
        self.frames
    }
}

struct Header {
    big_endian: bool,
    page: usize,
    salt: [[u8; 4]; 2],
    sum: (u32, u32),
}

impl Header {
    fn parse(head: &[u8; 32]) -> Option<Header> {
        let number = |at| u32::from_be_bytes(word(head, at));
        let big_endian = match number(0) {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return None,
        };
        let sum = checksum((0, 0), &head[..24], big_endian);
        let page = usize::try_from(number(8)).ok()?;
        let sound = number(4) == VERSION
            && page.is_power_of_two()
            && (512..=65_536).contains(&page)
            && sum == (number(24), number(28));
        sound.then_some(Header {
            big_endian,
            page,
            salt: [word(head, 16), word(head, 20)],
            sum,
        })
    }

    /// The number of the last frame that ends a transaction and is whole, as are all before it.
    fn committed(&self, file: &mut impl Read) -> io::Result<u32> {
        let (mut committed, mut count, mut sum) = (0, 0, self.sum);
        let mut frame = vec![0; 24 + self.page];
        while fill(file, &mut frame)? {
            let number = |at| u32::from_be_bytes(word(&frame, at));
            sum = checksum(sum, &frame[..8], self.big_endian);
            sum = checksum(sum, &frame[24..], self.big_endian);
            let salt = [word(&frame, 8), word(&frame, 12)];
            if salt != self.salt || sum != (number(16), number(20)) {
                break;
            }
            count += 1;
            if number(4) != 0 {
                committed = count;
            }
        }
        Ok(committed)
    }
}

fn checksum(start: (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let number = |at| match big_endian {
        true => u32::from_be_bytes(word(bytes, at)),
        false => u32::from_le_bytes(word(bytes, at)),
    };
    (0..bytes.len()).step_by(8).fold(start, |(a, b), at| {
        let a = a.wrapping_add(number(at)).wrapping_add(b);
        (a, b.wrapping_add(number(at + 4)).wrapping_add(a))
    })
}
