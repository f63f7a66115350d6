//! The SQL by which rows of one table get other golden ids, or go.

use anyhow::Result;

use super::super::compare::{Context, delete_condition, differs, incoming, same_key};
use super::super::rows;
use super::super::vanished::GOES;
use super::collision::columns;
use crate::codec::TableCodec;
use crate::config::LoadMode;
use crate::model::catalog::Trigger;
use crate::model::ident::{TableName, literal, quoted};

/// A table with columns that may hold golden ids that changed.
#[derive(Debug)]
pub(super) struct Affected {
    pub(super) table: TableName,
    /// Among the tables of the snapshot.
    pub(super) place: Option<usize>,
    /// Columns that refer to golden ids, and the key where it is one.
    pub(super) columns: Vec<String>,
    /// Of which holders the changed ids in each column are: a list of SQL.
    pub(super) scopes: Vec<String>,
    /// The key column, where keys are golden ids.
    pub(super) own_key: Option<String>,
    /// The condition of its rows in the ledger, on `d`, if there are any.
    pub(super) written: Option<String>,
}

/// The rows of a table that change, as parts of a query on alias `t`.
pub(super) struct Rows {
    from: String,
    condition: String,
    /// The row goes, since the row that it would become is there or comes.
    gone: String,
    /// Columns, and the ids that they get, as text; null where the old one stays.
    pub(super) values: Vec<(String, String)>,
    /// The load mode will delete the row.
    deleted: String,
    /// The snapshot has a row with its key.
    sent: String,
    /// The row goes with one that it refers to.
    follows: String,
    key: String,
    /// The row counts as one that the load mode updates.
    updated: String,
}

impl Affected {
    /// `deleted` is the condition of rows that the load mode will delete; `early` takes those too that it will update.
    pub(super) fn rows(&self, context: &Context<'_>, deleted: Option<&str>, early: bool) -> Rows {
        let mut from = format!("{} t", self.source());
        if let Some((place, codec)) = self.staged(context) {
            from.push_str(&format!(" left join {} i on {}", incoming(place), same_key(&codec)));
        }
        let mut values = Vec::new();
        for (number, column) in self.columns.iter().enumerate() {
            let text = format!("t.{}::text", quoted(column));
            let scope = &self.scopes[number];
            from.push_str(&format!(
                " left join trasvase_retired r{number} on r{number}.was = {text} and r{number}.holder in ({scope})"
            ));
            if self.as_sent(context, column, early) {
                let sent = format!("i.{}::text", quoted(column));
                from.push_str(&format!(
                    " left join trasvase_moved m{number} on m{number}.was = {text} and m{number}.golden_id = {sent} \
                     and m{number}.holder in ({scope})"
                ));
            }
            values.push((column.clone(), self.value(context, number, column, early)));
        }
        let (left, follows) = (self.left(context), self.follows(context));
        let any = values.iter().map(|(_, value)| format!("{value} is not null"));
        let any = any.chain([left.clone(), follows.clone()]).collect::<Vec<_>>().join(" or ");
        let deleted = deleted.unwrap_or("false");
        Rows {
            condition: format!("({any}) and ({deleted}) is not true"),
            gone: format!("({} or {left} or {follows})", self.gone(context)),
            deleted: deleted.to_owned(),
            follows,
            sent: self.sent(context),
            key: self.key(context),
            updated: self.updated(context),
            from,
            values,
        }
    }

    /// The condition of rows that the load mode will delete.
    pub(super) async fn deleted(&self, context: &Context<'_>) -> Result<Option<String>> {
        let Some((place, codec)) = self.staged(context) else { return Ok(None) };
        delete_condition(context, place, &context.manifest().tables[place], &codec, &GOES).await
    }

    /// Tables of others are taken without those that inherit from them: these have foreign keys of their own.
    fn source(&self) -> String {
        let only = if self.place.is_none() { "only " } else { "" };
        format!("{only}{}", self.table.quoted())
    }

    pub(super) fn staged(&self, context: &Context<'_>) -> Option<(usize, TableCodec)> {
        let place = self.place?;
        let entry = &context.manifest().tables[place];
        Some((place, rows::codec(entry, &context.catalog.tables[&entry.table]).ok()?))
    }

