//! Charts as SVG, drawn by numbers alone; colours and type are the page's.

use maud::{Markup, html};

/// Width of a chart in its own units; the page scales it.
const WIDTH: f64 = 720.0;

/// A bar to the right of zero, or to the left.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: f64,
    pub(super) text: String,
    /// Drawn pale: it is but a guess.
    pub(super) faint: bool,
}

/// Bars on both sides of one zero line; `most` is the value at the edge.
pub(super) fn diverging(bars: &[Bar], most: f64) -> Markup {
    let (row, labels, numbers) = (20.0, 250.0, 50.0);
    let zero = labels + (WIDTH - labels) / 2.0;
    let scale = ((WIDTH - labels) / 2.0 - numbers) / most.max(1.0);
    let height = bars.len() as f64 * row;
    html! {
        svg viewBox=(view(height)) role="img" {
            @for (place, bar) in bars.iter().enumerate() {
                @let y = place as f64 * row;
                @let width = bar.value.abs() * scale;
                @let x = if bar.value < 0.0 { zero - width } else { zero };
                @let (text_x, anchor) = if bar.value < 0.0 { (x - 5.0, "end") } else { (x + width + 5.0, "start") };
                text x="0" y=(number(y + 14.0)) { (bar.label) }
                rect x=(number(x)) y=(number(y + 3.0)) width=(number(width)) height="14" rx="2"
                    class=(class(bar)) {}
                text class="number" x=(number(text_x)) y=(number(y + 14.0)) text-anchor=(anchor) { (bar.text) }
            }
            line class="axis" x1=(number(zero)) x2=(number(zero)) y1="0" y2=(number(height)) {}
        }
    }
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
pub(super) fn histogram(counts: &[(i64, u64)], lines: &[(f64, String)]) -> Markup {
    let (Some(first), Some(last)) = (counts.first(), counts.last()) else { return html! {} };
    let height = 220.0;
    let (low, high) = (as_f64(first.0), as_f64(last.0) + 1.0);
    let scale = WIDTH / (high - low);
    let most = counts.iter().map(|(_, count)| tall(*count)).fold(1.0, f64::max);
    let at = |value: f64| (value - low) * scale;
    let step = ((high - low) / 12.0).ceil().max(1.0);
    let ticks = (0..=12)
        .map(|tick| (low / step).ceil() * step + f64::from(tick) * step)
        .take_while(|tick| *tick <= high);
    html! {
        svg viewBox=(view(height + 22.0)) role="img" {
            @for (bits, count) in counts {
                @let tall = tall(*count) / most * (height - 26.0);
                rect class="bar" x=(number(at(as_f64(*bits)) + 0.5)) y=(number(height - tall))
                    width=(number((scale - 1.0).max(0.5))) height=(number(tall)) {
                    title { (bits) " … " (bits + 1) ": " (super::super::output::count(*count)) }
                }
            }
            line class="axis" x1="0" x2=(number(WIDTH)) y1=(number(height)) y2=(number(height)) {}
            @for tick in ticks {
                text class="number" x=(number(at(tick))) y=(number(height + 16.0)) text-anchor="middle" { (number(tick)) }
            }
            @for (place, (value, label)) in lines.iter().enumerate() {
                @let right = at(*value) > WIDTH * 0.7;
                @let x = at(*value) + if right { -5.0 } else { 5.0 };
                line class="threshold" x1=(number(at(*value))) x2=(number(at(*value))) y1="0" y2=(number(height)) {}
                text x=(number(x)) y=(number(12.0 + place as f64 * 16.0)) text-anchor=(if right { "end" } else { "start" }) { (label) }
            }
        }
    }
}

/// A share of the widest, as a bar in a table's cell.
pub(super) fn share(part: u64, whole: u64) -> Markup {
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

fn view(height: f64) -> String {
    format!("0 0 {WIDTH} {}", number(height))
}

fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[expect(clippy::cast_precision_loss, reason = "bits and counts of a chart")]
fn as_f64(value: i64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "bits and counts of a chart")]
fn as_f64_unsigned(value: u64) -> f64 {
    value as f64
}
