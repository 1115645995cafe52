//! From the runs to a table: medians, minimum and maximum, and each row's ratio to the best peer.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::Fault;
use crate::drive::Measured;
use crate::growth::Growth;
use crate::peer::{Door, Peer};
use crate::plot;
use crate::scenario::{Idle, Kind, Row, Unit};

/// The server whose ratios are shown.
const OURS: &str = "mailroost";

/// The least share of what the machine copies that large messages must reach.
const CEILING_SHARE: f64 = 0.8;

/// Goals for an idle session, KiB.
const IDLE_KIB_PLAIN: f64 = 12.0;
const IDLE_KIB_TLS: f64 = 40.0;

/// How a row went at a server: figures of its runs, or why there is none.
#[derive(Debug, Default, Clone)]
struct Cell {
    figures: Vec<f64>,
    percentiles: Vec<[f64; 3]>,
    fault: Option<String>,
}

/// A server, a door, and what idle sessions cost there.
type IdleCell = (&'static str, Door, Result<Option<Idle>, String>);

/// All that was measured.
pub struct Results {
    peers: Vec<(&'static str, String, &'static str)>,
    rounds: usize,
    seconds: f64,
    rows: Vec<Row>,
    cells: BTreeMap<(&'static str, &'static str), Cell>,
    idle: Vec<IdleCell>,
    copies: Vec<f64>,
    tls_copies: Vec<f64>,
    /// The plots.
    pub growth: Vec<Growth>,
}

impl Results {
    /// Nothing yet.
    pub fn new(peers: &[Box<dyn Peer>], rounds: usize, seconds: f64) -> Self {
        Self {
            peers: peers
                .iter()
                .map(|peer| (peer.name(), peer.version(), peer.settings()))
                .collect(),
            rounds,
            seconds,
            rows: Vec::new(),
            cells: BTreeMap::new(),
            idle: Vec::new(),
            copies: Vec::new(),
            tls_copies: Vec::new(),
            growth: Vec::new(),
        }
    }

    /// A run of a row at a server.
    pub fn add(
        &mut self,
        row: &Row,
        peer: &'static str,
        outcome: Result<Option<Measured>, String>,
    ) {
        if !self.rows.iter().any(|known| known.name == row.name) {
            self.rows.push(*row);
        }
        let cell = self.cells.entry((row.name, peer)).or_default();
        match outcome {
            Ok(Some(measured)) => {
                cell.figures.push(row.figure(&measured));
                cell.percentiles
                    .push([0.5, 0.99, 0.999].map(|share| measured.percentile(share)));
            }
            Ok(None) => {}
            Err(fault) => cell.fault = Some(fault),
        }
    }

    /// What the machine copied in a round, plain and through TLS.
    pub fn ceilings(&mut self, plain: f64, tls: f64) {
        self.copies.push(plain);
        self.tls_copies.push(tls);
    }

    /// What idle sessions cost.
    pub fn idle(&mut self, peer: &'static str, door: Door, outcome: Result<Option<Idle>, String>) {
        self.idle.push((peer, door, outcome));
    }

    /// The last figures of a row, for whoever waits.
    pub fn line(&self, row: &Row) -> String {
        let mut line = format!("{}:", row.name);
        for (peer, ..) in &self.peers {
            if let Some(cell) = self.cells.get(&(row.name, *peer)) {
                match (&cell.fault, cell.figures.last()) {
                    (Some(fault), _) => {
                        let _ = write!(line, " {peer} failed ({fault})");
                    }
                    (None, Some(figure)) => {
                        let _ = write!(line, " {peer} {}", number(*figure));
                    }
                    (None, None) => {}
                }
            }
        }
        line
    }

    fn median_of(&self, row: &Row, peer: &'static str) -> Option<f64> {
        self.cells
            .get(&(row.name, peer))
            .and_then(|cell| median(&cell.figures))
    }

    /// Ours against the best of the others; more than 1 is better than it.
    fn ratio(&self, row: &Row) -> Option<f64> {
        let ours = self.median_of(row, OURS)?;
        let others = self.peers.iter().filter(|(peer, ..)| *peer != OURS);
        let figures = others.filter_map(|(peer, ..)| self.median_of(row, peer));
        match row.unit {
            Unit::Percentile99 => figures.reduce(f64::min).map(|best| best / ours),
            Unit::Operations(_) | Unit::Messages | Unit::Megabytes => {
                figures.reduce(f64::max).map(|best| ours / best)
            }
        }
    }

    /// The whole table as Markdown.
    pub fn table(&self) -> String {
        let mut text = String::from("| row | unit |");
        for (peer, ..) in &self.peers {
            let _ = write!(text, " {peer} |");
        }
        text.push_str(" ratio | goal |\n| --- | --- |");
        text.push_str(&" --- |".repeat(self.peers.len() + 2));
        text.push('\n');
        for row in &self.rows {
            let _ = write!(text, "| {} | {} |", row.name, row.unit_name());
            for (peer, ..) in &self.peers {
                let _ = write!(text, " {} |", self.cell(row, peer));
            }
            let ratio = self.ratio(row);
            let shown = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
            let goal = match (row.goal, ratio) {
                (None, _) => String::new(),
                (Some(goal), Some(ratio)) if ratio >= goal => format!("{goal}: reached"),
                (Some(goal), _) => format!("{goal}: not reached"),
            };
            let _ = writeln!(text, " {shown} | {goal} |");
        }
        text
    }

    fn cell(&self, row: &Row, peer: &'static str) -> String {
        let Some(cell) = self.cells.get(&(row.name, peer)) else {
            return "-".to_owned();
        };
        match (&cell.fault, median(&cell.figures)) {
            (Some(_), _) => "failed".to_owned(),
            (None, None) => "-".to_owned(),
            (None, Some(middle)) => {
                let low = cell.figures.iter().copied().fold(f64::MAX, f64::min);
                let high = cell.figures.iter().copied().fold(f64::MIN, f64::max);
                format!(
                    "**{}** ({} to {})",
                    number(middle),
                    number(low),
                    number(high)
                )
            }
        }
    }

    fn percentiles(&self) -> String {
        let mut text = String::from(
            "| row | server | 50 % | 99 % | 99.9 % |\n| --- | --- | --- | --- | --- |\n",
        );
        let visits = |row: &&Row| matches!(row.kind, Kind::Visit | Kind::VisitBeside);
        for row in self.rows.iter().filter(visits) {
            for (peer, ..) in &self.peers {
                let Some(cell) = self.cells.get(&(row.name, *peer)) else {
                    continue;
                };
                let middle = |place: usize| {
                    let values: Vec<f64> = cell.percentiles.iter().map(|all| all[place]).collect();
                    median(&values)
                };
                if let (Some(p50), Some(p99), Some(p999)) = (middle(0), middle(1), middle(2)) {
                    let _ = writeln!(
                        text,
                        "| {} | {peer} | {p50:.2} | {p99:.2} | {p999:.2} |",
                        row.name
                    );
                }
            }
        }
        text
    }

    fn idle_table(&self) -> String {
        let mut text = String::from(
            "| server | door | sessions | KiB each | CPU, % of one core |\n\
             | --- | --- | --- | --- | --- |\n",
        );
        for (peer, door, outcome) in &self.idle {
            let door = match door {
                Door::Plain => "plain",
                Door::Tls => "TLS",
                Door::Lmtp => "LMTP",
            };
            let _ = match outcome {
                Ok(None) => Ok(()),
                Ok(Some(idle)) => writeln!(
                    text,
                    "| {peer} | {door} | {} | {:.1} | {:.2} |",
                    idle.sessions, idle.kib_each, idle.cpu_percent
                ),
                Err(fault) => writeln!(text, "| {peer} | {door} | failed: {fault} | | |"),
            };
        }
        text
    }

    fn against_the_machine(&self) -> String {
        let mut text = String::new();
        let pairs = [
            (
                "RETR of 10 MiB, 1 client",
                "a file copied over loopback",
                &self.copies,
            ),
            (
                "RETR of 10 MiB, TLS, 1 client",
                "`openssl s_server`",
                &self.tls_copies,
            ),
        ];
        for (name, what, figures) in pairs {
            let row = self.rows.iter().find(|row| row.name == name);
            let ours = row.and_then(|row| self.median_of(row, OURS));
            if let (Some(ours), Some(ceiling)) = (ours, median(figures)) {
                let share = ours / ceiling;
                let verdict = if share >= CEILING_SHARE {
                    "reached"
                } else {
                    "not reached"
                };
                let _ = writeln!(
                    text,
                    "- {name}: {} MB/s, {what}: {} MB/s, share {share:.2} (goal {CEILING_SHARE}: \
                     {verdict})",
                    number(ours),
                    number(ceiling)
                );
            }
        }
        for (peer, door, outcome) in &self.idle {
            let goal = match door {
                Door::Plain => IDLE_KIB_PLAIN,
                Door::Tls => IDLE_KIB_TLS,
                Door::Lmtp => continue,
            };
            if let (&OURS, Ok(Some(idle))) = (peer, outcome) {
                let verdict = if idle.kib_each <= goal {
                    "reached"
                } else {
                    "not reached"
                };
                let how = if *door == Door::Tls {
                    "with TLS"
                } else {
                    "plain"
                };
                let _ = writeln!(
                    text,
                    "- an idle session {how}: {:.1} KiB (goal {goal}: {verdict})",
                    idle.kib_each
                );
            }
        }
        text
    }

    /// Writes `performance.md` and its pictures.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn write(&self, folder: &Path) -> Result<(), Fault> {
        fs::create_dir_all(folder)?;
        let mut text = format!(
            "# Performance\n\n\
             Written by `make bench`; run it to have the figures of your machine. All servers got \
             the same mail and the same clients in turn, {} times each, {} seconds a time, on the \
             same processors as the clients; medians in bold, then minimum and maximum. The ratio \
             is mailroost's median to that of the best other server. Only ratios can be compared \
             between machines.\n\n## Servers and machine\n\n",
            self.rounds, self.seconds
        );
        for (name, version, settings) in &self.peers {
            let _ = writeln!(text, "- **{name}**: {version}; {settings}");
        }
        let _ = write!(
            text,
            "- machine: {}\n\nPasswords stay Argon2id in all of mailroost's rows: the first log-on \
             of a user pays for it, the cache of proven passwords serves the rest. The others \
             compare the password with less.\n\n## Rows\n\n{}\n## Against the machine and in \
             memory\n\n{}\n## Lengths of a session, milliseconds\n\n{}\n## Idle sessions\n\n{}",
            machine(),
            self.table(),
            self.against_the_machine(),
            self.percentiles(),
            self.idle_table()
        );
        if !self.growth.is_empty() {
            text.push_str("\n## Growth\n\n");
        }
        for growth in &self.growth {
            let name = format!("growth-{}.svg", growth.name);
            fs::write(folder.join(&name), plot::svg(growth))?;
            let _ = writeln!(text, "![{} by {}]({name})\n", growth.up, growth.across);
        }
        let faults: Vec<String> = self
            .cells
            .iter()
            .filter_map(|((row, peer), cell)| {
                Some(format!("- {row}, {peer}: {}", cell.fault.as_ref()?))
            })
            .collect();
        if !faults.is_empty() {
            let _ = write!(text, "\n## Failed\n\n{}\n", faults.join("\n"));
        }
        Ok(fs::write(folder.join("performance.md"), text)?)
    }
}

/// Processors, kernel, memory.
fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| {
            line.strip_prefix("model name")?
                .split_once(':')
                .map(|it| it.1.trim())
        })
        .unwrap_or("an unnamed processor")
        .to_owned();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{processors} x {model}, Linux {}", kernel.trim())
}

fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Three digits that count.
fn number(figure: f64) -> String {
    match figure {
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure => format!("{figure:.2}"),
    }
}
