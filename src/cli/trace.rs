use std::io::IsTerminal as _;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::context::Context;
use super::output::{self, Page, Table};
use crate::config::{Clinic, Project};
use crate::error::Failure;
use crate::model::ident::{ClinicName, TableName};
use crate::pg::embedded::{self, Status};
use crate::pg::{Purpose, Session, Target, catalog};
use crate::staging::{Access, Staging};
use crate::trace::{
    self, Correction, Earlier, Fate, Journey, Question, Remembered, Report, RowOrigin, Step, Stored,
};

/// How the staging file says that another record took a record's place.
const SUPERSEDED_BY: &str = "superseded by ";

/// Follow one record from its file and line to its row in PostgreSQL, or a row back to its records
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "trasvase trace [OPTIONS] [CLINIC] <SOURCE> <ROW OR KEY>
       trasvase trace [OPTIONS] [CLINIC] --table <TABLE> <ID>")]
pub(super) struct Arguments {
    /// The clinic where there are several, then a source and one of its records: its key, or its row (row, file:row)
    #[arg(value_name = "NAME", num_args = 1..=3, required = true)]
    names: Vec<String>,
    /// The way back, from a row of this table by its key; --target TABLE does it too, where no target has that name
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// Show the cells at every step; on a terminal only
    #[arg(long)]
    show_values: bool,
    /// Records that are followed at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    most: usize,
}

const EXAMPLES: &str = "Examples:
  trasvase trace acme patients 4711
  trasvase trace acme patients 1:17 --show-values
  trasvase trace acme --table patient 01JGKGC000Q4M8";

/// So many records are named on a line; JSON names them all.
const SHOWN: usize = 8;

/// What was found, and whether PostgreSQL was asked.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    report: Report,
    #[serde(skip)]
    clinic: ClinicName,
    target: String,
    /// Why PostgreSQL was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_asked: Option<String>,
}

/// What the words and options ask for.
struct Wanted {
    clinic: Option<ClinicName>,
    question: Question,
    /// `--target` as the name of a database.
    target: Option<String>,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        if self.show_values && !std::io::stdout().is_terminal() {
            return Err(Failure::usage(t!("cli.verify.values_on_terminal")).into());
        }
        let wanted = self.wanted(context)?;
        let (project, clinic) = context.clinic(wanted.clinic.as_ref())?;
        let staging = Staging::open(&project, &clinic, Access::ReadOnly, &context.limits())?;
        let name = wanted.target.as_deref();
        let runtime = Runtime::new()?;
        let reached = reach(&runtime, &project, &clinic, name);
        let (session, not_asked) = match reached {
            Ok((target, session)) => (Some((target, session)), None),
            Err(error) => (None, Some(Failure::from_anyhow(&error).message)),
        };
        let report = runtime.block_on(async {
            let live = match &session {
                Some((_, session)) => Some(catalog::read(&session.client, None).await?),
                None => None,
            };
            let target = session.as_ref().zip(live.as_ref()).map(|((_, one), live)| (&one.client, live));
            let options = trace::Options {
                project: &project,
                clinic: &clinic,
                staging: &staging,
                target,
                show_values: self.show_values,
                most: self.most,
            };
            trace::run(&options, &wanted.question).await
        })?;
        let target = Target::chosen(&project, name)?;
        let answer = Answer { report, clinic: clinic.name.clone(), target, not_asked };
        output::show(context.format(), &answer, page)
    }

    /// Three words are a record of a clinic, one is a row's key; of two the options say which.
    fn wanted(&self, context: &Context) -> Result<Wanted> {
        let given = context.global.target.clone();
        let clinic = |name: &String| -> Result<ClinicName> {
            name.parse().map_err(|error| Failure::usage(format!("{name}: {error}")).into())
        };
        let record = |source: &String, wanted: &String| Question::Record {
            source: source.clone(),
            wanted: wanted.clone(),
        };
        match (self.names.as_slice(), &self.table) {
            ([one, source, wanted], None) => {
                Ok(Wanted { clinic: Some(clinic(one)?), question: record(source, wanted), target: given })
            }
            ([rest @ .., id], Some(table)) if rest.len() < 2 => Ok(Wanted {
                clinic: rest.first().map(clinic).transpose()?,
                question: Question::Row { table: TableName::from(table.as_str()), id: id.clone() },
                target: given,
            }),
            ([rest @ .., id], None) => match self.named_table(context, rest.first())? {
                Some(table) => Ok(Wanted {
                    clinic: rest.first().map(clinic).transpose()?,
                    question: Question::Row { table, id: id.clone() },
                    target: None,
                }),
                None if rest.len() == 1 => {
                    Ok(Wanted { clinic: None, question: record(&rest[0], id), target: given })
                }
                None => Err(usage().into()),
            },
            _ => Err(usage().into()),
        }
    }

    /// The table that `--target` names, where it names no database.
    fn named_table(&self, context: &Context, first: Option<&String>) -> Result<Option<TableName>> {
        let Some(name) = context.global.target.as_deref().filter(|name| *name != "embedded") else {
            return Ok(None);
        };
        let project = context.project()?;
        let clinic = match first.map(|first| first.parse::<ClinicName>()) {
            Some(Ok(first)) if project.clinics()?.contains(&first) => first,
            Some(_) => return Ok(None),
            None => context.clinic_name(&project, None)?,
        };
        let targets = Clinic::read(&project, &clinic)?.targets;
        Ok((!targets.contains_key(name)).then(|| TableName::from(name)))
    }
}

