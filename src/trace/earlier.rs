//! Rows that earlier deliveries of a record became, where it makes none now: it is rejected, a model left it out, or the source has it
//! no more. The ledger knows them by the record's key, or by their own.

use std::collections::BTreeSet;

use anyhow::Result;

use super::find::carriers;
use super::{Earlier, Journey, Options, Remembered, Stored, ask, vanished};
use crate::error;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::keys::Keys;
use crate::pg::ledger;

/// Rows that a record of the staging file became earlier, and that are none of those that it makes now.
pub(super) async fn of_journey(options: &Options<'_>, journey: &Journey, id: i64) -> Result<Vec<Stored>> {
    let makes_rows = |fate: &str| matches!(fate, "imported" | "merged");
    if options.target.is_none() || journey.fates.iter().all(|one| makes_rows(&one.fate)) {
        return Ok(Vec::new());
    }
    let mut known_by: BTreeSet<String> = journey.source_id.iter().cloned().collect();
    let rejects = journey.steps.iter().filter(|step| step.table.starts_with("reject."));
    known_by.extend(rejects.filter_map(|step| step.id.clone()));
    let mut keys = BTreeSet::new();
    if let Some(source_id) = &journey.source_id {
        keys.extend(golden_ids(options, &journey.source, source_id)?);
    }
    let rejected = |one: &&super::Fate| one.fate == "rejected";
    let tables: BTreeSet<&String> =
        journey.fates.iter().filter(rejected).filter_map(|one| one.table.as_ref()).collect();
    for table in &tables {
        keys.extend(rejected_keys(options, &TableName::from(table.as_str()), id)?);
    }
    let known =
        |row: &(TableName, String)| journey.target.iter().any(|one| one.table == row.0 && one.id == row.1);
    let mut rows = rows(options, &journey.source, &known_by, keys).await?;
    rows.retain(|row| !known(row));
    let is_rejected = |table: &TableName| {
        journey.verdict.as_deref() == Some("rejected") || tables.contains(&table.to_string())
    };
    stored(options, rows, is_rejected).await
}

/// What the ledger knows of a record that the source had earlier, by its key, or `placed` by where it stood; none where it knows
/// nothing of it.
pub(super) async fn of_key(
    options: &Options<'_>,
    source: &str,
    wanted: &str,
    placed: bool,
) -> Result<Option<Remembered>> {
    let Some((client, _)) = options.target else { return Ok(None) };
    if !ledger::has_records(client).await? {
        return Ok(None);
    }
    let place = wanted.strip_prefix(&format!("{source}:")).unwrap_or(wanted);
    let record = format!("{source}:{place}");
    let known_by: BTreeSet<String> =
        [wanted.to_owned()].into_iter().chain(placed.then(|| record.clone())).collect();
    let keys = golden_ids(options, source, wanted)?;
    let rows = rows(options, source, &known_by, keys).await?;
    let rows = stored(options, rows, |_| false).await?;
    let sql = format!(
        "select b.id, r.record, r.verdict, r.errors from trasvase.record r join trasvase.batch b on b.number = r.batch \
         where b.clinic = $1 and b.status = 'completed' and r.source = {} and (r.source_id = $2 or $4 and r.record = $3) \
         order by r.batch desc limit 1",
        ledger::code_sql(source)
    );
    let told = client.query_opt(&sql, &[&options.clinic.name.as_str(), &wanted, &record, &placed]).await;
    let told = told.map_err(|error| error::postgres(&error))?.map(|row| super::Told {
        batch: row.get(0),
        record: row.get(1),
        verdict: row.get(2),
        errors: row.get(3),
    });
    let nothing = rows.is_empty() && told.is_none();
    Ok((!nothing).then(|| Remembered { source: source.to_owned(), wanted: wanted.to_owned(), rows, told }))
}

/// The ids that a record with this key has in `golden`, of the entities that its source gives.
fn golden_ids(options: &Options<'_>, source: &str, source_id: &str) -> Result<Vec<String>> {
    let (staging, clinic) = (options.staging, options.clinic);
    let number = format!("(select number from meta.source where source = {})", literal(source));
    let primary = clinic.sources.get(source).and_then(|settings| settings.primary.as_ref());
    let mut ids = Vec::new();
    for one in carriers(staging)?.iter().filter(|one| one.schema == "clean" && one.has("source_id")) {
        let gives = format!(
            "select exists (select 1 from {} where ({})[1] >> 50 = {number})",
            one.quoted(),
            one.ids()
        );
        if primary.is_some_and(|primary| primary.to_string() == one.table) || staging.value(&gives)? {
            let of = [&one.table, &clinic.product, source_id].map(literal).join(", ");
            ids.push(staging.value(&format!("select {}({of})", clinic.ids.function()))?);
        }
    }
    Ok(ids)
}

