//! What only PostgreSQL can decide: a temporary copy of the table takes the batch's rows, and PostgreSQL says which of
//! them break a CHECK, a unique index over expressions, or an EXCLUDE, among themselves or with rows that are there.

use std::collections::{BTreeSet, HashSet};

use anyhow::Result;
use rust_i18n::t;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::orphans::Going;
use super::shape::TableShape;
use super::{Options, ready, standing};
use crate::codec::LiveOids;
use crate::error;
use crate::model::catalog::{Column, Constraint, ConstraintKind, Index, TypeKind};
use crate::model::exclusion::{Element, exclusion};
use crate::model::ident::{literal, quoted};
use crate::model::merge::OnConflict;
use crate::pg::copy::Copy;
use crate::pg::execute;
use crate::staging::{Staging, numbers};

/// What of a table PostgreSQL must decide.
#[derive(Default)]
pub(super) struct Questions<'c> {
    pub(super) checks: Vec<Check>,
    pub(super) unique: Vec<&'c Index>,
    pub(super) exclude: Vec<&'c Constraint>,
    /// The push writes over rows that are there.
    pub(super) overwrites: bool,
    /// The push may let rows take values from each other that stay.
    pub(super) crosses: bool,
    /// How the push decides of values that people changed, where that may let them stand.
    pub(super) stands: Option<OnConflict>,
    /// CHECKs that the batch's own rows meet: with values that stand they may not.
    pub(super) decided: Vec<Check>,
}

/// A CHECK of the table, or of a domain with `VALUE` replaced by the column.
pub(super) struct Check {
    pub(super) expression: String,
    pub(super) columns: String,
    pub(super) name: String,
}

impl Questions<'_> {
    pub(super) fn is_empty(&self) -> bool {
        let decided = self.stands.is_none() || self.decided.is_empty();
        decided && self.checks.is_empty() && self.unique.is_empty() && self.exclude.is_empty()
    }
}

/// Loads the surviving rows into a temporary table and writes PostgreSQL's answers into `temp.fault`. Nothing meets rows of the
/// target that the push will delete.
pub(super) async fn ask(
    options: &Options<'_>,
    shape: &TableShape<'_>,
    questions: &Questions<'_>,
    going: &mut Going<'_>,
) -> Result<()> {
    execute(options.client, "begin").await?;
    let answered = ask_in_transaction(options, shape, questions, going).await;
    execute(options.client, "rollback").await?;
    answered
}

async fn ask_in_transaction(
    options: &Options<'_>,
    shape: &TableShape<'_>,
    questions: &Questions<'_>,
    going: &mut Going<'_>,
) -> Result<()> {
    let Options { staging, client, oids, clinic, .. } = *options;
    execute(
        client,
        &format!(
            "create temporary table trasvase_probe (like {} including defaults including generated) on commit drop; \
             alter table trasvase_probe add column trasvase_place bigint; {}",
            shape.name.quoted(),
            loosen(shape)
        ),
    )
    .await?;
    fill(staging, client, oids, shape).await?;
    let Questions { overwrites, crosses, stands, .. } = *questions;
    let (retired, leaving) = (&going.retired.ids, &mut going.leaving);
    let probe = Probe { staging, client, shape, retired, overwrites, crosses, leaves: false };
    for check in &questions.checks {
        probe.record_check(check).await?;
    }
    probe.drop_fallen().await?;
    if let Some(policy) = stands
        && standing::keep(client, clinic.name.as_str(), shape, ("trasvase_probe", policy)).await?
    {
        for check in questions.checks.iter().chain(&questions.decided) {
            probe.record_check(check).await?;
        }
        probe.drop_fallen().await?;
    }
    let rule = clinic.vanished_rule(&shape.name);
    let leaves = rule.deletes(false) && probe.fallen()?.is_empty() && {
        let policy = ("trasvase_probe", rule.on_conflict);
        standing::leave(options, shape, policy, leaving).await?
    };
    Probe { leaves, ..probe }.all_keys(questions).await
}

