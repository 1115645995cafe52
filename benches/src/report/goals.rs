//! The goals, and whether they are reached.

use std::fmt::Write;

use super::figures::{Figures, number};
use super::{OURS, Results};
use crate::ceiling::Ceiling;
use crate::peer::Door;

/// The least share of what the machine copies that bulk must reach.
const CEILING_SHARE: f64 = 0.8;

/// The most that an idle session may take, KiB.
const IDLE_KIB_PLAIN: f64 = 12.0;
const IDLE_KIB_TLS: f64 = 40.0;

/// How many times its 99th percentile alone a poll may take beside bulk.
const BESIDE_TIMES: f64 = 3.0;

const ALONE: &str = "sessions, 4 clients, alone";
const BESIDE: &str = "sessions, 4 clients, beside RETRs";

/// Rows that are compared with a ceiling.
const AGAINST_CEILINGS: [(&str, Ceiling); 3] = [
    ("polls of 100,000 messages, 1 client", Ceiling::HugePolls),
    ("RETR of 10 MiB, 1 client", Ceiling::File),
    ("RETR of 10 MiB, TLS, 1 client", Ceiling::SServer),
];

/// A line of the table.
struct Goal {
    what: String,
    goal: String,
    measured: String,
    reached: bool,
}

impl Results {
    /// All goals that something was measured for.
    pub(super) fn goals(&self) -> String {
        let mut text = String::from("| what | goal | measured | |\n| --- | --- | --- | --- |\n");
        let goals = [
            self.against_peers(),
            self.against_ceilings(),
            self.idle_goals(),
            self.beside_goal(),
        ];
        for goal in goals.into_iter().flatten() {
            let Goal {
                what,
                goal,
                measured,
                reached,
            } = goal;
            let verdict = if reached { "reached" } else { "**missed**" };
            let _ = writeln!(text, "| {what} | {goal} | {measured} | {verdict} |");
        }
        text
    }

    fn against_peers(&self) -> Vec<Goal> {
        let goals = self.rows.iter().filter_map(|row| {
            let goal = row.goal?;
            let (ratio, rounds) = self.ratio(row)?;
            Some(Goal {
                what: row.name.to_owned(),
                goal: format!("{goal} x the best peer"),
                measured: ratio_and_range(ratio, &rounds),
                reached: ratio >= goal,
            })
        });
        goals.collect()
    }

    fn against_ceilings(&self) -> Vec<Goal> {
        let goals = AGAINST_CEILINGS.iter().filter_map(|(row, ceiling)| {
            let ours = self.figures(row, OURS)?;
            let most = self.ceilings.get(ceiling)?;
            let share = ours.median()? / most.median()?;
            let rounds = ours.0.iter().zip(&most.0).map(|(ours, most)| ours / most);
            Some(Goal {
                what: (*row).to_owned(),
                goal: format!("{CEILING_SHARE} of: {}", ceiling.text().0),
                measured: ratio_and_range(share, &Figures(rounds.collect())),
                reached: share >= CEILING_SHARE,
            })
        });
        goals.collect()
    }

    fn idle_goals(&self) -> Vec<Goal> {
        let goals = self.idle.iter().filter_map(|(server, door, outcome)| {
            let (goal, what) = match door {
                Door::Plain => (IDLE_KIB_PLAIN, "an idle session"),
                Door::Tls => (IDLE_KIB_TLS, "an idle session with TLS"),
                Door::Lmtp => return None,
            };
            let Some(Ok(idle)) = outcome else {
                return None;
            };
            (*server == OURS).then(|| Goal {
                what: format!("{what}, of {}", idle.sessions),
                goal: format!("{goal} KiB at most"),
                measured: format!("{:.1} KiB", idle.kib_each),
                reached: idle.kib_each <= goal,
            })
        });
        goals.collect()
    }

    fn beside_goal(&self) -> Vec<Goal> {
        let goal = || {
            let alone = self.figures(ALONE, OURS)?;
            let beside = self.figures(BESIDE, OURS)?;
            let times = beside.median()? / alone.median()?;
            let rounds = beside
                .0
                .iter()
                .zip(&alone.0)
                .map(|(beside, alone)| beside / alone);
            Some(Goal {
                what: "99th percentile of small polls beside RETRs of 10 MiB".to_owned(),
                goal: format!("{BESIDE_TIMES} x that alone, at most"),
                measured: ratio_and_range(times, &Figures(rounds.collect())),
                reached: times <= BESIDE_TIMES,
            })
        };
        goal().into_iter().collect()
    }
}

fn ratio_and_range(ratio: f64, rounds: &Figures) -> String {
    let least = rounds.0.iter().copied().fold(f64::MAX, f64::min);
    let most = rounds.0.iter().copied().fold(f64::MIN, f64::max);
    match rounds.0.is_empty() {
        true => format!("**{}** x", number(ratio)),
        false => format!(
            "**{}** x ({} to {})",
            number(ratio),
            number(least),
            number(most)
        ),
    }
}
