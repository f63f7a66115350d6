//! What PostgreSQL and its ledger say of a row.

use anyhow::Result;
use tokio_postgres::Client;

use super::find::is_of_delivery;
use super::{Fate, Journey, Options, Stored};
use crate::codec::TableCodec;
use crate::error;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::keys::{Keys, placeholder};
use crate::model::left_out::VERDICT;
use crate::pg::ledger::{self, LEFT, STORED};

/// The rows that a record is in.
pub(super) async fn rows_of(options: &Options<'_>, journey: &Journey) -> Result<Vec<Stored>> {
    let mut stored = Vec::new();
    for fate in &journey.fates {
        let Fate { table: Some(table), id: Some(id), fate, detail } = fate else { continue };
        // The ledger knows a row by its first record.
        let first = match (fate.as_str(), detail) {
            ("merged", Some(first)) => First { record: first, source_id: None },
            _ => First { record: &journey.record, source_id: journey.source_id.as_deref() },
        };
        stored.extend(row(options, &TableName::from(table.as_str()), id, Some(first)).await?);
    }
    Ok(stored)
}

/// The record that a row is known by: its place in this delivery, and its natural key.
pub(super) struct First<'a> {
    record: &'a str,
    source_id: Option<&'a str>,
}

/// A row by its key, or by what the ledger knows it by where the key is a placeholder. None where PostgreSQL could not be
/// reached or has no such table.
pub(super) async fn row(
    options: &Options<'_>,
    table: &TableName,
    id: &str,
    first: Option<First<'_>>,
) -> Result<Option<Stored>> {
    let Some((client, catalog)) = options.target else { return Ok(None) };
    let Some(shape) = catalog.table(table) else { return Ok(None) };
    let (batch, key) = match known(options, table, id).await? {
        Some(entry) => (Some(entry.batch), entry.key),
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
            taken_back: None,
            earlier: None,
        }));
    };
    let digest = match batch {
        Some(_) => format!(
            "(select {STORED} = {} from trasvase.row_digest d where d.batch = (select number from trasvase.batch where id = {}) \
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
    let left_out = match (first, &found) {
        (Some(first), None) => left_out(options, client, &first).await?,
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
    let taken_back = match (&batch, &found) {
        (None, None) => taken_back(options, client, table, &key).await?,
        _ => None,
    };
    let (table, id, there) = (table.clone(), key, found.is_some());
    Ok(Some(Stored {
        table,
        id,
        batch,
        there,
        left_by,
        as_loaded,
        left_out,
        deleted_by,
        taken_back,
        earlier: None,
    }))
}

/// The last batch that wrote a row of this key and was taken back, where no other wrote it.
async fn taken_back(
    options: &Options<'_>,
    client: &Client,
    table: &TableName,
    key: &str,
) -> Result<Option<String>> {
    if !ledger::exists(client).await? {
        return Ok(None);
    }
    let sql = format!(
        "select b.id from trasvase.row_digest d join trasvase.batch b on b.number = d.batch and b.clinic = $1 \
         and b.status = 'rolled_back' where d.key = $2 and d.target_table = {} order by b.number desc limit 1",
        ledger::code_sql(&table.to_string())
    );
    let row = client.query_opt(&sql, &[&options.clinic.name.as_str(), &key]).await;
    Ok(row.map_err(|error| error::postgres(&error))?.map(|row| row.get(0)))
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

/// The last batch that wrote a row and was taken back without it, where the row is as it was left then.
async fn left_by(
    options: &Options<'_>,
    client: &Client,
    table: &TableName,
    (key_sql, key): (&str, &str),
) -> Result<Option<String>> {
    if !ledger::exists(client).await? || !ledger::knows_left(client).await? {
        return Ok(None);
    }
    let sql = format!(
        "select o.id from {LEFT} \
         join trasvase.row_digest d on d.batch = o.number and d.target_table = l.target_table and d.key = l.key \
         join {} t on {key_sql} = $2 and sha256(convert_to((t.*)::text, 'UTF8')) = l.after \
         where g.clinic = $1 and l.key = $2 and l.target_table = {} order by o.number desc limit 1",
        table.quoted(),
        ledger::code_sql(&table.to_string())
    );
    let row = client.query_opt(&sql, &[&options.clinic.name.as_str(), &key]).await;
    Ok(row.map_err(|error| error::postgres(&error))?.map(|row| row.get(0)))
}

/// Why the clinic's last completed batch left the row of a record out, if it did. Its place counts only where the batch is of this
/// very delivery: in another one it is another record's.
async fn left_out(options: &Options<'_>, client: &Client, first: &First<'_>) -> Result<Option<String>> {
    if !ledger::has_records(client).await? {
        return Ok(None);
    }
    let Some(source) = first.record.rsplitn(3, ':').nth(2) else { return Ok(None) };
    let sql = format!(
        "select array_to_string(r.errors, ', '), b.snapshot, coalesce(r.source_id = $4, false) from trasvase.record r \
         join trasvase.batch b on b.number = r.batch where r.source = {} and (r.record = $2 or r.source_id = $4) and r.verdict = $3 \
         and r.batch = (select max(number) from trasvase.batch where clinic = $1 and status = 'completed') order by 3 desc",
        ledger::code_sql(source)
    );
    let clinic = options.clinic.name.as_str();
    let rows = client.query(&sql, &[&clinic, &first.record, &VERDICT, &first.source_id]).await;
    for row in rows.map_err(|error| error::postgres(&error))? {
        if row.get(2) || is_of_delivery(options, source, row.get(1))? {
            return Ok(row.get(0));
        }
    }
    Ok(None)
}

/// What the ledger has of a row, by the last completed batch of the clinic that wrote it.
pub(super) struct Entry {
    pub(super) batch: String,
    /// The batch's.
    pub(super) snapshot: String,
    pub(super) key: String,
    /// What it knows the row by: the source of its first record (the table, where it comes from none), and its id there.
    pub(super) kind: String,
    pub(super) source_id: String,
    /// Where that record stood in the batch's delivery, as `source:file:row`.
    pub(super) record: Option<String>,
}

/// The ledger's entry of a row. Where its key is a placeholder, it is found as a push finds it: by its record's id, whose place
/// may be another's by now.
async fn known(options: &Options<'_>, table: &TableName, id: &str) -> Result<Option<Entry>> {
    if options.clinic.table(table).keys != Keys::New || placeholder(id).is_none() {
        return of_key(options, table, id).await;
    }
    let Some((kind, source_id)) = known_as(options, table, id)? else { return Ok(None) };
    let condition = format!("e.type = {} and e.source_id = $3", ledger::code_sql(&kind));
    entry(options, table, &condition, &source_id).await
}

/// What the ledger would know a row of `ready` by that has this placeholder: kind and id.
fn known_as(options: &Options<'_>, table: &TableName, id: &str) -> Result<Option<(String, String)>> {
    let name = table.to_string();
    let shape = options.target.and_then(|(_, catalog)| catalog.table(table));
    let Some([key]) = shape.map(|shape| shape.primary_key()) else { return Ok(None) };
    if !options.staging.has_table("ready", &name)? {
        return Ok(None);
    }
    let sql = format!(
        "select {}, _source_id::varchar from {} ready where {}::varchar = {} and _source_id is not null",
        kind_sql(table),
        table.staged("ready"),
        quoted(key),
        literal(id)
    );
    let rows = options.staging.rows(&sql, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.into_iter().next())
}

/// SQL of the kind of record that the ledger knows a row of `ready` as.
fn kind_sql(table: &TableName) -> String {
    let name = literal(&table.to_string());
    format!("coalesce((select source from meta.source where number = ready._ids[1] >> 50), {name})")
}

/// The records that make a row with this key now.
pub(super) async fn made_of(options: &Options<'_>, table: &TableName, id: &str) -> Result<Vec<i64>> {
    let (staging, name) = (options.staging, table.to_string());
    if !staging.has_table("meta", "fate")? || !staging.has_table("ready", &name)? {
        return Ok(Vec::new());
    }
    if options.clinic.table(table).keys == Keys::New && placeholder(id).is_none() {
        let Some(entry) = of_key(options, table, id).await? else { return Ok(Vec::new()) };
        let sql = format!(
            "select distinct unnest(_ids) from {} ready where _source_id::varchar = {} and {} = {} order by 1",
            table.staged("ready"),
            literal(&entry.source_id),
            kind_sql(table),
            literal(&entry.kind)
        );
        return staging.rows(&sql, |row| row.get(0));
    }
    let sql = format!(
        "select distinct _id from meta.fate where fate in ('imported', 'merged') and table_name = {} and target_id = {} order by 1",
        literal(&name),
        literal(id)
    );
    staging.rows(&sql, |row| row.get(0))
}

/// The ledger's entry of the row with this key.
pub(super) async fn of_key(options: &Options<'_>, table: &TableName, key: &str) -> Result<Option<Entry>> {
    entry(options, table, "e.target_key = $3", key).await
}

async fn entry(
    options: &Options<'_>,
    table: &TableName,
    condition: &str,
    value: &str,
) -> Result<Option<Entry>> {
    let Some((client, _)) = options.target else { return Ok(None) };
    if !ledger::has_records(client).await? {
        return Ok(None);
    }
    let sql = format!(
        "select b.id, b.snapshot, e.target_key, n.name, e.source_id, e.record from trasvase.external_id e \
         join trasvase.batch b on b.number = e.batch join trasvase.name n on n.code = e.type \
         where b.clinic = $1 and b.status = 'completed' and {condition} \
         and e.target_table = (select code from trasvase.name where name = $2) order by e.batch desc limit 1"
    );
    let row = client.query_opt(&sql, &[&options.clinic.name.as_str(), &table.to_string(), &value]).await;
    Ok(row.map_err(|error| error::postgres(&error))?.map(|row| Entry {
        batch: row.get(0),
        snapshot: row.get(1),
        key: row.get(2),
        kind: row.get(3),
        source_id: row.get(4),
        record: row.get(5),
    }))
}
