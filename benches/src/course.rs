//! The course of a comparison: seeds, what is measured once, then the rounds, in each of which
//! every server is visited for every row, so that what disturbs the machine hits all alike.

use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::mail::Group;
use crate::peer::{Courier, Door, Dovecot, Format, Mailroost, Peer, Popa3d, Work};
use crate::report::{Results, StartUps};
use crate::scenario::{self, Kind, ROWS, Row};
use crate::{Fault, Options, ceiling, growth, say};

/// Starts of the server with a million messages.
const START_UPS: usize = 5;

/// Seconds that a visit costs beside its window: the load before it, log-ons, threads.
const AROUND_A_VISIT: f64 = 0.5;

/// Seconds of all that is no visit of a row: seeds, idle sessions, growth, start-up.
const BESIDE_THE_ROUNDS: f64 = 420.0;

/// Measures all that the options ask for. A server that fails is named in the results, and the run
/// goes on.
///
/// # Errors
/// What makes any measurement impossible.
pub fn compare(options: &Options) -> Result<Results, Fault> {
    let begun = Instant::now();
    raise_descriptor_limit()?;
    let work = Work::new(std::path::absolute(&options.folder)?)?;
    let server = std::path::absolute(&options.server)?;
    let mut fleet = Fleet::new(peers(options, &work, &server), work.clone());
    let rows: Vec<Row> = ROWS
        .iter()
        .filter(|row| match &options.row {
            Some(text) => row.name.contains(text.as_str()),
            None => true,
        })
        .copied()
        .collect();
    let mut results = Results::new(&fleet.peers, options, &work.folder);
    say(&estimate(&fleet, &rows, options));
    let whole = options.row.is_none();
    let growing = whole && !options.no_growth;
    fleet.seed(|peer, group| {
        let by_rows = rows
            .iter()
            .any(|row| row.absence(peer).is_none() && row.groups().contains(&group));
        let by_growth = growing && growth::groups(peer).contains(&group);
        by_rows || by_growth || (whole && options.idle > 0 && group == Group::Idle)
    });
    if whole && !options.no_start_up {
        results.start_ups = start_ups(&work, &server);
    }
    if whole && options.idle > 0 {
        idle(&fleet, &mut results, options, &work);
    }
    let window = Duration::from_secs_f64(options.seconds);
    if growing {
        results.growth = growth::measure(&mut fleet, window / 2);
    }
    let mut longest = 0.0_f64;
    for round in 0..options.rounds {
        let started = begun.elapsed().as_secs_f64() / 60.0;
        if round > 0 && started + longest > options.minutes {
            say(&format!(
                "{started:.0} minutes are over, and a round takes {longest:.1}"
            ));
            break;
        }
        for row in &rows {
            visit(&mut fleet, row, &mut results, window);
            let minutes = begun.elapsed().as_secs_f64() / 60.0;
            let line = results.line(row);
            say(&format!("{minutes:4.1} min, round {}: {line}", round + 1));
        }
        results.ceilings(ceiling::measure(&work, window / 2));
        if let Some(folder) = &options.out {
            results.write(folder)?;
        }
        longest = longest.max(begun.elapsed().as_secs_f64() / 60.0 - started);
    }
    fleet.stop(None);
    Ok(results)
}

fn peers(options: &Options, work: &Work, server: &std::path::Path) -> Vec<Box<dyn Peer>> {
    let mut peers: Vec<Box<dyn Peer>> = vec![
        Box::new(Mailroost::new(work.clone(), server.to_owned())),
        Box::new(Dovecot::new(work.clone(), Format::Maildir)),
        Box::new(Dovecot::new(work.clone(), Format::Sdbox)),
        Box::new(Courier::new(work.clone())),
        Box::new(Popa3d::new(work.clone())),
    ];
    let wanted = &options.peer;
    peers.retain(|peer| wanted.is_empty() || wanted.iter().any(|name| name == peer.name()));
    peers
}

/// Every server, once, for one row.
fn visit(fleet: &mut Fleet, row: &Row, results: &mut Results, window: Duration) {
    for peer in 0..fleet.peers.len() {
        let name = fleet.peers[peer].name();
        if let Some(word) = row.absence(&*fleet.peers[peer]) {
            results.absent(row, name, word);
            continue;
        }
        if results.is_given_up(row, name) {
            results.add(row, name, None);
            continue;
        }
        let outcome = fleet.renew(peer, row).and_then(|()| {
            // Nobody logs on to what mail is delivered to.
            let groups = match row.kind {
                Kind::Deliver => Vec::new(),
                _ => row.groups(),
            };
            fleet.with(peer, &groups, |peer, work| {
                scenario::measure(row, peer, work, window)
            })
        });
        results.add(row, name, Some(outcome));
    }
}

fn start_ups(work: &Work, server: &std::path::Path) -> Option<StartUps> {
    let name = "mailroost-million";
    let peer = Mailroost::with_store(work.clone(), server.to_owned(), name);
    say("filling a store with a million messages, unless there is one");
    Some(peer.fill().and_then(|messages| {
        nix::unistd::sync();
        let starts = scenario::start_up(&peer, work, START_UPS)?;
        Ok((messages, starts))
    }))
}

fn idle(fleet: &Fleet, results: &mut Results, options: &Options, work: &Work) {
    for (place, peer) in fleet.peers.iter().enumerate() {
        let count = match peer.name() {
            crate::report::OURS => options.idle,
            _ => options.idle_others,
        };
        for door in [Door::Plain, Door::Tls] {
            if peer.address(door).is_none() {
                results.idle(peer.name(), door, None);
                continue;
            }
            say(&format!("{}: {count} idle sessions", peer.name()));
            let idle = fleet
                .alone(place)
                .and_then(|running| scenario::idle(&**peer, &running, work, door, count));
            results.idle(peer.name(), door, Some(idle));
        }
    }
}

/// How long it will take.
fn estimate(fleet: &Fleet, rows: &[Row], options: &Options) -> String {
    let peers = &fleet.peers;
    let visits: usize = rows
        .iter()
        .map(|row| {
            let measured = peers.iter().filter(|peer| row.absence(&***peer).is_none());
            measured.count()
        })
        .sum();
    let visits = visits * options.rounds;
    let seconds = visits as f64 * (options.seconds + AROUND_A_VISIT) + BESIDE_THE_ROUNDS;
    format!(
        "{visits} visits of {} seconds: about {:.0} minutes with everything",
        options.seconds,
        seconds / 60.0
    )
}

/// As many as the system allows: each idle session is two.
fn raise_descriptor_limit() -> Result<(), Fault> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let failed = |error: nix::Error| Fault::new("descriptor limit", &error);
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(failed)
}
