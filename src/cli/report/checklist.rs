//! What a person goes through, and where they sign.

use maud::{Markup, html};
use rust_i18n::t;

use crate::cli::output;
use crate::report::{Check, Item, Report, State};

pub(super) fn section(report: &Report) -> Markup {
    html! {
        section {
            h2 { (t!("report.checklist")) }
            ul class="checklist" { @for one in &report.checklist { (point(one)) } }
        }
        section class="approval" {
            h2 { (t!("report.approval")) }
            @match &report.signed {
                Some(signed) => {
                    p { (t!("report.signed", by = signed.by, at = output::moment(&signed.at))) }
                    // The signed report itself is a part of what is sealed.
                    @if !signed.seal.is_empty() { p { (t!("report.seal")) " " code { (signed.seal) } } }
                }
                None => {
                    @for name in [t!("report.signed_by"), t!("report.signed_role"), t!("report.signed_on"), t!("report.signature")] {
                        div class="signature" { span { (name) } span class="blank" {} }
                    }
                }
            }
        }
    }
}

fn point(one: &Check) -> Markup {
    let (mark, class) = match one.state {
        State::Done => ("☑", "good"),
        State::Missing => ("☒", "bad"),
        State::Open => ("☐", "soft"),
    };
    let state = match one.state {
        State::Done => t!("report.point_done"),
        State::Missing => t!("report.point_missing"),
        State::Open => t!("report.point_open"),
    };
    html! {
        li {
            span class=(class) role="img" aria-label=(state) { (mark) } " "
            (text(one.item))
            @if let Some(detail) = &one.detail { " (" (detail) ")" }
        }
    }
}

fn text(item: Item) -> std::borrow::Cow<'static, str> {
    match item {
        Item::Accounted => t!("report.item_accounted"),
        Item::Equal => t!("report.item_equal"),
        Item::Relations => t!("report.item_relations"),
        Item::Controls => t!("report.item_controls"),
        Item::Findings => t!("report.item_findings"),
        Item::Pairs => t!("report.item_pairs"),
        Item::Rehearsed => t!("report.item_rehearsed"),
        Item::Backup => t!("report.item_backup"),
        Item::Rollback => t!("report.item_rollback"),
    }
}
