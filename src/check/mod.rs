//! check: nothing that PostgreSQL would refuse is in `ready`; every row that is not there is in `reject` with its reasons.

mod constraint;
mod convert;
mod fate;
mod ghosts;
mod leaving;
mod limits;
mod numbers;
mod orphans;
mod probe;
mod ready;
mod refused;
mod report;
mod retired;
mod rules;
mod settings;
mod shape;
mod standing;
mod verdict;

use anyhow::Result;
use rust_i18n::t;
use tokio_postgres::Client;

use crate::codec::LiveOids;
use crate::config::{Clinic, LoadMode, Project, sql_files};
use crate::desk;
use crate::error::{self, Failure};
use crate::model::catalog::{Catalog, ConstraintKind, TypeKind};
use crate::model::ident::{TableName, literal, quoted};
use crate::model::manifest::SourceCount;
use crate::model::merge::OnConflict;
use crate::model::run::{Event, Observer, Stage};
use crate::pg::{crossed, schema_file};
use crate::staging::Staging;
use constraint::Decided;
use leaving::Leaving;
use orphans::Going;
use probe::{Check, Questions};
use retired::Retired;
use shape::TableShape;

pub use report::{About, Finding, Report, RuleCount, TableReport, Unreadable};

/// What to check and against what.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub staging: &'a Staging,
    pub client: &'a Client,
    pub catalog: &'a Catalog,
    pub oids: &'a LiveOids,
}

/// Checks every table of `target`, parents first.
///
/// # Errors
/// A table that does not fit the target's, a type that cannot be compared, PostgreSQL or DuckDB failing. Rejected rows
/// are no error: [`Report::stops`] says whether they are too many.
pub async fn run(options: &Options<'_>, observer: &dyn Observer) -> Result<Report> {
    let staging = options.staging;
    let decisions = desk::Decisions::read(options.project, options.clinic)?;
    staging.execute(ready::FAULT_TABLE)?;
    staging.execute("delete from meta.finding where stage = 'check'")?;
    let mut names = shape::target_tables(staging)?;
    settings::validate(options, &names)?;
    names.retain(|name| !options.clinic.left_out.contains(name));
    if names.is_empty() {
        return Err(Failure::failed(t!("check.nothing"))
            .hint(t!("check.nothing_hint", clinic = options.clinic.name))
            .into());
    }
    let order = options.catalog.dependency_order(&names);
    let new_keys = numbers::tables(options.clinic, &order);
    let models = sql_files(options.project, options.clinic, "target")?;
    let shapes = order
        .iter()
        .map(|name| {
            let model = models.iter().find(|model| TableName::from(model.name.as_str()) == *name);
            let advice =
                || schema_file::advice(options.project, &options.clinic.system, options.catalog, name);
            shape::shape(staging, options.catalog, &new_keys, model, name, advice)
        })
        .collect::<Result<Vec<_>>>()?;
    forget_missing(staging, &order)?;
    let mut findings = Vec::new();
    for (parent, count) in ghosts::make(options, &order)? {
        findings.push(Finding {
            about: About::Table,
            rule: "ghost".into(),
            severity: "warning".into(),
            subject: parent.to_string(),
            column: None,
            count,
        });
    }
    findings.retain(|finding: &Finding| finding.count > 0);
    let mut questions = Vec::new();
    for shape in &shapes {
        started(observer, &shape.name.to_string())?;
        let asked = values(options, shape, &mut findings)?;
        let rows = staging.value(&format!("select count(*) from {}", shape.name.staged("ready")))?;
        finished(observer, &shape.name.to_string(), rows);
        questions.push((asked, rows));
    }
    numbers::look_up(options, &shapes).await?;
    let mut going =
        Going { retired: Retired::read(options).await?, leaving: Leaving::new(&shapes), order: &order };
    let mut asked = Vec::new();
    for (shape, (questions, rows)) in shapes.iter().zip(questions) {
        started(observer, &shape.name.to_string())?;
        asked.push((shape, relations(options, shape, questions, &mut going, &mut findings).await?));
        finished(observer, &shape.name.to_string(), rows);
    }
    settle_cycles(options, &asked, &mut going, &mut findings).await?;
    let mut tables = Vec::new();
    for shape in &shapes {
        let repairs = ready::repairs(staging, &shape.name)?;
        ready::split(staging, &shape.name)?;
        for (repair, count) in repairs {
            findings.push(Finding { about: About::Repair, ..finding(&repair, "info", shape, None, count) });
        }
        tables.push(table_report(options.clinic, staging, shape)?);
    }
    findings.extend(limits::unreadable_elsewhere(staging, options.clinic)?);
    findings.extend(run_checks(options)?);
    write_findings(staging, &findings)?;
    findings.extend(unread(staging, options.clinic)?);
    let sources = fates(options, &shapes, &order, observer)?;
    let accepted = |finding: &&Finding| decisions.accept(&finding.id(), finding.count);
    let accepted = findings.iter().filter(accepted).map(Finding::id).collect();
    let losses = desk::open_losses(options.staging, options.clinic, &decisions)?;
    Ok(Report { tables, sources, findings, accepted, losses })
}

