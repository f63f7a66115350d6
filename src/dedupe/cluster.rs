//! `xref.<entity>`: which records are one, from accepted pairs, people's decisions and definite noes.
//!
//! Links are taken from the strongest to the weakest, and one that would bring together two records that are never one is
//! not taken: a component falls apart at its weakest link (a maximum spanning forest with forbidden pairs).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::compare;
use super::model::{probability, weight};
use super::pairs::never_sql;
use super::record::{Roles, side_by_side};
use crate::config::{Clinic, Dedupe};
use crate::error;
use crate::model::ident::{literal, quoted};
use crate::staging::Staging;

/// A decision about two records, by their source_ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub left: String,
    pub right: String,
    pub same: bool,
}

/// What became of the links.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clusters {
    /// Clusters of two records or more.
    pub clusters: u64,
    /// Records in them.
    pub records: u64,
    pub biggest: u64,
    /// Links that were not taken, for they would have joined records that are never one.
    pub cut: u64,
}

/// Why two records are one, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    MustLink,
    Exact,
    Probable,
}

impl Why {
    fn as_str(self) -> &'static str {
        match self {
            Why::MustLink => "must_link",
            Why::Exact => "exact",
            Why::Probable => "probable",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Link {
    left: u32,
    right: u32,
    why: Why,
    weight: f64,
}

/// Records that are linked to any other, by number.
#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    fn number(&mut self, name: String) -> u32 {
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            next
        })
    }
}

/// Makes `xref.<entity>`. `recorded` are (source_id, golden_id) of earlier pushes, the earliest first.
///
/// # Errors
/// DuckDB failing.
pub fn build(
    clinic: &Clinic,
    staging: &Staging,
    entity: &str,
    settings: &Dedupe,
    decisions: &[Decided],
    recorded: &[(String, String)],
) -> Result<Clusters> {
    let Linkage { names, links, mut forest, cut } = linkage(staging, entity, settings, decisions)?;
    let mut best: HashMap<u32, &Link> = HashMap::new();
    for link in &links {
        if forest.find(link.left) == forest.find(link.right) {
            for record in [link.left, link.right] {
                best.entry(record).or_insert(link);
            }
        }
    }
    let members = members(&names, &forest);
    write_members(staging, &names, &members, &best)?;
    write_recorded(staging, recorded)?;
    staging.execute(&xref_sql(clinic, entity))?;
    staging.execute("drop table linkage_linked; drop table linkage_recorded")?;
    Ok(Clusters::of(&members, cut))
}

/// The clusters that these settings give of the pairs in `dedupe.<entity>`, each by its source_ids; nothing is written.
///
/// # Errors
/// DuckDB failing.
pub fn find(
    staging: &Staging,
    entity: &str,
    settings: &Dedupe,
    decisions: &[Decided],
) -> Result<(Clusters, Vec<Vec<String>>)> {
    let Linkage { names, forest, cut, .. } = linkage(staging, entity, settings, decisions)?;
    let members = members(&names, &forest);
    let named = |records: &Vec<u32>| {
        let mut ids: Vec<String> =
            records.iter().map(|record| names.names[*record as usize].clone()).collect();
        ids.sort();
        ids
    };
    Ok((Clusters::of(&members, cut), members.values().map(named).collect()))
}

impl Clusters {
    fn of(members: &BTreeMap<String, Vec<u32>>, cut: u64) -> Self {
        Self {
            clusters: members.len() as u64,
            records: members.values().map(|records| records.len() as u64).sum(),
            biggest: members.values().map(|records| records.len() as u64).max().unwrap_or(0),
            cut,
        }
    }
}

/// Which links were taken.
struct Linkage {
    names: Names,
    links: Vec<Link>,
    forest: Forest,
    cut: u64,
}

fn linkage(staging: &Staging, entity: &str, settings: &Dedupe, decisions: &[Decided]) -> Result<Linkage> {
    let mut names = Names::default();
    let (links, forbidden) = links(staging, entity, settings, decisions, &mut names)?;
    let mut forest = Forest::new(names.names.len());
    for link in &links {
        forest.join(link.left, link.right);
    }
    let mut conflicts = conflicts(staging, entity, settings, &names, &mut forest)?;
    lift(&mut conflicts, names.names.len(), &links);
    conflicts.extend(forbidden);
    let (forest, cut) = constrained(names.names.len(), &links, &conflicts);
    Ok(Linkage { names, links, forest, cut })
}

