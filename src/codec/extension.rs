//! Types of extensions: `hstore` (`contrib/hstore/hstore_io.c`), `ltree` (`contrib/ltree/ltree_io.c`) and pgvector's
//! `vector` (`src/vector.c` of pgvector).

use super::parser::{Parser, is_space, trimmed};
use super::{Refusal, float};

type Characters<'t> = std::iter::Peekable<std::str::Chars<'t>>;
type Pair = (String, Option<String>);

/// Pairs in the order in which hstore keeps them: shorter keys first, then by bytes. hstore keeps either of two equal
/// keys, nobody knows which, so they are refused.
pub(super) fn parse_hstore(text: &str) -> Result<Vec<Pair>, Refusal> {
    let mut rest = text.chars().peekable();
    let mut pairs: Vec<Pair> = Vec::new();
    loop {
        skip_spaces(&mut rest);
        if rest.peek().is_none() {
            break;
        }
        let (key, _) = hstore_word(&mut rest, '=')?;
        skip_spaces(&mut rest);
        if rest.next() != Some('=') || rest.next() != Some('>') {
            return Err(Refusal::InvalidSyntax);
        }
        skip_spaces(&mut rest);
        let (value, quoted) = hstore_word(&mut rest, ',')?;
        let null = !quoted && value.eq_ignore_ascii_case("null");
        pairs.push((key, Some(value).filter(|_| !null)));
        skip_spaces(&mut rest);
        if rest.peek().is_some() && rest.next() != Some(',') {
            return Err(Refusal::InvalidSyntax);
        }
    }
    pairs.sort_by(|left, right| {
        left.0.len().cmp(&right.0.len()).then_with(|| left.0.as_bytes().cmp(right.0.as_bytes()))
    });
    let repeated = pairs.windows(2).any(|pair| pair[0].0 == pair[1].0);
    if repeated { Err(Refusal::InvalidSyntax) } else { Ok(pairs) }
}

fn skip_spaces(rest: &mut Characters<'_>) {
    while rest.next_if(|c| c.is_ascii() && is_space(*c as u8)).is_some() {}
}

/// A word in double quotes, or one up to white space or `end`; whether it was quoted.
fn hstore_word(rest: &mut Characters<'_>, end: char) -> Result<(String, bool), Refusal> {
    let mut word = String::new();
    if rest.next_if_eq(&'"').is_some() {
        loop {
            match rest.next().ok_or(Refusal::InvalidSyntax)? {
                '"' => return Ok((word, true)),
                '\\' => word.push(rest.next().ok_or(Refusal::InvalidSyntax)?),
                other => word.push(other),
            }
        }
    }
    let mut started = false;
    while let Some(next) = rest.next_if(|c| !(c.is_ascii() && is_space(*c as u8)) && *c != end) {
        started = true;
        word.push(if next == '\\' { rest.next().ok_or(Refusal::InvalidSyntax)? } else { next });
    }
    if started { Ok((word, false)) } else { Err(Refusal::InvalidSyntax) }
}

pub(super) fn write_hstore(pairs: &[Pair], out: &mut String) {
    for (index, (key, value)) in pairs.iter().enumerate() {
        out.push_str(if index > 0 { ", " } else { "" });
        write_hstore_word(key, out);
        out.push_str("=>");
        match value {
            Some(value) => write_hstore_word(value, out),
            None => out.push_str("NULL"),
        }
    }
}

fn write_hstore_word(word: &str, out: &mut String) {
    out.push('"');
    for character in word.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

/// Pair count; length and bytes of each key and value, a length of -1 for NULL (`hstore_send`).
pub(super) fn send_hstore(pairs: &[Pair], out: &mut Vec<u8>) {
    let push = |word: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(&(word.len() as i32).to_be_bytes());
        out.extend_from_slice(word.as_bytes());
    };
    out.extend_from_slice(&(pairs.len() as i32).to_be_bytes());
    for (key, value) in pairs {
        push(key, out);
        match value {
            Some(value) => push(value, out),
            None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
    }
}

/// Checks labels of ASCII letters, digits and `_` with dots between; which other letters count is the server's locale.
pub(super) fn check_ltree(text: &str) -> Result<(), Refusal> {
    const MOST_LABEL: usize = 255;
    const MOST_LABELS: usize = 65_535;
    if text.is_empty() {
        return Ok(());
    }
    for (index, label) in text.split('.').enumerate() {
        if label.is_empty() || !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(Refusal::InvalidSyntax);
        }
        if label.len() > MOST_LABEL || index >= MOST_LABELS {
            return Err(Refusal::TooLong);
        }
    }
    Ok(())
}

/// The version byte before an ltree's text (`ltree_send`).
pub(super) const LTREE_VERSION: u8 = 1;

/// Reads `[1,2.5,-3]`, as many numbers as the modifier says.
pub(super) fn parse_vector(text: &str, dimensions: Option<usize>) -> Result<Vec<f32>, Refusal> {
    const MOST_DIMENSIONS: usize = 16_000;
    let mut parser = Parser::new(trimmed(text));
    if !parser.take(b'[') || !parser.rest().ends_with(']') {
        return Err(Refusal::InvalidSyntax);
    }
    let inner = &parser.rest()[..parser.rest().len() - 1];
    let numbers: Vec<f32> = inner.split(',').map(float::parse4).collect::<Result<_, _>>()?;
    if numbers.iter().any(|number| !number.is_finite()) {
        return Err(Refusal::OutOfRange);
    }
    if numbers.len() > MOST_DIMENSIONS {
        return Err(Refusal::TooLong);
    }
    if dimensions.is_none_or(|wanted| wanted == numbers.len()) {
        Ok(numbers)
    } else {
        Err(Refusal::WrongLength)
    }
}

pub(super) fn write_vector(numbers: &[f32], out: &mut String) {
    out.push('[');
    for (index, number) in numbers.iter().enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        float::write4(*number, out);
    }
    out.push(']');
}

/// Number count, an unused word, the numbers (`vector_send`).
pub(super) fn send_vector(numbers: &[f32], out: &mut Vec<u8>) {
    out.extend_from_slice(&(numbers.len() as i16).to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_counted_and_sent_as_floats() {
        let numbers = parse_vector(" [1, 2.5 ,-3e1] ", Some(3)).unwrap();
        let (mut text, mut bytes) = (String::new(), Vec::new());
        write_vector(&numbers, &mut text);
        send_vector(&numbers, &mut bytes);
        assert_eq!(text, "[1,2.5,-30]");
        assert_eq!(bytes, [0, 3, 0, 0, 0x3f, 0x80, 0, 0, 0x40, 0x20, 0, 0, 0xc1, 0xf0, 0, 0]);
        assert_eq!(parse_vector("[1,2]", Some(3)), Err(Refusal::WrongLength));
        for bad in ["", "[", "[]", "[1,]", "[NaN]", "[1", "1,2", "[1e40]"] {
            assert!(parse_vector(bad, None).is_err(), "{bad}");
        }
    }
}
