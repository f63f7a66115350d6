use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::context::Context;
use super::elsewhere::Elsewhere;
use super::journal::Journal;
use super::output::{self, Page, Table};
use super::pipeline::Connection;
use super::progress::{Both, Progress};
use super::{aws, rollback as taking_back, users};
use crate::archive;
use crate::config::{Clinic, Consent, Project};
use crate::error::Failure;
use crate::files::removal::{self, Removal, Told};
use crate::files::{Buckets, Shelf};
use crate::model::ident::{ClinicName, TableName};
use crate::model::manifest::{Origin, Tenant};
use crate::model::run::{Event, Observer as _, Stage};
use crate::pg::{After, Purpose, batches, variable};
use crate::rollback::{self, Options, Which};
use crate::snapshot::Snapshot;
use crate::users::back;

/// Take everything back that trasvase brought of a clinic: all batches, the newest first, its files and its accounts
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: ClinicName,
    /// Only print what would go and what would stay
    #[arg(long)]
    dry_run: bool,
    /// Leave rows that people changed since or point at, and what these need
    #[arg(long, conflicts_with = "force")]
    keep_edited: bool,
    /// Take back also rows that people changed since; the ledger keeps what is overwritten
    #[arg(long)]
    force: bool,
    /// The clinic's name, in place of typing it; --yes is not enough
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// A target that is gone for good: nobody asks whether its rows tell of files and accounts; may be given several times
    #[arg(long, value_name = "TARGET")]
    gone: Vec<String>,
    /// Rows that are named for each conflict of a table
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    most: usize,
}

const EXAMPLES: &str = "Examples:
  trasvase clean acme --dry-run
  trasvase clean acme --target rehearsal --confirm acme";

/// What is to go, or went, and what stays.
#[derive(Serialize)]
struct Answer {
    /// The rows; none where no batch stands.
    rows: Option<rollback::Report>,
    files: Vec<Removal>,
    accounts: Vec<back::Report>,
    /// Accounts are left that no batch is known to have made.
    unbound: bool,
    archives: Vec<archive::ledger::Kept>,
    /// Rows that an earlier one left, or this one, by table.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    left: BTreeMap<TableName, u64>,
}

