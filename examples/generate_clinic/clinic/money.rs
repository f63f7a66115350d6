//! Budgets, invoices and payments. Sums are kept in hundredths of a euro and are right to the last one.

use std::rc::Rc;

use anyhow::Result;
use chrono::{Datelike as _, Duration, NaiveDate};

use super::catalogue::Treatment;
use super::dice::Dice;
use super::export::Csv;
use super::{Clinic, agenda, spelling};

/// A line of a budget or an invoice.
struct Line<'a> {
    treatment: &'a Treatment,
    quantity: i64,
    discount: i64,
}

impl Line<'_> {
    /// Net, half a cent rounded away from zero.
    fn base(&self) -> i64 {
        rounded(self.quantity * self.treatment.price * (100 - self.discount))
    }

    fn tax(&self) -> i64 {
        rounded(self.base() * i64::from(self.treatment.vat))
    }

    fn total(&self) -> i64 {
        self.base() + self.tax()
    }

    /// The cells that follow a line's document and position.
    fn cells(&self) -> [String; 7] {
        [
            self.treatment.code.clone(),
            self.treatment.name.to_owned(),
            self.quantity.to_string(),
            spelling::money(self.treatment.price),
            self.discount.to_string(),
            self.treatment.vat.to_string(),
            spelling::money(self.total()),
        ]
    }
}

/// A budget that reached its patient.
struct Budget {
    number: String,
    patient: u32,
}

/// An invoice, for its payments.
struct Invoice {
    number: String,
    day: NaiveDate,
    patient: u32,
    total: i64,
}

/// Numbers documents anew each year: `2025/000100`.
#[derive(Default)]
struct Numbering {
    year: i32,
    last: u32,
}

impl Numbering {
    fn next(&mut self, year: i32) -> u32 {
        self.last = if self.year == year { self.last + 1 } else { 1 };
        self.year = year;
        self.last
    }
}

/// Writes `presupuestos.csv`, `facturas.csv`, their lines, and `cobros.csv`.
pub(super) fn write(clinic: &mut Clinic<'_>) -> Result<()> {
    let budgets = write_budgets(clinic)?;
    let invoices = write_invoices(clinic, &budgets)?;
    write_payments(clinic, &invoices)
}

fn rounded(hundredfold: i64) -> i64 {
    (hundredfold + 50 * hundredfold.signum()) / 100
}

fn lines<'a>(dice: &mut Dice, treatments: &'a [Treatment], most: u32) -> Vec<Line<'a>> {
    let sold = |dice: &mut Dice| Line {
        treatment: dice.pick(treatments),
        quantity: if dice.chance(150) { i64::from(dice.within(2, 6)) } else { 1 },
        discount: if dice.chance(200) { *dice.pick(&[5, 10, 15, 20]) } else { 0 },
    };
    (0..dice.within(1, most)).map(|_| sold(dice)).collect()
}

fn line_file(clinic: &Clinic<'_>, name: &str, document: &str) -> Result<Csv> {
    let header =
        [document, "Línea", "Código", "Descripción", "Cantidad", "Precio", "Dto. %", "IVA %", "Importe"];
    clinic.folder.csv(name, &header)
}

fn line_row(csv: &mut Csv, document: &str, position: usize, cells: &[String; 7]) -> Result<()> {
    let position = (position + 1).to_string();
    let [code, name, quantity, price, discount, vat, total] = cells.each_ref().map(String::as_str);
    csv.row(&[document, &position, code, name, quantity, price, discount, vat, total])
}

fn write_budgets(clinic: &mut Clinic<'_>) -> Result<Vec<Budget>> {
    let (mut dice, treatments) = (clinic.dice(7), Rc::clone(&clinic.catalogue.treatments));
    let header =
        ["Número", "Fecha", "Nº Historia", "Profesional", "Estado", "Válido hasta", "Total", "Observaciones"];
    let mut csv = clinic.folder.csv("presupuestos.csv", &header)?;
    let mut line_csv = line_file(clinic, "presupuestos_lineas.csv", "Presupuesto")?;
    let (mut numbering, mut budgets) = (Numbering::default(), Vec::new());
    let count = clinic.options.rows(35);
    for position in 0..count {
        let day = clinic.day_at(position, count);
        let (year, last) = (day.year(), numbering.next(day.year()));
        let number = format!("{year}/{last:06}");
        let patient = dice.pick(&clinic.people).record;
        let lines = lines(&mut dice, &treatments, 4);
        let total: i64 = lines.iter().map(Line::total).sum();
        let orphan = dice.spoils(6);
        let chart = if orphan { agenda::deleted_patient(&mut dice) } else { patient.to_string() };
        let state = dice.word(&["Aceptado", "Aceptado", "Pendiente", "Rechazado", "Caducado"]);
        let (professional, until) = (dice.pick(&clinic.catalogue.professionals), day + Duration::days(30));
        let remark = if dice.chance(50) { "Financiación 12 meses; sin intereses" } else { "" };
        let (day, until) = (spelling::date(day), spelling::date(until));
        csv.row(&[&number, &day, &chart, professional, state, &until, &spelling::money(total), remark])?;
        let source = clinic.expected.source("presupuestos");
        source.record();
        if orphan {
            source.rejected("orphan_patient");
        } else {
            budgets.push(Budget { number, patient });
        }
        for (position, line) in lines.iter().enumerate() {
            write_budget_line(clinic, &mut dice, &mut line_csv, (year, last, position), line, orphan)?;
        }
    }
    csv.finish()?;
    line_csv.finish()?;
    Ok(budgets)
}

