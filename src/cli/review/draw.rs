//! The screen: two records side by side, what is different marked, and the weights as a waterfall.

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize as _;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Wrap};
use rust_i18n::t;

use super::bars::waterfall_lines;
use super::state::{Mode, State};
use crate::dedupe::pending::{Pair, Records};
use crate::dedupe::waterfall::Waterfall;

/// What a screen shows.
pub(super) struct Scene<'a> {
    pub(super) clinic: &'a str,
    pub(super) entity: &'a str,
    pub(super) state: &'a State,
    /// None once all pairs were seen.
    pub(super) shown: Option<&'a Shown>,
}

/// A pair, and why it may be one record.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) sides: Sides,
    pub(super) waterfall: Option<Waterfall>,
    pub(super) probability: f64,
}

/// One column of both records.
#[derive(Debug)]
struct Field {
    name: String,
    left: Option<String>,
    right: Option<String>,
}

/// Two records, without the columns that neither has.
#[derive(Debug)]
pub(super) struct Sides {
    /// Their source ids.
    left: String,
    right: String,
    fields: Vec<Field>,
}

impl Sides {
    pub(super) fn of(pair: &Pair, records: &Records) -> Self {
        let cell = |id: &str, column: usize| records.cell(id, column).map(printable);
        let fields = records.columns.iter().enumerate().filter(|(_, name)| *name != "source_id");
        let fields = fields.map(|(column, name)| Field {
            name: printable(name),
            left: cell(&pair.left, column),
            right: cell(&pair.right, column),
        });
        Self {
            left: printable(&pair.left),
            right: printable(&pair.right),
            fields: fields.filter(|field| field.left.is_some() || field.right.is_some()).collect(),
        }
    }
}

/// A value as a terminal may see it: nothing in it moves the cursor or turns the text around.
pub(super) fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => '⏎',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '�',
        c if c.is_control() => '�',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Draws it and says how many lines there are to scroll.
pub(super) fn draw(frame: &mut Frame, scene: &Scene) -> u16 {
    let [title, body, keys] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)])
            .areas(frame.area());
    frame.render_widget(heading(scene), title);
    frame.render_widget(progress(scene.state).right_aligned(), title);
    frame.render_widget(bottom(scene.state), keys);
    if let Mode::Help = scene.state.mode() {
        frame.render_widget(Paragraph::new(help()).wrap(Wrap { trim: false }), body);
        return 0;
    }
    match scene.shown {
        Some(shown) => pair(frame, body, scene.state, shown),
        None => {
            let tally = scene.state.tally();
            let told = t!(
                "cli.review.all_seen",
                same = tally.same,
                different = tally.different,
                skipped = tally.skipped
            );
            frame.render_widget(Paragraph::new(vec![Line::default(), Line::from(format!(" {told}"))]), body);
            0
        }
    }
}

fn heading(scene: &Scene) -> Line<'static> {
    Line::from(format!(" {} · {}", scene.clinic, scene.entity)).bold()
}

fn progress(state: &State) -> Line<'static> {
    let at = (state.at() + 1).min(state.total());
    Line::from(format!("{} ", t!("cli.review.progress", at = at, total = state.total())))
}

/// The keys, or the reason that is being typed.
fn bottom(state: &State) -> Line<'static> {
    match state.mode() {
        Mode::Why(draft) => Line::from(format!(" {} {draft}▏", t!("cli.review.why"))),
        _ if state.is_done() => Line::from(format!(" {}", t!("cli.review.keys_done"))).reversed(),
        _ => Line::from(format!(" {}", t!("cli.review.keys"))).reversed(),
    }
}

fn help() -> Text<'static> {
    let text = t!("cli.review.help");
    Text::from(text.lines().map(|line| Line::from(format!(" {line}"))).collect::<Vec<_>>())
}

fn pair(frame: &mut Frame, body: Rect, state: &State, shown: &Shown) -> u16 {
    let (width, sides) = (usize::from(body.width), &shown.sides);
    let percent = format!("{:.1}", shown.probability * 100.0);
    let bars = match &shown.waterfall {
        Some(waterfall) => waterfall_lines(waterfall, &percent, width, usize::from(body.height / 2)),
        None => vec![Line::from(format!(" {}", t!("cli.review.probability", percent = percent)))],
    };
    let reason = u16::from(!state.why().is_empty());
    let height = u16::try_from(bars.len()).unwrap_or(u16::MAX);
    let [records, why, below] =
        Layout::vertical([Constraint::Min(0), Constraint::Length(reason), Constraint::Length(height)])
            .areas(body);
    let lines = field_lines(sides, usize::from(records.width));
    let beyond =
        u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(records.height.saturating_sub(1));
    let scroll = state.scroll().min(beyond);
    let [head, rows] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(records);
    frame.render_widget(columns_heading(sides, usize::from(head.width), beyond - scroll), head);
    frame.render_widget(Paragraph::new(lines).scroll((scroll, 0)), rows);
    if reason > 0 {
        frame.render_widget(Line::from(format!(" {} {}", t!("cli.review.why"), state.why())).italic(), why);
    }
    frame.render_widget(Paragraph::new(bars), below);
    beyond
}

