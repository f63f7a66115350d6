//! Rows from memory into a table: DuckDB reads batches where they lie, in one statement and one thread, so that rows keep their
//! order. Its appender copies every value twice before it stores it, and stands still while it does.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use duckdb::Connection;
use duckdb::arrow::array::{Array, AsArray as _, Int64Array, StringArray};
use duckdb::arrow::buffer::NullBuffer;
use duckdb::arrow::datatypes::{DataType, Int64Type, Schema};
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::core::{DataChunkHandle, LogicalTypeHandle, LogicalTypeId};
use duckdb::ffi::{self, duckdb_string_t, duckdb_vector};
use duckdb::vtab::{BindInfo, InitInfo, TableFunctionInfo, VTab};

use super::Staging;
use crate::error;
use crate::model::ident::quoted;

const FUNCTION: &str = "trasvase_incoming";
/// DuckDB keeps so short a text inside its 16 bytes.
const INLINED: usize = 12;

/// Gives batches of one schema, of texts and 64-bit integers, until there are none.
pub type Batches = Box<dyn FnMut() -> Option<RecordBatch> + Send>;

/// Where the statement finds what it is to read.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<Mutex<Option<Incoming>>>);

struct Incoming {
    schema: Arc<Schema>,
    /// The column whose texts are JSON; they are not looked at again.
    json: Option<String>,
    batches: Batches,
}

