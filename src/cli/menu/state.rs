//! What a key does in the menu, without a terminal.

use std::collections::BTreeSet;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::cli::status::{self, ClinicStatus, ShownStep};

/// What whoever holds the state has to do after a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    /// The clinic is looked into: its targets are wanted.
    Opened,
    Run(Wish),
    /// The other language.
    Language,
    Quit,
}

/// Steps of a clinic that are to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    /// Its place among the clinics.
    pub(super) clinic: usize,
    /// Names of stages and own steps; none for a whole run.
    pub(super) steps: Vec<String>,
    /// As `--target` would name it.
    pub(super) target: Option<String>,
}

/// A target to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    /// What `--target` has to say; nothing where it is chosen by itself.
    pub(super) given: Option<String>,
    pub(super) production: bool,
}

/// A clinic, and where it stands once somebody looked.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) status: Option<ClinicStatus>,
}

/// Where a person is in the menu.
pub(super) struct State {
    pub(super) clinics: Vec<Entry>,
    /// The clinic under the cursor, or that is looked into.
    pub(super) clinic: usize,
    pub(super) opened: Option<Opened>,
}

/// A clinic that is looked into.
pub(super) struct Opened {
    /// The step under the cursor.
    pub(super) at: usize,
    pub(super) marked: BTreeSet<String>,
    pub(super) places: Vec<Place>,
    pub(super) place: usize,
}

impl State {
    pub(super) fn new(names: Vec<String>) -> Self {
        let clinics = names.into_iter().map(|name| Entry { name, status: None }).collect();
        let mut state = Self { clinics, clinic: 0, opened: None };
        if state.clinics.len() == 1 {
            state.open();
        }
        state
    }

    /// The steps of the clinic that is looked into.
    pub(super) fn steps(&self) -> Vec<ShownStep> {
        self.clinics[self.clinic].status.as_ref().map(ClinicStatus::rows).unwrap_or_default()
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.opened.as_ref().and_then(|opened| opened.places.get(opened.place))
    }

    /// A clinic that nobody looked at yet, the one that is looked into first.
    pub(super) fn unknown(&self) -> Option<usize> {
        let unknown = |at: &usize| self.clinics[*at].status.is_none();
        let opened = self.opened.as_ref().map(|_| self.clinic);
        opened.filter(|at| unknown(at)).or_else(|| (0..self.clinics.len()).find(unknown))
    }

    /// Whether a clinic is looked into whose targets are not known.
    pub(super) fn wants_places(&self) -> bool {
        self.opened.as_ref().is_some_and(|opened| opened.places.is_empty())
    }

