//! Spreadsheets that spreadsheet programs make hard to read.

use rust_xlsxwriter::{Format, Formula, Workbook};
use serde_json::{Value, json};
use trasvase::error::Kind;

use super::breaks;
use super::desk::{Desk, findings};

fn desk(book: &mut Workbook, options: &str) -> Desk {
    let desk = Desk::new(&format!("[sources.s]\nfiles = ['s.xlsx']\n{options}"));
    desk.write("s.xlsx", book.save_to_buffer().unwrap());
    desk
}

/// A sheet with a header and one row.
fn plain() -> Workbook {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in (0u16..).zip(["id", "nombre"]) {
        sheet.write_string(0, column, name).unwrap();
    }
    sheet.write_string(1, 0, "1").unwrap();
    sheet.write_string(1, 1, "Ana").unwrap();
    book
}

#[test]
fn cells_become_the_text_that_the_sheet_shows() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let format = |code: &str| Format::new().set_num_format(code);
    let names = [
        "texto", "entero", "telefono", "importe", "cp", "fecha", "hora", "cita", "duracion", "activo",
        "vacio", "nada",
    ];
    for (column, name) in (0u16..).zip(names) {
        sheet.write_string(0, column, name).unwrap();
    }
    sheet.write_string(1, 0, "00123").unwrap();
    sheet.write_number(1, 1, 1.0).unwrap();
    sheet.write_number(1, 2, 612_345_678.0).unwrap();
    sheet.write_number(1, 3, 59.97 + 1e-14).unwrap();
    sheet.write_number_with_format(1, 4, 8001.0, &format("00000")).unwrap();
    sheet.write_number_with_format(1, 5, 45_322.0, &format("dd/mm/yyyy")).unwrap();
    sheet.write_number_with_format(1, 6, 0.75, &format("hh:mm")).unwrap();
    sheet.write_number_with_format(1, 7, 45_322.416_666_666_7, &format("dd/mm/yyyy hh:mm")).unwrap();
    sheet.write_number_with_format(1, 8, 1.145_833_333_333, &format("[h]:mm:ss")).unwrap();
    sheet.write_boolean(1, 9, true).unwrap();
    sheet.write_string(1, 10, " ").unwrap();
    let desk = desk(&mut book, "");
    desk.load().unwrap();
    assert_eq!(
        desk.rows("select * exclude (_id, _file, _row) from raw.s"),
        [json!([
            "00123",
            "1",
            "612345678",
            "59.97",
            "08001",
            "2024-01-31",
            "18:00:00",
            "2024-01-31 10:00:00",
            "27:30:00",
            "TRUE",
            " ",
            null
        ])]
    );
}

#[test]
fn an_error_cell_is_null_and_has_its_address() {
    let mut book = plain();
    let sheet = book.worksheet_from_index(0).unwrap();
    sheet.write_string(2, 0, "2").unwrap();
    sheet.write_formula(2, 1, Formula::new("=NA()").set_result("#N/A")).unwrap();
    let desk = desk(&mut book, "");
    let report = desk.load().unwrap();
    // The rest of the record is good, so it is kept: nothing is refused.
    assert_eq!((report.rows(), report.refused()), (2, 0));
    assert_eq!(desk.rows("select id, nombre from raw.s order by _id")[1], json!(["2", null]));
    assert_eq!(
        desk.rows("select record, line, cell, reason, detail from meta.load_error"),
        [json!([null, "3", "Sheet1!B3", "error_cell", "#N/A"])]
    );
}

#[test]
fn merged_headers_are_spread_and_joined() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let format = Format::new();
    sheet.merge_range(0, 0, 0, 4, "Listado de pacientes", &format).unwrap();
    sheet.merge_range(1, 0, 2, 0, "Id", &format).unwrap();
    sheet.merge_range(1, 1, 1, 2, "Paciente", &format).unwrap();
    sheet.merge_range(1, 3, 1, 4, "Contacto", &format).unwrap();
    for (column, name) in (1u16..).zip(["Nombre", "Apellidos", "Tel", "Email"]) {
        sheet.write_string(2, column, name).unwrap();
    }
    for row in 3..6 {
        sheet.write_number(row, 0, f64::from(row)).unwrap();
        sheet.write_string(row, 1, "Ana").unwrap();
    }
    sheet.write_string(7, 0, "Nota al pie").unwrap();
    let names = ["Id", "Paciente Nombre", "Paciente Apellidos", "Contacto Tel", "Contacto Email"];
    for options in ["", "header_row = 2\nheader_rows = 2"] {
        let desk = desk(&mut book, options);
        let report = desk.load().unwrap();
        assert_eq!(report.sources[0].columns, names, "{options}");
        assert_eq!(findings(&report), ["rows_before_header"]);
        assert_eq!(report.rows(), 4);
        let rows = desk.rows("select \"Id\", \"Contacto Tel\", _row from raw.s order by _id");
        assert_eq!((&rows[0], &rows[3]), (&json!(["3", null, "1"]), &json!(["Nota al pie", null, "4"])));
    }
}

#[test]
fn names_below_a_merged_header_cell_belong_to_the_header() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in [(0u16, "Id"), (3, "Tel"), (4, "Email")] {
        sheet.write_string(0, column, name).unwrap();
    }
    sheet.merge_range(0, 1, 0, 2, "Paciente", &Format::new()).unwrap();
    sheet.write_string(1, 1, "Nombre").unwrap().write_string(1, 2, "Apellidos").unwrap();
    for (column, text) in (0u16..).zip(["a", "Ana", "Ruiz", "600", "x@y"]) {
        sheet.write_string(2, column, text).unwrap();
    }
    let desk = desk(&mut book, "");
    let report = desk.load().unwrap();
    assert_eq!(report.sources[0].columns, ["Id", "Paciente Nombre", "Paciente Apellidos", "Tel", "Email"]);
    assert_eq!((report.rows(), findings(&report)), (1, vec![]));
}

