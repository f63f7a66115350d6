//! Builds `ready.<table>` (every row of `target.<table>` in canonical text) and splits the refused rows off.
//!
//! While a table is checked, `ready` holds all its rows and `temp.fault` names the refused ones; [`split`] then moves
//! those to `reject.<table>`, as the model gave them, with their reasons.
//!
//! A row's `rowid` in `ready` is its place by (file, row), the same in every run: `target` is built by several threads,
//! so its own order is not. Rows change in [`repair`] alone, which puts them back in order.

use std::sync::Arc;

use anyhow::Result;
use duckdb::core::{DataChunkHandle, Inserter as _, LogicalTypeId};
use duckdb::ffi::duckdb_string_t;
use duckdb::types::DuckString;
use duckdb::vscalar::{ScalarFunctionSignature, VScalar};
use duckdb::vtab::arrow::WritableVector;
use rust_i18n::t;

use super::convert::Conversion;
use super::orphans::EMPTIED;
use super::shape::{ColumnShape, TableShape};
use super::{fate, ghosts};
use crate::codec::Codec;
use crate::config::{Loss, TableConfig};
use crate::error;
use crate::model::ident::{TableName, literal, quoted};
use crate::staging::Staging;

/// The faults of the tables under check: one row a refused row and rule.
pub(super) const FAULT_TABLE: &str = "create or replace temp table fault (table_name varchar, n bigint, rule varchar, \
     column_name varchar, constraint_name varchar, detail varchar)";

/// Fills `ready.<table>` and the faults that single values have. Columns: the table's own in canonical text, then
/// `_n` (the row's `rowid` in `target`), `_ids`, `_source_id`, `_repairs`.
pub(super) fn build(staging: &Staging, shape: &TableShape<'_>, settings: &TableConfig) -> Result<()> {
    for (position, column) in shape.columns.iter().enumerate() {
        if matches!(column.conversion, Conversion::Codec { .. }) {
            let state = CodecState(Arc::clone(&column.codec));
            staging
                .connection()
                .register_scalar_function_with_state::<CodecFunction>(&codec_name(position), &state)
                .map_err(error::duckdb)?;
        }
    }
    let source = ghosts::source(staging, &shape.name)?;
    let order = order(staging, shape, &format!("select {} as _ids from ({source})", shape.provenance.ids))?;
    staging.execute(&build_sql(shape, settings, &source, &order))?;
    staging.execute(&value_faults_sql(&shape.name))?;
    staging.execute(&format!("alter table {} drop column _refused", shape.name.staged("ready")))
}

fn codec_name(position: usize) -> String {
    format!("trasvase_codec_{position}")
}

/// By (file, row) of the first record; where several rows have the same or none, what they hold decides.
fn order(staging: &Staging, shape: &TableShape<'_>, rows: &str) -> Result<String> {
    let ties: bool = staging.value(&format!("select count(*) > count(distinct _ids[1]) from ({rows})"))?;
    let columns = shape.columns.iter().map(|column| format!(", {}", quoted(&column.column.name)));
    let rest: String = columns.filter(|_| ties).collect();
    Ok(if ties { format!("_ids[1]{rest}, _ids, _source_id") } else { "_ids[1]".to_owned() })
}

/// Sets columns of the rows that meet a condition and notes the repair on each; returns how many there are.
pub(super) fn repair(
    staging: &Staging,
    shape: &TableShape<'_>,
    assignments: &str,
    rule: &str,
    condition: &str,
) -> Result<u64> {
    let ready = shape.name.staged("ready");
    let count = staging.value(&format!("select count(*) from {ready} where {condition}"))?;
    if count > 0 {
        staging.execute(&format!(
            "update {ready} set {assignments}, _repairs = list_append(_repairs, {}) where {condition}",
            literal(rule)
        ))?;
        // DuckDB moves a row whose lists change to the end.
        let order = order(staging, shape, &format!("select _ids from {ready}"))?;
        staging.execute(&format!("create or replace table {ready} as from {ready} order by {order}"))?;
    }
    Ok(count)
}

