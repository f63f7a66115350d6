//! Enhancement: texts of target tables get the vectors by which they are searched by meaning.
//!
//! Every OpenAI-compatible service will do. A text is paid for once: its vector stays in `meta.embedding` under the text's
//! hash, each batch as soon as it came, so that what stopped goes on where it was. The vectors are values of the target
//! like any other from then on: checked, pushed, verified and taken back.

mod endpoint;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use duckdb::params;
use rust_i18n::t;
use serde::Serialize;

use self::endpoint::Endpoint;
use crate::config::{Clinic, Embed, Project};
use crate::error::again::pause;
use crate::error::{self, Cause, Failure, interrupt};
use crate::model::ident::{TableName, literal, quoted};
use crate::model::run::{Event, Observer, Stage};
use crate::pg::variable;
use crate::staging::Staging;

/// Where a clinic is served that names no address.
const OPENAI: &str = "https://api.openai.com/v1";

pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub staging: &'a Staging,
    /// Of the tables that have an `[embed.TABLE]` those to look at; none for all.
    pub only: Option<Vec<TableName>>,
    /// Whether a service may be asked; else rows get only the vectors that are known already.
    pub ask: bool,
}

/// What was done to one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub table: TableName,
    /// Rows that have a vector.
    pub rows: u64,
    /// Different texts that the service was asked about.
    pub asked: u64,
    pub requests: u64,
    /// Rows whose text has no vector, because nobody was asked for it.
    pub without: u64,
    /// The variable that nobody was asked for the lack of, where the clinic can do without (`optional`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unset: Option<String>,
}

/// Fills the vectors of every table that has an `[embed.TABLE]`.
///
/// # Errors
/// A table or column that is not there, a variable that is not set, a service that does not answer, answers with another
/// dimension, or refuses; what came before is kept.
pub fn run(options: &Options<'_>, observer: &dyn Observer) -> Result<Vec<Report>> {
    let wanted = |table: &TableName| options.only.as_ref().is_none_or(|only| only.contains(table));
    let tables = options.clinic.embed.iter().filter(|(table, _)| wanted(table));
    tables.map(|(table, embed)| one(options, table, embed, observer)).collect()
}

/// Refuses a clinic whose services cannot be asked, before anything else is done.
///
/// # Errors
/// A variable of an `[embed.TABLE]` that is not `optional` is not set.
pub fn ready(project: &Project, clinic: &Clinic) -> Result<()> {
    for (table, embed) in clinic.embed.iter().filter(|(_, embed)| !embed.optional) {
        if let Some(name) = unset(project, embed)? {
            return Err(no_variable(clinic, table, name).into());
        }
    }
    Ok(())
}

