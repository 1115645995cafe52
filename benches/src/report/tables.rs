//! The tables of figures.

use std::fmt::Write;

use super::figures::{Figures, number};
use super::{Cell, Results};
use crate::peer::Door;
use crate::scenario::Kind;

impl Results {
    /// Rows and servers, with the ratio of ours to the best of the others.
    pub(super) fn table(&self) -> String {
        let mut text = String::from("| row | unit |");
        for server in &self.servers {
            let _ = write!(text, " {} |", server.name);
        }
        text.push_str(" ratio |\n| --- | --- |");
        text.push_str(&" --- |".repeat(self.servers.len() + 1));
        text.push('\n');
        for row in &self.rows {
            let _ = write!(text, "| {} | {} |", row.name, row.unit_name());
            for server in &self.servers {
                let cell = self.cells.get(&(row.name, server.name));
                let shown = cell.map_or_else(|| "-".to_owned(), Cell::shown);
                let _ = write!(text, " {shown} |");
            }
            let ratio = self.ratio(row).map(|(ratio, _)| number(ratio));
            let _ = writeln!(text, " {} |", ratio.unwrap_or_default());
        }
        text
    }

    /// How long sessions took.
    pub(super) fn percentiles(&self) -> String {
        let mut text = String::from(
            "| row | server | 50 % | 99 % | 99.9 % |\n| --- | --- | --- | --- | --- |\n",
        );
        let kinds = [Kind::Visit, Kind::VisitBeside, Kind::Mix];
        for row in self.rows.iter().filter(|row| kinds.contains(&row.kind)) {
            for server in &self.servers {
                let Some(cell) = self.cells.get(&(row.name, server.name)) else {
                    continue;
                };
                let middle = |place: usize| {
                    let values = cell.rounds.iter().map(|visit| visit.percentiles[place]);
                    Figures(values.collect()).median()
                };
                if let (Some(p50), Some(p99), Some(p999)) = (middle(0), middle(1), middle(2)) {
                    let _ = writeln!(
                        text,
                        "| {} | {} | {p50:.2} | {p99:.2} | {p999:.2} |",
                        row.name, server.name
                    );
                }
            }
        }
        text
    }

    /// What idle sessions cost.
    pub(super) fn idle_table(&self) -> String {
        let mut text = String::from(
            "| server | door | sessions | KiB each | CPU, seconds in a minute |\n\
             | --- | --- | --- | --- | --- |\n",
        );
        for (server, door, outcome) in &self.idle {
            let name = match door {
                Door::Plain => "plain",
                Door::Tls => "TLS",
                Door::Lmtp => "LMTP",
            };
            let _ = match outcome {
                None => writeln!(text, "| {server} | {name} | {} | | |", door.missing()),
                Some(Ok(idle)) => writeln!(
                    text,
                    "| {server} | {name} | {} | {:.1} | {:.2} |",
                    idle.sessions, idle.kib_each, idle.cpu_seconds_per_minute
                ),
                Some(Err(_)) => writeln!(text, "| {server} | {name} | failed | | |"),
            };
        }
        text
    }

    /// What the machine can do.
    pub(super) fn ceilings_table(&self) -> String {
        let mut text = String::from("| what | unit | |\n| --- | --- | --- |\n");
        for (ceiling, figures) in &self.ceilings {
            let (what, unit) = ceiling.text();
            let shown = figures.shown().unwrap_or_default();
            let _ = writeln!(text, "| {what} | {unit} | {shown} |");
        }
        text
    }

    /// How the program starts.
    pub(super) fn start_up_line(&self) -> String {
        match &self.start_ups {
            None => "Not measured in this run.\n".to_owned(),
            Some(Err(fault)) => format!("Failed: {fault}.\n"),
            Some(Ok((messages, starts))) => {
                let millis = Figures(starts.iter().map(|start| start.millis).collect());
                let memory = Figures(starts.iter().map(|start| start.mebibytes).collect());
                format!(
                    "mailroost, with {messages} messages in its store, after a clean end, {} times: \
                     {} ms from the start of the process to its greetings at all doors, {} MiB of \
                     memory then.\n",
                    starts.len(),
                    millis.shown().unwrap_or_default(),
                    memory.shown().unwrap_or_default()
                )
            }
        }
    }

    /// What went wrong, row by row.
    pub(super) fn faults(&self) -> Vec<String> {
        let rows = self.cells.iter().filter_map(|((row, server), cell)| {
            Some(format!("- {row}, {server}: {}", cell.faults.last()?))
        });
        let idle = self.idle.iter().filter_map(|(server, door, outcome)| {
            let fault = outcome.as_ref()?.as_ref().err()?;
            Some(format!("- idle sessions ({door:?}), {server}: {fault}"))
        });
        rows.chain(idle).collect()
    }
}

impl Cell {
    fn shown(&self) -> String {
        let failed = match self.faults.len() {
            0 => String::new(),
            faults => format!("; failed {faults} times"),
        };
        match (self.absent, self.figures().shown()) {
            (Some(why), _) => why.to_owned(),
            (None, Some(figures)) => figures + &failed,
            (None, None) if self.faults.is_empty() => "-".to_owned(),
            (None, None) => "failed".to_owned(),
        }
    }
}