fn build_sql(shape: &TableShape<'_>, settings: &TableConfig, source: &str, order: &str) -> String {
    let coded: Vec<String> = shape
        .columns
        .iter()
        .enumerate()
        .filter_map(|(position, column)| match &column.conversion {
            Conversion::Codec { text } => {
                Some(format!(", {}({text}) as _coded_{position}", codec_name(position)))
            }
            _ => None,
        })
        .collect();
    let values: Vec<String> = shape.columns.iter().enumerate().map(value_sql).collect();
    let refusals: Vec<String> =
        shape.columns.iter().enumerate().filter_map(|(n, column)| refusal_sql(n, column, settings)).collect();
    let refused = if refusals.is_empty() {
        "null::varchar".to_owned()
    } else {
        format!("nullif(concat_ws(',', {}), '')", refusals.join(", "))
    };
    format!(
        "create or replace table {ready} as \
         select {values}, _n, _ids, {source_id} as _source_id, {repairs} as _repairs, {refused} as _refused \
         from (select *, {ids} as _ids{coded} from ({source})) as source \
         order by {order}",
        ready = shape.name.staged("ready"),
        values = values.join(", "),
        ids = shape.provenance.ids,
        source_id = shape.provenance.source_id,
        repairs = shape.provenance.repairs,
        coded = coded.concat(),
    )
}

