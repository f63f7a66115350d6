//! What a row is that is not the same on both sides, and how it came to be so.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Serialize;

use super::cause::{ByBatch, Cause};
use super::population::Population;
use super::{Options, months};
use crate::desk::{self, Decisions};
use crate::model::ident::TableName;
use crate::model::merge::Conflict;

/// One row that is not the same on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    pub key: String,
    pub kind: Kind,
    /// How it came to be so, where the ledger says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The columns that differ, of a row that is on both sides.
    pub columns: Vec<ColumnDifference>,
    /// More than one row of the target has this key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub doubled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// In the snapshot, not in the target.
    Missing,
    /// Written by an earlier batch, not in this snapshot.
    Extra,
    /// On both sides with other values.
    Different,
    /// On both sides, but the row was there before and no batch wrote it, or it stands as people made it.
    Kept,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Missing => "missing",
            Kind::Extra => "extra",
            Kind::Different => "different",
            Kind::Kept => "kept",
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct ColumnDifference {
    pub column: String,
    /// Only where values were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Values>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Values {
    pub expected: Option<String>,
    pub found: Option<String>,
}

/// How many rows differ in one way.
#[derive(Debug, Clone, Serialize)]
pub struct Count {
    pub kind: Kind,
    pub cause: Option<Cause>,
    pub rows: u64,
    /// Of rows that wait for people's decision: stands for what both sides say of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// People accepted that these stay so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub accepted: bool,
}

/// The rows found: some of them named, all of them counted.
#[derive(Default)]
pub(super) struct Found {
    pub(super) listed: Vec<Difference>,
    pub(super) counts: BTreeMap<(Kind, Option<Cause>), u64>,
    /// What is told of those that wait for a decision.
    pub(super) conflicts: BTreeMap<Kind, Vec<String>>,
    /// Keys of rows that the snapshot does not have, where it takes looking at other tables to say what is to become of them.
    pub(super) extra: Vec<String>,
    /// The batches by which they are so.
    pub(super) batches: BTreeSet<i32>,
    /// Keys that more than one row of the target has.
    pub(super) doubled: BTreeSet<String>,
    /// Those of them that a row of the snapshot has too.
    pub(super) beside: BTreeSet<String>,
    /// What they make of the table's months.
    pub(super) months: months::Change,
}

impl Found {
    /// How many rows differ in which way, and whether people accepted what waited for them.
    ///
    /// # Errors
    /// The file of decisions cannot be read.
    pub(super) fn counts(&self, options: &Options<'_>, table: &TableName) -> Result<Vec<Count>> {
        let decisions = match self.conflicts.is_empty() {
            true => None,
            false => Some(Decisions::read(options.project, options.clinic)?),
        };
        let count = |(&(kind, cause), &rows): (&(Kind, Option<Cause>), &u64)| {
            let told = self.conflicts.get(&kind).filter(|_| cause == Some(Cause::Conflict));
            let rule = format!("{}_{}", kind.as_str(), Cause::Conflict.as_str());
            let conflict = told.map(|told| Conflict::new(&rule, told.clone()));
            let accepted = conflict.as_ref().zip(decisions.as_ref());
            Count {
                kind,
                cause,
                rows,
                accepted: accepted.is_some_and(|(one, decisions)| desk::accepts(decisions, table, one)),
                state: conflict.map(|one| one.state),
            }
        };
        Ok(self.counts.iter().map(count).collect())
    }

    /// The batches by which rows are other than the snapshot's, the newest first.
    pub(super) fn by_batches(&self, population: &Population) -> Vec<ByBatch> {
        self.batches.iter().rev().filter_map(|batch| population.named(*batch)).collect()
    }

    /// How many rows are not named.
    pub(super) fn not_listed(&self) -> u64 {
        self.counts.values().sum::<u64>() - self.listed.len() as u64
    }
}
