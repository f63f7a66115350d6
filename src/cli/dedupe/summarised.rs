//! What linking came to, as tables.

use rust_i18n::t;

use super::super::output::{self, Page, Table};
use super::super::transform::without_source_id;
use super::explained::{bits, share};
use crate::dedupe::summary::{Summary, Verdicts};
use crate::dedupe::{Model, RuleReport, level_text};
use crate::model::ident::ClinicName;

pub(super) fn page(summary: &Summary, clinic: &ClinicName) -> Page {
    let (found, model) = (&summary.found, &summary.found.model);
    Page::new()
        .line(t!("cli.dedupe.records", entity = summary.entity, count = output::count(model.records)))
        .add(rules(&found.rules, summary.max_pairs))
        .add(fit(summary))
        .table(levels(model))
        .add(warnings(summary))
        .add(without_source_id(&summary.entity, summary.without_source_id, clinic))
        .table(pairs(&summary.pairs))
        .add(clusters(summary, clinic))
}

/// The rules, and what it means where one was cut.
pub(super) fn rules(rules: &[RuleReport], max_pairs: f64) -> Page {
    let mut table = Table::new([
        t!("cli.dedupe.rule"),
        t!("cli.dedupe.pairs"),
        t!("cli.dedupe.compared"),
        t!("cli.dedupe.left_out"),
        t!("cli.dedupe.blocks"),
        t!("cli.dedupe.biggest"),
        t!("cli.dedupe.limit"),
    ])
    .right(&[1, 2, 3, 4, 5, 6])
    .optional(&[6, 3]);
    for rule in rules {
        let left_out = rule.pairs - rule.compared;
        let counts = [rule.pairs, rule.compared, left_out, rule.blocks, rule.biggest].map(output::count);
        let limit = rule.limit.map(output::count).unwrap_or_default();
        table.row([rule.rule.clone()].into_iter().chain(counts).chain([limit]));
    }
    let cut: Vec<&str> =
        rules.iter().filter(|rule| rule.limit.is_some()).map(|rule| rule.rule.as_str()).collect();
    let page = Page::new().table(table);
    if cut.is_empty() {
        page
    } else {
        page.line(t!("cli.dedupe.cut_rules", rules = cut.join(", "), most = max_pairs))
    }
}

fn fit(summary: &Summary) -> Page {
    let model = &summary.found.model;
    let fitted = if summary.found.pinned {
        t!("cli.dedupe.pinned")
    } else {
        t!("cli.dedupe.fitted", rounds = model.rounds, random = output::count(model.random_pairs))
    };
    let expected = t!(
        "cli.dedupe.expected",
        compared = output::count(model.candidates),
        matches = rounded(summary.expected_matches),
        household = rounded(summary.expected_household)
    );
    Page::new().line("").line(fitted).line(expected)
}

fn levels(model: &Model) -> Table {
    let mut table = Table::new([
        t!("cli.dedupe.comparison"),
        t!("cli.dedupe.level"),
        "m".into(),
        "u".into(),
        t!("cli.dedupe.bits"),
        "".into(),
    ])
    .right(&[2, 3, 4])
    .optional(&[5]);
    for comparison in &model.comparisons {
        for (place, level) in comparison.levels.iter().enumerate() {
            let name = if place == 0 { comparison.name.as_str() } else { "" };
            let mark = if level.seen { String::new() } else { t!("cli.dedupe.unseen").into_owned() };
            let numbers = [share(level.m), share(level.u), bits(level.bits())];
            table.row([name.to_owned(), level_text(&level.label)].into_iter().chain(numbers).chain([mark]));
        }
    }
    table
}

/// What makes the weights doubtful.
fn warnings(summary: &Summary) -> Page {
    let model = &summary.found.model;
    let mut page = Page::new();
    if !model.converged && !summary.found.pinned {
        page = page.line(t!("cli.dedupe.not_converged", rounds = model.rounds));
    }
    let unseen = unseen(model);
    if unseen > 0 {
        page = page.line(t!("cli.dedupe.unseen_levels", count = unseen));
    }
    if summary.outdated {
        page = page.line(t!("cli.dedupe.outdated"));
    }
    page
}

fn unseen(model: &Model) -> usize {
    model.comparisons.iter().flat_map(|comparison| &comparison.levels).filter(|level| !level.seen).count()
}

/// The names and counts of the verdicts, those that nothing came to left out.
pub(super) fn verdicts(pairs: &Verdicts) -> Vec<(String, u64)> {
    let all = [
        (t!("cli.dedupe.pairs_exact"), pairs.exact),
        (t!("cli.dedupe.pairs_accepted"), pairs.accepted),
        (t!("cli.dedupe.pairs_waiting"), pairs.waiting),
        (t!("cli.dedupe.pairs_settled"), pairs.settled),
        (t!("cli.dedupe.pairs_never"), pairs.never),
        (t!("cli.dedupe.pairs_decided"), pairs.decided),
        (t!("cli.dedupe.pairs_rejected"), pairs.rejected),
    ];
    all.into_iter().filter(|(_, count)| *count > 0).map(|(text, count)| (text.into_owned(), count)).collect()
}

fn pairs(pairs: &Verdicts) -> Table {
    let mut table = Table::new([t!("cli.dedupe.verdict"), t!("cli.dedupe.pairs")]).right(&[1]);
    for (text, count) in verdicts(pairs) {
        table.row([text, output::count(count)]);
    }
    table
}

fn clusters(summary: &Summary, clinic: &ClinicName) -> Page {
    let clusters = &summary.clusters;
    let mut page = Page::new().line("").line(t!(
        "cli.dedupe.clusters",
        count = output::count(clusters.clusters),
        records = output::count(clusters.records),
        biggest = output::count(clusters.biggest)
    ));
    if clusters.cut > 0 {
        page = page.line(t!("cli.dedupe.cut_links", count = output::count(clusters.cut)));
    }
    if summary.gone > 0 {
        page = page.line(t!("cli.dedupe.gone", count = output::count(summary.gone)));
    }
    if summary.pairs.waiting > 0 {
        page = page.line(format!("  → trasvase review {clinic} {}", summary.entity));
    }
    page
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of pairs that is expected"
)]
pub(super) fn rounded(value: f64) -> String {
    output::count(value.round().max(0.0) as u64)
}
