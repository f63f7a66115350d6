//! Which records are compared at all: those that share a block.
//!
//! Each rule is an expression whose value, or each of whose values, names a block. How many pairs a rule makes follows
//! from the sizes of its blocks, before any is made; where it is more than its share, the biggest blocks are left out
//! ("block purging", Papadakis et al., 2013), which keeps what is rare and so tells most.

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::{Deserialize, Serialize};

use super::promise::{MANY_RECORDS, Signs};
use super::record::{self, Roles, valid};
use crate::config::Dedupe;
use crate::error::interrupt;
use crate::model::ident::quoted;
use crate::staging::Staging;

/// The temporary table of pairs that exact roles prove; they are in [`TABLE`] too.
pub(super) const CERTAIN: &str = "temp.linkage_certain";

/// The temporary table of pairs: `pair`, the lower id in its upper 32 bits, the higher one in the lower.
pub(super) const TABLE: &str = "temp.linkage_pair";

/// Of a rule that makes no more pairs, all are compared, however few the records are.
const FEW_PAIRS: u64 = 20_000;

/// An equal and valid identity number that more records have than this is a filler that somebody typed, no proof.
const MOST_OF_ONE_PERSON: u32 = 50;

/// What one rule makes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RuleReport {
    pub rule: String,
    /// Blocks of two records or more.
    pub blocks: u64,
    /// Records of the biggest one.
    pub biggest: u64,
    /// Pairs of all blocks; a pair that two rules make counts for both.
    pub pairs: u64,
    /// Pairs of the blocks that are compared.
    pub compared: u64,
    /// The biggest block that is compared; no limit where all are.
    pub limit: Option<u64>,
}

/// Blocks of one size.
#[derive(Debug, Clone, Copy)]
struct Size {
    records: u64,
    blocks: u64,
}

impl Size {
    fn pairs(self) -> u64 {
        self.blocks.saturating_mul(self.records * (self.records - 1) / 2)
    }
}

/// Fills [`TABLE`] with every pair that a rule or an exact role proposes, once.
///
/// # Errors
/// An expression that DuckDB refuses.
pub(super) fn build(
    staging: &Staging,
    settings: &Dedupe,
    roles: &Roles,
    records: u64,
) -> Result<Vec<RuleReport>> {
    staging.execute(
        "create or replace temp table linkage_candidate (pair ubigint);
         create or replace temp table linkage_pair (pair ubigint);
         create or replace temp table linkage_certain (pair ubigint)",
    )?;
    let signs = (records >= MANY_RECORDS).then(|| Signs::of(settings, roles));
    if let Some(signs) = &signs {
        staging.execute(&format!(
            "create or replace temp table linkage_sign as select id{} from {}",
            signs.columns(),
            record::TABLE
        ))?;
    }
    let mut reports = Vec::new();
    for rule in rules(settings, records) {
        let report = rule.count(staging)?;
        match rule.bound {
            Bound::Block(_) => make(staging, "linkage_certain", report.limit, None)?,
            Bound::Pairs(_) => make(staging, "linkage_candidate", report.limit, signs.as_ref())?,
        }
        reports.push(report);
    }
    staging.execute(
        "insert into linkage_pair select distinct pair from (from linkage_candidate union all from linkage_certain);
         drop table linkage_candidate; drop table if exists linkage_sign",
    )?;
    Ok(reports)
}

/// How many pairs each rule would make, without making any.
///
/// # Errors
/// An expression that DuckDB refuses.
pub(super) fn counted(staging: &Staging, settings: &Dedupe, records: u64) -> Result<Vec<RuleReport>> {
    let reports = rules(settings, records).iter().map(|rule| rule.count(staging)).collect();
    staging.execute("drop table if exists linkage_key")?;
    reports
}

/// A rule as it is carried out.
pub(super) struct Rule {
    name: String,
    expression: String,
    bound: Bound,
}

/// What a rule may not exceed.
#[derive(Debug, Clone, Copy)]
enum Bound {
    Pairs(u64),
    Block(u32),
}

