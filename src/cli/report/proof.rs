//! What the target was asked, and what it said.

use std::collections::BTreeMap;

use maud::{Markup, html};
use rust_i18n::t;

use super::page::{Column, number, plain, table, yes_or_no};
use super::words;
use crate::cli::html::months::months;
use crate::cli::output::{self, count};
use crate::model::proof::{Proof, ProvenRelation, SampledRow};
use crate::report::Report;

pub(super) fn section(report: &Report) -> Markup {
    html! {
        h2 { (t!("report.proof")) }
        @match &report.verification {
            None => p { (t!("report.no_proof")) },
            Some(one) => {
                @let at = output::moment(&one.at);
                p { @if one.fresh { (t!("report.fresh", target = one.target, at = at)) }
                    @else { (t!("report.not_fresh", target = one.target, at = at)) } }
                (tables(&one.proof))
                (relations(&one.proof))
                (controls(&one.proof))
                (by_month(&one.proof))
                h2 { (t!("report.sample")) }
                @if one.proof.sample.is_empty() { p { (t!("report.no_sample")) } }
                @else if !report.values_shown { p { (t!("report.masked")) } }
                @for row in &one.proof.sample { (sampled(row)) }
            }
        }
    }
}

fn tables(proof: &Proof) -> Markup {
    let counts = proof.tables.iter().map(|one| {
        vec![
            plain(one.table.to_string()),
            number(one.source),
            number(one.rejected),
            number(one.expected),
            number(one.target),
            plain(words::signed(one.difference)),
            yes_or_no(one.equal),
        ]
    });
    let digests = proof.tables.iter().map(|one| {
        let (ours, theirs) = (&one.expected_digest, &one.target_digest);
        vec![
            plain(one.table.to_string()),
            plain(ours),
            html! { @if ours == theirs { (t!("report.same_digest")) } @else { (theirs) } },
        ]
    });
    html! {
        h3 { (t!("report.tables")) }
        (table(&[
            (t!("cli.table"), Column::Name),
            (t!("report.made_rows"), Column::Number),
            (t!("report.rejected_heading"), Column::Number),
            (t!("report.expected"), Column::Number),
            (t!("report.in_target"), Column::Number),
            (t!("report.difference"), Column::Number),
            (t!("report.equal"), Column::Name),
        ], counts.collect()))
        @for one in proof.tables.iter().filter(|one| one.left > 0) {
            p { (t!("verify.left", table = one.table, count = count(one.left))) }
        }
        h3 { (t!("report.digests")) }
        p { (t!("report.digests_text")) }
        (table(&[
            (t!("cli.table"), Column::Name),
            (t!("report.snapshot"), Column::Hash),
            (t!("report.target"), Column::Hash),
        ], digests.collect()))
    }
}

fn relations(proof: &Proof) -> Markup {
    let mut kinds: BTreeMap<&str, Vec<&ProvenRelation>> = BTreeMap::new();
    for one in &proof.relations {
        kinds.entry(&one.kind).or_default().push(one);
    }
    let rows = kinds.into_iter().map(|(kind, all)| {
        let broken: Vec<&&ProvenRelation> = all.iter().filter(|one| one.rows > 0).collect();
        let failing = broken.iter().any(|one| !one.warning);
        vec![
            plain(words::relation(kind)),
            number(all.len() as u64),
            number(broken.len() as u64),
            yes_or_no(!failing),
            html! { @for one in &broken { div { (one.table) "." (one.name) ": " (count(one.rows)) } } },
        ]
    });
    html! {
        h3 { (t!("report.relations")) }
        (table(&[
            (t!("report.rule"), Column::Name),
            (t!("report.asked"), Column::Number),
            (t!("report.broken"), Column::Number),
            (t!("report.holds"), Column::Name),
            (t!("report.which"), Column::Text),
        ], rows.collect()))
    }
}

/// Figures of the old system and questions that both sides answer.
fn controls(proof: &Proof) -> Markup {
    let text = |value: &Option<String>| plain(value.as_deref().unwrap_or("∅"));
    let figures = proof.controls.iter().map(|one| {
        let name = if one.key.is_empty() { one.name.clone() } else { format!("{} {}", one.name, one.key) };
        let rejected = plain(one.rejected.as_deref().unwrap_or_default());
        vec![plain(name), text(&one.source), rejected, text(&one.target), yes_or_no(one.equal)]
    });
    let queries = proof.queries.iter().map(|one| {
        let rows = t!("report.query_rows", rows = count(one.rows));
        let differing = if one.differing == 0 {
            rows.clone()
        } else {
            t!("report.differing", rows = count(one.differing))
        };
        vec![plain(&one.name), plain(rows), plain(""), plain(differing), yes_or_no(one.equal)]
    });
    let rows: Vec<Vec<Markup>> = figures.chain(queries).collect();
    html! {
        h3 { (t!("report.controls")) }
        @if rows.is_empty() { p { (t!("report.no_controls")) } }
        (table(&[
            (t!("report.figure"), Column::Name),
            (t!("report.origin"), Column::Number),
            (t!("report.rejected_heading"), Column::Number),
            (t!("report.target"), Column::Number),
            (t!("report.equal"), Column::Name),
        ], rows))
    }
}

fn by_month(proof: &Proof) -> Markup {
    let counted: Vec<_> =
        proof.months.iter().filter(|one| one.months.iter().any(|month| !month.month.is_empty())).collect();
    html! {
        @if !counted.is_empty() { h3 { (t!("report.months")) } }
        @for one in counted {
            @let name = format!("{}.{}", one.table, one.column);
            @let dated: Vec<&str> = one.months.iter().map(|month| month.month.as_str()).filter(|month| !month.is_empty()).collect();
            @let unequal = one.months.iter().filter(|month| month.expected != month.target).count() as u64;
            figure {
                (months(&one.months, &name))
                figcaption {
                    (name) ": " (dated.first().unwrap_or(&"")) " – " (dated.last().unwrap_or(&"")) ", "
                    @if unequal == 0 { (t!("report.months_equal", count = count(dated.len() as u64))) }
                    @else { span class="bad" { (t!("report.months_differ", count = count(unequal))) } }
                }
            }
        }
    }
}

fn sampled(row: &SampledRow) -> Markup {
    let text = |value: &Option<String>| match value.as_deref() {
        None => html! { span class="soft" { "NULL" } },
        Some(text) => plain(text),
    };
    let cells = row.columns.iter().map(|cell| {
        let (ours, theirs) = match &cell.values {
            Some(values) => (text(&values.expected), text(&values.found)),
            None => (plain(""), plain("")),
        };
        let mark = if cell.equal {
            html! { "=" }
        } else {
            html! { span class="bad" { "≠" } }
        };
        vec![plain(&cell.column), ours, mark, theirs]
    });
    html! {
        section {
            h3 { (row.table) " " span class="soft" { (row.key) } }
            @if !row.found { p class="bad" { (t!("report.row_missing")) } }
            (table(&[
                (t!("report.column"), Column::Name),
                (t!("report.snapshot"), Column::Text),
                ("".into(), Column::Name),
                (t!("report.target"), Column::Text),
            ], cells.collect()))
        }
    }
}
