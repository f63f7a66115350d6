//! Appointments, notes of the history, and passes of several sessions.

use anyhow::Result;
use chrono::NaiveDate;

use super::Clinic;
use super::catalogue::{Catalogue, HOURS};
use super::dice::Dice;
use super::expected::Source;
use super::export::Csv;
use super::people::Person;
use super::spelling;
use super::words::{APPOINTMENT_REMARKS, NOTES};

/// Chart numbers of patients whom somebody deleted begin here.
const DELETED: u32 = 900_000;

/// The chart number of a patient who is not in the export any more.
pub(super) fn deleted_patient(dice: &mut Dice) -> String {
    (DELETED + dice.below(90_000)).to_string()
}

type Appointment = [String; 11];

/// Where and when something takes place; no two are at once in a room.
#[derive(Clone)]
struct Slot {
    day: NaiveDate,
    /// The day's position among the open ones.
    day_number: usize,
    hour: u32,
    room: usize,
}

/// Writes `citas.csv`.
pub(super) fn write_appointments(clinic: &mut Clinic<'_>, count: u32) -> Result<()> {
    const HEADER: [&str; 11] = [
        "Id",
        "Fecha",
        "Hora",
        "Duración",
        "Nº Historia",
        "Paciente",
        "Profesional",
        "Sala",
        "Tratamiento",
        "Estado",
        "Observaciones",
    ];
    let mut dice = clinic.dice(4);
    let mut csv = clinic.folder.csv("citas.csv", &HEADER)?;
    let mut busy: Option<Appointment> = None;
    let source = clinic.expected.source("citas");
    for number in 0..count {
        let slot = slot(&mut dice, &clinic.catalogue, &clinic.days, number, count);
        let person = dice.pick(&clinic.people);
        let mut cells = appointment(&mut dice, &clinic.catalogue, person, &slot, number + 1);
        let spoilt = spoil_appointment(&mut dice, &mut cells, busy.as_ref(), source);
        source.record();
        if !spoilt && write_broken(&mut dice, &mut csv, &cells, source)? {
            continue;
        }
        write_row(&mut csv, &cells)?;
        if !spoilt && matches!(cells[9].as_str(), "Realizada" | "Confirmada") {
            busy = Some(cells.clone());
        }
        if !spoilt && dice.spoils(4) {
            write_row(&mut csv, &cells)?;
            source.exact_duplicate();
        }
    }
    clinic.expected.count("appointments", "", count.into());
    csv.finish()
}

/// Writes `notas.csv`, the history: long texts with line breaks, semicolons and quotes.
pub(super) fn write_notes(clinic: &mut Clinic<'_>) -> Result<()> {
    let mut dice = clinic.dice(5);
    let header = ["Id", "Nº Historia", "Fecha", "Profesional", "Tipo", "Texto"];
    let mut csv = clinic.folder.csv("notas.csv", &header)?;
    for number in 0..clinic.options.rows(60) {
        let mut cells = note(clinic, &mut dice, number + 1);
        let source = clinic.expected.source("notas");
        source.record();
        let spoilt = spoil_note(&mut dice, &mut cells, source);
        if !spoilt && write_broken(&mut dice, &mut csv, &cells, source)? {
            continue;
        }
        write_row(&mut csv, &cells)?;
        if !spoilt && dice.spoils(5) {
            write_row(&mut csv, &cells)?;
            source.exact_duplicate();
        }
    }
    csv.finish()
}

/// Writes `bonos.csv`: passes of several sessions of a treatment.
pub(super) fn write_passes(clinic: &mut Clinic<'_>) -> Result<()> {
    let mut dice = clinic.dice(6);
    let header = [
        "Bono",
        "Nº Historia",
        "Tratamiento",
        "Sesiones",
        "Consumidas",
        "Fecha compra",
        "Caduca",
        "Precio",
        "Estado",
    ];
    let mut csv = clinic.folder.csv("bonos.csv", &header)?;
    for number in 0..clinic.options.rows(15) {
        let (bought, person) = (clinic.any_day(&mut dice), dice.pick(&clinic.people));
        let treatment = dice.pick(&clinic.catalogue.treatments);
        let source = clinic.expected.source("bonos");
        source.record();
        let sessions = *dice.pick(&[3, 5, 6, 8, 10]);
        let used = dice.below(sessions + 1);
        let expires = if dice.spoils(10) {
            source.rejected("expires_before_bought");
            bought - chrono::Duration::days(365)
        } else {
            bought + chrono::Duration::days(365)
        };
        csv.row(&[
            &format!("B{:05}", number + 1),
            &person.record.to_string(),
            &treatment.code,
            &sessions.to_string(),
            &used.to_string(),
            &spelling::date(bought),
            &spelling::date(expires),
            &spelling::money(treatment.price * i64::from(sessions) * 9 / 10),
            if used == sessions { "Agotado" } else { "Vigente" },
        ])?;
    }
    csv.finish()
}

fn write_row<const N: usize>(csv: &mut Csv, cells: &[String; N]) -> Result<()> {
    csv.row(&cells.each_ref().map(String::as_str))
}

