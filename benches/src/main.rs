//! `compare`: mailroost beside its peers. Seeds all with the same mail, loads them in turn with
//! the same clients, prints a table and writes `docs/performance.md` with its plots.

#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "a server that starts, and one that is idle, is waited for"
)]

mod ceiling;
mod drive;
mod growth;
mod lmtp;
mod mail;
mod peer;
mod plot;
mod pop3;
mod report;
mod scenario;
mod wire;

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use structopt::StructOpt;

use mail::Group;
use peer::{Courier, Door, Dovecot, Format, Mailroost, Peer, Popa3d, Running, Work};
use report::Results;
use scenario::{Kind, ROWS, Row};

/// What went wrong, in one line.
#[derive(Debug, Clone)]
pub struct Fault(String);

impl Fault {
    /// An error of something.
    pub fn new(what: &str, error: &dyn fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }

    /// An answer that is not the right one.
    pub fn reply(what: &str, reply: &str) -> Self {
        Self(format!("{what} was answered {:?}", reply.trim()))
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Measures mailroost beside its peers (as root: each gets namespaces of its own).
#[derive(Debug, StructOpt)]
struct Options {
    /// The mailroost daemon to measure
    #[structopt(long, value_name = "FILE", default_value = "target/release/mailroost")]
    server: PathBuf,
    /// Where mail and stores are kept; can be deleted afterwards
    #[structopt(long, value_name = "FOLDER", default_value = "/tmp/mailroost-bench")]
    folder: PathBuf,
    /// Visits to every row and server
    #[structopt(long, default_value = "5")]
    rounds: usize,
    /// Seconds of each
    #[structopt(long, default_value = "3")]
    seconds: f64,
    /// Only these servers (default: all)
    #[structopt(long, value_name = "NAME")]
    peer: Vec<String>,
    /// Only rows whose name contains this
    #[structopt(long, value_name = "TEXT")]
    row: Option<String>,
    /// Idle sessions; 0 leaves them out
    #[structopt(long, default_value = "10000")]
    idle: usize,
    /// Leave the growth plots out
    #[structopt(long)]
    no_growth: bool,
    /// Write performance.md and its plots into this folder; without it the table is only printed
    #[structopt(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    match compare(&Options::from_args()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            say(&format!("compare: {fault}"));
            ExitCode::FAILURE
        }
    }
}

/// Progress, on standard error.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn compare(options: &Options) -> Result<(), Fault> {
    raise_descriptor_limit()?;
    let work = Work::new(std::path::absolute(&options.folder)?)?;
    let server = std::path::absolute(&options.server)?;
    let mut peers: Vec<Box<dyn Peer>> = vec![
        Box::new(Mailroost::new(work.clone(), server)),
        Box::new(Dovecot::new(work.clone(), Format::Maildir)),
        Box::new(Dovecot::new(work.clone(), Format::Sdbox)),
        Box::new(Courier::new(work.clone())),
        Box::new(Popa3d::new(work.clone())),
    ];
    let wanted = &options.peer;
    peers.retain(|peer| wanted.is_empty() || wanted.iter().any(|name| name == peer.name()));
    let rows: Vec<Row> = ROWS
        .iter()
        .filter(|row| {
            options
                .row
                .as_ref()
                .is_none_or(|text| row.name.contains(text.as_str()))
        })
        .copied()
        .collect();
    let mut results = Results::new(&peers, options.rounds, options.seconds);
    for peer in &peers {
        seed(&**peer, &rows, options, &work)?;
    }
    let window = Duration::from_secs_f64(options.seconds);
    let mut running = start_all(&peers, &work)?;
    for round in 0..options.rounds {
        for row in &rows {
            for (place, peer) in peers.iter().enumerate() {
                if matches!(row.kind, Kind::Drain) {
                    running.remove(&place);
                    peer.seed(row.group)?;
                    running.insert(place, Running::start(&**peer, &work)?);
                }
                warm(&**peer, row, &work);
                let outcome = scenario::measure(row, &**peer, &work, window);
                results.add(row, peer.name(), outcome.map_err(|fault| fault.to_string()));
            }
            say(&format!("round {}: {}", round + 1, results.line(row)));
        }
        results.ceilings(
            ceiling::copy(&work, window)?,
            ceiling::s_server(&work, window)?,
        );
    }
    if !options.no_growth && options.row.is_none() {
        results.growth = growth::measure(&peers, &work, window)?;
    }
    running.clear();
    if options.idle > 0 && options.row.is_none() {
        for peer in &peers {
            for door in [Door::Plain, Door::Tls] {
                let running = Running::start(&**peer, &work)?;
                let idle = scenario::idle(&**peer, &running, &work, door, options.idle);
                results.idle(peer.name(), door, idle.map_err(|fault| fault.to_string()));
            }
        }
    }
    let _ = writeln!(std::io::stdout(), "{}", results.table());
    match &options.out {
        Some(folder) => results.write(folder),
        None => Ok(()),
    }
}

/// Passwords are hashed once, and caches filled, before anything is measured.
fn warm(peer: &dyn Peer, row: &Row, work: &Work) {
    let once = Row { clients: 1, ..*row };
    if matches!(row.kind, Kind::Drain) {
        return;
    }
    for account in 0..row.group.accounts() {
        let warmed = match row.kind {
            Kind::Deliver => break,
            _ => scenario::log_on_once(&once, peer, work, account),
        };
        if warmed.is_err() {
            // The measurement itself will say it.
            break;
        }
    }
}

fn start_all(peers: &[Box<dyn Peer>], work: &Work) -> Result<HashMap<usize, Running>, Fault> {
    let mut running = HashMap::new();
    for (place, peer) in peers.iter().enumerate() {
        say(&format!("starting {}", peer.name()));
        running.insert(place, Running::start(&**peer, work)?);
    }
    Ok(running)
}

/// Gives a server the mail that the rows need, unless it has it from an earlier run.
fn seed(peer: &dyn Peer, rows: &[Row], options: &Options, work: &Work) -> Result<(), Fault> {
    for group in Group::ALL {
        let by_rows = rows.iter().any(|row| {
            row.group == group
                || (row.kind == Kind::Mix && matches!(group, Group::Medium | Group::Target))
                || (row.kind == Kind::VisitBeside && group == Group::Large)
        });
        let whole = options.row.is_none();
        let by_others = whole
            && match group {
                Group::Idle => options.idle > 0 || !options.no_growth,
                Group::Few | Group::Thousand => !options.no_growth,
                _ => false,
            };
        let mark = work
            .folder
            .join(format!("{}-{}.seeded", peer.name(), group.name()));
        if (by_rows || by_others) && !mark.exists() {
            say(&format!("seeding {} with {}", peer.name(), group.name()));
            peer.seed(group)?;
            std::fs::write(mark, "")?;
        }
    }
    Ok(())
}

/// As many as the system allows: each idle session is two.
fn raise_descriptor_limit() -> Result<(), Fault> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let failed = |error: nix::Error| Fault::new("descriptor limit", &error);
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(failed)
}