impl Gate {
    pub(super) fn register(connection: &Connection) -> Result<Self> {
        let gate = Self::default();
        connection
            .register_table_function_with_extra_info::<Function, Self>(FUNCTION, &gate)
            .map_err(error::duckdb)?;
        Ok(gate)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Option<Incoming>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Staging {
    /// Appends batches to a table of the schema `raw`, whose columns of the batches' names get the values; `json` names the
    /// one of type JSON.
    ///
    /// # Errors
    /// DuckDB failing.
    pub fn append(
        &self,
        table: &str,
        schema: &Arc<Schema>,
        json: Option<&str>,
        batches: Batches,
    ) -> Result<()> {
        let names = schema.fields().iter().map(|field| quoted(field.name())).collect::<Vec<_>>().join(", ");
        let incoming = Incoming { schema: Arc::clone(schema), json: json.map(str::to_owned), batches };
        self.incoming.with(|gate| *gate = Some(incoming));
        let sql = format!("insert into raw.{} ({names}) select * from {FUNCTION}()", quoted(table));
        let appended = self.in_one_thread(|| self.execute(&sql));
        // What a failed statement did not take must not wait for the next.
        self.incoming.with(Option::take);
        appended
    }

    /// Does without DuckDB's other threads. Where one of them takes the only task of a statement, the one that asked for it
    /// polls for more without a pause: a core that those who read and decode the source need.
    fn in_one_thread(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let threads = self.threads()?;
        self.execute("set threads = 1")?;
        let done = work();
        let restored = self.execute(&format!("set threads = {threads}"));
        // Where both fail, the first says why.
        done.and(restored)
    }
}

struct Function;

/// The batch that is being read. DuckDB is done with a chunk when it asks for the next one.
struct Scan {
    batches: Batches,
    batch: Option<RecordBatch>,
    offset: usize,
}

impl Scan {
    /// The next rows; none at the end.
    fn next(&mut self, most: usize) -> Option<RecordBatch> {
        loop {
            if let Some(batch) = &self.batch
                && self.offset < batch.num_rows()
            {
                let length = most.min(batch.num_rows() - self.offset);
                self.offset += length;
                return Some(batch.slice(self.offset - length, length));
            }
            self.batch = Some((self.batches)()?);
            self.offset = 0;
        }
    }
}

type Called<T> = std::result::Result<T, Box<dyn Error>>;

impl VTab for Function {
    type InitData = Mutex<Scan>;
    type BindData = ();

    fn bind(bind: &BindInfo) -> Called<()> {
        // SAFETY: the function was registered with a gate.
        let gate = unsafe { &*bind.get_extra_info::<Gate>() };
        gate.with(|incoming| {
            let incoming = incoming.as_ref().ok_or("nothing comes in")?;
            for field in incoming.schema.fields() {
                let kind = match field.data_type() {
                    DataType::Utf8 => LogicalTypeId::Varchar,
                    DataType::Int64 => LogicalTypeId::Bigint,
                    other => return Err(format!("a column of {other} cannot come in").into()),
                };
                let mut kind = LogicalTypeHandle::from(kind);
                if incoming.json.as_ref() == Some(field.name()) {
                    kind.set_alias("JSON");
                }
                bind.add_result_column(field.name(), kind);
            }
            Ok(())
        })
    }

    fn init(init: &InitInfo) -> Called<Mutex<Scan>> {
        // SAFETY: the function was registered with a gate.
        let gate = unsafe { &*init.get_extra_info::<Gate>() };
        let incoming = gate.with(Option::take).ok_or("nothing comes in")?;
        Ok(Mutex::new(Scan { batches: incoming.batches, batch: None, offset: 0 }))
    }

    fn func(function: &TableFunctionInfo<Self>, output: &mut DataChunkHandle) -> Called<()> {
        let mut scan = function.get_init_data().lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: no arguments, no conditions.
        let most = unsafe { ffi::duckdb_vector_size() } as usize;
        let Some(rows) = scan.next(most) else {
            output.set_len(0);
            return Ok(());
        };
        for (place, column) in rows.columns().iter().enumerate() {
            // SAFETY: the chunk has a vector for each column that was bound, in their order.
            let vector = unsafe { ffi::duckdb_data_chunk_get_vector(output.get_ptr(), place as u64) };
            match column.data_type() {
                DataType::Utf8 => texts(column.as_string(), vector),
                _ => integers(column.as_primitive::<Int64Type>(), vector),
            }
            if let Some(nulls) = column.nulls() {
                mark(nulls, vector);
            }
        }
        output.set_len(rows.num_rows());
        Ok(())
    }
}

fn integers(column: &Int64Array, vector: duckdb_vector) {
    // SAFETY: the vector is of BIGINT, and has room for more rows than come at once.
    unsafe {
        let cells = ffi::duckdb_vector_get_data(vector).cast::<i64>();
        std::ptr::copy_nonoverlapping(column.values().as_ptr(), cells, column.len());
    }
}

/// Writes where each text lies; short ones are written themselves.
fn texts(column: &StringArray, vector: duckdb_vector) {
    let (offsets, bytes) = (column.value_offsets(), column.value_data());
    // SAFETY: the vector is of VARCHAR, and has room for more rows than come at once.
    let cells = unsafe {
        std::slice::from_raw_parts_mut(
            ffi::duckdb_vector_get_data(vector).cast::<duckdb_string_t>(),
            column.len(),
        )
    };
    for (cell, ends) in cells.iter_mut().zip(offsets.windows(2)) {
        let text = &bytes[ends[0] as usize..ends[1] as usize];
        *cell = cell_of(text);
    }
}

fn cell_of(text: &[u8]) -> duckdb_string_t {
    // Offsets of 32 bits make no longer text.
    let length = text.len() as u32;
    // SAFETY: zeros are an empty text; of the union that part is written which the length asks for.
    unsafe {
        let mut cell: duckdb_string_t = std::mem::zeroed();
        if text.len() <= INLINED {
            cell.value.inlined.length = length;
            let place = (&raw mut cell.value.inlined.inlined).cast::<u8>();
            std::ptr::copy_nonoverlapping(text.as_ptr(), place, text.len());
        } else {
            cell.value.pointer.length = length;
            let place = (&raw mut cell.value.pointer.prefix).cast::<u8>();
            std::ptr::copy_nonoverlapping(text.as_ptr(), place, 4);
            // Nobody writes there.
            cell.value.pointer.ptr = text.as_ptr().cast_mut().cast();
        }
        cell
    }
}

/// Marks the rows that are NULL.
fn mark(nulls: &NullBuffer, vector: duckdb_vector) {
    if nulls.null_count() == 0 {
        return;
    }
    // SAFETY: the mask has a bit for each row that the vector has room for.
    unsafe {
        ffi::duckdb_vector_ensure_validity_writable(vector);
        let mask = ffi::duckdb_vector_get_validity(vector);
        for (word, bits) in
            nulls.inner().bit_chunks().iter_padded().enumerate().take(nulls.len().div_ceil(64))
        {
            *mask.add(word) = bits;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use duckdb::arrow::array::ArrayRef;
    use duckdb::arrow::datatypes::Field;

    use super::*;

    fn staging() -> Staging {
        let connection = Connection::open_in_memory().unwrap();
        let incoming = Gate::register(&connection).unwrap();
        let staging = Staging { connection, incoming, path: PathBuf::new(), _lock: None };
        let sql = "create schema raw; create table raw.t (_id bigint not null, a varchar, d json, n bigint as (_id + 1))";
        staging.execute(sql).unwrap();
        staging
    }

    /// A text of that number's length, which no other has; none for every seventh.
    fn text(number: i64) -> Option<String> {
        (number % 7 != 3).then(|| format!("{}{number}", "ñ".repeat((number % 23) as usize)))
    }

    fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
        let texts: StringArray = numbers.clone().map(text).collect();
        let documents: StringArray = numbers.clone().map(|number| Some(format!("[{number}]"))).collect();
        let ids: Int64Array = numbers.map(Some).collect();
        let fields = [("d", DataType::Utf8), ("a", DataType::Utf8), ("_id", DataType::Int64)];
        let fields = fields.map(|(name, kind)| Field::new(name, kind, true)).to_vec();
        let columns: Vec<ArrayRef> = vec![Arc::new(documents), Arc::new(texts), Arc::new(ids)];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn append(staging: &Staging, sizes: &[i64]) -> Result<()> {
        let mut batches = Vec::new();
        let mut start = 0;
        for size in sizes {
            batches.push(batch(start..start + size));
            start += size;
        }
        let schema = batches[0].schema();
        let mut batches = batches.into_iter();
        staging.append("t", &schema, Some("d"), Box::new(move || batches.next()))
    }

    #[test]
    fn texts_and_nulls_arrive_in_their_order_whatever_the_batches() {
        let staging = staging();
        let sizes = [1, 0, 63, 2048, 2049, 64, 5000, 1];
        append(&staging, &sizes).unwrap();
        let all = sizes.iter().sum::<i64>();
        let rows = staging
            .rows("select _id, a, d::varchar, n from raw.t order by rowid", |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .unwrap();
        let expected: Vec<(i64, Option<String>, String, i64)> =
            (0..all).map(|number| (number, text(number), format!("[{number}]"), number + 1)).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_failed_statement_leaves_nothing_for_the_next() {
        let staging = staging();
        staging.execute("alter table raw.t rename to other").unwrap();
        assert!(append(&staging, &[5]).is_err());
        assert!(staging.incoming.with(|incoming| incoming.is_none()));
        staging.execute("alter table raw.other rename to t").unwrap();
        append(&staging, &[3]).unwrap();
        assert_eq!(staging.value::<i64>("select count(*) from raw.t").unwrap(), 3);
    }

    #[test]
    fn other_statements_have_their_threads_again() {
        let staging = staging();
        for there in [true, false] {
            staging.execute("set threads = 3").unwrap();
            assert_eq!(append(&staging, &[5]).is_ok(), there);
            assert_eq!(staging.threads().unwrap(), 3);
            staging.execute("drop table raw.t").unwrap();
            staging.execute("create table raw.t (other varchar)").unwrap();
        }
    }
}
