//! Sources to raw tables: what is read, what is refused, what is told, and that nothing is lost on the way.

mod advice;
mod connection;
mod corpus;
pub(crate) mod desk;
mod documents;
mod encodings;
mod live_mongodb;
mod old_postgres;
mod postgres;
mod refused;
mod sakila;
mod sheets;
mod strange;

use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::{Value, json};
use trasvase::error::{Failure, Kind};
use trasvase::load::Reason;
use trasvase::model::run::{Event, Observer, Silent};

use self::desk::{Desk, findings};

/// Loads, breaks something, loads again: the failure is `kind` and says `parts`, and what was loaded is as it was.
fn breaks(desk: &Desk, break_it: impl FnOnce(&Desk), kind: Kind, parts: &[&str]) -> Failure {
    desk.load().unwrap();
    let before = desk.everything();
    assert!(!before[0].is_empty());
    break_it(desk);
    let failure = desk.load().unwrap_err();
    assert_eq!(failure.kind, kind, "{failure:?}");
    for part in parts {
        assert!(failure.message.contains(part), "{part:?} in {:?}", failure.message);
    }
    assert_eq!(desk.everything(), before);
    failure
}

const GOOD: &str = "id;nombre\n1;Ana\n2;Eva\n";

#[test]
fn a_missing_file_leaves_what_was_loaded_and_names_what_is_there() {
    let desk = Desk::with(GOOD);
    let failure = breaks(
        &desk,
        |desk| std::fs::rename(desk.clinic_dir().join("s.csv"), desk.clinic_dir().join("t.csv")).unwrap(),
        Kind::Failed,
        &["source s", "'s.csv'"],
    );
    assert!(failure.hints[0].contains("t.csv"), "{failure:?}");
}

#[test]
fn an_empty_file_is_no_source() {
    for bytes in [&b""[..], b"\xef\xbb\xbf", b"\r\n\r\n  ", b"\xff\xfe", b"\xff\xfe\n\0"] {
        breaks(&Desk::with(GOOD), |desk| desk.write("s.csv", bytes), Kind::Failed, &["s.csv is empty"]);
    }
}

#[test]
fn a_folder_is_no_file() {
    let turn = |desk: &Desk| {
        std::fs::remove_file(desk.clinic_dir().join("s.csv")).unwrap();
        desk.write("s.csv/x.csv", GOOD);
    };
    let failure = breaks(&Desk::with(GOOD), turn, Kind::Failed, &["s.csv is a folder"]);
    assert!(failure.hints[0].contains("s.csv/*.csv"));
}

#[test]
#[cfg(unix)]
fn a_pipe_or_a_socket_is_no_file_but_a_link_to_a_file_is() {
    let path = |desk: &Desk| desk.clinic_dir().join("s.csv");
    let remove = |desk: &Desk| std::fs::remove_file(path(desk)).unwrap();
    let pipe = |desk: &Desk| {
        remove(desk);
        assert!(std::process::Command::new("mkfifo").arg(path(desk)).status().unwrap().success());
    };
    let failure = breaks(&Desk::with(GOOD), pipe, Kind::Failed, &["s.csv is a named pipe"]);
    assert!(failure.hints[0].contains("<program> >"), "{failure:?}");
    let socket = |desk: &Desk| {
        remove(desk);
        std::os::unix::net::UnixListener::bind(path(desk)).unwrap();
    };
    breaks(&Desk::with(GOOD), socket, Kind::Failed, &["s.csv is a socket or a device"]);
    let device = |desk: &Desk| {
        remove(desk);
        std::os::unix::fs::symlink("/dev/zero", path(desk)).unwrap();
    };
    breaks(&Desk::with(GOOD), device, Kind::Failed, &["s.csv is a socket or a device"]);
    let desk = Desk::with(GOOD);
    std::fs::rename(path(&desk), desk.clinic_dir().join("real.csv")).unwrap();
    std::os::unix::fs::symlink("real.csv", path(&desk)).unwrap();
    assert_eq!(desk.load().unwrap().rows(), 2);
}

