//! Carries a plan out, inside the caller's transaction, which nobody else writes these tables in.
//!
//! Foreign keys wait until the end where they can be made to: then rows may go before others come, which is what keys that
//! are unique want. What is deleted first nobody refers to, since deleting a row that is referred to may delete or change
//! those that do. A role that may not make them wait gets the order that keeps foreign keys whole, and PostgreSQL's word.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use tokio_postgres::Client;

use super::batch::{Batch, numbers};
use super::plan::Plan;
use super::work::Work;
use super::{Edited, others};
use crate::error;
use crate::model::catalog::{Catalog, Constraint, ConstraintKind, Identity};
use crate::model::ident::{TableName, literal, quoted};
use crate::pg::crossed::Crossed;
use crate::pg::triggers::Running;
use crate::pg::{execute, ledger};

/// What is to be done in the transaction.
pub(super) struct Deed<'a> {
    pub(super) client: &'a Client,
    pub(super) catalog: &'a Catalog,
    /// Oldest first.
    pub(super) batches: &'a [Batch],
    /// Parents before their children.
    pub(super) works: &'a [Work<'a>],
    pub(super) disabled: &'a BTreeMap<TableName, Vec<Running>>,
    /// Keys that rows take from each other.
    pub(super) crossed: &'a [Crossed],
    pub(super) edited: Edited,
}

/// Which of the rows that go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    All,
    /// Those that no row refers to.
    Unreferred,
}