/// Widths of a field's name and of each side.
fn widths(width: usize) -> (usize, usize) {
    let name = (width / 5).clamp(8, 22);
    (name, width.saturating_sub(name + 6) / 2)
}

fn columns_heading(sides: &Sides, width: usize, below: u16) -> Line<'static> {
    let (name, side) = widths(width);
    let more = if below > 0 { format!("↓ {below}") } else { String::new() };
    let more = clipped(&more, name);
    Line::from(format!("   {more} {} {}", clipped(&sides.left, side), clipped(&sides.right, side)))
        .underlined()
}

/// Every field: a mark, its name, the two values, on as many lines as they take.
fn field_lines(sides: &Sides, width: usize) -> Vec<Line<'static>> {
    let (name_width, side) = widths(width);
    let mut lines = Vec::new();
    for field in &sides.fields {
        let mark = match (&field.left, &field.right) {
            (Some(left), Some(right)) if left == right => "=",
            (Some(_), Some(_)) => "≠",
            _ => "·",
        };
        let differs = mark == "≠";
        let (left, right) = (field.left.as_deref(), field.right.as_deref());
        let (left, right) = (cell(left, right, differs, side), cell(right, left, differs, side));
        for row in 0..left.len().max(right.len()) {
            let first = row == 0;
            let mark = Span::from(format!(" {} ", if first { mark } else { " " }));
            let mark = if differs { mark.bold().yellow() } else { mark.dark_gray() };
            let name = clipped(if first { &field.name } else { "" }, name_width);
            let mut spans = vec![mark, Span::from(name + " ")];
            for part in [&left, &right] {
                let part = part.get(row).cloned().unwrap_or_default();
                let rest = side.saturating_sub(part.iter().map(Span::width).sum());
                spans.extend(part);
                spans.push(Span::from(" ".repeat(rest + 1)));
            }
            lines.push(Line::from(spans));
        }
    }
    lines
}

/// A value on lines of this width; where it differs from the other one, it is underlined.
fn cell(value: Option<&str>, other: Option<&str>, differs: bool, width: usize) -> Vec<Vec<Span<'static>>> {
    let Some(value) = value else { return vec![vec![Span::from("∅").dark_gray()]] };
    let value: Vec<char> = value.chars().collect();
    let changed = if differs { changed(&value, other.unwrap_or_default()) } else { 0..0 };
    let mut begin = 0;
    let mut lines = Vec::new();
    for end in breaks(&value, width.max(1)) {
        let inside = |at: usize| at.clamp(begin, end);
        let parts = [
            begin..inside(changed.start),
            inside(changed.start)..inside(changed.end),
            inside(changed.end)..end,
        ];
        let spans = parts.into_iter().zip([false, true, false]).filter(|(part, _)| !part.is_empty());
        let span = |(part, marked): (Range<usize>, bool)| {
            let span = Span::from(value[part].iter().collect::<String>());
            if marked { span.bold().underlined() } else { span }
        };
        lines.push(spans.map(span).collect());
        begin = end;
    }
    lines
}

/// What is left of a value without what it begins and ends with like the other one.
fn changed(value: &[char], other: &str) -> Range<usize> {
    let other: Vec<char> = other.chars().collect();
    let before = value.iter().zip(&other).take_while(|(one, two)| one == two).count();
    let most = value.len().min(other.len()) - before;
    let after = value.iter().rev().zip(other.iter().rev()).take(most);
    before..value.len() - after.take_while(|(one, two)| one == two).count()
}

/// Where the lines of a value end: behind a space where there is one, else where the line is full.
fn breaks(value: &[char], width: usize) -> Vec<usize> {
    let (mut ends, mut begin, mut used) = (Vec::new(), 0, 0);
    for (at, c) in value.iter().enumerate() {
        let wide = Span::from(c.to_string()).width();
        if used + wide > width {
            let space = value[begin..at].iter().rposition(|c| *c == ' ').map(|space| begin + space + 1);
            begin = space.unwrap_or(at);
            ends.push(begin);
            used = Span::from(value[begin..at].iter().collect::<String>()).width();
        }
        used += wide;
    }
    ends.push(value.len());
    ends
}

