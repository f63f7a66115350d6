//! Which rows of a source with a cursor are asked for.

use anyhow::Result;
use rust_i18n::t;

use super::{Wanted, count};
use crate::error::Failure;
use crate::model::ident::literal;
use crate::pg::Session;
use crate::sources::copied::Column;

/// The place of the cursor's column and the greatest value that is loaded, in SQL.
pub(super) fn since(wanted: &Wanted, columns: &[(Column, String)]) -> Result<Option<(usize, String)>> {
    let Some(cursor) = &wanted.config.cursor else { return Ok(None) };
    let named = |name: &String| columns.iter().position(|(column, _)| column.name == *name);
    for name in wanted.config.key.iter().chain([cursor]) {
        if named(name).is_none() {
            let text = t!("load.pg.no_cursor", source = wanted.source, column = name);
            return Err(Failure::usage(text).into());
        }
    }
    let Some(place) = named(cursor).map(|place| place + 1) else { return Ok(None) };
    // The database orders texts by their letters, where '9' is beyond '10', and would keep rows back.
    let texts = ["text", "varchar", "bpchar", "name", "citext"];
    if wanted.since.is_some() && texts.contains(&columns[place - 1].0.kind.as_str()) {
        return Err(Failure::usage(t!("load.pg.text_cursor", source = wanted.source, column = cursor))
            .hint(t!("load.pg.text_cursor_hint", column = cursor))
            .into());
    }
    Ok(wanted.since.as_ref().map(|since| (place, literal(since))))
}

/// The condition of rows that are not loaded. Where the table has more rows with the greatest cursor, or without one, than
/// were loaded, all of those are read again: a row may come late, with the cursor of others. A time without an end says as
/// little of when a row was changed as none does.
pub(super) async fn beyond(
    session: &Session,
    wanted: &Wanted,
    from: &str,
    columns: &[(Column, String)],
    (place, since): (usize, String),
) -> Result<String> {
    let column = format!("q.c{place}");
    let is_time = ["date", "timestamp", "timestamptz"].contains(&columns[place - 1].0.kind.as_str());
    let (finite, endless) = match is_time {
        true => (format!("isfinite({column})"), format!("not isfinite({column})")),
        false => ("true".to_owned(), "false".to_owned()),
    };
    let there =
        format!("select count(*) from {from} where {column} = {since} or {column} is null or {endless}");
    Ok(match count(session, wanted, &there).await? <= wanted.held {
        true => format!("({column} > {since} and {finite})"),
        false => format!("({column} >= {since} or {column} is null or {endless})"),
    })
}
