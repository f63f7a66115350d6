//! A file goes up in parts, several at once, each with its checksum; what a cut left behind is gone on with.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use rust_i18n::t;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::bucket::is_code;
use super::{About, Bucket, Notes, Stored};
use crate::error::Failure;
use crate::model::hex;

/// S3 takes no part below 5 MiB, but the last.
const PART: u64 = 8 << 20;
/// S3 takes 10,000.
const MOST_PARTS: u64 = 9_000;
/// Parts in memory at once.
const PARTS_AT_ONCE: usize = 6;
const MEBIBYTE: u64 = 1 << 20;
/// How the metadata of an object names the hash of its bytes.
const SHA256: &str = "sha256";

/// The memory that uploads may take, all together.
#[derive(Clone)]
pub struct Lanes(Arc<Semaphore>);

impl Default for Lanes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(Self::mebibytes())))
    }
}

impl Lanes {
    fn mebibytes() -> usize {
        PARTS_AT_ONCE * usize::try_from(PART / MEBIBYTE).unwrap_or(usize::MAX)
    }

    /// Room for so many bytes, or all that there is.
    async fn room(&self, bytes: u64) -> Result<OwnedSemaphorePermit> {
        let wanted = bytes.div_ceil(MEBIBYTE).clamp(1, Self::mebibytes() as u64);
        Ok(self.0.clone().acquire_many_owned(u32::try_from(wanted)?).await?)
    }
}

/// A file that goes up.
pub struct Outgoing<'a> {
    pub key: &'a str,
    pub path: &'a Path,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: &'a str,
    pub about: About,
}

/// A piece of a file, in memory.
struct Piece {
    bytes: Bytes,
    /// As S3 writes it.
    checksum: String,
    /// Lower-case hex.
    sha256: String,
}

impl Bucket {
    /// Sends a file and gives the object that it became. `advanced` hears of bytes that are there, sent now or before.
    ///
    /// # Errors
    /// The file changed since it was hashed, or the server refuses it; what it has of it is gone on with the next time.
    pub async fn send(
        &self,
        file: &Outgoing<'_>,
        lanes: &Lanes,
        notes: &Notes,
        advanced: &(dyn Fn(u64) + Sync),
    ) -> Result<Stored> {
        let mut about = file.about.clone();
        about.metadata.push((SHA256.to_owned(), file.sha256.to_owned()));
        if file.bytes <= PART {
            let _room = lanes.room(file.bytes).await?;
            let piece = piece(file.path, 0, file.bytes).await?;
            if piece.sha256 != file.sha256 {
                return Err(changed(file.path).into());
            }
            let version = self.put(file.key, piece.bytes, &piece.checksum, &about).await?;
            advanced(file.bytes);
            let retention = about.retention;
            return Ok(Stored { version, bytes: file.bytes, retention, ..Stored::default() });
        }
        let begun = self.begun(file.key).await?;
        let went_on = begun.is_some();
        let mut stored = self.in_parts(file, &about, begun, lanes, notes, advanced).await?;
        if !is_this(&stored, file) && went_on {
            // What was gone on with was begun for another file under this key.
            stored = self.in_parts(file, &about, None, lanes, notes, &|_| {}).await?;
        }
        if !is_this(&stored, file) {
            return Err(changed(file.path).into());
        }
        // Not every server gives an object the retention that its upload began with.
        if !stored.retention.covers(&about.retention) {
            self.retain(file.key, stored.version.as_deref(), &about.retention).await?;
            stored.retention = about.retention;
        }
        Ok(stored)
    }

