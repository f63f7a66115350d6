//! Properties that hold for every value: canonical text is a fixed point, and the bytes mean what the text means.

use std::borrow::Cow;

use proptest::prelude::*;

use super::{Codec, LiveOids, Refusal};
use crate::model::catalog::{DataType, TypeKind};

fn core(base: &str, modifier: i32) -> DataType {
    DataType {
        name: base.to_owned(),
        base: base.to_owned(),
        schema: "pg_catalog".into(),
        oid: 1,
        modifier,
        kind: TypeKind::Base,
        binary: true,
    }
}

fn with_kind(kind: TypeKind) -> DataType {
    DataType { schema: "public".into(), oid: 0, kind, ..core("own", -1) }
}

fn array(element: DataType) -> DataType {
    let oid = u32::from(element.oid > 0);
    DataType { oid, ..with_kind(TypeKind::Array { element: Box::new(element), delimiter: ',' }) }
}

fn codec(data_type: &DataType) -> Codec {
    Codec::new(data_type).unwrap()
}

fn encoded(codec: &Codec, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec.encode(text, &LiveOids::default(), &mut bytes).unwrap();
    bytes
}

/// Every type there is, some of them nested.
fn all_types() -> Vec<DataType> {
    let names = [
        "bool",
        "int2",
        "int4",
        "int8",
        "oid",
        "xid8",
        "pg_lsn",
        "float4",
        "float8",
        "numeric",
        "text",
        "varchar",
        "bpchar",
        "name",
        "char",
        "bytea",
        "date",
        "time",
        "timetz",
        "timestamp",
        "timestamptz",
        "interval",
        "bit",
        "varbit",
        "inet",
        "cidr",
        "macaddr",
        "macaddr8",
        "point",
        "lseg",
        "box",
        "path",
        "polygon",
        "line",
        "circle",
        "tsvector",
        "uuid",
        "json",
        "jsonb",
    ];
    let mut types: Vec<DataType> = names.iter().map(|name| core(name, -1)).collect();
    types.extend([
        core("numeric", (5 << 16 | 2) + 4),
        core("varchar", 7),
        core("bpchar", 7),
        core("timestamptz", 2),
    ]);
    types.extend(
        ["hstore", "ltree", "citext", "vector"]
            .map(|name| DataType { schema: "public".into(), ..core(name, -1) }),
    );
    let range =
        DataType { kind: TypeKind::Range { subtype: Box::new(core("int4", -1)) }, ..core("int4range", -1) };
    let fields = vec![("a".into(), array(core("text", -1))), ("b".into(), range.clone())];
    types.push(with_kind(TypeKind::Multirange { range: Box::new(range.clone()) }));
    types.extend([range, with_kind(TypeKind::Composite { fields })]);
    types.extend([array(core("jsonb", -1)), array(core("timestamptz", -1))]);
    types
}

/// Text from the characters that some type's syntax gives a meaning.
fn hostile_text() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "<",
        ">",
        "\"",
        "\\",
        "'",
        ",",
        ";",
        ":",
        "=",
        "=>",
        "/",
        "-",
        "+",
        ".",
        "e",
        "E",
        " ",
        "\t",
        "\n",
        "0",
        "1",
        "9",
        "24",
        "2024-02-29",
        "12:30:00",
        "é",
        "😀",
        "\u{a0}",
        "NULL",
        "null",
        "infinity",
        "NaN",
        "BC",
        "Z",
        "+05",
        "x",
        "b",
        "P",
        "T",
        "day",
        "ago",
        "u0041",
        "\\u0000",
        "\\ud83d",
        "true",
        "empty",
        "a",
        "_",
        "\u{1}",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..12).prop_map(|pieces| pieces.concat())
}

/// Reads the body of an array of text back.
fn decode_texts(mut bytes: &[u8]) -> Vec<Option<String>> {
    let mut word = || {
        let (word, rest) = bytes.split_at(4);
        bytes = rest;
        i32::from_be_bytes(word.try_into().unwrap())
    };
    let (dimensions, _, _) = (word(), word(), word());
    let count = if dimensions == 0 { 0 } else { word() };
    if dimensions > 0 {
        assert_eq!(word(), 1);
    }
    let mut values = Vec::new();
    for _ in 0..count {
        let length = i32::from_be_bytes(bytes[..4].try_into().unwrap());
        bytes = &bytes[4..];
        values.push(usize::try_from(length).ok().map(|length| {
            let (value, rest) = bytes.split_at(length);
            bytes = rest;
            String::from_utf8(value.to_vec()).unwrap()
        }));
    }
    values
}

