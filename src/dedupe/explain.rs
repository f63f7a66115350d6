//! Why two records scored as they did, compared anew, and what becomes of them.

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::blocking;
use super::cluster::Decided;
use super::compare::{self, Ladder};
use super::model::{Model, probability};
use super::pairs::{details_of, pairs_table};
use super::record::{self, Roles};
use super::values::Values;
use super::waterfall::Waterfall;
use crate::config::{Clinic, Dedupe, Project};
use crate::error::{self, Failure};
use crate::model::ident::quoted;
use crate::staging::Staging;

/// The pairs that are asked about: `place`, `pair`.
const ASKED: &str = "linkage_asked";

/// The source_ids of two records.
type Names = (String, String);

/// Why two records scored as they did, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    pub left: String,
    pub right: String,
    #[serde(flatten)]
    pub waterfall: Waterfall,
    pub probability: f64,
    pub verdict: Verdict,
    /// They have one golden id.
    pub one_cluster: bool,
    /// The blocking rules that make this pair, also those whose block is too big.
    pub rules: Vec<Proposal>,
}

/// What becomes of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    MustLink,
    CannotLink,
    Never,
    Exact,
    Accepted,
    Waiting,
    Rejected,
}

/// A blocking rule that makes a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposal {
    pub rule: String,
    /// Records of the smallest block that the two share.
    pub block: u64,
    /// The block is small enough to be compared.
    pub compared: bool,
}

/// The records of an entity, ready to be asked about.
pub struct Explainer<'a> {
    staging: &'a Staging,
    entity: &'a str,
    settings: &'a Dedupe,
    model: Model,
    ladders: Vec<Ladder>,
    values: Values,
    records: u64,
}

/// A pair as it was compared.
struct Compared {
    pattern: u64,
    exact: bool,
    never: bool,
    one_cluster: bool,
}

