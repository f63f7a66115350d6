//! What a report calls things, and a run its work: `report/labels.toml` of a system, a product or a clinic.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

use super::sql_file::toml_file;
use super::{Clinic, Project, mistake};
use crate::model::run::Part;

/// Names for people, in the order in which a report tells of them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Labels {
    /// Of tables.
    tables: Vec<Label>,
    /// Of what leaves records out or changes them: a rule, or a model.
    reasons: Vec<Label>,
    /// Of what a run does.
    phases: Vec<Phase>,
}

/// A piece of work, or several, in the words of those whom the migration is for.
#[derive(Debug, Clone, Deserialize)]
struct Phase {
    parts: Vec<Part>,
    /// By language.
    #[serde(flatten)]
    texts: BTreeMap<String, String>,
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
        Ok(toml::from_str(&text).map_err(|error| mistake::of(&path, Some(&text), &error))?)
    }

    /// What a table is called in the language of the moment.
    pub fn table(&self, name: &str) -> Option<&str> {
        text(&self.tables, name)
    }

    /// What a rule or a model does, in words.
    pub fn reason(&self, name: &str) -> Option<&str> {
        text(&self.reasons, name)
    }

    /// What a piece of a run's work is called; none where it has no name of its own.
    pub fn phase(&self, part: Part) -> Option<&str> {
        let phase = self.phases.iter().find(|phase| phase.parts.contains(&part))?;
        phase.texts.get(&*rust_i18n::locale()).map(String::as_str)
    }

    /// How wide a column of all phases' names is.
    pub fn phase_width(&self) -> usize {
        let names = self.phases.iter().flat_map(|phase| phase.texts.get(&*rust_i18n::locale()));
        names.map(|name| name.chars().count()).max().unwrap_or(0)
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
