//! Opens a spreadsheet of any format and takes one sheet's cells out of it.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::Result;
use calamine::{
    CellType, Data, DataRef, Dimensions, Error, Ods, OdsError, Range, Reader, Sheet, SheetType, SheetVisible,
    Sheets, Style, Xls, XlsError, Xlsb, XlsbError, Xlsx, XlsxError, open_workbook,
};
use rust_i18n::t;

use super::cell::{self, Look};
use super::files::SourceFile;
use super::grid::{Grid, Row};
use super::survey::FileKind;
use crate::error::Failure;

type Input = BufReader<File>;

/// An open spreadsheet.
pub(super) struct Workbook {
    shown: String,
    sheets: Sheets<Input>,
}

impl Workbook {
    /// Opens a spreadsheet by what it holds; its name only decides what is tried first.
    ///
    /// # Errors
    /// An encrypted, a truncated or a malformed file, or a container that holds no spreadsheet.
    pub(super) fn open(file: &SourceFile, kind: FileKind) -> Result<Self> {
        let path = &file.path;
        let extension =
            path.extension().map(|text| text.to_string_lossy().to_lowercase()).unwrap_or_default();
        let opened = guarded(file, || match kind {
            FileKind::Compound => open_compound(path),
            _ => open_zip(path, &extension),
        })?;
        Ok(Self { shown: file.shown.clone(), sheets: opened.map_err(|error| failure(file, &error))? })
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.sheets {
            Sheets::Xls(_) => "xls",
            Sheets::Xlsx(_) => "xlsx",
            Sheets::Xlsb(_) => "xlsb",
            Sheets::Ods(_) => "ods",
        }
    }

    pub(super) fn is_1904(&self) -> bool {
        match &self.sheets {
            Sheets::Xls(book) => book.has_1904_epoch(),
            Sheets::Xlsx(book) => book.has_1904_epoch(),
            Sheets::Xlsb(book) => book.has_1904_epoch(),
            Sheets::Ods(_) => false,
        }
    }

    /// The sheets that hold cells, in the workbook's order; true for those that are shown.
    pub(super) fn sheets(&self) -> Vec<(String, bool)> {
        let worksheet = |sheet: &&Sheet| sheet.typ == SheetType::WorkSheet;
        let sheets = self.sheets.sheets_metadata().iter().filter(worksheet);
        sheets.map(|sheet| (sheet.name.clone(), sheet.visible == SheetVisible::Visible)).collect()
    }

    /// All cells of a sheet.
    pub(super) fn grid(&mut self, file: &SourceFile, sheet: &str) -> Result<Grid> {
        let shown = self.shown.clone();
        let (sheets, mut last) = (&mut self.sheets, None);
        let grid = guarded(file, || match sheets {
            Sheets::Xlsx(book) => xlsx_grid(book, sheet, &mut last).map_err(Error::Xlsx),
            Sheets::Xlsb(book) => xlsb_grid(book, sheet).map_err(Error::Xlsb),
            Sheets::Xls(book) => {
                let merged = book.merge_cells_by_sheet_name(sheet).unwrap_or_default();
                dense(book, sheet).map(|rows| rows.grid(merged)).map_err(Error::Xls)
            }
            Sheets::Ods(book) => dense(book, sheet).map(|rows| rows.grid(Vec::new())).map_err(Error::Ods),
        })?;
        grid.map_err(|error| bad_sheet(&shown, sheet, last, &error).into())
    }
}

/// A malformed file must not end the program, whatever the reader makes of it.
fn guarded<T>(file: &SourceFile, work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|_| Failure::failed(t!("load.bad_spreadsheet", path = file.shown, error = "panic")).into())
}

fn open_zip(path: &Path, extension: &str) -> Result<Sheets<Input>, Error> {
    let xlsx = || open_workbook::<Xlsx<_>, _>(path).map(Sheets::Xlsx).map_err(Error::Xlsx);
    let xlsb = || open_workbook::<Xlsb<_>, _>(path).map(Sheets::Xlsb).map_err(Error::Xlsb);
    let ods = || open_workbook::<Ods<_>, _>(path).map(Sheets::Ods).map_err(Error::Ods);
    let tried = match extension {
        "ods" => ods(),
        "xlsb" => xlsb(),
        _ => xlsx(),
    };
    match tried {
        Err(first) if !is_password(&first) => {
            xlsx().or_else(|_| ods()).or_else(|_| xlsb()).map_err(|_| first)
        }
        tried => tried,
    }
}

