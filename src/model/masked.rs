//! Values that keep their shape and nothing else.

/// Letters as x or X, digits as 9; what stands between them stays.
pub fn masked(text: &str) -> String {
    let mask = |c: char| match c {
        c if c.is_uppercase() => 'X',
        c if c.is_alphabetic() => 'x',
        c if c.is_numeric() => '9',
        c => c,
    };
    text.chars().map(mask).collect()
}

/// A key of the target: one that was made for its row says nothing of a person and stays, any other is masked. In a source an id of
/// the same form is what the old system knows a person by: [`masked`] is for those.
pub fn masked_key(key: &str) -> String {
    let made = key.parse::<ulid::Ulid>().is_ok() && key.len() == 26 || is_uuid(key);
    if made { key.to_owned() } else { masked(key) }
}

fn is_uuid(key: &str) -> bool {
    let parts: Vec<usize> = key.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && key.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_value_keeps_its_shape() {
        assert_eq!(masked("María-José Ñu, 12/05/1981 ٣"), "Xxxxx-Xxxx Xx, 99/99/9999 9");
    }

    #[test]
    fn a_key_that_says_something_is_masked() {
        for key in ["01JQY2VR00TESTMNABCDEFGHJK", "0190a7b0-0000-8000-8000-0123456789ab"] {
            assert_eq!(masked_key(key), key);
        }
        assert_eq!(masked_key("12345678Z"), "99999999X");
        assert_eq!(masked_key("{ana@clinica.es,3}"), "{xxx@xxxxxxx.xx,9}");
    }
}
