//! What `[notify]` is told of a run: names and counts, for a program or for people.

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use serde_json::Value;

use super::output;
use super::pipeline::{Outcome, OwnState, Report};
use super::status::counts_in;
use crate::config::{Clinic, Format, Occasion};
use crate::error::{Failure, Kind, interrupt};
use crate::model::run::{Event, Observer};
use crate::notify::{self, Options};

/// So many tables are told of in a text; a program gets all.
const TABLES: usize = 20;

/// A run that is over.
pub(super) struct Ended<'a> {
    pub(super) clinic: &'a Clinic,
    pub(super) command: &'a str,
    pub(super) target: &'a str,
    pub(super) outcome: &'a Outcome,
    pub(super) milliseconds: u64,
    /// As it was asked for; else the clinic's own, if it is ours too.
    pub(super) language: Option<&'a str>,
}

/// What a program gets.
#[derive(Debug, Serialize)]
struct Message<'a> {
    clinic: &'a str,
    command: &'a str,
    run: &'a str,
    target: &'a str,
    /// `done`, or the kind of failure.
    outcome: &'static str,
    exit_code: u8,
    seconds: f64,
    stages: Vec<Part>,
    commands: Vec<Part>,
    /// The stage or own step that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<String>,
    tables: BTreeMap<String, Counts>,
    batch: Option<String>,
    snapshot: Option<String>,
    version: &'static str,
}

#[derive(Debug, Serialize)]
struct Part {
    name: String,
    seconds: f64,
    /// Of a stage that comes after the rows.
    #[serde(skip_serializing_if = "Value::is_null")]
    counts: Value,
}

/// Rows of a table.
#[derive(Debug, Default, Serialize)]
struct Counts {
    rows: u64,
    rejected: u64,
    inserted: u64,
    updated: u64,
    deleted: u64,
    unchanged: u64,
    /// That verify found another way than they were sent.
    unequal: u64,
}

/// As Slack takes it.
#[derive(Debug, Serialize)]
struct Text {
    text: String,
}

/// Sends it, if it is an occasion to.
///
/// # Errors
/// Whatever keeps it from being sent.
pub(super) fn tell(ended: &Ended<'_>, options: &Options<'_>, observer: &dyn Observer) -> Result<()> {
    let occasion = if ended.outcome.failure.is_some() { Occasion::Failure } else { Occasion::End };
    if !options.settings.on.contains(&occasion) {
        return Ok(());
    }
    let message = message(ended);
    match options.settings.format {
        Format::Json => notify::run(options, &message, observer)?,
        Format::Slack => {
            let text = text(&message, language(ended));
            notify::run(options, &Text { text }, observer)?;
        }
    }
    let text = t!("notify.sent", variable = options.settings.url_env);
    observer.event(&Event::Note { stage: options.stage, text: &text });
    Ok(())
}

fn message<'a>(ended: &Ended<'a>) -> Message<'a> {
    let outcome = ended.outcome;
    let kind = outcome.failure.as_ref().map(|error| match interrupt::requested() {
        true => Kind::Interrupted,
        false => Failure::from_anyhow(error).kind,
    });
    let part = |name: String, milliseconds: u64| Part {
        name,
        seconds: milliseconds as f64 / 1000.0,
        counts: Value::Null,
    };
    let stages = outcome.stages.iter().map(|done| part(done.stage.to_string(), done.milliseconds));
    let beside = outcome.beside.iter().map(|done| Part {
        counts: numbers(done.counts()),
        ..part(done.stage.to_string(), done.milliseconds)
    });
    let own = outcome.own.iter().filter_map(|own| Some(part(own.name.clone(), own.milliseconds?)));
    Message {
        clinic: ended.clinic.name.as_str(),
        command: ended.command,
        run: &outcome.run,
        target: ended.target,
        outcome: kind.map_or("done", output::kind_name),
        exit_code: kind.map_or(0, Kind::exit_code),
        seconds: ended.milliseconds as f64 / 1000.0,
        stages: stages.chain(beside).collect(),
        commands: own.collect(),
        stopped_at: kind.and_then(|_| stopped_at(outcome)),
        tables: tables(outcome),
        batch: outcome.batch().map(str::to_owned),
        snapshot: outcome.snapshot().map(str::to_owned),
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// Without what is no number, such as the name of a bucket.
fn numbers(mut counts: Value) -> Value {
    if let Some(counts) = counts.as_object_mut() {
        counts.retain(|_, value| value.is_number());
    }
    counts
}

/// The own step that failed; else the stage that did, or that found something.
fn stopped_at(outcome: &Outcome) -> Option<String> {
    let own = outcome.own.iter().find(|own| own.state == OwnState::Failed).map(|own| own.name.clone());
    own.or_else(|| outcome.at.map(|stage| stage.to_string()))
}

fn tables(outcome: &Outcome) -> BTreeMap<String, Counts> {
    let mut tables: BTreeMap<String, Counts> = BTreeMap::new();
    for done in &outcome.stages {
        match &done.report {
            Report::Check(report) => {
                for one in &report.tables {
                    let counts = tables.entry(one.table.to_string()).or_default();
                    (counts.rows, counts.rejected) = (one.rows, one.rejected);
                }
            }
            Report::Push(report) => {
                for one in &report.plan.tables {
                    let counts = tables.entry(one.table.to_string()).or_default();
                    (counts.rows, counts.rejected) = (one.rows, one.rejected);
                    counts.unchanged = one.unchanged;
                }
                for (table, written) in &report.written {
                    let counts = tables.entry(table.clone()).or_default();
                    (counts.inserted, counts.updated) = (written.inserted, written.updated);
                    counts.deleted = written.deleted;
                }
            }
            Report::Verify(report) => {
                for one in &report.tables {
                    let counts = tables.entry(one.table.to_string()).or_default();
                    counts.unequal = one.counts.iter().map(|count| count.rows).sum();
                }
            }
            _ => {}
        }
    }
    tables
}

fn language<'a>(ended: &Ended<'a>) -> &'a str {
    let clinics = ended.clinic.locale.get(..2).filter(|code| ["en", "es"].contains(code));
    ended.language.or(clinics).unwrap_or("en")
}

