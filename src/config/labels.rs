//! What a report calls things: `report/labels.toml` of a system, a product or a clinic.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

use super::sql_file::toml_file;
use super::{Clinic, Project, mistake};

/// Names for people, in the order in which a report tells of them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Labels {
    /// Of tables.
    tables: Vec<Label>,
    /// Of what leaves records out or changes them: a rule, or a model.
    reasons: Vec<Label>,
}

#[derive(Debug, Clone, Deserialize)]
struct Label {
    name: String,
    /// By language.
    #[serde(flatten)]
    texts: BTreeMap<String, String>,
}

impl Labels {
    /// Reads the clinic's own, else its product's, else its system's; none where there is no such file.
    ///
    /// # Errors
    /// A file that is no such list, by its path.
    pub fn read(project: &Project, clinic: &Clinic) -> Result<Self> {
        let Some((path, text)) = toml_file(project, clinic, "report", "labels")? else {
            return Ok(Self::default());
        };
        Ok(toml::from_str(&text).map_err(|error| mistake::of(&path, &error))?)
    }

    /// What a table is called in the language of the moment.
    pub fn table(&self, name: &str) -> Option<&str> {
        text(&self.tables, name)
    }

    /// What a rule or a model does, in words.
    pub fn reason(&self, name: &str) -> Option<&str> {
        text(&self.reasons, name)
    }

    /// The place of a table in the report; those without a label come last.
    pub fn place(&self, name: &str) -> usize {
        self.tables.iter().position(|label| label.name == name).unwrap_or(self.tables.len())
    }
}

fn text<'a>(labels: &'a [Label], name: &str) -> Option<&'a str> {
    let texts = &labels.iter().find(|label| label.name == name)?.texts;
    texts.get(&*rust_i18n::locale()).map(String::as_str)
}
