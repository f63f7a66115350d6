//! Sources that no model of `target` reads: their records would stay behind without a word.

use std::collections::BTreeSet;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::graph::Graph;
use super::name::Name;
use super::problem::Problem;
use crate::config::Clinic;
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
}

/// The sources with records that no target reads, directly or through other models.
pub(super) fn find(graph: &Graph, clinic: &Clinic, staging: &Staging) -> Result<Vec<Unread>> {
    let read = read_by_targets(graph);
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
            unread.push(Unread { source: source.clone(), records, unused: settings.unused.clone() });
        }
    }
    Ok(unread)
}

fn read_by_targets(graph: &Graph) -> BTreeSet<&Name> {
    let targets = graph.nodes.keys().filter(|name| name.schema == "target");
    let models: BTreeSet<Name> = targets.flat_map(|name| graph.above(name)).collect();
    models.iter().filter_map(|name| graph.nodes.get(name)).flat_map(|node| &node.inputs).collect()
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
                    duckdb::params![rule, severity, source.source, source.records, source.unused],
                )
                .map_err(error::duckdb)?;
        }
        Ok(())
    })
}
