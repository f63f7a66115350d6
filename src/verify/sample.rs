//! Some rows of each table, side by side.

use anyhow::Result;
use serde::Serialize;

use super::difference::Values;
use super::ours::Sampled;
use super::target_rows::{Asked, target_rows};
use super::{Compared, Options};
use crate::model::ident::TableName;

/// One row, column by column.
#[derive(Debug, Clone, Serialize)]
pub struct SampleReport {
    pub table: TableName,
    pub key: String,
    /// The target has a row of this key.
    pub found: bool,
    pub columns: Vec<SampledColumn>,
}

#[derive(Debug, Clone, Serialize)]
pub struct SampledColumn {
    pub column: String,
    pub equal: bool,
    /// Only where values were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Values>,
}

/// Asks the target for the rows of a sample.
pub(super) async fn compare(
    options: &Options<'_>,
    compared: &Compared<'_>,
    sample: &[Sampled],
) -> Result<Vec<SampleReport>> {
    if sample.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<&str> = sample.iter().map(|row| row.key.as_str()).collect();
    let there = target_rows(options, compared, &keys, Asked::Columns).await?;
    let mut reports = Vec::new();
    for Sampled { key, values } in sample {
        let row = there.get(key);
        let mut columns = Vec::new();
        for (place, name) in compared.codec.column_names().enumerate() {
            let equal = row.map(|row| row.is_equal(compared, values, place)).transpose()?.unwrap_or(false);
            let shown = options.show_values.then(|| match row {
                Some(row) => row.values(values, place),
                None => Values { expected: values[place].clone(), found: None },
            });
            columns.push(SampledColumn { column: name.to_owned(), equal, values: shown });
        }
        let table = compared.entry.table.clone();
        reports.push(SampleReport { table, key: key.clone(), found: row.is_some(), columns });
    }
    Ok(reports)
}
