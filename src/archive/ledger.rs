//! The ledger's side: which batches' snapshot lies where, proven and kept until when.

use anyhow::Result;
use serde::Serialize;
use tokio_postgres::Client;

use super::Archived;
use crate::error;
use crate::model::ident::ClinicName;
use crate::pg::ledger;

/// Writes an archive down for every batch of its snapshot that stands, and gives their ids; none where it was not pushed
/// there.
///
/// # Errors
/// The ledger cannot be read or written.
pub async fn note(client: &Client, clinic: &ClinicName, archived: &Archived) -> Result<Vec<String>> {
    if !ledger::exists(client).await? {
        return Ok(Vec::new());
    }
    let sql = "select id from trasvase.batch where clinic = $1 and snapshot = $2 and status = 'completed' order by number";
    let batches = client.query(sql, &[&clinic.as_str(), &archived.snapshot]).await;
    let batches = batches.map_err(|error| error::postgres(&error))?;
    if batches.is_empty() {
        return Ok(Vec::new());
    }
    if ledger::version(client).await? < ledger::VERSION {
        ledger::migrate(client).await?;
    }
    let sql = "insert into trasvase.archive \
               (batch, bucket, prefix, objects, bytes, index_sha256, retain_until, legal_hold, archived_by) \
               select number, $3, $4, $5, $6, $7, $8::text::timestamptz, $9, $10 from trasvase.batch \
               where clinic = $1 and snapshot = $2 and status = 'completed' on conflict do nothing";
    let (objects, bytes) = (i64::try_from(archived.objects)?, i64::try_from(archived.bytes)?);
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 10] = [
        &clinic.as_str(),
        &archived.snapshot,
        &archived.bucket,
        &archived.prefix,
        &objects,
        &bytes,
        &archived.index_sha256,
        &archived.retain_until,
        &archived.legal_hold,
        &archived.who,
    ];
    client.execute(sql, &values).await.map_err(|error| error::postgres(&error))?;
    Ok(batches.iter().map(|row| row.get(0)).collect())
}

/// Bucket and beginning of the keys of every archive of a clinic that the ledger knows.
///
/// # Errors
/// The ledger cannot be read.
pub async fn places(client: &Client, clinic: &ClinicName) -> Result<Vec<(String, String)>> {
    if !is_there(client).await? {
        return Ok(Vec::new());
    }
    let sql = "select distinct a.bucket, a.prefix from trasvase.archive a \
               join trasvase.batch b on b.number = a.batch where b.clinic = $1";
    let rows = client.query(sql, &[&clinic.as_str()]).await.map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Whether the ledger knows archives.
async fn is_there(client: &Client) -> Result<bool> {
    let sql = "select to_regclass('trasvase.archive') is not null";
    Ok(client.query_one(sql, &[]).await.map_err(|error| error::postgres(&error))?.get(0))
}

/// The archives of a clinic's batches that the ledger knows, and until when they are kept.
#[derive(Debug, Clone, Serialize)]
pub struct Kept {
    pub bucket: String,
    pub archives: u64,
    pub objects: u64,
    /// RFC 3339; none where only a legal hold keeps them.
    pub until: Option<String>,
    pub legal_hold: bool,
}

/// What is archived of a clinic, by bucket.
///
/// # Errors
/// The ledger cannot be read.
pub async fn kept(client: &Client, clinic: &ClinicName) -> Result<Vec<Kept>> {
    if !is_there(client).await? {
        return Ok(Vec::new());
    }
    let sql = "select bucket, count(*), sum(objects)::bigint, \
               to_char(max(retain_until) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), bool_or(legal_hold) \
               from (select distinct on (a.bucket, a.prefix) a.* from trasvase.archive a \
               join trasvase.batch b on b.number = a.batch where b.clinic = $1 \
               order by a.bucket, a.prefix, a.archived_at desc) last group by bucket order by bucket";
    let rows = client.query(sql, &[&clinic.as_str()]).await.map_err(|error| error::postgres(&error))?;
    let kept = |row: &tokio_postgres::Row| {
        Ok(Kept {
            bucket: row.get(0),
            archives: u64::try_from(row.get::<_, i64>(1))?,
            objects: u64::try_from(row.get::<_, i64>(2))?,
            until: row.get(3),
            legal_hold: row.get(4),
        })
    };
    rows.iter().map(kept).collect()
}
