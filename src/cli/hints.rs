//! Commands that are proposed: with the clinic and the target that they are about, so that they work as they stand.

use crate::error::Failure;
use crate::model::ident::ClinicName;

/// Commands whose first argument is a clinic.
const OF_A_CLINIC: [&str; 24] = [
    "load",
    "transform",
    "check",
    "export",
    "push",
    "verify",
    "run",
    "log",
    "maps",
    "issues",
    "purge",
    "doctor",
    "schema",
    "review",
    "dedupe",
    "evaluate",
    "rollback",
    "redo",
    "rehearse",
    "users",
    "trace",
    "archive",
    "files",
    "clean",
];

/// Commands that look at the target or write it.
const OF_A_TARGET: [&str; 14] = [
    "check", "export", "push", "verify", "run", "doctor", "schema", "rollback", "redo", "rehearse", "purge",
    "files", "users", "clean",
];

/// The failure with each command in its hints made whole.
pub(super) fn completed(
    error: &anyhow::Error,
    clinic: Option<&ClinicName>,
    target: Option<&str>,
) -> anyhow::Error {
    let mut failure = Failure::from_anyhow(error);
    for hint in &mut failure.hints {
        *hint = complete(hint, clinic, target);
    }
    failure.into()
}

/// A text with the clinic in each command that names none, and `--target` in each that would act on another.
pub(super) fn complete(text: &str, clinic: Option<&ClinicName>, target: Option<&str>) -> String {
    let mut whole = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("trasvase ") {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c| ",;()'\"`\n".contains(c)).unwrap_or(from.len());
        whole.push_str(before);
        whole.push_str(&command(&from[..end], clinic, target));
        rest = &from[end..];
    }
    whole + rest
}

fn command(text: &str, clinic: Option<&ClinicName>, target: Option<&str>) -> String {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let Some(name) = words.get(1).copied() else { return text.to_owned() };
    let place = if name == "schema" { 3 } else { 2 };
    if let Some(clinic) = clinic
        && OF_A_CLINIC.contains(&name)
        && words.len() >= place
        && !words.contains(&"--all")
    {
        match words.get(place) {
            Some(word) if word.starts_with('<') => words[place] = clinic.as_str(),
            Some(word) if !word.starts_with('-') => {}
            _ => words.insert(place, clinic.as_str()),
        }
    }
    if let Some(target) = target
        && OF_A_TARGET.contains(&name)
        && !words.contains(&"--target")
    {
        words.extend(["--target", target]);
    }
    // What is not a command of ours, such as a sentence that begins with the name, stays as it is. A blank at the end stands
    // before what is quoted.
    let end = &text[text.trim_end().len()..];
    if OF_A_CLINIC.contains(&name) { words.join(" ") + end } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_get_the_clinic_and_the_target_that_they_lack() {
        let acme: ClinicName = "acme".parse().unwrap();
        for (text, whole) in [
            ("trasvase schema apply", "trasvase schema apply acme --target live"),
            ("trasvase run acme --from check", "trasvase run acme --from check --target live"),
            (
                "make it (trasvase schema apply), or: trasvase check <clinic>",
                "make it (trasvase schema apply acme --target live), or: trasvase check acme --target live",
            ),
            ("run 'trasvase run'", "run 'trasvase run acme --target live'"),
            ("trasvase run acme --target <rehearsal>", "trasvase run acme --target <rehearsal>"),
            ("trasvase load acme", "trasvase load acme"),
            ("trasvase log --errors", "trasvase log acme --errors"),
            ("trasvase sql acme \"from a\"", "trasvase sql acme \"from a\""),
            (
                "trasvase issues --accept a --reason \"why\"",
                "trasvase issues acme --accept a --reason \"why\"",
            ),
            ("trasvase does not know it", "trasvase does not know it"),
        ] {
            assert_eq!(complete(text, Some(&acme), Some("live")), whole);
        }
        assert_eq!(complete("trasvase schema apply", None, None), "trasvase schema apply");
    }
}
