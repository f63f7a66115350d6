//! What the ledger keeps of rows as they were: before-images, overwritten rows, original records.

use anyhow::Result;
use tokio_postgres::Client;

use super::LedgerEntry;
use crate::config::Clinic;
use crate::error;
use crate::pg::{execute, ledger};

/// Table, column that holds a row, and the key that its rows are put in order by.
const KEPT: [(&str, &str, &str); 3] = [
    ("change", "before", "target_table, key"),
    ("overwritten", "before", "target_table, key, at"),
    ("record", "original", "source, record"),
];

/// What is older than the clinic keeps it, by batch and table.
pub(super) async fn list(client: &Client, clinic: &Clinic) -> Result<Vec<LedgerEntry>> {
    let mut entries = Vec::new();
    let Some(retention) = clinic.retention else { return Ok(entries) };
    if !ledger::exists(client).await? {
        return Ok(entries);
    }
    let days = i32::try_from(retention.days)?;
    let sql = "select number, id from trasvase.batch where clinic = $1 and clinic_uid = $2 and status <> 'running' \
               and coalesce(ended_at, started_at) <= clock_timestamp() - make_interval(days => $3) order by number";
    let batches = client.query(sql, &[&clinic.name.as_str(), &clinic.uid, &days]).await;
    let batches = batches.map_err(|error| error::postgres(&error))?;
    for (table, column, key) in KEPT {
        if !has_column(client, table, column).await? {
            continue;
        }
        let sql = format!(
            "select count(*), encode(sha256(coalesce(string_agg(sha256(convert_to({column}::text, 'UTF8')), ''::bytea \
             order by {key}), ''::bytea)), 'hex') from trasvase.{table} where batch = $1 and {column} is not null"
        );
        for batch in &batches {
            let number: i32 = batch.get(0);
            let row = client.query_one(&sql, &[&number]).await.map_err(|error| error::postgres(&error))?;
            let rows = u64::try_from(row.get::<_, i64>(0))?;
            if rows > 0 {
                let (batch, table) = (batch.get(1), table.to_owned());
                entries.push(LedgerEntry { batch, table, rows, sha256: row.get(1) });
            }
        }
    }
    Ok(entries)
}

/// Destroys them, all or none, and gives what they were; the batches say since when.
pub(super) async fn destroy(client: &Client, clinic: &Clinic) -> Result<Vec<LedgerEntry>> {
    if clinic.retention.is_none() {
        return Ok(Vec::new());
    }
    ledger::migrate(client).await?;
    execute(client, "begin; select pg_advisory_xact_lock(hashtext('trasvase purge'))").await?;
    let destroyed = in_transaction(client, clinic).await;
    let ended = execute(client, if destroyed.is_ok() { "commit" } else { "rollback" }).await;
    let destroyed = destroyed?;
    ended?;
    // Without it the rows would stay in the tables' files.
    for (table, column, _) in KEPT {
        if destroyed.iter().any(|entry| entry.table == table) && has_column(client, table, column).await? {
            execute(client, &format!("vacuum full trasvase.{table}")).await?;
        }
    }
    Ok(destroyed)
}

async fn in_transaction(client: &Client, clinic: &Clinic) -> Result<Vec<LedgerEntry>> {
    let entries = list(client, clinic).await?;
    for entry in &entries {
        let batch = "batch = (select number from trasvase.batch where id = $1)";
        let sql = match entry.table.as_str() {
            "record" => {
                format!("update trasvase.record set original = null where {batch} and original is not null")
            }
            table => format!("delete from trasvase.{table} where {batch}"),
        };
        let mark = "update trasvase.batch set purged_at = clock_timestamp() where id = $1";
        for sql in [sql.as_str(), mark] {
            client.execute(sql, &[&entry.batch]).await.map_err(|error| error::postgres(&error))?;
        }
    }
    Ok(entries)
}

async fn has_column(client: &Client, table: &str, column: &str) -> Result<bool> {
    let sql = "select exists (select from pg_attribute where attrelid = to_regclass('trasvase.' || $1) \
               and attname = $2 and not attisdropped)";
    let row = client.query_one(sql, &[&table, &column]).await.map_err(|error| error::postgres(&error))?;
    Ok(row.get(0))
}