    fn is_written(&self, context: &Context<'_>, column: &str) -> bool {
        let columns = self.place.map(|place| &context.manifest().tables[place].columns);
        columns.is_some_and(|columns| columns.iter().any(|one| one.name == column))
    }

    /// Whether a row that is there gets the snapshot's value by the change of ids alone: no load mode brings it.
    fn as_sent(&self, context: &Context<'_>, column: &str, early: bool) -> bool {
        self.is_written(context, column)
            && self.own_key.as_deref() != Some(column)
            && (early || !self.updates(context))
    }

    fn updates(&self, context: &Context<'_>) -> bool {
        matches!(context.clinic.load_mode(&self.table), LoadMode::Upsert | LoadMode::Sync)
    }

    fn updated(&self, context: &Context<'_>) -> String {
        if self.updates(context) { self.sent(context) } else { "false".to_owned() }
    }

    fn sent(&self, context: &Context<'_>) -> String {
        match self.staged(context) {
            Some((_, codec)) => {
                let key = codec.key_names().next().map(quoted).unwrap_or_default();
                format!("(i.{key} is not null)")
            }
            None => "false".to_owned(),
        }
    }

    fn ours(&self, context: &Context<'_>) -> String {
        match self.staged(context).zip(self.written.as_ref()) {
            Some(((_, codec), written)) => format!(
                "exists (select 1 from trasvase.row_digest d where {written} and d.key = ({}) collate \"C\")",
                codec.key_sql("t")
            ),
            None => "false".to_owned(),
        }
    }

    /// The temporary table of the keys of re-pointed rows; of a table of others, one for each time it is looked at.
    fn keys(&self, number: usize) -> String {
        match self.place {
            Some(place) => format!("trasvase_repointed_{place}"),
            None => format!("trasvase_repointed_elsewhere_{number}"),
        }
    }

    fn value(&self, context: &Context<'_>, number: usize, column: &str, early: bool) -> String {
        if self.as_sent(context, column, early) {
            return format!("coalesce(m{number}.golden_id, r{number}.successor)");
        }
        match self.staged(context) {
            // What the load mode updates gets the snapshot's value anyway.
            Some((_, codec)) if self.is_written(context, column) => {
                let key = codec.key_names().next().map(quoted).unwrap_or_default();
                format!("(case when i.{key} is null then r{number}.successor end)")
            }
            _ => format!("r{number}.successor"),
        }
    }

    fn data_type(&self, context: &Context<'_>, column: &str) -> String {
        let column = context.catalog.tables[&self.table].column(column);
        column.map_or_else(|| "text".to_owned(), |column| column.data_type.name.clone())
    }

    /// Rows of the snapshot's tables whose key, with the id that it gets, another row has or will have.
    fn gone(&self, context: &Context<'_>) -> String {
        let Some((place, codec)) = self.staged(context) else { return "false".to_owned() };
        let number = |name: &str| self.columns.iter().position(|column| column == name);
        let keys: Vec<&str> = codec.key_names().collect();
        let changed: Vec<usize> = keys.iter().filter_map(|name| number(name)).collect();
        if changed.is_empty() {
            return "false".to_owned();
        }
        let becomes = |alias: &str| {
            let same = keys.iter().map(|name| {
                let column = quoted(name);
                match number(name) {
                    Some(number) => {
                        let data_type = self.data_type(context, name);
                        format!("{alias}.{column} = coalesce(r{number}.successor::{data_type}, t.{column})")
                    }
                    None => format!("{alias}.{column} = t.{column}"),
                }
            });
            same.collect::<Vec<_>>().join(" and ")
        };
        let any = changed.iter().map(|number| format!("r{number}.was is not null")).collect::<Vec<_>>();
        format!(
            "(({}) and (exists (select 1 from {} s where {}) or exists (select 1 from {} j where {})))",
            any.join(" or "),
            self.table.quoted(),
            becomes("s"),
            incoming(place),
            becomes("j")
        )
    }

