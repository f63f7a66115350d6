//! The one sentence that a report begins with, as numbers.

use serde::Serialize;

use super::Report;
use crate::model::loss;
use crate::model::proof::ProvenTable;

/// Whether anything was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every record is accounted for and every value is equal.
    Clean,
    /// The load was right; people have changed rows since.
    Later,
    /// Source files break off: nobody can tell how much is lost. What was read is in the target, or its faults are accepted.
    Lost,
    /// Every fault is accepted with a reason.
    Accepted,
    /// Something is wrong.
    Faults,
    /// The target was never asked.
    Unproven,
}

#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    pub verdict: Verdict,
    /// Records that an independent count found in the sources.
    pub read: u64,
    pub imported: u64,
    pub merged: u64,
    pub rejected: u64,
    pub filtered: u64,
    /// Rows of the clinic in the target.
    pub rows: u64,
    pub tables: usize,
    /// Of these rows, those that are other than the snapshot's because the clinic's settings want it so.
    pub standing: u64,
    pub faults: usize,
    /// Findings about source files that break off, decided about or not.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub lost: u64,
}

impl Answer {
    pub(super) fn unproven() -> Self {
        Self {
            verdict: Verdict::Unproven,
            read: 0,
            imported: 0,
            merged: 0,
            rejected: 0,
            filtered: 0,
            rows: 0,
            tables: 0,
            standing: 0,
            faults: 0,
            lost: 0,
        }
    }
}

pub(super) fn of(report: &Report) -> Answer {
    let sum = |of: fn(&super::SourceCounts) -> u64| report.sources.iter().map(of).sum::<u64>();
    let proof = report.verification.as_ref();
    let faults = proof.map(|one| one.faults.as_slice()).unwrap_or_default();
    let lost = report.findings.iter().filter(|one| loss::is(&one.rule)).count() as u64;
    let verdict = match proof {
        None => Verdict::Unproven,
        Some(_) if faults.is_empty() => Verdict::Clean,
        Some(_) if faults.iter().all(|one| one.accepted) => Verdict::Accepted,
        Some(_) if faults.iter().all(|one| one.fault.later) => Verdict::Later,
        Some(_) => Verdict::Faults,
    };
    Answer {
        verdict: match verdict {
            Verdict::Clean | Verdict::Accepted | Verdict::Later if lost > 0 => Verdict::Lost,
            other => other,
        },
        lost,
        read: sum(|source| source.count.read),
        imported: sum(|source| source.count.imported + source.count.skipped),
        merged: sum(|source| source.count.merged),
        rejected: sum(|source| source.count.rejected),
        filtered: sum(|source| source.count.filtered),
        rows: proof.map_or(0, |one| one.proof.rows()),
        tables: proof.map_or(0, |one| one.proof.tables.len()),
        standing: proof.map_or(0, |one| one.proof.tables.iter().map(ProvenTable::standing).sum()),
        faults: faults.len(),
    }
}
