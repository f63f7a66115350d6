//! Problems of quality, each in a line: how many of what, why, and what became of them.

use maud::{Markup, html};
use rust_i18n::t;

use crate::cli::output::count;
use crate::report::{Problem, ProblemKind, Report};

pub(super) fn section(report: &Report) -> Markup {
    html! {
        @if !report.quality.is_empty() {
            h2 { (t!("report.quality")) }
            ul class="quality" { @for one in &report.quality { (line(one)) } }
        }
    }
}

fn line(one: &Problem) -> Markup {
    let what = one.label.clone().unwrap_or_else(|| one.table.to_string());
    html! {
        li {
            (count(one.records)) " " (what) ": "
            @match &one.text {
                Some(text) => (text),
                None => code { (one.reason) },
            }
            " (" (kind(one.kind)) ")"
        }
    }
}

fn kind(kind: ProblemKind) -> std::borrow::Cow<'static, str> {
    match kind {
        ProblemKind::Skipped => t!("report.kind_skipped"),
        ProblemKind::Flagged => t!("report.kind_flagged"),
        ProblemKind::Merged => t!("report.kind_merged"),
        ProblemKind::Corrected => t!("report.kind_corrected"),
    }
}
