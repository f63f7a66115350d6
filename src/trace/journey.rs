//! One record through the tables of the staging file.

use std::sync::Arc;

use anyhow::Result;
use serde::Deserialize as _;

use super::find::{Carrier, carriers, spelled};
use super::{Correction, Decided, Fate, Journey, Options, Step};
use crate::dedupe::decisions::{Decision, Decisions};
use crate::model::ident::{literal, quoted};
use crate::sources::{self, Dialect, Frozen, SourceFile, packed};
use crate::staging::Staging;

/// Follows a record through every table that has it.
pub(super) fn of(options: &Options<'_>, id: i64) -> Result<Journey> {
    let staging = options.staging;
    let record = spelled(staging, id)?;
    let source = record.rsplitn(3, ':').last().unwrap_or_default().to_owned();
    let place = Place { source: &source, file: (id >> 36) & 16_383, row: id & 68_719_476_735 };
    let primary = options.clinic.sources.get(&source).and_then(|settings| settings.primary.as_ref());
    let (mut steps, mut others, mut entities) = (Vec::new(), Vec::new(), Vec::new());
    for carrier in carriers(staging)?.iter().filter(|one| one.schema != "raw" || one.table == source) {
        for (step, ids) in step(options, carrier, id)? {
            let decides = primary.is_none_or(|primary| primary.to_string() == carrier.table);
            if decides && ["golden", "ready"].contains(&carrier.schema.as_str()) {
                others.extend(ids.into_iter().filter(|other| *other != id));
            }
            if carrier.schema == "clean" && step.id.is_some() {
                entities.push((carrier.table.clone(), step.id.clone().unwrap_or_default()));
            }
            steps.push(step);
        }
    }
    others.sort_unstable();
    others.dedup();
    let mut decisions = Vec::new();
    for (entity, source_id) in &entities {
        decisions.extend(decided(options, entity, source_id)?);
    }
    Ok(Journey {
        file: place.path(staging)?,
        row: place.row.unsigned_abs(),
        line: place.line(options)?,
        source_id: entities.into_iter().next().map(|(_, source_id)| source_id),
        verdict: verdict(staging, id, &place)?,
        fates: fates(staging, id)?,
        merged_with: others.into_iter().map(|other| spelled(staging, other)).collect::<Result<_>>()?,
        target: Vec::new(),
        record,
        source,
        steps,
        decisions,
    })
}

/// The rows of a table that have the record, each with all its records.
fn step(options: &Options<'_>, carrier: &Carrier, id: i64) -> Result<Vec<(Step, Vec<i64>)>> {
    let name = ["golden_id", "source_id", "_source_id"].into_iter().find(|name| carrier.has(name));
    let name = name.map_or_else(|| "null::varchar".to_owned(), |name| format!("{}::varchar", quoted(name)));
    let repairs =
        if carrier.has("_repairs") { "list_sort(list_distinct(coalesce(_repairs, [])))" } else { "[]" };
    let cells: Vec<&String> = if options.show_values { carrier.cells().collect() } else { Vec::new() };
    let values: Vec<String> = cells.iter().map(|cell| format!("{}::varchar", quoted(cell))).collect();
    let rows = options.staging.rows(
        &format!(
            "select {name}, to_json({repairs})::varchar, to_json({ids})::varchar, to_json([{values}]::varchar[])::varchar \
             from {table} where {has}",
            ids = carrier.ids(),
            values = values.join(", "),
            table = carrier.quoted(),
            has = carrier.has_record(id),
        ),
        |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?)),
    )?;
    let read = |(name, repairs, ids, values): (Option<String>, String, String, String)| {
        let ids: Vec<i64> = serde_json::from_str(&ids)?;
        let values: Vec<Option<String>> = serde_json::from_str(&values)?;
        let values = cells.iter().map(|cell| (*cell).clone()).zip(values).collect();
        let step = Step {
            corrections: corrections(options.staging, carrier, name.as_deref())?,
            table: format!("{}.{}", carrier.schema, carrier.table),
            id: name,
            records: ids.len() as u64,
            repairs: serde_json::from_str(&repairs)?,
            values: options.show_values.then_some(values),
        };
        Ok((step, ids))
    };
    rows.into_iter().map(read).collect()
}

/// What was corrected of a row of `clean`.
fn corrections(staging: &Staging, carrier: &Carrier, source_id: Option<&str>) -> Result<Vec<Correction>> {
    let Some(source_id) = source_id.filter(|_| carrier.schema == "clean") else { return Ok(Vec::new()) };
    let sql = format!(
        "select column_name, line::ubigint, who, reason from meta.fix where entity = {} and source_id = {} order by line",
        literal(&carrier.table),
        literal(source_id)
    );
    staging.rows(&sql, |row| {
        Ok(Correction { column: row.get(0)?, line: row.get(1)?, who: row.get(2)?, reason: row.get(3)? })
    })
}

