//! The sentences of a report.

use rust_i18n::t;

use crate::cli::output::count;
use crate::report::{Report, Verdict};

/// The answer in one sentence.
pub(super) fn answer(report: &Report) -> String {
    let one = &report.answer;
    let (read, rows, tables) = (count(one.read), count(one.rows), count(one.tables as u64));
    match one.verdict {
        Verdict::Clean if one.standing > 0 => {
            let standing = count(one.standing);
            t!("report.clean_standing", read = read, rows = rows, tables = tables, standing = standing)
        }
        Verdict::Clean => t!("report.clean", read = read, rows = rows, tables = tables),
        Verdict::Lost => {
            t!("report.lost", files = count(one.lost), read = read, count = count(one.faults as u64))
        }
        Verdict::Later => t!("report.later", read = read, rows = rows, tables = tables),
        Verdict::Accepted => t!("report.accepted", read = read, count = count(one.faults as u64)),
        Verdict::Faults => t!("report.faults", read = read, count = count(one.faults as u64)),
        Verdict::Unproven => t!("report.unproven", read = read),
    }
    .into_owned()
}

pub(super) fn verdict(name: &str) -> String {
    match name {
        "unreadable" => t!("report.unreadable"),
        "rejected" => t!("report.rejected"),
        "merged" => t!("report.merged"),
        "filtered" => t!("report.filtered"),
        "imported" => t!("report.imported"),
        "left_out" => t!("report.left_out"),
        other => return other.to_owned(),
    }
    .into_owned()
}

pub(super) fn severity(name: &str) -> String {
    match name {
        "critical" => t!("report.critical"),
        "warning" => t!("report.warning"),
        "info" => t!("report.info"),
        other => return other.to_owned(),
    }
    .into_owned()
}

pub(super) fn status(name: &str) -> String {
    match name {
        "open" => t!("report.open"),
        "accepted" => t!("report.status_accepted"),
        "resolved" => t!("report.resolved"),
        "completed" => t!("report.completed"),
        "rolled_back" => t!("report.rolled_back"),
        "running" => t!("report.running"),
        "failed" => t!("report.failed"),
        other => return other.to_owned(),
    }
    .into_owned()
}

/// What a verification found wrong.
pub(in crate::cli) fn fault(rule: &str) -> String {
    match rule {
        "missing" | "missing_unsent" => t!("report.rows_missing"),
        "missing_deleted" => t!("report.rows_deleted"),
        "extra" | "extra_doubled" => t!("report.rows_extra"),
        "extra_edited" | "different_edited" => t!("report.rows_edited"),
        "missing_overwritten" | "different_overwritten" | "extra_overwritten" => {
            t!("report.rows_overwritten")
        }
        "missing_taken_back" | "different_taken_back" | "kept_taken_back" | "extra_taken_back" => {
            t!("report.rows_taken_back")
        }
        "different_rewritten" => t!("report.rows_rewritten"),
        "different_unsent" => t!("report.rows_unsent"),
        "kept_conflict" | "extra_conflict" | "missing_conflict" => t!("report.rows_conflict"),
        "kept" => t!("report.rows_kept"),
        "unequal" => t!("report.rows_unequal"),
        "records_unaccounted" => t!("report.records_unaccounted"),
        "ledger_sums" => t!("report.ledger_sums"),
        "control" => t!("report.control_unequal"),
        "query" => t!("report.query_unequal"),
        relation => return self::relation(relation),
    }
    .into_owned()
}

/// A kind of rule of the target.
pub(super) fn relation(kind: &str) -> String {
    match kind {
        "foreign_key" => t!("verify.foreign_keys"),
        "declared" => t!("verify.declared"),
        "others_orphans" => t!("verify.others_keys"),
        "not_null" => t!("verify.not_null"),
        "unique" => t!("verify.unique"),
        "check" => t!("verify.check"),
        "sequence" => t!("verify.sequences"),
        "today" => t!("verify.today"),
        other => return other.to_owned(),
    }
    .into_owned()
}

/// A difference with its sign.
pub(super) fn signed(difference: i64) -> String {
    let digits = count(difference.unsigned_abs());
    match difference {
        0 => digits,
        1.. => format!("+{digits}"),
        _ => format!("−{digits}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([-4, 0, 12].map(signed), ["−4", "0", "+12"]);
    }
}
