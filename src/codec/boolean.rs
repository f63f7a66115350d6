//! `boolean`: `boolin`, `boolout`, `boolsend` of `src/backend/utils/adt/bool.c`.

use super::Refusal;
use super::parser::trimmed;

/// Reads any unambiguous prefix of true, false, yes, no, and on, off, 1, 0 (`parse_bool_with_len`).
pub(super) fn parse(text: &str) -> Result<bool, Refusal> {
    let word = trimmed(text).as_bytes();
    let starts = |whole: &str, least: usize| {
        word.len() >= least
            && word.len() <= whole.len()
            && whole.as_bytes()[..word.len()].eq_ignore_ascii_case(word)
    };
    if starts("true", 1) || starts("yes", 1) || starts("on", 2) || word == b"1" {
        Ok(true)
    } else if starts("false", 1) || starts("no", 1) || starts("off", 2) || word == b"0" {
        Ok(false)
    } else {
        Err(Refusal::InvalidSyntax)
    }
}
