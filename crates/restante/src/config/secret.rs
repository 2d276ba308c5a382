//! Passwords: read from files of their own at the start, never shown.

use std::{fs::File, io::Read, os::unix::fs::MetadataExt, path::Path};

/// A longer password is a mistake: the file is probably another one.
const PASSWORD_BYTES_MAX: u64 = 4_096;

/// A password. Empty where there is none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The password itself, for the one who logs in with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() {
            "Secret(none)"
        } else {
            "Secret(…)"
        })
    }
}

/// Reads a password and whether others may read its file. A newline at the end does not belong to it.
///
/// # Errors
/// Why the file holds no password, for the user.
pub(crate) fn read(path: &Path) -> Result<(Secret, Option<String>), String> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    // To open a pipe into which nobody writes would be to wait for ever.
    if !metadata.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let mut text = String::new();
    File::open(path)
        .map_err(cannot)?
        .take(PASSWORD_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(cannot)?;
    if text.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(format!(
            "{} is longer than {PASSWORD_BYTES_MAX} bytes; a password file holds nothing but the password",
            path.display()
        ));
    }
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(format!("{} is empty; write the password into it", path.display()));
    }
    let others = metadata.mode() & 0o077 != 0;
    let warning = others.then(|| {
        format!(
            "others may read {0}; hide it from them: chmod 600 {0}",
            path.display()
        )
    });
    Ok((Secret(password.to_owned()), warning))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_what_stands_in_the_file_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read(&path)
        };
        for text in ["top secret", "top secret\n", "top secret\r\n"] {
            let (secret, warning) = write(text, 0o600).unwrap();
            assert_eq!(secret.reveal(), "top secret");
            assert_eq!(warning, None);
            assert!(!format!("{secret:?}").contains("top"));
        }
        let (_, warning) = write("x", 0o640).unwrap();
        assert!(warning.unwrap().contains("chmod 600"));
        assert!(write("\n", 0o600).unwrap_err().contains("is empty"));
        assert!(
            write(&"x".repeat(5_000), 0o600)
                .unwrap_err()
                .contains("longer than")
        );
        assert!(read(folder.path()).unwrap_err().contains("is not a file"));
        assert!(
            read(&folder.path().join("none"))
                .unwrap_err()
                .contains("cannot read")
        );
    }
}
