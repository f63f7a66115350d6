//! The command line: one file a command, and the only place that prints.

mod archive;
mod arguments;
mod aws;
mod check;
mod clean;
mod completions;
mod context;
mod dedupe;
mod demo;
mod doctor;
mod elsewhere;
mod entity;
mod evaluate;
mod every_clinic;
mod export;
mod files;
mod hints;
mod html;
mod init;
mod issues;
mod journal;
mod language;
mod load;
mod log;
mod maps;
mod menu;
mod notify;
mod output;
mod peak;
mod pipeline;
mod postgres;
mod profile;
mod progress;
mod purge;
mod push;
mod redo;
mod rehearse;
mod report;
mod retry;
mod review;
mod rollback;
mod rows;
mod run;
mod sample;
mod schema;
mod signals;
mod signoff;
mod sql;
mod status;
mod table;
mod trace;
mod transform;
mod unmerge;
mod usage;
mod users;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{FromArgMatches as _, Subcommand};
use rust_i18n::t;

use crate::error::{Failure, Kind, interrupt};
use arguments::Global;
use context::Context;

/// Moves a clinic's data into PostgreSQL, and proves that nothing was lost
#[derive(Debug, clap::Parser)]
#[command(name = "trasvase", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Arguments),
    Load(load::Arguments),
    Transform(transform::Arguments),
    Check(check::Arguments),
    Export(export::Arguments),
    Push(push::Arguments),
    Verify(verify::Arguments),
    Rollback(rollback::Arguments),
    Redo(redo::Arguments),
    Rehearse(rehearse::Arguments),
    Trace(trace::Arguments),
    Report(report::Arguments),
    Signoff(signoff::Arguments),
    Files(files::Arguments),
    Archive(archive::Arguments),
    Users(users::Arguments),
    Run(run::Arguments),
    Status(status::Arguments),
    Log(log::Arguments),
    Sql(sql::Arguments),
    Maps(maps::Arguments),
    Issues(issues::Arguments),
    Dedupe(dedupe::Arguments),
    Review(review::Arguments),
    Unmerge(unmerge::Arguments),
    Evaluate(evaluate::Arguments),
    Profile(profile::Arguments),
    Sample(sample::Arguments),
    Clean(clean::Arguments),
    Purge(purge::Arguments),
    Schema(schema::Arguments),
    Postgres(postgres::Arguments),
    Doctor(doctor::Arguments),
    Demo(demo::Arguments),
    Completions(completions::Arguments),
}

const EXAMPLES: &str = "Examples:
  trasvase                      # the menu; without a terminal, where every clinic stands
  trasvase init acme            # start a clinic
  trasvase run acme             # from its files to a verified PostgreSQL
  trasvase status --format json";

/// Parses the arguments, runs the command and says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let early = arguments::Early::scan(&arguments);
    language::choose(early.language);
    match parse(&arguments) {
        Ok(Parsed::Run(parsed)) => finish(dispatch(*parsed), early.format),
        Ok(Parsed::Text(text)) => {
            output::text(&text);
            ExitCode::SUCCESS
        }
        Err(failure) => finish(Err(failure.into()), early.format),
    }
}

/// What the arguments ask for: a command, or a text such as the help.
enum Parsed {
    Run(Box<Arguments>),
    Text(String),
}

fn parse(arguments: &[OsString]) -> Result<Parsed, Failure> {
    let mut command = language::command();
    match command
        .try_get_matches_from_mut(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches))
    {
        Ok(parsed) => Ok(Parsed::Run(Box::new(parsed))),
        Err(error) if !error.use_stderr() => Ok(Parsed::Text(language::help_text(&error))),
        Err(error) => {
            let names = arguments.iter().filter_map(|argument| argument.to_str());
            let name = names.skip(1).find(|name| command.find_subcommand(name).is_some());
            Err(usage::failure(&error, name))
        }
    }
}

fn dispatch(arguments: Arguments) -> Result<()> {
    signals::watch()?;
    let context = Context::new(arguments.global)?;
    let result = match arguments.command {
        None if menu::is_wanted(&context) => menu::run(&context),
        None => status::overview(&context),
        Some(Command::Init(arguments)) => arguments.run(&context),
        Some(Command::Load(arguments)) => arguments.run(&context),
        Some(Command::Transform(arguments)) => arguments.run(&context),
        Some(Command::Check(arguments)) => arguments.run(&context),
        Some(Command::Export(arguments)) => arguments.run(&context),
        Some(Command::Push(arguments)) => arguments.run(&context),
        Some(Command::Verify(arguments)) => arguments.run(&context),
        Some(Command::Rollback(arguments)) => arguments.run(&context),
        Some(Command::Redo(arguments)) => arguments.run(&context),
        Some(Command::Rehearse(arguments)) => arguments.run(&context),
        Some(Command::Trace(arguments)) => arguments.run(&context),
        Some(Command::Report(arguments)) => arguments.run(&context),
        Some(Command::Signoff(arguments)) => arguments.run(&context),
        Some(Command::Files(arguments)) => arguments.run(&context),
        Some(Command::Archive(arguments)) => arguments.run(&context),
        Some(Command::Users(arguments)) => arguments.run(&context),
        Some(Command::Run(arguments)) => arguments.run(&context),
        Some(Command::Status(arguments)) => arguments.run(&context),
        Some(Command::Log(arguments)) => arguments.run(&context),
        Some(Command::Sql(arguments)) => arguments.run(&context),
        Some(Command::Maps(arguments)) => arguments.run(&context),
        Some(Command::Issues(arguments)) => arguments.run(&context),
        Some(Command::Dedupe(arguments)) => arguments.run(&context),
        Some(Command::Review(arguments)) => arguments.run(&context),
        Some(Command::Unmerge(arguments)) => arguments.run(&context),
        Some(Command::Evaluate(arguments)) => arguments.run(&context),
        Some(Command::Profile(arguments)) => arguments.run(&context),
        Some(Command::Sample(arguments)) => arguments.run(&context),
        Some(Command::Clean(arguments)) => arguments.run(&context),
        Some(Command::Purge(arguments)) => arguments.run(&context),
        Some(Command::Schema(arguments)) => arguments.run(&context),
        Some(Command::Postgres(arguments)) => arguments.run(&context),
        Some(Command::Doctor(arguments)) => arguments.run(&context),
        Some(Command::Demo(arguments)) => arguments.run(&context),
        Some(Command::Completions(arguments)) => arguments.run(),
    };
    result.map_err(|error| context.completed(&error))
}

/// Prints the failure, if there is one, and turns the result into the exit code.
fn finish(result: Result<()>, format: arguments::Format) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let mut failure = Failure::from_anyhow(&error);
    if interrupt::requested() {
        failure = interrupted(failure);
    }
    output::failure(&failure, format);
    ExitCode::from(failure.kind.exit_code())
}

/// What stopped after Ctrl-C, as what it is: what drivers say of it, and how to mend it, is beside the point.
fn interrupted(failure: Failure) -> Failure {
    let word = t!("error.interrupted");
    let message = if failure.message.contains(&*word) {
        failure.message
    } else {
        format!("{word}: {}", failure.message)
    };
    Failure::new(Kind::Interrupted, message).hint(t!("error.interrupted_hint"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
        language::command().debug_assert();
    }
}
