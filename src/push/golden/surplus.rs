//! Rows of ours that cannot stay once records are one: of a table with one row a person, each of two had one. The snapshot
//! has one of them; the other goes like the golden record that it was of, and what refers to it is carried over.

use std::collections::BTreeSet;

use anyhow::Result;

use super::super::compare::{Context, incoming, same_key};
use super::collision::{columns, filled, over_moved};
use super::reach::reached;
use super::rows::{Affected, Rows};
use crate::codec::TableCodec;
use crate::model::catalog::Index;
use crate::model::ident::{literal, quoted};

/// Adds such rows to the ids that changed, with the rows that stay in their place; and rows of ours that refer to them and
/// that the snapshot does not have, with nothing in their place. Again until there are no more: each may make others so.
pub(in crate::push) async fn stage(context: &Context<'_>, staged: &BTreeSet<usize>) -> Result<()> {
    loop {
        let mut added = 0;
        for affected in reached(context, staged).await? {
            let Some((place, codec)) = affected.staged(context) else { continue };
            let entry = &context.manifest().tables[place];
            let ([key], Some(written)) = (entry.key.as_slice(), &affected.written) else { continue };
            let deleted = affected.deleted(context).await?;
            let rows = affected.rows(context, deleted.as_deref(), true);
            let table = One { context, affected: &affected, place, codec: &codec, key, written };
            let indexes = context.catalog.tables[&affected.table].indexes.iter();
            for index in indexes.filter(|index| over_moved(context, &affected, index)) {
                added += context.count(&table.surplus(index, &rows)).await?;
            }
            added += context.count(&table.followers(&rows)).await?;
        }
        if added == 0 {
            return Ok(());
        }
    }
}

/// Whether a row that comes in the place of another is yet to be loaded.
pub(super) async fn waits(context: &Context<'_>, affected: &[Affected]) -> Result<bool> {
    for one in affected {
        let Some(key) = &one.own_key else { continue };
        let waiting = format!(
            "select count(*) from (select 1 from trasvase_moved m where m.holder = {} and not exists \
             (select 1 from {} t where t.{}::text = m.golden_id) limit 1) one",
            literal(&one.table.to_string()),
            one.table.quoted(),
            quoted(key)
        );
        if context.count(&waiting).await? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A table of the snapshot with a key of one column, and rows of ours.
struct One<'a> {
    context: &'a Context<'a>,
    affected: &'a Affected,
    place: usize,
    codec: &'a TableCodec,
    key: &'a str,
    written: &'a str,
}

impl One<'_> {
    /// Adds rows that share a key of this index with one that stays; where another party's row is among them, none.
    fn surplus(&self, index: &Index, rows: &Rows) -> String {
        let keys = index.expressions.iter().map(|key| format!("({key})")).collect::<Vec<_>>().join(", ");
        format!(
            "with kept as ({all}), \
             keyed as (select t.*, count(*) over p as trasvase_many, bool_or(trasvase_moved) over p as trasvase_any \
               from kept t where ({predicate}) and ({filled}) window p as (partition by {keys})), \
             known as (select t.*, not trasvase_sent and {ours} as trasvase_ours \
               from keyed t where trasvase_many > 1 and trasvase_any), \
             ranked as (select {key}::text as was, first_value({key}::text) over w as successor, \
               row_number() over w as place, trasvase_moved and trasvase_ours as may_go, \
               bool_or(not trasvase_sent and not trasvase_ours) over (partition by {keys}) as of_others \
               from known t window w as (partition by {keys} \
               order by trasvase_moved and trasvase_ours, trasvase_sent desc, trasvase_key)), \
             gone as (select was, successor from ranked where may_go and place > 1 and not of_others \
               and not exists (select 1 from trasvase_retired r where r.was = ranked.was and r.holder = '')), \
             moved as (insert into trasvase_moved select was, successor, {holder} from gone on conflict do nothing), \
             added as (insert into trasvase_retired select was, successor, {holder} from gone \
               on conflict do nothing returning 1) \
             select count(*) from added",
            all = self.all(rows),
            predicate = index.predicate.as_deref().unwrap_or("true"),
            filled = filled(index),
            ours = self.ours("trasvase_key"),
            key = quoted(self.key),
            holder = literal(&self.affected.table.to_string()),
        )
    }

    /// Adds rows that go with rows they refer to.
    fn followers(&self, rows: &Rows) -> String {
        format!(
            "with added as (insert into trasvase_retired select t.{}::text, null, {} from {} on conflict do nothing returning 1) \
             select count(*) from added",
            quoted(self.key),
            literal(&self.affected.table.to_string()),
            rows.following()
        )
    }

    fn ours(&self, key: &str) -> String {
        let written = self.written;
        format!(
            "exists (select 1 from trasvase.row_digest d where {written} and d.key = {key} collate \"C\")"
        )
    }

    /// The rows that stay, as they will be, and those that come.
    fn all(&self, rows: &Rows) -> String {
        let columns = columns(self.context, self.affected);
        let sent: Vec<&str> = self.codec.column_names().collect();
        let values = columns.iter().map(|(name, data_type)| match sent.contains(&name.as_str()) {
            true => format!("i.{}", quoted(name)),
            false => format!("null::{data_type}"),
        });
        format!(
            "{} union all select {}, false, true, {} from {} i where not exists (select 1 from {} t where {})",
            rows.afterwards(&columns),
            values.collect::<Vec<_>>().join(", "),
            self.codec.key_sql("i"),
            incoming(self.place),
            self.affected.table.quoted(),
            same_key(self.codec)
        )
    }
}
