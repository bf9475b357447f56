//! What a power cut leaves of a folder: everything that was synced, and of the rest whatever chance decides.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What the shim logs; see shim.c.
#[derive(Debug, Clone)]
enum Change {
    Write { at: usize, data: Vec<u8> },
    Truncate(usize),
    Sync { covered: u64 },
    SyncFailed { covered: u64 },
    Create(PathBuf),
    Link(PathBuf, PathBuf),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf),
}

/// One change, where it stands in the log, and when (CLOCK_MONOTONIC, nanoseconds) it was about to happen.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    position: u64,
    pub(crate) time: u64,
    inode: u64,
    change: Change,
}

/// Reads a log. A record that the kill cut short is left out.
pub(crate) fn read_log(path: &Path) -> Result<Vec<Record>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut records = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((record, after)) = next(rest, bytes.len() - rest.len())? {
        records.push(record);
        rest = after;
    }
    Ok(records)
}

fn next(bytes: &[u8], position: usize) -> Result<Option<(Record, &[u8])>> {
    let Some((head, rest)) = bytes.split_at_checked(40) else {
        return Ok(None);
    };
    let word = |at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&head[at..at + 8]);
        u64::from_ne_bytes(eight)
    };
    let (kind, path) = (word(0) & 0xffff_ffff, usize::try_from(word(0) >> 32)?);
    let (at, size) = (word(24), usize::try_from(word(32))?);
    let Some((path, rest)) = rest.split_at_checked(path) else {
        return Ok(None);
    };
    let data = if [1, 6, 8].contains(&kind) { size } else { 0 };
    let Some((data, rest)) = rest.split_at_checked(data) else {
        return Ok(None);
    };
    let name = |bytes: &[u8]| PathBuf::from(String::from_utf8_lossy(bytes).into_owned());
    let change = match kind {
        1 => Change::Write {
            at: usize::try_from(at)?,
            data: data.to_vec(),
        },
        2 => Change::Truncate(size),
        3 => Change::Sync { covered: at },
        4 => Change::SyncFailed { covered: at },
        5 => Change::Create(name(path)),
        6 => Change::Link(name(path), name(data)),
        7 => Change::Unlink(name(path)),
        8 => Change::Rename(name(path), name(data)),
        other => bail!("the shim's log has a record of kind {other}"),
    };
    let record = Record {
        position: position as u64,
        time: word(8),
        inode: word(16),
        change,
    };
    Ok(Some((record, rest)))
}

/// A file's synced content and the changes since.
#[derive(Debug, Clone, Default)]
struct File {
    synced: Vec<u8>,
    pending: Vec<Record>,
}

/// A folder as the disk has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    root: PathBuf,
    root_inode: u64,
    files: Vec<File>,
    by_inode: BTreeMap<u64, usize>,
    names: BTreeMap<PathBuf, usize>,
    /// Changes of names since the folder was synced, with the file that a created name belongs to.
    renamed: Vec<(Record, usize)>,
}

impl Disk {
    /// Takes the folder as it is for what is safely on disk.
    pub(crate) fn of(root: &Path) -> Result<Disk> {
        let mut disk = Disk {
            root: root.to_path_buf(),
            root_inode: fs::metadata(root)?.ino(),
            ..Disk::default()
        };
        for entry in fs::read_dir(root)? {
            let path = entry?.path();
            if path.is_file() && !is_shared_memory(&path) {
                let index = disk.add(fs::metadata(&path)?.ino());
                disk.files[index].synced = fs::read(&path)?;
                disk.names.insert(path, index);
            }
        }
        Ok(disk)
    }

    fn add(&mut self, inode: u64) -> usize {
        self.files.push(File::default());
        let index = self.files.len() - 1;
        self.by_inode.insert(inode, index);
        index
    }

