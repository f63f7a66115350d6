//! Files that were cut, and files that begin without their header.

use serde_json::json;
use trasvase::error::{Failure, Kind};

use super::desk::{Desk, findings};
use super::{GOOD, breaks};

#[test]
fn utf16_that_was_cut_refuses_its_last_record() {
    let text: Vec<u8> = "\u{feff}id;x\n1;a\n2;\u{1f600}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    // Within a unit, between the halves of a pair, and within the second half.
    let whole = "\u{feff}id;x\n1;a\n2;b\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    for bytes in [&whole[..whole.len() - 1], &text[..text.len() - 2], &text[..text.len() - 1]] {
        let desk = Desk::with(bytes);
        let report = desk.load().unwrap();
        assert_eq!((report.rows(), report.refused()), (1, 1));
        let errors = desk.rows("select record, line, reason from meta.load_error");
        assert_eq!(errors, [json!(["2", "3", "undecodable_bytes"])]);
    }
    let cut = |desk: &Desk| desk.write("s.csv", &text[..7]);
    breaks(&Desk::with(GOOD), cut, Kind::Failed, &["s.csv: the header at line 1"]);
}

#[test]
fn utf16_without_its_mark_that_was_cut_is_still_utf16() {
    let text = "id;nombre\n1;Ana\n2;Eva\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for whole in [little, big] {
        let desk = Desk::with(&whole[..whole.len() - 3]);
        let report = desk.load().unwrap();
        assert!(report.sources[0].files[0].dialect.to_string().starts_with("utf-16"), "{report:?}");
        assert_eq!(desk.rows("select id, nombre from raw.s"), [json!(["1", "Ana"])]);
        let errors = desk.rows("select record, line, reason from meta.load_error");
        assert_eq!(errors, [json!(["2", "3", "undecodable_bytes"])]);
    }
}

#[test]
fn nul_bytes_that_no_encoding_explains_are_told() {
    let desk = Desk::with("id;nombre\n1;Ana\n2;E\0va\n3;\0\n");
    let report = desk.load().unwrap();
    assert_eq!((report.rows(), findings(&report)), (3, vec!["nul_bytes"]));
    let finding = &report.sources[0].findings[0];
    assert_eq!((finding.count, finding.severity), (2, trasvase::sources::Severity::Critical));
    assert!(finding.detail.as_deref().unwrap().contains("line 3"), "{finding:?}");
}

#[test]
fn a_quote_that_is_never_closed_ends_with_the_files_last_line() {
    for (text, lines) in [
        ("id;x\n1;\"a\n2;b\n3;c\n", "lines 2 to 4"),
        ("id;x\n1;\"a\n2;b\n3;c", "lines 2 to 4"),
        ("id;x\r\n1;\"a\r\n2;b\r\n", "lines 2 to 3"),
    ] {
        let desk = Desk::with(text);
        desk.load().unwrap();
        let errors = desk.rows("select line, reason, detail from meta.load_error");
        assert_eq!(errors, [json!(["2", "unterminated_quote", lines])], "{text:?}");
    }
}

#[test]
fn a_record_in_the_headers_place_is_not_shown() {
    let values = |desk: &Desk, failure: &Failure| {
        let all = format!("{failure:?} {:?}", desk.everything()[2..].to_vec());
        ["Luz", "Berta", "600"].iter().any(|value| all.contains(value))
    };
    // Parts of one source, known or not.
    for text in ["4;Luz;600\n5;Berta;700\n", "Luz;Berta;x\n"] {
        let desk = Desk::new("[sources.s]\nfiles = ['*.csv']");
        desk.write("a.csv", "id;nombre;tel\n1;Ana;2\n");
        let wanted = &["b.csv: the line", "missing: columns (3)"];
        let failure = breaks(&desk, |desk| desk.write("b.csv", text), Kind::Failed, wanted);
        assert!(!values(&desk, &failure) && failure.hints[0].contains("header_row = 0"), "{failure:?}");
        let desk = Desk::new("[sources.s]\nfiles = ['*.csv']");
        desk.write("a.csv", "id;nombre;tel\n1;Ana;2\n");
        desk.write("b.csv", text);
        let failure = desk.load().unwrap_err();
        assert!(
            failure.message.contains(wanted[1]) && !format!("{failure:?}").contains("Luz"),
            "{failure:?}"
        );
    }
    // No file has a header, and all hold words.
    let desk = Desk::new("[sources.s]\nfiles = ['*.csv']");
    desk.write("a.csv", "Garcia;Maria\nPerez;Juan\nRuiz;Ana\n");
    desk.write("b.csv", "Lopez;Eva\nMora;Luis\n");
    let failure = desk.load().unwrap_err();
    assert!(failure.message.contains("missing: columns (2)"), "{failure:?}");
    assert!(!["Garcia", "Lopez"].iter().any(|name| format!("{failure:?}").contains(name)), "{failure:?}");
    // The whole file.
    let desk = Desk::with("id;nombre;tel\n1;Ana;2\n");
    let turn = |desk: &Desk| desk.write("s.csv", "4;Luz;600\n5;Berta;700\n");
    let failure = breaks(&desk, turn, Kind::Failed, &["s.csv: the line", "missing: columns (3)"]);
    assert!(!values(&desk, &failure), "{failure:?}");
    desk.write("s.csv", "Luz;Berta;x\nEva;y;z\n");
    let report = desk.load().unwrap();
    let detail = report.sources[0].findings.last().unwrap().detail.clone();
    assert_eq!(detail.as_deref(), Some("new: columns (3); gone: columns (3)"));
    // One column that is new among known ones is named.
    let desk = Desk::with("id;nombre;tel\n1;Ana;2\n");
    desk.load().unwrap();
    desk.write("s.csv", "id;nombre;móvil\n1;Ana;2\n");
    let report = desk.load().unwrap();
    let detail = report.sources[0].findings.last().unwrap().detail.clone();
    assert_eq!(detail.as_deref(), Some("new: móvil; gone: tel"));
}

#[test]
fn a_row_of_data_is_not_taken_for_the_header_because_most_rows_are_as_wide() {
    for row in ["4;Luz;600;a;b;c\n", "Luz;Berta;x;a;b;c\n"] {
        let desk = Desk::with(format!("id;nombre;tel\n{}", row.repeat(9)));
        let failure = desk.load().unwrap_err();
        assert!(failure.message.contains("s.csv: it is not clear which line"), "{failure:?}");
        assert!(
            failure.message.contains("line 2,") && !format!("{failure:?}").contains("Luz"),
            "{failure:?}"
        );
        assert!(failure.hints[0].contains("header_row = <line>"), "{failure:?}");
        desk.configure("[sources.s]\nfiles = ['s.csv']\nheader_row = 1");
        let report = desk.load().unwrap();
        assert_eq!((report.rows(), report.refused()), (0, 9));
        assert_eq!(report.sources[0].columns, ["id", "nombre", "tel"]);
    }
}
