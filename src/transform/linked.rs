//! The tables of entities whose duplicates are looked for, as nodes of the graph: `dedupe.<entity>` (pairs),
//! `xref.<entity>` (clusters) and `golden.<entity>` (survivors).

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Options;
use super::graph::{Graph, Kind, Linked, Node};
use super::macros::Macros;
use super::name::Name;
use super::problem::Problem;
use super::workbench::Workbench;
use crate::config::{Clinic, Dedupe, Header, Project, SqlFile, near};
use crate::dedupe::decisions::Decisions;
use crate::dedupe::{self, GoldenIds, cluster, pairs, survivor};
use crate::error::Failure;
use crate::model::hex;
use crate::model::ident::literal;
use crate::staging::Staging;

/// What the files in `fixes/` say about an entity's records.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fixes {
    decisions: Decisions,
    recorded: GoldenIds,
}

/// Adds the nodes of every `[dedupe.<entity>]`; a table that a model file makes stays that model's.
pub(super) fn add_nodes(
    graph: &mut Graph,
    project: &Project,
    clinic: &Clinic,
    staging: &Staging,
    workbench: &Workbench,
    macros: &Macros,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    for (entity, settings) in &clinic.dedupe {
        let file = |table: &Name| SqlFile {
            name: entity.clone(),
            path: format!("[dedupe.{entity}]"),
            text: table.to_string(),
            header: Header::default(),
        };
        let clean = Name::new("clean", entity);
        if !graph.nodes.contains_key(&clean) {
            if !graph.leaves.contains_key(&clean) {
                let models: Vec<String> = graph
                    .nodes
                    .keys()
                    .filter(|name| name.schema == "clean")
                    .map(|name| name.table.clone())
                    .collect();
                let message = t!("dedupe.no_model", entity = entity, near = near(entity, &models));
                problems.push(Problem::at(&file(&clean), None, message));
            }
            continue;
        }
        problems.extend(
            unknown_source(clinic, staging, settings)?.map(|failure| problem_of(&file(&clean), failure)),
        );
        let wrong = faults(workbench, macros, entity, settings)?;
        let bare = (!wrong.is_empty()).then(|| dedupe::bare(settings));
        problems.extend(wrong.into_iter().map(|failure| problem_of(&file(&clean), failure)));
        let fixes = Arc::new(Fixes {
            decisions: Decisions::read(project, clinic, entity)?,
            recorded: GoldenIds::read(project, &clinic.name, entity)?,
        });
        let tables =
            [("dedupe", Linked::Pairs), ("xref", Linked::Clusters(fixes)), ("golden", Linked::Survivors)];
        for (schema, table) in tables {
            let name = Name::new(schema, entity);
            if graph.nodes.contains_key(&name) || graph.leaves.contains_key(&name) {
                continue;
            }
            let file = file(&name);
            let reads = table.reads(entity, bare.as_ref().unwrap_or(settings));
            let query = match workbench.parse(&reads)? {
                Ok(query) => query,
                Err(fault) => {
                    problems.push(Problem::at(&file, None, fault.message));
                    continue;
                }
            };
            let node = Node {
                macros: macros.closure(&query.uses),
                tree: table.fingerprint(project, clinic, staging, entity, settings)?,
                kind: Kind::Linked(table),
                inputs: query.uses.tables.iter().map(super::tree::TableUse::name).collect(),
                query: Some(query),
                name: name.clone(),
                sql: String::new(),
                file,
            };
            graph.nodes.insert(name, node);
        }
    }
    Ok(())
}

/// A trusted source that is neither in clinic.toml nor loaded.
fn unknown_source(clinic: &Clinic, staging: &Staging, settings: &Dedupe) -> Result<Option<Failure>> {
    let mut known: Vec<String> = staging.rows("select source from meta.source", |row| row.get(0))?;
    known.extend(clinic.sources.keys().cloned());
    known.sort();
    known.dedup();
    let unknown = settings.own_survivor.sources.iter().find(|name| !known.contains(name));
    Ok(unknown.map(|name| {
        let near = near(name, &known);
        Failure::failed(t!("dedupe.survivor_source", source = name, near = near))
            .hint(t!("dedupe.survivor_sources_hint", sources = known.join(", ")))
    }))
}