    /// Replays a log. A failed sync leaves the system free to forget what it should have written, for good; that is
    /// drawn here.
    pub(crate) fn replay(&mut self, log: &[Record], random: &mut fastrand::Rng) {
        for record in log {
            match &record.change {
                Change::Write { .. } | Change::Truncate(_) => {
                    if let Some(index) = self.by_inode.get(&record.inode) {
                        self.files[*index].pending.push(record.clone());
                    }
                }
                Change::Create(_) => {
                    let index = self.add(record.inode);
                    self.renamed.push((record.clone(), index));
                }
                Change::Link(..) | Change::Unlink(_) | Change::Rename(..) => {
                    self.renamed.push((record.clone(), 0));
                }
                Change::Sync { covered } if record.inode == self.root_inode => {
                    let kept = self.renamed.partition_point(|(r, _)| r.position < *covered);
                    apply_names(&mut self.names, &self.renamed[..kept]);
                    self.renamed.drain(..kept);
                }
                Change::Sync { covered } => self.sync(record.inode, *covered, None),
                Change::SyncFailed { covered } => self.sync(record.inode, *covered, Some(random)),
            }
        }
    }

    fn sync(&mut self, inode: u64, covered: u64, chance: Option<&mut fastrand::Rng>) {
        let Some(index) = self.by_inode.get(&inode) else {
            return;
        };
        let file = &mut self.files[*index];
        let count = file.pending.partition_point(|r| r.position < covered);
        let covered: Vec<Record> = file.pending.drain(..count).collect();
        match chance {
            None => covered.iter().for_each(|r| apply(&mut file.synced, r)),
            Some(random) => survive(&mut file.synced, &covered, random),
        }
    }

    /// Fails unless the log tells how the files came to be what they are: a harness that misses a change proves nothing.
    pub(crate) fn agrees_with(mut self, log: &[Record]) -> Result<()> {
        let kept = log
            .iter()
            .filter(|r| !matches!(r.change, Change::SyncFailed { .. }));
        let kept: Vec<Record> = kept.cloned().collect();
        self.replay(&kept, &mut fastrand::Rng::with_seed(0));
        apply_names(&mut self.names, &self.renamed);
        for (path, index) in self.names {
            let file = &mut self.files[index];
            let content = &mut file.synced;
            file.pending.iter().for_each(|r| apply(content, r));
            let found =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let differs = content.iter().zip(&found).position(|(a, b)| a != b);
            let differs = differs
                .or_else(|| (content.len() != found.len()).then(|| content.len().min(found.len())));
            if let Some(at) = differs {
                bail!(
                    "{} has {} bytes and the log tells of {}; the first that differs is {at}",
                    path.display(),
                    found.len(),
                    content.len()
                );
            }
        }
        Ok(())
    }

    /// Cuts the power: writes what is left into another folder, which must be empty.
    pub(crate) fn cut(&self, to: &Path, random: &mut fastrand::Rng) -> Result<()> {
        let mut names = self.names.clone();
        // Names are journalled by the file system: those of later changes never survive without the earlier ones.
        let kept = random.usize(..=self.renamed.len());
        apply_names(&mut names, &self.renamed[..kept]);
        for (path, index) in names {
            let file = &self.files[index];
            let mut content = file.synced.clone();
            survive(&mut content, &file.pending, random);
            let target = to.join(path.strip_prefix(&self.root)?);
            fs::write(&target, content)
                .with_context(|| format!("cannot write {}", target.display()))?;
            super::server::make_private(&target)?;
        }
        Ok(())
    }
}

/// SQLite's shared memory is made anew by the first process that opens the database.
pub(crate) fn is_shared_memory(path: &Path) -> bool {
    path.to_string_lossy().ends_with("-shm")
}

fn apply_names(names: &mut BTreeMap<PathBuf, usize>, changes: &[(Record, usize)]) {
    for (record, index) in changes {
        match &record.change {
            Change::Create(path) => {
                names.insert(path.clone(), *index);
            }
            Change::Link(from, to) => {
                if let Some(index) = names.get(from).copied() {
                    names.insert(to.clone(), index);
                }
            }
            Change::Rename(from, to) => {
                if let Some(index) = names.remove(from) {
                    names.insert(to.clone(), index);
                }
            }
            Change::Unlink(path) => {
                names.remove(path);
            }
            _ => {}
        }
    }
}

