//! A process under test.

use std::fs::File;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use super::keeper;
use super::wait::{wait_for, wait_until};

/// How much of a log is shown when a test fails.
const LOG_LINES_SHOWN: usize = 40;
/// How long an asked process may take to go.
pub const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A started process. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command; what it prints is appended to `log`.
    ///
    /// # Errors
    /// The command cannot be started or the log not written.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Process> {
        let open = || File::options().create(true).append(true).open(log);
        let file = open().with_context(|| format!("cannot write {}", log.display()))?;
        let errors = file.try_clone().context("cannot share the log")?;
        // In a process group of its own: Ctrl-C is for whoever started it.
        command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .process_group(0);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name}: {}", command.get_program().display()))?;
        keeper::watch(child.id())?;
        let (name, log) = (name.to_owned(), log.to_owned());
        Ok(Process { name, child, log })
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// `kill -9`: it cannot do anything any more, and is gone when this returns.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let _already_gone = self.child.kill();
        self.child
            .wait()
            .with_context(|| format!("cannot wait for {}", self.name))?;
        keeper::forget(self.child.id())
    }

    /// Asks it to stop, as a service manager does, and waits.
    ///
    /// # Errors
    /// It did not stop within [`STOP_LIMIT`].
    pub fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.exit_status(STOP_LIMIT)
    }

    /// Stops it in the middle of whatever it does, until [`Process::go_on`].
    ///
    /// # Errors
    /// It is gone.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Undoes [`Process::freeze`].
    ///
    /// # Errors
    /// It is gone.
    pub fn go_on(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// It did not within the limit.
    pub fn exit_status(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        let status = wait_for(&what, limit, || Ok(self.child.try_wait()?))?;
        keeper::forget(self.child.id())?;
        Ok(status)
    }

    /// Waits until `holds`, as long as it runs.
    ///
    /// # Errors
    /// The limit is over or the process ended; its last lines are told.
    pub fn wait_until(
        &mut self,
        what: &str,
        limit: Duration,
        mut holds: impl FnMut() -> bool,
    ) -> anyhow::Result<()> {
        let mut ended = None;
        let waited = wait_until(what, limit, || {
            ended = self.child.try_wait().ok().flatten();
            ended.is_some() || holds()
        });
        if let Some(status) = ended {
            let how = describe(status);
            anyhow::bail!(
                "{} ended ({how}) before {what}; it said:\n{}",
                self.name,
                self.log_end()
            );
        }
        waited.with_context(|| format!("{} said:\n{}", self.name, self.log_end()))
    }

    /// All that it printed.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map_or_else(
            |error| format!("(no log: {error})"),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    /// The last lines that it printed.
    #[must_use]
    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
        lines.get(from..).unwrap_or_default().join("\n")
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.context("a process id is a positive number")?;
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _nothing_more_to_do = self.kill();
    }
}

/// How a process ended, in words.
#[must_use]
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit code".to_owned(),
    }
}

/// Runs a command to its end and returns what it printed on standard output.
///
/// # Errors
/// It cannot be started, or failed: with what it printed on standard error.
pub fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = finish(command)?;
    anyhow::ensure!(
        output.succeeded,
        "{} {} failed: {}",
        command.get_program().display(),
        command
            .get_args()
            .map(|part| part.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" "),
        output.errors
    );
    Ok(output.text)
}

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Whether its exit code was 0.
    pub succeeded: bool,
    /// Its exit code, if it had one.
    pub code: Option<i32>,
    /// Its standard output.
    pub text: String,
    /// Its standard error.
    pub errors: String,
}

/// Runs a command to its end, whatever that is.
///
/// # Errors
/// It cannot be started.
pub fn finish(command: &mut Command) -> anyhow::Result<Finished> {
    let name = command.get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    Ok(Finished {
        succeeded: output.status.success(),
        code: output.status.code(),
        text: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
