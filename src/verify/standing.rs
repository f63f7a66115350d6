//! Rows that differ because the clinic wants it so: people's values and deletions that stand (`on_conflict`). A push of the same
//! snapshot would leave them as they are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::{Result, anyhow};
use sha2::{Digest as _, Sha256};

use super::cause::Cause;
use super::target_rows::TargetRow;
use super::{Compared, Options};
use crate::codec::{RowHash, TableCodec};
use crate::config::LoadMode;
use crate::error;
use crate::model::catalog::{Catalog, ConstraintKind};
use crate::model::hex;
use crate::model::ident::TableName;
use crate::model::manifest::TableEntry;
use crate::model::merge::{Change, Conflict, Excuse, Fate, OnConflict};
use crate::pg::Writings;
use crate::snapshot::{LeftOutRows, Row};

/// What the last push of a row noted of it.
pub(super) struct Pushed {
    /// Of the whole row, as it was stored.
    whole: Vec<u8>,
    /// Of each column, one after the other: as it was sent, and as it was stored; none where that was not noted.
    columns: Option<(Vec<u8>, Vec<u8>)>,
}

/// The last pushes of rows with these keys, where a push would tell people's values from the source's.
pub(super) async fn pushed(
    options: &Options<'_>,
    compared: &Compared<'_>,
    keys: &[&str],
) -> Result<HashMap<String, Pushed>> {
    let (clinic, name) = (options.clinic, &compared.entry.table);
    if clinic.on_conflict(name) == OnConflict::TakeSource {
        return Ok(HashMap::new());
    }
    let Some(writings) = Writings::read(options.client, options.snapshot.manifest(), name).await? else {
        return Ok(HashMap::new());
    };
    let names: Vec<&str> = compared.codec.column_names().collect();
    let (sent, stored) = writings.columns_sql(&names);
    let sql = format!(
        "select distinct on (d.key) d.key, {}, {}, {sent}, {stored} from {} \
         where {} and d.key = any($1) order by d.key, d.batch desc",
        writings.whole_sql(),
        writings.has_columns_sql(),
        writings.digests_sql(),
        writings.condition()
    );
    let rows = options.client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))?;
    let pushed = |row: &tokio_postgres::Row| {
        let columns = row.get::<_, bool>(2).then(|| (row.get(3), row.get(4)));
        (row.get(0), Pushed { whole: row.get(1), columns })
    };
    Ok(rows.iter().map(pushed).collect())
}

/// Why a row differs and is left so.
pub(super) struct Standing {
    pub(super) cause: Cause,
    /// Of one that waits for a decision: what both sides say, as [`Conflict`] takes it.
    pub(super) told: Option<String>,
}

impl Standing {
    pub(super) fn stands() -> Self {
        Self { cause: Cause::Stands, told: None }
    }

    pub(super) fn conflict(told: String) -> Self {
        Self { cause: Cause::Conflict, told: Some(told) }
    }
}

/// Why a row with other values is left so, if it is. `lost` are the places of columns by which it would refer to a row that
/// is left out.
pub(super) fn edited(
    options: &Options<'_>,
    compared: &Compared<'_>,
    (key, expected): (&str, &[Option<String>]),
    there: &TargetRow,
    (pushed, lost): (Option<&Pushed>, &BTreeSet<usize>),
) -> Result<Option<Standing>> {
    let pushed = pushed.filter(|_| options.clinic.updates(&compared.entry.table));
    let policy = options.clinic.on_conflict(&compared.entry.table);
    let (mut stands, mut conflicts) = (false, Vec::new());
    for (place, name) in compared.codec.column_names().enumerate() {
        let ours = compared.codec.column_digest(expected, place);
        let ours = short(&ours.map_err(|refused| anyhow!("{}", refused.refusal.rule()))?);
        let theirs = short(there.bytes(place));
        if ours != theirs && lost.contains(&place) {
            stands = true;
            continue;
        }
        let (source, target) = match pushed.map(|pushed| (pushed, &pushed.columns)) {
            Some((_, Some((sent, stored)))) => (at(sent, place) != ours, at(stored, place) != theirs),
            Some((pushed, None)) => (true, there.stored.as_ref() != Some(&pushed.whole)),
            // Rows that no push wrote count as people's, where rows are changed at all.
            None => (true, options.clinic.updates(&compared.entry.table)),
        };
        match policy.fate(Change { same: ours == theirs, source, target }) {
            Fate::Same => {}
            Fate::Stands | Fate::Kept => stands = true,
            Fate::Conflict => conflicts.push((name, hex(ours), hex(theirs))),
            Fate::Taken | Fate::Overwritten => return Ok(None),
        }
    }
    Ok(match conflicts.is_empty() {
        true => stands.then(Standing::stands),
        false => Some(Standing::conflict(Conflict::values(key, conflicts.into_iter()))),
    })
}

