//! `[limits]`: how many rejected rows a table may have before `run` stops. Records that load could not read are
//! rejected rows of the table that their source is about; those of a source that is about none count by themselves.

use anyhow::Result;
use rust_i18n::t;

use super::{About, Finding, TableReport, Unreadable};
use crate::config::Clinic;
use crate::error::Failure;
use crate::model::ident::{TableName, literal};
use crate::staging::Staging;

/// Rejected rows a table may have: an absolute number or a share of its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    Rows(u64),
    Percent(f64),
}

/// Whether the rejected rows of a table are more than clinic.toml allows: the table's own limit, else that of `"*"`,
/// else none at all is allowed.
///
/// # Errors
/// A limit that is neither a number nor a percentage.
pub(super) fn exceeded(
    clinic: &Clinic,
    table: &TableName,
    rows: u64,
    rejected: u64,
    unreadable: &[Unreadable],
) -> Result<bool> {
    let lost: u64 = unreadable.iter().map(|source| source.records).sum();
    over(limit(clinic, Some(table)), rows + lost, rejected + lost)
}

fn limit<'c>(clinic: &'c Clinic, table: Option<&TableName>) -> &'c str {
    let own = table.and_then(|table| clinic.limits.get(&table.to_string()));
    own.or_else(|| clinic.limits.get("*")).map_or("0", String::as_str)
}

fn over(limit: &str, rows: u64, rejected: u64) -> Result<bool> {
    Ok(match parse(limit)? {
        Limit::Rows(limit) => rejected > limit,
        Limit::Percent(limit) => rejected as f64 > rows as f64 * limit / 100.0,
    })
}

/// How many records of each source that is about this table load could not read.
pub(super) fn unreadable(staging: &Staging, clinic: &Clinic, table: &TableName) -> Result<Vec<Unreadable>> {
    let about = clinic.sources.iter().filter(|(_, settings)| settings.primary.as_ref() == Some(table));
    let counted = about.map(|(source, _)| {
        let (_, records) = read_and_refused(staging, source)?;
        Ok(Unreadable { source: source.clone(), records })
    });
    let mut found = counted.collect::<Result<Vec<_>>>()?;
    found.retain(|source| source.records > 0);
    Ok(found)
}

/// The same of the sources that are about no table: more than the limit of `"*"` is critical.
pub(super) fn unreadable_elsewhere(staging: &Staging, clinic: &Clinic) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (source, _) in clinic.sources.iter().filter(|(_, settings)| settings.primary.is_none()) {
        let (read, refused) = read_and_refused(staging, source)?;
        if refused > 0 {
            let severity = if over(limit(clinic, None), read, refused)? { "critical" } else { "warning" };
            findings.push(Finding {
                about: About::Source,
                rule: "unreadable_records".into(),
                severity: severity.into(),
                subject: source.clone(),
                column: None,
                count: refused,
            });
        }
    }
    Ok(findings)
}

/// A source's records, and those of them that load could not read.
fn read_and_refused(staging: &Staging, source: &str) -> Result<(u64, u64)> {
    let sum = |column: &str| {
        staging.value(&format!(
            "select coalesce(sum({column}), 0)::ubigint from meta.source_file where source = {}",
            literal(source)
        ))
    };
    Ok((sum("counted")?, sum("refused")?))
}

/// The table, and the sources whose unreadable records are among what is too many.
pub(super) fn stop(table: &TableReport) -> String {
    let sources = table.unreadable.iter().map(|one| stop_of_source(&one.source, one.records));
    let sources = sources.collect::<Vec<_>>().join(", ");
    if sources.is_empty() { table.table.to_string() } else { format!("{} ({sources})", table.table) }
}

/// A source, and how many of its records are unreadable.
pub(super) fn stop_of_source(source: &str, records: u64) -> String {
    t!("check.unreadable", source = source, records = records).into_owned()
}

fn parse(text: &str) -> Result<Limit> {
    let bad = || Failure::usage(t!("check.bad_limit", limit = text));
    match text.trim().strip_suffix('%') {
        Some(share) => share.trim().parse().map(Limit::Percent).map_err(|_| bad().into()),
        None => text.trim().parse().map(Limit::Rows).map_err(|_| bad().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_rows_or_percent() {
        assert_eq!(parse("12").unwrap(), Limit::Rows(12));
        assert_eq!(parse("0.5%").unwrap(), Limit::Percent(0.5));
        assert!(parse("few").is_err());
    }
}
