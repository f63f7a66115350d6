//! Origin, imported, difference; where every record went; duplicates.

use maud::{Markup, html};
use rust_i18n::t;

use super::page::{Column, number, plain, table, yes_or_no};
use super::{quality, words};
use crate::cli::html::flow::{End, flow};
use crate::cli::output::count;
use crate::report::{Note, Report, SourceCounts};

/// Sources that the picture has room for.
const MOST: usize = 14;

pub(super) fn section(report: &Report) -> Markup {
    html! {
        h2 { (t!("report.counts")) }
        (by_source(report))
        (quality::section(report))
        h2 { (t!("report.flow")) }
        p { (t!("report.flow_text")) }
        (picture(report))
        @if !report.duplicates.is_empty() {
            h2 { (t!("report.duplicates")) }
            (duplicates(report))
        }
    }
}

fn by_source(report: &Report) -> Markup {
    let rows = report.sources.iter().map(|source| {
        vec![
            name(source),
            number(source.count.read),
            number(source.count.imported + source.count.skipped),
            plain(words::signed(source.difference)),
            yes_or_no(source.complete),
            notes(source),
        ]
    });
    table(
        &[
            (t!("report.source"), Column::Name),
            (t!("report.origin"), Column::Number),
            (t!("report.imported_heading"), Column::Number),
            (t!("report.difference"), Column::Number),
            (t!("report.accounted_heading"), Column::Name),
            (t!("report.why"), Column::Text),
        ],
        rows.collect(),
    )
}

fn name(source: &SourceCounts) -> Markup {
    html! {
        (source.label.as_deref().unwrap_or(&source.count.source))
        @if let Some(table) = &source.primary { span class="soft" { @if source.label.is_some() { " (" (source.count.source) ")" } " → " (table) } }
    }
}

fn notes(source: &SourceCounts) -> Markup {
    html! {
        @if let Some(unused) = &source.unused { div { (t!("report.unused", why = unused)) } }
        @for note in &source.notes { div { (text(note)) } }
    }
}

fn text(note: &Note) -> Markup {
    html! {
        (count(note.records)) " " (words::verdict(&note.verdict))
        @if let Some(reason) = &note.reason { ": " code { (reason) } }
    }
}

fn picture(report: &Report) -> Markup {
    let end = |name: &str, class| End { label: words::verdict(name), class };
    let ends = [
        end("imported", "for"),
        end("merged", "mark"),
        end("filtered", "idle"),
        end("left_out", "idle"),
        end("rejected", "against"),
    ];
    let parts = |source: &SourceCounts| {
        let one = &source.count;
        let imported = one.imported + one.skipped;
        (one.source.clone(), vec![imported, one.merged, one.filtered, source.left_out, one.rejected])
    };
    let mut starts: Vec<(String, Vec<u64>)> = report.sources.iter().map(parts).collect();
    starts.sort_by_key(|(_, parts)| std::cmp::Reverse(parts.iter().sum::<u64>()));
    if starts.len() > MOST {
        let rest = starts.split_off(MOST - 1);
        let sum = |end: usize| rest.iter().map(|(_, parts)| parts[end]).sum::<u64>();
        starts
            .push((t!("report.others", count = rest.len()).into_owned(), (0..ends.len()).map(sum).collect()));
    }
    flow(&starts, &ends, &t!("report.flow"))
}

fn duplicates(report: &Report) -> Markup {
    let rows = report.duplicates.iter().map(|one| {
        let counts =
            [one.records, one.golden, one.records - one.golden, one.clusters, one.biggest, one.pending];
        [plain(&one.entity)].into_iter().chain(counts.map(number)).collect()
    });
    table(
        &[
            (t!("report.entity"), Column::Name),
            (t!("report.records"), Column::Number),
            (t!("report.golden"), Column::Number),
            (t!("report.folded"), Column::Number),
            (t!("report.clusters"), Column::Number),
            (t!("report.biggest"), Column::Number),
            (t!("report.pending"), Column::Number),
        ],
        rows.collect(),
    )
}
