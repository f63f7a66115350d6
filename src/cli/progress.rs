//! Progress on stderr: bars with rate and time left on a terminal, plain lines otherwise.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rust_i18n::t;

use super::arguments::Level;
use super::output;
use super::peak::{self, Peak};
use crate::config::Labels;
use crate::model::run::{Event, Observer, Part, Stage};

/// A plain line about one subject is not repeated sooner than this.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// A file, model or table that took less is not worth a line of its own; with `--log-level debug` it has one.
const WORTH_A_LINE: Duration = Duration::from_secs(2);

/// Shows what the stages do.
pub(super) struct Progress {
    level: Level,
    /// What the clinic's system calls the stages.
    labels: Labels,
    bars: MultiProgress,
    subjects: Mutex<HashMap<(Stage, String), Subject>>,
    /// Of the stage that is at work.
    took: Mutex<Vec<Took>>,
    memory: Mutex<Memory>,
}

/// How much memory the source at work takes: sources are loaded one after the other.
#[derive(Default)]
struct Memory {
    of_source: Option<Peak>,
    /// The highest size that the system was made to forget since this was last asked.
    forgotten: Option<u64>,
}

/// A file, model or table that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Took {
    pub(super) subject: String,
    pub(super) milliseconds: u64,
    /// The most memory that the process held meanwhile; of sources, where the system says it.
    pub(super) peak_bytes: Option<u64>,
    ended: Instant,
}

/// One file, model or table at work.
struct Subject {
    bar: ProgressBar,
    total: Option<u64>,
    done: u64,
    started: Instant,
    told: Instant,
}

impl Progress {
    pub(super) fn new(level: Level) -> Self {
        Self::with(level, Labels::default())
    }

    /// In the words of these labels.
    pub(super) fn with(level: Level, labels: Labels) -> Self {
        let visible = level >= Level::Info && std::io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        Self {
            level,
            labels,
            bars,
            subjects: Mutex::default(),
            took: Mutex::default(),
            memory: Mutex::default(),
        }
    }

    fn start(&self, stage: Stage, name: &str, total: Option<u64>) {
        let bar = self.bars.add(match total {
            Some(total) if stage.counts_bytes() => ProgressBar::new(total).with_style(bytes_style()),
            Some(total) => ProgressBar::new(total).with_style(bar_style()),
            None => ProgressBar::new_spinner().with_style(spinner_style()),
        });
        bar.set_prefix(self.called(Part::of(stage, name)));
        bar.set_message(name.to_owned());
        let now = Instant::now();
        let subject = Subject { bar, total, done: 0, started: now, told: now };
        self.subjects().insert((stage, name.to_owned()), subject);
        if stage == Stage::Load {
            let mut memory = self.memory();
            memory.forgotten = memory.forgotten.max(peak::highest());
            memory.of_source = Some(Peak::begin());
        }
    }

    fn advance(&self, stage: Stage, name: &str, amount: u64) {
        let mut subjects = self.subjects();
        let Some(subject) = subjects.get_mut(&(stage, name.to_owned())) else { return };
        subject.done += amount;
        subject.bar.inc(amount);
        if self.bars.is_hidden() && subject.told.elapsed() >= PLAIN_INTERVAL {
            subject.told = Instant::now();
            let line = subject.line(&self.called(Part::of(stage, name)), stage, name);
            drop(subjects);
            self.line(&line);
        }
    }

    fn finish(&self, stage: Stage, name: &str, rows: u64) {
        let subject = self.subjects().remove(&(stage, name.to_owned()));
        let Some(subject) = subject else { return };
        subject.bar.finish_and_clear();
        self.bars.remove(&subject.bar);
        let took = subject.started.elapsed();
        self.note(stage, name, subject.started);
        if took >= WORTH_A_LINE || self.level >= Level::Debug {
            let rows = match stage {
                _ if stage.counts_bytes() => output::size(rows),
                _ => t!("cli.progress.rows", count = output::count(rows)).into_owned(),
            };
            let called = self.called(Part::of(stage, name));
            self.line(&format!(
                "{called}  {name:<32} {rows:>18}  {:>9}",
                output::duration(milliseconds(took))
            ));
        }
    }

    fn note(&self, stage: Stage, name: &str, started: Instant) {
        let (mut took, ended) = (self.took(), Instant::now());
        // A push may begin to send all tables before it lays the first one's rows in; that it does one after the other.
        let began = match took.last() {
            Some(last) if stage == Stage::Push => started.max(last.ended),
            _ => started,
        };
        let milliseconds = milliseconds(ended.duration_since(began));
        let peak = self.memory().of_source.take().filter(|peak| peak.anew && stage == Stage::Load);
        let peak_bytes = peak.and_then(|peak| peak.bytes());
        took.push(Took { subject: name.to_owned(), milliseconds, peak_bytes, ended });
    }