    /// Rows of ours with a golden id in a key of several columns, in whose place one with another id comes: the id is still
    /// somebody's, but not this row's.
    fn left(&self, context: &Context<'_>) -> String {
        let Some((place, codec)) = self.staged(context).filter(|_| self.written.is_some()) else {
            return "false".to_owned();
        };
        let keys: Vec<&str> = codec.key_names().collect();
        let own = |name: &str| self.own_key.as_deref() == Some(name);
        let moving =
            keys.iter().filter(|name| !own(name) && self.columns.iter().any(|column| column == *name));
        let comes = moving.map(|moving| {
            let same = keys.iter().filter(|name| *name != moving);
            let same = same.map(|name| format!("j.{0} = t.{0} and ", quoted(name))).collect::<String>();
            format!(
                "exists (select 1 from {} j join trasvase_moved m on m.golden_id = j.{column}::text \
                 where {same}m.was = t.{column}::text and m.holder = '')",
                incoming(place),
                column = quoted(moving)
            )
        });
        let comes = comes.collect::<Vec<_>>().join(" or ");
        if comes.is_empty() {
            return "false".to_owned();
        }
        format!("(not {} and ({comes}) and {})", self.sent(context), self.ours(context))
    }

    /// Rows of ours that the snapshot does not have, and that stand in the way of others or refer to such a row.
    fn follows(&self, context: &Context<'_>) -> String {
        if self.place.is_none() || self.written.is_none() {
            return "false".to_owned();
        }
        let any = (0..self.columns.len()).map(|number| format!("coalesce(r{number}.holder, '') <> ''"));
        format!(
            "(({}) and not {} and {})",
            any.collect::<Vec<_>>().join(" or "),
            self.sent(context),
            self.ours(context)
        )
    }

    /// Makes the temporary table for the keys of rows that stay.
    pub(super) fn make_keys(&self, number: usize) -> String {
        let keys = self.keys(number);
        format!("create temporary table if not exists {keys} (key text, now text) on commit drop")
    }

    /// The row's key as text; of a table without one, where the row lies.
    fn key(&self, context: &Context<'_>) -> String {
        if let Some((_, codec)) = self.staged(context) {
            return codec.key_sql("t");
        }
        let table = &context.catalog.tables[&self.table];
        match TableCodec::of_table(table, table.primary_key()) {
            Ok(codec) if !table.primary_key().is_empty() => codec.key_sql("t"),
            _ => "t.ctid::text".to_owned(),
        }
    }

    /// Keeps the gathered rows as they are, but for those that this push has kept under another key.
    pub(super) fn before_images(
        &self,
        context: &Context<'_>,
        number: usize,
        batch: i32,
        code: i32,
    ) -> String {
        let columns = context.catalog.tables[&self.table].columns.iter();
        let columns = columns.map(|column| literal(&column.name)).collect::<Vec<_>>().join(", ");
        format!(
            "insert into trasvase.change select {batch}, {code}, n.key, case when n.gone then 'delete' else 'update' end, \
             array[{columns}], n.before from trasvase_golden_{number} n \
             where not exists (select 1 from {} k where k.now = n.key and k.key <> k.now) on conflict do nothing",
            self.keys(number)
        )
    }

    /// Writes down where the rows went that were re-pointed, and what became of them: a rollback finds by this those that
    /// have no digest in the ledger.
    pub(super) fn note(&self, context: &Context<'_>, number: usize, batch: i32, code: i32) -> String {
        format!(
            "update trasvase.change c set key_after = k.now, after = sha256(convert_to((t.*)::text, 'UTF8')) \
             from (select distinct key, now from {}) k join {} t on {} = k.now \
             where c.batch = {batch} and c.target_table = {code} and c.key = k.key collate \"C\"",
            self.keys(number),
            self.source(),
            self.key(context)
        )
    }

    /// Counts the rows that no load mode changes, and that are as the snapshot has them once they have their new ids.
    pub(super) async fn settled(&self, context: &Context<'_>, rows: &Rows) -> Result<u64> {
        let Some((place, codec)) = self.staged(context).filter(|_| !self.updates(context)) else {
            return Ok(0);
        };
        let sql = format!(
            "select count(*) from ({}) t join {} i on {} where t.trasvase_moved and not ({})",
            rows.afterwards(&columns(context, self)),
            incoming(place),
            same_key(&codec),
            differs(&codec)
        );
        context.count(&sql).await
    }

