//! The servers that are compared. Each runs in a process namespace of its own: who is in it is
//! counted as the server, and ending its first process ends all of them.

mod courier;
mod dovecot;
mod mailroost;
mod popa3d;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use courier::Courier;
pub use dovecot::{Dovecot, Format};
pub use mailroost::Mailroost;
pub use popa3d::Popa3d;

use crate::Fault;
use crate::mail::Group;

/// Owner of the mail of those servers that want one; needs no account.
pub const MAIL_ID: u32 = 5_000;

/// A door of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// POP3 without TLS.
    Plain,
    /// POP3 with TLS from the first octet.
    Tls,
    /// LMTP.
    Lmtp,
}

impl Door {
    /// What the table says of a server without it.
    pub fn missing(self) -> &'static str {
        match self {
            Self::Plain => "no POP3 without TLS",
            Self::Tls => "no TLS",
            Self::Lmtp => "no LMTP",
        }
    }
}

/// A server that can be seeded, started and stopped.
pub trait Peer {
    /// What the table calls it.
    fn name(&self) -> &'static str;

    /// Its version.
    fn version(&self) -> String;

    /// What a reader should know of its settings.
    fn settings(&self) -> &'static str;

    /// What is durable when it acknowledges something.
    fn durability(&self) -> &'static str;

    /// Whether it is measured in all rows: those that begin a process for each session are far
    /// behind, and take part only in the rows that say so.
    fn in_every_row(&self) -> bool {
        true
    }

    /// Whether it can be given this group's mail in reasonable time.
    fn takes(&self, group: Group) -> bool {
        self.in_every_row() || group != Group::Huge
    }

    /// Where it listens, if it has that door.
    fn address(&self, door: Door) -> Option<SocketAddr>;

    /// Gives a group of accounts fresh maildrops. The server does not run.
    ///
    /// # Errors
    /// What went wrong.
    fn seed(&self, group: Group) -> Result<(), Fault>;

    /// The command that runs it in the foreground, as the first process of its namespace.
    ///
    /// # Errors
    /// If its configuration cannot be written.
    fn command(&self) -> Result<Command, Fault>;
}

/// Where a comparison keeps its files.
#[derive(Debug, Clone)]
pub struct Work {
    /// The folder; everything below may be deleted.
    pub folder: PathBuf,
    /// The certificate of all servers, DER.
    pub certificate: Vec<u8>,
}

impl Work {
    /// Makes the folder and one ECDSA P-256 certificate for all.
    ///
    /// # Errors
    /// If `openssl` or the disk refuses.
    pub fn new(folder: PathBuf) -> Result<Self, Fault> {
        fs::create_dir_all(&folder)?;
        let (key, pem) = (folder.join("key.pem"), folder.join("cert.pem"));
        if !pem.exists() {
            run(Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "365"])
                .args([
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-subj",
                    "/CN=bench.test",
                ])
                .args(["-addext", "subjectAltName=IP:127.0.0.1"])
                .args(["-addext", "basicConstraints=critical,CA:FALSE"])
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&pem))?;
        }
        let der = run(Command::new("openssl")
            .args(["x509", "-outform", "DER", "-in"])
            .arg(&pem))?;
        Ok(Self {
            folder,
            certificate: der,
        })
    }

    /// A file of certificate and key in one.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn certificate_with_key(&self) -> Result<PathBuf, Fault> {
        let path = self.folder.join("both.pem");
        let mut text = fs::read_to_string(self.folder.join("key.pem"))?;
        text.push_str(&fs::read_to_string(self.folder.join("cert.pem"))?);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// The programs of a Debian package that cannot be installed beside others of its kind:
    /// unpacked, not installed.
    ///
    /// # Errors
    /// What apt or dpkg said.
    pub fn unpacked(&self, package: &str) -> Result<PathBuf, Fault> {
        let folder = self.folder.join("packages").join(package);
        if folder.exists() {
            return Ok(folder);
        }
        let download = self.folder.join("download").join(package);
        fs::create_dir_all(&download)?;
        run(Command::new("apt-get")
            .args(["download", "-qq", package])
            .current_dir(&download))?;
        fs::create_dir_all(&folder)?;
        for file in fs::read_dir(&download)? {
            run(Command::new("dpkg")
                .arg("-x")
                .arg(file?.path())
                .arg(&folder))?;
        }
        Ok(folder)
    }

    /// A program's name and the version of its package.
    pub fn unpacked_version(&self, program: &str, package: &str) -> String {
        if let Err(fault) = self.unpacked(package) {
            return format!("{program} ({fault})");
        }
        let names = fs::read_dir(self.folder.join("download").join(package));
        let name = names.ok().and_then(|mut names| names.next()?.ok());
        let name = name.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let version = name.and_then(|name| Some(name.split('_').nth(1)?.replace("%3a", ":")));
        format!("{program} {}", version.unwrap_or_default())
    }
}

/// A server that runs.
pub struct Running {
    child: Child,
}

/// How long a server may take to greet.
const START_PATIENCE: Duration = Duration::from_secs(30);

