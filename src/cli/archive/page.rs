//! What people read of archives: what one would hold, what was stored, what is there, what is proven.

use rust_i18n::t;

use super::{Answer, Proven, SHOWN};
use crate::archive::{Fault, Found, Plan};
use crate::cli::output::{self, Page, Table};
use crate::config::LockMode;
use crate::model::ident::ClinicName;

impl Answer {
    pub(in crate::cli) fn page(&self, clinic: &ClinicName) -> Page {
        let (report, archived) = (&self.report, &self.report.archived);
        let page = planned(&report.plan).line("").line(t!(
            "archive.sent",
            objects = output::count(report.sent_objects),
            size = output::size(report.sent_bytes)
        ));
        let page = match report.extended {
            0 => page,
            count => page.line(t!("archive.extended", count = output::count(count))),
        };
        let page = match report.unchanged {
            true => page.line(t!("archive.unchanged", at = output::moment(&archived.at))),
            false => page.line(t!("archive.done", objects = output::count(archived.objects))),
        };
        let page = page.line(format!("SHA-256 archive.json: {}", archived.index_sha256));
        let page = match &self.not_noted {
            Some(why) => page.line(t!("archive.not_noted", why = why)),
            None => page.line(t!("archive.noted", batches = self.batches.join(", "))),
        };
        page.line(format!("  → trasvase archive verify {clinic}"))
    }
}

pub(super) fn planned(plan: &Plan) -> Page {
    let mut table =
        Table::new([t!("archive.what"), t!("archive.objects"), t!("archive.size")]).right(&[1, 2]);
    for area in &plan.areas {
        table.row([area.area.clone(), output::count(area.objects), output::size(area.bytes)]);
    }
    table.row([t!("archive.all").into_owned(), output::count(plan.objects), output::size(plan.bytes)]);
    let mut page =
        Page::new().line(format!("s3://{}/{}", plan.bucket, plan.prefix)).table(table).line(kept(plan));
    if plan.recipients > 0 {
        page = page.line(t!("archive.for_recipients", count = plan.recipients));
    }
    page = match &plan.git {
        Some(git) if git.dirty == 0 => page.line(t!("archive.commit", commit = git.commit)),
        Some(git) => page.line(t!("archive.dirty", commit = git.commit, count = git.dirty)),
        None => page.line(t!("archive.no_git")),
    };
    for (key, names) in [
        ("archive.gone", &plan.gone),
        ("archive.left_out", &plan.left_out),
        ("archive.hidden", &plan.hidden),
        ("archive.no_files", &plan.no_files),
    ] {
        if !names.is_empty() {
            page = page.line(t!(key, names = names.join(", ")));
        }
    }
    page
}

/// How long it is kept, and from whom.
fn kept(plan: &Plan) -> String {
    let years = plan.mode.zip(plan.years).map(|(mode, years)| match mode {
        LockMode::Governance => t!("archive.governance", years = years),
        LockMode::Compliance => t!("archive.compliance", years = years),
    });
    let hold = plan.legal_hold.then(|| t!("archive.hold"));
    years.into_iter().chain(hold).collect::<Vec<_>>().join("; ")
}

pub(super) fn listed(found: &[Found]) -> Table {
    let mut table = Table::new([
        t!("archive.snapshot"),
        t!("archive.when"),
        t!("archive.objects"),
        t!("archive.size"),
        t!("archive.until"),
    ])
    .right(&[2, 3]);
    for one in found {
        table.row([
            one.snapshot.chars().take(SHOWN).collect(),
            one.at.as_deref().map_or_else(|| t!("archive.not_finished").into_owned(), output::moment),
            output::count(one.objects),
            output::size(one.bytes),
            until(one),
        ]);
    }
    table
}

fn until(one: &Found) -> String {
    let day = one.until.as_ref().map(|until| until.chars().take(10).collect::<String>());
    let hold = one.legal_hold.then(|| t!("archive.hold").into_owned());
    let sealed = one.sealed.then(|| t!("archive.is_sealed").into_owned());
    day.into_iter().chain(hold).chain(sealed).collect::<Vec<_>>().join("; ")
}

pub(super) fn proof(proven: &[Proven]) -> Page {
    proven.iter().fold(Page::new(), |page, one| {
        let id: String = one.found.snapshot.chars().take(SHOWN).collect();
        if one.problems.is_empty() {
            let (objects, size) = (output::count(one.found.objects), output::size(one.found.bytes));
            let until = until(&one.found);
            return page.line(t!(
                "archive.whole",
                snapshot = id,
                objects = objects,
                size = size,
                until = until
            ));
        }
        let mut table = Table::new([t!("archive.object"), t!("archive.fault")]);
        for problem in &one.problems {
            table.row([problem.key.clone(), fault(problem.fault).into_owned()]);
        }
        page.line(t!("archive.broken", snapshot = id, count = one.problems.len())).table(table)
    })
}

fn fault(fault: Fault) -> std::borrow::Cow<'static, str> {
    match fault {
        Fault::Missing => t!("archive.missing"),
        Fault::Changed => t!("archive.changed"),
        Fault::Unretained => t!("archive.unretained"),
        Fault::Unfinished => t!("archive.not_finished"),
    }
}
