//! `uuid`: `string_to_uuid`, `uuid_out` of `src/backend/utils/adt/uuid.c`.

use super::Refusal;

/// Reads 32 hexadecimal digits, with hyphens after any group of four and braces around if wanted.
pub(super) fn parse(text: &str) -> Result<[u8; 16], Refusal> {
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or(Refusal::InvalidSyntax)?,
        None => text,
    };
    let mut bytes = inner.as_bytes();
    let mut value = [0; 16];
    for (index, byte) in value.iter_mut().enumerate() {
        let [high, low, rest @ ..] = bytes else { return Err(Refusal::InvalidSyntax) };
        *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
        bytes = rest;
        if index % 2 == 1 && index < 15 && bytes.first() == Some(&b'-') {
            bytes = &bytes[1..];
        }
    }
    if bytes.is_empty() { Ok(value) } else { Err(Refusal::InvalidSyntax) }
}

pub(super) fn write(value: &[u8; 16], out: &mut String) {
    for (index, byte) in value.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        push_hex(*byte, out);
    }
}

/// Appends a byte as two lower-case hexadecimal digits.
pub(super) fn push_hex(byte: u8, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

pub(super) fn hex_digit(byte: u8) -> Result<u8, Refusal> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(Refusal::InvalidSyntax),
    }
}
