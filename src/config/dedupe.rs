//! `[dedupe.<entity>]`: how records of one entity are found to be the same, over a shared file such as
//! `sql/dedupe/person.toml`.
//!
//! A clinic's section is laid over the shared file that it names: tables are joined key by key, anything else is
//! replaced, and a comparison or blocking rule that is set to `false` is left out.

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::sql_file::toml_file;
use super::{Clinic, Project, mistake, near};
use crate::error::Failure;

/// Resolved settings of one entity.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Dedupe {
    /// The shared file, `sql/dedupe/<like>.toml`.
    #[serde(default)]
    pub like: Option<String>,
    /// Role to the columns of `clean.<entity>` that play it, where they have other names than the role knows.
    #[serde(default)]
    pub columns: BTreeMap<String, Columns>,
    /// What a record is compared by.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    #[serde(default)]
    pub compare: BTreeMap<String, Compare>,
    /// Name to an SQL expression over roles; records that share its value, or one of the values of a list, become a pair.
    #[serde(default)]
    pub block: BTreeMap<String, String>,
    /// Role to what makes an equal value of it proof enough.
    #[serde(default)]
    pub exact: BTreeMap<String, Exact>,
    /// Sets of roles: two records that both have all of them, and differ in each, are never the same.
    #[serde(default)]
    pub never: Vec<Vec<String>>,
    /// Match probability from which a pair is taken for the same.
    #[serde(default = "Dedupe::default_accept")]
    pub accept: f64,
    /// Match probability from which a pair waits for a person's decision.
    #[serde(default = "Dedupe::default_review")]
    pub review: f64,
    /// Pairs that may wait for a decision when a push begins.
    #[serde(default)]
    pub max_pending: u64,
    /// Pairs that one blocking rule may make, for each record; of a rule that makes more, the biggest blocks are left out.
    #[serde(default = "Dedupe::default_max_pairs")]
    pub max_pairs: f64,
    #[serde(default)]
    pub survivor: Survivor,
    /// What of it the clinic's own section says: a shared file may name columns that a clinic has not.
    #[serde(skip)]
    pub own_survivor: Survivor,
}

/// One column or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Columns {
    One(String),
    Many(Vec<String>),
}

/// A part of a record.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    pub read: Read,
    /// Names that such columns go by, the first that is there is taken; `a + b` means both, where a is there.
    pub known_as: Vec<String>,
}

/// How a cell becomes what is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// Lower case without accents and punctuation.
    #[default]
    Text,
    /// The same, letters only; several columns are parts of one name.
    Name,
    /// `yyyymmdd`: a date, or text that has the year first.
    Date,
    /// Letters and digits in capitals.
    Code,
    /// The last nine digits; several columns are several phones.
    Phone,
    Email,
    /// Like text, a line each column.
    Lines,
    Number,
}

/// What two records are compared in.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    #[serde(rename = "as")]
    pub kind: CompareKind,
    /// By default the role of the comparison's own name.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Agreement on a rare value counts more than on a frequent one.
    #[serde(default)]
    pub term_frequency: bool,
    /// Different records of one household have it in common as often as records of one person.
    #[serde(default)]
    pub shared: bool,
}

/// The ladder of levels of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CompareKind {
    /// Equal or not.
    Exact,
    /// Given name and surnames together, in whichever order.
    PersonName,
    Text,
    Code,
    Date,
    /// Whether two lists have a value in common.
    Overlap,
    Email,
    /// Address lines, in whichever order.
    Lines,
    Number,
}

/// When one equal value is proof.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Exact {
    /// An SQL expression over roles that is true of values with a valid check digit.
    pub valid: String,
    /// Roles that may be missing, or typed wrongly, but not be different.
    #[serde(default)]
    pub compatible: Vec<String>,
}

/// Which record's value a golden record takes.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Survivor {
    pub rule: Rule,
    /// Column to rule.
    pub columns: BTreeMap<String, Rule>,
    /// Columns that belong to each other, such as street and town: a golden record takes them from one record.
    pub together: Vec<Vec<String>>,
    /// For `most_recent`: columns that say when a record was changed, the first that is there and filled counts.
    pub recency: Vec<String>,
    /// For `source_order`: names of sources, the most trusted first.
    pub sources: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Of the record that has most columns filled.
    #[default]
    MostComplete,
    MostRecent,
    Longest,
    MostFrequent,
    SourceOrder,
}

