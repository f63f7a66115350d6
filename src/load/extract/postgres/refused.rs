//! What an old PostgreSQL refuses, as a sentence with what to do about it: what helps depends on its SQLSTATE
//! (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

use rust_i18n::t;
use tokio_postgres::Error;
use tokio_postgres::error::{ErrorPosition, SqlState};

use super::texts::UNDECLARED;
use crate::error::{Cause, Failure};
use crate::model::ident::quoted;
use crate::pg::{ReadOnly, Session};

/// The sentence for what the server says, and what to do about it.
pub(super) fn explained(session: &Session, source: &str, error: &Error) -> anyhow::Error {
    let told = Failure::from_anyhow(&session.error(error));
    let Some(state) = error.code().map(SqlState::code) else { return told.into() };
    let is_connection = ["08", "57P"].iter().any(|class| state.starts_with(class));
    let told = if is_connection { told.cause(Cause::Connection) } else { told };
    let Some(key) = advice(session, state, error) else { return told.into() };
    let (user, role, variable) = (&session.user, quoted(&session.user), session.origin());
    let hint = t!(key, source = source, user = user, role = role, variable = variable);
    // Of data the server's own words hold the value.
    let said = said(state).map(|key| format!("{} (SQLSTATE {state})", t!(key)));
    let message = said.unwrap_or_else(|| told.message.clone());
    let failure = Failure { message, hints: vec![hint.into_owned()], ..told };
    if state.starts_with("22") { failure.cause(Cause::Data) } else { failure }.into()
}

/// The same with the place in the query of clinic.toml, where the server names it; `before` characters stand before it.
pub(super) fn explained_at(
    session: &Session,
    source: &str,
    query: Option<&str>,
    before: usize,
    error: &Error,
) -> anyhow::Error {
    let failure = Failure::from_anyhow(&explained(session, source, error));
    let position = error.as_db_error().and_then(|db| db.position()).and_then(|position| match position {
        ErrorPosition::Original(at) => usize::try_from(*at).ok(),
        ErrorPosition::Internal { .. } => None,
    });
    let Some((query, at)) = query.zip(position.and_then(|at| at.checked_sub(before + 1))) else {
        return failure.into();
    };
    let until: String = query.chars().take(at).collect();
    if until.chars().count() < at {
        return failure.into();
    }
    let line = until.matches('\n').count() + 1;
    let column = until.chars().rev().take_while(|character| *character != '\n').count() + 1;
    let place = t!("load.pg.place", line = line, column = column);
    Failure { message: format!("{} ({place})", failure.message), ..failure }.into()
}

/// A text that is none in UTF-8: the column that holds it, and how to say what it is.
pub(super) fn undecodable(
    session: &Session,
    source: &str,
    column: Option<&str>,
    encoding: &str,
    error: &Error,
) -> anyhow::Error {
    let told = Failure::from_anyhow(&explained(session, source, error));
    let message = match column {
        Some(column) => format!("{}: {}", t!("load.pg.of_column", column = column), told.message),
        None => told.message,
    };
    let hint = match encoding {
        UNDECLARED => t!("load.pg.hint_undeclared", source = source),
        _ => t!("load.pg.hint_untranslatable", source = source, encoding = encoding),
    };
    Failure { message, hints: vec![hint.into_owned()], ..told }.into()
}

/// Whether a text could not be sent as UTF-8.
pub(super) fn is_undecodable(error: &Error) -> bool {
    let states = [SqlState::CHARACTER_NOT_IN_REPERTOIRE, SqlState::UNTRANSLATABLE_CHARACTER];
    error.code().is_some_and(|code| states.contains(code))
}

/// What is wrong with a value, in our words.
fn said(state: &str) -> Option<&'static str> {
    Some(match state {
        "22P02" | "22P03" => "load.pg.said_cast",
        "22007" | "22008" => "load.pg.said_date",
        "22003" => "load.pg.said_range",
        "22012" => "load.pg.said_zero",
        "22021" | "22P05" => "load.pg.said_text",
        _ if state.starts_with("22") => "load.pg.said_value",
        _ => return None,
    })
}

fn advice(session: &Session, state: &str, error: &Error) -> Option<&'static str> {
    let says = |text: &str| error.as_db_error().is_some_and(|db| db.message().contains(text));
    Some(match state {
        "22012" => "load.pg.hint_zero",
        "22003" => "load.pg.hint_range",
        _ if state.starts_with("22") => "load.pg.hint_value",
        "42501" if says("row-level security") => "load.pg.hint_rls",
        "42501" => "load.pg.hint_privilege",
        "25006" => "load.pg.hint_writes",
        // A pooler hands each transaction to another session of the server.
        "26000" | "42P05" => "load.pg.hint_pooler",
        _ if state.starts_with("42") => "load.pg.hint_query",
        "0A000" => "load.pg.hint_unsupported",
        "55P03" => "load.pg.hint_lock",
        "55000" => "load.pg.hint_not_ready",
        "57014" => "load.pg.hint_timeout",
        "40001" if session.read_only == Some(ReadOnly::Standby) => "load.pg.hint_standby",
        "40001" | "40P01" => "load.pg.hint_again",
        _ if state.starts_with("08") => "load.pg.hint_foreign",
        _ if state.starts_with("53") => "load.pg.hint_busy",
        _ if state.starts_with("54") => "load.pg.hint_simpler",
        _ if ["P0", "38", "39", "2F"].contains(&&state[..2]) => "load.pg.hint_function",
        _ if ["58", "XX"].contains(&&state[..2]) => "load.pg.hint_damaged",
        _ => return None,
    })
}
