//! One verdict a raw record: rejected > merged > imported > skipped > filtered, over its source's primary target.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::config::Clinic;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::manifest::{SourceCount, SourceFile};
use crate::staging::Staging;

/// Writes `meta.verdict` (source, _id, verdict) for every record in `raw` and counts it per source; records that could
/// not be read are rejected ones, those in whose place a later delivery put another are filtered. A source without a
/// primary target only feeds others: its records are imported where any row of any table came from them, else filtered.
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

/// Of several things that became of a record the strongest is its verdict. To ask whether a record is in a set takes
/// DuckDB half the time of grouping all that became of it.
fn verdict_sql(source: &str, feeding: &[&TableName], one_target: bool) -> String {
    let name = literal(source);
    let any = |query: fn(&TableName) -> String| {
        let of_tables =
            feeding.iter().map(|table| query(table)).chain(["select null::bigint as _id".to_owned()]);
        format!(
            "select _id from ({}) where _id >> 50 = (select number from meta.source where source = {name})",
            of_tables.collect::<Vec<_>>().join(" union all ")
        )
    };
    let rejected = any(|table| format!("select unnest(_record_ids) as _id from {}", table.staged("reject")));
    let imported = any(|table| format!("select _ids[1] as _id from {}", table.staged("ready")));
    let merged = any(|table| {
        format!("select unnest(_ids[2:]) as _id from {} where len(_ids) > 1", table.staged("ready"))
    });
    // Where any table counts, to be in one is more than to be a further record of a row in another.
    let verdicts = match one_target {
        true => [("rejected", rejected), ("merged", merged), ("imported", imported)],
        false => [("rejected", rejected), ("imported", imported), ("merged", merged)],
    };
    let cases: String = verdicts
        .iter()
        .map(|(verdict, records)| format!("when _id in ({records}) then '{verdict}' "))
        .collect();
    format!(
        "insert into meta.verdict select {name}, _id, case {cases}else 'filtered' end from raw.{} \
         union all select source, _id, 'filtered' from meta.superseded where source = {name}",
        quoted(source)
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
        unreadable,
        unread: staging.value(&format!(
            "select count(*) > 0 from meta.finding where subject = {name} and {}",
            super::UNREAD
        ))?,
    })
}
