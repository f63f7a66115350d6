//! Each stage with what it needs: staging file, target, snapshot.

use anyhow::{Context as _, Result};
use rust_i18n::t;

use super::connection::Connection;
use super::{Pipeline, Rehearsing, Report, row_of};
use crate::cli::output;
use crate::cli::progress::Both;
use crate::config::{Clinic, LoadMode, Project, sql_files};
use crate::error::{Cause, Failure};
use crate::model::catalog::Catalog;
use crate::model::ident::TableName;
use crate::model::manifest::SourceCount;
use crate::model::run::{Event, Observer as _, Part, Stage};
use crate::model::vanished::Vanished;
use crate::pg::{self, Purpose, backup};
use crate::snapshot::Snapshot;
use crate::staging::{Staging, private_folder};
use crate::{check, export, load, push, transform};

impl Pipeline<'_> {
    pub(super) fn work(&mut self, stage: Stage) -> Result<Report> {
        match stage {
            Stage::Load => self.load().map(Report::Load),
            Stage::Transform => self.transform().map(Report::Transform),
            Stage::Check => self.check().map(Report::Check),
            Stage::Export => self.export().map(Report::Export),
            Stage::Push => self.push().map(Report::Push),
            Stage::Verify => self.verify().map(Report::Verify),
            Stage::Files | Stage::Users | Stage::Archive => anyhow::bail!("{stage} is a command of its own"),
        }
    }

    fn load(&self) -> Result<load::Report> {
        let options = load::Options {
            project: self.project,
            clinic: self.clinic,
            staging: self.open()?,
            only: self.wanted.sources.clone(),
            force: self.wanted.force,
            incremental: self.wanted.incremental,
        };
        let report = load::run(&options, &Both(&self.progress, &self.journal))?;
        transform::first_macros(self.project, self.clinic, self.open()?)?;
        Ok(report)
    }

    fn transform(&mut self) -> Result<transform::Report> {
        let mut select = self.wanted.select.clone();
        if let Some(only) = &self.wanted.only {
            self.connect(Stage::Transform, Purpose::Read)?;
            let names = with_parents(&self.connected()?.catalog, self.clinic, only)?;
            select.extend(names.iter().map(|name| format!("+target.{name}")));
        }
        let options =
            transform::Options { project: self.project, clinic: self.clinic, staging: self.open()?, select };
        let report = transform::run(&options, &Both(&self.progress, &self.journal))
            .map_err(|error| Failure::from_anyhow(&error).cause(Cause::Transformation))?;
        // A stage may be done again.
        self.parts.retain(|one| one.part < Part::Transform);
        self.linked_done(&report);
        self.embed(&report)?;
        Ok(report)
    }

    fn check(&mut self) -> Result<check::Report> {
        self.connect(Stage::Check, Purpose::Read)?;
        let connection = self.connected()?;
        let options = check::Options {
            project: self.project,
            clinic: &self.wanted_part()?,
            staging: self.open()?,
            client: &connection.session.client,
            catalog: &connection.catalog,
            oids: &connection.oids,
        };
        let report = connection.block_on(check::run(&options, &Both(&self.progress, &self.journal)))?;
        self.stop = self.stopped(&report);
        Ok(report)
    }

    /// What a check found that stops a run: sources of which nobody knows how much is lost, and what is over its limit.
    fn stopped(&self, report: &check::Report) -> Option<Failure> {
        let (clinic, losses, stops) = (&self.clinic.name, &report.losses, report.stops());
        let (mut told, mut hints) = (Vec::new(), Vec::new());
        if !losses.is_empty() {
            let what = losses.iter().filter_map(|one| one.detail.as_deref()).collect::<Vec<_>>().join("; ");
            let ids: String = losses.iter().map(|one| format!(" --accept {}", one.id)).collect();
            told.push(t!("cli.check.lost", what = what));
            hints.push(t!("cli.check.lost_hint", clinic = clinic));
            hints.push(t!("cli.check.lost_accept", clinic = clinic, ids = ids));
        }
        if !stops.is_empty() {
            told.push(t!("cli.check.over", what = stops.join(", ")));
            hints.push(t!("cli.check.over_hint", clinic = clinic));
        }
        if told.is_empty() {
            return None;
        }
        let failure = hints.into_iter().fold(Failure::findings(told.join("; ")), Failure::hint);
        Some(failure.hint(format!("trasvase check {clinic}")))
    }

    fn export(&mut self) -> Result<export::Report> {
        self.connect(Stage::Export, Purpose::Read)?;
        let connection = self.connected()?;
        let staging = self.open()?;
        let (catalog_hash, sources) = checked(staging, &self.clinic.name.to_string())?;
        let options = export::Options {
            project: self.project,
            clinic: &self.wanted_part()?,
            staging,
            catalog: &connection.catalog,
            catalog_hash,
            sources,
        };
        export::run(&options, &Both(&self.progress, &self.journal))
    }

    fn push(&mut self) -> Result<push::Report> {
        let reads = self.wanted.dry_run || matches!(self.wanted.rehearsing, Some(Rehearsing::Scratch { .. }));
        let purpose = if reads { Purpose::Read } else { Purpose::Write };
        self.connect(Stage::Push, purpose)?;
        let snapshot = self.snapshot()?;
        if self.wanted.dry_run {
            let report = self.push_with(&snapshot, true, self.wanted.plan.clone())?;
            self.stop = self.pending(&snapshot).err().or_else(|| self.conflicts(&report));
            return Ok(report);
        }
        if let Some(rehearsing) = self.wanted.rehearsing {
            self.pending(&snapshot)?;
            return self.rehearse(rehearsing, &snapshot);
        }
        let report = match self.settled(&snapshot)? {
            Some(report) => report,
            None => {
                let plan = self.agreed(&snapshot)?;
                self.push_with(&snapshot, false, plan)?
            }
        };
        self.stop = self.conflicts(&report);
        Ok(report)
    }

    /// The plan that may be pushed, if there is to be only one. Whoever is asked about it is asked once a run.
    fn agreed(&mut self, snapshot: &Snapshot) -> Result<Option<String>> {
        if self.agreed.is_none() {
            self.pending(snapshot)?;
            if self.connected()?.target.production {
                self.unrehearsed = self.unrehearsed(snapshot)?;
            }
            let confirmed = self.confirmed(snapshot)?;
            self.back_up(snapshot)?;
            self.agreed = Some(self.wanted.plan.clone().or(confirmed));
        }
        Ok(self.agreed.clone().flatten())
    }

    /// What a push left for people to decide, and nobody accepted: the rest is pushed, and the exit code says that there is
    /// something.
    fn conflicts(&self, report: &push::Report) -> Option<Failure> {
        let (open, clinic) = (report.plan.open_conflicts(), &self.clinic.name);
        let count = open.iter().map(|(_, rows)| rows).sum::<u64>();
        let tables = open.iter().map(|(table, _)| table.to_string()).collect::<Vec<_>>().join(", ");
        (count > 0).then(|| {
            Failure::findings(t!("push.in_conflict", count = output::count(count), tables = tables))
                .hint(t!("verify.conflict_hint", tables = tables, clinic = clinic))
                .hint(t!("verify.conflict_accept", clinic = clinic))
        })
    }

    /// What the push did whose session was lost, if it was committed.
    fn settled(&mut self, snapshot: &Snapshot) -> Result<Option<push::Report>> {
        let Some(begun) = &self.begun else { return Ok(None) };
        let connection = self.connected()?;
        let options = self.push_options(connection, snapshot);
        let report = connection.block_on(push::settle(&options, begun))?;
        let batch = begun.report.batch.clone().unwrap_or_default();
        let text = match report {
            Some(_) => t!("push.was_committed", batch = batch),
            None => t!("push.was_not_committed", batch = batch),
        };
        Both(&self.progress, &self.journal).event(&Event::Note { stage: Stage::Push, text: &text });
        self.begun = None;
        Ok(report)
    }

    /// Refuses pairs that wait for a decision, before anybody is asked anything.
    fn pending(&self, snapshot: &Snapshot) -> Result<(), Failure> {
        match self.wanted.allow_pending {
            true => Ok(()),
            false => push::pending(self.clinic, snapshot),
        }
    }

    /// `[safety] backup = "pg_dump"`: before a push to a database that is not our own, what its tables hold.
    fn back_up(&self, snapshot: &Snapshot) -> Result<()> {
        let target = &self.connected()?.target;
        match self.clinic.safety.backup.as_deref() {
            Some("pg_dump") if !target.is_embedded() => {}
            None | Some("pg_dump") => return Ok(()),
            Some(other) => return Err(Failure::usage(t!("cli.push.unknown_backup", name = other)).into()),
        }
        let folder = self.project.staging_dir(&self.clinic.name).join("reports");
        private_folder(&folder)?;
        let path = folder.join(format!("before-{}.dump", self.journal.run()));
        let tables: Vec<TableName> =
            snapshot.manifest().tables.iter().map(|entry| entry.table.clone()).collect();
        backup(target, &tables, &path)?;
        let text = t!("cli.push.backed_up", path = path.display());
        Both(&self.progress, &self.journal).event(&Event::Note { stage: Stage::Push, text: &text });
        Ok(())
    }

    pub(super) fn push_with(
        &self,
        snapshot: &Snapshot,
        dry_run: bool,
        plan: Option<String>,
    ) -> Result<push::Report> {
        let connection = self.connected()?;
        let ending = self.wanted.rehearsing.map_or_else(push::Ending::default, Rehearsing::ending);
        // What other sessions write cannot be taken back with the first one's transaction.
        let alone = dry_run || ending == push::Ending::Open;
        let aside = if alone { None } else { connection.another() };
        let options = push::Options {
            aside: aside.as_ref().map(|aside| &aside.client),
            dry_run,
            expected_plan: plan,
            ..self.push_options(connection, snapshot)
        };
        let observer = Both(&self.progress, &self.journal);
        let work = push::run(&options, &observer);
        match &aside {
            Some(aside) => connection.block_on(pg::watched(aside, work)),
            None => connection.block_on(work),
        }
    }

    fn push_options<'a>(&'a self, connection: &'a Connection, snapshot: &'a Snapshot) -> push::Options<'a> {
        push::Options {
            project: self.project,
            clinic: self.clinic,
            snapshot,
            client: &connection.session.client,
            aside: None,
            catalog: &connection.catalog,
            oids: &connection.oids,
            dry_run: false,
            allow_pending: self.wanted.allow_pending,
            expected_plan: None,
            notes: self.notes(),
            ending: self.wanted.rehearsing.map_or_else(push::Ending::default, Rehearsing::ending),
        }
    }

    /// Shows the plan and asks where a push deletes rows or goes to production; gives the plan that was agreed to.
    fn confirmed(&self, snapshot: &Snapshot) -> Result<Option<String>> {
        let connection = self.connected()?;
        let target = &connection.target;
        let deletes = snapshot.manifest().tables.iter().any(|entry| {
            matches!(self.clinic.load_mode(&entry.table), LoadMode::Replace | LoadMode::Sync)
                || self.clinic.vanished(&entry.table) == Some(Vanished::Delete)
        });
        if !target.production && !deletes {
            return Ok(None);
        }
        let planned = self.push_with(snapshot, true, None)?;
        if planned.plan.is_nothing() {
            return Ok(Some(planned.plan.id));
        }
        let deleted =
            planned.plan.tables.iter().map(|table| table.deletes).sum::<u64>() + planned.plan.retired();
        if !target.production && deleted == 0 {
            return Ok(Some(planned.plan.id));
        }
        let named = self.context.global.target.as_deref();
        output::status(&crate::cli::push::page(&planned, &self.clinic.name, named).text());
        let question = t!(
            "cli.push.question",
            rows = output::count(planned.plan.writes()),
            deleted = output::count(deleted),
            target = target.name
        );
        match target.production {
            true => {
                let given = self.wanted.confirm.as_deref();
                output::confirm_named(&question, self.clinic.name.as_str(), given)?;
            }
            false => output::confirm(&question, self.context.global.yes)?,
        }
        Ok(Some(planned.plan.id))
    }

    /// The clinic with what `--only` asks for.
    fn wanted_part(&self) -> Result<Clinic> {
        match &self.wanted.only {
            Some(only) => self.part(&with_parents(&self.connected()?.catalog, self.clinic, only)?),
            None => Ok(self.clinic.clone()),
        }
    }

    pub(super) fn part(&self, names: &[TableName]) -> Result<Clinic> {
        part_of(self.project, self.clinic, names)
    }

    pub(super) fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::find(&self.project.snapshots_dir(&self.clinic.name), self.wanted.snapshot.as_deref())
    }

    /// Whether what is pushed and verified are the models' rows: the staging file's books are about these. What a snapshot
    /// that cannot be read is of, its stage will say.
    pub(super) fn is_of_models(&self) -> bool {
        self.wanted.snapshot.is_none()
            || self.snapshot().map_or(true, |snapshot| snapshot.manifest().origin.is_models())
    }

    pub(super) fn open(&self) -> Result<&Staging> {
        self.staging.as_ref().context("the staging file is opened before the stage")
    }

    pub(super) fn connected(&self) -> Result<&Connection> {
        self.connection.as_ref().context("the target is connected before the stage")
    }

    /// Connects once a run; a session that was opened for reading is opened anew for writing.
    pub(super) fn connect(&mut self, stage: Stage, purpose: Purpose) -> Result<()> {
        let usable =
            |connection: &Connection| purpose == Purpose::Read || connection.session.read_only.is_none();
        if self.connection.as_ref().is_none_or(|connection| !usable(connection)) {
            let target = self.context.global.target.as_deref();
            let observer = Both(&self.progress, &self.journal);
            let connection = Connection::open(self.project, self.clinic, target, purpose, stage, &observer)?;
            self.connection = Some(connection);
        }
        Ok(())
    }
}

