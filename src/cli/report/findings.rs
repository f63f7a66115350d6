//! What was found, the gravest first, with masked examples.

use maud::{Markup, html};
use rust_i18n::t;

use super::page::{Column, code, number, plain, table};
use super::words;
use crate::cli::output::count;
use crate::desk::Decided;
use crate::report::{Example, Finding, Reject, Report};

pub(super) fn section(report: &Report) -> Markup {
    let faults = report.verification.iter().flat_map(|one| &one.faults);
    html! {
        h2 { (t!("report.findings")) }
        @if !report.values_shown { p { (t!("report.masked")) } }
        (table(&[
            (t!("report.fault"), Column::Text),
            (t!("report.about"), Column::Name),
            (t!("report.count"), Column::Number),
            (t!("report.decision"), Column::Text),
        ], faults.map(fault).collect()))
        @for severity in ["critical", "warning", "info"] {
            @let found: Vec<&Finding> = report.findings.iter().filter(|one| one.severity == severity).collect();
            @if !found.is_empty() {
                h3 { (words::severity(severity)) " (" (count(found.len() as u64)) ")" }
                (of_severity(&found))
            }
        }
        @if report.findings.is_empty() && report.answer.faults == 0 { p { (t!("report.no_findings")) } }
        @if !report.rejects.is_empty() {
            h3 { (t!("report.rejects")) }
            (rejects(&report.rejects))
        }
    }
}

fn fault(one: &Decided) -> Vec<Markup> {
    let about = [Some(one.fault.subject.as_str()), one.fault.column.as_deref()];
    let about = about.into_iter().flatten().collect::<Vec<_>>().join(".");
    let decision = match (&one.reason, one.accepted) {
        (Some(reason), true) => html! { (t!("report.status_accepted")) ": " (reason) (by(one.who.as_ref())) },
        _ => html! { (t!("report.open")) " (" code { (one.id) } ")" },
    };
    vec![
        html! { span class=(if one.fault.later { "fair" } else { "bad" }) { (words::fault(&one.fault.rule)) } },
        plain(about),
        number(one.fault.count),
        decision,
    ]
}

fn by(who: Option<&String>) -> Markup {
    html! { @if let Some(who) = who.filter(|who| !who.is_empty()) { " – " (who) } }
}

fn of_severity(found: &[&Finding]) -> Markup {
    let rows = found.iter().map(|one| {
        let about = [Some(one.subject.as_str()), one.column.as_deref()];
        vec![
            code(&one.rule),
            plain(about.into_iter().flatten().collect::<Vec<_>>().join(" · ")),
            number(one.count),
            html! {
                // A note asks for no decision.
                @if one.severity != "info" || one.status != "open" { (words::status(&one.status)) }
                @if let Some(reason) = &one.reason { ": " (reason) (by(one.who.as_ref())) }
                @else if one.status == "open" && one.severity != "info" { " (" code { (one.id) } ")" }
            },
            html! {
                @if let Some(detail) = &one.detail { div { (detail) } }
                (examples(&one.examples))
            },
        ]
    });
    table(
        &[
            (t!("report.rule"), Column::Name),
            (t!("report.about"), Column::Text),
            (t!("report.count"), Column::Number),
            (t!("report.decision"), Column::Text),
            (t!("report.examples"), Column::Text),
        ],
        rows.collect(),
    )
}

fn rejects(all: &[Reject]) -> Markup {
    let rows = all.iter().map(|one| {
        let column = one.column.as_ref().map_or_else(String::new, |column| format!(".{column}"));
        vec![
            plain(format!("{}{column}", one.table)),
            html! { code { (one.rule) } @if let Some(name) = &one.constraint { " " span class="soft" { (name) } } },
            number(one.rows),
            examples(&one.examples),
        ]
    });
    table(
        &[
            (t!("report.about"), Column::Name),
            (t!("report.rule"), Column::Text),
            (t!("cli.rows"), Column::Number),
            (t!("report.examples"), Column::Text),
        ],
        rows.collect(),
    )
}

fn examples(examples: &[Example]) -> Markup {
    html! {
        @for one in examples {
            div class="example" {
                @if let Some(record) = &one.record { span class="soft" { (record) } " " }
                @if let Some(value) = &one.value { code { (value) } }
                @if let Some(rows) = one.rows { " × " (count(rows)) }
            }
        }
    }
}
