//! Which keys and indexes may be dropped before a load and rebuilt after it, in the same transaction.
//!
//! Dropping locks both ends of a foreign key, and a live product must not stop; so a table takes part only if it is
//! empty, owned by the role, and free of everything that a rebuild could change or that depends on its keys.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::model::catalog::{Catalog, Constraint, ConstraintKind, Table};
use crate::model::ident::TableName;

/// What is dropped and rebuilt; statements are in order.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rebuild {
    pub drop: Vec<Statement>,
    pub create: Vec<Statement>,
    /// Tables whose constraints stay, and why (a rule name).
    pub kept: Vec<(TableName, &'static str)>,
}

/// One statement of a rebuild: the constraint or index of a table that it drops or makes.
#[derive(Debug, Clone, Serialize)]
pub struct Statement {
    pub table: TableName,
    pub name: String,
    pub sql: String,
}

impl Statement {
    fn new(table: &TableName, name: &str, sql: String) -> Self {
        Self { table: table.clone(), name: name.to_owned(), sql }
    }
}

/// Plans the rebuild for these tables; `empty` are those without rows, of the batch and around it.
pub(super) fn plan(catalog: &Catalog, tables: &[TableName], empty: &BTreeSet<TableName>) -> Rebuild {
    let mut rebuild = Rebuild::default();
    let mut eligible = BTreeSet::new();
    for name in tables {
        match obstacle(catalog, name, empty) {
            None => {
                eligible.insert(name.clone());
            }
            Some(reason) => rebuild.kept.push((name.clone(), reason)),
        }
    }
    // Foreign keys with no end among the tables that are loaded stay out of it.
    let touches =
        |child: &TableName, parent: &TableName| eligible.contains(child) || eligible.contains(parent);
    let foreign: Vec<(&TableName, &Constraint)> = catalog
        .foreign_keys()
        .filter(|(child, constraint)| {
            let parent = parent(constraint);
            let free = |table| eligible.contains(table) || obstacle(catalog, table, empty).is_none();
            free(*child) && (empty.contains(parent) || tables.contains(parent)) && touches(child, parent)
        })
        .collect();
    for (child, constraint) in &foreign {
        rebuild.drop.push(Statement::new(child, &constraint.name, constraint.drop_sql(child)));
    }
    let mut plain = Vec::new();
    for name in &eligible {
        let table = &catalog.tables[name];
        let referenced: Vec<&Constraint> = catalog
            .foreign_keys()
            .filter(|(child, constraint)| {
                parent(constraint) == name
                    && !foreign.iter().any(|(c, f)| c == child && f.name == constraint.name)
            })
            .map(|(_, constraint)| constraint)
            .collect();
        plain.extend(keys_and_indexes(name, table, referenced.is_empty(), &mut rebuild));
    }
    for (child, constraint) in &foreign {
        rebuild.create.push(Statement::new(child, &constraint.name, constraint.add_sql(child)));
    }
    // Indexes come last: PostgreSQL makes them with several processes, while one alone proves the keys and the ledger is
    // written beside it.
    rebuild.create.extend(plain);
    rebuild
}

fn obstacle(catalog: &Catalog, name: &TableName, empty: &BTreeSet<TableName>) -> Option<&'static str> {
    let table = catalog.table(name)?;
    let constraint = |test: fn(&Constraint) -> bool| table.constraints.iter().any(test);
    if !empty.contains(name) {
        Some("has_rows")
    } else if !table.owned {
        Some("not_owner")
    } else if !catalog.event_triggers.is_empty() {
        Some("event_trigger")
    } else if table.partitioned || table.partition_child {
        Some("partition")
    } else if constraint(|constraint| !constraint.validated) {
        Some("not_valid_constraint")
    } else if !table.dependent_views.is_empty() {
        Some("dependent_view")
    } else if table.replica_identity_index {
        Some("replica_identity")
    } else if table.clustered {
        Some("cluster_mark")
    } else if table.index_statistics {
        Some("index_statistics")
    } else {
        None
    }
}

/// Drops unique keys (a table that is still referenced keeps them) and indexes. Makes those first that a foreign key may
/// refer to; returns what makes the others.
fn keys_and_indexes(
    name: &TableName,
    table: &Table,
    unreferenced: bool,
    rebuild: &mut Rebuild,
) -> Vec<Statement> {
    let key = |constraint: &&Constraint| {
        matches!(
            constraint.kind,
            ConstraintKind::PrimaryKey | ConstraintKind::Unique | ConstraintKind::Exclude
        )
    };
    for constraint in table.constraints.iter().filter(key) {
        if unreferenced || constraint.kind == ConstraintKind::Exclude {
            rebuild.drop.push(Statement::new(name, &constraint.name, constraint.drop_sql(name)));
            rebuild.create.push(Statement::new(name, &constraint.name, constraint.add_sql(name)));
        }
    }
    let mut plain = Vec::new();
    for index in table.indexes.iter().filter(|index| index.constraint.is_none() && index.valid) {
        if unreferenced || !index.unique {
            rebuild.drop.push(Statement::new(name, &index.name, index.drop_sql(name)));
            let create = Statement::new(name, &index.name, index.definition.clone());
            if index.unique { rebuild.create.push(create) } else { plain.push(create) }
        }
    }
    plain
}

/// The table that a foreign key names.
pub(super) fn parent(constraint: &Constraint) -> &TableName {
    match &constraint.kind {
        ConstraintKind::ForeignKey { references, .. } => references,
        _ => unreachable!("only foreign keys are asked for their parent"),
    }
}