#[test]
fn a_header_alone_is_an_empty_table_and_a_finding() {
    let desk = Desk::with("id;nombre\n");
    let report = desk.load().unwrap();
    assert_eq!((report.rows(), findings(&report)), (0, vec!["no_records"]));
    assert_eq!(report.sources[0].columns, ["id", "nombre"]);
    assert_eq!(desk.rows("select count(*) from raw.s"), [json!(["0"])]);
}

/// Adds a line to the file once its header was read.
struct Meddler(PathBuf);

impl Observer for Meddler {
    fn event(&self, event: &Event<'_>) {
        if let Event::Note { .. } = event {
            let mut text = std::fs::read(&self.0).unwrap();
            text.extend_from_slice(b"3;Iker\n");
            std::fs::write(&self.0, text).unwrap();
        }
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_loaded() {
    let desk = Desk::with(GOOD);
    desk.load().unwrap();
    let before = desk.everything();
    let failure = desk.load_with(&[], true, &Meddler(desk.clinic_dir().join("s.csv"))).unwrap_err();
    assert!(
        failure.kind == Kind::Failed && failure.message.contains("s.csv changed while it was read"),
        "{failure:?}"
    );
    assert!(failure.hints[0].contains("trasvase load demo"));
    assert_eq!(desk.everything(), before);
    assert_eq!(desk.load().unwrap().rows(), 3);
}

#[test]
fn options_that_cannot_be_are_refused_before_any_file_is_read() {
    for option in ["encoding = 'klingon'", "delimiter = 'ñ'", "quote = ';'\ndelimiter = ';'", "quote = 'ab'"]
    {
        let configure = |desk: &Desk| desk.configure(&format!("[sources.s]\nfiles = ['s.csv']\n{option}"));
        breaks(&Desk::with(GOOD), configure, Kind::Usage, &["s"]);
    }
    let twice =
        |desk: &Desk| desk.configure("[sources.s]\nfiles = ['s.csv']\n[sources.S]\nfiles = ['s.csv']");
    breaks(&Desk::with(GOOD), twice, Kind::Usage, &["upper and lower case"]);
    let glob = |desk: &Desk| desk.configure("[sources.s]\nfiles = ['s***.csv']");
    breaks(&Desk::with(GOOD), glob, Kind::Usage, &["s***.csv"]);
}

#[test]
fn a_header_row_that_is_not_there_is_named() {
    let configure = |desk: &Desk| desk.configure("[sources.s]\nfiles = ['s.csv']\nheader_row = 9");
    breaks(&Desk::with(GOOD), configure, Kind::Failed, &["s.csv", "line 9"]);
    let broken = |desk: &Desk| desk.write("s.csv", b"id;\"nombre\"x;y\n1;2;3\n");
    breaks(&Desk::with(GOOD), broken, Kind::Failed, &["line 1", "quotes of the header"]);
    let bytes = |desk: &Desk| desk.write("s.csv", b"id;a\xf1o\n1;\xc3\xb1\n2;\xc3\xb1\n");
    breaks(&Desk::with(GOOD), bytes, Kind::Failed, &["line 1", "not in the file's encoding"]);
}

#[test]
fn parts_of_a_source_share_one_header() {
    let desk = Desk::new("[sources.s]\nfiles = ['s_*.csv']");
    desk.write("s_1.csv", GOOD);
    desk.write("s_2.csv", "id;nombre\n3;Iker\n");
    let report = desk.load().unwrap();
    assert_eq!(report.rows(), 3);
    let id = |file: u64, row: u64| (1u64 << 50 | file << 36 | row).to_string();
    assert_eq!(
        desk.rows("select _id, _file, _row, id from raw.s order by _id"),
        [
            json!([id(1, 1), "s_1.csv", "1", "1"]),
            json!([id(1, 2), "s_1.csv", "2", "2"]),
            json!([id(2, 1), "s_2.csv", "1", "3"]),
        ]
    );
    let change = |desk: &Desk| desk.write("s_2.csv", "id;name\n3;Iker\n");
    breaks(&desk, change, Kind::Failed, &["s_2.csv: column 2 is 'name', but 'nombre' in s_1.csv"]);
    desk.write("s_2.csv", "id;nombre;tel\n3;Iker;6\n");
    let failure = desk.load().unwrap_err();
    assert!(failure.message.contains("column 3 is 'tel', but '(none)'"), "{failure:?}");
}

#[test]
fn what_was_done_before_a_failure_is_said() {
    let desk = Desk::new("[sources.a]\nfiles = ['a.csv']\n[sources.b]\nfiles = ['b_*.csv']");
    for name in ["a.csv", "b_1.csv"] {
        desk.write(name, GOOD);
    }
    desk.write("b_2.csv", "x;y;z\n1;2;3\n");
    let failure = desk.load().unwrap_err();
    assert!(failure.message.contains("source b (sources that were loaded: 1 of 2"), "{failure:?}");
    assert_eq!(desk.rows("select table_name from duckdb_tables() where schema_name = 'raw'"), [json!(["a"])]);
    assert_eq!(desk.rows("select count(*) from meta.source_file where source = 'b'"), [json!(["0"])]);
}

#[test]
fn loading_again_writes_nothing_and_says_so() {
    let desk = Desk::with("id;nombre\n1;Ana\n2\n");
    let first = desk.load().unwrap();
    assert!(!first.unchanged());
    let (before, time) = (desk.everything(), desk.rows("select loaded_at from meta.source"));
    let notes = Notes::default();
    let second = desk.load_with(&[], false, &notes).unwrap();
    assert!(second.unchanged());
    assert_eq!(notes.0.lock().unwrap().as_slice(), ["source s: unchanged, not read again"]);
    assert_eq!((desk.everything(), desk.rows("select loaded_at from meta.source")), (before.clone(), time));
    let (was, is) = (&first.sources[0], &second.sources[0]);
    assert_eq!((is.rows, is.refused, is.number, &is.columns), (1, 1, was.number, &was.columns));
    assert_eq!(serde_json::to_value(&is.files).unwrap(), serde_json::to_value(&was.files).unwrap());
    assert_eq!(is.findings, was.findings);
    // Asked for, it is read again and is the same.
    assert!(!desk.load_with(&[], true, &Silent).unwrap().unchanged());
    assert_eq!(desk.everything(), before);
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn event(&self, event: &Event<'_>) {
        if let Event::Note { text, .. } = event {
            self.0.lock().unwrap().push((*text).to_owned());
        }
    }
}

#[test]
fn a_plan_says_what_would_be_read_and_writes_nothing() {
    let desk = Desk::with(GOOD);
    assert_eq!(desk.plan().steps[0].reason, Some(Reason::New));
    assert_eq!(desk.rows("select count(*) from meta.source"), [json!(["0"])]);
    desk.load().unwrap();
    assert_eq!(desk.plan().steps[0].reason, None);
    desk.write("s.csv", format!("{GOOD}3;Iker\n"));
    assert_eq!(desk.plan().steps[0].reason, Some(Reason::FilesChanged));
    desk.configure("[sources.s]\nfiles = ['s.csv']\nempty = 'text'");
    assert_eq!(desk.plan().steps[0].reason, Some(Reason::OptionsChanged));
    desk.configure("[sources.t]\nfiles = ['s.csv']");
    assert_eq!(desk.plan().removed, ["s"]);
}

#[test]
fn numbers_follow_the_names_and_what_is_gone_goes() {
    let source = |name: &str| format!("[sources.{name}]\nfiles = ['s.csv']\n");
    let desk = Desk::with("id;nombre\n1;Ana\n2\n");
    desk.configure(&(source("b") + &source("c")));
    desk.load().unwrap();
    // `a` takes the number of `b`, which takes that of `c`.
    desk.configure(&(source("a") + &source("b")));
    let report = desk.load().unwrap();
    assert_eq!(report.removed, ["c"]);
    assert_eq!(
        desk.rows("select source, number from meta.source order by 1"),
        [json!(["a", "1"]), json!(["b", "2"])]
    );
    assert_eq!(desk.rows("select _id >> 50 from raw.b"), [json!(["2"])]);
    assert_eq!(
        desk.rows("select table_name from duckdb_tables() where schema_name = 'raw' order by 1"),
        [json!(["a"]), json!(["b"])]
    );
    assert_eq!(desk.rows("select count(*) from meta.load_error where source = 'c'"), [json!(["0"])]);
    assert!(desk.load().unwrap().unchanged());
}

#[test]
fn only_the_sources_that_are_asked_for_are_read() {
    let desk = Desk::new("[sources.a]\nfiles = ['a.csv']\n[sources.b]\nfiles = ['b.csv']");
    desk.write("b.csv", GOOD);
    // The file of `a` is missing, which does not matter here.
    let report = desk.load_with(&["b"], false, &Silent).unwrap();
    assert_eq!((report.sources.len(), report.sources[0].number), (1, 2));
    let failure = desk.load_with(&["c"], false, &Silent).unwrap_err();
    assert!(failure.kind == Kind::Usage && failure.message.contains("a, b"), "{failure:?}");
}

#[test]
fn an_optional_source_may_be_missing() {
    let desk = Desk::new("[sources.s]\nfiles = ['s.csv']\noptional_columns = ['id', 'nombre']");
    let report = desk.load().unwrap();
    assert_eq!(findings(&report), ["optional_missing"]);
    assert_eq!(desk.rows("select id, nombre, _id, _file, _row from raw.s"), [] as [Value; 0]);
    assert!(desk.load().unwrap().unchanged());
    desk.write("s.csv", GOOD);
    assert_eq!(desk.load().unwrap().rows(), 2);
}

#[test]
fn hostile_names_stay_names() {
    let hostile = "x\"; drop table raw.s; --";
    let quoted = hostile.replace('"', "\"\"");
    let desk = Desk::new("[sources.\"s\\\"; drop schema meta; --\"]\nfiles = ['*.csv']");
    desk.write("a'; drop table meta.source; --.csv", format!("id,\"{quoted}\",\"o'x\"\n1,2,3\n4\n"));
    let report = desk.load().unwrap();
    assert_eq!(report.sources[0].columns, ["id", hostile, "o'x"]);
    assert_eq!((report.rows(), report.refused()), (1, 1));
    assert!(desk.load().unwrap().unchanged());
    desk.configure("[sources.s]\nfiles = ['*.csv']");
    assert_eq!(desk.load().unwrap().removed, ["s\"; drop schema meta; --"]);
}

#[test]
fn every_refused_record_has_its_line_and_none_is_lost() {
    let text = "id,nota\n1,a\n2\n3,\"b\nb\"\n\n4,\"x\"y\n5,\0\n6,a,b\n7,\"never\nclosed\n";
    let desk = Desk::with(text);
    let report = desk.load().unwrap();
    assert_eq!(
        desk.rows("select record, line, reason, detail from meta.load_error order by record"),
        [
            json!(["2", "3", "ragged_row", "fields: 1, where the header has: 2"]),
            json!(["4", "7", "text_after_quote", null]),
            json!(["6", "9", "ragged_row", "fields: 3, where the header has: 2"]),
            json!(["7", "10", "unterminated_quote", "lines 10 to 11"]),
        ]
    );
    assert_eq!(
        desk.rows("select id, nota, _row from raw.s order by _id"),
        [json!(["1", "a", "1"]), json!(["3", "b\nb", "3"]), json!(["5", "\0", "5"])]
    );
    let file = &report.sources[0].files[0];
    assert_eq!((file.loaded, file.refused, file.counted), (3, 4, 7));
}

#[test]
fn quotes_behind_a_backslash_are_read_where_clinic_toml_says_so() {
    let text = "id,nota,ruta\n1,\"say \\\"no\\\", ok\",\"C:\\tmp\\\\\"\n2,\"a \"\"b\"\"\",x\\\n3,\"\\\"\n\\\"\",\"\"\n";
    let desk = Desk::with(text);
    let plain = desk.load().unwrap();
    assert!(plain.refused() > 0 && desk.rows("from raw.s") != [json!([])], "{plain:?}");
    let reasons = desk.rows("select distinct reason from meta.load_error where record = 1");
    assert_eq!(reasons, [json!(["text_after_quote"])]);
    desk.configure("[sources.s]\nfiles = ['s.csv']\nescape = \"\\\\\"");
    let report = desk.load().unwrap();
    assert_eq!(
        desk.rows("select id, nota, ruta from raw.s order by _id"),
        [
            json!(["1", "say \"no\", ok", "C:\\tmp\\"]),
            json!(["2", "a \"b\"", "x\\"]),
            json!(["3", "\"\n\"", ""]),
        ]
    );
    let file = &report.sources[0].files[0];
    assert_eq!((file.loaded, file.refused, file.counted), (3, 0, 3));
    assert_eq!(file.dialect.to_string(), "ascii, delimiter ',', quote \" escaped by \\, header in line 1");
    assert!(desk.load().unwrap().unchanged());
    for wrong in
        ["escape = ','\ndelimiter = ','", "escape = '\"'", "quote = ''\nescape = '!'", "escape = 'ñ'"]
    {
        desk.configure(&format!("[sources.s]\nfiles = ['s.csv']\n{wrong}"));
        let failure = desk.load().unwrap_err();
        assert_eq!(
            (failure.kind, failure.message.contains("escape must be")),
            (Kind::Usage, true),
            "{wrong}"
        );
    }
}

#[test]
fn an_empty_field_is_null_and_a_quoted_one_is_text() {
    let desk = Desk::with("a,b,c\n,\"\",x\n");
    desk.load().unwrap();
    assert_eq!(desk.rows("select a, b, c from raw.s"), [json!([null, "", "x"])]);
    desk.configure("[sources.s]\nfiles = ['s.csv']\nempty = 'text'");
    desk.load().unwrap();
    assert_eq!(desk.rows("select a, b, c from raw.s"), [json!(["", "", "x"])]);
}

#[test]
fn codes_that_a_spreadsheet_destroyed_are_reported_and_left() {
    let desk = Desk::with("id;codigo\n1;X1\n2;1,24E+14\n3;6.12E+08\n");
    let report = desk.load().unwrap();
    let finding = &report.sources[0].findings[0];
    assert_eq!(
        (finding.rule.as_str(), finding.column.as_deref(), finding.count),
        ("destroyed_code", Some("codigo"), 2)
    );
    assert_eq!(finding.detail.as_deref(), Some("first at 3"));
    assert_eq!(desk.rows("select codigo from raw.s order by _id")[1], json!(["1,24E+14"]));
}

#[test]
fn progress_adds_up_to_the_files_size() {
    #[derive(Default)]
    struct Sum(Mutex<(u64, u64, u64)>);
    impl Observer for Sum {
        fn event(&self, event: &Event<'_>) {
            let mut sum = self.0.lock().unwrap();
            match event {
                Event::Started { total, .. } => sum.0 += total.unwrap(),
                Event::Advanced { amount, .. } => sum.1 += amount,
                Event::Finished { rows, .. } => sum.2 += rows,
                _ => {}
            }
        }
    }
    let lines: String = (0..60_000).map(|number| format!("{number};Ana María {number};\"x\"\n")).collect();
    let desk = Desk::with(format!("id;nombre;x\n{lines}"));
    let sum = Sum::default();
    desk.load_with(&[], false, &sum).unwrap();
    let (total, advanced, rows) = *sum.0.lock().unwrap();
    assert_eq!((total, rows), (advanced, 60_000));
    assert_eq!(
        desk.rows("select count(*), count(distinct _id), max(_row), sum(id::bigint) from raw.s"),
        [json!(["60000", "60000", "60000", "1799970000"])]
    );
}
