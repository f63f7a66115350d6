//! What speaks against taking rows back: people's edits, others' rows that point at ours, parents that are gone, unique values
//! that others have now.

use anyhow::Result;
use serde::Serialize;
use tokio_postgres::Client;

use super::work::Work;
use super::{Edited, shared};
use crate::error;
use crate::model::catalog::{Catalog, Constraint, ConstraintKind};
use crate::model::ident::{TableName, quoted};

/// Rows of one table that cannot simply be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    pub kind: ConflictKind,
    pub rows: u64,
    /// The unique keys of which they would share a value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// Keys of the first of them.
    pub keys: Vec<String>,
    /// They are left as they are.
    pub left: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConflictKind {
    /// Changed since the batch wrote it.
    Edited,
    /// The batch changed it, and somebody deleted it since.
    Deleted,
    /// The batch deleted it, and somebody made one with its key since.
    Occupied,
    /// A row that stays points at it.
    Referred,
    /// It would point at a row that is not there any more.
    Parent,
    /// A row that stays has a unique value that it had.
    Shared,
    /// Whether the batch inserted or changed it, a purge destroyed.
    Purged,
    /// The batch deleted it, and a purge destroyed what it was.
    Lost,
}

impl Conflict {
    /// So many rows cannot come back; none where it is none.
    pub(super) fn lost(rows: u64) -> Option<Self> {
        let (kind, left) = (ConflictKind::Lost, rows);
        (rows > 0).then(|| Self { kind, rows, constraints: Vec::new(), keys: Vec::new(), left })
    }
}

impl ConflictKind {
    /// Those that rows are marked with.
    const ALL: [Self; 7] = [
        Self::Edited,
        Self::Deleted,
        Self::Occupied,
        Self::Referred,
        Self::Parent,
        Self::Shared,
        Self::Purged,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Deleted => "deleted",
            Self::Occupied => "occupied",
            Self::Referred => "referred",
            Self::Parent => "parent",
            Self::Shared => "shared",
            Self::Purged => "purged",
            Self::Lost => "lost",
        }
    }
}

/// Marks the rows that cannot be taken back, and where that is wanted leaves them and what they need.
///
/// Each round leaves more rows and none fewer, so it ends. Without a choice by people one round names what is in the way,
/// as if all the rest were done. `several` batches may be taken back at once.
pub(super) async fn mark(
    client: &Client,
    catalog: &Catalog,
    works: &[Work<'_>],
    edited: Edited,
    several: bool,
) -> Result<()> {
    for work in works.iter().filter(|work| !work.whole) {
        let left = match edited {
            Edited::Refuse => continue,
            Edited::Keep => "conflict is not null",
            // A row without a key cannot be found again once it changed.
            Edited::Force if !work.has_key() => "conflict is not null",
            Edited::Force => continue,
        };
        change(client, &format!("update {} set act = null where {left}", work.back())).await?;
    }
    loop {
        let mut marked = 0;
        for (child, constraint) in catalog.foreign_keys() {
            marked += referred(client, works, edited, child, constraint).await?;
            marked += renamed(client, works, edited, child, constraint).await?;
            marked += parents(client, works, edited, child, constraint).await?;
        }
        marked += shared::mark(client, works, edited, several).await?;
        if marked == 0 || edited == Edited::Refuse {
            return Ok(());
        }
    }
}

fn work_of<'w, 'a>(works: &'w [Work<'a>], table: &TableName) -> Option<&'w Work<'a>> {
    works.iter().find(|work| work.table == *table)
}

/// What is done to a row that is marked.
pub(super) fn marking(edited: Edited) -> &'static str {
    match edited {
        Edited::Refuse => "",
        Edited::Keep | Edited::Force => "act = null, ",
    }
}

/// A condition on rows that may be marked: without a choice by people each has one conflict, the first.
pub(super) fn unmarked(edited: Edited) -> &'static str {
    match edited {
        Edited::Refuse => " and b.conflict is null",
        Edited::Keep | Edited::Force => "",
    }
}

