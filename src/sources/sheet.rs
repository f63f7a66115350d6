//! Spreadsheets: one sheet becomes a frame of text columns, and that batches.

use std::collections::BTreeMap;

use anyhow::Result;
use polars::prelude::{Column, DataFrame, NamedFrom as _, PlSmallStr, Series};
use rust_i18n::t;

use super::batch::{Batcher, Origin};
use super::cell::{self, Text};
use super::dialect::SheetDialect;
use super::files::SourceFile;
use super::grid::{Cell, Grid};
use super::header::{self, Header};
use super::survey::{Fingerprint, Survey, survey};
use super::workbook::Workbook;
use super::{Dialect, Emit, Finding, Frozen, Portion, Refusal, Severity, Totals};
use crate::config::{Empty, SourceConfig};
use crate::error::{Failure, interrupt};

/// A sheet that is ready to be read; its cells are in memory.
pub struct Sheet {
    file: SourceFile,
    pub(super) dialect: SheetDialect,
    pub(super) header: Header,
    pub(super) findings: Vec<Finding>,
    empty: Empty,
    frame: DataFrame,
    /// 0-based sheet row of each row of the frame.
    numbers: Vec<u32>,
    /// 0-based first column.
    left: u32,
    refusals: Vec<Refusal>,
    /// Column and address of numbers that lost digits.
    inexact: Vec<(usize, String)>,
    counted: u64,
    bytes: u64,
}

impl Sheet {
    pub(super) fn open(
        file: &SourceFile,
        survey: &Survey,
        config: &SourceConfig,
        frozen: &Frozen,
    ) -> Result<Self> {
        let mut workbook = Workbook::open(file, survey.kind)?;
        let (name, mut findings) = choose(file, &workbook, config, frozen)?;
        let is_1904 = workbook.is_1904();
        let grid = workbook.grid(file, &name)?;
        if grid.rows.is_empty() {
            let all = workbook.sheets().into_iter().map(|sheet| sheet.0).collect::<Vec<_>>().join(", ");
            return Err(Failure::failed(t!("load.empty_sheet", path = file.shown, sheet = name))
                .hint(t!("load.no_sheet_hint", sheets = all))
                .into());
        }
        let rows = header_rows(file, &grid, config, frozen, is_1904, &mut findings)?;
        let dialect = SheetDialect {
            kind: workbook.kind().to_owned(),
            sheet: name,
            header_row: rows.map_or(0, |(first, _)| u64::from(first) + 1),
            header_rows: rows.map_or(1, |(first, last)| u64::from(last - first) + 1),
            date_system: if is_1904 { 1904 } else { 1900 },
        };
        drop(workbook);
        build(file, survey, config, dialect, rows, grid, findings)
    }

    pub(super) fn read(&self, origin: &Origin, emit: &mut Emit<'_>) -> Result<Totals> {
        let mut batcher = Batcher::new(origin, &self.header.names, self.empty);
        for refusal in &self.refusals {
            batcher.refuse(refusal.clone(), emit)?;
        }
        let columns =
            self.frame.columns().iter().map(|column| column.str()).collect::<Result<Vec<_>, _>>()?;
        for (index, number) in self.numbers.iter().enumerate() {
            let cells = columns.iter().map(|column| column.get(index));
            let address =
                |column: usize| cell::address(&self.dialect.sheet, *number, self.left + column as u32);
            batcher.push_cells(cells, address, emit)?;
        }
        for (column, address) in &self.inexact {
            batcher.note_destroyed(*column, || address.clone());
        }
        emit(Portion::Progress(self.bytes))?;
        let mut totals = batcher.finish(emit)?;
        if self.numbers.is_empty() {
            totals
                .findings
                .push(Finding::new("no_records", Severity::Warning, 1).detail(self.file.shown.clone()));
        }
        Ok(totals)
    }

