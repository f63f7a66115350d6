//! Rows that would come back with a unique value that a row which stays has by then: PostgreSQL would refuse them all.
//!
//! Which rows those are depends on what else stays, so they are looked for again with every round of conflicts. Two rows that
//! both come back share a value only where several batches are taken back, with people's edits between them.

use anyhow::Result;
use tokio_postgres::Client;

use super::Edited;
use super::conflict::{change, marking, unmarked};
use super::work::Work;
use crate::error;
use crate::model::catalog::{ConstraintKind, Index, Table};
use crate::model::exclusion::{Element, exclusion};
use crate::model::ident::{literal, quoted};

/// A key that no two rows may share.
pub(super) struct Key {
    /// As people know it: the constraint, or the index.
    name: String,
    elements: Vec<Element>,
    predicate: String,
    /// Whether an index looks at a row at all: a null is equal to nothing. Of an EXCLUDE that is its operators' to say.
    filled: String,
    /// Its operators are equality, so that rows with one value can be grouped.
    is_unique: bool,
}

/// Marks such rows; returns how many.
pub(super) async fn mark(client: &Client, works: &[Work<'_>], edited: Edited, several: bool) -> Result<u64> {
    let mut marked = 0;
    for work in works.iter().filter(|work| !work.whole) {
        let sql = format!("select exists (select 1 from {})", work.image());
        let row = client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        if !row.get::<_, bool>(0) {
            continue;
        }
        for key in keys(work.live) {
            let with_staying = of_staying(work, &key);
            marked += change(client, &marked_sql(work, &key, edited, &with_staying)).await?;
            if several && key.is_unique {
                marked += change(client, &marked_sql(work, &key, edited, &among_coming(work, &key))).await?;
            }
        }
    }
    Ok(marked)
}

pub(super) fn keys(table: &Table) -> Vec<Key> {
    let unique = table.indexes.iter().filter(|index| index.unique && index.valid).map(of_index);
    let excludes = table.constraints.iter().filter(|one| one.kind == ConstraintKind::Exclude);
    let excludes = excludes.filter_map(|one| {
        let (elements, predicate) = exclusion(&one.definition)?;
        let (predicate, filled) = (predicate.unwrap_or_else(|| "true".to_owned()), "true".to_owned());
        Some(Key { name: one.name.clone(), elements, predicate, filled, is_unique: false })
    });
    unique.chain(excludes).collect()
}

fn of_index(index: &Index) -> Key {
    let operator = if index.nulls_not_distinct { "is not distinct from" } else { "=" };
    let filled = match index.nulls_not_distinct {
        true => "true".to_owned(),
        false => {
            let given = index.expressions.iter().map(|one| format!("({one}) is not null"));
            given.collect::<Vec<_>>().join(" and ")
        }
    };
    Key {
        name: index.constraint.clone().unwrap_or_else(|| index.name.clone()),
        elements: index.expressions.iter().map(|one| (one.clone(), operator.to_owned())).collect(),
        predicate: index.predicate.clone().unwrap_or_else(|| "true".to_owned()),
        filled,
        is_unique: true,
    }
}

impl Key {
    /// The values of the rows that the key looks at, as `e0`, `e1`...
    pub(super) fn values_sql(&self, rows: &str, also: &str) -> String {
        let values = self.elements.iter().enumerate().map(|(n, (sql, _))| format!("{sql} as e{n}"));
        let values = values.collect::<Vec<_>>().join(", ");
        format!("(select {also}{values} from ({rows}) rows where ({}) and ({}))", self.predicate, self.filled)
    }

    pub(super) fn meets(&self, left: &str, right: &str) -> String {
        let elements = self.elements.iter().enumerate();
        let same = elements.map(|(n, (_, operator))| format!("{left}.e{n} {operator} {right}.e{n}"));
        same.collect::<Vec<_>>().join(" and ")
    }
}

/// The rows that come back, whole: what the table did not have when they were written is as it is now. A default that one
/// would get is PostgreSQL's to decide.
fn coming(work: &Work<'_>) -> String {
    let now = work.live.columns.iter().any(|column| !work.columns.contains(&column.name));
    let columns = work.live.columns.iter().map(|column| {
        let from = if work.columns.contains(&column.name) { "i" } else { "t" };
        format!("{from}.{}", quoted(&column.name))
    });
    let join = match now {
        true => format!("left join {} t on {}", work.table.quoted(), work.same_key()),
        false => String::new(),
    };
    format!(
        "select b.key as trasvase_key, {} from {} i join {} b on b.key = i.trasvase_key {join} where b.act in ('update', 'insert')",
        columns.collect::<Vec<_>>().join(", "),
        work.image(),
        work.back()
    )
}

/// A query of the rows that would share a value with one that stays as it is.
fn of_staying(work: &Work<'_>, key: &Key) -> String {
    let staying = format!(
        "select t.* from {} t where not exists (select 1 from {} b where b.act is not null and {})",
        work.table.quoted(),
        work.back(),
        work.same_key()
    );
    format!(
        "select c.trasvase_key from {} c join {} s on {}",
        key.values_sql(&coming(work), "trasvase_key, "),
        key.values_sql(&staying, ""),
        key.meets("c", "s")
    )
}

/// A query of the rows that would come back with the same value.
fn among_coming(work: &Work<'_>, key: &Key) -> String {
    let values = (0..key.elements.len()).map(|n| format!("e{n}")).collect::<Vec<_>>().join(", ");
    format!(
        "select trasvase_key from (select trasvase_key, count(*) over (partition by {values}) as rows from {} c) c where rows > 1",
        key.values_sql(&coming(work), "trasvase_key, ")
    )
}

fn marked_sql(work: &Work<'_>, key: &Key, edited: Edited, which: &str) -> String {
    format!(
        "update {} b set {}conflict = coalesce(b.conflict, 'shared'), shared = {} where b.act is not null{} and b.key in ({which})",
        work.back(),
        marking(edited),
        literal(&key.name),
        unmarked(edited)
    )
}
