//! The plan of a push: for every table what will be inserted, updated, kept and deleted, and what that locks and calls.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::absent::Absent;
use super::compare::Compared;
use super::golden::GoldenPlan;
use super::left_behind::Left;
use super::merge::Merged;
use super::rebuild::{self, Rebuild};
use super::shared::Shared;
use super::unknown;
use super::vanished::Counts;
use crate::config::{Clinic, Constraints, LoadMode, Triggers};
use crate::error::{Failure, Kind};
use crate::model::catalog::{Catalog, ConstraintKind, Trigger};
use crate::model::ident::TableName;
use crate::model::keys::Keys;
use crate::model::manifest::{Manifest, TableEntry};
use crate::model::merge::{Conflict, Fate};

/// Below so many rows a rebuild of constraints takes longer than keeping them.
const REBUILD_ROWS: u64 = 10_000;

/// What a push will do. Two equal plans have equal ids.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    pub id: String,
    pub snapshot: String,
    pub catalog_hash: String,
    pub tables: Vec<TablePlan>,
    /// Rows that change or go because golden ids changed, also of tables that the snapshot does not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub golden: Vec<GoldenPlan>,
    pub rebuild: Rebuild,
    /// No row changes, and yet the ledger gets a batch, which says what became of the records: none of this very snapshot
    /// stands there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub noted: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct TablePlan {
    pub table: TableName,
    pub mode: LoadMode,
    /// Rows of the snapshot.
    pub rows: u64,
    pub rejected: u64,
    pub inserts: u64,
    pub updates: u64,
    pub deletes: u64,
    /// Already there and equal.
    pub unchanged: u64,
    /// Already there and different, and left so by the mode.
    pub kept: u64,
    /// Of the unchanged ones: rows that no push of the ledger wrote. Verify counts them as somebody else's.
    pub unknown: u64,
    /// Of the unknown ones: rows that the ledger takes over as they are, where the mode may change rows.
    pub adopted: u64,
    /// Rows that a rollback left, equal or edited: the ledger takes them back as the clinic's.
    pub reclaimed: u64,
    /// Of the kept ones: rows that stand as triggers left them when an earlier push sent the same.
    pub left_by_triggers: u64,
    /// How many rows change in each column.
    pub updates_by_column: BTreeMap<String, u64>,
    /// Of these by column: values that people changed since a push wrote them, or that no push wrote.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub edits_overwritten: BTreeMap<String, u64>,
    /// By column, such values that stand.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub edits_kept: BTreeMap<String, u64>,
    /// By column, values that people and the source changed and that wait for a decision; they stand until then.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub conflicts: BTreeMap<String, u64>,
    /// Rows of earlier pushes that the source has no more, and that stay.
    pub vanished: u64,
    /// The keys of the first of them, in order, where nobody has said that they are to be kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vanished_keys: Vec<String>,
    /// Rows that would be deleted, but that people changed: they stay.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub vanished_kept: u64,
    /// Such rows that wait for a decision.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub vanished_conflicts: u64,
    /// Rows that would be deleted, but whose records may be among those that could not be read.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub vanished_unread: u64,
    /// Rows that would be deleted, but that rows which stay refer to.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub vanished_held: u64,
    /// By table, how many rows refer to these.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vanished_held_by: BTreeMap<String, u64>,
    /// Of the rows to be inserted: those that people deleted since a push wrote them.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub deleted_returned: u64,
    /// Rows that people deleted, and that stay so.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub deleted_kept: u64,
    /// Such rows that wait for a decision; they stay deleted until then.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub deleted_conflicts: u64,
    /// New rows that refer to one that stays deleted, and are left out with it.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub without_parent: u64,
    /// New rows that refer to one that waits for a decision, and wait with it.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub without_parent_conflicts: u64,
    /// All that waits for a decision, by what it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<Conflict>,
    /// The strongest lock that is taken on the table.
    pub lock: &'static str,
    /// Enabled user triggers: name and function.
    pub triggers: Vec<(String, String)>,
    /// The names of those that run by what is done to the table.
    pub firing: Vec<String>,
    /// The names of those among them that run before a row is written, and so may change it.
    pub rewriting: Vec<String>,
    /// Triggers are disabled during the load.
    pub triggers_disabled: bool,
    /// Foreign-key columns of a cycle: loaded as null, then filled.
    pub filled_later: Vec<String>,
    /// Rows go straight into the table, since it is empty.
    pub direct: bool,
    /// Its rows get keys of the target's sequence, or those that the ledger knows them by.
    pub new_keys: bool,
}

impl TablePlan {
    /// Rows of the snapshot that are left out, since people deleted them or one that they refer to.
    pub fn left_out(&self) -> u64 {
        self.deleted_kept + self.deleted_conflicts + self.without_parent + self.without_parent_conflicts
    }
}

impl Plan {
    /// Values and rows that people and the source changed, and that wait for a decision.
    pub fn conflicts(&self) -> u64 {
        let of = |table: &TablePlan| {
            table.conflicts.values().sum::<u64>()
                + table.vanished_conflicts
                + table.deleted_conflicts
                + table.without_parent_conflicts
        };
        self.tables.iter().map(of).sum()
    }

