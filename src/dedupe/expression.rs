//! The SQL expressions that settings bring along, and what is said about one that is wrong.

use rust_i18n::t;

use crate::config::{Dedupe, near};
use crate::error::Failure;

/// What DuckDB says where it is not the expression that is at fault.
const OF_SYSTEM: [&str; 5] = ["INTERRUPT", "Out of Memory", "IO Error", "FATAL", "INTERNAL"];

/// An SQL expression over roles.
pub struct Expression<'a> {
    place: Place,
    name: &'a str,
    pub sql: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Block,
    Valid,
}

/// Those of an entity's settings.
pub fn expressions(settings: &Dedupe) -> impl Iterator<Item = Expression<'_>> {
    let block = settings.block.iter().map(|(name, sql)| Expression { place: Place::Block, name, sql });
    let valid = settings.exact.iter().map(|(name, exact)| Expression {
        place: Place::Valid,
        name,
        sql: &exact.valid,
    });
    block.chain(valid)
}

/// The settings without their expressions.
pub fn bare(settings: &Dedupe) -> Dedupe {
    Dedupe { block: Default::default(), exact: Default::default(), ..settings.clone() }
}

impl Expression<'_> {
    /// As a message names it.
    fn text(&self) -> String {
        match self.place {
            Place::Block => t!("dedupe.in_rule", rule = self.name),
            Place::Valid => t!("dedupe.in_valid", role = self.name),
        }
        .into_owned()
    }

    /// What is wrong with it: a sentence of ours, then the engine's words.
    pub fn wrong(&self, entity: &str, settings: &Dedupe, detail: &str) -> Failure {
        let detail = detail.lines().next().unwrap_or_default();
        let unknown = detail.split_once("column \"").and_then(|(_, rest)| rest.split('"').next());
        let near = unknown.map(|name| near(name, settings.roles.keys())).unwrap_or_default();
        let text = self.text();
        let failure =
            Failure::failed(t!("dedupe.expression_wrong", what = text, near = near, detail = detail));
        match self.place {
            Place::Block => failure.hint(t!("dedupe.rule_hint", entity = entity, rule = self.name)),
            Place::Valid => failure.hint(t!("dedupe.valid_hint", entity = entity, role = self.name)),
        }
    }

    /// The same of an error of DuckDB's; one that the expression has no part in stays as it is.
    pub(super) fn failed(&self, entity: &str, settings: &Dedupe, error: anyhow::Error) -> anyhow::Error {
        let detail = error.to_string();
        if error.is::<Failure>() || OF_SYSTEM.iter().any(|kind| detail.starts_with(kind)) {
            return error;
        }
        self.wrong(entity, settings, &t!("error.duckdb_says", words = detail)).into()
    }
}
