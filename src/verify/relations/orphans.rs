//! Rows whose parent is not there, by every foreign key of their table and by those that clinic.toml declares.

use anyhow::Result;
use serde::Serialize;

use super::{Relation, RelationReport, Rows, number, unknown};
use crate::model::catalog::{Column, Constraint, ConstraintKind, Table};
use crate::model::ident::{TableName, quoted};
use crate::model::manifest::TableEntry;
use crate::verify::Options;

/// A foreign key: its columns and those of the parent, pair by pair.
#[derive(Serialize)]
pub(in crate::verify) struct Reference {
    kind: Relation,
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) parent: TableName,
    pub(super) parents: Vec<String>,
    match_full: bool,
    /// The columns have other types than their parents; nothing says that these have an `=`, so text is compared.
    as_text: bool,
}

/// Every foreign key of a table, and those that clinic.toml declares.
pub(in crate::verify) fn references(
    options: &Options<'_>,
    entry: &TableEntry,
    table: &Table,
) -> Result<Vec<Reference>> {
    let mut references: Vec<Reference> = table.foreign_keys().filter_map(of_constraint).collect();
    references.extend(declared(options, entry, table)?);
    Ok(references)
}

pub(super) async fn find(options: &Options<'_>, rows: &Rows<'_>) -> Result<Vec<RelationReport>> {
    let mut reports = Vec::new();
    for reference in &rows.compared.references {
        reports.extend(of_others(options, rows, reference).await?);
        let broken = match (rows.have_parents(reference), &rows.differing) {
            (true, None) => {
                reports.push(rows.report(reference.kind, &reference.name, 0));
                continue;
            }
            (true, Some((_, differing))) => {
                reference.orphans(rows, &format!("{} and {differing}", rows.condition))
            }
            (false, _) => reference.orphans(rows, rows.condition),
        };
        let orphans = number(options, &format!("select count(*) {broken}")).await?;
        let report = rows.report(reference.kind, &reference.name, orphans);
        reports.push(rows.named(options, report, &broken).await?);
    }
    Ok(reports)
}

/// Orphans among the rows that are not ours. Beside the rows of some batches there are those of others of the clinic's, which
/// are not asked about.
async fn of_others(
    options: &Options<'_>,
    rows: &Rows<'_>,
    reference: &Reference,
) -> Result<Option<RelationReport>> {
    if rows.all_ours || options.since.is_some() {
        return Ok(None);
    }
    let broken = reference.orphans(rows, &format!("({}) is not true", rows.condition));
    let orphans = number(options, &format!("select count(*) {broken}")).await?;
    Ok((orphans > 0).then(|| rows.report(Relation::OthersOrphans, &reference.name, orphans)))
}

fn of_constraint(constraint: &Constraint) -> Option<Reference> {
    let ConstraintKind::ForeignKey { references, referenced_columns, match_full, .. } = &constraint.kind
    else {
        return None;
    };
    Some(Reference {
        kind: Relation::ForeignKey,
        name: constraint.name.clone(),
        columns: constraint.columns.clone(),
        parent: references.clone(),
        parents: referenced_columns.clone(),
        match_full: *match_full,
        as_text: false,
    })
}

/// `[tables.NAME] references`: column to `table` (its primary key) or `table.column`.
fn declared(options: &Options<'_>, entry: &TableEntry, table: &Table) -> Result<Vec<Reference>> {
    let settings = options.clinic.table(&entry.table);
    let reference = |(column, reference): (&String, &String)| {
        let wrong = || anyhow::Error::from(unknown(&entry.table, column, reference));
        let ours = table.column(column).ok_or_else(wrong)?;
        let (parent, theirs) = parent(options, reference).ok_or_else(wrong)?;
        Ok(Reference {
            kind: Relation::Declared,
            name: format!("{column} → {parent}.{}", theirs.name),
            columns: vec![column.clone()],
            parent,
            parents: vec![theirs.name.clone()],
            match_full: false,
            as_text: ours.data_type.undomained().base != theirs.data_type.undomained().base,
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

impl Reference {
    /// A row has a parent where all its columns equal the parent's, and needs none where one of them is null.
    pub(super) fn is_simple(&self) -> bool {
        !self.as_text && (!self.match_full || self.columns.len() == 1)
    }

    /// A FROM clause of the rows that meet a condition and have no parent.
    fn orphans(&self, Rows { compared, .. }: &Rows<'_>, condition: &str) -> String {
        let all = |part: &dyn Fn(&String, &String) -> String| {
            let pairs = self.columns.iter().zip(&self.parents);
            pairs.map(|(ours, theirs)| part(ours, theirs)).collect::<Vec<_>>().join(" and ")
        };
        let cast = if self.as_text { "::text" } else { "" };
        let given = all(&|ours, _| format!("t.{} is not null", quoted(ours)));
        let same = all(&|ours, theirs| format!("t.{}{cast} = p.{}{cast}", quoted(ours), quoted(theirs)));
        let missing = format!("{given} and not exists (select from {} p where {same})", self.parent.quoted());
        // By MATCH FULL a key that is null in part has no parent either.
        let broken = if self.match_full && self.columns.len() > 1 {
            let none = all(&|ours, _| format!("t.{} is null", quoted(ours)));
            format!("({missing} or not ({given}) and not ({none}))")
        } else {
            missing
        };
        format!("from {} t where {condition} and {broken}", compared.entry.table.quoted())
    }
}