    /// The tables with conflicts that nobody accepted, and how many of their rows.
    pub fn open_conflicts(&self) -> Vec<(&TableName, u64)> {
        let open = |table: &TablePlan| {
            table.undecided.iter().filter(|one| !one.accepted).map(|one| one.rows).sum::<u64>()
        };
        self.tables.iter().map(|table| (&table.table, open(table))).filter(|(_, rows)| *rows > 0).collect()
    }

    /// Rows that will be written, into the tables or into the ledger.
    pub fn writes(&self) -> u64 {
        let writes = |table: &TablePlan| {
            table.inserts + table.updates + table.deletes + table.adopted + table.reclaimed
        };
        self.tables.iter().map(writes).sum::<u64>() + self.repointed() + self.retired()
    }

    /// Whether neither a row nor the ledger changes.
    pub fn is_nothing(&self) -> bool {
        self.writes() == 0 && !self.noted
    }

    /// Rows that get another golden id where they refer to one.
    pub fn repointed(&self) -> u64 {
        self.golden.iter().map(|table| table.repointed).sum()
    }

    /// Rows of golden ids that nobody has any more.
    pub fn retired(&self) -> u64 {
        self.golden.iter().map(|table| table.retired).sum()
    }
}

/// What comparing one table's rows with the target gave.
#[derive(Debug, Clone, Default)]
pub(super) struct Comparison {
    pub(super) empty: bool,
    pub(super) inserts: u64,
    pub(super) different: u64,
    pub(super) unchanged: u64,
    /// Of the unchanged ones: rows that the ledger does not know.
    pub(super) unknown: u64,
    /// Rows that a rollback left, where the mode leaves rows as they are.
    pub(super) left_behind: Left,
    pub(super) deletes: u64,
    /// Of rows that are added without looking: those whose key is there.
    pub(super) present: u64,
    /// Of those that differ, where the mode changes rows: what becomes of their values.
    pub(super) merged: Merged,
    /// Rows of earlier pushes that the snapshot does not hold.
    pub(super) vanished: Counts,
    /// The keys of the first of them.
    pub(super) vanished_keys: Vec<String>,
    /// Rows that people deleted.
    pub(super) absent: Absent,
    /// What waits for a decision.
    pub(super) undecided: Vec<Conflict>,
    /// Unique keys of which rows would share a value.
    pub(super) shared: Vec<Shared>,
}

/// Makes the plan from what is known; pure. `empty` names the tables without rows, of the batch and those that
/// reference one of it.
///
/// # Errors
/// A table without a primary key in a mode that needs one, or a cycle that cannot be loaded.
pub(super) fn plan(
    clinic: &Clinic,
    manifest: &Manifest,
    catalog: &Catalog,
    catalog_hash: &str,
    compared: &Compared,
    empty: &BTreeSet<TableName>,
) -> Result<Plan> {
    let comparisons = &compared.tables;
    let names: Vec<TableName> = manifest.tables.iter().map(|entry| entry.table.clone()).collect();
    let rebuild = choose_rebuild(clinic, catalog, &names, comparisons, empty);
    let mut tables = Vec::new();
    for entry in &manifest.tables {
        let golden = compared.golden.tables.iter().find(|golden| golden.table == entry.table);
        let comparison = &comparisons[&entry.table];
        tables.push(table_plan(clinic, catalog, entry, &names, (comparison, golden), &rebuild)?);
    }
    let mut plan = Plan {
        id: String::new(),
        snapshot: manifest.id.clone(),
        catalog_hash: catalog_hash.to_owned(),
        tables,
        golden: compared.golden.tables.clone(),
        rebuild,
        noted: false,
    };
    plan.noted = plan.writes() == 0 && compared.untold;
    plan.id = crate::model::hex(&Sha256::digest(serde_json::to_vec(&plan)?)[..8]);
    Ok(plan)
}

fn choose_rebuild(
    clinic: &Clinic,
    catalog: &Catalog,
    names: &[TableName],
    comparisons: &BTreeMap<TableName, Comparison>,
    empty: &BTreeSet<TableName>,
) -> Rebuild {
    let inserts: u64 = comparisons.values().map(|comparison| comparison.inserts).sum();
    let direct = comparisons.values().any(|comparison| comparison.empty);
    if clinic.load.constraints == Constraints::Keep || inserts < REBUILD_ROWS || !direct {
        return Rebuild::default();
    }
    rebuild::plan(catalog, names, empty)
}

