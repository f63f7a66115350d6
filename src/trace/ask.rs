//! What PostgreSQL and its ledger say of a row.

use anyhow::Result;
use tokio_postgres::Client;

use super::{Fate, Journey, Options, Stored};
use crate::codec::TableCodec;
use crate::error;
use crate::model::ident::{TableName, literal};
use crate::model::left_out::VERDICT;
use crate::pg::ledger;

/// The rows that a record is in.
pub(super) async fn rows_of(options: &Options<'_>, journey: &Journey) -> Result<Vec<Stored>> {
    let mut stored = Vec::new();
    for fate in &journey.fates {
        let Fate { table: Some(table), id: Some(id), fate, detail } = fate else { continue };
        // The ledger knows a row by its first record.
        let first = if fate == "merged" { detail.as_deref() } else { Some(journey.record.as_str()) };
        stored.extend(row(options, &TableName::from(table.as_str()), id, first).await?);
    }
    Ok(stored)
}

/// A row by its key, or by the record that it was made of where the key is a placeholder in the snapshot. None where
/// PostgreSQL could not be reached or has no such table.
pub(super) async fn row(
    options: &Options<'_>,
    table: &TableName,
    id: &str,
    record: Option<&str>,
) -> Result<Option<Stored>> {
    let Some((client, catalog)) = options.target else { return Ok(None) };
    let Some(shape) = catalog.table(table) else { return Ok(None) };
    let known = known(options, client, table, id, record).await?;
    let (batch, key) = match known {
        Some((batch, key)) => (Some(batch), key),
        None => (None, id.to_owned()),
    };
    let codec =
        TableCodec::of_table(shape, shape.primary_key()).ok().filter(|_| !shape.primary_key().is_empty());
    let Some(codec) = codec else {
        return Ok(Some(Stored {
            table: table.clone(),
            id: key,
            there: batch.is_some(),
            batch,
            left_by: None,
            as_loaded: None,
            left_out: None,
            deleted_by: None,
            earlier: None,
        }));
    };
    let digest = match batch {
        Some(_) => format!(
            "(select d.stored = {} from trasvase.row_digest d where d.batch = (select number from trasvase.batch where id = {}) \
             and d.target_table = {} and d.key = $1 limit 1)",
            codec.digest_sql("t"),
            literal(batch.as_deref().unwrap_or_default()),
            ledger::code_sql(&table.to_string()),
        ),
        None => "null::boolean".to_owned(),
    };
    let sql = format!("select {digest} from {} t where {} = $1", table.quoted(), codec.key_sql("t"));
    let found = client.query_opt(&sql, &[&key]).await.map_err(|error| error::postgres(&error))?;
    let as_loaded = found.as_ref().and_then(|row| row.get(0));
    let left_out = match (record, &found) {
        (Some(record), None) => left_out(options, client, record).await?,
        _ => None,
    };
    let left_by = match (&batch, &found) {
        (None, Some(_)) => left_by(options, client, table, (&codec.key_sql("t"), &key)).await?,
        _ => None,
    };
    let deleted_by = match (&batch, &found) {
        (Some(batch), None) => deleted_by(options, client, table, (batch, &key)).await?,
        _ => None,
    };
    let (table, there) = (table.clone(), found.is_some());
    Ok(Some(Stored { table, id: key, batch, there, left_by, as_loaded, left_out, deleted_by, earlier: None }))
}

/// The last batch that stands and that deleted a row after another one wrote it.
async fn deleted_by(
    options: &Options<'_>,
    client: &Client,
    table: &TableName,
    (wrote, key): (&str, &str),
) -> Result<Option<String>> {
    let sql = format!(
        "select b.id from trasvase.change c join trasvase.batch b on b.number = c.batch and b.clinic = $1 and b.status = 'completed' \
         where c.action = 'delete' and c.key = $2 and c.target_table = {} \
         and c.batch > (select number from trasvase.batch where id = $3) order by c.batch desc limit 1",
        ledger::code_sql(&table.to_string())
    );
    let row = client.query_opt(&sql, &[&options.clinic.name.as_str(), &key, &wrote]).await;
    Ok(row.map_err(|error| error::postgres(&error))?.map(|row| row.get(0)))
}