/// The copy must take rows that break a rule: columns that the model leaves out may be null, domains become their base.
fn loosen(shape: &TableShape<'_>) -> String {
    let given = |name: &str| shape.columns.iter().any(|column| column.column.name == name);
    let alter = |column: &Column, what: String| {
        format!("alter table trasvase_probe alter column {} {what};", quoted(&column.name))
    };
    let columns = || shape.table.columns.iter().filter(|column| !column.generated);
    let nulls = columns()
        .filter(|column| column.not_null && !given(&column.name))
        .map(|column| alter(column, "drop not null".to_owned()));
    let domains =
        columns().filter(|column| matches!(column.data_type.kind, TypeKind::Domain { .. })).map(|column| {
            alter(
                column,
                format!(
                    "drop default, alter column {} type {}",
                    quoted(&column.name),
                    column.data_type.undomained().name
                ),
            )
        });
    nulls.chain(domains).collect()
}

async fn fill(staging: &Staging, client: &Client, oids: &LiveOids, shape: &TableShape<'_>) -> Result<()> {
    let names: Vec<String> = shape.columns.iter().map(|column| quoted(&column.column.name)).collect();
    let mut copy = Copy::start(
        client,
        &format!("copy trasvase_probe ({}, trasvase_place) from stdin (format binary)", names.join(", ")),
    )
    .await?;
    let values = shape.columns.iter().zip(&names).map(|(column, name)| {
        let value = format!("ready.{name}");
        match shape.placeholders.get(&column.column.name) {
            Some(table) => numbers::with_number(&value, table),
            None => value,
        }
    });
    let sql = format!(
        "select {}, rowid from {} ready where _n not in (select n from fault where table_name = {}) order by rowid",
        values.collect::<Vec<_>>().join(", "),
        shape.name.staged("ready"),
        literal(&shape.name.to_string())
    );
    let mut statement = staging.connection().prepare(&sql).map_err(error::duckdb)?;
    let mut rows = statement.query([]).map_err(error::duckdb)?;
    while let Some(row) = rows.next().map_err(error::duckdb)? {
        let out = copy.row(names.len() + 1);
        for (position, column) in shape.columns.iter().enumerate() {
            let value: Option<String> = row.get(position).map_err(error::duckdb)?;
            crate::codec::append_field(out, value.as_deref(), |text, out| {
                column.codec.encode(text, oids, out)
            })
            .map_err(|refusal| anyhow::anyhow!("{}: {}", column.column.name, refusal.rule()))?;
        }
        let place: i64 = row.get(names.len()).map_err(error::duckdb)?;
        out.extend_from_slice(&8_i32.to_be_bytes());
        out.extend_from_slice(&place.to_be_bytes());
        copy.flush_if_full().await?;
    }
    copy.finish().await?;
    execute(client, "create index on trasvase_probe (trasvase_place); analyze trasvase_probe").await
}

/// A CHECK that fails on more rows is broken itself.
const FAILED: usize = 1_000;

/// Whether an error is about what a function was given: a value, or what the function raises.
fn is_of_values(state: &SqlState) -> bool {
    ["21", "22", "23", "38", "39", "P0"].contains(&&state.code()[..2])
}

/// The filled copy of a table, and where its answers go.
struct Probe<'a> {
    staging: &'a Staging,
    client: &'a Client,
    shape: &'a TableShape<'a>,
    retired: &'a BTreeSet<String>,
    overwrites: bool,
    crosses: bool,
    /// The push deletes rows that the source has no more; which, [`standing::leave`] wrote down.
    leaves: bool,
}

/// What a row is refused by.
struct Reason<'a> {
    rule: &'a str,
    columns: &'a str,
    constraint: &'a str,
}