fn value_sql((position, column): (usize, &ColumnShape<'_>)) -> String {
    let name = quoted(&column.column.name);
    match &column.conversion {
        Conversion::Sql { value, .. } => format!("{value} as {name}"),
        _ => format!("case when _coded_{position}[1] <> '!' then _coded_{position}[2:] end as {name}"),
    }
}

/// An expression that gives `column:rule` for a refused value and null otherwise.
fn refusal_sql(position: usize, column: &ColumnShape<'_>, settings: &TableConfig) -> Option<String> {
    let name = &column.column.name;
    match &column.conversion {
        Conversion::Sql { refused: None, .. } | Conversion::Mismatch(_) => None,
        Conversion::Sql { refused: Some((condition, rule)), .. } => {
            Some(format!("case when {condition} then '{position}:{rule}' end"))
        }
        Conversion::Codec { .. } => {
            let lossy = if settings.loss.get(name) == Some(&Loss::Reject) {
                format!(" when _coded_{position}[1] = '~' then '{position}:loss'")
            } else {
                format!(" when _coded_{position}[1] = '~' then '{position}:~loss'")
            };
            Some(format!(
                "case when _coded_{position}[1] = '!' then '{position}:' || _coded_{position}[2:]{lossy} end"
            ))
        }
    }
}

/// Turns the refusals of [`build_sql`] into rows of `fault`; a loss that is not refused becomes a finding later.
fn value_faults_sql(name: &TableName) -> String {
    format!(
        "insert into fault select {table}, _n, split_part(part, ':', 2), split_part(part, ':', 1), null, null \
         from (select _n, unnest(string_split(_refused, ',')) as part from {ready} where _refused is not null)",
        table = literal(&name.to_string()),
        ready = name.staged("ready"),
    )
}

/// Gives the faults of single values the names of their columns (they are numbered while they are collected) and takes
/// out those that are only losses; returns the losses by column.
pub(super) fn name_columns(staging: &Staging, shape: &TableShape<'_>) -> Result<Vec<(String, u64)>> {
    let table = literal(&shape.name.to_string());
    let names: Vec<String> = shape.columns.iter().map(|column| literal(&column.column.name)).collect();
    staging.execute(&format!(
        "update fault set column_name = ([{}])[column_name::integer + 1] where table_name = {table}",
        names.join(", ")
    ))?;
    let losses = staging.rows(
        &format!("select column_name, count(*) from fault where table_name = {table} and rule = '~loss' group by 1 order by 1"),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    staging.execute(&format!("delete from fault where table_name = {table} and rule = '~loss'"))?;
    Ok(losses)
}

/// SQL of what `fault` notes as the detail of a row that another one stands in the place of, until it is put in words: the
/// `_id` of that one's record, which `id` is SQL of; else `unknown`, which is such SQL too.
pub(super) fn kept_record(id: &str, unknown: &str) -> String {
    format!("coalesce('~record ' || ({id})::varchar, {unknown})")
}

/// The same where nothing tells its record.
pub(super) const KEPT_ROW: &str = "'~row'";

/// The same of a row of the target, by its key.
pub(super) fn kept_key(key: &str) -> String {
    literal(&format!("~key {key}"))
}

/// A query of the faults with their details in words and, as `kept`, the record that stands in the row's place.
fn told() -> String {
    let place = "~";
    let (record, key) = (t!("check.kept_record", record = place), t!("check.kept_key", key = place));
    format!(
        "select * replace (case when kept is not null then replace({record}, '~', {spelled}) \
           when detail like '~key %' then replace({key}, '~', substr(detail, 6)) \
           when detail = {KEPT_ROW} then {row} else detail end as detail) \
         from (select *, case when detail like '~record %' then substr(detail, 9)::bigint end as kept from fault)",
        record = literal(&record),
        key = literal(&key),
        row = literal(&t!("check.kept_row")),
        spelled = fate::spelled("kept"),
    )
}

/// Moves refused rows from `ready` to `reject`: the model's own columns, then `_errors`, a list of
/// (rule, column_name, constraint_name, detail, kept): in words what the row is refused for, and the `_id` of the record that
/// stands in its place.
pub(super) fn split(staging: &Staging, name: &TableName) -> Result<()> {
    let (ready, reject) = (name.staged("ready"), name.staged("reject"));
    let source = ghosts::source(staging, name)?;
    let table = literal(&name.to_string());
    staging.transaction(|| {
        let told = told();
        staging.execute(&format!(
            "create or replace table {reject} as with told as ({told} where table_name = {table}) \
             select source.* exclude (_n), ready._ids as _record_ids, errors._errors \
             from (select n, list({{'rule': rule, 'column_name': column_name, 'constraint_name': constraint_name, 'detail': detail, 'kept': kept}} \
                   order by rule, column_name, constraint_name) as _errors from told group by n) errors \
             join ({source}) source on source._n = errors.n join {ready} ready on ready._n = errors.n order by ready.rowid"
        ))?;
        staging.execute(&format!("delete from {ready} where _n in (select n from fault where table_name = {table})"))
    })
}

/// What the models repaired, also in rows that are to be rejected: how many rows, by name of the repair. What check
/// itself changed is told apart.
pub(super) fn repairs(staging: &Staging, name: &TableName) -> Result<Vec<(String, u64)>> {
    staging.rows(
        &format!(
            "select repair, count(*)::ubigint from (select unnest(_repairs) as repair from {}) \
             where repair <> '{EMPTIED}' group by 1 order by 1",
            name.staged("ready")
        ),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// State of the codec's scalar function.
#[derive(Clone)]
struct CodecState(Arc<Codec>);

/// `codec(text)`: `=` and the canonical text, `~` and the text after a loss, or `!` and the name of the rule that refuses it.
struct CodecFunction;

impl VScalar for CodecFunction {
    type State = CodecState;

    fn invoke(
        state: &CodecState,
        input: &mut DataChunkHandle,
        output: &mut dyn WritableVector,
    ) -> std::result::Result<(), Box<dyn std::error::Error>> {
        let texts = input.flat_vector(0);
        let mut out = output.flat_vector();
        let mut marked = String::new();
        for row in 0..input.len() {
            if texts.row_is_null(row as u64) {
                out.set_null(row);
                continue;
            }
            // SAFETY: the signature is VARCHAR, and `row` is a row of the chunk that is not NULL.
            let mut text = unsafe { texts.as_slice_with_len::<duckdb_string_t>(row + 1)[row] };
            mark(&state.0, &DuckString::new(&mut text).as_str(), &mut marked);
            out.insert(row, marked.as_str());
        }
        Ok(())
    }

    fn signatures() -> Vec<ScalarFunctionSignature> {
        vec![ScalarFunctionSignature::exact(
            vec![LogicalTypeId::Varchar.into()],
            LogicalTypeId::Varchar.into(),
        )]
    }
}

fn mark(codec: &Codec, text: &str, marked: &mut String) {
    marked.clear();
    match codec.canonical(text) {
        Ok(value) => {
            marked.push(if value.lossy { '~' } else { '=' });
            marked.push_str(&value.text);
        }
        Err(refusal) => {
            marked.push('!');
            marked.push_str(refusal.rule());
        }
    }
}
