//! What a batch says of itself in numbers: rows by table, and records by source.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::apply::{Written, stored_as_sent};
use super::compare::Context;
use super::plan::Plan;
use crate::error;
use crate::model::left_out::VERDICT;
use crate::pg::ledger::Batch;

/// Rows by table and records by source, in one object; a source that is named like a table shares its entry.
///
/// The snapshot says what became of each record in itself. What is imported there and of which this batch wrote no row is
/// skipped here: it is unchanged since an earlier batch, or stands there with other values that the mode keeps; or it is left
/// out, since people deleted its row or one that it refers to.
pub(super) async fn count(
    context: &Context<'_>,
    plan: &Plan,
    batch: &Batch,
    written: &BTreeMap<String, Written>,
) -> Result<Value> {
    let mut counts = serde_json::to_value(written)?;
    // Where every row is new and none is looked at by a trigger, there is nothing to ask.
    let known = if stored_as_sent(context, plan) { None } else { Some(imported(context, batch).await?) };
    let left_out = if known.is_none() { BTreeMap::new() } else { left_out(context, batch).await? };
    for source in &context.manifest().sources {
        let imported = match &known {
            None => source.imported,
            Some(known) => known.get(&source.source).copied().unwrap_or_default().min(source.imported),
        };
        let left_out = left_out.get(&source.source).copied().unwrap_or_default();
        let mut of_source = json!({
            "total": source.read,
            "imported": imported,
            "skipped": (source.skipped + source.imported).saturating_sub(imported + left_out),
            "errors": source.rejected,
            "duplicates": source.merged,
            "filtered": source.filtered,
        });
        if left_out > 0 {
            of_source["left_out"] = json!(left_out);
        }
        let entry = &mut counts[&source.source];
        match (entry.as_object_mut(), of_source) {
            (Some(of_table), Value::Object(of_source)) => of_table.extend(of_source),
            (_, of_source) => *entry = of_source,
        }
    }
    Ok(counts)
}

/// The imported records by source of which the batch wrote a row.
async fn imported(context: &Context<'_>, batch: &Batch) -> Result<BTreeMap<String, u64>> {
    let rows = context
        .client
        .query(
            "select s.name, count(distinct e.record) from trasvase.external_id e join trasvase.name s on s.code = e.type \
             where e.batch = $1 and e.record is not null and not exists (select from trasvase.record r \
             where r.batch = $1 and r.source = e.type and r.record = e.record and r.verdict <> 'imported') group by 1",
            &[&batch.number],
        )
        .await
        .map_err(|error| error::postgres(&error))?;
    rows.iter().map(|row| Ok((row.get(0), u64::try_from(row.get::<_, i64>(1))?))).collect()
}

/// The records by source that are left out, since people deleted their row or one that it refers to.
async fn left_out(context: &Context<'_>, batch: &Batch) -> Result<BTreeMap<String, u64>> {
    let sql = "select s.name, count(*) from trasvase.record r join trasvase.name s on s.code = r.source \
               where r.batch = $1 and r.verdict = $2 group by 1";
    let rows = context.client.query(sql, &[&batch.number, &VERDICT]).await;
    let rows = rows.map_err(|error| error::postgres(&error))?;
    rows.iter().map(|row| Ok((row.get(0), u64::try_from(row.get::<_, i64>(1))?))).collect()
}
