//! What became of each raw record, line by line: `meta.fate` (source, _id, fate, table_name, target_id, detail).
//!
//! `ready` and `reject` say already which records they are made of, so `meta.fate` is a view over them: it costs nothing to
//! make and cannot contradict them. Only what is found by looking for absence is stored, in `meta.filtered`: the records
//! of a model's inputs that are not in its output.
//!
//! No line says `skipped` or `left_out`: whether a row is unchanged, or people deleted it, is between a snapshot and one target,
//! and the same snapshot goes to several. A push knows it, and its batch says it (`trasvase.batch.counts`, `trasvase.verdict`).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;

use super::shape::TableShape;
use crate::model::ident::{literal, quoted};
use crate::staging::Staging;

/// Writes `meta.filtered` for the records that a model has carried on in part, and `meta.fate`.
pub(super) fn tell(staging: &Staging, shapes: &[TableShape<'_>]) -> Result<()> {
    staging.execute(
        "create or replace table meta.filtered (source varchar not null, _id bigint not null, model varchar not null)",
    )?;
    for (model, inputs) in edges(staging)? {
        staging.execute(&filtered_sql(&model, &inputs, CARRIED))?;
    }
    staging.execute(&view_sql(shapes))
}

/// Names the models at which records ended that nothing else tells of: whole sources that a model reads and none of
/// whose records it carries on. Elsewhere such a model only looks something up.
pub(super) fn tell_rest(staging: &Staging) -> Result<()> {
    staging.execute(
        "create or replace temp table untold as select source, _id from meta.verdict where verdict = 'filtered' \
         and _id not in (select _id from meta.filtered)",
    )?;
    if staging.value("select count(*) > 0 from untold")? {
        for (model, inputs) in edges(staging)? {
            staging.execute(&filtered_sql(&model, &inputs, "_id in (select _id from untold)"))?;
        }
    }
    staging.execute("drop table untold")
}

/// A condition on a record of an input: the model's output has some of the same source. A source of which it has none is
/// one that it only looks something up in.
const CARRIED: &str = "_id >> 50 in (select distinct _id >> 50 from output)";

/// A table of the staging file whose rows name their records.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Carrier {
    name: String,
    schema: String,
    /// A query of their `_id`s.
    records: String,
}

/// Each model that carries records, with those of its inputs that it can have them from.
fn edges(staging: &Staging) -> Result<Vec<(Carrier, Vec<Carrier>)>> {
    let carriers = carriers(staging)?;
    let built = staging.rows(
        "select model, parts::varchar from meta.model_version \
         qualify row_number() over (partition by model order by version desc) = 1 order by model",
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
    )?;
    let mut edges = Vec::new();
    for (model, parts) in built {
        let Some(output) = carriers.get(&model) else { continue };
        let parts: Value = serde_json::from_str(&parts)?;
        let names: BTreeSet<&String> =
            parts["inputs"].as_object().into_iter().flat_map(|map| map.keys()).collect();
        edges.push((output.clone(), inputs(output, names.into_iter().filter_map(|name| carriers.get(name)))));
    }
    Ok(edges)
}

/// A target that reads other layers too reads targets only as its parents.
fn inputs<'c>(output: &Carrier, named: impl Iterator<Item = &'c Carrier>) -> Vec<Carrier> {
    let named: Vec<Carrier> = named.cloned().collect();
    let (parents, others): (Vec<_>, Vec<_>) =
        named.into_iter().partition(|input| input.schema == "target" && output.schema == "target");
    if others.is_empty() { parents } else { others }
}