fn apply(content: &mut Vec<u8>, record: &Record) {
    match &record.change {
        Change::Write { at, data } => put(content, *at, data),
        Change::Truncate(size) => content.resize(*size, 0),
        _ => {}
    }
}

fn put(content: &mut Vec<u8>, at: usize, data: &[u8]) {
    if content.len() < at + data.len() {
        content.resize(at + data.len(), 0);
    }
    content[at..at + data.len()].copy_from_slice(data);
}

/// The smallest unit that a disk writes whole.
const SECTOR: usize = 512;

/// Lets some of the unsynced changes reach the disk: none, all up to some point, or any of them, torn between sectors.
fn survive(content: &mut Vec<u8>, pending: &[Record], random: &mut fastrand::Rng) {
    match random.u8(..4) {
        0 => {}
        1 => {
            let count = random.usize(..=pending.len());
            pending[..count].iter().for_each(|r| apply(content, r));
        }
        _ => {
            for record in pending {
                match (&record.change, random.u8(..5)) {
                    (_, 0 | 1) => apply(content, record),
                    (Change::Write { at, data }, 2) => tear(content, *at, data, random),
                    _ => {}
                }
            }
        }
    }
}

fn tear(content: &mut Vec<u8>, at: usize, data: &[u8], random: &mut fastrand::Rng) {
    let mut from = at;
    while from < at + data.len() {
        let to = ((from / SECTOR + 1) * SECTOR).min(at + data.len());
        if random.bool() {
            put(content, from, &data[from - at..to - at]);
        }
        from = to;
    }
}

/// After a power cut the machine has started anew, which the lock file's second line would not tell here.
pub(crate) fn reboot(data: &Path) -> Result<()> {
    for entry in fs::read_dir(data)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "lock")
        {
            let held = fs::read_to_string(&path)?;
            let process = held.lines().next().unwrap_or_default();
            fs::write(&path, format!("{process}\nbefore the power cut\n"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(position: u64, inode: u64, change: Change) -> Record {
        Record {
            position,
            time: position,
            inode,
            change,
        }
    }

    fn write(position: u64, text: &str) -> Record {
        let data = text.as_bytes().to_vec();
        record(position, 7, Change::Write { at: 0, data })
    }

    /// Every content that the file may have after the cut, over many draws.
    fn left(log: &[Record]) -> std::collections::BTreeSet<String> {
        (0..200)
            .map(|seed| {
                let mut disk = Disk::default();
                let index = disk.add(7);
                disk.files[index].synced = b"old".to_vec();
                let mut random = fastrand::Rng::with_seed(seed);
                disk.replay(log, &mut random);
                let mut content = disk.files[index].synced.clone();
                survive(&mut content, &disk.files[index].pending, &mut random);
                String::from_utf8(content).unwrap()
            })
            .collect()
    }

    #[test]
    fn only_what_a_sync_covered_is_certain() {
        let (sync, failed) = (
            |covered| record(9, 7, Change::Sync { covered }),
            record(2, 7, Change::SyncFailed { covered: 2 }),
        );
        for (log, expected) in [
            (vec![write(1, "new")], vec!["new", "old"]),
            (vec![write(1, "new"), sync(2)], vec!["new"]),
            // Written while the sync was under way.
            (vec![write(5, "new"), sync(5)], vec!["new", "old"]),
            // A sync that failed may have dropped the write, and a later one does not bring it back.
            (
                vec![write(1, "new"), failed.clone(), sync(8)],
                vec!["new", "old"],
            ),
            (
                vec![write(1, "bad"), failed, write(3, "new"), sync(8)],
                vec!["new"],
            ),
        ] {
            let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(left(&log).into_iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_name_lasts_once_its_folder_was_synced() {
        let path = PathBuf::from("/data/new");
        let mut disk = Disk {
            root_inode: 1,
            ..Disk::default()
        };
        let mut random = fastrand::Rng::with_seed(1);
        disk.replay(&[record(1, 7, Change::Create(path.clone()))], &mut random);
        assert!(disk.names.is_empty());
        disk.replay(&[record(2, 1, Change::Sync { covered: 2 })], &mut random);
        assert!(disk.names.contains_key(&path));
    }
}