impl Deed<'_> {
    pub(super) async fn do_it(&self, plan: &Plan) -> Result<()> {
        for (table, triggers) in self.disabled {
            let sql: String = triggers.iter().map(|trigger| trigger.disable(table)).collect();
            execute(self.client, &sql).await?;
        }
        self.empty_whole().await?;
        if self.edited == Edited::Force {
            self.keep_overwritten(plan).await?;
        }
        let waiting = self.waiting();
        for (table, constraint) in &waiting {
            execute(self.client, &alter(table, constraint, "deferrable initially deferred")).await?;
        }
        for key in self.crossed {
            key.drop(self.client).await?;
        }
        execute(self.client, "set constraints all deferred").await?;
        self.change(self.all_can_wait()).await?;
        execute(self.client, "set constraints all immediate").await?;
        for key in self.crossed {
            key.create(self.client).await?;
        }
        for (table, constraint) in
            waiting.iter().filter(|(table, constraint)| !self.is_anew(table, constraint))
        {
            execute(self.client, &alter(table, constraint, "not deferrable")).await?;
        }
        for (table, triggers) in self.disabled {
            let sql: String = triggers.iter().map(|trigger| trigger.enable(table)).collect();
            execute(self.client, &sql).await?;
        }
        self.note_left().await?;
        self.note(plan).await
    }

    /// Whether a foreign key was made anew with the key that it rests on, as it was defined.
    fn is_anew(&self, table: &TableName, constraint: &Constraint) -> bool {
        let mut anew = self.crossed.iter().flat_map(|key| &key.references);
        anew.any(|(child, name)| child == table && *name == constraint.name)
    }

    /// Writes down the rows that stay, so that the next push knows them again, and forgets those that were left before and are
    /// not so any more. One that is put back as it was left is still one of them.
    async fn note_left(&self) -> Result<()> {
        let standing = self.batches.iter().rev().find(|batch| !batch.left);
        let batch = standing.or(self.batches.last()).map_or(0, |batch| batch.number);
        let any_left = self.batches.iter().any(|batch| batch.left);
        for work in self.works.iter().filter(|work| !work.whole && work.has_key()) {
            let (table, back, same_key) = (work.table.quoted(), work.back(), work.same_key());
            let as_now = "sha256(convert_to((t.*)::text, 'UTF8'))";
            let moved = match any_left {
                true => format!(
                    " or b.act is not null and b.key in (select key from pg_temp.{}) \
                     and not exists (select 1 from {table} t where {same_key} and {as_now} = l.after)",
                    work.left_table()
                ),
                false => String::new(),
            };
            let sql = format!(
                "insert into trasvase.left_behind select {batch}, {code}, b.key, {as_now} \
                 from {table} t join {back} b on {same_key} where b.act is null and b.conflict is not null \
                 on conflict do nothing; \
                 delete from trasvase.left_behind l using {back} b, trasvase.batch o where o.number = l.batch \
                 and o.clinic = (select clinic from trasvase.batch where number = {batch}) \
                 and l.target_table = {code} and l.key = b.key and (b.act = 'delete'{moved})",
                code = ledger::code_sql(&work.table.to_string()),
            );
            execute(self.client, &sql).await?;
        }
        Ok(())
    }

    /// Deletes, updates and inserts; every table with as many rows as planned.
    async fn change(&self, all_can_wait: bool) -> Result<()> {
        let mut deleted = vec![0; self.works.len()];
        if self.restores() {
            self.delete(Gone::Unreferred, &mut deleted).await?;
        }
        if !all_can_wait {
            self.insert().await?;
        }
        self.update().await?;
        self.delete(Gone::All, &mut deleted).await?;
        if all_can_wait {
            self.insert().await?;
        }
        for (work, deleted) in self.works.iter().zip(deleted).filter(|(work, _)| !work.whole) {
            expect(work, work.counts.deletes, deleted)?;
        }
        Ok(())
    }

    fn restores(&self) -> bool {
        self.works.iter().any(|work| work.restores() > 0)
    }

    /// Foreign keys between the tables that are written.
    fn keys_between(&self) -> impl Iterator<Item = (&TableName, &Constraint)> {
        let written = |table: &TableName| self.works.iter().any(|work| work.table == *table && !work.whole);
        self.catalog.foreign_keys().filter(move |(child, constraint)| {
            matches!(&constraint.kind, ConstraintKind::ForeignKey { references, .. } if written(references) && written(child))
        })
    }

    /// The foreign keys that are made to wait: only where rows come back, or tables refer to each other.
    fn waiting(&self) -> Vec<(&TableName, &Constraint)> {
        let place = |table: &TableName| self.works.iter().position(|work| work.table == *table);
        let backwards = |child: &TableName, constraint: &Constraint| match &constraint.kind {
            ConstraintKind::ForeignKey { references, .. } => place(references) > place(child),
            _ => false,
        };
        if !self.restores() && !self.keys_between().any(|(child, constraint)| backwards(child, constraint)) {
            return Vec::new();
        }
        self.keys_between().filter(|(child, constraint)| self.may_wait(child, constraint)).collect()
    }

    fn may_wait(&self, child: &TableName, constraint: &Constraint) -> bool {
        let table = &self.catalog.tables[child];
        table.owned && !table.partition_child && !constraint.deferrable
    }

    fn all_can_wait(&self) -> bool {
        self.keys_between()
            .all(|(child, constraint)| constraint.deferrable || self.may_wait(child, constraint))
    }

    /// Empties the tables of which every row goes, with those that refer to them and have none.
    async fn empty_whole(&self) -> Result<()> {
        let whole = |table: &TableName| self.works.iter().any(|work| work.table == *table && work.whole);
        let mut tables: Vec<&TableName> =
            self.works.iter().filter(|work| work.whole).map(|work| &work.table).collect();
        for (child, constraint) in self.catalog.foreign_keys() {
            if let ConstraintKind::ForeignKey { references, .. } = &constraint.kind
                && whole(references)
                && !tables.contains(&child)
            {
                tables.push(child);
            }
        }
        if tables.is_empty() {
            return Ok(());
        }
        let tables = tables.into_iter().map(TableName::quoted).collect::<Vec<_>>().join(", ");
        execute(self.client, &format!("truncate {tables}")).await
    }

    /// Keeps what is overwritten by force, and the rows that foreign keys will delete or change with ours.
    async fn keep_overwritten(&self, plan: &Plan) -> Result<()> {
        for work in self.works.iter().filter(|work| !work.whole) {
            let rows = format!(
                "{} t join {} b on {} where b.act is not null and b.conflict is not null",
                work.table.quoted(),
                work.back(),
                work.same_key()
            );
            self.overwritten(&work.table, "b.key", &rows).await?;
        }
        for one in &plan.others {
            self.overwritten(&one.table, "t.ctid::text", &others::rows_of(&one.table)).await?;
        }
        Ok(())
    }

    async fn overwritten(&self, table: &TableName, key: &str, rows: &str) -> Result<()> {
        let columns = self.catalog.tables[table].columns.iter().map(|column| literal(&column.name));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let batch = self.batches.first().map_or(0, |batch| batch.number);
        let sql = format!(
            "insert into trasvase.overwritten (batch, target_table, key, columns, before) \
             select {batch}, {}, {key}, array[{columns}]::text[], (t.*)::text from {rows}",
            literal(&table.to_string())
        );
        execute(self.client, &sql).await
    }

    /// Deletes rows, children before their parents; adds to `deleted` by the table's place.
    async fn delete(&self, gone: Gone, deleted: &mut [u64]) -> Result<()> {
        for (place, work) in self.works.iter().enumerate().rev() {
            error::interrupt::check()?;
            if work.whole || work.counts.deletes == deleted[place] {
                continue;
            }
            let unreferred =
                if gone == Gone::Unreferred { self.unreferred(&work.table) } else { String::new() };
            let sql = format!(
                "delete from {} t using {} b where b.act = 'delete' and {}{unreferred}",
                work.table.quoted(),
                work.back(),
                work.same_key()
            );
            deleted[place] += self.run(work, &sql).await?;
        }
        Ok(())
    }

    fn unreferred(&self, table: &TableName) -> String {
        let keys = self.catalog.foreign_keys().filter_map(|(child, constraint)| match &constraint.kind {
            ConstraintKind::ForeignKey { references, referenced_columns, .. } if references == table => {
                let pairs = constraint.columns.iter().zip(referenced_columns);
                let same = pairs.map(|(ours, theirs)| format!("r.{} = t.{}", quoted(ours), quoted(theirs)));
                let same = same.collect::<Vec<_>>().join(" and ");
                Some(format!(" and not exists (select 1 from {} r where {same})", child.quoted()))
            }
            _ => None,
        });
        keys.collect()
    }

    /// Gives changed rows their values back.
    async fn update(&self) -> Result<()> {
        for work in self.works.iter().filter(|work| work.counts.updates > 0) {
            error::interrupt::check()?;
            let set = work.written(true).into_iter().map(|name| format!("{0} = i.{0}", quoted(name)));
            let sql = format!(
                "update {} t set {} from {} i join {} b on b.key = i.trasvase_key where b.act = 'update' and {}",
                work.table.quoted(),
                set.collect::<Vec<_>>().join(", "),
                work.image(),
                work.back(),
                work.same_key()
            );
            expect(work, work.counts.updates, self.run(work, &sql).await?)?;
        }
        Ok(())
    }

    /// Puts deleted rows back, parents before their children.
    async fn insert(&self) -> Result<()> {
        for work in self.works.iter().filter(|work| work.counts.inserts > 0) {
            error::interrupt::check()?;
            let always = work.live.columns.iter().any(|column| column.identity == Identity::Always);
            let names = work.written(false);
            let list = |alias: &str| {
                names.iter().map(|name| format!("{alias}{}", quoted(name))).collect::<Vec<_>>().join(", ")
            };
            let sql = format!(
                "insert into {} ({}) {} select {} from {} i join {} b on b.key = i.trasvase_key where b.act = 'insert'",
                work.table.quoted(),
                list(""),
                if always { "overriding system value" } else { "" },
                list("i."),
                work.image(),
                work.back()
            );
            expect(work, work.counts.inserts, self.run(work, &sql).await?)?;
        }
        Ok(())
    }

    async fn run(&self, work: &Work<'_>, sql: &str) -> Result<u64> {
        let done = self.client.execute(sql, &[]).await.map_err(|error| error::postgres(&error));
        done.with_context(|| t!("rollback.at_table", table = work.table))
    }

    /// Writes into the ledger what became of the batches.
    async fn note(&self, plan: &Plan) -> Result<()> {
        let tables: BTreeMap<String, serde_json::Value> = plan
            .tables
            .iter()
            .map(|table| {
                let done = serde_json::json!({"deleted": table.deletes, "restored": table.updates, "put_back": table.inserts, "left": table.left()});
                (table.table.to_string(), done)
            })
            .collect();
        let sql = format!(
            "update trasvase.batch set status = 'rolled_back', rolled_back_at = statement_timestamp(), rolled_back_by = session_user, \
             rolled_back = $1::text::jsonb where number in ({}) and status = 'completed'",
            numbers(self.batches)
        );
        let tables = serde_json::to_string(&tables)?;
        self.client.execute(&sql, &[&tables]).await.map_err(|error| error::postgres(&error))?;
        Ok(())
    }
}

fn alter(table: &TableName, constraint: &Constraint, how: &str) -> String {
    format!("alter table {} alter constraint {} {how}", table.quoted(), quoted(&constraint.name))
}

/// A rule or a policy may turn a statement into another.
fn expect(work: &Work<'_>, planned: u64, done: u64) -> Result<()> {
    anyhow::ensure!(
        planned == done,
        t!("rollback.other_count", table = work.table, planned = planned, done = done)
    );
    Ok(())
}
