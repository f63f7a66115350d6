//! Sequences that would give a number which a row has already.

use anyhow::Result;

use super::{Relation, RelationReport, Rows};
use crate::error;
use crate::model::catalog::Column;
use crate::model::ident::quoted;
use crate::pg::numbers::next_sql;
use crate::verify::Options;

pub(super) async fn find(options: &Options<'_>, rows: &Rows<'_>) -> Result<Vec<RelationReport>> {
    let mut reports = Vec::new();
    for (column, sequence) in rows.compared.table.columns.iter().filter_map(fed_by) {
        let table = rows.compared.entry.table.quoted();
        let name = quoted(&column.name);
        // How far the next number is behind the furthest one that is in use, whichever way the sequence counts.
        let furthest = |condition: &str| {
            format!(
                "(select case when increment > 0 then max(t.{name}) - next + 1 else next - min(t.{name}) + 1 end \
                 from {table} t where {condition})::int8"
            )
        };
        let sql = format!(
            "select {}, {} from {} numbers",
            furthest(rows.condition),
            furthest("true"),
            next_sql(&sequence),
        );
        let row = options.client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        let behind = |place: usize| row.get::<_, Option<i64>>(place).unwrap_or(0).max(0);
        // What others numbered by hand is theirs, and worth a word.
        let (ours, all) = (behind(0), behind(1));
        let report = rows.report(Relation::Sequence, &column.name, ours.max(all));
        reports.push(RelationReport { warning: ours == 0, ..report });
    }
    Ok(reports)
}

/// A column and the sequence that numbers its rows: its own one, or the one that its default names.
fn fed_by(column: &Column) -> Option<(&Column, String)> {
    let default = column.default.as_deref().filter(|_| !column.generated);
    let named = || {
        default?.strip_prefix("nextval('")?.split_once("'::regclass").map(|(name, _)| name.replace("''", "'"))
    };
    Some((column, column.sequence.clone().or_else(named)?))
}
