//! One bucket: whether it keeps what is put there, and its objects.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, ResponseChecksumValidation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ObjectLockEnabled, ObjectLockLegalHold, ObjectLockLegalHoldStatus,
    ObjectLockRetention, ObjectLockRetentionMode,
};
use bytes::Bytes;
use rust_i18n::t;

use super::refusal::{self, Place};
use super::{Access, Retention, access};
use crate::config::LockMode;
use crate::error::Failure;

/// A bucket and the way to it.
#[derive(Clone)]
pub struct Bucket {
    pub(super) client: Client,
    pub(super) place: Arc<Place>,
    retries: u32,
}

/// What goes with an object.
#[derive(Debug, Clone, Default)]
pub struct About {
    pub retention: Retention,
    pub metadata: Vec<(String, String)>,
    pub content_type: Option<String>,
}

/// An object as the server has it.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    pub version: Option<String>,
    pub bytes: u64,
    pub metadata: HashMap<String, String>,
    pub retention: Retention,
    /// When it was stored, in seconds since 1970.
    pub at: Option<i64>,
}

impl Bucket {
    /// Names a bucket, without asking for it.
    pub fn named(access: &Access, name: &str) -> Self {
        let own_server = access.endpoint.is_some();
        let mut config = Builder::from(&access.config)
            .force_path_style(own_server)
            // Every byte that comes back is hashed here, and told by name where it is another.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &access.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let place = Place {
            host: access.host(),
            bucket: name.to_owned(),
            region: access.region().unwrap_or_default().to_owned(),
            endpoint: access.endpoint.as_deref().map(access::shown),
            keeps: false,
        };
        let client = Client::from_conf(config.build());
        Self { client, place: Arc::new(place), retries: access.retries }
    }

    /// The same as one that is to keep what is put there, for the lines that are proposed.
    #[must_use]
    pub fn under_lock(self) -> Self {
        let place = Place { keeps: true, ..(*self.place).clone() };
        Self { place: Arc::new(place), ..self }
    }

    pub fn name(&self) -> &str {
        &self.place.bucket
    }

    /// Whether what is put there can be kept from being deleted. Object Lock has no bucket without versions.
    ///
    /// # Errors
    /// No such bucket, one that is not ours, or one without Object Lock.
    pub async fn keeps(&self) -> Result<()> {
        self.is_there().await?;
        let asked = self.client.get_object_lock_configuration().bucket(self.name()).send().await;
        let found = match asked {
            Ok(found) => {
                found.object_lock_configuration().and_then(|found| found.object_lock_enabled().cloned())
            }
            Err(error) if is_code(&error, &["ObjectLockConfigurationNotFoundError"]) => None,
            Err(error) => return Err(self.refused(&error, "s3:GetBucketObjectLockConfiguration").into()),
        };
        if found == Some(ObjectLockEnabled::Enabled) {
            return Ok(());
        }
        let name = self.name();
        let versions =
            format!("put-bucket-versioning --bucket {name} --versioning-configuration Status=Enabled");
        let lock = format!(
            "put-object-lock-configuration --bucket {name} --object-lock-configuration ObjectLockEnabled=Enabled"
        );
        Err(Failure::usage(t!("aws.no_lock", bucket = name))
            .hint(format!("{} && {}", self.place.line(&versions), self.place.line(&lock)))
            .hint(self.place.creation())
            .into())
    }

    /// # Errors
    /// No such bucket, or one that is not ours.
    pub async fn is_there(&self) -> Result<()> {
        match self.client.head_bucket().bucket(self.name()).send().await {
            Ok(_) => Ok(()),
            Err(error) if refusal::code(&error).1 == Some(404) => Err(self.place.no_bucket().into()),
            Err(error) => Err(self.refused(&error, "s3:ListBucket").into()),
        }
    }

    /// The object under a key, or one of its versions; none where it is not there.
    ///
    /// # Errors
    /// The server does not say.
    pub async fn head(&self, key: &str, version: Option<&str>) -> Result<Option<Stored>> {
        let asked = self.client.head_object().bucket(self.name()).key(key);
        let head = match asked.set_version_id(version.map(str::to_owned)).send().await {
            Ok(head) => head,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(self.refused(&error, "s3:GetObject").into()),
        };
        Ok(Some(Stored {
            version: head.version_id().map(str::to_owned),
            bytes: head.content_length().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
            metadata: head.metadata().cloned().unwrap_or_default(),
            retention: Retention::of(
                head.object_lock_mode(),
                head.object_lock_retain_until_date(),
                head.object_lock_legal_hold_status(),
            ),
            at: head.last_modified().map(aws_sdk_s3::primitives::DateTime::secs),
        }))
    }

    /// Puts an object that is small enough for one request; `checksum` as S3 writes SHA-256. Gives its version.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        checksum: &str,
        about: &About,
    ) -> Result<Option<String>> {
        let put = self.client.put_object().bucket(self.name()).key(key).body(ByteStream::from(bytes));
        let put = put
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(checksum)
            .set_metadata(Some(about.metadata.iter().cloned().collect()))
            .set_content_type(about.content_type.clone())
            .set_object_lock_mode(about.retention.lock_mode())
            .set_object_lock_retain_until_date(about.retention.lock_until())
            .set_object_lock_legal_hold_status(about.retention.lock_hold());
        // The checksum is signed, so the body need not be hashed once more.
        let sent = put.customize().disable_payload_signing().send().await;
        let sent =
            sent.map_err(|error| self.refused(&error, "s3:PutObject")).with_context(|| key.to_owned())?;
        Ok(sent.version_id().map(str::to_owned))
    }

    /// Keeps a version that is there for longer, or better.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn retain(&self, key: &str, version: Option<&str>, retention: &Retention) -> Result<()> {
        if let (Some(mode), Some(until)) = (retention.mode, retention.lock_until()) {
            let mode = match mode {
                LockMode::Governance => ObjectLockRetentionMode::Governance,
                LockMode::Compliance => ObjectLockRetentionMode::Compliance,
            };
            let wanted = ObjectLockRetention::builder().mode(mode).retain_until_date(until).build();
            let put = self.client.put_object_retention().bucket(self.name()).key(key).retention(wanted);
            let put =
                put.checksum_algorithm(ChecksumAlgorithm::Sha256).set_version_id(version.map(str::to_owned));
            put.send().await.map_err(|error| self.refused(&error, "s3:PutObjectRetention"))?;
        }
        if retention.legal_hold {
            let hold = ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::On).build();
            let put = self.client.put_object_legal_hold().bucket(self.name()).key(key).legal_hold(hold);
            let put =
                put.checksum_algorithm(ChecksumAlgorithm::Sha256).set_version_id(version.map(str::to_owned));
            put.send().await.map_err(|error| self.refused(&error, "s3:PutObjectLegalHold"))?;
        }
        Ok(())
    }

    /// Deletes one version of an object; without versions, the object. One that is gone already is no failure.
    ///
    /// # Errors
    /// The server refuses it, since it is kept or we may not.
    pub async fn remove(&self, key: &str, version: Option<&str>) -> Result<()> {
        let asked = self.client.delete_object().bucket(self.name()).key(key);
        match asked.set_version_id(version.map(str::to_owned)).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_gone(&error) => Ok(()),
            Err(error) => {
                Err(anyhow::Error::from(self.refused(&error, "s3:DeleteObjectVersion"))
                    .context(key.to_owned()))
            }
        }
    }

    /// Reads an object, block by block; a connection that breaks is taken up where it broke. None where it is not there.
    ///
    /// # Errors
    /// The server stops sending for good, or `take` fails.
    pub async fn read(
        &self,
        key: &str,
        version: Option<&str>,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<Option<Stored>> {
        let (mut done, mut broken) = (0u64, 0);
        loop {
            let asked = self.client.get_object().bucket(self.name()).key(key);
            let asked = asked.set_version_id(version.map(str::to_owned));
            let range = (done > 0).then(|| format!("bytes={done}-"));
            let mut got = match asked.set_range(range).send().await {
                Ok(got) => got,
                Err(error) if is_gone(&error) => return Ok(None),
                Err(error) => return Err(self.refused(&error, "s3:GetObject").into()),
            };
            let ended = loop {
                match got.body.try_next().await {
                    Ok(Some(block)) => {
                        take(&block)?;
                        done += block.len() as u64;
                    }
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            };
            if ended {
                return Ok(Some(Stored {
                    version: got.version_id().map(str::to_owned),
                    bytes: done,
                    metadata: got.metadata().cloned().unwrap_or_default(),
                    retention: Retention::of(
                        got.object_lock_mode(),
                        got.object_lock_retain_until_date(),
                        got.object_lock_legal_hold_status(),
                    ),
                    at: got.last_modified().map(aws_sdk_s3::primitives::DateTime::secs),
                }));
            }
            broken += 1;
            if broken > self.retries {
                let failure = Failure::failed(t!("aws.broken", key = key, host = self.place.host));
                return Err(failure.hint(t!("aws.again_hint")).into());
            }
        }
    }

    /// A small object as a whole.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn text(&self, key: &str, version: Option<&str>) -> Result<Option<(Vec<u8>, Stored)>> {
        let mut bytes = Vec::new();
        let stored = self.read(key, version, |block| {
            bytes.extend_from_slice(block);
            Ok(())
        });
        Ok(stored.await?.map(|stored| (bytes, stored)))
    }

    /// The keys that begin so.
    ///
    /// # Errors
    /// The server does not list them.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        let mut pages =
            self.client.list_objects_v2().bucket(self.name()).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.refused(&error, "s3:ListBucket"))?;
            keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        Ok(keys)
    }

    /// What stands between a prefix and the next slash of the keys below it.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>> {
        let asked = self.client.list_objects_v2().bucket(self.name()).prefix(prefix).delimiter("/");
        let mut pages = asked.into_paginator().send();
        let mut folders = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.refused(&error, "s3:ListBucket"))?;
            let found = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
            folders.extend(found.map(|folder| folder[prefix.len()..].trim_end_matches('/').to_owned()));
        }
        Ok(folders)
    }

    pub(super) fn refused<E: ProvideErrorMetadata>(&self, error: &SdkError<E>, operation: &str) -> Failure {
        refusal::of(error, operation, &self.place)
    }
}

pub(super) fn is_code<E: ProvideErrorMetadata>(error: &SdkError<E>, codes: &[&str]) -> bool {
    refusal::code(error).0.is_some_and(|code| codes.contains(&code))
}

/// Also a version whose place a mark of deletion took.
fn is_gone<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let is_bucket = is_code(error, &["NoSuchBucket"]);
    !is_bucket
        && (matches!(refusal::code(error).1, Some(404 | 405))
            || is_code(error, &["NoSuchKey", "NoSuchVersion", "NotFound"]))
}
