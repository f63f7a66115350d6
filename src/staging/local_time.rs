//! Local times as instants: `local_ts`, and what is odd about them: `local_ts_issue`.

use std::error::Error;

use anyhow::Result;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _};
use chrono_tz::{GapInfo, Tz};
use duckdb::Connection;
use duckdb::core::{DataChunkHandle, Inserter as _, LogicalTypeHandle, LogicalTypeId};
use duckdb::ffi::duckdb_string_t;
use duckdb::types::DuckString;
use duckdb::vscalar::{ScalarFunctionSignature, VScalar};
use duckdb::vtab::arrow::WritableVector;

use super::functions::{Invoked, value};
use crate::error;

/// Registers both functions.
pub(super) fn register(connection: &Connection) -> Result<()> {
    connection.register_scalar_function::<LocalTs>("local_ts").map_err(error::duckdb)?;
    connection.register_scalar_function::<LocalTsIssue>("local_ts_issue").map_err(error::duckdb)
}

/// `local_ts(local time, IANA zone)`: the instant as TIMESTAMPTZ. A time in a gap is moved later by the gap's length,
/// one in an overlap takes the earlier instant. Unreadable text gives NULL, an unknown zone is an error.
#[derive(Default)]
struct LocalTs;

impl VScalar for LocalTs {
    type State = ();

    fn invoke((): &(), input: &mut DataChunkHandle, output: &mut dyn WritableVector) -> Invoked {
        let mut out = output.flat_vector();
        each_local(input, |row, local| match local.and_then(|(local, zone)| instant(local, zone)) {
            Some(microseconds) => {
                // SAFETY: TIMESTAMPTZ is stored as 64-bit microseconds; `row` is a row of the chunk.
                unsafe { out.as_mut_slice::<i64>()[row] = microseconds };
            }
            None => out.set_null(row),
        })
    }

    fn signatures() -> Vec<ScalarFunctionSignature> {
        local_signatures(LogicalTypeId::TimestampTZ)
    }
}

/// `local_ts_issue(local time, IANA zone)`: `gap`, `overlap` or NULL.
#[derive(Default)]
struct LocalTsIssue;

impl VScalar for LocalTsIssue {
    type State = ();

    fn invoke((): &(), input: &mut DataChunkHandle, output: &mut dyn WritableVector) -> Invoked {
        let mut out = output.flat_vector();
        each_local(input, |row, local| match local.and_then(|(local, zone)| issue(local, zone)) {
            Some(name) => out.insert(row, name),
            None => out.set_null(row),
        })
    }

    fn signatures() -> Vec<ScalarFunctionSignature> {
        local_signatures(LogicalTypeId::Varchar)
    }
}

fn local_signatures(result: LogicalTypeId) -> Vec<ScalarFunctionSignature> {
    let handle = LogicalTypeHandle::from;
    [LogicalTypeId::Varchar, LogicalTypeId::Timestamp]
        .into_iter()
        .map(|local| {
            ScalarFunctionSignature::exact(
                vec![handle(local), handle(LogicalTypeId::Varchar)],
                handle(result),
            )
        })
        .collect()
}

/// Hands each row's local time and zone to `write`; `None` where one is NULL or the time is unreadable.
fn each_local(input: &DataChunkHandle, mut write: impl FnMut(usize, Option<(NaiveDateTime, Tz)>)) -> Invoked {
    let (times, zones) = (input.flat_vector(0), input.flat_vector(1));
    let as_text = times.logical_type().id() == LogicalTypeId::Varchar;
    let mut known: Option<(String, Tz)> = None;
    for row in 0..input.len() {
        if times.row_is_null(row as u64) || zones.row_is_null(row as u64) {
            write(row, None);
            continue;
        }
        let zone =
            zone_of(&mut known, &DuckString::new(&mut value::<duckdb_string_t>(&zones, row)).as_str())?;
        let local = if as_text {
            parse_local(&DuckString::new(&mut value::<duckdb_string_t>(&times, row)).as_str())
        } else {
            DateTime::from_timestamp_micros(value(&times, row)).map(|time| time.naive_utc())
        };
        write(row, local.map(|local| (local, zone)));
    }
    Ok(())
}

