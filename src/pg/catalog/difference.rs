//! What changed between two catalogs, in sentences.

use std::collections::BTreeMap;

use rust_i18n::t;

use crate::model::catalog::{Catalog, Column, Identity, Table};
use crate::model::ident::TableName;

/// Every difference from `old` to `new`, a sentence each, by table; empty where a push would not care.
pub fn difference(old: &Catalog, new: &Catalog) -> Vec<String> {
    let mut said = Vec::new();
    for (name, table) in &old.tables {
        match new.tables.get(name) {
            None => said.push(t!("pg.table_gone", table = name).into_owned()),
            Some(newer) => compare(name, table, newer, &mut said),
        }
    }
    for name in new.tables.keys().filter(|name| !old.tables.contains_key(*name)) {
        said.push(t!("pg.table_new", table = name).into_owned());
    }
    said
}

fn compare(name: &TableName, old: &Table, new: &Table, said: &mut Vec<String>) {
    columns(name, old, new, said);
    let by_name =
        |what: &str, old: BTreeMap<&str, String>, new: BTreeMap<&str, String>, said: &mut Vec<String>| {
            named(name, what, &old, &new, said);
        };
    by_name("constraint", constraint_texts(old), constraint_texts(new), said);
    by_name("index", index_texts(old), index_texts(new), said);
    by_name("trigger", trigger_texts(old), trigger_texts(new), said);
    let policies = |table: &Table| table.policies.join(", ");
    change(name, "policies", &policies(old), &policies(new), said);
    let flags = |table: &Table| {
        format!(
            "partitioned {}, child {}, replica identity {}, clustered {}, index properties {}, dependents [{}]",
            table.partitioned,
            table.partition_child,
            table.replica_identity_index,
            table.clustered,
            table.index_statistics,
            table.dependent_views.join(", ")
        )
    };
    change(name, "storage", &flags(old), &flags(new), said);
}

fn columns(name: &TableName, old: &Table, new: &Table, said: &mut Vec<String>) {
    for column in &old.columns {
        match new.column(&column.name) {
            None => said.push(t!("pg.column_gone", table = name, column = column.name).into_owned()),
            Some(newer) => compare_column(name, column, newer, said),
        }
    }
    for column in new.columns.iter().filter(|column| old.column(&column.name).is_none()) {
        let sentence =
            t!("pg.column_new", table = name, column = column.name, data_type = column.data_type.name);
        said.push(sentence.into_owned());
    }
    let shared = |one: &Table, other: &Table| -> Vec<String> {
        one.columns.iter().map(|c| c.name.clone()).filter(|name| other.column(name).is_some()).collect()
    };
    if shared(old, new) != shared(new, old) {
        said.push(t!("pg.column_order", table = name).into_owned());
    }
}

fn compare_column(name: &TableName, old: &Column, new: &Column, said: &mut Vec<String>) {
    let place = format!("{name}.{}", old.name);
    change(&place, "type", &old.data_type.name, &new.data_type.name, said);
    if old.data_type != new.data_type && old.data_type.name == new.data_type.name {
        // An enum's labels, a domain's checks, a composite's fields.
        let sentence = t!("pg.type_inside", place = place, data_type = old.data_type.name);
        said.push(sentence.into_owned());
    }
    change(&place, "not null", &old.not_null, &new.not_null, said);
    change(
        &place,
        "default",
        old.default.as_deref().unwrap_or("-"),
        new.default.as_deref().unwrap_or("-"),
        said,
    );
    change(&place, "identity", identity(old.identity), identity(new.identity), said);
    change(&place, "generated", &old.generated, &new.generated, said);
    change(&place, "nondeterministic collation", &old.nondeterministic, &new.nondeterministic, said);
    change(
        &place,
        "sequence",
        old.sequence.as_deref().unwrap_or("-"),
        new.sequence.as_deref().unwrap_or("-"),
        said,
    );
}

fn identity(identity: Identity) -> &'static str {
    match identity {
        Identity::None => "-",
        Identity::ByDefault => "by default",
        Identity::Always => "always",
    }
}

fn constraint_texts(table: &Table) -> BTreeMap<&str, String> {
    table.constraints.iter().map(|one| (one.name.as_str(), one.definition.clone())).collect()
}

fn index_texts(table: &Table) -> BTreeMap<&str, String> {
    let valid = |valid: bool| if valid { "" } else { " (invalid)" };
    table
        .indexes
        .iter()
        .map(|one| (one.name.as_str(), format!("{}{}", one.definition, valid(one.valid))))
        .collect()
}

fn trigger_texts(table: &Table) -> BTreeMap<&str, String> {
    let enabled = |enabled: bool| if enabled { "" } else { " (disabled)" };
    let text = |one: &crate::model::catalog::Trigger| format!("{}{}", one.definition, enabled(one.enabled));
    table.triggers.iter().map(|one| (one.name.as_str(), text(one))).collect()
}

/// Things with a name and a definition: gone, new or changed.
fn named(
    table: &TableName,
    what: &str,
    old: &BTreeMap<&str, String>,
    new: &BTreeMap<&str, String>,
    said: &mut Vec<String>,
) {
    for (name, definition) in old {
        match new.get(name) {
            None => said.push(t!("pg.thing_gone", table = table, what = what, name = name).into_owned()),
            Some(newer) => change(&format!("{table}, {what} {name}"), "definition", definition, newer, said),
        }
    }
    for (name, definition) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        let sentence = t!("pg.thing_new", table = table, what = what, name = name, definition = definition);
        said.push(sentence.into_owned());
    }
}

fn change<T: PartialEq + std::fmt::Display + ?Sized>(
    place: &(impl std::fmt::Display + ?Sized),
    what: &str,
    old: &T,
    new: &T,
    said: &mut Vec<String>,
) {
    if old != new {
        said.push(t!("pg.changed", place = place, what = what, old = old, new = new).into_owned());
    }
}
