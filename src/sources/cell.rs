//! The text of a spreadsheet's cell: what the sheet shows, in the plainest spelling.

use calamine::{CellErrorType, Data, ExcelDateTime};

/// Beyond this, a spreadsheet's numbers have lost digits.
const MOST_EXACT: f64 = 1e15;
/// 9999-12-31, the last day that spreadsheets know, in the 1900 system.
const LAST_DAY: f64 = 2_958_466.0;
const DAYS_1904: f64 = 1_462.0;
const DAY: f64 = 86_400_000.0;

/// What a cell comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Text {
    Empty,
    Plain(String),
    /// A number with more digits than a spreadsheet keeps.
    Inexact(String),
    /// A day before or after those that spreadsheets know; its number.
    NoDate(String),
    Error(&'static str),
    /// A formula whose result was not saved.
    Unsaved,
}

/// What a cell's number format says of the text that it shows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// The width of a format such as `00000`, which is how codes with leading zeros are kept.
    zeros: usize,
    /// It shows a day, not only a time.
    is_day: bool,
}

impl Look {
    /// Reads a number format; of several sections the first, which is that of positive numbers.
    pub(super) fn of(format: &str) -> Self {
        let bare = without_decoration(format);
        let section = bare.split(';').next().unwrap_or_default();
        let only_zeros = section.len() > 1 && section.bytes().all(|byte| byte == b'0');
        Self {
            zeros: if only_zeros { section.len() } else { 0 },
            is_day: section.contains(['d', 'D', 'y', 'Y']),
        }
    }
}

/// A number format without what stands around figures: quoted, escaped and bracketed texts, blanks, and marks that
/// show themselves (ECMA-376 part 1, 18.8.31).
fn without_decoration(format: &str) -> String {
    let (mut bare, mut characters) = (String::new(), format.chars());
    while let Some(character) = characters.next() {
        match character {
            '"' => drop(characters.by_ref().find(|next| *next == '"')),
            '[' => drop(characters.by_ref().find(|next| *next == ']')),
            '\\' | '_' | '*' => drop(characters.next()),
            ' ' | '-' | '+' | '(' | ')' => {}
            other => bare.push(other),
        }
    }
    bare
}

/// Turns a cell into text. `is_1904` is the file's date system.
pub(super) fn text(data: Option<&Data>, look: Look, is_1904: bool) -> Text {
    let zeros = look.zeros;
    let Some(data) = data else { return Text::Unsaved };
    match data {
        Data::Empty => Text::Empty,
        Data::String(text) => Text::Plain(text.clone()),
        Data::Bool(true) => Text::Plain("TRUE".to_owned()),
        Data::Bool(false) => Text::Plain("FALSE".to_owned()),
        Data::Int(number) if number.unsigned_abs() >= MOST_EXACT as u64 => Text::Inexact(number.to_string()),
        Data::Int(number) => Text::Plain(padded(number.to_string(), zeros)),
        Data::Float(number) if number.is_finite() && number.abs() >= MOST_EXACT => {
            Text::Inexact(number.to_string())
        }
        Data::Float(number) => Text::Plain(padded(number_text(*number), zeros)),
        Data::DateTime(time) if time.is_duration() => Text::Plain(duration(time.as_f64())),
        Data::DateTime(time) => date_time(time, look.is_day, is_1904),
        Data::DateTimeIso(iso) => Text::Plain(iso_date_time(iso)),
        Data::DurationIso(iso) => Text::Plain(iso_duration(iso).unwrap_or_else(|| iso.clone())),
        Data::Error(error) => Text::Error(error_name(error)),
    }
}

/// A number as a spreadsheet shows it: 15 significant digits, no `1.0` for `1`, no power of ten.
fn number_text(number: f64) -> String {
    // 19.99 * 3 is stored as 59.969999999999995 and shown as 59.97.
    let shown: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    if shown == 0.0 { "0".to_owned() } else { shown.to_string() }
}

fn padded(number: String, zeros: usize) -> String {
    let whole = number.bytes().all(|byte| byte.is_ascii_digit());
    if whole { format!("{number:0>zeros$}") } else { number }
}

