//! What people read of a plan, or of what was done.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rust_i18n::t;

use super::Answer;
use crate::cli::hints;
use crate::cli::output::{self, Page, Table};
use crate::model::ident::ClinicName;
use crate::users::{Action, Finding, Plan, Rule};

/// Records that are named for each finding.
const NAMED: usize = 20;

impl Answer {
    pub(in crate::cli) fn page(&self, clinic: &ClinicName, target: Option<&str>) -> Page {
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
                let back = match self.brought {
                    true => t!("users.way_back", clinic = clinic, batch = batch),
                    false => t!("users.way_back_rows", clinic = clinic, batch = batch),
                };
                let page = page.line(t!("users.done", batch = batch));
                page.line(hints::complete(&back, Some(clinic), target))
            }
            (None, _) if report.ids.is_empty() => page.line(t!("users.nobody", table = plan.table)),
            (None, _) => page.line(t!("users.nothing")),
        }
    }
}

fn told(rule: Rule) -> Cow<'static, str> {
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
        Rule::Left => t!("users.left"),
        Rule::LeftBefore => t!("users.left_before"),
        Rule::ListUnread => t!("users.list_unread"),
        Rule::ListEmpty => t!("users.list_empty"),
        Rule::EmailLost => t!("users.email_lost"),
        Rule::Refused => t!("users.refused"),
    }
}

/// Records by rule.
pub(super) fn by_rule(plan: &Plan) -> BTreeMap<Rule, Vec<&Finding>> {
    let mut rules: BTreeMap<Rule, Vec<&Finding>> = BTreeMap::new();
    for finding in &plan.findings {
        rules.entry(finding.rule).or_default().push(finding);
    }
    rules
}

/// The first records of a finding, with what the service said of them.
pub(super) fn records(findings: &[&Finding]) -> String {
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
