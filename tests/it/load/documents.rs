//! Documents: JSON in all the forms that exports give it, BSON, archives; and what is broken in them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Decimal128, Document, Timestamp, Uuid, doc, oid::ObjectId};
use serde_json::{Value, json};
use trasvase::error::Kind;

use super::desk::{Desk, findings};

const SOURCE: &str = "[sources.s]\nfiles = ['s']";

fn loaded(bytes: impl AsRef<[u8]>) -> Desk {
    let desk = Desk::new(SOURCE);
    desk.write("s", bytes);
    desk.load().unwrap();
    desk
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn refusals(desk: &Desk) -> Vec<Value> {
    desk.rows("select record, line, reason from meta.load_error order by record")
}

/// One value of each kind that there is, with the edges.
fn everything() -> Document {
    doc! {
        "_id": ObjectId::parse_str("546651e74bf6e4cb017c5312").unwrap(),
        "i": 5, "l": 9_007_199_254_740_993i64, "d": 0.1, "w": 5.0, "z": -0.0, "n": f64::NAN, "inf": f64::INFINITY,
        "x": "12345678901234567890.10".parse::<Decimal128>().unwrap(),
        "t": DateTime::from_millis(1_417_809_975_123), "old": DateTime::from_millis(-1), "far": DateTime::MAX,
        "u": Uuid::parse_str("014432fe-2558-43b6-9bac-e00fd4a48b69").unwrap(),
        "b": Binary { subtype: BinarySubtype::Generic, bytes: b"TEST".to_vec() },
        "ts": Timestamp { time: 5, increment: 6 }, "yes": true, "none": Bson::Null, "s": "a\0\"\n é 😀",
        "min": Bson::MinKey, "max": Bson::MaxKey, "o": { "a": [1, { "b": Bson::Null }] }, "e": [],
    }
}

/// The same in the forms that exports have had.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let relaxed = r#"{"_id":{"$oid":"546651e74bf6e4cb017c5312"},"i":5,"l":9007199254740993,"d":0.1,"w":5.0,"z":-0.0,"n":{"$numberDouble":"NaN"},"inf":{"$numberDouble":"Infinity"},"x":{"$numberDecimal":"12345678901234567890.10"},"t":{"$date":"2014-12-05T20:06:15.123Z"},"old":{"$date":{"$numberLong":"-1"}},"far":{"$date":{"$numberLong":"9223372036854775807"}},"u":{"$binary":{"base64":"AUQy/iVYQ7abrOAP1KSLaQ==","subType":"04"}},"b":{"$binary":{"base64":"VEVTVA==","subType":"00"}},"ts":{"$timestamp":{"t":5,"i":6}},"yes":true,"none":null,"s":"a\u0000\"\n é 😀","min":{"$minKey":1},"max":{"$maxKey":1},"o":{"a":[1,{"b":null}]},"e":[]}"#;
    let canonical = relaxed
        .replace("\"i\":5,", "\"i\":{\"$numberInt\":\"5\"},")
        .replace(":9007199254740993", ":{\"$numberLong\":\"9007199254740993\"}")
        .replace(":0.1", ":{\"$numberDouble\":\"0.1\"}")
        .replace(":5.0", ":{\"$numberDouble\":\"5.0\"}")
        .replace(":-0.0", ":{\"$numberDouble\":\"-0.0\"}")
        .replace("\"2014-12-05T20:06:15.123Z\"", "{\"$numberLong\":\"1417809975123\"}");
    let first = relaxed
        .replace("{\"$numberDouble\":\"NaN\"}", "NaN")
        .replace("{\"$numberDouble\":\"Infinity\"}", "Infinity")
        .replace(":9007199254740993", ":{\"$numberLong\":\"9007199254740993\"}")
        .replace("\"2014-12-05T20:06:15.123Z\"", "\"2014-12-05T21:06:15.123+0100\"")
        .replace("{\"$numberLong\":\"-1\"}", "-1")
        .replace("{\"base64\":\"VEVTVA==\",\"subType\":\"00\"}", "\"VEVTVA==\",\"$type\":\"00\"");
    let pretty = |text: &str| {
        let value: Value = serde_json::from_str(text).unwrap();
        serde_json::to_string_pretty(&json!([value])).unwrap()
    };
    let bson = everything().to_vec().unwrap();
    vec![
        ("relaxed", relaxed.into()),
        ("canonical", canonical.clone().into()),
        ("version 1", first.into()),
        ("pretty array", pretty(relaxed).into()),
        ("pretty canonical", pretty(&canonical).into()),
        ("UTF-16", format!("\u{feff}{relaxed}").encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("gzip", gzip(relaxed.as_bytes())),
        ("BSON in gzip", gzip(&bson)),
        ("BSON", bson),
    ]
}

#[test]
fn a_document_has_the_same_columns_in_every_form() {
    for (form, bytes) in forms() {
        let desk = loaded(bytes);
        let columns =
            "_doc_id, i, l, d, w, z, n, inf, x, t, old, u, b, ts, yes, \"none\", s, min, max, e, far";
        let expected = json!([
            "546651e74bf6e4cb017c5312",
            "5",
            "9007199254740993",
            "0.1",
            "5.0",
            "-0.0",
            "NaN",
            "Infinity",
            "12345678901234567890.10",
            "2014-12-05T20:06:15.123Z",
            "1969-12-31T23:59:59.999Z",
            "014432fe-2558-43b6-9bac-e00fd4a48b69",
            "\\x54455354",
            Value::Null,
            "true",
            Value::Null,
            "a\0\"\n é 😀",
            Value::Null,
            Value::Null,
            "[]",
            Value::Null
        ]);
        let mut came = desk.rows(&format!("select {columns} from raw.s")).remove(0);
        // Wrappers that are no single value stay as they came, with the blanks of a pretty-printed file.
        for place in [13, 17, 18, 20] {
            let text = came[place].take();
            let wrapper: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
            let names = ["$timestamp", "$minKey", "$maxKey", "$date"];
            assert!(names.iter().any(|name| wrapper.get(name).is_some()), "{form}: {text}");
        }
        assert_eq!(came, expected, "{form}");
        let inner = desk
            .rows("select json_extract_string(_doc, '$.o.a[0]') || (_doc->>'$.x.$numberDecimal') from raw.s");
        let inner = inner[0][0].as_str().unwrap_or_default().to_owned();
        assert!(inner.ends_with("12345678901234567890.10"), "{form}: {inner}");
    }
}

#[test]
fn the_whole_document_is_the_text_of_the_file() {
    let text = r#"{ "a" : 1.50, "b":{"c": [ 12345678901234567890123, 1E5 ]},"a":2, "g": null }"#;
    let desk = loaded(text);
    assert_eq!(
        desk.rows("select _doc, a, b from raw.s"),
        [json!([text, "1.50", r#"{"c": [ 12345678901234567890123, 1E5 ]}"#])]
    );
    let kind = desk
        .rows("select data_type from duckdb_columns() where schema_name = 'raw' and column_name = '_doc'");
    assert_eq!(kind, [json!(["JSON"])]);
    // Null and missing.
    let told = desk.rows("select json_exists(_doc, '$.g'), json_exists(_doc, '$.h') from raw.s");
    assert_eq!(told, [json!(["true", "false"])]);
    let desk = Desk::new(SOURCE);
    desk.write("s", text);
    assert_eq!(findings(&desk.load().unwrap()), ["repeated_fields"]);
}

#[test]
fn what_is_whole_is_read_and_the_rest_is_told_with_its_line() {
    for (text, rows, errors) in [
        ("{\"a\":1}\n{\"a\":2}\n{\"a\":", 2, json!([["3", "3", "cut_off"]])),
        ("[{\"a\":1},\n{\"a\":2},\n{\"a\":\"x", 2, json!([["3", "3", "cut_off"]])),
        (
            "[\n  {\n    \"a\": 1\n  },\n  {\n    \"a\": {\n      \"b\": 2\n    }\n",
            1,
            json!([["2", "5", "cut_off"]]),
        ),
        ("{\"a\":1}\n{\"a\":\"x\n{\"a\":3}\n", 2, json!([["2", "2", "broken_json"]])),
        ("{\"a\":1}\n{\"a\":[1,\n{\"a\":3}\n{\"a\":4}\n", 3, json!([["2", "2", "broken_json"]])),
        ("{\n \"a\": {\n  \"b\": 1\n {\n}\n{\n \"a\": 2\n}\n", 1, json!([["1", "1", "broken_json"]])),
        ("{\"a\":1}\n2024-01-01 exported 1 record\n{\"a\":2}", 2, json!([["2", "2", "no_document"]])),
        ("{\"a\":1}{\"a\":tru}{\"a\":2}", 2, json!([["2", "1", "broken_json"]])),
        ("{\"a\":\"\\ud800\"}\n{\"a\":1}", 1, json!([["1", "1", "undecodable_bytes"]])),
        ("{\"a\":ObjectId(\"x\")}\n{\"a\":1}\n", 1, json!([["1", "1", "broken_json"]])),
    ] {
        let desk = loaded(text);
        assert_eq!(json!(refusals(&desk)), errors, "{text}");
        assert_eq!(desk.rows("select count(*) from raw.s"), [json!([rows.to_string()])], "{text}");
    }
    let desk = loaded(b"{\"a\":\"\xff\"}\n{\"a\":\"\xc3\xa9\"}\n");
    assert_eq!(refusals(&desk), [json!(["1", "1", "undecodable_bytes"])]);
}

#[test]
fn what_is_no_document_takes_none_with_it() {
    let documents = |from: usize, count: usize| {
        let documents: Vec<_> = (from..from + count).map(|number| format!("{{\"a\":{number}}}")).collect();
        documents.join(",")
    };
    for stray in [
        "null",
        "5",
        "\"s\"",
        "\"x,{]}\\\",\"",
        "word",
        "}}",
        "[1,2]",
        "[[{\"a\":0},[{}]],{\"a\":0}]",
        "\"open",
    ] {
        let text = format!("[{},{stray},{}]", documents(0, 100), documents(100, 99));
        let desk = Desk::new(SOURCE);
        desk.write("s", &text);
        let report = desk.load().unwrap();
        assert_eq!((report.rows(), report.refused(), findings(&report)), (199, 1, vec![]), "{stray}");
        assert_eq!(refusals(&desk), [json!(["101", "1", "no_document"])], "{stray}");
        assert_eq!(desk.rows("select count(distinct a), max(a::int) from raw.s"), [json!(["199", "198"])]);
    }
    for (text, rows, errors) in [
        (
            "[{\"a\":1},\n null,\n {\"a\":2},\n\"s\",{\"a\":3}, 7, {\"a\":4}\n]",
            4,
            json!([["2", "2", "no_document"], ["4", "4", "no_document"], ["6", "4", "no_document"]]),
        ),
        (
            "{\"a\":1} null, \"x\" {\"a\":2}\n",
            2,
            json!([["2", "1", "no_document"], ["3", "1", "no_document"]]),
        ),
        ("[{\"a\":1},[\n{\"a\":2}\n],{\"a\":3}]\n[{\"a\":4}]", 3, json!([["2", "1", "no_document"]])),
        // The array before was closed in the broken part.
        ("[{\"a\":1},{\"a\":[1}]\n[{\"a\":2},{\"a\":3}]\n", 3, json!([["2", "1", "broken_json"]])),
        ("[\n  {\"a\": 1},\n  {\"a\": [1}\n]\n{\"a\": 2}\n", 2, json!([["2", "3", "broken_json"]])),
    ] {
        let desk = Desk::new(SOURCE);
        desk.write("s", text);
        let report = desk.load().unwrap();
        assert_eq!((json!(refusals(&desk)), findings(&report)), (errors, vec![]), "{text}");
        assert_eq!(report.rows(), rows, "{text}");
    }
}

#[test]
fn what_is_lost_without_a_known_end_is_told_with_its_place() {
    let bson: Vec<Vec<u8>> = (0..3).map(|number| doc! { "a": number }.to_vec().unwrap()).collect();
    let mut wrong = bson.concat();
    wrong[bson[0].len()..bson[0].len() + 4].copy_from_slice(&[3, 0, 0, 0]);
    let cut = |bytes: &[u8]| bytes[..bytes.len() - 3].to_vec();
    for (bytes, rows, rule, place) in [
        (b"{\"a\":1}\n{\"a\":2}\n{\"a\":".to_vec(), 2, "cut_document", "line 3"),
        (b"{\"a\":1}\n{\"a\":tru,\"b\":".to_vec(), 1, "cut_document", "line 2"),
        (b"[{\"a\":1},\n{\"a\":2},\n{\"a\":\"x".to_vec(), 2, "cut_document", "line 3"),
        (b"[\n  {\n    \"a\": 1\n  },\n  {\n    \"a\": [\n".to_vec(), 1, "cut_document", "line 5"),
        (b"[{\"a\":1},null,\n{\"a\":2}\n".to_vec(), 2, "open_array", "line 3"),
        (b"[{\"a\":1},[1,{\"a\":2},{\"a\":3}".to_vec(), 1, "open_array", "line 1"),
        (b"[{\"a\":1},[[1,{\"a\":2}]".to_vec(), 1, "open_array", "line 1"),
        // Documents of the same line may be lost with the broken one, or pass as a part of it.
        (b"[{\"a\":1},{\"a\":[1},{\"a\":2},{\"a\":3}]".to_vec(), 1, "lost_place", "line 1"),
        (b"[{\"a\":[1},{\"a\":2}]\n".to_vec(), 0, "lost_place", "line 1"),
        (b"{\"a\":1}\n{\"a\":[1} {\"a\":2}\n{\"a\":3}\n".to_vec(), 2, "lost_place", "line 2"),
        (b"[{\"a\":\"x\"y\"},{\"c\":1},{\"b\":\"z\"q\"},{\"a\":2}]".to_vec(), 1, "lost_place", "line 1"),
        (b"{\n \"a\": 1\n}\n{\n \"a\": [1}\n,\n\"b\": 1\n".to_vec(), 1, "lost_place", "line 4"),
        (cut(&bson.concat()), 2, "cut_document", "document 3"),
        (wrong, 1, "lost_place", "document 2"),
    ] {
        let desk = Desk::new(SOURCE);
        desk.write("s", &bytes);
        let report = desk.load().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!((report.rows(), findings(&report)), (rows, vec![rule]), "{text}");
        let detail = report.sources[0].findings[0].detail.as_deref().unwrap();
        assert!(detail.starts_with(&format!("s, {place}: ")), "{text}: {detail}");
    }
    // A broken document whose end is known takes nothing with it.
    for text in [
        "{\"a\":1}\n{\"a\":[{\"b\":1},{\"b\":2],\"c\":1}\n{\"a\":2}\n",
        "{\"a\":1}\n{\"a\":2}\n{\"a\":[1}\n",
        "[{\"a\":1},\n{\"a\":2},\n{\"a\":[1}]\n",
        "[{\"a\":1},{\"a\":tru,\"b\":[{\"c\":1},{\"c\":2}]},{\"a\":2}]",
    ] {
        let desk = Desk::new(SOURCE);
        desk.write("s", text);
        let report = desk.load().unwrap();
        assert_eq!((report.rows(), report.refused(), findings(&report)), (2, 1, vec![]), "{text}");
    }
}

#[test]
fn every_cut_of_a_file_keeps_what_was_whole_before_it() {
    let bson: Vec<Vec<u8>> = (0..3).map(|number| doc! { "a": number, "b": "xy" }.to_vec().unwrap()).collect();
    let json = ["{\"a\": 0, \"b\": \"xy\"}", "\n{\n  \"a\": 1,\n  \"b\": \"}{\"\n}", ",\n{\"a\": 2}"];
    for parts in [bson, json.map(|part| part.as_bytes().to_vec()).to_vec()] {
        let mut ends = Vec::new();
        parts.iter().fold(0, |at, part| {
            ends.push(at + part.len());
            at + part.len()
        });
        let whole = parts.concat();
        for cut in ends[0]..=whole.len() {
            let desk = loaded(&whole[..cut]);
            let expected = ends.iter().filter(|end| **end <= cut).count();
            let rest = json!(expected.to_string());
            assert_eq!(
                desk.rows("select count(*) from raw.s")[0][0],
                rest,
                "cut at {cut} of {}",
                whole.len()
            );
        }
    }
}

#[test]
fn a_torn_gzip_gives_what_was_in_it_and_is_told() {
    let lines: String = (0..50_000)
        .map(|number| format!("{{\"a\":{},\"b\":\"{}\"}}\n", number, number * 7919 % 10_007))
        .collect();
    let whole = gzip(lines.as_bytes());
    let desk = Desk::new(SOURCE);
    desk.write("s", &whole[..whole.len() / 2]);
    let report = desk.load().unwrap();
    assert!(report.rows() > 10_000 && report.rows() < 40_000 && report.refused() <= 1, "{report:?}");
    assert_eq!(findings(&report), ["torn_gzip"]);
}

#[test]
fn an_array_that_is_not_closed_is_told() {
    let desk = Desk::new(SOURCE);
    desk.write("s", "[{\"a\":1},\n{\"a\":2}\n");
    assert_eq!(findings(&desk.load().unwrap()), ["open_array"]);
    // Something broken in it hides nothing.
    desk.write("s", "[{\"a\":1},\n{\"a\":tru},\n{\"a\":2}\n");
    assert_eq!(findings(&desk.load().unwrap()), ["open_array"]);
}

#[test]
fn files_of_one_source_may_have_different_fields() {
    let desk = Desk::new("[sources.s]\nfiles = ['*.json']");
    desk.write("a.json", "{\"a\":1,\"b\":2}");
    desk.write("b.json", "{\"c\":3,\"a\":4}\n{\"B\":5}");
    desk.load().unwrap();
    assert_eq!(
        desk.rows("select a, b, c, b_2 from raw.s order by _id"),
        [json!(["1", "2", null, null]), json!(["4", null, "3", null]), json!([null, null, null, "5"])]
    );
    // Nothing new: nothing is read.
    assert!(desk.load().unwrap().unchanged());
}

#[test]
fn deliveries_may_bring_new_fields() {
    let source = "[sources.s]\nfiles = ['*.json']\nkey = ['id']\ncursor = 'at'";
    let desk = Desk::new(source);
    desk.write("a.json", "{\"id\":1,\"at\":1,\"x\":\"old\"}\n{\"id\":2,\"at\":1}");
    desk.load().unwrap();
    desk.write("b.json", "{\"id\":1,\"at\":2,\"y\":\"new\"}");
    desk.staging(|project, clinic, staging| {
        let options = trasvase::load::Options {
            project,
            clinic,
            staging,
            only: Vec::new(),
            force: false,
            incremental: true,
        };
        trasvase::load::run(&options, &trasvase::model::run::Silent).unwrap();
    });
    assert_eq!(
        desk.rows("select id, x, y, _doc from raw.s order by id"),
        [
            json!(["1", null, "new", "{\"id\":1,\"at\":2,\"y\":\"new\"}"]),
            json!(["2", null, null, "{\"id\":2,\"at\":1}"])
        ]
    );
}

#[test]
fn names_of_fields_become_names_of_columns() {
    let desk = loaded(r#"{"_id":1,"_doc":2,"_row":3,"":4,"a.b":5,"$x":6,"Ñ":7,"ñ":8," s ":9,"\u0061":10}"#);
    let names =
        desk.rows("select column_name from duckdb_columns() where schema_name = 'raw' order by column_index");
    let names: Vec<_> = names.iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "_doc_id", "_doc_2", "_row_2", "column_5", "a.b", "$x", "Ñ", "ñ_2", "s", "a", "_doc", "_id",
            "_file", "_row"
        ]
    );
    assert_eq!(desk.rows("select _doc_id, _doc_2, a from raw.s"), [json!(["1", "2", "10"])]);
}

#[test]
fn more_fields_than_columns_stay_in_the_document() {
    let fields: Vec<_> = (0..1200).map(|number| format!("\"f{number}\":{number}")).collect();
    let desk = Desk::new(SOURCE);
    desk.write("s", format!("{{{}}}", fields.join(",")));
    let report = desk.load().unwrap();
    assert_eq!((report.sources[0].columns.len(), findings(&report)), (1001, vec!["fields_not_columns"]));
    assert_eq!(desk.rows("select f999, _doc->>'f1199' from raw.s"), [json!(["999", "1199"])]);
}

#[test]
fn a_document_of_16_megabytes_is_a_row_like_another() {
    let long = "x".repeat(16 << 20);
    let desk = loaded(format!("{{\"a\":1}}\n{{\"a\":\"{long}\"}}\n{{\"a\":2}}\n"));
    assert_eq!(
        desk.rows("select length(a) from raw.s order by _id"),
        [json!(["1"]), json!([(16 << 20).to_string()]), json!(["1"])]
    );
}

#[test]
fn nesting_has_a_limit_and_no_stack_ends() {
    let deep = |levels: usize| format!("{{\"a\":{}{}}}\n", "[".repeat(levels), "]".repeat(levels));
    let desk = loaded(format!("{}{}{{\"b\":1}}\n", deep(900), deep(100_000)));
    assert_eq!(refusals(&desk), [json!(["2", "2", "broken_json"])]);
}

#[test]
fn an_archive_s_collection_is_chosen() {
    let archive = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/cases/load/mongo-archive-oplog/dump-w-oplog.archive"
    ))
    .unwrap();
    let desk = Desk::new("[sources.s]\nfiles = ['s']\ncollection = 'foo'");
    desk.write("s", gzip(&archive));
    assert_eq!(desk.load().unwrap().rows(), 25);
    desk.configure("[sources.s]\nfiles = ['s']\ncollection = 'bar'");
    let failure = desk.load().unwrap_err();
    assert!(failure.kind == Kind::Usage && failure.hints[0].contains("test.foo"), "{failure:?}");
    // Cut, it is not whole; damaged, its checksum tells.
    for (bytes, rule, refused) in [
        (archive[..first_value(&archive) + 200].to_vec(), "cut_archive", 1),
        (damaged(&archive), "damaged_archive", 0),
    ] {
        let desk = Desk::new("[sources.s]\nfiles = ['s']\ncollection = 'test.foo'");
        desk.write("s", bytes);
        let report = desk.load().unwrap();
        assert_eq!((findings(&report), report.refused()), (vec![rule], refused));
    }
}

#[test]
fn a_time_series_is_its_buckets() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/documents/timeseries.archive");
    let desk = Desk::new("[sources.s]\nfiles = ['s']\ncollection = 'foo_ts'");
    desk.write("s", std::fs::read(path).unwrap());
    assert_eq!(findings(&desk.load().unwrap()), [""; 0]);
    assert_eq!(
        desk.rows("select count(*), min(_doc->>'$.data.measurement.\"0\"') from raw.s"),
        [json!(["10", "0"])]
    );
}

