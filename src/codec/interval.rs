//! `interval`: `DecodeInterval`, `DecodeISO8601Interval`, `EncodeInterval` of `src/backend/utils/adt/datetime.c`,
//! `AdjustIntervalForTypmod` of `timestamp.c`. Output is in style `postgres`.

use super::Refusal;
use super::integer;
use super::parser::{Parser, is_space, trimmed};
use super::temporal::{push_fraction, push_two, round};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `INTERVAL_MASK` of each field.
const MONTHS: u32 = 1 << 1;
const YEARS: u32 = 1 << 2;
const DAYS: u32 = 1 << 3;
const HOURS: u32 = 1 << 10;
const MINUTES: u32 = 1 << 11;
const SECONDS: u32 = 1 << 12;
const FULL_RANGE: u32 = 0x7fff;

/// `interval day to minute`, `interval second(3)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Modifier {
    fields: u32,
    precision: Option<u32>,
}

impl Modifier {
    pub(super) fn new(modifier: i32) -> Self {
        let Ok(packed) = u32::try_from(modifier) else { return Self { fields: FULL_RANGE, precision: None } };
        Self {
            fields: packed >> 16 & FULL_RANGE,
            precision: Some(packed & 0xffff).filter(|digits| *digits < 6),
        }
    }
}

/// An interval as it is stored; the parts are independent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Interval {
    months: i32,
    days: i32,
    microseconds: i64,
}

/// A unit's name, the bit that may be set once, and its size.
struct Unit {
    names: &'static [&'static str],
    bit: u32,
    size: Size,
}

#[derive(Clone, Copy)]
enum Size {
    Microseconds(i64),
    Days(i32),
    Months(i32),
}

/// Units of `deltatktbl`.
const UNITS: &[Unit] = &[
    Unit {
        names: &["us", "usec", "usecs", "usecond", "useconds", "microsecond", "microseconds"],
        bit: 1 << 14,
        size: Size::Microseconds(1),
    },
    Unit {
        names: &["ms", "msec", "msecs", "msecond", "mseconds", "millisecond", "milliseconds"],
        bit: 1 << 13,
        size: Size::Microseconds(1_000),
    },
    Unit {
        names: &["s", "sec", "secs", "second", "seconds"],
        bit: SECONDS,
        size: Size::Microseconds(SECOND),
    },
    Unit {
        names: &["m", "min", "mins", "minute", "minutes"],
        bit: MINUTES,
        size: Size::Microseconds(MINUTE),
    },
    Unit { names: &["h", "hr", "hrs", "hour", "hours"], bit: HOURS, size: Size::Microseconds(HOUR) },
    Unit { names: &["d", "day", "days"], bit: DAYS, size: Size::Days(1) },
    Unit { names: &["w", "week", "weeks"], bit: 1 << 24, size: Size::Days(7) },
    Unit { names: &["mon", "mons", "month", "months"], bit: MONTHS, size: Size::Months(1) },
    Unit { names: &["y", "yr", "yrs", "year", "years"], bit: YEARS, size: Size::Months(12) },
    Unit { names: &["dec", "decs", "decade", "decades"], bit: 1 << 25, size: Size::Months(120) },
    Unit { names: &["c", "cent", "century", "centuries"], bit: 1 << 26, size: Size::Months(1_200) },
    Unit { names: &["mil", "mils", "millennium", "millennia"], bit: 1 << 27, size: Size::Months(12_000) },
];
/// A time of day was read, not only its parts.
const CLOCK: u32 = 1 << 30;
const TIME: u32 = HOURS | MINUTES | SECONDS | 1 << 13 | 1 << 14;

/// A number cut at its point; the sign is in both parts.
#[derive(Clone, Copy)]
struct Amount {
    whole: i64,
    fraction: f64,
    fraction_digits: usize,
}