    pub(super) fn line_of(&self, record: u64) -> Option<u64> {
        let index = usize::try_from(record).ok()?.checked_sub(1)?;
        self.numbers.get(index).map(|number| u64::from(*number) + 1)
    }

    /// The rows below the header that hold a cell, counted when the cells were read; and the file's hash now.
    pub(super) fn count(&self) -> Result<(u64, Fingerprint)> {
        Ok((self.counted, survey(&self.file)?.fingerprint))
    }
}

/// The sheet that is given, or frozen, or the first that is shown. Hidden sheets and those left out are named.
fn choose(
    file: &SourceFile,
    workbook: &Workbook,
    config: &SourceConfig,
    frozen: &Frozen,
) -> Result<(String, Vec<Finding>)> {
    let sheets = workbook.sheets();
    let names = |shown: bool| -> Vec<&str> {
        sheets.iter().filter(|sheet| sheet.1 == shown).map(|sheet| sheet.0.as_str()).collect()
    };
    let mut findings = Vec::new();
    if !names(false).is_empty() {
        let hidden = names(false);
        findings.push(
            Finding::new("hidden_sheets", Severity::Info, hidden.len() as u64).detail(hidden.join(", ")),
        );
    }
    let there = |name: &str| sheets.iter().any(|sheet| sheet.0 == name);
    if let Some(given) = &config.sheet {
        if !there(given) {
            let all = sheets.iter().map(|sheet| sheet.0.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Failure::failed(t!("load.no_sheet", path = file.shown, sheet = given))
                .hint(t!("load.no_sheet_hint", sheets = all))
                .into());
        }
        return Ok((given.clone(), findings));
    }
    let Some(first) = names(true).first().copied() else {
        return Err(Failure::failed(t!("load.no_visible_sheet", path = file.shown))
            .hint(t!("load.no_sheet_hint", sheets = names(false).join(", ")))
            .into());
    };
    let was = match &frozen.dialect {
        Some(Dialect::Sheet(was)) => Some(was.sheet.as_str()),
        _ => None,
    };
    let chosen = was.filter(|name| there(name)).unwrap_or(first);
    if let Some(was) = was.filter(|was| *was != first) {
        let source = &frozen.source;
        let detail = match was == chosen {
            true => t!("load.detail.drift_sheet", was = was, now = first, source = source),
            false => t!("load.detail.drift_sheet_gone", was = was, now = first, source = source),
        };
        findings.push(Finding::new("dialect_drift", Severity::Critical, 1).detail(detail));
    }
    let others: Vec<_> = names(true).into_iter().filter(|name| *name != chosen).collect();
    if !others.is_empty() {
        findings.push(
            Finding::new("sheets_not_read", Severity::Info, others.len() as u64).detail(others.join(", ")),
        );
    }
    Ok((chosen.to_owned(), findings))
}

/// First and last header row: given, or frozen, or found; `None` for no header.
fn header_rows(
    file: &SourceFile,
    grid: &Grid,
    config: &SourceConfig,
    frozen: &Frozen,
    is_1904: bool,
    findings: &mut Vec<Finding>,
) -> Result<Option<(u32, u32)>> {
    let last_row = grid.rows.last().map_or(0, |row| u64::from(row.number) + 1);
    let span = |row: u64, rows: u64| -> Result<Option<(u32, u32)>> {
        if row == 0 {
            return Ok(None);
        }
        let end = row + rows.max(1) - 1;
        if end > last_row {
            return Err(header::no_row(file, &frozen.source, row, Some(last_row)));
        }
        Ok(Some((u32::try_from(row - 1)?, u32::try_from(end - 1)?)))
    };
    if let Some(row) = config.header_row {
        return span(row, config.header_rows.unwrap_or(1));
    }
    let mut found = grid.header_rows(is_1904);
    if let (Some(rows), Some((_, last))) = (config.header_rows, &mut found) {
        // The number of rows is given, the last of them was found.
        found = Some(((*last + 1).saturating_sub(u32::try_from(rows.max(1))?), *last));
    }
    if let Some(Dialect::Sheet(was)) = &frozen.dialect {
        let kept = span(was.header_row, was.header_rows).unwrap_or(found);
        if kept == found {
            return Ok(kept);
        }
        let known = |rows| names(grid, rows, is_1904).0.names == frozen.columns;
        let severity = if known(kept) { Severity::Info } else { Severity::Critical };
        let (was, now) = (was.header_row, found.map_or(0, |(first, _)| first + 1));
        let followed = !known(kept) && known(found);
        let detail = match followed {
            true => t!("load.detail.drift_header_followed", was = was, now = now, source = frozen.source),
            false => t!("load.detail.drift_header", was = was, now = now, source = frozen.source),
        };
        findings.push(Finding::new("dialect_drift", severity, 1).detail(detail));
        return Ok(if followed { found } else { kept });
    }
    if found.is_none() {
        findings.push(Finding::new("no_header", Severity::Warning, 1).detail(file.shown.clone()));
    }
    Ok(found)
}

