//! Rows of the target that a push deletes since records turned out to be one: nothing meets them, nothing can refer to them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::pin::pin;

use anyhow::Result;
use futures_util::TryStreamExt as _;

use super::Options;
use super::shape::TableShape;
use crate::dedupe::GoldenIds;
use crate::error;
use crate::model::ident::{TableName, literal, quoted};
use crate::pg::ledger;

/// Keys of such rows, as text.
#[derive(Debug, Default)]
pub(super) struct Retired {
    /// Golden ids that no record of the staging file has any more.
    pub(super) ids: BTreeSet<String>,
    /// Of single tables: the rows of rejected rows that cannot stay beside another, and what is rejected with those.
    tables: BTreeMap<TableName, BTreeSet<String>>,
}

impl Retired {
    /// Reads the golden ids by which the target knows the records; those recorded in the project, where it knows none.
    pub(super) async fn read(options: &Options<'_>) -> Result<Self> {
        let mut ids = BTreeSet::new();
        for entity in options.clinic.dedupe.keys() {
            if options.staging.has_table("xref", entity)? {
                ids.extend(of_entity(options, entity).await?);
            }
        }
        Ok(Self { ids, tables: BTreeMap::new() })
    }

    /// Whether the push deletes the row of a table with this key.
    pub(super) fn has(&self, table: &TableName, key: &str) -> bool {
        self.tables.get(table).is_some_and(|keys| keys.contains(key))
    }

    pub(super) fn any_of(&self, table: &TableName) -> bool {
        self.tables.contains_key(table)
    }

    pub(super) fn add(&mut self, table: &TableName, keys: impl IntoIterator<Item = String>) {
        let mut keys = keys.into_iter().peekable();
        if keys.peek().is_some() {
            self.tables.entry(table.clone()).or_default().extend(keys);
        }
    }

    /// Adds the target's rows of those that were rejected for a key of another, where they refer to a golden id that goes.
    pub(super) async fn add_rejected(&mut self, options: &Options<'_>, shape: &TableShape<'_>) -> Result<()> {
        let [key] = shape.table.primary_key() else { return Ok(()) };
        let given = shape.columns.iter().any(|column| column.column.name == *key);
        let referring: BTreeSet<&String> = shape.table.foreign_keys().flat_map(|one| &one.columns).collect();
        if self.ids.is_empty() || referring.is_empty() || !given {
            return Ok(());
        }
        let rejected: Vec<Option<String>> = options.staging.rows(
            &format!(
                "select {}::varchar from {} where _n in (select n from fault where table_name = {} and rule = 'duplicate_key')",
                quoted(key),
                shape.name.staged("ready"),
                literal(&shape.name.to_string())
            ),
            |row| row.get(0),
        )?;
        if rejected.is_empty() {
            return Ok(());
        }
        let refers = referring.iter().map(|column| format!("{}::text = any($2)", quoted(column)));
        let sql = format!(
            "select {0}::text from {1} where {0}::text = any($1) and ({2})",
            quoted(key),
            shape.name.quoted(),
            refers.collect::<Vec<_>>().join(" or ")
        );
        let ids: Vec<&String> = self.ids.iter().collect();
        let rows = options.client.query(&sql, &[&rejected, &ids]).await;
        let rows = rows.map_err(|error| error::postgres(&error))?;
        self.add(&shape.name, rows.iter().map(|row| row.get(0)));
        Ok(())
    }
}

async fn of_entity(options: &Options<'_>, entity: &str) -> Result<BTreeSet<String>> {
    let clinic = options.clinic;
    let recorded = GoldenIds::read(options.project, &clinic.name, entity)?;
    let pushed = ledger::exists(options.client).await?;
    if !pushed && recorded.rows().next().is_none() {
        return Ok(BTreeSet::new());
    }
    let sql = format!("select source_id::varchar, golden_id::varchar from xref.{}", quoted(entity));
    let now: HashMap<Option<String>, Option<String>> =
        options.staging.rows(&sql, |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect();
    let (mut retired, mut known) = (BTreeSet::new(), HashSet::new());
    let mut note = |source_id: &str, was: &str| {
        if let Some((source_id, Some(now))) = now.get_key_value(&Some(source_id.to_owned()))
            && known.insert(source_id)
            && now != was
        {
            retired.insert(was.to_owned());
        }
    };
    if pushed {
        let sql = ledger::golden_ids(clinic.name.as_str(), &clinic.product, entity);
        let no_parameters: [&str; 0] = [];
        let rows = options.client.query_raw(&sql, no_parameters).await;
        let mut rows = pin!(rows.map_err(|error| error::postgres(&error))?);
        while let Some(row) = rows.try_next().await.map_err(|error| error::postgres(&error))? {
            note(row.get(0), row.get(1));
        }
    }
    recorded.rows().for_each(|(source_id, was)| note(source_id, was));
    for golden_id in now.values().flatten() {
        retired.remove(golden_id);
    }
    Ok(retired)
}
