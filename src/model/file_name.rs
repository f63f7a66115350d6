//! Names of sources, tables and entities as names of files.

/// A name as a file name: anything but letters, digits, `_`, `-` and `.` within it is written as `%XX`, so that no name leaves its
/// folder or is hidden, and no two are the same.
pub fn file_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let encoded = name.bytes().enumerate().map(|(position, byte)| {
        if plain(byte) || (byte == b'.' && position > 0) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_folder() {
        assert_eq!(file_name("dispatch_patient"), "dispatch_patient");
        assert_eq!(file_name("../up"), "%2E.%2Fup");
        assert_eq!(file_name("año"), "a%C3%B1o");
        assert_ne!(file_name("%41"), file_name("A"));
    }
}
