//! The rows of unequal buckets, and the columns in which they differ.

use std::collections::HashMap;

use anyhow::{Result, anyhow};
use serde::Serialize;

use super::buckets::{bucket_of, bucket_sql};
use super::{Compared, Options};
use crate::codec::{RowHash, TableCodec};
use crate::error;
use crate::model::ident::quoted;
use crate::model::manifest::TableEntry;

/// One row that is not the same on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    pub key: String,
    pub kind: Kind,
    /// Of a different row: how it came to be so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
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

/// What the ledger says of a row that is on both sides with other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The snapshot's row was never sent: an older one was kept.
    Unsent,
    /// It was sent, and has been as it is from that moment on: a trigger changed it.
    Rewritten,
    /// It was sent, and changed since.
    Edited,
}

#[derive(Debug, Clone, Serialize)]
pub struct ColumnDifference {
    pub column: String,
    /// Only where values were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Values>,
}

/// What the snapshot says of a row.
struct Expected {
    digest: RowHash,
    values: Vec<Option<String>>,
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
pub(super) async fn find(options: &Options<'_>, compared: &Compared<'_>, unequal: &[u8]) -> Result<Found> {
    if unequal.is_empty() {
        return Ok(Found::default());
    }
    let Compared { entry, codec, condition, .. } = compared;
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
            differing.push((key.clone(), Expected { digest, values }));
        }
        found.add(options, Difference { key, kind, cause: None, columns: Vec::new() });
    }
    let mut extra: Vec<String> = theirs.into_keys().collect();
    extra.sort();
    for key in extra {
        found.add(options, Difference { key, kind: Kind::Extra, cause: None, columns: Vec::new() });
    }
    name_columns(options, compared, &differing, &mut found).await?;
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
    compared: &Compared<'_>,
    differing: &[(String, Expected)],
    found: &mut Found,
) -> Result<()> {
    if differing.is_empty() {
        return Ok(());
    }
    let Compared { entry, table, codec, .. } = compared;
    let names: Vec<&str> = codec.column_names().collect();
    let bytes =
        (0..names.len()).map(|place| codec.column_digest_sql("t", place)).collect::<Vec<_>>().join(", ");
    let texts = names.iter().map(|name| format!("t.{}::text", quoted(name))).collect::<Vec<_>>().join(", ");
    let keys: Vec<&str> = differing.iter().map(|(key, _)| key.as_str()).collect();
    // A column whose type cannot be compared keeps us from saying whether the whole row is as it was stored.
    let stored = TableCodec::of_table(table, &entry.key).map(|codec| codec.digest_sql("t"));
    let sql = format!(
        "select {0}, {bytes}, {texts}, {2} from {1} t where {0} = any($1)",
        codec.key_sql("t"),
        entry.table.quoted(),
        stored.unwrap_or_else(|_| "null::bytea".to_owned()),
    );
    let sent = sent(options, compared, &keys).await?;
    let rows = options.client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))?;
    let expected: HashMap<&str, &Expected> =
        differing.iter().map(|(key, expected)| (key.as_str(), expected)).collect();
    for row in rows {
        let key: &str = row.get(0);
        let Expected { digest, values } = expected[key];
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
            match difference.kind {
                Kind::Missing => difference.kind = Kind::Kept,
                Kind::Different => {
                    difference.cause = Some(cause(&sent, key, digest, row.get(1 + 2 * names.len())));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// By key, the digest of each row that was sent, and that of the whole row as it was stored.
type Sent = HashMap<String, Vec<(Vec<u8>, Vec<u8>)>>;

/// What the clinic's batches sent under these keys, and what was stored of it.
async fn sent(options: &Options<'_>, compared: &Compared<'_>, keys: &[&str]) -> Result<Sent> {
    let mut sent = Sent::new();
    let Some(written) = &compared.written else { return Ok(sent) };
    let sql = format!(
        "select d.key, d.sent, d.stored from trasvase.row_digest d where {written} and d.key = any($1)"
    );
    for row in options.client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))? {
        sent.entry(row.get(0)).or_default().push((row.get(1), row.get(2)));
    }
    Ok(sent)
}

/// How a row came to differ: `digest` is the snapshot's, `now` that of the whole row as it is.
fn cause(sent: &Sent, key: &str, digest: &RowHash, now: Option<&[u8]>) -> Cause {
    let ours = || sent.get(key).into_iter().flatten().filter(|(sent, _)| sent == digest);
    if ours().next().is_none() {
        Cause::Unsent
    } else if ours().any(|(_, stored)| now == Some(stored)) {
        Cause::Rewritten
    } else {
        Cause::Edited
    }
}
