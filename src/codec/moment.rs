//! Reading dates and times in ISO 8601 order, a subset of `ParseDateTime` and `DecodeDateTime` of
//! `src/backend/utils/adt/datetime.c` whose meaning does not depend on DateStyle, the clock or the time zone tables.

use super::Refusal;
use super::parser::{Parser, trimmed};

pub(super) const DAY: i64 = 86_400_000_000;
const HOUR: i64 = 3_600_000_000;
const MINUTE: i64 = 60_000_000;
const SECOND: i64 = 1_000_000;

/// Days from 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
pub(super) const UNIX_TO_2000: i64 = 10_957;

/// What a text says, before a type makes of it what it wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Moment {
    Infinity,
    MinusInfinity,
    At(Fields),
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Fields {
    /// Days since 2000-01-01.
    pub date: Option<i64>,
    /// Microseconds since midnight, up to 24:00:00 or a little more with second 60.
    pub time: Option<i64>,
    /// Seconds east of UTC.
    pub zone: Option<i32>,
    /// The text had more digits of a second than microseconds hold.
    pub rounded: bool,
}

/// Reads a date, a time or both, each as far as it is there.
pub(super) fn parse(text: &str) -> Result<Moment, Refusal> {
    let mut parser = Parser::new(trimmed(text));
    if parser.peek().is_none_or(|byte| !byte.is_ascii_digit()) {
        return parse_word(parser.rest());
    }
    let mut fields = Fields::default();
    let mut before_christ = None;
    let civil = if parser.peek_at(2) == Some(b':') || parser.peek_at(1) == Some(b':') {
        None
    } else {
        let civil = parse_date(&mut parser)?;
        before_christ = parse_era(&mut parser);
        Some(civil)
    };
    let marked = separator(&mut parser);
    if civil.is_none() || marked.is_some() && parser.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        let clock = parse_time(&mut parser, marked == Some(true))?;
        fields.time = Some(clock.time);
        fields.rounded = clock.rounded;
        // Behind AM and PM, PostgreSQL reads a sign as something else.
        fields.zone = if clock.half_day { None } else { parse_zone(&mut parser)? };
    }
    before_christ = before_christ.or_else(|| civil.and_then(|_| parse_era(&mut parser)));
    parser.skip_spaces();
    if !parser.at_end() {
        return Err(Refusal::InvalidSyntax);
    }
    fields.date = civil.map(|civil| days(civil, before_christ)).transpose()?;
    Ok(Moment::At(fields))
}

fn parse_word(word: &str) -> Result<Moment, Refusal> {
    if word.eq_ignore_ascii_case("infinity") {
        Ok(Moment::Infinity)
    } else if word.eq_ignore_ascii_case("-infinity") {
        Ok(Moment::MinusInfinity)
    } else if word.eq_ignore_ascii_case("epoch") {
        Ok(Moment::At(Fields { date: Some(-UNIX_TO_2000), time: Some(0), zone: Some(0), rounded: false }))
    } else {
        Err(Refusal::InvalidSyntax)
    }
}

/// White space, or `T` before a digit: whether there was that mark, or nothing.
fn separator(parser: &mut Parser<'_>) -> Option<bool> {
    let start = parser.position();
    parser.skip_spaces();
    let marker = matches!(parser.peek(), Some(b'T' | b't'))
        && parser.peek_at(1).is_some_and(|byte| byte.is_ascii_digit());
    parser.advance(usize::from(marker));
    (parser.position() > start).then_some(marker)
}

/// Year, month, day: `2024-03-01`, `2024/3/1` or `20240301`. A year has at least three digits, else its place would
/// depend on DateStyle.
fn parse_date(parser: &mut Parser<'_>) -> Result<(i64, i64, i64), Refusal> {
    let year = parser.digits();
    if year.len() >= 8 && !matches!(parser.peek(), Some(b'-' | b'/')) {
        let (rest, day) = year.split_at(year.len() - 2);
        let (year, month) = rest.split_at(rest.len() - 2);
        return Ok((number(year, 7)?, number(month, 2)?, number(day, 2)?));
    }
    let delimiter = parser.peek().filter(|byte| matches!(byte, b'-' | b'/')).ok_or(Refusal::InvalidSyntax)?;
    parser.advance(1);
    let month = parser.digits();
    if !parser.take(delimiter) || year.len() < 3 || parser.peek().is_none_or(|byte| !byte.is_ascii_digit()) {
        return Err(Refusal::InvalidSyntax);
    }
    let day = parser.digits();
    Ok((number(year, 7)?, number(month, 2)?, number(day, 2)?))
}

