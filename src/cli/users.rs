mod ending;
mod page;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use self::ending::Of;
use self::page::{by_rule, records};
use super::context::Context;
use super::output;
use super::pipeline::{self, Connection, Wanted, droppable};
use super::progress::Progress;
use super::{aws, journal};
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
use crate::users::back::End;
use crate::users::{self, Cognito, Options, Patience, Plan, Report, Rule, Service, Supabase};

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
    /// Keep anybody from logging in with the accounts that a batch made (its ULID or the beginning of it, or `last`), or with
    /// those of people who work there no more (`left`)
    #[arg(long, value_name = "BATCH", conflicts_with_all = ["remove", "enable"])]
    disable: Option<String>,
    /// Let people who work there log in again with accounts that --disable has disabled
    #[arg(long, conflicts_with_all = ["remove", "suppress_invite"])]
    enable: bool,
    /// Remove the accounts that a batch made; those that were there before stay
    #[arg(long, value_name = "BATCH")]
    remove: Option<String>,
    /// The clinic's name, in place of typing it: production wants it, and so do --disable, --enable and --remove
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

const EXAMPLES: &str = "Examples:
  trasvase users acme --dry-run
  trasvase users acme --suppress-invite --target production
  trasvase users acme --disable left
  trasvase users acme --remove last";

/// Stands for those who work there no more; no ULID begins so.
const LEFT: &str = "left";

const POOL: &str = "COGNITO_USER_POOL_ID";
const URL: &str = "SUPABASE_URL";
const KEY: &str = "SUPABASE_SERVICE_ROLE_KEY";

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
    /// Of the accounts whose ids it wrote, some were made.
    #[serde(skip)]
    brought: bool,
}

impl Answer {
    fn new(report: Report, dry_run: bool) -> Self {
        Self { report, dry_run, batch: None, brought: false }
    }

    pub(super) fn counts(&self) -> serde_json::Value {
        counts(&self.report).1
    }
}

impl Arguments {
    /// As a run takes it.
    pub(super) fn of_a_run(clinic: &ClinicName, confirm: Option<String>) -> Self {
        let clinic = Some(clinic.clone());
        let (dry_run, suppress_invite, enable) = (false, false, false);
        Self { clinic, dry_run, suppress_invite, disable: None, enable, remove: None, confirm }
    }

    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let desk = Desk::open(context, self.clinic.as_ref())?;
        match (&self.disable, self.enable, &self.remove) {
            (Some(left), ..) if left == LEFT => self.end(&desk, Of::People, End::Disabled),
            (Some(batch), ..) => self.end(&desk, Of::Batch(batch), End::Disabled),
            (None, true, _) => self.end(&desk, Of::People, End::Enabled),
            (None, false, Some(batch)) => self.end(&desk, Of::Batch(batch), End::Removed),
            (None, false, None) => {
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
            true => Answer::new(self.accounts(desk, &desk.progress)?, true),
            false => Answer::new(desk.journaled(counts, |observer| self.accounts(desk, observer))?, false),
        };
        if !answer.report.ids.is_empty() {
            (answer.batch, answer.brought) = desk.write_back(&answer.report)?;
        }
        let clinic = &desk.clinic.name;
        let decisions = Decisions::read(&desk.project, &desk.clinic)?;
        let plan = &answer.report.plan;
        let open = open_findings(plan, &decisions);
        if !self.dry_run {
            let ended = pipeline::Ended {
                stage: Stage::Users,
                run: "",
                batches: answer.batch.iter().cloned().collect(),
                output: String::new(),
                clean: open == 0,
                counts: answer.counts(),
            };
            pipeline::note(desk.context, (&desk.project, &desk.clinic), ended)?;
        }
        let failure = match open {
            0 => None,
            count => {
                let failure = Failure::findings(t!("users.found", count = output::count(count)));
                let failure = match plan.left.len() as u64 {
                    0 => failure,
                    left => failure.hint(t!("users.left_hint", count = output::count(left), clinic = clinic)),
                };
                let failure = match plan.back.len() as u64 {
                    0 => failure,
                    back => failure.hint(t!("users.back_hint", count = output::count(back), clinic = clinic)),
                };
                let failure = match plan.unsure() {
                    0 => failure,
                    _ => failure.hint(t!("users.unsure_hint", clinic = clinic)),
                };
                let failure =
                    failure.hint(t!("users.found_hint", name = desk.settings.source().1, clinic = clinic));
                Some(failure.hint(t!("users.found_accept", clinic = clinic)).into())
            }
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
        let invite = !self.suppress_invite && desk.settings.password == Password::Temporary;
        let options = Options {
            invite,
            dry_run: self.dry_run,
            ..desk.options(&staging, &connection, service.as_ref())
        };
        let report = connection.block_on(users::run(&options, observer))?;
        if !self.dry_run {
            keep_findings(&staging, &report.plan)?;
        }
        Ok(report)
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

    /// What the plan is made of; nothing is done.
    fn options<'o>(
        &'o self,
        staging: &'o Staging,
        connection: &'o Connection,
        service: &'o dyn Service,
    ) -> Options<'o> {
        Options {
            clinic: &self.clinic,
            settings: &self.settings,
            staging,
            client: &connection.session.client,
            catalog: &connection.catalog,
            service,
            invite: false,
            dry_run: true,
        }
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

    /// Pushes the accounts' ids as a batch of their own, and gives its id and whether accounts were made with it.
    fn write_back(&self, report: &Report) -> Result<(Option<String>, bool)> {
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
        let brought = connection.block_on(bound)?;
        Ok((batch, brought))
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
