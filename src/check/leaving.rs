//! Rows of the target that the push deletes since the source has them no more (`vanished = "delete"`): what refers to one of them in
//! the batch has no parent. The rule and the facts are the push's own.
//!
//! What refers to such a row in the target and stays keeps it there, and then it is a parent like any other. Rows that the batch is
//! to change do not count: whether they have a parent is what is asked. That is answered once for a row, so that what is rejected
//! for it is no reason to spare it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::Result;

use super::Options;
use super::refused;
use super::rules::ForeignKey;
use super::shape::TableShape;
use super::standing;
use crate::codec::TableCodec;
use crate::config::LoadMode;
use crate::error;
use crate::model::catalog::Constraint;
use crate::model::ident::{TableName, quoted};
use crate::model::manifest::Origin;
use crate::model::merge::OnConflict;
use crate::model::vanished::{Gone, Lot};
use crate::pg::{Asked, Holding, RecordsOf, Writings};

/// Rows that are looked at at once.
const CHUNK: usize = 5_000;

/// What is known of rows of the target by now.
pub(super) struct Leaving<'s> {
    shapes: &'s [TableShape<'s>],
    /// By the table's place and the row's key, whether it leaves.
    decided: BTreeMap<usize, HashMap<String, bool>>,
}

/// What a row of the target is to the push.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The batch has it, and may change what it refers to.
    Comes,
    /// It goes, unless a row that stays refers to it.
    Goes,
    Stays,
}

/// Rows that may go, with all that refers to them.
#[derive(Default)]
struct Family {
    going: BTreeSet<Member>,
    /// By a row that may go, those to which it refers.
    parents: BTreeMap<Member, Vec<Member>>,
    /// Rows that stay since a row that stays refers to them.
    held: Vec<Member>,
}

/// A table's place and a row's key.
type Member = (usize, String);

