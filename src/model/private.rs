//! Files that only their owner can read: patients' data, and what is said of them.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::Result;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// The rights of such a file.
pub const MODE: u32 = 0o600;
const FOLDER: u32 = 0o700;

/// Makes a folder, and those above it; one that is there gets its rights.
///
/// # Errors
/// The folder above cannot be written.
pub fn folder(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(FOLDER))
}

/// Makes an empty file, or empties the one that is there, whose rights may have been others.
///
/// # Errors
/// The folder cannot be written.
pub fn create(path: &Path) -> Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(MODE))?;
    Ok(file)
}

/// Makes a file that is not there yet.
///
/// # Errors
/// It is there, or the folder cannot be written.
pub fn create_new(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(MODE).open(path)
}

/// Opens a file to write at its end, and makes it where there is none.
///
/// # Errors
/// The folder cannot be written.
pub fn append(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_open_to_others_is_so_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "x").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        create(&path).unwrap();
        assert_eq!((mode(&path), std::fs::read(&path).unwrap().len()), (0o600, 0));
        assert!(create_new(&path).is_err());
        create_new(&folder.path().join("b")).unwrap();
        assert_eq!(mode(&folder.path().join("b")), 0o600);
    }
}
