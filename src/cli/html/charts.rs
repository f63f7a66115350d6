//! Charts of a page: lengths are shares of what there is room for, so that text keeps its size on any screen.

use maud::{Markup, html};

/// A bar to the right of zero, or to the left.
pub(in crate::cli) struct Bar {
    pub(in crate::cli) label: String,
    pub(in crate::cli) value: f64,
    pub(in crate::cli) text: String,
    /// Drawn pale: it is but a guess.
    pub(in crate::cli) faint: bool,
}

/// Bars on both sides of one zero line; `most` is the value at the edge.
pub(in crate::cli) fn diverging(bars: &[Bar], most: f64) -> Markup {
    html! {
        @for bar in bars {
            div class="level" {
                span { (bar.label) }
                div class=(side(bar)) style=(format!("--share: {:.3}", bar.value.abs() / most.max(1.0))) {
                    i class=(class(bar)) {}
                    b { (bar.text) }
                }
            }
        }
    }
}

fn side(bar: &Bar) -> &'static str {
    if bar.value < 0.0 { "track left" } else { "track" }
}

fn class(bar: &Bar) -> &'static str {
    match (bar.value < 0.0, bar.faint) {
        (false, false) => "for",
        (true, false) => "against",
        (false, true) => "for faint",
        (true, true) => "against faint",
    }
}

/// Counts by whole bits, on a logarithmic scale, with lines at named places.
pub(in crate::cli) fn histogram(counts: &[(i64, u64)], lines: &[(f64, String)]) -> Markup {
    let (Some(first), Some(last)) = (counts.first(), counts.last()) else { return html! {} };
    // A line may stand where no pair is.
    let ends = lines.iter().map(|(value, _)| *value);
    let low = ends.clone().fold(as_f64(first.0), f64::min).floor();
    let high = ends.fold(as_f64(last.0) + 1.0, f64::max).ceil();
    let most = counts.iter().map(|(_, count)| tall(*count)).fold(1.0, f64::max);
    let at = |value: f64| (value - low) / (high - low) * 100.0;
    let step = step(high - low);
    let ticks = (0..=12)
        .map(|tick| (low / step).ceil() * step + f64::from(tick) * step)
        .take_while(|tick| *tick <= high);
    html! {
        div class="chart" {
            svg viewBox="0 0 100 100" preserveAspectRatio="none" role="presentation" {
                @for (bits, count) in counts {
                    @let tall = tall(*count) / most * 84.0;
                    rect class="bar" x=(number(at(as_f64(*bits)))) y=(number(100.0 - tall))
                        width=(number(88.0 / (high - low))) height=(number(tall)) {
                        title { (bits) " … " (bits + 1) ": " (crate::cli::output::count(*count)) }
                    }
                }
            }
            @for tick in ticks {
                span class="tick" style=(format!("left: {}%", number(at(tick)))) { (number(tick)) }
            }
            @for (place, (value, label)) in lines.iter().enumerate() {
                // The first is named on its left and the second on its right, where there is room.
                @let left = at(*value) > if place == 0 { 30.0 } else { 75.0 };
                span class=(if left { "mark left" } else { "mark" }) style=(format!("left: {}%", number(at(*value)))) {
                    b { (label) }
                }
            }
        }
    }
}

/// Between two ticks: 1, 2 or 5, tenfold as often as it takes.
fn step(range: f64) -> f64 {
    let steps = (0..).flat_map(|zeros| [1.0, 2.0, 5.0].map(|digit: f64| digit * 10_f64.powi(zeros)));
    steps.into_iter().find(|step| range / step <= 12.0).unwrap_or(range)
}

/// A share of the widest, as a bar in a table's cell.
pub(in crate::cli) fn share(part: u64, whole: u64) -> Markup {
    let width = if whole == 0 { 0.0 } else { as_f64_unsigned(part) / as_f64_unsigned(whole) * 120.0 };
    html! {
        svg class="share" viewBox="0 0 120 10" role="presentation" {
            rect class="bar" width=(number(width)) height="10" rx="2" {}
        }
    }
}

fn tall(count: u64) -> f64 {
    (as_f64_unsigned(count) + 1.0).log10()
}

pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "bits and counts of a chart")]
fn as_f64(value: i64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "bits and counts of a chart")]
pub(super) fn as_f64_unsigned(value: u64) -> f64 {
    value as f64
}
