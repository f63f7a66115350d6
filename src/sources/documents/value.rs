//! What a column holds of a field's value: the same text for the same value in all the forms that exports give it.
//!
//! Strings, numbers and truth values are themselves. An ObjectId is its 24 hex digits, a number in a wrapper its digits, a
//! date ISO 8601 in UTC with milliseconds (in the years 1 to 9999), a UUID itself, other binary data `\x` hex. Null and
//! undefined are NULL. Objects, arrays and every other wrapper stay JSON text as they came.

use std::borrow::Cow;

use chrono::{DateTime, Datelike as _, Timelike as _};

use super::json::{Parsed, parse, unescaped};

/// The column's text for a value, which is valid JSON but for the bare words of old exports.
pub(super) fn text(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes()[0] {
        b'n' => None,
        b'"' => Some(string(raw)),
        b'{' => match wrapped(raw) {
            Wrapped::Text(text) => Some(text),
            Wrapped::Null => None,
            Wrapped::Not => Some(Cow::Borrowed(raw)),
        },
        _ => Some(Cow::Borrowed(raw)),
    }
}

/// Whether a value is text, in which a spreadsheet's rounding shows.
pub(super) fn is_string(raw: &str) -> bool {
    raw.starts_with('"')
}

fn string(raw: &str) -> Cow<'_, str> {
    let inner = &raw[1..raw.len() - 1];
    match memchr::memchr(b'\\', inner.as_bytes()) {
        None => Cow::Borrowed(inner),
        Some(_) => Cow::Owned(unescaped(inner)),
    }
}

enum Wrapped<'a> {
    Text(Cow<'a, str>),
    Null,
    /// An object, or a wrapper that is no single value.
    Not,
}

/// A value in an Extended JSON wrapper, version 1 or 2.
fn wrapped(raw: &str) -> Wrapped<'_> {
    let first = raw[1..].trim_start();
    if !first.starts_with("\"$") {
        return Wrapped::Not;
    }
    let Some(fields) = fields(raw) else { return Wrapped::Not };
    let text = match fields.as_slice() {
        [
            (
                "$oid" | "$numberInt" | "$numberLong" | "$numberDouble" | "$numberDecimal" | "$symbol"
                | "$uuid",
                value,
            ),
        ] if is_string(value) => Some(string(value)),
        [("$numberInt" | "$numberLong", value)] if !value.starts_with('{') => Some(Cow::Borrowed(*value)),
        [("$date", value)] => date(value),
        [("$undefined", _)] => return Wrapped::Null,
        [("$binary", value)] if value.starts_with('{') => {
            self::fields(value).and_then(|inner| binary(&inner))
        }
        [("$binary", _), ("$type", _)] | [("$type", _), ("$binary", _)] => binary(&fields),
        _ => None,
    };
    text.map_or(Wrapped::Not, Wrapped::Text)
}

fn fields(raw: &str) -> Option<Vec<(&str, &str)>> {
    let mut parsed = Parsed::default();
    parse(raw.as_bytes(), &mut parsed).ok()?;
    Some(parsed.fields.iter().map(|field| (&raw[field.key.clone()], &raw[field.value.clone()])).collect())
}

/// `$date` as text, as milliseconds, or as `$numberLong` of them.
fn date(raw: &str) -> Option<Cow<'_, str>> {
    if is_string(raw) {
        return written(string(raw));
    }
    let milliseconds = match raw.starts_with('{') {
        false => raw.parse().ok()?,
        true => match fields(raw)?.as_slice() {
            [("$numberLong", value)] => string(value).parse().ok()?,
            _ => return None,
        },
    };
    instant(milliseconds).map(Cow::Owned)
}

/// A time as ISO 8601 in UTC; none outside the years that this writes.
pub(super) fn instant(milliseconds: i64) -> Option<String> {
    let time =
        DateTime::from_timestamp_millis(milliseconds).filter(|time| (1..=9999).contains(&time.year()))?;
    Some(time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// A date that is written out; one in UTC with milliseconds is as it should be.
fn written(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let shape = |pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(byte, sign)| match sign {
                b'0' => byte.is_ascii_digit(),
                _ => byte == sign,
            })
    };
    if shape("0000-00-00T00:00:00.000Z") {
        return Some(text);
    }
    if shape("0000-00-00T00:00:00Z") {
        return Some(Cow::Owned(format!("{}.000Z", &text[..19])));
    }
    let time = DateTime::parse_from_rfc3339(&text)
        .or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M%z"));
    let time = time.ok()?.to_utc();
    let digits =
        text.rsplit_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    // What MongoDB itself cannot hold, other programs write all the same: nothing of it is cut off.
    if digits > 9 {
        return None;
    }
    if time.nanosecond() % 1_000_000 == 0 {
        return instant(time.timestamp_millis()).map(Cow::Owned);
    }
    let is_written = (1..=9999).contains(&time.year());
    is_written.then(|| Cow::Owned(time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()))
}