/// The version of the ledger from which on it knows which rows a rollback left.
const LEFT_BEHIND: i32 = 7;

/// The last batch that wrote a row and was taken back without it, where the row is as it was left then.
async fn left_by(
    options: &Options<'_>,
    client: &Client,
    table: &TableName,
    (key_sql, key): (&str, &str),
) -> Result<Option<String>> {
    if !ledger::exists(client).await? || ledger::version(client).await? < LEFT_BEHIND {
        return Ok(None);
    }
    // Batches that were taken back together have one moment, and the newest of them the note.
    let sql = format!(
        "select o.id from trasvase.left_behind l join trasvase.batch g on g.number = l.batch and g.clinic = $1 \
         join trasvase.batch o on o.clinic = g.clinic and o.status = 'rolled_back' \
         and (o.number = g.number or o.rolled_back_at = g.rolled_back_at) \
         join trasvase.row_digest d on d.batch = o.number and d.target_table = l.target_table and d.key = l.key \
         join {} t on {key_sql} = $2 and sha256(convert_to((t.*)::text, 'UTF8')) = l.after \
         where l.key = $2 and l.target_table = {} order by o.number desc limit 1",
        table.quoted(),
        ledger::code_sql(&table.to_string())
    );
    let row = client.query_opt(&sql, &[&options.clinic.name.as_str(), &key]).await;
    Ok(row.map_err(|error| error::postgres(&error))?.map(|row| row.get(0)))
}

/// Why the clinic's last completed batch left the row of a record out, if it did.
async fn left_out(options: &Options<'_>, client: &Client, record: &str) -> Result<Option<String>> {
    if !ledger::has_records(client).await? {
        return Ok(None);
    }
    let sql = "select array_to_string(r.errors, ', ') from trasvase.record r where r.record = $2 and r.verdict = $3 \
               and r.batch = (select max(number) from trasvase.batch where clinic = $1 and status = 'completed')";
    let row = client.query_opt(sql, &[&options.clinic.name.as_str(), &record, &VERDICT]).await;
    Ok(row.map_err(|error| error::postgres(&error))?.and_then(|row| row.get(0)))
}

/// The last completed batch of the clinic that wrote a row, and the row's key.
async fn known(
    options: &Options<'_>,
    client: &Client,
    table: &TableName,
    id: &str,
    record: Option<&str>,
) -> Result<Option<(String, String)>> {
    // Placeholders are below zero and nobody's keys.
    let by_record = record.filter(|_| id.starts_with('-')).filter(|record| !record.is_empty());
    let condition = match by_record {
        Some(_) => "e.record = $3",
        None => "e.target_key = $3",
    };
    let value = by_record.unwrap_or(id);
    let row = ledger_row(options, client, table, condition, value, "e.target_key").await?;
    Ok(row)
}

/// The record that the ledger has for a row, and what it knows it by.
pub(super) async fn record_of(
    options: &Options<'_>,
    table: &TableName,
    id: &str,
) -> Result<Option<(String, String)>> {
    let Some((client, _)) = options.target else { return Ok(None) };
    let asked =
        async |wanted: &str| ledger_row(options, client, table, "e.target_key = $3", id, wanted).await;
    let record = asked("coalesce(e.record, '')").await?.map(|(_, record)| record);
    let source_id = asked("e.source_id").await?.map(|(_, source_id)| source_id);
    Ok(record.filter(|record| !record.is_empty()).zip(source_id))
}

async fn ledger_row(
    options: &Options<'_>,
    client: &Client,
    table: &TableName,
    condition: &str,
    value: &str,
    wanted: &str,
) -> Result<Option<(String, String)>> {
    if !ledger::has_records(client).await? {
        return Ok(None);
    }
    let sql = format!(
        "select b.id, {wanted} from trasvase.external_id e join trasvase.batch b on b.number = e.batch \
         where b.clinic = $1 and b.status = 'completed' and {condition} \
         and e.target_table = (select code from trasvase.name where name = $2) order by e.batch desc limit 1"
    );
    let row = client
        .query_opt(&sql, &[&options.clinic.name.as_str(), &table.to_string(), &value])
        .await
        .map_err(|error| error::postgres(&error))?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}
