//! From the runs to tables: medians, minimum and maximum, ratios to the best peer and to what the
//! machine can do, and whether the goals are reached.

mod document;
mod figures;
mod goals;
mod machine;
mod tables;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::ceiling::Ceiling;
use crate::drive::Measured;
use crate::growth::Growth;
use crate::peer::{Door, Peer};
use crate::scenario::{Idle, Row, StartUp, Unit};
use crate::{Fault, Options};

use figures::{Figures, number};

/// The server whose ratios are shown.
pub const OURS: &str = "mailroost";

/// A row that failed so often at a server is not tried there again.
const FAILURES_MAX: usize = 2;

/// How many messages there were, and how the starts went.
pub type StartUps = Result<(u64, Vec<StartUp>), Fault>;

/// How a row went at a server.
#[derive(Debug, Default, Clone)]
struct Cell {
    /// One for each round that went well.
    rounds: Vec<Visit>,
    /// Why it is not measured.
    absent: Option<&'static str>,
    /// What went wrong.
    faults: Vec<String>,
}

/// One visit of a row.
#[derive(Debug, Clone, Copy)]
struct Visit {
    round: usize,
    figure: f64,
    /// 50, 99 and 99.9 % of the operations took no longer, in milliseconds.
    percentiles: [f64; 3],
}

impl Cell {
    fn figures(&self) -> Figures {
        Figures(self.rounds.iter().map(|visit| visit.figure).collect())
    }

    fn of_round(&self, round: usize) -> Option<f64> {
        let mut rounds = self.rounds.iter();
        rounds
            .find(|visit| visit.round == round)
            .map(|visit| visit.figure)
    }
}

/// What a reader should know of a server.
struct About {
    name: &'static str,
    version: String,
    settings: &'static str,
    durability: &'static str,
}

/// Idle sessions: a server, a door, and what they cost; `None` if there is no such door.
type IdleCell = (&'static str, Door, Option<Result<Idle, Fault>>);

/// All that was measured.
pub struct Results {
    servers: Vec<About>,
    machine: String,
    rounds_wanted: usize,
    seconds: f64,
    rows: Vec<Row>,
    cells: BTreeMap<(&'static str, &'static str), Cell>,
    visits: BTreeMap<(&'static str, &'static str), usize>,
    idle: Vec<IdleCell>,
    ceilings: BTreeMap<Ceiling, Figures>,
    /// Starts with a million messages.
    pub start_ups: Option<StartUps>,
    /// The plots.
    pub growth: Vec<Growth>,
}

impl Results {
    /// Nothing yet.
    pub fn new(peers: &[Box<dyn Peer>], options: &Options, folder: &Path) -> Self {
        let about = |peer: &dyn Peer| About {
            name: peer.name(),
            version: peer.version(),
            settings: peer.settings(),
            durability: peer.durability(),
        };
        Self {
            servers: peers.iter().map(|peer| about(&**peer)).collect(),
            machine: machine::machine(folder),
            rounds_wanted: options.rounds,
            seconds: options.seconds,
            rows: Vec::new(),
            cells: BTreeMap::new(),
            visits: BTreeMap::new(),
            idle: Vec::new(),
            ceilings: BTreeMap::new(),
            start_ups: None,
            growth: Vec::new(),
        }
    }

    fn cell(&mut self, row: &Row, server: &'static str) -> &mut Cell {
        if !self.rows.iter().any(|known| known.name == row.name) {
            self.rows.push(*row);
        }
        self.cells.entry((row.name, server)).or_default()
    }

    /// A server that is not measured in a row, and why.
    pub fn absent(&mut self, row: &Row, server: &'static str, why: &'static str) {
        self.cell(row, server).absent = Some(why);
    }

    /// A visit to a row at a server, in the next round; `None` if it was left out.
    pub fn add(
        &mut self,
        row: &Row,
        server: &'static str,
        outcome: Option<Result<Measured, Fault>>,
    ) {
        let visits = self.visits.entry((row.name, server)).or_default();
        let round = *visits;
        *visits += 1;
        let cell = self.cell(row, server);
        match outcome {
            Some(Ok(measured)) => cell.rounds.push(Visit {
                round,
                figure: row.figure(&measured),
                percentiles: [0.5, 0.99, 0.999].map(|share| measured.percentile(share)),
            }),
            Some(Err(fault)) => cell.faults.push(fault.to_string()),
            None => {}
        }
    }

    /// Whether the row failed so often at this server that it is not tried again.
    pub fn is_given_up(&self, row: &Row, server: &'static str) -> bool {
        let cell = self.cells.get(&(row.name, server));
        cell.is_some_and(|cell| cell.faults.len() >= FAILURES_MAX)
    }

    /// What the machine did in a round.
    pub fn ceilings(&mut self, measured: Vec<(Ceiling, f64)>) {
        for (ceiling, figure) in measured {
            self.ceilings.entry(ceiling).or_default().0.push(figure);
        }
    }

    /// What idle sessions cost.
    pub fn idle(&mut self, server: &'static str, door: Door, outcome: Option<Result<Idle, Fault>>) {
        self.idle.push((server, door, outcome));
    }

    /// The last figures of a row, for whoever waits.
    pub fn line(&self, row: &Row) -> String {
        let mut line = format!("{}:", row.name);
        for server in &self.servers {
            let Some(cell) = self.cells.get(&(row.name, server.name)) else {
                continue;
            };
            let _ = match (cell.absent, cell.faults.last(), cell.rounds.last()) {
                (Some(_), ..) => Ok(()),
                (None, Some(fault), _) => write!(line, " {} failed ({fault})", server.name),
                (None, None, Some(visit)) => {
                    write!(line, " {} {}", server.name, number(visit.figure))
                }
                (None, None, None) => Ok(()),
            };
        }
        line
    }

    fn figures(&self, row: &str, server: &str) -> Option<Figures> {
        let mut cells = self.cells.iter();
        let found = cells.find(|((name, of), _)| *name == row && *of == server);
        found.map(|(_, cell)| cell.figures())
    }

    fn rounds_done(&self) -> usize {
        self.visits.values().copied().max().unwrap_or(0)
    }

    /// Ours against the best of the others, more than 1 is better than it: by the medians, and in
    /// each round by itself.
    fn ratio(&self, row: &Row) -> Option<(f64, Figures)> {
        let less_is_better = row.unit == Unit::Percentile99;
        let best = |figures: &mut dyn Iterator<Item = f64>| match less_is_better {
            true => figures.reduce(f64::min),
            false => figures.reduce(f64::max),
        };
        let against = |ours: f64, best: f64| match less_is_better {
            true => best / ours,
            false => ours / best,
        };
        let others = || {
            let others = self.servers.iter().filter(|server| server.name != OURS);
            others.filter_map(|server| self.cells.get(&(row.name, server.name)))
        };
        let ours = self.cells.get(&(row.name, OURS))?;
        let best_median = best(&mut others().filter_map(|cell| cell.figures().median()))?;
        let by_medians = against(ours.figures().median()?, best_median);
        let rounds = ours.rounds.iter().filter_map(|visit| {
            let best = best(&mut others().filter_map(|cell| cell.of_round(visit.round)))?;
            Some(against(visit.figure, best))
        });
        Some((by_medians, Figures(rounds.collect())))
    }
}
