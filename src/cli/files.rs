use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::aws::{self, GENERAL, WORM};
use super::context::Context;
use super::journal;
use super::output::{self, Page, Table};
use super::pipeline::{self, Connection, Outcome, Wanted};
use super::progress::Progress;
use crate::config::{Clinic, Project};
use crate::desk::Decisions;
use crate::error::Failure;
use crate::files::removal::{self, Told};
use crate::files::{self, Buckets, Finding, Plan, Report, Shelf};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::pg::{After, Purpose, variable};
use crate::push;
use crate::snapshot::Snapshot;
use crate::staging::{Access, Staging};

/// Upload documents and photos, and write the rows that tell of them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// Only print what would be uploaded and what speaks against it
    #[arg(long)]
    dry_run: bool,
    /// The clinic's name, in place of typing it: production wants it, and --yes is not enough there
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

const EXAMPLES: &str = "Examples:
  trasvase files acme --dry-run
  trasvase files acme --target production --confirm acme";

/// What is said of rows whose list was not read whole.
const UNREAD: &str = "files.rows_unread";
/// So many files are named for a finding.
const SHOWN: usize = 5;

/// What was planned, or done.
#[derive(Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    work: Work,
    /// What pushes of the rows would do, a table each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rows_planned: Vec<push::Plan>,
    /// The pushes and verifications of the rows, a table each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rows_pushed: Vec<Outcome>,
    /// Findings that nobody accepted.
    open_findings: u64,
    /// Objects of the general bucket that are consents now, and that no row tells of there any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_over: Vec<LeftOver>,
}

#[derive(Debug, Serialize)]
struct LeftOver {
    bucket: String,
    keys: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Work {
    Planned(Plan),
    Done(Report),
}

impl Arguments {
    /// As a run takes it.
    pub(super) fn of_a_run(clinic: &ClinicName, confirm: Option<String>) -> Self {
        Self { clinic: Some(clinic.clone()), dry_run: false, confirm }
    }

    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let (_, clinic) = context.clinic(self.clinic.as_ref())?;
        let (answer, failure) = self.take(context)?;
        output::show(context.format(), &answer, |answer| answer.page(&clinic.name))?;
        failure.map_or(Ok(()), Err)
    }

    /// Does it, and tells what speaks against calling it done.
    pub(super) fn take(&self, context: &Context) -> Result<(Answer, Option<anyhow::Error>)> {
        let (project, clinic) = context.clinic(self.clinic.as_ref())?;
        if clinic.files.is_empty() {
            return Err(Failure::usage(t!("files.no_section", clinic = clinic.name))
                .hint(t!("files.no_section_hint"))
                .into());
        }
        let access = if self.dry_run { Access::ReadOnly } else { Access::Write };
        let (work, rows_planned) = {
            let staging = Staging::open(&project, &clinic, access, &context.limits())?;
            self.work(context, (&project, &clinic), &staging)?
        };
        let open_findings = open_findings(&project, &clinic, work.findings())?;
        let rows_pushed = Vec::new();
        let mut answer = Answer { work, rows_planned, rows_pushed, open_findings, left_over: Vec::new() };
        if let Work::Done(report) = &answer.work {
            // The staging file is closed: each push opens it anew.
            for snapshot in &report.snapshots {
                let outcome = pipeline::run(context, &project, &clinic, &pushing(&clinic, snapshot))?;
                answer.rows_pushed.push(outcome);
                if answer.failed() {
                    break;
                }
            }
            answer.note(context, &project, &clinic, report)?;
            if !answer.failed() {
                answer.left_over = left_over(context, &project, &clinic, &report.plan)?;
            }
        }
        let failure = match answer.rows_pushed.iter_mut().find_map(|outcome| outcome.failure.take()) {
            Some(failure) => Some(failure),
            None if answer.open_findings > 0 => {
                let failure = Failure::findings(t!("files.findings", count = answer.open_findings));
                let failure = unlisted(answer.work.findings(), &clinic.name).fold(failure, Failure::hint);
                Some(failure.hint(format!("trasvase issues {}", clinic.name)).into())
            }
            None => None,
        };
        Ok((answer, failure))
    }

