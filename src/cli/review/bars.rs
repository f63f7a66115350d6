//! The weights of a pair as a waterfall of bars.

use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use rust_i18n::t;

use super::draw::{clipped, printable};
use crate::dedupe::level_text;
use crate::dedupe::waterfall::{Part, Waterfall};

/// A bar of the waterfall.
#[derive(Debug, Clone)]
struct Step {
    name: String,
    /// How far the two agree; empty where that says nothing.
    level: String,
    /// For (above zero) or against; 0 is no evidence.
    bits: f64,
}

/// The waterfall in at most this many lines: from the prior over each comparison to the sum. The smallest parts share a
/// line where there is no room; what is no evidence is only named.
pub(super) fn waterfall_lines(
    waterfall: &Waterfall,
    percent: &str,
    width: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let (telling, silent): (Vec<Step>, Vec<Step>) =
        steps(waterfall).into_iter().partition(|step| step.bits != 0.0);
    // A heading, the prior, the sum.
    let room = height.saturating_sub(3 + usize::from(!silent.is_empty()));
    let steps = gathered(telling, room.max(1));
    let bars = Bars::over(waterfall, &steps, width);
    let mut lines = vec![
        Line::from(clipped(&format!(" {}", t!("cli.review.weights", percent = percent)), width)).underlined(),
    ];
    lines.push(bars.line(&t!("cli.review.prior"), "", 0.0, waterfall.prior));
    let mut sum = waterfall.prior;
    for step in &steps {
        lines.push(bars.line(&step.name, &step.level, sum, sum + step.bits));
        sum += step.bits;
    }
    lines.push(bars.line(&t!("cli.review.sum"), "", 0.0, waterfall.weight).bold());
    if !silent.is_empty() {
        let names: Vec<String> = silent.into_iter().map(|step| step.name).collect();
        let names = t!("cli.review.no_evidence", names = names.join(", "));
        lines.push(Line::from(clipped(&format!(" {names}"), width)).dark_gray());
    }
    lines
}

/// The parts as people read them; the last two are left out where they are nothing.
fn steps(waterfall: &Waterfall) -> Vec<Step> {
    let step = |part: &Part| Step {
        name: printable(&part.comparison),
        level: part.level.as_ref().map(|level| printable(&level_text(&level.label))).unwrap_or_default(),
        bits: part.bits,
    };
    let more =
        [(t!("cli.review.rarity"), waterfall.rarity), (t!("cli.review.household"), waterfall.household)];
    let more = more.into_iter().filter(|(_, bits)| bits.abs() >= 0.005);
    let more = more.map(|(name, bits)| Step { name: name.into_owned(), level: String::new(), bits });
    waterfall.parts.iter().map(step).chain(more).collect()
}

/// At most this many steps, in their order; the ones that say least become one at the end.
fn gathered(mut steps: Vec<Step>, room: usize) -> Vec<Step> {
    if steps.len() <= room {
        return steps;
    }
    let mut sizes: Vec<f64> = steps.iter().map(|step| step.bits.abs()).collect();
    sizes.sort_by(|one, other| other.total_cmp(one));
    let least = sizes[room.saturating_sub(1)];
    let (mut count, mut bits) = (0, 0.0);
    steps.retain(|step| {
        let kept = step.bits.abs() > least;
        if !kept {
            count += 1;
            bits += step.bits;
        }
        kept
    });
    let name = t!("cli.review.others", count = count).into_owned();
    steps.push(Step { name, level: String::new(), bits });
    steps
}

/// The scale that all bars of one waterfall share.
struct Bars {
    low: f64,
    high: f64,
    label: usize,
    width: usize,
}

impl Bars {
    fn over(waterfall: &Waterfall, steps: &[Step], width: usize) -> Self {
        let mut sum = waterfall.prior;
        let mut ends = vec![0.0, sum, waterfall.weight];
        for step in steps {
            sum += step.bits;
            ends.push(sum);
        }
        let low = ends.iter().copied().fold(0.0, f64::min);
        let high = ends.iter().copied().fold(0.0, f64::max);
        let label = (width * 2 / 5).clamp(12, 40);
        Self { low, high, label, width: width.saturating_sub(label + 11) }
    }

    /// Column of a number of bits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the width")]
    fn column(&self, bits: f64) -> usize {
        let share = (bits - self.low) / (self.high - self.low).max(f64::MIN_POSITIVE);
        (share * self.width.saturating_sub(1) as f64).round() as usize
    }

    /// A step from one sum to the next: full blocks lead towards the same, hatched ones away from it.
    fn line(&self, name: &str, level: &str, from: f64, to: f64) -> Line<'static> {
        let label = if level.is_empty() { name.to_owned() } else { format!("{name}: {level}") };
        let (start, end) = (self.column(from.min(to)), self.column(from.max(to)));
        let (block, colour) = if to >= from { ('█', Color::Green) } else { ('▒', Color::Red) };
        let zero = self.column(0.0);
        let bar = (0..self.width).map(|at| match at {
            at if from != to && (start..=end).contains(&at) => block,
            at if at == zero => '│',
            _ => ' ',
        });
        Line::from(vec![
            Span::from(format!(" {} {:>+7.2}  ", clipped(&label, self.label), to - from)),
            Span::styled(bar.collect::<String>(), Style::new().fg(colour)),
        ])
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::dedupe::waterfall::Found;

    /// A waterfall with something of everything.
    pub(crate) fn waterfall() -> Waterfall {
        let part = |(name, label, bits): (&str, &str, f64)| Part {
            comparison: name.to_owned(),
            level: (!label.is_empty()).then(|| Found {
                label: label.to_owned(),
                m: 0.5,
                u: 0.5,
                household: 0.5,
                seen: true,
            }),
            bits,
            rarity: 0.0,
        };
        let parts = [
            ("name", "given_name_similar", 9.25),
            ("birth_date", "day_month_swapped", 5.5),
            ("sex", "equal", 0.9),
            ("national_id", "", 0.0),
            ("phone", "in_common", 4.75),
            ("email", "", 0.0),
            ("address", "different", -1.5),
            ("city", "equal", 2.0),
        ];
        let parts = parts.map(part).to_vec();
        Waterfall { prior: -17.6, parts, rarity: -0.3, household: 0.0, weight: 3.0 }
    }

    #[test]
    fn no_sum_is_lost_where_there_is_no_room() {
        let waterfall = waterfall();
        for room in 1..12 {
            let steps = gathered(steps(&waterfall), room);
            let sum = waterfall.prior + steps.iter().map(|step| step.bits).sum::<f64>();
            assert!(steps.len() <= room && (sum - waterfall.weight).abs() < 1e-9, "{room}: {steps:?}");
        }
    }
}
