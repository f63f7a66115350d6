//! 256 buckets of row digests, from the snapshot and from the server.
//!
//! A bucket is the first byte of the SHA-256 of the row's key; it holds the number of its rows and, as sums that do not
//! depend on order, the first and the second 64 bits of their digests (as signed integers, added without overflow).

use anyhow::{Result, anyhow};
use sha2::{Digest as _, Sha256};

use super::Options;
use crate::codec::{RowHash, TableCodec};
use crate::error;
use crate::model::manifest::TableEntry;
use crate::snapshot::Snapshot;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bucket {
    rows: u64,
    sums: [i128; 2],
}

/// The buckets of one side.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Buckets([Bucket; 256]);

/// The buckets of the server, and how many of their rows have the clinic's value in the tenant column.
type Theirs = (Buckets, u64);

impl Buckets {
    fn empty() -> Self {
        Self([Bucket::default(); 256])
    }

    fn add(&mut self, key: &str, digest: &RowHash) {
        let bucket = &mut self.0[usize::from(bucket_of(key))];
        bucket.rows += 1;
        for (sum, half) in bucket.sums.iter_mut().zip(digest.chunks_exact(8)) {
            *sum += i128::from(i64::from_be_bytes(half.try_into().expect("chunks of eight bytes")));
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|bucket| bucket.rows).sum()
    }

    /// The numbers of the buckets that are not the same on both sides.
    pub(super) fn unequal(&self, other: &Buckets) -> Vec<u8> {
        (0..=u8::MAX).filter(|n| self.0[usize::from(*n)] != other.0[usize::from(*n)]).collect()
    }
}

/// The bucket of a key.
pub(super) fn bucket_of(key: &str) -> u8 {
    Sha256::digest(key.as_bytes())[0]
}

/// SQL of [`bucket_of`].
pub(super) fn bucket_sql(key: &str) -> String {
    format!("get_byte(sha256(convert_to({key}, 'UTF8')), 0)")
}

/// Buckets of the snapshot and of the server, computed at the same time.
pub(super) async fn both(
    options: &Options<'_>,
    entry: &TableEntry,
    codec: &TableCodec,
    condition: &str,
    tenanted: &str,
) -> Result<(Buckets, Theirs)> {
    std::thread::scope(|scope| {
        let ours = scope.spawn(|| of_snapshot(options.snapshot, entry, codec));
        let theirs = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(of_server(options, entry, codec, condition, tenanted))
        });
        let ours = ours.join().map_err(|_| anyhow!("the thread that reads the snapshot panicked"))?;
        Ok((ours?, theirs?))
    })
}

fn of_snapshot(snapshot: &Snapshot, entry: &TableEntry, codec: &TableCodec) -> Result<Buckets> {
    let mut buckets = Buckets::empty();
    let mut reader = snapshot.rows(entry)?;
    let mut buffer = Vec::new();
    while let Some(row) = reader.next_row()? {
        error::interrupt::check()?;
        let digest = codec
            .digest(&row.values, &mut buffer)
            .map_err(|refused| anyhow!("{}, {}: {}", entry.file, refused.column, refused.refusal.rule()))?;
        buckets.add(&codec.key_text(&row.values), &digest);
    }
    Ok(buckets)
}

async fn of_server(
    options: &Options<'_>,
    entry: &TableEntry,
    codec: &TableCodec,
    condition: &str,
    tenanted: &str,
) -> Result<Theirs> {
    let half = |from: u8| format!("sum(('x' || substr(digest, {from}, 16))::bit(64)::bigint)::text");
    // `offset 0` keeps the planner from writing the digest out, and so computing it, for each half.
    let sql = format!(
        "select bucket, count(*), {}, {}, count(*) filter (where tenanted) from (select {} as bucket, encode({}, 'hex') as digest, \
         {tenanted} as tenanted from {} t where {condition} offset 0) rows group by bucket",
        half(1),
        half(17),
        bucket_sql(&codec.key_sql("t")),
        codec.digest_sql("t"),
        entry.table.quoted(),
    );
    let (mut buckets, mut of_tenant) = (Buckets::empty(), 0);
    for row in options.client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))? {
        let number: i32 = row.get(0);
        let bucket = &mut buckets.0[usize::try_from(number)?];
        bucket.rows = u64::try_from(row.get::<_, i64>(1))?;
        bucket.sums = [row.get::<_, &str>(2).parse()?, row.get::<_, &str>(3).parse()?];
        of_tenant += u64::try_from(row.get::<_, i64>(4))?;
    }
    Ok((buckets, of_tenant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_do_not_depend_on_order_and_see_a_swapped_digest() {
        let (a, b) = ([1_u8; 32], [2_u8; 32]);
        let of = |rows: &[(&str, &RowHash)]| {
            let mut buckets = Buckets::empty();
            rows.iter().for_each(|(key, digest)| buckets.add(key, digest));
            buckets
        };
        assert_eq!(of(&[("x", &a), ("y", &b)]), of(&[("y", &b), ("x", &a)]));
        let swapped = of(&[("x", &b), ("y", &a)]);
        assert_eq!(of(&[("x", &a), ("y", &b)]).unequal(&swapped).len(), 2);
    }
}
