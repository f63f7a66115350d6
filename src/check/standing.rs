//! Values of the target that the push will leave as people made them (`on_conflict`): the copy of the batch gets them, so that
//! PostgreSQL decides of the rows as they will be. A row that stands keeps its unique values from others.

use anyhow::Result;
use tokio_postgres::Client;

use super::Options;
use super::leaving::Leaving;
use super::shape::TableShape;
use crate::codec::TableCodec;
use crate::error;
use crate::model::ident::quoted;
use crate::model::manifest::Origin;
use crate::model::merge::OnConflict;
use crate::pg::fates::{self, Sides};
use crate::pg::{Asked, Writings, execute};

/// Gives the rows of `probe` the values that stand; returns whether there are any.
pub(super) async fn keep(
    client: &Client,
    clinic: &str,
    shape: &TableShape<'_>,
    (probe, policy): (&str, OnConflict),
) -> Result<bool> {
    let key = shape.table.primary_key();
    let Some(codec) = codec(shape) else { return Ok(false) };
    let names: Vec<&str> = codec.column_names().collect();
    let whole = TableCodec::of_table(shape.table, key);
    let same: Vec<String> = key.iter().map(|name| format!("t.{0} = i.{0}", quoted(name))).collect();
    let same = same.join(" and ");
    let sides = Sides {
        incoming: probe,
        table: shape.name.quoted(),
        key: codec.key_sql("i"),
        same: same.clone(),
        differs: format!("{} <> {}", codec.digest_sql("i"), codec.digest_sql("t")),
        ours: codec.column_digests_sql("i"),
        theirs: codec.column_digests_sql("t"),
        whole: whole.map_or_else(|_| "null::bytea".to_owned(), |whole| whole.digest_sql("t")),
        columns: codec.column_names().collect(),
        lost: vec![None; names.len()],
    };
    let writings = Writings::of(client, (clinic, Origin::Models), &shape.name).await?;
    let differing = fates::fates_sql(&sides, policy, writings.as_ref());
    let table = "trasvase_standing";
    execute(client, &format!("create temporary table {table} on commit drop as {differing}")).await?;
    let others = names.iter().enumerate().filter(|(_, name)| key.iter().all(|one| one != **name));
    let values = others.map(|(place, name)| {
        format!(
            "{0} = case when {1} then t.{0} else i.{0} end",
            quoted(name),
            fates::stands("m.fates", place)
        )
    });
    let values = values.collect::<Vec<_>>().join(", ");
    if values.is_empty() {
        return Ok(false);
    }
    let sql = format!(
        "update {probe} i set {values} from {table} m, {} t where {same} and m.key = {} and m.fates ~ '[skc]'",
        shape.name.quoted(),
        codec.key_sql("t")
    );
    Ok(client.execute(&sql, &[]).await.map_err(|error| error::postgres(&error))? > 0)
}

/// The keys of rows that the push will delete since the source has them no more (`vanished = "delete"`), as a temporary table:
/// their unique values are free. Returns whether there are any. Those of a table some of whose rows are rejected are not asked
/// for: which of these stay, only the push can tell.
pub(super) async fn leave(
    options: &Options<'_>,
    shape: &TableShape<'_>,
    (probe, policy): (&str, OnConflict),
    leaving: &mut Leaving<'_>,
) -> Result<bool> {
    let (client, clinic) = (options.client, options.clinic.name.as_str());
    let key = shape.table.primary_key();
    let Some(codec) = codec(shape) else { return Ok(false) };
    let writings = Writings::of(client, (clinic, Origin::Models), &shape.name).await?;
    let Some(writings) = writings else { return Ok(false) };
    let digests = (policy != OnConflict::TakeSource).then(|| codec.digests(shape.table, "t"));
    let asked = Asked { table: &shape.name, key: codec.key_sql("t"), digests };
    let same: Vec<String> = key.iter().map(|name| format!("t.{0} = i.{0}", quoted(name))).collect();
    let gone = format!("not exists (select 1 from {probe} i where {})", same.join(" and "));
    let gone = Writings::gone_sql(Some(&writings), &asked, (&gone, "false"), "");
    let sql = format!(
        "create temporary table {GONE} on commit drop as select key from ({gone}) gone where known and not edited; analyze {GONE}"
    );
    execute(client, &sql).await?;
    let keys = client.query(&format!("select key from {GONE}"), &[]).await;
    let keys = keys.map_err(|error| error::postgres(&error))?.iter().map(|row| row.get(0)).collect();
    let left = leaving.of(options, shape, keys).await?;
    let left: Vec<&String> = left.iter().collect();
    let stay = format!("delete from {GONE} where key <> all ($1)");
    client.execute(&stay, &[&left]).await.map_err(|error| error::postgres(&error))?;
    Ok(!left.is_empty())
}

/// A condition on rows of a table: they are none of those that [`leave`] found.
pub(super) fn stays(shape: &TableShape<'_>) -> String {
    let key = codec(shape).map_or_else(|| "null".to_owned(), |codec| codec.key_sql(&shape.name.quoted()));
    format!("not exists (select 1 from {GONE} where key = ({key}) collate \"C\")")
}

/// What compares rows of the table. Without a key no row is one that is there; what cannot be compared was refused before.
pub(super) fn codec(shape: &TableShape<'_>) -> Option<TableCodec> {
    let names: Vec<String> = shape.columns.iter().map(|column| column.column.name.clone()).collect();
    let key = shape.table.primary_key();
    TableCodec::of_columns(shape.table, &names, key).ok().filter(|_| !key.is_empty())
}

const GONE: &str = "trasvase_leaving";