pub(super) fn parse(text: &str, modifier: Modifier) -> Result<(Interval, bool), Refusal> {
    // The ISO form is read with `strtod` and takes no white space.
    let text = if trimmed(text).starts_with('P') { text } else { trimmed(text) };
    let mut reading =
        Reading { parser: Parser::new(text), interval: Interval::default(), seen: 0, lossy: false };
    let full = modifier.fields == FULL_RANGE;
    if reading.parser.peek() == Some(b'P') {
        reading.iso()?;
    } else {
        reading.verbose(full)?;
    }
    let Reading { interval, lossy, .. } = reading;
    let adjusted = interval.adjusted(modifier);
    Ok((adjusted, lossy || adjusted != interval))
}

struct Reading<'t> {
    parser: Parser<'t>,
    interval: Interval,
    seen: u32,
    lossy: bool,
}

impl Reading<'_> {
    /// `1 year 2 mons -3 days 04:05:06.7 ago`. A number without a unit is seconds at the end and days before a time; an
    /// interval restricted to some fields reads those otherwise, so there they are refused.
    fn verbose(&mut self, full: bool) -> Result<(), Refusal> {
        self.parser.take(b'@');
        let mut ago = false;
        loop {
            self.parser.skip_spaces();
            if self.parser.at_end() {
                break;
            }
            if ago {
                return Err(Refusal::InvalidSyntax);
            }
            ago = self.seen != 0 && self.parser.take_word("ago");
            if !ago {
                self.item(full)?;
            }
        }
        if self.seen == 0 {
            return Err(Refusal::InvalidSyntax);
        }
        if ago { self.negate() } else { Ok(()) }
    }

    fn item(&mut self, full: bool) -> Result<(), Refusal> {
        let negative = self.parser.peek() == Some(b'-');
        if negative || self.parser.peek() == Some(b'+') {
            self.parser.advance(1);
        }
        let mut ahead = self.parser.clone();
        let digits = ahead.digits();
        match ahead.peek() {
            Some(b':') => return self.time(negative, full),
            Some(b'-') if !digits.is_empty() => return self.year_month(negative, full),
            _ => {}
        }
        let start = self.parser.position();
        let amount = self.amount(negative)?;
        // PostgreSQL reads from the right, and a time of day overwrites what the fraction of a day behind it gave.
        if amount.fraction_digits > 0 && self.seen & CLOCK != 0 {
            return Err(Refusal::InvalidSyntax);
        }
        // Nothing may stand before a bare point.
        if digits.is_empty() && start > 0 && !self.parser.is_after_space(start) {
            return Err(Refusal::InvalidSyntax);
        }
        self.parser.skip_spaces();
        let word = self.word();
        if word.is_empty() {
            return self.unitless(amount, full);
        }
        let unit = UNITS.iter().find(|unit| unit.names.iter().any(|name| name.eq_ignore_ascii_case(word)));
        let unit = unit.ok_or(Refusal::InvalidSyntax)?;
        let short = matches!(unit.bit, DAYS | HOURS | MINUTES | SECONDS | YEARS) && word.len() == 1;
        match self.parser.peek() {
            None | Some(b' ' | b'\t' | b'\n') => {}
            // `1h30m`; behind a longer word a digit would be that of a date (`ParseDateTime`).
            Some(byte) if short && byte.is_ascii_digit() => {}
            _ => return Err(Refusal::InvalidSyntax),
        }
        self.mark(bits(unit.bit, amount))?;
        self.add(amount, unit.size)
    }

    fn unitless(&mut self, amount: Amount, full: bool) -> Result<(), Refusal> {
        let mut ahead = self.parser.clone();
        let _ = ahead.take(b'-') || ahead.take(b'+');
        let apart = self.parser.is_after_space(self.parser.position());
        let before_time = apart && !ahead.digits().is_empty() && ahead.peek() == Some(b':');
        match (full, before_time) {
            (true, true) => self.mark(DAYS).and_then(|()| self.add(amount, Size::Days(1))),
            (true, false) if self.parser.at_end() => {
                self.mark(bits(SECONDS, amount))?;
                self.add(amount, Size::Microseconds(SECOND))
            }
            _ => Err(Refusal::InvalidSyntax),
        }
    }

    /// `hh:mm` or `hh:mm:ss.f`.
    fn time(&mut self, negative: bool, full: bool) -> Result<(), Refusal> {
        self.mark(TIME | CLOCK)?;
        let hours: i64 = self.parser.digits().parse().map_err(|_| Refusal::OutOfRange)?;
        self.parser.advance(1);
        let minutes = self.small()?;
        let seconds = if self.parser.take(b':') {
            self.small()?
        } else if full && self.parser.peek() != Some(b'.') {
            0
        } else {
            return Err(Refusal::InvalidSyntax);
        };
        if minutes > 59 || seconds > 60 {
            return Err(Refusal::OutOfRange);
        }
        let fraction = if self.parser.take(b'.') {
            self.fraction()?
        } else {
            Amount { whole: 0, fraction: 0.0, fraction_digits: 0 }
        };
        self.expect_gap()?;
        self.lossy |= fraction.fraction_digits > 6;
        let part = (fraction.fraction * SECOND as f64).round_ties_even() as i64;
        let time = hours
            .checked_mul(HOUR)
            .and_then(|time| time.checked_add(minutes * MINUTE + seconds * SECOND + part));
        let time = time.ok_or(Refusal::OutOfRange)?;
        self.add(
            Amount { whole: if negative { -time } else { time }, fraction: 0.0, fraction_digits: 0 },
            Size::Microseconds(1),
        )
    }

    /// Behind a time, only white space tells what comes next from a part of it.
    fn expect_gap(&self) -> Result<(), Refusal> {
        if self.parser.peek().is_none_or(is_space) { Ok(()) } else { Err(Refusal::InvalidSyntax) }
    }

    fn small(&mut self) -> Result<i64, Refusal> {
        let digits = self.parser.digits();
        if digits.is_empty() || digits.len() > 2 {
            Err(Refusal::InvalidSyntax)
        } else {
            digits.parse().map_err(|_| Refusal::InvalidSyntax)
        }
    }

    /// SQL's `years-months`.
    fn year_month(&mut self, negative: bool, full: bool) -> Result<(), Refusal> {
        let years: i64 = self.parser.digits().parse().map_err(|_| Refusal::OutOfRange)?;
        self.parser.advance(1);
        let months = self.small()?;
        if months > 11 {
            return Err(Refusal::OutOfRange);
        }
        if !full || !matches!(self.parser.peek(), None | Some(b' ')) {
            return Err(Refusal::InvalidSyntax);
        }
        self.mark(YEARS | MONTHS)?;
        let total =
            years.checked_mul(12).and_then(|total| total.checked_add(months)).ok_or(Refusal::OutOfRange)?;
        self.add(
            Amount { whole: if negative { -total } else { total }, fraction: 0.0, fraction_digits: 0 },
            Size::Months(1),
        )
    }

    /// `P1Y2M3DT4H5M6.7S` and `P2W`; every number may be negative.
    fn iso(&mut self) -> Result<(), Refusal> {
        self.parser.advance(1);
        let mut time = false;
        loop {
            if self.parser.take(b'T') {
                if time || self.parser.at_end() {
                    return Err(Refusal::InvalidSyntax);
                }
                time = true;
            }
            if self.parser.at_end() {
                return if self.seen == 0 { Err(Refusal::InvalidSyntax) } else { Ok(()) };
            }
            let negative = self.parser.take(b'-');
            if self.parser.peek() == Some(b'.') {
                return Err(Refusal::InvalidSyntax);
            }
            let amount = self.amount(negative)?;
            let unit = self.parser.peek().ok_or(Refusal::InvalidSyntax)?;
            self.parser.advance(1);
            let (bit, size) = match (time, unit) {
                (false, b'Y') => (YEARS, Size::Months(12)),
                (false, b'M') => (MONTHS, Size::Months(1)),
                (false, b'W') => (1 << 24, Size::Days(7)),
                (false, b'D') => (DAYS, Size::Days(1)),
                (true, b'H') => (HOURS, Size::Microseconds(HOUR)),
                (true, b'M') => (MINUTES, Size::Microseconds(MINUTE)),
                (true, b'S') => (SECONDS, Size::Microseconds(SECOND)),
                _ => return Err(Refusal::InvalidSyntax),
            };
            // PostgreSQL adds a field given twice; nobody means that.
            self.mark(bit)?;
            self.add(amount, size)?;
        }
    }

    fn mark(&mut self, bits: u32) -> Result<(), Refusal> {
        let twice = self.seen & bits != 0;
        self.seen |= bits;
        if twice { Err(Refusal::InvalidSyntax) } else { Ok(()) }
    }

    fn amount(&mut self, negative: bool) -> Result<Amount, Refusal> {
        let digits = self.parser.digits();
        let pointed = self.parser.take(b'.');
        if pointed && self.parser.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            return Err(Refusal::InvalidSyntax);
        }
        let mut amount =
            if pointed { self.fraction()? } else { Amount { whole: 0, fraction: 0.0, fraction_digits: 0 } };
        if digits.is_empty() && amount.fraction_digits == 0 {
            return Err(Refusal::InvalidSyntax);
        }
        amount.whole = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| Refusal::OutOfRange)? };
        if negative {
            amount.whole = -amount.whole;
            amount.fraction = -amount.fraction;
        }
        Ok(amount)
    }

    fn fraction(&mut self) -> Result<Amount, Refusal> {
        let digits = self.parser.digits();
        let fraction = format!("0.{digits}0").parse().map_err(|_| Refusal::InvalidSyntax)?;
        Ok(Amount { whole: 0, fraction, fraction_digits: digits.trim_end_matches('0').len() })
    }

    fn word(&mut self) -> &str {
        let rest = self.parser.rest();
        let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        self.parser.advance(length);
        &rest[..length]
    }

    /// Adds so many of a unit; fractions go to smaller fields: years to months, months to days, days to time.
    fn add(&mut self, amount: Amount, size: Size) -> Result<(), Refusal> {
        let Interval { months, days, microseconds } = &mut self.interval;
        match size {
            Size::Microseconds(scale) => {
                add_i64(microseconds, amount.whole.checked_mul(scale))?;
                self.lossy |= add_fraction(microseconds, amount.fraction, scale)?;
            }
            Size::Days(scale) => {
                add_i32(days, amount.whole.checked_mul(i64::from(scale)))?;
                self.lossy |= add_fraction_days(days, microseconds, amount.fraction, scale)?;
            }
            Size::Months(1) => {
                add_i32(months, Some(amount.whole))?;
                self.lossy |= add_fraction_days(days, microseconds, amount.fraction, 30)?;
            }
            Size::Months(scale) => {
                add_i32(months, amount.whole.checked_mul(i64::from(scale)))?;
                let part = amount.fraction * f64::from(scale);
                add_i32(months, Some(part.round_ties_even() as i64))?;
                self.lossy |= part.fract() != 0.0;
            }
        }
        Ok(())
    }

    fn negate(&mut self) -> Result<(), Refusal> {
        let Interval { months, days, microseconds } = self.interval;
        let negated = (months.checked_neg(), days.checked_neg(), microseconds.checked_neg());
        let (Some(months), Some(days), Some(microseconds)) = negated else { return Err(Refusal::OutOfRange) };
        self.interval = Interval { months, days, microseconds };
        Ok(())
    }
}

