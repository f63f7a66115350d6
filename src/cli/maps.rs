use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;

use super::context::Context;
use super::output::{self, Page, Table};
use crate::error::Failure;
use crate::model::ident::ClinicName;
use crate::staging::{Access, Staging};
use crate::transform::maps;

/// List the values that no map translates, or add them to the maps to be filled in
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// Only this map
    #[arg(long, value_name = "MAP")]
    map: Option<String>,
    /// Add the values to clinics/<clinic>/maps/<map>.csv, with nothing in target_value
    #[arg(long)]
    export: bool,
}

const EXAMPLES: &str = "Examples:
  trasvase maps acme
  trasvase maps acme --map payment_method --export";

/// A value that a map does not translate.
#[derive(Debug, Serialize)]
struct Unmapped {
    map: String,
    source_value: Option<String>,
    models: String,
    rows: u64,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let (project, clinic) = context.clinic(self.clinic.as_ref())?;
        let staging = Staging::open(&project, &clinic, Access::ReadOnly, &context.limits())?;
        if let Some(map) = &self.map {
            maps::known(&staging, map)?;
        }
        let mut values = unmapped(&staging)?;
        values.retain(|value| self.map.as_ref().is_none_or(|map| *map == value.map));
        if self.export {
            let added = export(&project.clinic_dir(&clinic.name).join("maps"), &values)?;
            return output::show(context.format(), &added, |added| {
                if added.is_empty() {
                    return Page::new().line(t!("cli.maps.none"));
                }
                let page = Page::new();
                let page = added.iter().fold(page, |page, (path, count)| {
                    page.line(t!("cli.maps.added", count = count, path = path))
                });
                page.line(format!("  → trasvase transform {}", clinic.name))
            });
        }
        output::show(context.format(), values.as_slice(), |values| page(values, &clinic.name))
    }
}

fn unmapped(staging: &Staging) -> Result<Vec<Unmapped>> {
    staging.rows(
        "select map, source_value, string_agg(distinct model, ' ' order by model), sum(count)::ubigint
         from meta.unmapped group by map, source_value order by map, 4 desc, source_value",
        |row| {
            Ok(Unmapped {
                map: row.get(0)?,
                source_value: row.get(1)?,
                models: row.get(2)?,
                rows: row.get(3)?,
            })
        },
    )
}

fn page(values: &[Unmapped], clinic: &ClinicName) -> Page {
    if values.is_empty() {
        return Page::new().line(t!("cli.maps.none"));
    }
    let mut table =
        Table::new([t!("cli.maps.map"), t!("cli.maps.value"), t!("cli.rows"), t!("cli.maps.models")])
            .right(&[2]);
    for value in values {
        table.row([
            value.map.clone(),
            value.source_value.clone().unwrap_or_else(|| "∅".to_owned()),
            output::count(value.rows),
            value.models.clone(),
        ]);
    }
    Page::new().table(table).line(format!("  → trasvase maps {clinic} --export"))
}

/// Adds each value that its file does not hold yet. Gives what was added, by file.
fn export(folder: &Path, values: &[Unmapped]) -> Result<BTreeMap<String, usize>> {
    let mut by_map: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for value in values {
        if let Some(text) = &value.source_value {
            by_map.entry(&value.map).or_default().push(text);
        }
    }
    std::fs::create_dir_all(folder).with_context(|| t!("staging.cannot_write", path = folder.display()))?;
    let mut added = BTreeMap::new();
    for (map, values) in by_map {
        let path = folder.join(format!("{map}.csv"));
        let count = add(&path, &values)?;
        added.insert(path.display().to_string(), count);
    }
    Ok(added)
}

/// Appends rows in the file's own shape: its delimiter, its columns in their order.
fn add(path: &Path, values: &[&str]) -> Result<usize> {
    let mut text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            "source_value,target_value,who,when\n".to_owned()
        }
        Err(error) => return Err(error).with_context(|| t!("config.cannot_read", path = path.display())),
    };
    let header = text.lines().next().unwrap_or_default().trim_start_matches('\u{feff}').to_owned();
    let delimiter = if header.contains(';') && !header.contains(',') { ';' } else { ',' };
    let columns: Vec<&str> = header.split(delimiter).map(|name| name.trim().trim_matches('"')).collect();
    let place = columns
        .iter()
        .position(|name| *name == "source_value")
        .ok_or_else(|| Failure::failed(t!("cli.maps.no_column", path = path.display())))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let mut count = 0;
    for value in values {
        let field = quoted(value, delimiter);
        let mut line = String::new();
        for column in 0..columns.len() {
            let separator = if column == 0 { String::new() } else { delimiter.to_string() };
            let cell = if column == place { field.as_str() } else { "" };
            let _ = write!(line, "{separator}{cell}");
        }
        let starts = format!("{field}{delimiter}");
        let held = place == 0 && text.lines().any(|known| known.starts_with(&starts) || known == field);
        if !held {
            text.push_str(&line);
            text.push('\n');
            count += 1;
        }
    }
    let partial = path.with_extension("csv.partial");
    std::fs::write(&partial, text)
        .and_then(|()| std::fs::rename(&partial, path))
        .with_context(|| t!("staging.cannot_write", path = path.display()))?;
    Ok(count)
}

fn quoted(value: &str, delimiter: char) -> String {
    let plain = !value.contains([delimiter, '"', '\n', '\r']) && value.trim() == value;
    if plain { value.to_owned() } else { format!("\"{}\"", value.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(map: &str, text: &str) -> Unmapped {
        Unmapped { map: map.to_owned(), source_value: Some(text.to_owned()), models: String::new(), rows: 1 }
    }

    #[test]
    fn values_are_added_once_and_in_the_files_own_shape() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("species.csv");
        std::fs::write(&path, "source_value;target_value\nperro;DOG").unwrap();
        let values = [value("species", "perro"), value("species", "gato; gata"), value("method", "a \"b\"")];
        export(folder.path(), &values).unwrap();
        export(folder.path(), &values).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("species.csv"), "source_value;target_value\nperro;DOG\n\"gato; gata\";\n");
        assert_eq!(read("method.csv"), "source_value,target_value,who,when\n\"a \"\"b\"\"\",,,\n");
    }
}