/// Exactly this many columns of a text: padded, or cut with a mark that says so.
pub(super) fn clipped(text: &str, width: usize) -> String {
    let wide = |text: &str| Span::from(text).width();
    let mut shown = text.to_owned();
    if wide(text) > width {
        while wide(&shown) + 1 > width && shown.pop().is_some() {}
        shown.push('…');
    }
    let rest = width.saturating_sub(wide(&shown));
    shown + &" ".repeat(rest)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent};
    use ratatui::style::Style;

    use super::super::bars::tests::waterfall;
    use super::*;

    /// A pair with something of everything.
    fn shown() -> Shown {
        let long = "Calle de la Constitución de 1812, 17, 3.º izquierda";
        let fields = [
            ("first_name", Some("María José"), Some("Ma José")),
            ("last_name", Some("Peña"), Some("Peña")),
            ("birth_date", Some("1981-05-03"), Some("1981-03-05")),
            ("sex", Some("female"), Some("female")),
            ("national_id", None, Some("12345678Z")),
            ("phone", Some("+34600123456"), Some("+34600123456")),
            ("email", Some("mj@example.org"), None),
            ("address", Some(long), Some("C/ Constitución 17\n3 izq\u{1b}[2J\u{202e}")),
            ("city", Some("王小明市"), Some("王小明市")),
            ("postal_code", Some("11005"), Some("11005")),
            ("notes", Some("Alergia al látex"), None),
        ];
        let text = |text: Option<&str>| text.map(printable);
        let fields = fields.map(|(name, left, right)| Field {
            name: name.to_owned(),
            left: text(left),
            right: text(right),
        });
        let sides = Sides { left: "1041".to_owned(), right: "2977".to_owned(), fields: fields.into() };
        Shown { sides, probability: 0.889, waterfall: Some(waterfall()) }
    }

    fn press(state: &mut State, keys: &str) {
        for c in keys.chars() {
            let code = if c == '⏎' { KeyCode::Enter } else { KeyCode::Char(c) };
            state.press(KeyEvent::from(code));
        }
    }

    fn screen(state: &State, width: u16, height: u16) -> (String, u16) {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let shown = if state.is_done() { None } else { Some(shown()) };
        let scene = Scene { clinic: "acme", entity: "patient", state, shown: shown.as_ref() };
        let mut beyond = 0;
        terminal.draw(|frame| beyond = draw(frame, &scene)).unwrap();
        (terminal.backend().to_string(), beyond)
    }

    fn snapshot(name: &str, text: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../../../tests/snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, text));
    }

    #[test]
    fn two_records_fit_a_small_and_a_large_screen() {
        let mut state = State::new(41);
        press(&mut state, "sd");
        let (small, beyond) = screen(&state, 80, 24);
        assert!(beyond > 0 && small.contains(&format!("↓ {beyond}")), "{small}");
        assert!(!small.contains(['\u{1b}', '\u{202e}']), "a value moves the cursor");
        press(&mut state, "wbrothers⏎");
        let (large, beyond) = screen(&state, 120, 40);
        assert_eq!(beyond, 0, "{large}");
        press(&mut state, "w, or not");
        let typing = screen(&state, 80, 24).0;
        snapshot("review", &format!("{small}\n{large}\n{}", typing.lines().last().unwrap_or_default()));
    }

    #[test]
    fn help_and_the_end_say_what_to_press() {
        let mut state = State::new(1);
        press(&mut state, "?");
        let help = screen(&state, 80, 24).0;
        press(&mut state, "?s");
        snapshot("review_help", &format!("{help}\n{}", screen(&state, 80, 24).0));
    }

    #[test]
    fn no_screen_is_too_small() {
        let state = State::new(1);
        for (width, height) in [(1, 1), (20, 5), (40, 10), (80, 2), (300, 100)] {
            screen(&state, width, height);
        }
    }

    #[test]
    fn only_what_differs_is_underlined() {
        let underlined = |one: &str, other: &str| {
            let lines = cell(Some(one), Some(other), one != other, 4);
            let spans = lines.into_iter().flatten().filter(|span| span.style != Style::new());
            spans.map(|span| span.content.into_owned()).collect::<String>()
        };
        for (one, other, marked) in [
            ("1981-05-03", "1981-03-03", "5"),
            ("Ana", "Ana", ""),
            ("aa", "a", "a"),
            ("María José", "Ma José", "ría"),
        ] {
            assert_eq!(underlined(one, other), marked, "{one}");
        }
    }
}
