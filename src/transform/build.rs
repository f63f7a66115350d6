//! Builds models, each in a transaction of its own: a model that fails leaves its table as it was.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Options;
use super::culprit::{self, Refused};
use super::graph::{Graph, Kind, Node};
use super::macros::{Macro, Macros};
use super::name::Name;
use super::plan::{Built, Plan, Reason, Shape, Step};
use crate::error::{self, Failure, interrupt};
use crate::model::hex;
use crate::model::ident::{literal, quoted};
use crate::model::run::{Event, Observer, Stage};
use crate::staging::Staging;

/// One model that was built.
#[derive(Debug, Clone, Serialize)]
pub struct ModelReport {
    pub name: String,
    pub rows: u64,
    pub version: i64,
    pub reasons: Vec<Reason>,
    pub milliseconds: u64,
}

/// The last build of every model.
pub(super) fn last_builds(staging: &Staging) -> Result<BTreeMap<Name, Built>> {
    let shapes = shapes(staging)?;
    let rows = staging.rows(
        "select model, version, fingerprint, parts::varchar from meta.model_version
         qualify row_number() over (partition by model order by version desc) = 1",
        |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
            ))
        },
    )?;
    let mut builds = BTreeMap::new();
    for (model, version, fingerprint, parts) in rows {
        let Some(name) = Name::parse(&model) else { continue };
        let shape = shapes.get(&name).copied();
        builds.insert(name, Built { version, fingerprint, parts: serde_json::from_str(&parts)?, shape });
    }
    Ok(builds)
}

/// The tables and views of the staging file.
fn shapes(staging: &Staging) -> Result<BTreeMap<Name, Shape>> {
    let rows = staging.rows(
        "select schema_name, table_name, false from duckdb_tables() where not internal
         union all select schema_name, view_name, true from duckdb_views() where not internal",
        |row| {
            let shape = if row.get(2)? { Shape::View } else { Shape::Table };
            Ok((Name::new(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?), shape))
        },
    )?;
    Ok(rows.into_iter().collect())
}

/// Hash over the fingerprints of everything that is built.
pub(super) fn output(staging: &Staging) -> Result<String> {
    let mut hash = Sha256::new();
    for (name, last) in last_builds(staging)?.iter().filter(|(_, last)| last.shape.is_some()) {
        hash.update(format!("{name} {}\n", last.fingerprint));
    }
    Ok(hex(hash.finalize()))
}

/// Builds what the plan says, in its order, and drops what it says.
///
/// # Errors
/// The first model that fails, with its file, line and caret; those before it stay built.
pub(super) fn apply(
    options: &Options<'_>,
    graph: &Graph,
    macros: &Macros,
    plan: &Plan,
    observer: &dyn Observer,
) -> Result<Vec<ModelReport>> {
    let staging = options.staging;
    let total = plan.builds().count();
    let mut reports = Vec::with_capacity(total);
    let mut stored = Stored::read(staging)?;
    let shapes = shapes(staging)?;
    for step in plan.builds() {
        interrupt::check()?;
        let Some(node) = graph.nodes.get(&step.name) else { continue };
        let subject = step.model.as_str();
        observer.event(&Event::Started { stage: Stage::Transform, subject, total: None });
        let called = macros.in_order(&node.macros);
        let report = called
            .into_iter()
            .try_for_each(|found| stored.create(staging, found))
            .and_then(|()| build(options, graph, macros, node, step, shapes.get(&step.name).copied()))
            .map_err(|error| stopped(options, &error, (reports.len(), total), step))?;
        observer.event(&Event::Finished { stage: Stage::Transform, subject, rows: report.rows });
        reports.push(report);
    }
    drop_gone(staging, plan, &shapes)?;
    let is_there =
        |name: &Name| Ok(graph.leaves.contains_key(name) || staging.has_table(&name.schema, &name.table)?);
    stored.settle(staging, macros, &is_there)?;
    Ok(reports)
}