/// The columns' names, what was noticed about them, and the first column in use.
fn names(grid: &Grid, rows: Option<(u32, u32)>, is_1904: bool) -> (Header, Vec<Finding>, u32) {
    let (left, right) = grid.columns(rows.map_or(0, |(first, _)| first)).unwrap_or((0, 0));
    match rows {
        None => (header::numbered((right - left + 1) as usize), Vec::new(), left),
        Some(rows) => {
            let (header, findings) = header::name(&grid.header_texts(rows, (left, right), is_1904));
            (header, findings, left)
        }
    }
}

/// Turns the cells below the header into a frame of text columns.
fn build(
    file: &SourceFile,
    survey: &Survey,
    config: &SourceConfig,
    dialect: SheetDialect,
    rows: Option<(u32, u32)>,
    grid: Grid,
    mut findings: Vec<Finding>,
) -> Result<Sheet> {
    let is_1904 = dialect.date_system == 1904;
    let first_row = rows.map_or(0, |(first, _)| first);
    let data_row = rows.map_or(0, |(_, last)| last + 1);
    let (header, more, left) = names(&grid, rows, is_1904);
    findings.extend(more);
    findings.extend(above(&grid, first_row));
    findings.extend(merged_data(&grid, &dialect.sheet, data_row));
    let counted = grid.rows.iter().filter(|row| row.number >= data_row).count() as u64;
    let mut filler = Filler::new(&dialect.sheet, is_1904, left, &header.names);
    for row in grid.rows.into_iter().filter(|row| row.number >= data_row) {
        if row.number % 4096 == 0 {
            interrupt::check()?;
        }
        filler.push(row.number, &row.cells);
    }
    findings.extend(filler.no_dates());
    findings.extend(filler.without_value());
    let (frame, numbers, refusals, inexact) = filler.frame(&header)?;
    let (file, bytes) = (file.clone(), survey.fingerprint.bytes);
    Ok(Sheet {
        file,
        dialect,
        header,
        findings,
        empty: config.empty,
        frame,
        numbers,
        left,
        refusals,
        inexact,
        counted,
        bytes,
    })
}

fn above(grid: &Grid, first_row: u32) -> Option<Finding> {
    let above = grid.rows.iter().filter(|row| row.number < first_row).count() as u64;
    (above > 0).then(|| Finding::new("rows_before_header", Severity::Info, above))
}

fn merged_data(grid: &Grid, sheet: &str, data_row: u32) -> Option<Finding> {
    let merged: Vec<_> = grid.merged.iter().filter(|merged| merged.start.0 >= data_row).collect();
    let first = merged.first()?;
    let place = cell::address(sheet, first.start.0, first.start.1);
    let detail = t!("load.detail.first_at", place = place);
    Some(Finding::new("merged_cells", Severity::Info, merged.len() as u64).detail(detail))
}

