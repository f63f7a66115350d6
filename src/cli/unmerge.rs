use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::context::Context;
use super::entity::{self, Entity};
use super::output::{self, Page, Table};
use crate::dedupe::decisions::{Decision, Decisions, Row};
use crate::error::{self, Failure};
use crate::model::ident::quoted;
use crate::staging::{Access, Staging};

/// Take a record apart again from those that it is merged with
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "trasvase unmerge [OPTIONS] [CLINIC] [ENTITY] <SOURCE_ID>")]
pub(super) struct Arguments {
    /// The clinic and the entity, each where there are several, and the record's source_id
    #[arg(value_name = "NAME", num_args = 1..=3, required = true)]
    names: Vec<String>,
    /// Who decides; git's user.name where not given, else the machine's user
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Why, for whoever reads it later
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
}

const EXAMPLES: &str = "Examples:
  trasvase unmerge acme patient 4711
  trasvase unmerge acme patient 4711 --why \"father and son\" --yes";

#[derive(Debug, Serialize)]
struct Report {
    entity: String,
    /// Records that it was merged with.
    others: Vec<String>,
    /// Rows that were added; the rest said so already.
    written: usize,
    file: String,
    next: String,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let (id, names) = self.names.split_last().expect("clap wants one name at least");
        let entity = Entity::named(context, names)?;
        let mut decisions = Decisions::read(&entity.project, &entity.clinic, &entity.name)?;
        let staging = Staging::open(&entity.project, &entity.clinic, Access::ReadOnly, &context.limits())?;
        let others = others(&staging, &entity, id)?;
        let who = entity::who(&entity.project, self.who.as_deref());
        let open = others.iter().filter(|other| decisions.of(id, other) != Some(Decision::CannotLink));
        let rows: Vec<Row> =
            open.map(|other| Row::new(id, other, Decision::CannotLink, &who, &self.why)).collect();
        if !rows.is_empty() {
            let question = t!("cli.unmerge.ask", count = rows.len(), file = decisions.shown());
            output::confirm(&question, context.global.yes)?;
            decisions.append(&rows)?;
        }
        let report = Report {
            entity: entity.name.clone(),
            others,
            written: rows.len(),
            file: decisions.shown().to_owned(),
            next: format!("trasvase run {}", entity.clinic.name),
        };
        output::show(context.format(), &report, page)
    }
}

/// The other records of its cluster.
fn others(staging: &Staging, entity: &Entity, id: &str) -> Result<Vec<String>> {
    let (clinic, name) = (&entity.clinic.name, &entity.name);
    if !staging.has_table("xref", name)? {
        return Err(Failure::failed(t!("dedupe.no_pairs", entity = name)).hint("trasvase transform").into());
    }
    let sql = format!(
        "select source_id from xref.{name} where golden_id = (select golden_id from xref.{name} where source_id = ?)
         order by source_id",
        name = quoted(name)
    );
    let mut statement = staging.connection().prepare(&sql).map_err(error::duckdb)?;
    let found = statement.query_map([id], |row| row.get(0)).map_err(error::duckdb)?;
    let mut members = found.collect::<duckdb::Result<Vec<String>>>().map_err(error::duckdb)?;
    let held = members.len();
    members.retain(|member| member != id);
    match held {
        // What was typed may be a patient's number, so it is not repeated.
        0 => Err(Failure::failed(t!("cli.unmerge.unknown", entity = name))
            .hint(format!("trasvase sql {clinic} \"from xref.{name}\""))
            .into()),
        1 => Err(Failure::failed(t!("cli.unmerge.alone", entity = name)).into()),
        _ => Ok(members),
    }
}

fn page(report: &Report) -> Page {
    let mut table = Table::new([t!("cli.unmerge.apart")]);
    report.others.iter().for_each(|other| table.row([other]));
    let done = match report.written {
        0 => t!("cli.unmerge.already", file = report.file),
        count => t!("cli.unmerge.done", count = count, file = report.file),
    };
    Page::new().table(table).line("").line(done).line(format!("  → {}", report.next))
}
