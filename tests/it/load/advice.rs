//! What is told to type next.

use serde_json::json;
use trasvase::error::{Failure, Kind};
use trasvase::model::run::Silent;

use super::desk::{Desk, findings};
use super::{GOOD, breaks};

/// The failure's hints, as one text.
fn advice(failure: &Failure) -> String {
    failure.hints.join("\n")
}

#[test]
fn an_empty_file_says_what_to_do_about_it() {
    for text in ["", "\r\n\n"] {
        let failure = breaks(&Desk::with(GOOD), |desk| desk.write("s.csv", text), Kind::Failed, &["empty"]);
        assert!(advice(&failure).contains("optional_columns = ["), "{failure:?}");
    }
}

#[test]
fn a_header_row_beyond_the_end_says_where_the_end_is() {
    let beyond = |desk: &Desk| desk.configure("[sources.s]\nfiles = ['s.csv']\nheader_row = 9");
    let parts = ["at line 9", "the last record begins at line 3"];
    let failure = breaks(&Desk::with(GOOD), beyond, Kind::Failed, &parts);
    assert!(advice(&failure).contains("[sources.s]: header_row = <line>"), "{failure:?}");
    // Within the file, but inside a record.
    let desk = Desk::with("id;nota\n1;\"a\nb\"\n2;c\n");
    let within = |desk: &Desk| desk.configure("[sources.s]\nfiles = ['s.csv']\nheader_row = 3");
    let failure = breaks(&desk, within, Kind::Failed, &["no record begins at line 3"]);
    assert!(advice(&failure).contains("[sources.s]: header_row = <line>"), "{failure:?}");
    let quotes = |desk: &Desk| desk.write("s.csv", "id;\"nombre\"x;y\n1;2;3\n");
    let failure = breaks(&Desk::with(GOOD), quotes, Kind::Failed, &["quotes of the header"]);
    assert!(advice(&failure).contains("escape = \"\\\\\""), "{failure:?}");
}

#[test]
fn columns_in_another_order_are_taken_by_their_names() {
    let desk = Desk::new("[sources.s]\nfiles = ['s_*.csv']");
    desk.write("s_1.csv", "id;nombre;tel\n1;Ana;600\n");
    desk.write("s_2.csv", "tel;id;nombre\n;2;Eva\n701;3\n702;4;Luz\n");
    let report = desk.load().unwrap();
    assert_eq!(
        desk.rows("from raw.s order by _id")
            .iter()
            .map(|row| json!(row.as_array().unwrap()[..3]))
            .collect::<Vec<_>>(),
        [json!(["1", "Ana", "600"]), json!(["2", "Eva", null]), json!(["4", "Luz", "702"])]
    );
    assert_eq!(desk.rows("select _file, _row from raw.s where id = '4'"), [json!(["s_2.csv", "3"])]);
    assert_eq!((report.rows(), report.refused()), (3, 1));
    assert_eq!(findings(&report), ["columns_reordered"]);
    assert_eq!(report.sources[0].columns, ["id", "nombre", "tel"]);
    assert!(desk.load().unwrap().unchanged());
}

#[test]
fn columns_that_their_place_alone_tells_apart_are_not_moved() {
    for (first, second) in [
        ("id;nombre;nombre\n1;Ana;Gil\n", "nombre;nombre;id\nEva;Mora;2\n"),
        ("id;;tel\n1;Ana;600\n", "tel;;id\n700;Eva;2\n"),
    ] {
        let desk = Desk::new("[sources.s]\nfiles = ['s_*.csv']\nheader_row = 1");
        desk.write("s_1.csv", first);
        desk.load().unwrap();
        let failure =
            breaks(&desk, |desk| desk.write("s_2.csv", second), Kind::Failed, &["s_2.csv: column 1"]);
        assert!(advice(&failure).contains("in the same order"), "{failure:?}");
    }
}

#[test]
fn parts_with_other_columns_name_those() {
    let desk = Desk::new("[sources.s]\nfiles = ['s_*.csv']");
    desk.write("s_1.csv", "id;nombre;tel\n1;Ana;2\n");
    let other = |desk: &Desk| desk.write("s_2.csv", "id;nombre;correo\n1;Ana;2\n");
    let failure = breaks(&desk, other, Kind::Failed, &["s_2.csv: column 3 is 'correo'"]);
    assert!(advice(&failure).contains("only in s_2.csv: correo; only in s_1.csv: tel"), "{failure:?}");
}