/// Says of every record what became of it, and its one verdict.
fn fates(
    options: &Options<'_>,
    shapes: &[TableShape<'_>],
    order: &[TableName],
    observer: &dyn Observer,
) -> Result<Vec<SourceCount>> {
    started(observer, FATES)?;
    fate::tell(options.staging, shapes)?;
    verdict::decide(options.staging, options.clinic, order)?;
    fate::tell_rest(options.staging)?;
    let sources = verdict::counts(options.staging, options.clinic)?;
    finished(observer, FATES, sources.iter().map(|source| source.read).sum());
    Ok(sources)
}

/// What the progress calls the fates of all records.
const FATES: &str = "meta.fate";

fn started(observer: &dyn Observer, subject: &str) -> Result<()> {
    error::interrupt::check()?;
    observer.event(&Event::Started { stage: Stage::Check, subject, total: None });
    Ok(())
}

fn finished(observer: &dyn Observer, subject: &str, rows: u64) {
    observer.event(&Event::Finished { stage: Stage::Check, subject, rows });
}

/// Drops `ready` and `reject` tables whose model is gone, so that nothing stale is exported.
fn forget_missing(staging: &Staging, names: &[TableName]) -> Result<()> {
    let old = staging.rows(
        "select schema_name, table_name from duckdb_tables() where schema_name in ('ready', 'reject')",
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
    )?;
    for (schema, table) in old {
        if !names.iter().any(|name| name.to_string() == table) {
            staging.execute(&format!("drop table {schema}.{}", quoted(&table)))?;
        }
    }
    Ok(())
}

/// Fills `ready` with a table's rows and decides what a row's own values decide; returns what PostgreSQL must.
fn values<'c>(
    options: &Options<'_>,
    shape: &TableShape<'c>,
    findings: &mut Vec<Finding>,
) -> Result<Questions<'c>> {
    let staging = options.staging;
    ready::build(staging, shape, &options.clinic.table(&shape.name))?;
    for (column, count) in ready::name_columns(staging, shape)? {
        findings.push(finding("loss", "warning", shape, Some(column), count));
    }
    rules::unmapped(staging, shape)?;
    rules::not_null(staging, shape)?;
    numbers::decide(options, shape)?;
    simple_rules(staging, shape)
}

/// Decides a table's parents and keys, once its parents are decided; returns what PostgreSQL was asked.
async fn relations<'c>(
    options: &Options<'_>,
    shape: &TableShape<'c>,
    questions: Questions<'c>,
    going: &mut Going<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Questions<'c>> {
    orphans(options, shape, going, findings).await?;
    let questions = keys(options, shape, questions).await?;
    ask(options, shape, &questions, going).await?;
    Ok(questions)
}

async fn ask(
    options: &Options<'_>,
    shape: &TableShape<'_>,
    questions: &Questions<'_>,
    going: &mut Going<'_>,
) -> Result<()> {
    if questions.is_empty() {
        return Ok(());
    }
    probe::ask(options, shape, questions, going).await?;
    going.retired.add_rejected(options, shape).await
}

/// Looks for orphans again until no further row falls: a row may have lost its parent to a rule that was decided later,
/// in its own table or around a cycle.
async fn settle_cycles(
    options: &Options<'_>,
    asked: &[(&TableShape<'_>, Questions<'_>)],
    going: &mut Going<'_>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let place = |name: &TableName| asked.iter().position(|(shape, _)| shape.name == *name);
    let decided_later = |shape: &TableShape<'_>| {
        rules::foreign_keys(shape).iter().any(|key| place(&key.parent) >= place(&shape.name))
    };
    if !asked.iter().any(|(shape, _)| decided_later(shape)) {
        return Ok(());
    }
    let faults = || options.staging.value::<u64>("select count(*) from fault");
    loop {
        let before = faults()?;
        for (shape, questions) in asked {
            let standing = faults()?;
            orphans(options, shape, going, findings).await?;
            // What a row that fell would have overwritten stays.
            if questions.overwrites && faults()? > standing {
                ask(options, shape, questions, going).await?;
            }
        }
        if faults()? == before {
            return Ok(());
        }
    }
}

