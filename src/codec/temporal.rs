//! `date`, `time`, `timetz`, `timestamp`, `timestamptz`: `src/backend/utils/adt/{date,timestamp}.c`, and their ISO output
//! (`EncodeDateOnly`, `EncodeTimeOnly`, `EncodeDateTime` of `datetime.c`).

use super::Refusal;
use super::moment::{self, DAY, Fields, Moment, UNIX_TO_2000};

/// Days since 2000-01-01 of the first date, 4714-11-24 BC, and of the day after the last, 5874898-01-01.
const DATES: std::ops::Range<i64> = -2_451_545..2_145_031_949;
/// Microseconds since 2000-01-01 of the first timestamp and of the end, 294277-01-01.
const TIMESTAMPS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// How every timestamptz is shown.
pub(super) const UTC: &str = "+00";

/// A value, and whether reading it lost something.
pub(super) type Read<T> = Result<(T, bool), Refusal>;

/// Days since 2000-01-01, the extremes being the infinities. A time of day is dropped, as `date_in` does.
pub(super) fn parse_date(text: &str) -> Read<i32> {
    if let Some(days) = plain_date(text.as_bytes()) {
        return Ok((days as i32, false));
    }
    let fields = match moment::parse(text)? {
        Moment::Infinity => return Ok((i32::MAX, false)),
        Moment::MinusInfinity => return Ok((i32::MIN, false)),
        Moment::At(fields) => fields,
    };
    let date = fields.date.ok_or(Refusal::InvalidSyntax)?;
    if !DATES.contains(&date) {
        return Err(Refusal::OutOfRange);
    }
    Ok((date as i32, fields.time.is_some_and(|time| time != 0)))
}

/// Microseconds since 2000-01-01, the extremes being the infinities. A zone is ignored, as `timestamp_in` does.
pub(super) fn parse_timestamp(text: &str, precision: Option<u32>) -> Read<i64> {
    if let Some(instant) = plain_timestamp(text, "", precision) {
        return Ok((instant, false));
    }
    parse_instant(text, precision, |fields| (0, fields.zone.is_some_and(|zone| zone != 0)))
}

/// The same in UTC; a text without zone is in UTC, the session's zone.
pub(super) fn parse_timestamptz(text: &str, precision: Option<u32>) -> Read<i64> {
    if let Some(instant) = plain_timestamp(text, UTC, precision) {
        return Ok((instant, false));
    }
    parse_instant(text, precision, |fields| (i64::from(fields.zone.unwrap_or(0)), false))
}

fn parse_instant(text: &str, precision: Option<u32>, zone: impl Fn(&Fields) -> (i64, bool)) -> Read<i64> {
    let fields = match moment::parse(text)? {
        Moment::Infinity => return Ok((i64::MAX, false)),
        Moment::MinusInfinity => return Ok((i64::MIN, false)),
        Moment::At(fields) => fields,
    };
    let date = fields.date.ok_or(Refusal::InvalidSyntax)?;
    let (east, dropped) = zone(&fields);
    let local = date.checked_mul(DAY).and_then(|days| days.checked_add(fields.time.unwrap_or(0)));
    let instant = local.and_then(|local| local.checked_sub(east * 1_000_000)).ok_or(Refusal::OutOfRange)?;
    if !TIMESTAMPS.contains(&instant) {
        return Err(Refusal::OutOfRange);
    }
    let rounded = round(instant, precision);
    if !TIMESTAMPS.contains(&rounded) {
        return Err(Refusal::OutOfRange);
    }
    Ok((rounded, dropped || fields.rounded || rounded != instant))
}

/// Microseconds since midnight; a zone behind it is dropped, as `time_in` does. A date is not taken.
pub(super) fn parse_time(text: &str, precision: Option<u32>) -> Read<i64> {
    let Moment::At(Fields { date: None, time: Some(time), zone, rounded }) = moment::parse(text)? else {
        return Err(Refusal::InvalidSyntax);
    };
    let kept = round(time, precision);
    Ok((kept, rounded || kept != time || zone.is_some_and(|zone| zone != 0)))
}

/// Microseconds since midnight and seconds *west* of UTC.
pub(super) fn parse_timetz(text: &str, precision: Option<u32>) -> Read<(i64, i32)> {
    let Moment::At(Fields { date: None, time: Some(time), zone, rounded }) = moment::parse(text)? else {
        return Err(Refusal::InvalidSyntax);
    };
    let kept = round(time, precision);
    Ok(((kept, -zone.unwrap_or(0)), rounded || kept != time))
}

/// Microseconds since 2000-01-01 of a text that is canonical already and of the years 1 to 9999: most of them are.
pub(super) fn plain_timestamp(text: &str, zone: &str, precision: Option<u32>) -> Option<i64> {
    let bytes = text.strip_suffix(zone)?.as_bytes();
    let (date, time) = bytes.split_at_checked(10)?;
    let time = plain_time(time.strip_prefix(b" ")?, precision)?;
    Some(plain_date(date)? * DAY + time)
}