    async fn in_parts(
        &self,
        file: &Outgoing<'_>,
        about: &About,
        begun: Option<String>,
        lanes: &Lanes,
        notes: &Notes,
        advanced: &(dyn Fn(u64) + Sync),
    ) -> Result<Stored> {
        let (upload, there) = match begun {
            Some(upload) => {
                let there = self.parts(file.key, &upload).await?;
                (upload, there)
            }
            None => (self.begin(file.key, about).await?, HashMap::new()),
        };
        let size = part_size(file.bytes);
        let numbers = 0..file.bytes.div_ceil(size);
        let sent = stream::iter(numbers).map(|place| {
            let part = Part { upload: &upload, place, size, there: &there };
            self.part(file, part, lanes, notes, advanced)
        });
        let mut parts: Vec<CompletedPart> = sent.buffer_unordered(PARTS_AT_ONCE).try_collect().await?;
        parts.sort_by_key(CompletedPart::part_number);
        let whole = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let end = self.client.complete_multipart_upload().bucket(self.name()).key(file.key);
        let ended = end.upload_id(&upload).multipart_upload(whole).send().await;
        let version = match ended {
            // Some servers call what has no versions so, and do not know it by that name.
            Ok(ended) => ended.version_id().filter(|version| *version != "null").map(str::to_owned),
            // The answer to an attempt before this one was lost.
            Err(error) if is_code(&error, &["NoSuchUpload"]) => None,
            Err(error) => return Err(self.refused(&error, "s3:PutObject")).context(file.key.to_owned()),
        };
        let stored = self.head(file.key, version.as_deref()).await?;
        stored.ok_or_else(|| Failure::failed(t!("aws.vanished", key = file.key)).into())
    }

    /// Sends one part, unless the server has it.
    async fn part(
        &self,
        file: &Outgoing<'_>,
        part: Part<'_>,
        lanes: &Lanes,
        notes: &Notes,
        advanced: &(dyn Fn(u64) + Sync),
    ) -> Result<CompletedPart> {
        let start = part.place * part.size;
        let bytes = part.size.min(file.bytes - start);
        let number = i32::try_from(part.place + 1)?;
        let _room = lanes.room(bytes).await?;
        let piece = piece(file.path, start, bytes).await?;
        let done = |etag: &str| {
            advanced(bytes);
            let part = CompletedPart::builder().part_number(number).e_tag(etag);
            part.checksum_sha256(&piece.checksum).build()
        };
        if let Some(there) = part.there.get(&number) {
            let same = match &there.checksum {
                Some(checksum) => *checksum == piece.checksum,
                None => notes.knows(part.upload, number, &there.etag, &piece.checksum),
            };
            if same && there.bytes == bytes {
                return Ok(done(&there.etag));
            }
        }
        let put = self.client.upload_part().bucket(self.name()).key(file.key).upload_id(part.upload);
        let put = put
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(&piece.checksum)
            .body(ByteStream::from(piece.bytes.clone()));
        let sent = put.customize().disable_payload_signing().send().await;
        let sent = sent.map_err(|error| self.refused(&error, "s3:PutObject")).context(file.key.to_owned())?;
        let etag = sent.e_tag().unwrap_or_default();
        notes.note(part.upload, number, etag, &piece.checksum)?;
        Ok(done(etag))
    }

    /// An upload of this key that was begun and not ended.
    async fn begun(&self, key: &str) -> Result<Option<String>> {
        let (mut marker, mut upload_marker) = (None, None);
        loop {
            let asked = self.client.list_multipart_uploads().bucket(self.name()).prefix(key);
            let asked = asked.set_key_marker(marker).set_upload_id_marker(upload_marker).send().await;
            let page = asked.map_err(|error| self.refused(&error, "s3:ListBucketMultipartUploads"))?;
            let mut uploads = page.uploads().iter().filter(|upload| upload.key() == Some(key));
            if let Some(upload) = uploads.find_map(|upload| upload.upload_id()) {
                return Ok(Some(upload.to_owned()));
            }
            if page.is_truncated() != Some(true) {
                return Ok(None);
            }
            marker = page.next_key_marker().map(str::to_owned);
            upload_marker = page.next_upload_id_marker().map(str::to_owned);
        }
    }

