//! The rows that tell of files, as snapshots of their own.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use rust_i18n::t;

use super::place::{Row, source_id};
use super::{Named, Options};
use crate::config::{FileColumn, Files, near};
use crate::error::Failure;
use crate::model::catalog::Table;
use crate::model::ident::{TableName, literal};
use crate::model::keys::Keys;
use crate::model::manifest::Origin;
use crate::pg::catalog;
use crate::snapshot::{Snapshot, Writer};
use crate::staging::Staging;

/// So many ids are made at once.
const AT_ONCE: usize = 5_000;

/// Refuses a table that cannot tell of files as the section says.
pub(super) fn known(options: &Options<'_>, section: &Files) -> Result<()> {
    let name = &section.table;
    let Some(table) = options.catalog.table(name) else {
        let near = near(
            &name.to_string(),
            options.catalog.tables.keys().map(ToString::to_string).collect::<Vec<_>>().iter(),
        );
        return Err(Failure::usage(t!("files.no_table", table = name, near = near))
            .hint(t!("files.no_table_hint"))
            .into());
    };
    for column in FileColumn::ALL {
        let Some(named) = section.column(column).filter(|named| table.column(named).is_none()) else {
            continue;
        };
        let key = column.as_str();
        return Err(Failure::usage(t!("files.no_target_column", table = name, column = named, key = key))
            .hint(t!("files.no_target_column_hint", key = key))
            .into());
    }
    if let Some(column) = section.values.keys().find(|column| table.column(column).is_none()) {
        return Err(Failure::usage(t!("files.no_value_column", table = name, column = column)).into());
    }
    id_function(options, name, table).map(drop)
}

/// What makes the ids of a table's rows; none where the target numbers them.
fn id_function(options: &Options<'_>, name: &TableName, table: &Table) -> Result<Option<&'static str>> {
    if options.clinic.table(name).keys == Keys::New && table.sequence_key().is_some() {
        return Ok(None);
    }
    let [key] = table.primary_key() else {
        return Err(Failure::usage(t!("files.no_id", table = name)).into());
    };
    match table.column(key).map(|column| column.data_type.undomained().base.as_str()) {
        Some("uuid") => Ok(Some("uuid_for")),
        Some("text" | "varchar" | "bpchar") => Ok(Some(options.clinic.ids.function())),
        _ => Err(Failure::usage(t!("files.no_id", table = name))
            .hint(t!("files.no_id_hint", table = name))
            .into()),
    }
}

/// Makes a snapshot a table in a folder, also of one that nothing tells of any more.
pub(super) fn write(
    options: &Options<'_>,
    folder: &Path,
    rows: &[Row],
    named: &Named,
) -> Result<Vec<Snapshot>> {
    let tables: BTreeSet<&TableName> = options.clinic.files.iter().map(|section| &section.table).collect();
    let of = |name: &TableName| -> Vec<&Row> {
        rows.iter().filter(|row| options.clinic.files[row.file.section].table == *name).collect()
    };
    tables.into_iter().map(|name| of_table(options, folder, name, &of(name), named)).collect()
}

fn of_table(
    options: &Options<'_>,
    folder: &Path,
    name: &TableName,
    rows: &[&Row],
    named: &Named,
) -> Result<Snapshot> {
    let table = options.catalog.table(name).context("the table was looked up before")?;
    let function = id_function(options, name, table)?;
    let keys = if function.is_some() { Keys::Preserve } else { Keys::New };
    let tenant = options.main.manifest().tenant.as_ref();
    let tenant = tenant.filter(|tenant| table.column(&tenant.column).is_some());
    let mut columns: BTreeSet<String> = table.primary_key().iter().cloned().collect();
    columns.extend(tenant.map(|tenant| tenant.column.clone()));
    for section in options.clinic.files.iter().filter(|section| section.table == *name) {
        columns.extend(FileColumn::ALL.into_iter().filter_map(|column| section.column(column)));
        columns.extend(section.values.keys().cloned());
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut writer = Writer::begin(folder, name, table, &columns, (keys, false))?;
    let columns: Vec<String> = writer.columns().map(str::to_owned).collect();
    let section = |row: &Row| &options.clinic.files[row.file.section];
    let source_ids: Vec<String> =
        rows.iter().map(|row| source_id(section(row), &row.file.path, &row.file.owner)).collect();
    let ids = match function {
        Some(function) => ids(options.staging, function, &source_ids)?,
        None => (1..=rows.len()).map(|number| format!("-{number}")).collect(),
    };
    let mut told = HashSet::new();
    for ((row, source_id), id) in rows.iter().zip(&source_ids).zip(&ids) {
        // Two sections may list one file of one owner: it is one row.
        if !told.insert(source_id) {
            continue;
        }
        let mut values = values(options, row)?;
        values.extend(table.primary_key().iter().map(|key| (key.clone(), id.clone())));
        values.extend(tenant.map(|tenant| (tenant.column.clone(), tenant.value.clone())));
        let values: Vec<Option<&str>> =
            columns.iter().map(|column| values.get(column).map(String::as_str)).collect();
        writer.row(&values, source_id)?;
    }
    refuse(options, name, named, &told, &mut writer);
    let hash = catalog::hash(options.catalog, std::slice::from_ref(name));
    writer.seal(options.main.manifest().of_origin(Origin::Files, hash))
}

/// Says in the snapshot which files are named and are in no row: their rows of before are none that are gone.
fn refuse(
    options: &Options<'_>,
    name: &TableName,
    named: &Named,
    told: &HashSet<&String>,
    writer: &mut Writer,
) {
    let sections = &options.clinic.files;
    let files = named.files.iter().filter(|(number, ..)| sections[*number].table == *name);
    let ids = files.map(|(number, path, owner)| source_id(&sections[*number], path, owner));
    let refused: BTreeSet<String> = ids.filter(|id| !told.contains(id)).collect();
    refused.into_iter().for_each(|id| writer.refuse(Some(id)));
    if named.unclear.iter().any(|number| sections[*number].table == *name) {
        writer.refuse(None);
    }
}

/// What a row tells, by column.
fn values(options: &Options<'_>, row: &Row) -> Result<BTreeMap<String, String>> {
    let section = &options.clinic.files[row.file.section];
    let mut values = section.values.clone();
    for column in FileColumn::ALL {
        let value = match column {
            FileColumn::Owner => Some(row.owner.clone()),
            FileColumn::Bucket => Some(options.buckets.of(row.shelf)?.name().to_owned()),
            FileColumn::ObjectKey => Some(row.key.clone()),
            FileColumn::ContentType => Some(row.seen.content_type.to_owned()),
            FileColumn::Size => Some(row.seen.bytes.to_string()),
            FileColumn::Sha256 => Some(row.seen.sha256.clone()),
            FileColumn::OriginalName => Some(row.file.name.clone()),
            FileColumn::Kind => row.file.kind.clone(),
        };
        if let Some((name, value)) = section.column(column).zip(value) {
            values.insert(name, value);
        }
    }
    Ok(values)
}

/// The same function as models' ids are made by.
fn ids(staging: &Staging, function: &str, source_ids: &[String]) -> Result<Vec<String>> {
    let mut ids = Vec::with_capacity(source_ids.len());
    for chunk in source_ids.chunks(AT_ONCE) {
        let list = chunk.iter().map(|id| literal(id)).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "select {function}('file', 'files', id)::varchar from (select unnest([{list}]) as id, \
             generate_subscripts([{list}], 1) as place) order by place"
        );
        ids.extend(staging.rows(&sql, |row| row.get::<_, String>(0))?);
    }
    Ok(ids)
}
