//! Push and verify as a rehearsal: against a scratch copy of the target, or in a transaction that is taken back.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use rust_i18n::t;

use super::connection::Connection;
use super::{Outcome, Pipeline, Report};
use crate::cli::output;
use crate::cli::progress::Both;
use crate::cli::rehearse::Answer;
use crate::error::{Failure, Kind, interrupt, postgres};
use crate::model::ident::TableName;
use crate::model::lock::Lock;
use crate::model::run::{Event, Observer as _, Stage};
use crate::pg::scratch::{self, Schema, Scratch};
use crate::pg::{Purpose, Session};
use crate::push::{self, Sequences};
use crate::rehearse::{self, Counts, Place, Rehearsal, RoundTrips, Scene, Timed, Versions};
use crate::snapshot::Snapshot;
use crate::staging::Staging;

/// Every model's rows at its last build.
const MODEL_ROWS: &str = "select coalesce(sum(rows), 0)::bigint from (from meta.model_version \
                          qualify row_number() over (partition by model order by version desc) = 1)";

/// So many round trips are measured; the middle one counts.
const ROUND_TRIPS: usize = 7;

/// How a push is rehearsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Rehearsing {
    /// In a copy of the target on the private server: of every row, or of those that a push needs.
    Scratch { all_rows: bool, keep: bool },
    /// In the target, in a transaction that is taken back.
    InPlace,
}

impl Rehearsing {
    pub(super) fn ending(self) -> push::Ending {
        match self {
            Rehearsing::Scratch { .. } => push::Ending::Scratch,
            Rehearsing::InPlace => push::Ending::Open,
        }
    }

    fn place(self) -> Place {
        match self {
            Rehearsing::Scratch { .. } => Place::Scratch,
            Rehearsing::InPlace => Place::InPlace,
        }
    }
}

/// What is set up for a rehearsal, and taken down after it.
#[derive(Default)]
pub(super) struct StageSet {
    /// The transaction is open in which everything was pushed.
    pub(super) open: bool,
    scratch: Option<Scratch>,
    /// The session with the target, while the run's own is with its copy. Its runtime drives the scratch's sessions.
    target: Option<Connection>,
    sequences: Option<Sequences>,
    planned_locks: Vec<Lock>,
    /// What a push has no need of: the plan for the target, and the copy.
    milliseconds: u64,
    /// Of the server where it takes place.
    version: Option<u32>,
    scene: Scene,
}