/// The zone of this name; the last one is remembered, since a column mostly holds one.
fn zone_of(known: &mut Option<(String, Tz)>, name: &str) -> std::result::Result<Tz, Box<dyn Error>> {
    if let Some((last, zone)) = known
        && last == name
    {
        return Ok(*zone);
    }
    let zone: Tz =
        name.parse().map_err(|_| format!("'{name}' is no IANA time zone, such as Europe/Madrid"))?;
    *known = Some((name.to_owned(), zone));
    Ok(zone)
}

/// Reads `YYYY-MM-DD`, a space or `T`, `HH:MM[:SS[.f]]`.
fn parse_local(text: &str) -> Option<NaiveDateTime> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let time = NaiveTime::parse_from_str(time, "%H:%M:%S%.f")
        .or_else(|_| NaiveTime::parse_from_str(time, "%H:%M"))
        .ok()?;
    Some(date.and_time(time))
}

/// Microseconds since 1970 of a local time.
fn instant(local: NaiveDateTime, zone: Tz) -> Option<i64> {
    use chrono::Offset as _;
    let time = match zone.from_local_datetime(&local).earliest() {
        Some(time) => time.naive_utc(),
        None => {
            let (_, before) = GapInfo::new(&local, &zone)?.begin?;
            local.checked_sub_offset(before.fix())?
        }
    };
    Some(time.and_utc().timestamp_micros())
}

fn issue(local: NaiveDateTime, zone: Tz) -> Option<&'static str> {
    match zone.from_local_datetime(&local) {
        chrono::LocalResult::Single(_) => None,
        chrono::LocalResult::Ambiguous(..) => Some("overlap"),
        chrono::LocalResult::None => Some("gap"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(connection: &Connection, expression: &str) -> Option<String> {
        connection.query_row(&format!("select ({expression})::varchar"), [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_gap_moves_later_and_an_overlap_takes_the_earlier_instant() {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        connection.execute_batch("set timezone = 'UTC'").unwrap();
        for (local, zone, expected, issue) in [
            ("2024-01-15 10:00", "Europe/Madrid", "2024-01-15 09:00:00+00", None),
            ("2024-03-31 02:30", "Europe/Madrid", "2024-03-31 01:30:00+00", Some("gap")),
            ("2024-03-31T03:00:00", "Europe/Madrid", "2024-03-31 01:00:00+00", None),
            ("2024-10-27 02:30:00.25", "Europe/Madrid", "2024-10-27 00:30:00.25+00", Some("overlap")),
            ("2024-10-27 03:00", "Europe/Madrid", "2024-10-27 02:00:00+00", None),
            ("2024-09-08 00:30", "America/Santiago", "2024-09-08 04:30:00+00", Some("gap")),
            ("2011-12-30 12:00", "Pacific/Apia", "2011-12-30 22:00:00+00", Some("gap")),
            ("1890-01-01 00:00", "Europe/Madrid", "1890-01-01 00:14:44+00", None),
        ] {
            assert_eq!(
                text(&connection, &format!("local_ts('{local}', '{zone}')")).as_deref(),
                Some(expected),
                "{local}"
            );
            assert_eq!(
                text(&connection, &format!("local_ts_issue('{local}', '{zone}')")).as_deref(),
                issue,
                "{local}"
            );
            assert_eq!(
                text(&connection, &format!("local_ts(timestamp '{local}', '{zone}')")).as_deref(),
                Some(expected),
                "{local}"
            );
        }
        assert_eq!(text(&connection, "local_ts('31/03/2024 02:30', 'Europe/Madrid')"), None);
        assert_eq!(text(&connection, "local_ts(null::varchar, 'Europe/Madrid')"), None);
        assert!(connection.execute_batch("select local_ts('2024-01-01 00:00', 'Europe/Madird')").is_err());
    }
}