impl<'s> Leaving<'s> {
    pub(super) fn new(shapes: &'s [TableShape<'s>]) -> Self {
        Self { shapes, decided: BTreeMap::new() }
    }

    /// Which of these values of a foreign key's parent are of rows that leave.
    pub(super) async fn among(
        &mut self,
        options: &Options<'_>,
        key: &ForeignKey,
        values: &[Vec<String>],
    ) -> Result<HashSet<Vec<String>>> {
        let place = self.shapes.iter().position(|shape| shape.name == key.parent);
        let Some((place, codec)) = place.and_then(|place| Some((place, self.codec(options, place)?))) else {
            return Ok(HashSet::new());
        };
        let rows = rows_with(options, key, &codec, values).await?;
        let keys = rows.iter().map(|(key, _)| key.clone()).collect();
        let leaving = self.of(options, &self.shapes[place], keys).await?;
        Ok(rows.into_iter().filter(|(key, _)| leaving.contains(key)).map(|(_, values)| values).collect())
    }

    /// Which of these rows of a table leave.
    pub(super) async fn of(
        &mut self,
        options: &Options<'_>,
        shape: &TableShape<'_>,
        keys: Vec<String>,
    ) -> Result<HashSet<String>> {
        let place = self.shapes.iter().position(|one| one.name == shape.name);
        let Some(place) = place.filter(|place| self.codec(options, *place).is_some()) else {
            return Ok(HashSet::new());
        };
        let known = self.decided.get(&place);
        let new = keys.iter().filter(|key| known.is_none_or(|known| !known.contains_key(*key)));
        self.decide(options, place, new.cloned().collect()).await?;
        let known = self.decided.get(&place);
        let leaves = |key: &String| known.and_then(|known| known.get(key)) == Some(&true);
        Ok(keys.into_iter().filter(leaves).collect())
    }

    /// What tells the rows of a table of which rows may go; none of another one.
    fn codec(&self, options: &Options<'_>, place: usize) -> Option<TableCodec> {
        let shape = &self.shapes[place];
        standing::codec(shape).filter(|_| options.clinic.vanished_rule(&shape.name).deletes(false))
    }

    /// Decides about rows of a table, and about all that refers to them and may go.
    async fn decide(&mut self, options: &Options<'_>, place: usize, keys: Vec<String>) -> Result<()> {
        let parts = self.parts(options, place, &keys).await?;
        let known = self.decided.entry(place).or_default();
        known.extend(keys.into_iter().map(|key| (key, false)));
        let goes = parts.into_iter().filter(|(_, part)| *part == Part::Goes).map(|(key, _)| key);
        let mut family = Family::default();
        let mut waiting = vec![(place, family.add(place, goes))];
        while let Some((place, keys)) = waiting.pop() {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            for (child, constraint) in Holding::keys(options.catalog, &self.shapes[place].name) {
                for keys in keys.chunks(CHUNK) {
                    error::interrupt::check()?;
                    let found =
                        self.referring(options, (place, keys), child, constraint, &mut family).await?;
                    waiting.extend(found);
                }
            }
        }
        family.hold();
        for (place, key) in family.going {
            self.decided.entry(place).or_default().insert(key, true);
        }
        for (place, key) in family.held {
            self.decided.entry(place).or_default().insert(key, false);
        }
        Ok(())
    }

    /// Notes which rows of a table refer to these by a foreign key; returns those that may go too and are new.
    async fn referring(
        &self,
        options: &Options<'_>,
        (place, keys): (usize, &[&str]),
        name: &TableName,
        constraint: &Constraint,
        family: &mut Family,
    ) -> Result<Option<(usize, Vec<String>)>> {
        let child = self.shapes.iter().position(|shape| shape.name == *name);
        let Some(codec) = self.codec(options, place) else { return Ok(None) };
        let (parent, parent_key) = (&self.shapes[place].name, codec.key_sql("p"));
        let child_codec = child.and_then(|child| standing::codec(&self.shapes[child]));
        let child_key = child_codec.map(|codec| codec.key_sql("t"));
        let rows = Holding::rows_now(name, child_key.as_deref(), "true");
        let holding = Holding { constraint, parent, parent_key, rows };
        let pairs = holding.pairs_sql("select unnest($1::text[]) collate \"C\" as key", None);
        let sql = format!("select g.key, h.trasvase_key from {pairs}");
        let rows = options.client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))?;
        let pairs: Vec<(String, Option<String>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let children: BTreeSet<&String> = pairs.iter().filter_map(|(_, child)| child.as_ref()).collect();
        let children: Vec<String> = children.into_iter().cloned().collect();
        let parts = match child {
            Some(child) => self.parts(options, child, &children).await?,
            None => HashMap::new(),
        };
        let mut going = Vec::new();
        for (parent, key) in pairs {
            let part = key.as_ref().and_then(|key| parts.get(key)).copied().unwrap_or(Part::Stays);
            match (part, child, key) {
                (Part::Comes, ..) => {}
                (Part::Goes, Some(child), Some(key)) => {
                    family.parents.entry((child, key.clone())).or_default().push((place, parent));
                    going.push(key);
                }
                _ => family.held.push((place, parent)),
            }
        }
        Ok(child.map(|child| (child, family.add(child, going))).filter(|(_, new)| !new.is_empty()))
    }

    /// What rows of the target with these keys are to the push; one that is not named stays.
    async fn parts(
        &self,
        options: &Options<'_>,
        place: usize,
        keys: &[String],
    ) -> Result<HashMap<String, Part>> {
        let shape = &self.shapes[place];
        let mut parts = HashMap::new();
        let Some(codec) = standing::codec(shape).filter(|_| !keys.is_empty()) else { return Ok(parts) };
        let wanted: HashSet<&str> = keys.iter().map(String::as_str).collect();
        let changes = matches!(
            options.clinic.load_mode(&shape.name),
            LoadMode::Upsert | LoadMode::Sync | LoadMode::Replace
        );
        for (key, is_refused) in refused::keys(options.staging, shape, &codec, &wanted)? {
            let comes = changes && !is_refused;
            parts.insert(key, if comes { Part::Comes } else { Part::Stays });
        }
        let gone: Vec<&str> = wanted.into_iter().filter(|key| !parts.contains_key(*key)).collect();
        let rule = options.clinic.vanished_rule(&shape.name);
        if rule.deletes(false) && !gone.is_empty() {
            for (key, facts) in facts(options, shape, &codec, &gone).await? {
                if rule.lot(facts) == Lot::Deleted {
                    parts.insert(key, Part::Goes);
                }
            }
        }
        Ok(parts)
    }
}

