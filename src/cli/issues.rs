use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::context::Context;
use super::entity;
use super::output::{self, Page, Table};
use crate::config::near;
use crate::desk::{self, Decisions, Issue, Row, Status};
use crate::error::Failure;
use crate::model::ident::ClinicName;
use crate::staging::{Access, Staging};

/// List what the stages found, and decide about it: resolved, or accepted as it is
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// Also what needs no decision: repairs and other notes
    #[arg(long)]
    all: bool,
    /// What caused this finding was mended; may be given again
    #[arg(long, value_name = "ID", requires = "reason")]
    resolve: Vec<String>,
    /// This finding stays as it is and stops nothing; may be given again
    #[arg(long, value_name = "ID", requires = "reason")]
    accept: Vec<String>,
    /// Why, for whoever reads it later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who decides; git's user.name where not given, else the machine's user
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
}

const EXAMPLES: &str = "Examples:
  trasvase issues acme
  trasvase issues acme --accept 3f2a91c04b7d --reason \"the old system never asked for it\"
  trasvase issues acme --resolve 3f2a91c04b7d --reason \"mapped in maps/species.csv\"
  trasvase issues acme --all --format json";

#[derive(Debug, Serialize)]
struct Report {
    /// Decisions that were written down now.
    decided: usize,
    /// Where decisions are.
    file: String,
    issues: Vec<Issue>,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let (project, clinic) = context.clinic(self.clinic.as_ref())?;
        let mut decisions = Decisions::read(&project, &clinic)?;
        let staging = Staging::open(&project, &clinic, Access::ReadOnly, &context.limits())?;
        let mut issues = desk::issues(&staging, &decisions)?;
        let who = || entity::who(&project, self.who.as_deref());
        let rows = self.rows(&issues, who)?;
        if !rows.is_empty() {
            decisions.append(&rows)?;
            issues = desk::issues(&staging, &decisions)?;
        }
        issues.retain(|issue| self.all || issue.severity != "info" || issue.when.is_some());
        let report = Report { decided: rows.len(), file: decisions.shown().to_owned(), issues };
        output::show(context.format(), &report, |report| page(report, &clinic.name))
    }

    /// The decisions that the arguments ask for.
    fn rows(&self, issues: &[Issue], who: impl Fn() -> String) -> Result<Vec<Row>> {
        let reason = self.reason.as_deref().unwrap_or_default().trim();
        let asked = [(&self.resolve, Status::Resolved), (&self.accept, Status::Accepted)];
        let asked: Vec<(&String, Status)> =
            asked.into_iter().flat_map(|(ids, status)| ids.iter().map(move |id| (id, status))).collect();
        if asked.is_empty() {
            return match self.reason {
                Some(_) => Err(Failure::usage(t!("issues.no_id")).hint(t!("issues.no_id_hint")).into()),
                None => Ok(Vec::new()),
            };
        }
        if reason.is_empty() {
            return Err(Failure::usage(t!("issues.no_reason")).into());
        }
        let who = who();
        asked.into_iter().map(|(id, status)| Ok(Row::new(named(issues, id)?, status, reason, &who))).collect()
    }
}

/// The finding whose id begins like this.
fn named<'i>(issues: &'i [Issue], id: &str) -> Result<&'i Issue> {
    let mut found = issues.iter().filter(|issue| !id.is_empty() && issue.id.starts_with(id));
    match (found.next(), found.next()) {
        (Some(issue), None) => Ok(issue),
        (Some(_), Some(_)) => Err(Failure::usage(t!("issues.ambiguous", id = id)).into()),
        (None, _) => {
            let near = near(id, issues.iter().map(|issue| &issue.id));
            Err(Failure::usage(t!("issues.unknown", id = id, near = near)).hint("trasvase issues").into())
        }
    }
}

fn page(report: &Report, clinic: &ClinicName) -> Page {
    let page = match report.decided {
        0 => Page::new(),
        count => Page::new().line(t!("issues.decided", count = count, file = report.file)),
    };
    if report.issues.is_empty() {
        return page.line(t!("issues.none"));
    }
    let mut table = Table::new([
        t!("issues.id"),
        t!("issues.state"),
        t!("cli.check.severity"),
        t!("cli.finding"),
        t!("cli.check.subject"),
        t!("cli.count"),
    ])
    .right(&[5]);
    for issue in &report.issues {
        table.row([
            issue.id.clone(),
            state(issue),
            severity(&issue.severity),
            issue.rule.clone(),
            issue.about(),
            output::count(issue.count),
        ]);
    }
    let page = page.table(table);
    let told = report.issues.iter().filter(|issue| issue.detail.is_some() || issue.reason.is_some());
    let page = told.fold(page, |page, issue| {
        let parts = [issue.detail.as_deref(), issue.reason.as_deref()];
        let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        page.line(format!("{}  {}", issue.id, parts.join(" — ")))
    });
    match report.issues.iter().find(|issue| issue.status == Status::Open) {
        Some(open) => {
            page.line("").line(format!("  → trasvase issues {clinic} --accept {} --reason \"...\"", open.id))
        }
        None => page,
    }
}

/// A finding's severity in words.
pub(super) fn severity(name: &str) -> String {
    match name {
        "critical" => t!("issues.critical"),
        "warning" => t!("issues.warning"),
        "info" => t!("issues.info"),
        other => return other.to_owned(),
    }
    .into_owned()
}

fn state(issue: &Issue) -> String {
    match issue.status {
        Status::Open if issue.returned => t!("issues.returned"),
        Status::Open if issue.grown_from.is_some() => {
            t!("issues.grown", count = output::count(issue.grown_from.unwrap_or_default()))
        }
        Status::Open => t!("issues.open"),
        Status::Accepted => t!("issues.accepted"),
        Status::Resolved => t!("issues.resolved"),
    }
    .into_owned()
}