    /// Writes the new ids into the gathered rows that stay; notes their keys, and counts them.
    pub(super) fn repoint(&self, context: &Context<'_>, number: usize) -> String {
        let set = self.columns.iter().enumerate().map(|(place, column)| {
            let data_type = self.data_type(context, column);
            format!("{0} = coalesce(n.value_{place}::{data_type}, t.{0})", quoted(column))
        });
        // The load mode goes on with those that it would have changed.
        let touched = self.place.filter(|_| self.updates(context)).map_or_else(String::new, |place| {
            format!(
                "touched as (insert into trasvase_touched_{place} select now from changed where updated),"
            )
        });
        format!(
            "with changed as (update {} t set {} from trasvase_golden_{number} n \
             where t.tableoid = n.relation and t.ctid = n.place and not n.gone returning n.key, {} as now, n.updated), {touched} \
             noted as (insert into {} select key, now from changed where not updated returning 1) \
             select count(*) from noted",
            self.source(),
            set.collect::<Vec<_>>().join(", "),
            self.key(context),
            self.keys(number),
        )
    }

    /// Deletes the gathered rows that go. By their keys: a trigger may have touched them since.
    pub(super) fn retire(&self, context: &Context<'_>, number: usize) -> Option<String> {
        self.place?;
        Some(format!(
            "with gone as (delete from {} t using trasvase_golden_{number} n where n.gone and n.key = {} returning 1) \
             select count(*) from gone",
            self.table.quoted(),
            self.key(context)
        ))
    }

    /// Triggers of a table that no other plan tells of.
    pub(super) fn triggers(
        &self,
        context: &Context<'_>,
        repointed: u64,
        retired: u64,
    ) -> Vec<(String, String)> {
        let fires = |trigger: &&Trigger| {
            let updates = repointed > 0 && trigger.fires_on("update");
            trigger.enabled && (updates || retired > 0 && trigger.fires_on("delete"))
        };
        let triggers = context.catalog.tables[&self.table].triggers.iter().filter(fires);
        let triggers = triggers.map(|trigger| (trigger.name.clone(), trigger.function.clone()));
        if self.place.is_some() { Vec::new() } else { triggers.collect() }
    }
}

impl Rows {
    /// Rows that go with others which they refer to, for a FROM clause.
    pub(super) fn following(&self) -> String {
        format!("{} where {} and ({}) is not true", self.from, self.follows, self.deleted)
    }

    /// Rows that stay and refer in a column of this number to one that goes with nothing in its place.
    pub(super) fn stranded(&self, number: usize) -> String {
        format!(
            "select count(*) from {} where r{number}.was is not null and r{number}.successor is null and not {} and ({}) is not true",
            self.from, self.gone, self.deleted
        )
    }

    /// How many rows get another id, and how many go.
    pub(super) fn count(&self) -> String {
        format!(
            "select count(*) filter (where not {gone}), count(*) filter (where {gone}) from {} where {}",
            self.from,
            self.condition,
            gone = self.gone
        )
    }

    pub(super) fn any(&self) -> String {
        format!("select count(*) from (select 1 from {} where {} limit 1) one", self.from, self.condition)
    }

    /// Locks them and keeps them in a temporary table of this number.
    pub(super) fn gather(&self, number: usize) -> String {
        let values =
            self.values.iter().enumerate().map(|(place, (_, value))| format!("{value} as value_{place}"));
        format!(
            "create temporary table trasvase_golden_{number} on commit drop as \
             select t.tableoid as relation, t.ctid as place, {} as key, (t.*)::text as before, {} as gone, {} as updated, {} \
             from {} where {} for update of t",
            self.key,
            self.gone,
            self.updated,
            values.collect::<Vec<_>>().join(", "),
            self.from,
            self.condition
        )
    }

    /// All rows of the table that stay, as they will be: the table's columns, whether they change, whether the snapshot has
    /// them, and their keys as text.
    pub(super) fn afterwards(&self, columns: &[(String, String)]) -> String {
        let columns = columns.iter().map(|(name, data_type)| {
            let value = self.values.iter().find(|(column, _)| column == name).map(|(_, value)| value);
            let name = quoted(name);
            match value {
                Some(value) => format!("coalesce(({value})::{data_type}, t.{name}) as {name}"),
                None => format!("t.{name}"),
            }
        });
        format!(
            "select {}, ({condition}) is true as trasvase_moved, {sent} as trasvase_sent, {key} as trasvase_key \
             from {} where not (({condition}) is true and {}) and ({deleted}) is not true",
            columns.collect::<Vec<_>>().join(", "),
            self.from,
            self.gone,
            condition = self.condition,
            sent = self.sent,
            key = self.key,
            deleted = self.deleted,
        )
    }
}
