//! The program in a folder of its own: run to its end, or as a daemon on ports of the system's
//! choice. Nothing here sleeps: it reads until what it waits for is there.

// Each test file uses its part of this.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

pub use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tempfile::TempDir;

/// So long a line of the log or an answer is waited for before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// What most tests want to have set.
pub const SETTINGS: &str = "\
[server]
store = \"store\"
[[listener]]
address = \"127.0.0.1\"
port = 0
[protocol]
login_type = \"plain_text_login\"
[auth]
argon2_memory = 7168
argon2_passes = 1
";

const STAY_ROOT: &str = "
[privileges]
user = \"root\"
";

/// A folder with a configuration, and a store once there is something in it.
pub struct Place {
    folder: TempDir,
    environment: Vec<(String, String)>,
    program: PathBuf,
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ran {
    /// Standard output of a run that succeeded and complained about nothing.
    #[track_caller]
    pub fn text(self) -> String {
        String::from_utf8(self.octets()).unwrap()
    }

    /// The same as octets.
    #[track_caller]
    pub fn octets(self) -> Vec<u8> {
        assert_eq!(
            (self.status, self.stderr.as_str()),
            (Some(0), ""),
            "{self:?}"
        );
        self.stdout
    }

    /// Exit status and the line on standard error of a run that failed.
    #[track_caller]
    pub fn failure(self) -> (i32, String) {
        let line = self.stderr.strip_suffix('\n').unwrap_or(&self.stderr);
        assert!(!line.contains('\n'), "more than one line: {self:?}");
        let line = line
            .strip_prefix("mailroost: ")
            .unwrap_or_else(|| panic!("{self:?}"));
        (self.status.unwrap(), line.to_owned())
    }
}

impl Place {
    pub fn new() -> Self {
        Self::with(SETTINGS)
    }

    pub fn with(settings: &str) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
            program: env!("CARGO_BIN_EXE_mailroost").into(),
        };
        place.configure(settings);
        place
    }

    /// Tests may be run by root, and say so where they do not say whom to become.
    pub fn configure(&self, settings: &str) {
        let told = settings.contains("[privileges]");
        let privileges = if told { "" } else { STAY_ROOT };
        std::fs::write(self.config(), format!("{settings}{privileges}")).unwrap();
    }

    /// What the program sees beside the environment of the test.
    pub fn set_environment(&mut self, environment: Vec<(String, String)>) {
        self.environment = environment;
    }

    /// Opens the folder to everybody, and has a copy of the program in it run from now on: another
    /// user may have no way to where it was built.
    pub fn open_to_all(&mut self) {
        use std::os::unix::fs::PermissionsExt;
        let folder = self.folder.path();
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let copy = folder.join("mailroost");
        std::fs::copy(&self.program, &copy).unwrap();
        self.program = copy;
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("mailroost.toml")
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, octets: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, octets).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str], stdin: impl AsRef<[u8]>) -> Ran {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let octets = stdin.as_ref().to_vec();
        // A program that does not read it all must not stop the test.
        let writer = std::thread::spawn(move || drop(input.write_all(&octets)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ran {
            status: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.config()).args(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Adds a user whose password is `secret`.
    pub fn add_user(&self, name: &str) {
        self.run(&["user", "add", name, "--password-stdin"], "secret\n")
            .octets();
    }

    /// Starts a daemon and waits until it is ready.
    pub fn daemon(&self) -> Daemon {
        let mut daemon = self.unready_daemon();
        while let Some(line) = daemon.line() {
            match line.get("msg").and_then(|msg| msg.as_str()) {
                Some("listening") => {
                    daemon
                        .addresses
                        .push(line["address"].as_str().unwrap().parse().unwrap());
                }
                Some("listening for lmtp") => {
                    daemon
                        .lmtp
                        .push(line["address"].as_str().unwrap().to_owned());
                }
                Some("ready") => return daemon,
                _ => {}
            }
            daemon.said.push(line);
        }
        panic!("the daemon ended before it was ready: {:?}", daemon.wait());
    }

    fn unready_daemon(&self) -> Daemon {
        let mut child = self
            .command(&["serve"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (lines, log) = channel();
        // It has to be read on, or the daemon would wait with its next line.
        std::thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| lines.send(line))
        });
        Daemon {
            child,
            log,
            addresses: Vec::new(),
            lmtp: Vec::new(),
            said: Vec::new(),
        }
    }
}

/// The program, free of what the test's own environment sets.
pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mailroost"))
}

/// A daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    log: Receiver<String>,
    pub addresses: Vec<SocketAddr>,
    /// Where it takes messages over LMTP: addresses and paths.
    pub lmtp: Vec<String>,
    /// What it logged until it was ready.
    pub said: Vec<serde_json::Value>,
}

impl Daemon {
    /// The next line of its log; `None` when there will be none.
    pub fn line(&self) -> Option<serde_json::Value> {
        let line = self.log.recv_timeout(PATIENCE).ok()?;
        Some(serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}")))
    }

    /// Reads its log up to a message, and gives that line.
    #[track_caller]
    pub fn log_of(&self, msg: &str) -> serde_json::Value {
        let mut seen = Vec::new();
        while let Some(line) = self.line() {
            if line["msg"] == msg {
                return line;
            }
            seen.push(line);
        }
        panic!("{msg:?} was not logged, but {seen:?}");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().try_into().unwrap()), signal).unwrap();
    }

    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn connect(&self) -> Pop3 {
        Pop3::connect(self.addresses[0])
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A plain POP3 connection, line by line.
pub struct Pop3 {
    stream: BufReader<TcpStream>,
}

impl Pop3 {
    /// Connects and takes the greeting.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut pop3 = Self {
            stream: BufReader::new(stream),
        };
        assert!(pop3.line().starts_with("+OK"));
        pop3
    }

    /// The next line without its CRLF; empty at the end of the connection.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).unwrap();
        String::from_utf8(line)
            .unwrap()
            .trim_end_matches("\r\n")
            .to_owned()
    }

    pub fn send(&mut self, command: &str) {
        self.stream
            .get_mut()
            .write_all(format!("{command}\r\n").as_bytes())
            .unwrap();
    }

    /// Sends a command and takes one line.
    pub fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.line()
    }

    /// Logs on; the password is `secret` as a rule.
    pub fn log_on(&mut self, user: &str, password: &str) -> bool {
        self.ask(&format!("USER {user}"));
        self.ask(&format!("PASS {password}")).starts_with("+OK")
    }

    /// Whether the server has closed the connection, after whatever it still sends.
    pub fn ends(mut self) -> bool {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).is_ok()
    }
}

/// Runs the program without any configuration of its own.
pub fn run_bare(arguments: &[&str]) -> Ran {
    let output = program()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        status: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Makes a certificate that signs itself for a name, and its key.
pub fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (certificate, key) = (
        folder.join(format!("{name}.pem")),
        folder.join(format!("{name}-key.pem")),
    );
    let signed = mailroost::tls::self_signed(&[name]).unwrap();
    std::fs::write(&certificate, signed.certificate).unwrap();
    std::fs::write(&key, signed.key.as_bytes()).unwrap();
    (certificate, key)
}

/// The common name of the certificate that STLS shows.
pub fn served_name(address: SocketAddr) -> String {
    let address = address.to_string();
    let output = Command::new("openssl")
        .args(["s_client", "-starttls", "pop3", "-connect", &address])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.starts_with("subject="))
        .unwrap_or_else(|| panic!("{text}"));
    line.rsplit('=').next().unwrap().trim().to_owned()
}
