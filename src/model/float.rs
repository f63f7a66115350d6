//! The text of floating-point numbers as PostgreSQL prints them: the shortest, as `double_to_shortest_decimal_buf` of
//! `src/common/d2s.c`.

use std::fmt::Write as _;

/// Appends a `float8` as PostgreSQL 12 and later print it.
pub fn write8(value: f64, out: &mut String) {
    let bits = value.to_bits();
    let (fraction, biased) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7ff) as i32);
    let binary = Binary::new(fraction, biased, 52, 1075);
    let parse = |text: &str| text.parse::<f64>().is_ok_and(|parsed| parsed == value.abs());
    write(value, value.is_nan(), binary, 17, 15, parse, out);
}

/// Appends a `float4` as PostgreSQL 12 and later print it.
pub fn write4(value: f32, out: &mut String) {
    let bits = value.to_bits();
    let (fraction, biased) = (u64::from(bits & ((1 << 23) - 1)), (bits >> 23 & 0xff) as i32);
    let binary = Binary::new(fraction, biased, 23, 150);
    let parse = |text: &str| text.parse::<f32>().is_ok_and(|parsed| parsed == value.abs());
    write(value, value.is_nan(), binary, 9, 6, parse, out);
}

/// A finite number's magnitude: `mantissa * 2^exponent`.
#[derive(Clone, Copy)]
struct Binary {
    mantissa: u128,
    exponent: i32,
    /// The gap below is half as wide as the one above.
    power_of_two: bool,
}

impl Binary {
    fn new(fraction: u64, biased: i32, bits: u32, bias: i32) -> Self {
        let implicit = if biased > 0 { 1_u128 << bits } else { 0 };
        Self {
            mantissa: implicit | u128::from(fraction),
            exponent: biased.max(1) - bias,
            power_of_two: fraction == 0 && biased > 1,
        }
    }

    /// Whether `digits * 10^power` lies exactly halfway to a neighbour. PostgreSQL's Ryu does not take such a number
    /// (`acceptBounds` is off without STRICTLY_SHORTEST), where Rust's shortest does.
    fn is_halfway(self, digits: u128, power: i32) -> bool {
        let above = (self.mantissa * 2 + 1, self.exponent - 1);
        let below = if self.power_of_two {
            (self.mantissa * 4 - 1, self.exponent - 2)
        } else {
            (self.mantissa * 2 - 1, self.exponent - 1)
        };
        equal_powers(digits, power, above) || equal_powers(digits, power, below)
    }
}

/// Whether `digits * 10^power == binary.0 * 2^binary.1`, by comparing odd parts and powers of two.
fn equal_powers(digits: u128, power: i32, binary: (u128, i32)) -> bool {
    let five =
        |number: u128| 5_u128.checked_pow(power.unsigned_abs()).and_then(|five| number.checked_mul(five));
    let (left, right) =
        if power >= 0 { (five(digits), Some(binary.0)) } else { (Some(digits), five(binary.0)) };
    let odd = |number: Option<u128>, exponent: i32| {
        number
            .filter(|number| *number > 0)
            .map(|number| (number >> number.trailing_zeros(), number.trailing_zeros() as i32 + exponent))
    };
    odd(left, power).is_some_and(|left| Some(left) == odd(right, binary.1))
}

/// Appends the shortest text that reads back as the same number; fixed notation for decimal exponents from -4 up to
/// but excluding `fixed_below`.
fn write<F: Into<f64> + std::fmt::LowerExp + Copy>(
    value: F,
    is_nan: bool,
    binary: Binary,
    most_digits: usize,
    fixed_below: i32,
    reads_back: impl Fn(&str) -> bool,
    out: &mut String,
) {
    let wide: f64 = value.into();
    if is_nan {
        return out.push_str("NaN");
    }
    if wide.is_sign_negative() {
        out.push('-');
    }
    if wide.is_infinite() {
        return out.push_str("Infinity");
    }
    if wide == 0.0 {
        return out.push('0');
    }
    let mut shortest = Scientific::of(|text| write!(text, "{value:e}"));
    let mut wanted = shortest.digits.len();
    // A number right between two shortest candidates: Ryu takes the even one, Rust the upper.
    if shortest.digits.ends_with(['1', '3', '5', '7', '9']) {
        let even = Scientific::of(|text| write!(text, "{value:.*e}", wanted - 1));
        if even.digits != shortest.digits && reads_back(&even.text()) {
            shortest = even;
        }
    }
    while binary.is_halfway(shortest.number(), shortest.last_power()) && wanted < most_digits {
        wanted += 1;
        let longer = Scientific::of(|text| write!(text, "{value:.*e}", wanted - 1));
        if reads_back(&longer.text()) {
            shortest = longer;
        }
    }
    shortest.write(fixed_below, out);
}

/// Significant digits and the power of ten of the first.
struct Scientific {
    digits: String,
    power: i32,
}

impl Scientific {
    fn of(print: impl FnOnce(&mut String) -> std::fmt::Result) -> Self {
        let mut text = String::with_capacity(32);
        print(&mut text).expect("a String takes all");
        let (digits, power) = text.split_once('e').expect("LowerExp prints an exponent");
        let digits = digits.bytes().filter(u8::is_ascii_digit).map(char::from).collect();
        Self { digits, power: power.parse().expect("LowerExp prints a decimal exponent") }
    }

    fn number(&self) -> u128 {
        self.digits.parse().expect("at most 17 digits")
    }

    fn last_power(&self) -> i32 {
        self.power - self.digits.len() as i32 + 1
    }

    fn text(&self) -> String {
        format!("{}e{}", self.digits, self.last_power())
    }

    fn write(&self, fixed_below: i32, out: &mut String) {
        let digits = self.digits.trim_end_matches('0');
        if self.power < -4 || self.power >= fixed_below {
            self.write_exponent(digits, out);
        } else if self.power < 0 {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', (-self.power - 1) as usize));
            out.push_str(digits);
        } else {
            let whole = self.power as usize + 1;
            out.push_str(&digits[..whole.min(digits.len())]);
            out.extend(std::iter::repeat_n('0', whole.saturating_sub(digits.len())));
            if digits.len() > whole {
                out.push('.');
                out.push_str(&digits[whole..]);
            }
        }
    }

    fn write_exponent(&self, digits: &str, out: &mut String) {
        out.push_str(&digits[..1]);
        if digits.len() > 1 {
            out.push('.');
            out.push_str(&digits[1..]);
        }
        let sign = if self.power < 0 { '-' } else { '+' };
        write!(out, "e{sign}{:02}", self.power.abs()).expect("a String takes all");
    }
}
