//! Values as PostgreSQL's binary COPY gives them, turned into PostgreSQL's own text output.
//!
//! Formats: the `..._send` functions of PostgreSQL's `src/backend/utils/adt`. Only types are here that are common and
//! cheaper in binary; all others are asked for as text.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::model::float;
use crate::sources::digits::integer;

/// What the bytes of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wire {
    /// UTF-8.
    Text,
    Boolean,
    Int2,
    Int4,
    Int8,
    Oid,
    /// Their shortest exact text, which servers before 12 do not print.
    Float4,
    Float8,
    Uuid,
    Bytea,
    Date,
    /// Without or, in UTC, with time zone.
    Timestamp,
    Timestamptz,
    Numeric,
    Jsonb,
}

impl Wire {
    /// By the type's OID; none for a type that is asked for as text.
    pub fn of(oid: u32) -> Option<Self> {
        Some(match oid {
            // name, text, json, bpchar, varchar
            19 | 25 | 114 | 1042 | 1043 => Wire::Text,
            16 => Wire::Boolean,
            17 => Wire::Bytea,
            20 => Wire::Int8,
            21 => Wire::Int2,
            23 => Wire::Int4,
            26 => Wire::Oid,
            700 => Wire::Float4,
            701 => Wire::Float8,
            1082 => Wire::Date,
            1114 => Wire::Timestamp,
            1184 => Wire::Timestamptz,
            1700 => Wire::Numeric,
            2950 => Wire::Uuid,
            3802 => Wire::Jsonb,
            _ => return None,
        })
    }

    /// Whether a server that keeps times as floating-point numbers sends something else.
    pub fn is_time(self) -> bool {
        matches!(self, Wire::Timestamp | Wire::Timestamptz)
    }

    /// Appends a value's text; none where the bytes are no such value.
    pub(super) fn append(self, bytes: &[u8], out: &mut String) -> Option<()> {
        match self {
            Wire::Text => out.push_str(std::str::from_utf8(bytes).ok()?),
            Wire::Boolean => out.push(if *only(bytes)? == 0 { 'f' } else { 't' }),
            Wire::Int2 => integer(i16::from_be_bytes(bytes.try_into().ok()?).into(), out),
            Wire::Int4 => integer(i32::from_be_bytes(bytes.try_into().ok()?).into(), out),
            Wire::Int8 => integer(i64::from_be_bytes(bytes.try_into().ok()?), out),
            Wire::Oid => integer(u32::from_be_bytes(bytes.try_into().ok()?).into(), out),
            Wire::Float4 => float::write4(f32::from_be_bytes(bytes.try_into().ok()?), out),
            Wire::Float8 => float::write8(f64::from_be_bytes(bytes.try_into().ok()?), out),
            Wire::Uuid => uuid(bytes.try_into().ok()?, out),
            Wire::Bytea => {
                out.push_str("\\x");
                hex(bytes, out);
            }
            Wire::Date => date(i32::from_be_bytes(bytes.try_into().ok()?), out),
            Wire::Timestamp => timestamp(i64::from_be_bytes(bytes.try_into().ok()?), "", out),
            Wire::Timestamptz => timestamp(i64::from_be_bytes(bytes.try_into().ok()?), "+00", out),
            Wire::Numeric => return numeric(bytes, out),
            Wire::Jsonb => {
                let (version, text) = bytes.split_first()?;
                if *version != 1 {
                    return None;
                }
                out.push_str(std::str::from_utf8(text).ok()?);
            }
        }
        Some(())
    }
}

fn only(bytes: &[u8]) -> Option<&u8> {
    bytes.first().filter(|_| bytes.len() == 1)
}

fn write(out: &mut String, number: impl std::fmt::Display) {
    write!(out, "{number}").expect("a String takes everything");
}

fn hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn uuid(bytes: [u8; 16], out: &mut String) {
    for (place, part) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
        if place > 0 {
            out.push('-');
        }
        hex(&bytes[part], out);
    }
}