impl Probe<'_> {
    /// Asks about keys as long as rows fall.
    async fn all_keys(&self, questions: &Questions<'_>) -> Result<()> {
        let mut fallen = self.fallen()?;
        loop {
            self.keys(questions).await?;
            let now = self.fallen()?;
            // What a row that fell would have overwritten stays: others may meet it.
            if !self.overwrites || now.len() == fallen.len() {
                return Ok(());
            }
            fallen = self.drop_fallen().await?;
        }
    }

    /// Takes the rows that are refused out of the copy: they overwrite nothing.
    async fn drop_fallen(&self) -> Result<HashSet<i64>> {
        let fallen = self.fallen()?;
        if !fallen.is_empty() {
            let places: Vec<i64> = fallen.iter().copied().collect();
            let sql = "delete from trasvase_probe where trasvase_place = any($1)";
            self.client.execute(sql, &[&places]).await.map_err(|error| error::postgres(&error))?;
        }
        Ok(fallen)
    }

    /// Unique keys and exclusions.
    async fn keys(&self, questions: &Questions<'_>) -> Result<()> {
        for index in &questions.unique {
            let elements: Vec<Element> =
                index.expressions.iter().map(|expression| (expression.clone(), "=".to_owned())).collect();
            self.conflicts(&elements, index.predicate.as_deref(), "duplicate_key", &index.name).await?;
        }
        for constraint in &questions.exclude {
            if let Some((elements, predicate)) = exclusion(&constraint.definition) {
                self.conflicts(&elements, predicate.as_deref(), "exclusion", &constraint.name).await?;
            }
        }
        Ok(())
    }

    /// Rows that meet another row on every element; the first by (file, row) stays, and a row of the target always stays.
    async fn conflicts(
        &self,
        elements: &[Element],
        predicate: Option<&str>,
        rule: &str,
        constraint: &str,
    ) -> Result<()> {
        let values = elements
            .iter()
            .enumerate()
            .map(|(n, (sql, _))| format!("{sql} as e{n}"))
            .collect::<Vec<_>>()
            .join(", ");
        let meet = |left: &str, right: &str| {
            let each = elements.iter().enumerate();
            each.map(|(n, (_, op))| format!("{left}.e{n} {op} {right}.e{n}"))
                .collect::<Vec<_>>()
                .join(" and ")
        };
        let meets = meet("a", "b");
        let key = self.shape.table.primary_key();
        let keys: String =
            key.iter().enumerate().map(|(n, column)| format!(", {} as k{n}", quoted(column))).collect();
        let filter = predicate.unwrap_or("true");
        let inner = |from: &str, place: &str, stays: &str| {
            format!("(select {place} as place{keys}, {values} from {from} where ({filter}) and {stays})")
        };
        let same = (0..key.len()).map(|n| format!("a.k{n} = b.k{n}")).collect::<Vec<_>>().join(" and ");
        let same = if same.is_empty() { "false".to_owned() } else { same };
        let same_as = |table: &str, other: &str| {
            let each = key
                .iter()
                .enumerate()
                .map(|(n, column)| format!("{table}.{} = {other}.k{n}", quoted(column)));
            let all = each.collect::<Vec<_>>().join(" and ");
            if all.is_empty() { "false".to_owned() } else { all }
        };
        let name = (0..key.len()).map(|n| format!(", a.k{n}::text")).collect::<String>();
        let name = format!("concat_ws(', '{name})");
        let range = range_element(self.client, elements).await?;
        let own = inner("trasvase_probe", "trasvase_place", "true");
        let island = if range.is_some() { "a.island = b.island and" } else { "" };
        let with_batch = format!(
            "with own as materialized (select * from {}) select b.place, a.place from own a join own b \
         on {island} a.place < b.place and {meets} order by b.place, a.place",
            islands(&own, elements, range)
        );
        let both = format!(
            "(select * from {} t union all select * from {own} o)",
            inner(&self.shape.name.quoted(), "null::bigint", &self.stays())
        );
        let with_target = format!(
            "with both_sides as materialized (select * from {}) select b.place, batch.trasvase_place, {name} \
         from both_sides a join both_sides b \
         on {island} a.place is null and b.place is not null and {meets} and not ({same}) \
         left join trasvase_probe batch on {} \
         left join both_sides own on own.place = batch.trasvase_place \
         left join {} there on {} where not ({})",
            islands(&both, elements, range),
            same_as("batch", "a"),
            self.shape.name.quoted(),
            same_as("there", "b"),
            self.overwritten(elements, &meet("own", "a")),
        );
        let columns = elements.iter().map(|(sql, _)| sql.as_str()).collect::<Vec<_>>().join(", ");
        let reason = Reason { rule, columns: &columns, constraint };
        self.record_with_target(&with_target, &reason).await?;
        self.record_greedily(&with_batch, &reason).await
    }

    /// A condition on rows of the target: the push does not delete them, with their golden ids or since the source has them no
    /// more.
    fn stays(&self) -> String {
        let leaves = if self.leaves { standing::stays(self.shape) } else { "true".to_owned() };
        format!("{} and {leaves}", self.not_retired())
    }

    fn not_retired(&self) -> String {
        match self.shape.table.primary_key() {
            [key] if !self.retired.is_empty() => {
                let ids = self.retired.iter().map(|id| literal(id)).collect::<Vec<_>>().join(", ");
                format!("{}::text <> all (array[{ids}])", quoted(key))
            }
            _ => "true".to_owned(),
        }
    }

    /// Whether the target's row `a` will have another key by the time that a row `b` is written: the batch's own row
    /// `batch` with its primary key, among those with such a key `own`, is written over it. Where rows may not cross a key, only a new
    /// row comes after that, and references of a table to itself are written last.
    fn overwritten(&self, elements: &[Element], own_meets: &str) -> String {
        let Some(key) = self.shape.table.primary_key().first().filter(|_| self.overwrites) else {
            return "false".to_owned();
        };
        let mut to_itself = self.shape.table.foreign_keys().filter(|constraint| {
            matches!(&constraint.kind, ConstraintKind::ForeignKey { references, .. } if *references == self.shape.name)
        });
        let late = |column: &String| elements.iter().any(|(sql, _)| sql.contains(column.as_str()));
        let key = quoted(key);
        let gives_up =
            format!("batch.{key} is not null and (own.place is null or ({own_meets}) is not true)");
        if self.crosses {
            return gives_up;
        }
        if to_itself.any(|constraint| constraint.columns.iter().any(late)) {
            return "false".to_owned();
        }
        format!("there.{key} is null and {gives_up}")
    }

    /// Where the rows stand in `ready` that are refused.
    fn fallen(&self) -> Result<HashSet<i64>> {
        let sql = format!(
            "select rowid from {} where _n in (select n from fault where table_name = {})",
            self.shape.name.staged("ready"),
            literal(&self.shape.name.to_string())
        );
        Ok(self.staging.rows(&sql, |row| row.get(0))?.into_iter().collect())
    }

    /// Rows for which a CHECK is false, and those on which a function of it fails, which are looked for by halves: PostgreSQL
    /// would take neither.
    async fn record_check(&self, check: &Check) -> Result<()> {
        let reason = Reason { rule: "check", columns: &check.columns, constraint: &check.name };
        let last = "select coalesce(max(trasvase_place), -1) from trasvase_probe";
        let last = self.client.query_one(last, &[]).await.map_err(|error| error::postgres(&error))?;
        let (mut waiting, mut failed) = (vec![(0_i64, last.get::<_, i64>(0))], 0);
        while let Some((first, last)) = waiting.pop() {
            execute(self.client, "savepoint trasvase_check").await?;
            let sql = format!(
                "select trasvase_place from trasvase_probe where trasvase_place between $1 and $2 and not ({})",
                check.expression
            );
            match self.client.query(&sql, &[&first, &last]).await {
                Ok(rows) => {
                    for row in rows {
                        self.insert_fault(row.get(0), &reason, "null")?;
                    }
                }
                Err(error) if error.code().is_some_and(is_of_values) => {
                    execute(self.client, "rollback to savepoint trasvase_check").await?;
                    if first < last {
                        let middle = first + (last - first) / 2;
                        waiting.extend([(first, middle), (middle + 1, last)]);
                        continue;
                    }
                    self.insert_fault(first, &reason, "null")?;
                    failed += 1;
                    if failed > FAILED {
                        let (table, name) = (&self.shape.name, &check.name);
                        return Err(error::postgres(&error).context(t!(
                            "check.check_fails",
                            table = table,
                            constraint = name
                        )));
                    }
                }
                Err(error) => return Err(error::postgres(&error)),
            }
            execute(self.client, "release savepoint trasvase_check").await?;
        }
        Ok(())
    }

    /// Rows that meet one of the target: they name the row of the batch with its key, or where there is none that key.
    async fn record_with_target(&self, sql: &str, reason: &Reason<'_>) -> Result<()> {
        for row in self.client.query(sql, &[]).await.map_err(|error| error::postgres(&error))? {
            let (kept, key): (Option<i64>, String) = (row.get(1), row.get(2));
            let kept = match kept {
                Some(kept) => self.kept(kept, &ready::kept_key(&key)),
                None => ready::kept_key(&key),
            };
            self.insert_fault(row.get(0), reason, &kept)?;
        }
        Ok(())
    }

    /// The row of the batch that stays, as SQL; `unknown` is said where nothing tells its record.
    fn kept(&self, place: i64, unknown: &str) -> String {
        let (rows, kept) = (self.shape.name.staged("ready"), ready::kept_record("_ids[1]", unknown));
        format!("(select {kept} from {rows} where rowid = {place})")
    }

    /// Of pairs (later, earlier) a later row falls only if the earlier one stands.
    async fn record_greedily(&self, sql: &str, reason: &Reason<'_>) -> Result<()> {
        let mut fallen = self.fallen()?;
        for row in self.client.query(sql, &[]).await.map_err(|error| error::postgres(&error))? {
            let (later, earlier): (i64, i64) = (row.get(0), row.get(1));
            if !fallen.contains(&earlier) && fallen.insert(later) {
                self.insert_fault(later, reason, &self.kept(earlier, ready::KEPT_ROW))?;
            }
        }
        Ok(())
    }

    /// Refuses the row at one place in `ready`; `kept` is SQL for the row that it is refused for.
    fn insert_fault(&self, place: i64, reason: &Reason<'_>, kept: &str) -> Result<()> {
        let ready = self.shape.name.staged("ready");
        self.staging.execute(&format!(
            "insert into fault select {}, _n, {}, {}, {}, {kept} from {ready} where rowid = {place}",
            literal(&self.shape.name.to_string()),
            literal(reason.rule),
            literal(reason.columns),
            literal(reason.constraint),
        ))
    }
}

