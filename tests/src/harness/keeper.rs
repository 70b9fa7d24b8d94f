//! Nothing that a test started outlives it, however the test ends: a shell at its side kills what is left.
//!
//! The shell reads process ids, and folders where something is mounted, from a pipe whose other end only this process
//! holds. When this process is gone, also by `kill -9`, the pipe ends, and the shell kills every process that it was
//! told of and not told off again, and unmounts the folders.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use anyhow::Context as _;

const WATCH: &str = r#"
trap '' INT TERM HUP
pids=' '
folders=
while read -r what it; do
    case $what in
        +) pids="$pids$it " ;;
        -) pids="${pids%% $it *} ${pids#* $it }" ;;
        mount) folders="$folders$it
" ;;
    esac
done
for pid in $pids; do kill -KILL "$pid"; done
printf %s "$folders" | while read -r folder; do umount -l "$folder"; done
"#;

/// Has a process killed when this one ends.
///
/// # Errors
/// The shell could not be started or is gone.
pub fn watch(pid: u32) -> anyhow::Result<()> {
    tell(&format!("+ {pid}"))
}

/// The process has ended; its id may soon be another's.
///
/// # Errors
/// The shell is gone.
pub fn forget(pid: u32) -> anyhow::Result<()> {
    tell(&format!("- {pid}"))
}

/// Has a folder unmounted when this process ends, if it still is mounted then.
///
/// # Errors
/// The shell could not be started or is gone.
pub fn unmount(folder: &Path) -> anyhow::Result<()> {
    tell(&format!("mount {}", folder.display()))
}

fn tell(line: &str) -> anyhow::Result<()> {
    static KEEPER: OnceLock<Mutex<Option<ChildStdin>>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| Mutex::new(None));
    let mut keeper = keeper
        .lock()
        .map_err(|_| anyhow::anyhow!("a thread panicked while it told the keeper"))?;
    if keeper.is_none() {
        *keeper = Some(start()?);
    }
    let pipe = keeper.as_mut().context("the keeper was just started")?;
    writeln!(pipe, "{line}").context("the keeper of this test's processes is gone")
}

/// In a process group of its own, because a runner that gives up on a test kills the test's whole group.
fn start() -> anyhow::Result<ChildStdin> {
    let mut shell = Command::new("sh")
        .args(["-c", WATCH])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start sh, which watches over the processes of this test")?;
    shell.stdin.take().context("the shell was started with a pipe")
}