#[test]
fn an_unknown_source_is_told_with_the_command_meant() {
    let desk = Desk::new("[sources.pacientes]\nfiles = ['p.csv']\n[sources.citas]\nfiles = ['c.csv']");
    let failure = desk.load_with(&["pacietnes"], false, &Silent).unwrap_err();
    assert_eq!(failure.kind, Kind::Usage);
    assert_eq!(failure.hints, ["trasvase load demo --source pacientes"]);
    let failure = desk.load_with(&["xyz"], false, &Silent).unwrap_err();
    assert!(advice(&failure).contains("clinics/demo/clinic.toml: [sources.xyz]"), "{failure:?}");
}

#[test]
fn a_lone_surrogate_is_called_by_its_name() {
    // As some databases write emoji: each half of the pair as if it were a character.
    let desk = Desk::with(b"id;nota\n1;a\xc3\xb1o\n2;\xed\xa0\xbd\xed\xb8\x80\n3;\xed\xa0\xbd\n");
    let report = desk.load().unwrap();
    let finding = &report.sources[0].findings[0];
    let detail = finding.detail.as_deref().unwrap();
    assert_eq!((finding.rule.as_str(), finding.count), ("lone_surrogates", 2));
    assert!(detail.contains("lines 3, 4") && !format!("{report:?}").contains("1252"), "{report:?}");
    assert_eq!(
        desk.rows("select record, reason, detail from meta.load_error order by record"),
        ["2", "3"].map(|record| json!([
            record,
            "undecodable_bytes",
            "half of a UTF-16 pair (lone surrogate)"
        ]))
    );
    assert_eq!(desk.rows("select nota from raw.s"), [json!(["año"])]);
    // In the header, and in UTF-16.
    let header = |desk: &Desk| desk.write("s.csv", b"id;a\xed\xa0\xbdo\n1;2\n");
    let failure = breaks(&Desk::with(GOOD), header, Kind::Failed, &["the header at line 1"]);
    assert!(advice(&failure).contains("half of a pair"), "{failure:?}");
    let mut units: Vec<u16> = "\u{feff}id;nota".encode_utf16().collect();
    units.extend([0xd83d, u16::from(b'\n')]);
    units.extend("1;2\n".encode_utf16());
    let bytes: Vec<u8> = units.into_iter().flat_map(u16::to_le_bytes).collect();
    let failure = breaks(&Desk::with(GOOD), |desk| desk.write("s.csv", bytes), Kind::Failed, &["line 1"]);
    assert!(advice(&failure).contains("half of a pair") && !advice(&failure).contains("1252"), "{failure:?}");
}

#[test]
fn a_file_of_nul_bytes_says_what_to_do_about_it() {
    let broken_off = [b"id;nombre\n1;Ana\n".to_vec(), vec![0; 4096]].concat();
    for bytes in [vec![0; 4], vec![0; 4096], broken_off] {
        let failure =
            breaks(&Desk::with(GOOD), |desk| desk.write("s.csv", bytes), Kind::Failed, &["NUL bytes"]);
        assert!(advice(&failure).contains("copy it again"), "{failure:?}");
    }
}

#[test]
fn what_is_called_json_is_never_read_as_delimited_text() {
    for (name, text) in [
        ("s.json", "// exported by hand\n{\"a\": 1}\n{\"a\": 2}\n"),
        ("s.json", "/* two, of which one\n{\"a\": 1} */ [{\"a\": 2}]"),
        ("s.jsonl", "id;nombre\n1;Ana\n"),
        ("s.ndjson", "var all = [{\"a\": 1}]"),
        ("s.json", "\"id\",\"nombre\"\n1,\"Ana\"\n"),
    ] {
        let desk = Desk::new(&format!("[sources.s]\nfiles = ['{name}']"));
        desk.write(name, text);
        let failure = desk.load().unwrap_err();
        assert!(failure.message.contains(&format!("{name} is called JSON")), "{failure:?}");
        assert!(advice(&failure).contains(".csv"), "{failure:?}");
    }
    // A value that is no document is one record that cannot be read.
    let desk = Desk::new("[sources.s]\nfiles = ['s.ndjson']");
    desk.write("s.ndjson", "null\n{\"a\": 1}\n");
    let report = desk.load().unwrap();
    assert_eq!((report.rows(), report.refused()), (1, 1));
}
