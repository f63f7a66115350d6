//! `COPY ... FROM STDIN (FORMAT binary)`: PostgreSQL documentation, chapter "COPY", section "Binary Format".

use std::io::Read as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use futures_util::SinkExt as _;
use tokio_postgres::{Client, CopyInSink};

use crate::error;

/// Bytes are handed to the connection in blocks of this size.
const BLOCK: usize = 1 << 18;

/// The type `text` in pg_type.
const TEXT_OID: i32 = 25;

/// Bytes that were handed to connections.
static SENT: AtomicU64 = AtomicU64::new(0);

/// How many bytes all COPYs of this program handed over: one that is stuck hands over none.
pub(super) fn sent() -> u64 {
    SENT.load(Ordering::Relaxed)
}

/// A running COPY. Dropped without [`Copy::finish`], the server discards it.
pub struct Copy {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    buffer: Vec<u8>,
}

impl Copy {
    /// Starts the given `copy ... from stdin (format binary)` statement.
    pub async fn start(client: &Client, sql: &str) -> Result<Self> {
        let sink = client.copy_in(sql).await.map_err(|error| error::postgres(&error))?;
        let mut buffer = Vec::with_capacity(BLOCK + BLOCK / 4);
        buffer.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
        buffer.extend_from_slice(&[0; 8]);
        Ok(Self { sink: Box::pin(sink), buffer })
    }

    /// Begins a row of so many fields; the caller appends each field: its length (i32, -1 for null) and its bytes.
    pub fn row(&mut self, fields: usize) -> &mut Vec<u8> {
        let count = i16::try_from(fields).expect("PostgreSQL tables have at most 1,600 columns");
        self.buffer.extend_from_slice(&count.to_be_bytes());
        &mut self.buffer
    }

    /// Appends a row that is encoded already, with its number of fields.
    pub fn encoded(&mut self, row: &[u8]) {
        self.buffer.extend_from_slice(row);
    }

    /// Sends rows that are encoded already.
    pub async fn rows_from(&mut self, mut encoded: impl std::io::Read) -> Result<()> {
        loop {
            let room = &mut self.buffer;
            if encoded.by_ref().take(BLOCK as u64).read_to_end(room)? == 0 {
                return Ok(());
            }
            self.flush().await?;
        }
    }

    /// Hands full blocks to the connection; waits while the server is behind.
    pub async fn flush_if_full(&mut self) -> Result<()> {
        if self.buffer.len() < BLOCK { Ok(()) } else { self.flush().await }
    }

    async fn flush(&mut self) -> Result<()> {
        let block = BytesMut::from(self.buffer.as_slice()).freeze();
        self.buffer.clear();
        let length = block.len() as u64;
        self.sink.send(block).await.map_err(|error| error::postgres(&error))?;
        SENT.fetch_add(length, Ordering::Relaxed);
        Ok(())
    }

    /// Ends the COPY and returns how many rows the server took.
    pub async fn finish(mut self) -> Result<u64> {
        self.buffer.extend_from_slice(&(-1_i16).to_be_bytes());
        self.flush().await?;
        self.sink.as_mut().finish().await.map_err(|error| error::postgres(&error))
    }
}

/// Appends a text field of a row.
pub fn append_text(out: &mut Vec<u8>, text: &str) {
    let length = i32::try_from(text.len()).expect("a line of a snapshot is shorter than 2 GB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Appends a `bytea` field of a row, or null.
pub fn append_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let length = bytes.map_or(-1, |bytes| i32::try_from(bytes.len()).expect("a digest is short"));
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes.unwrap_or_default());
}

/// Appends a text field of a row, or null.
pub fn append_text_or_null(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => append_text(out, text),
        None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
    }
}

/// A `text[]` field that grows by an element at a time.
#[derive(Default)]
pub struct Texts {
    elements: Vec<u8>,
    length: i32,
    nulls: i32,
}

impl Texts {
    pub fn push(&mut self, text: Option<&str>) {
        append_text_or_null(&mut self.elements, text);
        self.length += 1;
        self.nulls += i32::from(text.is_none());
    }

    /// Appends the array to a row (PostgreSQL's array_send: dimensions, whether there are nulls, element type; length and
    /// lower bound of each dimension; elements).
    pub fn append_to(&self, out: &mut Vec<u8>) {
        let header: &[i32] = match self.length {
            0 => &[0, 0, TEXT_OID],
            length => &[1, i32::from(self.nulls > 0), TEXT_OID, length, 1],
        };
        let length = i32::try_from(4 * header.len() + self.elements.len());
        let length = length.expect("a line of a snapshot is shorter than 2 GB");
        for number in [&[length], header].concat() {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.elements);
    }

    /// The same, but null where there is nothing but nulls.
    pub fn append_if_any(&self, out: &mut Vec<u8>) {
        if self.nulls < self.length { self.append_to(out) } else { append_bytes(out, None) }
    }
}

/// Appends a `text[]` field of a row.
pub fn append_texts(out: &mut Vec<u8>, texts: &[String]) {
    let mut array = Texts::default();
    texts.iter().for_each(|text| array.push(Some(text)));
    array.append_to(out);
}

/// Appends a `jsonb` field of a row (jsonb_send: version 1, then its text), or null.
pub fn append_jsonb(out: &mut Vec<u8>, json: Option<&str>) {
    let Some(json) = json else { return append_text_or_null(out, None) };
    let length = i32::try_from(json.len() + 1).expect("a line of a snapshot is shorter than 2 GB");
    out.extend_from_slice(&length.to_be_bytes());
    out.push(1);
    out.extend_from_slice(json.as_bytes());
}

/// Appends an `int4` field of a row.
pub fn append_integer(out: &mut Vec<u8>, value: Option<i32>) {
    match value {
        Some(value) => {
            out.extend_from_slice(&4_i32.to_be_bytes());
            out.extend_from_slice(&value.to_be_bytes());
        }
        None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
    }
}