/// The lines of `meta.fate`; none before the first check.
fn fates(staging: &Staging, id: i64) -> Result<Vec<Fate>> {
    if !staging.has_table("meta", "fate")? {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select fate, table_name, target_id, detail from meta.fate where _id = {id} order by fate, table_name, target_id, detail"
    );
    staging.rows(&sql, |row| {
        Ok(Fate { fate: row.get(0)?, table: row.get(1)?, id: row.get(2)?, detail: row.get(3)? })
    })
}

/// Its one verdict; a record that could not be read is rejected.
fn verdict(staging: &Staging, id: i64, place: &Place<'_>) -> Result<Option<String>> {
    let verdicts = match staging.has_table("meta", "verdict")? {
        true => format!("select verdict from meta.verdict where _id = {id} union all "),
        false => String::new(),
    };
    let sql = format!("{verdicts}select 'rejected' from meta.load_error where {}", place.refused());
    Ok(staging.rows(&sql, |row| row.get(0))?.into_iter().next())
}

/// What people decided about a record, where the entity's duplicates are looked for.
fn decided(options: &Options<'_>, entity: &str, source_id: &str) -> Result<Vec<Decided>> {
    if !options.clinic.dedupe.contains_key(entity) {
        return Ok(Vec::new());
    }
    let decisions = Decisions::read(options.project, options.clinic, entity)?;
    let mut found = Vec::new();
    for decision in [Decision::MustLink, Decision::CannotLink] {
        let with = decisions.pairs(decision).filter_map(|(left, right)| match source_id {
            id if id == left => Some(right),
            id if id == right => Some(left),
            _ => None,
        });
        found.extend(with.map(|with| Decided {
            entity: entity.to_owned(),
            decision: decision.as_str().to_owned(),
            with: with.to_owned(),
        }));
    }
    Ok(found)
}

/// Where a record stands in its source.
struct Place<'a> {
    source: &'a str,
    file: i64,
    row: i64,
}

impl Place<'_> {
    fn path(&self, staging: &Staging) -> Result<String> {
        staging.value(&format!(
            "select coalesce((select path from meta.source_file where {}), '?')",
            self.of_file()
        ))
    }

    fn of_file(&self) -> String {
        format!("source = {} and file_number = {}", literal(self.source), self.file)
    }

    /// A condition on `meta.load_error`.
    fn refused(&self) -> String {
        format!("{} and record = {}", self.of_file(), self.row)
    }

    /// The physical line: noted for a record that could not be read, else found by reading the file again as it was read,
    /// as long as it is the same file.
    fn line(&self, options: &Options<'_>) -> Result<Option<u64>> {
        let noted = options.staging.rows(
            &format!(
                "select line::ubigint from meta.load_error where {} and line is not null",
                self.refused()
            ),
            |row| row.get(0),
        )?;
        if let Some(line) = noted.into_iter().next() {
            return Ok(Some(line));
        }
        let read = options.staging.rows(
            &format!(
                "select path, sha256, dialect::varchar, (select to_json(columns)::varchar from meta.source one \
                 where one.source = file.source) from meta.source_file file where {}",
                self.of_file()
            ),
            |row| Ok([row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?]),
        )?;
        let Some([path, sha256, dialect, columns]) = read.into_iter().next() else { return Ok(None) };
        let Some(config) = options.clinic.sources.get(self.source) else { return Ok(None) };
        let file = SourceFile { path: options.project.source_path(&options.clinic.name, &path), shown: path };
        // A file that cannot be read any more leaves the line unknown, which is no failure of the question.
        let Some(survey) = sources::survey(&file).ok().filter(|survey| survey.of_file().sha256 == sha256)
        else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let (file, survey) = match survey.is_packed() {
            true => {
                let unpacked = packed::unpack(&file, folder.path())?;
                let inside = sources::survey(&unpacked)?.inside(&survey);
                (unpacked, inside)
            }
            false => (file, survey),
        };
        if survey.is_database() {
            return Ok(None);
        }
        let dialect: serde_json::Value = serde_json::from_str(&dialect)?;
        let frozen = Frozen {
            source: self.source.to_owned(),
            dialect: Some(Dialect::deserialize(&dialect)?),
            columns: serde_json::from_str(&columns)?,
            several: false,
            // A place needs no columns, for which all documents would be looked through.
            fields: Some(Arc::default()),
        };
        sources::open(&file, &survey, config, &frozen)?.line_of(self.row.unsigned_abs())
    }
}
