//! Rows by month: a bar a month, and beside it what the other side has where that is another number.

use maud::{Markup, html};

use super::charts::{as_f64_unsigned as float, number};
use crate::cli::output::count;
use crate::model::proof::ProvenMonth;

const HEIGHT: f64 = 40.0;
const STEP: f64 = 4.0;

pub(in crate::cli) fn months(all: &[ProvenMonth], name: &str) -> Markup {
    let dated: Vec<&ProvenMonth> = all.iter().filter(|month| !month.month.is_empty()).collect();
    let most = all.iter().map(|month| month.expected.max(month.target)).max().unwrap_or_default();
    let tall = |rows: u64| float(rows) / float(most.max(1)) * HEIGHT;
    html! {
        svg class="months" viewBox=(format!("0 0 {} {HEIGHT}", number(float(dated.len() as u64) * STEP)))
            preserveAspectRatio="none" role="img" aria-label=(name) {
            @for (place, month) in dated.iter().enumerate() {
                @let left = float(place as u64) * STEP;
                @let equal = month.expected == month.target;
                rect class=(if equal { "bar" } else { "bar faint" }) x=(number(left)) y=(number(HEIGHT - tall(month.expected)))
                    width=(number(if equal { STEP - 0.6 } else { STEP / 2.0 })) height=(number(tall(month.expected))) {
                    title { (month.month) ": " (count(month.expected)) @if !equal { " ≠ " (count(month.target)) } }
                }
                @if !equal {
                    rect class="other" x=(number(left + STEP / 2.0)) y=(number(HEIGHT - tall(month.target)))
                        width=(number(STEP / 2.0 - 0.6)) height=(number(tall(month.target))) {}
                }
            }
        }
    }
}
