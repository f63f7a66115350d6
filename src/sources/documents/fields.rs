//! The columns of document sources: the top-level fields of all documents of all files, in the order in which they are
//! first seen, and the whole document behind them.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use rust_i18n::t;

use super::json::{Field, unescaped};
use super::walk::{Item, Walk};
use crate::sources::{Finding, Severity, header};

/// So many fields become columns; those that come after them (a field for each patient ...) are in the document only.
const COLUMNS: usize = 1000;
/// What the column of a document's own `_id` is called, since `_id` is ours.
const DOC_ID: &str = "_doc_id";

/// A source's fields, as columns.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// As the documents have them.
    keys: Vec<String>,
    /// By key; those that have no column are not here.
    places: HashMap<String, usize>,
    /// The columns' names, that of the whole document last.
    pub(super) names: Vec<String>,
    pub(super) findings: Vec<Finding>,
    /// Fields without a column.
    beyond: u64,
}

impl Fields {
    /// Collects the fields of files, behind those of a table that is there.
    pub(super) fn collect(walks: &[Walk<'_>], earlier: &[String]) -> Result<Arc<Self>> {
        let mut fields = Self::default();
        for name in earlier.iter().rev().skip(1).rev() {
            fields.add(if name == DOC_ID { "_id" } else { name });
        }
        for walk in walks {
            let mut any = false;
            walk.each(&mut |item, _, _| {
                if let Item::Document { text, fields: found } = item {
                    any = true;
                    fields.notice(text, found);
                }
                Ok(())
            })
            .and_then(|end| end.refuse_all(any, walk))?;
        }
        fields.name();
        Ok(Arc::new(fields))
    }

    fn notice(&mut self, text: &str, found: &[Field]) {
        let mut expected = 0;
        for field in found {
            let place = match self.place(text, field, expected) {
                Some(place) => place,
                None => {
                    let key = &text[field.key.clone()];
                    self.add(&if field.key_is_escaped { unescaped(key) } else { key.to_owned() })
                }
            };
            expected = place + 1;
        }
    }

    fn add(&mut self, key: &str) -> usize {
        if self.keys.len() >= COLUMNS && !self.places.contains_key(key) {
            self.beyond += 1;
            return COLUMNS;
        }
        self.places.insert(key.to_owned(), self.keys.len());
        self.keys.push(key.to_owned());
        self.keys.len() - 1
    }

    /// The column of a field, which is mostly the one behind the field before.
    pub(super) fn place(&self, text: &str, field: &Field, expected: usize) -> Option<usize> {
        let key = &text[field.key.clone()];
        if field.key_is_escaped {
            return self.places.get(&unescaped(key)).copied();
        }
        match self.keys.get(expected) {
            Some(next) if next == key => Some(expected),
            _ => self.places.get(key).copied(),
        }
    }

    /// The names of the columns, that of the whole document last.
    pub fn columns(&self) -> &[String] {
        &self.names
    }

    pub(super) fn count(&self) -> usize {
        self.keys.len()
    }

    fn name(&mut self) {
        let own = |key: &String| if key == "_id" { DOC_ID.to_owned() } else { key.clone() };
        let texts: Vec<String> =
            std::iter::once("_doc".to_owned()).chain(self.keys.iter().map(own)).collect();
        let (mut header, findings) = header::name(&texts);
        header.names.rotate_left(1);
        (self.names, self.findings) = (header.names, findings);
        if self.beyond > 0 {
            let detail = t!("documents.detail.beyond", columns = COLUMNS);
            self.findings
                .push(Finding::new("fields_not_columns", Severity::Warning, self.beyond).detail(detail));
        }
    }
}
