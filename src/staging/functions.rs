//! Scalar functions that models may call: deterministic ids (`ulid_for`, `uuid_for`), local times
//! ([`super::local_time`]), how names sound ([`super::sound`]), and values inside documents ([`super::documents`]).
//!
//! # Bytes of an id
//! `digest = SHA-256(part(clinic uid) part(entity) part(source) part(key 1) ... part(key n))`, where `part(text)` is
//! the length of its UTF-8 bytes as an unsigned 32-bit big-endian integer, then the bytes. The length prefix keeps
//! ("ab", "c") and ("a", "bc") apart. An id's 16 bytes are the clinic's epoch in milliseconds since 1970 (48 bits,
//! big-endian), then the first 10 bytes of the digest. `ulid_for` writes them in Crockford base32; `uuid_for` sets the
//! version nibble (bits 48 to 51) to 8 and the variant (bits 64 and 65) to 10 as RFC 9562 asks, and writes them in hex.
//!
//! A key counts as its text: 7 and '7' give the same id, as do a date and its ISO form. NULL in any part gives NULL.

use std::error::Error;

use anyhow::Result;
use chrono::{NaiveDate, TimeDelta};
use duckdb::Connection;
use duckdb::core::{DataChunkHandle, FlatVector, Inserter as _, LogicalTypeId};
use duckdb::ffi::duckdb_string_t;
use duckdb::types::DuckString;
use duckdb::vscalar::{ScalarFunctionSignature, VScalar};
use duckdb::vtab::arrow::WritableVector;
use sha2::{Digest as _, Sha256};

use super::{documents, local_time, sound};
use crate::config::Clinic;
use crate::error;
use crate::model::ident::literal;

/// Names and meaning of these functions; a model that calls one is rebuilt when this changes.
pub const REVISION: &str = "functions 1";

/// Registers the functions on a connection.
pub(super) fn register(connection: &Connection, clinic: &Clinic) -> Result<()> {
    let namespace = Namespace { uid: clinic.uid.clone(), epoch: clinic.epoch_milliseconds()? };
    connection
        .register_scalar_function_with_state::<UlidFor>("ulid_for", &namespace)
        .map_err(error::duckdb)?;
    connection
        .register_scalar_function_with_state::<UuidFor>("uuid_for", &namespace)
        .map_err(error::duckdb)?;
    local_time::register(connection)?;
    sound::register(connection)?;
    documents::register(connection)
}

/// A function over texts that gives a small number; NULL is an empty text.
struct TextLevel;

/// Arguments that such a function may have.
const MOST_TEXTS: usize = 8;

/// What such a function computes.
#[derive(Debug, Clone, Copy)]
struct Computed(fn(&[&str]) -> u8);

impl VScalar for TextLevel {
    type State = Computed;

    fn invoke(computed: &Computed, input: &mut DataChunkHandle, output: &mut dyn WritableVector) -> Invoked {
        let mut columns: Vec<FlatVector<'_>> =
            (0..input.num_columns()).map(|index| input.flat_vector(index)).collect();
        let given = columns.len();
        if given > MOST_TEXTS {
            return Err(format!("{given} texts, where at most {MOST_TEXTS} can be compared").into());
        }
        let mut out = output.flat_vector();
        for row in 0..input.len() {
            let mut texts = [""; MOST_TEXTS];
            for (slot, column) in texts.iter_mut().zip(&mut columns) {
                *slot = text(column, row);
            }
            // SAFETY: the result is declared as UTINYINT, and `row` is a row of the chunk.
            unsafe { out.as_mut_slice_with_len::<u8>(row + 1)[row] = computed.0(&texts[..given]) };
        }
        Ok(())
    }

    fn signatures() -> Vec<ScalarFunctionSignature> {
        vec![ScalarFunctionSignature::variadic(LogicalTypeId::Varchar.into(), LogicalTypeId::UTinyint.into())]
    }
}

/// A row's text where it lies; NULL is an empty one.
fn text<'a>(column: &'a mut FlatVector<'_>, row: usize) -> &'a str {
    if column.row_is_null(row as u64) {
        return "";
    }
    // SAFETY: the argument is declared as VARCHAR, whose texts are UTF-8, and `row` is a row of the chunk that is not NULL.
    unsafe {
        let cells = column.as_mut_slice_with_len::<duckdb_string_t>(row + 1);
        std::str::from_utf8_unchecked(DuckString::new(&mut cells[row]).as_bytes())
    }
}