/// Seconds with a fraction take the smaller units' place too (`DTK_ALL_SECS_M`).
fn bits(unit: u32, amount: Amount) -> u32 {
    if unit == SECONDS && amount.fraction != 0.0 { SECONDS | 1 << 13 | 1 << 14 } else { unit }
}

fn add_i64(field: &mut i64, value: Option<i64>) -> Result<(), Refusal> {
    *field = value.and_then(|value| field.checked_add(value)).ok_or(Refusal::OutOfRange)?;
    Ok(())
}

fn add_i32(field: &mut i32, value: Option<i64>) -> Result<(), Refusal> {
    let value = value.and_then(|value| i32::try_from(value).ok());
    *field = value.and_then(|value| field.checked_add(value)).ok_or(Refusal::OutOfRange)?;
    Ok(())
}

/// `AdjustFractMicroseconds`: a half is dropped.
fn add_fraction(microseconds: &mut i64, fraction: f64, scale: i64) -> Result<bool, Refusal> {
    let part = fraction * scale as f64;
    let whole = part as i64;
    let rest = part - whole as f64;
    let carry = i64::from(rest > 0.5) - i64::from(rest < -0.5);
    add_i64(microseconds, whole.checked_add(carry))?;
    // A product that is whole but for the last bits of a double lost nothing.
    Ok(rest.abs().min((1.0 - rest.abs()).abs()) > 1e-3)
}

