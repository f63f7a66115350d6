//! Names that look like one that is unknown.

use rust_i18n::t;

/// `: did you mean patient?`, or nothing.
pub(crate) fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a String>) -> String {
    let allowed = (name.chars().count() / 3).max(2);
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .map(|known| {
            (strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()), known.as_str())
        })
        .filter(|(distance, _)| *distance <= allowed)
        .collect();
    found.sort_unstable();
    found.dedup();
    let names: Vec<&str> = found.into_iter().take(3).map(|(_, name)| name).collect();
    if names.is_empty() { String::new() } else { t!("config.near", names = names.join(", ")).into_owned() }
}