    /// After a run nothing that was known holds.
    pub(super) fn forget(&mut self) {
        self.clinics.iter_mut().for_each(|entry| entry.status = None);
        if let Some(opened) = &mut self.opened {
            opened.marked.clear();
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
        match key.code {
            KeyCode::Char('q') => Effect::Quit,
            KeyCode::Char('l') => Effect::Language,
            KeyCode::Char('r') => {
                self.clinics.iter_mut().for_each(|entry| entry.status = None);
                Effect::None
            }
            code if self.opened.is_some() => self.press_in_clinic(code),
            code => self.press_in_list(code),
        }
    }

    fn press_in_list(&mut self, key: KeyCode) -> Effect {
        let last = self.clinics.len() - 1;
        match key {
            KeyCode::Down | KeyCode::Char('j') => self.clinic = (self.clinic + 1).min(last),
            KeyCode::Up | KeyCode::Char('k') => self.clinic = self.clinic.saturating_sub(1),
            KeyCode::Home => self.clinic = 0,
            KeyCode::End => self.clinic = last,
            KeyCode::Enter | KeyCode::Right => return self.open(),
            KeyCode::Esc => return Effect::Quit,
            _ => {}
        }
        Effect::None
    }

    fn open(&mut self) -> Effect {
        let marked = BTreeSet::new();
        self.opened = Some(Opened { at: 0, marked, places: Vec::new(), place: 0 });
        Effect::Opened
    }

    fn press_in_clinic(&mut self, key: KeyCode) -> Effect {
        let steps = self.steps();
        let (clinic, target) = (self.clinic, self.place().and_then(|place| place.given.clone()));
        let several = self.clinics.len() > 1;
        let Some(opened) = &mut self.opened else { return Effect::None };
        // While nobody has looked again there are no steps, and the cursor stays where it was.
        let last = steps.len().checked_sub(1).unwrap_or(opened.at);
        opened.at = opened.at.min(last);
        let here = steps.get(opened.at).map(|step| step.name.clone());
        match key {
            KeyCode::Down | KeyCode::Char('j') => {
                opened.at = (opened.at + 1).min(last);
            }
            KeyCode::Up | KeyCode::Char('k') => opened.at = opened.at.saturating_sub(1),
            KeyCode::Home => opened.at = 0,
            KeyCode::End => opened.at = last,
            KeyCode::Char(' ') => {
                if let Some(name) = here
                    && !opened.marked.remove(&name)
                {
                    opened.marked.insert(name);
                }
            }
            KeyCode::Char('t') => opened.place = (opened.place + 1) % opened.places.len().max(1),
            KeyCode::Char('a') if !steps.is_empty() => {
                return Effect::Run(Wish { clinic, steps: Vec::new(), target });
            }
            KeyCode::Enter => {
                let marked =
                    steps.iter().map(|step| step.name.clone()).filter(|name| opened.marked.contains(name));
                let marked: Vec<String> = marked.collect();
                let wished = if marked.is_empty() { here.into_iter().collect() } else { marked };
                if !wished.is_empty() {
                    return Effect::Run(Wish { clinic, steps: wished, target });
                }
            }
            KeyCode::Esc | KeyCode::Left | KeyCode::Backspace if several => self.opened = None,
            KeyCode::Esc => return Effect::Quit,
            _ => {}
        }
        Effect::None
    }
}

/// A clinic's state in a word and a step: the first one that is not done.
pub(super) fn first_open(status: &ClinicStatus) -> Option<(status::State, String)> {
    let open = |step: &ShownStep| step.state != status::State::Done && step.own != Some(false);
    status.rows().into_iter().find(open).map(|step| (step.state, step.name))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::Moment;
    use crate::model::run::Stage;

    /// A clinic with two stages done, one out of date, and two own steps.
    pub(in crate::cli::menu) fn example(name: &str) -> ClinicStatus {
        use status::State::{Done, Failed, Pending, Stale};
        let json = |stage: Stage| serde_json::json!({"rows": stage as u64 * 1000 + 7, "rejected": 3});
        let stage = |stage: Stage, state: status::State| {
            let ended_at = (state != Pending).then(|| "2026-01-02T03:04:05.000Z".to_owned());
            let counts = if ended_at.is_some() { json(stage) } else { serde_json::Value::Null };
            status::StageStatus::example(stage, state, counts, ended_at)
        };
        let own = |name: &str, stage: Stage, autopilot: bool| status::OwnStatus {
            name: name.to_owned(),
            stage,
            moment: Moment::Before,
            state: Pending,
            autopilot,
            milliseconds: None,
            ended_at: None,
        };
        let states = [Done, Done, Stale, Failed, Pending, Pending];
        ClinicStatus {
            clinic: name.parse().unwrap(),
            stages: Stage::ALL.into_iter().zip(states).map(|(one, state)| stage(one, state)).collect(),
            own: vec![own("fetch", Stage::Load, false), own("refresh", Stage::Push, true)],
            problem: None,
            next: String::new(),
        }
    }

    pub(in crate::cli::menu) fn places() -> Vec<Place> {
        let place = |name: &str, given: bool, production: bool| Place {
            name: name.to_owned(),
            given: given.then(|| name.to_owned()),
            production,
        };
        vec![place("DATABASE_URL", false, false), place("production", true, true)]
    }

    pub(in crate::cli::menu) fn state(names: &[&str]) -> State {
        let mut state = State::new(names.iter().map(|name| (*name).to_owned()).collect());
        state.clinics.iter_mut().for_each(|entry| entry.status = Some(example(&entry.name)));
        state
    }

    /// Presses the keys of a text; `⏎`, `␛`, `↓`, `↑` are what they look like.
    pub(in crate::cli::menu) fn press(state: &mut State, keys: &str) -> Vec<Effect> {
        let code = |c: char| match c {
            '⏎' => KeyCode::Enter,
            '␛' => KeyCode::Esc,
            '↓' => KeyCode::Down,
            '↑' => KeyCode::Up,
            c => KeyCode::Char(c),
        };
        let mut effects = Vec::new();
        for c in keys.chars() {
            let effect = state.press(KeyEvent::new(code(c), KeyModifiers::NONE));
            if effect == Effect::Opened {
                state.opened.as_mut().unwrap().places = places();
            }
            effects.push(effect);
        }
        effects.retain(|effect| *effect != Effect::None);
        effects
    }

    fn wish(clinic: usize, steps: &[&str], target: Option<&str>) -> Effect {
        let steps = steps.iter().map(|name| (*name).to_owned()).collect();
        Effect::Run(Wish { clinic, steps, target: target.map(str::to_owned) })
    }

    #[test]
    fn a_clinic_is_chosen_and_one_several_or_all_of_its_steps_are_run() {
        let mut state = state(&["acme", "mini", "zed"]);
        assert_eq!(press(&mut state, "↓↓↓↑⏎"), [Effect::Opened]);
        assert_eq!(press(&mut state, "↓⏎"), [wish(1, &["load"], None)]);
        assert_eq!(press(&mut state, "↓ ↓ ⏎"), [wish(1, &["transform", "check"], None)]);
        assert_eq!(press(&mut state, " ⏎"), [wish(1, &["transform"], None)], "a mark is taken back");
        assert_eq!(press(&mut state, "ta"), [wish(1, &[], Some("production"))]);
        assert_eq!(press(&mut state, "ta"), [wish(1, &[], None)]);
        state.forget();
        assert_eq!(press(&mut state, "a⏎ "), [], "nothing is run of a clinic that is not known");
        assert_eq!(state.unknown(), Some(1));
        assert_eq!(press(&mut state, "␛␛"), [Effect::Quit]);
    }

    #[test]
    fn one_clinic_alone_is_looked_into_at_once() {
        let mut state = state(&["acme"]);
        assert!(state.opened.is_some() && state.wants_places());
        assert_eq!(press(&mut state, "tl␛"), [Effect::Language, Effect::Quit]);
        let stop = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(state.press(stop), Effect::Quit);
        let release = KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::from(KeyCode::Char('q')) };
        assert_eq!(state.press(release), Effect::None);
    }

    #[test]
    fn what_is_open_first_is_told_of_a_clinic() {
        let mut status = example("acme");
        assert_eq!(first_open(&status).unwrap().1, "check");
        status.stages.iter_mut().for_each(|one| one.state = status::State::Done);
        assert_eq!(first_open(&status).unwrap().1, "refresh");
        status.own[1].state = status::State::Done;
        assert!(first_open(&status).is_none(), "what is done by hand is not open");
    }
}
