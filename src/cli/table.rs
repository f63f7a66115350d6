//! Tables that read well at 80 columns and without colour.

use std::borrow::Cow;

use comfy_table::{
    Attribute, Cell, CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle,
    TableStyle, Width,
};

use super::output::{is_terminal, width};

/// A line below the headings, and space between columns.
const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none())
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none());

/// Columns of space between two columns: as long as there is room, and where there is little.
const GAPS: [usize; 2] = [3, 2];

/// What a column of words may shrink to before the names in the first column do.
const WORD: usize = 12;

/// Headings and rows. The first column names what a row is about, so it is the last to be broken; numbers never are.
pub(super) struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
    optional: Vec<usize>,
}

impl Table {
    /// A table with these headings.
    pub(super) fn new<'a>(headings: impl IntoIterator<Item = Cow<'a, str>>) -> Self {
        let headings = headings.into_iter().map(Cow::into_owned).collect();
        Self { headings, rows: Vec::new(), right: Vec::new(), optional: Vec::new() }
    }

    /// Aligns these columns (from 0) to the right: numbers.
    pub(super) fn right(mut self, columns: &[usize]) -> Self {
        self.right = columns.to_vec();
        self
    }

    /// Leaves these columns out, in this order, where there is no room and no row has anything in them but 0.
    pub(super) fn optional(mut self, columns: &[usize]) -> Self {
        self.optional = columns.to_vec();
        self
    }

    pub(super) fn row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }

    /// Its text; none where it has no rows.
    pub(super) fn finished(self) -> Option<String> {
        (!self.rows.is_empty()).then(|| self.within(usize::from(width())))
    }

    fn within(&self, room: usize) -> String {
        let mut columns: Vec<usize> = (0..self.headings.len()).collect();
        let needs = |columns: &[usize], gap: usize| -> usize {
            columns.iter().map(|column| self.width_of(*column) + gap).sum()
        };
        let gap = GAPS[usize::from(needs(&columns, GAPS[0]) > room)];
        for column in &self.optional {
            if needs(&columns, gap) > room && self.says_nothing(*column) {
                columns.retain(|other| other != column);
            }
        }
        let mut table = self.drawn(&columns, room);
        let narrow = needs(&columns, gap) > room;
        for (place, column) in columns.iter().enumerate() {
            let Some(drawn) = table.column_mut(place) else { continue };
            if gap == GAPS[1] {
                drawn.set_padding((1, 0));
            }
            if self.right.contains(column) {
                drawn.set_cell_alignment(CellAlignment::Right);
            }
            if self.is_number(*column) {
                drawn.set_constraint(ColumnConstraint::ContentWidth);
            } else if place == 0 && narrow {
                let content = self.name_width(&columns, gap, room) + drawn.padding_width() as usize;
                let width = Width::Fixed(u16::try_from(content).unwrap_or(u16::MAX));
                drawn.set_constraint(ColumnConstraint::Absolute(width));
            }
        }
        table.trim_fmt()
    }

    /// What the names get of a table that is too wide: all but the numbers' room and a little for each column of words.
    fn name_width(&self, columns: &[usize], gap: usize, room: usize) -> usize {
        let others = columns.iter().skip(1).map(|column| {
            let whole = self.width_of(*column);
            gap + if self.is_number(*column) { whole } else { whole.min(WORD) }
        });
        let free = room.saturating_sub(others.sum::<usize>() + gap);
        self.width_of(columns[0]).min(free.max(WORD))
    }

    fn drawn(&self, columns: &[usize], room: usize) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(room).unwrap_or(u16::MAX));
        if !is_terminal() {
            table.force_no_tty();
        }
        let heading = |column: &usize| Cell::new(&self.headings[*column]).add_attribute(Attribute::Bold);
        table.set_header(columns.iter().map(heading).collect::<Vec<_>>());
        for row in &self.rows {
            table.add_row(columns.iter().filter_map(|column| row.get(*column)).collect::<Vec<_>>());
        }
        table
    }

    /// Whether a column is aligned to the right and no longer than a number is.
    fn is_number(&self, column: usize) -> bool {
        self.right.contains(&column) && self.width_of(column) <= 2 * WORD
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).chain(self.headings.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    }

    fn says_nothing(&self, column: usize) -> bool {
        self.rows.iter().all(|row| row.get(column).is_none_or(|cell| cell.is_empty() || cell == "0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, skipped: &str) -> Table {
        let headings = ["fuente", "leídas", "rechaz.", "unidas", "import.", "omit.", "filtr.", "toda"];
        let mut table =
            Table::new(headings.map(Cow::Borrowed)).right(&[1, 2, 3, 4, 5, 6]).optional(&[5, 3, 6]);
        table.row([name, "12.345.678", "123.456", "0", "12.222.222", skipped, "1", "sí"]);
        table
    }

    fn lines(table: &Table) -> Vec<String> {
        let text = table.within(80);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn names_and_numbers_stay_whole_and_empty_columns_make_room() {
        let wide = lines(&table("citas", "0"));
        assert!(wide[0].contains("omit.   filtr.") && wide.len() == 3, "{wide:?}");
        let close = lines(&table("presupuestos_lin", "0"));
        assert!(close[0].contains("omit.  filtr.") && close.len() == 3, "{close:?}");
        let narrow = lines(&table("presupuestos_lineas_anuladas_x", "0"));
        assert!(!narrow[0].contains("omit.") && narrow[0].contains("filtr."), "{narrow:?}");
        assert!(narrow[2].contains("presupuestos_lineas_anuladas_x"), "{narrow:?}");
        let full = lines(&table("presupuestos_lineas_anuladas_x", "7"));
        assert!(full[0].contains("omit.") && !full[0].contains("unidas"), "{full:?}");
    }

    #[test]
    fn words_give_way_to_names_and_names_to_numbers() {
        let mut table = Table::new(["name", "count", "detail"].map(Cow::Borrowed)).right(&[1]);
        table.row(["a_name_of_thirty_letters_or_so_", "1,234,567,890", &"word ".repeat(60)]);
        let text = lines(&table);
        assert!(text[2].contains("a_name_of_thirty_letters_or_so_  1,234,567,890  word"), "{text:?}");
        let mut table = Table::new(["name", "count"].map(Cow::Borrowed)).right(&[1]);
        table.row(["long_".repeat(30), "1,234,567,890".to_owned()]);
        assert!(lines(&table)[2].ends_with("1,234,567,890"));
        let mut table = Table::new(["name", "value"].map(Cow::Borrowed)).right(&[1]);
        table.row(["name", &"no number ".repeat(30)]);
        assert!(lines(&table)[2].starts_with(" name"));
    }
}
