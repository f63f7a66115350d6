//! `numeric`: `numeric_in`, `set_var_from_str`, `apply_typmod`, `numeric_send` of `src/backend/utils/adt/numeric.c`.

use super::Refusal;
use super::parser::{Parser, trimmed};

/// Digits before and after the point that the format holds.
const MOST_WHOLE: usize = 131_072;
const MOST_SCALE: usize = 16_383;
/// Exponents beyond this are no numbers for `set_var_from_str` (`INT_MAX / 2`).
const MOST_EXPONENT: i64 = 1_073_741_823;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITE: u16 = 0xd000;
const MINUS_INFINITE: u16 = 0xf000;

/// `numeric(precision, scale)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Modifier {
    precision: i64,
    scale: i64,
}

impl Modifier {
    /// Unpacks `atttypmod`; the scale is 11 bits with a sign (`numeric_typmod_scale`).
    pub(super) fn new(modifier: i32) -> Option<Self> {
        let packed = modifier.checked_sub(4).filter(|packed| *packed >= 0)?;
        Some(Self {
            precision: i64::from(packed >> 16 & 0xffff),
            scale: i64::from(((packed & 0x7ff) ^ 1024) - 1024),
        })
    }
}

/// A finite number: its decimal digits without zeros in front, and where the point stands among them.
#[derive(Debug, Clone)]
struct Decimal {
    negative: bool,
    /// Values 0 to 9.
    digits: Vec<u8>,
    /// Digits before the point; below zero or beyond the digits' count means zeros between.
    point: i64,
    /// Digits shown after the point.
    scale: i64,
}

enum Number {
    Nan,
    Infinite { negative: bool },
    Finite(Decimal),
}

/// Whether the text is the output of a number under the modifier. Says no to some that are.
pub(super) fn is_canonical(text: &str, modifier: Option<Modifier>) -> bool {
    let Some(plain) = Plain::new(text) else { return false };
    let (whole, scale) = (plain.whole.len(), plain.fraction.len());
    if plain.whole[0] == b'0' && whole > 1 || whole > MOST_WHOLE || scale > MOST_SCALE || plain.trailing_point
    {
        return false;
    }
    if plain.negative && plain.is_zero() {
        return false;
    }
    modifier.is_none_or(|Modifier { precision, scale: wanted }| {
        let whole = if plain.whole == b"0" { 0 } else { whole };
        wanted >= 0 && precision >= wanted && scale as i64 == wanted && whole as i64 <= precision - wanted
    })
}

/// Appends the number as PostgreSQL prints it, after the modifier; tells whether rounding lost digits.
pub(super) fn rewrite(text: &str, modifier: Option<Modifier>, out: &mut String) -> Result<bool, Refusal> {
    match parse(text)? {
        Number::Nan => out.push_str("NaN"),
        Number::Infinite { .. } if modifier.is_some() => return Err(Refusal::OutOfRange),
        Number::Infinite { negative } => out.push_str(if negative { "-Infinity" } else { "Infinity" }),
        Number::Finite(mut decimal) => {
            let lossy = modifier.map_or(Ok(false), |modifier| decimal.apply(modifier))?;
            decimal.check()?;
            decimal.write(out);
            return Ok(lossy);
        }
    }
    Ok(false)
}

/// Appends digit count, weight, sign, scale and base-10000 digits (`numeric_send`).
pub(super) fn send(text: &str, modifier: Option<Modifier>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if is_canonical(text, modifier) {
        Plain::new(text).ok_or(Refusal::InvalidSyntax)?.send(out);
        return Ok(());
    }
    let mut canonical = String::new();
    rewrite(text, modifier, &mut canonical)?;
    let special = match canonical.as_str() {
        "NaN" => NAN,
        "Infinity" => INFINITE,
        "-Infinity" => MINUS_INFINITE,
        finite => {
            Plain::new(finite).ok_or(Refusal::InvalidSyntax)?.send(out);
            return Ok(());
        }
    };
    // The header bits of the infinities read as a scale of 32 (`NUMERIC_SHORT_DSCALE_MASK`).
    send_header(0, 0, special, if special == NAN { 0 } else { 32 }, out);
    Ok(())
}

