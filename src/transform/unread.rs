//! Sources that no model of `target` reads: their records would stay behind without a word.

use std::collections::BTreeSet;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::Options;
use super::graph::Graph;
use super::name::Name;
use super::problem::Problem;
use super::tree::TableUse;
use super::workbench::Workbench;
use crate::config::{Clinic, Files, Orphans, Project, sql_files};
use crate::error;
use crate::model::ident::literal;
use crate::staging::Staging;

/// A source with records of which none can arrive.
#[derive(Debug, Clone, Serialize)]
pub struct Unread {
    pub source: String,
    pub records: u64,
    /// Why that is meant, as clinic.toml says; none where it says nothing.
    pub unused: Option<String>,
    /// Models that read it all the same, and that no target reads.
    pub readers: Vec<String>,
}

impl Unread {
    /// Why it is meant, or what reads it for nothing.
    fn detail(&self) -> Option<String> {
        self.unused.clone().or_else(|| (!self.readers.is_empty()).then(|| self.readers.join(", ")))
    }
}

/// What the ghosts of the target's tables are made of, where any table has some, and what lists files that go up later.
pub(super) fn read_elsewhere(
    project: &Project,
    clinic: &Clinic,
    workbench: &Workbench,
) -> Result<BTreeSet<Name>> {
    let lists = clinic.files.iter().filter_map(Files::listed);
    let mut names: BTreeSet<Name> = lists.map(|(schema, name)| Name::new(schema, name)).collect();
    if clinic.tables.values().any(|table| table.orphans == Orphans::Ghost) {
        for file in sql_files(project, clinic, "ghosts")? {
            // A file that is no SELECT is told by check, which runs it.
            if let Ok(query) = workbench.parse(file.query())? {
                names.extend(query.uses.tables.iter().map(TableUse::name));
            }
        }
    }
    Ok(names)
}

/// The sources with records that neither a target reads, directly or through other models, nor the ghosts or a list of files.
pub(super) fn find(graph: &Graph, ghosts: &BTreeSet<Name>, options: &Options<'_>) -> Result<Vec<Unread>> {
    let (clinic, staging) = (options.clinic, options.staging);
    let read = arriving(graph, ghosts);
    let mut unread = Vec::new();
    for (source, settings) in &clinic.sources {
        if read.contains(&Name::new("raw", source)) {
            continue;
        }
        let records = staging.value(&format!(
            "select coalesce(sum(counted), 0)::ubigint from meta.source_file where source = {}",
            literal(source)
        ))?;
        if records > 0 {
            let readers =
                graph.readers(&Name::new("raw", source)).into_iter().map(ToString::to_string).collect();
            unread.push(Unread { source: source.clone(), records, unused: settings.unused.clone(), readers });
        }
    }
    Ok(unread)
}

fn arriving<'g>(graph: &'g Graph, ghosts: &'g BTreeSet<Name>) -> BTreeSet<&'g Name> {
    let targets = graph.nodes.keys().filter(|name| name.schema == "target");
    let models: BTreeSet<Name> = targets.chain(ghosts).flat_map(|name| graph.above(name)).collect();
    let inputs = models.iter().filter_map(|name| graph.nodes.get(name)).flat_map(|node| &node.inputs);
    inputs.chain(ghosts).collect()
}

/// Sources that clinic.toml calls unused and that a model reads all the same, each at the place where it does.
pub(super) fn contradictions(graph: &Graph, clinic: &Clinic) -> Vec<Problem> {
    let unused = clinic.sources.iter().filter(|(_, settings)| settings.unused.is_some());
    let problems = unused.filter_map(|(source, _)| {
        let name = Name::new("raw", source);
        let reader = graph.nodes.get(*graph.readers(&name).first()?)?;
        let tables = reader.query.iter().flat_map(|query| &query.uses.tables);
        let offset = tables.filter(|table| table.name() == name).find_map(|table| table.offset);
        Some(Problem::at(&reader.file, offset, t!("transform.unused_is_read", source = source)))
    });
    problems.collect()
}

/// Writes them as findings: a warning, or what clinic.toml says about it.
pub(super) fn record(staging: &Staging, unread: &[Unread]) -> Result<()> {
    staging.transaction(|| {
        staging.execute(
            "delete from meta.finding where stage = 'transform' and rule in ('unread_source', 'unused_source')",
        )?;
        for source in unread {
            let (rule, severity) = match source.unused {
                Some(_) => ("unused_source", "info"),
                None => ("unread_source", "warning"),
            };
            staging
                .connection()
                .execute(
                    "insert into meta.finding values ('transform', ?, ?, ?, null, ?, ?)",
                    duckdb::params![rule, severity, source.source, source.records, source.detail()],
                )
                .map_err(error::duckdb)?;
        }
        Ok(())
    })
}
