//! One codec for check, push and verify: what PostgreSQL accepts as a value, how it prints it, and its bytes on the wire.
//!
//! A value lives as text in PostgreSQL's *output* form (its canonical text). [`Codec::canonical`] makes that text from any
//! input PostgreSQL accepts, [`Codec::encode`] turns it into the body that `COPY ... (FORMAT binary)` takes, and
//! [`Codec::digest`] into what `record_send` writes, so that `sha256(record_send(row(...)))` on the server equals
//! [`TableCodec::digest`] here. Formats come from PostgreSQL's `src/backend/utils/adt/*.c`; each module names its functions.
//!
//! It accepts less than PostgreSQL on purpose where the meaning depends on the session or the day: `now`, `yesterday`,
//! `8/1/2020`, zone names and abbreviations other than UTC, hexadecimal floats, and what only newer servers read
//! (`1_000`, `0x1F`, infinite intervals). What it accepts it gives the same value.

mod array;
mod bits;
mod boolean;
mod bytes;
mod composite;
mod digest;
mod extension;
mod float;
mod geometry;
mod integer;
mod interval;
mod json;
mod jsonb;
mod kind;
mod moment;
mod network;
mod numeric;
mod parser;
#[cfg(test)]
mod properties;
mod range;
mod refusal;
mod search;
mod table;
mod temporal;
mod text;
mod uuid;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;

use crate::model::catalog::DataType;

pub use refusal::{Refusal, Unsupported};
pub use table::{RefusedValue, RowHash, TableCodec, append_field, column_digests};

use digest::Digest;
use kind::Kind;

/// What a session must have set so that text it prints is canonical text and text digests are comparable.
pub const SESSION: &str = "set client_encoding = 'UTF8'; set timezone = 'UTC'; set datestyle = 'ISO, YMD'; \
    set intervalstyle = 'postgres'; set extra_float_digits = 1; set bytea_output = 'hex'; set array_nulls = on; \
    set xmloption = 'content'";

/// The longest value, just under PostgreSQL's `MaxAllocSize` of 1 GB.
const MAX_BYTES: usize = 0x3fff_ff00;

/// Reads and writes the values of one column type.
#[derive(Debug)]
pub struct Codec {
    kind: Kind,
    digest: Digest,
}

/// PostgreSQL's output text of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical<'t> {
    pub text: Cow<'t, str>,
    /// The type rounded, cut or dropped a part of what was given.
    pub lossy: bool,
}

/// OIDs of types that are not PostgreSQL's own, as the connected server numbers them, by schema and `typname`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveOids(pub BTreeMap<(String, String), u32>);

impl LiveOids {
    pub fn insert(&mut self, schema: &str, name: &str, oid: u32) {
        self.0.insert((schema.to_owned(), name.to_owned()), oid);
    }

    fn get(&self, schema: &str, name: &str) -> Option<u32> {
        self.0.get(&(schema.to_owned(), name.to_owned())).copied()
    }
}

impl FromIterator<((String, String), u32)> for LiveOids {
    fn from_iter<T: IntoIterator<Item = ((String, String), u32)>>(entries: T) -> Self {
        Self(entries.into_iter().collect())
    }
}

thread_local! {
    /// Where text is rewritten before it is known whether it was canonical already; taken while in use.
    static SCRATCH: Cell<String> = const { Cell::new(String::new()) };
}

impl Codec {
    /// Refuses a type without binary output, and one whose text cannot be read without the server.
    pub fn new(data_type: &DataType) -> Result<Codec, Unsupported> {
        let kind = Kind::new(data_type)?;
        let digest = Digest::new(data_type)?;
        Ok(Codec { kind, digest })
    }

    /// Validates input text as the type's input function does under its modifier and gives PostgreSQL's output text.
    pub fn canonical<'t>(&self, text: &'t str) -> Result<Canonical<'t>, Refusal> {
        check_bytes(text)?;
        if self.kind.is_canonical(text) {
            return Ok(Canonical { text: Cow::Borrowed(text), lossy: false });
        }
        let mut scratch = SCRATCH.take();
        scratch.clear();
        let outcome = self.kind.rewrite(text, &mut scratch).map(|lossy| Canonical {
            text: if scratch == text { Cow::Borrowed(text) } else { Cow::Owned(scratch.as_str().to_owned()) },
            lossy,
        });
        SCRATCH.set(scratch);
        outcome
    }

    /// Appends the binary body (without its length word) of a canonical text, for `COPY ... (FORMAT binary)`.
    pub fn encode(&self, canonical: &str, oids: &LiveOids, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.kind.send(canonical, oids, out)
    }

    /// Appends what `record_send` writes for this column of [`Codec::digest_expression`]: type OID, length, body.
    pub fn digest(&self, canonical: Option<&str>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.digest.send(&self.kind, canonical, out)
    }

    /// Appends a whole `COPY` field (length word and body) to `copy` and the same value's digest bytes to `digest`,
    /// reading the text once where both hold the same body.
    pub fn write(
        &self,
        canonical: Option<&str>,
        oids: &LiveOids,
        copy: &mut Vec<u8>,
        digest: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let start = copy.len();
        copy.extend_from_slice(&(-1_i32).to_be_bytes());
        if let Some(text) = canonical {
            self.kind.send(text, oids, copy)?;
            digest::set_length(copy, start)?;
        }
        match &self.digest {
            Digest::Direct(oid) => {
                digest.extend_from_slice(&oid.to_be_bytes());
                digest.extend_from_slice(&copy[start..]);
                Ok(())
            }
            other => other.send(&self.kind, canonical, digest),
        }
    }

    /// SQL of this column inside the server's digest row: cast first where its type's OID differs between servers.
    pub fn digest_expression(&self, quoted_column: &str) -> String {
        self.digest.expression(quoted_column)
    }
}

/// What no type takes: a NUL byte, and more than 1 GB.
fn check_bytes(text: &str) -> Result<(), Refusal> {
    if text.len() > MAX_BYTES {
        return Err(Refusal::TooLong);
    }
    if memchr::memchr(0, text.as_bytes()).is_some() { Err(Refusal::NulByte) } else { Ok(()) }
}
