//! Control figures: what `raw` adds up to by expressions of its own, and what the old system printed, against the target.

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::Options;
use crate::config::{SqlFile, sql_files};
use crate::error::{self, Failure};

/// One figure on both sides: equal if `source = target + rejected`.
#[derive(Debug, Clone, Serialize)]
pub struct ControlReport {
    pub name: String,
    pub key: String,
    pub source: Option<String>,
    pub rejected: Option<String>,
    pub target: Option<String>,
    pub equal: bool,
}

/// The name of the query that a figure is compared with.
fn query_of(name: &str) -> &str {
    name.trim_start_matches("clinic.toml/")
}

/// Compares every figure of the manifest with `control/<name>.target.sql`, run over the clinic's rows, whose other figures
/// but zeros are told too.
pub(super) async fn compare(options: &Options<'_>, with_tables: &str) -> Result<Vec<ControlReport>> {
    let files = sql_files(options.project, options.clinic, "control")?;
    let mut answers: BTreeMap<String, BTreeMap<String, Option<String>>> = BTreeMap::new();
    let mut reports = Vec::new();
    let rejected: BTreeMap<(&str, &str), &String> = options
        .snapshot
        .manifest()
        .controls
        .iter()
        .filter_map(|control| {
            Some(((control.name.as_str(), control.key.as_str()), control.rejected.as_ref()?))
        })
        .collect();
    for control in &options.snapshot.manifest().controls {
        let name = query_of(&control.name);
        if !answers.contains_key(name) {
            let Some(file) = files.iter().find(|file| file.name == format!("{name}.target")) else {
                return Err(Failure::usage(t!("verify.no_control", name = name)).into());
            };
            answers.insert(name.to_owned(), ask(options, with_tables, file).await?);
        }
        let target = answers[name].get(&control.key).cloned().flatten();
        let rejected = rejected.get(&(name, control.key.as_str())).map(|value| (*value).clone());
        let equal = is_equal(control.value.as_deref(), target.as_deref(), rejected.as_deref());
        reports.push(ControlReport {
            name: control.name.clone(),
            key: control.key.clone(),
            source: control.value.clone(),
            rejected,
            target,
            equal,
        });
    }
    for (name, figures) in &answers {
        let told =
            |key: &String| reports.iter().any(|report| query_of(&report.name) == name && report.key == *key);
        let nothing = |target: &Option<String>| is_equal(None, target.as_deref(), None);
        let more: Vec<_> = figures.iter().filter(|(key, target)| !told(key) && !nothing(target)).collect();
        reports.extend(more.into_iter().map(|(key, target)| ControlReport {
            name: name.clone(),
            key: key.clone(),
            source: None,
            rejected: None,
            target: target.clone(),
            equal: false,
        }));
    }
    Ok(reports)
}

async fn ask(
    options: &Options<'_>,
    with_tables: &str,
    file: &SqlFile,
) -> Result<BTreeMap<String, Option<String>>> {
    let sql = format!("{with_tables} select key::text, value::text from (\n{}\n) figures", file.query());
    let rows = options.client.query(&sql, &[]).await.map_err(|error| {
        Failure::failed(t!("verify.bad_query", name = file.path, error = error::postgres(&error)))
    })?;
    Ok(rows.iter().map(|row| (row.get::<_, Option<String>>(0).unwrap_or_default(), row.get(1))).collect())
}

/// Decimal figures are compared as numbers (at most 38 digits, 6 of them after the point), all else as text.
fn is_equal(source: Option<&str>, target: Option<&str>, rejected: Option<&str>) -> bool {
    let zero = |text: Option<&str>| decimal(text.unwrap_or("0"));
    match (zero(source), zero(target), zero(rejected)) {
        (Some(source), Some(target), Some(rejected)) => source == target + rejected,
        _ => source == target,
    }
}

/// A decimal as millionths.
fn decimal(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    if fraction.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let fraction: i128 = format!("{fraction:0<6}").parse().ok()?;
    Some(whole * 1_000_000 + if negative { -fraction } else { fraction })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_compared_as_numbers_and_rejects_make_up_the_difference() {
        assert!(is_equal(Some("10.50"), Some("10.5"), None));
        assert!(is_equal(Some("12"), Some("10"), Some("2.00")));
        assert!(is_equal(Some("-0.5"), Some("-1"), Some("0.5")));
        assert!(!is_equal(Some("12"), Some("10"), None));
        assert!(!is_equal(Some("2024-01-01"), Some("2024-01-02"), None));
    }
}