/// Reads the body of a finite numeric back, as its sign, digits and scale say.
fn decode_numeric(bytes: &[u8]) -> String {
    let words: Vec<i64> =
        bytes.chunks(2).map(|pair| i64::from(i16::from_be_bytes([pair[0], pair[1]]))).collect();
    let (weight, sign, scale) = (words[1], words[2], words[3] as usize);
    let group = |power: i64| {
        usize::try_from(weight - power).ok().and_then(|at| words.get(4 + at)).copied().unwrap_or(0)
    };
    let whole: String = (0..=weight.max(0)).rev().map(|power| format!("{:04}", group(power))).collect();
    let fraction: String =
        (1..=scale.div_ceil(4) as i64).map(|power| format!("{:04}", group(-power))).collect();
    let whole = whole.trim_start_matches('0');
    let sign = if sign == 0x4000 { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    format!("{sign}{}{point}{}", if whole.is_empty() { "0" } else { whole }, &fraction[..scale])
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(|text| Value::from(text.replace('\0', ""))),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..5).prop_map(|members| {
                members.into_iter().map(|(key, value)| (key.replace('\0', ""), value)).collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_refused_or_has_a_fixed_point(text in hostile_text()) {
        for data_type in all_types() {
            let codec = codec(&data_type);
            let Ok(canonical) = codec.canonical(&text) else { continue };
            let again = codec.canonical(&canonical.text).unwrap();
            prop_assert_eq!(&again.text, &canonical.text, "{}", data_type.base);
            prop_assert!(matches!(again.text, Cow::Borrowed(_)) && !again.lossy, "{} {:?}", data_type.base, text);
            let mut bytes = Vec::new();
            codec.encode(&canonical.text, &LiveOids::default(), &mut bytes).unwrap();
            // What is not canonical yet is sent as what it means.
            prop_assert_eq!(bytes, encoded(&codec, &text), "{}", data_type.base);
        }
    }

    #[test]
    fn an_array_holds_the_texts_it_was_given(values in prop::collection::vec(prop::option::of(hostile_text()), 0..6)) {
        let literal = values.iter().map(|value| match value {
            None => "NULL".to_owned(),
            Some(value) => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
        });
        let literal = format!("{{{}}}", literal.collect::<Vec<_>>().join(","));
        let codec = codec(&array(core("text", -1)));
        let canonical = codec.canonical(&literal).unwrap();
        prop_assert_eq!(decode_texts(&encoded(&codec, &canonical.text)), values);
    }

    #[test]
    fn a_numeric_is_sent_digit_by_digit(text in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?") {
        let codec = codec(&core("numeric", -1));
        let canonical = codec.canonical(&text).unwrap().text;
        prop_assert_eq!(decode_numeric(&encoded(&codec, &canonical)), canonical);
    }

    #[test]
    fn an_exponent_only_moves_the_point(digits in "[1-9][0-9]{0,20}", exponent in -30_i32..30) {
        let codec = codec(&core("numeric", -1));
        let scale = usize::try_from(-exponent).unwrap_or(0);
        let zeros = "0".repeat(usize::try_from(exponent).unwrap_or(0));
        let padded = format!("{:0>width$}", format!("{digits}{zeros}"), width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        let expected = if scale > 0 { format!("{whole}.{fraction}") } else { whole.to_owned() };
        let input = format!("{digits}e{exponent}");
        prop_assert_eq!(codec.canonical(&input).unwrap().text, expected);
    }

    #[test]
    fn a_timestamp_is_the_microseconds_it_shows(seconds in -62_135_596_800_i64..253_402_300_800, micros in 0_u32..1_000_000) {
        let instant = chrono::DateTime::from_timestamp(seconds, micros * 1_000).unwrap();
        let codec = codec(&core("timestamptz", -1));
        let canonical = codec.canonical(&instant.to_rfc3339()).unwrap().text.into_owned();
        let expected = instant.timestamp_micros() - 946_684_800_000_000;
        prop_assert_eq!(encoded(&codec, &canonical), expected.to_be_bytes());
        let shown = chrono::DateTime::parse_from_str(&format!("{canonical}00"), "%Y-%m-%d %H:%M:%S%.f%z").unwrap();
        prop_assert_eq!(shown, instant);
    }

    #[test]
    fn jsonb_means_what_the_json_meant(document in json()) {
        let codec = codec(&core("jsonb", -1));
        let text = serde_json::to_string_pretty(&document).unwrap();
        let canonical = codec.canonical(&text).unwrap().text;
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&canonical).unwrap(), document);
    }

    #[test]
    fn floats_read_back(number in any::<f64>(), small in any::<f32>()) {
        let (eight, four) = (codec(&core("float8", -1)), codec(&core("float4", -1)));
        if number.is_finite() {
            prop_assert_eq!(encoded(&eight, &eight.canonical(&number.to_string()).unwrap().text), number.to_be_bytes());
        }
        if small.is_finite() {
            prop_assert_eq!(encoded(&four, &four.canonical(&small.to_string()).unwrap().text), small.to_be_bytes());
        }
    }
}

#[test]
fn a_nul_byte_is_refused_by_every_type() {
    for data_type in all_types() {
        assert_eq!(codec(&data_type).canonical("1\u{0}"), Err(Refusal::NulByte), "{}", data_type.base);
    }
}

#[test]
fn rounding_and_cutting_are_losses_but_padding_is_not() {
    let lossy = |data_type: DataType, text: &str| codec(&data_type).canonical(text).unwrap().lossy;
    let numeric = || core("numeric", (5 << 16 | 2) + 4);
    assert!(lossy(numeric(), "1.005") && !lossy(numeric(), "1") && !lossy(numeric(), "1.500"));
    assert!(lossy(core("varchar", 7), "abc ") && !lossy(core("varchar", 7), "abc"));
    assert!(!lossy(core("bpchar", 7), "a") && lossy(core("name", -1), &"x".repeat(64)));
    assert!(
        lossy(core("timestamptz", 0), "2024-01-01 10:00:00.5")
            && !lossy(core("timestamptz", 0), "2024-01-01 10:00:00.0")
    );
    assert!(
        lossy(core("timestamptz", -1), "2024-01-01 10:00:00.1234567")
            && lossy(core("date", -1), "2024-01-01 10:00")
    );
    assert!(
        lossy(core("timestamp", -1), "2024-01-01 10:00+02")
            && !lossy(core("timestamp", -1), "2024-01-01 10:00Z")
    );
    assert!(lossy(core("interval", 0x7fff << 16), "0.4 s") && !lossy(core("interval", -1), "1.5 days"));
    assert!(lossy(array(numeric()), "{1,2.005}"));
}

#[test]
fn a_type_the_server_did_not_name_is_refused_inside_an_array() {
    let mood = with_kind(TypeKind::Enum { labels: vec!["ok".into()] });
    let codec = codec(&array(mood));
    let mut out = Vec::new();
    assert_eq!(codec.encode("{ok}", &LiveOids::default(), &mut out), Err(Refusal::UnknownType));
    let mut oids = LiveOids::default();
    oids.insert("public", "own", 70_000);
    codec.encode("{ok}", &oids, &mut out).unwrap();
}

#[test]
fn deep_documents_are_read_or_refused_but_never_overflow_the_stack() {
    let nested = |levels: usize| format!("{}{}", "[ ".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("{}1{}", "{\"b\":".repeat(levels), "}".repeat(levels));
    for codec in [codec(&core("json", -1)), codec(&core("jsonb", -1))] {
        codec.canonical(&nested(1_000)).unwrap();
        codec.canonical(&objects(1_000)).unwrap();
        for text in [nested(1_002), objects(1_002), "[".repeat(10_000_000)] {
            assert_eq!(codec.canonical(&text), Err(Refusal::TooLong));
        }
    }
}
