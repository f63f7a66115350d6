//! Whole numbers as text: the formatting of the standard library takes several times as long.

/// Appends a number in decimal.
pub(super) fn integer(number: i64, out: &mut String) {
    let mut digits = [0; 20];
    let (mut at, mut rest) = (digits.len(), number.unsigned_abs());
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.push_str(std::str::from_utf8(&digits[at..]).expect("digits are ASCII"));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_the_standard_library_does(number: i64) {
            let mut out = "x".to_owned();
            integer(number, &mut out);
            prop_assert_eq!(out, format!("x{number}"));
        }
    }

    #[test]
    fn the_outermost_numbers_have_room() {
        for number in [i64::MIN, i64::MAX, 0, -1] {
            let mut out = String::new();
            integer(number, &mut out);
            assert_eq!(out, number.to_string());
        }
    }
}
