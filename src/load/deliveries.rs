//! Sources that come in deliveries: of the rows with one key the one with the greatest cursor is in `raw`, so that `raw` holds
//! the whole as it is now. The rows that others superseded are in `meta.superseded`, as records that were filtered.
//!
//! What is laid over what is decided row by row, not by the greatest cursor of all: a record that comes late, with a cursor
//! below that, is still the first of its key, and not lost.

use std::collections::HashSet;

use anyhow::Result;
use duckdb::arrow::array::AsArray as _;
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use super::books::Known;
use super::cursor;
use super::plan::{Reason, Step};
use super::survey::Surveyed;
use crate::config::{Clinic, SourceConfig};
use crate::error::Failure;
use crate::model::ident::{literal, quoted};
use crate::sources::{Finding, Severity};
use crate::staging::Staging;

/// The files of a source that were not loaded yet, by their place; none where a source has no cursor, or was never loaded.
pub(super) fn new_files(source: &Surveyed, known: Option<&Known>) -> Option<Vec<usize>> {
    let known = known.filter(|known| source.config.cursor.is_some() && known.has_table)?;
    let is_new = |place: &usize| {
        let (file, survey) = &source.parts[*place];
        !known.files.iter().any(|one| one.path == file.shown && one.sha256 == survey.of_file().sha256)
    };
    Some((0..source.parts.len()).filter(is_new).collect())
}

/// Why a source is loaded where only new deliveries are asked for; `reason` is the one for which all of it would be.
///
/// # Errors
/// What is in `raw` was read by other settings: new rows cannot be laid over it.
pub(super) fn reason(
    clinic: &Clinic,
    source: &Surveyed,
    known: Option<&Known>,
    step: &Step,
) -> Result<Option<Reason>, Failure> {
    let Some(new) = new_files(source, known) else { return Ok(step.reason) };
    match step.reason {
        Some(Reason::OptionsChanged) => Err(other_settings(clinic, &source.name)),
        Some(Reason::NumberMoved) => Ok(Some(Reason::NumberMoved)),
        _ => Ok((!new.is_empty()).then_some(Reason::Delivered)),
    }
}

/// The failure of new rows that cannot be laid over what is there.
pub(super) fn other_settings(clinic: &Clinic, source: &str) -> Failure {
    Failure::usage(t!("load.other_settings", source = source))
        .hint(format!("trasvase load {} --source {source} --type full", clinic.name))
}

/// Refuses to read a source as a whole, some of whose deliveries are not there any more.
pub(super) fn all_there(clinic: &Clinic, source: &Surveyed, known: Option<&Known>) -> Result<(), Failure> {
    // A live source was asked for the whole just now.
    let Some(known) = known.filter(|_| source.config.cursor.is_some() && source.config.url.is_none()) else {
        return Ok(());
    };
    let there = |path: &str| source.parts.iter().any(|(file, _)| file.shown == path);
    let gone = |(place, one): &(usize, &super::books::KnownFile)| {
        !there(&one.path) || known.files.iter().skip(place + 1).any(|later| later.path == one.path)
    };
    let gone: Vec<&str> =
        known.files.iter().enumerate().filter(gone).map(|(_, one)| one.path.as_str()).collect();
    if gone.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(t!("load.deliveries_gone", source = source.name, paths = gone.join(", ")))
        .hint(format!("trasvase load {} --type incremental", clinic.name))
        .hint(t!("load.deliveries_gone_hint", clinic = clinic.name, source = source.name)))
}

/// The column of a source's table that holds documents, if there is one.
pub(super) fn document_column(staging: &Staging, source: &str) -> Result<Option<String>> {
    let found = staging.rows(
        &format!(
            "select column_name from duckdb_columns() where database_name = current_database() and schema_name = 'raw' \
             and table_name = {} and data_type = 'JSON'",
            literal(source)
        ),
        |row| row.get(0),
    )?;
    Ok(found.into_iter().next())
}

/// Takes the rows of earlier deliveries, with these columns, into the table that is being built; it may have more.
pub(super) fn carry_over(staging: &Staging, source: &Surveyed, new: &str, columns: &[String]) -> Result<()> {
    let (number, name) = (source.number, literal(&source.name));
    let id = format!("(_id & ((1::bigint << 50) - 1)) | ({number}::bigint << 50)");
    let columns = columns.iter().map(|column| format!("{}, ", quoted(column))).collect::<String>();
    staging.execute(&format!(
        "insert into raw.{} ({columns}_id) select {columns}{id} from raw.{};
         update meta.superseded set _id = {id} where source = {name};",
        quoted(new),
        quoted(&source.name)
    ))
}

/// What [`lay`] finds: of all deliveries together, so that those of earlier loads are forgotten.
const SUPERSEDED: &str = "superseded";
const NO_KEY: &str = "key_missing";
const NO_CURSOR: &str = "cursor_missing";
/// Cursors without an end, or more than a year ahead.
pub const FAR_AHEAD: &str = "cursor_far_ahead";
pub(super) const FOUND: [&str; 4] = [SUPERSEDED, NO_KEY, NO_CURSOR, FAR_AHEAD];