/// Adds to a failure how far the run came, and how it goes on.
fn stopped(
    options: &Options<'_>,
    error: &anyhow::Error,
    (done, total): (usize, usize),
    step: &Step,
) -> anyhow::Error {
    let mut failure = Failure::from_anyhow(error);
    failure.message = format!(
        "{}\n{}",
        failure.message,
        t!("transform.stopped", done = done, total = total, model = step.model)
    );
    let (model, clinic) = (&step.model, &options.clinic.name);
    match failure.kind {
        error::Kind::Failed => {
            failure.hint(t!("transform.stopped_hint", model = model, clinic = clinic)).into()
        }
        _ => failure.into(),
    }
}

/// The macros of the staging file. Each carries a hash of its text as a comment, so that an unchanged one is left alone.
struct Stored {
    /// Hash and whether it is a table macro, by name.
    macros: BTreeMap<String, (String, bool)>,
}

impl Stored {
    fn read(staging: &Staging) -> Result<Self> {
        let rows = staging.rows(
            "select distinct lower(function_name), coalesce(comment, ''), function_type = 'table_macro'
             from duckdb_functions() where function_type in ('macro', 'table_macro') and not internal",
            |row| Ok((row.get::<_, String>(0)?, (row.get::<_, String>(1)?, row.get::<_, bool>(2)?))),
        )?;
        Ok(Self { macros: rows.into_iter().collect() })
    }

    /// Creates a macro unless the very same one is there.
    fn create(&mut self, staging: &Staging, wanted: &Macro) -> Result<()> {
        let stored = self.macros.get(&wanted.name);
        let hash = wanted.placed_hash();
        if stored.is_some_and(|(known, _)| *known == hash) {
            return Ok(());
        }
        if let Some((_, table)) = stored.filter(|(_, table)| *table != wanted.table) {
            drop_macro(staging, &wanted.name, *table)?;
        }
        let (name, kind, comment) = (quoted(&wanted.name), macro_kind(wanted.table), literal(&hash));
        staging.execute(&format!("{};\ncomment on {kind} {name} is {comment}", wanted.placed()))?;
        self.macros.insert(wanted.name.clone(), (hash, wanted.table));
        Ok(())
    }

    /// Creates the macros that no model called, for whoever opens the file (those over tables that are not there
    /// wait), and drops those whose file is gone.
    fn settle(
        &mut self,
        staging: &Staging,
        macros: &Macros,
        is_there: &dyn Fn(&Name) -> Result<bool>,
    ) -> Result<()> {
        for found in macros.in_order(macros.names()) {
            if all_there(macros, found, is_there)? {
                self.create(staging, found)?;
            }
        }
        for (name, (hash, table)) in &self.macros {
            if !macros.contains(name) && hash.len() == 64 {
                drop_macro(staging, name, *table)?;
            }
        }
        Ok(())
    }
}

fn macro_kind(table: bool) -> &'static str {
    if table { "macro table" } else { "macro" }
}

fn drop_macro(staging: &Staging, name: &str, table: bool) -> Result<()> {
    staging.execute(&format!("drop {} {}", macro_kind(table), quoted(name)))
}