impl Pipeline<'_> {
    /// The push of a rehearsal.
    pub(super) fn rehearse(&mut self, how: Rehearsing, snapshot: &Snapshot) -> Result<push::Report> {
        match how {
            Rehearsing::Scratch { all_rows, keep } => self.rehearse_in_copy(snapshot, all_rows, keep),
            Rehearsing::InPlace => self.rehearse_in_place(snapshot),
        }
    }

    fn rehearse_in_copy(&mut self, snapshot: &Snapshot, all_rows: bool, keep: bool) -> Result<push::Report> {
        let begun = Instant::now();
        // What the night will find is the target as it is, not the copy; and what it refuses, it refuses now.
        let planned = self.push_with(snapshot, true, None)?.plan;
        let waits = |mode: &&str| *mode != "ACCESS SHARE";
        self.stage_set.planned_locks = planned
            .tables
            .iter()
            .filter(|table| waits(&table.lock))
            .map(|table| Lock { table: table.table.clone(), mode: table.lock.to_owned() })
            .collect();
        let tables: Vec<TableName> =
            snapshot.manifest().tables.iter().map(|entry| entry.table.clone()).collect();
        let connection = self.connected()?;
        let config = self.clinic.targets.get(&connection.target.name);
        let options = scratch::Options {
            project: self.project,
            clinic: &self.clinic.name,
            system: &self.clinic.system,
            source: &connection.target,
            catalog: &connection.catalog,
            tables: &tables,
            all_rows: all_rows || config.is_some_and(|config| config.rehearse_data),
            keep,
        };
        let scratch = connection.block_on(Scratch::make(&options))?;
        self.tell_scratch(&scratch);
        let target = scratch.target.clone();
        self.stage_set.scene.schema = Some(scratch.schema);
        self.stage_set.scene.copied = scratch.copied.clone();
        self.stage_set.scene.kept = keep.then(|| scratch.name().to_owned());
        self.stage_set.scratch = Some(scratch);
        let observer = Both(&self.progress, &self.journal);
        let copy = Connection::to(target, self.project, self.clinic, Purpose::Write, Stage::Push, &observer)?;
        self.stage_set.version = Some(copy.session.server_version);
        self.stage_set.target = self.connection.replace(copy);
        self.stage_set.scene.round_trips = self.round_trips()?;
        self.stage_set.milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.push_with(snapshot, false, None)
    }

    fn tell_scratch(&self, scratch: &Scratch) {
        let observer = Both(&self.progress, &self.journal);
        let note = |text: &str| observer.event(&Event::Note { stage: Stage::Push, text });
        for name in &scratch.removed {
            note(&t!("rehearse.removed", name = name));
        }
        let rows = scratch.copied.iter().map(|copied| copied.rows).sum();
        note(&t!("rehearse.copy_made", name = scratch.name(), rows = output::count(rows)));
        if scratch.schema == Schema::File {
            let text = t!("rehearse.from_file", system = self.clinic.system);
            observer.event(&Event::Warning { stage: Stage::Push, text: &text });
        }
    }

    fn rehearse_in_place(&mut self, snapshot: &Snapshot) -> Result<push::Report> {
        let connection = self.connected()?;
        let target = &connection.target;
        if target.production {
            let question = t!("rehearse.question", target = target.name);
            output::confirm_named(&question, self.clinic.name.as_str(), self.wanted.confirm.as_deref())?;
        }
        let sequences = connection.block_on(Sequences::read(&connection.session.client))?;
        self.stage_set.sequences = Some(sequences);
        self.stage_set.scene.round_trips = self.round_trips()?;
        let report = self.push_with(snapshot, false, None)?;
        self.stage_set.open = report.batch.is_some();
        Ok(report)
    }

    fn round_trips(&self) -> Result<Option<RoundTrips>> {
        let place = self.connected()?;
        let target = self.stage_set.target.as_ref().unwrap_or(place);
        let measured = |connection: &Connection| connection.block_on(round_trip(&connection.session));
        Ok(Some(RoundTrips { target: measured(target)?, place: measured(place)? }))
    }

    /// Takes down what a rehearsal set up and writes it down; a verified push to a target that is not production is one.
    pub(super) fn note_rehearsal(&mut self, outcome: &mut Outcome) {
        let how = self.wanted.rehearsing;
        if how.is_some()
            && let Err(error) = self.take_down()
            && outcome.failure.is_none()
        {
            outcome.failure = Some(error);
        }
        let place = match how {
            Some(how) => how.place(),
            None if self.stayed(outcome) => Place::Target,
            None => return,
        };
        let noted = self.noted(outcome, place).transpose();
        match noted {
            Some(Ok(answer)) if how.is_some() => outcome.rehearsal = Some(answer),
            None | Some(Ok(_)) => {}
            Some(Err(error)) if outcome.failure.is_none() && how.is_some() => outcome.failure = Some(error),
            Some(Err(error)) => tracing::warn!(%error, "the rehearsal is not written down"),
        }
    }

    /// Takes back the open transaction, or drops the copy.
    fn take_down(&mut self) -> Result<()> {
        if std::mem::take(&mut self.stage_set.open) {
            let connection = self.connected()?;
            connection.block_on(push::undo(&connection.session.client))?;
        }
        if let Some(before) = self.stage_set.sequences.take() {
            let connection = self.connected()?;
            let now = connection.block_on(Sequences::read(&connection.session.client))?;
            self.stage_set.scene.moved = before.moved(&now);
        }
        let Some(scratch) = self.stage_set.scratch.take() else { return Ok(()) };
        if let Some(target) = self.stage_set.target.take() {
            self.connection = Some(target);
        }
        let connection = self.connected()?;
        // Not with `block_on` of the connection: the copy goes after Ctrl-C too.
        connection.runtime.block_on(scratch.remove())
    }

    /// Whether this run verified, as a whole, what it or an earlier one pushed to a target that is not production.
    fn stayed(&self, outcome: &Outcome) -> bool {
        let verified = outcome.stages.iter().any(|done| done.stage == Stage::Verify);
        let wanted = &self.wanted.verify;
        verified
            && !self.wanted.dry_run
            && !wanted.replica
            && wanted.since.is_none()
            && self.connection.as_ref().is_some_and(|connection| !connection.target.production)
    }

    /// The rehearsal beside the one before it, written down; none where it came to no snapshot, or was only asked wrongly.
    fn noted(&self, outcome: &Outcome, place: Place) -> Result<Option<Answer>> {
        let Some(staging) = &self.staging else { return Ok(None) };
        let failure = outcome.failure.as_ref().map(Failure::from_anyhow);
        let no_rehearsal = |failure: &Failure| {
            matches!(failure.kind, Kind::Usage | Kind::Interrupted) || interrupt::requested()
        };
        if failure.as_ref().is_some_and(no_rehearsal) {
            return Ok(None);
        }
        let exported = outcome.stages.iter().any(|done| done.stage >= Stage::Export);
        let tried = exported || self.wanted.first >= Stage::Push;
        let Some(snapshot) = self.snapshot().ok().filter(|_| tried) else { return Ok(None) };
        let rehearsal = self.rehearsal(outcome, place, staging, snapshot.id(), failure)?;
        rehearse::save(staging, &rehearsal)?;
        let all = rehearse::all(staging)?;
        let comparison = rehearse::previous(&all, &rehearsal).map(|one| rehearse::compare(one, &rehearsal));
        let forecast = rehearse::forecast(&all);
        Ok(Some(Answer { rehearsal, comparison, forecast }))
    }

    fn rehearsal(
        &self,
        outcome: &Outcome,
        place: Place,
        staging: &Staging,
        snapshot: &str,
        failure: Option<Failure>,
    ) -> Result<Rehearsal> {
        let connection = self.connection.as_ref();
        let verified = outcome.stages.iter().any(|done| done.stage == Stage::Verify);
        let version = connection.map(|connection| connection.session.server_version);
        let pushed = outcome.stages.iter().find_map(|done| match &done.report {
            Report::Push(report) => Some(report),
            _ => None,
        });
        let whole = u64::try_from(staging.value::<i64>(MODEL_ROWS)?).unwrap_or_default();
        let mut counted = Counted::default();
        outcome.stages.iter().for_each(|done| counted.add(&done.report));
        Ok(Rehearsal {
            id: outcome.run.clone(),
            at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            snapshot: snapshot.to_owned(),
            place,
            target: connection.map(|connection| connection.target.name.clone()).unwrap_or_default(),
            clean: failure.is_none() && verified,
            why: failure.map(|failure| failure.message),
            language: Some(String::from(&*rust_i18n::locale())),
            came_to: outcome.at,
            versions: Versions {
                trasvase: env!("CARGO_PKG_VERSION").to_owned(),
                target: version,
                place: self.stage_set.version.or(version),
            },
            stages: outcome
                .stages
                .iter()
                .map(|done| {
                    let (rows, whole) = rows(&done.report, whole);
                    let aside = if done.stage == Stage::Push { self.stage_set.milliseconds } else { 0 };
                    let milliseconds = done.milliseconds.saturating_sub(aside);
                    Timed { stage: done.stage, milliseconds, rows, whole }
                })
                .collect(),
            tables: counted.tables,
            rejects: counted.rejects,
            sources: counted.sources,
            locks: pushed.map(|report| report.locks.clone()).unwrap_or_default(),
            locked_milliseconds: pushed.map_or(0, |report| report.locked_milliseconds),
            planned_locks: self.stage_set.planned_locks.clone(),
            scene: self.stage_set.scene.clone(),
        })
    }
}