/// Rows that would go and that rows which stay refer to. By force, what the foreign key itself says of such rows is done.
async fn referred(
    client: &Client,
    works: &[Work<'_>],
    edited: Edited,
    child: &TableName,
    constraint: &Constraint,
) -> Result<u64> {
    let ConstraintKind::ForeignKey { references, referenced_columns, on_delete, .. } = &constraint.kind
    else {
        return Ok(0);
    };
    let follows = edited == Edited::Force && !matches!(on_delete.as_str(), "no action" | "restrict");
    let Some(parent) = work_of(works, references).filter(|work| !work.whole && !follows) else {
        return Ok(0);
    };
    let rows = afterwards(works, child, &constraint.columns);
    change(
        client,
        &format!(
            "update {} b set {}conflict = coalesce(b.conflict, 'referred') from {} t \
             where b.act = 'delete'{} and {} and ({}) in ({rows})",
            parent.back(),
            marking(edited),
            references.quoted(),
            unmarked(edited),
            parent.same_key(),
            list("t", referenced_columns),
        ),
    )
    .await
}

/// Rows that would get another of their unique values back than the one by which rows that stay refer to them.
async fn renamed(
    client: &Client,
    works: &[Work<'_>],
    edited: Edited,
    child: &TableName,
    constraint: &Constraint,
) -> Result<u64> {
    let ConstraintKind::ForeignKey { references, referenced_columns, .. } = &constraint.kind else {
        return Ok(0);
    };
    let Some(parent) = work_of(works, references).filter(|work| !work.whole && constraint.enforced()) else {
        return Ok(0);
    };
    let known = referenced_columns.iter().all(|column| parent.columns.contains(column));
    if !known
        || parent.live.primary_key() == referenced_columns
        || constraint.definition.contains(" ON UPDATE ")
    {
        return Ok(0);
    }
    let children = afterwards(works, child, &constraint.columns);
    let rows = Rows {
        from: format!("{} t", references.quoted()),
        which: format!(
            "b.act = 'update' and {} and ({}) in ({children})",
            parent.same_key(),
            list("t", referenced_columns)
        ),
        values: values("t", referenced_columns),
    };
    let there = afterwards(works, references, referenced_columns);
    without(client, parent, edited, ("referred", &rows, &there)).await
}

/// Rows that would come back and refer to rows that will not be there. A key that is NOT VALID lets those be that refer to
/// nothing already, and asks for a parent where a reference is written.
async fn parents(
    client: &Client,
    works: &[Work<'_>],
    edited: Edited,
    child: &TableName,
    constraint: &Constraint,
) -> Result<u64> {
    let ConstraintKind::ForeignKey { references, referenced_columns, .. } = &constraint.kind else {
        return Ok(0);
    };
    let Some(work) = work_of(works, child).filter(|work| !work.whole && constraint.enforced()) else {
        return Ok(0);
    };
    if !constraint.columns.iter().all(|column| work.columns.contains(column)) {
        return Ok(0);
    }
    let given: Vec<String> =
        constraint.columns.iter().map(|column| format!("i.{} is not null", quoted(column))).collect();
    let written = match constraint.validated {
        true => String::new(),
        false => format!(
            " and not exists (select 1 from {} t where {} and ({}) is not distinct from ({}))",
            child.quoted(),
            work.same_key(),
            list("t", &constraint.columns),
            list("i", &constraint.columns)
        ),
    };
    let rows = Rows {
        from: format!("{} i", work.image()),
        which: format!(
            "i.trasvase_key = b.key and b.act in ('update', 'insert') and {}{written}",
            given.join(" and ")
        ),
        values: values("i", &constraint.columns),
    };
    let there = afterwards(works, references, referenced_columns);
    without(client, work, edited, ("parent", &rows, &there)).await
}

/// Rows of a table beside the ledger's rows `b`.
struct Rows {
    /// Where they are, with an alias.
    from: String,
    /// Which of them.
    which: String,
    /// The values by which they are looked for.
    values: Vec<String>,
}

/// Marks rows with whose values there will be none in `there`, a query of them.
async fn without(
    client: &Client,
    work: &Work<'_>,
    edited: Edited,
    (conflict, rows, there): (&str, &Rows, &str),
) -> Result<u64> {
    let names: Vec<String> = (0..rows.values.len()).map(|place| format!("c{place}")).collect();
    let same: Vec<String> =
        rows.values.iter().zip(&names).map(|(value, name)| format!("p.{name} = {value}")).collect();
    let sql = format!(
        "update {} b set {}conflict = coalesce(b.conflict, '{conflict}') from {} where {}{} \
         and not exists (select 1 from ({there}) p({}) where {})",
        work.back(),
        marking(edited),
        rows.from,
        rows.which,
        unmarked(edited),
        names.join(", "),
        same.join(" and "),
    );
    change(client, &sql).await
}

/// A query for these columns of a table as its rows will be.
fn afterwards(works: &[Work<'_>], table: &TableName, columns: &[String]) -> String {
    let all = format!("select {} from {} t", list("t", columns), table.quoted());
    let Some(work) = work_of(works, table) else { return all };
    if work.whole {
        return format!("{all} where false");
    }
    let stays = format!(
        "{all} where not exists (select 1 from {} b where b.act is not null and {})",
        work.back(),
        work.same_key()
    );
    if !columns.iter().all(|column| work.columns.contains(column)) {
        return stays;
    }
    format!(
        "{stays} union all select {} from {} i join {} b on b.key = i.trasvase_key where b.act in ('update', 'insert')",
        list("i", columns),
        work.image(),
        work.back()
    )
}

fn list(alias: &str, columns: &[String]) -> String {
    values(alias, columns).join(", ")
}

fn values(alias: &str, columns: &[String]) -> Vec<String> {
    columns.iter().map(|name| format!("{alias}.{}", quoted(name))).collect()
}

pub(super) async fn change(client: &Client, sql: &str) -> Result<u64> {
    client.execute(sql, &[]).await.map_err(|error| error::postgres(&error))
}

/// The conflicts of a table, with the keys of so many rows of each kind.
pub(super) async fn list_of(client: &Client, work: &Work<'_>, most: usize) -> Result<Vec<Conflict>> {
    if work.whole {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select conflict, count(*), count(*) filter (where act is null), \
         (array_agg(key order by key))[1:{most}], \
         coalesce(array_agg(distinct shared) filter (where shared is not null), '{{}}') from {} where conflict is not null group by conflict",
        work.back()
    );
    let rows = client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    let mut conflicts = Vec::new();
    for kind in ConflictKind::ALL {
        let Some(row) = rows.iter().find(|row| row.get::<_, &str>(0) == kind.as_str()) else { continue };
        let (rows, left) = (u64::try_from(row.get::<_, i64>(1))?, u64::try_from(row.get::<_, i64>(2))?);
        conflicts.push(Conflict { kind, rows, left, keys: row.get(3), constraints: row.get(4) });
    }
    Ok(conflicts)
}
