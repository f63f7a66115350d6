//! The rows of unequal buckets: what each is, how it came to be so, and the columns in which it differs.

use std::collections::HashMap;

use anyhow::{Result, anyhow};
use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};

use super::books::Books;
use super::buckets::bucket_sql;
use super::cause::{Cause, Deeds};
use super::difference::{Difference, Found, Kind};
use super::ours::OurTable;
use super::population::Population;
use super::standing::{self, LeftOut, Pushed, Standing, Steady};
use super::target_rows::{Asked, TargetRow, target_rows};
use super::vanished::Vanished;
use super::{Compared, Options, TheirTable, months, vanished};
use crate::codec::RowHash;
use crate::error;
use crate::model::merge::Excuse;

/// A row that differs, as the snapshot has it; an extra one it does not have.
struct Row {
    key: String,
    kind: Kind,
    expected: Option<(RowHash, Vec<Option<String>>)>,
    /// What it is called in every run, where the table holds new keys.
    name: Option<String>,
}

/// Rows whose columns are asked for at once.
const CHUNK: usize = 5_000;

/// Rows of the target that are held in memory at once.
const LISTED: u64 = 2_000_000;

/// Names the rows that make buckets unequal. Somebody else's rows among them are taken out of the table's buckets.
pub(super) async fn find(
    options: &Options<'_>,
    (compared, population): (&Compared<'_>, &Population),
    ours: &OurTable,
    theirs: &mut TheirTable,
    books: &mut Books<'_>,
    left_out: &mut LeftOut,
) -> Result<Found> {
    let unequal = ours.buckets.unequal(&theirs.buckets);
    let mut found = Found::default();
    if unequal.is_empty() {
        return Ok(found);
    }
    let rows = ours.buckets.rows_in(&unequal).max(theirs.buckets.rows_in(&unequal));
    let parts = u8::try_from(rows / LISTED + 1).unwrap_or(u8::MAX);
    for part in 0..parts {
        let part = Part { number: part, of: parts };
        let found = &mut found;
        let (vanished, steady, waiting) = (None, Steady::of(options, compared)?, Vec::new());
        let mut search =
            Search { options, compared, population, books, found, left_out, vanished, steady, waiting };
        search.part(ours, theirs, &unequal, part).await?;
    }
    Ok(found)
}

/// Tells the rows that [`find`] left for later, since only now it is known which of them others hold.
pub(super) async fn find_extra(
    options: &Options<'_>,
    (compared, population): (&Compared<'_>, &Population),
    vanished: &Vanished,
    (found, books): (&mut Found, &mut Books<'_>),
    left_out: &mut LeftOut,
) -> Result<()> {
    let (extra, waiting) = (std::mem::take(&mut found.extra), Vec::new());
    let (vanished, steady) = (Some(vanished), None);
    let mut search =
        Search { options, compared, population, books, found, left_out, vanished, steady, waiting };
    for key in extra {
        search.add(Row { key, kind: Kind::Extra, expected: None, name: None }).await?;
    }
    search.flush().await
}

/// One of so many parts of a table's keys.
#[derive(Clone, Copy)]
struct Part {
    number: u8,
    of: u8,
}

impl Part {
    fn holds(self, key: &str) -> bool {
        self.of == 1 || Sha256::digest(key)[0] % self.of == self.number
    }

    fn sql(self, key: &str) -> String {
        match self.of {
            1 => "true".to_owned(),
            of => format!("get_byte(sha256(convert_to({key}, 'UTF8')), 0) % {of} = {}", self.number),
        }
    }
}

struct Search<'s, 'b, 'o> {
    options: &'s Options<'o>,
    compared: &'s Compared<'s>,
    population: &'s Population,
    books: &'s mut Books<'b>,
    found: &'s mut Found,
    /// Rows of this table and of those before it.
    left_out: &'s mut LeftOut,
    /// What is known of rows that the snapshot does not have, once it is.
    vanished: Option<&'s Vanished>,
    /// Where the table holds new keys.
    steady: Option<Steady>,
    /// Differing rows whose columns are not asked for yet.
    waiting: Vec<Row>,
}

impl Search<'_, '_, '_> {
    /// Reads those rows of both sides that are in unequal buckets; the snapshot's other rows are not even parsed.
    async fn part(
        &mut self,
        ours: &OurTable,
        theirs: &mut TheirTable,
        unequal: &[u8],
        part: Part,
    ) -> Result<()> {
        let Compared { entry, codec, .. } = self.compared;
        let mut listed = self.listed(theirs.whole, unequal, part).await?;
        self.found.doubled.extend(listed.more.iter().map(|(key, _)| key.clone()));
        let mut reader = self.options.snapshot.rows(entry)?;
        let mut buffer = Vec::new();
        for number in 0..ours.rows() {
            if !ours.is_in(number, unequal) {
                reader.skip_row()?;
                continue;
            }
            let Some(row) = reader.next_row()? else { break };
            let key = codec.key_text(&row.values);
            if !part.holds(&key) {
                continue;
            }
            if self.found.doubled.contains(&key) {
                self.found.beside.insert(key.clone());
            }
            let digest: RowHash = codec
                .digest(&row.values, &mut buffer)
                .map_err(|refused| anyhow!("{}: {}", refused.column, refused.refusal.rule()))?;
            let kind = match listed.take(&key, &digest) {
                None => Kind::Missing,
                Some(other) if other == digest => continue,
                Some(_) => Kind::Different,
            };
            let values = row.values.iter().map(|value| value.as_deref().map(str::to_owned)).collect();
            let name = self.steady.as_ref().map(|_| row.steady_name(&entry.table.to_string(), &key));
            self.add(Row { key, kind, expected: Some((digest, values)), name }).await?;
        }
        self.flush().await?;
        self.extra(listed, theirs).await
    }

    /// Key and digest of the target's rows in these buckets.
    async fn listed(&self, whole: bool, unequal: &[u8], part: Part) -> Result<Listed> {
        let Compared { entry, codec, condition, .. } = self.compared;
        let buckets = unequal.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        // Rows of other buckets are not digested. The literal: see buckets::of_server.
        let sql = format!(
            "select key, digest from (select {} as key, {} as digest from {} t where {} and {} in ({buckets}) offset '0') rows \
             where {}",
            codec.key_sql("t"),
            codec.digest_sql("t"),
            entry.table.quoted(),
            if whole { "true" } else { condition },
            bucket_sql(codec, "t"),
            part.sql("key"),
        );
        let none: [&str; 0] = [];
        let rows =
            self.options.client.query_raw(&sql, none).await.map_err(|error| error::postgres(&error))?;
        let mut rows = std::pin::pin!(rows);
        let mut listed = Listed::default();
        while let Some(row) = rows.try_next().await.map_err(|error| error::postgres(&error))? {
            listed.add(row.get(0), row.get::<_, &[u8]>(1).try_into()?);
        }
        Ok(listed)
    }

    async fn add(&mut self, row: Row) -> Result<()> {
        self.waiting.push(row);
        if self.waiting.len() < CHUNK { Ok(()) } else { self.flush().await }
    }

    /// What is left of the target's rows: those of an earlier batch, and where the table was read as it is, those of
    /// somebody else, which are no concern of ours.
    async fn extra(&mut self, listed: Listed, theirs: &mut TheirTable) -> Result<()> {
        let (left, waits) = (listed.left(), vanished::deletes(self.options, self.compared));
        for rows in left.chunks(CHUNK) {
            let keys: Vec<&str> = rows.iter().map(|(key, _)| key.as_str()).collect();
            let deeds = Deeds::read(self.options, self.compared, self.population, &keys).await?;
            let mut foreign = Vec::new();
            for (key, digest) in rows {
                if theirs.whole && !deeds.wrote(key) {
                    theirs.buckets.remove(key, digest);
                    foreign.push(key.as_str());
                } else if waits && !self.found.beside.contains(key) {
                    self.found.extra.push(key.clone());
                } else {
                    let (key, kind) = (key.clone(), Kind::Extra);
                    self.add(Row { key, kind, expected: None, name: None }).await?;
                }
            }
            theirs.others(self.options, self.compared, &foreign).await?;
        }
        self.flush().await
    }

    /// Says of the waiting rows in which columns they differ, and how they came to.
    async fn flush(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let keys: Vec<&str> = waiting.iter().map(|row| row.key.as_str()).collect();
        let deeds = Deeds::read(self.options, self.compared, self.population, &keys).await?;
        let there = target_rows(self.options, self.compared, &keys, Asked::Stored).await?;
        let pushed = standing::pushed(self.options, self.compared, &keys).await?;
        let left_out = self.leave_out(&waiting, &there).await?;
        let (options, compared) = (self.options, self.compared);
        let month = months::place(options, compared);
        for row in &waiting {
            let (there, pushed) = (there.get(&row.key), pushed.get(&row.key));
            if let Some(place) = month {
                let ours = row.expected.as_ref().map(|(_, values)| values[place].as_deref());
                // A missing row that is there is none of ours.
                let theirs = there.filter(|_| row.kind != Kind::Missing).map(|there| there.text(place));
                ours.into_iter().for_each(|day| self.found.months.add(-1, day));
                theirs.into_iter().for_each(|day| self.found.months.add(1, day));
            }
            let standing = match row.kind {
                Kind::Extra if self.found.beside.contains(&row.key) => {
                    Some(Standing { cause: Cause::Doubled, told: None })
                }
                Kind::Extra => there
                    .and_then(|there| vanished::standing(options, compared, self.vanished, &row.key, there)),
                _ => self.standing(row, there, (pushed, left_out.get(&row.key)))?,
            };
            let cause = standing.as_ref().map(|one| one.cause);
            let (difference, batch) = self.told(row, &deeds, there, cause)?;
            self.found.batches.extend(batch);
            if let Some(told) = standing.and_then(|one| one.told) {
                self.found.conflicts.entry(difference.kind).or_default().push(told);
            }
            let values = row.expected.as_ref().map(|(_, values)| values.as_slice());
            self.books.add(self.compared, &difference, values)?;
            *self.found.counts.entry((difference.kind, difference.cause)).or_default() += 1;
            if self.found.listed.len() < self.options.most {
                self.found.listed.push(difference);
            }
        }
        self.books.flush()
    }

    /// Notes rows that people deleted and that are left so, and those that refer to one; says why each is left out.
    async fn leave_out(
        &mut self,
        waiting: &[Row],
        there: &HashMap<String, TargetRow>,
    ) -> Result<HashMap<String, Excuse>> {
        let missing = waiting.iter().filter(|row| row.kind == Kind::Missing && !there.contains_key(&row.key));
        let missing: Vec<(&str, &[Option<String>])> =
            missing.filter_map(|row| Some((row.key.as_str(), row.expected.as_ref()?.1.as_slice()))).collect();
        let keys: Vec<&str> = missing.iter().map(|(key, _)| *key).collect();
        let (options, compared) = (self.options, self.compared);
        let deleted = standing::deleted(options, compared, &keys).await?;
        let policy = options.clinic.on_conflict(&compared.entry.table).of_deleted();
        let mut left_out: HashMap<String, Excuse> = HashMap::new();
        loop {
            let before = left_out.len();
            for (key, values) in &missing {
                let of_deleted = policy.filter(|_| deleted.contains(*key));
                let excuse = of_deleted.or_else(|| self.left_out.orphaned(compared, values));
                let Some(excuse) = excuse.filter(|_| !left_out.contains_key(*key)) else { continue };
                self.left_out.note(options.catalog, compared, (key, values), excuse);
                left_out.insert((*key).to_owned(), excuse);
            }
            if left_out.len() == before {
                return Ok(left_out);
            }
        }
    }

    /// Why a push of this snapshot leaves the row as it is, if the clinic's settings say so.
    fn standing(
        &self,
        row: &Row,
        there: Option<&TargetRow>,
        (pushed, left_out): (Option<&Pushed>, Option<&Excuse>),
    ) -> Result<Option<Standing>> {
        let (options, compared, key) = (self.options, self.compared, row.key.as_str());
        Ok(match (&row.expected, there) {
            (Some((_, values)), Some(there)) => {
                let lost = self.left_out.lost(compared, values);
                standing::edited(options, compared, (key, values), there, (pushed, &lost))?
            }
            (Some((digest, values)), None) => match (left_out, &self.steady, &row.name) {
                (None, ..) => None,
                (Some(excuse), Some(steady), Some(name)) => {
                    Some(standing::absent(*excuse, name, &steady.digest(values)?))
                }
                (Some(excuse), ..) => Some(standing::absent(*excuse, key, digest)),
            },
            (None, _) => None,
        })
    }

    /// The row as a difference, and the batch that made it one, if one did.
    fn told(
        &self,
        row: &Row,
        deeds: &Deeds,
        there: Option<&TargetRow>,
        stands: Option<Cause>,
    ) -> Result<(Difference, Option<i32>)> {
        let columns = match (&row.expected, there) {
            (Some((_, values)), Some(there)) => there.columns(self.options, self.compared, values)?,
            _ => Vec::new(),
        };
        let key = row.key.clone();
        let kind = match row.kind {
            Kind::Different if stands.is_some() => Kind::Kept,
            // It is there, but no batch wrote it.
            Kind::Missing if there.is_some() => Kind::Kept,
            kind => kind,
        };
        let doubled = self.found.doubled.contains(&key);
        if stands.is_some() {
            return Ok((Difference { key, kind, cause: stands, columns, doubled }, None));
        }
        let now = there.and_then(|there| there.stored.as_deref());
        let digest = row.expected.as_ref().map(|(digest, _)| digest);
        let (cause, batch) = deeds.reason(&key, kind, digest, now);
        Ok((Difference { key, kind, cause, columns, doubled }, batch))
    }
}

/// Rows of the target by key; `more` are those that share a key with another one.
#[derive(Default)]
struct Listed {
    rows: HashMap<String, RowHash>,
    more: Vec<(String, RowHash)>,
}

impl Listed {
    fn add(&mut self, key: String, digest: RowHash) {
        if let Some(other) = self.rows.insert(key.clone(), digest) {
            self.more.push((key, other));
        }
    }

    /// Takes a row of this key out: the equal one, if there is one.
    fn take(&mut self, key: &str, digest: &RowHash) -> Option<RowHash> {
        let other = self.more.iter().position(|(other, theirs)| other == key && theirs == digest);
        match other {
            Some(place) if self.rows.get(key) != Some(digest) => Some(self.more.swap_remove(place).1),
            _ => self.rows.remove(key),
        }
    }

    fn left(self) -> Vec<(String, RowHash)> {
        let mut left: Vec<_> = self.rows.into_iter().chain(self.more).collect();
        left.sort();
        left
    }
}