fn usage() -> Failure {
    Failure::usage(t!("trace.usage"))
        .hint("trasvase trace <clinic> <source> <row or key>")
        .hint("trasvase trace <clinic> --table <table> <id>")
}

/// The target as it stands: a private server that was never started is not made for a question.
fn reach(
    runtime: &Runtime,
    project: &Project,
    clinic: &Clinic,
    name: Option<&str>,
) -> Result<(Target, Session)> {
    let embedded = Target::chosen(project, name)? == "embedded";
    if embedded && embedded::status(&project.postgres_dir())? == Status::Absent {
        return Err(Failure::failed(t!("trace.no_server")).into());
    }
    let target = Target::resolve(project, Some(clinic), name)?;
    let session = runtime.block_on(Session::open(&target, Purpose::Read))?;
    Ok((target, session))
}

fn page(answer: &Answer) -> Page {
    let page =
        answer.report.row.iter().fold(Page::new(), |page, row| page.add(row_page(row, &answer.report)));
    let page =
        answer.report.records.iter().fold(page, |page, journey| page.line("").add(journey_page(journey)));
    let page = answer
        .report
        .earlier
        .iter()
        .fold(page, |page, one| page.line("").add(remembered_page(one, &answer.clinic)));
    let page = match answer.report.not_listed {
        0 => page,
        count => page.line(t!("trace.not_listed", count = output::count(count as u64))),
    };
    match &answer.not_asked {
        Some(why) => page.line("").line(t!("trace.not_asked", target = answer.target, why = why)),
        None => page,
    }
}

/// What the ledger knows of a record that the source has no more.
fn remembered_page(found: &Remembered, clinic: &ClinicName) -> Page {
    let heading = t!("trace.remembered", source = found.source, wanted = found.wanted);
    let page = found.told.iter().fold(Page::new().line(heading), |page, told| {
        let errors =
            if told.errors.is_empty() { String::new() } else { format!(" ({})", told.errors.join(", ")) };
        let verdict = format!("{}{errors}", word(&told.verdict));
        page.line(t!("trace.remembered_as", batch = told.batch, record = told.record, verdict = verdict))
    });
    found.rows.iter().fold(page, |page, row| {
        let again = format!("  trasvase trace {clinic} --target {} {}", row.table, row.id);
        page.line(stored_text(row)).line(again)
    })
}

/// A row, what it is made of and what PostgreSQL says of it.
fn row_page(row: &RowOrigin, report: &Report) -> Page {
    let made =
        t!("trace.row", table = row.table, id = row.id, count = output::count(row.records.len() as u64));
    let page = Page::new().line(made);
    let page = if row.ready { page } else { page.line(t!("trace.not_ready")) };
    let page = row.target.iter().fold(page, |page, stored| page.line(stored_text(stored)));
    let mut table = Table::new([t!("trace.column"), t!("trace.from"), t!("trace.record")]);
    for given in &row.columns {
        let of = report.records.iter().find(|one| one.source_id.as_ref() == Some(&given.source_id));
        let record = of.map(|one| one.record.clone()).unwrap_or_default();
        table.row([given.column.clone(), given.source_id.clone(), record]);
    }
    page.table(table)
}

fn journey_page(journey: &Journey) -> Page {
    let page = Page::new().line(heading(journey)).table(steps(&journey.steps)).table(fates(&journey.fates));
    let page = match journey.merged_with.as_slice() {
        [] => page,
        others => page.line(t!("trace.merged_with", records = some_of(others))),
    };
    let page = journey.decisions.iter().fold(page, |page, one| {
        page.line(t!("trace.decision", entity = one.entity, decision = one.decision, with = one.with))
    });
    let page = journey.target.iter().fold(page, |page, stored| page.line(stored_text(stored)));
    journey.steps.iter().fold(page, |page, step| page.table(cells(step)))
}

fn heading(journey: &Journey) -> String {
    let unknown = || "?".to_owned();
    t!(
        "trace.heading",
        record = journey.record,
        file = journey.file,
        line = journey.line.map_or_else(unknown, |line| line.to_string()),
        key = journey.source_id.clone().unwrap_or_else(unknown),
        verdict = journey.verdict.as_deref().map_or_else(|| t!("trace.unchecked").into_owned(), word)
    )
    .into_owned()
}

