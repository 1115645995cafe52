//! How speed changes with the number of messages and of sessions.

use std::time::Duration;

use crate::Fault;
use crate::mail::Group;
use crate::peer::{Door, Peer, Work};
use crate::scenario::{self, Kind, Row, Unit};

/// A curve: a server's name and its points, each a count and a figure.
pub type Curve = (&'static str, Vec<(f64, f64)>);

/// A picture.
#[derive(Debug, Clone)]
pub struct Growth {
    /// What it shows, and the name of its file.
    pub name: &'static str,
    /// Below the axis.
    pub across: &'static str,
    /// Beside the axis.
    pub up: &'static str,
    /// One for each server.
    pub curves: Vec<Curve>,
}

/// Only these two: the others are far below, and slow to measure.
const DRAWN: usize = 2;

/// Measures all.
///
/// # Errors
/// What went wrong.
pub fn measure(
    peers: &[Box<dyn Peer>],
    work: &Work,
    window: Duration,
) -> Result<Vec<Growth>, Fault> {
    let visit = |group, clients| Row {
        name: "",
        kind: Kind::Visit,
        door: Door::Plain,
        resume: false,
        group,
        clients,
        unit: Unit::Operations("sessions/s"),
        goal: None,
    };
    let messages = [
        Group::Few,
        Group::Small,
        Group::Thousand,
        Group::Many,
        Group::Huge,
    ];
    let by_messages: Vec<_> = messages
        .iter()
        .map(|group| (group.messages(), visit(*group, 4)))
        .collect();
    let by_sessions: Vec<_> = [1, 4, 16, 64, 256]
        .map(|clients| (clients, visit(Group::Small, clients)))
        .to_vec();
    let curves = |points: &[(usize, Row)]| curves(peers, work, window, points);
    Ok(vec![
        Growth {
            name: "messages",
            across: "messages in the maildrop",
            up: "sessions/s (log-on, STAT, UIDL, QUIT), 4 clients",
            curves: curves(&by_messages)?,
        },
        Growth {
            name: "sessions",
            across: "clients at once",
            up: "sessions/s, maildrops of 100 messages",
            curves: curves(&by_sessions)?,
        },
    ])
}

fn curves(
    peers: &[Box<dyn Peer>],
    work: &Work,
    window: Duration,
    points: &[(usize, Row)],
) -> Result<Vec<Curve>, Fault> {
    let mut curves = Vec::new();
    for peer in peers.iter().take(DRAWN) {
        let mut drawn = Vec::new();
        for (count, row) in points {
            crate::warm(&**peer, row, work);
            let measured = scenario::measure(row, &**peer, work, window)?;
            drawn.push((
                *count as f64,
                measured.map_or(0.0, |measured| measured.rate()),
            ));
        }
        curves.push((peer.name(), drawn));
    }
    Ok(curves)
}