struct Desk<'a> {
    context: &'a Context,
    project: Project,
    clinic: Clinic,
    connection: Connection,
    progress: Progress,
    buckets: Buckets,
    accounts: Option<users::Desk<'a>>,
    tenant: Option<Tenant>,
    elsewhere: Elsewhere,
    /// A batch stands, or rows of one are left.
    stands: bool,
    left: BTreeMap<TableName, u64>,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let desk = Desk::open(context, &self.clinic, self.dry_run, &self.gone)?;
        let plan = self.plan(&desk)?;
        let (name, target) = (&desk.clinic.name, context.global.target.as_deref());
        let snapshots = &desk.project.snapshots_dir(name);
        if self.dry_run {
            output::show(context.format(), &plan, |plan| plan.page((name, target), snapshots, true))?;
            return self.refuse(&desk, &plan);
        }
        if plan.is_empty() {
            return output::show(context.format(), &plan, |plan| plan.page((name, target), snapshots, false));
        }
        if self.confirm.is_none() {
            output::status(&plan.page((name, target), snapshots, true).text());
            self.refuse(&desk, &plan)?;
        }
        let question = t!("clean.question", clinic = name, target = desk.connection.target.name);
        output::confirm_named(&question, name.as_str(), self.confirm.as_deref())?;
        let journal = Journal::begin(&desk.project, name, "clean")?;
        let result = self.carry_out(&desk, plan, &journal);
        let failure = result.as_ref().err().map(Failure::from_anyhow);
        journal.finish(failure.as_ref().map_or(0, |failure| failure.kind.exit_code()), failure.as_ref());
        output::show(context.format(), &result?, |answer| answer.page((name, target), snapshots, false))
    }

    fn options<'a>(&self, desk: &'a Desk<'_>) -> Options<'a> {
        Options {
            clinic: &desk.clinic,
            client: &desk.connection.session.client,
            catalog: &desk.connection.catalog,
            which: Which::Every(desk.tenant.as_ref()),
            edited: taking_back::edited(self.keep_edited, self.force),
            dry_run: false,
            expected_plan: None,
            most: self.most,
        }
    }

    /// What is there first, then what of it the rows keep that will be left.
    fn plan(&self, desk: &Desk<'_>) -> Result<Answer> {
        let (clinic, client, connection) = (&desk.clinic, &desk.connection.session.client, &desk.connection);
        let now = chrono::Utc::now().timestamp();
        let mut files = connection.block_on(removal::plan(&clinic.name, &desk.buckets, now))?;
        let mut accounts = Vec::new();
        if let Some(of_users) = &desk.accounts {
            let service = of_users.service(connection, &desk.progress)?;
            accounts = connection.block_on(back::plan_all(clinic, client, service.as_ref()))?;
        }
        let mut spare = async |after: &After| {
            for one in &mut files {
                one.leave_told_of(Told { clinic, client, catalog: &connection.catalog, after }).await?;
            }
            if let Some(settings) = &clinic.users {
                for one in &mut accounts {
                    back::spare_bound((client, &connection.catalog), settings, after, one).await?;
                }
            }
            Ok(())
        };
        let rows = match desk.stands {
            false => {
                connection.block_on(spare(&After::default()))?;
                None
            }
            true => {
                let options = Options { dry_run: true, ..self.options(desk) };
                Some(connection.block_on(rollback::run_looking(&options, spare))?.0)
            }
        };
        desk.elsewhere.spare(clinic, &mut files, &mut accounts)?;
        let archives = connection.block_on(archive::ledger::kept(client, &clinic.name))?;
        let left = desk.left.clone();
        Ok(Answer { rows, files, accounts, unbound: false, archives, left })
    }

    fn refuse(&self, desk: &Desk<'_>, plan: &Answer) -> Result<()> {
        match &plan.rows {
            Some(rows) => Ok(rollback::nothing_in_the_way(&self.options(desk), &rows.plan)?),
            None => Ok(()),
        }
    }

    /// Rows first: as long as one tells of it, nothing else goes.
    fn carry_out(&self, desk: &Desk<'_>, plan: Answer, journal: &Journal) -> Result<Answer> {
        let (clinic, connection) = (&desk.clinic, &desk.connection);
        let client = &connection.session.client;
        let observer = Both(&desk.progress, journal);
        let mut answer = plan;
        if let Some(planned) = &answer.rows {
            let options = Options { expected_plan: Some(planned.plan.id.clone()), ..self.options(desk) };
            let report = connection.block_on(rollback::run(&options))?;
            let text = taking_back::done(&report);
            observer.event(&Event::Note { stage: Stage::Push, text: &text });
            taking_back::forget(&desk.project, clinic, desk.context, &report);
            answer.rows = Some(report);
        }
        let after = &After::default();
        let told = Told { clinic, client, catalog: &connection.catalog, after };
        let removed = connection.block_on(removal::remove(told, &desk.buckets, answer.files, &observer));
        answer.files =
            removed.map_err(|error| error.context(t!("clean.rows_are_back", clinic = clinic.name)))?;
        if let Some(of_users) = &desk.accounts {
            let service = of_users.service(connection, &observer)?;
            let mut ended = Vec::new();
            for mut plan in std::mem::take(&mut answer.accounts) {
                if let Some(settings) = &clinic.users {
                    connection.block_on(back::spare_bound(
                        (client, &connection.catalog),
                        settings,
                        after,
                        &mut plan,
                    ))?;
                }
                let report = connection.block_on(back::run(client, service.as_ref(), plan, &observer));
                ended.push(
                    report.map_err(|error| error.context(t!("clean.rows_are_back", clinic = clinic.name)))?,
                );
            }
            answer.accounts = ended;
        }
        let left = rollback::left::count(client, &clinic.name, &connection.catalog, false);
        let left = connection.block_on(left)?;
        // What an earlier one left goes by force too.
        if !left.is_empty() || self.force {
            answer.left = left;
        }
        let spared = answer.accounts.iter().any(|one| one.shared > 0);
        answer.unbound = !spared && connection.block_on(crate::users::ledger::any(client, &clinic.name))?;
        Ok(answer)
    }
}

impl<'a> Desk<'a> {
    fn open(context: &'a Context, clinic: &ClinicName, dry_run: bool, gone: &[String]) -> Result<Self> {
        let (project, clinic) = context.clinic(Some(clinic))?;
        let progress = Progress::new(context.global.log_level);
        let purpose = if dry_run { Purpose::Read } else { Purpose::Write };
        let target = context.global.target.as_deref();
        let open = || Connection::open(&project, &clinic, target, purpose, Stage::Push, &progress);
        let connection = context.patiently(open)?;
        let client = &connection.session.client;
        if clinic.users.is_none() && connection.block_on(crate::users::ledger::any(client, &clinic.name))? {
            return Err(Failure::usage(t!("clean.accounts_unknown", clinic = clinic.name))
                .hint(t!("users.no_section_hint"))
                .into());
        }
        let known = connection.block_on(batches::list(client, &clinic.name))?;
        if clinic.files.is_empty() && known.iter().any(|batch| batch.origin == Origin::Files.as_str()) {
            return Err(Failure::usage(t!("clean.files_unknown", clinic = clinic.name))
                .hint(t!("files.no_section_hint"))
                .into());
        }
        let left =
            connection.block_on(rollback::left::count(client, &clinic.name, &connection.catalog, true))?;
        let stands = !left.is_empty() || known.iter().any(|batch| batch.status == "completed");
        let accounts =
            clinic.users.as_ref().map(|_| users::Desk::open(context, Some(&clinic.name))).transpose()?;
        let mut buckets = Buckets::default();
        if !clinic.files.is_empty() {
            buckets.general = Some(aws::bucket(context, &project, connection.runtime(), aws::GENERAL)?);
            let consents = clinic.files.iter().any(|section| section.consent != Consent::All(false));
            if consents || variable(&project, aws::WORM)?.is_some() {
                buckets.worm = Some(aws::bucket(context, &project, connection.runtime(), aws::WORM)?);
            }
            let told_of = removal::buckets_told_of(&clinic, client, &connection.catalog);
            for name in connection.block_on(told_of)? {
                if !buckets.has(&name) {
                    let other = aws::bucket_called(context, &project, connection.runtime(), &name)?;
                    buckets.others.push(other);
                }
            }
        }
        let tenant = tenant(&project, &clinic)?;
        let elsewhere = match clinic.files.is_empty() && clinic.users.is_none() {
            true => Elsewhere::default(),
            false => Elsewhere::open(context, (&project, &clinic), &connection, gone)?,
        };
        Ok(Self {
            context,
            project,
            clinic,
            connection,
            progress,
            buckets,
            accounts,
            tenant,
            elsewhere,
            stands,
            left,
        })
    }
}

