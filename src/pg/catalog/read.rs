//! Reads the catalog in a handful of set queries, however many tables there are.

use std::collections::BTreeMap;

use anyhow::Result;
use tokio_postgres::{Client, Row};

use super::types::Types;
use crate::error;
use crate::model::catalog::{Catalog, Column, Constraint, ConstraintKind, Identity, Index, Table, Trigger};
use crate::model::ident::TableName;

/// Reads what PostgreSQL says of `tables`, or of all tables that users made (not the ledger's, not extensions').
///
/// A wanted table that does not exist is not in the answer. Definitions name everything with its schema, whatever the
/// session's `search_path` is, so they can be run again on any path.
pub async fn read(client: &Client, tables: Option<&[TableName]>) -> Result<Catalog> {
    // As pg_dump does; put back afterwards, and by a rollback where we fail within a transaction.
    let path: String = value(client, "select current_setting('search_path')").await?;
    set_path(client, "").await?;
    let read = read_unpathed(client, tables).await;
    let restored = set_path(client, &path).await;
    let catalog = read?;
    restored?;
    Ok(catalog)
}

/// OIDs of this server's types beyond the core ones, by schema and name.
pub async fn live_oids(client: &Client) -> Result<BTreeMap<(String, String), u32>> {
    let sql = "select n.nspname::text, t.typname::text, t.oid from pg_type t \
               join pg_namespace n on n.oid = t.typnamespace where t.oid >= 16384";
    let rows = client.query(sql, &[]).await.map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

async fn read_unpathed(client: &Client, tables: Option<&[TableName]>) -> Result<Catalog> {
    let mut relations = read_relations(client, tables).await?;
    let oids: Vec<u32> = relations.keys().copied().collect();
    let columns = query(client, include_str!("columns.sql"), &oids).await?;
    let mut used: Vec<u32> = columns.iter().map(|row| row.get(2)).collect();
    used.sort_unstable();
    used.dedup();
    let types = Types::from_rows(&query(client, include_str!("types.sql"), &used).await?);
    let constraints = query(client, include_str!("constraints.sql"), &oids).await?;
    let indexes = query(client, include_str!("indexes.sql"), &oids).await?;
    let triggers = query(client, include_str!("triggers.sql"), &oids).await?;
    let mut fill = |rows: &[Row], add: &dyn Fn(&mut Table, &Row)| {
        for row in rows {
            // A table made since the first query is not known, and not ours.
            if let Some((_, table)) = relations.get_mut(&row.get(0)) {
                add(table, row);
            }
        }
    };
    fill(&columns, &|table, row| table.columns.push(column(row, &types)));
    fill(&constraints, &|table, row| table.constraints.push(constraint(row)));
    fill(&indexes, &|table, row| table.indexes.push(index(row)));
    fill(&triggers, &|table, row| table.triggers.push(trigger(row)));
    Ok(Catalog {
        server_version: u32::try_from(
            value::<i32>(client, "select current_setting('server_version_num')::int4").await?,
        )?,
        tables: relations.into_values().collect(),
        event_triggers: value(
            client,
            "select array(select evtname::text from pg_event_trigger where evtenabled <> 'D' order by 1)",
        )
        .await?,
    })
}

async fn read_relations(
    client: &Client,
    tables: Option<&[TableName]>,
) -> Result<BTreeMap<u32, (TableName, Table)>> {
    let schemas: Option<Vec<&str>> = tables.map(|tables| tables.iter().map(TableName::schema).collect());
    let names: Option<Vec<&str>> = tables.map(|tables| tables.iter().map(TableName::name).collect());
    let rows = client
        .query(include_str!("relations.sql"), &[&schemas, &names])
        .await
        .map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| (row.get(0), relation(row))).collect())
}

fn relation(row: &Row) -> (TableName, Table) {
    let table = Table {
        partitioned: row.get(3),
        partition_child: row.get(4),
        row_security: row.get(5),
        replica_identity_index: row.get(6),
        clustered: row.get(7),
        owned: row.get(8),
        policies: row.get(9),
        dependent_views: row.get(10),
        index_statistics: row.get(11),
        ..Table::default()
    };
    (TableName::new(Some(row.get(1)), row.get(2)), table)
}

fn column(row: &Row, types: &Types) -> Column {
    Column {
        name: row.get(1),
        data_type: types.build(row.get(2), row.get(3), row.get(4)),
        not_null: row.get(5),
        default: row.get(6),
        identity: match row.get(7) {
            "a" => Identity::Always,
            "d" => Identity::ByDefault,
            _ => Identity::None,
        },
        generated: row.get(8),
        nondeterministic: row.get(9),
        sequence: row.get(10),
    }
}

fn constraint(row: &Row) -> Constraint {
    let kind = match row.get(2) {
        "p" => ConstraintKind::PrimaryKey,
        "u" => ConstraintKind::Unique,
        "f" => ConstraintKind::ForeignKey {
            references: TableName::new(row.get(9), row.get(10)),
            referenced_columns: row.get(11),
            on_delete: row.get(12),
            match_full: row.get(13),
        },
        "x" => ConstraintKind::Exclude,
        _ => ConstraintKind::Check,
    };
    Constraint {
        name: row.get(1),
        kind,
        columns: row.get(3),
        definition: row.get(4),
        validated: row.get(5),
        deferrable: row.get(6),
        initially_deferred: row.get(7),
        index: row.get(8),
    }
}

fn index(row: &Row) -> Index {
    Index {
        name: row.get(1),
        definition: row.get(2),
        unique: row.get(3),
        primary: row.get(4),
        columns: row.get(5),
        expressions: row.get(6),
        predicate: row.get(7),
        nulls_not_distinct: row.get(8),
        constraint: row.get(9),
        valid: row.get(10),
    }
}

fn trigger(row: &Row) -> Trigger {
    Trigger {
        name: row.get(1),
        definition: row.get(2),
        function: row.get(3),
        enabled: row.get(4),
        timing: row.get(5),
    }
}

async fn query(client: &Client, sql: &str, oids: &[u32]) -> Result<Vec<Row>> {
    client.query(sql, &[&oids]).await.map_err(|error| error::postgres(&error))
}

async fn value<T: for<'a> tokio_postgres::types::FromSql<'a>>(client: &Client, sql: &str) -> Result<T> {
    let row = client.query_one(sql, &[]).await.map_err(|error| error::postgres(&error))?;
    Ok(row.get(0))
}

async fn set_path(client: &Client, path: &str) -> Result<()> {
    client
        .execute("select set_config('search_path', $1, false)", &[&path])
        .await
        .map(drop)
        .map_err(|error| error::postgres(&error))
}
