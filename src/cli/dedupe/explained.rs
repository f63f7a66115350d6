//! Why two records scored as they did, as a table of bits.

use rust_i18n::t;

use super::super::output::{self, Page, Table};
use crate::config::Dedupe;
use crate::dedupe::explain::{Explanation, Verdict};
use crate::dedupe::level_text;
use crate::dedupe::pending::Records;
use crate::dedupe::waterfall::{Part, Waterfall};

pub(super) fn page(found: &Explanation, settings: &Dedupe, records: Option<&Records>) -> Page {
    let page = match records {
        Some(records) => Page::new().table(values(found, records)),
        None => Page::new(),
    };
    let page = page.table(parts(&found.waterfall)).line(t!(
        "cli.dedupe.probability",
        weight = bits(found.waterfall.weight),
        probability = format!("{:.4}", found.probability)
    ));
    let page = page.line(verdict(found, settings));
    let page = page.line(if found.one_cluster {
        t!("cli.dedupe.one_cluster")
    } else {
        t!("cli.dedupe.two_clusters")
    });
    page.add(rules(found))
}

fn parts(found: &Waterfall) -> Table {
    let mut table = Table::new([
        t!("cli.dedupe.comparison"),
        t!("cli.dedupe.level"),
        "m".into(),
        "u".into(),
        t!("cli.dedupe.bits"),
        t!("cli.dedupe.rarity"),
    ])
    .right(&[2, 3, 4, 5]);
    let alone = |text: &str, value: f64| {
        [text.to_owned(), String::new(), String::new(), String::new(), bits(value), String::new()]
    };
    table.row(alone(&t!("cli.dedupe.prior"), found.prior));
    for part in &found.parts {
        table.row(row(part));
    }
    table.row(alone(&t!("cli.dedupe.household"), found.household));
    table.row(alone(&t!("cli.dedupe.sum"), found.weight));
    table
}

fn row(part: &Part) -> [String; 6] {
    let Some(level) = &part.level else {
        let missing = t!("cli.dedupe.missing").into_owned();
        return [part.comparison.clone(), missing, String::new(), String::new(), bits(0.0), String::new()];
    };
    let text = level_text(&level.label);
    let text = if level.seen { text } else { format!("{text} ({})", t!("cli.dedupe.unseen")) };
    let rarity = if part.rarity == 0.0 { String::new() } else { bits(part.rarity) };
    [part.comparison.clone(), text, share(level.m), share(level.u), bits(part.bits), rarity]
}

fn values(found: &Explanation, records: &Records) -> Table {
    let mut table =
        Table::new([t!("cli.dedupe.column"), found.left.as_str().into(), found.right.as_str().into()]);
    for (place, column) in records.columns.iter().enumerate() {
        let cell = |id: &str| records.cell(id, place).unwrap_or("∅").to_owned();
        table.row([column.clone(), cell(&found.left), cell(&found.right)]);
    }
    table
}

fn verdict(found: &Explanation, settings: &Dedupe) -> String {
    let (accept, review) = (settings.accept, settings.review);
    match found.verdict {
        Verdict::MustLink => t!("cli.dedupe.verdict.must_link"),
        Verdict::CannotLink => t!("cli.dedupe.verdict.cannot_link"),
        Verdict::Never => t!("cli.dedupe.verdict.never"),
        Verdict::Exact => t!("cli.dedupe.verdict.exact"),
        Verdict::Accepted => t!("cli.dedupe.verdict.accepted", accept = accept),
        Verdict::Waiting => t!("cli.dedupe.verdict.waiting", accept = accept, review = review),
        Verdict::Rejected => t!("cli.dedupe.verdict.rejected", review = review),
    }
    .into_owned()
}

/// The rules that make the pair; where none does it was never compared, whatever its score.
fn rules(found: &Explanation) -> Page {
    let names = |compared: bool| {
        let those = found.rules.iter().filter(move |rule| rule.compared == compared);
        those
            .map(|rule| format!("{} ({})", rule.rule, output::count(rule.block)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (made, cut) = (names(true), names(false));
    let page = match made.is_empty() {
        true => Page::new().line(t!("cli.dedupe.no_rule")),
        false => Page::new().line(t!("cli.dedupe.by_rules", rules = made)),
    };
    if cut.is_empty() { page } else { page.line(t!("cli.dedupe.by_cut_rules", rules = cut)) }
}

/// A number of bits with its sign.
pub(super) fn bits(value: f64) -> String {
    let text = format!("{value:+.1}");
    if text == "-0.0" { "+0.0".to_owned() } else { text }
}

/// A share: readable also where it is tiny.
pub(super) fn share(value: f64) -> String {
    if value >= 0.001 { format!("{value:.3}") } else { format!("{value:.0e}") }
}
