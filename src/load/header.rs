//! Whether the texts in the header's place are names, which may be shown, or may be a patient's data.

use rust_i18n::t;

use crate::sources::is_value;

/// Whether columns are names although they are not all the expected ones: at least half are, and none is a number.
pub(super) fn are_names(expected: &[String], columns: &[String]) -> bool {
    (columns.len() - only(columns, expected).len()) * 2 >= columns.len() && are_texts(columns)
}

/// Whether none is a number or a date.
fn are_texts(columns: &[String]) -> bool {
    !columns.iter().any(|name| is_value(name))
}

/// Whether a record was taken for the header: no expected name is among its texts, and a number or a date is.
pub(super) fn is_data(expected: &[String], columns: &[String]) -> bool {
    !expected.is_empty()
        && are_texts(expected)
        && only(columns, expected).len() == columns.len()
        && !are_texts(columns)
}

/// Those of the one that the other does not have.
pub(super) fn only(these: &[String], those: &[String]) -> Vec<String> {
    these.iter().filter(|name| !those.contains(name)).cloned().collect()
}

/// The names where they may be shown, else how many they are.
pub(super) fn shown(columns: &[String], may_be_shown: bool) -> String {
    match columns {
        [] => "-".to_owned(),
        _ if may_be_shown => columns.join(", "),
        _ => t!("load.columns_count", count = columns.len()).into_owned(),
    }
}