/// Four digits, with leading zeros.
fn four(number: u32, out: &mut String) {
    two(number / 100, out);
    two(number, out);
}

/// Two digits, with a leading zero.
fn two(number: u32, out: &mut String) {
    out.push(char::from(b'0' + (number / 10 % 10) as u8));
    out.push(char::from(b'0' + (number % 10) as u8));
}

/// Appends a day, counted from 2000-01-01, without its era; true if that is BC.
///
/// Proleptic Gregorian, by Howard Hinnant's `civil_from_days` (<https://howardhinnant.github.io/date_algorithms.html>).
fn day(days: i64, out: &mut String) -> bool {
    let days = days + 10_957 + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let shown = if year > 0 { year } else { 1 - year };
    match u32::try_from(shown) {
        Ok(shown) if shown < 10_000 => four(shown, out),
        _ => integer(shown, out),
    }
    out.push('-');
    two(month as u32, out);
    out.push('-');
    two(day as u32, out);
    year <= 0
}

fn date(days: i32, out: &mut String) {
    match days {
        i32::MAX => out.push_str("infinity"),
        i32::MIN => out.push_str("-infinity"),
        days => {
            if day(i64::from(days), out) {
                out.push_str(" BC");
            }
        }
    }
}

const DAY: i64 = 86_400_000_000;

/// Microseconds from 2000-01-01.
fn timestamp(microseconds: i64, zone: &str, out: &mut String) {
    match microseconds {
        i64::MAX => return out.push_str("infinity"),
        i64::MIN => return out.push_str("-infinity"),
        _ => {}
    }
    let is_bc = day(microseconds.div_euclid(DAY), out);
    let rest = microseconds.rem_euclid(DAY);
    let (seconds, fraction) = ((rest / 1_000_000) as u32, rest % 1_000_000);
    for (mark, number) in [(' ', seconds / 3600), (':', seconds / 60 % 60), (':', seconds % 60)] {
        out.push(mark);
        two(number, out);
    }
    if fraction > 0 {
        write(out, format_args!(".{fraction:06}"));
        out.truncate(out.trim_end_matches('0').len());
    }
    out.push_str(zone);
    if is_bc {
        out.push_str(" BC");
    }
}

/// Groups of four decimal digits; `weight` is the power of 10,000 of the first, `scale` the digits behind the point.
fn numeric(bytes: &[u8], out: &mut String) -> Option<()> {
    let word = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let (count, sign, scale) = (usize::from(word(0)?), word(4)?, usize::from(word(6)?));
    let weight = i64::from(word(2)? as i16);
    if bytes.len() != 8 + 2 * count {
        return None;
    }
    match sign {
        0xC000 => out.push_str("NaN"),
        0xD000 => out.push_str("Infinity"),
        0xF000 => out.push_str("-Infinity"),
        0 | 0x4000 => {
            let group = |place: i64| match usize::try_from(place) {
                Ok(place) if place < count => word(8 + 2 * place).filter(|digits| *digits < 10_000),
                _ => Some(0),
            };
            if sign == 0x4000 {
                out.push('-');
            }
            let start = out.len();
            for place in 0..=weight {
                let digits = group(place)?;
                match out.len() == start {
                    true if digits == 0 && place < weight => {}
                    true => integer(digits.into(), out),
                    false => four(digits.into(), out),
                }
            }
            if weight < 0 {
                out.push('0');
            }
            if scale > 0 {
                out.push('.');
                let point = out.len();
                let mut place = weight + 1;
                // Groups that lie wholly before the first one are zeros: weight may be far below -1.
                if weight < -1 {
                    let zeros = usize::try_from(-1 - weight).ok()? * 4;
                    out.extend(std::iter::repeat_n('0', zeros.min(scale)));
                    place = 0;
                }
                while out.len() < point + scale {
                    four(group(place)?.into(), out);
                    place += 1;
                }
                out.truncate(point + scale);
            }
        }
        _ => return None,
    }
    Some(())
}
