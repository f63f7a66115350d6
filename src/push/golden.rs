//! Golden ids that changed since they were recorded: records that were pushed as two turned out to be one, or as one to be
//! two. What refers to an id that nobody has any more is carried over to its successor, whoever wrote it, and the row of
//! that id goes.

mod changes;
mod collision;
mod reach;
mod recorded;
mod rows;
mod surplus;
mod work;

use std::collections::BTreeSet;

use anyhow::Result;
use serde::Serialize;

use super::compare::Context;
use super::referrers::Referrer;
use crate::error;
use crate::model::ident::TableName;

pub(super) use changes::{any, stage};
pub(super) use collision::{Collision, failure};
pub use recorded::pending;
pub(super) use recorded::{readable, record};
pub(super) use surplus::stage as stage_surplus;
pub(super) use work::Work;

/// What changed golden ids do to one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GoldenPlan {
    pub table: TableName,
    /// Rows that get another golden id where they refer to one, beside those that the load mode updates.
    pub repointed: u64,
    /// Of these, rows that then are as the snapshot has them: the load mode counted them as different.
    #[serde(skip)]
    pub(super) settled: u64,
    /// Rows of ids that nobody has any more.
    pub retired: u64,
    /// Of a table that the snapshot does not hold, the triggers that this fires: name and function.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<(String, String)>,
}

/// What a push would do, and what it would run into.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) tables: Vec<GoldenPlan>,
    /// Keys that rows would share.
    pub(super) collisions: Vec<Collision>,
    /// Rows that keep others from being deleted.
    pub(super) referrers: Vec<Referrer>,
}

/// Looks at every table that changed golden ids reach. `staged` are the places whose incoming rows are in temporary tables.
pub(super) async fn compare(context: &Context<'_>, staged: &BTreeSet<usize>) -> Result<Compared> {
    let mut compared = Compared::default();
    stage_surplus(context, staged).await?;
    for affected in reach::reached(context, staged).await? {
        let deleted = affected.deleted(context).await?;
        let rows = affected.rows(context, deleted.as_deref(), false);
        let row = context.client.query_one(&rows.count(), &[]).await;
        let row = row.map_err(|error| error::postgres(&error))?;
        let (repointed, retired) =
            (u64::try_from(row.get::<_, i64>(0))?, u64::try_from(row.get::<_, i64>(1))?);
        if retired > 0 {
            compared.referrers.extend(reach::by_other_keys(context, &affected).await?);
        }
        compared.referrers.extend(reach::stranded(context, &affected, &rows).await?);
        let mut settled = 0;
        if repointed > 0 {
            settled = affected.settled(context, &rows).await?;
            compared.collisions.extend(collision::find(context, &affected, &rows).await?);
        }
        if repointed + retired > 0 {
            let triggers = affected.triggers(context, repointed, retired);
            compared.tables.push(GoldenPlan { table: affected.table, repointed, settled, retired, triggers });
        }
    }
    Ok(compared)
}