#[test]
fn the_sheet_is_the_one_that_is_named_or_the_first_shown() {
    let mut book = plain();
    book.worksheet_from_index(0).unwrap().set_name("Oculta").unwrap().set_hidden(true);
    for name in ["Pacientes", "Citas"] {
        let sheet = book.add_worksheet().set_name(name).unwrap();
        sheet.write_string(0, 0, "id").unwrap().write_string(0, 1, name).unwrap();
        sheet.write_string(1, 0, "1").unwrap().write_string(1, 1, "x").unwrap();
    }
    book.worksheet_from_index(1).unwrap().set_active(true);
    let desk = desk(&mut book, "");
    let report = desk.load().unwrap();
    assert_eq!(report.sources[0].columns, ["id", "Pacientes"]);
    let details: Vec<_> =
        report.sources[0].findings.iter().map(|finding| finding.detail.as_deref()).collect();
    assert_eq!(findings(&report), ["hidden_sheets", "sheets_not_read"]);
    assert_eq!(details, [Some("Oculta"), Some("Citas")]);
    desk.configure("[sources.s]\nfiles = ['s.xlsx']\nsheet = 'Oculta'");
    assert_eq!(desk.load().unwrap().sources[0].columns, ["id", "nombre"]);
    let wrong = |desk: &Desk| desk.configure("[sources.s]\nfiles = ['s.xlsx']\nsheet = 'Facturas'");
    let failure = breaks(&desk, wrong, Kind::Failed, &["s.xlsx has no sheet 'Facturas'"]);
    assert!(failure.hints[0].contains("Oculta, Pacientes, Citas"), "{failure:?}");
}

#[test]
fn numbers_that_lost_digits_and_destroyed_texts_are_reported() {
    let mut book = plain();
    let sheet = book.worksheet_from_index(0).unwrap();
    sheet.write_number(2, 0, 1_234_567_890_123_456.0).unwrap();
    sheet.write_string(2, 1, "1.24E+14").unwrap();
    let desk = desk(&mut book, "");
    let report = desk.load().unwrap();
    assert_eq!(findings(&report), ["destroyed_code", "destroyed_code"]);
    let found: Vec<_> =
        report.sources[0].findings.iter().map(|finding| json!([finding.column, finding.detail])).collect();
    assert_eq!(found, [json!(["id", "first at Sheet1!A3"]), json!(["nombre", "first at Sheet1!B3"])]);
    assert_eq!(
        desk.rows("select id, nombre from raw.s order by _id")[1],
        json!(["1234567890123456", "1.24E+14"])
    );
}

#[test]
fn a_truncated_or_malformed_spreadsheet_leaves_what_was_loaded() {
    let whole = plain().save_to_buffer().unwrap();
    for cut in [whole.len() / 2, whole.len() - 30, 40] {
        let desk = desk(&mut plain(), "");
        let damage = |desk: &Desk| desk.write("s.xlsx", &whole[..cut]);
        breaks(&desk, damage, Kind::Failed, &["s.xlsx is "]);
    }
    // Every byte of the sheets' compressed data in turn is damaged: a clear failure, or the same rows.
    for at in (0..whole.len()).step_by(397) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        let desk = desk(&mut plain(), "");
        desk.write("s.xlsx", &damaged);
        if let Err(failure) = desk.load() {
            assert_eq!(failure.kind, Kind::Failed, "{at}: {failure:?}");
        }
    }
}

#[test]
fn a_row_far_down_takes_no_more_memory_than_its_cells() {
    let mut book = plain();
    let sheet = book.worksheet_from_index(0).unwrap();
    sheet.write_string(1_048_575, 0, "last").unwrap();
    sheet.write_string(1, 300, "far").unwrap();
    let desk = desk(&mut book, "header_row = 1");
    let report = desk.load().unwrap();
    assert_eq!((report.rows(), report.sources[0].columns.len()), (2, 301));
    assert_eq!(desk.rows("select id, _row from raw.s where _row = 2"), [json!(["last", "2"])]);
}

#[test]
fn a_spreadsheet_whose_header_moves_is_read_by_its_columns() {
    let desk = desk(&mut plain(), "");
    desk.load().unwrap();
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write_string(0, 0, "Listado").unwrap();
    for (row, texts) in (1u32..).zip([["id", "nombre"], ["1", "Ana"], ["2", "Eva"]]) {
        for (column, text) in (0u16..).zip(texts) {
            sheet.write_string(row, column, text).unwrap();
        }
    }
    desk.write("s.xlsx", book.save_to_buffer().unwrap());
    let report = desk.load().unwrap();
    assert_eq!(findings(&report), ["dialect_drift", "rows_before_header"]);
    assert_eq!(report.sources[0].columns, ["id", "nombre"]);
    assert_eq!(report.rows(), 2);
}

#[test]
fn loading_a_spreadsheet_again_writes_nothing() {
    let desk = desk(&mut plain(), "");
    desk.load().unwrap();
    let before: Vec<Vec<Value>> = desk.everything();
    assert!(desk.load().unwrap().unchanged());
    assert_eq!(desk.everything(), before);
}
