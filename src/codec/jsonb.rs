//! `jsonb`: parsed and printed anew (`src/backend/utils/adt/{jsonb,jsonb_util}.c`, `escape_json` of `json.c`). Its binary
//! form is a version byte and that text (`jsonb_send`).

use std::borrow::Cow;
use std::fmt::Write as _;

use super::json::{self, MOST_LEVELS, Scanner};
use super::{Refusal, numeric};

const VERSION: u8 = 1;

/// A document as jsonb keeps it: keys sorted and unique.
enum Document<'t> {
    Word(&'static str),
    Number(&'t str),
    String(Cow<'t, str>),
    Array(Vec<Document<'t>>),
    Object(Vec<(Cow<'t, str>, Document<'t>)>),
}

pub(super) fn rewrite(text: &str, out: &mut String) -> Result<(), Refusal> {
    let mut scanner = Scanner::new(text);
    scanner.skip_spaces();
    let document = parse(&mut scanner, 0)?;
    scanner.skip_spaces();
    if !scanner.at_end() {
        return Err(Refusal::InvalidJson);
    }
    document.write(out)
}

pub(super) fn send(text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.push(VERSION);
    if is_canonical(text) {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    let mut canonical = String::new();
    rewrite(text, &mut canonical)?;
    out.extend_from_slice(canonical.as_bytes());
    Ok(())
}

/// Whether the text is what PostgreSQL would print, found without building the document. Says no to some that are:
/// escaped keys, for one.
pub(super) fn is_canonical(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    scan(&mut scanner, 0).is_some() && scanner.at_end()
}

fn scan(scanner: &mut Scanner<'_>, level: usize) -> Option<()> {
    if level > MOST_LEVELS {
        return None;
    }
    match scanner.peek()? {
        b'{' => scan_object(scanner, level),
        b'[' => scan_array(scanner, level),
        b'"' => scanner.string().ok().filter(|string| is_escaped_as_printed(string)).map(|_| ()),
        b'-' | b'0'..=b'9' => {
            scanner.number().ok().filter(|number| numeric::is_canonical(number, None)).map(|_| ())
        }
        _ => scanner.word().ok().map(|_| ()),
    }
}

fn scan_object(scanner: &mut Scanner<'_>, level: usize) -> Option<()> {
    scanner.position += 1;
    if scanner.take(b'}') {
        return Some(());
    }
    let mut last: Option<&str> = None;
    loop {
        let key = scanner.string().ok().filter(|key| !key.contains('\\'))?;
        if last.is_some_and(|last| key_order(last, key).is_ge()) || !scanner.take(b':') || !scanner.take(b' ')
        {
            return None;
        }
        last = Some(key);
        scan(scanner, level + 1)?;
        if scanner.take(b'}') {
            return Some(());
        }
        (scanner.take(b',') && scanner.take(b' ')).then_some(())?;
    }
}

fn scan_array(scanner: &mut Scanner<'_>, level: usize) -> Option<()> {
    scanner.position += 1;
    if scanner.take(b']') {
        return Some(());
    }
    loop {
        scan(scanner, level + 1)?;
        if scanner.take(b']') {
            return Some(());
        }
        (scanner.take(b',') && scanner.take(b' ')).then_some(())?;
    }
}

/// Whether every escape is one that `escape_json` writes.
fn is_escaped_as_printed(string: &str) -> bool {
    let mut rest = string;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let escape = &rest.as_bytes()[at + 1..];
        let length = match escape {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 1,
            [b'u', b'0', b'0', b'0', b'1'..=b'7' | b'b' | b'e' | b'f', ..] => 5,
            [b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => 5,
            _ => return false,
        };
        rest = &rest[at + 1 + length..];
    }
    true
}

/// Shorter keys first, then by bytes (`lengthCompareJsonbString`).
fn key_order(left: &str, right: &str) -> std::cmp::Ordering {
    left.len().cmp(&right.len()).then_with(|| left.as_bytes().cmp(right.as_bytes()))
}

fn parse<'t>(scanner: &mut Scanner<'t>, level: usize) -> Result<Document<'t>, Refusal> {
    if level > MOST_LEVELS {
        return Err(Refusal::TooLong);
    }
    match scanner.peek() {
        Some(b'{') => parse_object(scanner, level),
        Some(b'[') => {
            let mut items = Vec::new();
            json::check_members(scanner, b']', |scanner| {
                items.push(parse(scanner, level + 1)?);
                Ok(())
            })?;
            Ok(Document::Array(items))
        }
        Some(b'"') => Ok(Document::String(unescape(scanner.string()?)?)),
        Some(b'-' | b'0'..=b'9') => Ok(Document::Number(scanner.number()?)),
        _ => Ok(Document::Word(scanner.word()?)),
    }
}

/// Of equal keys the last one stays (`uniqueifyJsonbObject`).
fn parse_object<'t>(scanner: &mut Scanner<'t>, level: usize) -> Result<Document<'t>, Refusal> {
    let mut members: Vec<(Cow<'t, str>, Document<'t>)> = Vec::new();
    json::check_members(scanner, b'}', |scanner| {
        let key = unescape(scanner.string()?)?;
        scanner.skip_spaces();
        scanner.expect(b':')?;
        scanner.skip_spaces();
        members.push((key, parse(scanner, level + 1)?));
        Ok(())
    })?;
    members.reverse();
    members.sort_by(|left, right| key_order(&left.0, &right.0));
    members.dedup_by(|later, first| later.0 == first.0);
    Ok(Document::Object(members))
}

