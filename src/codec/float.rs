//! `float4` and `float8`: `float8in_internal` of `src/backend/utils/adt/float.c`.

use super::Refusal;
use super::parser::trimmed;

pub(super) use crate::model::float::{write4, write8};

pub(super) fn parse8(text: &str) -> Result<f64, Refusal> {
    let word = trimmed(text);
    let value: f64 = word.parse().map_err(|_| Refusal::InvalidSyntax)?;
    check(word, value.is_infinite(), value == 0.0)?;
    Ok(if value.is_nan() { f64::NAN } else { value })
}

pub(super) fn parse4(text: &str) -> Result<f32, Refusal> {
    let word = trimmed(text);
    let value: f32 = word.parse().map_err(|_| Refusal::InvalidSyntax)?;
    check(word, value.is_infinite(), value == 0.0)?;
    Ok(if value.is_nan() { f32::NAN } else { value })
}

/// Refuses what overflows or vanishes: `strtod` says ERANGE there. Also a signed NaN, for its sign is platform lore.
fn check(word: &str, infinite: bool, zero: bool) -> Result<(), Refusal> {
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    if unsigned.len() < word.len() && unsigned.eq_ignore_ascii_case("nan") {
        return Err(Refusal::InvalidSyntax);
    }
    let digits = unsigned.bytes().take_while(|byte| !matches!(byte, b'e' | b'E'));
    let named = unsigned.starts_with(['i', 'I']);
    if infinite && !named || zero && digits.into_iter().any(|digit| matches!(digit, b'1'..=b'9')) {
        return Err(Refusal::OutOfRange);
    }
    Ok(())
}
