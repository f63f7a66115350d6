//! The generator itself: [`generate`] writes every file of a clinic into a folder.

mod agenda;
mod caja;
mod catalogue;
mod dice;
mod expected;
mod export;
mod money;
mod people;
mod spelling;
mod words;

use std::path::Path;

use anyhow::{Context as _, Result};
use chrono::{Datelike as _, NaiveDate, Weekday};

use catalogue::Catalogue;
use dice::Dice;
use expected::Expected;
use export::Folder;
use people::Person;

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Patients, before those that were typed twice.
    pub(crate) patients: u32,
    pub(crate) seed: u64,
    /// Clean rows only, at scale.
    pub(crate) bench: bool,
}

impl Options {
    /// Rows of a source that has so many a hundred patients; a bench has next to none of them.
    fn rows(self, per_hundred_patients: u32) -> u32 {
        if self.bench { self.patients / 1000 + 1 } else { self.patients * per_hundred_patients / 100 }
    }
}

/// What the sources share while they are written.
struct Clinic<'a> {
    options: Options,
    folder: &'a Folder,
    /// The days on which the clinic was open, in order.
    days: Vec<NaiveDate>,
    catalogue: Catalogue,
    people: Vec<Person>,
    expected: Expected,
}

impl Clinic<'_> {
    /// A generator of random numbers of its own for each source, so that one source's rows never move another's.
    fn dice(&self, source: u64) -> Dice {
        Dice::new(self.options.seed, source, !self.options.bench)
    }

    /// The `part`th of `whole` equal steps through the open days.
    fn day_at(&self, part: u32, whole: u32) -> NaiveDate {
        self.days[(u64::from(part) * self.days.len() as u64 / u64::from(whole.max(1))) as usize]
    }

    fn any_day(&self, dice: &mut Dice) -> NaiveDate {
        *dice.pick(&self.days)
    }
}

/// Writes a whole export and `expected.json` into `folder`.
///
/// # Errors
/// The folder or a file cannot be written.
pub(crate) fn generate(options: &Options, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let folder = Folder::new(folder);
    let appointments = options.patients * 3;
    let days = open_days();
    let catalogue = Catalogue::new(appointments, days.len());
    let people = people::invent(options, &mut Dice::new(options.seed, 1, !options.bench), &days);
    let expected = Expected::default();
    let mut clinic = Clinic { options: *options, folder: &folder, days, catalogue, people, expected };
    catalogue::write(&mut clinic)?;
    people::write(&mut clinic)?;
    agenda::write_appointments(&mut clinic, appointments)?;
    agenda::write_notes(&mut clinic)?;
    agenda::write_passes(&mut clinic)?;
    money::write(&mut clinic)?;
    caja::write(&mut clinic)?;
    clinic.expected.write(options, &folder)
}

/// Mondays to Saturdays of 2023 to 2025 but for three holidays.
fn open_days() -> Vec<NaiveDate> {
    let first = NaiveDate::from_ymd_opt(2023, 1, 2).expect("a date of the calendar");
    let holiday = |day: NaiveDate| matches!((day.month(), day.day()), (1, 1) | (1, 6) | (12, 25));
    first
        .iter_days()
        .take_while(|day| day.year() < 2026)
        .filter(|day| day.weekday() != Weekday::Sun && !holiday(*day))
        .collect()
}