impl Family {
    /// Adds rows that may go; returns those that are new.
    fn add(&mut self, place: usize, keys: impl IntoIterator<Item = String>) -> Vec<String> {
        keys.into_iter().filter(|key| self.going.insert((place, key.clone()))).collect()
    }

    /// Takes out what rows that stay refer to, again and again.
    fn hold(&mut self) {
        let mut waiting = self.held.clone();
        while let Some(member) = waiting.pop() {
            if self.going.remove(&member) {
                let parents = self.parents.get(&member).into_iter().flatten();
                waiting.extend(parents.cloned());
                self.held.push(member);
            }
        }
    }
}

/// Keys of the target's rows with these values, each with them.
async fn rows_with(
    options: &Options<'_>,
    key: &ForeignKey,
    codec: &TableCodec,
    values: &[Vec<String>],
) -> Result<Vec<(String, Vec<String>)>> {
    let columns: Vec<Vec<&str>> = (0..key.parent_columns.len())
        .map(|place| values.iter().map(|values| values[place].as_str()).collect())
        .collect();
    let parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
        columns.iter().map(|column| column as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
    let count = columns.len();
    let unnest = (1..=count).map(|n| format!("${n}::text[]")).collect::<Vec<_>>().join(", ");
    let names = (1..=count).map(|n| format!("k{n}")).collect::<Vec<_>>().join(", ");
    let pairs = key.parent_columns.iter().enumerate();
    let same = pairs.map(|(n, column)| format!("p.{}::text = k{}", quoted(column), n + 1));
    let sql = format!(
        "select {}, {names} from unnest({unnest}) as k({names}) join {} p on {}",
        codec.key_sql("p"),
        key.parent.quoted(),
        same.collect::<Vec<_>>().join(" and ")
    );
    let rows = options.client.query(&sql, &parameters).await.map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| (row.get(0), (1..=count).map(|n| row.get(n)).collect())).collect())
}

/// What is known of rows that pushes wrote and that the batch does not have.
async fn facts(
    options: &Options<'_>,
    shape: &TableShape<'_>,
    codec: &TableCodec,
    keys: &[&str],
) -> Result<HashMap<String, Gone>> {
    let clinic = (options.clinic.name.as_str(), Origin::Models);
    let Some(writings) = Writings::of(options.client, clinic, &shape.name).await? else {
        return Ok(HashMap::new());
    };
    let mut refusals = refused::refusals(options, shape, codec)?;
    refusals.settle(&writings.known(options.client, &refusals.placed()).await?);
    let matters = options.clinic.on_conflict(&shape.name) != OnConflict::TakeSource;
    let digests = matters.then(|| codec.digests(shape.table, "t"));
    let asked = Asked { table: &shape.name, key: codec.key_sql("t"), digests };
    let which = (codec.key_among_sql("t", "$1::text[]"), format!("{} = any($2::text[])", asked.key));
    let mut found = HashMap::new();
    for keys in keys.chunks(CHUNK) {
        let records = match refusals.asks_records() {
            true => writings.records(options.client, keys).await?,
            false => RecordsOf::new(),
        };
        for (key, gone) in writings.gone(options.client, &asked, (&which.0, &which.1), (keys, &[])).await? {
            let record = refusals.of(&key, records.get(&key).map(Vec::as_slice).unwrap_or_default());
            found.insert(key, Gone { record, ..gone });
        }
    }
    Ok(found)
}
