use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::context::Context;
use super::output::{self, Page, Table};
use super::pipeline::{self, Connection, Wanted, droppable};
use super::progress::Progress;
use super::{aws, hints, journal};
use crate::aws::{Access as Credentials, Given, Pool};
use crate::config::{Clinic, Password, Project, Provider, Users};
use crate::desk::{self, Decisions};
use crate::error::{self, Cause, Failure};
use crate::model::ident::ClinicName;
use crate::model::keys::Keys;
use crate::model::manifest::Origin;
use crate::model::run::{Observer, Stage};
use crate::pg::{Purpose, Secret, catalog, variable};
use crate::snapshot::{Snapshot, Writer};
use crate::staging::{Access, Staging};
use crate::users::back::{self, End};
use crate::users::{
    self, Action, Cognito, Finding, Options, Patience, Plan, Report, Rule, Service, Supabase,
};

/// Give those who work at the clinic an account to log in with, and write its id into PostgreSQL
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// Only print who would get an account or lose it; nothing is written anywhere
    #[arg(long)]
    dry_run: bool,
    /// Make accounts without telling anybody: no invitation is sent
    #[arg(long, conflicts_with_all = ["disable", "remove"])]
    suppress_invite: bool,
    /// Keep anybody from logging in with the accounts that a batch made (its ULID or the beginning of it, or `last`)
    #[arg(long, value_name = "BATCH", conflicts_with = "remove")]
    disable: Option<String>,
    /// Remove the accounts that a batch made; those that were there before stay
    #[arg(long, value_name = "BATCH")]
    remove: Option<String>,
    /// The clinic's name, in place of typing it: production wants it, and so do --disable and --remove
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

const EXAMPLES: &str = "Examples:
  trasvase users acme --dry-run
  trasvase users acme --suppress-invite --target production
  trasvase users acme --remove last";

const POOL: &str = "COGNITO_USER_POOL_ID";
const URL: &str = "SUPABASE_URL";
const KEY: &str = "SUPABASE_SERVICE_ROLE_KEY";

/// Records that are named for each finding.
const NAMED: usize = 20;

/// What is needed to reach the service; looked up before anything is opened.
enum Way {
    Cognito { pool: String, given: Given },
    Supabase { url: Secret, key: Secret },
}

/// What every part of the command works with.
pub(super) struct Desk<'a> {
    context: &'a Context,
    project: Project,
    clinic: Clinic,
    settings: Users,
    way: Way,
    progress: Progress,
}

#[derive(Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    report: Report,
    dry_run: bool,
    /// The batch that wrote the ids; none where every row has its own already.
    batch: Option<String>,
}

