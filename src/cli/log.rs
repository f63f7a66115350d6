use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;
use serde_json::Value;

use super::context::Context;
use super::output::{self, Page, Table};
use crate::error::Failure;
use crate::model::ident::ClinicName;

/// List the runs of a clinic, or tell one of them line by line
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// Tell this run (the beginning of its id, or "last")
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Only what went wrong, in the last run where none is named
    #[arg(long)]
    errors: bool,
    /// How many runs are listed
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
}

const EXAMPLES: &str = "Examples:
  trasvase log acme
  trasvase log acme --run last
  trasvase log acme --errors";

/// So much of a run's id is shown, which names it: ten characters are its millisecond.
const SHOWN: usize = 12;

/// One run, from the first and last line of its log.
#[derive(Debug, Serialize)]
struct Run {
    run: String,
    started_at: String,
    command: String,
    /// Stages that were finished.
    stages: Vec<String>,
    exit_code: Option<u64>,
    milliseconds: Option<u64>,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let (project, clinic) = context.clinic(self.clinic.as_ref())?;
        let logs = logs(&project.logs_dir(&clinic.name))?;
        match (&self.run, self.errors) {
            (None, false) => self.list(context, &logs),
            (run, errors) => tell(context, &clinic.name, &logs, run.as_deref().unwrap_or("last"), errors),
        }
    }

    fn list(&self, context: &Context, logs: &[PathBuf]) -> Result<()> {
        let runs = logs.iter().take(self.limit).map(|path| read_run(path)).collect::<Result<Vec<_>>>()?;
        output::show(context.format(), runs.as_slice(), |runs| {
            if runs.is_empty() {
                return Page::new().line(t!("cli.log.none"));
            }
            let mut table = Table::new([
                t!("cli.log.run"),
                t!("cli.log.when"),
                t!("cli.log.command"),
                t!("cli.log.stages"),
                t!("cli.log.exit"),
                t!("cli.log.took"),
            ])
            .right(&[4, 5]);
            for run in runs {
                table.row([
                    run.run.chars().take(SHOWN).collect(),
                    output::moment(&run.started_at),
                    run.command.clone(),
                    run.stages.join(" "),
                    run.exit_code.map_or_else(|| "–".to_owned(), |code| code.to_string()),
                    run.milliseconds.map(output::duration).unwrap_or_default(),
                ]);
            }
            Page::new().table(table)
        })
    }
}

fn tell(context: &Context, clinic: &ClinicName, logs: &[PathBuf], wanted: &str, errors: bool) -> Result<()> {
    let log = logs
        .iter()
        .find(|path| wanted == "last" || run_id(path).starts_with(&wanted.to_uppercase()))
        .ok_or_else(|| {
        Failure::usage(t!("cli.log.no_run", run = wanted)).hint(format!("trasvase log {clinic}"))
    })?;
    let path = if errors { log.with_file_name(format!("{}.errors.jsonl", run_id(log))) } else { log.clone() };
    let lines = if path.is_file() { read_lines(&path)? } else { Vec::new() };
    output::show(context.format(), lines.as_slice(), |lines| {
        if lines.is_empty() {
            return Page::new().line(t!("cli.log.no_errors", run = run_id(log)));
        }
        lines.iter().fold(Page::new(), |page, line| page.line(line_text(line)))
    })
}

/// The logs of a clinic's runs, newest first: a run's id begins with its time.
fn logs(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut logs = Vec::new();
    for entry in
        std::fs::read_dir(folder).with_context(|| t!("config.cannot_read", path = folder.display()))?
    {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".jsonl") && !name.ends_with(".errors.jsonl") {
            logs.push(path);
        }
    }
    logs.sort();
    logs.reverse();
    Ok(logs)
}

fn run_id(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

fn read_run(path: &Path) -> Result<Run> {
    let lines = read_lines(path)?;
    let first = lines.first().cloned().unwrap_or_default();
    let last = lines.last().filter(|line| line["event"] == "run_finished");
    Ok(Run {
        run: run_id(path).to_owned(),
        started_at: first["at"].as_str().unwrap_or_default().to_owned(),
        command: first["command"].as_str().unwrap_or_default().to_owned(),
        stages: lines
            .iter()
            .filter(|line| line["event"] == "stage_finished")
            .filter_map(|line| line["stage"].as_str().map(str::to_owned))
            .collect(),
        exit_code: last.and_then(|line| line["exit_code"].as_u64()),
        milliseconds: last.and_then(|line| line["milliseconds"].as_u64()),
    })
}

/// A log's lines; the last one of a killed run may be torn, and is left out.
fn read_lines(path: &Path) -> Result<Vec<Value>> {
    let text =
        std::fs::read_to_string(path).with_context(|| t!("config.cannot_read", path = path.display()))?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// `12:30:01.123  load  finished  subject=patients rows=2000`
fn line_text(line: &Value) -> String {
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let time = chrono::DateTime::parse_from_rfc3339(&text("at"))
        .map(|at| at.with_timezone(&chrono::Local).format("%H:%M:%S%.3f").to_string())
        .unwrap_or_default();
    let details =
        line.as_object().into_iter().flatten().filter_map(|(name, value)| match (name.as_str(), value) {
            ("at" | "event" | "stage", _) | (_, Value::Null) => None,
            ("text" | "message", Value::String(text)) => Some(text.clone()),
            (name, Value::String(text)) => Some(format!("{name}={text}")),
            (name, value) => Some(format!("{name}={value}")),
        });
    format!("{time}  {:>9}  {:<14} {}", text("stage"), text("event"), details.collect::<Vec<_>>().join(" "))
}
