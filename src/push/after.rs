//! A table's rows as they will be once a push has written its own, before it writes any.

use super::compare::{Context, incoming, same_key};
use super::merge;
use crate::codec::TableCodec;
use crate::model::catalog::Column;
use crate::model::ident::quoted;
use crate::model::manifest::TableEntry;
use crate::pg::fates;

/// A table whose incoming rows are staged. Its queries give every column, and the row's key as `trasvase_key`.
pub(super) struct After<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) place: usize,
    pub(super) entry: &'a TableEntry,
    pub(super) codec: &'a TableCodec,
    /// A condition on the rows `t` that are deleted.
    pub(super) gone: &'a str,
    /// Rows may be updated, and it is staged which ([`merge::stage`]).
    pub(super) updates: bool,
}

impl After<'_> {
    /// Those that are inserted or updated, with what stands in them.
    pub(super) fn written(&self) -> String {
        let new = self.inserted();
        match self.updates {
            false => new,
            true => format!("{new} union all {}", self.updated()),
        }
    }

    fn inserted(&self) -> String {
        let columns = self.columns(|column, place| match place {
            Some(_) => format!("i.{}", quoted(&column.name)),
            None => format!("null::{}", column.data_type.undomained().name),
        });
        format!(
            "select {} as trasvase_key, {columns} from {} i where not exists (select 1 from {} t where {} and ({}) is not true)",
            self.codec.key_sql("i"),
            incoming(self.place),
            self.entry.table.quoted(),
            same_key(self.codec),
            self.gone
        )
    }

    fn updated(&self) -> String {
        let columns = self.columns(|column, place| {
            let name = quoted(&column.name);
            match place {
                None => format!("t.{name}"),
                Some(place) => {
                    format!("case when {} then t.{name} else i.{name} end", fates::stands("m.fates", place))
                }
            }
        });
        format!(
            "select m.key as trasvase_key, {columns} from {} i join {} t on {} join {} m on m.key = {} \
             where m.fates ~ '[to]' and ({}) is not true",
            incoming(self.place),
            self.entry.table.quoted(),
            same_key(self.codec),
            merge::rows(self.place),
            self.codec.key_sql("i"),
            self.gone
        )
    }

    /// The rows of the table.
    pub(super) fn now(&self) -> String {
        let columns = self.columns(|column, _| format!("t.{}", quoted(&column.name)));
        let (key, table) = (self.codec.key_sql("t"), self.entry.table.quoted());
        format!("select {key} as trasvase_key, {columns} from {table} t")
    }

    /// Those of them that nobody touches.
    pub(super) fn staying(&self) -> String {
        let touched = match self.updates {
            false => String::new(),
            true => format!(
                " and not exists (select 1 from {} m where m.fates ~ '[to]' and m.key = {})",
                merge::rows(self.place),
                self.codec.key_sql("t")
            ),
        };
        format!("{} where ({}) is not true{touched}", self.now(), self.gone)
    }

    /// Every column of the table; of a generated one nobody knows yet what it will be.
    fn columns(&self, of: impl Fn(&Column, Option<usize>) -> String) -> String {
        let place = |name: &str| self.codec.column_names().position(|column| column == name);
        let table = &self.context.catalog.tables[&self.entry.table];
        let columns = table.columns.iter().map(|column| {
            let value = match column.generated {
                true => format!("null::{}", column.data_type.undomained().name),
                false => of(column, place(&column.name)),
            };
            format!("{value} as {}", quoted(&column.name))
        });
        columns.collect::<Vec<_>>().join(", ")
    }
}
