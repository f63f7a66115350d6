//! The codec of a whole row: its COPY bytes, its digest, its key, and the SQL that gives the same on the server.

use sha2::{Digest as _, Sha256};

use super::{Codec, LiveOids, Refusal, Unsupported, digest};
use crate::model::catalog::{DataType, Table};
use crate::model::digests::Digests;
use crate::model::ident::quoted;
use crate::model::manifest::TableEntry;

/// Codecs of the columns that a snapshot writes into one table.
pub struct TableCodec {
    columns: Vec<(String, Codec)>,
    key: Vec<KeyColumn>,
}

struct KeyColumn {
    /// Among the columns.
    place: usize,
    /// A cast to text gives the type's output, as it does for most.
    cast_is_output: bool,
    /// The type, where equal values have equal output and an index finds them.
    plain: Option<String>,
}

/// A row with a value that the codec refuses: the column's name and the rule.
#[derive(Debug)]
pub struct RefusedValue {
    pub column: String,
    pub refusal: Refusal,
}

/// A digest: SHA-256 over `record_send` of a row (pqformat and `record_send` in PostgreSQL's rowtypes.c).
pub type RowHash = [u8; 32];

impl TableCodec {
    /// Codecs for these columns of a table, matched by this key.
    fn new(table: &Table, columns: &[String], key: &[String]) -> Result<Self, (String, Unsupported)> {
        let codecs = columns
            .iter()
            .map(|name| {
                let column = table.column(name).ok_or_else(|| (name.clone(), missing(name)))?;
                Ok((
                    name.clone(),
                    Codec::new(&column.data_type).map_err(|unsupported| (name.clone(), unsupported))?,
                ))
            })
            .collect::<Result<Vec<_>, (String, Unsupported)>>()?;
        let place = |name: &str| columns.iter().position(|column| column == name);
        let key = key
            .iter()
            .map(|name| {
                let (place, column) =
                    place(name).zip(table.column(name)).ok_or_else(|| (name.clone(), missing(name)))?;
                let base = &column.data_type.undomained().base;
                let plain = matches!(base.as_str(), "int2" | "int4" | "int8" | "uuid" | "text" | "varchar");
                let plain = plain.then(|| format!("pg_catalog.{}", quoted(base)));
                Ok(KeyColumn { place, cast_is_output: cast_is_output(&column.data_type), plain })
            })
            .collect::<Result<_, (String, Unsupported)>>()?;
        Ok(Self { columns: codecs, key })
    }

    /// Codecs of the columns that an entry of a snapshot holds of a table.
    ///
    /// # Errors
    /// The first column whose type cannot be compared, or is not the one that the snapshot was checked against (it could
    /// round or cut what the snapshot holds), or that the table does not have.
    pub fn of_entry(table: &Table, entry: &TableEntry) -> Result<Self, (String, Unsupported)> {
        for checked in &entry.columns {
            let now = table.column(&checked.name).map(|column| &column.data_type.name);
            if let Some(now) = now.filter(|now| **now != checked.data_type) {
                let reason = rust_i18n::t!("codec.type_changed", was = checked.data_type, now = now);
                return Err((checked.name.clone(), Unsupported::new(now, reason)));
            }
        }
        let columns: Vec<String> = entry.columns.iter().map(|column| column.name.clone()).collect();
        Self::new(table, &columns, &entry.key)
    }

    /// Codecs of all columns of a table, also of those that PostgreSQL fills: for the digest of a row as it is stored.
    pub fn of_table(table: &Table, key: &[String]) -> Result<Self, (String, Unsupported)> {
        let columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        Self::new(table, &columns, key)
    }

    /// Codecs of these columns of a table: for the digest of a row as it was stored when the table had no others.
    pub fn of_columns(
        table: &Table,
        columns: &[String],
        key: &[String],
    ) -> Result<Self, (String, Unsupported)> {
        Self::new(table, columns, key)
    }

    /// Quoted column names, separated by commas.
    pub fn column_list(&self) -> String {
        self.columns.iter().map(|(name, _)| quoted(name)).collect::<Vec<_>>().join(", ")
    }

    pub fn column_names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// Names of the key's columns.
    pub fn key_names(&self) -> impl Iterator<Item = &str> {
        self.key.iter().map(|key| self.columns[key.place].0.as_str())
    }