/// A compound file is an XLS, or the wrapping of an encrypted XLSX.
fn open_compound(path: &Path) -> Result<Sheets<Input>, Error> {
    match open_workbook::<Xls<_>, _>(path).map(Sheets::Xls).map_err(Error::Xls) {
        Err(first) if !is_password(&first) => match open_workbook::<Xlsx<Input>, _>(path) {
            Err(XlsxError::Password) => Err(Error::Xlsx(XlsxError::Password)),
            _ => Err(first),
        },
        opened => opened,
    }
}

fn is_password(error: &Error) -> bool {
    matches!(
        error,
        Error::Xls(XlsError::Password)
            | Error::Xlsx(XlsxError::Password)
            | Error::Xlsb(XlsbError::Password)
            | Error::Ods(OdsError::Password)
    )
}

fn failure(file: &SourceFile, error: &Error) -> Failure {
    if is_password(error) {
        return Failure::failed(t!("load.encrypted", path = file.shown)).hint(t!("load.encrypted_hint"));
    }
    Failure::failed(t!("load.bad_spreadsheet", path = file.shown, error = kind_of(error)))
        .hint(t!("load.bad_spreadsheet_hint"))
}

/// A sheet that is damaged, with the last cell before the damage where it is known.
fn bad_sheet(shown: &str, sheet: &str, last: Option<(u32, u32)>, error: &Error) -> Failure {
    let start = || t!("load.bad_sheet_start").into_owned();
    let place = last.map_or_else(start, |(row, column)| cell::address(sheet, row, column));
    let message = t!("load.bad_sheet", path = shown, sheet = sheet, error = kind_of(error), place = place);
    Failure::failed(message).hint(t!("load.bad_spreadsheet_hint"))
}

/// What kind of error it is; its own text may hold a cell's value.
fn kind_of(error: &Error) -> String {
    match error {
        Error::Io(error)
        | Error::Xlsx(XlsxError::Io(error))
        | Error::Xls(XlsError::Io(error))
        | Error::Ods(OdsError::Io(error))
        | Error::Xlsb(XlsbError::Io(error)) => error.kind().to_string(),
        Error::Xlsx(XlsxError::Zip(_)) | Error::Ods(OdsError::Zip(_)) | Error::Xlsb(XlsbError::Zip(_)) => {
            "zip".to_owned()
        }
        Error::Xlsx(XlsxError::FileNotFound(name)) => name.clone(),
        // A fixed sentence of the reader's.
        Error::Xlsx(XlsxError::Unexpected(what)) => (*what).to_owned(),
        Error::Ods(OdsError::FileNotFound(name)) => (*name).to_owned(),
        Error::Xls(XlsError::Cfb(_)) => "compound file".to_owned(),
        other => {
            // The variant's name: everything before its fields.
            let text = format!("{other:?}");
            let inner = text.split_once('(').map_or(text.as_str(), |(_, inner)| inner);
            inner.chars().take_while(char::is_ascii_alphanumeric).collect()
        }
    }
}

/// Reads cell by cell: a sheet with one stray cell in its last corner takes no more memory than it has cells. `last` is
/// where the last cell was that could be read, where one could not.
fn xlsx_grid(book: &mut Xlsx<Input>, sheet: &str, last: &mut Option<(u32, u32)>) -> Result<Grid, XlsxError> {
    let merged = book.merge_cells_by_sheet_name(sheet)?;
    let mut cells = book.worksheet_cells_reader(sheet)?;
    let look = |style: &Style| style.number_format.as_ref().map(|format| Look::of(&format.format_code));
    let looks: Vec<Look> = cells.styles().iter().map(|style| look(style).unwrap_or_default()).collect();
    let (mut rows, mut blank) = (Rows::default(), false);
    while let Some((cell, style)) = cells.next_cell_with_style_id().inspect_err(|_| *last = rows.last())? {
        let look = looks.get(style).copied().unwrap_or_default();
        let data = Data::from(cell.get_value().clone());
        blank |= data == Data::Empty;
        rows.add(cell.get_position(), data, look);
    }
    // The sheet is only read again where it has cells without a value, most of which have a style and nothing else.
    drop(cells);
    if blank {
        let mut cells = book.worksheet_cells_reader(sheet)?;
        while let Some(cell) = cells.next_cell_with_formula_metadata()? {
            if cell.formula.is_some() && cell.value == DataRef::Empty {
                rows.add_unsaved(cell.pos);
            }
        }
    }
    Ok(rows.grid(merged))
}

