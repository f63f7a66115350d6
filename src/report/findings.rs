//! What the stages found, with a few examples whose values are masked.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::Here;
use crate::desk::Issue;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::manifest::{IssueEntry, Manifest};

/// A finding and what people decided about it.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub id: String,
    pub severity: String,
    pub stage: String,
    pub rule: String,
    pub subject: String,
    pub column: Option<String>,
    pub count: u64,
    pub detail: Option<String>,
    pub status: String,
    pub reason: Option<String>,
    pub who: Option<String>,
    pub examples: Vec<Example>,
}

/// Rows of one table that one rule refuses.
#[derive(Debug, Clone, Serialize)]
pub struct Reject {
    pub table: TableName,
    pub rule: String,
    pub column: Option<String>,
    pub constraint: Option<String>,
    pub rows: u64,
    pub examples: Vec<Example>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// `source:file:row`, if it is a record.
    pub record: Option<String>,
    /// Masked, unless values are shown.
    pub value: Option<String>,
    /// Rows that have this value, where values are told and not records.
    pub rows: Option<u64>,
}

/// So many kinds of rejects are told of a table.
const MOST_KINDS: usize = 40;

/// Those of the staging file; where that has gone on since, those that the snapshot keeps.
pub(super) fn all(here: &Here<'_>, manifest: &Manifest, issues: &[Issue]) -> Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = match here.staging {
        Some(_) => issues.iter().filter(|issue| issue.is_of_snapshot()).map(of_issue).collect(),
        None => manifest.issues.iter().map(of_entry).collect(),
    };
    let mut unmapped = unmapped(here)?;
    for finding in findings.iter_mut().filter(|finding| finding.rule == "unmapped_value") {
        finding.examples = unmapped.remove(&finding.subject).unwrap_or_default();
    }
    let rank = |severity: &str| ["critical", "warning", "info"].iter().position(|one| *one == severity);
    findings.sort_by_key(|one| (rank(&one.severity), one.status != "open", std::cmp::Reverse(one.count)));
    Ok(findings)
}

fn of_issue(issue: &Issue) -> Finding {
    Finding { detail: issue.detail.clone(), ..of_entry(&issue.clone().into()) }
}

fn of_entry(issue: &IssueEntry) -> Finding {
    Finding {
        id: issue.id.clone(),
        severity: issue.severity.clone(),
        stage: issue.stage.clone(),
        rule: issue.rule.clone(),
        subject: issue.subject.clone(),
        column: issue.column.clone(),
        count: issue.count,
        detail: None,
        status: issue.status.clone(),
        reason: issue.reason.clone(),
        who: issue.who.clone(),
        examples: Vec::new(),
    }
}

/// The most frequent values that a map lacks, by the name of the map.
fn unmapped(here: &Here<'_>) -> Result<BTreeMap<String, Vec<Example>>> {
    let mut examples: BTreeMap<String, Vec<Example>> = BTreeMap::new();
    let sql =
        "select map, source_value, sum(count)::ubigint from meta.unmapped group by all order by 1, 3 desc, 2";
    for (map, value, rows) in
        here.rows(sql, |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?)))?
    {
        let of_map = examples.entry(map).or_default();
        if of_map.len() < here.most {
            let value = Some(here.shown_of_source(&value));
            of_map.push(Example { record: None, value, rows: Some(rows) });
        }
    }
    Ok(examples)
}

/// What is in `reject`, by table and rule.
pub(super) fn rejects(here: &Here<'_>, manifest: &Manifest) -> Result<Vec<Reject>> {
    let mut rejects = Vec::new();
    for entry in manifest.tables.iter().filter(|entry| entry.rejected > 0) {
        if here.has("reject", &entry.table.to_string())? {
            rejects.extend(of_table(here, &entry.table)?);
        }
    }
    Ok(rejects)
}

fn of_table(here: &Here<'_>, table: &TableName) -> Result<Vec<Reject>> {
    let reject = table.staged("reject");
    let sql = format!(
        "select error.rule, error.column_name, error.constraint_name, count(*)::ubigint \
         from (select unnest(_errors) as error from {reject}) group by all order by 4 desc, 1, 2, 3 limit {MOST_KINDS}"
    );
    let kinds = here.rows(&sql, |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, Option<String>>(2)?, row.get(3)?))
    })?;
    let reject = |(rule, column, constraint, rows): (String, Option<String>, Option<String>, u64)| {
        let examples = examples(here, table, &rule, column.as_ref())?;
        Ok(Reject { table: table.clone(), rule, column, constraint, rows, examples })
    };
    kinds.into_iter().map(reject).collect()
}

/// The first rows that a rule refuses, with the cell that it is about.
fn examples(here: &Here<'_>, table: &TableName, rule: &str, column: Option<&String>) -> Result<Vec<Example>> {
    let name = literal(&table.to_string());
    let has = |column: &&String| {
        let sql = format!(
            "select column_name from duckdb_columns() where schema_name = 'reject' and table_name = {name} and column_name = {}",
            literal(column)
        );
        here.rows(&sql, |row| row.get::<_, String>(0)).is_ok_and(|rows| !rows.is_empty())
    };
    let cell = column.filter(has).map_or("null".to_owned(), |column| quoted(column));
    let about = column.map_or("error.column_name is null".to_owned(), |column| {
        format!("error.column_name = {}", literal(column))
    });
    let sql = format!(
        "select (select source from meta.source where number = _record_ids[1] >> 50) || ':' || ((_record_ids[1] >> 36) & 16383) \
         || ':' || (_record_ids[1] & 68719476735), {cell}::varchar \
         from {} where len(list_filter(_errors, lambda error: error.rule = {} and {about})) > 0 limit {}",
        table.staged("reject"),
        literal(rule),
        here.most,
    );
    let read = here.rows(&sql, |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?)))?;
    let example = |(record, value): (Option<String>, Option<String>)| Example {
        record,
        value: value.map(|value| here.shown(&value)),
        rows: None,
    };
    Ok(read.into_iter().map(example).collect())
}
