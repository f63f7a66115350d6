//! The golden ids of a snapshot beside those that the target was given.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::super::compare::Context;
use crate::dedupe::GoldenIds;
use crate::error;
use crate::model::ident::literal;
use crate::model::manifest::GoldenEntry;
use crate::pg::copy::{Copy, append_text};
use crate::pg::ledger::{self, Batch};

/// Sends the golden ids of the snapshot into temporary tables of the transaction: `trasvase_golden` all of them, with the
/// one that the target was last given; `trasvase_moved` those that changed; `trasvase_retired` those that nobody has now.
/// Their `holder` is empty: [`super::surplus`] adds keys of single tables.
///
/// What a target was given its ledger knows. One that does not know a record, since it was merged into another before it
/// came there, has what is recorded in the project.
pub(in crate::push) async fn stage(context: &Context<'_>) -> Result<()> {
    context
        .execute(
            "create temporary table trasvase_golden (type text, source_id text, golden_id text, was text, known text) on commit drop; \
             create temporary table trasvase_moved \
             (was text, golden_id text, holder text not null default '', primary key (holder, was, golden_id)) on commit drop; \
             create temporary table trasvase_retired \
             (was text, successor text, holder text not null default '', primary key (holder, was)) on commit drop",
        )
        .await?;
    let (mut moved, mut retired) = (BTreeSet::new(), BTreeMap::new());
    for entry in &context.manifest().golden {
        error::interrupt::check()?;
        stage_entity(context, entry).await?;
        let (of_entity, first) = changes(context, entry).await?;
        moved.extend(of_entity);
        retired.extend(first);
    }
    send(context, "trasvase_moved (was, golden_id)", moved.iter().map(|(was, now)| [was, now])).await?;
    send(context, "trasvase_retired (was, successor)", retired.iter().map(|(was, now)| [was, now])).await?;
    context.execute("analyze trasvase_moved; analyze trasvase_retired").await
}

fn kind(entry: &GoldenEntry) -> String {
    ledger::golden_kind(&entry.entity)
}

async fn stage_entity(context: &Context<'_>, entry: &GoldenEntry) -> Result<()> {
    context
        .execute(
            "drop table if exists pg_temp.trasvase_golden_sent; create temporary table trasvase_golden_sent \
             (source_id text collate \"C\", golden_id text, was text) on commit drop",
        )
        .await?;
    let sql = "copy trasvase_golden_sent from stdin (format binary)";
    let mut copy = Copy::start(context.client, sql).await?;
    let recorded = GoldenIds::read(context.project, &context.clinic.name, &entry.entity)?;
    for row in context.snapshot.golden(entry)? {
        let row = row?;
        let out = copy.row(3);
        append_text(out, &row.source_id);
        append_text(out, &row.golden_id);
        match recorded.get(&row.source_id) {
            Some((was, _)) => append_text(out, was),
            None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
        copy.flush_if_full().await?;
    }
    copy.finish().await?;
    let known = match ledger::exists(context.client).await? {
        true => {
            let manifest = context.manifest();
            ledger::golden_ids(manifest.clinic.as_str(), &manifest.product, &entry.entity)
        }
        false => "select null::text, null::text".to_owned(),
    };
    context
        .execute(&format!(
            "insert into trasvase_golden select {}, s.source_id, s.golden_id, s.was, k.golden_id \
             from trasvase_golden_sent s left join ({known}) k(source_id, golden_id) on k.source_id = s.source_id; \
             analyze trasvase_golden",
            literal(&kind(entry))
        ))
        .await
}

/// Ids with what they became: for each record, and for those that nobody has now, by the record that had it first. In a
/// project without the records' file the smallest source id counts as the first.
async fn changes(
    context: &Context<'_>,
    entry: &GoldenEntry,
) -> Result<(BTreeSet<(String, String)>, BTreeMap<String, String>)> {
    let sql = "select had, golden_id, source_id, exists (select from trasvase_golden a where a.type = g.type and a.golden_id = g.had) \
               from (select *, coalesce(known, was) as had from trasvase_golden where type = $1) g where had <> golden_id";
    let rows = context.client.query(sql, &[&kind(entry)]).await.map_err(|error| error::postgres(&error))?;
    let (mut moved, mut first) = (BTreeSet::new(), BTreeMap::new());
    if rows.is_empty() {
        return Ok((moved, BTreeMap::new()));
    }
    let recorded = GoldenIds::read(context.project, &context.clinic.name, &entry.entity)?;
    for row in rows {
        let (was, golden_id, source_id): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        moved.insert((was.clone(), golden_id.clone()));
        if row.get(3) {
            continue;
        }
        let place = recorded.get(&source_id).map_or(usize::MAX, |(_, place)| place);
        let candidate = (place, source_id, golden_id);
        let known = first.entry(was).or_insert_with(|| candidate.clone());
        if candidate < *known {
            *known = candidate;
        }
    }
    Ok((moved, first.into_iter().map(|(was, (_, _, successor))| (was, successor)).collect()))
}

async fn send<'r>(
    context: &Context<'_>,
    table: &str,
    rows: impl Iterator<Item = [&'r String; 2]>,
) -> Result<()> {
    let mut copy = Copy::start(context.client, &format!("copy {table} from stdin (format binary)")).await?;
    for row in rows {
        let out = copy.row(row.len());
        row.into_iter().for_each(|text| append_text(out, text));
        copy.flush_if_full().await?;
    }
    copy.finish().await.map(drop)
}

/// Whether any golden id changed.
pub(in crate::push) async fn any(context: &Context<'_>) -> Result<bool> {
    Ok(!context.manifest().golden.is_empty()
        && context.count("select count(*) from trasvase_moved").await? > 0)
}

/// Writes down the golden ids that the target was not given before.
pub(super) async fn records(context: &Context<'_>, batch: &Batch) -> Result<()> {
    let manifest = context.manifest();
    let names = manifest.golden.iter().map(kind).chain([manifest.product.clone()]);
    ledger::codes(context.client, &names.collect::<Vec<_>>()).await?;
    context
        .execute(&format!(
            "insert into trasvase.external_id_{batch} select {batch}, p.code, n.code, g.source_id, n.code, g.golden_id \
             from trasvase_golden g join trasvase.name n on n.name = g.type, trasvase.name p \
             where p.name = {} and g.known is distinct from g.golden_id",
            literal(&manifest.product),
            batch = batch.number,
        ))
        .await
}