fn steps(steps: &[Step]) -> Table {
    let mut table =
        Table::new([t!("cli.table"), t!("trace.key"), t!("trace.records"), t!("trace.repairs")]).right(&[2]);
    for step in steps {
        let (id, records) = (step.id.clone().unwrap_or_default(), output::count(step.records));
        let entity = step.table.strip_prefix("clean.").unwrap_or(&step.table);
        let corrected = step.corrections.iter().map(|one| corrected(entity, one));
        let mended: Vec<String> = step.repairs.iter().cloned().chain(corrected).collect();
        table.row([step.table.clone(), id, records, mended.join(", ")]);
    }
    table
}

fn corrected(entity: &str, one: &Correction) -> String {
    let who = one.who.as_deref().unwrap_or("?");
    t!("trace.corrected", column = one.column, entity = entity, line = one.line, who = who).into_owned()
}

fn fates(fates: &[Fate]) -> Table {
    let mut table = Table::new([t!("trace.fate"), t!("cli.table"), t!("trace.key"), t!("trace.detail")]);
    for one in fates {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        table.row([word(&one.fate), text(&one.table), text(&one.id), detail(one)]);
    }
    table
}

/// What is noted of a fate. The staging file says it in one language, whoever checked.
fn detail(fate: &Fate) -> String {
    let detail = fate.detail.clone().unwrap_or_default();
    match detail.strip_prefix(SUPERSEDED_BY) {
        Some(record) => t!("trace.superseded_by", record = record).into_owned(),
        None => detail,
    }
}

/// The cells of a step, where they were asked for.
fn cells(step: &Step) -> Table {
    let mut table = Table::new([step.table.as_str().into(), t!("trace.value")]);
    for (column, value) in step.values.iter().flatten() {
        let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        let value = value.as_ref().map_or_else(|| "∅".to_owned(), |text| text.chars().map(plain).collect());
        table.row([column.clone(), value]);
    }
    table
}

fn stored_text(stored: &Stored) -> String {
    let (table, id) = (&stored.table, &stored.id);
    if let Some(why) = &stored.left_out {
        return t!("trace.left_out", table = table, id = id, why = why).into_owned();
    }
    let text = match (&stored.batch, stored.there, stored.as_loaded) {
        (Some(batch), true, Some(true)) => t!("trace.as_loaded", table = table, id = id, batch = batch),
        (Some(batch), true, Some(false)) => t!("trace.edited", table = table, id = id, batch = batch),
        (Some(batch), true, None) => t!("trace.there", table = table, id = id, batch = batch),
        (Some(batch), false, _) => match &stored.deleted_by {
            Some(by) => t!("trace.gone_by", table = table, id = id, batch = batch, by = by),
            None => t!("trace.gone", table = table, id = id, batch = batch),
        },
        (None, true, _) => match &stored.left_by {
            Some(batch) => t!("trace.left_by", table = table, id = id, batch = batch),
            None => t!("trace.unknown", table = table, id = id),
        },
        (None, false, _) => match &stored.taken_back {
            Some(batch) => t!("trace.taken_back", table = table, id = id, batch = batch),
            None => t!("trace.not_there", table = table, id = id),
        },
    };
    match stored.earlier {
        Some(why) => format!("{text}; {}", earlier_text(why, table)),
        None => text.into_owned(),
    }
}

fn earlier_text(why: Earlier, table: &TableName) -> std::borrow::Cow<'static, str> {
    match why {
        Earlier::Rejected => t!("trace.earlier_rejected"),
        Earlier::Kept => t!("trace.earlier_kept"),
        Earlier::Flagged => t!("trace.earlier_flagged"),
        Earlier::Deleted => t!("trace.earlier_deleted"),
        Earlier::Theirs => t!("trace.earlier_theirs"),
        Earlier::Waits => t!("trace.earlier_waits"),
        Earlier::Unread => t!("trace.earlier_unread"),
        Earlier::Nameless => t!("trace.earlier_nameless", table = table),
        Earlier::Unsaid => t!("trace.earlier_unsaid"),
    }
}

/// The first few of many records.
fn some_of(records: &[String]) -> String {
    let shown = records.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match records.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} (+{})", output::count(more as u64)),
    }
}

/// A verdict or fate in the reader's language.
fn word(name: &str) -> String {
    match name {
        "imported" => t!("trace.imported"),
        "merged" => t!("trace.merged"),
        "rejected" => t!("trace.rejected"),
        "filtered" => t!("trace.filtered"),
        "skipped" => t!("trace.skipped"),
        other => other.into(),
    }
    .into_owned()
}
