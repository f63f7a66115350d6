//! What the target database says of its own tables, by name and never by OID: read live by `pg::catalog`, cached in
//! `schema/<system>.catalog.json`, and used by check, codec, push and verify.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ident::{TableName, quoted};

/// The tables of a target database.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// `server_version_num`, as 150018.
    pub server_version: u32,
    pub tables: BTreeMap<TableName, Table>,
    /// Enabled event triggers, by name.
    #[serde(default)]
    pub event_triggers: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// In attribute order, without dropped ones.
    pub columns: Vec<Column>,
    pub constraints: Vec<Constraint>,
    /// All indexes, also those that back a constraint.
    pub indexes: Vec<Index>,
    /// User triggers, not those of foreign keys.
    pub triggers: Vec<Trigger>,
    #[serde(default)]
    pub policies: Vec<String>,
    /// Row-level security is enabled (or forced) and would hide rows from this role.
    pub row_security: bool,
    /// `relkind` is `p` or the table is a child of a partitioned or inherited table.
    pub partitioned: bool,
    pub partition_child: bool,
    /// `relreplident` is `i` (an index is the replica identity).
    pub replica_identity_index: bool,
    /// An index carries the CLUSTER mark.
    pub clustered: bool,
    /// Extended index statistics targets, or views that depend on a key (`GROUP BY` on a primary key).
    pub dependent_views: Vec<String>,
    pub index_statistics: bool,
    /// The connected role owns it, so may drop and rebuild its constraints.
    pub owned: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: DataType,
    pub not_null: bool,
    /// `pg_get_expr` of its default; for a generated column, of its generation expression.
    pub default: Option<String>,
    pub identity: Identity,
    /// `GENERATED ALWAYS AS (...) STORED`: PostgreSQL fills it, no one may write it.
    pub generated: bool,
    /// A nondeterministic collation: equality is not bytewise.
    pub nondeterministic: bool,
    /// The owned sequence (`serial`, identity) behind it, schema-qualified and quoted.
    pub sequence: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    #[default]
    None,
    ByDefault,
    Always,
}

