//! Writes a BSON document as Extended JSON (version 2, relaxed, as `mongoexport` writes it), so that all that is known of JSON
//! documents holds for it. Nothing in its bytes is believed: lengths, types, terminators and UTF-8 are looked at.
//! Layout: bsonspec.org, version 1.1.

use std::fmt::Write as _;

use mongodb::bson::Decimal128;

use super::fault::Fault;
use super::json::{DEPTH, Field};

/// The length that a document's first four bytes give, if it can be one.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let length = i32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    usize::try_from(length).ok().filter(|length| (5..=super::window::LONGEST).contains(length))
}

/// A document's text and its top-level fields' places in it.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) fields: Vec<Field>,
    /// Documents in which an array's elements are not called 0, 1, 2 and so on: how many, and which is the first.
    pub(super) odd_arrays: (u64, u64),
}

impl Written {
    /// Takes the document that `bytes` are.
    pub(super) fn write(&mut self, bytes: &[u8], number: u64) -> Result<(), Fault> {
        self.text.clear();
        self.fields.clear();
        let mut body = Bytes { rest: body(bytes)?, odd_arrays: false };
        self.text.push('{');
        while let Some((kind, name)) = body.element()? {
            if self.fields.last().is_some() {
                self.text.push(',');
            }
            let key = self.text.len() + 1;
            string(&mut self.text, name);
            let key = key..self.text.len() - 1;
            self.text.push(':');
            let start = self.text.len();
            value(&mut self.text, &mut body, kind, 1)?;
            let key_is_escaped = self.text[key.clone()].contains('\\');
            self.fields.push(Field { key, key_is_escaped, value: start..self.text.len() });
        }
        self.text.push('}');
        if body.odd_arrays {
            let first = if self.odd_arrays.0 == 0 { number } else { self.odd_arrays.1 };
            self.odd_arrays = (self.odd_arrays.0 + 1, first);
        }
        Ok(())
    }
}

/// What is between a document's length and its terminator.
fn body(bytes: &[u8]) -> Result<&[u8], Fault> {
    match (length(bytes), bytes) {
        (Some(length), [_, _, _, _, body @ .., 0]) if length == bytes.len() => Ok(body),
        _ => Err(Fault::Bounds),
    }
}

/// Bytes that are taken from the front.
struct Bytes<'a> {
    rest: &'a [u8],
    odd_arrays: bool,
}

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Fault::Bounds)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| Fault::Bounds)
    }

    fn int(&mut self) -> Result<i32, Fault> {
        self.array().map(i32::from_le_bytes)
    }

    fn long(&mut self) -> Result<i64, Fault> {
        self.array().map(i64::from_le_bytes)
    }

    fn name(&mut self) -> Result<&'a str, Fault> {
        let end = memchr::memchr(0, self.rest).ok_or(Fault::Bounds)?;
        let name = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(name).map_err(|_| Fault::NotUtf8)
    }

    /// A string with its length, in which a NUL may stand.
    fn string(&mut self) -> Result<&'a str, Fault> {
        let length = usize::try_from(self.int()?).map_err(|_| Fault::Bounds)?;
        match self.take(length)? {
            [text @ .., 0] => std::str::from_utf8(text).map_err(|_| Fault::NotUtf8),
            _ => Err(Fault::Bounds),
        }
    }

    /// A document with its length.
    fn document(&mut self) -> Result<&'a [u8], Fault> {
        let length = length(self.rest).ok_or(Fault::Bounds)?;
        body(self.take(length)?)
    }

    /// The next element's type and name.
    fn element(&mut self) -> Result<Option<(u8, &'a str)>, Fault> {
        match self.rest.first() {
            None => Ok(None),
            Some(kind) => {
                self.take(1)?;
                Ok(Some((*kind, self.name()?)))
            }
        }
    }
}

