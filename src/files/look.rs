//! What a file is: its bytes, their hash and their kind, read once and never believed from its name.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use rust_i18n::t;

use super::Options;
use super::finding::{Findings, Rule};
use super::list::folder;
use super::owners::Bound;
use crate::error::interrupt;
use crate::model::run::{Event, Observer, Stage};
use crate::sources::{self, Content};

/// Files that are read at once.
const AT_ONCE: usize = 4;

/// A file that can be uploaded.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// Lower-case hex.
    pub(super) sha256: String,
    pub(super) content_type: &'static str,
}

/// Files by section and path.
pub(super) type AllSeen = BTreeMap<(usize, String), Seen>;

/// Reads every file once; those that cannot be uploaded are findings.
pub(super) async fn all(
    options: &Options<'_>,
    files: &[Bound],
    findings: &mut Findings,
    observer: &dyn Observer,
) -> Result<AllSeen> {
    let mut wanted: BTreeMap<(usize, &str), Option<&str>> = BTreeMap::new();
    for Bound { listed, .. } in files {
        wanted.entry((listed.section, &listed.path)).or_insert(listed.record.as_deref());
    }
    let mut folders = Vec::new();
    for section in &options.clinic.files {
        folders.push(folder(options, section)?);
    }
    let subject = t!("files.reading");
    let total = wanted.len() as u64;
    observer.event(&Event::Started { stage: Stage::Files, subject: &subject, total: None });
    let looked = stream::iter(wanted).map(|((section, path), record)| {
        let (folder, path) = (folders[section].clone(), path.to_owned());
        let record = record.map(str::to_owned);
        async move {
            let inside = path.clone();
            let seen = tokio::task::spawn_blocking(move || one(&folder, &inside)).await?;
            interrupt::check()?;
            anyhow::Ok(((section, path), record, seen))
        }
    });
    let looked: Vec<_> = looked.buffered(AT_ONCE).try_collect().await?;
    observer.event(&Event::Finished { stage: Stage::Files, subject: &subject, rows: total });
    let mut all = AllSeen::new();
    for ((section, path), record, seen) in looked {
        match seen {
            Ok(seen) => {
                all.insert((section, path), seen);
            }
            Err(rule) => {
                findings.add(options.clinic.files[section].shown(), rule, &path, record.as_deref());
            }
        }
    }
    Ok(all)
}

fn one(folder: &Path, inside: &str) -> Result<Seen, Rule> {
    let path = contained(folder, inside)?;
    // To open a named pipe is to wait for whoever writes into it.
    if !path.metadata().map_err(|_| Rule::Unreadable)?.is_file() {
        return Err(Rule::Unreadable);
    }
    let content = File::open(&path).and_then(|mut file| sources::content(&mut file));
    let Content { sha256, bytes, media_type } = content.map_err(|_| Rule::Unreadable)?;
    if bytes == 0 {
        return Err(Rule::Empty);
    }
    Ok(Seen { path, bytes, sha256, content_type: media_type })
}

/// Where a path of the folder leads, links followed: never out of it.
fn contained(folder: &Path, inside: &str) -> Result<PathBuf, Rule> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(inside).components().all(plain) {
        return Err(Rule::Outside);
    }
    let named = folder.join(inside);
    let path = match named.canonicalize() {
        Ok(path) => path,
        Err(_) if named.is_symlink() => return Err(Rule::Missing),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Rule::Missing),
        Err(_) => return Err(Rule::Unreadable),
    };
    if path.starts_with(folder) { Ok(path) } else { Err(Rule::Outside) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_path_and_no_link_leads_out_of_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().canonicalize().unwrap().join("docs");
        std::fs::create_dir_all(folder.join("a")).unwrap();
        std::fs::write(folder.join("a/b.txt"), "b").unwrap();
        std::fs::write(root.path().join("secret"), "s").unwrap();
        symlink("../secret", folder.join("out")).unwrap();
        symlink("a/b.txt", folder.join("in")).unwrap();
        symlink("nowhere", folder.join("broken")).unwrap();
        symlink("/etc", folder.join("etc")).unwrap();
        for right in ["a/b.txt", "./a/b.txt", "in"] {
            assert_eq!(one(&folder, right).unwrap().bytes, 1, "{right}");
        }
        for wrong in ["../secret", "a/../../secret", "/etc/hostname", "out", "etc/hostname"] {
            assert_eq!(one(&folder, wrong).unwrap_err(), Rule::Outside, "{wrong}");
        }
        for missing in ["broken", "a/c.txt", "c/d"] {
            assert_eq!(one(&folder, missing).unwrap_err(), Rule::Missing, "{missing}");
        }
        assert_eq!(one(&folder, "a").unwrap_err(), Rule::Unreadable);
    }

    #[test]
    fn what_a_file_is_its_bytes_say() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let mut dicom = vec![0; 128];
        dicom.extend_from_slice(b"DICM\x02\x00");
        let heic = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic".to_vec();
        let mp4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2".to_vec();
        let webp = b"RIFF\x24\x00\x00\x00WEBPVP8 ".to_vec();
        for (bytes, kind) in [
            (b"%PDF-1.7\n".to_vec(), "application/pdf"),
            (b"\xff\xd8\xff\xe0\x00\x10JFIF".to_vec(), "image/jpeg"),
            (b"\x89PNG\r\n\x1a\n".to_vec(), "image/png"),
            (b"GIF89a".to_vec(), "image/gif"),
            (b"II*\x00\x08\x00\x00\x00\x0f\x00\x00\x01".to_vec(), "image/tiff"),
            (webp, "image/webp"),
            (heic, "image/heif"),
            (dicom, "application/dicom"),
            (mp4, "video/mp4"),
            (b"PK\x03\x04\x14\x00".to_vec(), "application/zip"),
            ("receta: año".as_bytes().to_vec(), "text/plain"),
            (b"\x00\x01\x02\x03".to_vec(), "application/octet-stream"),
        ] {
            std::fs::write(root.join("x.jpg"), &bytes).unwrap();
            assert_eq!(one(&root, "x.jpg").unwrap().content_type, kind);
        }
    }
}
