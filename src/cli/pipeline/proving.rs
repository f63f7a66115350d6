//! Verification, with what it needs; and the way back from a push that is not proven.

use std::time::Duration;

use anyhow::Result;
use rust_i18n::t;

use super::connection::Connection;
use super::{Outcome, Pipeline, Report, proof};
use crate::cli::progress::Both;
use crate::error::{self, Failure};
use crate::model::ident::TableName;
use crate::model::run::{Event, Observer as _, Stage};
use crate::pg::{self, Lag, Purpose, Target};
use crate::staging::private_folder;
use crate::{rollback, verify};

/// How long a replica may take to get what was pushed.
const PATIENCE: Duration = Duration::from_secs(30);

impl Pipeline<'_> {
    pub(super) fn verify(&mut self) -> Result<verify::Report> {
        self.connect(Stage::Verify, Purpose::Read)?;
        let wanted = &self.wanted.verify;
        let replica = if wanted.replica { Some(self.replica()?) } else { None };
        let connection = replica.as_ref().map_or(self.connected()?, |(connection, _)| connection);
        let snapshot = self.snapshot()?;
        // A snapshot of few tables stays one for whoever verifies it later.
        let tables: Vec<TableName> =
            snapshot.manifest().tables.iter().map(|entry| entry.table.clone()).collect();
        let options = verify::Options {
            project: self.project,
            clinic: &self.part(&tables)?,
            snapshot: &snapshot,
            client: &connection.session.client,
            catalog: &connection.catalog,
            limits: &self.context.limits(),
            show_values: self.wanted.show_values,
            most: self.wanted.most,
            since: wanted.since.as_deref(),
            sample: wanted.sample,
            replica: replica.as_ref().map(|(_, lag)| lag.clone()),
            within: self.stage_set.open,
        };
        let of_models = snapshot.manifest().origin.is_models();
        let staging = self.staging.as_ref().filter(|_| of_models);
        let books = verify::Books::open(staging, &self.journal.run(), self.fixes()?)?;
        let observer = Both(&self.progress, &self.journal);
        if pg::catalog::hash(&connection.catalog, &tables) != snapshot.manifest().catalog_hash {
            let text = t!("verify.catalog_moved", system = self.clinic.system);
            observer.event(&Event::Warning { stage: Stage::Verify, text: &text });
        }
        let work = verify::run(&options, books, &observer);
        let report = match &replica {
            Some((replica, _)) => connection.block_on(pg::watched(&replica.session, work))?,
            None => connection.block_on(work)?,
        };
        if let Some(staging) = self.staging.as_ref().filter(|_| self.keeps_books(Stage::Verify)) {
            proof::keep(staging, &self.journal.run(), &connection.target.name, &report)?;
        }
        self.tell(&report);
        if !report.is_clean() {
            let clinic = &self.clinic.name;
            let equal = report.tables.iter().all(|table| table.equal);
            let text = match (report.only_later(), equal, report.relations.iter().all(|one| one.holds())) {
                _ if report.only_conflicts() => t!("verify.only_conflicts"),
                _ if report.differs_only(verify::Cause::TakenBack) => {
                    match report.tables.iter().any(|one| one.left > 0) {
                        true => t!("verify.only_taken_back_left"),
                        false => t!("verify.only_taken_back"),
                    }
                }
                _ if report.differs_only(verify::Cause::Overwritten) => t!("verify.only_overwritten"),
                (true, ..) => t!("verify.only_later"),
                (_, true, false) => t!("verify.broken"),
                (_, true, true) => t!("verify.only_figures"),
                _ => t!("cli.verify.unequal"),
            };
            let failure = Failure::findings(text).hint(format!("trasvase verify {clinic} --format json"));
            let failure = self.explained(failure, &report, &connection.catalog);
            self.stop = Some(failure);
        }
        Ok(report)
    }

    /// `[safety] on_verify_failure = "rollback"`: takes back what this run pushed where the proof failed. What keeps us from
    /// it is told beside the failure, whose kind stays.
    pub(super) fn take_back(&mut self, outcome: &mut Outcome) {
        let wanted = self.clinic.safety.on_verify_failure.as_deref() == Some("rollback")
            && self.wanted.rehearsing.is_none();
        let batch = outcome.stages.iter().find_map(|done| match &done.report {
            Report::Push(report) => report.batch.clone(),
            _ => None,
        });
        let Some(batch) = batch.filter(|_| wanted) else { return };
        // What waits for people's decision was not pushed; what was is proven.
        let proven = outcome.stages.iter().any(|done| {
            matches!(&done.report, Report::Verify(report) if report.is_clean() || report.only_conflicts())
        });
        if proven {
            return;
        }
        let Some(error) = outcome.failure.take() else { return };
        let failure = Failure::from_anyhow(&error);
        // An error of another kind says nothing about the rows.
        if !matches!(failure.kind, error::Kind::Findings | error::Kind::NotComparable) {
            outcome.failure = Some(error);
            return;
        }
        let failure = match self.roll_back(&batch) {
            Ok(report) => {
                let text = t!("rollback.after_verify", batch = batch);
                Both(&self.progress, &self.journal)
                    .event(&Event::Warning { stage: Stage::Verify, text: &text });
                outcome.rolled_back = Some(report);
                Failure { message: format!("{}; {text}", failure.message), hints: Vec::new(), ..failure }
            }
            Err(error) => {
                let inner = Failure::from_anyhow(&error);
                let text = t!("rollback.not_after_verify", batch = batch, error = inner.message);
                let failure = Failure { message: format!("{}; {text}", failure.message), ..failure };
                failure.hint(format!("trasvase rollback {} {batch} --dry-run", self.clinic.name))
            }
        };
        outcome.failure = Some(failure.into());
    }

    fn roll_back(&mut self, batch: &str) -> Result<rollback::Report> {
        self.connect(Stage::Verify, Purpose::Write)?;
        let connection = self.connected()?;
        let options = rollback::Options {
            clinic: self.clinic,
            client: &connection.session.client,
            catalog: &connection.catalog,
            which: rollback::Which::Only(batch),
            edited: rollback::Edited::Refuse,
            dry_run: false,
            expected_plan: None,
            most: 20,
        };
        let report = connection.block_on(rollback::run(&options))?;
        if let Some(staging) = &self.staging {
            crate::cli::rollback::forget_stages(staging, &report, &[Stage::Push])?;
        }
        Ok(report)
    }

    /// The replica, once it has what was pushed, and how far behind it is.
    fn replica(&self) -> Result<(Connection, Lag)> {
        let observer = Both(&self.progress, &self.journal);
        let target = Target::replica(self.project)?;
        let replica =
            Connection::to(target, self.project, self.clinic, Purpose::Read, Stage::Verify, &observer)?;
        let (primary, clinic) = (&self.connected()?.session.client, self.clinic.name.as_str());
        let waited = pg::replica::caught_up(primary, &replica.session.client, clinic, PATIENCE);
        let lag = replica.block_on(waited)?;
        Ok((replica, lag))
    }

    /// Where the statements go that would repair the target, if they are asked for.
    fn fixes(&self) -> Result<Option<verify::Fixes>> {
        let Some(path) = &self.wanted.verify.fixes else { return Ok(None) };
        if let Some(path) = path {
            return Ok(Some(verify::Fixes::new(path)));
        }
        let folder = self.project.staging_dir(&self.clinic.name).join("reports");
        private_folder(&folder)?;
        Ok(Some(verify::Fixes::new(&folder.join(format!("fix-{}.sql", self.journal.run())))))
    }
}
