//! How offices spell dates, money, phones and names, and how they misspell them.

use chrono::{Datelike as _, NaiveDate};

use super::dice::Dice;

const MONTHS: [&str; 12] =
    ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"];

/// `07/03/2024`.
pub(super) fn date(day: NaiveDate) -> String {
    format!("{:02}/{:02}/{}", day.day(), day.month(), day.year())
}

/// `7/3/84`.
pub(super) fn short_date(day: NaiveDate) -> String {
    format!("{}/{}/{:02}", day.day(), day.month(), day.year() % 100)
}

/// `07 de mar de 1984`.
pub(super) fn spelled_date(day: NaiveDate) -> String {
    format!("{:02} de {} de {}", day.day(), MONTHS[day.month0() as usize], day.year())
}

/// A date that no calendar has, in a year that is plausible.
pub(super) fn impossible_date(dice: &mut Dice, year: i32) -> String {
    let day = dice.word(&["31/02", "30/02", "31/04", "31/06", "31/09", "31/11"]);
    format!("{day}/{year}")
}

/// `9:30` or `09:30`.
pub(super) fn time(dice: &mut Dice, minute_of_day: u32) -> String {
    let (hour, minute) = (minute_of_day / 60, minute_of_day % 60);
    if dice.spoils(200) { format!("{hour}:{minute:02}") } else { format!("{hour:02}:{minute:02}") }
}

/// `1.157,03`.
pub(super) fn money(cents: i64) -> String {
    let (sign, cents) = (if cents < 0 { "-" } else { "" }, cents.abs());
    let (euros, cents) = (cents / 100, cents % 100);
    if euros < 1000 {
        return format!("{sign}{euros},{cents:02}");
    }
    format!("{sign}{}.{:03},{cents:02}", euros / 1000, euros % 1000)
}

/// A phone number in one of six spellings; true where it is not simply its nine digits.
pub(super) fn phone(dice: &mut Dice, number: u32) -> (String, bool) {
    let (a, b, c) = (number / 1_000_000, number / 1000 % 1000, number % 1000);
    if !dice.spoils(550) {
        return (number.to_string(), false);
    }
    let text = match dice.below(5) {
        0 => format!("{a} {:02} {:02} {:02}", b / 10, b % 10 * 10 + c / 100, c % 100),
        1 => format!("+34 {a} {b:03} {c:03}"),
        2 => format!("0034{number}"),
        3 => format!("{a}-{b:03}-{c:03}"),
        _ => format!("(+34) {a}.{b:03}.{c:03}"),
    };
    (text, true)
}

/// What stands in a phone's cell when there is none to speak of.
pub(super) fn no_phone(dice: &mut Dice, number: u32) -> String {
    match dice.below(3) {
        0 => "no tiene".to_owned(),
        1 => (number / 100).to_string(),
        _ => "llamar tardes".to_owned(),
    }
}

/// The letters of a name without accents, in lower case, for e-mail addresses.
pub(super) fn plain_letters(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .filter_map(|letter| match letter {
            'á' | 'à' => Some('a'),
            'é' | 'è' => Some('e'),
            'í' | 'ï' => Some('i'),
            'ó' | 'ò' => Some('o'),
            'ú' | 'ü' => Some('u'),
            'ñ' => Some('n'),
            'ç' => Some('c'),
            letter => letter.is_ascii_alphabetic().then_some(letter),
        })
        .collect()
}

/// A Spanish identity number with its check letter (Real Decreto 1553/2005: the remainder by 23 picks the letter).
pub(super) fn national_id(number: u32) -> String {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    format!("{number:08}{}", char::from(LETTERS[(number % 23) as usize]))
}

/// A foreigner's number: its first letter counts as 0, 1 or 2 before the seven digits.
pub(super) fn foreigner_id(letter: u32, number: u32) -> String {
    let whole = national_id(letter * 10_000_000 + number);
    format!("{}{}", ['X', 'Y', 'Z'][letter as usize], &whole[1..])
}

/// The same identity number with a check letter that is wrong.
pub(super) fn wrong_check_letter(id: &str) -> String {
    let (digits, letter) = id.split_at(id.len() - 1);
    format!("{digits}{}", if letter == "A" { "B" } else { "A" })
}

/// `12.345.678-z`.
pub(super) fn dotted_id(id: &str) -> String {
    format!("{}.{}.{}-{}", &id[..2], &id[2..5], &id[5..8], id[8..].to_lowercase())
}