fn number(digits: &str, most: usize) -> Result<i64, Refusal> {
    if digits.is_empty() || digits.len() > most {
        return Err(if digits.is_empty() { Refusal::InvalidSyntax } else { Refusal::OutOfRange });
    }
    Ok(digits.bytes().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// ` BC` or ` AD`: whether it is before Christ.
fn parse_era(parser: &mut Parser<'_>) -> Option<bool> {
    let mut ahead = parser.clone();
    ahead.skip_spaces();
    let before_christ = ahead.take_word("BC");
    if (before_christ || ahead.take_word("AD"))
        && ahead.peek().is_none_or(|byte| !byte.is_ascii_alphanumeric())
    {
        *parser = ahead;
        return Some(before_christ);
    }
    None
}

/// What a clock shows.
struct Clock {
    time: i64,
    rounded: bool,
    /// AM or PM was said.
    half_day: bool,
}

/// Hours, minutes, seconds, fraction: `HH:MM[:SS[.f]]`, or `HHMMSS[.f]` behind a `T`; then perhaps AM or PM.
fn parse_time(parser: &mut Parser<'_>, marked: bool) -> Result<Clock, Refusal> {
    let first = parser.digits();
    let (mut hour, minute, second) = if parser.take(b':') {
        let minute = number(parser.digits(), 2)?;
        let second = if parser.take(b':') {
            number(parser.digits(), 2)?
        } else if parser.peek() == Some(b'.') {
            // `12:03.5` is twelve minutes.
            return Err(Refusal::InvalidSyntax);
        } else {
            0
        };
        (number(first, 2)?, minute, second)
    } else if marked && first.len() == 6 {
        (number(&first[..2], 2)?, number(&first[2..4], 2)?, number(&first[4..], 2)?)
    } else {
        return Err(Refusal::InvalidSyntax);
    };
    let (fraction, rounded) = if parser.take(b'.') { parse_fraction(parser.digits()) } else { (0, false) };
    let afternoon = parse_half_day(parser);
    if let Some(afternoon) = afternoon {
        if hour > 12 {
            return Err(Refusal::OutOfRange);
        }
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    let time = hour * HOUR + minute * MINUTE + second * SECOND + fraction;
    let overflows = hour > 24 || minute > 59 || second > 60 || time > DAY;
    if overflows {
        Err(Refusal::OutOfRange)
    } else {
        Ok(Clock { time, rounded, half_day: afternoon.is_some() })
    }
}

/// Microseconds of a second's fraction, and whether digits were lost. More than six digits round as
/// `ParseFractionalSecond` does: through a double, half to even.
fn parse_fraction(digits: &str) -> (i64, bool) {
    if digits.len() <= 6 {
        let scale = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1][digits.len()];
        return (digits.bytes().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')) * scale, false);
    }
    let fraction: f64 = format!("0.{digits}").parse().unwrap_or(0.0);
    let lost = digits[6..].bytes().any(|digit| digit != b'0');
    ((fraction * 1_000_000.0).round_ties_even() as i64, lost)
}

fn parse_half_day(parser: &mut Parser<'_>) -> Option<bool> {
    let mut ahead = parser.clone();
    ahead.skip_spaces();
    let afternoon = ahead.take_word("PM");
    if (afternoon || ahead.take_word("AM")) && ahead.peek().is_none_or(|byte| !byte.is_ascii_alphanumeric()) {
        *parser = ahead;
        return Some(afternoon);
    }
    None
}

/// Seconds east of UTC: `Z`, `UTC`, `GMT`, or a sign and `hh`, `hhmm`, `hh:mm`, `hh:mm:ss` (`DecodeTimezone`).
fn parse_zone(parser: &mut Parser<'_>) -> Result<Option<i32>, Refusal> {
    let mut ahead = parser.clone();
    ahead.skip_spaces();
    let sign = match ahead.peek() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(b'Z' | b'z' | b'U' | b'u' | b'G' | b'g') => {
            let named = ahead.take_word("UTC") || ahead.take_word("GMT") || ahead.take_word("Z");
            if !named || ahead.peek().is_some_and(|byte| !matches!(byte, b' ')) {
                return Err(Refusal::InvalidSyntax);
            }
            *parser = ahead;
            return Ok(Some(0));
        }
        _ => return Ok(None),
    };
    ahead.advance(1);
    let digits = ahead.digits();
    let (mut hours, mut minutes, mut seconds) = (number(digits, 4)?, 0, 0);
    if ahead.take(b':') {
        minutes = number(ahead.digits(), 2)?;
        seconds = if ahead.take(b':') { number(ahead.digits(), 2)? } else { 0 };
    } else if digits.len() > 2 {
        (hours, minutes) = (hours / 100, hours % 100);
    }
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Err(Refusal::OutOfRange);
    }
    *parser = ahead;
    Ok(Some(sign * (hours * 3600 + minutes * 60 + seconds) as i32))
}

/// Days since 2000-01-01 of a date that exists (`ValidateDate`); a year before Christ counts from 1 backwards.
pub(super) fn days((year, month, day): (i64, i64, i64), before_christ: Option<bool>) -> Result<i64, Refusal> {
    if year == 0 {
        return Err(Refusal::OutOfRange);
    }
    let year = if before_christ == Some(true) { 1 - year } else { year };
    if !(1..=12).contains(&month) || day < 1 || day > month_days(year, month) {
        return Err(Refusal::OutOfRange);
    }
    Ok(from_civil(year, month, day) - UNIX_TO_2000)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `days_from_civil`).
fn from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of days since 1970-01-01 (`civil_from_days` of the same paper).
pub(super) fn to_civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
