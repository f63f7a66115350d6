//! Encodings and dialects: what a text is in, and that what was once found is kept.

use serde_json::json;

use super::desk::{Desk, findings};

#[test]
fn each_encoding_gives_the_same_rows() {
    let text = "id;año\n1;Íñigo\n2;“Núñez” 5 €\n";
    let utf16 = |mark: bool, unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        let marked = if mark { format!("\u{feff}{text}") } else { text.to_owned() };
        marked.encode_utf16().flat_map(unit).collect()
    };
    let files: [(&str, Vec<u8>); 7] = [
        ("utf-8", text.into()),
        ("utf-8", format!("\u{feff}{text}").into()),
        ("windows-1252", encoding_rs::WINDOWS_1252.encode(text).0.into_owned()),
        ("utf-16le", utf16(true, u16::to_le_bytes)),
        ("utf-16be", utf16(true, u16::to_be_bytes)),
        ("utf-16le", utf16(false, u16::to_le_bytes)),
        ("utf-16be", utf16(false, u16::to_be_bytes)),
    ];
    for (encoding, bytes) in files {
        let desk = Desk::with(&bytes);
        let report = desk.load().unwrap();
        assert!(report.sources[0].files[0].dialect.to_string().starts_with(encoding), "{encoding}");
        assert_eq!(findings(&report), [] as [&str; 0], "{encoding}");
        assert_eq!(
            desk.rows("select id, año from raw.s"),
            [json!(["1", "Íñigo"]), json!(["2", "“Núñez” 5 €"])]
        );
    }
}

#[test]
fn lines_of_another_encoding_are_refused_and_named() {
    let utf8 = "id;nombre\n1;Íñigo\n2;Núñez\n".as_bytes();
    let mostly_utf8 = [utf8, b"3;Mu\xf1oz\n4;x\n"].concat();
    let desk = Desk::with(&mostly_utf8);
    let report = desk.load().unwrap();
    assert_eq!(findings(&report), ["mixed_encoding"]);
    assert_eq!(
        report.sources[0].findings[0].detail.as_deref(),
        Some("read as UTF-8; windows-1252 in lines 4")
    );
    assert_eq!(
        desk.rows("select record, line, reason from meta.load_error"),
        [json!(["3", "4", "undecodable_bytes"])]
    );

    let mostly_windows = [&b"id;nombre\n1;Mu\xf1oz\n2;Pe\xf1a\n"[..], "3;Iñigo\n".as_bytes()].concat();
    let desk = Desk::with(&mostly_windows);
    let report = desk.load().unwrap();
    assert_eq!(findings(&report), ["mixed_encoding"]);
    assert_eq!(
        desk.rows("select record, line, reason from meta.load_error"),
        [json!(["3", "4", "undecodable_bytes"])]
    );
    assert_eq!(desk.rows("select nombre from raw.s"), [json!(["Muñoz"]), json!(["Peña"])]);

    // Whoever names the encoding gets it, and the finding.
    desk.configure("[sources.s]\nfiles = ['s.csv']\nencoding = 'windows-1252'");
    let report = desk.load().unwrap();
    assert_eq!((report.refused(), findings(&report)), (0, vec!["mixed_encoding"]));
}

#[test]
fn undecodable_bytes_refuse_their_record_in_every_encoding() {
    let mut utf16: Vec<u8> = "\u{feff}id;x\n1;a\n2;".encode_utf16().flat_map(u16::to_le_bytes).collect();
    utf16.extend_from_slice(&[0x00, 0xd8]);
    utf16.extend("\n3;c\n".encode_utf16().flat_map(u16::to_le_bytes));
    for bytes in [utf16, b"id;x\n1;\xf1\n2;\x81\n3;c\n".to_vec()] {
        let desk = Desk::with(&bytes);
        assert_eq!(desk.load().unwrap().refused(), 1);
        let errors = desk.rows("select record, line, reason from meta.load_error");
        assert_eq!(errors, [json!(["2", "3", "undecodable_bytes"])]);
    }
}

