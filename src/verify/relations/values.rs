//! What is wrong with single rows, in one pass over their table: NOT NULL, CHECK, and points in time that are all of the
//! day of the load.

use anyhow::Result;

use super::{Relation, RelationReport, Rows};
use crate::error;
use crate::model::catalog::{Column, ConstraintKind, DataType, TypeKind};
use crate::model::ident::quoted;
use crate::verify::Options;
use crate::verify::population::Population;

pub(super) async fn find(
    options: &Options<'_>,
    population: &Population,
    rows: &Rows<'_>,
) -> Result<Vec<RelationReport>> {
    let (mut reports, mut asked, mut of_differing) = (Vec::new(), Vec::new(), Vec::new());
    for rule in rules(rows) {
        match (rule.proven(rows), &rows.differing) {
            (Some(0), Some(_)) if rule.kind == Relation::NotNull => of_differing.push(rule),
            // Nulls of the snapshot may be among the rows that differ.
            (Some(_), Some(_)) if rule.kind == Relation::NotNull => asked.push(rule),
            (Some(broken), _) => {
                let report = rows.report(rule.kind, &rule.name, i64::try_from(broken)?);
                reports.push(named(options, (rows, rows.condition), &rule, report).await?);
            }
            (None, _) => asked.push(rule),
        }
    }
    reports.extend(ask(options, population, (rows, rows.condition), &asked).await?);
    if let Some((_, differing)) = &rows.differing {
        let condition = format!("{} and {differing}", rows.condition);
        reports.extend(ask(options, population, (rows, &condition), &of_differing).await?);
    }
    // That a column has other days too is no news.
    reports.retain(|report| report.kind != Relation::Today || report.rows > 0);
    Ok(reports)
}

async fn ask(
    options: &Options<'_>,
    population: &Population,
    (rows, condition): (&Rows<'_>, &str),
    rules: &[Rule],
) -> Result<Vec<RelationReport>> {
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let columns = rules.iter().map(|rule| rule.sql(population)).collect::<Vec<_>>().join(", ");
    let sql = format!("select {columns} from {} t where {condition}", rows.compared.entry.table.quoted());
    let answer = options.client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    let mut reports = Vec::new();
    for (place, rule) in rules.iter().enumerate() {
        let report = rows.report(rule.kind, &rule.name, answer.get(place));
        reports.push(named(options, (rows, condition), rule, report).await?);
    }
    Ok(reports)
}

/// The report with the first rows that break the rule; that a column is all of one day no single row does.
async fn named(
    options: &Options<'_>,
    (rows, condition): (&Rows<'_>, &str),
    rule: &Rule,
    report: RelationReport,
) -> Result<RelationReport> {
    let broken = match rule.kind {
        Relation::NotNull => format!("{} is null", rule.sql),
        Relation::Check => format!("({}) is false", rule.sql),
        _ => return Ok(report),
    };
    let table = rows.compared.entry.table.quoted();
    rows.named(options, report, &format!("from {table} t where {condition} and {broken}")).await
}

struct Rule {
    kind: Relation,
    name: String,
    /// The column, or the condition that every row meets.
    sql: String,
}

impl Rule {
    /// How many rows break it, where equal rows prove it.
    fn proven(&self, rows: &Rows<'_>) -> Option<u64> {
        let proven = rows.proven?;
        let column = proven.column(&self.name)?;
        let differing = rows.differing.as_ref().map_or(0, |(count, _)| *count);
        let of_other_days = proven.rows - column.today - column.nulls;
        match self.kind {
            Relation::NotNull => Some(column.nulls),
            Relation::Today if of_other_days > differing => Some(0),
            Relation::Today if differing == 0 => Some(column.today),
            _ => None,
        }
    }

    /// How many rows break it.
    fn sql(&self, population: &Population) -> String {
        let Self { kind, sql, .. } = self;
        match kind {
            Relation::NotNull => format!("count(*) - count({sql})"),
            Relation::Today => {
                let (first, last) = population.days();
                let within = format!("min({sql}) >= date '{first}' and max({sql}) < date '{last}' + 1");
                format!("case when {within} then count({sql}) else 0 end")
            }
            _ => format!("count(*) filter (where ({sql}) is false)"),
        }
    }
}

fn rules(rows: &Rows<'_>) -> Vec<Rule> {
    let table = rows.compared.table;
    let mut rules = Vec::new();
    for column in &table.columns {
        let (name, sql) = (column.name.clone(), format!("t.{}", quoted(&column.name)));
        if column.not_null {
            rules.push(Rule { kind: Relation::NotNull, name: name.clone(), sql: sql.clone() });
        }
        of_domain(&column.data_type, column, &mut rules);
        if column.data_type.has_days() {
            rules.push(Rule { kind: Relation::Today, name, sql });
        }
    }
    let checks = table.constraints.iter().filter(|one| one.kind == ConstraintKind::Check);
    rules.extend(checks.filter_map(|check| {
        let sql = expression(&check.definition)?.to_owned();
        Some(Rule { kind: Relation::Check, name: check.name.clone(), sql })
    }));
    rules
}

/// The rules of a column's domain and of those below it.
fn of_domain(data_type: &DataType, column: &Column, rules: &mut Vec<Rule>) {
    let TypeKind::Domain { base, not_null, checks } = &data_type.kind else { return };
    let sql = format!("t.{}", quoted(&column.name));
    if *not_null && !column.not_null {
        rules.push(Rule { kind: Relation::NotNull, name: column.name.clone(), sql: sql.clone() });
    }
    for check in checks.iter().filter_map(|check| expression(check)) {
        let sql = with_value(check, &format!("{sql}::{}", base.name));
        rules.push(Rule { kind: Relation::Check, name: format!("{}: {}", column.name, data_type.name), sql });
    }
    of_domain(base, column, rules);
}

/// The condition of a `pg_get_constraintdef` text.
fn expression(definition: &str) -> Option<&str> {
    let mut rest = definition.strip_prefix("CHECK ")?.trim();
    for mark in [" NOT ENFORCED", " NOT VALID", " NO INHERIT"] {
        rest = rest.strip_suffix(mark).unwrap_or(rest);
    }
    Some(rest)
}

/// A domain's condition with a column in place of `VALUE`, outside of quotes.
fn with_value(condition: &str, column: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let (mut out, mut word, mut quote) = (String::new(), String::new(), None);
    for c in condition.chars().chain([' ']) {
        if quote.is_none() && is_word(c) {
            word.push(c);
            continue;
        }
        out.push_str(if word == "VALUE" { column } else { &word });
        word.clear();
        out.push(c);
        if matches!(c, '\'' | '"') {
            quote = match quote {
                None => Some(c),
                Some(open) if open == c => None,
                other => other,
            };
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_taken_out_of_its_definition() {
        assert_eq!(expression("CHECK ((a > 0)) NOT VALID"), Some("((a > 0))"));
        assert_eq!(expression("CHECK ((a > 0)) NO INHERIT NOT VALID"), Some("((a > 0))"));
        assert_eq!(expression("UNIQUE (a)"), None);
    }

    #[test]
    fn a_domains_value_is_the_column() {
        let condition = "((VALUE)::text <> 'VALUE'::text) AND \"VALUE\"(MY_VALUE, VALUE)";
        let expected = "((t.a)::text <> 'VALUE'::text) AND \"VALUE\"(MY_VALUE, t.a)";
        assert_eq!(with_value(condition, "t.a").trim_end(), expected);
    }
}