    /// What was done since this was last asked.
    pub(super) fn taken(&self) -> Vec<Took> {
        std::mem::take(&mut *self.took())
    }

    /// The highest size that was forgotten for the sake of single sources, since this was last asked.
    pub(super) fn forgotten(&self) -> Option<u64> {
        self.memory().forgotten.take()
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn took(&self) -> std::sync::MutexGuard<'_, Vec<Took>> {
        self.took.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stage, or a part of one that has a name of its own, is done: what it counted, and how long it took.
    pub(super) fn done(&self, part: Part, counts: &str, milliseconds: u64) {
        self.line(&format!("{}  {counts}  {}", self.called(part), output::duration(milliseconds)));
    }

    /// The name of a piece of work, as wide as all are.
    fn called(&self, part: Part) -> String {
        let width = self.labels.phase_width().max(9);
        format!("{:>width$}", self.labels.phase(part).unwrap_or(part.as_str()))
    }

    /// A line above the bars.
    fn line(&self, text: &str) {
        if self.level < Level::Info {
            return;
        }
        self.bars.suspend(|| output::status(text));
    }

    fn subjects(&self) -> std::sync::MutexGuard<'_, HashMap<(Stage, String), Subject>> {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subject {
    /// `load  patients.csv  40%, 120,000/s, 12.0 s left`
    fn line(&self, called: &str, stage: Stage, name: &str) -> String {
        let seconds = self.started.elapsed().as_secs().max(1);
        let rate = (self.done / seconds).max(1);
        let pace = match self.total {
            Some(total) if total > 0 => t!(
                "cli.progress.of_total",
                percent = self.done.min(total) * 100 / total,
                rate = amount(stage, rate),
                left = output::duration(total.saturating_sub(self.done) / rate * 1000)
            ),
            _ => t!("cli.progress.so_far", count = amount(stage, self.done), rate = amount(stage, rate)),
        };
        format!("{called}  {name:<32} {pace}")
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        match *event {
            Event::Started { stage, subject, total } => self.start(stage, subject, total),
            Event::Advanced { stage, subject, amount } => self.advance(stage, subject, amount),
            Event::Finished { stage, subject, rows } => self.finish(stage, subject, rows),
            Event::Note { stage, text } => self.line(&format!("{}  {text}", self.called(stage.into()))),
            Event::Warning { stage, text } | Event::Retried { stage, text, .. }
                if self.level >= Level::Warn =>
            {
                let called = self.called(stage.into());
                self.bars.suspend(|| output::status(&format!("{called}  {}: {text}", t!("cli.warning"))));
            }
            Event::Warning { .. } | Event::Retried { .. } => {}
        }
    }
}

/// Tells several observers.
pub(super) struct Both<'a>(pub(super) &'a dyn Observer, pub(super) &'a dyn Observer);

impl Observer for Both<'_> {
    fn event(&self, event: &Event<'_>) {
        self.0.event(event);
        self.1.event(event);
    }
}

/// What a stage counts: rows, or bytes.
fn amount(stage: Stage, number: u64) -> String {
    if stage.counts_bytes() { output::size(number) } else { output::count(number) }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix}  {msg:24!} {bar:20} {percent:>3}% {per_sec:>12} {eta:>5}")
        .expect("the template is a constant")
        .progress_chars("━╸─")
}

fn bytes_style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{prefix}  {msg:24!} {bar:20} {binary_bytes:>10} / {binary_total_bytes} {binary_bytes_per_sec:>12} {eta:>5}",
    )
    .expect("the template is a constant")
    .progress_chars("━╸─")
}

fn spinner_style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix}  {msg:24!} {spinner} {human_pos:>12} {per_sec:>12} {elapsed:>5}")
        .expect("the template is a constant")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_styles_are_valid() {
        bar_style();
        bytes_style();
        spinner_style();
    }

    #[test]
    fn a_plain_line_has_share_rate_and_time_left() {
        let subject = Subject {
            bar: ProgressBar::hidden(),
            total: Some(3000),
            done: 1000,
            started: Instant::now() - Duration::from_secs(10),
            told: Instant::now(),
        };
        let line = subject.line("load", Stage::Load, "patients");
        assert!(line.contains("33%") && line.contains("100/s") && line.contains("20.0 s"), "{line}");
    }
}