#[test]
fn a_dialect_once_found_is_kept() {
    let desk = Desk::with("id;importe\n1;2\n");
    desk.load().unwrap();
    // Alone, this file would be read with commas; a single data row decides nothing.
    desk.write("s.csv", "id;importe\n1;2,5\n2;3,5\n3;4,5\n");
    let report = desk.load().unwrap();
    assert_eq!(report.sources[0].columns, ["id", "importe"]);
    assert_eq!(desk.rows("select importe from raw.s order by _id")[0], json!(["2,5"]));

    // Another delimiter with the same columns is read, and told until clinic.toml says that it is right.
    for (text, delimiter) in
        [("id,importe\n1,2\n", ','), ("id|importe\n1|2\n", '|'), ("id,importe\n1,3\n", ',')]
    {
        desk.write("s.csv", text);
        let report = desk.load().unwrap();
        assert_eq!((findings(&report), report.rows()), (vec!["dialect_drift"], 1));
        let drift = &report.sources[0].findings[0];
        assert_eq!(drift.severity, trasvase::sources::Severity::Critical);
        let detail = drift.detail.as_deref().unwrap();
        assert!(detail.starts_with("before: ascii, delimiter ';'"), "{detail}");
        let setting = format!("write under [sources.s]: delimiter = \"{delimiter}\"");
        assert!(detail.ends_with(&setting), "{detail}");
        assert!(report.sources[0].files[0].dialect.to_string().contains(&format!("'{delimiter}'")));
        assert_eq!(desk.rows("select id from raw.s"), [json!(["1"])]);
    }
    desk.write("s.csv", "id;importe\n1;4\n");
    assert_eq!(findings(&desk.load().unwrap()), Vec::<&str>::new());

    // Other columns in another dialect: read as before, and told loudly.
    desk.write("s.csv", "codigo|total\n1|2\n");
    let report = desk.load().unwrap();
    assert_eq!(findings(&report), ["dialect_drift", "columns_changed"]);
    let drift = &report.sources[0].findings[0];
    assert_eq!(drift.severity, trasvase::sources::Severity::Critical);
    assert_eq!(
        drift.detail.as_deref(),
        Some(
            "read as before: ascii, delimiter ';', quote \", header in line 1; but the file seems to be: ascii, \
             delimiter '|', quote \", header in line 1; if it is, write under [sources.s]: delimiter = \"|\""
        )
    );
    assert_eq!(report.sources[0].columns, ["codigo|total"]);

    // clinic.toml decides.
    desk.configure("[sources.s]\nfiles = ['s.csv']\ndelimiter = '|'");
    let report = desk.load().unwrap();
    assert_eq!(report.sources[0].columns, ["codigo", "total"]);
}

const FOLLOWED: &str =
    "UTF-8 before, read as UTF-16LE now; if it is, write under [sources.s]: encoding = \"UTF-16LE\"";

#[test]
fn an_encoding_once_found_is_kept() {
    let desk = Desk::with("id;x\n1;ñ\n");
    desk.load().unwrap();
    desk.write("s.csv", b"id;x\n1;\xf1\n2;b\n");
    let report = desk.load().unwrap();
    assert_eq!((report.rows(), report.refused()), (1, 1));
    assert_eq!(findings(&report), ["dialect_drift", "mixed_encoding"]);
    let detail = report.sources[0].findings[0].detail.as_deref().unwrap();
    assert!(detail.ends_with("write under [sources.s]: encoding = \"windows-1252\""), "{detail}");
    // Between bytes and UTF-16 there is no choice, and the finding says so.
    desk.write("s.csv", "\u{feff}id;x\n1;ñ\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    let report = desk.load().unwrap();
    let detail = report.sources[0].findings[0].detail.as_deref();
    assert_eq!((report.rows(), detail), (1, Some(FOLLOWED)));
    desk.write("s.csv", "\u{feff}id;x\n2;ñ\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    assert_eq!(desk.load().unwrap().sources[0].findings[0].detail.as_deref(), Some(FOLLOWED));
    // Plain ASCII fits every encoding, so it settles none.
    let desk = Desk::with("id;x\n1;n\n");
    desk.load().unwrap();
    desk.write("s.csv", b"id;x\n1;\xf1\n2;b\n");
    let report = desk.load().unwrap();
    assert_eq!((report.refused(), findings(&report)), (0, vec![]));
    // But it is told from UTF-16, and unsettles nothing.
    desk.write("s.csv", "id;x\n1;n\n");
    assert_eq!(findings(&desk.load().unwrap()), Vec::<&str>::new());
    desk.write("s.csv", "id;x\n1;ñ\n2;b\n");
    let report = desk.load().unwrap();
    assert_eq!(findings(&report), ["dialect_drift"]);
    assert!(report.sources[0].findings[0].detail.as_deref().unwrap().starts_with("read as windows-1252"));
    let desk = Desk::with("id;x\n1;n\n");
    desk.load().unwrap();
    desk.write("s.csv", "\u{feff}id;x\n1;n\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    let report = desk.load().unwrap();
    let detail = report.sources[0].findings[0].detail.as_deref().unwrap();
    assert!(detail.starts_with("ascii before, read as UTF-16LE now"), "{detail}");
}