    fn work(
        &self,
        context: &Context,
        (project, clinic): (&Project, &Clinic),
        staging: &Staging,
    ) -> Result<(Work, Vec<push::Plan>)> {
        let main = Snapshot::find(&project.snapshots_dir(&clinic.name), None)?;
        let target = context.global.target.as_deref();
        let (level, place) = (context.global.log_level, (project, &clinic.name));
        let progress = Progress::new(level);
        let open = || Connection::open(project, clinic, target, Purpose::Read, Stage::Files, &progress);
        let connection = context.patiently(open)?;
        aws::apart(project)?;
        let (general, worm) = files::shelves(clinic, staging)?;
        let bucket = |wanted: bool, name| {
            wanted.then(|| aws::bucket(context, project, connection.runtime(), name)).transpose()
        };
        let general = general || variable(project, GENERAL)?.is_some();
        let others = Vec::new();
        let buckets = Buckets { general: bucket(general, GENERAL)?, worm: bucket(worm, WORM)?, others };
        let options = files::Options {
            project,
            clinic,
            staging,
            main: &main,
            client: &connection.session.client,
            catalog: &connection.catalog,
            buckets: &buckets,
        };
        if self.dry_run {
            let plan = connection.block_on(files::plan(&options, &progress))?;
            let rows = rows_planned(&options, &plan, &connection, &progress)?;
            return Ok((Work::Planned(plan), rows));
        }
        let names: Vec<&str> =
            [&buckets.general, &buckets.worm].into_iter().flatten().map(|bucket| bucket.name()).collect();
        let named = Some(names.join(", "));
        let report = journal::of_stage(place, level, ("files", Stage::Files), named, |observer| {
            let plan = connection.block_on(files::plan(&options, observer))?;
            self.confirmed(&plan, &connection, clinic)?;
            let report = connection.block_on(files::run(&options, plan, observer))?;
            Ok((report.plan.rows.values().sum(), counts(&report), report))
        })?;
        Ok((Work::Done(report), Vec::new()))
    }

    /// Asks before anything goes up that production's rows will tell of.
    fn confirmed(&self, plan: &Plan, connection: &Connection, clinic: &Clinic) -> Result<()> {
        if !connection.target.production {
            return Ok(());
        }
        output::status(&planned(plan).text());
        let question = t!(
            "files.question",
            objects = output::count(plan.shelves.iter().map(|shelf| shelf.new_objects).sum()),
            rows = output::count(plan.rows.values().sum()),
            target = connection.target.name
        );
        output::confirm_named(&question, clinic.name.as_str(), self.confirm.as_deref())
    }
}

/// What lies in the general bucket of what became a consent, once its rows tell of the other bucket.
fn left_over(context: &Context, project: &Project, clinic: &Clinic, plan: &Plan) -> Result<Vec<LeftOver>> {
    let mut found = Vec::new();
    for shelf in plan.shelves.iter().filter(|shelf| !shelf.consents.is_empty()) {
        let (target, progress) = (context.global.target.as_deref(), Progress::new(context.global.log_level));
        let open = || Connection::open(project, clinic, target, Purpose::Read, Stage::Files, &progress);
        let connection = context.patiently(open)?;
        let (client, catalog) = (&connection.session.client, &connection.catalog);
        let told = Told { clinic, client, catalog, after: &After::default() };
        let keys: Vec<&str> = shelf.consents.iter().map(String::as_str).collect();
        let told_of = connection.block_on(removal::told_of(told, &shelf.bucket, &keys))?;
        let keys: Vec<String> = shelf.consents.difference(&told_of).cloned().collect();
        if !keys.is_empty() {
            found.push(LeftOver { bucket: shelf.bucket.clone(), keys });
        }
    }
    Ok(found)
}

