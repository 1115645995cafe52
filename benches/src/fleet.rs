//! The servers of a comparison, which run side by side: who is seeded, who runs, who is warm, and
//! who is out of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::mail::Group;
use crate::peer::{Peer, Running, Work};
use crate::scenario::{self, Kind, Row};
use crate::{Fault, say};

/// After so many failures in a row a server is not tried again: each may have cost the clients'
/// patience.
const FAILURES_MAX: u32 = 4;

/// All servers.
pub struct Fleet {
    /// In the order of the table.
    pub peers: Vec<Box<dyn Peer>>,
    work: Work,
    running: HashMap<&'static str, Running>,
    warm: HashSet<(&'static str, Group)>,
    failures: HashMap<&'static str, u32>,
    out: BTreeMap<&'static str, Fault>,
}

impl Fleet {
    /// Nobody runs yet.
    pub fn new(peers: Vec<Box<dyn Peer>>, work: Work) -> Self {
        Self {
            peers,
            work,
            running: HashMap::new(),
            warm: HashSet::new(),
            failures: HashMap::new(),
            out: BTreeMap::new(),
        }
    }

    /// Gives every server the groups that `wanted` says, unless it has them from an earlier run. A
    /// server that cannot be seeded is out.
    pub fn seed(&mut self, wanted: impl Fn(&dyn Peer, Group) -> bool) {
        for peer in &self.peers {
            for group in Group::ALL {
                let mark = format!("{}-{}.seeded", peer.name(), group.shape_name());
                let mark = self.work.folder.join(mark);
                let known = mark.exists() && !group.is_changed();
                if known || !wanted(&**peer, group) {
                    continue;
                }
                say(&format!("seeding {} with {}", peer.name(), group.name()));
                let seeded = peer.seed(group);
                if let Err(fault) = seeded.and_then(|()| Ok(std::fs::write(mark, "")?)) {
                    say(&format!("{} is out: {fault}", peer.name()));
                    self.out.insert(peer.name(), fault);
                    break;
                }
            }
        }
        // What was seeded is on the disk before anybody's syncs are measured.
        nix::unistd::sync();
    }

    /// A server that runs and is warm for these groups.
    fn ready(&mut self, peer: usize, groups: &[Group]) -> Result<(), Fault> {
        let peer = &*self.peers[peer];
        let name = peer.name();
        if let Some(fault) = self.out.get(name) {
            return Err(fault.clone());
        }
        let alive = self.running.get_mut(name).map(Running::is_alive);
        if alive != Some(true) {
            self.running.remove(name);
            self.warm.retain(|(warm, _)| *warm != name);
            self.running.insert(name, Running::start(peer, &self.work)?);
        }
        for group in groups {
            if !self.warm.contains(&(name, *group)) {
                scenario::warm(peer, &self.work, *group, group.accounts())?;
                self.warm.insert((name, *group));
            }
        }
        Ok(())
    }

    /// Ends one server, or the whole fleet.
    pub fn stop(&mut self, peer: Option<usize>) {
        match peer {
            Some(peer) => drop(self.running.remove(self.peers[peer].name())),
            None => self.running.clear(),
        }
    }

    /// Does something with a server that runs and is warm. Too many faults, one after the other,
    /// and it is out.
    ///
    /// # Errors
    /// What went wrong, with the server or before.
    pub fn with<T>(
        &mut self,
        peer: usize,
        groups: &[Group],
        measure: impl FnOnce(&dyn Peer, &Work) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let outcome = self
            .ready(peer, groups)
            .and_then(|()| measure(&*self.peers[peer], &self.work));
        let name = self.peers[peer].name();
        let failures = self.failures.entry(name).or_default();
        match &outcome {
            Ok(_) => *failures = 0,
            Err(fault) => {
                *failures += 1;
                if *failures >= FAILURES_MAX {
                    self.out.entry(name).or_insert_with(|| fault.clone());
                }
            }
        }
        outcome
    }

    /// Starts a server of its own, without load before.
    ///
    /// # Errors
    /// If it is out or does not start.
    pub fn alone(&self, peer: usize) -> Result<Running, Fault> {
        let peer = &*self.peers[peer];
        match self.out.get(peer.name()) {
            Some(fault) => Err(fault.clone()),
            None => Running::start(peer, &self.work),
        }
    }

    /// What a row changes is made anew before it; the server is ended for that.
    ///
    /// # Errors
    /// If it cannot be seeded.
    pub fn renew(&mut self, peer: usize, row: &Row) -> Result<(), Fault> {
        let name = self.peers[peer].name();
        if row.kind != Kind::Drain || self.out.contains_key(name) {
            return Ok(());
        }
        self.stop(Some(peer));
        self.peers[peer].seed(row.group)
    }
}
