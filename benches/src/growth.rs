//! How speed changes with the number of messages, of sessions and of users.

use std::time::Duration;

use crate::fleet::Fleet;
use crate::mail::Group;
use crate::peer::{Door, Peer};
use crate::say;
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

/// A point to be measured.
struct Point {
    count: usize,
    group: Group,
    /// So many of the group's accounts are visited in turn.
    accounts: usize,
    clients: usize,
}

/// Beyond it, servers with a process for each session are left out.
const CLIENTS_MAX_OTHERS: usize = 64;

const MESSAGES: [Group; 5] = [
    Group::Few,
    Group::Small,
    Group::Thousand,
    Group::Many,
    Group::Huge,
];
const SESSIONS: [usize; 5] = [1, 4, 16, 64, 256];
const USERS: [usize; 4] = [1, 10, 100, 1_000];

/// The groups that a server needs for its curves.
pub fn groups(peer: &dyn Peer) -> Vec<Group> {
    let mut groups = MESSAGES.to_vec();
    groups.push(Group::Idle);
    groups.retain(|group| peer.takes(*group));
    groups
}

/// Measures all, one visit for each point. A point that fails is told and left out.
pub fn measure(fleet: &mut Fleet, window: Duration) -> Vec<Growth> {
    let messages = MESSAGES.map(|group| Point {
        count: group.messages(),
        group,
        accounts: group.accounts(),
        clients: 4,
    });
    let sessions = SESSIONS.map(|clients| Point {
        count: clients,
        group: Group::Small,
        accounts: Group::Small.accounts(),
        clients,
    });
    let users = USERS.map(|accounts| Point {
        count: accounts,
        group: Group::Idle,
        accounts,
        clients: 4,
    });
    let up = "sessions/s (log-on, STAT, UIDL, QUIT)";
    let mut growth = |name, across, points: &[Point]| Growth {
        name,
        across,
        up,
        curves: curves(fleet, window, name, points),
    };
    vec![
        growth("messages", "messages in the maildrop, 4 clients", &messages),
        growth("sessions", "sessions at once, 100 messages each", &sessions),
        growth(
            "users",
            "users who poll in turn, empty maildrops, 4 clients",
            &users,
        ),
    ]
}

fn curves(fleet: &mut Fleet, window: Duration, name: &str, points: &[Point]) -> Vec<Curve> {
    let mut curves: Vec<Curve> = fleet
        .peers
        .iter()
        .map(|it| (it.name(), Vec::new()))
        .collect();
    for point in points {
        for (place, (server, drawn)) in curves.iter_mut().enumerate() {
            let peer = &*fleet.peers[place];
            let has_group = groups(peer).contains(&point.group);
            let too_many = !peer.in_every_row() && point.clients > CLIENTS_MAX_OTHERS;
            if !has_group || too_many {
                continue;
            }
            let row = row(point);
            let measured = fleet.with(place, &row.groups(), |peer, work| {
                scenario::measure(&row, peer, work, window)
            });
            let count = point.count;
            match measured {
                Ok(measured) => {
                    say(&format!(
                        "growth, {count} {name}: {server} {:.1}",
                        measured.rate()
                    ));
                    drawn.push((count as f64, measured.rate()));
                }
                Err(fault) => say(&format!("growth, {count} {name}: {server} failed: {fault}")),
            }
        }
    }
    curves
}

fn row(point: &Point) -> Row {
    Row {
        name: "",
        kind: Kind::Visit,
        door: Door::Plain,
        resume: false,
        group: point.group,
        accounts: point.accounts,
        clients: point.clients,
        unit: Unit::Operations("sessions/s"),
        goal: None,
        everyone: true,
    }
}