/// What a push of the planned rows would do; the snapshots that it takes are gone again.
fn rows_planned(
    options: &files::Options<'_>,
    plan: &Plan,
    connection: &Connection,
    progress: &Progress,
) -> Result<Vec<push::Plan>> {
    let folder = tempfile::tempdir_in(options.project.staging_dir(&options.clinic.name))?;
    let snapshots = files::snapshots(options, plan, folder.path())?;
    let planned = snapshots.iter().map(|snapshot| {
        let options = push::Options {
            project: options.project,
            clinic: options.clinic,
            snapshot,
            client: options.client,
            aside: None,
            catalog: options.catalog,
            oids: &connection.oids,
            dry_run: true,
            allow_pending: true,
            expected_plan: None,
            notes: String::new(),
            ending: push::Ending::default(),
        };
        Ok(connection.block_on(push::run(&options, progress))?.plan)
    });
    planned.collect()
}

/// The push of a snapshot of rows, and its verification.
fn pushing(clinic: &Clinic, snapshot: &str) -> Wanted {
    Wanted {
        command: "files".to_owned(),
        last: Stage::Verify,
        until: Stage::Verify,
        snapshot: Some(snapshot.to_owned()),
        // Whoever was to be asked was asked before anything was uploaded.
        confirm: Some(clinic.name.to_string()),
        ..Wanted::stage(Stage::Push)
    }
}

/// How many findings nobody accepted.
fn open_findings(project: &Project, clinic: &Clinic, findings: &[Finding]) -> Result<u64> {
    let decisions = Decisions::read(project, clinic)?;
    let accepted = |one: &&Finding| decisions.accept(&one.id, one.count);
    Ok(findings.iter().filter(|one| !accepted(one)).map(|one| one.count).sum())
}

/// Counts only.
fn counts(report: &Report) -> serde_json::Value {
    serde_json::json!({
        "rows": report.plan.rows.values().sum::<u64>(),
        "objects": report.plan.shelves.iter().map(|shelf| shelf.objects).sum::<u64>(),
        "bytes": report.plan.shelves.iter().map(|shelf| shelf.bytes).sum::<u64>(),
        "sent": report.sent_objects,
        "findings": report.plan.findings.iter().map(|one| one.count).sum::<u64>(),
    })
}

impl Work {
    fn findings(&self) -> &[Finding] {
        match self {
            Work::Planned(plan) => &plan.findings,
            Work::Done(report) => &report.plan.findings,
        }
    }
}

impl Answer {
    fn failed(&self) -> bool {
        self.rows_pushed.iter().any(|outcome| outcome.failure.is_some())
    }

    /// Writes down how it ended, for `status`.
    fn note(&self, context: &Context, project: &Project, clinic: &Clinic, report: &Report) -> Result<()> {
        let batches = self.rows_pushed.iter().filter_map(|outcome| outcome.batch());
        let ended = pipeline::Ended {
            stage: Stage::Files,
            run: self.rows_pushed.last().map_or("", |outcome| outcome.run.as_str()),
            batches: batches.map(str::to_owned).collect(),
            output: report.snapshots.join(" "),
            clean: !self.failed() && self.open_findings == 0,
            counts: counts(report),
        };
        pipeline::note(context, (project, clinic), ended)
    }

    pub(super) fn counts(&self) -> serde_json::Value {
        match &self.work {
            Work::Planned(_) => serde_json::Value::Null,
            Work::Done(report) => counts(report),
        }
    }

    pub(super) fn page(&self, clinic: &ClinicName) -> Page {
        let page = match &self.work {
            Work::Planned(plan) => self
                .rows_planned
                .iter()
                .fold(planned(plan), |page, rows| page.add(would_go(rows)))
                .line(t!("files.nothing_yet")),
            Work::Done(report) => {
                let (objects, size) = (output::count(report.sent_objects), output::size(report.sent_bytes));
                let page = planned(&report.plan).line(t!("archive.sent", objects = objects, size = size));
                match report.extended {
                    0 => page,
                    count => page.line(t!("archive.extended", count = output::count(count))),
                }
            }
        };
        let page = self.rows_pushed.iter().fold(page, |page, outcome| {
            let page = page.line("").add(outcome.page(true)).add(outcome.both_sides(UNREAD));
            match outcome.deleted() {
                0 => page,
                rows => page.line(t!("files.deleted", count = output::count(rows), clinic = clinic)),
            }
        });
        let page = self.left_over.iter().fold(page, |page, one| {
            let count = output::count(one.keys.len() as u64);
            let place = |key: &String| format!("s3://{}/{key}", one.bucket);
            let mut keys: Vec<String> = one.keys.iter().take(SHOWN).map(place).collect();
            if one.keys.len() > SHOWN {
                keys.push("…".to_owned());
            }
            page.line(t!("files.left_over", bucket = one.bucket, count = count, keys = keys.join(" ")))
        });
        match self.open_findings {
            0 => page,
            _ => page.line(format!("  → trasvase issues {clinic}")),
        }
    }
}

