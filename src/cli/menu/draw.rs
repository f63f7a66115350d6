//! The menu's screens: the clinics, and the steps of one.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Table, TableState, Wrap};
use rust_i18n::t;

use super::state::{State, first_open};
use crate::cli::status::{self, ClinicStatus, ShownStep};

/// Draws it.
pub(super) fn draw(frame: &mut Frame, state: &State) {
    let keys = if state.opened.is_some() { t!("menu.keys_clinic") } else { t!("menu.keys_list") };
    let keys = wrapped(&keys, usize::from(frame.area().width));
    // A small screen is for the steps: the keys that matter come first.
    let most = (frame.area().height / 4).max(1);
    let height = u16::try_from(keys.len()).unwrap_or(most).min(most);
    let [title, body, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(height)])
            .areas(frame.area());
    frame.render_widget(heading(state), title);
    frame.render_widget(
        Paragraph::new(keys.into_iter().map(Line::from).collect::<Vec<_>>()).reversed(),
        bottom,
    );
    match state.opened {
        Some(_) => clinic(frame, body, state),
        None => list(frame, body, state),
    }
}

fn heading(state: &State) -> Line<'static> {
    let Some(place) = state.place().filter(|_| state.opened.is_some()) else {
        return Line::from(" trasvase").bold();
    };
    let name = &state.clinics[state.clinic].name;
    let mut spans = vec![Span::from(format!(" {name} · {}", t!("menu.target", name = place.name))).bold()];
    if place.production {
        spans.push(Span::from(format!(" {} ", t!("menu.production"))).bold().white().on_red());
    }
    Line::from(spans)
}

/// Parts between dots on as many lines as they take.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for part in text.split(" · ") {
        let last = lines.last_mut().expect("there is one from the start");
        let joined = if last.is_empty() { format!(" {part}") } else { format!("{last} · {part}") };
        match Span::from(joined.as_str()).width() > width && !last.is_empty() {
            true => lines.push(format!(" {part}")),
            false => *last = joined,
        }
    }
    lines
}

fn list(frame: &mut Frame, body: Rect, state: &State) {
    let rows = state.clinics.iter().map(|entry| {
        let (text, style) = match &entry.status {
            None => ("…".to_owned(), Style::new()),
            Some(status) => summary(status),
        };
        Row::new([Line::from(entry.name.clone()), Line::from(Span::styled(text, style))])
    });
    let table = Table::new(rows, [Constraint::Max(24), Constraint::Min(10)]);
    show(frame, body, table, state.clinic);
}

/// A clinic in a line.
fn summary(status: &ClinicStatus) -> (String, Style) {
    if let Some(problem) = &status.problem {
        return (problem.clone(), Style::new().red());
    }
    match first_open(status) {
        None => (t!("menu.all_done").into_owned(), color(status::State::Done)),
        Some((state, step)) => (format!("{}: {step}", state.label()), color(state)),
    }
}

fn clinic(frame: &mut Frame, body: Rect, state: &State) {
    let status = state.clinics[state.clinic].status.as_ref();
    let problem = status.and_then(|status| status.problem.clone());
    if status.is_none() || problem.is_some() {
        let text = problem.unwrap_or_else(|| "…".to_owned());
        frame.render_widget(Paragraph::new(format!(" {text}")).wrap(Wrap { trim: false }), body);
        return;
    }
    let Some(opened) = &state.opened else { return };
    let steps = state.steps();
    // What does not fit is left out whole, the least needed first.
    let columns = match body.width {
        0..48 => 3,
        48..72 => 4,
        _ => 5,
    };
    let widths = [
        Constraint::Length(3),
        Constraint::Max(20),
        Constraint::Length(10),
        Constraint::Fill(1),
        Constraint::Length(16),
    ];
    let rows = steps.iter().map(|step| row(step, opened.marked.contains(&step.name), columns));
    let table = Table::new(rows, widths.into_iter().take(columns));
    show(frame, body, table, opened.at.min(steps.len().saturating_sub(1)));
}

fn row(step: &ShownStep, marked: bool, columns: usize) -> Row<'static> {
    let mark = if marked { "[x]" } else { "[ ]" };
    let name = if step.own.is_some() { format!("+ {}", step.name) } else { step.name.clone() };
    let state = Span::styled(step.state.label().into_owned(), color(step.state));
    let cells = [
        Line::from(mark),
        Line::from(name),
        Line::from(state),
        Line::from(step.told.clone()),
        Line::from(step.when.clone()),
    ];
    Row::new(cells.into_iter().take(columns))
}

/// A table with a cursor, which stays in sight.
fn show(frame: &mut Frame, body: Rect, table: Table<'_>, at: usize) {
    let table = table.column_spacing(1).highlight_symbol("> ").row_highlight_style(Style::new().bold());
    let mut cursor = TableState::new().with_selected(Some(at));
    frame.render_stateful_widget(table, body, &mut cursor);
}

fn color(state: status::State) -> Style {
    match state {
        status::State::Done => Style::new().green(),
        status::State::Stale => Style::new().yellow(),
        status::State::Pending => Style::new().dim(),
        status::State::Failed => Style::new().red().bold(),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::state::tests::{press, state};
    use super::*;

    fn screen(state: &State, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        terminal.backend().to_string()
    }

    fn snapshot(name: &str, text: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../../../tests/snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.add_filter(r"2026-01-0\d \d\d:\d\d", "2026-01-02 03:04");
        settings.bind(|| insta::assert_snapshot!(name, text));
    }

    #[test]
    fn clinics_and_steps_fit_a_usual_screen() {
        let mut state = state(&["acme", "mini"]);
        let list = screen(&state, 80, 6);
        press(&mut state, "⏎↓ t");
        snapshot("menu", &format!("{list}\n{}", screen(&state, 80, 14)));
    }

    #[test]
    fn the_cursor_stays_in_sight_and_no_screen_is_too_small() {
        let names: Vec<String> = (0..40).map(|number| format!("clinic{number:02}")).collect();
        let mut state = state(&names.iter().map(String::as_str).collect::<Vec<_>>());
        press(&mut state, &"↓".repeat(30));
        assert!(screen(&state, 80, 10).contains("> clinic30"));
        for keys in ["", "⏎", "↓↓↓↓↓↓↓", "t"] {
            press(&mut state, keys);
            for (width, height) in [(1, 1), (5, 2), (20, 5), (40, 10), (80, 2), (300, 100)] {
                screen(&state, width, height);
            }
        }
        let small = screen(&state, 40, 6);
        assert!(small.contains("> [ ] verify"), "{small}");
    }

    #[test]
    fn keys_take_as_many_lines_as_they_need() {
        assert_eq!(wrapped("a b · c d", 80), [" a b · c d"]);
        assert_eq!(wrapped("a b · c d", 8), [" a b", " c d"]);
        assert_eq!(wrapped("a b · c d", 1).len(), 2);
    }
}
