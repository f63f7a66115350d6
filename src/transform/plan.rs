//! What would be built and why: a pure comparison of the files with what was built last.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use rust_i18n::t;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::graph::{Graph, Kind, Node};
use super::macros::Macros;
use super::name::Name;
use crate::config::near;
use crate::error::Failure;
use crate::model::hex;

/// What would be done, in order.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plan {
    /// Every selected model, inputs first.
    pub steps: Vec<Step>,
    /// Tables whose model is gone.
    pub dropped: Vec<String>,
}

impl Plan {
    /// The models that would be built.
    pub fn builds(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| !step.reasons.is_empty())
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.builds().next().is_none() && self.dropped.is_empty()
    }
}

/// One model.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// As `clean.patient` or `target."lml_users.main"`.
    pub model: String,
    /// Its file, or the table's own name where the engine makes it.
    pub path: String,
    /// Why it would be built; empty where it is up to date.
    pub reasons: Vec<Reason>,
    /// The version that it would get, or has.
    pub version: i64,
    #[serde(skip)]
    pub(super) name: Name,
    #[serde(skip)]
    pub(super) parts: Parts,
}

/// Why a model is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason", content = "name")]
pub enum Reason {
    /// It was never built.
    New,
    /// Its table is not there.
    Missing,
    /// Its parse tree, or a map's rows.
    Changed,
    Macro(String),
    Input(String),
    /// It reads other tables or macros than before.
    OtherInputs,
    /// DuckDB, our functions, the time zones, or the clinic's uid and epoch.
    Engine,
}

impl Reason {
    /// The reason in the reader's language.
    pub fn text(&self) -> String {
        match self {
            Reason::New => t!("transform.why_new"),
            Reason::Missing => t!("transform.why_missing"),
            Reason::Changed => t!("transform.why_changed"),
            Reason::Macro(name) => t!("transform.why_macro", name = name),
            Reason::Input(name) => t!("transform.why_input", name = name),
            Reason::OtherInputs => t!("transform.why_other_inputs"),
            Reason::Engine => t!("transform.why_engine"),
        }
        .into_owned()
    }
}

/// What a fingerprint is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    tree: String,
    macros: BTreeMap<String, String>,
    inputs: BTreeMap<String, String>,
    engine: String,
}

impl Parts {
    pub(super) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let maps = [&self.macros, &self.inputs];
        hash.update(format!("{}\n{}\n", self.tree, self.engine));
        for (name, fingerprint) in maps.into_iter().flatten() {
            hash.update(format!("{name} {fingerprint}\n"));
        }
        hex(hash.finalize())
    }

    fn reasons(&self, now: &Parts) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.tree != now.tree {
            reasons.push(Reason::Changed);
        }
        reasons.extend(changed(&self.macros, &now.macros).map(Reason::Macro));
        reasons.extend(changed(&self.inputs, &now.inputs).map(Reason::Input));
        if self.engine != now.engine {
            reasons.push(Reason::Engine);
        }
        if reasons.is_empty() {
            reasons.push(Reason::OtherInputs);
        }
        reasons
    }
}

/// Names that are on both sides with different fingerprints.
fn changed<'a>(
    before: &'a BTreeMap<String, String>,
    now: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = String> + 'a {
    now.iter()
        .filter(|(name, fingerprint)| before.get(*name).is_some_and(|before| before != *fingerprint))
        .map(|(name, _)| name.clone())
}

/// The last build of a model.
#[derive(Debug, Clone, Default)]
pub(super) struct Built {
    pub(super) version: i64,
    pub(super) fingerprint: String,
    pub(super) parts: Parts,
    /// What is there under its name.
    pub(super) shape: Option<Shape>,
}

/// What a name of the staging file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Table,
    View,
}

impl Shape {
    /// As SQL names it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Shape::Table => "table",
            Shape::View => "view",
        }
    }
}

impl Built {
    fn exists(&self) -> bool {
        self.shape.is_some()
    }
}

/// What decides fingerprints beside the files.
#[derive(Debug, Clone, Default)]
pub(super) struct Engine {
    /// DuckDB's version, that of our functions and that of the time zones.
    pub(super) version: String,
    /// The clinic's uid and epoch.
    pub(super) ids: String,
}

