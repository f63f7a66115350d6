//! SQL in the target: a transaction of its own, which the ledger notes and no rollback takes back.

use anyhow::Result;
use rust_i18n::t;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::config::OwnStep;
use crate::error::{self, Failure};
use crate::model::ident::ClinicName;
use crate::pg::{execute, ledger};

/// What the ledger says of a step, in one line.
pub fn note(step: &OwnStep, fingerprint: &str) -> String {
    let hash = fingerprint.get(..12).unwrap_or(fingerprint);
    let moment = format!("{:?}", step.moment).to_lowercase();
    format!("own step {} ({moment} {}, {hash}) ran in the target, outside of the push", step.name, step.stage)
}

/// Runs a step's SQL; with a note, the clinic's last batch says so from then on.
///
/// # Errors
/// Whatever PostgreSQL says of it, without values; SQL that ends its transaction. Then nothing of it stays, unless it
/// committed by itself.
pub async fn run(client: &Client, clinic: &ClinicName, sql: &str, note: Option<&str>) -> Result<()> {
    super::of_one_transaction(sql)?;
    execute(client, "begin; savepoint trasvase_own_step").await?;
    let done = in_transaction(client, clinic, sql, note).await;
    let ended = execute(client, if done.is_ok() { "commit" } else { "rollback" }).await;
    done.and(ended)
}

async fn in_transaction(client: &Client, clinic: &ClinicName, sql: &str, note: Option<&str>) -> Result<()> {
    execute(client, sql).await?;
    client.batch_execute("release savepoint trasvase_own_step").await.map_err(|error| {
        let gone = [SqlState::S_E_INVALID_SPECIFICATION, SqlState::NO_ACTIVE_SQL_TRANSACTION];
        match error.code().is_some_and(|code| gone.contains(code)) {
            true => Failure::failed(t!("commands.own_end")).hint(t!("commands.own_end_hint")).into(),
            false => error::postgres(&error),
        }
    })?;
    // Triggers, a role or a path that it set must not meet the ledger.
    execute(client, "reset role; reset search_path").await?;
    match note {
        Some(note) if ledger::exists(client).await? => ledger::note(client, clinic, note).await,
        _ => Ok(()),
    }
}
