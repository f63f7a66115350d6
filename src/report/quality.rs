//! What was left out, flagged and corrected, by table: the problems of quality that a person reads first.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::{Finding, Here, SourceCounts};
use crate::config::Labels;
use crate::model::ident::TableName;

/// Records of one table that one reason is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub table: TableName,
    /// What people call the table.
    pub label: Option<String>,
    pub kind: Kind,
    pub records: u64,
    /// A rule, or a model.
    pub reason: String,
    /// The same in words.
    pub text: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Left out: unreadable, filtered by a model, or refused by the target's rules.
    Skipped,
    /// Left out because nobody has what they belong to.
    Flagged,
    /// One with another record.
    Merged,
    /// Imported, with a value that was repaired.
    Corrected,
}

pub(super) fn of(
    here: &Here<'_>,
    sources: &[SourceCounts],
    findings: &[Finding],
    labels: &Labels,
) -> Result<Vec<Problem>> {
    let refused = refused(here)?;
    let mut problems: Vec<Problem> = Vec::new();
    let mut add = |table: &TableName, kind: Kind, reason: &str, records: u64| {
        let same = |one: &&mut Problem| one.table == *table && one.kind == kind && one.reason == reason;
        if let Some(known) = problems.iter_mut().find(same) {
            known.records += records;
            return;
        }
        let label = labels.table(&table.to_string()).map(str::to_owned);
        let text = labels.reason(reason).map(str::to_owned);
        problems.push(Problem {
            table: table.clone(),
            label,
            kind,
            records,
            reason: reason.to_owned(),
            text,
        });
    };
    for source in sources {
        let Some(table) = &source.primary else { continue };
        let of_source = |(name, _): &(&(String, String), &u64)| *name.0 == source.count.source;
        for ((_, rule), records) in refused.iter().filter(of_source) {
            add(table, refusal(rule), rule, *records);
        }
        for note in source.notes.iter().filter(|note| note.verdict != "rejected" || refused.is_empty()) {
            let reason = note.reason.as_deref().unwrap_or(&note.verdict);
            let rule = reason.split('(').next().unwrap_or(reason);
            let kind = match note.verdict.as_str() {
                "merged" => Kind::Merged,
                "rejected" => refusal(rule),
                _ => Kind::Skipped,
            };
            add(table, kind, rule, note.records);
        }
    }
    let is_primary = |table: &TableName| sources.iter().any(|source| source.primary.as_ref() == Some(table));
    for finding in findings.iter().filter(|one| one.stage == "check" && one.severity == "info") {
        let table = TableName::from(finding.subject.as_str());
        if is_primary(&table) {
            add(&table, Kind::Corrected, &finding.rule, finding.count);
        }
    }
    problems
        .sort_by_key(|one| (one.kind, labels.place(&one.table.to_string()), std::cmp::Reverse(one.records)));
    Ok(problems)
}

fn refusal(rule: &str) -> Kind {
    match rule {
        "orphan" | "parent_rejected" | "parent_vanished" => Kind::Flagged,
        _ => Kind::Skipped,
    }
}

/// Rejected records by source and rule: one that a rule rejects for several columns or references is one.
fn refused(here: &Here<'_>) -> Result<BTreeMap<(String, String), u64>> {
    if !(here.has("meta", "verdict")? && here.has("meta", "fate")?) {
        return Ok(BTreeMap::new());
    }
    let sql = "select fate.source, split_part(fate.detail, '(', 1), count(distinct _id)::ubigint from meta.fate fate \
               join meta.verdict verdict using (_id) where fate.fate = 'rejected' and verdict.verdict = 'rejected' group by all";
    let rows = here.rows(sql, |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
    Ok(rows.into_iter().collect())
}
