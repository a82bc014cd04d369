//! Containers as real local processes: a process group, a directory, an environment and a log.
//!
//! None of them may outlive the simulated cloud, not even when that is killed with SIGKILL. A *guard* process holds
//! the read end of a pipe whose only writer is the cloud; when the pipe closes it kills every group it was told of.
//! A container waits at a gate until its group is known to the guard, so there is no moment at which it is unguarded.

use crate::log::{Cutter, Log};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Named in full: a container's own PATH must not decide which shell opens its gate.
const SHELL: &str = "/bin/sh";

const GUARD: &str = r#"
trap '' HUP INT TERM
live=' '
while read -r word group; do
    case $word in
        +) live="$live$group " ;;
        -) case $live in *" $group "*) live="${live%% "$group" *} ${live#* "$group" }" ;; esac ;;
    esac
done
for group in $live; do kill -s KILL -- "-$group" 2>/dev/null; done
[ -z "$1" ] || rm -rf -- "$1"
"#;

/// Reads one line from the cloud before it becomes the command; an end of file instead means that the cloud is gone.
const GATE: &str = r#"read -r _ || exit 1; exec "$@" </dev/null"#;

/// How long output may still come after all of a container's processes were killed.
const DRAIN: Duration = Duration::from_secs(2);

/// Kills what is left when the simulated cloud ends, however it ends.
#[derive(Debug)]
pub(crate) struct Guard {
    lifeline: Mutex<Option<std::process::ChildStdin>>,
    process: Mutex<std::process::Child>,
}

impl Guard {
    /// `scratch` is a directory that is removed at the end.
    pub(crate) fn start(scratch: Option<&Path>) -> io::Result<Self> {
        let mut process = std::process::Command::new(SHELL)
            .arg("-c")
            .arg(GUARD)
            .arg("simclouds-guard")
            .arg(scratch.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let lifeline = process.stdin.take();
        Ok(Self { lifeline: Mutex::new(lifeline), process: Mutex::new(process) })
    }

    fn tell(&self, word: char, group: Pid) -> io::Result<()> {
        let mut lifeline = self.lifeline.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = lifeline.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        pipe.write_all(format!("{word} {}\n", group.as_raw_nonzero()).as_bytes())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.lifeline.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = process.wait() {
            tracing::warn!(%error, "the guard process could not be waited for");
        }
    }
}

/// What to run.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) command: Vec<String>,
    /// The whole environment.
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) directory: PathBuf,
    /// `NAME=value`, an entry of `env` that no other container has: finds processes that left the group.
    pub(crate) marker: String,
}

#[derive(Debug)]
pub(crate) struct Container {
    child: tokio::process::Child,
    group: Pid,
    guard: Arc<Guard>,
    marker: String,
    output: tokio::task::JoinHandle<()>,
}

impl Container {
    /// # Errors
    /// When the process cannot be started: no such directory, an environment larger than the system allows.
    pub(crate) async fn start(guard: Arc<Guard>, launch: Launch, log: Arc<Log>) -> io::Result<Self> {
        std::fs::create_dir_all(&launch.directory)?;
        let (reader, writer) = io::pipe()?;
        let mut command = tokio::process::Command::new(SHELL);
        command
            .arg("-c")
            .arg(GATE)
            .arg("container")
            .args(&launch.command)
            .env_clear()
            .envs(&launch.env)
            .current_dir(&launch.directory)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        // The command holds the write ends of the pipe; the log ends only when they are gone.
        drop(command);
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("the process ended at once"))?;
        guard.tell('+', group)?;
        let receiver = tokio::net::unix::pipe::Receiver::from_owned_fd(reader.into())?;
        let output = tokio::spawn(pump(receiver, log));
        if let Some(mut gate) = child.stdin.take()
            && let Err(error) = gate.write_all(b"\n").await
        {
            // Killed before it began; its end is seen like any other.
            tracing::debug!(%error, "a container ended at its gate");
        }
        Ok(Self { child, group, guard, marker: launch.marker, output })
    }

    /// Waits for the end of the main process. Cancel safe.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// SIGTERM to the main process alone, as container runtimes do it: to pass it on is that process's business.
    pub(crate) fn terminate(&self) {
        // Not reaped before `ended` or `sweep` says so, so the number is still this process's.
        say(kill_process(self.group, Signal::TERM), self.group);
    }

    fn kill(&self) {
        say(kill_process_group(self.group, Signal::KILL), self.group);
    }

    /// A container dies with its main process: kills whatever else it started, and waits for the last output.
    pub(crate) async fn sweep(mut self) {
        self.kill();
        if let Err(error) = self.child.wait().await {
            tracing::warn!(%error, "a container could not be waited for");
        }
        let marks = HashSet::from([std::mem::take(&mut self.marker).into_bytes()]);
        if let Err(error) = tokio::task::spawn_blocking(move || kill_marked(&marks)).await {
            tracing::warn!(%error, "the sweep for stray processes failed");
        }
        if let Err(error) = self.guard.tell('-', self.group) {
            tracing::warn!(%error, "the guard process is gone");
        }
        if tokio::time::timeout(DRAIN, &mut self.output).await.is_err() {
            self.output.abort();
        }
    }
}

fn say(sent: rustix::io::Result<()>, group: Pid) {
    match sent {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => {
            tracing::warn!(%error, group = group.as_raw_nonzero(), "a container cannot be signalled");
        }
    }
}

async fn pump(receiver: tokio::net::unix::pipe::Receiver, log: Arc<Log>) {
    let mut cutter = Cutter::default();
    let mut buffer = vec![0; 16 << 10];
    loop {
        match receiver.readable().await.and_then(|()| receiver.try_read(&mut buffer)) {
            Ok(0) => break,
            Ok(read) => cutter.push(&log, &buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                tracing::warn!(%error, "a container's output cannot be read");
                break;
            }
        }
    }
    cutter.finish(&log);
}

/// Kills every process whose environment has one of the entries. Does nothing where there is no `/proc`.
pub(crate) fn kill_marked(marks: &HashSet<Vec<u8>>) {
    for pid in marked(marks) {
        if let Err(error) = kill_process(pid, Signal::KILL)
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(%error, pid = pid.as_raw_nonzero(), "a stray process cannot be killed");
        }
    }
}

fn marked(marks: &HashSet<Vec<u8>>) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(_, path)| {
            std::fs::read(path.join("environ"))
                .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|one| marks.contains(one)))
        })
        .filter_map(|(pid, _): (i32, _)| Pid::from_raw(pid))
        .collect()
}
