//! Names that look like one that is unknown.

use rust_i18n::t;

/// `: did you mean patient?`, or nothing.
pub(crate) fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a String>) -> String {
    let names = nearest(name, known);
    if names.is_empty() { String::new() } else { t!("config.near", names = names.join(", ")).into_owned() }
}

/// Up to three of the known names that look like this one, the nearest first.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let allowed = (wanted.chars().count() / 3).max(2);
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&wanted, &known.to_lowercase()), known.as_str()))
        .filter(|(distance, _)| *distance <= allowed)
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_nearest_first() {
        let known: Vec<String> = ["raw.pacientes", "raw.citas", "raw.paciente_2"].map(String::from).to_vec();
        assert_eq!(nearest("raw.pacientse", &known), ["raw.pacientes", "raw.paciente_2"]);
        assert!(nearest("raw.zzzzzz", &known).is_empty());
    }
}
