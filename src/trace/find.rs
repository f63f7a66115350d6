//! Which records are meant, and how an `_id` is spelled (DESIGN §1: source, file, record).

use anyhow::Result;
use rust_i18n::t;

use super::Options;
use crate::config::near;
use crate::error::Failure;
use crate::model::ident::{literal, quoted};
use crate::snapshot::Snapshot;
use crate::staging::Staging;

/// The records that a text names.
pub(super) struct Found {
    /// Their `_id`s.
    pub(super) ids: Vec<i64>,
    /// It is their key; else their place.
    pub(super) by_key: bool,
}

/// The records that a text names: a key first, for a number may be one.
///
/// # Errors
/// No such source.
pub(super) fn records(options: &Options<'_>, source: &str, wanted: &str) -> Result<Found> {
    let staging = options.staging;
    let number = number(options, source)?;
    let by_place = || {
        let place = wanted.strip_prefix(&format!("{source}:")).unwrap_or(wanted);
        let parts: Option<Vec<i64>> = place.split(':').map(|part| part.parse().ok()).collect();
        match parts.as_deref() {
            Some([row]) => at(staging, source, number, None, *row),
            Some([file, row]) => at(staging, source, number, Some(*file), *row),
            _ => Ok(Vec::new()),
        }
    };
    let keyed = by_key(staging, number, wanted)?;
    let by_key = !keyed.is_empty();
    Ok(Found { ids: if by_key { keyed } else { by_place()? }, by_key })
}

/// Neither the source nor the ledger has such a record.
pub(super) fn nothing(options: &Options<'_>, source: &str, wanted: &str) -> Failure {
    let clinic = &options.clinic.name;
    Failure::usage(t!("trace.no_record", source = source, wanted = wanted))
        .hint(t!("trace.no_record_hint", clinic = clinic, source = source))
        .hint(match options.target {
            Some(_) => t!("trace.no_record_row", clinic = clinic),
            None => t!("trace.no_record_ledger"),
        })
}

fn number(options: &Options<'_>, source: &str) -> Result<i64> {
    let known: Vec<(String, i64)> =
        options.staging.rows("select source, number from meta.source order by number", |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    match known.iter().find(|(name, _)| name == source) {
        Some((_, number)) => Ok(*number),
        None => {
            let names: Vec<String> = known.into_iter().map(|(name, _)| name).collect();
            let (near, known) = (near(source, &names), names.join(", "));
            Err(Failure::usage(t!("trace.no_source", source = source, near = near))
                .hint(t!("trace.no_source_hint", known = known))
                .into())
        }
    }
}

/// The records of a source whose natural key a model of `clean` read so.
fn by_key(staging: &Staging, number: i64, key: &str) -> Result<Vec<i64>> {
    let keyed = carriers(staging)?.into_iter().filter(|one| one.schema == "clean" && one.has("source_id"));
    let found: Vec<String> = keyed
        .map(|one| {
            let key = literal(key);
            format!("select {} as _id from {} where source_id::varchar = {key}", one.unnested(), one.quoted())
        })
        .collect();
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select distinct _id from ({}) where _id >> 50 = {number} order by 1",
        found.join(" union all ")
    );
    staging.rows(&sql, |row| row.get(0))
}

/// The records in one row of one file, or of any; also those that could not be read.
fn at(staging: &Staging, source: &str, number: i64, file: Option<i64>, row: i64) -> Result<Vec<i64>> {
    let name = literal(source);
    let of_file = file.map_or_else(|| "true".to_owned(), |file| format!("file_number = {file}"));
    let id = format!("({number}::bigint << 50) | (file_number::bigint << 36) | {row}");
    let sql = format!(
        "select id from (select {id} as id from meta.source_file where source = {name} and {of_file} \
           and {row} between 1 and loaded + refused) where id in (select _id from raw.{raw} union all select _id from meta.superseded) \
         union select {id} from meta.load_error where source = {name} and {of_file} and record = {row} order by 1",
        raw = quoted(source),
    );
    staging.rows(&sql, |row| row.get(0))
}

/// A table of the staging file whose rows name their records.
pub(super) struct Carrier {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) columns: Vec<String>,
}

impl Carrier {
    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column == name)
    }

    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }

    /// The columns with the cells of a row.
    pub(super) fn cells(&self) -> impl Iterator<Item = &String> {
        let golden_sources = |name: &str| self.schema == "golden" && name == "golden_sources";
        self.columns.iter().filter(move |name| !name.starts_with('_') && !golden_sources(name))
    }

    /// The list of the row's records.
    pub(super) fn ids(&self) -> &'static str {
        match (self.has("_record_ids"), self.has("_ids")) {
            (true, _) => "_record_ids",
            (false, true) => "_ids",
            (false, false) => "[_id]",
        }
    }

    fn unnested(&self) -> String {
        if self.has("_ids") { "unnest(_ids)".to_owned() } else { "_id".to_owned() }
    }

    /// A condition that finds the rows of a record.
    pub(super) fn has_record(&self, id: i64) -> String {
        match self.ids() {
            "[_id]" => format!("_id = {id}"),
            ids => format!("list_contains({ids}, {id})"),
        }
    }
}

/// Every such table, in the order in which a record comes through them.
pub(super) fn carriers(staging: &Staging) -> Result<Vec<Carrier>> {
    let rows = staging.rows(
        "select schema_name, table_name, to_json(columns)::varchar from ( \
           select schema_name, table_name, list(column_name order by column_index) as columns from duckdb_columns() \
           where schema_name in ('raw', 'clean', 'golden', 'target', 'ready', 'reject') group by all) \
         where list_has_any(columns, ['_id', '_ids', '_record_ids']) \
         order by list_position(['raw', 'clean', 'golden', 'target', 'ready', 'reject'], schema_name), table_name",
        |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)),
    )?;
    rows.into_iter()
        .map(|(schema, table, columns)| {
            Ok(Carrier { schema, table, columns: serde_json::from_str(&columns)? })
        })
        .collect()
}

/// Whether a snapshot was made of the files of a source that are loaded now: only then a place in it is the same record's.
pub(super) fn is_of_delivery(options: &Options<'_>, source: &str, snapshot: &str) -> Result<bool> {
    let folder = options.project.snapshots_dir(&options.clinic.name).join(snapshot);
    let Ok(snapshot) = Snapshot::open(&folder) else { return Ok(false) };
    let Some(then) = snapshot.manifest().sources.iter().find(|one| one.source == source) else {
        return Ok(false);
    };
    let sql = format!(
        "select sha256 from meta.source_file where source = {} order by file_number",
        literal(source)
    );
    let now: Vec<String> = options.staging.rows(&sql, |row| row.get(0))?;
    Ok(then.files.iter().map(|file| &file.sha256).eq(&now))
}

/// Whether any table of the staging file knows a record by this.
pub(super) fn is_known_by(staging: &Staging, id: i64, source_id: &str) -> Result<bool> {
    for one in carriers(staging)? {
        let Some(column) = ["source_id", "_source_id"].into_iter().find(|name| one.has(name)) else {
            continue;
        };
        let (table, has, known) = (one.quoted(), one.has_record(id), literal(source_id));
        if staging.value(&format!(
            "select exists (select 1 from {table} where {has} and {column}::varchar = {known})"
        ))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An `_id` as `source:file:row`.
pub(super) fn spelled(staging: &Staging, id: i64) -> Result<String> {
    let source: String = staging.value(&format!(
        "select coalesce((select source from meta.source where number = {}), '?')",
        id >> 50
    ))?;
    Ok(format!("{source}:{}:{}", (id >> 36) & 16_383, id & 68_719_476_735))
}