/// Compares; `selected` is empty for all models.
///
/// # Errors
/// A selection that names no model, or one whose input was never built.
pub(super) fn plan(
    graph: &Graph,
    macros: &Macros,
    engine: &Engine,
    built: &BTreeMap<Name, Built>,
    select: &[String],
) -> Result<Plan> {
    let selected = selected(graph, select)?;
    let mut fingerprints: BTreeMap<Name, String> = graph.leaves.clone();
    let mut plan = Plan::default();
    for name in &graph.order {
        let Some(node) = graph.nodes.get(name) else { continue };
        let last = built.get(name).filter(|last| last.exists());
        if !selected.contains(name) {
            fingerprints.extend(last.map(|last| (name.clone(), last.fingerprint.clone())));
            continue;
        }
        let step = step(node, macros, engine, built.get(name), &fingerprints)?;
        fingerprints.insert(name.clone(), step.parts.fingerprint());
        plan.steps.push(step);
    }
    if select.is_empty() {
        let gone = built.iter().filter(|(name, last)| last.exists() && !graph.nodes.contains_key(name));
        plan.dropped = gone.map(|(name, _)| name.to_string()).collect();
    }
    Ok(plan)
}

fn step(
    node: &Node,
    macros: &Macros,
    engine: &Engine,
    last: Option<&Built>,
    fingerprints: &BTreeMap<Name, String>,
) -> Result<Step> {
    let mut inputs = BTreeMap::new();
    for input in &node.inputs {
        let fingerprint = fingerprints.get(input).ok_or_else(|| {
            Failure::usage(t!("transform.input_not_built", model = node.name, input = input))
                .hint(t!("transform.input_not_built_hint", model = node.name))
        })?;
        inputs.insert(input.to_string(), fingerprint.clone());
    }
    let of_macros = node.macros.iter().filter_map(|name| macros.get(name));
    let ids = if node.makes_ids(macros) { engine.ids.as_str() } else { "" };
    let parts = Parts {
        tree: node.tree.clone(),
        macros: of_macros.map(|found| (found.name.clone(), found.fingerprint.clone())).collect(),
        inputs,
        engine: if matches!(node.kind, Kind::Map { .. }) {
            String::new()
        } else {
            format!("{} {ids}", engine.version)
        },
    };
    let reasons = match last {
        None => vec![Reason::New],
        Some(last) if last.fingerprint != parts.fingerprint() => last.parts.reasons(&parts),
        Some(last) if !last.exists() => vec![Reason::Missing],
        Some(_) => Vec::new(),
    };
    let version = last.map_or(0, |last| last.version) + i64::from(!reasons.is_empty());
    let path = node.file.path.clone();
    Ok(Step { model: node.name.to_string(), path, reasons, version, name: node.name.clone(), parts })
}

/// Nodes that a selection means: `clean.patient`, `clean.patient+` (and below), `+target.patient` (and above). The
/// engine's `golden` and `xref` always go with their clean model.
fn selected(graph: &Graph, select: &[String]) -> Result<BTreeSet<Name>> {
    if select.is_empty() {
        return Ok(graph.nodes.keys().cloned().collect());
    }
    let mut found = BTreeSet::new();
    for text in select {
        let above = text.starts_with('+');
        let below = text.ends_with('+');
        let plain = text.trim_matches('+');
        let name = Name::parse(plain).filter(|name| graph.nodes.contains_key(name)).ok_or_else(|| {
            let known: Vec<String> = graph.nodes.keys().map(ToString::to_string).collect();
            Failure::usage(t!("transform.no_model", name = plain, near = near(plain, &known)))
                .hint(t!("transform.no_model_hint"))
        })?;
        if above {
            found.extend(graph.above(&name));
        }
        if below {
            found.extend(graph.below(&name));
        }
        found.insert(name);
    }
    let entities: Vec<String> =
        found.iter().filter(|name| name.schema == "clean").map(|name| name.table.clone()).collect();
    for entity in entities {
        for (schema, kind) in [("golden", Kind::Golden), ("xref", Kind::Xref)] {
            let name = Name::new(schema, &entity);
            if graph.nodes.get(&name).is_some_and(|node| node.kind == kind) {
                found.insert(name);
            }
        }
    }
    Ok(found)
}
