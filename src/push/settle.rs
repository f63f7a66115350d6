//! A batch whose session was lost: whether it was committed, only the ledger of the server knows.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use rust_i18n::t;

use super::{Options, Report, golden};
use crate::error::{Failure, interrupt};
use crate::pg::ledger;

/// How long the server may take to end a session that was lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is asked.
const TICK: Duration = Duration::from_millis(100);

/// A batch that was begun and whose session was lost; hangs at the error of its push.
#[derive(Debug, Clone)]
pub struct Begun {
    /// What the push did if it was committed.
    pub report: Report,
    pub(super) batch: String,
    pub(super) text: String,
}

impl fmt::Display for Begun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Finds out over a new session what became of such a batch: it was committed and this gives what it did, or nothing of
/// it is there, now and for ever. The session that was lost may still be at work, or wait for us: it is ended, since its
/// locks would be in our way.
///
/// # Errors
/// The server does not end it in time.
pub async fn settle(options: &Options<'_>, begun: &Begun) -> Result<Option<Report>> {
    let client = options.client;
    let started = Instant::now();
    loop {
        match ledger::status(client, &begun.batch).await?.as_deref() {
            Some("completed") => {
                golden::record(options, Some(&begun.batch))?;
                return Ok(Some(begun.report.clone()));
            }
            Some("running") => {}
            _ => return Ok(None),
        }
        interrupt::check()?;
        if started.elapsed() > PATIENCE {
            return Err(Failure::failed(t!("push.unknown", batch = begun.batch))
                .hint(t!("push.unknown_hint", clinic = options.clinic.name))
                .into());
        }
        ledger::end(client, &begun.batch).await?;
        ledger::settle(client).await?;
        tokio::time::sleep(TICK).await;
    }
}