impl super::Staging {
    /// Makes a function over texts known to DuckDB, unless it is; where a text is NULL it is given an empty one.
    ///
    /// # Errors
    /// DuckDB failing.
    pub fn register_level(&self, name: &str, level: fn(&[&str]) -> u8) -> Result<()> {
        let known =
            format!("select count(*) > 0 from duckdb_functions() where function_name = {}", literal(name));
        if self.value(&known)? {
            return Ok(());
        }
        let registered =
            self.connection.register_scalar_function_with_state::<TextLevel>(name, &Computed(level));
        registered.map_err(error::duckdb)
    }
}

pub(super) type Invoked = std::result::Result<(), Box<dyn Error>>;

/// What makes one clinic's ids its own.
#[derive(Debug, Clone)]
struct Namespace {
    uid: String,
    /// Milliseconds since 1970.
    epoch: u64,
}

impl Namespace {
    /// The 16 bytes of an id over length-prefixed parts (the clinic's uid among them).
    fn id(&self, parts: &[u8]) -> [u8; 16] {
        let digest = Sha256::digest(parts);
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&self.epoch.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&digest[..10]);
        bytes
    }
}

/// Appends the length of a text, then the text.
fn push_part(parts: &mut Vec<u8>, text: &[u8]) {
    // DuckDB's own limit on a string is 4 GB.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    parts.extend_from_slice(&length.to_be_bytes());
    parts.extend_from_slice(text);
}

/// `ulid_for(entity, source, key...)`.
struct UlidFor;

impl VScalar for UlidFor {
    type State = Namespace;

    fn invoke(
        namespace: &Namespace,
        input: &mut DataChunkHandle,
        output: &mut dyn WritableVector,
    ) -> Invoked {
        each_id(namespace, input, output, |bytes, row, out| {
            let mut text = [0; ulid::ULID_LEN];
            out.insert(row, &*ulid::Ulid::from_bytes(bytes).array_to_str(&mut text));
        })
    }

    fn signatures() -> Vec<ScalarFunctionSignature> {
        id_signatures()
    }
}

/// `uuid_for(entity, source, key...)`.
struct UuidFor;

impl VScalar for UuidFor {
    type State = Namespace;

    fn invoke(
        namespace: &Namespace,
        input: &mut DataChunkHandle,
        output: &mut dyn WritableVector,
    ) -> Invoked {
        each_id(namespace, input, output, |bytes, row, out| out.insert(row, uuid_text(bytes).as_str()))
    }

    fn signatures() -> Vec<ScalarFunctionSignature> {
        id_signatures()
    }
}

fn id_signatures() -> Vec<ScalarFunctionSignature> {
    vec![ScalarFunctionSignature::variadic(LogicalTypeId::Any.into(), LogicalTypeId::Varchar.into())]
}