/// Which rows a push would delete, and what else it would leave or change.
fn would_go(rows: &push::Plan) -> Page {
    let page = rows.tables.iter().filter(|one| one.deletes > 0).fold(Page::new(), |page, one| {
        page.line(t!("files.would_delete", table = one.table, count = output::count(one.deletes)))
    });
    page.add(super::push::both_sides(rows, UNREAD))
}

fn planned(plan: &Plan) -> Page {
    let mut table = Table::new([
        t!("files.bucket"),
        t!("archive.objects"),
        t!("archive.size"),
        t!("files.new_objects"),
        t!("files.new_size"),
    ])
    .right(&[1, 2, 3, 4]);
    for one in &plan.shelves {
        let what = match one.shelf {
            Shelf::General => t!("files.general"),
            Shelf::Worm => t!("files.consents"),
        };
        table.row([
            format!("{} ({what})", one.bucket),
            output::count(one.objects),
            output::size(one.bytes),
            output::count(one.new_objects),
            output::size(one.new_bytes),
        ]);
    }
    let page = if plan.shelves.is_empty() { Page::new() } else { Page::new().table(table) };
    let page = plan.rows.iter().fold(page, |page, (table, rows)| {
        page.line(t!("files.rows", table = table, count = output::count(*rows)))
    });
    if plan.findings.is_empty() {
        return page;
    }
    let mut table = Table::new([t!("cli.finding"), t!("cli.check.subject"), t!("cli.count")]).right(&[2]);
    for one in &plan.findings {
        table.row([one.rule.to_owned(), one.subject.clone(), output::count(one.count)]);
    }
    plan.findings.iter().fold(page.line("").table(table), |page, one| {
        let place = |place: &files::Place| match (&place.record, place.path.is_empty()) {
            (Some(record), true) => record.clone(),
            (Some(record), false) => format!("{} ({record})", place.path),
            (None, _) => place.path.clone(),
        };
        let mut named: Vec<String> = one.places.iter().take(SHOWN).map(place).collect();
        if one.places.len() > SHOWN {
            named.push("…".to_owned());
        }
        named.retain(|name| !name.is_empty());
        match named.is_empty() {
            true => page.line(explained(one.rule)),
            false => page.line(format!("{}: {}", explained(one.rule), named.join(", "))),
        }
    })
}

/// What to type about rows of tables that no section is about any more.
fn unlisted<'f>(findings: &'f [Finding], clinic: &'f ClinicName) -> impl Iterator<Item = String> + 'f {
    findings.iter().filter(|one| one.rule == files::ROWS_UNLISTED).map(move |one| {
        let newest = one.places.iter().filter_map(|place| place.record.as_deref()).max().unwrap_or_default();
        t!("files.unlisted_hint", table = one.subject, clinic = clinic, batch = newest).into_owned()
    })
}

/// What a rule means, in words.
fn explained(rule: &str) -> std::borrow::Cow<'static, str> {
    match rule {
        "file_missing" => t!("files.missing"),
        "file_empty" => t!("files.empty"),
        "file_unreadable" => t!("files.unreadable"),
        "file_outside" => t!("files.outside"),
        "file_unreferenced" => t!("files.unreferenced"),
        "file_no_path" => t!("files.no_path"),
        "file_no_owner" => t!("files.no_owner"),
        "file_owner_not_pushed" => t!("files.owner_not_pushed"),
        "file_twice" => t!("files.twice"),
        "file_hidden" => t!("files.hidden"),
        "file_nothing_listed" => t!("files.nothing_listed"),
        "file_unreadable_name" => t!("files.unreadable_name"),
        files::ROWS_UNLISTED => t!("files.rows_unlisted"),
        _ => t!("files.consent_unclear"),
    }
}
