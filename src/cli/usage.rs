//! Wrong arguments, told in our words: the parser's own sentences are English only.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use rust_i18n::t;

use crate::error::Failure;

/// A parser's error as a usage failure; its hints are the nearest right spelling and where the help is.
pub(super) fn failure(error: &clap::Error, command: Option<&str>) -> Failure {
    let mut failure = Failure::usage(message(error));
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue] {
        if let Some(text) = text(error, kind) {
            failure = failure.hint(t!("cli.usage.did_you_mean", name = text));
        }
    }
    failure
        .hint(command.map_or_else(|| "trasvase --help".to_owned(), |name| format!("trasvase {name} --help")))
}

fn message(error: &clap::Error) -> String {
    let of = |kind| text(error, kind).unwrap_or_default();
    let argument = of(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::UnknownArgument => t!("cli.usage.unknown_argument", name = argument),
        ErrorKind::InvalidSubcommand => {
            t!("cli.usage.unknown_command", name = of(ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingRequiredArgument => t!("cli.usage.missing", name = argument),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            t!("cli.usage.missing_command", known = of(ContextKind::ValidSubcommand))
        }
        ErrorKind::ArgumentConflict => {
            t!("cli.usage.conflict", one = argument, other = of(ContextKind::PriorArg))
        }
        ErrorKind::InvalidValue if of(ContextKind::InvalidValue).is_empty() => {
            t!("cli.usage.no_value", name = argument)
        }
        ErrorKind::InvalidValue => t!(
            "cli.usage.invalid_value",
            name = argument,
            value = of(ContextKind::InvalidValue),
            known = of(ContextKind::ValidValue)
        ),
        ErrorKind::ValueValidation => {
            // Our own parsers fail with a sentence already in the person's language.
            let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            t!("cli.usage.bad_value", name = argument, reason = reason)
        }
        _ => return first_line(&error.render().to_string()),
    }
    .into_owned()
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        ContextValue::None => None,
        other => Some(other.to_string()),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
