//! The tables as they will be once a rollback is done, for whoever wants to know before.

use super::others::{self, Others};
use super::work::Work;
use crate::model::ident::quoted;
use crate::pg::After;

/// What the rows will be of each table of which some go or come back; `others` go with them. As long as the transaction's
/// temporary tables are there.
pub(super) fn of(works: &[Work<'_>], others: &[Others]) -> After {
    let mut after = After::default();
    for one in others {
        let stay = format!("select * from {} t where {}", one.table.quoted(), stays(one));
        after.set(&one.table, &stay);
    }
    for work in works {
        after.set(&work.table, &rows(work, others.iter().find(|one| one.table == work.table)));
    }
    after
}

/// A condition on alias `t`: the row does not go with others' rows.
fn stays(others: &Others) -> String {
    format!(
        "(t.tableoid, t.ctid) not in (select t.tableoid, t.ctid from {} where o.goes)",
        others::rows_of(&others.table)
    )
}

fn rows(work: &Work<'_>, others: Option<&Others>) -> String {
    let table = work.table.quoted();
    if work.whole {
        return format!("select * from {table} where false");
    }
    // What the image has no column for stays as it is.
    let back = work.live.columns.iter().map(|column| {
        let alias = if work.columns.contains(&column.name) { "i" } else { "t" };
        format!("{alias}.{}", quoted(&column.name))
    });
    let back = back.collect::<Vec<_>>().join(", ");
    let all = work.live.columns.iter().map(|column| format!("t.{}", quoted(&column.name)));
    format!(
        "select {} from {table} t where not exists (select 1 from {} b where b.act is not null and {same}){} \
         union all select {back} from {} i join {} b on b.key = i.trasvase_key left join {table} t on {same} \
         where b.act in ('update', 'insert')",
        all.collect::<Vec<_>>().join(", "),
        work.back(),
        others.map_or_else(String::new, |others| format!(" and {}", stays(others))),
        work.image(),
        work.back(),
        same = work.same_key(),
    )
}
