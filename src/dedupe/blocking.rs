//! Which records are compared at all: those that share a block.
//!
//! Each rule is an expression whose value, or each of whose values, names a block. How many pairs a rule makes follows
//! from the sizes of its blocks, before any is made; where it is more than its share, the biggest blocks are left out
//! ("block purging", Papadakis et al., 2013), which keeps what is rare and so tells most.
//!
//! DuckDB evaluates the expressions; blocks are sorted and their pairs sorted out here: as joins within DuckDB that was
//! two fifths of the time of linking.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use duckdb::arrow::array::AsArray as _;
use duckdb::arrow::datatypes::{UInt32Type, UInt64Type};
use serde::{Deserialize, Serialize};

use super::expression::expressions;
use super::promise::{MANY_RECORDS, Signs};
use super::record::{self, Roles, valid};
use crate::config::Dedupe;
use crate::error::interrupt;
use crate::model::ident::quoted;
use crate::staging::Staging;

/// Of a rule that makes no more pairs, all are compared, however few the records are.
const FEW_PAIRS: u64 = 20_000;

/// An equal and valid identity number that more records have than this is a filler that somebody typed, no proof.
const MOST_OF_ONE_PERSON: u32 = 50;

/// So many pairs are collected before those that two rules make are told to be one.
const COLLECTED: usize = 4_000_000;

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

/// The pairs that rules and exact roles propose, each once, in ascending order.
pub(super) struct Proposed {
    pub(super) rules: Vec<RuleReport>,
    pub(super) pairs: Vec<u64>,
    /// Those of them that exact roles prove.
    pub(super) certain: Vec<u64>,
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

/// Two records as one number: the lower id in its upper 32 bits, the higher one in the lower.
pub(super) fn pair_of(one: u32, other: u32) -> u64 {
    u64::from(one.min(other)) << 32 | u64::from(one.max(other))
}

/// The lower id of a pair, then the higher one.
#[expect(clippy::cast_possible_truncation, reason = "its halves are 32 bits each")]
pub(super) fn ends_of(pair: u64) -> (u32, u32) {
    ((pair >> 32) as u32, pair as u32)
}

/// Makes the pairs of every rule and exact role.
///
/// # Errors
/// An expression that DuckDB refuses.
pub(super) fn propose(
    staging: &Staging,
    entity: &str,
    settings: &Dedupe,
    roles: &Roles,
    records: u64,
) -> Result<Proposed> {
    let signs =
        (records >= MANY_RECORDS).then(|| Signs::read(staging, settings, roles, records)).transpose()?;
    let (mut rules_of, mut pairs, mut certain) = (Vec::new(), Vec::new(), Vec::new());
    let mut once = 0;
    for rule in rules(settings, records) {
        interrupt::check()?;
        let blocks = rule.blocks(staging, entity, settings)?;
        let report = rule.report(&blocks);
        match rule.bound {
            Bound::Block(_) => certain.extend(blocks.pairs(report.limit)),
            Bound::Pairs(_) => match &signs {
                Some(signs) => pairs.extend(blocks.pairs(report.limit).filter(|pair| {
                    let (left, right) = ends_of(*pair);
                    signs.pass(left, right)
                })),
                None => pairs.extend(blocks.pairs(report.limit)),
            },
        }
        rules_of.push(report);
        if pairs.len() > 2 * once + COLLECTED {
            sort(&mut pairs);
            once = pairs.len();
        }
    }
    sort(&mut certain);
    pairs.extend(&certain);
    sort(&mut pairs);
    Ok(Proposed { rules: rules_of, pairs, certain })
}

fn sort<T: Ord>(values: &mut Vec<T>) {
    values.sort_unstable();
    values.dedup();
}

/// How many pairs each rule would make, without making any.
///
/// # Errors
/// An expression that DuckDB refuses.
pub(super) fn counted(
    staging: &Staging,
    entity: &str,
    settings: &Dedupe,
    records: u64,
) -> Result<Vec<RuleReport>> {
    let report = |rule: &Rule| Ok(rule.report(&rule.blocks(staging, entity, settings)?));
    rules(settings, records).iter().map(report).collect()
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
    /// The blocks of every record.
    ///
    /// # Errors
    /// An expression that DuckDB refuses.
    pub(super) fn blocks(&self, staging: &Staging, entity: &str, settings: &Dedupe) -> Result<Blocks> {
        self.read(staging).map_err(|error| {
            match expressions(settings).find(|expression| expression.sql == self.expression) {
                Some(expression) => expression.failed(entity, settings, error),
                None => error,
            }
        })
    }

    fn read(&self, staging: &Staging) -> Result<Blocks> {
        let from = format!("from {} as record", record::TABLE);
        let described =
            format!("select column_type from (describe select ({}) as block {from})", self.expression);
        let is_list = staging.value::<String>(&described)?.ends_with("[]");
        let block =
            if is_list { format!("unnest({})", self.expression) } else { format!("({})", self.expression) };
        let sql = format!(
            "select hash(block), id from (select {block}::varchar as block, id {from}) where block <> ''"
        );
        let mut members = Vec::new();
        staging.batches(&sql, |batch| {
            let blocks = batch.column(0).as_primitive::<UInt64Type>().values();
            let ids = batch.column(1).as_primitive::<UInt32Type>().values();
            members.extend(blocks.iter().copied().zip(ids.iter().copied()));
            Ok(())
        })?;
        sort(&mut members);
        Ok(Blocks(members))
    }

    /// What the rule makes of its blocks.
    pub(super) fn report(&self, blocks: &Blocks) -> RuleReport {
        let sizes = blocks.sizes();
        let limit = limit(&sizes, self.bound);
        let within = |size: &&Size| limit.is_none_or(|limit| size.records <= limit);
        RuleReport {
            rule: self.name.clone(),
            blocks: sizes.iter().map(|size| size.blocks).sum(),
            biggest: sizes.last().map_or(0, |size| size.records),
            pairs: sizes.iter().map(|size| size.pairs()).sum(),
            compared: sizes.iter().filter(within).map(|size| size.pairs()).sum(),
            limit,
        }
    }
}

/// The blocks of a rule: the hash of each one's name with a record that is in it, in ascending order.
pub(super) struct Blocks(Vec<(u64, u32)>);

impl Blocks {
    fn each(&self) -> impl Iterator<Item = &[(u64, u32)]> {
        self.0.chunk_by(|one, other| one.0 == other.0).filter(|block| block.len() > 1)
    }