/// What is wrong with the expressions of the settings, each parsed by itself.
fn faults(workbench: &Workbench, macros: &Macros, entity: &str, settings: &Dedupe) -> Result<Vec<Failure>> {
    let mut wrong = Vec::new();
    for expression in dedupe::expressions(settings) {
        let found = match workbench.parse(&format!("select ({}\n)", expression.sql))? {
            Ok(query) => workbench.faults(&query.uses, &|name| macros.contains(name)),
            Err(fault) => vec![fault],
        };
        wrong.extend(found.iter().map(|fault| expression.wrong(entity, settings, &fault.message)));
    }
    Ok(wrong)
}

impl Linked {
    /// A query of the tables that it reads and of the expressions that the settings bring along.
    fn reads(&self, entity: &str, settings: &Dedupe) -> String {
        let quoted = |schema: &str| Name::new(schema, entity).quoted();
        match self {
            Linked::Pairs => {
                let expressions: String =
                    dedupe::expressions(settings).map(|one| format!(",\n({})", one.sql)).collect();
                format!("select 1{expressions} from {} cross join meta.clinic", quoted("clean"))
            }
            // The definite noes are expressions over roles, which may call macros.
            Linked::Clusters(_) => {
                let expressions: Vec<String> =
                    settings.exact.values().map(|exact| format!(", ({})", exact.valid)).collect();
                format!(
                    "select ulid_for('a', 'b', 1){} from {} cross join {} cross join meta.clinic",
                    expressions.concat(),
                    quoted("dedupe"),
                    quoted("clean")
                )
            }
            Linked::Survivors => format!("select 1 from {} cross join {}", quoted("clean"), quoted("xref")),
        }
    }

    /// A hash over the settings and files that its content depends on.
    fn fingerprint(
        &self,
        project: &Project,
        clinic: &Clinic,
        staging: &Staging,
        entity: &str,
        settings: &Dedupe,
    ) -> Result<String> {
        let text = match self {
            Linked::Pairs => {
                let mut settings = settings.clone();
                (settings.accept, settings.review, settings.max_pending) = (0.0, 0.0, 0);
                settings.survivor = crate::config::Survivor::default();
                let pinned = dedupe::model::pinned_path(project, clinic, entity);
                let pinned = std::fs::read_to_string(pinned).unwrap_or_default();
                format!("{} {pinned}", serde_json::to_string(&settings)?)
            }
            Linked::Clusters(fixes) => format!(
                "{} {} {:?} {:?}",
                settings.accept,
                serde_json::to_string(&(
                    &settings.never,
                    &settings.exact,
                    &settings.columns,
                    &settings.roles
                ))?,
                fixes.decisions.decided(),
                news(staging, entity, fixes.recorded())?,
            ),
            Linked::Survivors => serde_json::to_string(&settings.survivor)?,
        };
        Ok(hex(Sha256::digest(format!("{} {text}", dedupe::REVISION))))
    }

    /// Compares the records, where that is what the table holds, into temporary tables. Not within a transaction: DuckDB
    /// reads what that wrote on one core.
    pub(super) fn find(
        &self,
        project: &Project,
        clinic: &Clinic,
        staging: &Staging,
        entity: &str,
    ) -> Result<Option<pairs::Found>> {
        match clinic.dedupe.get(entity).filter(|_| *self == Linked::Pairs) {
            Some(settings) => pairs::find(project, clinic, staging, entity, settings).map(Some),
            None => Ok(None),
        }
    }

    /// Makes the table, once [`Linked::find`] has found what it holds, over whatever rows its inputs have: an empty one
    /// binds the expressions of the settings.
    pub(super) fn build(&self, clinic: &Clinic, staging: &Staging, entity: &str) -> Result<()> {
        let Some(settings) = clinic.dedupe.get(entity) else { return Ok(()) };
        match self {
            Linked::Pairs => pairs::keep(staging, entity),
            Linked::Clusters(fixes) => {
                let (decisions, recorded) = (fixes.decisions.decided(), fixes.recorded());
                cluster::build(clinic, staging, entity, settings, &decisions, &recorded).map(drop)
            }
            Linked::Survivors => survivor::build(staging, entity, settings),
        }
    }
}

