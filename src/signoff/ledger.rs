//! The ledger's side: who signed, and the document as it was.

use anyhow::Result;
use rust_i18n::t;
use tokio_postgres::Client;

use super::Document;
use crate::error::{self, Failure};
use crate::pg::batches::{Batch, has_signoffs};
use crate::pg::ledger;

/// Writes a sign-off down, if the batch still stands and nobody else was first.
pub(super) async fn write(client: &Client, batch: &Batch, document: &Document, text: &str) -> Result<()> {
    if ledger::version(client).await? < ledger::VERSION {
        ledger::migrate(client).await?;
    }
    // A rollback locks the batch's row, and waits for us or we for it.
    let sql = "with batch as (select number from trasvase.batch where number = $1 and status = 'completed' for update) \
               insert into trasvase.signoff (batch, signed_by, signed_at, seal, document) \
               select number, $2, $3, $4, $5 from batch on conflict do nothing";
    let (by, at, seal) = (&document.by, &document.at, &document.seal);
    let written = client.execute(sql, &[&batch.number, by, at, seal, &text]).await;
    match written.map_err(|error| error::postgres(&error))? {
        1 => Ok(()),
        _ => Err(Failure::failed(t!("signoff.moved", batch = batch.id)).into()),
    }
}

/// The document as the ledger has it.
///
/// # Errors
/// The ledger cannot be read.
pub async fn read(client: &Client, batch: &Batch) -> Result<Option<String>> {
    if !has_signoffs(client).await? {
        return Ok(None);
    }
    let sql = "select document from trasvase.signoff where batch = $1";
    let row = client.query_opt(sql, &[&batch.number]).await.map_err(|error| error::postgres(&error))?;
    Ok(row.map(|row| row.get(0)))
}
