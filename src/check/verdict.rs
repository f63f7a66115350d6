//! One verdict a raw record: rejected > merged > imported > skipped > filtered, over its source's primary target.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::config::Clinic;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::manifest::{SourceCount, SourceFile};
use crate::staging::Staging;

/// Writes `meta.verdict` (source, _id, verdict) for every record in `raw` and counts it per source; records that could
/// not be read are rejected ones. A source without a primary target only feeds others: its records are imported where
/// any row of any table came from them, else filtered.
pub(super) fn decide(staging: &Staging, clinic: &Clinic, tables: &[TableName]) -> Result<()> {
    staging.execute(
        "create or replace table meta.verdict (source varchar not null, _id bigint not null, verdict varchar not null)",
    )?;
    for (source, settings) in &clinic.sources {
        if !staging.has_table("raw", source)? {
            continue;
        }
        let feeding: Vec<&TableName> = tables
            .iter()
            .filter(|table| settings.primary.as_ref().is_none_or(|primary| *table == primary))
            .collect();
        staging.execute(&verdict_sql(source, &feeding, settings.primary.is_some()))?;
    }
    Ok(())
}

/// Of several things that became of a record the strongest is its verdict: one pass over the tables finds it.
fn verdict_sql(source: &str, feeding: &[&TableName], one_target: bool) -> String {
    // Where any table counts, to be in one is more than to be a further record of a row in another.
    let (merged, imported) = if one_target { (1, 2) } else { (2, 1) };
    let fates = feeding.iter().map(|table| {
        let (ready, reject) = (table.staged("ready"), table.staged("reject"));
        format!(
            "select unnest(_record_ids) as _id, 0 as fate from {reject} \
             union all select _ids[1], {imported} from {ready} where len(_ids) > 0 \
             union all select unnest(_ids[2:]), {merged} from {ready} where len(_ids) > 1"
        )
    });
    let fates = fates.chain(["select null::bigint, null::integer where false".to_owned()]);
    format!(
        "insert into meta.verdict select {name}, _id, \
           case fate when 0 then 'rejected' when {merged} then 'merged' when {imported} then 'imported' else 'filtered' end \
         from raw.{raw} left join (select _id, min(fate) as fate from ({fates}) \
           where _id >> 50 = (select number from meta.source where source = {name}) group by _id) using (_id)",
        name = literal(source),
        raw = quoted(source),
        fates = fates.collect::<Vec<_>>().join(" union all "),
    )
}

/// Counts the verdicts of every source that was loaded.
pub(super) fn counts(staging: &Staging, clinic: &Clinic) -> Result<Vec<SourceCount>> {
    let verdicts: BTreeMap<(String, String), u64> = staging
        .rows("select source, verdict, count(*)::ubigint from meta.verdict group by all", |row| {
            Ok(((row.get(0)?, row.get(1)?), row.get(2)?))
        })?
        .into_iter()
        .collect();
    let mut counts = Vec::new();
    for source in clinic.sources.keys() {
        if staging.has_table("raw", source)? {
            counts.push(count(staging, source, &verdicts)?);
        }
    }
    Ok(counts)
}

fn count(staging: &Staging, source: &str, verdicts: &BTreeMap<(String, String), u64>) -> Result<SourceCount> {
    let name = literal(source);
    let of =
        |verdict: &str| verdicts.get(&(source.to_owned(), verdict.to_owned())).copied().unwrap_or_default();
    let unreadable: u64 = staging.value(&format!(
        "select coalesce(sum(refused), 0)::ubigint from meta.source_file where source = {name}"
    ))?;
    Ok(SourceCount {
        source: source.to_owned(),
        files: staging.rows(
            &format!("select path, bytes::ubigint, sha256 from meta.source_file where source = {name} order by file_number"),
            |row| Ok(SourceFile { name: row.get(0)?, bytes: row.get(1)?, sha256: row.get(2)? }),
        )?,
        read: staging
            .value(&format!("select coalesce(sum(counted), 0)::ubigint from meta.source_file where source = {name}"))?,
        rejected: of("rejected") + unreadable,
        merged: of("merged"),
        imported: of("imported"),
        // A push finds those: what is unchanged in one target is new in another.
        skipped: 0,
        filtered: of("filtered"),
        unread: staging.value(&format!(
            "select count(*) > 0 from meta.finding where subject = {name} and {}",
            super::UNREAD
        ))?,
    })
}
