//! Folders and programs of a user without rights: database servers refuse to run as root.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// The user and group that own nothing.
const NOBODY: (&str, &str) = ("nobody", "nogroup");

/// A temporary folder that the server may write.
///
/// # Panics
/// When it cannot be made, or cannot be given away.
pub(super) fn folder() -> TempDir {
    let folder = TempDir::new().expect("make a temporary folder");
    give(folder.path());
    folder
}

/// Gives a folder and all that is in it to nobody, where we are root.
///
/// # Panics
/// When it cannot be given away.
pub(super) fn give(folder: &Path) {
    if is_root() {
        let owner = format!("{}:{}", NOBODY.0, NOBODY.1);
        let status = Command::new("chown").arg("-R").arg(owner).arg(folder).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "cannot give a folder to nobody"
        );
    }
    let rights = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(folder, rights).expect("set the rights of a folder");
}

/// `program`, as nobody where we are root.
pub(super) fn command(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={}", NOBODY.0));
    command.arg(format!("--regid={}", NOBODY.1));
    command.arg("--clear-groups").arg(program);
    command
}

/// Sees to it that a server which nothing drops is gone when this process is, however it ends, and its folder too: waits
/// at the end of a pipe that nobody else holds. Keep what it returns.
///
/// # Panics
/// When there is no shell.
pub(super) fn gone_with_us(server: u32, folder: &Path) -> Child {
    Command::new("sh")
        .args(["-c", "cat >/dev/null; kill -KILL \"$0\"; sleep 1; rm -rf \"$1\""])
        .arg(server.to_string())
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("start a shell")
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
