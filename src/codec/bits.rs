//! `bit(n)` and `varbit(n)`: `src/backend/utils/adt/varbit.c`.

use super::Refusal;
use super::uuid::hex_digit;

/// The length a type asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Length {
    Any,
    Exactly(usize),
    AtMost(usize),
}

impl Length {
    pub(super) fn new(modifier: i32, varying: bool) -> Self {
        match usize::try_from(modifier).ok().filter(|bits| *bits > 0) {
            None => Length::Any,
            Some(bits) if varying => Length::AtMost(bits),
            Some(bits) => Length::Exactly(bits),
        }
    }

    fn check(self, bits: usize) -> Result<(), Refusal> {
        match self {
            Length::Exactly(wanted) if bits != wanted => Err(Refusal::WrongLength),
            Length::AtMost(most) if bits > most => Err(Refusal::TooLong),
            _ => Ok(()),
        }
    }
}

/// Appends the bits of binary (`101`, `b101`) or hexadecimal (`x5`) digits as `0` and `1`.
pub(super) fn rewrite(text: &str, length: Length, out: &mut String) -> Result<(), Refusal> {
    let start = out.len();
    if let Some(digits) = text.strip_prefix(['x', 'X']) {
        for digit in digits.bytes() {
            let value = hex_digit(digit)?;
            out.extend((0..4).rev().map(|bit| if value >> bit & 1 == 1 { '1' } else { '0' }));
        }
    } else {
        let digits = text.strip_prefix(['b', 'B']).unwrap_or(text);
        if !digits.bytes().all(|digit| matches!(digit, b'0' | b'1')) {
            return Err(Refusal::InvalidSyntax);
        }
        out.push_str(digits);
    }
    length.check(out.len() - start)
}

/// Bit count, then the bits from the left.
pub(super) fn send(text: &str, length: Length, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut digits = String::with_capacity(text.len());
    rewrite(text, length, &mut digits)?;
    out.extend_from_slice(&(digits.len() as i32).to_be_bytes());
    for byte in digits.as_bytes().chunks(8) {
        let value = byte.iter().fold(0, |value, digit| value << 1 | (digit - b'0'));
        out.push(value << (8 - byte.len()));
    }
    Ok(())
}
