//! Rows by month on both sides, by one column of a table that says when something was.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use rust_i18n::t;
use serde::{Deserialize, Serialize};

use super::{Compared, Options, TheirTable};
use crate::error::{self, Failure};
use crate::model::catalog::Table;
use crate::model::ident::{TableName, quoted};
use crate::model::manifest::TableEntry;

/// The rows of one table by month.
#[derive(Debug, Clone, Serialize)]
pub struct MonthReport {
    pub table: TableName,
    pub column: String,
    pub months: Vec<Month>,
}

/// One month, as `2024-03`; empty for dates before our era, from the year 10000 on, and infinite.
#[derive(Debug, Clone, Serialize)]
pub struct Month {
    pub month: String,
    pub expected: u64,
    pub target: u64,
}

impl MonthReport {
    /// The months whose number of rows is not the same on both sides.
    pub fn unequal(&self) -> impl Iterator<Item = &Month> {
        self.months.iter().filter(|month| month.expected != month.target)
    }
}

/// How many rows each month has.
pub(super) type Counts = BTreeMap<String, u64>;

/// Counts the snapshot's rows by the month of one column.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Counter {
    place: usize,
    counts: Counts,
}

impl Counter {
    pub(super) fn new(place: usize) -> Self {
        Self { place, counts: Counts::new() }
    }

    pub(super) fn add<T: AsRef<str>>(&mut self, values: &[Option<T>]) {
        let Some(text) = values[self.place].as_ref() else { return };
        let month = month_of(text.as_ref());
        match self.counts.get_mut(month) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(month.to_owned(), 1)),
        }
    }
}

/// What the rows that differ add to the snapshot's months and take from them, so that the server need not count all others
/// again.
#[derive(Debug, Default)]
pub(super) struct Change {
    months: BTreeMap<String, i64>,
    rows: i64,
}

impl Change {
    /// A row that the target has and the snapshot has not, by its day or time if it has one; `-1` the other way round.
    pub(super) fn add(&mut self, by: i64, day: Option<&str>) {
        self.rows += by;
        if let Some(day) = day {
            *self.months.entry(month_of(day).to_owned()).or_default() += by;
        }
    }

    /// The target's months; none where these rows are not all that make its number of rows another one.
    fn of(&self, ours: &Counts, rows: (u64, u64)) -> Option<Counts> {
        if rows.0.checked_add_signed(self.rows) != Some(rows.1) {
            return None;
        }
        let mut months = ours.clone();
        for (month, by) in &self.months {
            let count = months.entry(month.clone()).or_default();
            *count = count.checked_add_signed(*by)?;
        }
        Some(months)
    }
}

/// The month of a date or a timestamp in PostgreSQL's output.
fn month_of(text: &str) -> &str {
    match text.as_bytes() {
        [b'0'..=b'9', _, _, _, b'-', ..] if !text.ends_with("BC") => text.get(..7).unwrap_or_default(),
        _ => "",
    }
}

/// The place of the column by which rows are counted: the one that clinic.toml names, else the first that is neither a
/// birthday nor the time of a change.
pub(super) fn place(options: &Options<'_>, compared: &Compared<'_>) -> Option<usize> {
    let named = options.clinic.table(&compared.entry.table).months;
    let dated =
        |name: &str| compared.table.column(name).filter(|column| column.data_type.has_days()).is_some();
    let names: Vec<&str> = compared.codec.column_names().collect();
    if let Some(named) = named {
        return names.iter().position(|name| *name == named && dated(name));
    }
    let meant = |name: &str, words: &[&str]| words.iter().any(|word| name.to_lowercase().contains(word));
    let (birth, change) = (["birth", "born", "dob"], ["created", "updated", "modified", "deleted"]);
    let happened = |name: &&str| dated(name) && !meant(name, &birth) && !meant(name, &change);
    let begun = |name: &&str| dated(name) && meant(name, &["created"]);
    names.iter().position(happened).or_else(|| names.iter().position(begun))
}

/// Refuses a column of clinic.toml by which no row can be counted.
pub(super) fn check(options: &Options<'_>, entry: &TableEntry, table: &Table) -> Result<()> {
    let Some(named) = options.clinic.table(&entry.table).months else { return Ok(()) };
    let written = entry.columns.iter().any(|column| column.name == named);
    if written && table.column(&named).is_some_and(|column| column.data_type.has_days()) {
        return Ok(());
    }
    Err(Failure::usage(t!("verify.no_month", table = entry.table, column = named)).into())
}

/// Both sides' months, by the number of rows on each and what differs, where that is known.
pub(super) async fn compare(
    options: &Options<'_>,
    compared: &Compared<'_>,
    (ours, rows): (Counter, u64),
    (theirs, change): (&TheirTable, Option<&Change>),
) -> Result<MonthReport> {
    let names: Vec<&str> = compared.codec.column_names().collect();
    let column = names[ours.place];
    let known = change.and_then(|change| change.of(&ours.counts, (rows, theirs.buckets.count())));
    let counted = match known {
        Some(counted) => counted,
        None => count(options, compared, column, theirs).await?,
    };
    let all: BTreeSet<&String> = ours.counts.keys().chain(counted.keys()).collect();
    let rows = |counts: &Counts, month: &String| counts.get(month).copied().unwrap_or(0);
    let months = all.into_iter().map(|month| Month {
        month: month.clone(),
        expected: rows(&ours.counts, month),
        target: rows(&counted, month),
    });
    Ok(MonthReport {
        table: compared.entry.table.clone(),
        column: column.to_owned(),
        months: months.collect(),
    })
}

async fn count(
    options: &Options<'_>,
    compared: &Compared<'_>,
    column: &str,
    theirs: &TheirTable,
) -> Result<Counts> {
    let condition = if theirs.all_ours { "true" } else { &compared.condition };
    // date_trunc knows no dates outside of what a timestamp holds.
    let sql = format!(
        "select month::text, count(*) from (select date_trunc('month', case when {0} >= '0001-01-01' and \
         {0} < '10000-01-01' then {0} end) as month from {1} t where {condition} and {0} is not null) rows group by month",
        format_args!("t.{}", quoted(column)),
        compared.entry.table.quoted(),
    );
    let rows = options.client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    let read = |row: &tokio_postgres::Row| {
        let month = row.get::<_, Option<&str>>(0).map(month_of).unwrap_or_default().to_owned();
        Ok((month, u64::try_from(row.get::<_, i64>(1))?))
    };
    rows.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_differ_change_the_months_only_where_they_are_all_that_differ() {
        let ours = Counts::from([("2024-03".to_owned(), 2)]);
        let mut change = Change::default();
        change.add(-1, Some("2024-03-01"));
        change.add(1, Some("2024-04-01 10:00:00+00"));
        change.add(1, None);
        let theirs = Counts::from([("2024-03".to_owned(), 1), ("2024-04".to_owned(), 1)]);
        assert_eq!(change.of(&ours, (2, 3)), Some(theirs));
        assert_eq!(change.of(&ours, (2, 2)), None);
        change.add(-2, Some("2024-03-02"));
        assert_eq!(change.of(&ours, (2, 1)), None);
    }

    #[test]
    fn a_month_is_read_off_the_text() {
        for (text, month) in [
            ("2024-03-01", "2024-03"),
            ("2024-03-01 10:00:00+00", "2024-03"),
            ("0044-03-15 BC", ""),
            ("10000-01-01", ""),
            ("-infinity", ""),
        ] {
            assert_eq!(month_of(text), month);
        }
    }
}
