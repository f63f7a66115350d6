use anyhow::Result;
use rust_i18n::t;
use serde_json::{Value, json};

use super::context::Context;
use super::output::{self, Page, Table};
use super::pipeline::{self, Wanted};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::staging::{Access, Staging};
use crate::transform::{self, Plan, Reason, Report, Unread};

/// Run the SQL: raw to clean, golden and target; only what changed is rebuilt
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// Only these models: NAME, NAME+ (and what reads it), +NAME (and what it reads); may be given again
    #[arg(long, value_name = "MODEL")]
    select: Vec<String>,
    /// Ask no service for the vectors of [embed.TABLE]
    #[arg(long)]
    no_ai: bool,
    /// Only say what would be rebuilt and why
    #[arg(long)]
    explain: bool,
}

const EXAMPLES: &str = "Examples:
  trasvase transform acme
  trasvase transform acme --explain
  trasvase transform acme --select clean.patient+
  trasvase transform acme --select +target.patient";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        if self.explain {
            return self.explain(context);
        }
        let (select, no_ai) = (self.select.clone(), self.no_ai);
        let wanted = Wanted { select, no_ai, ..Wanted::stage(Stage::Transform) };
        pipeline::run_and_show(context, self.clinic.as_ref(), &wanted)
    }

    fn explain(&self, context: &Context) -> Result<()> {
        let (project, clinic) = context.clinic(self.clinic.as_ref())?;
        let staging = Staging::open(&project, &clinic, Access::ReadOnly, &context.limits())?;
        let select = self.select.clone();
        let options = transform::Options { project: &project, clinic: &clinic, staging: &staging, select };
        output::show(context.format(), &transform::plan(&options)?, plan_page)
    }
}

fn plan_page(plan: &Plan) -> Page {
    let mut table = Table::new([t!("cli.transform.model"), t!("cli.transform.path"), t!("cli.why")]);
    for step in plan.builds() {
        table.row([step.model.clone(), step.path.clone(), reasons(&step.reasons)]);
    }
    let unchanged = plan.steps.len() - plan.builds().count();
    let page = Page::new().table(table);
    let page =
        plan.dropped.iter().fold(page, |page, name| page.line(t!("cli.transform.would_drop", model = name)));
    page.line(t!("cli.transform.up_to_date", count = unchanged))
}

fn reasons(reasons: &[Reason]) -> String {
    reasons.iter().map(Reason::text).collect::<Vec<_>>().join(", ")
}

pub(super) fn counts(report: &Report) -> Value {
    json!({
        "built": report.built.len(),
        "unchanged": report.unchanged,
        "dropped": report.dropped.len(),
        "unread": report.unread.iter().filter(|source| source.unused.is_none()).count(),
    })
}

/// What became of records that may be one, and what waits for a person.
pub(super) fn linked(report: &Report, clinic: &ClinicName) -> Page {
    report.linked.iter().fold(Page::new(), |page, one| {
        let (entity, records) = (one.entity.as_str(), output::count(one.records));
        let golden = output::count(one.golden);
        let page = page.line(t!("cli.transform.linked", entity = entity, records = records, golden = golden));
        let page = match one.waiting {
            0 => page,
            waiting => page
                .line(t!("cli.transform.waiting", entity = entity, count = output::count(waiting)))
                .line(format!("  → trasvase review {clinic} {entity}")),
        };
        let page = page.add(without_source_id(entity, one.without_source_id, clinic));
        let page = match one.gone {
            0 => page,
            gone => page.line(t!("cli.transform.gone", entity = entity, count = output::count(gone))),
        };
        let page = match one.overruled {
            0 => page,
            pairs => page.line(t!("cli.transform.overruled", entity = entity, count = output::count(pairs))),
        };
        if one.converged == Some(false) {
            page.line(t!("cli.transform.unsettled", entity = entity))
                .line(format!("  → trasvase dedupe {clinic} {entity}"))
        } else {
            page
        }
    })
}

/// Records that nothing can be said about.
pub(super) fn without_source_id(entity: &str, records: u64, clinic: &ClinicName) -> Page {
    if records == 0 {
        return Page::new();
    }
    let count = output::count(records);
    Page::new()
        .line(t!("cli.transform.without_source_id", entity = entity, count = count))
        .line(format!("  → trasvase sql {clinic} \"from clean.{entity} where source_id is null\""))
}

/// A source of whose records nothing arrives: why, or what to type about it.
pub(super) fn left_behind(source: &str, records: u64, unused: Option<&str>) -> String {
    let records = output::count(records);
    match unused {
        Some(why) => t!("cli.transform.unused", source = source, records = records, why = why),
        None => t!("cli.transform.left_behind", source = source, records = records),
    }
    .into_owned()
}

/// The same, and whether any model reads it.
fn unread(one: &Unread) -> String {
    let (source, records) = (&one.source, output::count(one.records));
    match one.readers.as_slice() {
        _ if one.unused.is_some() => left_behind(source, one.records, one.unused.as_deref()),
        [] => t!("cli.transform.unread", source = source, records = records).into_owned(),
        readers => {
            let models = readers.join(", ");
            t!("cli.transform.dead_end", source = source, records = records, models = models).into_owned()
        }
    }
}

/// What became of corrections by hand.
pub(super) fn fixes(report: &Report) -> Page {
    report.fixes.iter().fold(Page::new(), |page, one| {
        let (applied, rows) = (output::count(one.applied), output::count(one.rows));
        let page = page.line(t!("cli.transform.fixed", path = one.path, applied = applied, rows = rows));
        one.faults.iter().fold(page, |page, fault| {
            let (place, count) = (fault.place.as_str(), output::count(fault.count));
            let column = fault.column.as_deref().unwrap_or_default();
            page.line(match fault.rule.as_str() {
                "fix_gone" => t!("cli.transform.fix_gone", place = place, count = count),
                "fix_column" => {
                    t!("cli.transform.fix_column", place = place, entity = one.entity, count = count)
                }
                "fix_value" => t!("cli.transform.fix_value", place = place, column = column, count = count),
                _ => t!("cli.transform.fix_entity", place = place, entity = one.entity, count = count),
            })
        })
    })
}

pub(super) fn page(report: &Report, clinic: &ClinicName) -> Page {
    let mut table = Table::new([
        t!("cli.transform.model"),
        t!("cli.rows"),
        t!("cli.transform.version"),
        t!("cli.log.took"),
        t!("cli.why"),
    ])
    .right(&[1, 2, 3]);
    for model in &report.built {
        table.row([
            model.name.clone(),
            output::count(model.rows),
            model.version.to_string(),
            output::duration(model.milliseconds),
            reasons(&model.reasons),
        ]);
    }
    let page = Page::new().table(table);
    let page =
        report.dropped.iter().fold(page, |page, name| page.line(t!("cli.transform.dropped", model = name)));
    let page = report.unread.iter().fold(page, |page, one| page.line(unread(one)));
    let page = page.add(fixes(report)).add(linked(report, clinic));
    page.line(t!("cli.transform.sum", built = report.built.len(), unchanged = report.unchanged))
}
