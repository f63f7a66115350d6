//! The state machine before a terminal: keys in, screens out, every decision in the file before the next screen.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use rust_i18n::t;

use super::Desk;
use super::draw::{Scene, Shown, Sides, draw};
use super::state::{Effect, State, Tally};
use crate::dedupe::decisions::Row;
use crate::dedupe::pending::{Pair, Records};
use crate::dedupe::waterfall::Waterfall;
use crate::error::interrupt;

/// Shows the pairs until all were seen or it is enough.
pub(super) fn run(desk: &mut Desk, pairs: &[Pair]) -> Result<Tally> {
    let mut terminal = ratatui::try_init().context(t!("cli.review.terminal"))?;
    let result = sitting(desk, pairs, &mut terminal);
    ratatui::restore();
    result
}

fn sitting(desk: &mut Desk, pairs: &[Pair], terminal: &mut DefaultTerminal) -> Result<Tally> {
    let mut state = State::new(pairs.len());
    let mut written: HashMap<usize, Row> = HashMap::new();
    let mut shown = show(desk, pairs, &state)?;
    loop {
        let mut beyond = 0;
        terminal
            .draw(|frame| beyond = draw(frame, &scene(desk, &state, shown.as_ref())))
            .context(t!("cli.review.terminal"))?;
        state.limit_scroll(beyond);
        let Some(key) = next_key()? else { continue };
        let before = state.at();
        match state.press(key) {
            Effect::None => {}
            Effect::Record { at, decision, why } => {
                let row = Row::new(&pairs[at].left, &pairs[at].right, decision, &desk.who, &why);
                desk.decisions.append(std::slice::from_ref(&row))?;
                written.insert(at, row);
            }
            Effect::Retract { at } => {
                if let Some(row) = written.remove(&at) {
                    desk.decisions.retract(&row)?;
                }
            }
            Effect::Quit => return Ok(state.tally()),
        }
        if state.at() != before {
            shown = show(desk, pairs, &state)?;
        }
    }
}

/// The next key, or none where something else happened, such as another size.
fn next_key() -> Result<Option<event::KeyEvent>> {
    loop {
        interrupt::check()?;
        if event::poll(Duration::from_millis(100)).context(t!("cli.review.terminal"))? {
            let event = event::read().context(t!("cli.review.terminal"))?;
            return Ok(if let Event::Key(key) = event { Some(key) } else { None });
        }
    }
}

/// The pair looked at, with all that is told about it; none once all were seen.
fn show(desk: &Desk, pairs: &[Pair], state: &State) -> Result<Option<Shown>> {
    let Some(pair) = pairs.get(state.at()) else { return Ok(None) };
    let (staging, name) = (&desk.staging, &desk.entity.name);
    let records = Records::read(staging, name, [pair.left.as_str(), pair.right.as_str()])?;
    let sides = Sides::of(pair, &records);
    let waterfall = desk.model.as_ref().map(|model| Waterfall::of(model, pair));
    Ok(Some(Shown { sides, waterfall, probability: pair.probability() }))
}

fn scene<'a>(desk: &'a Desk, state: &'a State, shown: Option<&'a Shown>) -> Scene<'a> {
    Scene { clinic: desk.entity.clinic.name.as_str(), entity: &desk.entity.name, state, shown }
}