/// Now and then writes a record that no reader can take: too long, too short, or with a byte that is no character.
fn write_broken<const N: usize>(
    dice: &mut Dice,
    csv: &mut Csv,
    cells: &[String; N],
    source: &mut Source,
) -> Result<bool> {
    if !dice.spoils(2) {
        return Ok(false);
    }
    let mut texts = cells.each_ref().map(String::as_str);
    // A line break or a quote in a record that lacks its quotes would break its neighbours too.
    texts[N - 1] = "Paciente remitida";
    match dice.below(3) {
        0 => {
            csv.row_too_long(&texts)?;
            source.unreadable("ragged");
        }
        1 => {
            csv.row_too_short(&texts)?;
            source.unreadable("ragged");
        }
        _ => {
            // Windows-1252 has no character for the byte 81.
            texts[N - 1] = "Paciente remitida \u{81}";
            csv.row(&texts)?;
            source.unreadable("undecodable");
        }
    }
    Ok(true)
}

/// The `number`th of `count` slots, spread over all days, hours and rooms in order.
fn slot(dice: &mut Dice, catalogue: &Catalogue, days: &[NaiveDate], number: u32, count: u32) -> Slot {
    let rooms = catalogue.rooms.len() as u64;
    let all = days.len() as u64 * u64::from(HOURS) * rooms;
    let first = u64::from(number) * all / u64::from(count);
    let cell = first + u64::from(dice.below((all / u64::from(count)) as u32));
    let day_number = (cell / (u64::from(HOURS) * rooms)) as usize;
    Slot {
        day: days[day_number],
        day_number,
        hour: 9 + (cell / rooms % u64::from(HOURS)) as u32,
        room: (cell % rooms) as usize,
    }
}

fn appointment(dice: &mut Dice, catalogue: &Catalogue, person: &Person, slot: &Slot, id: u32) -> Appointment {
    let treatment = dice.pick(&catalogue.treatments);
    let minute = slot.hour * 60 + 15 * dice.below((60 - treatment.minutes) / 15 + 1);
    let professional = (slot.room + slot.day_number) % catalogue.professionals.len();
    let duration = treatment.minutes.to_string();
    let remark = if dice.chance(150) { dice.word(APPOINTMENT_REMARKS) } else { "" };
    [
        id.to_string(),
        spelling::date(slot.day),
        spelling::time(dice, minute),
        if dice.spoils(100) { format!("{duration} min") } else { duration },
        person.record.to_string(),
        person.full_name(),
        catalogue.professionals[professional].clone(),
        catalogue.rooms[slot.room].clone(),
        treatment.code.clone(),
        appointment_state(dice).to_owned(),
        remark.to_owned(),
    ]
}

fn appointment_state(dice: &mut Dice) -> &'static str {
    match dice.below(100) {
        0..70 => "Realizada",
        70..76 => "REALIZADA",
        76..84 => "Anulada",
        84..87 => "Anulada tel.",
        87..92 => "No asistió",
        92..96 => "Confirmada",
        _ => "Pendiente",
    }
}

/// Makes at most one defect, for which PostgreSQL would refuse the row; true if it made one.
fn spoil_appointment(
    dice: &mut Dice,
    cells: &mut Appointment,
    busy: Option<&Appointment>,
    source: &mut Source,
) -> bool {
    let rule = match if dice.spoils(1000) { dice.below(1000) } else { 1000 } {
        0..3 => {
            cells[4] = deleted_patient(dice);
            "orphan_patient"
        }
        3..5 => {
            (cells[4], cells[5]) = (String::new(), "BLOQUEO AGENDA".to_owned());
            "missing_patient"
        }
        5..7 => {
            cells[1] = spelling::impossible_date(dice, 2024);
            "impossible_date"
        }
        7..8 => {
            cells[1] = "00/00/0000".to_owned();
            "impossible_date"
        }
        8..9 => {
            cells[2] = String::new();
            "missing_time"
        }
        9..11 => {
            cells[9] = dice.word(&["Reservada web", "???"]).to_owned();
            "unmapped_status"
        }
        11..14 => {
            let Some(busy) = busy else { return false };
            cells[1..4].clone_from_slice(&busy[1..4]);
            (cells[7], cells[9]) = (busy[7].clone(), "Realizada".to_owned());
            "room_overlap"
        }
        _ => return false,
    };
    source.rejected(rule);
    true
}

fn note(clinic: &Clinic<'_>, dice: &mut Dice, id: u32) -> [String; 6] {
    let (day, person) = (clinic.any_day(dice), dice.pick(&clinic.people));
    let (kind, text) = dice.pick(NOTES);
    let minute = dice.within(9 * 60, 20 * 60);
    [
        id.to_string(),
        person.record.to_string(),
        format!("{} {:02}:{:02}", spelling::date(day), minute / 60, minute % 60),
        dice.pick(&clinic.catalogue.professionals).clone(),
        (*kind).to_owned(),
        (*text).to_owned(),
    ]
}

/// Like [`spoil_appointment`]; a row with a time that daylight saving skipped is repaired, not refused.
fn spoil_note(dice: &mut Dice, cells: &mut [String; 6], source: &mut Source) -> bool {
    let rule = match if dice.spoils(1000) { dice.below(1000) } else { 1000 } {
        0..5 => {
            cells[1] = deleted_patient(dice);
            "orphan_patient"
        }
        5..9 => {
            cells[5] = String::new();
            "missing_text"
        }
        9..13 => {
            (cells[2], cells[4]) = ("31/03/2024 02:30".to_owned(), "Administrativa".to_owned());
            cells[5] = "Recordatorio enviado por SMS".to_owned();
            source.repaired("daylight_saving_gap");
            return true;
        }
        _ => return false,
    };
    source.rejected(rule);
    true
}
