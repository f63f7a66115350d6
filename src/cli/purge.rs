use anyhow::Result;
use rust_i18n::t;
use tokio::runtime::Runtime;

use super::context::Context;
use super::entity;
use super::output::{self, Page, Table};
use crate::model::ident::ClinicName;
use crate::pg::{Purpose, Session, Target};
use crate::purge::{self, Plan, Report};
use crate::staging::Lock;

/// Destroy a clinic's data on this machine once it is signed off, and in the ledger what is older than `[retention]` keeps
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// Only say what would be destroyed
    #[arg(long)]
    dry_run: bool,
    /// The clinic's name, in place of typing it
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Who answers for it; git's user.name where not given, else the machine's user
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
}

const EXAMPLES: &str = "Examples:
  trasvase purge acme --dry-run
  trasvase purge acme --target production";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let (project, clinic) = context.clinic(self.clinic.as_ref())?;
        let folder = project.staging_dir(&clinic.name);
        let _lock = match self.dry_run || !folder.is_dir() {
            true => None,
            false => Some(Lock::take(&folder, &clinic.name)?),
        };
        let target = Target::resolve(&project, Some(&clinic), context.global.target.as_deref())?;
        let runtime = Runtime::new()?;
        let purpose = if self.dry_run { Purpose::Read } else { Purpose::Write };
        let session = context.patiently(|| runtime.block_on(Session::open(&target, purpose)))?;
        let limits = context.limits();
        let options = purge::Options {
            project: &project,
            clinic: &clinic,
            client: &session.client,
            target: &target.name,
            limits: &limits,
            who: entity::who(&project, self.who.as_deref()),
        };
        let plan = runtime.block_on(purge::plan(&options))?;
        let report = match self.dry_run || plan.is_empty() {
            true => Report { plan, list: None },
            false => {
                output::status(&planned(&plan).text());
                let question = t!("purge.question", clinic = clinic.name);
                output::confirm_named(&question, clinic.name.as_str(), self.confirm.as_deref())?;
                runtime.block_on(purge::run(&options, plan))?
            }
        };
        output::show(context.format(), &report, |report| page(report, self.dry_run))
    }
}

fn page(report: &Report, dry_run: bool) -> Page {
    match &report.list {
        Some(list) => Page::new().line(t!("purge.done", list = list)),
        None if dry_run && !report.plan.is_empty() => planned(&report.plan).line(t!("purge.nothing_yet")),
        None => Page::new().line(t!("purge.nothing")),
    }
}

/// What would go, folder by folder and batch by batch.
fn planned(plan: &Plan) -> Page {
    let mut folders: Vec<(String, u64, u64)> = Vec::new();
    for file in &plan.files {
        // staging/<clinic>/<folder>/...
        let parts: Vec<&str> = file.path.split('/').collect();
        let folder = parts[..parts.len().min(4) - 1].join("/") + "/";
        match folders.iter_mut().find(|(name, ..)| *name == folder) {
            Some((_, files, bytes)) => (*files, *bytes) = (*files + 1, *bytes + file.bytes),
            None => folders.push((folder, 1, file.bytes)),
        }
    }
    let mut table = Table::new([t!("purge.folder"), t!("purge.files"), t!("purge.bytes")]).right(&[1, 2]);
    for (folder, files, bytes) in folders {
        table.row([folder, output::count(files), output::count(bytes)]);
    }
    let mut ledger = Table::new([t!("purge.batch"), t!("cli.table"), t!("cli.rows")]).right(&[2]);
    for entry in &plan.ledger {
        ledger.row([entry.batch.clone(), format!("trasvase.{}", entry.table), output::count(entry.rows)]);
    }
    let page = Page::new().table(table).table(ledger);
    match plan.retention_days {
        None => page.line(t!("purge.no_retention")),
        Some(days) if plan.ledger.is_empty() => page.line(t!("purge.nothing_older", days = days)),
        Some(_) => page.line(t!("purge.no_way_back")),
    }
}
