//! A container as the runner sees one: a chosen shell, chosen tools, an environment, and a way to be stopped.

use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use runner::{Environment, START_ARGS, Token};

use crate::api::PATIENCE;

pub(crate) const TOKEN: &str = "fake-runner-token";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shell {
    Dash,
    Bash,
    /// busybox, with its own versions of all tools
    Ash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Curl,
    Wget,
    Busybox,
    Python3,
    None,
}

/// What the script may use beyond the shell itself. All but gzip and setsid are POSIX.
const TOOLS: [&str; 26] = [
    "cat", "chmod", "date", "dd", "env", "fold", "getconf", "gzip", "head", "kill", "ls", "mkdir", "mkfifo",
    "mv", "nproc", "od", "rm", "sed", "seq", "setsid", "sleep", "tail", "tee", "tr", "wc", "yes",
];

pub(crate) struct Image {
    directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
    pub(crate) timeout_seconds: u64,
}

impl Image {
    pub(crate) fn new(shell: Shell, client: Client) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("bin")).unwrap();
        std::fs::create_dir(directory.path().join("tmp")).unwrap();
        let image = Self { directory, variables: Vec::new(), timeout_seconds: 0 };
        if shell == Shell::Ash {
            let list = Command::new(installed("busybox")).arg("--list").output().unwrap().stdout;
            for applet in String::from_utf8(list).unwrap().lines().filter(|name| *name != "wget") {
                image.link("busybox", applet);
            }
        } else {
            for tool in TOOLS {
                image.link(tool, tool);
            }
            image.link(if shell == Shell::Dash { "dash" } else { "bash" }, "sh");
        }
        match client {
            Client::Curl => image.link("curl", "curl"),
            Client::Wget => image.link("wget", "wget"),
            Client::Busybox => image.link("busybox", "wget"),
            // The interpreter itself, for a version manager's `python3` is a script that needs more around it
            Client::Python3 => symlink(interpreter(), image.bin().join("python3")).unwrap(),
            Client::None => {}
        }
        image
    }

    fn bin(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    /// A directory of the test's own inside the container.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn without(self, tool: &str) -> Self {
        std::fs::remove_file(self.bin().join(tool)).unwrap();
        self
    }

    pub(crate) fn link(&self, tool: &str, name: &str) {
        symlink(installed(tool), self.bin().join(name)).unwrap();
    }

    /// A program of the test's own, as a script.
    pub(crate) fn with_program(self, name: &str, script: &str) -> Self {
        let path = self.bin().join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn with_timeout(mut self, seconds: u64) -> Self {
        self.timeout_seconds = seconds;
        self
    }

    /// Runs a shell script as the user's command.
    pub(crate) fn run_script(self, url: &str, script: &str) -> Container {
        self.run(url, &["sh", "-c", script])
    }

    pub(crate) fn run(self, url: &str, command: &[&str]) -> Container {
        let attempt_id = format!("att_{}", self.directory.path().file_name().unwrap().to_str().unwrap());
        let environment = Environment {
            api_url: url.to_owned(),
            attempt_id: attempt_id.clone(),
            job_id: "job_1".to_owned(),
            attempt: 2,
            token: Token::new(TOKEN),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            timeout_seconds: self.timeout_seconds,
            checkpoint_dir: self.path("checkpoint"),
        };
        let mut child = Command::new(self.bin().join(START_ARGS[0]))
            .args(&START_ARGS[1..])
            .env_clear()
            .env("PATH", self.bin())
            .env("TMPDIR", self.path("tmp"))
            .env("GPU_RUNNER_BACKOFF_MS", "20")
            .env("GPU_RUNNER_GRACE", "0.3")
            .envs(environment.variables())
            .envs(self.variables.iter().cloned())
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = Stream::of(child.stdout.take().unwrap());
        let stderr = Stream::of(child.stderr.take().unwrap());
        Container { child, attempt_id, stdout, stderr, image: self }
    }
}

/// Where a tool of the test machine is.
pub(crate) fn installed(tool: &str) -> PathBuf {
    ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin"]
        .iter()
        .map(|directory| Path::new(directory).join(tool))
        .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap()).map(|path| path.join(tool)))
        .find(|path| path.exists())
        .unwrap_or_else(|| {
            panic!("{tool} is not installed: these tests need dash, busybox, curl, wget, python3")
        })
}

fn interpreter() -> String {
    let find = ["-c", "import sys; print(sys.executable)"];
    let output = Command::new(installed("python3")).args(find).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Output as it comes, read without end so that nobody blocks on a full pipe.
#[derive(Clone)]
pub(crate) struct Stream(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Stream {
    fn of(mut source: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let stream = Self(Arc::clone(&shared));
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(length @ 1..) = source.read(&mut buffer) {
                shared.0.lock().unwrap().extend(&buffer[..length]);
                shared.1.notify_all();
            }
        });
        stream
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.0.lock().unwrap().clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    pub(crate) fn wait_for(&self, text: &str) {
        let missing = |bytes: &mut Vec<u8>| !bytes.windows(text.len()).any(|part| part == text.as_bytes());
        let (_bytes, timeout) =
            self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), PATIENCE, missing).unwrap();
        assert!(!timeout.timed_out(), "{text:?} never came: {}", self.text());
    }
}

pub(crate) struct Container {
    child: Child,
    pub(crate) attempt_id: String,
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
    pub(crate) image: Image,
}

impl Container {
    pub(crate) fn marker(&self, code: i32) -> String {
        format!("::gpu-exit {} {code}\n", self.attempt_id)
    }

    pub(crate) fn terminate(&self) {
        let status = Command::new(installed("kill")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// After the runner has said its last word: it still stands, and goes at once when told to.
    pub(crate) fn assert_idle_until_terminated(mut self) -> ExitStatus {
        assert_eq!(self.child.try_wait().unwrap(), None, "the runner must not end: {}", self.stderr.text());
        self.terminate();
        let status = self.child.wait().unwrap();
        self.assert_deserted();
        status
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Nothing is left running. What was killed may need a moment to be gone.
    pub(crate) fn assert_deserted(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.processes().is_empty() {
            assert!(Instant::now() < deadline, "left running: {}", self.describe());
            std::thread::yield_now();
        }
    }

    fn describe(&self) -> String {
        let line = |id: &String| std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let all = self.processes();
        all.iter().fold(String::new(), |all, id| all + &format!("{id} {}; ", line(id).escape_ascii()))
    }

    /// Every process of this container, as a cloud would find it to kill it.
    pub(crate) fn processes(&self) -> Vec<String> {
        let needle = format!("GPU_ATTEMPT_ID={}\0", self.attempt_id);
        let directories = std::fs::read_dir("/proc").unwrap().flatten();
        directories
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()))
            .filter(|entry| {
                std::fs::read(entry.path().join("environ"))
                    .is_ok_and(|environ| environ.windows(needle.len()).any(|part| part == needle.as_bytes()))
            })
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let processes = self.processes();
        if !processes.is_empty() {
            let _ = Command::new(installed("kill")).arg("-9").args(processes).stderr(Stdio::null()).status();
        }
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("stdout: {}\nstderr: {}", self.stdout.text(), self.stderr.text());
        }
    }
}