fn value(out: &mut String, bytes: &mut Bytes<'_>, kind: u8, depth: usize) -> Result<(), Fault> {
    match kind {
        0x01 => double(out, f64::from_le_bytes(bytes.array()?)),
        0x02 => string(out, bytes.string()?),
        0x03 => bytes.odd_arrays |= container(out, bytes.document()?, true, depth)?,
        0x04 => bytes.odd_arrays |= container(out, bytes.document()?, false, depth)?,
        0x05 => binary(out, bytes)?,
        0x06 => out.push_str(r#"{"$undefined":true}"#),
        0x07 => put(out, format_args!(r#"{{"$oid":"{}"}}"#, crate::model::hex(bytes.take(12)?))),
        0x08 => match bytes.take(1)? {
            [0] => out.push_str("false"),
            [1] => out.push_str("true"),
            _ => return Err(Fault::Type),
        },
        0x09 => date(out, bytes.long()?),
        0x0a => out.push_str("null"),
        0x0b => {
            out.push_str(r#"{"$regularExpression":{"pattern":"#);
            string(out, bytes.name()?);
            out.push_str(r#","options":"#);
            string(out, bytes.name()?);
            out.push_str("}}");
        }
        0x0c => {
            out.push_str(r#"{"$dbPointer":{"$ref":"#);
            string(out, bytes.string()?);
            put(out, format_args!(r#","$id":{{"$oid":"{}"}}}}}}"#, crate::model::hex(bytes.take(12)?)));
        }
        0x0d | 0x0e => {
            out.push_str(if kind == 0x0d { r#"{"$code":"# } else { r#"{"$symbol":"# });
            string(out, bytes.string()?);
            out.push('}');
        }
        0x0f => {
            let length = usize::try_from(bytes.int()?).ok().and_then(|length| length.checked_sub(4));
            let mut inner = Bytes { rest: bytes.take(length.ok_or(Fault::Bounds)?)?, odd_arrays: false };
            out.push_str(r#"{"$code":"#);
            string(out, inner.string()?);
            out.push_str(r#","$scope":"#);
            bytes.odd_arrays |= container(out, inner.document()?, true, depth)?;
            out.push('}');
            if !inner.rest.is_empty() {
                return Err(Fault::Bounds);
            }
        }
        0x10 => put(out, format_args!("{}", bytes.int()?)),
        0x11 => {
            let (increment, time) =
                (bytes.array().map(u32::from_le_bytes)?, bytes.array().map(u32::from_le_bytes)?);
            put(out, format_args!(r#"{{"$timestamp":{{"t":{time},"i":{increment}}}}}"#));
        }
        0x12 => put(out, format_args!("{}", bytes.long()?)),
        0x13 => {
            put(out, format_args!(r#"{{"$numberDecimal":"{}"}}"#, Decimal128::from_bytes(bytes.array()?)));
        }
        0x7f => out.push_str(r#"{"$maxKey":1}"#),
        0xff => out.push_str(r#"{"$minKey":1}"#),
        _ => return Err(Fault::Type),
    }
    Ok(())
}

/// An object or an array; true where an array in it, or it itself, has other names than positions. They count for nothing:
/// drivers take the elements as they come.
fn container(out: &mut String, body: &[u8], is_object: bool, depth: usize) -> Result<bool, Fault> {
    if depth >= DEPTH {
        return Err(Fault::TooDeep);
    }
    let mut body = Bytes { rest: body, odd_arrays: false };
    out.push(if is_object { '{' } else { '[' });
    let mut position = 0u64;
    while let Some((kind, name)) = body.element()? {
        if position > 0 {
            out.push(',');
        }
        if is_object {
            string(out, name);
            out.push(':');
        } else {
            body.odd_arrays |= name.parse() != Ok(position);
        }
        value(out, &mut body, kind, depth + 1)?;
        position += 1;
    }
    out.push(if is_object { '}' } else { ']' });
    Ok(body.odd_arrays)
}

/// Writing to a string does not fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn double(out: &mut String, number: f64) {
    match number {
        number if number.is_finite() => put(out, format_args!("{number:?}")),
        number if number.is_nan() => out.push_str(r#"{"$numberDouble":"NaN"}"#),
        number => {
            let sign = if number < 0.0 { "-" } else { "" };
            put(out, format_args!(r#"{{"$numberDouble":"{sign}Infinity"}}"#));
        }
    }
}

/// Within 1970 to 9999 as text, else as milliseconds.
fn date(out: &mut String, milliseconds: i64) {
    match super::value::instant(milliseconds).filter(|_| milliseconds >= 0) {
        Some(text) => put(out, format_args!(r#"{{"$date":"{text}"}}"#)),
        None => put(out, format_args!(r#"{{"$date":{{"$numberLong":"{milliseconds}"}}}}"#)),
    }
}

fn binary(out: &mut String, bytes: &mut Bytes<'_>) -> Result<(), Fault> {
    let length = usize::try_from(bytes.int()?).map_err(|_| Fault::Bounds)?;
    let [kind] = bytes.array()?;
    let mut data = bytes.take(length)?;
    // The oldest subtype says its length twice.
    if kind == 2
        && let [a, b, c, d, rest @ ..] = data
        && i32::from_le_bytes([*a, *b, *c, *d]) as usize == rest.len()
    {
        data = rest;
    }
    out.push_str(r#"{"$binary":{"base64":""#);
    base64(out, data);
    put(out, format_args!(r#"","subType":"{kind:02x}"}}}}"#));
    Ok(())
}

fn base64(out: &mut String, data: &[u8]) {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in data.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for sign in 0..4 {
            match sign <= group.len() {
                true => out.push(char::from(SIGNS[(bits >> (18 - 6 * sign)) as usize & 63])),
                false => out.push('='),
            }
        }
    }
}

/// A JSON string.
fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(escape);
        if escape.is_empty() {
            put(out, format_args!("\\u{byte:04x}"));
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
    use proptest::prelude::*;

    use super::*;

    fn written(document: &Document) -> Result<String, Fault> {
        let mut written = Written::default();
        written.write(&document.to_vec().unwrap(), 1)?;
        Ok(written.text)
    }

    #[test]
    fn numbers_keep_their_digits_and_kinds() {
        let document = doc! {
            "i": 5, "l": 9_007_199_254_740_993i64, "d": 5.0, "z": -0.0, "e": 1e300, "n": f64::NAN, "m": f64::NEG_INFINITY,
            "x": "1.10".parse::<Decimal128>().unwrap(), "a": "a\0\"\u{1}é", "o": { "b": [1, { "c": null }] },
            "y": Bson::DateTime(mongodb::bson::DateTime::from_millis(-1)),
            "f": Bson::DateTime(mongodb::bson::DateTime::MAX),
        };
        assert_eq!(
            written(&document).unwrap(),
            concat!(
                r#"{"i":5,"l":9007199254740993,"d":5.0,"z":-0.0,"e":1e300,"n":{"$numberDouble":"NaN"},"m":{"$numberDouble":"-Infinity"},"#,
                r#""x":{"$numberDecimal":"1.10"},"a":"a\u0000\"\u0001é","o":{"b":[1,{"c":null}]},"#,
                r#""y":{"$date":{"$numberLong":"-1"}},"f":{"$date":{"$numberLong":"9223372036854775807"}}}"#
            )
        );
    }

    #[test]
    fn depth_has_an_end_before_the_stack_has() {
        let mut bytes = vec![5, 0, 0, 0, 0];
        for _ in 0..2000 {
            let mut outer = (bytes.len() as i32 + 8).to_le_bytes().to_vec();
            outer.extend_from_slice(b"\x03a\0");
            outer.extend_from_slice(&bytes);
            outer.push(0);
            bytes = outer;
        }
        assert_eq!(Written::default().write(&bytes, 1), Err(Fault::TooDeep));
    }

    fn value() -> impl Strategy<Value = Bson> {
        let leaf = prop_oneof![
            any::<f64>().prop_map(Bson::Double),
            any::<i32>().prop_map(Bson::Int32),
            any::<i64>().prop_map(|long| Bson::DateTime(mongodb::bson::DateTime::from_millis(long))),
            ".*".prop_map(Bson::String),
            any::<[u8; 12]>().prop_map(|bytes| Bson::ObjectId(bytes.into())),
            any::<[u8; 16]>().prop_map(|bytes| Bson::Decimal128(Decimal128::from_bytes(bytes))),
            proptest::collection::vec(any::<u8>(), 0..9)
                .prop_map(|bytes| Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes })),
            Just(Bson::Null),
            Just(Bson::MaxKey),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Bson::Array),
                proptest::collection::btree_map("[a-z$é]{0,3}", inner, 0..4)
                    .prop_map(|map| Bson::Document(map.into_iter().collect())),
            ]
        })
    }

    /// Whether Extended JSON says what the driver has, by the driver's own ways of writing a value.
    fn is_same(value: &Bson, json: &serde_json::Value) -> bool {
        match value {
            Bson::Double(number) if number.is_finite() => {
                json.to_string().parse::<f64>().is_ok_and(|read| read.to_bits() == number.to_bits())
            }
            Bson::Double(number) if number.is_nan() => json["$numberDouble"] == "NaN",
            Bson::Double(number) => {
                json["$numberDouble"].as_str().and_then(|text| text.parse().ok()) == Some(*number)
            }
            Bson::Int32(number) => json.as_i64() == Some(i64::from(*number)),
            Bson::String(text) => json == text,
            Bson::ObjectId(id) => json["$oid"] == id.to_hex(),
            Bson::Decimal128(number) => json["$numberDecimal"] == number.to_string(),
            Bson::DateTime(time) => match json["$date"].as_str() {
                Some(text) => {
                    mongodb::bson::DateTime::parse_rfc3339_str(text).is_ok_and(|read| read == *time)
                }
                None => {
                    json["$date"]["$numberLong"].as_str().map(str::parse) == Some(Ok(time.timestamp_millis()))
                }
            },
            Bson::Binary(binary) => super::super::value::text(&json.to_string())
                .is_some_and(|text| text == format!("\\x{}", crate::model::hex(&binary.bytes))),
            Bson::Array(values) => {
                let read = json.as_array().unwrap();
                read.len() == values.len()
                    && values.iter().zip(read).all(|(value, json)| is_same(value, json))
            }
            Bson::Document(document) => document.iter().all(|(name, value)| is_same(value, &json[name])),
            Bson::Null => json.is_null(),
            other => *other == Bson::MaxKey && json["$maxKey"] == 1,
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_the_driver_reads(value in value()) {
            let document = doc! { "v": value.clone() };
            let text = written(&document).unwrap();
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert!(is_same(&value, &read["v"]), "{} is not {:?}", text, value);
        }

        #[test]
        fn no_bytes_make_it_fail_otherwise(mut bytes in proptest::collection::vec(any::<u8>(), 5..60), at in 0usize..50, byte: u8) {
            let length = bytes.len();
            bytes[..4].copy_from_slice(&(length as i32).to_le_bytes());
            bytes[length - 1] = 0;
            let _ = Written::default().write(&bytes, 1);
            let mut real = doc! { "a": [1, "x", { "b": 2.0 }], "c": Bson::MinKey, "d": "text" }.to_vec().unwrap();
            let at = at % real.len();
            real[at] = byte;
            let _ = Written::default().write(&real, 1);
        }
    }
}
