//! The page, from its answer to the lines to sign on.

use std::borrow::Cow;

use maud::{Markup, html};
use rust_i18n::t;

use super::{checklist, counts, findings, profiled, proof, words, work};
use crate::cli::html::document;
use crate::cli::output;
use crate::report::{Report, Verdict};

pub(super) fn page(report: &Report) -> Markup {
    let title = t!("report.title", clinic = report.clinic);
    document(
        &title,
        &html! {
            h1 { (title) }
            @if report.values_shown { p class="warning" { (t!("report.values_shown")) } }
            p class=(format!("answer {}", class(report.answer.verdict))) { (words::answer(report)) }
            @if let Some(why) = &report.not_verified { p class="warning" { (t!("report.not_verified", why = why)) } }
            @if !report.staging { p class="warning" { (t!("report.staging_gone_on")) } }
            (about(report))
            (counts::section(report))
            (findings::section(report))
            (proof::section(report))
            (work::section(report))
            (profiled::section(report))
            (checklist::section(report))
        },
    )
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "good",
        Verdict::Later | Verdict::Accepted | Verdict::Unproven => "fair",
        Verdict::Faults | Verdict::Lost => "bad",
    }
}

/// What it is about.
fn about(report: &Report) -> Markup {
    let batch = report.batch.as_ref();
    html! {
        dl class="about" {
            (fact(&t!("report.way"), &format!("{} → {}", report.product, report.system)))
            (fact(&t!("report.target"), &report.target))
            @if let Some(batch) = batch {
                (fact(&t!("report.batch"), &format!("{} ({})", batch.id, words::status(&batch.status))))
                (fact(&t!("report.pushed"), &batch.ended_at.as_deref().map(output::moment).unwrap_or_default()))
                @if !batch.notes.is_empty() { (fact(&t!("report.notes"), &batch.notes)) }
            }
            @if let Some(proof) = &report.verification {
                (fact(&t!("report.verified"), &output::moment(&proof.at)))
            }
            (fact(&t!("report.made"), &format!("{}, {}", output::moment(&report.made_at), report.program)))
            (fact(&t!("report.snapshot"), &report.snapshot))
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// How a column's cells stand.
#[derive(Clone, Copy)]
pub(super) enum Column {
    Number,
    Name,
    /// May take several lines.
    Text,
    /// A long word that may break anywhere.
    Hash,
}

impl Column {
    fn class(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Name => "text",
            Self::Text => "text long",
            Self::Hash => "text hash",
        }
    }
}

/// A table that scrolls by itself where it is too wide; nothing where it has no rows.
pub(super) fn table(columns: &[(Cow<'_, str>, Column)], rows: Vec<Vec<Markup>>) -> Markup {
    if rows.is_empty() {
        return html! {};
    }
    html! {
        div class="wide" { table class="stack" {
            thead { tr { @for (name, column) in columns { th scope="col" class=(column.class()) { (name) } } } }
            tbody {
                @for row in rows {
                    tr {
                        @for (cell, (name, column)) in row.into_iter().zip(columns) {
                            td class=(column.class()) data-label=(name) { (cell) }
                        }
                    }
                }
            }
        } }
    }
}

/// A cell of plain text.
pub(super) fn plain(text: impl AsRef<str>) -> Markup {
    html! { (text.as_ref()) }
}

pub(super) fn number(value: u64) -> Markup {
    html! { (output::count(value)) }
}

pub(super) fn code(text: &str) -> Markup {
    html! { code { (text) } }
}

/// Whether something is as it should be, in a word and a sign, so that it can be read without colour.
pub(super) fn yes_or_no(yes: bool) -> Markup {
    html! {
        @if yes { span class="good" { "✓ " (t!("cli.yes")) } }
        @else { span class="bad" { "✗ " (t!("cli.no")) } }
    }
}
