//! Programs as children of a test: found or named as missing, alone in a folder, and killed when
//! they take too long.

#![allow(dead_code, reason = "no file uses all of it")]

use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A client that is not done by then never will be.
const DEADLINE: Duration = Duration::from_secs(60);

/// How a program ended, and what it said.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ended {
    /// What it wrote, if it succeeded.
    #[track_caller]
    pub fn success(self) -> Vec<u8> {
        let Self {
            status,
            stdout,
            stderr,
        } = self;
        assert!(
            status.success(),
            "{status}\n{}\n{stderr}",
            String::from_utf8_lossy(&stdout)
        );
        stdout
    }
}

/// A program that will see nothing of this machine's settings. Panics if it is not installed,
/// naming the Debian package.
#[track_caller]
pub fn program(name: &str, package: &str, home: &Path) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    assert!(
        found,
        "{name} is missing; install the Debian package {package} (`make test` does)"
    );
    let mut command = Command::new(name);
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("LC_ALL", "C")
        .current_dir(home);
    command
}

/// Runs it to its end.
#[track_caller]
pub fn run(mut command: Command) -> Ended {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = child.stdout.take().unwrap();
    let stderr = child.stderr.take().unwrap();
    let (ended, end) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let stdout = scope.spawn(|| read(stdout));
        let stderr = scope.spawn(|| read(stderr));
        let waiting = scope.spawn(move || {
            // Its output ends with it, or it is killed.
            if end.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
                child.kill().unwrap();
            }
            child.wait().unwrap()
        });
        let stdout = stdout.join().unwrap();
        let stderr = String::from_utf8_lossy(&stderr.join().unwrap()).into_owned();
        drop(ended);
        let status = waiting.join().unwrap();
        Ended {
            status,
            stdout,
            stderr,
        }
    })
}

fn read(mut from: impl Read) -> Vec<u8> {
    let mut octets = Vec::new();
    from.read_to_end(&mut octets).unwrap();
    octets
}
