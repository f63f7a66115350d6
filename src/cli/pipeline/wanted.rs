//! What is asked of a run.

use std::collections::BTreeSet;

use super::steps::Step;
use super::{OwnSteps, Rehearsing};
use crate::cli::verify;
use crate::model::ident::TableName;
use crate::model::run::Stage;

/// Which stages to run, and how.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Wanted {
    /// As it was typed, for the log.
    pub(in crate::cli) command: String,
    pub(in crate::cli) first: Stage,
    pub(in crate::cli) last: Stage,
    /// Where a run ends of which this is the dry one.
    pub(in crate::cli) until: Stage,
    /// Of these only some.
    pub(in crate::cli) only_stages: Option<BTreeSet<Stage>>,
    /// Of the stages that come after a run, those that are taken where clinic.toml names them.
    pub(in crate::cli) beside: BTreeSet<Stage>,
    /// Which of the clinic's own steps.
    pub(in crate::cli) own_steps: OwnSteps,
    /// Whether `[notify]` is told of the end.
    pub(in crate::cli) notify: bool,
    /// Sources to load; empty for all.
    pub(in crate::cli) sources: Vec<String>,
    /// Read sources again that did not change.
    pub(in crate::cli) force: bool,
    /// Read only new files of sources with a cursor.
    pub(in crate::cli) incremental: bool,
    /// No service is asked for vectors.
    pub(in crate::cli) no_ai: bool,
    /// Models to build; empty for all.
    pub(in crate::cli) select: Vec<String>,
    /// Only this table, with its parents.
    pub(in crate::cli) only: Option<TableName>,
    /// The snapshot to push or verify; the latest where not given.
    pub(in crate::cli) snapshot: Option<String>,
    /// The plan that a person looked at.
    pub(in crate::cli) plan: Option<String>,
    /// The clinic's name, given for a push to production in place of typing it.
    pub(in crate::cli) confirm: Option<String>,
    pub(in crate::cli) dry_run: bool,
    /// Every table in mode `replace`, whatever clinic.toml says.
    pub(in crate::cli) full_refresh: bool,
    /// Push although records wait for a decision.
    pub(in crate::cli) allow_pending: bool,
    /// What a person has to say about the batch.
    pub(in crate::cli) notes: String,
    /// Why a snapshot goes to production that was not rehearsed.
    pub(in crate::cli) without_rehearsal: Option<String>,
    /// Where push and verify only rehearse.
    pub(in crate::cli) rehearsing: Option<Rehearsing>,
    pub(in crate::cli) show_values: bool,
    /// Differing rows that verify names per table.
    pub(in crate::cli) most: usize,
    /// What else verify is asked for.
    pub(in crate::cli) verify: verify::Wanted,
}

impl Wanted {
    /// One stage, whole.
    pub(in crate::cli) fn stage(stage: Stage) -> Self {
        Self {
            command: stage.to_string(),
            first: stage,
            last: stage,
            until: stage,
            only_stages: None,
            beside: BTreeSet::new(),
            own_steps: OwnSteps::None,
            notify: false,
            sources: Vec::new(),
            force: false,
            incremental: false,
            no_ai: false,
            select: Vec::new(),
            only: None,
            snapshot: None,
            plan: None,
            confirm: None,
            dry_run: false,
            full_refresh: false,
            allow_pending: false,
            notes: String::new(),
            without_rehearsal: None,
            rehearsing: None,
            show_values: false,
            most: 20,
            verify: verify::Wanted::default(),
        }
    }

    /// Whether an own step is what it begins with.
    pub(super) fn begins_own(&self) -> bool {
        matches!(self.own_steps, OwnSteps::Run { from: Some(_), .. })
    }

    /// The same, beginning with the first stage of these steps.
    pub(super) fn beginning(&self, steps: &[Step<'_>]) -> Self {
        let stage = |step: &Step<'_>| match step {
            Step::Stage(stage) => Some(*stage),
            Step::Own(_) => None,
        };
        let own = |step: &Step<'_>| match step {
            Step::Stage(stage) => *stage,
            Step::Own(own) => own.stage,
        };
        let first = steps.iter().find_map(stage).or(steps.first().map(own));
        Self { first: first.unwrap_or(self.first), ..self.clone() }
    }
}