/// Binary data: a UUID's usual form, else hex. The older UUIDs (type 3) stand in an order that depends on who wrote them.
fn binary<'a>(fields: &[(&str, &str)]) -> Option<Cow<'a, str>> {
    let of = |names: [&str; 2]| fields.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| *value);
    let bytes = base64(&string(of(["base64", "$binary"])?))?;
    let kind = of(["subType", "$type"])?.trim_matches('"').to_owned();
    let kind = u32::from_str_radix(&kind, 16).ok()?;
    let hex = crate::model::hex(&bytes);
    Some(Cow::Owned(match kind == 4 && bytes.len() == 16 {
        true => [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"),
        false => format!("\\x{hex}"),
    }))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(body.len() * 3 / 4);
    for group in body.chunks(4) {
        let mut bits = 0u32;
        for byte in group {
            bits = bits << 6 | u32::from(sextet(*byte)?);
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_a_value_give_one_text() {
        let given = |raw: &str| text(raw).map(Cow::into_owned);
        for (forms, expected) in [
            (&[r#""x""#][..], Some("x")),
            (&["null", r#"{"$undefined":true}"#], None),
            (
                &["5", r#"{"$numberInt":"5"}"#, r#"{ "$numberLong" : "5" }"#, r#"{"$numberLong":5}"#],
                Some("5"),
            ),
            (&["9007199254740993", r#"{"$numberLong":"9007199254740993"}"#], Some("9007199254740993")),
            (&["NaN", r#"{"$numberDouble":"NaN"}"#], Some("NaN")),
            (&["-0.0", r#"{"$numberDouble":"-0.0"}"#], Some("-0.0")),
            (&[r#"{"$numberDecimal":"1.10"}"#], Some("1.10")),
            (&[r#"{"$oid":"546651e74bf6e4cb017c5312"}"#], Some("546651e74bf6e4cb017c5312")),
            (
                &[
                    r#"{"$date":"2014-12-05T20:06:15Z"}"#,
                    r#"{"$date":"2014-12-05T20:06:15.000Z"}"#,
                    r#"{"$date":"2014-12-05T21:06:15.000+0100"}"#,
                    r#"{"$date":"2014-12-05T21:06:15+01:00"}"#,
                    r#"{"$date":1417809975000}"#,
                    r#"{"$date":{"$numberLong":"1417809975000"}}"#,
                ],
                Some("2014-12-05T20:06:15.000Z"),
            ),
            (
                &[
                    r#"{"$date":"2014-12-05T20:06:15.123456Z"}"#,
                    r#"{"$date":"2014-12-05T21:06:15.123456+01:00"}"#,
                ],
                Some("2014-12-05T20:06:15.123456Z"),
            ),
            (
                &[r#"{"$date":"2014-12-05T20:06:15.1234567891Z"}"#],
                Some(r#"{"$date":"2014-12-05T20:06:15.1234567891Z"}"#),
            ),
            (&[r#"{"$date":{"$numberLong":"-1"}}"#], Some("1969-12-31T23:59:59.999Z")),
            (
                &[r#"{"$date":{"$numberLong":"253402300800000"}}"#],
                Some(r#"{"$date":{"$numberLong":"253402300800000"}}"#),
            ),
            (&[r#"{"$date":"yesterday"}"#], Some(r#"{"$date":"yesterday"}"#)),
            (
                &[
                    r#"{"$binary":{"base64":"AUQy/iVYQ7abrOAP1KSLaQ==","subType":"04"}}"#,
                    r#"{"$binary":"AUQy/iVYQ7abrOAP1KSLaQ==","$type":"4"}"#,
                    r#"{"$uuid":"014432fe-2558-43b6-9bac-e00fd4a48b69"}"#,
                ],
                Some("014432fe-2558-43b6-9bac-e00fd4a48b69"),
            ),
            (
                &[r#"{"$binary":{"base64":"VEVT","subType":"00"}}"#, r#"{"$type":"00","$binary":"VEVT"}"#],
                Some(r"\x544553"),
            ),
            (&[r#"{"$binary":{"base64":"VA==","subType":"80"}}"#], Some(r"\x54")),
            (&[r#"{"$timestamp":{"t":1,"i":2}}"#], Some(r#"{"$timestamp":{"t":1,"i":2}}"#)),
            (&[r#"{"$ref":"a","$id":1}"#], Some(r#"{"$ref":"a","$id":1}"#)),
            (&["[1, 2]"], Some("[1, 2]")),
            (&["{}"], Some("{}")),
        ] {
            for form in forms {
                assert_eq!(given(form).as_deref(), expected, "{form}");
            }
        }
    }
}