/// Which of these keys, whose rows the target does not have, are of rows that people deleted and that a push leaves so.
pub(super) async fn deleted(
    options: &Options<'_>,
    compared: &Compared<'_>,
    keys: &[&str],
) -> Result<HashSet<String>> {
    let (clinic, name) = (options.clinic, &compared.entry.table);
    let leaves = !matches!(clinic.load_mode(name), LoadMode::Append | LoadMode::Replace)
        && clinic.on_conflict(name).of_deleted().is_some();
    if keys.is_empty() || !leaves {
        return Ok(HashSet::new());
    }
    let Some(writings) = Writings::read(options.client, options.snapshot.manifest(), name).await? else {
        return Ok(HashSet::new());
    };
    let sql = writings.standing_sql("select unnest($1::text[])");
    let rows = options.client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Why a row that the target does not have is left out, and what both sides say where it waits for a decision.
pub(super) fn absent(excuse: Excuse, key: &str, digest: &[u8]) -> Standing {
    match excuse {
        Excuse::Waits => Standing::conflict(Conflict::row(key, digest)),
        Excuse::Stands => Standing::stands(),
    }
}

/// What stands for a row in every run, where its table holds new keys.
pub(super) struct Steady {
    codec: TableCodec,
    /// Its columns among the snapshot's.
    places: Vec<usize>,
}

impl Steady {
    /// None where the table holds none.
    pub(super) fn of(options: &Options<'_>, compared: &Compared<'_>) -> Result<Option<Self>> {
        let Compared { entry, table, .. } = compared;
        let names = options.snapshot.steady_columns(entry);
        if names.len() == entry.columns.len() {
            return Ok(None);
        }
        let codec = TableCodec::of_columns(table, &names, &[])
            .map_err(|(column, reason)| anyhow!("{}.{column}: {reason}", entry.table))?;
        let place = |name: &String| entry.columns.iter().position(|column| column.name == *name);
        Ok(Some(Self { codec, places: names.iter().filter_map(place).collect() }))
    }

    /// The digest of what it says beside new keys.
    pub(super) fn digest(&self, values: &[Option<String>]) -> Result<RowHash> {
        let values: Vec<Option<&str>> = self.places.iter().map(|place| values[*place].as_deref()).collect();
        self.codec.digest(&values, &mut Vec::new()).map_err(|refused| anyhow!("{}", refused.refusal.rule()))
    }
}

/// Rows of the snapshot that are left out of the target, as other rows refer to them.
#[derive(Default)]
pub(super) struct LeftOut {
    referred_to: BTreeMap<(TableName, Vec<String>), HashMap<Vec<String>, Excuse>>,
    rows: LeftOutRows,
}

impl LeftOut {
    /// Notes one of them.
    pub(super) fn note(
        &mut self,
        catalog: &Catalog,
        compared: &Compared<'_>,
        (key, values): (&str, &[Option<String>]),
        excuse: Excuse,
    ) {
        let name = &compared.entry.table;
        self.rows.entry(name.clone()).or_default().insert(key.to_owned(), String::new());
        for (_, constraint) in catalog.foreign_keys() {
            if let ConstraintKind::ForeignKey { references, referenced_columns, .. } = &constraint.kind
                && references == name
                && let Some((_, key)) = at_columns(compared, values, referenced_columns)
            {
                let of = (name.clone(), referenced_columns.clone());
                self.referred_to.entry(of).or_default().insert(key, excuse);
            }
        }
    }

    /// The places of the columns by which a row refers to one of them.
    pub(super) fn lost(&self, compared: &Compared<'_>, values: &[Option<String>]) -> BTreeSet<usize> {
        self.references(compared, values).flat_map(|(places, _)| places).collect()
    }

    /// Why a new row that refers to one of them is left out with it: it waits where one of them does.
    pub(super) fn orphaned(&self, compared: &Compared<'_>, values: &[Option<String>]) -> Option<Excuse> {
        let excuses: Vec<Excuse> = self.references(compared, values).map(|(_, excuse)| excuse).collect();
        excuses.iter().copied().find(|one| *one == Excuse::Waits).or(excuses.first().copied())
    }

    /// The records all of whose rows are left out, by source.
    pub(super) fn records(
        &self,
        options: &Options<'_>,
        tables: &[Compared<'_>],
    ) -> Result<BTreeMap<String, u64>> {
        let mut records = BTreeMap::new();
        if self.rows.is_empty() {
            return Ok(records);
        }
        let primary = |source: &str| options.clinic.sources.get(source)?.primary.as_ref();
        let key = |entry: &TableEntry, row: &Row<'_>| {
            let compared = tables.iter().find(|one| one.entry.table == entry.table);
            let compared = compared.ok_or_else(|| anyhow!("{} is not compared", entry.table))?;
            Ok(compared.codec.key_text(&row.values))
        };
        for one in options.snapshot.records_left_out(&self.rows, primary, key)? {
            *records.entry(one.source).or_default() += 1;
        }
        Ok(records)
    }

    /// Its references to such rows: their columns' places, and why such a row is left out.
    fn references<'l>(
        &'l self,
        compared: &'l Compared<'_>,
        values: &'l [Option<String>],
    ) -> impl Iterator<Item = (Vec<usize>, Excuse)> + 'l {
        compared.table.foreign_keys().filter(|_| !self.referred_to.is_empty()).filter_map(move |constraint| {
            let ConstraintKind::ForeignKey { references, referenced_columns, .. } = &constraint.kind else {
                return None;
            };
            let keys = self.referred_to.get(&(references.clone(), referenced_columns.clone()))?;
            let (places, key) = at_columns(compared, values, &constraint.columns)?;
            Some((places, *keys.get(&key)?))
        })
    }
}

/// The places of these columns, and their values; none where one has none or is not written.
fn at_columns(
    compared: &Compared<'_>,
    values: &[Option<String>],
    columns: &[String],
) -> Option<(Vec<usize>, Vec<String>)> {
    let place = |name: &String| compared.codec.column_names().position(|column| column == name);
    let one = |name: &String| place(name).and_then(|place| Some((place, values[place].clone()?)));
    columns.iter().map(one).collect::<Option<Vec<_>>>().map(|found| found.into_iter().unzip())
}

/// The digest of a column, as the ledger has it.
fn short(bytes: &[u8]) -> [u8; 8] {
    Sha256::digest(bytes)[..8].try_into().expect("eight of 32 bytes")
}

fn at(digests: &[u8], place: usize) -> [u8; 8] {
    digests.get(place * 8..place * 8 + 8).and_then(|one| one.try_into().ok()).unwrap_or_default()
}