/// Whether every table that a macro reads, directly or through others, is there.
fn all_there(macros: &Macros, found: &Macro, is_there: &dyn Fn(&Name) -> Result<bool>) -> Result<bool> {
    for name in macros.tables(found) {
        if !is_there(&name)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Creates the macros where none are yet.
pub(super) fn first_macros(staging: &Staging, macros: &Macros) -> Result<()> {
    staging.transaction(|| {
        let is_there = |name: &Name| staging.has_table(&name.schema, &name.table);
        Stored::read(staging)?.settle(staging, macros, &is_there)
    })
}

/// Whether the staging file has macros.
pub(super) fn has_macros(staging: &Staging) -> Result<bool> {
    Ok(!Stored::read(staging)?.macros.is_empty())
}

fn build(
    options: &Options<'_>,
    graph: &Graph,
    macros: &Macros,
    node: &Node,
    step: &Step,
    before: Option<Shape>,
) -> Result<ModelReport> {
    let staging = options.staging;
    let started = Instant::now();
    let mut rows: i64 = 0;
    let found = match &node.kind {
        Kind::Linked(table) => table.find(options.project, options.clinic, staging, &node.name.table)?,
        _ => None,
    };
    staging.transaction(|| {
        replace(options, macros, node, before)?;
        if let Some(fixes) = graph.fixes.get(&node.name) {
            fixes.apply(staging, &node.name)?;
        }
        rows = staging.value(&format!("select count(*) from {}", node.name.quoted()))?;
        let milliseconds = i64::try_from(started.elapsed().as_millis())?;
        let sql = if node.sql.is_empty() { &node.file.path } else { &node.file.text };
        let parts = serde_json::to_string(&step.parts)?;
        let record = "insert into meta.model_version (model, version, fingerprint, sql, parts, rows, milliseconds, built_at)
                      values (?, ?, ?, ?, ?, ?, ?, now())";
        staging
            .connection()
            .execute(record, duckdb::params![step.model, step.version, step.parts.fingerprint(), sql, parts, rows, milliseconds])
            .map(drop)
            .map_err(error::duckdb)
    })
    .map_err(|error| match error.downcast::<Refused>() {
        Ok(refused) => culprit::failure(staging, node, refused).into(),
        Err(error) => error,
    })?;
    if let Some(found) = found {
        found.write(options.project, options.clinic)?;
    }
    Ok(ModelReport {
        name: step.model.clone(),
        rows: u64::try_from(rows)?,
        version: step.version,
        reasons: step.reasons.clone(),
        milliseconds: u64::try_from(started.elapsed().as_millis())?,
    })
}

/// Makes the table (or view) anew in the open transaction: until it ends, everyone sees the old one.
fn replace(options: &Options<'_>, macros: &Macros, node: &Node, before: Option<Shape>) -> Result<()> {
    let staging = options.staging;
    if let Some(before) = before.filter(|before| *before != node.shape()) {
        drop_shape(staging, &node.name, before)?;
    }
    let name = node.name.quoted();
    if let Kind::Linked(table) = &node.kind {
        return table.build(options.clinic, staging, &node.name.table);
    }
    if let Kind::Map { rows } = &node.kind {
        staging.execute(&format!(
            "create or replace table {name} (source_value varchar not null, target_value varchar)"
        ))?;
        let mut insert = staging
            .connection()
            .prepare(&format!("insert into {name} values (?, ?)"))
            .map_err(error::duckdb)?;
        for (source, target) in rows {
            insert.execute(duckdb::params![source, target]).map_err(error::duckdb)?;
        }
        return Ok(());
    }
    let what = node.shape().as_str();
    let sql = macros.below(&format!("create or replace {what} {name} as\n{}", node.sql));
    staging.connection().execute_batch(&sql).map_err(|error| refusal(node, macros, error))
}

/// A failure of a model with its place; the message holds no value.
fn refusal(node: &Node, macros: &Macros, error: duckdb::Error) -> anyhow::Error {
    let whole = error.to_string();
    let safe = error::duckdb(error).to_string();
    if whole.contains("INTERRUPT Error") {
        return anyhow::anyhow!(safe);
    }
    let problem = macros.problem_of_model(node, &whole).with_message(&safe);
    Refused { whole, problem }.into()
}

fn drop_shape(staging: &Staging, name: &Name, shape: Shape) -> Result<()> {
    staging.execute(&format!("drop {} {}", shape.as_str(), name.quoted()))
}

/// Drops the tables whose models are gone, all or none.
fn drop_gone(staging: &Staging, plan: &Plan, shapes: &BTreeMap<Name, Shape>) -> Result<()> {
    let gone = plan.dropped.iter().filter_map(|name| Name::parse(name));
    let gone: Vec<(Name, Shape)> =
        gone.filter_map(|name| shapes.get(&name).map(|shape| (name, *shape))).collect();
    if gone.is_empty() {
        return Ok(());
    }
    staging.transaction(|| gone.iter().try_for_each(|(name, shape)| drop_shape(staging, name, *shape)))
}
