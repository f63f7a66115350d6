//! One value for another of the same shape.

use std::collections::{HashMap, HashSet};

use chrono::{Datelike as _, Days, NaiveDate};
use sha2::{Digest as _, Sha256};

use super::How;

/// Days by which the dates of a row move at most.
const DAYS: u64 = 182;

/// Attempts to find a code that no other value has; short codes run out.
const ATTEMPTS: u32 = 50;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Date,
    Code,
    Email,
    Text,
}

impl Kind {
    pub(super) fn how(self) -> How {
        match self {
            Kind::Date => How::Dates,
            Kind::Code => How::Codes,
            Kind::Email => How::Emails,
            Kind::Text => How::Text,
        }
    }
}

/// Bytes that follow from the key and what they are for.
struct Dice {
    seed: [u8; 32],
    block: [u8; 32],
    position: usize,
    blocks: u32,
}

impl Dice {
    fn new(key: &[u8], purpose: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(&key).chain(purpose) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self { seed: hash.finalize().into(), block: [0; 32], position: 32, blocks: 0 }
    }

    /// A number below `limit`, which is small.
    fn below(&mut self, limit: usize) -> usize {
        if self.position + 2 > self.block.len() {
            self.block = Sha256::digest([&self.seed[..], &self.blocks.to_be_bytes()].concat()).into();
            (self.position, self.blocks) = (0, self.blocks + 1);
        }
        let number = u16::from_be_bytes([self.block[self.position], self.block[self.position + 1]]);
        self.position += 2;
        usize::from(number) % limit
    }

    fn of(&mut self, letters: &str) -> char {
        let count = letters.chars().count();
        letters.chars().nth(self.below(count)).unwrap_or('x')
    }
}

/// The masks of one sample: equal codes get equal ones, unequal codes unequal ones.
pub(super) struct Masks {
    key: Vec<u8>,
    codes: HashMap<String, String>,
    used: HashSet<String>,
}

impl Masks {
    pub(super) fn new(key: &[u8]) -> Self {
        Self { key: key.to_owned(), codes: HashMap::new(), used: HashSet::new() }
    }

    /// What stands for a value of this row and column.
    pub(super) fn value(&mut self, value: &str, id: i64, column: &str, month_first: bool) -> (String, Kind) {
        let row = id.to_be_bytes();
        let days = self.days(id);
        if let Some(date) = shifted(value, days, month_first) {
            let mut dice = Dice::new(&self.key, &[b"time", &row, column.as_bytes()]);
            return (with_other_minutes(&date, &mut dice), Kind::Date);
        }
        if is_code(value) {
            return (self.same(value), Kind::Code);
        }
        let mut dice = Dice::new(&self.key, &[b"text", &row, column.as_bytes(), value.as_bytes()]);
        let kind = if value.trim().contains(char::is_whitespace) || !value.contains('@') {
            Kind::Text
        } else {
            Kind::Email
        };
        (masked_text(value, &mut dice), kind)
    }

    /// Days by which the dates of a row move, never none.
    pub(super) fn days(&self, id: i64) -> i64 {
        let mut dice = Dice::new(&self.key, &[b"days", &id.to_be_bytes()]);
        let days = 1 + dice.below(DAYS as usize) as i64 * if dice.below(2) == 0 { 1 } else { -1 };
        if days == 0 { DAYS as i64 } else { days }
    }

    /// A number below a limit, for this row and path.
    pub(super) fn below(&self, limit: i64, (id, path): (i64, &str)) -> i64 {
        let mut dice = Dice::new(&self.key, &[b"below", &id.to_be_bytes(), path.as_bytes()]);
        (dice.below(1 << 16) as i64 * (1 << 16) + dice.below(1 << 16) as i64) % limit
    }

