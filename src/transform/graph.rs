//! Models and what they read, as a graph without cycles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fixes;
use super::linked::Fixes;
use super::name::Name;
use super::plan::Shape;
use super::workbench::Query;
use crate::config::SqlFile;

/// How a node becomes part of the staging file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A model file.
    Model,
    /// `golden.<entity>`, where no model makes it: a view that adds the id to `clean.<entity>`.
    Golden,
    /// `xref.<entity>`, where no model makes it.
    Xref,
    /// A table of an entity whose duplicates are looked for.
    Linked(Linked),
    /// A value map: rows of (source_value, target_value).
    Map { rows: Vec<(String, Option<String>)> },
}

/// The tables that linking the records of an entity makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Linked {
    /// `dedupe.<entity>`
    Pairs,
    /// `xref.<entity>`, by what people fixed.
    Clusters(Arc<Fixes>),
    /// `golden.<entity>`
    Survivors,
}

/// One table that transform makes.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) name: Name,
    pub(super) kind: Kind,
    /// Its file; for tables that the engine makes, their SQL under their name.
    pub(super) file: SqlFile,
    /// One SELECT without a final semicolon, byte for byte at the places of the file.
    pub(super) sql: String,
    /// Hash of the parse tree, or of a map's rows.
    pub(super) tree: String,
    pub(super) query: Option<Query>,
    /// Macros that it calls, directly or not.
    pub(super) macros: BTreeSet<String>,
    pub(super) inputs: BTreeSet<Name>,
}

impl Node {
    /// Whether rows need no `_id`.
    pub(super) fn without_origin(&self) -> bool {
        self.file.header.value("origin") == Some("none")
    }

    /// The ids of golden records are cheaper to compute again than to store beside a second copy of every column.
    pub(super) fn shape(&self) -> Shape {
        if self.kind == Kind::Golden { Shape::View } else { Shape::Table }
    }

    /// Whether it calls a function whose ids depend on the clinic.
    pub(super) fn makes_ids(&self, macros: &super::macros::Macros) -> bool {
        let of_ids = |query: &super::tree::Uses| {
            query.calls.iter().any(|call| matches!(call.name.as_str(), "ulid_for" | "uuid_for"))
        };
        self.query.as_ref().is_some_and(|query| of_ids(&query.uses))
            || self.macros.iter().filter_map(|name| macros.get(name)).any(|found| of_ids(&found.uses))
    }
}

/// All nodes, and the leaves that they read (`raw.*`, `meta.*`) with the fingerprints of their content.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    pub(super) nodes: BTreeMap<Name, Node>,
    pub(super) leaves: BTreeMap<Name, String>,
    /// Inputs before what reads them, ties by name.
    pub(super) order: Vec<Name>,
    /// Corrections by hand, by the clean table that they are laid over.
    pub(super) fixes: BTreeMap<Name, fixes::Fixes>,
}

impl Graph {
    /// Sorts the nodes; a cycle is returned as its path, first name again at the end.
    pub(super) fn sort(&mut self) -> Result<(), Vec<Name>> {
        let mut order = Vec::new();
        let mut done = BTreeSet::new();
        for name in self.nodes.keys() {
            self.visit(name, &mut Vec::new(), &mut done, &mut order)?;
        }
        self.order = order;
        Ok(())
    }

    fn visit(
        &self,
        name: &Name,
        path: &mut Vec<Name>,
        done: &mut BTreeSet<Name>,
        order: &mut Vec<Name>,
    ) -> Result<(), Vec<Name>> {
        let Some(node) = self.nodes.get(name).filter(|_| !done.contains(name)) else { return Ok(()) };
        if let Some(start) = path.iter().position(|on_path| on_path == name) {
            let mut cycle = path.split_off(start);
            cycle.push(name.clone());
            return Err(cycle);
        }
        path.push(name.clone());
        for input in &node.inputs {
            self.visit(input, path, done, order)?;
        }
        path.pop();
        done.insert(name.clone());
        order.push(name.clone());
        Ok(())
    }

    /// A node and everything that it reads, directly or not.
    pub(super) fn above(&self, name: &Name) -> BTreeSet<Name> {
        self.reach(name, |name| {
            self.nodes.get(name).map(|node| node.inputs.iter().collect()).unwrap_or_default()
        })
    }

    /// A node and everything that reads it, directly or not.
    pub(super) fn below(&self, name: &Name) -> BTreeSet<Name> {
        self.reach(name, |name| self.readers(name))
    }

    pub(super) fn readers(&self, name: &Name) -> Vec<&Name> {
        self.nodes.values().filter(|node| node.inputs.contains(name)).map(|node| &node.name).collect()
    }

    fn reach<'a>(&'a self, start: &Name, next: impl Fn(&Name) -> Vec<&'a Name>) -> BTreeSet<Name> {
        let mut found = BTreeSet::from([start.clone()]);
        let mut waiting = vec![start.clone()];
        while let Some(name) = waiting.pop() {
            for other in next(&name) {
                if self.nodes.contains_key(other) && found.insert(other.clone()) {
                    waiting.push(other.clone());
                }
            }
        }
        found
    }
}
