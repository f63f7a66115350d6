//! A run in the words of those whom the migration is for: `[[phases]]` of `report/labels.toml`.

use std::time::Instant;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Done, Pipeline};
use crate::cli::output::{self, Table};
use crate::cli::status::counts_text;
use crate::config::Labels;
use crate::model::run::{Part, Stage};
use crate::pg::Target;
use crate::staging::StageRun;
use crate::{embed, load, transform};

/// A piece of work beside the stages, or within one.
#[derive(Debug, Clone)]
pub(super) struct PartDone {
    pub(super) part: Part,
    pub(super) milliseconds: u64,
    pub(super) rows: u64,
    pub(super) counts: Value,
}

/// A piece of work under the name that the system gives it.
#[derive(Debug, Serialize)]
pub(super) struct Phase {
    phase: String,
    part: Part,
    milliseconds: u64,
    counts: Value,
}

impl Pipeline<'_> {
    /// Looks at what must be there before anything is opened: the variables of whatever will be asked.
    pub(super) fn prepare(&mut self, started: Instant) -> Result<()> {
        let wanted = self.wanted;
        let picked = |stage| wanted.only_stages.as_ref().is_none_or(|only| only.contains(&stage));
        let does = |stage: Stage| (wanted.first..=wanted.last).contains(&stage) && picked(stage);
        if let Some(target) = &self.context.global.target {
            Target::check_name(self.clinic, target)?;
        }
        if does(Stage::Load) {
            load::ready(self.project, self.clinic, &wanted.sources)?;
        }
        if does(Stage::Transform) && !wanted.no_ai && wanted.only.is_none() && wanted.select.is_empty() {
            embed::ready(self.project, self.clinic)?;
        }
        self.beside_ready()?;
        let counts = json!({ "sources": self.clinic.sources.len() });
        self.part_done(Part::Prepare, started, 0, counts);
        self.tell_parts(wanted.first, |part| part == Part::Prepare);
        Ok(())
    }

    pub(super) fn part_done(&mut self, part: Part, started: Instant, rows: u64, counts: Value) {
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.parts.push(PartDone { part, milliseconds, rows, counts });
    }

    /// What transform did about duplicates.
    pub(super) fn linked_done(&mut self, report: &transform::Report) {
        let is_linked = |name: &str| Part::of(Stage::Transform, name) == Part::Dedupe;
        let built = report.built.iter().filter(|model| is_linked(&model.name));
        let sum = |of: fn(&transform::LinkReport) -> u64| report.linked.iter().map(of).sum::<u64>();
        let records = sum(|one| one.records);
        let counts =
            json!({ "records": records, "golden": sum(|one| one.golden), "waiting": sum(|one| one.waiting) });
        let milliseconds = built.map(|model| model.milliseconds).sum();
        self.parts.push(PartDone { part: Part::Dedupe, milliseconds, rows: records, counts });
    }

    /// The parts of a stage that have a name, which are told and kept as stages are.
    fn named_parts(&self, stage: Stage) -> impl Iterator<Item = &PartDone> {
        let of_it = move |part: Part| match part {
            Part::Prepare => stage == self.wanted.first,
            _ => stage == Stage::Transform,
        };
        self.parts.iter().filter(move |one| of_it(one.part) && self.labels.phase(one.part).is_some())
    }

    pub(super) fn tell_parts(&self, stage: Stage, which: fn(Part) -> bool) {
        for one in self.named_parts(stage).filter(|one| which(one.part)) {
            self.progress.done(one.part, &counts_text(&one.counts), one.milliseconds);
        }
    }

    /// What the named parts of a stage took, beside what the stage took.
    pub(super) fn part_runs(&self, stage: Stage, took: &StageRun) -> Vec<StageRun> {
        let run = |one: &PartDone| StageRun {
            stage: one.part.to_string(),
            rows: one.rows,
            milliseconds: one.milliseconds,
            ..took.clone()
        };
        self.named_parts(stage).map(run).collect()
    }

    /// What a stage took without those of its parts that have a name of their own.
    pub(super) fn alone(&self, stage: Stage, milliseconds: u64) -> u64 {
        let parts = self.named_parts(stage).filter(|one| one.part != Part::Prepare);
        milliseconds.saturating_sub(parts.map(|one| one.milliseconds).sum())
    }

    /// What was done under the names of the clinic's system; nothing where it has none.
    pub(super) fn phases(&self, stages: &[Done]) -> Vec<Phase> {
        let stages = stages.iter().map(|done| PartDone {
            part: done.stage.into(),
            milliseconds: self.alone(done.stage, done.milliseconds),
            rows: done.rows,
            counts: done.counts.clone(),
        });
        let mut all: Vec<PartDone> = self.parts.iter().cloned().chain(stages).collect();
        all.sort_by_key(|one| one.part);
        let named = |one: PartDone| phase(&self.labels, one);
        all.into_iter().filter_map(named).collect()
    }
}

fn phase(labels: &Labels, one: PartDone) -> Option<Phase> {
    let phase = labels.phase(one.part)?.to_owned();
    Some(Phase { phase, part: one.part, milliseconds: one.milliseconds, counts: one.counts })
}

/// A line for each phase, beside what the engine calls it.
pub(super) fn table(phases: &[Phase]) -> Table {
    let mut table = Table::new([
        t!("cli.run.phase"),
        t!("cli.status.stage"),
        t!("cli.log.took"),
        t!("cli.status.counts"),
    ])
    .right(&[2]);
    for one in phases {
        table.row([
            one.phase.clone(),
            one.part.to_string(),
            output::duration(one.milliseconds),
            counts_text(&one.counts),
        ]);
    }
    table
}
