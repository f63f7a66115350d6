//! A connection that is open and silent: something between us and the server keeps what one of both sent.
//!
//! TCP sees a machine that is gone, not a proxy that holds bytes back while it acknowledges them; and a server that builds
//! an index is silent for an hour by right. So another session asks what the server is at: one that has nothing to do for
//! us, while we wait for it, does not hear us or is not heard.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use tokio::time::{sleep, timeout};

use super::copy;
use super::{Purpose, Session};
use crate::error::Failure;

/// So many looks in a row to which no server answers at all count as a lost connection.
const SILENT: u32 = 3;

/// Waits for work on a session; where its connection is found stalled it is closed, so that the work fails as with any
/// lost connection.
///
/// # Errors
/// Those of the work; for a stalled connection with how long it was silent.
pub async fn watched<T>(session: &Session, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::pin!(work);
    tokio::select! {
        result = &mut work => result,
        () = stalled(session) => {
            session.abort();
            let seconds = session.patience.as_secs();
            work.await.with_context(|| t!("pg.stalled", address = session.address, seconds = seconds))
        }
    }
}

/// What the server is at for a session.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    state: String,
    event: String,
    since: String,
    /// Bytes that this program had handed over for COPY.
    sent: u64,
}

const LOOK: &str = "select coalesce(state, ''), coalesce(wait_event, ''), \
                    concat_ws(' ', state_change, query_start) from pg_stat_activity where pid = $1";

/// Ends once the session's connection is stalled.
async fn stalled(session: &Session) {
    let (mut last, mut silent) = (None, 0);
    loop {
        sleep(session.patience / 2).await;
        let now = match look(session).await {
            Ok(Some(look)) => look,
            // The server ended it, and we were not told.
            Ok(None) => return,
            Err(error) => {
                // A SQLSTATE is an answer, be it a refusal.
                let cause = Failure::from_anyhow(&error).passing;
                silent = if cause.is_some_and(|cause| cause.len() != 5) { silent + 1 } else { 0 };
                if silent >= SILENT {
                    return;
                }
                continue;
            }
        };
        silent = 0;
        let waits = match now.state.as_str() {
            // It may wait for us by right: an empty query tells.
            state if state.starts_with("idle") => !answers(session).await,
            // It waits for rows of a COPY, of which we sent none in the meantime.
            _ => now.event == "ClientRead",
        };
        if waits && last.as_ref() == Some(&now) {
            return;
        }
        last = waits.then_some(now);
    }
}

async fn look(session: &Session) -> Result<Option<Look>> {
    let other = Session::open(session.target(), Purpose::Read).await?;
    let sent = copy::sent();
    let row = timeout(session.patience, other.client.query_opt(LOOK, &[&session.backend])).await;
    let row = row.map_err(|_| Failure::failed(t!("error.lost")).may_pass("timeout"))?;
    let row = row.map_err(|error| other.error(&error))?;
    Ok(row.map(|row| Look { state: row.get(0), event: row.get(1), since: row.get(2), sent }))
}

async fn answers(session: &Session) -> bool {
    let patience = (session.patience / 2).min(Duration::from_secs(10));
    timeout(patience, session.client.simple_query("")).await.is_ok()
}
