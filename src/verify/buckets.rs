//! 256 buckets of row digests, from the snapshot and from the server.
//!
//! A bucket is the last byte of the row's digest, so that no second hash is computed for it; it holds the number of its
//! rows and, as sums that do not depend on order, the first and the second 64 bits of their digests (as signed integers,
//! added without overflow). A row that differs makes two buckets unequal, that of either side.

use anyhow::Result;
use sha2::{Digest as _, Sha256};

use super::Options;
use crate::codec::{RowHash, TableCodec};
use crate::error;
use crate::model::hex;
use crate::model::manifest::TableEntry;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bucket {
    rows: u64,
    sums: [i128; 2],
}

/// The buckets of one side.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Buckets([Bucket; 256]);

impl Buckets {
    pub(super) fn empty() -> Self {
        Self([Bucket::default(); 256])
    }

    pub(super) fn add(&mut self, digest: &RowHash) {
        let bucket = &mut self.0[usize::from(bucket_of(digest))];
        bucket.rows += 1;
        for (sum, half) in bucket.sums.iter_mut().zip(halves(digest)) {
            *sum += half;
        }
    }

    /// Takes out a row that was added: it is somebody else's.
    pub(super) fn remove(&mut self, digest: &RowHash) {
        let bucket = &mut self.0[usize::from(bucket_of(digest))];
        bucket.rows = bucket.rows.saturating_sub(1);
        for (sum, half) in bucket.sums.iter_mut().zip(halves(digest)) {
            *sum -= half;
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|bucket| bucket.rows).sum()
    }

    /// A hash over all of them, in hexadecimal.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for bucket in &self.0 {
            hash.update(bucket.rows.to_be_bytes());
            bucket.sums.iter().for_each(|sum| hash.update(sum.to_be_bytes()));
        }
        hex(hash.finalize())
    }

    /// How many rows these buckets have.
    pub(super) fn rows_in(&self, buckets: &[u8]) -> u64 {
        buckets.iter().map(|n| self.0[usize::from(*n)].rows).sum()
    }

    /// The numbers of the buckets that are not the same on both sides.
    pub(super) fn unequal(&self, other: &Buckets) -> Vec<u8> {
        (0..=u8::MAX).filter(|n| self.0[usize::from(*n)] != other.0[usize::from(*n)]).collect()
    }
}

fn halves(digest: &RowHash) -> impl Iterator<Item = i128> {
    let half = |half: &[u8]| i64::from_be_bytes(half.try_into().expect("chunks of eight bytes"));
    digest.chunks_exact(8).take(2).map(move |bytes| i128::from(half(bytes)))
}

/// The bucket of a row's digest.
pub(super) fn bucket_of(digest: &RowHash) -> u8 {
    digest[31]
}

/// SQL of [`bucket_of`].
pub(super) fn bucket_sql(digest: &str) -> String {
    format!("get_byte({digest}, 31)")
}

/// The buckets of the server's rows that meet `condition`, and how many of them meet `tenanted`.
pub(super) async fn of_server(
    options: &Options<'_>,
    entry: &TableEntry,
    codec: &TableCodec,
    condition: &str,
    tenanted: &str,
) -> Result<(Buckets, u64)> {
    // The offset keeps the planner from writing the digest out, and so computing it, three times. As a literal without a
    // type it is a constant from the start: `offset 0` is still to be cast, which forbids workers to add up their parts.
    let sql = format!(
        "select {} as bucket, count(*), sum(substring(halves for 64)::bigint)::text, \
         sum(substring(halves from 65)::bigint)::text, count(*) filter (where tenanted) from ( \
         select digest, ('x' || encode(substring(digest for 16), 'hex'))::bit(128) as halves, tenanted from ( \
         select {} as digest, {tenanted} as tenanted from {} t where {condition} offset '0') rows) rows group by bucket",
        bucket_sql("digest"),
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
    fn buckets_do_not_depend_on_order_and_see_another_digest() {
        let (a, b, c) = ([1_u8; 32], [2_u8; 32], [3_u8; 32]);
        let of = |rows: &[&RowHash]| {
            let mut buckets = Buckets::empty();
            rows.iter().for_each(|digest| buckets.add(digest));
            buckets
        };
        let mut without = of(&[&a, &b]);
        without.remove(&b);
        assert_eq!(without, of(&[&a]));
        assert_eq!(of(&[&a, &b]), of(&[&b, &a]));
        assert_eq!(of(&[&a, &b]).unequal(&of(&[&a, &c])), [2, 3]);
        let mut same_bucket = a;
        same_bucket[15] = 9;
        assert_eq!(of(&[&a]).unequal(&of(&[&same_bucket])), [1]);
    }
}
