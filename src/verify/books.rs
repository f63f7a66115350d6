//! Where differing rows are written down: `meta.difference` of the staging file, and statements that would repair them.
//! What a reading of the snapshot gave is kept there too.

use anyhow::Result;

use super::difference::Difference;
use super::fixes::Fixes;
use super::{Compared, OurSide, reading};
use crate::model::ident::literal;
use crate::staging::Staging;

/// The books of one verification; it works without any.
#[derive(Default)]
pub struct Books<'a> {
    staging: Option<(&'a Staging, String)>,
    pub(super) fixes: Option<Fixes>,
    /// Rows of `meta.difference` that are not written yet.
    rows: Vec<String>,
}

impl<'a> Books<'a> {
    /// `meta.difference` is emptied, and will hold what this run finds.
    pub fn open(staging: Option<&'a Staging>, run: &str, fixes: Option<Fixes>) -> Result<Self> {
        if let Some(staging) = staging {
            staging.execute("delete from meta.difference")?;
        }
        let staging = staging.map(|staging| (staging, run.to_owned()));
        Ok(Self { staging, fixes, rows: Vec::new() })
    }

    /// What an earlier reading of this name gave.
    pub(super) fn reading(
        &self,
        name: &reading::Name,
        tables: &[Compared<'_>],
    ) -> Result<Option<reading::Kept>> {
        match &self.staging {
            Some((staging, _)) => reading::kept(staging, name, tables),
            None => Ok(None),
        }
    }

    pub(super) fn keep_reading(&self, name: &reading::Name, ours: &OurSide) -> Result<()> {
        match &self.staging {
            Some((staging, _)) => reading::keep(staging, name, ours),
            None => Ok(()),
        }
    }

    /// Writes one row down; `expected` is the whole row as the snapshot has it.
    pub(super) fn add(
        &mut self,
        compared: &Compared<'_>,
        difference: &Difference,
        expected: Option<&[Option<String>]>,
    ) -> Result<()> {
        if let Some((_, run)) = &self.staging {
            let columns: Vec<String> =
                difference.columns.iter().map(|column| literal(&column.column)).collect();
            let cause = difference.cause.map_or("null".to_owned(), |cause| literal(cause.as_str()));
            self.rows.push(format!(
                "({}, {}, {}, {}, {cause}, [{}])",
                literal(run),
                literal(&compared.entry.table.to_string()),
                literal(&difference.key),
                literal(difference.kind.as_str()),
                columns.join(", "),
            ));
        }
        match &mut self.fixes {
            Some(fixes) => fixes.add(compared, difference, expected),
            None => Ok(()),
        }
    }

    /// Writes what has come together to the staging file.
    pub(super) fn flush(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        match &self.staging {
            Some((staging, _)) if !rows.is_empty() => {
                staging.execute(&format!("insert into meta.difference values {}", rows.join(", ")))
            }
            _ => Ok(()),
        }
    }
}