/// A UUIDv8 (RFC 9562) in lower-case hex.
fn uuid_text(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Computes the id of every row and hands it to `write`; a row with a NULL part is NULL.
fn each_id(
    namespace: &Namespace,
    input: &DataChunkHandle,
    output: &mut dyn WritableVector,
    write: impl Fn([u8; 16], usize, &FlatVector<'_>),
) -> Invoked {
    if input.num_columns() < 3 {
        return Err("ids are made of at least three parts: ulid_for(entity, source, key...)".into());
    }
    let columns = (0..input.num_columns())
        .map(|index| Part::of(input.flat_vector(index)))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let mut out = output.flat_vector();
    let mut parts = Vec::with_capacity(128);
    push_part(&mut parts, namespace.uid.as_bytes());
    let start = parts.len();
    for row in 0..input.len() {
        parts.truncate(start);
        if columns.iter().all(|column| column.push(row, &mut parts)) {
            write(namespace.id(&parts), row, &out);
        } else {
            out.set_null(row);
        }
    }
    Ok(())
}

/// A column that is a part of ids.
struct Part<'a> {
    vector: FlatVector<'a>,
    kind: PartKind,
}

#[derive(Debug, Clone, Copy)]
enum PartKind {
    Text,
    Boolean,
    Date,
    Signed(u8),
    Unsigned(u8),
    /// An untyped NULL.
    Null,
}

impl<'a> Part<'a> {
    fn of(vector: FlatVector<'a>) -> std::result::Result<Self, Box<dyn Error>> {
        let kind = match vector.logical_type().id() {
            LogicalTypeId::Varchar => PartKind::Text,
            LogicalTypeId::Boolean => PartKind::Boolean,
            LogicalTypeId::Date => PartKind::Date,
            LogicalTypeId::Tinyint => PartKind::Signed(1),
            LogicalTypeId::Smallint => PartKind::Signed(2),
            LogicalTypeId::Integer => PartKind::Signed(4),
            LogicalTypeId::Bigint => PartKind::Signed(8),
            LogicalTypeId::Hugeint => PartKind::Signed(16),
            LogicalTypeId::UTinyint => PartKind::Unsigned(1),
            LogicalTypeId::USmallint => PartKind::Unsigned(2),
            LogicalTypeId::UInteger => PartKind::Unsigned(4),
            LogicalTypeId::UBigint => PartKind::Unsigned(8),
            LogicalTypeId::SqlNull => PartKind::Null,
            other => return Err(format!(
                "an id is made of texts, integers, booleans and dates, not {other:?}: cast the key to varchar"
            )
            .into()),
        };
        Ok(Self { vector, kind })
    }

    /// Appends the row's value; false if it is NULL.
    fn push(&self, row: usize, parts: &mut Vec<u8>) -> bool {
        if matches!(self.kind, PartKind::Null) || self.vector.row_is_null(row as u64) {
            return false;
        }
        match self.kind {
            PartKind::Text => push_part(parts, DuckString::new(&mut self.value(row)).as_bytes()),
            PartKind::Boolean => push_part(parts, if self.value::<bool>(row) { b"true" } else { b"false" }),
            PartKind::Date => push_part(parts, date_text(self.value(row)).as_bytes()),
            PartKind::Signed(width) => push_part(parts, self.signed(row, width).to_string().as_bytes()),
            PartKind::Unsigned(width) => push_part(parts, self.unsigned(row, width).to_string().as_bytes()),
            PartKind::Null => {}
        }
        true
    }

    fn signed(&self, row: usize, width: u8) -> i128 {
        match width {
            1 => self.value::<i8>(row).into(),
            2 => self.value::<i16>(row).into(),
            4 => self.value::<i32>(row).into(),
            8 => self.value::<i64>(row).into(),
            // A hugeint is its lower half, then its upper half; i128 wants an alignment that DuckDB does not promise.
            _ => {
                let [lower, upper] = self.value::<[u64; 2]>(row);
                (u128::from(upper) << 64 | u128::from(lower)).cast_signed()
            }
        }
    }

    fn unsigned(&self, row: usize, width: u8) -> u64 {
        match width {
            1 => self.value::<u8>(row).into(),
            2 => self.value::<u16>(row).into(),
            4 => self.value::<u32>(row).into(),
            _ => self.value::<u64>(row),
        }
    }

    /// The row's value as DuckDB stores the column's type.
    fn value<T: Copy>(&self, row: usize) -> T {
        value(&self.vector, row)
    }
}

/// The value of a valid row, as DuckDB stores the vector's type.
pub(super) fn value<T: Copy>(vector: &FlatVector<'_>, row: usize) -> T {
    // SAFETY: callers choose T by the vector's logical type and ask for rows of the chunk that are not NULL.
    unsafe { vector.as_slice_with_len::<T>(row + 1)[row] }
}

/// ISO form of days since 1970.
fn date_text(days: i32) -> String {
    NaiveDate::from_ymd_opt(1970, 1, 1)
        .and_then(|epoch| epoch.checked_add_signed(TimeDelta::days(days.into())))
        .map_or_else(|| format!("day {days}"), |date| date.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UID: &str = "01HZZZZZZZZZZZZZZZZZZZZZZZ";
    const EPOCH: u64 = 1_704_067_200_000;

    fn connection() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let namespace = Namespace { uid: UID.into(), epoch: EPOCH };
        connection.register_scalar_function_with_state::<UlidFor>("ulid_for", &namespace).unwrap();
        connection.register_scalar_function_with_state::<UuidFor>("uuid_for", &namespace).unwrap();
        connection
    }

    fn text(connection: &Connection, expression: &str) -> Option<String> {
        connection.query_row(&format!("select ({expression})::varchar"), [], |row| row.get(0)).unwrap()
    }

    /// The format of the module's documentation, written a second time.
    fn expected(parts: &[&str]) -> [u8; 16] {
        let mut hash = Sha256::new();
        for part in std::iter::once(&UID).chain(parts) {
            hash.update((part.len() as u32).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&EPOCH.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&digest[..10]);
        bytes
    }

    #[test]
    fn an_id_is_the_documented_bytes() {
        let connection = connection();
        let bytes = expected(&["patient", "flowww", "17", "x"]);
        let ulid = text(&connection, "ulid_for('patient', 'flowww', '17', 'x')").unwrap();
        assert_eq!(ulid, ulid::Ulid::from_bytes(bytes).to_string());
        assert_eq!(ulid::Ulid::from_string(&ulid).unwrap().timestamp_ms(), EPOCH);
        let uuid = text(&connection, "uuid_for('patient', 'flowww', '17', 'x')").unwrap();
        assert_eq!(uuid.len(), 36);
        assert_eq!((&uuid[14..15], "89ab".contains(&uuid[19..20])), ("8", true));
        let hex = u128::from_str_radix(&uuid.replace('-', ""), 16).unwrap().to_be_bytes();
        assert_eq!(hex[..6], bytes[..6]);
        assert_eq!((hex[7], &hex[9..]), (bytes[7], &bytes[9..]));
    }

    #[test]
    fn a_key_counts_as_its_text_and_null_gives_null() {
        let connection = connection();
        let of = |key: &str| text(&connection, &format!("ulid_for('e', 's', {key})"));
        let seven = of("'7'");
        for key in ["7", "7::tinyint", "7::smallint", "7::bigint", "7::hugeint", "7::utinyint", "7::ubigint"]
        {
            assert_eq!(of(key), seven, "{key}");
        }
        assert_eq!(
            of("'-170141183460469231731687303715884105727'::hugeint"),
            of("'-170141183460469231731687303715884105727'")
        );
        assert_eq!(of("date '2024-02-29'"), of("'2024-02-29'"));
        assert_eq!(of("true"), of("'true'"));
        assert_eq!(of("null"), None);
        assert_eq!(of("null::bigint"), None);
        assert_eq!(text(&connection, "ulid_for(null, 's', 'k')"), None);
        assert_eq!(text(&connection, "uuid_for('e', 's', 'k', null)"), None);
        assert!(connection.execute_batch("select ulid_for('e', 's', 1.5)").is_err());
        assert!(connection.execute_batch("select ulid_for('e', 's')").is_err());
    }

    #[test]
    fn a_column_of_ids_holds_nulls_and_long_and_empty_keys() {
        let connection = connection();
        let counts: (i64, i64, i64) = connection
            .query_row(
                "with keys as (select case when i % 3 = 0 then null when i % 3 = 1 then repeat('k', i) else '' end as k, i from range(3000) t(i))
                 select count(ulid_for('e', 's', k, i)), count(distinct ulid_for('e', 's', k, i)),
                   count(*) filter (k is null and ulid_for('e', 's', k) is not null) from keys",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap();
        assert_eq!(counts, (2000, 2000, 0));
    }

    #[test]
    fn a_million_ids_are_quick() {
        let connection = connection();
        let started = std::time::Instant::now();
        let distinct: i64 = connection
            .query_row(
                "select count(distinct ulid_for('appointment', 'flowww', i)) from range(1000000) t(i)",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(distinct, 1_000_000);
        // A debug build on a busy machine; release takes a tenth of it.
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }

    proptest! {
        #[test]
        fn the_same_letters_split_differently_are_different_ids(parts in prop::collection::vec("[a-c]{0,3}", 2..4), other in prop::collection::vec("[a-c]{0,3}", 2..4)) {
            let bytes = |parts: &[String]| {
                let mut out = Vec::new();
                for part in parts {
                    push_part(&mut out, part.as_bytes());
                }
                Namespace { uid: UID.into(), epoch: EPOCH }.id(&out)
            };
            prop_assert_eq!(parts == other, bytes(&parts) == bytes(&other));
        }
    }
}