/// The first variable that is not set.
fn unset<'a>(project: &Project, embed: &'a Embed) -> Result<Option<&'a str>> {
    for name in [&embed.url, &embed.key].into_iter().flatten() {
        if variable(project, name)?.is_none() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn no_variable(clinic: &Clinic, table: &TableName, name: &str) -> Failure {
    Failure::usage(t!("embed.no_variable", table = table, variable = name))
        .hint(t!("embed.no_variable_hint", variable = name, clinic = clinic.name))
        .cause(Cause::Variable)
}

fn one(options: &Options<'_>, table: &TableName, embed: &Embed, observer: &dyn Observer) -> Result<Report> {
    columns_there(options.staging, table, embed)?;
    let (staging, target) = (options.staging, format!("target.{}", quoted(&table.to_string())));
    let text = text_of(embed);
    // Several rows of one text are one question.
    let missing = staging.rows(
        &format!(
            "select distinct sha256(content), content from (select {text} as content from {target}) \
             where content <> '' and sha256(content) not in (select hash from meta.embedding where {}) order by 1",
            this_model(embed)
        ),
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
    )?;
    let unset = if missing.is_empty() || !options.ask { None } else { unset(options.project, embed)? };
    if let Some(name) = unset.filter(|_| !embed.optional) {
        return Err(no_variable(options.clinic, table, name).into());
    }
    let asks = options.ask && unset.is_none() && !missing.is_empty();
    let requests = if asks { ask(options, table, embed, &missing, observer)? } else { 0 };
    fill(staging, &target, &text, embed)?;
    let into = quoted(&embed.into);
    Ok(Report {
        table: table.clone(),
        rows: staging.value(&format!("select count(*) from {target} where {into} is not null"))?,
        asked: if asks { missing.len() as u64 } else { 0 },
        requests,
        without: staging
            .value(&format!("select count(*) from {target} where {into} is null and {text} <> ''"))?,
        unset: unset.map(str::to_owned),
    })
}

fn columns_there(staging: &Staging, table: &TableName, embed: &Embed) -> Result<()> {
    let name = table.to_string();
    let known = staging.rows(
        &format!(
            "select column_name from duckdb_columns() where schema_name = 'target' and table_name = {}",
            literal(&name)
        ),
        |row| row.get::<_, String>(0),
    )?;
    let wanted = embed.columns.iter().chain([&embed.into]).chain(&embed.model_into);
    match wanted.into_iter().find(|name| !known.contains(name)) {
        Some(column) => Err(Failure::usage(t!(
            "embed.no_column",
            table = name,
            column = column,
            known = known.join(", ")
        ))
        .into()),
        None => Ok(()),
    }
}

fn text_of(embed: &Embed) -> String {
    let columns = embed.columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    format!("concat_ws(chr(10), {columns})")
}

fn this_model(embed: &Embed) -> String {
    format!("model = {} and dimension = {}", literal(&embed.model), embed.dimension)
}

/// Asks for all texts, batch by batch, and keeps each answer at once.
fn ask(
    options: &Options<'_>,
    table: &TableName,
    embed: &Embed,
    missing: &[(String, String)],
    observer: &dyn Observer,
) -> Result<u64> {
    let endpoint = endpoint(options, embed)?;
    let (stage, subject) = (Stage::Transform, format!("embed.{table}"));
    observer.event(&Event::Started { stage, subject: &subject, total: Some(missing.len() as u64) });
    let mut requests = 0;
    let mut last: Option<Instant> = None;
    for batch in missing.chunks(embed.batch.max(1)) {
        interrupt::check()?;
        if let (Some(last), Some(gap)) = (last, embed.per_minute.map(gap)) {
            pause(gap.saturating_sub(last.elapsed()))?;
        }
        last = Some(Instant::now());
        let texts: Vec<&str> = batch.iter().map(|(_, text)| text.as_str()).collect();
        let vectors = endpoint.ask(&texts, observer)?;
        requests += 1;
        keep(options.staging, embed, batch, &vectors)?;
        observer.event(&Event::Advanced { stage, subject: &subject, amount: batch.len() as u64 });
    }
    observer.event(&Event::Finished { stage, subject: &subject, rows: missing.len() as u64 });
    Ok(requests)
}

/// How far apart two requests are.
fn gap(per_minute: u32) -> Duration {
    Duration::from_secs(60) / per_minute.max(1)
}

fn endpoint<'a>(options: &Options<'_>, embed: &'a Embed) -> Result<Endpoint<'a>> {
    let value = |name: &Option<String>| match name {
        Some(name) => variable(options.project, name),
        None => Ok(None),
    };
    let url = value(&embed.url)?.map_or_else(|| OPENAI.to_owned(), |url| url.expose().to_owned());
    Ok(Endpoint::new(&url, value(&embed.key)?.as_ref(), embed, options.clinic.name.as_str()))
}

fn keep(staging: &Staging, embed: &Embed, batch: &[(String, String)], vectors: &[String]) -> Result<()> {
    staging.transaction(|| {
        for ((hash, _), vector) in batch.iter().zip(vectors) {
            let row = params![embed.model, embed.dimension as u64, hash, vector];
            let sql = "insert or replace into meta.embedding values (?, ?, ?, ?)";
            staging.connection().execute(sql, row).map_err(error::duckdb)?;
        }
        Ok(())
    })
}

/// Writes the vectors into the table; rows without a text have none.
fn fill(staging: &Staging, target: &str, text: &str, embed: &Embed) -> Result<()> {
    let into = quoted(&embed.into);
    let mut set = BTreeMap::from([(into.clone(), "known.vector".to_owned())]);
    if let Some(name) = &embed.model_into {
        set.insert(quoted(name), "known.model".to_owned());
    }
    let set = set.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ");
    staging.execute(&format!(
        "update {target} set {set} from (select * from meta.embedding where {}) as known \
         where known.hash = sha256({text}) and {into} is distinct from known.vector",
        this_model(embed)
    ))
}
