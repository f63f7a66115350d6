//! `[limits]`: how many rejected rows a table may have before `run` stops. Records that load could not read are
//! rejected rows of the table that their source is about.

use anyhow::Result;
use rust_i18n::t;

use super::{TableReport, Unreadable};
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
    let (rows, rejected) = (rows + lost, rejected + lost);
    let text =
        clinic.limits.get(&table.to_string()).or_else(|| clinic.limits.get("*")).map_or("0", String::as_str);
    Ok(match parse(text)? {
        Limit::Rows(limit) => rejected > limit,
        Limit::Percent(limit) => rejected as f64 > rows as f64 * limit / 100.0,
    })
}

/// How many records of each source that is about a table load could not read.
pub(super) fn unreadable(staging: &Staging, clinic: &Clinic, table: &TableName) -> Result<Vec<Unreadable>> {
    let mut found = Vec::new();
    for (source, _) in clinic.sources.iter().filter(|(_, settings)| settings.primary.as_ref() == Some(table))
    {
        let name = literal(source);
        let sql =
            format!("select coalesce(sum(refused), 0)::ubigint from meta.source_file where source = {name}");
        let records = staging.value(&sql)?;
        if records > 0 {
            found.push(Unreadable { source: source.clone(), records });
        }
    }
    Ok(found)
}

/// The table, and the sources whose unreadable records are among what is too many.
pub(super) fn stop(table: &TableReport) -> String {
    let sources = table
        .unreadable
        .iter()
        .map(|one| t!("check.unreadable", source = one.source, records = one.records).into_owned());
    let sources = sources.collect::<Vec<_>>().join(", ");
    if sources.is_empty() { table.table.to_string() } else { format!("{} ({sources})", table.table) }
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
