//! One writer a clinic: a lock file that names the process which holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rust_i18n::t;

use crate::error::Failure;
use crate::model::ident::ClinicName;

/// The clinic's lock; the operating system frees it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// The process id that holds the clinic's lock, without taking or writing anything.
    pub fn holder(folder: &Path) -> Option<String> {
        let mut file = File::open(folder.join("lock")).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).ok()?;
                Some(holder.trim().to_owned())
            }
            _ => None,
        }
    }

    /// Locks `<folder>/lock` and writes the process id into it.
    ///
    /// # Errors
    /// Another process holds it; the message names its process id.
    pub fn take(folder: &Path, clinic: &ClinicName) -> Result<Self> {
        let path = folder.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| t!("staging.cannot_write", path = path.display()))?;
        match patiently(|| file.try_lock()) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                return Err(Failure::failed(t!("staging.busy", clinic = clinic, process = holder.trim()))
                    .hint(t!("staging.busy_hint", process = holder.trim()))
                    .into());
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| path.display().to_string()),
        }
        note_process(&mut file).with_context(|| t!("staging.cannot_write", path = path.display()))?;
        Ok(Self { _file: file })
    }
}

/// Writes the process id into the lock's file, in place of another's.
fn note_process(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// Tries for a tenth of a second: `status` holds the lock for an instant when it asks who does.
fn patiently(
    attempt: impl Fn() -> std::result::Result<(), TryLockError>,
) -> std::result::Result<(), TryLockError> {
    for _ in 0..5 {
        match attempt() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            other => return other,
        }
    }
    attempt()
}
