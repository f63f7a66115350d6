//! Values that keep their shape and nothing else.

/// Letters as x or X, digits as 9; what stands between them stays.
pub(super) fn masked(text: &str) -> String {
    let mask = |c: char| match c {
        c if c.is_uppercase() => 'X',
        c if c.is_alphabetic() => 'x',
        c if c.is_numeric() => '9',
        c => c,
    };
    text.chars().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_value_keeps_its_shape() {
        assert_eq!(masked("María-José Ñu, 12/05/1981 ٣"), "Xxxxx-Xxxx Xx, 99/99/9999 9");
    }
}
