//! What a person goes through before signing.

use anyhow::Result;
use chrono::{DateTime, Days};
use serde::Serialize;

use super::Report;
use crate::config::{Clinic, Project};
use crate::model::ident::literal;
use crate::model::proof::ProvenTable;
use crate::model::run::Stage;
use crate::staging::Staging;

/// One point.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    pub item: Item,
    pub state: State,
    /// A name, a date or a number that belongs to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// Every record has one verdict.
    Accounted,
    /// Every value is equal.
    Equal,
    /// The target's rules hold.
    Relations,
    /// The figures of the old system are met.
    Controls,
    /// Nothing critical waits for a decision.
    Findings,
    /// No pair of records waits for a decision.
    Pairs,
    /// The same snapshot was rehearsed before, and clean.
    Rehearsed,
    /// The target's tables were dumped before the push.
    Backup,
    /// The batch can be taken back.
    Rollback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Done,
    Missing,
    /// Only a person can know.
    Open,
}

pub(super) fn of(
    report: &Report,
    project: &Project,
    clinic: &Clinic,
    staging: Option<&Staging>,
) -> Result<Vec<Check>> {
    let check = |item, done: Option<bool>, detail: Option<String>| {
        let state = done.map_or(State::Open, |done| if done { State::Done } else { State::Missing });
        Check { item, state, detail }
    };
    let proof = report.verification.as_ref().map(|one| &one.proof);
    let number = |count: usize| (count > 0).then(|| count.to_string());
    let critical =
        report.findings.iter().filter(|one| one.severity == "critical" && one.status == "open").count();
    let pending = report.duplicates.iter().map(|one| one.pending).sum::<u64>();
    let controls = proof.filter(|proof| !proof.controls.is_empty());
    let mut checks = vec![
        check(Item::Accounted, Some(report.sources.iter().all(|source| source.complete)), None),
        check(Item::Equal, proof.map(|proof| proof.tables.iter().all(ProvenTable::holds)), None),
        check(
            Item::Relations,
            proof.map(|proof| proof.relations.iter().all(|one| one.rows == 0 || one.warning)),
            None,
        ),
        check(Item::Controls, controls.map(|proof| proof.controls.iter().all(|one| one.equal)), None),
        check(Item::Findings, Some(critical == 0), number(critical)),
    ];
    if !report.duplicates.is_empty() {
        checks.push(check(Item::Pairs, Some(pending == 0), number(usize::try_from(pending)?)));
    }
    let elsewhere = rehearsed(report, staging)?;
    checks.push(check(Item::Rehearsed, elsewhere.is_some().then_some(true), elsewhere));
    let dump = backup(report, project, clinic);
    checks.push(check(Item::Backup, dump.is_some().then_some(true), dump));
    let (possible, until) = rollback(report, clinic);
    checks.push(check(Item::Rollback, possible, until));
    Ok(checks)
}

/// Where the same snapshot was rehearsed and clean: in a copy of the target, or on another one that is verified.
fn rehearsed(report: &Report, staging: Option<&Staging>) -> Result<Option<String>> {
    let Some(staging) = staging else { return Ok(None) };
    if staging.has_table("meta", "rehearsal")? {
        let sql = format!(
            "select target || ', ' || strftime(ended_at, '%Y-%m-%d') from meta.rehearsal \
             where clean and snapshot = {} and (place <> 'target' or target <> {}) order by ended_at desc limit 1",
            literal(&report.snapshot),
            literal(&report.target),
        );
        if let Some(found) = staging.rows(&sql, |row| row.get(0))?.pop() {
            return Ok(Some(found));
        }
    }
    let known = staging.verifications(&report.snapshot)?;
    Ok(known.into_iter().find(|one| one.clean && one.target != report.target).map(|one| one.target))
}

/// The dump that the push of this snapshot made first.
fn backup(report: &Report, project: &Project, clinic: &Clinic) -> Option<String> {
    let push = report.stages.iter().find(|run| run.stage == Stage::Push.as_str())?;
    let name = format!("before-{}.dump", push.run);
    project.staging_dir(&clinic.name).join("reports").join(&name).is_file().then_some(name)
}

/// Whether the batch can be taken back, and the day on which its before-images may be destroyed.
fn rollback(report: &Report, clinic: &Clinic) -> (Option<bool>, Option<String>) {
    let Some(batch) = &report.batch else { return (None, None) };
    let ended = batch.ended_at.as_deref().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    let days = clinic.retention.map(|retention| Days::new(u64::from(retention.days)));
    let until = ended.zip(days).and_then(|(ended, days)| ended.checked_add_days(days));
    let until = until.map(|until| until.format("%Y-%m-%d").to_string());
    (Some(batch.status == "completed" && !batch.purged), until)
}