/// Lays rows over rows with the same key, and says how many there were. Rows without a key, or with a part of one, stay, and of
/// the rows with one key those whose cursor is missing, or without an end, go first; all are told.
///
/// # Errors
/// A key or cursor that is no column of the source, or cursors that cannot be compared.
pub(super) fn lay(
    staging: &Staging,
    source: &str,
    config: &SourceConfig,
    (new, columns): (&str, &[String]),
) -> Result<Vec<Finding>> {
    let Some(cursor) = &config.cursor else { return Ok(Vec::new()) };
    if let Some(name) = config.key.iter().chain([cursor]).find(|name| !columns.contains(name)) {
        let known = columns.join(", ");
        return Err(
            Failure::usage(t!("load.no_cursor", source = source, column = name, known = known)).into()
        );
    }
    let (table, name) = (quoted(new), literal(source));
    let rows = format!("(select {} as cursor, * from raw.{table})", quoted(cursor));
    let reading = cursor::reading(staging, source, cursor, &rows)?;
    let key = config.key.iter().map(|name| quoted(name)).collect::<Vec<_>>();
    let whole = key.iter().map(|name| format!("{name} is not null")).collect::<Vec<_>>().join(" and ");
    let without = |what: &str| staging.value(&format!("select count(*) from {rows} where {what}"));
    let (no_key, no_cursor) = (without(&format!("not ({whole})"))?, without("cursor is null")?);
    staging.execute(&format!(
        "insert into meta.superseded select {name}, _id, winner from (select _id, first_value(_id) over \
         (partition by {} order by case when {} then {} end desc nulls last, _id desc) as winner from {rows} where {whole}) where winner <> _id;
         delete from raw.{table} where _id in (select _id from meta.superseded where source = {name});",
        key.join(", "),
        reading.says_when(),
        reading.order
    ))?;
    // Of those that stay: what another took the place of stands in nobody's way.
    let far_ahead = without(&reading.far_ahead())?;
    let advice = t!("load.detail.cursor_far_ahead", source = source, column = cursor);
    let findings = [
        Finding::new(SUPERSEDED, Severity::Info, superseded(staging, source)?),
        Finding::new(NO_KEY, Severity::Warning, no_key).column(&config.key.join(", ")),
        Finding::new(NO_CURSOR, Severity::Warning, no_cursor).column(cursor),
        Finding::new(FAR_AHEAD, Severity::Warning, far_ahead).column(cursor).detail(advice),
    ];
    Ok(findings.into_iter().filter(|finding| finding.count > 0).collect())
}

/// The greatest cursor in `raw` that says when its row was changed, as the source writes it.
///
/// # Errors
/// Cursors that cannot be compared.
pub(super) fn greatest(staging: &Staging, source: &str, cursor: &str) -> Result<Option<String>> {
    let rows = format!("(select {} as cursor from raw.{})", quoted(cursor), quoted(source));
    let reading = cursor::reading(staging, source, cursor, &rows)?;
    let (order, says_when) = (reading.order.as_str(), reading.says_when());
    staging.value(&format!(
        "select arg_max(cursor, {order}) from {rows} where cursor is not null and {says_when}"
    ))
}

/// How many records in `raw` have this very cursor, or none, or one without an end, as PostgreSQL writes it.
pub(super) fn held_at(staging: &Staging, source: &str, cursor: &str, at: &str) -> Result<u64> {
    let (source, cursor) = (quoted(source), quoted(cursor));
    staging.value(&format!(
        "select count(*) from raw.{source} where {cursor} is null or {cursor} = {} or {cursor} in ('infinity', '-infinity')",
        literal(at)
    ))
}

/// Digests of the documents in `raw` that have the greatest cursor, however it is written, or none, or as a text one from
/// `text_from` on.
pub(super) fn greatest_documents(
    staging: &Staging,
    source: &str,
    cursor: &str,
    text_from: Option<&str>,
) -> Result<HashSet<[u8; 32]>> {
    let rows =
        format!("(select {} as cursor, _doc::varchar as text from raw.{})", quoted(cursor), quoted(source));
    let reading = cursor::reading(staging, source, cursor, &rows)?;
    let (order, says_when) = (reading.order.as_str(), reading.says_when());
    let texts = text_from
        .map(|from| format!(" or {} and cursor >= {}", cursor::is_text("text", cursor), literal(from)));
    let sql = format!(
        "select text from {rows} where cursor is null or {order} = (select max({order}) from {rows} where {says_when}){}",
        texts.unwrap_or_default()
    );
    let mut digests = HashSet::new();
    staging.batches(&sql, |batch| {
        let texts = batch.column(0).as_string::<i32>().iter().flatten();
        digests.extend(texts.map(|text| <[u8; 32]>::from(Sha256::digest(text))));
        Ok(())
    })?;
    Ok(digests)
}

/// How many rows of a source others superseded.
pub(super) fn superseded(staging: &Staging, source: &str) -> Result<u64> {
    staging.value(&format!("select count(*) from meta.superseded where source = {}", literal(source)))
}
