//! Encryption for people who are named, by age (<https://age-encryption.org/v1>): the server never has what it could read.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::{Decryptor, Encryptor, Identity, IdentityFile, Recipient, x25519};
use anyhow::{Context as _, Result};
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use super::contents::Item;
use crate::error::{Failure, interrupt};
use crate::model::{hex, private};
use crate::snapshot::hash_file;
use crate::staging::private_folder;

/// Those who can read what is sealed.
#[derive(Clone)]
pub(super) struct Seal {
    recipients: Arc<Vec<x25519::Recipient>>,
    /// A hash over them: what was sealed for others is sealed anew.
    pub(super) id: String,
}

impl Seal {
    /// None where nobody is named: then nothing is sealed.
    ///
    /// # Errors
    /// A recipient that is none.
    pub(super) fn of(names: &[String]) -> Result<Option<Self>> {
        if names.is_empty() {
            return Ok(None);
        }
        let recipient = |name: &String| {
            name.trim().parse::<x25519::Recipient>().map_err(|_| {
                Failure::usage(t!("archive.bad_recipient", recipient = name)).hint("age-keygen -o key.txt")
            })
        };
        let recipients = names.iter().map(recipient).collect::<Result<Vec<_>, _>>()?;
        let mut sorted: Vec<String> = recipients.iter().map(ToString::to_string).collect();
        sorted.sort();
        let id = hex(Sha256::digest(sorted.join("\n")))[..16].to_owned();
        Ok(Some(Self { recipients: Arc::new(recipients), id }))
    }

    /// The sealed form of a file. It is another one each time it is made, so it stays until all is archived: an upload that
    /// was cut goes on with it.
    pub(super) async fn sealed(&self, item: &Item, work: &Path) -> Result<Item> {
        let (seal, item, folder) = (self.clone(), item.clone(), work.join("sealed"));
        tokio::task::spawn_blocking(move || {
            let path = folder.join(format!("{}-{}.age", item.sha256, seal.id));
            if !path.is_file() {
                private_folder(&folder)?;
                seal.write(&item, &path)?;
            }
            let (sha256, bytes) = hash_file(&path)?;
            Ok(Item { name: item.name, path, bytes, sha256 })
        })
        .await?
    }

    fn write(&self, item: &Item, path: &Path) -> Result<()> {
        // Equal files may be sealed at once.
        let partial = path.with_extension(format!("{}.partial", ulid::Ulid::generate()));
        let encryptor = Encryptor::with_recipients(self.recipients.iter().map(|one| one as &dyn Recipient))?;
        let output = BufWriter::new(private(&partial)?);
        let mut output = encryptor.wrap_output(output)?;
        let mut input = BufReader::with_capacity(1 << 16, File::open(&item.path)?);
        let hash = copied(&mut input, &mut output)
            .with_context(|| t!("snapshot.cannot_read", path = item.path.display()))?;
        output.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        if hash != item.sha256 {
            std::fs::remove_file(&partial)?;
            return Err(Failure::failed(t!("aws.file_changed", path = item.path.display())).into());
        }
        Ok(std::fs::rename(&partial, path)?)
    }
}

/// The keys that open what was sealed.
pub struct Identities(Vec<Box<dyn Identity + Send + Sync>>);

impl Identities {
    /// Reads a file as `age-keygen` writes it.
    ///
    /// # Errors
    /// It is not there, or is no such file. Nothing of it is repeated.
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = || {
            Failure::usage(t!("archive.bad_identity", path = path.display()))
                .hint(t!("archive.identity_hint"))
        };
        let file = File::open(path).map_err(|_| wrong())?;
        let read = IdentityFile::from_buffer(BufReader::new(file)).map_err(|_| wrong())?;
        let identities = read.into_identities().map_err(|_| wrong())?;
        if identities.is_empty() {
            return Err(wrong().into());
        }
        Ok(Self(identities))
    }

    /// Opens a sealed file into another and gives the hash of what was in it.
    ///
    /// # Errors
    /// None of the keys opens it, or it is damaged.
    pub(super) fn open(&self, sealed: &Path, to: &Path) -> Result<String> {
        let name = sealed.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let refused = |error: &dyn std::fmt::Display| {
            Failure::failed(t!("archive.cannot_open", name = name, error = error))
                .hint(t!("archive.identity_hint"))
        };
        let decryptor = Decryptor::new_buffered(BufReader::new(File::open(sealed)?));
        let decryptor = decryptor.map_err(|error| refused(&error))?;
        let keys = self.0.iter().map(|key| key.as_ref() as &dyn Identity);
        let mut input = decryptor.decrypt(keys).map_err(|error| refused(&error))?;
        let mut output = private(to)?;
        let hash = copied(&mut input, &mut output).map_err(|error| refused(&error))?;
        output.sync_all()?;
        Ok(hash)
    }
}

/// Copies all there is and gives its SHA-256.
fn copied(input: &mut impl io::Read, output: &mut impl Write) -> Result<String> {
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        interrupt::check()?;
        let count = match input.by_ref().read(&mut block) {
            Ok(0) => return Ok(hex(hash.finalize())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        hash.update(&block[..count]);
        output.write_all(&block[..count])?;
    }
}

/// A new file that is its owner's alone.
pub(super) fn private(path: &Path) -> Result<File> {
    let path: PathBuf = path.to_owned();
    private::create(&path).with_context(|| t!("staging.cannot_write", path = path.display()))
}