impl Running {
    /// Starts a server and waits for its greeting.
    ///
    /// # Errors
    /// If it does not greet in time.
    pub fn start(peer: &dyn Peer, work: &Work) -> Result<Self, Fault> {
        for door in [Door::Plain, Door::Tls, Door::Lmtp] {
            if let Some(address) = peer.address(door) {
                // What answers there now is another run's, or nobody knows whose.
                if TcpStream::connect(address).is_ok() {
                    let taken = format!("somebody else listens on {address}");
                    return Err(Fault::new(peer.name(), &taken));
                }
            }
        }
        let inner = peer.command()?;
        let log = fs::File::create(work.folder.join(format!("{}.out", peer.name())))?;
        // It ends with this program, however that ends.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare"])
            .args(["--pid", "--fork", "--kill-child", "--mount", "--mount-proc"])
            .args(["--propagation", "private"])
            .arg(inner.get_program())
            .args(inner.get_args())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let running = Self { child };
        for door in [Door::Plain, Door::Tls, Door::Lmtp] {
            if let Some(address) = peer.address(door) {
                wait_for(address, door == Door::Tls)
                    .map_err(|error| Fault::new(peer.name(), &error))?;
            }
        }
        Ok(running)
    }

    /// Whether its first process lives.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// All its processes.
    pub fn processes(&self) -> Vec<u32> {
        let mut found = descendants(self.child.id());
        // The first is unshare itself.
        found.retain(|process| *process != self.child.id());
        found
    }

    /// Its memory in KiB: what its processes share is counted once.
    pub fn memory_kib(&self) -> u64 {
        self.processes()
            .into_iter()
            .filter_map(proportional_kib)
            .sum()
    }

    /// Processor time of all its processes, those that ended under others included, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.processes().into_iter().filter_map(cpu_seconds).sum()
    }
}

impl Running {
    /// Ends it as an operator would, by SIGTERM to its first process.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn end(mut self) -> Result<(), Fault> {
        use nix::sys::signal::{Signal, kill};
        use nix::unistd::Pid;
        if let Some(first) = self.processes().first() {
            let pid = i32::try_from(*first).map_err(|error| Fault::new("process", &error))?;
            kill(Pid::from_raw(pid), Signal::SIGTERM)
                .map_err(|error| Fault::new("SIGTERM", &error))?;
        }
        let end = Instant::now() + START_PATIENCE;
        while self.is_alive() {
            if Instant::now() > end {
                return Err(Fault::text("it does not end"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let processes = self.processes();
        // The namespace dies with it, a moment later: until then its files are in use.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let end = Instant::now() + START_PATIENCE;
        let alive = |process: &u32| Path::new(&format!("/proc/{process}")).exists();
        while processes.iter().any(alive) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn wait_for(address: SocketAddr, tls: bool) -> Result<(), Fault> {
    let end = Instant::now() + START_PATIENCE;
    loop {
        let greeted = TcpStream::connect(address).and_then(|stream| {
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            let mut line = String::new();
            if !tls {
                BufReader::new(stream).read_line(&mut line)?;
            }
            Ok(tls || line.starts_with("+OK") || line.starts_with("220"))
        });
        match greeted {
            Ok(true) => return Ok(()),
            _ if Instant::now() > end => return Err(Fault::text("it does not greet")),
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn descendants(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else {
            continue;
        };
        for thread in threads.flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .filter_map(|it| it.parse::<u32>().ok()),
            );
        }
    }
    found
}

fn proportional_kib(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Pss:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn cpu_seconds(process: u32) -> Option<f64> {
    /// The kernel's unit for them, whatever its timer.
    const TICKS: f64 = 100.0;
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = (11..15)
        .filter_map(|field| fields.get(field)?.parse::<u64>().ok())
        .sum();
    Some(ticks as f64 / TICKS)
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// What it said, if it failed.
pub fn run(command: &mut Command) -> Result<Vec<u8>, Fault> {
    let output = command.stdin(Stdio::null()).output();
    let program = command.get_program().to_string_lossy().into_owned();
    let output = output.map_err(|error| Fault::new(&program, &error))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(Fault::reply(
            &program,
            &String::from_utf8_lossy(&output.stderr),
        )),
    }
}

/// The first line that a command prints.
pub fn first_line(program: &str, argument: &str) -> String {
    let output = run(Command::new(program).arg(argument)).unwrap_or_default();
    let text = String::from_utf8_lossy(&output).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Copies the maildrops of a group, in place of those that are there.
fn copy_group(group: Group, from: &Path, to: &Path) -> Result<(), Fault> {
    for account in 0..group.accounts() {
        let old = to.join(group.account(account));
        if old.exists() {
            fs::remove_dir_all(&old)?;
        }
    }
    let all = from.join(".");
    run(Command::new("cp").arg("-a").arg(all).arg(to)).map(drop)
}

/// Copies a folder of seeds.
fn copy_fresh(from: &Path, to: &Path) -> Result<(), Fault> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    run(Command::new("cp").arg("-a").arg(from).arg(to)).map(drop)
}