impl Arguments {
    /// As a run takes it.
    pub(super) fn of_a_run(clinic: &ClinicName, confirm: Option<String>) -> Self {
        let clinic = Some(clinic.clone());
        Self { clinic, dry_run: false, suppress_invite: false, disable: None, remove: None, confirm }
    }

    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let desk = Desk::open(context, self.clinic.as_ref())?;
        match (&self.disable, &self.remove) {
            (Some(batch), _) => self.end(&desk, batch, End::Disabled),
            (None, Some(batch)) => self.end(&desk, batch, End::Removed),
            (None, None) => {
                let (answer, failure) = self.make(&desk)?;
                let target = context.global.target.as_deref();
                output::show(context.format(), &answer, |answer| answer.page(&desk.clinic.name, target))?;
                failure.map_or(Ok(()), Err)
            }
        }
    }

    /// Makes accounts, and tells what speaks against calling it done.
    pub(super) fn take(&self, context: &Context) -> Result<(Answer, Option<anyhow::Error>)> {
        self.make(&Desk::open(context, self.clinic.as_ref())?)
    }

    fn make(&self, desk: &Desk<'_>) -> Result<(Answer, Option<anyhow::Error>)> {
        let mut answer = match self.dry_run {
            true => Answer { report: self.accounts(desk, &desk.progress)?, dry_run: true, batch: None },
            false => {
                let report = desk.journaled(counts, |observer| self.accounts(desk, observer))?;
                Answer { report, dry_run: false, batch: None }
            }
        };
        if !answer.report.ids.is_empty() {
            answer.batch = desk.write_back(&answer.report)?;
        }
        let clinic = &desk.clinic.name;
        let decisions = Decisions::read(&desk.project, &desk.clinic)?;
        let failure = match open_findings(&answer.report.plan, &decisions) {
            0 => None,
            count => Some(
                Failure::findings(t!("users.found", count = output::count(count)))
                    .hint(t!("users.found_hint", name = desk.settings.source().1, clinic = clinic))
                    .hint(t!("users.found_accept", clinic = clinic))
                    .into(),
            ),
        };
        Ok((answer, failure))
    }

    /// Makes the accounts, or only the plan; nothing is open any more afterwards.
    fn accounts(&self, desk: &Desk<'_>, observer: &dyn Observer) -> Result<Report> {
        let access = if self.dry_run { Access::ReadOnly } else { Access::Write };
        let staging = Staging::open(&desk.project, &desk.clinic, access, &desk.context.limits())?;
        let connection = desk.connect(if self.dry_run { Purpose::Read } else { Purpose::Write })?;
        if !self.dry_run && connection.target.production {
            let question =
                t!("users.question", table = desk.settings.target(), target = connection.target.name);
            output::confirm_named(&question, desk.clinic.name.as_str(), self.confirm.as_deref())?;
        }
        if !self.dry_run {
            // Without it the ids could not be written.
            Snapshot::find(&desk.project.snapshots_dir(&desk.clinic.name), None)?;
        }
        let service = desk.service(&connection, observer)?;
        let options = Options {
            clinic: &desk.clinic,
            settings: &desk.settings,
            staging: &staging,
            client: &connection.session.client,
            catalog: &connection.catalog,
            service: service.as_ref(),
            invite: !self.suppress_invite && desk.settings.password == Password::Temporary,
            dry_run: self.dry_run,
        };
        let report = connection.block_on(users::run(&options, observer))?;
        if !self.dry_run {
            keep_findings(&staging, &report.plan)?;
        }
        Ok(report)
    }

    /// Disables or removes what a batch made, after a yes.
    fn end(&self, desk: &Desk<'_>, batch: &str, end: End) -> Result<()> {
        let connection = desk.connect(if self.dry_run { Purpose::Read } else { Purpose::Write })?;
        let service = desk.service(&connection, &desk.progress)?;
        let (clinic, client) = (&desk.clinic, &connection.session.client);
        let options = back::Options { clinic, client, service: service.as_ref(), batch, end };
        let plan = connection.block_on(back::plan(&options))?;
        let format = desk.context.format();
        if self.dry_run {
            return output::show(format, &plan, |plan| ending(plan, true, &clinic.name));
        }
        let (name, given) = (clinic.name.as_str(), self.confirm.as_deref());
        let agreed = given.is_none() && desk.context.global.yes && !connection.target.production;
        if !agreed && !plan.ours.is_empty() {
            output::status(&ending(&plan, true, &clinic.name).text());
            let question = match end {
                End::Disabled => t!("users.question_disable", service = plan.service),
                End::Removed => t!("users.question_remove", service = plan.service),
            };
            output::confirm_named(&question, name, given)?;
        }
        let counts =
            |report: &back::Report| serde_json::json!({ "ended": report.ended, "gone": report.gone });
        let report = desk.journaled(
            |report: &back::Report| (report.ended, counts(report)),
            |observer| connection.block_on(back::run(&options, plan, observer)),
        )?;
        output::show(format, &report, |report| ending(report, false, &clinic.name))
    }
}

impl<'a> Desk<'a> {
    pub(super) fn open(context: &'a Context, clinic: Option<&ClinicName>) -> Result<Self> {
        let (project, clinic) = context.clinic(clinic)?;
        let Some(settings) = clinic.users.clone() else {
            return Err(Failure::usage(t!("users.no_section", clinic = clinic.name))
                .hint(t!("users.no_section_hint"))
                .into());
        };
        let way = Way::find(&project, &settings)?;
        let progress = Progress::new(context.global.log_level);
        Ok(Self { context, project, clinic, settings, way, progress })
    }

    fn connect(&self, purpose: Purpose) -> Result<Connection> {
        let target = self.context.global.target.as_deref();
        let open =
            || Connection::open(&self.project, &self.clinic, target, purpose, Stage::Users, &self.progress);
        self.context.patiently(open)
    }

