//! Why a value or a type is refused. Rules only, never values.

use std::fmt;

use rust_i18n::t;

/// The rule that a value breaks; the SQLSTATE PostgreSQL would give is in the comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The type's input function cannot read it (22P02, 22007).
    InvalidSyntax,
    /// Beyond the type's or the modifier's range (22003, 22008).
    OutOfRange,
    /// More characters or bytes than the type takes (22001, 54000).
    TooLong,
    /// A bit string or vector of another length than the modifier says (22026, 22000).
    WrongLength,
    /// A NUL character, which PostgreSQL cannot hold in text (22021, 22P05).
    NulByte,
    /// Not one of the enum's labels (22P02).
    NotInEnum,
    /// No JSON, or JSON that jsonb cannot hold (22P02, 22P05).
    InvalidJson,
    /// Bytes that are no UTF-8 after their escapes are read (22021).
    InvalidEncoding,
    /// NULL inside an array or composite whose type forbids it (23502).
    NullNotAllowed,
    /// A range's lower bound lies above its upper (22000).
    InvertedRange,
    /// The server's OID of a type inside an array or composite is not known: the catalog is not the server's.
    UnknownType,
}

impl Refusal {
    pub const ALL: [Refusal; 11] = [
        Refusal::InvalidSyntax,
        Refusal::OutOfRange,
        Refusal::TooLong,
        Refusal::WrongLength,
        Refusal::NulByte,
        Refusal::NotInEnum,
        Refusal::InvalidJson,
        Refusal::InvalidEncoding,
        Refusal::NullNotAllowed,
        Refusal::InvertedRange,
        Refusal::UnknownType,
    ];

    /// The rule's name in `reject` tables and reports.
    pub fn rule(self) -> &'static str {
        &self.key()["codec.".len()..]
    }

    fn key(self) -> &'static str {
        match self {
            Refusal::InvalidSyntax => "codec.invalid_syntax",
            Refusal::OutOfRange => "codec.out_of_range",
            Refusal::TooLong => "codec.too_long",
            Refusal::WrongLength => "codec.wrong_length",
            Refusal::NulByte => "codec.nul_byte",
            Refusal::NotInEnum => "codec.not_in_enum",
            Refusal::InvalidJson => "codec.invalid_json",
            Refusal::InvalidEncoding => "codec.invalid_encoding",
            Refusal::NullNotAllowed => "codec.null_not_allowed",
            Refusal::InvertedRange => "codec.inverted_range",
            Refusal::UnknownType => "codec.unknown_type",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&t!(self.key()))
    }
}

impl std::error::Error for Refusal {}

/// A type that cannot be encoded, so neither pushed nor verified (exit 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    pub type_name: String,
    pub reason: String,
}

impl Unsupported {
    pub(super) fn new(type_name: &str, reason: impl Into<String>) -> Self {
        Self { type_name: type_name.to_owned(), reason: reason.into() }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&t!("codec.unsupported", name = self.type_name, reason = self.reason))
    }
}

impl std::error::Error for Unsupported {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_told_in_both_languages() {
        for refusal in Refusal::ALL {
            for locale in ["en", "es"] {
                let text = t!(refusal.key(), locale = locale);
                assert!(!text.is_empty() && !text.contains("codec."), "{locale} {}", refusal.rule());
            }
        }
    }
}