/// Reads the escapes of a string; `\u0000` and lone surrogates have no place in PostgreSQL's text.
fn unescape(string: &str) -> Result<Cow<'_, str>, Refusal> {
    if !string.contains('\\') {
        return Ok(Cow::Borrowed(string));
    }
    let mut out = String::with_capacity(string.len());
    let mut rest = string;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let (character, length) = match escape.as_bytes()[0] {
            b'u' => unescape_unicode(escape)?,
            b'b' => ('\u{8}', 1),
            b'f' => ('\u{c}', 1),
            b'n' => ('\n', 1),
            b'r' => ('\r', 1),
            b't' => ('\t', 1),
            other => (char::from(other), 1),
        };
        out.push(character);
        rest = &escape[length..];
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

/// The character of `uXXXX`, or of a surrogate pair `uXXXX\uXXXX`, and the bytes it took.
fn unescape_unicode(escape: &str) -> Result<(char, usize), Refusal> {
    let unit =
        |from: usize| escape.get(from..from + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match unit(1).ok_or(Refusal::InvalidJson)? {
        0 => Err(Refusal::NulByte),
        high @ 0xd800..=0xdbff => match (escape.get(5..7), unit(7)) {
            (Some("\\u"), Some(low @ 0xdc00..=0xdfff)) => {
                let point = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                char::from_u32(point).map(|character| (character, 11)).ok_or(Refusal::InvalidEncoding)
            }
            _ => Err(Refusal::InvalidEncoding),
        },
        point => char::from_u32(point).map(|character| (character, 5)).ok_or(Refusal::InvalidEncoding),
    }
}

impl Document<'_> {
    fn write(&self, out: &mut String) -> Result<(), Refusal> {
        match self {
            Document::Word(word) => out.push_str(word),
            Document::Number(number) => numeric::rewrite_json(number, out)?,
            Document::String(string) => write_string(string, out),
            Document::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    item.write(out)?;
                }
                out.push(']');
            }
            Document::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    write_string(key, out);
                    out.push_str(": ");
                    value.write(out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }
}

/// `escape_json`.
fn write_string(string: &str, out: &mut String) {
    out.push('"');
    let mut rest = string;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            8 => out.push_str("\\b"),
            12 => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte @ (b'"' | b'\\') => {
                out.push('\\');
                out.push(char::from(byte));
            }
            byte => write!(out, "\\u{byte:04x}").expect("a String takes all"),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}