/// Orders two canonical numbers (`cmp_numerics`): NaN above all.
pub(super) fn compare(left: &str, right: &str) -> std::cmp::Ordering {
    let rank = |text: &str| match text {
        "-Infinity" => -1,
        "Infinity" => 1,
        "NaN" => 2,
        _ => 0,
    };
    rank(left).cmp(&rank(right)).then_with(|| match (Plain::new(left), Plain::new(right)) {
        (Some(left), Some(right)) => left.compare(&right),
        _ => std::cmp::Ordering::Equal,
    })
}

fn send_header(digits: usize, weight: i16, sign: u16, scale: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&(digits as i16).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
}

/// `-123.45` cut at its point.
struct Plain<'t> {
    negative: bool,
    whole: &'t [u8],
    fraction: &'t [u8],
    trailing_point: bool,
}

impl<'t> Plain<'t> {
    fn new(text: &'t str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, digits) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, bytes),
        };
        let whole_length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (whole, rest) = digits.split_at(whole_length);
        let fraction = match rest {
            [] => rest,
            [b'.', fraction @ ..] if fraction.iter().all(u8::is_ascii_digit) => fraction,
            _ => return None,
        };
        let trailing_point = !rest.is_empty() && fraction.is_empty();
        (whole_length > 0).then_some(Self { negative, whole, fraction, trailing_point })
    }

    fn is_zero(&self) -> bool {
        self.whole.iter().chain(self.fraction).all(|digit| *digit == b'0')
    }

    fn send(&self, out: &mut Vec<u8>) {
        let start = out.len();
        send_header(0, 0, 0, self.fraction.len() as u16, out);
        let first = self.whole.len() % 4;
        let mut weight = (self.whole.len().div_ceil(4)) as i32 - 1;
        let mut push = |group: i16, out: &mut Vec<u8>| {
            if group == 0 && out.len() == start + 8 {
                weight -= 1;
            } else {
                out.extend_from_slice(&group.to_be_bytes());
            }
        };
        if first > 0 {
            push(group(&self.whole[..first]), out);
        }
        self.whole[first..].chunks(4).for_each(|digits| push(group(digits), out));
        for digits in self.fraction.chunks(4) {
            push(group(digits) * [1, 1000, 100, 10, 1][digits.len()], out);
        }
        while out.len() > start + 8 && out[out.len() - 2..] == [0, 0] {
            out.truncate(out.len() - 2);
        }
        let count = (out.len() - start - 8) / 2;
        if count > 0 {
            let sign = if self.negative { NEGATIVE } else { 0 };
            out[start..start + 2].copy_from_slice(&(count as i16).to_be_bytes());
            out[start + 2..start + 4].copy_from_slice(&(weight as i16).to_be_bytes());
            out[start + 4..start + 6].copy_from_slice(&sign.to_be_bytes());
        }
    }

    fn compare(&self, other: &Self) -> std::cmp::Ordering {
        let sign = |plain: &Self| match (plain.is_zero(), plain.negative) {
            (true, _) => 0,
            (_, negative) => {
                if negative {
                    -1
                } else {
                    1
                }
            }
        };
        let magnitude =
            self.whole.len().cmp(&other.whole.len()).then_with(|| self.whole.cmp(other.whole)).then_with(
                || {
                    let shown = self.fraction.len().max(other.fraction.len());
                    let padded = |plain: &Self| {
                        plain
                            .fraction
                            .iter()
                            .copied()
                            .chain(std::iter::repeat(b'0'))
                            .take(shown)
                            .collect::<Vec<_>>()
                    };
                    padded(self).cmp(&padded(other))
                },
            );
        sign(self).cmp(&sign(other)).then(if sign(self) < 0 { magnitude.reverse() } else { magnitude })
    }
}

fn group(digits: &[u8]) -> i16 {
    digits.iter().fold(0, |group, digit| group * 10 + i16::from(digit - b'0'))
}

fn parse(text: &str) -> Result<Number, Refusal> {
    let word = trimmed(text);
    let (negative, unsigned) = match word.as_bytes().first() {
        Some(b'-') => (true, &word[1..]),
        Some(b'+') => (false, &word[1..]),
        _ => (false, word),
    };
    if word.eq_ignore_ascii_case("nan") {
        return Ok(Number::Nan);
    }
    if unsigned.eq_ignore_ascii_case("infinity") || unsigned.eq_ignore_ascii_case("inf") {
        return Ok(Number::Infinite { negative });
    }
    parse_finite(unsigned, negative).map(Number::Finite)
}

