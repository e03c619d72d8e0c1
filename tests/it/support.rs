//! Running the binary as people do, and waiting, with a deadline, for what it does.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Read,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// Nothing that these tests wait for takes longer on a machine that works.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(3);

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < DEADLINE,
            "waited {DEADLINE:?} in vain for: {what}"
        );
        thread::sleep(LOOK);
    }
}

/// `unsilo` with these arguments, and nothing of the caller's environment that it reads.
pub(crate) fn unsilo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unsilo"));
    command
        .args(arguments)
        .env_remove("UNSILO_LOG")
        .env_remove("UNSILO_AUTHORITY")
        .env_remove("UNSILO_TOKEN")
        .env_remove("COLUMNS")
        .stdin(Stdio::null());
    command
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ran {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let out = child.stdout.take().expect("piped");
    let err = child.stderr.take().expect("piped");
    let collect = |mut from: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = from.read_to_end(&mut bytes);
            String::from_utf8(bytes).expect("text")
        })
    };
    let stdout = collect(Box::new(out));
    let stderr = collect(Box::new(err));
    let status = ended(&mut child, &format!("{command:?}"));
    let ran = Ran {
        status,
        stdout: stdout.join().expect("read"),
        stderr: stderr.join().expect("read"),
    };
    assert!(
        !ran.stderr.contains("panicked"),
        "a panic reached the user: {ran:#?}"
    );
    ran
}

#[track_caller]
fn ended(child: &mut Child, what: &str) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("waited") {
            return status;
        }
        if started.elapsed() > DEADLINE {
            let _ = child.kill();
            panic!("did not end within {DEADLINE:?}: {what}");
        }
        thread::sleep(LOOK);
    }
}

impl Ran {
    /// It succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status.code(), Some(0), "{self:#?}");
        self
    }

    /// It failed with this exit code, and its message has all these words.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.status.code(), Some(code), "exit code; {self:#?}");
        assert_eq!(self.stdout, "", "a failure prints no result");
        assert!(self.stderr.contains("error: "), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:#?}");
        }
        self
    }

    /// Standard output, which must be exactly one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not one JSON document ({error}): {self:#?}"))
    }
}

/// A process that goes on beside the test. Killed when dropped.
pub(crate) struct Running {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Starts a command whose output is appended to files in `logs`.
    pub(crate) fn start(logs: &Path, name: &str, command: &mut Command) -> Self {
        let file = |suffix: &str| {
            let path = logs.join(format!("{name}.{suffix}"));
            let file = File::options()
                .create(true)
                .append(true)
                .open(&path)
                .expect("a log file");
            (path, file)
        };
        let ((stdout, out), (stderr, err)) = (file("out"), file("err"));
        Self {
            name: name.to_owned(),
            child: command.stdout(out).stderr(err).spawn().expect("starts"),
            stdout,
            stderr,
        }
    }

    /// Everything it and its predecessors of the same name wrote to standard error.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// How often it said `words`.
    pub(crate) fn times(&self, words: &str) -> usize {
        self.said().matches(words).count()
    }

    /// What it printed.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// Waits until it has said `words`; it must not end before.
    #[track_caller]
    pub(crate) fn until_said(&mut self, words: &str) {
        self.until_more(words, 0);
    }

    /// Waits until it has said `words` more often than `before`.
    #[track_caller]
    pub(crate) fn until_more(&mut self, words: &str, before: usize) {
        let started = Instant::now();
        while self.times(words) <= before {
            if let Some(status) = self.child.try_wait().expect("waited") {
                if self.times(words) > before {
                    return;
                }
                panic!(
                    "{} ended with {status} before it said {words:?}: {}{}",
                    self.name,
                    self.printed(),
                    self.said()
                );
            }
            assert!(
                started.elapsed() < DEADLINE,
                "{} did not say {words:?}: {}",
                self.name,
                self.said()
            );
            thread::sleep(LOOK);
        }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still there.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("waited").is_none()
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, as Ctrl-C or a service manager does.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Ran {
        let status = ended(&mut self.child, &self.name);
        let ran = Ran {
            status,
            stdout: self.printed(),
            stderr: self.said(),
        };
        assert!(
            !ran.stderr.contains("panicked"),
            "a panic reached the user: {ran:#?}"
        );
        ran
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let said = self.said();
            let from = said.lines().count().saturating_sub(12);
            let last: Vec<&str> = said.lines().skip(from).collect();
            eprintln!("--- {} said last:\n{}", self.name, last.join("\n"));
        } else {
            assert!(!self.said().contains("panicked"), "{}", self.said());
        }
    }
}

/// A free address on the loopback interface, outside the range from which the kernel takes ports for outgoing
/// connections: it stays free while its server is down.
pub(crate) fn free_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let base = std::process::id().wrapping_mul(61);
    loop {
        let next = base.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 15_000 + next % 15_000;
        let address = format!("127.0.0.1:{port}");
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Replaces the line of `key` in a TOML file.
#[track_caller]
pub(crate) fn set(path: &Path, key: &str, value: &str) {
    let text = fs::read_to_string(path).expect("a text file");
    let start = format!("{key} = ");
    let old = text
        .lines()
        .find(|line| line.trim_start_matches("# ").starts_with(&start))
        .unwrap_or_else(|| panic!("no {key} in {}", path.display()));
    fs::write(path, text.replace(old, &format!("{start}{value}"))).expect("written");
}

/// Replaces `from` by `to` in the file at `path`; `from` must be there.
#[track_caller]
pub(crate) fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("a text file");
    assert!(text.contains(from), "no {from:?} in {}", path.display());
    fs::write(path, text.replacen(from, to, 1)).expect("written");
}
