//! Numbers for the placeholders of new integer keys: those that the ledger knows, and new ones of the table's sequence.

use std::pin::pin;

use anyhow::Result;
use futures_util::TryStreamExt as _;
use tokio_postgres::{Client, Row};

use super::copy::Copy;
use super::ledger;
use crate::error;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::keys::{Numbers, Record};

/// First half of the advisory lock of a clinic whose rows get numbers.
const LOCK_CLASS: i32 = 0x7472_7377;

/// A table with new keys, and whose rows these are.
pub struct Table<'a> {
    pub client: &'a Client,
    pub clinic: &'a str,
    pub product: &'a str,
    pub name: &'a TableName,
    /// Its primary key.
    pub key: &'a str,
}

impl Table<'_> {
    /// The numbers that the ledger knows. A row that it does not know gets one that no row of the target has, below all
    /// of them. Must run in a transaction.
    pub async fn known(&self, records: impl Iterator<Item = Result<Record>>) -> Result<Numbers> {
        let sql = format!("select least(min({}), 0)::bigint from {}", quoted(self.key), self.name.quoted());
        let row = self.client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        let floor: i64 = row.get(0);
        let found = self.look_up(records).await?;
        let number = |(placeholder, number): (i64, Option<i64>)| {
            (placeholder, number.unwrap_or(floor.saturating_add(placeholder)))
        };
        Ok(Numbers::new(found.into_iter().map(number).collect()))
    }

    /// The numbers that the ledger knows, and for the other rows new ones of the sequence, in the order of the
    /// placeholders. Must run in the transaction that writes them down: until its end no other push of the clinic gets here.
    ///
    /// PostgreSQL does not take numbers back when a transaction is rolled back: then they are a gap, as any product leaves.
    pub async fn reserved(
        &self,
        sequence: &str,
        records: impl Iterator<Item = Result<Record>>,
    ) -> Result<Numbers> {
        let lock = format!("select pg_advisory_xact_lock({LOCK_CLASS}, hashtext({}))", literal(self.clinic));
        self.client.batch_execute(&lock).await.map_err(|error| error::postgres(&error))?;
        let found = self.look_up(records).await?;
        let missing = found.iter().filter(|(_, number)| number.is_none()).count();
        let mut new = self.reserve(sequence, missing).await?.into_iter();
        let numbered =
            |(placeholder, number): (i64, Option<i64>)| Some((placeholder, number.or_else(|| new.next())?));
        Ok(Numbers::new(found.into_iter().filter_map(numbered).collect()))
    }

    /// So many numbers of a sequence, ascending, without those that rows have already: whoever writes keys himself leaves
    /// the sequence behind.
    async fn reserve(&self, sequence: &str, count: usize) -> Result<Vec<i64>> {
        let mut numbers = Vec::with_capacity(count);
        while numbers.len() < count {
            error::interrupt::check()?;
            let sql = format!(
                "select number from (select nextval({}::regclass) as number from generate_series(1, {}) offset 0) new \
                 where not exists (select 1 from {} t where t.{} = new.number)",
                literal(sequence),
                count - numbers.len(),
                self.name.quoted(),
                quoted(self.key),
            );
            self.each(&sql, |row| numbers.push(row.get(0))).await?;
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Each placeholder with the number that the clinic's completed batches gave its record, the first placeholder (-1)
    /// first.
    async fn look_up(
        &self,
        records: impl Iterator<Item = Result<Record>>,
    ) -> Result<Vec<(i64, Option<i64>)>> {
        self.send(records).await?;
        let known = match ledger::exists(self.client).await? {
            true => self.known_sql(),
            false => "select null, null, null::bigint".to_owned(),
        };
        let sql = format!(
            "select p.placeholder, k.number from trasvase_placeholder p \
             left join ({known}) k(kind, source_id, number) on k.kind = p.kind and k.source_id = p.source_id \
             order by p.placeholder desc"
        );
        let mut found = Vec::new();
        self.each(&sql, |row| found.push((row.get(0), row.get(1)))).await?;
        Ok(found)
    }

    fn known_sql(&self) -> String {
        let code = |name: &str| format!("(select code from trasvase.name where name = {})", literal(name));
        format!(
            "select distinct on (n.name, e.source_id) n.name, e.source_id, e.target_key::bigint \
             from trasvase.external_id e join trasvase.name n on n.code = e.type \
             join trasvase.batch b on b.number = e.batch and b.clinic = {} and b.status = 'completed' \
             where e.source = {} and e.target_table = {} order by n.name, e.source_id, e.batch desc",
            literal(self.clinic),
            code(self.product),
            code(&self.name.to_string()),
        )
    }

    /// Sends the records into `trasvase_placeholder`, so that the server looks them up as one set.
    async fn send(&self, records: impl Iterator<Item = Result<Record>>) -> Result<()> {
        let sql = "drop table if exists pg_temp.trasvase_placeholder; \
             create temporary table trasvase_placeholder (placeholder bigint, kind text collate \"C\", source_id text collate \"C\") \
             on commit drop";
        self.client.batch_execute(sql).await.map_err(|error| error::postgres(&error))?;
        let mut copy =
            Copy::start(self.client, "copy trasvase_placeholder from stdin (format binary)").await?;
        for record in records {
            let record = record?;
            let out = copy.row(3);
            out.extend_from_slice(&8_i32.to_be_bytes());
            out.extend_from_slice(&record.placeholder.to_be_bytes());
            append_text(out, &record.kind);
            append_text(out, &record.source_id);
            copy.flush_if_full().await?;
        }
        copy.finish().await?;
        self.client
            .batch_execute("analyze trasvase_placeholder")
            .await
            .map_err(|error| error::postgres(&error))
    }

    /// Takes the rows of a query one after the other.
    async fn each(&self, sql: &str, mut take: impl FnMut(&Row)) -> Result<()> {
        let none: [i32; 0] = [];
        let rows = self.client.query_raw(sql, none).await.map_err(|error| error::postgres(&error))?;
        let mut rows = pin!(rows);
        while let Some(row) = rows.try_next().await.map_err(|error| error::postgres(&error))? {
            take(&row);
        }
        Ok(())
    }
}

fn append_text(out: &mut Vec<u8>, text: &str) {
    let length = i32::try_from(text.len()).expect("a line of a snapshot is shorter than 2 GB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
