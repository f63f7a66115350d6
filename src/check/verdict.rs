//! One verdict a raw record: rejected > merged > imported > skipped > filtered, over its source's primary target.

use anyhow::Result;

use crate::config::Clinic;
use crate::model::ident::{TableName, literal};
use crate::model::manifest::{SourceCount, SourceFile};
use crate::staging::Staging;

/// Writes `meta.verdict` (source, _id, verdict) for every record in `raw` and counts it per source; records that could
/// not be read are rejected ones. A source without a primary target only feeds others: its records are imported where
/// any row of any table came from them, else filtered.
pub(super) fn decide(staging: &Staging, clinic: &Clinic, tables: &[TableName]) -> Result<Vec<SourceCount>> {
    staging.execute(
        "create or replace table meta.verdict (source varchar not null, _id bigint not null, verdict varchar not null)",
    )?;
    let mut counts = Vec::new();
    for (source, settings) in &clinic.sources {
        if !staging.has_table("raw", source)? {
            continue;
        }
        let feeding: Vec<TableName> = match &settings.primary {
            Some(primary) => tables.iter().filter(|table| *table == primary).cloned().collect(),
            None => tables.to_vec(),
        };
        staging.execute(&verdict_sql(source, &feeding))?;
        counts.push(count(staging, source)?);
    }
    Ok(counts)
}

fn verdict_sql(source: &str, feeding: &[TableName]) -> String {
    let union = |sql: Vec<String>| {
        if sql.is_empty() {
            "select null::bigint as _id where false".to_owned()
        } else {
            sql.join(" union all ")
        }
    };
    let rejected = union(
        feeding
            .iter()
            .map(|table| format!("select unnest(_record_ids) as _id from {}", table.staged("reject")))
            .collect(),
    );
    let kept = |part: &str| {
        union(
            feeding
                .iter()
                .map(|table| format!("select unnest({part}) as _id from {}", table.staged("ready")))
                .collect(),
        )
    };
    format!(
        "insert into meta.verdict select {name}, _id, case when rejected._id is not null then 'rejected' \
           when imported._id is not null then 'imported' when merged._id is not null then 'merged' else 'filtered' end \
         from raw.{raw} as raw left join (select distinct _id from ({rejected})) rejected using (_id) \
         left join (select distinct _id from ({first})) imported using (_id) \
         left join (select distinct _id from ({rest})) merged using (_id)",
        name = literal(source),
        raw = crate::model::ident::quoted(source),
        first = kept("_ids[1:1]"),
        rest = kept("_ids[2:]"),
    )
}

fn count(staging: &Staging, source: &str) -> Result<SourceCount> {
    let name = literal(source);
    let of = |verdict: &str| {
        staging.value::<u64>(&format!(
            "select count(*) from meta.verdict where source = {name} and verdict = '{verdict}'"
        ))
    };
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
        rejected: of("rejected")? + unreadable,
        merged: of("merged")?,
        imported: of("imported")?,
        skipped: of("skipped")?,
        filtered: of("filtered")?,
        unread: staging.value(&format!(
            "select count(*) > 0 from meta.finding where subject = {name} and {}",
            super::UNREAD
        ))?,
    })
}