/// Writes a line under the number without its stroke, in one case of a hundred under one that no budget has.
fn write_budget_line(
    clinic: &mut Clinic<'_>,
    dice: &mut Dice,
    csv: &mut Csv,
    (year, last, position): (i32, u32, usize),
    line: &Line<'_>,
    parent_rejected: bool,
) -> Result<()> {
    let lost = !parent_rejected && dice.spoils(4);
    let budget = if lost { format!("{year}9{last:05}") } else { format!("{year}{last:06}") };
    line_row(csv, &budget, position, &line.cells())?;
    let source = clinic.expected.source("presupuestos_lineas");
    source.record();
    source.repaired("budget_number");
    if parent_rejected {
        source.rejected("parent_rejected");
    } else if lost {
        source.rejected("orphan_budget");
    }
    Ok(())
}

fn write_invoices(clinic: &mut Clinic<'_>, budgets: &[Budget]) -> Result<Vec<Invoice>> {
    const HEADER: [&str; 10] = [
        "Serie",
        "Número",
        "Fecha",
        "Nº Historia",
        "Base",
        "IVA",
        "Total",
        "Estado",
        "Presupuesto",
        "Rectifica",
    ];
    let (mut dice, treatments) = (clinic.dice(8), Rc::clone(&clinic.catalogue.treatments));
    let mut csv = clinic.folder.csv("facturas.csv", &HEADER)?;
    let mut line_csv = line_file(clinic, "facturas_lineas.csv", "Factura")?;
    let (mut numbering, mut credits, mut invoices) = (Numbering::default(), Numbering::default(), Vec::new());
    let count = clinic.options.patients;
    for position in 0..count {
        let day = clinic.day_at(position, count);
        let budget = if dice.chance(200) && !budgets.is_empty() { Some(dice.pick(budgets)) } else { None };
        let patient = budget.map_or_else(|| dice.pick(&clinic.people).record, |budget| budget.patient);
        let number = format!("{}/{:06}", day.year(), numbering.next(day.year()));
        let mut lines = lines(&mut dice, &treatments, 3);
        let budget = budget.map_or("", |budget| budget.number.as_str());
        let state = dice.word(&["Pagada", "Pagada", "Pagada", "PAGADA", "Emitida"]);
        let head = ["A", &number, "", &patient.to_string(), state, budget, ""];
        let total = write_invoice(clinic, &mut dice, (&mut csv, &mut line_csv), &head, day, &lines)?;
        if dice.spoils(10) {
            let credit = format!("{}/{:06}", day.year(), credits.next(day.year()));
            lines.iter_mut().for_each(|line| line.quantity = -line.quantity);
            let rectified = format!("A-{number}");
            let head = ["R", &credit, "", &patient.to_string(), "Emitida", "", &rectified];
            write_invoice(clinic, &mut dice, (&mut csv, &mut line_csv), &head, day, &lines)?;
        }
        invoices.push(Invoice { number: format!("A-{number}"), day, patient, total });
    }
    csv.finish()?;
    line_csv.finish()?;
    Ok(invoices)
}