    /// What stands for a text of a document: the same for the same text, so that what names a document still does, but for
    /// dates, which move with theirs.
    pub(super) fn text_of_document(
        &mut self,
        text: &str,
        days: i64,
        (id, path): (i64, &str),
    ) -> (String, Kind) {
        if let Some(date) = shifted(text, days, false).or_else(|| shifted(text, days, true)) {
            let mut dice = Dice::new(&self.key, &[b"time", &id.to_be_bytes(), path.as_bytes()]);
            return (with_other_minutes(&date, &mut dice), Kind::Date);
        }
        if text.trim().contains(char::is_whitespace) {
            let mut dice = Dice::new(&self.key, &[b"text", text.as_bytes()]);
            return (masked_text(text, &mut dice), Kind::Text);
        }
        match text.split_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() => {
                (format!("{}@example.com", self.same(local)), Kind::Email)
            }
            _ => (self.same(text), if is_code(text) { Kind::Code } else { Kind::Text }),
        }
    }

    /// Other bytes for bytes in base64, as many as there were.
    pub(super) fn base64(&self, text: &str) -> String {
        const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut dice = Dice::new(&self.key, &[b"base64", text.as_bytes()]);
        let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
        let last = (text.len() - padding).saturating_sub(1);
        // Bits of the last letter that no byte has are nought.
        let step = [1, 4, 16][padding.min(2)];
        let other = text.char_indices().map(|(place, c)| match c {
            '=' => '=',
            _ if place == last => char::from(LETTERS.as_bytes()[dice.below(64) / step * step]),
            _ => dice.of(LETTERS),
        });
        other.collect()
    }

    /// What always stands for a word: equal ones get equal ones, unequal ones unequal ones as long as there are any.
    pub(super) fn same(&mut self, value: &str) -> String {
        if let Some(known) = self.codes.get(value) {
            return known.clone();
        }
        let mut masked = String::new();
        for attempt in 0..ATTEMPTS {
            let mut dice = Dice::new(&self.key, &[b"code", value.as_bytes(), &attempt.to_be_bytes()]);
            masked = shaped(value, &mut dice, is_hexadecimal(value));
            if masked != value && !self.used.contains(&masked) {
                break;
            }
        }
        // Short ones run out: then it stands for itself, or becomes longer.
        if self.used.contains(&masked) {
            let short = masked.clone();
            let longer = (0..).map(|number: u32| format!("{short}{number}"));
            let mut others = std::iter::once(value.to_owned()).chain(longer);
            masked = others.find(|one| !self.used.contains(one)).unwrap_or_default();
        }
        self.used.insert(masked.clone());
        self.codes.insert(value.to_owned(), masked.clone());
        masked
    }
}

/// Whether a value is one word with a digit, or nothing but digits and what groups them.
fn is_code(value: &str) -> bool {
    let digit = value.chars().any(|c| c.is_ascii_digit());
    let word = !value.trim().contains(char::is_whitespace) && !value.contains('@');
    digit && (word || !value.chars().any(char::is_alphabetic))
}

/// Whether its letters are digits too, as in a UUID.
fn is_hexadecimal(value: &str) -> bool {
    value.len() >= 16 && value.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// Other words of the same shape; an address goes to a domain that nobody has.
fn masked_text(text: &str, dice: &mut Dice) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(|word| match word.split_once('@') {
            Some((local, domain)) if !domain.trim().is_empty() => {
                let end: String = domain.chars().filter(|c| c.is_whitespace()).collect();
                format!("{}@example.com{end}", another(local, dice))
            }
            _ => another(word, dice),
        })
        .collect()
}

/// A word of the same shape that is not the word itself, where there is one.
fn another(word: &str, dice: &mut Dice) -> String {
    let mut masked = (0..ATTEMPTS).map(|_| shaped(word, dice, false));
    masked.find(|masked| masked != word).unwrap_or_else(|| word.to_owned())
}

/// Digits for digits, vowels for vowels, consonants for consonants, in the same case; the rest stays.
fn shaped(text: &str, dice: &mut Dice, hexadecimal: bool) -> String {
    let mut first = true;
    text.chars()
        .map(|c| {
            let begins = std::mem::replace(&mut first, !c.is_numeric());
            if c.is_numeric() {
                // A number keeps its length: it does not begin with a nought unless it did.
                return match c == '0' || !begins {
                    true if c == '0' && begins => '0',
                    true => dice.of("0123456789"),
                    false => dice.of("123456789"),
                };
            }
            if !c.is_alphabetic() {
                return c;
            }
            let lower = c.to_lowercase().next().unwrap_or(c);
            let other = match lower {
                _ if hexadecimal => dice.of("abcdef"),
                'a' | 'e' | 'i' | 'o' | 'u' => dice.of("aeiou"),
                'á' | 'é' | 'í' | 'ó' | 'ú' => dice.of("áéíóú"),
                'ñ' => 'ñ',
                _ => dice.of("bcdfghjklmnprstvz"),
            };
            if c.is_uppercase() { other.to_uppercase().next().unwrap_or(other) } else { other }
        })
        .collect()
}