/// The element of an EXCLUDE that asks whether ranges overlap, where all others ask for equality.
async fn range_element(client: &Client, elements: &[Element]) -> Result<Option<usize>> {
    let Some(place) = elements.iter().position(|(_, op)| op == "&&") else { return Ok(None) };
    if elements.iter().enumerate().any(|(n, (_, op))| n != place && op != "=") {
        return Ok(None);
    }
    let sql = format!("select {} from trasvase_probe", elements[place].0);
    let statement = client.prepare(&sql).await.map_err(|error| error::postgres(&error))?;
    let ordered = [
        Type::INT4_RANGE,
        Type::INT8_RANGE,
        Type::NUM_RANGE,
        Type::TS_RANGE,
        Type::TSTZ_RANGE,
        Type::DATE_RANGE,
    ];
    Ok(ordered.contains(statement.columns()[0].type_()).then_some(place))
}

/// Numbers the rows so that two which overlap have the same `island`: in order of their lower bounds a new island begins
/// where no earlier range reaches. Without it every row of a room would be compared with every other.
fn islands(rows: &str, elements: &[Element], range: Option<usize>) -> String {
    let Some(n) = range else { return format!("{rows} r") };
    let equal: Vec<String> =
        (0..elements.len()).filter(|other| *other != n).map(|other| format!("e{other}")).collect();
    let partition =
        if equal.is_empty() { String::new() } else { format!("partition by {}", equal.join(", ")) };
    let order = format!("({partition} order by lower(e{n}) nulls first, place");
    format!(
        "(select *, sum(case when lower(e{n}) is null or endless or reach >= lower(e{n}) then 0 else 1 end) over {order}) as island \
         from (select *, bool_or(upper_inf(e{n})) over w as endless, max(upper(e{n})) over w as reach from {rows} r \
         where not isempty(e{n}) window w as {order} rows between unbounded preceding and 1 preceding)) r) r"
    )
}

/// The EXCLUDE constraints of a table.
pub(super) fn exclusions<'c>(shape: &TableShape<'c>) -> Vec<&'c Constraint> {
    shape.table.constraints.iter().filter(|constraint| constraint.kind == ConstraintKind::Exclude).collect()
}
