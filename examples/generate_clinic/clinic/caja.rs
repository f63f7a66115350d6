//! The till's workbook: a title, a header of two rows with merged cells, real dates and numbers, and other sheets.

use anyhow::{Context as _, Result};
use chrono::Datelike as _;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet};

use super::dice::Dice;
use super::{Clinic, spelling};

const INCOME: &[&str] = &["Cobro tratamiento", "Venta de producto", "Señal de reserva", "Cambio inicial"];
const EXPENSES: &[&str] = &["Mensajería", "Material de limpieza", "Ingreso en banco", "Devolución a cliente"];

/// First row of data, from 0: below the title, the date of the export and the two rows of the header.
const FIRST: u32 = 5;

/// Writes `caja.xlsx`.
pub(super) fn write(clinic: &mut Clinic<'_>) -> Result<()> {
    let mut workbook = Workbook::new();
    let created = ExcelDateTime::from_ymd(2026, 1, 2)?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&created));
    write_summary(workbook.add_worksheet())?;
    write_movements(clinic, workbook.add_worksheet())?;
    let lists = workbook.add_worksheet().set_name("Listas")?.set_hidden(true);
    for (row, method) in ["Efectivo", "Tarjeta", "Bizum"].into_iter().enumerate() {
        lists.write_string(row as u32, 0, method)?;
    }
    let path = clinic.folder.path("caja.xlsx");
    workbook.save(&path).with_context(|| format!("cannot write {}", path.display()))
}

/// The sheet that a reader finds first and that holds no records.
fn write_summary(sheet: &mut Worksheet) -> Result<()> {
    let title = Format::new().set_bold().set_align(FormatAlign::Center);
    sheet.set_name("Resumen")?.merge_range(0, 0, 0, 3, "SENSES CLÍNICA ESTÉTICA", &title)?;
    sheet.write_string(2, 0, "Movimientos de caja: véase la hoja siguiente")?;
    Ok(())
}

fn write_movements(clinic: &mut Clinic<'_>, sheet: &mut Worksheet) -> Result<()> {
    write_header(sheet.set_name("Movimientos")?)?;
    let mut dice = clinic.dice(10);
    let count = clinic.options.rows(20);
    for number in 0..count {
        let day = clinic.day_at(number, count);
        let row = FIRST + number;
        sheet.write_number(row, 0, number + 1)?;
        if dice.spoils(60) {
            sheet.write_string(row, 1, spelling::date(day))?;
        } else {
            let serial = ExcelDateTime::from_ymd(day.year() as u16, day.month() as u8, day.day() as u8)?;
            sheet.write_datetime_with_format(row, 1, &serial, &Format::new().set_num_format("dd/mm/yyyy"))?;
        }
        write_movement(clinic, &mut dice, sheet, row)?;
    }
    Ok(())
}

/// Two rows: what spans both is merged downwards, the amounts stand side by side under their own heading.
fn write_header(sheet: &mut Worksheet) -> Result<()> {
    let bold = Format::new().set_bold().set_align(FormatAlign::Center).set_align(FormatAlign::VerticalCenter);
    sheet.merge_range(0, 0, 0, 8, "SENSES CLÍNICA ESTÉTICA - Movimientos de caja", &bold)?;
    sheet.write_string(1, 0, "Exportado el 02/01/2026")?;
    for (column, text) in [(0, "Nº"), (1, "Fecha"), (2, "Hora"), (3, "Caja"), (4, "Concepto")] {
        sheet.merge_range(3, column, 4, column, text, &bold)?;
    }
    sheet.merge_range(3, 5, 3, 6, "Importe", &bold)?;
    sheet.write_string_with_format(4, 5, "Entrada", &bold)?;
    sheet.write_string_with_format(4, 6, "Salida", &bold)?;
    sheet.merge_range(3, 7, 4, 7, "Cód. TPV", &bold)?;
    sheet.merge_range(3, 8, 4, 8, "Usuario", &bold)?;
    Ok(())
}

fn write_movement(clinic: &mut Clinic<'_>, dice: &mut Dice, sheet: &mut Worksheet, row: u32) -> Result<()> {
    let source = clinic.expected.source("caja");
    source.record();
    let minute = dice.within(9 * 60, 20 * 60);
    sheet.write_string(row, 2, format!("{:02}:{:02}", minute / 60, minute % 60))?;
    sheet.write_string(row, 3, dice.word(&["Recepción", "Recepción", "Consulta"]))?;
    let amount = f64::from(dice.within(500, 120_000)) / 100.0;
    let money = Format::new().set_num_format("#,##0.00");
    if dice.chance(700) {
        sheet.write_string(row, 4, dice.word(INCOME))?;
        sheet.write_number_with_format(row, 5, amount, &money)?;
    } else {
        sheet.write_string(row, 4, dice.word(EXPENSES))?;
        sheet.write_number_with_format(row, 6, amount, &money)?;
    }
    if dice.spoils(12) {
        // An earlier spreadsheet took the code for a number and kept three digits of it.
        sheet.write_string(row, 7, "1.24E+14")?;
        source.kept("destroyed_code");
    } else if dice.chance(400) {
        sheet.write_string(row, 7, format!("0{:014}", u64::from(dice.below(u32::MAX)) * 17))?;
    }
    sheet.write_string(row, 8, dice.pick(&clinic.catalogue.professionals))?;
    Ok(())
}