/// A date with whatever stands behind it, moved by some days; none for what is no date. Year first, or else the day, or
/// the month where the column says so.
pub(super) fn shifted(text: &str, days: i64, month_first: bool) -> Option<String> {
    let end = text.find([' ', 'T']).unwrap_or(text.len());
    let (date, rest) = text.split_at(end);
    let separator = date.chars().find(|c| !c.is_ascii_digit()).filter(|c| "-/.".contains(*c))?;
    let parts: Vec<&str> = date.split(separator).collect();
    let [one, two, three] = parts[..] else { return None };
    if parts.iter().any(|part| part.is_empty() || part.len() > 4) {
        return None;
    }
    let number = |part: &str| part.parse::<u32>().ok();
    let (first, second, third) = (number(one)?, number(two)?, number(three)?);
    let year_first = one.len() == 4;
    if !year_first && three.len() != 4 && three.len() != 2 {
        return None;
    }
    let (year, month, day) = match (year_first, month_first) {
        (true, _) => (first, second, third),
        (false, false) => (third, second, first),
        (false, true) => (third, first, second),
    };
    let century = if year < 100 { 2000 } else { 0 };
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()? + century, month, day)?;
    let days_apart = Days::new(days.unsigned_abs());
    let moved = if days < 0 { date.checked_sub_days(days_apart) } else { date.checked_add_days(days_apart) }?;
    let new_year = if century > 0 { moved.year() % 100 } else { moved.year() };
    let (year, month, day) = (i64::from(new_year), i64::from(moved.month()), i64::from(moved.day()));
    let values = match (year_first, month_first) {
        (true, _) => [year, month, day],
        (false, false) => [day, month, year],
        (false, true) => [month, day, year],
    };
    // One figure alone says that days and months are not filled up.
    let bare = parts.iter().any(|part| part.len() == 1);
    let written = values.iter().zip(&parts).map(|(value, part)| match bare && *value != year {
        true => value.to_string(),
        false => format!("{value:0width$}", width = part.len()),
    });
    Some(written.collect::<Vec<_>>().join(&separator.to_string()) + rest)
}

/// The same hour, with other minutes and seconds; a zone stays.
fn with_other_minutes(text: &str, dice: &mut Dice) -> String {
    let Some(start) = text.find(':') else { return text.to_owned() };
    let end = text[start..].find(['+', '-', 'Z']).map_or(text.len(), |end| start + end);
    let mut tens = true;
    let time = text[start..end].chars().map(|c| match c.is_ascii_digit() {
        true if std::mem::replace(&mut tens, false) => dice.of("012345"),
        true => dice.of("0123456789"),
        false => {
            tens = c == ':';
            c
        }
    });
    format!("{}{}{}", &text[..start], time.collect::<String>(), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_move_and_keep_their_shape() {
        for (date, later) in [
            ("2024-02-28", "2024-03-01"),
            ("28/02/2024", "01/03/2024"),
            ("28.2.24", "1.3.24"),
            ("2024-12-30T10:30:00+01:00", "2025-01-01T10:30:00+01:00"),
        ] {
            assert_eq!(shifted(date, 2, false).as_deref(), Some(later));
        }
        assert_eq!(shifted("02/28/2024", 2, true).as_deref(), Some("03/01/2024"));
        for text in ["31/02/1990", "1.5", "12-34", "a-b-c", "1/2/3/4", "2024"] {
            assert_eq!(shifted(text, 1, false), None, "{text}");
        }
    }

    #[test]
    fn values_keep_their_shape_and_codes_stay_apart() {
        let mut masks = Masks::new(b"key");
        let (name, kind) = masks.value("María de la O'Neill", 7, "name", false);
        assert_eq!(kind, Kind::Text);
        let shape = |text: &str| -> Vec<(bool, bool)> {
            text.chars().map(|c| (c.is_alphabetic(), c.is_uppercase())).collect()
        };
        assert_eq!(shape(&name), shape("María de la O'Neill"));
        assert_ne!(name, "María de la O'Neill");
        let other = masks.base64("VEVTVA==");
        assert!(other.ends_with("==") && other.len() == 8 && "AQgw".contains(&other[5..6]), "{other}");
        let codes: HashSet<String> =
            (100..1000).map(|code: i32| masks.value(&code.to_string(), 1, "id", false).0).collect();
        let short = codes.iter().filter(|code| code.len() == 3).count();
        assert!(codes.len() == 900 && short > 850, "{} {short}", codes.len());
        let short: HashSet<String> =
            (1..10).map(|code: i32| masks.value(&code.to_string(), 1, "id", false).0).collect();
        assert_eq!(short.len(), 9);
        assert_eq!(masks.value("500", 9, "parent", false), masks.value("500", 1, "id", false));
        let (email, kind) = masks.value("ana.gil@clinica.es", 1, "mail", false);
        assert_eq!((email.ends_with("@example.com"), kind), (true, Kind::Email));
        assert!(!email.contains("ana") && !email.contains("clinica"));
        let uuid = "01234567-89ab-cdef-0123-456789abcdef";
        let (masked, _) = masks.value(uuid, 1, "id", false);
        assert!(is_hexadecimal(&masked) && masked != uuid);
        let one = masks.value("2024-05-05 10:20", 3, "a", false).0;
        let other = masks.value("2024-05-06 10:20", 3, "b", false).0;
        let day = |text: &str| text[..10].parse::<NaiveDate>().unwrap();
        assert_eq!(day(&other) - day(&one), chrono::TimeDelta::days(1));
        assert_ne!(day(&one), "2024-05-05".parse().unwrap());
    }
}