/// `AdjustFractDays`.
fn add_fraction_days(
    days: &mut i32,
    microseconds: &mut i64,
    fraction: f64,
    scale: i32,
) -> Result<bool, Refusal> {
    let part = fraction * f64::from(scale);
    add_i32(days, Some(part as i64))?;
    add_fraction(microseconds, part - part.trunc(), DAY)
}

impl Interval {
    /// Drops the fields below those of the type, rounds to its precision.
    fn adjusted(mut self, Modifier { fields, precision }: Modifier) -> Self {
        const YEAR_TO_MONTH: u32 = YEARS | MONTHS;
        let unit = match fields {
            YEARS => {
                self.months = self.months / 12 * 12;
                None
            }
            MONTHS | YEAR_TO_MONTH | DAYS => None,
            _ if fields & SECONDS != 0 => Some(1),
            _ if fields & MINUTES != 0 => Some(MINUTE),
            _ => Some(HOUR),
        };
        if matches!(fields, YEARS | MONTHS | YEAR_TO_MONTH) {
            self.days = 0;
        }
        self.microseconds = round(unit.map_or(0, |unit| self.microseconds / unit * unit), precision);
        self
    }

    /// Microseconds, days, months (`interval_send`).
    pub(super) fn send(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.microseconds.to_be_bytes());
        out.extend_from_slice(&self.days.to_be_bytes());
        out.extend_from_slice(&self.months.to_be_bytes());
    }

    /// `1 year 2 mons -3 days +04:05:06.7`: a positive part behind a negative one shows its sign.
    pub(super) fn write(self, out: &mut String) {
        let start = out.len();
        let mut after_negative = false;
        for (value, unit) in [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")] {
            if value == 0 {
                continue;
            }
            out.push_str(if out.len() > start { " " } else { "" });
            out.push_str(if after_negative && value > 0 { "+" } else { "" });
            integer::write(value, out);
            out.push(' ');
            out.push_str(unit);
            out.push_str(if value == 1 { "" } else { "s" });
            after_negative = value < 0;
        }
        if self.microseconds == 0 && out.len() > start {
            return;
        }
        out.push_str(if out.len() > start { " " } else { "" });
        out.push_str(if self.microseconds < 0 {
            "-"
        } else if after_negative {
            "+"
        } else {
            ""
        });
        let seconds = self.microseconds.unsigned_abs() / 1_000_000;
        let hours = seconds / 3600;
        if hours < 100 {
            push_two(hours as i64, out);
        } else {
            integer::write(hours, out);
        }
        out.push(':');
        push_two((seconds / 60 % 60) as i64, out);
        out.push(':');
        push_two((seconds % 60) as i64, out);
        push_fraction((self.microseconds.unsigned_abs() % 1_000_000) as i64, out);
    }
}
