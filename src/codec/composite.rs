//! Composite values: `record_in`, `record_out`, `record_send` of `src/backend/utils/adt/rowtypes.c`.

use super::digest::set_length;
use super::kind::Element;
use super::parser::{Parser, is_space};
use super::{LiveOids, Refusal};

pub(super) fn rewrite(fields: &[Element], text: &str, out: &mut String) -> Result<bool, Refusal> {
    let mut lossy = false;
    out.push('(');
    let mut value = String::new();
    for (index, (field, item)) in fields.iter().zip(parse(text, fields.len())?).enumerate() {
        if index > 0 {
            out.push(',');
        }
        match item {
            None => field.check_null()?,
            Some(item) => {
                value.clear();
                lossy |= field.kind.rewrite(&item, &mut value)?;
                write_item(&value, out);
            }
        }
    }
    out.push(')');
    Ok(lossy)
}

/// Field count; type OID, length and body of each.
pub(super) fn send(
    fields: &[Element],
    text: &str,
    oids: &LiveOids,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    out.extend_from_slice(&(fields.len() as i32).to_be_bytes());
    for (field, item) in fields.iter().zip(parse(text, fields.len())?) {
        out.extend_from_slice(&field.live_oid(oids)?.to_be_bytes());
        let start = out.len();
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        match item {
            None => field.check_null()?,
            Some(item) => {
                field.kind.send(&item, oids, out)?;
                set_length(out, start)?;
            }
        }
    }
    Ok(())
}

/// The fields unquoted; nothing at all between commas is NULL. White space within the parentheses belongs to fields.
fn parse(text: &str, count: usize) -> Result<Vec<Option<String>>, Refusal> {
    let mut parser = Parser::new(text);
    parser.skip_spaces();
    if !parser.take(b'(') {
        return Err(Refusal::InvalidSyntax);
    }
    let mut items = Vec::with_capacity(count);
    while items.len() < count {
        if !items.is_empty() && !parser.take(b',') {
            return Err(Refusal::InvalidSyntax);
        }
        let null = matches!(parser.peek(), Some(b',' | b')'));
        items.push(if null { None } else { Some(parse_item(&mut parser)?) });
    }
    let closed = parser.take(b')');
    parser.skip_spaces();
    if closed && parser.at_end() { Ok(items) } else { Err(Refusal::InvalidSyntax) }
}

fn parse_item(parser: &mut Parser<'_>) -> Result<String, Refusal> {
    let mut value = String::new();
    let mut quoted = false;
    loop {
        let Some(character) = parser.rest().chars().next() else { return Err(Refusal::InvalidSyntax) };
        if !quoted && matches!(character, ',' | ')') {
            return Ok(value);
        }
        parser.advance(character.len_utf8());
        match character {
            '\\' => {
                let escaped = parser.rest().chars().next().ok_or(Refusal::InvalidSyntax)?;
                parser.advance(escaped.len_utf8());
                value.push(escaped);
            }
            '"' if quoted && parser.take(b'"') => value.push('"'),
            '"' => quoted = !quoted,
            other => value.push(other),
        }
    }
}

fn write_item(value: &str, out: &mut String) {
    let special = |byte: u8| matches!(byte, b'"' | b'\\' | b'(' | b')' | b',') || is_space(byte);
    if !value.is_empty() && !value.bytes().any(special) {
        return out.push_str(value);
    }
    write_quoted(value, out);
}

/// Text in double quotes, with quotes and backslashes doubled: `record_out` and `range_deparse` write it alike.
pub(super) fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push(character);
        }
        out.push(character);
    }
    out.push('"');
}