/// The clinic with these tables only: without the sources that have another as their primary, and without figures and
/// questions about others.
pub(super) fn part_of(project: &Project, clinic: &Clinic, names: &[TableName]) -> Result<Clinic> {
    let mut clinic = clinic.clone();
    let models = sql_files(project, &clinic, "target")?;
    let tables = models.iter().map(|file| TableName::from(file.name.as_str()));
    clinic.left_out = tables.filter(|table| !names.contains(table)).collect();
    if clinic.left_out.is_empty() {
        return Ok(clinic);
    }
    let left_out = &clinic.left_out;
    clinic.sources.retain(|_, source| !source.primary.iter().any(|table| left_out.contains(table)));
    let questions = sql_files(project, &clinic, "control")?;
    clinic.control.retain(|name, _| questions.iter().any(|file| file.name == format!("{name}.target")));
    Ok(clinic)
}

/// What the last check wrote down: the catalog it looked at, and the verdicts by source.
fn checked(staging: &Staging, clinic: &str) -> Result<(String, Vec<SourceCount>)> {
    let missing = || Failure::failed(t!("cli.export.unchecked")).hint(format!("trasvase check {clinic}"));
    let row = row_of(staging, Stage::Check)?.ok_or_else(missing)?;
    let hash = row.counts["catalog"].as_str().ok_or_else(missing)?.to_owned();
    let sources = serde_json::from_value(row.counts["verdicts"].clone()).map_err(|_| missing())?;
    Ok((hash, sources))
}

/// A table and every table that it refers to, by foreign key, however far; and the one that names the tenant.
fn with_parents(catalog: &Catalog, clinic: &Clinic, table: &TableName) -> Result<Vec<TableName>> {
    if catalog.table(table).is_none() {
        return Err(Failure::usage(t!("cli.run.no_table", table = table)).into());
    }
    let mut names = vec![table.clone()];
    let tenant =
        clinic.tenant.as_ref().and_then(|tenant| tenant.value.strip_prefix("target.")?.rsplit_once('.'));
    names.extend(tenant.map(|(table, _)| TableName::from(table)).filter(|tenant| tenant != table));
    let mut next = 0;
    while let Some(name) = names.get(next) {
        let parents = catalog.parents(name);
        next += 1;
        let new: Vec<TableName> = parents.into_iter().filter(|parent| !names.contains(parent)).collect();
        names.extend(new);
    }
    Ok(names)
}
