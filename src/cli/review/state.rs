//! What a key does, without a terminal: which pair is looked at, what was decided, what is being typed.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::dedupe::decisions::Decision;

/// What whoever holds the state has to do after a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    /// Write this decision about this pair.
    Record {
        at: usize,
        decision: Decision,
        why: String,
    },
    /// Take back what was written about this pair.
    Retract {
        at: usize,
    },
    Quit,
}

/// What is on the screen beside the pair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Look,
    /// A reason is being typed.
    Why(String),
    Help,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Decided(Decision, String),
    Skipped,
}

/// Counts of a sitting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) same: usize,
    pub(super) different: usize,
    pub(super) skipped: usize,
}

/// Where a person is in the queue.
#[derive(Debug)]
pub(super) struct State {
    total: usize,
    /// One a pair, in the queue's order: the next pair is the one looked at, the last one is what undo takes back.
    outcomes: Vec<Outcome>,
    why: String,
    mode: Mode,
    scroll: u16,
}

impl State {
    pub(super) fn new(total: usize) -> Self {
        Self { total, outcomes: Vec::new(), why: String::new(), mode: Mode::Look, scroll: 0 }
    }

    /// Position in the queue of the pair looked at; the number of pairs once all were seen.
    pub(super) fn at(&self) -> usize {
        self.outcomes.len()
    }

    pub(super) fn total(&self) -> usize {
        self.total
    }

    pub(super) fn is_done(&self) -> bool {
        self.at() >= self.total
    }

    pub(super) fn mode(&self) -> &Mode {
        &self.mode
    }

    /// The reason that the next decision gets.
    pub(super) fn why(&self) -> &str {
        &self.why
    }

    /// Lines that are scrolled past.
    pub(super) fn scroll(&self) -> u16 {
        self.scroll
    }

    /// Takes note of how far there is to scroll.
    pub(super) fn limit_scroll(&mut self, most: u16) {
        self.scroll = self.scroll.min(most);
    }

