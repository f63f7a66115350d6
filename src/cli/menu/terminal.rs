//! The menu before a terminal: keys in, screens out; what is run has the usual screen to itself.

use std::time::Duration;

use anyhow::{Context as _, Result};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use rust_i18n::t;

use super::Desk;
use super::draw::draw;
use super::state::{Effect, State, Wish};
use crate::cli::output;
use crate::error::interrupt;

/// How long a key is waited for before Ctrl-C is looked for.
const TICK: Duration = Duration::from_millis(100);

/// Shows the menu until something is to be run; none once somebody leaves.
pub(super) fn ask(desk: &Desk<'_>, state: &mut State) -> Result<Option<Wish>> {
    let mut terminal = ratatui::try_init().context(t!("cli.review.terminal"))?;
    let asked = sitting(desk, state, &mut terminal);
    ratatui::restore();
    asked
}

fn sitting(desk: &Desk<'_>, state: &mut State, terminal: &mut DefaultTerminal) -> Result<Option<Wish>> {
    loop {
        if state.wants_places() {
            let places = desk.places(state.clinic);
            if let Some(opened) = &mut state.opened {
                opened.places = places;
            }
        }
        terminal.draw(|frame| draw(frame, state)).context(t!("cli.review.terminal"))?;
        let unknown = state.unknown();
        let wait = if unknown.is_some() { Duration::ZERO } else { TICK };
        let Some(key) = next_key(wait)? else {
            // To look takes a while: one clinic between two keys.
            if let Some(at) = unknown {
                state.clinics[at].status = Some(desk.look(at));
            }
            continue;
        };
        match state.press(key) {
            Effect::None | Effect::Opened => {}
            Effect::Language => {
                let other = if &*rust_i18n::locale() == "es" { "en" } else { "es" };
                rust_i18n::set_locale(other);
                // Counts and problems are told in a language.
                state.clinics.iter_mut().for_each(|entry| entry.status = None);
            }
            Effect::Run(wish) => return Ok(Some(wish)),
            Effect::Quit => return Ok(None),
        }
    }
}

/// Waits for any key on the usual screen; false if it was one to leave by.
pub(super) fn wait_for_key() -> Result<bool> {
    output::status(&format!("\n{}", t!("menu.back")));
    enable_raw_mode().context(t!("cli.review.terminal"))?;
    let key = any_key();
    disable_raw_mode().context(t!("cli.review.terminal"))?;
    let key = key?;
    Ok(!(key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c' | 'd'))))
}

fn any_key() -> Result<KeyEvent> {
    // What was typed while it ran was not meant for this.
    while event::poll(Duration::ZERO).context(t!("cli.review.terminal"))? {
        event::read().context(t!("cli.review.terminal"))?;
    }
    loop {
        if let Some(key) = next_key(TICK)? {
            return Ok(key);
        }
    }
}

/// The next key, or none where there is none yet or something else happened, such as another size.
fn next_key(wait: Duration) -> Result<Option<KeyEvent>> {
    interrupt::check()?;
    if !event::poll(wait).context(t!("cli.review.terminal"))? {
        return Ok(None);
    }
    let event = event::read().context(t!("cli.review.terminal"))?;
    Ok(if let Event::Key(key) = event { Some(key) } else { None })
}
