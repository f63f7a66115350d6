//! An extract that is read while it is written.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, bail};

use crate::sources::Fingerprint;

/// What who reads an extract must know of who writes it.
#[derive(Debug)]
pub struct Flow {
    /// Where it is written. It may have another name by the time that all of it was read.
    path: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    written: u64,
    end: End,
}

#[derive(Debug, Default)]
enum End {
    #[default]
    Open,
    /// Nothing more comes.
    Whole,
    /// It has its place, and so have those that show the same moment.
    Kept(Fingerprint),
    /// It will never be whole.
    Broken,
}

impl Flow {
    pub fn new(path: &Path) -> Arc<Self> {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Arc::new(Self { path: path.to_path_buf(), state, changed })
    }

    /// So many more bytes can be read.
    pub fn grew(&self, bytes: u64) {
        self.change(|state| state.written += bytes);
    }

    /// It was written to its end.
    pub fn whole(&self) {
        self.change(|state| state.end = End::Whole);
    }

    /// It has its place.
    pub fn kept(&self, fingerprint: Fingerprint) {
        self.change(|state| state.end = End::Kept(fingerprint));
    }

    /// It will never be whole; who waits for it need not.
    pub fn broken(&self) {
        self.change(|state| {
            if !matches!(state.end, End::Kept(_)) {
                state.end = End::Broken;
            }
        });
    }

    /// Whether it will never be whole.
    pub(in crate::sources) fn is_broken(&self) -> bool {
        matches!(self.state().end, End::Broken)
    }

    /// Waits until it has its place.
    ///
    /// # Errors
    /// It broke off; why, says who wrote it.
    pub(super) fn wait(&self) -> Result<Fingerprint> {
        let mut state = self.state();
        loop {
            match &state.end {
                End::Kept(fingerprint) => return Ok(fingerprint.clone()),
                End::Broken => bail!("the extract broke off"),
                End::Open | End::Whole => state = self.changed(state),
            }
        }
    }

    /// How many bytes there are behind so many; none at the end.
    fn beyond(&self, read: u64) -> io::Result<u64> {
        let mut state = self.state();
        loop {
            match state.end {
                End::Broken => return Err(io::Error::other("the extract broke off")),
                _ if state.written > read => return Ok(state.written - read),
                End::Whole | End::Kept(_) => return Ok(0),
                End::Open => state = self.changed(state),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }
}

/// Reads behind the writer.
pub(super) struct Following {
    flow: Arc<Flow>,
    file: File,
    read: u64,
}

impl Following {
    /// `place` is where the extract will be when it is whole.
    pub(super) fn open(flow: &Arc<Flow>, place: &Path) -> io::Result<Self> {
        // It is there once something was written.
        flow.beyond(0)?;
        let file = File::open(&flow.path).or_else(|_| File::open(place))?;
        Ok(Self { flow: Arc::clone(flow), file, read: 0 })
    }
}

impl Read for Following {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let there = usize::try_from(self.flow.beyond(self.read)?).unwrap_or(usize::MAX);
        let most = there.min(block.len());
        let read = self.file.read(&mut block[..most])?;
        self.read += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_written_is_read_to_its_end_and_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("extract");
        let flow = Flow::new(&path);
        let fingerprint = Fingerprint { bytes: 6, sha256: "x".to_owned() };
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut text = String::new();
                Following::open(&flow, &path).unwrap().read_to_string(&mut text).map(|_| text)
            });
            let mut file = File::create(&path).unwrap();
            for part in ["ab", "cd", "ef"] {
                file.write_all(part.as_bytes()).unwrap();
                flow.grew(2);
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            // Bytes that nobody spoke of are not there.
            file.write_all(b"gh").unwrap();
            flow.whole();
            assert_eq!(reader.join().unwrap().unwrap(), "abcdef");
            let waiter = scope.spawn(|| flow.wait());
            flow.kept(fingerprint.clone());
            assert_eq!(waiter.join().unwrap().unwrap(), fingerprint);
        });
    }

    #[test]
    fn an_extract_that_has_its_place_is_read_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        let flow = Flow::new(&folder.path().join("partial"));
        std::fs::write(&place, "abc").unwrap();
        flow.grew(2);
        flow.kept(Fingerprint { bytes: 2, sha256: "x".to_owned() });
        let mut text = String::new();
        Following::open(&flow, &place).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "ab");
    }

    #[test]
    fn a_reader_is_told_that_an_extract_broke_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("extract");
        let flow = Flow::new(&path);
        std::fs::write(&path, "ab").unwrap();
        flow.grew(2);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| Following::open(&flow, &path).unwrap().read_to_end(&mut Vec::new()));
            let waiter = scope.spawn(|| flow.wait());
            std::thread::sleep(std::time::Duration::from_millis(20));
            flow.broken();
            assert!(reader.join().unwrap().is_err() && waiter.join().unwrap().is_err());
        });
    }
}