    pub(super) fn service<'o>(
        &self,
        connection: &Connection,
        observer: &'o dyn Observer,
    ) -> Result<Box<dyn Service + 'o>> {
        let patience = Patience { most: self.context.global.max_retries, observer };
        Ok(match &self.way {
            Way::Cognito { pool, given } => {
                // Whoever asks again tells of it: the SDK would do so in silence.
                let access = connection.block_on(droppable(Credentials::open(given.clone(), 0)))?;
                Box::new(Cognito::new(
                    Pool::named(&access, pool),
                    connection.runtime().handle().clone(),
                    patience,
                ))
            }
            Way::Supabase { url, key } => Box::new(Supabase::new(url, key, patience)?),
        })
    }

    /// Does work that the run's log tells of.
    fn journaled<T>(
        &self,
        counts: impl Fn(&T) -> (u64, serde_json::Value),
        work: impl FnOnce(&dyn Observer) -> Result<T>,
    ) -> Result<T> {
        let (place, level) = ((&self.project, &self.clinic.name), self.context.global.log_level);
        let target = self.context.global.target.clone();
        journal::of_stage(place, level, ("users", Stage::Users), target, |observer| {
            let done = work(observer)?;
            let (rows, counts) = counts(&done);
            Ok((rows, counts, done))
        })
    }

    /// Pushes the accounts' ids as a batch of their own, and gives its id.
    fn write_back(&self, report: &Report) -> Result<Option<String>> {
        let snapshot = self.snapshot(report)?;
        let wanted = Wanted {
            command: "users".to_owned(),
            snapshot: Some(snapshot.id().to_owned()),
            // Who made the accounts was asked.
            confirm: Some(self.clinic.name.to_string()),
            ..Wanted::stage(Stage::Push)
        };
        let outcome = pipeline::run(self.context, &self.project, &self.clinic, &wanted)?;
        let batch = outcome.batch().map(str::to_owned);
        if let Some(error) = outcome.failure {
            return Err(error.context(t!("users.not_written")));
        }
        let connection = self.connect(Purpose::Write)?;
        let bound = users::ledger::bind(&connection.session.client, &self.clinic.name, batch.as_deref());
        connection.block_on(bound)?;
        Ok(batch)
    }

    /// A snapshot of the rows' keys and their accounts' ids.
    fn snapshot(&self, report: &Report) -> Result<Snapshot> {
        let connection = self.connect(Purpose::Read)?;
        let (name, column) = (self.settings.target(), self.settings.column.as_str());
        let table = &connection.catalog.tables[&name];
        let snapshots = self.project.snapshots_dir(&self.clinic.name);
        let models = Snapshot::find(&snapshots, None)?;
        let key = table.primary_key().first().map_or("", String::as_str);
        let mut writer = Writer::begin(&snapshots, &name, table, &[key, column], (Keys::Preserve, true))?;
        let key_first = writer.columns().next() == Some(key);
        for (key, id) in &report.ids {
            let (key, id) = (Some(key.as_str()), Some(id.as_str()));
            writer.row(&if key_first { [key, id] } else { [id, key] }, key.unwrap_or_default())?;
        }
        let hash = catalog::hash(&connection.catalog, &[name]);
        writer.seal(models.manifest().of_origin(Origin::Users, hash))
    }
}

impl Way {
    fn find(project: &Project, settings: &Users) -> Result<Self> {
        let needed = |name: &'static str| {
            variable(project, name)?.ok_or_else(|| {
                let failure = Failure::usage(t!("users.no_variable", variable = name));
                let failure = failure.hint(t!("users.no_variable_hint", variable = name));
                anyhow::Error::from(failure.cause(Cause::Variable))
            })
        };
        Ok(match settings.provider {
            Provider::Cognito => {
                let pool = match &settings.pool {
                    Some(pool) => pool.clone(),
                    None => needed(POOL)?.expose().to_owned(),
                };
                Way::Cognito { pool, given: aws::given(project, "COGNITO_IDENTITY_PROVIDER")? }
            }
            Provider::Supabase => Way::Supabase { url: needed(URL)?, key: needed(KEY)? },
        })
    }
}

fn counts(report: &Report) -> (u64, serde_json::Value) {
    let counts = serde_json::json!({
        "created": report.created,
        "linked": report.linked,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "findings": report.plan.findings.len(),
    });
    (report.plan.people, counts)
}

/// Records by rule.
fn by_rule(plan: &Plan) -> BTreeMap<Rule, Vec<&Finding>> {
    let mut rules: BTreeMap<Rule, Vec<&Finding>> = BTreeMap::new();
    for finding in &plan.findings {
        rules.entry(finding.rule).or_default().push(finding);
    }
    rules
}

/// The first records of a finding, with what the service said of them.
fn records(findings: &[&Finding]) -> String {
    let told = |finding: &&Finding| match &finding.detail {
        Some(detail) => format!("{} ({detail})", finding.record),
        None => finding.record.clone(),
    };
    some(&findings.iter().map(told).collect::<Vec<_>>())
}

/// The first of several, and how many more there are.
fn some(all: &[String]) -> String {
    let shown = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown}, … +{}", output::count(more as u64)),
    }
}

/// Keeps the findings where `issues` lists them, and people decide about them.
fn keep_findings(staging: &Staging, plan: &Plan) -> Result<()> {
    staging.transaction(|| {
        staging.execute("delete from meta.finding where stage = 'users'")?;
        for (rule, findings) in by_rule(plan) {
            let (count, detail) = (findings.len() as u64, records(&findings));
            staging
                .connection()
                .execute(
                    "insert into meta.finding values ('users', ?, 'warning', ?, null, ?, ?)",
                    duckdb::params![rule.as_str(), plan.table, count, detail],
                )
                .map_err(error::duckdb)?;
        }
        Ok(())
    })
}

