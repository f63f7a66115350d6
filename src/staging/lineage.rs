//! Of which sources and records a table is made.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;

use super::Staging;
use crate::model::ident::{TableName, literal, quoted};

impl Staging {
    /// The sources that a table is made of, itself or through models, of which records could not be read, or which have none:
    /// what is not in the table may be in these. Where nobody knows what it is made of, any source may be one.
    ///
    /// # Errors
    /// A staging file that cannot be read.
    pub fn sources_not_whole(&self, schema: &str, table: &str) -> Result<Vec<String>> {
        let sql = "select source from meta.source_file group by source \
                   having sum(refused) > 0 or sum(loaded) = 0 order by source";
        let mut sources = self.rows(sql, |row| row.get::<_, String>(0))?;
        if !sources.is_empty() {
            let read = self.raw_inputs(&shown(schema, table))?;
            sources.retain(|source| read.is_empty() || read.contains(&shown("raw", source)));
        }
        Ok(sources)
    }

    /// SQL of the ids of the records that a row of `clean` is of; none where it does not call them by a `source_id` too.
    ///
    /// # Errors
    /// A staging file that cannot be read.
    pub fn record_ids(&self, table: &TableName) -> Result<Option<&'static str>> {
        let table = literal(&table.to_string());
        let sql = format!(
            "select column_name from duckdb_columns() where schema_name = 'clean' and table_name = {table}"
        );
        let columns: Vec<String> = self.rows(&sql, |row| row.get(0))?;
        let has = |name: &str| columns.iter().any(|column| column == name);
        Ok(match (has("source_id"), has("_ids"), has("_id")) {
            (true, true, _) => Some("unnest(_ids)"),
            (true, false, true) => Some("_id"),
            _ => None,
        })
    }

    /// The tables of `raw` that one is made of, as the models' books have them.
    fn raw_inputs(&self, name: &str) -> Result<BTreeSet<String>> {
        let built: BTreeMap<String, String> = self
            .rows(
                "select model, parts::varchar from meta.model_version \
                 qualify row_number() over (partition by model order by version desc) = 1",
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?
            .into_iter()
            .collect();
        let (mut seen, mut open) = (BTreeSet::new(), vec![name.to_owned()]);
        while let Some(name) = open.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            if let Some(parts) = built.get(&name) {
                let parts: Value = serde_json::from_str(parts)?;
                open.extend(parts["inputs"].as_object().into_iter().flat_map(|map| map.keys().cloned()));
            }
            // What check lets through is the target's.
            open.extend(name.strip_prefix("ready.").map(|table| format!("target.{table}")));
        }
        seen.retain(|name| name.starts_with("raw."));
        Ok(seen)
    }
}

/// A table's name as the models' books have it.
fn shown(schema: &str, table: &str) -> String {
    let table = table.to_lowercase();
    match table.chars().all(|c| c.is_alphanumeric() || c == '_') {
        true => format!("{schema}.{table}"),
        false => format!("{schema}.{}", quoted(&table)),
    }
}
