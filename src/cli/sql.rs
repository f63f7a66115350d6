use std::collections::BTreeMap;
use std::io::Read as _;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde_json::Value;

use super::arguments::Format;
use super::context::Context;
use super::output::{self, Page};
use super::rows;
use crate::config::near;
use crate::error::{self, Failure};
use crate::model::ident::ClinicName;
use crate::staging::{Access, Staging};
use crate::transform::only_statement;

/// Run SQL on a clinic's staging file and print what it gives; nothing is written without --write
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    #[arg(value_name = "CLINIC")]
    clinic: ClinicName,
    /// The statement; from standard input where it is "-" or not given
    sql: Option<String>,
    /// Open the staging file for writing
    #[arg(long)]
    write: bool,
    /// Rows that are printed at most; 0 for all
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    limit: usize,
}

const EXAMPLES: &str = "Examples:
  trasvase sql acme \"from reject.patient\"
  trasvase sql acme \"select count(*) from raw.clients\" --format json
  trasvase sql acme - <question.sql";

/// What a query gave: every value as DuckDB's own text of it.
struct Answer {
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let (project, clinic) = context.clinic(Some(&self.clinic))?;
        let sql = self.statement()?;
        let access = if self.write { Access::Write } else { Access::ReadOnly };
        let staging = Staging::open(&project, &clinic, access, &context.limits())?;
        if !self.write {
            // `copy … to` writes files whatever the staging file is open for; neither can be set back.
            staging.execute("set enable_external_access = false; set lock_configuration = true")?;
        }
        match context.format() {
            Format::Table => {
                let answer = self.query(&staging, &sql, "columns(*)::varchar")?;
                output::show(Format::Table, &(), |()| answer.page())
            }
            // DuckDB writes the JSON too, so that numbers stay numbers and lists stay lists.
            Format::Json if explains(&sql) => {
                let answer = self.query(&staging, &sql, "")?;
                let object = |row: Vec<Option<String>>| answer.columns.iter().cloned().zip(row).collect();
                let objects: Vec<BTreeMap<String, Option<String>>> =
                    answer.rows.into_iter().map(object).collect();
                output::show(Format::Json, &objects, |_| Page::new())
            }
            Format::Json => {
                let answer = self.query(&staging, &sql, "to_json(answer)::varchar")?;
                let objects = answer.rows.iter().flatten().flatten().map(|text| serde_json::from_str(text));
                let objects = objects.collect::<Result<Vec<Value>, _>>().context("DuckDB wrote no JSON")?;
                output::show(Format::Json, &objects, |_| Page::new())
            }
        }
    }

    fn statement(&self) -> Result<String> {
        let sql = match self.sql.as_deref() {
            Some(sql) if sql != "-" => sql.to_owned(),
            _ => {
                let mut sql = String::new();
                std::io::stdin().read_to_string(&mut sql).context(t!("cli.sql.no_input"))?;
                sql
            }
        };
        let Some(sql) = only_statement(&sql) else {
            return Err(Failure::usage(t!("cli.sql.several")).into());
        };
        let sql = sql.trim();
        if sql.is_empty() {
            let hint = format!("trasvase sql {} \"show all tables\"", self.clinic);
            return Err(Failure::usage(t!("cli.sql.empty")).hint(hint).into());
        }
        Ok(sql.to_owned())
    }

    /// Runs the statement. A query is wrapped, so that DuckDB turns every value into text itself; what cannot be
    /// wrapped (`create`, `update`, `pragma`) is run as it is, gives nothing, and needs `--write`; an `explain` gives texts
    /// as it is.
    fn query(&self, staging: &Staging, sql: &str, select: &str) -> Result<Answer> {
        let wrapped = match explains(sql) {
            true => sql.to_owned(),
            false => format!("select {select} from (\n{sql}\n) answer"),
        };
        let Ok(mut statement) = staging.connection().prepare(&wrapped) else {
            if !self.write {
                // What is no query at all is refused; what DuckDB does not understand, it tells itself.
                staging.connection().prepare(sql).map_err(|error| needs_write(error::duckdb(error)))?;
                return Err(read_only());
            }
            staging.execute(sql).map_err(needs_write)?;
            return Ok(Answer { columns: Vec::new(), rows: Vec::new() });
        };
        let mut found = statement.query([]).map_err(|error| needs_write(error::duckdb(error)))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(error::duckdb)? {
            if self.limit > 0 && rows.len() == self.limit {
                output::status(&t!("cli.sql.cut", limit = output::count(self.limit as u64)));
                break;
            }
            let width = row.as_ref().column_count();
            let values = (0..width).map(|column| row.get(column)).collect::<duckdb::Result<Vec<_>>>();
            rows.push(values.map_err(error::duckdb)?);
        }
        drop(found);
        Ok(Answer { columns: statement.column_names(), rows })
    }
}

impl Answer {
    fn page(&self) -> Page {
        if self.columns.is_empty() {
            return Page::new().line(t!("cli.sql.done"));
        }
        let page = rows::page(&self.columns, &self.rows);
        page.line(t!("cli.sql.rows", count = output::count(self.rows.len() as u64)))
    }
}

fn explains(sql: &str) -> bool {
    sql.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("explain"))
}

/// DuckDB's error about a statement: its refusal to write with what to add, its text without names that are no help.
fn needs_write(error: anyhow::Error) -> anyhow::Error {
    let text = error.to_string();
    if let Some(text) = without_far_names(&text) {
        return Failure::failed(text).into();
    }
    if text.contains("read-only mode") || text.contains("disabled by configuration") {
        return read_only();
    }
    error
}

/// DuckDB proposes whatever name is least far, also of its own tables; none if there is nothing to leave out.
fn without_far_names(text: &str) -> Option<String> {
    let wanted = text.split(" with name ").nth(1)?.split_whitespace().next()?.trim_matches('"');
    let proposed = |line: &str| line.strip_prefix("Did you mean \"").map(|names| format!("\"{names}"));
    let sensible = |line: &str| {
        let names = proposed(line).unwrap_or_default();
        let mut names = names.split('"').skip(1).step_by(2);
        names.all(|name| {
            let (schema, last) = name.rsplit_once('.').unwrap_or(("", name));
            let own = !["pg_catalog", "information_schema", "system", "temp"].contains(&schema);
            let wanted = wanted.rsplit('.').next().unwrap_or(wanted);
            own && !near(wanted, [&last.to_owned()]).is_empty()
        })
    };
    if text.lines().all(|line| proposed(line).is_none() || sensible(line)) {
        return None;
    }
    let lines = text.lines().filter(|line| proposed(line).is_none());
    Some(lines.collect::<Vec<_>>().join("\n"))
}

fn read_only() -> anyhow::Error {
    Failure::usage(t!("cli.sql.read_only")).hint(t!("cli.sql.read_only_hint")).into()
}
