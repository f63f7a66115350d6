//! `tsvector`: `src/backend/utils/adt/{tsvector,tsvector_parser}.c`.

use super::Refusal;
use super::parser::is_space;

/// `MAXSTRLEN`, `MAXSTRPOS`, `MAXENTRYPOS - 1`, `MAXNUMPOS - 1` of `src/include/tsearch/ts_type.h`.
const MOST_LEXEME_BYTES: usize = 2_047;
const MOST_BYTES: usize = 1 << 20;
const MOST_POSITION: u16 = 16_383;
const MOST_POSITIONS: usize = 255;

/// A word and where it stands: positions with weights D, C, B, A from 0 to 3.
#[derive(Debug, Default)]
pub(super) struct Lexeme {
    word: String,
    positions: Vec<(u16, u16)>,
}

pub(super) fn parse(text: &str) -> Result<Vec<Lexeme>, Refusal> {
    let mut rest = text.chars().peekable();
    let mut lexemes: Vec<Lexeme> = Vec::new();
    loop {
        while rest.next_if(|c| c.is_ascii() && is_space(*c as u8)).is_some() {}
        if rest.peek().is_none() {
            break;
        }
        let word = parse_word(&mut rest)?;
        if word.len() > MOST_LEXEME_BYTES {
            return Err(Refusal::TooLong);
        }
        let positions =
            if rest.next_if_eq(&':').is_some() { parse_positions(&mut rest)? } else { Vec::new() };
        lexemes.push(Lexeme { word, positions });
    }
    if lexemes.iter().map(|lexeme| lexeme.word.len() + 3 + lexeme.positions.len() * 2).sum::<usize>()
        > MOST_BYTES
    {
        return Err(Refusal::TooLong);
    }
    Ok(merged(lexemes))
}

type Characters<'t> = std::iter::Peekable<std::str::Chars<'t>>;

/// A word in quotes, or one up to white space or a colon; a backslash takes the next character as it is.
fn parse_word(rest: &mut Characters<'_>) -> Result<String, Refusal> {
    let mut word = String::new();
    let quoted = rest.next_if_eq(&'\'').is_some();
    loop {
        let end = match rest.peek() {
            None => !quoted,
            // A colon at the start is a character like any other.
            Some(':') => !quoted && !word.is_empty(),
            Some(c) => !quoted && c.is_ascii() && is_space(*c as u8),
        };
        if end {
            return if word.is_empty() { Err(Refusal::InvalidSyntax) } else { Ok(word) };
        }
        match rest.next().ok_or(Refusal::InvalidSyntax)? {
            '\\' => word.push(rest.next().ok_or(Refusal::InvalidSyntax)?),
            '\'' if quoted && rest.next_if_eq(&'\'').is_some() => word.push('\''),
            '\'' if quoted => return if word.is_empty() { Err(Refusal::InvalidSyntax) } else { Ok(word) },
            other => word.push(other),
        }
    }
}

/// `1A,2,3B`.
fn parse_positions(rest: &mut Characters<'_>) -> Result<Vec<(u16, u16)>, Refusal> {
    let mut positions = Vec::new();
    loop {
        let mut digits = String::new();
        while let Some(digit) = rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        if digits.is_empty() || digits.len() > 9 {
            return Err(Refusal::InvalidSyntax);
        }
        let position = digits.parse::<u32>().map_err(|_| Refusal::InvalidSyntax)?;
        if position == 0 {
            return Err(Refusal::InvalidSyntax);
        }
        let weight = match rest.next_if(|c| matches!(c, 'a'..='d' | 'A'..='D' | '*')) {
            Some('a' | 'A' | '*') => 3,
            Some('b' | 'B') => 2,
            Some('c' | 'C') => 1,
            _ => 0,
        };
        positions.push((position.min(u32::from(MOST_POSITION)) as u16, weight));
        if rest.next_if_eq(&',').is_some() {
            continue;
        }
        let end = rest.peek().is_none_or(|c| c.is_ascii() && is_space(*c as u8));
        return if end { Ok(positions) } else { Err(Refusal::InvalidSyntax) };
    }
}

/// Words by bytes, each once, with all its positions in order, each once with its highest weight (`uniqueentry`).
fn merged(mut lexemes: Vec<Lexeme>) -> Vec<Lexeme> {
    lexemes.sort_by(|left, right| left.word.as_bytes().cmp(right.word.as_bytes()));
    let mut merged: Vec<Lexeme> = Vec::with_capacity(lexemes.len());
    for lexeme in lexemes {
        match merged.last_mut() {
            Some(last) if last.word == lexeme.word => last.positions.extend(lexeme.positions),
            _ => merged.push(lexeme),
        }
    }
    for lexeme in &mut merged {
        lexeme.positions.sort_by_key(|(position, weight)| (*position, std::cmp::Reverse(*weight)));
        lexeme.positions.dedup_by_key(|(position, _)| *position);
        lexeme.positions.truncate(MOST_POSITIONS);
    }
    merged
}

pub(super) fn write(lexemes: &[Lexeme], out: &mut String) {
    for (index, lexeme) in lexemes.iter().enumerate() {
        out.push_str(if index > 0 { " '" } else { "'" });
        for character in lexeme.word.chars() {
            if matches!(character, '\'' | '\\') {
                out.push(character);
            }
            out.push(character);
        }
        out.push('\'');
        for (index, (position, weight)) in lexeme.positions.iter().enumerate() {
            out.push(if index > 0 { ',' } else { ':' });
            super::integer::write(position, out);
            out.push_str(["", "C", "B", "A"][usize::from(*weight)]);
        }
    }
}

/// Word count; each word with a zero behind it, its position count and positions under their weights (`tsvectorsend`).
pub(super) fn send(lexemes: &[Lexeme], out: &mut Vec<u8>) {
    out.extend_from_slice(&(lexemes.len() as i32).to_be_bytes());
    for lexeme in lexemes {
        out.extend_from_slice(lexeme.word.as_bytes());
        out.push(0);
        out.extend_from_slice(&(lexeme.positions.len() as u16).to_be_bytes());
        for (position, weight) in &lexeme.positions {
            out.extend_from_slice(&(weight << 14 | position).to_be_bytes());
        }
    }
}