    async fn begin(&self, key: &str, about: &About) -> Result<String> {
        let begin = self.client.create_multipart_upload().bucket(self.name()).key(key);
        let begin = begin
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_metadata(Some(about.metadata.iter().cloned().collect()))
            .set_content_type(about.content_type.clone())
            .set_object_lock_mode(about.retention.lock_mode())
            .set_object_lock_retain_until_date(about.retention.lock_until())
            .set_object_lock_legal_hold_status(about.retention.lock_hold());
        let begun = begin.send().await.map_err(|error| self.refused(&error, "s3:PutObject"))?;
        begun.upload_id().map(str::to_owned).context("an upload without an id")
    }

    /// The parts that the server has of an upload, by number.
    async fn parts(&self, key: &str, upload: &str) -> Result<HashMap<i32, There>> {
        let asked = self.client.list_parts().bucket(self.name()).key(key).upload_id(upload);
        let mut pages = asked.into_paginator().send();
        let mut there = HashMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.refused(&error, "s3:ListMultipartUploadParts"))?;
            for part in page.parts() {
                let bytes = part.size().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
                let (checksum, etag) = (part.checksum_sha256().map(str::to_owned), part.e_tag());
                let found = There { bytes, checksum, etag: etag.unwrap_or_default().to_owned() };
                there.extend(part.part_number().map(|number| (number, found)));
            }
        }
        Ok(there)
    }
}

/// One part to be sent.
struct Part<'a> {
    upload: &'a str,
    /// From 0.
    place: u64,
    size: u64,
    there: &'a HashMap<i32, There>,
}

/// A part that the server has.
struct There {
    bytes: u64,
    checksum: Option<String>,
    etag: String,
}

fn is_this(stored: &Stored, file: &Outgoing<'_>) -> bool {
    stored.bytes == file.bytes && stored.metadata.get(SHA256).is_some_and(|hash| hash == file.sha256)
}

fn part_size(bytes: u64) -> u64 {
    PART.max(bytes.div_ceil(MOST_PARTS).next_multiple_of(MEBIBYTE))
}

/// Reads and hashes a piece of a file, on a thread where that may take its time.
async fn piece(path: &Path, start: u64, bytes: u64) -> Result<Piece> {
    let path: PathBuf = path.to_owned();
    tokio::task::spawn_blocking(move || {
        let cannot = || t!("snapshot.cannot_read", path = path.display());
        let mut block = vec![0; usize::try_from(bytes)?];
        let file = File::open(&path).with_context(cannot)?;
        file.read_exact_at(&mut block, start).with_context(cannot)?;
        let hash = Sha256::digest(&block);
        Ok(Piece { checksum: base64(&hash), sha256: hex(hash), bytes: Bytes::from(block) })
    })
    .await?
}

fn changed(path: &Path) -> Failure {
    Failure::failed(t!("aws.file_changed", path = path.display())).hint(t!("aws.again_hint"))
}

/// RFC 4648, as S3 writes checksums.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let number = (0..3)
            .fold(0, |number, place| number << 8 | u32::from(three.get(place).copied().unwrap_or_default()));
        let letter = |place: usize| match place <= three.len() {
            true => char::from(LETTERS[(number >> (18 - 6 * place)) as usize & 63]),
            false => '=',
        };
        [letter(0), letter(1), letter(2), letter(3)]
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_written_as_in_rfc_4648() {
        for (text, written) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("~?>", "fj8+")]
        {
            assert_eq!(base64(text.as_bytes()), written);
        }
    }

    #[test]
    fn a_file_has_never_more_parts_than_s3_takes() {
        assert_eq!(part_size(PART + 1), PART);
        for bytes in [70 << 30, 5u64 << 40] {
            assert!(bytes.div_ceil(part_size(bytes)) <= 10_000 && part_size(bytes).is_multiple_of(MEBIBYTE));
        }
    }
}