/// A PostgreSQL type with its modifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataType {
    /// `format_type(atttypid, atttypmod)`: `numeric(12,2)`, `character varying(40)`, `appointment_status`, `text[]`.
    pub name: String,
    /// `typname` of the type itself: `numeric`, `varchar`, `_text`, `appointment_status`.
    pub base: String,
    /// `typnamespace`: `pg_catalog` for core types.
    pub schema: String,
    /// `pg_type.oid` of a core type (below 16384), which is the same on every server; 0 for any other.
    pub oid: u32,
    /// `atttypmod`, -1 where there is none.
    pub modifier: i32,
    pub kind: TypeKind,
    /// `typsend` is set, so the type has a binary output.
    pub binary: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TypeKind {
    Base,
    /// Labels in `enumsortorder`.
    Enum {
        labels: Vec<String>,
    },
    Domain {
        base: Box<DataType>,
        not_null: bool,
        checks: Vec<String>,
    },
    Array {
        element: Box<DataType>,
        delimiter: char,
    },
    Composite {
        fields: Vec<(String, DataType)>,
    },
    Range {
        subtype: Box<DataType>,
    },
    Multirange {
        range: Box<DataType>,
    },
    /// `typtype = 'p'` and anything else no value can be sent for.
    Pseudo,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Constraint {
    pub name: String,
    pub kind: ConstraintKind,
    /// `conkey` as names, in key order (for a CHECK: the columns it mentions).
    pub columns: Vec<String>,
    /// `pg_get_constraintdef`.
    pub definition: String,
    pub validated: bool,
    pub deferrable: bool,
    pub initially_deferred: bool,
    /// The index behind a PRIMARY KEY, UNIQUE or EXCLUDE constraint.
    pub index: Option<String>,
}

impl Constraint {
    /// Whether it holds for rows that are written from now on. PostgreSQL 18 knows constraints that are only said.
    pub fn enforced(&self) -> bool {
        !self.definition.ends_with(" NOT ENFORCED")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ConstraintKind {
    PrimaryKey,
    Unique,
    ForeignKey { references: TableName, referenced_columns: Vec<String>, on_delete: String, match_full: bool },
    Check,
    Exclude,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Index {
    pub name: String,
    /// `pg_get_indexdef`.
    pub definition: String,
    pub unique: bool,
    pub primary: bool,
    /// Key columns by name; `None` where the key is an expression.
    pub columns: Vec<Option<String>>,
    /// Key expressions and columns as SQL text, in order.
    pub expressions: Vec<String>,
    /// `pg_get_expr(indpred)`.
    pub predicate: Option<String>,
    pub nulls_not_distinct: bool,
    /// It backs a constraint of this name, so it goes and comes with that.
    pub constraint: Option<String>,
    pub valid: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    pub name: String,
    /// `pg_get_triggerdef`.
    pub definition: String,
    /// The function it calls, schema-qualified.
    pub function: String,
    pub enabled: bool,
    /// `before`, `after` or `instead of`, then its events: `before update`.
    pub timing: String,
}

impl Catalog {
    pub fn table(&self, name: &TableName) -> Option<&Table> {
        self.tables.get(name)
    }

    /// The named tables, parents before children by foreign key (self-references aside), ties by name.
    ///
    /// A cycle is entered at a table whose references to the others can be deferred or left null for a while.
    pub fn dependency_order<'a>(&self, names: impl IntoIterator<Item = &'a TableName>) -> Vec<TableName> {
        let mut waiting: Vec<TableName> = names.into_iter().cloned().collect();
        waiting.sort();
        waiting.dedup();
        let mut ordered = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let free = |parents: &dyn Fn(&TableName) -> Vec<TableName>| {
                waiting.iter().position(|name| parents(name).iter().all(|parent| !waiting.contains(parent)))
            };
            let next = free(&|name| self.parents(name)).or_else(|| free(&|name| self.hard_parents(name)));
            ordered.push(waiting.remove(next.unwrap_or(0)));
        }
        ordered
    }

    /// The table whose new keys a column holds: its own, or by foreign keys those of another. `is_new` says which tables
    /// have new keys.
    pub fn new_key_of(
        &self,
        table: &TableName,
        column: &str,
        is_new: &dyn Fn(&TableName) -> bool,
    ) -> Option<TableName> {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![(table.clone(), column.to_owned())]);
        while let Some((name, column)) = waiting.pop() {
            let Some(table) = self.tables.get(&name) else { continue };
            if is_new(&name) && table.primary_key() == [column.as_str()] {
                return Some(name);
            }
            if seen.insert((name, column.clone())) {
                waiting.extend(table.referenced_by(&column));
            }
        }
        None
    }

    /// Every foreign key with the table that has it.
    pub fn foreign_keys(&self) -> impl Iterator<Item = (&TableName, &Constraint)> {
        self.tables.iter().flat_map(|(name, table)| table.foreign_keys().map(move |one| (name, one)))
    }

    /// Tables that `name` references by foreign key, itself excluded.
    pub fn parents(&self, name: &TableName) -> Vec<TableName> {
        self.parents_by(name, |_, _| true)
    }

    /// Those parents that must be there first: the key can be neither deferred nor null.
    fn hard_parents(&self, name: &TableName) -> Vec<TableName> {
        self.parents_by(name, |table, constraint| {
            let nullable = |column: &String| table.column(column).is_some_and(|column| !column.not_null);
            !constraint.deferrable && !constraint.columns.iter().all(nullable)
        })
    }

    fn parents_by(&self, name: &TableName, counts: impl Fn(&Table, &Constraint) -> bool) -> Vec<TableName> {
        let Some(table) = self.tables.get(name) else { return Vec::new() };
        let mut parents: Vec<TableName> = table
            .foreign_keys()
            .filter(|constraint| counts(table, constraint))
            .filter_map(|constraint| match &constraint.kind {
                ConstraintKind::ForeignKey { references, .. } if references != name => {
                    Some(references.clone())
                }
                _ => None,
            })
            .collect();
        parents.sort();
        parents.dedup();
        parents
    }
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Column names of the primary key, in key order; empty where there is none.
    pub fn primary_key(&self) -> &[String] {
        self.constraints
            .iter()
            .find(|constraint| constraint.kind == ConstraintKind::PrimaryKey)
            .map_or(&[], |constraint| &constraint.columns)
    }

    /// The column and the sequence that give new keys: the primary key, if it is one integer column with a sequence.
    pub fn sequence_key(&self) -> Option<(&str, &str)> {
        let [name] = self.primary_key() else { return None };
        let column = self.column(name)?;
        let integer = matches!(column.data_type.undomained().base.as_str(), "int2" | "int4" | "int8");
        Some((name, column.sequence.as_deref().filter(|_| integer)?))
    }

    /// The columns of other tables that a column references.
    fn referenced_by<'a>(&'a self, column: &'a str) -> impl Iterator<Item = (TableName, String)> + 'a {
        self.foreign_keys().flat_map(move |constraint| {
            let ConstraintKind::ForeignKey { references, referenced_columns, .. } = &constraint.kind else {
                return Vec::new();
            };
            let pairs = constraint.columns.iter().zip(referenced_columns);
            let same = pairs.filter(|(ours, _)| *ours == column);
            same.map(|(_, theirs)| (references.clone(), theirs.clone())).collect()
        })
    }

    /// The enabled triggers that run before a row is written, and so may change it.
    pub fn rewriting_triggers(&self) -> impl Iterator<Item = &Trigger> {
        self.triggers.iter().filter(|trigger| {
            trigger.enabled
                && trigger.timing.starts_with("before")
                && (trigger.fires_on("insert") || trigger.fires_on("update"))
        })
    }

    pub fn foreign_keys(&self) -> impl Iterator<Item = &Constraint> {
        self.constraints
            .iter()
            .filter(|constraint| matches!(constraint.kind, ConstraintKind::ForeignKey { .. }))
    }
}

impl Constraint {
    /// SQL that takes it from its table.
    pub fn drop_sql(&self, table: &TableName) -> String {
        format!("alter table {} drop constraint {}", table.quoted(), quoted(&self.name))
    }

    /// SQL that makes it again from its definition.
    pub fn add_sql(&self, table: &TableName) -> String {
        format!("alter table {} add constraint {} {}", table.quoted(), quoted(&self.name), self.definition)
    }
}

#[cfg(test)]
impl Constraint {
    /// A foreign key of `<parent>_id` to the parent's `id`.
    pub(crate) fn to_parent(parent: &str) -> Self {
        Self {
            name: format!("{parent}_fk"),
            kind: ConstraintKind::ForeignKey {
                references: TableName::from(parent),
                referenced_columns: vec!["id".into()],
                on_delete: "no action".into(),
                match_full: false,
            },
            columns: vec![format!("{parent}_id")],
            definition: String::new(),
            validated: true,
            deferrable: false,
            initially_deferred: false,
            index: None,
        }
    }
}

impl Trigger {
    /// Whether it runs on `insert`, `update` or `delete`.
    pub fn fires_on(&self, event: &str) -> bool {
        self.timing.split(' ').any(|word| word == event)
    }
}

impl Column {
    /// Whether its values are equal where their canonical text is, byte for byte, and only there: numeric has 1.0 = 1.00,
    /// citext and bpchar fold, a nondeterministic collation does what it likes.
    pub fn is_bytewise(&self) -> bool {
        let base = &self.data_type.undomained().base;
        !self.nondeterministic
            && matches!(
                base.as_str(),
                "text"
                    | "varchar"
                    | "name"
                    | "uuid"
                    | "int2"
                    | "int4"
                    | "int8"
                    | "bool"
                    | "date"
                    | "timestamp"
                    | "timestamptz"
                    | "bytea"
            )
    }
}

impl Index {
    /// SQL that drops it; it is in its table's schema.
    pub fn drop_sql(&self, table: &TableName) -> String {
        format!("drop index {}.{}", quoted(table.schema()), quoted(&self.name))
    }

    /// Column names of an index without expressions.
    pub fn plain_columns(&self) -> Option<Vec<String>> {
        self.columns.iter().cloned().collect()
    }

    /// Whether its keys are equal where their columns' canonical text is.
    pub fn is_bytewise(&self, table: &Table) -> bool {
        self.plain_columns().is_some_and(|columns| {
            columns.iter().all(|name| table.column(name).is_some_and(Column::is_bytewise))
        })
    }
}

impl DataType {
    /// Whether its values are dates or points in time.
    pub fn has_days(&self) -> bool {
        matches!(self.undomained().base.as_str(), "date" | "timestamp" | "timestamptz")
    }

    /// Whether its values are texts.
    pub fn is_text(&self) -> bool {
        matches!(self.undomained().base.as_str(), "text" | "varchar" | "bpchar" | "citext")
    }

    /// The type under all domains.
    pub fn undomained(&self) -> &DataType {
        match &self.kind {
            TypeKind::Domain { base, .. } => base.undomained(),
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table_with_parents(parents: &[&str]) -> Table {
        let constraints = parents.iter().map(|parent| Constraint::to_parent(parent)).collect();
        Table { constraints, ..Table::default() }
    }

    #[test]
    fn parents_come_before_children_and_a_cycle_does_not_hang() {
        let mut catalog = Catalog::default();
        for (name, parents) in
            [("a", &["c"][..]), ("b", &["a", "b"]), ("c", &[]), ("x", &["y"]), ("y", &["x"])]
        {
            catalog.tables.insert(TableName::from(name), table_with_parents(parents));
        }
        let names: Vec<TableName> = catalog.tables.keys().cloned().collect();
        let order: Vec<String> = catalog.dependency_order(&names).iter().map(ToString::to_string).collect();
        assert_eq!(order, ["c", "a", "b", "x", "y"]);
    }
}
