//! Sends a table's rows from the snapshot to the server through the codec.

use anyhow::Result;
use rust_i18n::t;

use super::compare::Context;
use super::notes::Notes;
use crate::codec::{RefusedValue, TableCodec};
use crate::error::{self, Failure};
use crate::model::catalog::Table;
use crate::model::manifest::TableEntry;
use crate::model::run::{Event, Stage};
use crate::pg::copy::Copy;

/// Rows between two progress events.
const STEP: u64 = 10_000;

/// The codec of an entry's columns.
///
/// # Errors
/// A column that the table does not have any more, or whose type cannot be compared.
pub(super) fn codec(entry: &TableEntry, table: &Table) -> Result<TableCodec> {
    comparable(entry, TableCodec::of_entry(table, entry))
}

/// The codec of all columns of an entry's table, also of those that nobody writes: a row that changes is noted as a whole.
///
/// # Errors
/// A column whose type cannot be compared.
pub(super) fn whole(entry: &TableEntry, table: &Table) -> Result<TableCodec> {
    comparable(entry, TableCodec::of_table(table, &entry.key))
}

fn comparable(
    entry: &TableEntry,
    codec: Result<TableCodec, (String, impl std::fmt::Display)>,
) -> Result<TableCodec> {
    codec.map_err(|(column, reason)| {
        let message = t!("push.unsupported", table = entry.table, column = column, reason = reason);
        Failure::new(error::Kind::NotComparable, message).into()
    })
}

/// Copies all rows of a table into `into`, which has the entry's columns in the codec's order, and notes each in `notes`.
pub(super) async fn send(
    context: &Context<'_>,
    entry: &TableEntry,
    codec: &TableCodec,
    into: &str,
    mut notes: Option<&mut Notes>,
) -> Result<u64> {
    let Context { client, snapshot, oids, observer, .. } = *context;
    let subject = entry.table.to_string();
    observer.event(&Event::Started { stage: Stage::Push, subject: &subject, total: Some(entry.rows) });
    let mut copy =
        Copy::start(client, &format!("copy {into} ({}) from stdin (format binary)", codec.column_list()))
            .await?;
    let mut reader = snapshot.rows(entry)?;
    let (mut buffer, mut noted) = (Vec::new(), Ok(()));
    let mut number: u64 = 0;
    while let Some(row) = reader.next_row()? {
        number += 1;
        let out = copy.row(entry.columns.len());
        let encoded = match &mut notes {
            None => codec.append_row(&row.values, oids, out),
            Some(notes) => codec
                .append_row_and_digest(&row.values, oids, out, &mut buffer)
                .map(|digest| noted = notes.note(codec, &row, &digest, &buffer)),
        };
        encoded.map_err(|refused| refused_value(entry, number, &refused))?;
        std::mem::replace(&mut noted, Ok(()))?;
        copy.flush_if_full().await?;
        if let Some(notes) = &mut notes {
            notes.flush_if_full().await?;
        }
        if number.is_multiple_of(STEP) {
            error::interrupt::check()?;
            observer.event(&Event::Advanced { stage: Stage::Push, subject: &subject, amount: STEP });
        }
    }
    let sent = copy.finish().await?;
    if sent != entry.rows {
        return Err(Failure::failed(t!(
            "push.count",
            table = entry.table,
            expected = entry.rows,
            sent = sent
        ))
        .into());
    }
    Ok(sent)
}

/// A snapshot's row that its own codec refuses: the file was changed, or the table's type.
pub(super) fn refused_value(entry: &TableEntry, row: u64, refused: &RefusedValue) -> anyhow::Error {
    let message = t!(
        "push.refused",
        file = entry.file,
        row = row,
        column = refused.column,
        rule = refused.refusal.rule()
    );
    Failure::failed(message).hint(t!("push.refused_hint")).into()
}