/// The clinic's value in the tenant column, as its latest snapshot has it.
fn tenant(project: &Project, clinic: &Clinic) -> Result<Option<Tenant>> {
    let Some(wanted) = &clinic.tenant else { return Ok(None) };
    let snapshots = project.snapshots_dir(&clinic.name);
    if let Ok(snapshot) = Snapshot::find(&snapshots, None) {
        return Ok(snapshot.manifest().tenant.clone());
    }
    if wanted.value.starts_with("target.") {
        return Err(Failure::failed(t!("clean.no_tenant", clinic = clinic.name, column = wanted.column))
            .hint(format!("trasvase run {} --until export", clinic.name))
            .into());
    }
    Ok(Some(Tenant { column: wanted.column.clone(), value: wanted.value.clone() }))
}

impl Answer {
    fn is_empty(&self) -> bool {
        self.rows.is_none()
            && self.files.iter().all(|one| one.objects == 0)
            && self.accounts.iter().all(|one| one.ours.is_empty())
    }

    fn page(&self, (clinic, target): (&ClinicName, Option<&str>), snapshots: &Path, planned: bool) -> Page {
        let mut page = match &self.rows {
            Some(rows) => taking_back::page(rows, clinic, target, Some(snapshots)),
            None => Page::new().line(t!("clean.no_rows", clinic = clinic)),
        };
        if !self.left.is_empty() {
            let tables = self.left.iter().map(|(table, rows)| format!("{table} {}", output::count(*rows)));
            let tables = tables.collect::<Vec<_>>().join(", ");
            page = page.line(t!("clean.left", tables = tables));
        }
        let mut table = Table::new([t!("clean.what"), t!("clean.goes"), t!("clean.stays"), t!("clean.why")])
            .right(&[1, 2]);
        for one in &self.files {
            let what = match one.shelf {
                Shelf::General => t!("clean.files", bucket = one.bucket),
                Shelf::Worm => t!("clean.consents", bucket = one.bucket),
            };
            let kept = (one.kept > 0).then(|| match &one.kept_until {
                Some(until) => {
                    t!("clean.kept_until", count = output::count(one.kept), until = output::moment(until))
                }
                None => t!("clean.held", count = output::count(one.kept)),
            });
            let told_of = (one.told_of > 0).then(|| t!("clean.told_of", count = output::count(one.told_of)));
            let why = [kept, told_of].into_iter().flatten().collect::<Vec<_>>().join("; ");
            let goes = format!("{} ({})", output::count(one.objects), output::size(one.bytes));
            table.row([what.into_owned(), goes, output::count(one.kept + one.told_of), why]);
        }
        for one in &self.accounts {
            let goes = if planned { one.ours.len() as u64 } else { one.ended + one.gone };
            let batch = one.batch.as_deref().unwrap_or_default();
            let what = t!("clean.accounts", service = one.service, batch = batch);
            let linked = (one.linked > 0).then(|| t!("clean.linked", count = output::count(one.linked)));
            let shared = (one.shared > 0).then(|| t!("clean.shared", count = output::count(one.shared)));
            let why = [linked, shared].into_iter().flatten().collect::<Vec<_>>().join("; ");
            table.row([what.into_owned(), output::count(goes), output::count(one.linked + one.shared), why]);
        }
        for one in &self.archives {
            let why = match &one.until {
                Some(until) => t!("clean.archived_until", until = output::moment(until)),
                None => t!("clean.archived_held"),
            };
            let what = t!("clean.archives", bucket = one.bucket, count = output::count(one.archives));
            table.row([what.into_owned(), output::count(0), output::count(one.objects), why.into_owned()]);
        }
        if !(self.files.is_empty() && self.accounts.is_empty() && self.archives.is_empty()) {
            page = page.line("").table(table);
        }
        if self.unbound {
            page = page.line(t!("clean.unbound", clinic = clinic));
        }
        match planned {
            true => page.line(t!("clean.planned")),
            false => page.line(t!("clean.done", clinic = clinic)),
        }
    }
}