    /// Appends the fields of one row (lengths and bodies, no field count) for `COPY ... (FORMAT binary)`.
    pub fn append_row<T: AsRef<str>>(
        &self,
        values: &[Option<T>],
        oids: &LiveOids,
        out: &mut Vec<u8>,
    ) -> Result<(), RefusedValue> {
        for ((name, codec), value) in self.columns.iter().zip(values) {
            append_field(out, value.as_ref().map(AsRef::as_ref), |text, out| codec.encode(text, oids, out))
                .map_err(|refusal| RefusedValue { column: name.clone(), refusal })?;
        }
        Ok(())
    }

    /// [`TableCodec::append_row`] and [`TableCodec::digest`] in one: most values are encoded once for both.
    pub fn append_row_and_digest<T: AsRef<str>>(
        &self,
        values: &[Option<T>],
        oids: &LiveOids,
        out: &mut Vec<u8>,
        buffer: &mut Vec<u8>,
    ) -> Result<RowHash, RefusedValue> {
        self.begin_digest(buffer);
        for ((name, codec), value) in self.columns.iter().zip(values) {
            codec
                .write(value.as_ref().map(AsRef::as_ref), oids, out, buffer)
                .map_err(|refusal| RefusedValue { column: name.clone(), refusal })?;
        }
        Ok(Sha256::digest(&*buffer).into())
    }

    /// The row's digest, the same as [`TableCodec::digest_sql`] on the server. `buffer` is scratch space.
    pub fn digest<T: AsRef<str>>(
        &self,
        values: &[Option<T>],
        buffer: &mut Vec<u8>,
    ) -> Result<RowHash, RefusedValue> {
        self.begin_digest(buffer);
        for ((name, codec), value) in self.columns.iter().zip(values) {
            codec
                .digest(value.as_ref().map(AsRef::as_ref), buffer)
                .map_err(|refusal| RefusedValue { column: name.clone(), refusal })?;
        }
        Ok(Sha256::digest(&*buffer).into())
    }

    fn begin_digest(&self, buffer: &mut Vec<u8>) {
        buffer.clear();
        let count = i32::try_from(self.columns.len()).expect("PostgreSQL tables have at most 1,600 columns");
        buffer.extend_from_slice(&count.to_be_bytes());
    }

    /// One column's bytes in the digest, the same as [`TableCodec::column_digest_sql`] on the server.
    pub fn column_digest<T: AsRef<str>>(
        &self,
        values: &[Option<T>],
        place: usize,
    ) -> Result<Vec<u8>, RefusedValue> {
        let (name, codec) = &self.columns[place];
        let mut bytes = 1_i32.to_be_bytes().to_vec();
        codec
            .digest(values[place].as_ref().map(AsRef::as_ref), &mut bytes)
            .map_err(|refusal| RefusedValue { column: name.clone(), refusal })?;
        Ok(bytes)
    }

    /// The row's key as text: the column's own, or PostgreSQL's array literal of several.
    pub fn key_text<T: AsRef<str>>(&self, values: &[Option<T>]) -> String {
        let text = |key: &KeyColumn| values[key.place].as_ref().map_or("", AsRef::as_ref);
        match self.key.as_slice() {
            [one] => text(one).to_owned(),
            several => {
                let parts: Vec<String> = several.iter().map(|key| array_element(text(key))).collect();
                format!("{{{}}}", parts.join(","))
            }
        }
    }

    /// SQL of the row's digest for a table alias.
    pub fn digest_sql(&self, alias: &str) -> String {
        format!("sha256(record_send(row({})))", self.digest_fields(alias))
    }

    /// SQL of one column's bytes in the digest, to name the columns that differ.
    pub fn column_digest_sql(&self, alias: &str, place: usize) -> String {
        let (name, codec) = &self.columns[place];
        format!("record_send(row({}))", codec.digest_expression(&format!("{alias}.{}", quoted(name))))
    }

    /// SQL of the digests of all columns, one after the other, as [`column_digests`] gives them.
    pub fn column_digests_sql(&self, alias: &str) -> String {
        let places = 0..self.columns.len();
        let one = |place| format!("substring(sha256({}) for 8)", self.column_digest_sql(alias, place));
        places.map(one).collect::<Vec<_>>().join(" || ")
    }

