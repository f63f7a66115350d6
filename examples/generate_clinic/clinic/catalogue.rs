//! Professionals, rooms and treatments: small sources that the others point to.

use std::rc::Rc;

use anyhow::Result;

use super::words::{MEN, SURNAMES, TREATMENTS, WOMEN};
use super::{Clinic, dice::Dice, spelling};

/// Hours a day in which a room is used.
pub(super) const HOURS: u32 = 11;

/// Who works where on what.
pub(super) struct Catalogue {
    pub(super) rooms: Vec<String>,
    pub(super) professionals: Vec<String>,
    /// Shared, so that lines may point to them while the clinic counts.
    pub(super) treatments: Rc<[Treatment]>,
}

/// A treatment that is sold.
pub(super) struct Treatment {
    pub(super) code: String,
    pub(super) name: &'static str,
    pub(super) minutes: u32,
    /// Net, in hundredths of a euro.
    pub(super) price: i64,
    pub(super) vat: u32,
}

impl Catalogue {
    /// Enough rooms that so many appointments need not overlap; as many professionals.
    pub(super) fn new(appointments: u32, days: usize) -> Self {
        let hours = days as u32 * HOURS;
        let rooms = (appointments / (hours * 3 / 4) + 1).max(6);
        let treatments = TREATMENTS
            .iter()
            .enumerate()
            .map(|(position, &(_, _, name, minutes, price, vat))| Treatment {
                code: format!("T{:03}", position + 1),
                name,
                minutes,
                price,
                vat,
            })
            .collect();
        Self {
            rooms: (1..=rooms).map(|room| format!("S{room:02}")).collect(),
            professionals: (1..=rooms).map(|professional| format!("P{professional:02}")).collect(),
            treatments,
        }
    }
}

/// Writes `salas.csv`, `profesionales.csv` and `tratamientos.csv`.
pub(super) fn write(clinic: &mut Clinic<'_>) -> Result<()> {
    write_rooms(clinic)?;
    write_professionals(clinic)?;
    write_treatments(clinic)
}

fn write_rooms(clinic: &mut Clinic<'_>) -> Result<()> {
    let mut csv = clinic.folder.csv("salas.csv", &["Código", "Sala", "Centro", "Activa"])?;
    let source = clinic.expected.source("salas");
    for (position, code) in clinic.catalogue.rooms.iter().enumerate() {
        let name = match position {
            0 => "Consulta médica".to_owned(),
            1 => "Láser".to_owned(),
            _ => format!("Cabina {}", position - 1),
        };
        csv.row(&[code, &name, "Madrid Centro", "S"])?;
        source.record();
    }
    csv.finish()
}

fn write_professionals(clinic: &mut Clinic<'_>) -> Result<()> {
    let mut dice = clinic.dice(2);
    let header = [
        "Código",
        "Nombre y apellidos",
        "Especialidad",
        "NIF",
        "Teléfono",
        "Email",
        "Nº Colegiado",
        "Activo",
    ];
    let mut csv = clinic.folder.csv("profesionales.csv", &header)?;
    let source = clinic.expected.source("profesionales");
    for (position, code) in clinic.catalogue.professionals.iter().enumerate() {
        let cells = professional(&mut dice, position as u32, code);
        csv.row(&cells.each_ref().map(String::as_str))?;
        source.record();
    }
    csv.finish()
}

/// A professional's cells, the name as offices keep staff: surnames first.
fn professional(dice: &mut Dice, position: u32, code: &str) -> [String; 8] {
    let given = if dice.chance(750) { dice.word(WOMEN) } else { dice.word(MEN) };
    let (surname1, surname2) = (dice.word(SURNAMES), dice.word(SURNAMES));
    let (speciality, member) = match position % 3 {
        0 => ("Medicina estética", format!("28{:07}", 2_800_000 + dice.below(99_999))),
        1 => ("Auxiliar", String::new()),
        _ => ("Nutrición", format!("MAD{:05}", dice.below(99_999))),
    };
    [
        code.to_owned(),
        format!("{surname1} {surname2}, {given}"),
        speciality.to_owned(),
        spelling::national_id(50_000_000 + position * 1237 + dice.below(1000)),
        (640_000_000 + dice.below(9_999_999)).to_string(),
        format!("senses.{}@gmail.com", code.to_lowercase()),
        member,
        if position % 7 == 5 { "N" } else { "S" }.to_owned(),
    ]
}

fn write_treatments(clinic: &mut Clinic<'_>) -> Result<()> {
    let header =
        ["Código", "Familia", "Subfamilia", "Tratamiento", "Duración (min)", "Precio", "IVA", "Activo"];
    let mut csv = clinic.folder.csv("tratamientos.csv", &header)?;
    let source = clinic.expected.source("tratamientos");
    for (treatment, (family, subfamily, ..)) in clinic.catalogue.treatments.iter().zip(TREATMENTS) {
        let (minutes, price) = (treatment.minutes.to_string(), spelling::money(treatment.price));
        let vat = format!("{},00", treatment.vat);
        csv.row(&[&treatment.code, family, subfamily, treatment.name, &minutes, &price, &vat, "S"])?;
        source.record();
    }
    csv.finish()
}