fn parse_finite(unsigned: &str, negative: bool) -> Result<Decimal, Refusal> {
    let mut parser = Parser::new(unsigned);
    let whole = parser.digits();
    let fraction = if parser.take(b'.') { parser.digits() } else { "" };
    if whole.is_empty() && fraction.is_empty() {
        return Err(Refusal::InvalidSyntax);
    }
    let exponent = if parser.take(b'e') || parser.take(b'E') { parse_exponent(&mut parser)? } else { 0 };
    if !parser.at_end() {
        return Err(Refusal::InvalidSyntax);
    }
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|digit| digit - b'0').collect();
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..zeros);
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let point = if digits.is_empty() { 0 } else { whole.len() as i64 - zeros as i64 + exponent };
    let scale = (fraction.len() as i64 - exponent).max(0);
    Ok(Decimal { negative: negative && !digits.is_empty(), digits, point, scale })
}

fn parse_exponent(parser: &mut Parser<'_>) -> Result<i64, Refusal> {
    let negative = parser.peek() == Some(b'-');
    if negative || parser.peek() == Some(b'+') {
        parser.advance(1);
    }
    let digits = parser.digits();
    if digits.is_empty() {
        return Err(Refusal::InvalidSyntax);
    }
    match digits.parse::<i64>() {
        Ok(value) if value < MOST_EXPONENT => Ok(if negative { -value } else { value }),
        _ => Err(Refusal::InvalidSyntax),
    }
}

impl Decimal {
    /// Rounds to the modifier's scale and checks its precision (`apply_typmod`).
    fn apply(&mut self, modifier: Modifier) -> Result<bool, Refusal> {
        let lossy = self.round(modifier.scale);
        self.scale = modifier.scale.max(0);
        if !self.digits.is_empty() && self.point > modifier.precision - modifier.scale {
            return Err(Refusal::OutOfRange);
        }
        Ok(lossy)
    }

    /// Keeps `scale` digits after the point, half away from zero (`round_var`).
    fn round(&mut self, scale: i64) -> bool {
        let kept = self.point + scale;
        if self.digits.is_empty() || kept >= self.digits.len() as i64 {
            return false;
        }
        let Ok(kept) = usize::try_from(kept) else {
            self.digits.clear();
            self.negative = false;
            return true;
        };
        let up = self.digits[kept] >= 5;
        self.digits.truncate(kept);
        if up {
            self.carry();
        }
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        self.negative &= !self.digits.is_empty();
        true
    }

    /// Adds one to the last digit.
    fn carry(&mut self) {
        for digit in self.digits.iter_mut().rev() {
            if *digit < 9 {
                *digit += 1;
                return;
            }
            *digit = 0;
        }
        self.digits.insert(0, 1);
        self.point += 1;
    }

    /// Refuses what the stored format cannot hold (`make_result`): a weight is 16 bits, a scale 14.
    fn check(&self) -> Result<(), Refusal> {
        let fits = self.point <= MOST_WHOLE as i64 && self.scale <= MOST_SCALE as i64;
        if fits { Ok(()) } else { Err(Refusal::OutOfRange) }
    }

    fn write(&self, out: &mut String) {
        if self.negative {
            out.push('-');
        }
        let digit = |position: i64| {
            let digit = usize::try_from(position).ok().and_then(|position| self.digits.get(position));
            char::from(b'0' + digit.copied().unwrap_or(0))
        };
        let whole = if self.digits.is_empty() { 0 } else { self.point.max(0) };
        if whole == 0 {
            out.push('0');
        }
        out.extend((0..whole).map(digit));
        if self.scale > 0 {
            out.push('.');
            out.extend((self.point..self.point + self.scale).map(digit));
        }
    }
}

/// Appends a JSON number as jsonb keeps it: without exponent, with its scale.
pub(super) fn rewrite_json(number: &str, out: &mut String) -> Result<(), Refusal> {
    if is_canonical(number, None) {
        out.push_str(number);
        return Ok(());
    }
    rewrite(number, None, out).map(|_| ())
}
