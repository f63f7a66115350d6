//! Rows that a push would delete and that rows which will stay refer to: they stay with these. Of the others, those that rows refer
//! to until they are updated or deleted themselves go last.
//!
//! Decided once the rows of all tables are staged, again and again until nothing more changes: a row that stays may hold one
//! that holds another.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::after::After;
use super::compare::{Context, replace_condition};
use super::merge;
use super::rows;
use super::vanished;
use crate::codec::TableCodec;
use crate::config::LoadMode;
use crate::error;
use crate::model::catalog::Constraint;
use crate::model::ident::TableName;
use crate::model::vanished::Lot;
use crate::pg::Holding;

/// How the referring rows are looked at.
#[derive(Clone, Copy)]
enum Seen {
    /// As they are before the push.
    Now,
    /// As they will be.
    After,
}

/// Decides which rows that vanished stay with others, and which go last; `staged` are the places of the staged tables.
pub(super) async fn settle(context: &Context<'_>, staged: &BTreeSet<usize>) -> Result<()> {
    let going = going(context, staged).await?;
    if going.is_empty() {
        return Ok(());
    }
    let tables = Tables { context, staged, going };
    tables.mark(Seen::After, Lot::Held.letter()).await?;
    tables.mark(Seen::Now, vanished::LATE).await
}

/// The places of staged tables of which rows are to go since they vanished.
pub(super) async fn going(context: &Context<'_>, staged: &BTreeSet<usize>) -> Result<BTreeSet<usize>> {
    let mut going = BTreeSet::new();
    for place in staged {
        if vanished::any_goes(context, *place).await? {
            going.insert(*place);
        }
    }
    Ok(going)
}

/// The places of tables that are not staged and that refer to such a table: their rows may refer to one that is to go.
pub(super) fn referring(
    context: &Context<'_>,
    staged: &BTreeSet<usize>,
    going: &BTreeSet<usize>,
) -> Vec<usize> {
    let tables = &context.manifest().tables;
    let refers = |place: &usize| {
        let parents = context.catalog.parents(&tables[*place].table);
        going.iter().any(|going| parents.contains(&tables[*going].table))
    };
    (0..tables.len()).filter(|place| !staged.contains(place)).filter(refers).collect()
}

/// By table, how many rows that stay refer to rows of one table that stay with them.
pub(super) async fn holders(
    context: &Context<'_>,
    staged: &BTreeSet<usize>,
    place: usize,
) -> Result<BTreeMap<TableName, u64>> {
    let mut holders = BTreeMap::new();
    let tables = Tables { context, staged, going: going(context, staged).await? };
    for (child, constraint) in Holding::keys(context.catalog, &context.manifest().tables[place].table) {
        let holding = tables.holding(place, child, constraint, Seen::After).await?;
        let (held, too) =
            (vanished::keys_of(place, &[Lot::Held.letter()]), tables.going_too(child, &vanished::GOES));
        let sql = format!("select count(*) from {}", holding.pairs_sql(&held, too.as_deref()));
        let rows = context.count(&sql).await?;
        if rows > 0 {
            *holders.entry(child.clone()).or_default() += rows;
        }
    }
    Ok(holders)
}

struct Tables<'a> {
    context: &'a Context<'a>,
    staged: &'a BTreeSet<usize>,
    /// The places of tables of which rows are to go.
    going: BTreeSet<usize>,
}

impl Tables<'_> {
    /// Gives this letter to rows that are to be deleted first and that rows refer to which are not.
    async fn mark(&self, seen: Seen, letter: &str) -> Result<()> {
        let context = self.context;
        loop {
            let mut fell = 0;
            for place in &self.going {
                for (child, constraint) in
                    Holding::keys(context.catalog, &context.manifest().tables[*place].table)
                {
                    error::interrupt::check()?;
                    let holding = self.holding(*place, child, constraint, seen).await?;
                    let deleted = [Lot::Deleted.letter()];
                    let too = self.going_too(child, &deleted);
                    let held = holding.held_sql(&vanished::keys_of(*place, &deleted), too.as_deref());
                    fell += vanished::mark(context, *place, letter, &held).await?;
                }
            }
            if fell == 0 {
                return Ok(());
            }
        }
    }

    async fn holding<'n>(
        &'n self,
        place: usize,
        child: &TableName,
        constraint: &'n Constraint,
        seen: Seen,
    ) -> Result<Holding<'n>> {
        let parent = &self.context.manifest().tables[place];
        let parent_key = self.codec(place)?.key_sql("p");
        let rows = self.rows(child, seen).await?;
        Ok(Holding { constraint, parent: &parent.table, parent_key, rows })
    }

    fn codec(&self, place: usize) -> Result<TableCodec> {
        let entry = &self.context.manifest().tables[place];
        rows::codec(entry, &self.context.catalog.tables[&entry.table])
    }

    /// The place of a table, where its rows are staged.
    fn place(&self, table: &TableName) -> Option<usize> {
        let place = self.context.manifest().tables.iter().position(|entry| entry.table == *table);
        place.filter(|place| self.staged.contains(place))
    }

    /// A query of the keys of a table's rows with these letters, if it has any that go.
    fn going_too(&self, table: &TableName, letters: &[&str]) -> Option<String> {
        let place = self.place(table).filter(|place| self.going.contains(place))?;
        Some(vanished::keys_of(place, letters))
    }

    /// A table's rows, but for those that its mode or changed golden ids take away; those that vanished are among them.
    async fn rows(&self, table: &TableName, seen: Seen) -> Result<String> {
        let Some(place) = self.place(table) else { return Ok(Holding::rows_now(table, None, "true")) };
        let (context, entry) = (self.context, &self.context.manifest().tables[place]);
        let codec = self.codec(place)?;
        let gone = match context.clinic.load_mode(table) {
            LoadMode::Replace => replace_condition(context, entry, &codec).await?,
            _ => "false".to_owned(),
        };
        let key = codec.key_sql("t");
        Ok(match seen {
            Seen::Now => Holding::rows_now(table, Some(&key), &format!("({gone}) is not true")),
            Seen::After => {
                let gone = match context.manifest().golden.is_empty() {
                    true => gone,
                    false => {
                        format!("({gone}) or exists (select 1 from trasvase_retired r where r.was = {key})")
                    }
                };
                let updates = context.clinic.updates(table);
                if updates {
                    merge::stage(context, place, entry, &codec).await?;
                }
                let after = After { context, place, entry, codec: &codec, gone: &gone, updates };
                format!("({} union all {})", after.written(), after.staying())
            }
        })
    }
}
