//! The golden ids of entities with duplicates: what push records once the rows are in the target. Not those that were
//! recorded before: a push records them, and the next target must get the same snapshot.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;

use super::Options;
use crate::dedupe::decisions::Decisions;
use crate::dedupe::pending;
use crate::model::ident::quoted;
use crate::model::manifest::GoldenEntry;
use crate::snapshot::{GoldenRow, Part};

/// Writes the file of every entity that has a section and was built.
pub(super) fn write(options: &Options<'_>, partial: &Path) -> Result<Vec<GoldenEntry>> {
    let mut entries = Vec::new();
    for (entity, settings) in &options.clinic.dedupe {
        if !options.staging.has_table("xref", entity)? {
            continue;
        }
        let write = |path: &Path| rows(options, entity, path);
        let (Part { file, sha256, bytes }, rows) = Part::write(partial, ("golden", entity), write)?;
        let pending = match options.staging.has_table("dedupe", entity)? {
            true => {
                let decisions = Decisions::read(options.project, options.clinic, entity)?;
                pending::count(options.staging, entity, settings, &decisions)?
            }
            false => 0,
        };
        entries.push(GoldenEntry { entity: entity.clone(), file, sha256, bytes, rows, pending });
    }
    Ok(entries)
}

/// One line a source record, in the order of their ids; returns how many.
fn rows(options: &Options<'_>, entity: &str, path: &Path) -> Result<u64> {
    let mut file = BufWriter::with_capacity(1 << 18, File::create(path)?);
    let mut write = |source_id: String, golden_id: String| -> Result<()> {
        serde_json::to_writer(&mut file, &GoldenRow { source_id, golden_id })?;
        Ok(file.write_all(b"\n")?)
    };
    let sql = format!(
        "select source_id::varchar, golden_id::varchar from xref.{} \
         where source_id is not null and golden_id is not null order by 1, 2",
        quoted(entity)
    );
    // Each is written as it is read, so that nothing of them is kept.
    let written = options.staging.rows(&sql, |row| Ok(write(row.get(0)?, row.get(1)?)))?;
    let rows = u64::try_from(written.len())?;
    written.into_iter().collect::<Result<()>>()?;
    file.flush()?;
    Ok(rows)
}
