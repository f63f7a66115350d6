//! A sheet's cells, and where its header is.

use calamine::{Data, Dimensions};

use super::cell::{self, Text};
use super::header::{self, Place, Shape};

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
    /// Column (0-based), value, and the width of a format of zeros; in column order.
    pub(super) cells: Vec<(u32, Data, usize)>,
}

const SAMPLE: usize = 100;

impl Grid {
    /// Finds the header's rows (0-based sheet rows, first and last); `None` if the sheet begins with data.
    ///
    /// The lowest row is found like the header of a text file. A row right above it belongs to it where merged cells
    /// group some of the columns; one merged cell over all of them is a title.
    pub(super) fn header_rows(&self, is_1904: bool) -> Option<(u32, u32)> {
        let sample = &self.rows[..self.rows.len().min(SAMPLE)];
        let widest = sample.iter().map(|row| self.filled(row).count()).max().unwrap_or(0);
        let shapes: Vec<_> = sample.iter().map(|row| self.shape(row, widest, is_1904)).collect();
        let Place::At(found) = header::locate(&shapes) else { return None };
        let last = sample.get(found)?.number;
        // A vertical merge may reach below the row that was found first.
        let last = self.grouped_below(last).unwrap_or(last);
        let mut first = last;
        while first > 0 && self.groups(first - 1) {
            first -= 1;
        }
        Some((first, last))
    }

    /// Non-empty cells, the merged ones counted once.
    fn filled<'r>(&self, row: &'r Row) -> impl Iterator<Item = &'r (u32, Data, usize)> {
        row.cells.iter().filter(|(_, data, _)| !matches!(data, Data::String(text) if text.trim().is_empty()))
    }

    fn shape(&self, row: &Row, widest: usize, is_1904: bool) -> Shape {
        let mut shape = Shape::default();
        for (_, data, zeros) in self.filled(row) {
            let value = match data {
                Data::String(text) => header::is_value(text.trim()),
                other => !matches!(cell::text(other, *zeros, is_1904), Text::Error(_)),
            };
            shape.add(true, value);
        }
        // A row has no end of its own in a sheet: all are as wide as the table.
        (shape.filled..widest).for_each(|_| shape.add(false, false));
        shape
    }

    /// Whether a row groups the columns of the row below it: some cell is merged over several columns but not over the
    /// whole row, or merged with the row below.
    fn groups(&self, row: u32) -> bool {
        let Some(found) = self.rows.iter().find(|candidate| candidate.number == row) else { return false };
        if self.filled(found).count() < 2 {
            return false;
        }
        self.merged.iter().any(|merged| {
            merged.start.0 <= row
                && row <= merged.end.0
                && (merged.end.1 > merged.start.1 || merged.end.0 > row)
        })
    }

    /// Where the row that looks like the header is itself the upper one of several, the lowest of them.
    fn grouped_below(&self, row: u32) -> Option<u32> {
        let reach = self.merged.iter().filter(|merged| merged.start.0 == row && merged.end.0 > row);
        let groups = self
            .merged
            .iter()
            .any(|merged| merged.start.0 == row && merged.end.0 == row && merged.end.1 > merged.start.1);
        reach.map(|merged| merged.end.0).min().filter(|_| groups)
    }

    /// The text of a header cell: a merged one shows its value in every column and row that it covers.
    fn header_text(&self, row: u32, column: u32, is_1904: bool) -> String {
        let origin = self
            .merged
            .iter()
            .find(|merged| merged.contains(row, column))
            .map_or((row, column), |merged| merged.start);
        let found = self.rows.iter().find(|candidate| candidate.number == origin.0);
        let data = found.and_then(|row| row.cells.iter().find(|cell| cell.0 == origin.1));
        match data.map(|(_, data, zeros)| cell::text(data, *zeros, is_1904)) {
            Some(Text::Plain(text) | Text::Inexact(text) | Text::NoDate(text)) => text,
            Some(Text::Error(error)) => error.to_owned(),
            Some(Text::Empty) | None => String::new(),
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
