//! What the snapshot's own rows say of the target's rules. Where buckets are equal, the target's rows are the snapshot's,
//! value for value: what holds of these holds of those, and the server need not go over its tables again.
//!
//! Decided so are NOT NULL and "all of the day of the load" of written columns, and the unique and foreign keys whose
//! equality is that of their text; everything else is asked of the server.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::orphans::Reference;
use crate::model::catalog::Index;
use crate::model::ident::TableName;
use crate::verify::Compared;

/// Rows of a table whose keys are held in memory, eight bytes each; larger ones are left to the server.
const MOST: u64 = 20_000_000;

/// A column of the snapshot.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) nulls: u64,
    /// Its type has days.
    dated: bool,
    /// Values of the days on which the batches wrote.
    pub(super) today: u64,
}

/// What the rows of one table say.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::verify) struct Proven {
    pub(super) rows: u64,
    pub(super) columns: Vec<Column>,
    /// Unique indexes of which no two rows share a key.
    pub(super) unique: Vec<String>,
    /// Foreign keys by name, whose parents are rows of this table of the snapshot; how many rows have none.
    pub(super) orphans: HashMap<String, (TableName, u64)>,
}

impl Proven {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// The keys of the tables that were read, for their children: sorted hashes, by table and columns.
pub(in crate::verify) struct Keys {
    /// SipHash with a random key: that an orphan's hash is by chance that of a parent has a probability of 2⁻⁶⁴ a parent.
    hasher: RandomState,
    of: HashMap<TableName, Vec<Key>>,
    days: (String, String),
}

struct Key {
    columns: Vec<String>,
    hashes: Rc<Vec<u64>>,
}

impl Keys {
    /// None yet; `days` are the first and the last on which the batches wrote.
    pub(in crate::verify) fn new((first, last): (&str, &str)) -> Self {
        let days = (first.to_owned(), last.to_owned());
        Self { hasher: RandomState::new(), of: HashMap::new(), days }
    }

    /// What to count while a table's rows are read.
    pub(in crate::verify) fn tally(&self, compared: &Compared<'_>) -> Tally {
        let names: Vec<&str> = compared.codec.column_names().collect();
        let small = compared.entry.rows <= MOST;
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            dated: compared.table.column(name).is_some_and(|column| column.data_type.has_days()),
            ..Column::default()
        };
        let unique = compared.table.indexes.iter().filter(|index| {
            small && index.unique && index.predicate.is_none() && index.is_bytewise(compared.table)
        });
        Tally {
            proven: Proven { columns: names.iter().map(column).collect(), ..Proven::default() },
            unique: unique.filter_map(|index| Unique::new(index, &names)).collect(),
            references: compared
                .references
                .iter()
                .filter_map(|one| self.children(one, compared, &names))
                .collect(),
        }
    }

    /// A foreign key whose parents were read before.
    fn children(&self, reference: &Reference, compared: &Compared<'_>, names: &[&str]) -> Option<Children> {
        let bytewise = |name: &String| compared.table.column(name).is_some_and(|one| one.is_bytewise());
        if !reference.is_simple() || !reference.columns.iter().all(bytewise) {
            return None;
        }
        let same = |key: &&Key| {
            key.columns.len() == reference.parents.len()
                && key.columns.iter().all(|name| reference.parents.contains(name))
        };
        let key = self.of.get(&reference.parent)?.iter().find(same)?;
        // In the order of the parents' key.
        let ours = key.columns.iter().map(|name| {
            let place = reference.parents.iter().position(|parent| parent == name)?;
            names.iter().position(|name| *name == reference.columns[place])
        });
        Some(Children {
            name: reference.name.clone(),
            parent: reference.parent.clone(),
            places: ours.collect::<Option<_>>()?,
            parents: Rc::clone(&key.hashes),
            orphans: 0,
        })
    }

    /// Ends a table, and keeps its keys for the tables that reference it.
    pub(in crate::verify) fn finish(&mut self, table: &TableName, tally: Tally) -> Proven {
        let Tally { mut proven, unique, references } = tally;
        for Unique { name, columns, mut hashes, .. } in unique {
            hashes.sort_unstable();
            if hashes.windows(2).all(|pair| pair[0] != pair[1]) {
                proven.unique.push(name);
                self.of.entry(table.clone()).or_default().push(Key { columns, hashes: Rc::new(hashes) });
            }
        }
        let orphans = references.into_iter().map(|one| (one.name, (one.parent, one.orphans)));
        proven.orphans = orphans.collect();
        proven
    }

