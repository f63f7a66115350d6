//! Rows of other tables whose foreign keys name rows that mode `replace` would delete: PostgreSQL would refuse the push, or take
//! them too without a before-image. What vanished stays where rows refer to it ([`super::held`]).

use std::collections::BTreeMap;

use anyhow::Result;

use super::compare::{Context, incoming};
use super::rebuild::parent;
use crate::config::LoadMode;
use crate::model::catalog::{Constraint, ConstraintKind};
use crate::model::ident::{TableName, quoted};

/// Which rows of a table are deleted before any is written: a condition on alias `t`.
pub(super) type Deletions = BTreeMap<TableName, String>;

/// Rows that stay and refer to rows that would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Referrer {
    /// The table of the rows that would go.
    pub(super) of: TableName,
    pub(super) table: TableName,
    pub(super) constraint: String,
    pub(super) on_delete: String,
    pub(super) rows: u64,
}

/// Finds them for every table whose rows are replaced; what is deleted goes at once, whatever refers to what.
pub(super) async fn find(context: &Context<'_>, deletions: &Deletions) -> Result<Vec<Referrer>> {
    let mut found = Vec::new();
    let replaced = |name: &TableName| context.clinic.load_mode(name) == LoadMode::Replace;
    for (of, condition) in deletions.iter().filter(|(of, _)| replaced(of)) {
        let keys = context.catalog.foreign_keys().filter(|(_, constraint)| parent(constraint) == of);
        for (table, constraint) in keys {
            let sql = in_the_way(context, deletions, (of, condition), (table, constraint));
            let rows = context.count(&sql).await?;
            if rows > 0 {
                let ConstraintKind::ForeignKey { on_delete, .. } = &constraint.kind else { continue };
                found.push(Referrer {
                    of: of.clone(),
                    table: table.clone(),
                    constraint: constraint.name.clone(),
                    on_delete: on_delete.clone(),
                    rows,
                });
            }
        }
    }
    Ok(found)
}

/// Counts rows of `table` that stay and whose key `constraint` is that of a row of `of` that goes and does not come back.
fn in_the_way(
    context: &Context<'_>,
    deletions: &Deletions,
    (of, condition): (&TableName, &str),
    (table, constraint): (&TableName, &Constraint),
) -> String {
    let ConstraintKind::ForeignKey { referenced_columns, on_delete, .. } = &constraint.kind else {
        return "select 0::bigint".to_owned();
    };
    let place = |name: &TableName| context.manifest().tables.iter().position(|entry| entry.table == *name);
    let waits = constraint.deferrable && on_delete == "no action";
    let gone = deletions.get(table).map_or("false", String::as_str);
    let columns = |names: &[String]| {
        names.iter().map(|name| format!("t.{}", quoted(name))).collect::<Vec<_>>().join(", ")
    };
    let back = match place(of).filter(|_| waits) {
        Some(place) if written(context, place, referenced_columns) => {
            let same = referenced_columns.iter().map(|name| format!("i.{0} = t.{0}", quoted(name)));
            let same = same.collect::<Vec<_>>().join(" and ");
            format!("exists (select 1 from {} i where {same})", incoming(place))
        }
        _ => "false".to_owned(),
    };
    format!(
        "select count(*) from {child} t where ({gone}) is not true and ({keys}) in \
         (select {referenced} from {parent} t where ({condition}) and not {back})",
        child = table.quoted(),
        keys = columns(&constraint.columns),
        referenced = columns(referenced_columns),
        parent = of.quoted(),
    )
}

fn written(context: &Context<'_>, place: usize, names: &[String]) -> bool {
    let columns = &context.manifest().tables[place].columns;
    names.iter().all(|name| columns.iter().any(|column| column.name == *name))
}