/// Days since 2000-01-01 of `YYYY-MM-DD`.
pub(super) fn plain_date(text: &[u8]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let year = two_digits(*y1, *y2)? * 100 + two_digits(*y3, *y4)?;
    moment::days((year, two_digits(*m1, *m2)?, two_digits(*d1, *d2)?), None).ok()
}

/// Microseconds of `HH:MM:SS` and up to six digits of a second, the last no zero.
fn plain_time(text: &[u8], precision: Option<u32>) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, fraction @ ..] = text else { return None };
    let (hour, minute, second) = (two_digits(*h1, *h2)?, two_digits(*m1, *m2)?, two_digits(*s1, *s2)?);
    let microseconds = match fraction {
        [] => 0,
        [b'.', digits @ .., last @ b'1'..=b'9'] if digits.len() < precision.unwrap_or(6) as usize => {
            let whole = digits.iter().chain([last]).try_fold(0_i64, |value, digit| {
                digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
            })?;
            whole * 10_i64.pow(5 - digits.len() as u32)
        }
        _ => return None,
    };
    let fits = hour < 24 && minute < 60 && second < 60;
    fits.then(|| ((hour * 60 + minute) * 60 + second) * 1_000_000 + microseconds)
}

fn two_digits(tens: u8, ones: u8) -> Option<i64> {
    let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    digits.then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

/// The precision a modifier asks for; six digits are all there are.
pub(super) fn precision(modifier: i32) -> Option<u32> {
    u32::try_from(modifier).ok().filter(|digits| *digits < 6)
}

/// Half away from zero (`AdjustTimestampForTypmod`).
pub(super) fn round(microseconds: i64, precision: Option<u32>) -> i64 {
    let Some(precision) = precision else { return microseconds };
    let scale = 10_i64.pow(6 - precision);
    let half = if microseconds < 0 { -scale / 2 } else { scale / 2 };
    (microseconds + half) / scale * scale
}

pub(super) fn write_date(days: i32, out: &mut String) {
    match days {
        i32::MAX => out.push_str("infinity"),
        i32::MIN => out.push_str("-infinity"),
        _ => {
            let before_christ = push_date(i64::from(days), out);
            out.push_str(if before_christ { " BC" } else { "" });
        }
    }
}

/// Writes a timestamp, with `+00` behind the time for one with zone.
pub(super) fn write_timestamp(microseconds: i64, zone: &str, out: &mut String) {
    match microseconds {
        i64::MAX => out.push_str("infinity"),
        i64::MIN => out.push_str("-infinity"),
        _ => {
            let before_christ = push_date(microseconds.div_euclid(DAY), out);
            out.push(' ');
            write_time(microseconds.rem_euclid(DAY), out);
            out.push_str(zone);
            out.push_str(if before_christ { " BC" } else { "" });
        }
    }
}

pub(super) fn write_time(microseconds: i64, out: &mut String) {
    let seconds = microseconds / 1_000_000;
    push_two(seconds / 3600, out);
    out.push(':');
    push_two(seconds / 60 % 60, out);
    out.push(':');
    push_two(seconds % 60, out);
    push_fraction(microseconds % 1_000_000, out);
}

/// Writes time and offset: `+02`, `-03:30`, `+00:00:01` (`EncodeTimezone`).
pub(super) fn write_timetz(microseconds: i64, west: i32, out: &mut String) {
    write_time(microseconds, out);
    out.push(if west <= 0 { '+' } else { '-' });
    let seconds = i64::from(west.abs());
    push_two(seconds / 3600, out);
    if seconds % 3600 != 0 {
        out.push(':');
        push_two(seconds / 60 % 60, out);
    }
    if seconds % 60 != 0 {
        out.push(':');
        push_two(seconds % 60, out);
    }
}

/// Appends up to six digits of a second without zeros at the end.
pub(super) fn push_fraction(microseconds: i64, out: &mut String) {
    if microseconds == 0 {
        return;
    }
    out.push('.');
    let mut digits = [0; 6];
    let mut rest = microseconds;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let shown = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    out.extend(digits[..shown].iter().copied().map(char::from));
}

/// Appends the date and tells whether it is before Christ.
fn push_date(days: i64, out: &mut String) -> bool {
    let (year, month, day) = moment::to_civil(days + UNIX_TO_2000);
    let before_christ = year <= 0;
    let shown = if before_christ { 1 - year } else { year };
    if shown < 10_000 {
        push_two(shown / 100, out);
        push_two(shown % 100, out);
    } else {
        super::integer::write(shown, out);
    }
    out.push('-');
    push_two(month, out);
    out.push('-');
    push_two(day, out);
    before_christ
}

/// Appends a number below 100 in two digits.
pub(super) fn push_two(number: i64, out: &mut String) {
    out.push(char::from(b'0' + (number / 10) as u8));
    out.push(char::from(b'0' + (number % 10) as u8));
}
