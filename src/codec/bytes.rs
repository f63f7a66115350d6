//! `bytea`: `byteain`, `byteaout` of `src/backend/utils/adt/varlena.c` and `hex_decode` of `encode.c`.

use super::Refusal;
use super::uuid::{hex_digit, push_hex};

/// Appends the bytes that hex (`\x...`) or escape input stands for.
pub(super) fn parse(text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match text.strip_prefix("\\x") {
        Some(digits) => parse_hex(digits.as_bytes(), out),
        None => parse_escape(text.as_bytes(), out),
    }
}

/// White space may stand between pairs of digits, not within one.
fn parse_hex(mut digits: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.reserve(digits.len() / 2);
    loop {
        match digits {
            [] => return Ok(()),
            [b' ' | b'\n' | b'\t' | b'\r', rest @ ..] => digits = rest,
            [high, low, rest @ ..] => {
                out.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                digits = rest;
            }
            [_] => return Err(Refusal::InvalidSyntax),
        }
    }
}

fn parse_escape(mut text: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    loop {
        match text {
            [] => return Ok(()),
            [b'\\', b'\\', rest @ ..] => {
                out.push(b'\\');
                text = rest;
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                text = rest;
            }
            [b'\\', ..] => return Err(Refusal::InvalidSyntax),
            [byte, rest @ ..] => {
                out.push(*byte);
                text = rest;
            }
        }
    }
}

pub(super) fn rewrite(text: &str, out: &mut String) -> Result<(), Refusal> {
    let mut bytes = Vec::new();
    parse(text, &mut bytes)?;
    out.push_str("\\x");
    out.reserve(bytes.len() * 2);
    bytes.iter().for_each(|byte| push_hex(*byte, out));
    Ok(())
}

/// Whether it is lower-case hex without white space.
pub(super) fn is_canonical(text: &str) -> bool {
    text.strip_prefix("\\x").is_some_and(|digits| {
        digits.len().is_multiple_of(2) && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}
