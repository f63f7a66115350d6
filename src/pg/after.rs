//! A target's tables as they will be once something is done that is only planned.

use std::collections::BTreeMap;

use crate::model::ident::TableName;

/// SQL of the rows of those tables that will have others; by default there is none.
#[derive(Debug, Default)]
pub struct After(BTreeMap<TableName, String>);

impl After {
    /// Says what a table's rows will be: a query.
    pub fn set(&mut self, table: &TableName, rows: &str) {
        self.0.insert(table.clone(), format!("({rows})"));
    }

    /// A table's rows, for a FROM clause.
    pub fn rows(&self, table: &TableName) -> String {
        self.0.get(table).cloned().unwrap_or_else(|| table.quoted())
    }
}