/// The exact roles, then the rules of the settings.
pub(super) fn rules(settings: &Dedupe, records: u64) -> Vec<Rule> {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a bound"
    )]
    let most = ((settings.max_pairs * records as f64) as u64).max(FEW_PAIRS);
    let exact = settings.exact.keys().map(|role| Rule {
        name: format!("exact {role}"),
        expression: quoted(&valid(role)),
        bound: Bound::Block(MOST_OF_ONE_PERSON),
    });
    let blocks = settings.block.iter().map(|(name, expression)| Rule {
        name: name.clone(),
        expression: expression.clone(),
        bound: Bound::Pairs(most),
    });
    exact.chain(blocks).collect()
}

impl Rule {
    /// Fills the temporary table `linkage_key` (block, id) with the blocks of every record, and counts their pairs.
    pub(super) fn count(&self, staging: &Staging) -> Result<RuleReport> {
        self.counted(staging).with_context(|| t!("dedupe.in_rule", rule = self.name))
    }

    fn counted(&self, staging: &Staging) -> Result<RuleReport> {
        interrupt::check()?;
        let expression = &self.expression;
        let type_of = format!("select typeof(any_value({expression})) from {} as record", record::TABLE);
        let is_list = staging.value::<String>(&type_of)?.ends_with("[]");
        let keys = if is_list {
            format!(
                "select distinct id, unnest({expression})::varchar as block from {} as record",
                record::TABLE
            )
        } else {
            format!("select id, ({expression})::varchar as block from {} as record", record::TABLE)
        };
        staging.execute(&format!(
            "create or replace temp table linkage_key as select hash(block) as block, id from ({keys}) where block <> ''"
        ))?;
        let sizes = staging.rows(
            "select records, count(*)::ubigint from (select count(*)::ubigint as records from linkage_key group by block having count(*) > 1) \
             group by records order by records",
            |row| Ok(Size { records: row.get(0)?, blocks: row.get(1)? }),
        )?;
        let limit = limit(&sizes, self.bound);
        let within = |size: &&Size| limit.is_none_or(|limit| size.records <= limit);
        Ok(RuleReport {
            rule: self.name.clone(),
            blocks: sizes.iter().map(|size| size.blocks).sum(),
            biggest: sizes.last().map_or(0, |size| size.records),
            pairs: sizes.iter().map(|size| size.pairs()).sum(),
            compared: sizes.iter().filter(within).map(|size| size.pairs()).sum(),
            limit,
        })
    }
}

/// Adds the pairs of the blocks in `linkage_key` up to the limit, those that pass.
fn make(staging: &Staging, into: &str, limit: Option<u64>, signs: Option<&Signs>) -> Result<()> {
    let bounded = limit.map_or(String::new(), |limit| format!(" and count(*) <= {limit}"));
    staging.execute(&format!(
        "create or replace temp table linkage_block as \
           select * from linkage_key {joined} semi join (select block from linkage_key group by block having count(*) > 1{bounded}) using (block);
         insert into {into} select (l.id::ubigint << 32) | r.id from linkage_block as l \
           join linkage_block as r on l.block = r.block and l.id < r.id where {pass};
         drop table linkage_key; drop table linkage_block",
        joined = if signs.is_some() { "join linkage_sign using (id)" } else { "" },
        pass = signs.map_or_else(|| "true".to_owned(), Signs::pass),
    ))
}

/// The biggest block that may be compared; none where all may.
fn limit(sizes: &[Size], bound: Bound) -> Option<u64> {
    let over = match bound {
        Bound::Block(most) => sizes.iter().position(|size| size.records > u64::from(most))?,
        Bound::Pairs(most) => {
            let mut sum = 0_u64;
            sizes.iter().position(|size| {
                sum = sum.saturating_add(size.pairs());
                sum > most
            })?
        }
    };
    Some(over.checked_sub(1).map_or(1, |last| sizes[last].records))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_biggest_blocks_are_left_out_first() {
        let sizes = [
            Size { records: 2, blocks: 10 },
            Size { records: 3, blocks: 2 },
            Size { records: 100, blocks: 1 },
        ];
        let limit = |most| limit(&sizes, Bound::Pairs(most));
        assert_eq!(sizes.map(Size::pairs), [10, 6, 4950]);
        assert_eq!((limit(5000), limit(4966), limit(4965), limit(16)), (None, None, Some(3), Some(3)));
        assert_eq!((limit(15), limit(9)), (Some(2), Some(1)));
        assert_eq!(super::limit(&sizes, Bound::Block(50)), Some(3));
    }
}