/// How many findings nobody accepted.
fn open_findings(plan: &Plan, decisions: &Decisions) -> u64 {
    let counts = by_rule(plan).into_iter().map(|(rule, findings)| (rule, findings.len() as u64));
    let accepted =
        |rule: Rule, count| decisions.accept(&desk::id("users", rule.as_str(), &plan.table, None), count);
    counts.filter(|(rule, count)| !accepted(*rule, *count)).map(|(_, count)| count).sum()
}

impl Answer {
    pub(super) fn counts(&self) -> serde_json::Value {
        counts(&self.report).1
    }

    pub(super) fn page(&self, clinic: &ClinicName, target: Option<&str>) -> Page {
        let (report, plan) = (&self.report, &self.report.plan);
        let of = |action| match (self.dry_run, action) {
            (true, action) => plan.count(action),
            (false, Action::Create) => report.created,
            (false, Action::Link) => report.linked,
            (false, Action::Update) => report.updated,
            (false, Action::Keep) => report.unchanged,
        };
        let refused: Vec<&str> = plan
            .findings
            .iter()
            .filter(|one| one.rule == Rule::Refused)
            .map(|one| one.record.as_str())
            .collect();
        let mut table = Table::new([t!("users.account"), t!("users.people"), t!("users.records")])
            .right(&[1])
            .optional(&[2]);
        for (text, action) in [
            (t!("users.created"), Action::Create),
            (t!("users.linked"), Action::Link),
            (t!("users.updated"), Action::Update),
            (t!("users.kept"), Action::Keep),
        ] {
            let made = |record: &str| action != Action::Create || !refused.contains(&record);
            let steps = plan.steps.iter().filter(|step| step.action == action && made(&step.record));
            let steps = steps.filter(|step| step.action != Action::Keep);
            let records = some(&steps.map(|step| step.record.clone()).collect::<Vec<_>>());
            table.row([text.into_owned(), output::count(of(action)), records]);
        }
        if plan.inactive > 0 {
            table.row([t!("users.inactive").into_owned(), output::count(plan.inactive), String::new()]);
        }
        let mut found = Table::new([t!("cli.finding"), t!("users.people"), t!("users.records")]).right(&[1]);
        for (rule, findings) in by_rule(plan) {
            let count = output::count(findings.len() as u64);
            found.row([told(rule).into_owned(), count, records(&findings)]);
        }
        let place = t!("users.place", service = plan.service, table = plan.table, column = plan.column);
        let page = Page::new().line(place).table(table).table(found);
        match (&self.batch, self.dry_run) {
            (_, true) => page.line(t!("users.planned")),
            (Some(batch), _) => {
                let back = t!("users.way_back", clinic = clinic, batch = batch);
                let page = page.line(t!("users.done", batch = batch));
                page.line(hints::complete(&back, Some(clinic), target))
            }
            (None, _) => page.line(t!("users.nothing")),
        }
    }
}

fn told(rule: Rule) -> std::borrow::Cow<'static, str> {
    match rule {
        Rule::NoEmail => t!("users.no_email"),
        Rule::BadEmail => t!("users.bad_email"),
        Rule::SharedEmail => t!("users.shared_email"),
        Rule::SeveralEmails => t!("users.several_emails"),
        Rule::ActiveUnknown => t!("users.active_unknown"),
        Rule::NotInTarget => t!("users.not_in_target"),
        Rule::NoGroup => t!("users.no_group"),
        Rule::SeveralAccounts => t!("users.several_accounts"),
        Rule::UnverifiedAccount => t!("users.unverified_account"),
        Rule::OtherAccount => t!("users.other_account"),
        Rule::DisabledAccount => t!("users.disabled_account"),
        Rule::Refused => t!("users.refused"),
    }
}

fn ending(report: &back::Report, planned: bool, clinic: &ClinicName) -> Page {
    let (service, batch) = (&report.service, &report.batch);
    let count = output::count(if planned { report.ours.len() as u64 } else { report.ended });
    let line = match (report.end, planned) {
        (End::Disabled, true) => t!("users.would_disable", service = service, batch = batch, count = count),
        (End::Removed, true) => t!("users.would_remove", service = service, batch = batch, count = count),
        (End::Disabled, false) => t!("users.did_disable", service = service, batch = batch, count = count),
        (End::Removed, false) => t!("users.did_remove", service = service, batch = batch, count = count),
    };
    let mut page = Page::new().line(line);
    if report.gone > 0 {
        page = page.line(t!("users.were_gone", count = output::count(report.gone)));
    }
    if report.linked > 0 {
        page = page.line(t!("users.stay", count = output::count(report.linked)));
    }
    if report.shared > 0 {
        page = page.line(t!("users.shared", count = output::count(report.shared)));
    }
    match (report.end, planned) {
        (End::Removed, false) => page.line(t!("users.ids_stay", clinic = clinic, batch = batch)),
        _ => page,
    }
}
