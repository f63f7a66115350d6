//! `int2`, `int4`, `int8`, `oid`, `xid8` and `pg_lsn`: `src/backend/utils/adt/{int,int8,oid,xid,pg_lsn}.c`.

use std::fmt::Write as _;

use super::Refusal;
use super::parser::trimmed;

/// Reads a decimal integer (`pg_strtoint64` as of PostgreSQL 15: no underscores, no other bases).
pub(super) fn parse(text: &str, least: i64, most: i64) -> Result<i64, Refusal> {
    let word = trimmed(text);
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::InvalidSyntax);
    }
    match word.parse::<i64>() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(Refusal::OutOfRange),
    }
}

/// Reads an OID; `oidin` takes negative numbers as their two's complement.
pub(super) fn parse_oid(text: &str) -> Result<u32, Refusal> {
    let value = parse(text, i64::from(i32::MIN), i64::from(u32::MAX))?;
    Ok(value as u32)
}

/// Reads a `xid8` in decimal. `xid8in` reads other bases and ignores what follows; neither is meant by anyone.
pub(super) fn parse_xid8(text: &str) -> Result<u64, Refusal> {
    let digits = trimmed(text);
    if digits.is_empty()
        || !digits.bytes().all(|byte| byte.is_ascii_digit())
        || digits.starts_with('0') && digits.len() > 1
    {
        return Err(Refusal::InvalidSyntax);
    }
    digits.parse().map_err(|_| Refusal::OutOfRange)
}

/// Reads a log position: two hexadecimal numbers of up to eight digits (`pg_lsn_in_internal`).
pub(super) fn parse_lsn(text: &str) -> Result<u64, Refusal> {
    let (high, low) = text.split_once('/').ok_or(Refusal::InvalidSyntax)?;
    let half = |digits: &str| {
        let plain = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if plain {
            u64::from_str_radix(digits, 16).map_err(|_| Refusal::InvalidSyntax)
        } else {
            Err(Refusal::InvalidSyntax)
        }
    };
    Ok(half(high)? << 32 | half(low)?)
}

pub(super) fn write_lsn(value: u64, out: &mut String) {
    write!(out, "{:X}/{:X}", value >> 32, value & 0xffff_ffff).expect("a String takes all");
}

/// Appends an integer in decimal.
pub(super) fn write(value: impl std::fmt::Display, out: &mut String) {
    write!(out, "{value}").expect("a String takes all");
}

/// Whether the text is how PostgreSQL prints an integer, so short that it fits any 8-byte type.
pub(super) fn is_plain(text: &str, most_digits: usize) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.len() < most_digits && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}