/// What linking the records of an entity came to.
#[derive(Debug, Clone, Serialize)]
pub struct LinkReport {
    pub entity: String,
    pub records: u64,
    /// Records that are one with another count once.
    pub golden: u64,
    /// Pairs that wait for a person's decision.
    pub waiting: u64,
    /// Records that have no source_id, with which nothing is compared.
    pub without_source_id: u64,
    /// Decisions about records that are not there.
    pub gone: u64,
    /// Pairs that people said are the same, and that another decision holds apart.
    pub overruled: u64,
    /// Whether the weights settled; none where they are pinned or not fitted.
    pub converged: Option<bool>,
}

/// Reports on every entity whose records are linked.
pub(super) fn reports(options: &Options<'_>, graph: &Graph) -> Result<Vec<LinkReport>> {
    let Options { project, clinic, staging, .. } = *options;
    let linked =
        clinic.dedupe.iter().filter(|(entity, _)| staging.has_table("dedupe", entity).unwrap_or(false));
    let report = |(entity, settings): (&String, &Dedupe)| {
        let node = graph.nodes.get(&Name::new("xref", entity));
        let decisions = match node.map(|node| &node.kind) {
            Some(Kind::Linked(Linked::Clusters(fixes))) => &fixes.decisions,
            // A model file makes it.
            _ => &Decisions::read(project, clinic, entity)?,
        };
        let xref = Name::new("xref", entity).quoted();
        Ok(LinkReport {
            entity: entity.clone(),
            records: staging.value(&format!("select count(*) from {xref}"))?,
            golden: staging.value(&format!("select count(distinct golden_id) from {xref}"))?,
            without_source_id: dedupe::without_source_id(staging, entity)?,
            gone: decisions.gone(staging, entity)?,
            overruled: overruled(staging, entity, decisions)?,
            waiting: dedupe::pending::count(staging, entity, settings, decisions)?,
            converged: dedupe::Model::fitted(project, clinic, entity)?.map(|model| model.converged),
        })
    };
    linked.map(report).collect()
}

/// How many pairs that people said are the same have not one golden id.
fn overruled(staging: &Staging, entity: &str, decisions: &Decisions) -> Result<u64> {
    decisions.stage(staging)?;
    let xref = Name::new("xref", entity).quoted();
    staging.value(&format!(
        "select count(*) from temp.decision as said join {xref} as l on l.source_id = said.left_id \
         join {xref} as r on r.source_id = said.right_id where said.must and l.golden_id <> r.golden_id"
    ))
}

/// A failure to build such a table, as a problem of its section.
pub(super) fn problem(node: &Node, error: &anyhow::Error) -> Problem {
    problem_of(&node.file, Failure::from_anyhow(error))
}

fn problem_of(section: &SqlFile, failure: Failure) -> Problem {
    let text: Vec<String> = std::iter::once(failure.message).chain(failure.hints).collect();
    Problem::at(section, None, text.join("\n  → "))
}

/// The recorded ids that `xref` does not have already: a push that only wrote down what it was given changes nothing. Where
/// there is no `xref` yet it is made with all of them, so that none is news to it.
fn news(staging: &Staging, entity: &str, recorded: Vec<(String, String)>) -> Result<Vec<(String, String)>> {
    if recorded.is_empty() || !staging.has_table("xref", entity)? {
        return Ok(Vec::new());
    }
    let columns: u64 = staging.value(&format!(
        "select count(*) from duckdb_columns() where schema_name = 'xref' and table_name = {} and column_name in ('source_id', 'golden_id')",
        literal(entity)
    ))?;
    if columns < 2 {
        return Ok(recorded);
    }
    let known: HashSet<(String, String)> = staging
        .rows(&format!("select source_id, golden_id from {}", Name::new("xref", entity).quoted()), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .into_iter()
        .collect();
    Ok(recorded.into_iter().filter(|row| !known.contains(row)).collect())
}

impl Fixes {
    /// Source and golden ids of earlier pushes, the earliest first.
    fn recorded(&self) -> Vec<(String, String)> {
        let rows = self.recorded.rows();
        rows.map(|(source_id, golden_id)| (source_id.to_owned(), golden_id.to_owned())).collect()
    }
}