async fn orphans(
    options: &Options<'_>,
    shape: &TableShape<'_>,
    going: &mut Going<'_>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    for one in orphans::decide(options, shape, going).await? {
        let found = finding(orphans::EMPTIED, "warning", shape, Some(one.column), one.rows);
        // A parent may fall after others of the same reference: that is one finding.
        match findings.iter_mut().find(|known| known.id() == found.id()) {
            Some(known) => known.count += found.count,
            None => findings.push(found),
        }
    }
    Ok(())
}

/// Decides the CHECKs that DuckDB can; the others are questions for PostgreSQL.
fn simple_rules<'c>(staging: &Staging, shape: &TableShape<'c>) -> Result<Questions<'c>> {
    let mut questions = Questions::default();
    for check in checks(shape) {
        match constraint::decidable(staging, shape.table, &check.expression)? {
            Some(decided) if !of_placeholders(shape, &check) => {
                check_fault(staging, shape, &check, &decided)?;
                questions.decided.push(check);
            }
            _ => questions.checks.push(check),
        }
    }
    Ok(questions)
}

/// Whether a CHECK looks at columns that will hold other values than the batch has now.
fn of_placeholders(shape: &TableShape<'_>, check: &Check) -> bool {
    check.columns.split(", ").any(|column| shape.placeholders.contains_key(column))
}

/// CHECKs of the table and of its columns' domains.
fn checks(shape: &TableShape<'_>) -> Vec<Check> {
    let of_table = shape
        .table
        .constraints
        .iter()
        .filter(|constraint| constraint.kind == ConstraintKind::Check)
        .filter_map(|constraint| {
            Some(Check {
                expression: constraint::check_expression(&constraint.definition)?.to_owned(),
                columns: constraint.columns.join(", "),
                name: constraint.name.clone(),
            })
        });
    let of_domains = shape.columns.iter().flat_map(|column| {
        let name = &column.column.name;
        let checks = match &column.column.data_type.kind {
            TypeKind::Domain { checks, .. } => checks.as_slice(),
            _ => &[],
        };
        checks.iter().filter_map(move |definition| {
            let expression = constraint::check_expression(definition)?.replace("VALUE", &quoted(name));
            Some(Check { expression, columns: name.clone(), name: column.column.data_type.name.clone() })
        })
    });
    of_table.chain(of_domains).collect()
}

fn check_fault(staging: &Staging, shape: &TableShape<'_>, check: &Check, decided: &Decided) -> Result<()> {
    let table = literal(&shape.name.to_string());
    let of_columns: Vec<String> = check.columns.split(", ").map(literal).collect();
    // Of a row that is rejected already for something else this is one more reason, unless that is what is wrong with these columns.
    staging.execute(&format!(
        "insert into fault select {table}, _n, 'check', {}, {}, null from ({}) where _n not in (select n from fault \
         where table_name = {table} and rule <> 'check' and column_name in ({of_columns}))",
        literal(&check.columns),
        literal(&check.name),
        decided.false_rows(&shape.name.staged("ready")),
        of_columns = of_columns.join(", "),
    ))
}

