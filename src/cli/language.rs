//! The language of messages and of the help.
//!
//! English help is the doc comments of the arguments; `locales/help.yml` holds the Spanish one, by command and
//! argument, and a test holds the two together.

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command, CommandFactory as _};
use rust_i18n::t;

use super::Arguments;
use super::arguments::Language;

/// Sets the language of all messages: the one asked for, else the first of LC_ALL, LC_MESSAGES, LANG that is ours.
pub(super) fn choose(asked: Option<Language>) {
    let system = || sys_locale::get_locale().is_some_and(|locale| locale.starts_with("es"));
    let language = asked.unwrap_or_else(|| if system() { Language::Es } else { Language::En });
    rust_i18n::set_locale(language.code());
}

/// The argument parser, its help in the language chosen.
pub(super) fn command() -> Command {
    localised(Arguments::command(), "")
}

/// The help or version that clap hands over as an error.
pub(super) fn help_text(error: &clap::Error) -> String {
    let rendered = error.render();
    let text = if super::output::is_terminal() { rendered.ansi().to_string() } else { rendered.to_string() };
    text.replace("[OPTIONS]", &t!("cli.help.options_word"))
        .replace("[COMMAND]", &t!("cli.help.command_word"))
        .replace("<COMMAND>", &t!("cli.help.command_word"))
        .replace("[CLINIC]", &t!("cli.help.clinic_word"))
        .replace("[ENTITY]", &t!("cli.help.entity_word"))
}

/// One command: headings, its own text, its arguments, then its subcommands.
fn localised(command: Command, path: &str) -> Command {
    let key = if path.is_empty() { "help.trasvase" } else { path };
    let mut command = command
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .subcommand_help_heading(lasting(&t!("cli.help.commands")))
        .help_template(format!(
            "{{about-with-newline}}\n{} {{usage}}\n\n{{all-args}}{{after-help}}",
            t!("cli.help.usage")
        ));
    if let Some(about) = translated(key) {
        command = command.about(about);
    }
    if let Some(after) = command.get_after_help().map(ToString::to_string) {
        command = command.after_help(after.replacen("Examples:", &t!("cli.help.examples"), 1));
    }
    command = command.mut_args(|argument| localised_argument(argument, key)).arg(help_flag());
    if path.is_empty() {
        command = command.arg(version_flag());
    }
    let parent = if path.is_empty() { "help" } else { path };
    command.mut_subcommands(|child| {
        let path = format!("{parent}.{}", child.get_name());
        localised(child, &path)
    })
}

/// An argument's heading and text. What clap would add in English (defaults, possible values) is part of our texts.
fn localised_argument(argument: Arg, command_key: &str) -> Arg {
    let heading = match (argument.is_positional(), argument.is_global_set()) {
        (true, _) => t!("cli.help.arguments"),
        (false, true) => t!("cli.help.global_options"),
        (false, false) => t!("cli.help.options"),
    };
    let key = match argument.is_global_set() {
        true => format!("help.global.{}", argument.get_id()),
        false => format!("{command_key}.{}", argument.get_id()),
    };
    let takes_value = argument.get_action().takes_values();
    let argument = argument.help_heading(lasting(&heading));
    let argument = match takes_value {
        true => argument.hide_default_value(true).hide_possible_values(true),
        false => argument,
    };
    match translated(&key) {
        Some(help) => argument.help(help),
        None => argument,
    }
}

fn help_flag() -> Arg {
    Arg::new("help")
        .short('h')
        .long("help")
        .action(ArgAction::Help)
        .help(t!("cli.help.help").into_owned())
        .help_heading(lasting(&t!("cli.help.global_options")))
        .display_order(1000)
}

fn version_flag() -> Arg {
    Arg::new("version")
        .short('V')
        .long("version")
        .action(ArgAction::Version)
        .help(t!("cli.help.version").into_owned())
        .help_heading(lasting(&t!("cli.help.global_options")))
        .display_order(1001)
}

/// The parser wants headings that live as long as the process; there is one parser a process.
fn lasting(text: &str) -> &'static str {
    text.to_owned().leak()
}

fn translated(key: &str) -> Option<StyledStr> {
    let locale = rust_i18n::locale();
    crate::_rust_i18n_try_translate(&locale, key).map(|text| text.into_owned().into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every key that a command and its arguments look up.
    fn keys(command: &Command, path: &str, out: &mut BTreeSet<String>) {
        let key = if path.is_empty() { "help.trasvase" } else { path };
        out.insert(key.to_owned());
        for argument in command.get_arguments() {
            out.insert(match argument.is_global_set() {
                true => format!("help.global.{}", argument.get_id()),
                false => format!("{key}.{}", argument.get_id()),
            });
        }
        let parent = if path.is_empty() { "help" } else { path };
        for child in command.get_subcommands() {
            keys(child, &format!("{parent}.{}", child.get_name()), out);
        }
    }

    #[test]
    fn spanish_help_is_whole_and_holds_nothing_else() {
        let mut wanted = BTreeSet::new();
        keys(&Arguments::command(), "", &mut wanted);
        let held: BTreeSet<String> = include_str!("../../locales/help.yml")
            .lines()
            .filter_map(|line| line.strip_suffix(':').filter(|key| key.starts_with("help.")))
            .map(str::to_owned)
            .collect();
        let missing: Vec<_> = wanted.difference(&held).collect();
        let unused: Vec<_> = held.difference(&wanted).collect();
        assert!(missing.is_empty() && unused.is_empty(), "missing {missing:?}, unused {unused:?}");
        for key in &wanted {
            assert!(crate::_rust_i18n_try_translate("es", key).is_some(), "{key} has no es");
        }
    }

    #[test]
    fn every_command_and_argument_says_what_it_is() {
        fn look(command: &Command) {
            assert!(command.get_about().is_some(), "{} has no about", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {} has no help",
                    command.get_name(),
                    argument.get_id()
                );
            }
            command.get_subcommands().for_each(look);
        }
        look(&Arguments::command());
    }
}