    fn hash<T: AsRef<str>>(&self, values: &[Option<T>], places: &[usize]) -> u64 {
        let mut state = self.hasher.build_hasher();
        for place in places {
            values[*place].as_ref().map(AsRef::as_ref).hash(&mut state);
        }
        state.finish()
    }
}

/// What is counted of a table so far.
pub(in crate::verify) struct Tally {
    proven: Proven,
    unique: Vec<Unique>,
    references: Vec<Children>,
}

struct Unique {
    name: String,
    columns: Vec<String>,
    places: Vec<usize>,
    /// Nulls are equal to each other.
    nulls_too: bool,
    hashes: Vec<u64>,
}

struct Children {
    name: String,
    parent: TableName,
    places: Vec<usize>,
    parents: Rc<Vec<u64>>,
    orphans: u64,
}

impl Unique {
    fn new(index: &Index, names: &[&str]) -> Option<Self> {
        let columns = index.plain_columns()?;
        let place = |column: &String| names.iter().position(|name| name == column);
        let places = columns.iter().map(place).collect::<Option<_>>()?;
        let (name, nulls_too) = (index.name.clone(), index.nulls_not_distinct);
        Some(Self { name, columns, places, nulls_too, hashes: Vec::new() })
    }
}

impl Tally {
    /// Counts one row; `keys` are those of the tables before.
    pub(in crate::verify) fn add<T: AsRef<str>>(&mut self, keys: &Keys, values: &[Option<T>]) {
        self.proven.rows += 1;
        for (column, value) in self.proven.columns.iter_mut().zip(values) {
            match value {
                None => column.nulls += 1,
                Some(value) if column.dated && is_of(&keys.days, value.as_ref()) => column.today += 1,
                Some(_) => {}
            }
        }
        let given = |places: &[usize]| places.iter().all(|place| values[*place].is_some());
        for unique in &mut self.unique {
            if unique.nulls_too || given(&unique.places) {
                unique.hashes.push(keys.hash(values, &unique.places));
            }
        }
        for children in &mut self.references {
            let missing = || !is_among(&children.parents, keys.hash(values, &children.places));
            if given(&children.places) && missing() {
                children.orphans += 1;
            }
        }
    }
}

/// Whether a hash is among sorted ones. They are spread evenly, so that one stands near its share of them all: it is looked
/// for there, and step by step from what stands there (interpolation search), where halving would miss the cache each time.
fn is_among(sorted: &[u64], hash: u64) -> bool {
    let Some(last) = sorted.len().checked_sub(1) else { return false };
    let share = (u128::from(hash) * sorted.len() as u128) >> 64;
    let mut at = usize::try_from(share).map_or(last, |share| share.min(last));
    let gap = u64::MAX / sorted.len() as u64;
    let steps = usize::try_from(sorted[at].abs_diff(hash) / gap).unwrap_or(last);
    at = if sorted[at] < hash { at.saturating_add(steps).min(last) } else { at.saturating_sub(steps) };
    while at > 0 && sorted[at] > hash {
        at -= 1;
    }
    while at < last && sorted[at] < hash {
        at += 1;
    }
    sorted[at] == hash
}

/// Whether a date or a timestamp in PostgreSQL's output is of these days.
fn is_of((first, last): &(String, String), text: &str) -> bool {
    text.get(..10).is_some_and(|day| first.as_str() <= day && day <= last.as_str()) && !text.ends_with("BC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_found_wherever_it_stands() {
        let spread = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut even: Vec<u64> = (1..10_000).map(spread).collect();
        even.sort_unstable();
        for sorted in [even.as_slice(), &[0, 1, 2, u64::MAX], &[5], &[u64::MAX], &[]] {
            for hash in sorted {
                assert!(is_among(sorted, *hash), "{hash}");
            }
            for hash in (10_000..20_000).map(spread).chain([3, 4, 6, u64::MAX - 1]) {
                assert_eq!(is_among(sorted, hash), sorted.contains(&hash), "{hash}");
            }
        }
    }

    #[test]
    fn a_day_is_read_off_the_text() {
        let days = ("2024-03-01".to_owned(), "2024-03-02".to_owned());
        for (text, is) in [
            ("2024-03-01", true),
            ("2024-03-02 23:59:59+00", true),
            ("2024-03-03", false),
            ("2024-03-01 BC", false),
            ("12024-03-01", false),
            ("infinity", false),
            ("ñ2024-03-0", false),
        ] {
            assert_eq!(is_of(&days, text), is, "{text}");
        }
    }
}