    /// The sizes of blocks of two records or more, ascending.
    fn sizes(&self) -> Vec<Size> {
        let mut sizes: BTreeMap<u64, u64> = BTreeMap::new();
        for block in self.each() {
            *sizes.entry(block.len() as u64).or_default() += 1;
        }
        sizes.into_iter().map(|(records, blocks)| Size { records, blocks }).collect()
    }

    /// The pairs of blocks up to a size.
    fn pairs(&self, limit: Option<u64>) -> impl Iterator<Item = u64> {
        let within = move |block: &&[(u64, u32)]| limit.is_none_or(|limit| block.len() as u64 <= limit);
        self.each().filter(within).flat_map(|block| {
            let of = |(place, (_, left)): (usize, &(u64, u32))| {
                let left = *left;
                block[place + 1..].iter().map(move |(_, right)| pair_of(left, *right))
            };
            block.iter().enumerate().flat_map(of)
        })
    }

    /// By pair, the size of the smallest block that its two records share.
    pub(super) fn shared(&self, pairs: &[u64]) -> Vec<Option<u64>> {
        let asked: BTreeSet<u32> = pairs.iter().flat_map(|pair| <[u32; 2]>::from(ends_of(*pair))).collect();
        let mut of: BTreeMap<u32, BTreeMap<u64, u64>> = BTreeMap::new();
        for block in self.each() {
            for (name, record) in block.iter().filter(|(_, record)| asked.contains(record)) {
                of.entry(*record).or_default().insert(*name, block.len() as u64);
            }
        }
        let smallest = |pair: &u64| {
            let (left, right) = ends_of(*pair);
            let (left, right) = (of.get(&left)?, of.get(&right)?);
            left.iter().filter(|(name, _)| right.contains_key(name)).map(|(_, records)| *records).min()
        };
        pairs.iter().map(smallest).collect()
    }
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

    #[test]
    fn a_block_makes_each_pair_of_its_records() {
        let blocks = Blocks(vec![(1, 3), (1, 5), (2, 0), (7, 3), (7, 5), (7, 9)]);
        let pairs = |limit| blocks.pairs(limit).map(ends_of).collect::<Vec<_>>();
        assert_eq!(pairs(Some(2)), [(3, 5)]);
        assert_eq!(pairs(None), [(3, 5), (3, 5), (3, 9), (5, 9)]);
        let asked = [pair_of(5, 3), pair_of(9, 3), pair_of(0, 3)];
        assert_eq!(blocks.shared(&asked), [Some(2), Some(3), None]);
    }
}