    /// SQL of the digests of a row of the table: of all that it has, and of each column.
    pub fn digests<'s>(&'s self, table: &Table, alias: &str) -> Digests<'s> {
        let key: Vec<String> = self.key_names().map(str::to_owned).collect();
        let whole = Self::of_table(table, &key).ok();
        let columns = self.column_names().enumerate();
        Digests {
            whole: whole.map(|whole| whole.digest_sql(alias)),
            columns: columns.map(|(place, name)| (name, self.column_digest_sql(alias, place))).collect(),
        }
    }

    fn digest_fields(&self, alias: &str) -> String {
        let fields = self
            .columns
            .iter()
            .map(|(name, codec)| codec.digest_expression(&format!("{alias}.{}", quoted(name))));
        fields.collect::<Vec<_>>().join(", ")
    }

    /// SQL of a condition on a table alias: the row's key is one of these texts, an SQL expression of type `text[]`. By an
    /// index where there may be one.
    pub fn key_among_sql(&self, alias: &str, keys: &str) -> String {
        match self.key.as_slice() {
            [KeyColumn { place, plain: Some(plain), .. }] => {
                format!("{alias}.{} = any({keys}::{plain}[])", quoted(&self.columns[*place].0))
            }
            _ => format!("{} = any({keys})", self.key_sql(alias)),
        }
    }

    /// SQL of a condition on a table alias: the row's key is this literal.
    pub fn key_equals_sql(&self, alias: &str, key: &str) -> String {
        match self.key.as_slice() {
            [KeyColumn { place, plain: Some(_), .. }] => {
                format!("{alias}.{} = {key}", quoted(&self.columns[*place].0))
            }
            _ => format!("{} = {key}", self.key_sql(alias)),
        }
    }

    /// SQL of the row's key as [`TableCodec::key_text`] gives it.
    pub fn key_sql(&self, alias: &str) -> String {
        let column = |key: &KeyColumn| {
            let name = quoted(&self.columns[key.place].0);
            if key.cast_is_output {
                format!("{alias}.{name}::text")
            } else {
                format!("format('%s', {alias}.{name})")
            }
        };
        match self.key.as_slice() {
            [one] => column(one),
            several => format!("array[{}]::text", several.iter().map(column).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// Whether `::text` is the type's output function; the others have a cast of their own (`pg_cast` with `text` as target).
fn cast_is_output(data_type: &DataType) -> bool {
    !matches!(data_type.undomained().base.as_str(), "bool" | "bpchar" | "char" | "inet" | "cidr")
}

/// The digests of a row's columns, 8 bytes each, from the bytes that [`TableCodec::digest`] left in its buffer: enough to
/// tell whether a value is another one, in an eighth of the room. Of each column the count 1 and its field are hashed, as
/// in a row of that column alone.
pub fn column_digests(buffer: &[u8]) -> Vec<u8> {
    let mut digests = Vec::new();
    let mut rest = buffer.get(4..).unwrap_or_default();
    while let Some((length, _)) = rest.get(4..).and_then(|rest| rest.split_first_chunk()) {
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        let (field, others) = rest.split_at(rest.len().min(8 + length));
        let digest = Sha256::new_with_prefix(1_i32.to_be_bytes()).chain_update(field).finalize();
        digests.extend_from_slice(&digest[..8]);
        rest = others;
    }
    digests
}

/// Appends one field of a COPY row: its length, then its bytes; -1 alone for null.
pub fn append_field(
    out: &mut Vec<u8>,
    value: Option<&str>,
    encode: impl FnOnce(&str, &mut Vec<u8>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let Some(text) = value else {
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        return Ok(());
    };
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    encode(text, out)?;
    digest::set_length(out, start)
}

fn missing(name: &str) -> Unsupported {
    Unsupported::new(name, rust_i18n::t!("codec.no_column"))
}

/// An element of an array literal as `array_out` writes it (arrayfuncs.c): quoted where it must be.
fn array_element(text: &str) -> String {
    let special =
        |c: char| matches!(c, '"' | '\\' | '{' | '}' | ',') || c.is_ascii_whitespace() || c == '\u{b}';
    if text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(special) {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        text.to_owned()
    }
}
