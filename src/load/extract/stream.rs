//! A database that is asked by a thread of its own, while what came of it is loaded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};

use crate::error::interrupt;
use crate::sources::Fingerprint;
use crate::sources::copied::Flow;

/// The thread, which ends with what became of each extract.
pub(in crate::load) struct Stream {
    thread: Option<JoinHandle<Result<Vec<Option<Fingerprint>>>>>,
    stop: Stop,
}

/// Whether nobody waits for the extracts any more.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// # Errors
    /// Nobody waits, or a stop was asked for.
    pub(super) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(anyhow!("nobody waits for it"));
        }
        Ok(interrupt::check()?)
    }
}

/// Tells who follows an extract that it will never be whole, unless it is.
pub(super) struct Guard(pub(super) Vec<Arc<Flow>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.iter().for_each(|flow| flow.broken());
    }
}

impl Stream {
    pub(super) fn begin(
        work: impl FnOnce(Stop) -> Result<Vec<Option<Fingerprint>>> + Send + 'static,
    ) -> Self {
        let stop = Stop::default();
        let given = stop.clone();
        Self { thread: Some(std::thread::spawn(move || work(given))), stop }
    }

    /// Waits for its end: the hash of each extract that has its place.
    ///
    /// # Errors
    /// Whatever the database says.
    pub(in crate::load) fn wait(&mut self) -> Result<Vec<Option<Fingerprint>>> {
        let Some(thread) = self.thread.take() else { return Ok(Vec::new()) };
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.0.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Why it ended is of no use to anybody.
            let _ = thread.join();
        }
    }
}