    pub(super) fn tally(&self) -> Tally {
        let count = |wanted: fn(&Outcome) -> bool| self.outcomes.iter().filter(|one| wanted(one)).count();
        Tally {
            same: count(|one| matches!(one, Outcome::Decided(Decision::MustLink, _))),
            different: count(|one| matches!(one, Outcome::Decided(Decision::CannotLink, _))),
            skipped: count(|one| *one == Outcome::Skipped),
        }
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> Effect {
        if key.kind == KeyEventKind::Release {
            return Effect::None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            let stop = matches!(key.code, KeyCode::Char('c' | 'd'));
            return if stop { Effect::Quit } else { Effect::None };
        }
        match std::mem::take(&mut self.mode) {
            Mode::Look => self.look(key.code),
            Mode::Why(draft) => {
                self.type_why(key.code, draft);
                Effect::None
            }
            // Any key leaves the help, and does nothing else.
            Mode::Help => Effect::None,
        }
    }

    fn look(&mut self, key: KeyCode) -> Effect {
        match key {
            KeyCode::Char('q') | KeyCode::Esc => return Effect::Quit,
            KeyCode::Char('?') | KeyCode::F(1) => self.mode = Mode::Help,
            KeyCode::Char('u') => return self.undo(),
            _ if self.is_done() => {}
            KeyCode::Char('s') => return self.decide(Decision::MustLink),
            KeyCode::Char('d') => return self.decide(Decision::CannotLink),
            KeyCode::Char(' ' | 'k') => self.step(Outcome::Skipped),
            KeyCode::Char('w') => self.mode = Mode::Why(self.why.clone()),
            KeyCode::Down => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(8),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(8),
            _ => {}
        }
        Effect::None
    }

    fn decide(&mut self, decision: Decision) -> Effect {
        let (at, why) = (self.at(), std::mem::take(&mut self.why));
        self.step(Outcome::Decided(decision, why.clone()));
        Effect::Record { at, decision, why }
    }

    fn step(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
        self.why.clear();
        self.scroll = 0;
    }

    /// Goes back to the pair before, with the reason as it was typed.
    fn undo(&mut self) -> Effect {
        self.scroll = 0;
        match self.outcomes.pop() {
            Some(Outcome::Decided(_, why)) => {
                self.why = why;
                Effect::Retract { at: self.at() }
            }
            Some(Outcome::Skipped) => {
                self.why.clear();
                Effect::None
            }
            None => Effect::None,
        }
    }

    fn type_why(&mut self, key: KeyCode, mut draft: String) {
        match key {
            KeyCode::Enter => {
                self.why = draft.trim().to_owned();
                return;
            }
            KeyCode::Esc => return,
            KeyCode::Backspace => drop(draft.pop()),
            KeyCode::Char(c) => draft.push(c),
            _ => {}
        }
        self.mode = Mode::Why(draft);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Presses the keys of a text; `⏎` and `⌫` are what they look like, `␛` is Esc.
    fn press(state: &mut State, keys: &str) -> Vec<Effect> {
        let code = |c: char| match c {
            '⏎' => KeyCode::Enter,
            '⌫' => KeyCode::Backspace,
            '␛' => KeyCode::Esc,
            '↓' => KeyCode::Down,
            '↑' => KeyCode::Up,
            c => KeyCode::Char(c),
        };
        let effects = keys.chars().map(|c| state.press(KeyEvent::new(code(c), KeyModifiers::NONE)));
        effects.filter(|effect| *effect != Effect::None).collect()
    }

    fn record(at: usize, decision: Decision, why: &str) -> Effect {
        Effect::Record { at, decision, why: why.to_owned() }
    }

    #[test]
    fn keys_decide_pair_after_pair_and_undo_takes_them_back() {
        use Decision::{CannotLink, MustLink};
        let mut state = State::new(4);
        let effects = press(&mut state, "sd kx");
        assert_eq!(effects, [record(0, MustLink, ""), record(1, CannotLink, "")]);
        assert!(state.is_done());
        assert_eq!(state.tally(), Tally { same: 1, different: 1, skipped: 2 });
        assert_eq!(press(&mut state, "sdk"), [], "nothing is left to decide");
        assert_eq!(press(&mut state, "uuuuu"), [Effect::Retract { at: 1 }, Effect::Retract { at: 0 }]);
        assert_eq!((state.at(), state.tally()), (0, Tally::default()));
        assert_eq!(press(&mut state, "dq"), [record(0, CannotLink, ""), Effect::Quit]);
    }

    #[test]
    fn a_reason_goes_with_one_decision_and_comes_back_with_undo() {
        let mut state = State::new(3);
        let effects = press(&mut state, "w twink⌫ sq⏎s");
        assert_eq!(effects, [record(0, Decision::MustLink, "twin sq")]);
        assert_eq!(press(&mut state, "d"), [record(1, Decision::CannotLink, "")]);
        press(&mut state, "uu");
        assert_eq!((state.at(), state.why()), (0, "twin sq"));
        press(&mut state, "w!␛");
        assert_eq!((state.why(), state.mode()), ("twin sq", &Mode::Look));
        press(&mut state, "k");
        assert_eq!(state.why(), "", "the reason was of the pair that was skipped");
    }

    #[test]
    fn help_lets_nothing_through_and_control_c_always_stops() {
        let mut state = State::new(2);
        assert_eq!(press(&mut state, "?s"), []);
        assert_eq!((state.at(), state.mode()), (0, &Mode::Look));
        press(&mut state, "w");
        let stop = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(state.press(stop), Effect::Quit);
        let release = KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::from(KeyCode::Char('s')) };
        assert_eq!(State::new(1).press(release), Effect::None);
    }

    #[test]
    fn scrolling_ends_where_the_lines_do() {
        let mut state = State::new(2);
        press(&mut state, "↓↓↓");
        state.limit_scroll(2);
        press(&mut state, "↑");
        assert_eq!(state.scroll(), 1);
        press(&mut state, "k");
        assert_eq!(state.scroll(), 0);
    }
}
