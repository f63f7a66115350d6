//! Rows whose parent is not there, by every foreign key of their table and by those that clinic.toml declares.

use anyhow::Result;

use super::{Relation, RelationReport, Rows, number, unknown};
use crate::model::catalog::{Column, Constraint, ConstraintKind};
use crate::model::ident::{TableName, quoted};
use crate::verify::Options;

/// A foreign key as its two sides' SQL: `t.column` and `p.column`, pair by pair.
struct Reference {
    kind: Relation,
    name: String,
    parent: TableName,
    pairs: Vec<(String, String)>,
    match_full: bool,
}

pub(super) async fn find(options: &Options<'_>, rows: &Rows<'_>) -> Result<Vec<RelationReport>> {
    let mut references: Vec<Reference> =
        rows.compared.table.foreign_keys().filter_map(of_constraint).collect();
    references.extend(declared(options, rows)?);
    let mut reports = Vec::new();
    for reference in references {
        let orphans = number(options, &reference.sql(rows)).await?;
        reports.push(rows.report(reference.kind, &reference.name, orphans));
    }
    Ok(reports)
}

fn of_constraint(constraint: &Constraint) -> Option<Reference> {
    let ConstraintKind::ForeignKey { references, referenced_columns, match_full, .. } = &constraint.kind
    else {
        return None;
    };
    let pair =
        |(ours, theirs): (&String, &String)| (format!("t.{}", quoted(ours)), format!("p.{}", quoted(theirs)));
    Some(Reference {
        kind: Relation::ForeignKey,
        name: constraint.name.clone(),
        parent: references.clone(),
        pairs: constraint.columns.iter().zip(referenced_columns).map(pair).collect(),
        match_full: *match_full,
    })
}

/// `[tables.NAME] references`: column to `table` (its primary key) or `table.column`.
fn declared(options: &Options<'_>, rows: &Rows<'_>) -> Result<Vec<Reference>> {
    let table = &rows.compared.entry.table;
    let settings = options.clinic.table(table);
    let reference = |(column, reference): (&String, &String)| {
        let wrong = || anyhow::Error::from(unknown(table, column, reference));
        let ours = rows.compared.table.column(column).ok_or_else(wrong)?;
        let (parent, theirs) = parent(options, reference).ok_or_else(wrong)?;
        Ok(Reference {
            kind: Relation::Declared,
            name: format!("{column} → {parent}.{}", theirs.name),
            parent,
            pairs: vec![pair(ours, theirs)],
            match_full: false,
        })
    };
    settings.references.iter().map(reference).collect()
}

fn parent<'a>(options: &Options<'a>, reference: &str) -> Option<(TableName, &'a Column)> {
    let whole = TableName::from(reference);
    if let Some(table) = options.catalog.table(&whole) {
        let [key] = table.primary_key() else { return None };
        return Some((whole, table.column(key)?));
    }
    let (name, column) = reference.rsplit_once('.')?;
    let name = TableName::from(name);
    let column = options.catalog.table(&name)?.column(column)?;
    Some((name, column))
}

/// Columns of one type are compared as they are; others as text, since nothing says that their types have an `=`.
fn pair(ours: &Column, theirs: &Column) -> (String, String) {
    let same = ours.data_type.undomained().base == theirs.data_type.undomained().base;
    let cast = if same { "" } else { "::text" };
    (format!("t.{}{cast}", quoted(&ours.name)), format!("p.{}{cast}", quoted(&theirs.name)))
}

impl Reference {
    fn sql(&self, Rows { compared, condition }: &Rows<'_>) -> String {
        let joined = |parts: Vec<String>, word: &str| parts.join(&format!(" {word} "));
        let given = joined(self.pairs.iter().map(|(ours, _)| format!("{ours} is not null")).collect(), "and");
        let same =
            joined(self.pairs.iter().map(|(ours, theirs)| format!("{ours} = {theirs}")).collect(), "and");
        let missing = format!("{given} and not exists (select from {} p where {same})", self.parent.quoted());
        // By MATCH FULL a key that is null in part has no parent either.
        let broken = if self.match_full && self.pairs.len() > 1 {
            let none = joined(self.pairs.iter().map(|(ours, _)| format!("{ours} is null")).collect(), "and");
            format!("({missing} or not ({given}) and not ({none}))")
        } else {
            missing
        };
        format!("select count(*) from {} t where {condition} and {broken}", compared.entry.table.quoted())
    }
}