/// Collects the text of every cell, column by column.
struct Filler<'a> {
    sheet: &'a str,
    is_1904: bool,
    left: u32,
    names: &'a [String],
    columns: Vec<Vec<Option<String>>>,
    numbers: Vec<u32>,
    refusals: Vec<Refusal>,
    inexact: Vec<(usize, String)>,
    no_dates: (u64, String),
    /// Cells without a value by reason and column: how many, and where the first is.
    without_value: BTreeMap<(&'static str, usize), (u64, String)>,
}

type Frame = (DataFrame, Vec<u32>, Vec<Refusal>, Vec<(usize, String)>);

impl<'a> Filler<'a> {
    fn new(sheet: &'a str, is_1904: bool, left: u32, names: &'a [String]) -> Self {
        Self {
            sheet,
            is_1904,
            left,
            names,
            columns: vec![Vec::new(); names.len()],
            numbers: Vec::new(),
            refusals: Vec::new(),
            inexact: Vec::new(),
            no_dates: (0, String::new()),
            without_value: BTreeMap::new(),
        }
    }

    fn push(&mut self, row: u32, cells: &[Cell]) {
        self.numbers.push(row);
        let height = self.numbers.len();
        for (column, data, look) in cells {
            let index = (column - self.left) as usize;
            let address = || cell::address(self.sheet, row, *column);
            let text = match cell::text(data.as_ref(), *look, self.is_1904) {
                Text::Empty => None,
                Text::Plain(text) => Some(text),
                Text::Inexact(text) => {
                    self.inexact.push((index, address()));
                    Some(text)
                }
                Text::NoDate(text) => {
                    if self.no_dates.0 == 0 {
                        self.no_dates.1 = address();
                    }
                    self.no_dates.0 += 1;
                    Some(text)
                }
                Text::Error(error) => self.refuse("error_cell", row, *column, error.to_owned()),
                Text::Unsaved => {
                    self.refuse("formula_without_result", row, *column, self.names[index].clone())
                }
            };
            let values = &mut self.columns[index];
            values.resize(height - 1, None);
            values.push(text);
        }
        for values in &mut self.columns {
            values.resize(height, None);
        }
    }

    /// Notes a cell that gives no value; its record is read, with null in its place.
    fn refuse(&mut self, reason: &'static str, row: u32, column: u32, detail: String) -> Option<String> {
        let cell = cell::address(self.sheet, row, column);
        let index = (column - self.left) as usize;
        self.without_value.entry((reason, index)).or_insert_with(|| (0, cell.clone())).0 += 1;
        let (line, cell, detail) = (u64::from(row) + 1, Some(cell), Some(detail));
        self.refusals.push(Refusal { record: None, line, cell, reason, detail });
        None
    }

    fn without_value(&self) -> Vec<Finding> {
        let finding = |((reason, column), (count, place)): (&(&str, usize), &(u64, String))| {
            let detail = match *reason {
                "error_cell" => t!("load.detail.error_cell", place = place),
                _ => t!("load.detail.formula_without_result", place = place),
            };
            Finding::new(reason, Severity::Warning, *count).column(&self.names[*column]).detail(detail)
        };
        self.without_value.iter().map(finding).collect()
    }

    fn no_dates(&self) -> Option<Finding> {
        let detail = || t!("load.detail.first_at", place = self.no_dates.1);
        (self.no_dates.0 > 0)
            .then(|| Finding::new("date_out_of_range", Severity::Warning, self.no_dates.0).detail(detail()))
    }

    fn frame(self, header: &Header) -> Result<Frame> {
        let height = self.numbers.len();
        let columns = header
            .names
            .iter()
            .zip(self.columns)
            .map(|(name, values)| Column::from(Series::new(PlSmallStr::from_str(name), values)))
            .collect();
        Ok((DataFrame::new(height, columns)?, self.numbers, self.refusals, self.inexact))
    }
}
