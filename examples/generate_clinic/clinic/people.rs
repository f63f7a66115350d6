//! Patients, in two files, with every misspelling that a front desk makes in three years.

use anyhow::Result;
use chrono::{Duration, NaiveDate};

use super::dice::Dice;
use super::expected::Source;
use super::export::Csv;
use super::words::{CHANNELS, MAIL_DOMAINS, MEN, PATIENT_REMARKS, STREETS, SURNAMES, TOWNS, WOMEN};
use super::{Clinic, Options, spelling};

/// Rows of both files that say the same person twice, in a thousand.
const EXACT_DUPLICATES: u32 = 12;
const TYPED_ANEW: u32 = 25;

const HEADER: [&str; 17] = [
    "Nº Historia",
    "Nombre",
    "Apellidos",
    "DNI/NIE",
    "F. Nacimiento",
    "Sexo",
    "Teléfono",
    "Móvil",
    "Email",
    "Dirección",
    "C.P.",
    "Población",
    "Provincia",
    "Fecha alta",
    "Cómo nos conoció",
    "Acepta publicidad",
    "Observaciones",
];

/// A patient as the clinic knows her; what the export makes of her is another matter.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) record: u32,
    pub(super) given: &'static str,
    pub(super) surname1: &'static str,
    pub(super) surname2: &'static str,
    female: bool,
    born: Option<NaiveDate>,
    national_id: String,
    landline: u32,
    mobile: u32,
    email: String,
    town: usize,
    since: NaiveDate,
}

impl Person {
    pub(super) fn full_name(&self) -> String {
        format!("{} {} {}", self.given, self.surname1, self.surname2).trim_end().to_owned()
    }
}

/// Makes the patients up, and after them those of whom there is a second record.
pub(super) fn invent(options: &Options, dice: &mut Dice, days: &[NaiveDate]) -> Vec<Person> {
    let mut people: Vec<Person> = (1..=options.patients).map(|record| person(dice, record, days)).collect();
    if options.bench {
        return people;
    }
    let twice: Vec<Person> = people.iter().filter(|_| dice.spoils(TYPED_ANEW)).cloned().collect();
    for (position, person) in twice.into_iter().enumerate() {
        people.push(typed_anew(dice, &person, options.patients + 1 + position as u32));
    }
    people
}

/// Writes `pacientes_1.csv` and `pacientes_2.csv`.
pub(super) fn write(clinic: &mut Clinic<'_>) -> Result<()> {
    let mut dice = clinic.dice(3);
    let half = clinic.people.len() / 2;
    let (mut first, mut second) =
        (clinic.folder.csv("pacientes_1.csv", &HEADER)?, clinic.folder.csv("pacientes_2.csv", &HEADER)?);
    let mut again = Vec::new();
    for (position, person) in clinic.people.iter().enumerate() {
        let csv = if position < half { &mut first } else { &mut second };
        let source = clinic.expected.source("pacientes");
        let cells = record(&mut dice, person, source);
        write_row(csv, &cells)?;
        source.record();
        if person.record > clinic.options.patients {
            source.kept("same_person");
        }
        if dice.spoils(EXACT_DUPLICATES) {
            again.push(cells);
        }
    }
    clinic.expected.count("patients", "", clinic.people.len() as u64);
    for cells in &again {
        write_row(&mut second, cells)?;
        clinic.expected.source("pacientes").exact_duplicate();
    }
    first.finish()?;
    second.finish()
}

fn write_row(csv: &mut Csv, cells: &[String; 17]) -> Result<()> {
    csv.row(&cells.each_ref().map(String::as_str))
}

fn person(dice: &mut Dice, record: u32, days: &[NaiveDate]) -> Person {
    let female = dice.chance(820);
    let given: &'static str = if female { dice.word(WOMEN) } else { dice.word(MEN) };
    let surname1: &'static str = dice.word(SURNAMES);
    let surname2: &'static str = if dice.chance(940) { dice.word(SURNAMES) } else { "" };
    let first_birthday = NaiveDate::from_ymd_opt(1940, 1, 1).expect("a date of the calendar");
    let born = first_birthday + Duration::days(i64::from(dice.below(24_000)));
    Person {
        record,
        given,
        surname1,
        surname2,
        female,
        born: dice.chance(930).then_some(born),
        national_id: national_id(dice, record),
        landline: if dice.chance(250) { 910_000_000 + dice.below(9_999_999) } else { 0 },
        mobile: if dice.chance(940) { 600_000_000 + dice.below(99_999_999) } else { 0 },
        email: if dice.chance(780) { email(dice, given, surname1, record) } else { String::new() },
        town: dice.below(TOWNS.len() as u32) as usize,
        since: *dice.pick(days),
    }
}

/// An identity number of its own for each record; every tenth is a foreigner's, every fifth is missing.
fn national_id(dice: &mut Dice, record: u32) -> String {
    match dice.below(100) {
        0..20 => String::new(),
        20..28 => spelling::foreigner_id(dice.below(3), record * 19 + dice.below(19)),
        _ => spelling::national_id(10_000_000 + record * 151 + dice.below(151)),
    }
}

fn email(dice: &mut Dice, given: &str, surname: &str, record: u32) -> String {
    let (given, surname) = (spelling::plain_letters(given), spelling::plain_letters(surname));
    format!("{given}.{surname}{record}@{}", dice.word(MAIL_DOMAINS))
}

