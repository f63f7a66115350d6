//! The ledger's side: which batches' snapshot lies where, proven and kept until when.

use anyhow::Result;
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