/// Decides unique keys: DuckDB where equality is bytewise and the target holds no other rows, else PostgreSQL.
async fn keys<'c>(
    options: &Options<'_>,
    shape: &TableShape<'c>,
    mut questions: Questions<'c>,
) -> Result<Questions<'c>> {
    let filled: bool = options
        .client
        .query_one(&format!("select exists (select 1 from {})", shape.name.quoted()), &[])
        .await
        .map_err(|error| error::postgres(&error))?
        .get(0);
    for index in shape.table.indexes.iter().filter(|index| index.unique && index.valid) {
        let given = index.plain_columns().is_none_or(|columns| {
            columns.iter().all(|name| shape.columns.iter().any(|column| column.column.name == *name))
        });
        if !given {
            continue;
        }
        let filter = match &index.predicate {
            None => Some("true".to_owned()),
            Some(predicate) => constraint::decidable(options.staging, shape.table, predicate)?
                .map(|decided| format!("_n in ({})", decided.true_rows(&shape.name.staged("ready")))),
        };
        match filter {
            Some(filter) if index.is_bytewise(shape.table) && (index.primary || !filled) => {
                rules::unique(options.staging, shape, index, &filter)?;
            }
            _ => questions.unique.push(index),
        }
    }
    questions.exclude = probe::exclusions(shape);
    let mode = options.clinic.load_mode(&shape.name);
    questions.overwrites = matches!(mode, LoadMode::Upsert | LoadMode::Sync | LoadMode::Replace);
    questions.crosses = crossed::is_possible(options.catalog, &shape.name);
    let policy = options.clinic.on_conflict(&shape.name);
    let stands = filled && options.clinic.updates(&shape.name) && policy != OnConflict::TakeSource;
    questions.stands = stands.then_some(policy);
    Ok(questions)
}

fn table_report(clinic: &Clinic, staging: &Staging, shape: &TableShape<'_>) -> Result<TableReport> {
    let rows = staging.value(&format!("select count(*) from ({})", ghosts::source(staging, &shape.name)?))?;
    let rejected = staging.value(&format!("select count(*) from {}", shape.name.staged("reject")))?;
    let rules = staging.rows(
        &format!(
            "select rule, column_name, count(distinct n) from fault where table_name = {} group by 1, 2 order by 3 desc, 1, 2",
            literal(&shape.name.to_string())
        ),
        |row| Ok(RuleCount { rule: row.get(0)?, column: row.get(1)?, rows: row.get(2)? }),
    )?;
    let unreadable = limits::unreadable(staging, clinic, &shape.name)?;
    let over_limit = limits::exceeded(clinic, &shape.name, rows, rejected, &unreadable)?;
    Ok(TableReport {
        table: shape.name.clone(),
        rows,
        ready: rows - rejected,
        rejected,
        rules,
        unreadable,
        over_limit,
    })
}

fn finding(
    rule: &str,
    severity: &str,
    shape: &TableShape<'_>,
    column: Option<String>,
    count: u64,
) -> Finding {
    let (rule, severity, subject) = (rule.into(), severity.into(), shape.name.to_string());
    Finding { about: About::Table, rule, severity, subject, column, count }
}

/// Runs `checks/*.sql`: each returns the offending rows; `-- severity: critical` in its header stops a run.
fn run_checks(options: &Options<'_>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in sql_files(options.project, options.clinic, "checks")? {
        error::interrupt::check()?;
        let severity = file.header.value("severity").unwrap_or("warning").to_owned();
        if !["critical", "warning", "info"].contains(&severity.as_str()) {
            return Err(Failure::usage(t!("check.severity", path = file.path, found = severity))
                .hint(t!("check.severity_hint"))
                .into());
        }
        let query = format!("select count(*) from (\n{}\n)", file.query());
        let count: u64 = options.staging.value(&query).map_err(|error| {
            Failure::failed(t!("check.bad_check", path = file.path, error = error.to_string()))
        })?;
        if count > 0 {
            findings.push(Finding {
                about: About::Check,
                severity,
                rule: file.name,
                subject: file.path,
                column: None,
                count,
            });
        }
    }
    Ok(findings)
}

/// The findings of transform about sources that no target reads.
const UNREAD: &str = "stage = 'transform' and rule in ('unread_source', 'unused_source')";

fn unread(staging: &Staging, clinic: &Clinic) -> Result<Vec<Finding>> {
    let mut found = staging.rows(
        &format!(
            "select rule, severity, subject, count::ubigint from meta.finding where {UNREAD} order by subject"
        ),
        |row| {
            Ok(Finding {
                about: About::Source,
                rule: row.get(0)?,
                severity: row.get(1)?,
                subject: row.get(2)?,
                column: None,
                count: row.get(3)?,
            })
        },
    )?;
    found.retain(|finding| clinic.sources.contains_key(&finding.subject));
    Ok(found)
}

fn write_findings(staging: &Staging, findings: &[Finding]) -> Result<()> {
    for finding in findings {
        staging
            .connection()
            .execute(
                "insert into meta.finding values ('check', ?, ?, ?, ?, ?, null)",
                duckdb::params![
                    finding.rule,
                    finding.severity,
                    finding.subject,
                    finding.column,
                    finding.count
                ],
            )
            .map_err(error::duckdb)?;
    }
    Ok(())
}
