//! What spreadsheet programs make of a cell: a formula, a number without its zeros, a date in the way of their country.

/// A cell that no spreadsheet program runs as a formula; numbers with a sign, such as phones, are none.
pub(super) fn harmless(cell: &str) -> String {
    let number = cell.chars().skip(1).all(|c| c.is_ascii_digit() || " .,".contains(c));
    let formula = match cell.chars().next() {
        Some('=' | '@' | '\t' | '\r') => true,
        Some('+' | '-') => !number,
        _ => false,
    };
    if formula { format!("'{cell}") } else { cell.to_owned() }
}

/// Whether a cell may be this value, once a spreadsheet program has read and saved it. Dates and truth values, which come
/// back in any form, always may.
pub(super) fn may_be(value: &str, cell: &str) -> bool {
    plain(value) == plain(cell)
        || is_date(value)
        || matches!(value, "true" | "false")
        || number(value).zip(number(cell)).is_some_and(|(value, shown)| {
            // Fifteen digits are kept, and six are shown of a number that has an exponent.
            let kept = if cell.contains(['e', 'E']) { 1e-5 } else { 1e-14 };
            (value - shown).abs() <= value.abs() * kept
        })
}

/// What every encoding and every quoting leaves of a text.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn number(text: &str) -> Option<f64> {
    text.trim().replace(',', ".").parse().ok()
}

/// Digits with what stands between those of a date or a time.
fn is_date(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.contains(['-', '/', ':'])
        && text.chars().all(|c| c.is_ascii_digit() || "-/:. +TZ".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_makes_of_a_value_is_still_that_value() {
        for (value, cell) in [
            ("Peña", "Peña"),
            ("Peña", "Pe?a"),
            ("=cmd()", "'=cmd()"),
            ("007", "7"),
            ("+34600123456", "34600123456"),
            ("12.50", "12,5"),
            ("1234567890123456789", "1,23457E+18"),
            ("1234567890123456789", "1234567890123450000"),
            ("1981-05-03", "3/5/81"),
            ("12-3", "12-mar"),
            ("true", "VERDADERO"),
            ("", ""),
        ] {
            assert!(may_be(value, cell), "{value} {cell}");
        }
    }

    #[test]
    fn another_value_is_another() {
        for (value, cell) in [
            ("Peña", "Paz"),
            ("007", "8"),
            ("1000001", "1000002"),
            ("10", "010 0"),
            ("A-7", "A-8"),
            ("Ana", ""),
            ("", "Ana"),
            ("01JD0000000000000000000000", "01JD0000000000000000000001"),
        ] {
            assert!(!may_be(value, cell), "{value} {cell}");
        }
    }
}
