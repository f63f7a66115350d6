//! Takes a copy of a database as it is at one moment, without writing beside it and without asking its program.
//!
//! A database is a file and, while a program works with it, a write-ahead log (`-wal`) or a rollback journal (`-journal`)
//! beside it, whose formats and rules are in <https://sqlite.org/fileformat2.html>. All of it is copied byte by byte; then
//! SQLite brings the copy into order in its own folder, so that one file is left. A database without either is copied as
//! it is: its hash is the original's.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use rusqlite::Connection;
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use super::damaged;
use crate::error::{Failure, interrupt};
use crate::model::{hex, private};
use crate::sources::SourceFile;

/// What every database that is not encrypted begins with.
pub(in crate::sources) const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// How often a database that changes while it is copied is copied again, and how long that waits.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);
const BLOCK: usize = 1 << 20;

/// Whether a file is a SQLite database that can be read, by its first bytes.
pub fn is_database(path: &Path) -> bool {
    let mut start = [0; 16];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *MAGIC
}

/// The write-ahead log or rollback journal beside a database, which may hold what its file does not.
pub fn logs(path: &Path) -> Vec<PathBuf> {
    // A link's log lies where the link leads to.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let logs = ["-wal", "-journal"].map(|end| beside(&path, end));
    logs.into_iter().filter(|log| fs::metadata(log).is_ok_and(|file| file.len() > 0)).collect()
}

/// Where the copy of a file lies: as the file does in the clinic's folder, if it does.
pub fn place(shown: &str) -> PathBuf {
    let path = Path::new(shown);
    if path.components().all(|part| matches!(part, Component::Normal(_))) {
        return path.to_path_buf();
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Path::new("elsewhere").join(&hex(Sha256::digest(shown))[..16]).join(name)
}

/// Copies a database to `to`, 0600 in a folder of 0700, written beside and renamed.
///
/// # Errors
/// A file that cannot be read, is damaged, or changes each time that it is copied.
pub fn copy(file: &SourceFile, to: &Path) -> Result<()> {
    let from = file.path.canonicalize().map_err(|error| unreadable(file, &error))?;
    let partial = beside(to, ".partial");
    if let Some(folder) = to.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    for attempt in 1.. {
        interrupt::check()?;
        remove(&partial)?;
        match settled(&from, &partial).map_err(|error| unreadable(file, &error))? {
            true => break,
            false if attempt < ATTEMPTS => std::thread::sleep(PAUSE),
            false => {
                remove(&partial)?;
                return Err(Failure::failed(t!("sqlite.restless", path = file.shown))
                    .hint(t!("sqlite.restless_hint", path = file.shown))
                    .into());
            }
        }
    }
    if !logs(&partial).is_empty() {
        fold(&partial).map_err(|error| damaged(file, None, error))?;
    }
    File::open(&partial)?.sync_all()?;
    fs::rename(&partial, to).with_context(|| to.display().to_string())?;
    remove(&partial)
}

/// What a database and the files beside it look like; equal before and after means that nothing was written.
#[derive(PartialEq, Eq)]
struct Look {
    database: Part,
    log: Part,
    journal: Part,
}

/// Length, time and first bytes, which hold a counter of changes or a log's salts.
#[derive(PartialEq, Eq)]
struct Part {
    length: u64,
    modified: Option<SystemTime>,
    start: Vec<u8>,
}

impl Part {
    fn of(path: &Path) -> std::io::Result<Self> {
        let missing = || Self { length: 0, modified: None, start: Vec::new() };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(missing()),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        let mut start = Vec::new();
        file.take(100).read_to_end(&mut start)?;
        // A log of no length and none at all are the same.
        if metadata.len() == 0 {
            return Ok(missing());
        }
        Ok(Self { length: metadata.len(), modified: metadata.modified().ok(), start })
    }

    /// The salts of a write-ahead log: others once it begins anew.
    fn salts(&self) -> Option<&[u8]> {
        self.start.get(16..24)
    }
}

impl Look {
    fn at(path: &Path) -> std::io::Result<Self> {
        let part = |end| Part::of(&beside(path, end));
        Ok(Self { database: Part::of(path)?, log: part("-wal")?, journal: part("-journal")? })
    }

    /// Whether what was copied between two looks is the database at one moment. Either nothing was written, or a log
    /// only grew: then what was moved from it into the database meanwhile is in the copied log too, which counts.
    fn holds(&self, after: &Self) -> bool {
        let log_grew = self.log.salts().is_some()
            && self.log.salts() == after.log.salts()
            && self.log.length <= after.log.length
            && self.journal == after.journal;
        self == after || log_grew
    }
}

/// Copies database, journal and log, in this order; false if they do not belong together.
fn settled(from: &Path, to: &Path) -> std::io::Result<bool> {
    let before = Look::at(from)?;
    transfer(from, to)?;
    for (end, part) in [("-journal", &before.journal), ("-wal", &before.log)] {
        if part.length > 0 && !transfer(&beside(from, end), &beside(to, end))? {
            return Ok(false);
        }
    }
    Ok(before.holds(&Look::at(from)?))
}

/// Copies a file's bytes; false if it is gone.
fn transfer(from: &Path, to: &Path) -> std::io::Result<bool> {
    let mut input = match File::open(from) {
        Ok(input) => input,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut output = private::create(to)?;
    let mut block = vec![0; BLOCK];
    loop {
        let read = input.read(&mut block)?;
        if read == 0 {
            return Ok(true);
        }
        output.write_all(&block[..read])?;
    }
}

/// Takes a copy's log into it, or a broken-off change out of it, as SQLite does for itself.
fn fold(path: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection.query_row("select count(*) from sqlite_schema", [], |_| Ok(()))?;
    connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Removes a copy and what is left beside it.
fn remove(path: &Path) -> Result<()> {
    for end in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(beside(path, end)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn unreadable(file: &SourceFile, error: &std::io::Error) -> Failure {
    Failure::failed(t!("load.cannot_read", path = file.shown, error = error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_lies_below_its_folder_and_no_two_in_one_place() {
        assert_eq!(place("sources/x.db"), Path::new("sources/x.db"));
        let places = [place("/srv/x.db"), place("../x.db"), place("sources/../../x.db"), place("/srv2/x.db")];
        for (at, one) in places.iter().enumerate() {
            assert!(one.is_relative() && !one.to_string_lossy().contains(".."), "{one:?}");
            assert!(!places[..at].contains(one), "{one:?}");
        }
    }
}
