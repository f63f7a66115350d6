//! Rows that differ because the clinic wants it so: people's values and deletions that stand (`on_conflict`), rows that the
//! source has no more and that stay (`vanished`). A push of the same snapshot would leave them as they are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::{Result, anyhow};
use sha2::{Digest as _, Sha256};

use super::differences::Cause;
use super::target_rows::TargetRow;
use super::{Compared, Options};
use crate::config::{LoadMode, Vanished};
use crate::error;
use crate::model::catalog::{Catalog, ConstraintKind};
use crate::model::hex;
use crate::model::ident::TableName;
use crate::model::keys::Keys;
use crate::model::merge::{Change, Conflict, Fate, OnConflict};
use crate::pg::Writings;

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
    fn stands() -> Self {
        Self { cause: Cause::Stands, told: None }
    }

    fn conflict(told: String) -> Self {
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
            // Nothing speaks for a value of people's.
            None => (true, false),
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

/// What keeps rows that the snapshot does not have from being deleted: rows of the table are rejected.
pub(super) struct Refused {
    keys: HashSet<String>,
    /// Records could not be read, or have no key: any row may be one of theirs.
    any: bool,
}

impl Refused {
    /// Reads what the snapshot says of the table's rejected rows.
    pub(super) fn read(options: &Options<'_>, compared: &Compared<'_>) -> Result<Self> {
        let (manifest, entry) = (options.snapshot.manifest(), compared.entry);
        let mut refused =
            Self { keys: HashSet::new(), any: manifest.sources.iter().any(|one| one.unreadable > 0) };
        for rejects in manifest.rejects.iter().filter(|one| one.table == entry.table) {
            for row in options.snapshot.rejected(rejects)? {
                let (row, codec) = (row?, &compared.codec);
                match row.values(entry, codec.column_names()).filter(|_| entry.keys != Keys::New) {
                    Some(values) => refused.keys.extend([codec.key_text(&values)]),
                    None => refused.any = true,
                }
            }
        }
        Ok(refused)
    }

    fn holds(&self, key: &str) -> bool {
        self.any || self.keys.contains(key)
    }
}

/// Why a row that the snapshot does not have is left, if clinic.toml says so, or its record is rejected.
pub(super) fn vanished(
    options: &Options<'_>,
    compared: &Compared<'_>,
    key: &str,
    there: &TargetRow,
    (pushed, refused): (Option<&Pushed>, &Refused),
) -> Option<Standing> {
    let name = &compared.entry.table;
    match options.clinic.vanished(name) {
        Some(Vanished::Keep | Vanished::Flag) => return Some(Standing::stands()),
        Some(Vanished::Delete) if refused.holds(key) => return Some(Standing::stands()),
        _ => {}
    }
    let edited = pushed.is_some_and(|pushed| there.stored.as_ref() != Some(&pushed.whole));
    match options.clinic.on_conflict(name) {
        OnConflict::KeepTarget if edited => Some(Standing::stands()),
        OnConflict::Report if edited => {
            Some(Standing::conflict(Conflict::row(key, there.stored.as_deref().unwrap_or_default())))
        }
        _ => None,
    }
}

/// Which of these keys, whose rows the target does not have, are of rows that people deleted and that a push leaves so.
pub(super) async fn deleted(
    options: &Options<'_>,
    compared: &Compared<'_>,
    keys: &[&str],
) -> Result<HashSet<String>> {
    let (clinic, name) = (options.clinic, &compared.entry.table);
    let leaves = !matches!(clinic.load_mode(name), LoadMode::Append | LoadMode::Replace)
        && clinic.on_conflict(name) != OnConflict::TakeSource;
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

/// Why a row that people deleted is left so.
pub(super) fn absent(options: &Options<'_>, compared: &Compared<'_>, key: &str, digest: &[u8]) -> Standing {
    match options.clinic.on_conflict(&compared.entry.table) {
        OnConflict::Report => Standing::conflict(Conflict::row(key, digest)),
        OnConflict::KeepTarget | OnConflict::TakeSource => Standing::stands(),
    }
}

/// Rows of the snapshot that are left out of the target, as other rows refer to them.
#[derive(Default)]
pub(super) struct LeftOut(BTreeMap<(TableName, Vec<String>), HashSet<Vec<String>>>);

impl LeftOut {
    /// Notes one of them.
    pub(super) fn note(&mut self, catalog: &Catalog, compared: &Compared<'_>, values: &[Option<String>]) {
        let name = &compared.entry.table;
        for (_, constraint) in catalog.foreign_keys() {
            if let ConstraintKind::ForeignKey { references, referenced_columns, .. } = &constraint.kind
                && references == name
                && let Some((_, key)) = at_columns(compared, values, referenced_columns)
            {
                self.0.entry((name.clone(), referenced_columns.clone())).or_default().insert(key);
            }
        }
    }

    /// The places of the columns by which a row refers to one of them.
    pub(super) fn lost(&self, compared: &Compared<'_>, values: &[Option<String>]) -> BTreeSet<usize> {
        let mut lost = BTreeSet::new();
        for constraint in compared.table.foreign_keys().filter(|_| !self.0.is_empty()) {
            if let ConstraintKind::ForeignKey { references, referenced_columns, .. } = &constraint.kind
                && let Some(keys) = self.0.get(&(references.clone(), referenced_columns.clone()))
                && let Some((places, key)) = at_columns(compared, values, &constraint.columns)
                && keys.contains(&key)
            {
                lost.extend(places);
            }
        }
        lost
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