/// Where the first document's value is.
fn first_value(archive: &[u8]) -> usize {
    archive.windows(3).position(|window| window == b"\x10a\0").unwrap() + 3
}

/// The archive with another value in one of its documents.
fn damaged(archive: &[u8]) -> Vec<u8> {
    let mut bytes = archive.to_vec();
    bytes[first_value(archive)] ^= 64;
    bytes
}

#[test]
fn settings_that_say_nothing_about_documents_are_refused() {
    for (setting, text) in [
        ("delimiter = ';'", "{\"a\":1}"),
        ("header_row = 1", "{\"a\":1}"),
        ("sheet = 'x'", "{\"a\":1}"),
        ("collection = 'x'", "{\"a\":1}"),
        ("collection = 'x'", "id;n\n1;2\n"),
        ("encoding = 'utf-8'", "\x0c\0\0\0\x10a\0\x01\0\0\0\0"),
    ] {
        let desk = Desk::new(&format!("{SOURCE}\n{setting}"));
        desk.write("s", text);
        assert_eq!(desk.load().unwrap_err().kind, Kind::Usage, "{setting}");
    }
}

#[test]
fn a_file_without_documents_is_an_empty_table_where_its_name_says_what_it_is() {
    for name in ["s.json", "s.ndjson", "s.bson"] {
        let desk = Desk::new(&format!("[sources.s]\nfiles = ['{name}']"));
        desk.write(name, "");
        let report = desk.load().unwrap();
        assert_eq!((report.rows(), findings(&report)), (0, vec!["no_records"]), "{name}");
    }
    assert_eq!(loaded("[ ]").rows("select count(*) from raw.s"), [json!(["0"])]);
}