/// The keys of a record's rejected rows, as the models gave them; none where they are placeholders.
fn rejected_keys(options: &Options<'_>, table: &TableName, id: i64) -> Result<Vec<String>> {
    let Some((_, catalog)) = options.target else { return Ok(Vec::new()) };
    let key = catalog.table(table).map(|shape| shape.primary_key()).unwrap_or_default();
    let carriers = carriers(options.staging)?;
    let carrier = carriers.iter().find(|one| one.schema == "reject" && one.table == table.to_string());
    let Some(carrier) = carrier.filter(|one| !key.is_empty() && key.iter().all(|name| one.has(name))) else {
        return Ok(Vec::new());
    };
    if options.clinic.table(table).keys == Keys::New {
        return Ok(Vec::new());
    }
    let cells: Vec<String> = key.iter().map(|name| format!("{}::varchar", quoted(name))).collect();
    let text = match cells.as_slice() {
        [one] => one.clone(),
        several => format!("'{{' || concat_ws(',', {}) || '}}'", several.join(", ")),
    };
    let sql = format!("select {text} from {} where {}", carrier.quoted(), carrier.has_record(id));
    let keys: Vec<Option<String>> = options.staging.rows(&sql, |row| row.get(0))?;
    Ok(keys.into_iter().flatten().collect())
}

/// The rows that batches which stand made of the source's records that are known by one of these, and those with one of these keys;
/// but for those that a record makes now.
async fn rows(
    options: &Options<'_>,
    source: &str,
    known_by: &BTreeSet<String>,
    keys: impl IntoIterator<Item = String>,
) -> Result<Vec<(TableName, String)>> {
    let Some((client, _)) = options.target else { return Ok(Vec::new()) };
    if !ledger::has_records(client).await? {
        return Ok(Vec::new());
    }
    let known_by: Vec<&String> = known_by.iter().collect();
    let mut keys: Vec<String> = keys.into_iter().collect();
    let of_batches = "trasvase.external_id e join trasvase.batch b on b.number = e.batch and b.clinic = $1 and b.status = 'completed'";
    for one in carriers(options.staging)?.iter().filter(|one| one.schema == "clean") {
        let kind = ledger::code_sql(&ledger::golden_kind(&one.table));
        let sql = format!(
            "select distinct e.target_key from {of_batches} where e.type = {kind} and e.source_id = any($2)"
        );
        let found = client.query(&sql, &[&options.clinic.name.as_str(), &known_by]).await;
        keys.extend(
            found.map_err(|error| error::postgres(&error))?.iter().map(|row| row.get::<_, String>(0)),
        );
    }
    let sql = format!(
        "select n.name, e.target_key from (select e.target_table, e.target_key from {of_batches} \
           where e.type = {} and e.source_id = any($2) \
           union select e.target_table, e.target_key from {of_batches} where e.target_key = any($3)) e \
         join trasvase.name n on n.code = e.target_table order by 1, 2",
        ledger::code_sql(source)
    );
    let found = client.query(&sql, &[&options.clinic.name.as_str(), &known_by, &keys]).await;
    let mut rows = Vec::new();
    for row in found.map_err(|error| error::postgres(&error))? {
        let (table, key) = (TableName::from(row.get::<_, &str>(0)), row.get::<_, String>(1));
        if ask::made_of(options, &table, &key).await?.is_empty() {
            rows.push((table, key));
        }
    }
    Ok(rows)
}

/// What PostgreSQL says of these rows, and why they are there still; only of rows that batches of the clinic wrote.
async fn stored(
    options: &Options<'_>,
    rows: Vec<(TableName, String)>,
    is_rejected: impl Fn(&TableName) -> bool,
) -> Result<Vec<Stored>> {
    let mut found = Vec::new();
    for (table, key) in rows {
        let Some(stored) = ask::row(options, &table, &key, None).await? else { continue };
        let earlier = match stored.there {
            true if is_rejected(&table) => Some(Earlier::Rejected),
            true => Some(vanished::why(options, &table, &key).await?),
            false => None,
        };
        found.push(Stored { earlier, ..stored });
    }
    Ok(found)
}