impl CompareKind {
    /// How cells are read that only this comparison describes.
    fn read(self) -> Read {
        match self {
            CompareKind::Exact | CompareKind::Text => Read::Text,
            CompareKind::PersonName => Read::Name,
            CompareKind::Code => Read::Code,
            CompareKind::Date => Read::Date,
            CompareKind::Overlap | CompareKind::Lines => Read::Lines,
            CompareKind::Email => Read::Email,
            CompareKind::Number => Read::Number,
        }
    }
}

impl Columns {
    pub fn names(&self) -> &[String] {
        match self {
            Columns::One(name) => std::slice::from_ref(name),
            Columns::Many(names) => names,
        }
    }
}

impl Dedupe {
    fn default_accept() -> f64 {
        0.95
    }

    fn default_review() -> f64 {
        0.2
    }

    fn default_max_pairs() -> f64 {
        5.0
    }

    /// Lays a section of clinic.toml over the shared file that it names.
    ///
    /// # Errors
    /// A shared file that is not there, a key that is not known (with its path), a threshold that is no probability.
    pub(super) fn resolve(project: &Project, clinic: &Clinic, entity: &str, section: &Table) -> Result<Self> {
        let mut whole = match section.get("like").and_then(Value::as_str) {
            Some(name) => shared(project, clinic, entity, name)?,
            None => Table::new(),
        };
        lay_over(&mut whole, section);
        for part in ["compare", "block"] {
            if let Some(Value::Table(rules)) = whole.get_mut(part) {
                rules.retain(|_, rule| *rule != Value::Boolean(false));
            }
        }
        let place = format!("[dedupe.{entity}]");
        let mut settings: Self = whole.try_into().map_err(|error| mistake::of(&place, None, &error))?;
        if let Some(own) = section.get("survivor") {
            settings.own_survivor =
                own.clone().try_into().map_err(|error| mistake::of(&place, None, &error))?;
        }
        settings.imply_roles();
        settings.validate(&place)?;
        Ok(settings)
    }

    /// A comparison without roles is of the role of its own name, and a role that nothing describes is the column of
    /// its own name.
    fn imply_roles(&mut self) {
        for (name, compare) in &mut self.compare {
            if compare.roles.is_empty() {
                compare.roles.push(name.clone());
            }
            for role in &compare.roles {
                if !self.roles.contains_key(role) {
                    let read = compare.kind.read();
                    self.roles.insert(role.clone(), Role { read, known_as: Vec::new() });
                    self.columns.entry(role.clone()).or_insert_with(|| Columns::One(role.clone()));
                }
            }
        }
    }

    fn validate(&self, place: &str) -> Result<()> {
        if self.compare.is_empty() {
            return Err(Failure::usage(t!("config.dedupe_empty", place = place))
                .hint(t!("config.dedupe_empty_hint"))
                .into());
        }
        let ordered = 0.0 < self.review && self.review <= self.accept && self.accept < 1.0;
        if !ordered {
            return Err(Failure::usage(t!("config.dedupe_thresholds", place = place)).into());
        }
        let used = self.exact.keys().chain(self.exact.values().flat_map(|exact| &exact.compatible));
        for role in used.chain(self.never.iter().flatten()).chain(self.columns.keys()) {
            if !self.roles.contains_key(role) {
                let near = near(role, self.roles.keys());
                return Err(Failure::usage(t!(
                    "config.dedupe_role",
                    place = place,
                    role = role,
                    near = near
                ))
                .into());
            }
        }
        Ok(())
    }
}

/// The shared file of this name: the clinic's own, else its product's or system's, else everyone's.
fn shared(project: &Project, clinic: &Clinic, entity: &str, name: &str) -> Result<Table> {
    let Some((path, text)) = toml_file(project, clinic, "dedupe", name)? else {
        return Err(Failure::usage(t!("config.dedupe_like", entity = entity, name = name)).into());
    };
    Ok(text.parse::<Table>().map_err(|error| mistake::of(&path, Some(&text), &error))?)
}

fn lay_over(base: &mut Table, over: &Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => lay_over(base, over),
            _ => drop(base.insert(key.clone(), value.clone())),
        }
    }
}
