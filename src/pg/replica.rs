//! A replica that is read in a database's place: how far behind it is, and whether it has what was pushed.

use std::time::{Duration, Instant};

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use tokio_postgres::Client;

use crate::error::{self, Failure, interrupt};

/// How often a replica is asked whether it has come so far.
const TICK: Duration = Duration::from_millis(200);

/// How far a replica is behind its primary.
#[derive(Debug, Clone, Serialize)]
pub struct Lag {
    /// Bytes of WAL that it has not replayed.
    pub bytes: u64,
    /// Seconds since the last transaction that it replayed was committed; zero where nothing is left to replay.
    pub seconds: f64,
}

/// Waits until a replica holds the clinic's last completed batch of the primary, and says how far behind it is.
///
/// # Errors
/// A server that is no replica; one that has not come so far when `patience` is over.
pub async fn caught_up(primary: &Client, replica: &Client, clinic: &str, patience: Duration) -> Result<Lag> {
    let recovering: bool = one(replica, "select pg_is_in_recovery()", &[]).await?;
    if !recovering {
        return Err(Failure::usage(t!("pg.no_replica")).hint(t!("pg.no_replica_hint")).into());
    }
    let batches = batches(primary, clinic).await?;
    let started = Instant::now();
    while !has(replica, &batches).await? {
        interrupt::check()?;
        if started.elapsed() > patience {
            let lag = lag(primary, replica).await?;
            let seconds = patience.as_secs();
            return Err(Failure::failed(t!("pg.replica_behind", waited = seconds, bytes = lag.bytes))
                .hint(t!("pg.replica_behind_hint"))
                .into());
        }
        tokio::time::sleep(TICK).await;
    }
    lag(primary, replica).await
}

/// The clinic's batches that are over, each with how it ended.
async fn batches(primary: &Client, clinic: &str) -> Result<Vec<String>> {
    if !one::<bool>(primary, LEDGER, &[]).await? {
        return Ok(Vec::new());
    }
    let sql = "select coalesce(array_agg(id || ' ' || status), '{}') from trasvase.batch \
               where clinic = $1 and status in ('completed', 'rolled_back')";
    one(primary, sql, &[&clinic]).await
}

const LEDGER: &str = "select to_regclass('trasvase.batch') is not null";

/// Whether the replica's ledger has these batches.
async fn has(replica: &Client, batches: &[String]) -> Result<bool> {
    if batches.is_empty() {
        return Ok(true);
    }
    if !one::<bool>(replica, LEDGER, &[]).await? {
        return Ok(false);
    }
    let sql =
        "select count(*) = cardinality($1::text[]) from trasvase.batch where id || ' ' || status = any($1)";
    one(replica, sql, &[&batches]).await
}

async fn lag(primary: &Client, replica: &Client) -> Result<Lag> {
    let written: String = one(
        primary,
        "select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text",
        &[],
    )
    .await?;
    let sql = "select greatest(pg_wal_lsn_diff($1::text::pg_lsn, pg_last_wal_replay_lsn()), 0)::int8, \
               coalesce(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()), 0)::float8";
    let row = replica.query_one(sql, &[&written]).await.map_err(|error| error::postgres(&error))?;
    let bytes = u64::try_from(row.get::<_, i64>(0))?;
    let seconds = if bytes == 0 { 0.0 } else { row.get::<_, f64>(1).max(0.0) };
    Ok(Lag { bytes, seconds })
}

async fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(
    client: &Client,
    sql: &str,
    parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<T> {
    let row = client.query_one(sql, parameters).await.map_err(|error| error::postgres(&error))?;
    Ok(row.get(0))
}
