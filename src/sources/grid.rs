//! A sheet's cells, and where its header is.

use calamine::{Data, Dimensions};

use super::cell::{self, Look, Text};
use super::header::{self, Kind, Place, Shape};

/// Rows that hold a cell, in order.
#[derive(Debug, Default)]
pub(super) struct Grid {
    pub(super) rows: Vec<Row>,
    pub(super) merged: Vec<Dimensions>,
}

#[derive(Debug)]
pub(super) struct Row {
    /// 0-based.
    pub(super) number: u32,
    /// In column order.
    pub(super) cells: Vec<Cell>,
}

/// Column (0-based), value, and what its format says. A formula whose result was not saved has no value.
pub(super) type Cell = (u32, Option<Data>, Look);

const SAMPLE: usize = 100;

impl Grid {
    /// Finds the header's rows (0-based sheet rows, first and last); `None` if the sheet begins with data.
    ///
    /// One row is found like the header of a text file; merged cells tell which rows beside it belong to it.
    pub(super) fn header_rows(&self, is_1904: bool) -> Option<(u32, u32)> {
        let sample = &self.rows[..self.rows.len().min(SAMPLE)];
        let mut shapes: Vec<_> = sample.iter().map(|row| shape(row, is_1904)).collect();
        let widest = shapes.iter().map(Shape::filled).max().unwrap_or(0);
        shapes.iter_mut().for_each(|shape| shape.width = widest);
        let (Place::At(found) | Place::Perhaps(found)) = header::locate(&shapes) else { return None };
        Some(self.span(sample.get(found)?.number))
    }

    /// The rows that belong together with a header row.
    fn span(&self, row: u32) -> (u32, u32) {
        let (mut first, mut last) = (row, row);
        loop {
            let before = (first, last);
            for merged in &self.merged {
                if merged.start.0 <= last && merged.end.0 >= first {
                    (first, last) = (first.min(merged.start.0), last.max(merged.end.0));
                }
            }
            first -= u32::from(first > 0 && self.groups(first - 1));
            last += u32::from(self.is_below_groups(last + 1));
            if before == (first, last) {
                return before;
            }
        }
    }

    fn row(&self, number: u32) -> Option<&Row> {
        let found = self.rows.binary_search_by_key(&number, |row| row.number).ok()?;
        self.rows.get(found)
    }

    /// Whether a row groups the columns below it: it holds several cells, one is merged over several columns, and no
    /// other stands above a cell of its own (that would be a title block).
    fn groups(&self, number: u32) -> bool {
        let (Some(row), Some(below)) = (self.row(number), self.row(number + 1)) else { return false };
        let merged = |column: u32| self.merged.iter().any(|merged| merged.contains(number, column));
        let alone = |column: u32| !merged(column) && filled(below).any(|cell| cell.0 == column);
        let grouping =
            self.merged.iter().any(|merged| merged.start.0 == number && merged.end.1 > merged.start.1);
        grouping && filled(row).count() > 1 && !filled(row).any(|cell| alone(cell.0))
    }

    /// Whether all cells of a row are texts under cells that are merged over several columns.
    fn is_below_groups(&self, number: u32) -> bool {
        let under = |column: u32| {
            self.merged.iter().any(|merged| {
                let over = merged.end.0 + 1 == number && merged.end.1 > merged.start.1;
                over && (merged.start.1..=merged.end.1).contains(&column)
            })
        };
        let name = |(column, data, _): &Cell| {
            matches!(data, Some(Data::String(text)) if !header::is_value(text.trim())) && under(*column)
        };
        self.row(number).is_some_and(|row| filled(row).count() > 1 && filled(row).all(name))
    }

    /// The text of a header cell: a merged one shows its value in every column and row that it covers.
    fn header_text(&self, row: u32, column: u32, is_1904: bool) -> String {
        let origin = self
            .merged
            .iter()
            .find(|merged| merged.contains(row, column))
            .map_or((row, column), |merged| merged.start);
        let data = self.row(origin.0).and_then(|row| row.cells.iter().find(|cell| cell.0 == origin.1));
        match data.map(|(_, data, look)| cell::text(data.as_ref(), *look, is_1904)) {
            Some(Text::Plain(text) | Text::Inexact(text) | Text::NoDate(text)) => text,
            Some(Text::Error(error)) => error.to_owned(),
            Some(Text::Empty | Text::Unsaved) | None => String::new(),
        }
    }

    /// The header's texts, column by column; those of several rows joined by a space, repeated ones once.
    pub(super) fn header_texts(&self, rows: (u32, u32), columns: (u32, u32), is_1904: bool) -> Vec<String> {
        (columns.0..=columns.1)
            .map(|column| {
                let mut parts: Vec<String> = Vec::new();
                for row in rows.0..=rows.1 {
                    let text = self.header_text(row, column, is_1904);
                    if !text.trim().is_empty() && parts.last() != Some(&text) {
                        parts.push(text);
                    }
                }
                parts.join(" ")
            })
            .collect()
    }

    /// First and last column in use from a row on.
    pub(super) fn columns(&self, from: u32) -> Option<(u32, u32)> {
        let used = || {
            self.rows.iter().filter(|row| row.number >= from).flat_map(|row| &row.cells).map(|cell| cell.0)
        };
        Some((used().min()?, used().max()?))
    }
}

/// The cells that hold more than white space.
fn filled(row: &Row) -> impl Iterator<Item = &Cell> {
    row.cells
        .iter()
        .filter(|(_, data, _)| !matches!(data, Some(Data::String(text)) if text.trim().is_empty()))
}

fn shape(row: &Row, is_1904: bool) -> Shape {
    let mut kinds = vec![Kind::Empty; row.cells.last().map_or(0, |cell| cell.0 as usize + 1)];
    for (column, data, look) in filled(row) {
        kinds[*column as usize] = match data {
            Some(Data::String(text)) => Kind::of(text),
            other if matches!(cell::text(other.as_ref(), *look, is_1904), Text::Error(_)) => Kind::Text,
            _ => Kind::Value,
        };
    }
    Shape { width: kinds.len(), kinds }
}
