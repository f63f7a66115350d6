//! What the target's rules say, and rows by month.

use std::collections::BTreeMap;

use rust_i18n::t;

use crate::cli::output::{self, Page, Table};
use crate::verify::{Relation, RelationReport, Report};

pub(super) fn page(report: &Report) -> Page {
    let page = Page::new().table(rules(report));
    let broken = report.relations.iter().filter(|relation| relation.rows > 0);
    let page = broken.fold(page, |page, one| page.line(text(one)));
    months(report, page)
}

/// How many rules of each kind were asked, and how many are broken.
fn rules(report: &Report) -> Table {
    let mut table =
        Table::new([t!("verify.relation"), t!("verify.asked"), t!("verify.broken_rules"), t!("verify.rows")])
            .right(&[1, 2, 3]);
    let mut kinds: BTreeMap<Relation, Vec<&RelationReport>> = BTreeMap::new();
    for one in &report.relations {
        kinds.entry(one.kind).or_default().push(one);
    }
    for (kind, all) in kinds {
        let broken = all.iter().filter(|one| one.rows > 0).count();
        let rows = all.iter().map(|one| one.rows).sum::<u64>();
        let counts = [all.len() as u64, broken as u64, rows].map(output::count);
        table.row([name(kind)].into_iter().chain(counts));
    }
    table
}

fn name(kind: Relation) -> String {
    match kind {
        Relation::ForeignKey => t!("verify.foreign_keys"),
        Relation::Declared => t!("verify.declared"),
        Relation::OthersOrphans => t!("verify.others_keys"),
        Relation::NotNull => t!("verify.not_null"),
        Relation::Unique => t!("verify.unique"),
        Relation::Check => t!("verify.check"),
        Relation::Sequence => t!("verify.sequences"),
        Relation::Today => t!("verify.today"),
    }
    .into_owned()
}

fn text(one: &RelationReport) -> String {
    let (table, name, rows) = (&one.table, &one.name, output::count(one.rows));
    let text = match one.kind {
        Relation::ForeignKey | Relation::Declared => {
            t!("verify.orphans", table = table, name = name, rows = rows)
        }
        Relation::OthersOrphans => t!("verify.others_orphans", table = table, name = name, rows = rows),
        Relation::NotNull => t!("verify.nulls", table = table, name = name, rows = rows),
        Relation::Unique => t!("verify.doubled", table = table, name = name, rows = rows),
        Relation::Check => t!("verify.unchecked", table = table, name = name, rows = rows),
        Relation::Sequence => t!("verify.behind", table = table, name = name, rows = rows),
        Relation::Today => t!("verify.all_today", table = table, name = name, rows = rows),
    }
    .into_owned();
    match one.keys.as_slice() {
        [] => text,
        keys => t!("verify.with_keys", text = text, keys = keys.join(", ")).into_owned(),
    }
}

/// By which columns rows were counted by month, and the months that have another number of rows on either side.
fn months(report: &Report, page: Page) -> Page {
    let mut table =
        Table::new([t!("verify.by_month"), t!("verify.months"), t!("verify.other_months")]).right(&[1, 2]);
    for one in report.months.iter().filter(|one| !one.months.is_empty()) {
        let counts = [one.months.len() as u64, one.unequal().count() as u64].map(output::count);
        table.row([format!("{}.{}", one.table, one.column)].into_iter().chain(counts));
    }
    let unequal = report.months.iter().flat_map(|one| one.unequal().map(move |month| (&one.table, month)));
    unequal.fold(page.table(table), |page, (table, one)| {
        let (expected, target) = (output::count(one.expected), output::count(one.target));
        page.line(t!("verify.month", table = table, month = one.month, expected = expected, target = target))
    })
}