type Pairs = BTreeSet<(u32, u32)>;

/// What a person decided is so, whatever the rules say: of the two records, and of all that are proven to be one with
/// either.
fn lift(conflicts: &mut Pairs, records: usize, links: &[Link]) {
    let mut proven = Forest::new(records);
    for link in links.iter().filter(|link| link.why != Why::Probable) {
        proven.join(link.left, link.right);
    }
    let decided: BTreeSet<u32> =
        (links.iter().filter(|link| link.why == Why::MustLink)).map(|link| proven.find(link.left)).collect();
    conflicts.retain(|(left, right)| {
        let set = proven.find(*left);
        set != proven.find(*right) || !decided.contains(&set)
    });
}

/// The links that are accepted, the strongest first, and the pairs that people forbid. Decisions about records that are not
/// there are about nothing.
fn links(
    staging: &Staging,
    entity: &str,
    settings: &Dedupe,
    decisions: &[Decided],
    names: &mut Names,
) -> Result<(Vec<Link>, Pairs)> {
    let accepted = staging.rows(
        &format!(
            "select left_id, right_id, weight, exact from dedupe.{} where (exact or weight >= {}) and not never order by left_id, right_id",
            quoted(entity),
            weight(settings.accept)
        ),
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, f64>(2)?, row.get::<_, bool>(3)?)),
    )?;
    let mut decided: BTreeMap<(u32, u32), bool> = BTreeMap::new();
    let known = known(staging, entity, decisions)?;
    for decision in decisions {
        if !known.contains(&decision.left) || !known.contains(&decision.right) {
            continue;
        }
        let (left, right) = (names.number(decision.left.clone()), names.number(decision.right.clone()));
        decided.insert((left.min(right), left.max(right)), decision.same);
    }
    let mut links = Vec::with_capacity(accepted.len());
    for (left, right, weight, exact) in accepted {
        let (left, right) = (names.number(left), names.number(right));
        if !decided.contains_key(&(left.min(right), left.max(right))) {
            let why = if exact { Why::Exact } else { Why::Probable };
            links.push(Link { left, right, why, weight });
        }
    }
    let must = decided.iter().filter(|(_, same)| **same);
    links.extend(must.map(|((left, right), _)| Link {
        left: *left,
        right: *right,
        why: Why::MustLink,
        weight: f64::INFINITY,
    }));
    let name = |number: u32| &names.names[number as usize];
    links.sort_by(|a, b| {
        let of_names = || (name(a.left), name(a.right)).cmp(&(name(b.left), name(b.right)));
        a.why.cmp(&b.why).then(b.weight.total_cmp(&a.weight)).then_with(of_names)
    });
    let forbidden = decided.into_iter().filter(|(_, same)| !same).map(|(pair, _)| pair).collect();
    Ok((links, forbidden))
}

/// Which of the decided records are there.
fn known(staging: &Staging, entity: &str, decisions: &[Decided]) -> Result<BTreeSet<String>> {
    if decisions.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: BTreeSet<&str> =
        decisions.iter().flat_map(|decision| [decision.left.as_str(), decision.right.as_str()]).collect();
    let ids: Vec<String> = ids.into_iter().map(literal).collect();
    let found = staging.rows(
        &format!(
            "select source_id::varchar from clean.{} where source_id::varchar in ({})",
            quoted(entity),
            ids.join(", ")
        ),
        |row| row.get(0),
    )?;
    Ok(found.into_iter().collect())
}