/// `2024-01-31`, `2024-01-31 10:00:00`, or `10:00:00` for a time alone: a serial number below 1, which in the 1904 system
/// is the first day too where the format shows one.
fn date_time(time: &ExcelDateTime, is_day: bool, is_1904: bool) -> Text {
    let number = time.as_f64();
    let last = if is_1904 { LAST_DAY - DAYS_1904 } else { LAST_DAY };
    // Outside its range calamine gives the first or the last day that there is.
    if !(0.0..last).contains(&number) {
        return Text::NoDate(number_text(number));
    }
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    let clock = clock(hour.into(), minute.into(), second.into(), milli.into());
    Text::Plain(if number * DAY < DAY - 0.5 && !(is_1904 && is_day) {
        clock
    } else if (hour, minute, second, milli) == (0, 0, 0, 0) {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02} {clock}")
    })
}

fn clock(hour: u64, minute: u64, second: u64, milli: u64) -> String {
    let fraction = if milli > 0 { format!(".{milli:03}") } else { String::new() };
    format!("{hour:02}:{minute:02}:{second:02}{fraction}")
}

/// `27:30:00` for a day and a bit.
fn duration(days: f64) -> String {
    let total = (days.abs() * DAY).round() as u64;
    let (seconds, milli) = (total / 1000, total % 1000);
    let sign = if days < 0.0 && total > 0 { "-" } else { "" };
    format!("{sign}{}", clock(seconds / 3600, seconds / 60 % 60, seconds % 60, milli))
}

/// `2024-01-31T10:00:00` with a space, and without a midnight that says nothing.
fn iso_date_time(iso: &str) -> String {
    match iso.split_once('T') {
        Some((date, "00:00:00" | "00:00")) => date.to_owned(),
        Some((date, time)) => format!("{date} {time}"),
        None => iso.to_owned(),
    }
}

/// `27:30:00` for `PT27H30M00S`.
fn iso_duration(iso: &str) -> Option<String> {
    let (hours, rest) = iso.strip_prefix("PT")?.split_once('H')?;
    let (minutes, rest) = rest.split_once('M')?;
    let seconds = rest.strip_suffix('S')?;
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let milli: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(clock(hours.parse().ok()?, minutes.parse().ok()?, whole.parse().ok()?, milli))
}

/// The error that an ODS shows as this text: `#N/A`, or `Err:502` where other formats have `#VALUE!`.
pub(super) fn error(text: &str) -> Option<CellErrorType> {
    use CellErrorType::{Div0, NA, Name, Null, Num, Ref, Value};
    let code = |code: &str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    match text.strip_prefix("Err:") {
        Some(number) => code(number).then_some(Value),
        None => [Div0, NA, Name, Null, Num, Ref, Value].into_iter().find(|error| error_name(error) == text),
    }
}

fn error_name(error: &CellErrorType) -> &'static str {
    match error {
        CellErrorType::Div0 => "#DIV/0!",
        CellErrorType::NA => "#N/A",
        CellErrorType::Name => "#NAME?",
        CellErrorType::Null => "#NULL!",
        CellErrorType::Num => "#NUM!",
        CellErrorType::Ref => "#REF!",
        CellErrorType::Value => "#VALUE!",
        CellErrorType::GettingData => "#GETTING_DATA",
    }
}

