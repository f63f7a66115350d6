//! What was made, so that a test can hold what was found against it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::Options;
use super::export::Folder;

type Counts = BTreeMap<&'static str, u64>;

/// The defects of one source, by rule.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// All records in the source's files, readable or not.
    records: u64,
    /// Records that repeat an earlier one cell by cell.
    exact_duplicates: u64,
    /// Records that cannot be read: they never get into `raw`.
    unreadable: Counts,
    /// Records that PostgreSQL would refuse.
    rejected: Counts,
    /// Values that cleaning changes, counted once a distinct record and rule.
    repaired: Counts,
    /// Curiosities that are kept as they are.
    kept: Counts,
}

impl Source {
    pub(super) fn record(&mut self) {
        self.records += 1;
    }

    pub(super) fn exact_duplicate(&mut self) {
        self.records += 1;
        self.exact_duplicates += 1;
    }

    pub(super) fn unreadable(&mut self, rule: &'static str) {
        *self.unreadable.entry(rule).or_default() += 1;
    }

    pub(super) fn rejected(&mut self, rule: &'static str) {
        *self.rejected.entry(rule).or_default() += 1;
    }

    pub(super) fn repaired(&mut self, rule: &'static str) {
        *self.repaired.entry(rule).or_default() += 1;
    }

    pub(super) fn kept(&mut self, rule: &'static str) {
        *self.kept.entry(rule).or_default() += 1;
    }

    /// Rows that reach PostgreSQL.
    fn imported(&self) -> u64 {
        let sum = |counts: &Counts| counts.values().sum::<u64>();
        self.records - self.exact_duplicates - sum(&self.unreadable) - sum(&self.rejected)
    }

    fn to_json(&self) -> Value {
        json!({
            "records": self.records,
            "exact_duplicates": self.exact_duplicates,
            "unreadable": self.unreadable,
            "rejected": self.rejected,
            "repaired": self.repaired,
            "kept": self.kept,
            "imported": self.imported(),
        })
    }
}

/// Everything that `expected.json` says.
#[derive(Debug, Default)]
pub(super) struct Expected {
    sources: BTreeMap<&'static str, Source>,
    /// Control name to key (a year, or nothing for a total) to hundredths or a count.
    totals: BTreeMap<&'static str, BTreeMap<String, Total>>,
}

#[derive(Debug, Clone, Copy)]
enum Total {
    Count(u64),
    Cents(i64),
}

impl Expected {
    pub(super) fn source(&mut self, name: &'static str) -> &mut Source {
        self.sources.entry(name).or_default()
    }

    /// Counts records under a key of a control.
    pub(super) fn count(&mut self, control: &'static str, key: &str, number: u64) {
        match self.total(control, key, Total::Count(0)) {
            Total::Count(count) => *count += number,
            Total::Cents(_) => unreachable!("a control is either a count or a sum"),
        }
    }

    /// Adds hundredths of a euro under a key of a control.
    pub(super) fn add(&mut self, control: &'static str, key: &str, cents: i64) {
        match self.total(control, key, Total::Cents(0)) {
            Total::Cents(sum) => *sum += cents,
            Total::Count(_) => unreachable!("a control is either a count or a sum"),
        }
    }

    pub(super) fn write(&self, options: &Options, folder: &Folder) -> Result<()> {
        let sources: Map<String, Value> =
            self.sources.iter().map(|(name, source)| ((*name).to_owned(), source.to_json())).collect();
        let totals: Map<String, Value> =
            self.totals.iter().map(|(name, keys)| ((*name).to_owned(), totals_json(keys))).collect();
        let all = json!({
            "patients": options.patients,
            "seed": options.seed,
            "bench": options.bench,
            "sources": sources,
            "totals": totals,
        });
        let mut text = serde_json::to_string_pretty(&all).context("cannot write expected.json")?;
        text.push('\n');
        std::fs::write(folder.path("expected.json"), text).context("cannot write expected.json")
    }

    fn total(&mut self, control: &'static str, key: &str, zero: Total) -> &mut Total {
        self.totals.entry(control).or_default().entry(key.to_owned()).or_insert(zero)
    }
}

fn totals_json(keys: &BTreeMap<String, Total>) -> Value {
    let text = |total: &Total| match total {
        Total::Count(count) => count.to_string(),
        Total::Cents(cents) => format!("{}.{:02}", cents / 100, cents % 100),
    };
    Value::Object(keys.iter().map(|(key, total)| (key.clone(), Value::String(text(total)))).collect())
}