fn table_plan(
    clinic: &Clinic,
    catalog: &Catalog,
    entry: &TableEntry,
    names: &[TableName],
    (comparison, golden): (&Comparison, Option<&GoldenPlan>),
    rebuild: &Rebuild,
) -> Result<TablePlan> {
    let name = &entry.table;
    let mode = clinic.load_mode(name);
    let table = &catalog.tables[name];
    if entry.key.is_empty() {
        let message = t!("push.no_key", table = name);
        return Err(Failure::new(Kind::NotComparable, message)
            .hint(t!("push.no_key_hint", table = name))
            .into());
    }
    let filled_later = cycle_columns(catalog, name, names, rebuild)?;
    let (merged, left) = (&comparison.merged, comparison.left_behind);
    let updates = merged.updates;
    let fates = |wanted: &[Fate]| {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for (column, values) in wanted.iter().filter_map(|fate| merged.fates.get(fate)).flatten() {
            *sums.entry(column.clone()).or_default() += values;
        }
        sums
    };
    let triggers_disabled = clinic.triggers(name) == Triggers::Disable;
    let rebuilt = rebuild.drop.iter().any(|statement| statement.table == *name);
    let (repointed, retired) = golden.map_or((0, 0), |golden| (golden.repointed, golden.retired));
    let counts = (comparison.inserts, updates + repointed, comparison.deletes + retired);
    let fires = |trigger: &&Trigger| !triggers_disabled && fires(trigger, counts, &filled_later);
    let names = |trigger: &Trigger| trigger.name.clone();
    let firing = table.triggers.iter().filter(fires).map(names).collect();
    let rewriting = table.rewriting_triggers().filter(fires).map(names).collect();
    Ok(TablePlan {
        table: name.clone(),
        mode,
        rows: entry.rows,
        rejected: entry.rejected,
        inserts: comparison.inserts,
        updates,
        deletes: comparison.deletes,
        unchanged: comparison.unchanged,
        kept: comparison.different - left.different - updates - golden.map_or(0, |golden| golden.settled),
        unknown: comparison.unknown - left.equal,
        adopted: if unknown::is_adopted(mode) { comparison.unknown } else { 0 },
        reclaimed: left.equal + left.different,
        left_by_triggers: merged.left,
        updates_by_column: fates(&[Fate::Taken, Fate::Overwritten]),
        edits_overwritten: fates(&[Fate::Overwritten]),
        edits_kept: fates(&[Fate::Stands, Fate::Kept]),
        conflicts: fates(&[Fate::Conflict]),
        vanished: comparison.vanished.rows,
        vanished_keys: comparison.vanished_keys.clone(),
        vanished_kept: comparison.vanished.kept,
        vanished_conflicts: comparison.vanished.conflicts,
        vanished_unread: comparison.vanished.unread,
        vanished_held: comparison.vanished.held,
        vanished_held_by: comparison
            .vanished
            .holders
            .iter()
            .map(|(table, rows)| (table.to_string(), *rows))
            .collect(),
        deleted_returned: comparison.absent.returned,
        deleted_kept: comparison.absent.kept,
        deleted_conflicts: comparison.absent.deleted,
        without_parent: comparison.absent.orphaned,
        without_parent_conflicts: comparison.absent.waiting,
        undecided: comparison.undecided.clone(),
        lock: if rebuilt {
            "ACCESS EXCLUSIVE"
        } else if triggers_disabled {
            "SHARE ROW EXCLUSIVE"
        } else {
            "ROW EXCLUSIVE"
        },
        triggers: table
            .triggers
            .iter()
            .filter(|trigger| trigger.enabled)
            .map(|trigger| (trigger.name.clone(), trigger.function.clone()))
            .collect(),
        firing,
        rewriting,
        triggers_disabled,
        direct: comparison.empty && filled_later.is_empty(),
        filled_later,
        new_keys: entry.keys == Keys::New,
    })
}

/// Whether a trigger runs where so many rows are inserted, updated and deleted, and columns are filled later.
fn fires(trigger: &Trigger, (inserts, updates, deletes): (u64, u64, u64), filled_later: &[String]) -> bool {
    let fills = inserts > 0 && !filled_later.is_empty();
    let events = [("insert", inserts > 0), ("update", updates > 0 || fills), ("delete", deletes > 0)];
    trigger.enabled && events.into_iter().any(|(event, happens)| happens && trigger.fires_on(event))
}

/// Columns of foreign keys to tables that are loaded later (a cycle), where the key stays and cannot be deferred.
fn cycle_columns(
    catalog: &Catalog,
    name: &TableName,
    names: &[TableName],
    rebuild: &Rebuild,
) -> Result<Vec<String>> {
    let place = |table: &TableName| names.iter().position(|other| other == table);
    let mut columns = Vec::new();
    for constraint in catalog.tables[name].foreign_keys() {
        let ConstraintKind::ForeignKey { references, .. } = &constraint.kind else { continue };
        let later = place(references) > place(name) && references != name;
        let dropped = rebuild
            .create
            .iter()
            .any(|statement| statement.table == *name && statement.name == constraint.name);
        if !later || dropped || constraint.deferrable {
            continue;
        }
        if constraint
            .columns
            .iter()
            .any(|column| catalog.tables[name].column(column).is_none_or(|column| column.not_null))
        {
            let message = t!("push.cycle", table = name, constraint = constraint.name, parent = references);
            return Err(Failure::failed(message)
                .hint(t!("push.cycle_hint", constraint = constraint.name))
                .into());
        }
        columns.extend(constraint.columns.iter().cloned());
    }
    Ok(columns)
}