/// `B7`, for 0-based row and column.
pub(super) fn address(sheet: &str, row: u32, column: u32) -> String {
    let (mut letters, mut rest) = (Vec::new(), column + 1);
    while rest > 0 {
        rest -= 1;
        letters.insert(0, char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    format!("{sheet}!{}{}", letters.iter().collect::<String>(), row + 1)
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType::{DateTime, TimeDelta};

    use super::*;

    fn plain(data: &Data) -> String {
        match text(Some(data), Look::default(), false) {
            Text::Plain(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_are_shown_plainly() {
        for (number, text) in [
            (1.0, "1"),
            (612_345_678.0, "612345678"),
            (1.5, "1.5"),
            (0.1 + 0.2, "0.3"),
            (19.99 * 3.0, "59.97"),
            (123_456_789_012_345.0, "123456789012345"),
            (-0.0, "0"),
            (1e-7, "0.0000001"),
            (-12.0, "-12"),
        ] {
            assert_eq!(plain(&Data::Float(number)), text);
        }
        assert_eq!(
            text(Some(&Data::Float(1.24e15)), Look::default(), false),
            Text::Inexact("1240000000000000".to_owned())
        );
    }

    #[test]
    fn a_format_of_zeros_keeps_them() {
        let shown = |number, format| text(Some(&Data::Float(number)), Look::of(format), false);
        for format in
            ["00000", "\"CP \"00000", "\\C\\P 00000", "[Red]00000", "00000;-00000;@", "00-000", "_ 00000"]
        {
            assert_eq!(shown(8001.0, format), Text::Plain("08001".to_owned()), "{format}");
        }
        assert_eq!(shown(1.5, "00000"), Text::Plain("1.5".to_owned()));
        for format in ["0", "0.00", "General", "\"00\"0", "#,##0", "00.0", "00%", ""] {
            assert_eq!(shown(8.0, format), Text::Plain("8".to_owned()), "{format}");
        }
    }

    fn date(number: f64, is_1904: bool) -> Text {
        text(Some(&Data::DateTime(ExcelDateTime::new(number, DateTime, is_1904))), Look::default(), is_1904)
    }

    #[test]
    fn the_first_day_of_1904_is_a_day_where_its_format_shows_one() {
        for (number, format, is_1904, text) in [
            (0.0, "dd/mm/yyyy", true, "1904-01-01"),
            (0.5, "dd/mm/yyyy hh:mm", true, "1904-01-01 12:00:00"),
            (1.0, "dd/mm/yyyy", true, "1904-01-02"),
            (0.0, "hh:mm", true, "00:00:00"),
            (0.5, "[Red]h:mm\" day\"", true, "12:00:00"),
            (0.0, "dd/mm/yyyy", false, "00:00:00"),
        ] {
            let data = Data::DateTime(ExcelDateTime::new(number, DateTime, is_1904));
            let shown = super::text(Some(&data), Look::of(format), is_1904);
            assert_eq!(shown, Text::Plain(text.to_owned()), "{number} {format}");
        }
    }

    #[test]
    fn serial_dates_are_iso_in_both_systems() {
        for (number, is_1904, text) in [
            (45_322.0, false, "2024-01-31"),
            (43_860.0, true, "2024-01-31"),
            (45_322.416_666_666_7, false, "2024-01-31 10:00:00"),
            (0.5, false, "12:00:00"),
            (0.0, false, "00:00:00"),
            (1.0, false, "1900-01-01"),
            (59.0, false, "1900-02-28"),
            (60.0, false, "1900-02-29"),
            (61.0, false, "1900-03-01"),
            (45_322.999_999_999, false, "2024-02-01"),
            (45_322.000_005_787, false, "2024-01-31 00:00:00.500"),
            (2_958_465.0, false, "9999-12-31"),
        ] {
            assert_eq!(date(number, is_1904), Text::Plain(text.to_owned()), "{number}");
        }
        assert_eq!(date(-1.0, false), Text::NoDate("-1".to_owned()));
        assert_eq!(date(2_958_466.0, false), Text::NoDate("2958466".to_owned()));
        assert_eq!(date(2_957_004.0, true), Text::NoDate("2957004".to_owned()));
    }

    #[test]
    fn durations_and_iso_texts_are_spelled_alike() {
        assert_eq!(
            plain(&Data::DateTime(ExcelDateTime::new(1.145_833_333_333, TimeDelta, false))),
            "27:30:00"
        );
        assert_eq!(plain(&Data::DateTime(ExcelDateTime::new(-0.5, TimeDelta, false))), "-12:00:00");
        assert_eq!(plain(&Data::DurationIso("PT27H30M00S".to_owned())), "27:30:00");
        assert_eq!(plain(&Data::DateTimeIso("2024-01-31T10:00:00".to_owned())), "2024-01-31 10:00:00");
        assert_eq!(plain(&Data::DateTimeIso("2024-01-31".to_owned())), "2024-01-31");
    }

    #[test]
    fn addresses_count_in_letters() {
        for (column, text) in [(0, "S!A1"), (25, "S!Z1"), (26, "S!AA1"), (701, "S!ZZ1"), (702, "S!AAA1")] {
            assert_eq!(address("S", 0, column), text);
        }
    }
}
