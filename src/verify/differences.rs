//! The rows of unequal buckets, and the columns in which they differ.

use std::collections::HashMap;

use anyhow::{Result, anyhow};
use serde::Serialize;

use super::Options;
use super::buckets::{bucket_of, bucket_sql};
use crate::codec::{RowHash, TableCodec};
use crate::error;
use crate::model::ident::quoted;
use crate::model::manifest::TableEntry;

/// One row that is not the same on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    pub key: String,
    pub kind: Kind,
    /// The columns that differ, of a row that is on both sides.
    pub columns: Vec<ColumnDifference>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// In the snapshot, not in the target.
    Missing,
    /// Written by an earlier batch, not in this snapshot.
    Extra,
    /// On both sides with other values.
    Different,
    /// On both sides, but the row was there before and no batch wrote it.
    Kept,
}

#[derive(Debug, Clone, Serialize)]
pub struct ColumnDifference {
    pub column: String,
    /// Only where values were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Values>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Values {
    pub expected: Option<String>,
    pub found: Option<String>,
}

/// The rows found, as many as were asked for, and how many more there are.
#[derive(Default)]
pub(super) struct Found {
    pub(super) listed: Vec<Difference>,
    pub(super) not_listed: u64,
}

/// Names the rows that make buckets unequal.
pub(super) async fn find(
    options: &Options<'_>,
    entry: &TableEntry,
    codec: &TableCodec,
    condition: &str,
    unequal: &[u8],
) -> Result<Found> {
    if unequal.is_empty() {
        return Ok(Found::default());
    }
    let mut theirs = server_rows(options, entry, codec, condition, unequal).await?;
    let mut found = Found::default();
    let mut reader = options.snapshot.rows(entry)?;
    let mut buffer = Vec::new();
    let mut differing = Vec::new();
    while let Some(row) = reader.next_row()? {
        let digest: RowHash = codec
            .digest(&row.values, &mut buffer)
            .map_err(|refused| anyhow!("{}: {}", refused.column, refused.refusal.rule()))?;
        if !unequal.contains(&bucket_of(&digest)) {
            continue;
        }
        let key = codec.key_text(&row.values);
        let kind = match theirs.remove(&key) {
            None => Kind::Missing,
            Some(other) if other == digest => continue,
            Some(_) => Kind::Different,
        };
        if differing.len() < options.most {
            let values =
                row.values.iter().map(|value| value.as_deref().map(str::to_owned)).collect::<Vec<_>>();
            differing.push((key.clone(), values));
        }
        found.add(options, Difference { key, kind, columns: Vec::new() });
    }
    let mut extra: Vec<String> = theirs.into_keys().collect();
    extra.sort();
    for key in extra {
        found.add(options, Difference { key, kind: Kind::Extra, columns: Vec::new() });
    }
    name_columns(options, entry, codec, &differing, &mut found).await?;
    Ok(found)
}

impl Found {
    fn add(&mut self, options: &Options<'_>, difference: Difference) {
        if self.listed.len() < options.most { self.listed.push(difference) } else { self.not_listed += 1 }
    }
}

/// Key and digest of the rows in these buckets that the ledger has.
async fn server_rows(
    options: &Options<'_>,
    entry: &TableEntry,
    codec: &TableCodec,
    condition: &str,
    unequal: &[u8],
) -> Result<HashMap<String, Vec<u8>>> {
    let buckets = unequal.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "select key, digest from (select {} as key, {} as digest from {} t where {condition} offset 0) rows \
         where {} in ({buckets})",
        codec.key_sql("t"),
        codec.digest_sql("t"),
        entry.table.quoted(),
        bucket_sql("digest"),
    );
    let rows = options.client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Compares the differing rows column by column. One that no batch wrote and is there all the same was kept.
async fn name_columns(
    options: &Options<'_>,
    entry: &TableEntry,
    codec: &TableCodec,
    differing: &[(String, Vec<Option<String>>)],
    found: &mut Found,
) -> Result<()> {
    if differing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = codec.column_names().collect();
    let bytes =
        (0..names.len()).map(|place| codec.column_digest_sql("t", place)).collect::<Vec<_>>().join(", ");
    let texts = names.iter().map(|name| format!("t.{}::text", quoted(name))).collect::<Vec<_>>().join(", ");
    let keys: Vec<&str> = differing.iter().map(|(key, _)| key.as_str()).collect();
    let sql = format!(
        "select {0}, {bytes}, {texts} from {1} t where {0} = any($1)",
        codec.key_sql("t"),
        entry.table.quoted()
    );
    let rows = options.client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))?;
    let expected: HashMap<&str, &Vec<Option<String>>> =
        differing.iter().map(|(key, values)| (key.as_str(), values)).collect();
    for row in rows {
        let key: &str = row.get(0);
        let values = expected[key];
        let mut columns = Vec::new();
        for (place, name) in names.iter().enumerate() {
            let ours = codec
                .column_digest(values, place)
                .map_err(|refused| anyhow!("{}", refused.refusal.rule()))?;
            if row.get::<_, &[u8]>(1 + place) != ours {
                let shown = options.show_values.then(|| Values {
                    expected: values[place].clone(),
                    found: row.get(1 + names.len() + place),
                });
                columns.push(ColumnDifference { column: (*name).to_owned(), values: shown });
            }
        }
        if let Some(difference) = found.listed.iter_mut().find(|difference| difference.key == key) {
            difference.columns = columns;
            if difference.kind == Kind::Missing {
                difference.kind = Kind::Kept;
            }
        }
    }
    Ok(())
}