/// The tables and views with `_id` or `_ids`, by the name that the models' books have them under.
fn carriers(staging: &Staging) -> Result<BTreeMap<String, Carrier>> {
    let rows = staging.rows(
        "select schema_name, table_name, bool_or(column_name = '_ids') from duckdb_columns() \
         where schema_name in ('raw', 'clean', 'golden', 'target') and column_name in ('_id', '_ids') group by all",
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?)),
    )?;
    let carrier = |(schema, table, many): (String, String, bool)| {
        let plain = table.chars().all(|c| c.is_alphanumeric() || c == '_');
        let shown = if plain { table.to_lowercase() } else { quoted(&table.to_lowercase()) };
        let name = format!("{}.{shown}", schema.to_lowercase());
        let (column, from) = (if many { "unnest(_ids)" } else { "_id" }, quoted(&table));
        let records = format!("select {column} as _id from {}.{from}", quoted(&schema));
        (name.clone(), Carrier { name, schema: schema.to_lowercase(), records })
    };
    Ok(rows.into_iter().map(carrier).collect())
}

/// Stores the records of the inputs that meet a condition and are not in the output.
fn filtered_sql(model: &Carrier, inputs: &[Carrier], condition: &str) -> String {
    if inputs.is_empty() {
        return String::new();
    }
    let records: Vec<&str> = inputs.iter().map(|input| input.records.as_str()).collect();
    format!(
        "insert into meta.filtered with output as materialized ({output}), \
         gone as (select distinct _id from ({records}) anti join output using (_id) where {condition}) \
         select source, _id, {name} from gone join meta.source on number = _id >> 50",
        output = model.records,
        records = records.join(" union all "),
        name = literal(&model.name),
    )
}

fn view_sql(shapes: &[TableShape<'_>]) -> String {
    let lines: Vec<String> = shapes.iter().flat_map(lines_of).collect();
    format!(
        "create or replace view meta.fate as \
         select source, line.* from ({} union all \
           select (number::bigint << 50) | (file_number::bigint << 36) | record, 'rejected', null, null, reason \
           from meta.load_error join meta.source using (source) where record is not null \
           union all select _id, 'filtered', null, null, model from meta.filtered \
           union all select _id, 'filtered', null, null, 'superseded by ' || {} from meta.superseded) line \
         join meta.source on number = line._id >> 50",
        lines.join(" union all "),
        spelled("by_id")
    )
}

/// A line a record of each row: the row's first one is imported into it, the others are merged into that. A rejected
/// record has a line a rule.
fn lines_of(shape: &TableShape<'_>) -> [String; 3] {
    let (table, ready) = (literal(&shape.name.to_string()), shape.name.staged("ready"));
    let id = key(shape);
    [
        format!(
            "select _ids[1] as _id, 'imported' as fate, {table} as table_name, {id} as target_id, null::varchar as detail \
             from {ready} where len(_ids) > 0"
        ),
        format!(
            "select unnest(_ids[2:]), 'merged', {table}, {id}, {} from {ready} where len(_ids) > 1",
            spelled("_ids[1]")
        ),
        format!(
            "select distinct _id, 'rejected', {table}, null, \
             error.rule || coalesce('(' || nullif(concat_ws(': ', error.column_name, error.constraint_name), '') || ')', '') \
             from (select unnest(_record_ids) as _id, _errors from {}), unnest(_errors) as one(error)",
            shape.name.staged("reject")
        ),
    ]
}

/// The row's primary key as the ledger spells it.
fn key(shape: &TableShape<'_>) -> String {
    let given = |name: &&String| shape.columns.iter().any(|column| column.column.name == **name);
    let columns: Vec<String> = shape
        .table
        .primary_key()
        .iter()
        .filter(given)
        .map(|name| format!("{}::varchar", quoted(name)))
        .collect();
    match columns.as_slice() {
        [] => "null::varchar".to_owned(),
        [one] => one.clone(),
        several => format!("'{{' || concat_ws(',', {}) || '}}'", several.join(", ")),
    }
}

/// An `_id` as people read it: `source:file:row`.
pub(super) fn spelled(id: &str) -> String {
    format!(
        "(select source from meta.source where number = {id} >> 50) || ':' || (({id} >> 36) & 16383) || ':' || ({id} & 68719476735)"
    )
}
