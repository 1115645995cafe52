//! `performance.md`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::Results;
use crate::{Fault, plot};

/// Written by hand: why goals are missed, and what would be needed.
const NOTES: &str = "performance-notes.md";

impl Results {
    /// What stands on the terminal at the end.
    pub fn summary(&self) -> String {
        let mut text = format!("{}\n{}\n{}", self.goals(), self.table(), self.idle_table());
        for fault in self.faults() {
            let _ = writeln!(text, "{fault}");
        }
        text
    }

    /// Writes `performance.md` and its pictures.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn write(&self, folder: &Path) -> Result<(), Fault> {
        fs::create_dir_all(folder)?;
        let mut text = self.head();
        let _ = write!(
            text,
            "## Goals\n\n\
             Ratios are of medians; the range is that of the ratios in each round by itself. \
             [{NOTES}]({NOTES}) says what is known about those that are missed.\n\n{}\n\
             ## Rows\n\n{}\n\
             Passwords stay Argon2id in all of mailroost's rows: the first log-on of a user pays \
             for it, the cache of proven passwords serves the rest. Dovecot compares plain \
             passwords, Courier an unsalted MD5, popa3d an MD5-crypt. `no TLS` and `no LMTP` stand \
             where a server cannot do it, `not measured` where a process for each session is known \
             to be far behind. In the mix, 80 of 100 visits are polls, 12 fetch three messages, 4 \
             fetch one of 64 KiB, 2 deliver, and 2 fetch and remove what was delivered; servers \
             without LMTP poll instead of the last four.\n\n\
             ## What the machine can do\n\n\
             Measured between the rounds, with the same clients.\n\n{}\n\
             ## Lengths of a session, milliseconds\n\n\
             Medians of the rounds' percentiles.\n\n{}\n\
             ## Idle sessions\n\n\
             Logged on, and silent; memory is what all processes of a server have, shared pages \
             counted once, less what they had before. Servers with a process for each session were \
             asked for fewer.\n\n{}\n\
             ## Start-up\n\n{}",
            self.goals(),
            self.table(),
            self.ceilings_table(),
            self.percentiles(),
            self.idle_table(),
            self.start_up_line()
        );
        if !self.growth.is_empty() {
            text.push_str("\n## Growth\n\n");
        }
        let pictures: Result<Vec<String>, Fault> = self
            .growth
            .iter()
            .map(|growth| {
                let name = format!("growth-{}.svg", growth.name);
                fs::write(folder.join(&name), plot::svg(growth))?;
                Ok(format!("![{} by {}]({name})\n", growth.up, growth.across))
            })
            .collect();
        text.push_str(&pictures?.join("\n"));
        let faults = self.faults();
        if !faults.is_empty() {
            let _ = write!(text, "\n## Failed\n\n{}\n", faults.join("\n"));
        }
        Ok(fs::write(folder.join("performance.md"), text)?)
    }

    fn head(&self) -> String {
        let mut text = format!(
            "# Performance\n\n\
             Written by `make bench`; run it to have the figures of your machine. All servers got \
             the same mail and the same clients, which share the processors with them. Every round \
             visits each server once for every row, so that what disturbs the machine hits all \
             alike; each visit takes {} seconds, and of {} rounds {} were done in the time. Medians in \
             bold, then minimum and maximum. Only ratios can be compared between machines.\n\n\
             ## Servers and machine\n\n",
            self.seconds,
            self.rounds_wanted,
            self.rounds_done()
        );
        for server in &self.servers {
            let _ = writeln!(
                text,
                "- **{}**: {}; {}; durability: {}",
                server.name, server.version, server.settings, server.durability
            );
        }
        let _ = writeln!(text, "- machine: {}\n", self.machine);
        text
    }
}