/// An XLSB always stores a result; of formulas whose result is an error, the reader gives the formula only.
fn xlsb_grid(book: &mut Xlsb<Input>, sheet: &str) -> Result<Grid, XlsbError> {
    let mut cells = book.worksheet_cells_reader(sheet)?;
    let (mut rows, mut filled) = (Rows::default(), HashSet::new());
    while let Some(cell) = cells.next_cell()? {
        filled.insert(cell.get_position());
        rows.add(cell.get_position(), Data::from(cell.get_value().clone()), Look::default());
    }
    drop(cells);
    let mut formulas = book.worksheet_cells_reader(sheet)?;
    loop {
        match formulas.next_formula() {
            Ok(Some(cell)) if filled.contains(&cell.get_position()) => {}
            Ok(Some(cell)) => rows.add_unsaved(cell.get_position()),
            Ok(None) => break,
            Err(XlsbError::Io(error)) => return Err(XlsbError::Io(error)),
            // A formula that the reader does not understand; where it is, is not told.
            Err(_) => {}
        }
    }
    Ok(rows.grid(Vec::new()))
}

/// Takes a sheet that is read as a whole. An XLS always stores a result, but a text result may be missing.
fn dense<R: Reader<Input>>(book: &mut R, sheet: &str) -> Result<Rows, R::Error> {
    let (range, formulas) = (book.worksheet_range(sheet)?, book.worksheet_formula(sheet)?);
    let mut rows = Rows::default();
    for (position, data) in placed(&range) {
        let formula = || formulas.get_value(position).is_some_and(|formula| !formula.is_empty());
        let error = match data {
            // ODS stores the error of a formula as a text.
            Data::String(text) if text.starts_with(['#', 'E']) && formula() => cell::error(text),
            _ => None,
        };
        rows.add(position, error.map_or_else(|| data.clone(), Data::Error), Look::default());
    }
    for (position, _) in placed(&formulas) {
        if range.get_value(position).is_none_or(|data| *data == Data::Empty) {
            rows.add_unsaved(position);
        }
    }
    Ok(rows)
}

/// The cells in use, each with its row and column in the sheet.
fn placed<T: CellType>(range: &Range<T>) -> impl Iterator<Item = ((u32, u32), &T)> {
    let (top, left) = range.start().unwrap_or_default();
    range.used_cells().map(move |(row, column, data)| ((top + row as u32, left + column as u32), data))
}

#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    /// Row and column of the cell that was added last.
    fn last(&self) -> Option<(u32, u32)> {
        let row = self.0.last()?;
        Some((row.number, row.cells.last()?.0))
    }

    fn add(&mut self, position: (u32, u32), data: Data, look: Look) {
        if data != Data::Empty {
            self.push(position, Some(data), look);
        }
    }

    /// Notes a formula whose result was not saved.
    fn add_unsaved(&mut self, position: (u32, u32)) {
        self.push(position, None, Look::default());
    }

    fn push(&mut self, (row, column): (u32, u32), data: Option<Data>, look: Look) {
        if self.0.last().is_none_or(|last| last.number != row) {
            self.0.push(Row { number: row, cells: Vec::new() });
        }
        if let Some(last) = self.0.last_mut() {
            last.cells.push((column, data, look));
        }
    }

    fn grid(self, merged: Vec<Dimensions>) -> Grid {
        let mut rows = self.0;
        // Files that other programs wrote may hold their rows and cells in any order.
        if !rows.is_sorted_by_key(|row| row.number) {
            rows.sort_by_key(|row| row.number);
            rows.dedup_by(|later, earlier| {
                let same = later.number == earlier.number;
                if same {
                    earlier.cells.append(&mut later.cells);
                }
                same
            });
        }
        for row in &mut rows {
            if !row.cells.is_sorted_by_key(|cell| cell.0) {
                row.cells.sort_by_key(|cell| cell.0);
            }
        }
        Grid { rows, merged }
    }
}