/// The middle one of some round trips, in microseconds.
async fn round_trip(session: &Session) -> Result<u64> {
    let mut taken = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let begun = Instant::now();
        session.client.simple_query("select 1").await.map_err(|error| postgres(&error))?;
        taken.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    taken.sort_unstable();
    Ok(taken[ROUND_TRIPS / 2])
}

/// Rows that a stage worked on, and those of a run in which nothing is up to date.
fn rows(report: &Report, models: u64) -> (u64, u64) {
    let both = |rows: u64| (rows, rows);
    match report {
        Report::Load(report) => {
            let sum = |read: bool| {
                let sources = report.sources.iter().filter(|source| !read || !source.unchanged);
                sources.map(|source| source.rows + source.refused).sum()
            };
            (sum(true), sum(false))
        }
        Report::Transform(report) => (report.built.iter().map(|model| model.rows).sum(), models),
        Report::Check(report) => both(report.tables.iter().map(|table| table.rows).sum()),
        Report::Export(report) => both(report.tables.iter().map(|table| table.rows).sum()),
        Report::Push(report) => both(report.plan.tables.iter().map(|table| table.rows).sum()),
        Report::Verify(report) => both(report.tables.iter().map(|table| table.expected).sum()),
    }
}

/// What rehearsals are compared by.
#[derive(Default)]
struct Counted {
    tables: BTreeMap<String, Counts>,
    rejects: Counts,
    sources: BTreeMap<String, Counts>,
}

impl Counted {
    fn add(&mut self, report: &Report) {
        match report {
            Report::Check(report) => {
                for table in &report.tables {
                    self.table(&table.table, &[("rows", table.rows), ("rejected", table.rejected)]);
                    for rule in &table.rules {
                        let column =
                            rule.column.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
                        let name = format!("{}: {}{column}", table.table, rule.rule);
                        *self.rejects.entry(name).or_default() += rule.rows;
                    }
                }
            }
            Report::Push(report) => {
                for table in &report.plan.tables {
                    let counts = [
                        ("inserted", table.inserts),
                        ("updated", table.updates),
                        ("deleted", table.deletes),
                        ("unchanged", table.unchanged),
                        ("kept", table.kept),
                    ];
                    self.table(&table.table, &counts);
                }
            }
            Report::Verify(report) => {
                for table in &report.tables {
                    let unequal = table.counts.iter().map(|count| count.rows).sum();
                    self.table(
                        &table.table,
                        &[("rows", table.source), ("rejected", table.rejected), ("unequal", unequal)],
                    );
                }
                for source in &report.sources {
                    let count = &source.count;
                    let counts = [
                        ("read", count.read),
                        // What people deleted says nothing of the load.
                        ("imported", count.imported + source.left_out),
                        ("merged", count.merged),
                        ("rejected", count.rejected),
                        ("skipped", count.skipped),
                        ("filtered", count.filtered),
                    ];
                    let counts = counts.map(|(name, rows)| (name.to_owned(), rows));
                    self.sources.insert(count.source.clone(), BTreeMap::from(counts));
                }
            }
            _ => {}
        }
    }

    fn table(&mut self, table: &TableName, counts: &[(&str, u64)]) {
        let known = self.tables.entry(table.to_string()).or_default();
        known.extend(counts.iter().map(|(name, rows)| ((*name).to_owned(), *rows)));
    }
}
