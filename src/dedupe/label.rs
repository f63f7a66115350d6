//! What comparison levels are called.

use rust_i18n::t;

/// A level as people read it.
pub fn level_text(label: &str) -> String {
    match label {
        "equal" => t!("dedupe.level.equal"),
        "different" => t!("dedupe.level.different"),
        "swapped" => t!("dedupe.level.swapped"),
        "given_name_similar" => t!("dedupe.level.given_name_similar"),
        "surname_similar" => t!("dedupe.level.surname_similar"),
        "both_similar" => t!("dedupe.level.both_similar"),
        "a_part_missing" => t!("dedupe.level.a_part_missing"),
        "a_word_different" => t!("dedupe.level.a_word_different"),
        "surname_alone_known" => t!("dedupe.level.surname_alone_known"),
        "given_name_alone_known" => t!("dedupe.level.given_name_alone_known"),
        "surname_equal" => t!("dedupe.level.surname_equal"),
        "surname_alike" => t!("dedupe.level.surname_alike"),
        "given_name_equal" => t!("dedupe.level.given_name_equal"),
        "given_name_alike" => t!("dedupe.level.given_name_alike"),
        "partly_missing" => t!("dedupe.level.partly_missing"),
        "similar" => t!("dedupe.level.similar"),
        "alike" => t!("dedupe.level.alike"),
        "one_edit" => t!("dedupe.level.one_edit"),
        "two_edits" => t!("dedupe.level.two_edits"),
        "day_month_swapped" => t!("dedupe.level.day_month_swapped"),
        "same_year_or_day" => t!("dedupe.level.same_year_or_day"),
        "in_common" => t!("dedupe.level.in_common"),
        "two_figures" => t!("dedupe.level.two_figures"),
        "a_line_equal" => t!("dedupe.level.a_line_equal"),
        "within_1_percent" => t!("dedupe.level.within_1_percent"),
        "within_10_percent" => t!("dedupe.level.within_10_percent"),
        other => return other.replace('_', " "),
    }
    .into_owned()
}