/// What people read.
fn text(message: &Message<'_>, language: &str) -> String {
    let took = output::duration((message.seconds * 1000.0) as u64);
    let (clinic, target) = (message.clinic, escaped(message.target));
    let head = match message.outcome {
        "done" => t!("notify.done", locale = language, clinic = clinic, took = took, target = target),
        "findings" => t!("notify.findings", locale = language, clinic = clinic, took = took, target = target),
        "not_comparable" => {
            t!("notify.not_comparable", locale = language, clinic = clinic, took = took, target = target)
        }
        "interrupted" => {
            t!("notify.interrupted", locale = language, clinic = clinic, took = took, target = target)
        }
        _ => t!("notify.failed", locale = language, clinic = clinic, took = took, target = target),
    };
    let mut lines = vec![head.into_owned()];
    if let Some(step) = &message.stopped_at {
        let code = message.exit_code;
        lines.push(t!("notify.stopped_at", locale = language, step = step, code = code).into_owned());
        lines.push(t!("notify.look", locale = language, clinic = clinic).into_owned());
    }
    let parts = message.stages.iter().chain(&message.commands);
    let took = parts.map(|one| format!("{} {}", one.name, output::duration((one.seconds * 1000.0) as u64)));
    let took = took.collect::<Vec<_>>().join(" · ");
    lines.extend(Some(took).filter(|text| !text.is_empty()));
    lines.extend(message.tables.iter().take(TABLES).map(|(table, counts)| line(table, counts, language)));
    let more = message.tables.len().saturating_sub(TABLES);
    if more > 0 {
        lines.push(t!("notify.more_tables", locale = language, count = more).into_owned());
    }
    let beside = message.stages.iter().filter(|one| !one.counts.is_null());
    lines.extend(beside.map(|one| format!("{}: {}", one.name, counts_in(language, &one.counts))));
    let batch = message.batch.as_ref().map(|batch| t!("notify.batch", locale = language, batch = batch));
    let snapshot = message
        .snapshot
        .as_ref()
        .map(|id| t!("notify.snapshot", locale = language, snapshot = id.get(..12).unwrap_or(id)));
    let ids = batch.into_iter().chain(snapshot).collect::<Vec<_>>().join(" · ");
    lines.extend(Some(ids).filter(|text| !text.is_empty()));
    lines.join("\n")
}

fn line(table: &str, counts: &Counts, language: &str) -> String {
    t!(
        "notify.table",
        locale = language,
        table = escaped(table),
        rows = counts.rows,
        rejected = counts.rejected,
        inserted = counts.inserted,
        updated = counts.updated,
        deleted = counts.deleted
    )
    .into_owned()
}

/// As a text of Slack holds what would be markup (<https://api.slack.com/reference/surfaces/formatting#escaping>).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Message<'static> {
        let counts = Counts { rows: 3, rejected: 1, inserted: 2, ..Counts::default() };
        let part = |name: &str, seconds: f64| Part { name: name.to_owned(), seconds, counts: Value::Null };
        Message {
            clinic: "acme",
            command: "run",
            run: "01",
            target: "a<b>",
            outcome: "findings",
            exit_code: 3,
            seconds: 61.5,
            stages: vec![part("load", 1.0), part("transform", 2.5)],
            commands: vec![part("refresh", 0.2)],
            stopped_at: Some("push".to_owned()),
            tables: [("person & co".to_owned(), counts)].into(),
            batch: None,
            snapshot: Some("0123456789abcdef".to_owned()),
            version: "1",
        }
    }

    #[test]
    fn a_text_reads_in_both_languages_and_holds_no_markup_of_names() {
        assert_eq!(
            text(&example(), "en"),
            "*acme*: findings after 1 min 1 s (target: a&lt;b&gt;)\nstopped at push, exit code 3\n\
             trasvase log acme --errors says why\nload 1.0 s · transform 2.5 s · refresh 0.2 s\n\
             person &amp; co: rows: 3, rejected 1, inserted 2, updated 0, deleted 0\nsnapshot 0123456789ab"
        );
        assert!(
            text(&example(), "es").starts_with("*acme*: hallazgos tras 1 min 1 s (destino: a&lt;b&gt;)\n")
        );
    }

    #[test]
    fn a_text_names_so_many_tables_and_counts_the_rest() {
        let mut message = example();
        message.tables = (0..50).map(|number| (format!("t{number:02}"), Counts::default())).collect();
        let text = text(&message, "en");
        assert!(
            text.contains("t19:") && !text.contains("t20:") && text.contains("more tables: 30"),
            "{text}"
        );
    }
}