/// Pairs of one component that the rules say are never one.
fn conflicts(
    staging: &Staging,
    entity: &str,
    settings: &Dedupe,
    names: &Names,
    forest: &mut Forest,
) -> Result<Pairs> {
    if settings.never.iter().all(Vec::is_empty) || names.names.is_empty() {
        return Ok(Pairs::new());
    }
    staging.execute("create or replace temp table linkage_component (source_id varchar, number uinteger, component uinteger)")?;
    {
        let mut appender = staging
            .connection()
            .appender_to_catalog_and_db("linkage_component", "temp", "main")
            .map_err(error::duckdb)?;
        for (number, name) in (0_u32..).zip(&names.names) {
            appender.append_row(duckdb::params![name, number, forest.find(number)]).map_err(error::duckdb)?;
        }
    }
    let roles = Roles::find(staging, entity, settings)?;
    compare::register(staging)?;
    roles.build_members(staging, entity, settings)?;
    let pairs = staging.rows(
        &format!(
            "select number, other from (select l.number, r.number as other, {} from temp.linkage_member as l \
             join temp.linkage_member as r on l.component = r.component and l.number < r.number) where {}",
            side_by_side(&Roles::of_members(settings)),
            never_sql(settings)
        ),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    staging.execute("drop table linkage_component; drop table linkage_member")?;
    Ok(pairs.into_iter().collect())
}

/// Sets of records, joined (union by size, paths halved).
struct Forest {
    parents: Vec<u32>,
    members: Vec<Vec<u32>>,
}

impl Forest {
    fn new(records: usize) -> Self {
        let parents: Vec<u32> = (0..).take(records).collect();
        let members = parents.iter().map(|record| vec![*record]).collect();
        Self { parents, members }
    }

    fn find(&mut self, mut record: u32) -> u32 {
        while self.parents[record as usize] != record {
            let above = self.parents[record as usize];
            self.parents[record as usize] = self.parents[above as usize];
            record = self.parents[record as usize];
        }
        record
    }

    fn join(&mut self, left: u32, right: u32) {
        let (left, right) = (self.find(left), self.find(right));
        if left == right {
            return;
        }
        let bigger = self.members[left as usize].len() >= self.members[right as usize].len();
        let (kept, gone) = if bigger { (left, right) } else { (right, left) };
        let moved = std::mem::take(&mut self.members[gone as usize]);
        self.members[kept as usize].extend(moved);
        self.parents[gone as usize] = kept;
    }
}

/// Joins what the links join, the strongest first, but never two sets that hold a conflict. Gives how many links were
/// not taken.
fn constrained(records: usize, links: &[Link], conflicts: &Pairs) -> (Forest, u64) {
    let mut against: HashMap<u32, Vec<u32>> = HashMap::new();
    for (left, right) in conflicts {
        against.entry(*left).or_default().push(*right);
        against.entry(*right).or_default().push(*left);
    }
    let mut forest = Forest::new(records);
    let mut cut = 0;
    for link in links {
        let (left, right) = (forest.find(link.left), forest.find(link.right));
        if left == right {
            continue;
        }
        let smaller = if forest.members[left as usize].len() <= forest.members[right as usize].len() {
            left
        } else {
            right
        };
        let other = if smaller == left { right } else { left };
        let foes: Vec<u32> = forest.members[smaller as usize]
            .iter()
            .filter_map(|record| against.get(record))
            .flatten()
            .copied()
            .collect();
        if foes.into_iter().any(|foe| forest.find(foe) == other) {
            cut += 1;
        } else {
            forest.join(left, right);
        }
    }
    (forest, cut)
}

/// Clusters of two or more, by the smallest source_id.
fn members(names: &Names, forest: &Forest) -> BTreeMap<String, Vec<u32>> {
    let sets = forest.members.iter().filter(|records| records.len() > 1);
    let named = sets.filter_map(|records| {
        let anchor = records.iter().map(|record| &names.names[*record as usize]).min()?;
        Some((anchor.clone(), records.clone()))
    });
    named.collect()
}

fn write_members(
    staging: &Staging,
    names: &Names,
    members: &BTreeMap<String, Vec<u32>>,
    best: &HashMap<u32, &Link>,
) -> Result<()> {
    staging.execute(
        "create or replace temp table linkage_linked (source_id varchar, anchor varchar, score double, reason varchar)",
    )?;
    let mut appender = staging.connection().appender("linkage_linked").map_err(error::duckdb)?;
    for (anchor, records) in members {
        for record in records {
            let link = best.get(record);
            let score = link.map(|link| probability(link.weight));
            let reason = link.map(|link| link.why.as_str());
            appender
                .append_row(duckdb::params![names.names[*record as usize], anchor, score, reason])
                .map_err(error::duckdb)?;
        }
    }
    Ok(())
}

fn write_recorded(staging: &Staging, recorded: &[(String, String)]) -> Result<()> {
    staging.execute(
        "create or replace temp table linkage_recorded (source_id varchar, golden_id varchar, place ubigint)",
    )?;
    let mut appender = staging.connection().appender("linkage_recorded").map_err(error::duckdb)?;
    for (place, (source_id, golden_id)) in (0_u64..).zip(recorded) {
        appender.append_row(duckdb::params![source_id, golden_id, place]).map_err(error::duckdb)?;
    }
    Ok(())
}

/// A cluster keeps the id that was recorded for its earliest recorded member; of two that could keep one id, the one with
/// the earlier member does. The others have an id of their smallest source_id.
fn xref_sql(clinic: &Clinic, entity: &str) -> String {
    let (function, product) = (clinic.ids.function(), literal(&clinic.product));
    let id = |more: &str| format!("{function}({}, {product}, anchor{more})", literal(entity));
    format!(
        "create or replace table xref.{table} as \
         with member as ( \
           select clean.source_id::varchar as source_id, coalesce(linked.anchor, clean.source_id::varchar) as anchor, linked.score, coalesce(linked.reason, 'single') as reason \
           from clean.{table} as clean left join temp.linkage_linked as linked on linked.source_id = clean.source_id::varchar \
           where clean.source_id is not null), \
         claim as ( \
           select anchor, arg_min(golden_id, place) as golden_id, min(place) as place \
           from member join temp.linkage_recorded as recorded using (source_id) group by anchor), \
         kept as (select anchor, golden_id from claim qualify row_number() over (partition by golden_id order by place) = 1) \
         select source_id, \
           coalesce(kept.golden_id, case when {own} in (select golden_id from kept) then {other} else {own} end) as golden_id, \
           score, reason \
         from member left join kept using (anchor) order by source_id",
        table = quoted(entity),
        own = id(""),
        other = id(", 'apart'"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(left: u32, right: u32, weight: f64) -> Link {
        Link { left, right, why: Why::Probable, weight }
    }

    fn sets(forest: &Forest) -> Vec<Vec<u32>> {
        let mut sets: Vec<Vec<u32>> = forest.members.iter().filter(|set| !set.is_empty()).cloned().collect();
        for set in &mut sets {
            set.sort_unstable();
        }
        sets.sort();
        sets
    }

    #[test]
    fn a_component_falls_apart_at_its_weakest_link() {
        // 0 - 1 - 2 - 3 in a row, and 0 is never 3.
        let links = [link(0, 1, 9.0), link(2, 3, 8.0), link(1, 2, 3.0)];
        let (forest, cut) = constrained(4, &links, &Pairs::from([(0, 3)]));
        assert_eq!((sets(&forest), cut), (vec![vec![0, 1], vec![2, 3]], 1));
        let (forest, cut) = constrained(4, &links, &Pairs::new());
        assert_eq!((sets(&forest), cut), (vec![vec![0, 1, 2, 3]], 0));
    }

    #[test]
    fn a_decision_brings_along_what_is_proven_of_either() {
        // 0 = 1 and 2 = 3 by a key, the keys of the two differ, and a person said that 0 is 2.
        let with = |why, left, right| Link { why, ..link(left, right, 9.0) };
        let links = [with(Why::MustLink, 0, 2), with(Why::Exact, 0, 1), with(Why::Exact, 2, 3)];
        let mut conflicts = Pairs::from([(0, 2), (0, 3), (1, 2), (1, 3)]);
        lift(&mut conflicts, 4, &links);
        let (forest, cut) = constrained(4, &links, &conflicts);
        assert_eq!((sets(&forest), cut), (vec![vec![0, 1, 2, 3]], 0));
    }

    #[test]
    fn no_order_of_links_brings_two_together_that_are_never_one() {
        let conflicts = Pairs::from([(0, 4), (1, 3)]);
        let mut links: Vec<Link> =
            (0..5).flat_map(|l| (l + 1..5).map(move |r| link(l, r, f64::from(l * 7 + r * 3 % 5)))).collect();
        links.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        for turn in 0..links.len() {
            links.rotate_left(turn);
            let (mut forest, _) = constrained(5, &links, &conflicts);
            assert!(conflicts.iter().all(|(l, r)| forest.find(*l) != forest.find(*r)));
        }
    }
}