/// Writes an invoice and its lines; `head` is series, number, nothing, patient, state, budget, the invoice it corrects.
fn write_invoice(
    clinic: &mut Clinic<'_>,
    dice: &mut Dice,
    (csv, line_csv): (&mut Csv, &mut Csv),
    &[series, number, _, patient, state, budget, rectified]: &[&str; 7],
    day: NaiveDate,
    lines: &[Line<'_>],
) -> Result<i64> {
    let (base, tax) = (lines.iter().map(Line::base).sum(), lines.iter().map(Line::tax).sum::<i64>());
    let total: i64 = base + tax;
    let (day_text, year) = (spelling::date(day), day.year().to_string());
    let amounts = [base, tax, total].map(spelling::money);
    let [base, tax, whole] = amounts.each_ref().map(String::as_str);
    let cells = [series, number, &day_text, patient, base, tax, whole, state, budget, rectified];
    csv.row(&cells)?;
    clinic.expected.source("facturas").record();
    if dice.spoils(4) {
        csv.row(&cells)?;
        clinic.expected.source("facturas").exact_duplicate();
    }
    for (key, counted, summed) in
        [("", "invoices", "invoiced"), (&year, "invoices_by_year", "invoiced_by_year")]
    {
        clinic.expected.count(counted, key, 1);
        clinic.expected.add(summed, key, total);
    }
    let kept_lines = if clinic.options.bench { usize::from(number.ends_with("000")) } else { lines.len() };
    for (position, line) in lines.iter().take(kept_lines).enumerate() {
        write_invoice_line(clinic, dice, line_csv, &format!("{series}-{number}"), position, line)?;
    }
    Ok(total)
}

fn write_invoice_line(
    clinic: &mut Clinic<'_>,
    dice: &mut Dice,
    csv: &mut Csv,
    invoice: &str,
    position: usize,
    line: &Line<'_>,
) -> Result<()> {
    let source = clinic.expected.source("facturas_lineas");
    let mut cells = line.cells();
    let spoilt = dice.spoils(3);
    if spoilt {
        cells[2] = "0".to_owned();
        source.rejected("zero_quantity");
    }
    line_row(csv, invoice, position, &cells)?;
    source.record();
    if !spoilt && dice.spoils(3) {
        line_row(csv, invoice, position, &cells)?;
        source.exact_duplicate();
    }
    Ok(())
}

fn write_payments(clinic: &mut Clinic<'_>, invoices: &[Invoice]) -> Result<()> {
    let mut dice = clinic.dice(9);
    let header = ["Id", "Fecha", "Nº Historia", "Factura", "Forma de pago", "Importe", "Referencia"];
    let mut csv = clinic.folder.csv("cobros.csv", &header)?;
    let most = if clinic.options.bench { clinic.options.patients / 1000 + 1 } else { u32::MAX };
    let mut id = 0;
    for invoice in invoices.iter().filter(|invoice| invoice.total != 0).take(most as usize) {
        if dice.chance(100) {
            continue;
        }
        let first = if dice.chance(200) { invoice.total / 3 } else { invoice.total };
        for part in [first, invoice.total - first].into_iter().filter(|part| *part != 0) {
            id += 1;
            write_payment(clinic, &mut dice, &mut csv, invoice, id, part)?;
        }
    }
    csv.finish()
}

fn write_payment(
    clinic: &mut Clinic<'_>,
    dice: &mut Dice,
    csv: &mut Csv,
    invoice: &Invoice,
    id: u32,
    amount: i64,
) -> Result<()> {
    let minute = dice.within(9 * 60, 20 * 60);
    let method =
        dice.word(&["Tarjeta", "Tarjeta", "TARJETA", "Efectivo", "Efvo.", "Bizum", "Transf.", "Financiera"]);
    let reference = if dice.chance(300) { format!("TPV {:06}", dice.below(999_999)) } else { String::new() };
    let mut cells = [
        id.to_string(),
        format!("{} {:02}:{:02}", spelling::date(invoice.day), minute / 60, minute % 60),
        invoice.patient.to_string(),
        invoice.number.clone(),
        method.to_owned(),
        spelling::money(amount),
        reference,
    ];
    let spoilt = spoil_payment(clinic, dice, &mut cells);
    let source = clinic.expected.source("cobros");
    source.record();
    let texts = cells.each_ref().map(String::as_str);
    if !spoilt && dice.spoils(2) {
        source.unreadable("ragged");
        return if dice.chance(500) { csv.row_too_long(&texts) } else { csv.row_too_short(&texts) };
    }
    csv.row(&texts)?;
    if !spoilt && dice.spoils(5) {
        csv.row(&texts)?;
        source.exact_duplicate();
    }
    Ok(())
}

/// Makes at most one defect, for which PostgreSQL would refuse the row; true if it made one.
fn spoil_payment(clinic: &mut Clinic<'_>, dice: &mut Dice, cells: &mut [String; 7]) -> bool {
    let rule = match if dice.spoils(1000) { dice.below(1000) } else { 1000 } {
        0..4 => {
            cells[3] = "A-2022/000017".to_owned();
            "orphan_invoice"
        }
        4..7 => {
            cells[4] = dice.word(&["Vale regalo", "Canje"]).to_owned();
            "unmapped_method"
        }
        7..9 => {
            cells[5] = "0,00".to_owned();
            "zero_amount"
        }
        9..11 => {
            cells[1] = spelling::impossible_date(dice, 2024);
            "impossible_date"
        }
        _ => return false,
    };
    clinic.expected.source("cobros").rejected(rule);
    true
}
