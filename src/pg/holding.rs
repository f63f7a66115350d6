//! Rows that keep others in the target: a row that is to go stays where one that stays refers to it. No foreign key would let it
//! go, or one would change or take the other row with it (`set null`, `cascade`), which nobody has asked for.

use crate::model::catalog::{Catalog, Constraint, ConstraintKind};
use crate::model::ident::{TableName, quoted};

/// A foreign key by which rows may hold rows that are to go.
pub struct Holding<'n> {
    pub constraint: &'n Constraint,
    /// The table of the rows that are to go.
    pub parent: &'n TableName,
    /// SQL of the key of such a row on alias `p`.
    pub parent_key: String,
    /// The referring rows, for a FROM clause: their key as `trasvase_key`, null where none of them goes, and their columns.
    pub rows: String,
}

impl Holding<'_> {
    /// A query of the keys, among those that `going` gives as `key`, of rows to which a row refers that is not itself among those that
    /// `going_too` gives.
    pub fn held_sql(&self, going: &str, going_too: Option<&str>) -> String {
        format!("select distinct g.key from {}", self.pairs_sql(going, going_too))
    }

    /// The rows that are to go as `g`, each with one that refers to it as `h`, for a FROM clause.
    pub fn pairs_sql(&self, going: &str, going_too: Option<&str>) -> String {
        let ConstraintKind::ForeignKey { referenced_columns, .. } = &self.constraint.kind else {
            return "(select null::text as key where false) g, (select null::text as trasvase_key) h"
                .to_owned();
        };
        let names = referenced_columns.iter().enumerate();
        let columns: String = names.map(|(n, name)| format!(", p.{} as r{n}", quoted(name))).collect();
        let names = self.constraint.columns.iter().enumerate();
        let same: Vec<String> = names.map(|(n, name)| format!("h.{} = g.r{n}", quoted(name))).collect();
        let stays = going_too.map_or_else(String::new, |going| {
            format!(
                " and not exists (select 1 from ({going}) too where too.key = h.trasvase_key collate \"C\")"
            )
        });
        format!(
            "(select ({key}) collate \"C\" as key{columns} from {parent} p where ({key}) collate \"C\" in (select key from ({going}) g)) g \
             join {rows} h on {same}{stays}",
            key = self.parent_key,
            parent = self.parent.quoted(),
            rows = self.rows,
            same = same.join(" and "),
        )
    }

    /// The foreign keys of a catalog to this table: the referring table and the key.
    pub fn keys<'c>(
        catalog: &'c Catalog,
        parent: &TableName,
    ) -> impl Iterator<Item = (&'c TableName, &'c Constraint)> {
        catalog.foreign_keys().filter(move |(_, constraint)| {
            matches!(&constraint.kind, ConstraintKind::ForeignKey { references, .. } if references == parent)
        })
    }

    /// The rows of a table as they are, for [`Holding::rows`]; `key` is SQL of their key on alias `t`, where some may go.
    pub fn rows_now(table: &TableName, key: Option<&str>, which: &str) -> String {
        let key = key.unwrap_or("null::text");
        format!("(select {key} as trasvase_key, t.* from {} t where {which})", table.quoted())
    }
}