impl<'a> Explainer<'a> {
    /// Reads the records of `clean.<entity>` into a temporary table, and the model that was fitted last.
    ///
    /// # Errors
    /// No model yet, or one of other comparisons than the settings have now.
    pub fn new(
        project: &Project,
        clinic: &Clinic,
        staging: &'a Staging,
        entity: &'a str,
        settings: &'a Dedupe,
    ) -> Result<Self> {
        let missing = || {
            Failure::failed(t!("dedupe.not_linked", entity = entity))
                .hint(format!("trasvase transform {}", clinic.name))
        };
        if !staging.has_table("dedupe", entity)? {
            return Err(missing().into());
        }
        let model = Model::fitted(project, clinic, entity)?.ok_or_else(missing)?;
        let roles = Roles::find(staging, entity, settings)?;
        let ladders = compare::ladders(settings, &roles);
        if !model.fits(&ladders) {
            return Err(Failure::failed(t!("dedupe.settings_changed", entity = entity))
                .hint(format!("trasvase transform {}", clinic.name))
                .into());
        }
        compare::register(staging)?;
        let records = roles.build(staging, entity, settings)?;
        let values = Values::read(staging, &ladders, records)?;
        Ok(Self { staging, entity, settings, model, ladders, values, records })
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Explains two records; their order does not matter.
    ///
    /// # Errors
    /// A source_id that no record has.
    pub fn explain(&self, one: &str, other: &str, decisions: &[Decided]) -> Result<Explanation> {
        let mut found = self.explain_all(&[(one.to_owned(), other.to_owned())], decisions)?;
        found.pop().ok_or_else(|| self.no_record())
    }

    /// Explains pairs, in their order.
    ///
    /// # Errors
    /// As [`explain`](Self::explain).
    pub fn explain_all(&self, pairs: &[(String, String)], decisions: &[Decided]) -> Result<Vec<Explanation>> {
        let (names, pairs) = self.ask(pairs)?;
        let compared = self.compared(&pairs)?;
        let rarities = self.rarities()?;
        let proposals = self.proposals(&pairs)?;
        let explained = names.iter().zip(&compared).zip(proposals).enumerate();
        let explained = explained.map(|(place, ((names, compared), rules))| {
            let rarity = |at: usize| rarities[at].get(place).copied().unwrap_or_default();
            let waterfall = self.waterfall(compared.pattern, rarity);
            Explanation {
                left: names.0.clone(),
                right: names.1.clone(),
                probability: probability(waterfall.weight),
                verdict: self.verdict(names, compared, waterfall.weight, decisions),
                one_cluster: compared.one_cluster,
                rules,
                waterfall,
            }
        });
        Ok(explained.collect())
    }

    /// The waterfall of a pattern, with the rarity of each comparison.
    fn waterfall(&self, pattern: u64, rarity: impl Fn(usize) -> f64) -> Waterfall {
        let rarities: Vec<f64> = (0..self.ladders.len()).map(rarity).collect();
        let sum = rarities.iter().sum();
        let mut waterfall = Waterfall::new(&self.model, pattern, sum, self.model.joint(pattern).weight(sum));
        for (part, rarity) in waterfall.parts.iter_mut().zip(rarities) {
            part.rarity = rarity;
        }
        waterfall
    }

    /// Fills the temporary table of pairs. Gives their source_ids, the smaller first, and their numbers.
    fn ask(&self, pairs: &[Names]) -> Result<(Vec<Names>, Vec<u64>)> {
        self.staging
            .execute("create or replace temp table linkage_named (place ubigint, l varchar, r varchar)")?;
        {
            let mut appender = self
                .staging
                .connection()
                .appender_to_catalog_and_db("linkage_named", "temp", "main")
                .map_err(error::duckdb)?;
            for (place, (one, other)) in (0_u64..).zip(pairs) {
                appender.append_row(duckdb::params![place, one, other]).map_err(error::duckdb)?;
            }
        }
        self.staging.execute(&format!(
            "create or replace temp table {ASKED} as \
             select place, (least(l.id, r.id)::ubigint << 32) | greatest(l.id, r.id)::ubigint as pair \
             from linkage_named as named join {record} as l on l.source_id = named.l \
               join {record} as r on r.source_id = named.r where l.id <> r.id order by place; \
             drop table linkage_named",
            record = record::TABLE
        ))?;
        let asked: Vec<(Names, u64)> = self.staging.rows(
            &format!(
                "select l.source_id, r.source_id, pair from {ASKED} as asked {both} order by place",
                both = record::ends("asked", record::TABLE)
            ),
            |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)),
        )?;
        if asked.len() < pairs.len() {
            return Err(self.no_record());
        }
        Ok(asked.into_iter().unzip())
    }

    fn no_record(&self) -> anyhow::Error {
        Failure::usage(t!("dedupe.no_record", entity = self.entity))
            .hint(t!("dedupe.no_record_hint", entity = self.entity))
            .into()
    }

    fn compared(&self, pairs: &[u64]) -> Result<Vec<Compared>> {
        let patterns: BTreeMap<u64, u64> =
            pairs.iter().map(|pair| (*pair, self.values.pattern(*pair))).collect();
        pairs_table(self.staging, "linkage_asked_pattern", patterns.iter())?;
        self.staging.rows(
            &format!(
                "select pattern, exact, never, coalesce(lx.golden_id = rx.golden_id, false) \
                 from {ASKED} as asked join ({details}) using (pair) \
                 {both} \
                 left join xref.{xref} as lx on lx.source_id = l.source_id left join xref.{xref} as rx on rx.source_id = r.source_id \
                 order by place",
                details = details_of("temp.linkage_asked_pattern", &self.ladders, self.settings),
                both = record::ends("asked", record::TABLE),
                xref = quoted(self.entity)
            ),
            |row| {
                Ok(Compared {
                    pattern: row.get(0)?,
                    exact: row.get(1)?,
                    never: row.get(2)?,
                    one_cluster: row.get(3)?,
                })
            },
        )
    }

    /// The rarity of each comparison's values, by comparison, then by pair; empty where it has none.
    fn rarities(&self) -> Result<Vec<Vec<f64>>> {
        let each = self.ladders.iter().enumerate().map(|(at, ladder)| {
            if ladder.rarity.is_none() {
                return Ok(Vec::new());
            }
            let mut ladders = self.ladders.clone();
            for (other, ladder) in ladders.iter_mut().enumerate() {
                if other != at {
                    ladder.rarity = None;
                }
            }
            let details = details_of("temp.linkage_asked_pattern", &ladders, self.settings);
            self.staging.rows(
                &format!("select rarity from {ASKED} join ({details}) using (pair) order by place"),
                |row| row.get(0),
            )
        });
        each.collect()
    }

    /// By pair, the rules that make it.
    fn proposals(&self, pairs: &[u64]) -> Result<Vec<Vec<Proposal>>> {
        let mut proposals = vec![Vec::new(); pairs.len()];
        for rule in blocking::rules(self.settings, self.records) {
            let blocks = rule.blocks(self.staging, self.entity, self.settings)?;
            let report = rule.report(&blocks);
            for (proposals, block) in proposals.iter_mut().zip(blocks.shared(pairs)) {
                let Some(block) = block else { continue };
                let compared = report.limit.is_none_or(|limit| block <= limit);
                proposals.push(Proposal { rule: report.rule.clone(), block, compared });
            }
        }
        Ok(proposals)
    }

    fn verdict(
        &self,
        (left, right): &(String, String),
        compared: &Compared,
        weight: f64,
        decisions: &[Decided],
    ) -> Verdict {
        let about = |decided: &&Decided| {
            let pair = (&decided.left, &decided.right);
            pair == (left, right) || pair == (right, left)
        };
        match decisions.iter().rfind(about) {
            Some(decided) if decided.same => Verdict::MustLink,
            Some(_) => Verdict::CannotLink,
            None if compared.never => Verdict::Never,
            None if compared.exact => Verdict::Exact,
            None if probability(weight) >= self.settings.accept => Verdict::Accepted,
            None if probability(weight) >= self.settings.review => Verdict::Waiting,
            None => Verdict::Rejected,
        }
    }
}

/// How many pairs each rule would make of the records in `clean.<entity>`; makes none and writes nothing.
///
/// # Errors
/// No such table, an expression that DuckDB refuses.
pub fn blocking_report(
    staging: &Staging,
    entity: &str,
    settings: &Dedupe,
) -> Result<(u64, Vec<blocking::RuleReport>)> {
    let roles = Roles::find(staging, entity, settings)?;
    let records = roles.build(staging, entity, settings)?;
    Ok((records, blocking::counted(staging, entity, settings, records)?))
}