/// The same person at the front desk two years later: another number, and what she did not think worth repeating.
fn typed_anew(dice: &mut Dice, person: &Person, record: u32) -> Person {
    let given = person.given.split(' ').next().unwrap_or(person.given);
    let surname2 = if dice.chance(400) { "" } else { person.surname2 };
    let mobile = if dice.chance(600) { person.mobile } else { 600_000_000 + dice.below(99_999_999) };
    let (national_id, email) = (String::new(), String::new());
    Person { record, given, surname2, mobile, national_id, email, landline: 0, ..person.clone() }
}

/// The cells of a patient's row, spoilt as it comes.
fn record(dice: &mut Dice, person: &Person, source: &mut Source) -> [String; 17] {
    let (given, surnames) = name(dice, person, source);
    let (town, province, postal_code) = TOWNS[person.town];
    let (landline, mobile) = phones(dice, person, source);
    let street = format!(
        "{} {}, {}º {}",
        dice.word(STREETS),
        dice.within(1, 180),
        dice.within(1, 8),
        dice.word(&["A", "B", "dcha."])
    );
    let remarks = if dice.spoils(60) { dice.word(PATIENT_REMARKS) } else { "" };
    [
        format!("{:06}", person.record),
        given,
        surnames,
        identity(dice, &person.national_id, source),
        birth_date(dice, person.born, source),
        sex(dice, person.female).to_owned(),
        landline,
        mobile,
        mail(dice, &person.email, source),
        if dice.chance(850) { street } else { String::new() },
        format!("{:05}", postal_code + dice.below(9)),
        town.to_owned(),
        province.to_owned(),
        spelling::date(person.since),
        dice.word(CHANNELS).to_owned(),
        (if dice.chance(700) { "S" } else { "N" }).to_owned(),
        remarks.to_owned(),
    ]
}

/// Given name and surnames: in capitals or not, with white space where there should be none.
fn name(dice: &mut Dice, person: &Person, source: &mut Source) -> (String, String) {
    let mut given = person.given.to_owned();
    let mut surnames = format!("{} {}", person.surname1, person.surname2).trim_end().to_owned();
    if dice.spoils(140) {
        source.repaired("name_case");
        let lower = dice.chance(150);
        let other = |text: &str| if lower { text.to_lowercase() } else { text.to_uppercase() };
        (given, surnames) = (other(&given), other(&surnames));
    }
    if dice.spoils(70) {
        source.repaired("white_space");
        match dice.below(4) {
            0 => given.push(' '),
            1 => surnames.push_str("  "),
            2 => surnames.push('\u{a0}'),
            _ => given.insert(0, ' '),
        }
    }
    (given, surnames)
}

fn identity(dice: &mut Dice, id: &str, source: &mut Source) -> String {
    if id.is_empty() {
        return String::new();
    }
    if dice.spoils(12) {
        source.repaired("national_id_invalid");
        return spelling::wrong_check_letter(id);
    }
    if id.as_bytes()[0].is_ascii_digit() && dice.spoils(100) {
        source.repaired("national_id_spelling");
        return spelling::dotted_id(id);
    }
    id.to_owned()
}

fn birth_date(dice: &mut Dice, born: Option<NaiveDate>, source: &mut Source) -> String {
    let Some(born) = born else { return String::new() };
    let mut choose = |rule: &'static str, text: String| {
        source.repaired(rule);
        text
    };
    match if dice.spoils(1000) { dice.below(1000) } else { 999 } {
        0..9 => choose("sentinel_date", dice.word(&["00/00/0000", "01/01/1900", "30/11/-0001"]).to_owned()),
        9..15 => choose("impossible_date", spelling::impossible_date(dice, 1980)),
        15..85 => choose("two_digit_year", spelling::short_date(born)),
        85..110 => spelling::spelled_date(born),
        _ => spelling::date(born),
    }
}

fn sex(dice: &mut Dice, female: bool) -> &'static str {
    match (dice.below(100), female) {
        (0..4, _) => "",
        (4..12, true) => "MUJER",
        (_, true) => "Mujer",
        (_, false) => "Hombre",
    }
}

/// Landline and mobile; a row whose numbers are spelled in any way but nine digits counts once.
fn phones(dice: &mut Dice, person: &Person, source: &mut Source) -> (String, String) {
    let mut respelled = false;
    let mut spell = |dice: &mut Dice, number: u32| {
        if number == 0 {
            return String::new();
        }
        let (text, other) = spelling::phone(dice, number);
        respelled |= other;
        text
    };
    let landline = spell(dice, person.landline);
    let mobile = if person.mobile > 0 && dice.spoils(8) {
        source.repaired("phone_unreadable");
        spelling::no_phone(dice, person.mobile)
    } else {
        spell(dice, person.mobile)
    };
    if respelled {
        source.repaired("phone_spelling");
    }
    (landline, mobile)
}

fn mail(dice: &mut Dice, email: &str, source: &mut Source) -> String {
    if !email.is_empty() && dice.spoils(40) {
        source.repaired("email_spelling");
        return if dice.chance(500) { email.to_uppercase() } else { format!("{email} ") };
    }
    if dice.spoils(8) {
        source.repaired("email_unreadable");
        return dice.word(&["no tiene", "pendiente", "sin correo@"]).to_owned();
    }
    email.to_owned()
}
