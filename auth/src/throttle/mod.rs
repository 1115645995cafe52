//! Who guesses has to wait: failures are counted for each address, /64, user name and pair of
//! both; they lead to delays, then to bans; both grow, and all of it is forgotten with time.
//!
//! The throttle is a value: the time is an argument, and it neither waits nor refuses by itself.
//! Whoever asks it waits as long as [`Standing::delay`] says *whatever the check said*, so that
//! neither a right password nor the kind of refusal shows in the time. It lives as long as the
//! process: a restart forgets everything.
//!
//! What keeps it fair:
//! - a wrong password that comes again for the same user is counted once, so that a phone with
//!   an old password bans nobody;
//! - where a user has logged on from lately, failures elsewhere do not lock the user out;
//! - each user who logs on well makes the address (a NAT, perhaps) more patient;
//! - while a ban lasts nothing is counted, so that every ban ends.

mod attempt;
mod ban;
mod record;
mod rules;
mod table;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::limits::{IDENTITY_OCTETS_MAX, THROTTLE_FAMILIAR, THROTTLE_FRIENDS_MAX};
use crate::password::HashError;
use crate::user_name::{AcceptedDomains, canonical};
use crate::{AuthError, Secret};

pub use attempt::{Attempt, Watched};
pub use ban::Ban;
use record::Record;
use rules::network_of;
pub use rules::{Network, NetworkError, Scope, ThrottleRules};
use table::Table;

const KEY_OCTETS: usize = 32;

/// See the file's first lines.
pub struct Throttle {
    key: Zeroizing<[u8; KEY_OCTETS]>,
    domains: AcceptedDomains,
    rules: RwLock<ThrottleRules>,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    addresses: Table<IpAddr, Record>,
    networks: Table<IpAddr, Record>,
    users: Table<Box<str>, Record>,
    pairs: Table<PairKey, Record>,
    /// From where users have logged on, and when last.
    familiar: Table<PairKey, Instant>,
    /// How many of them there are behind an address.
    friends: Table<IpAddr, (u8, Instant)>,
}

type PairKey = (IpAddr, Box<str>);

/// How somebody stands who wants to log on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// How long the answer is held back.
    pub delay: Duration,
    /// A ban: the answer is no, whatever the password.
    pub ban: Option<Ban>,
}

impl Throttle {
    /// Remembers nobody yet. `domains` are those that can be left out behind a user's name.
    ///
    /// # Errors
    /// [`HashError::Unavailable`] if there is no randomness.
    pub fn new(rules: ThrottleRules, domains: AcceptedDomains) -> Result<Self, HashError> {
        let mut key = Zeroizing::new([0; KEY_OCTETS]);
        getrandom::fill(key.as_mut()).map_err(|e| HashError::Unavailable(e.to_string()))?;
        Ok(Self {
            key,
            domains,
            rules: RwLock::new(rules),
            tables: Mutex::default(),
        })
    }

    /// The rules as they are now.
    pub fn rules(&self) -> ThrottleRules {
        self.rules
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Other rules from now on. What is remembered stays.
    pub fn set_rules(&self, rules: ThrottleRules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// Whether an address is closed when it connects.
    pub fn closes(&self, address: IpAddr, now: Instant) -> Option<Ban> {
        let closes = self
            .rules
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .close_banned;
        closes
            .then(|| self.standing(address, None, now).ban)
            .flatten()
    }

    /// With whom an address waits for its turn: its /64, or nobody if it is trusted.
    pub fn line_of(&self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        (!rules.trusts(address)).then(|| network_of(address))
    }

    /// How an address stands, or a user (as [`Throttle::account`] names it) from there.
    pub fn standing(&self, address: IpAddr, user: Option<&str>, now: Instant) -> Standing {
        let rules = self.rules();
        let address = address.to_canonical();
        if rules.trusts(address) {
            return Standing::default();
        }
        let tables = self.tables();
        let familiar = user.is_some_and(|user| tables.is_familiar(address, user, now));
        let mut standing = Standing::default();
        for scope in scopes(address, user) {
            let failures_max = tables.failures_max(&rules, scope, address, now);
            let Some(record) = tables.record(scope, address, user) else {
                continue;
            };
            if failures_max == 0.0 || (familiar && scope == Scope::User) {
                continue;
            }
            if let Some(left) = record.ban_left(now) {
                let ban = Ban::new(scope, address, user, left, record.bans);
                standing.ban = standing
                    .ban
                    .filter(|known| known.left >= left)
                    .or(Some(ban));
            }
            // A familiar pair waits for nobody's failures but its own.
            if !familiar || scope == Scope::Pair {
                standing.delay = standing.delay.max(record.delay(&rules, failures_max, now));
            }
        }
        if standing.ban.is_some() {
            standing.delay = rules.delay_max;
        }
        standing
    }

    /// Counts a failure, unless the same wrong `guess` was counted for this user from there
    /// lately. Says which bans begin with it.
    pub fn failed(
        &self,
        address: IpAddr,
        user: Option<&str>,
        guess: Option<u64>,
        now: Instant,
    ) -> Vec<Ban> {
        let rules = self.rules();
        let address = address.to_canonical();
        if rules.trusts(address) {
            return Vec::new();
        }
        let mut tables = self.tables();
        let familiar = user.is_some_and(|user| tables.is_familiar(address, user, now));
        let mut bans = Vec::new();
        // The pair first: what it knows already counts nowhere.
        for scope in scopes(address, user) {
            let failures_max = tables.failures_max(&rules, scope, address, now);
            let counted = tables.fail(&rules, scope, (address, user, guess), failures_max, now);
            let Some(counted) = counted else {
                if scope == Scope::Pair {
                    break;
                }
                continue;
            };
            let (Some(left), times) = counted else {
                continue;
            };
            if !(familiar && scope == Scope::User) {
                bans.push(Ban::new(scope, address, user, left, times));
            }
        }
        bans
    }

    /// A good log-on: what the pair failed before is forgotten, and the address is familiar.
    pub fn succeeded(&self, address: IpAddr, user: &str, now: Instant) {
        let rules = self.rules();
        let address = address.to_canonical();
        if rules.trusts(address) {
            return;
        }
        let (most, from) = (rules.records_max(), network_of(address));
        let mut tables = self.tables();
        let known = tables.is_familiar(address, user, now);
        let pair: PairKey = (from, user.into());
        tables.pairs.forget(&pair);
        tables.familiar.change(
            &pair,
            most,
            || now,
            |at| {
                *at = now;
                (true, ())
            },
        );
        if !known {
            tables.friends.change(
                &from,
                most,
                || (0, now),
                |(friends, at)| {
                    if is_over(*at, now) {
                        *friends = 0;
                    }
                    *friends = friends.saturating_add(1).min(THROTTLE_FRIENDS_MAX);
                    *at = now;
                    (true, ())
                },
            );
        }
    }

    /// All bans that are in force, those that last longest first.
    pub fn bans(&self, now: Instant) -> Vec<Ban> {
        let tables = self.tables();
        let mut bans = Vec::new();
        let mut add = |scope, address: Option<IpAddr>, user: Option<&str>, record: &Record| {
            if let Some(left) = record.ban_left(now) {
                let (user, bans_so_far) = (user.map(Box::from), record.bans);
                bans.push(Ban {
                    scope,
                    address,
                    user,
                    left,
                    bans: bans_so_far,
                });
            }
        };
        for (address, record) in tables.addresses.iter() {
            add(Scope::Address, Some(*address), None, record);
        }
        for (address, record) in tables.networks.iter() {
            add(Scope::Network, Some(*address), None, record);
        }
        for (user, record) in tables.users.iter() {
            add(Scope::User, None, Some(user), record);
        }
        for ((address, user), record) in tables.pairs.iter() {
            add(Scope::Pair, Some(*address), Some(user), record);
        }
        bans.sort_by(|a, b| {
            (b.left, a.scope, a.address, &a.user).cmp(&(a.left, b.scope, b.address, &b.user))
        });
        bans
    }

    /// Forgets the failures of an address with its /64, or of a user, or of everybody. Says how
    /// many records there were.
    pub fn clear(&self, whom: Option<&str>) -> usize {
        let mut tables = self.tables();
        let Some(whom) = whom else {
            let count = tables.len();
            *tables = Tables::default();
            return count;
        };
        if let Ok(address) = whom.parse::<IpAddr>() {
            let address = address.to_canonical();
            let network = network_of(address);
            return tables.addresses.forget(&address)
                + tables.networks.forget(&network)
                + tables.pairs.forget_all(|(from, _)| *from == network);
        }
        let user = self.account(whom);
        tables.users.forget(&user) + tables.pairs.forget_all(|(_, known)| *known == user)
    }

    /// How many records there are, for figures.
    pub fn records(&self) -> usize {
        self.tables().len()
    }

    /// The one name for all the ways to write an account: without a domain that is accepted,
    /// prepared, lower-case, at most as long as a stored name can be.
    pub fn account(&self, name: &str) -> Box<str> {
        let name = &name[..name.floor_char_boundary(IDENTITY_OCTETS_MAX)];
        let mut account = canonical(name, &self.domains);
        account.truncate(account.floor_char_boundary(IDENTITY_OCTETS_MAX));
        account.into_boxed_str()
    }

    /// What a password is recognised by, for this user and in this process alone.
    fn guess(&self, user: &str, password: &Secret) -> u64 {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_ref())
            .expect("HMAC takes a key of any length");
        mac.update(&(user.len() as u64).to_be_bytes());
        mac.update(user.as_bytes());
        mac.update(password.expose_secret());
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let first = digest.first_chunk().expect("a digest has 32 octets");
        u64::from_be_bytes(*first)
    }

    /// Nothing that is done under it panics, so poison means nothing.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a refusal is counted: not if the client's message could not be read, nor if nobody
/// could tell.
pub fn counts(error: &AuthError) -> bool {
    !matches!(error, AuthError::Malformed(_) | AuthError::Unavailable(_))
}

/// The scopes that concern an address and, if it is known, a user: the pair first.
fn scopes(address: IpAddr, user: Option<&str>) -> impl Iterator<Item = Scope> + use<> {
    let (v6, named) = (address.is_ipv6(), user.is_some());
    let all = [Scope::Pair, Scope::Address, Scope::Network, Scope::User];
    all.into_iter().filter(move |scope| match scope {
        Scope::Pair | Scope::User => named,
        Scope::Network => v6,
        Scope::Address => true,
    })
}

fn is_over(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) >= THROTTLE_FAMILIAR
}

impl Tables {
    fn record(&self, scope: Scope, address: IpAddr, user: Option<&str>) -> Option<&Record> {
        match scope {
            Scope::Address => self.addresses.find(&address),
            Scope::Network => self.networks.find(&network_of(address)),
            Scope::User => self.users.find(&Box::from(user?)),
            Scope::Pair => self.pairs.find(&(network_of(address), user?.into())),
        }
    }

    /// Failures until a ban; an address is more patient for each user who logged on from there.
    fn failures_max(
        &self,
        rules: &ThrottleRules,
        scope: Scope,
        address: IpAddr,
        now: Instant,
    ) -> f64 {
        let failures_max = f64::from(rules.failures_max(scope));
        match scope {
            Scope::User | Scope::Pair => failures_max,
            Scope::Address | Scope::Network => {
                let friends = self.friends.find(&network_of(address));
                let friends = friends.filter(|(_, at)| !is_over(*at, now));
                failures_max * f64::from(1 + friends.map_or(0, |(friends, _)| *friends))
            }
        }
    }

    fn is_familiar(&self, address: IpAddr, user: &str, now: Instant) -> bool {
        let pair = (network_of(address), user.into());
        self.familiar
            .find(&pair)
            .is_some_and(|at| !is_over(*at, now))
    }

    /// Counts a failure in one scope. `None` if it counts for nothing there; else a ban that
    /// begins, and which in a row it is.
    fn fail(
        &mut self,
        rules: &ThrottleRules,
        scope: Scope,
        (address, user, guess): (IpAddr, Option<&str>, Option<u64>),
        failures_max: f64,
        now: Instant,
    ) -> Option<(Option<Duration>, u32)> {
        let most = rules.records_max();
        let guess = guess.filter(|_| matches!(scope, Scope::User | Scope::Pair));
        let change = |record: &mut Record| {
            if record.ban_left(now).is_some() || guess.is_some_and(|guess| record.knows(guess)) {
                return (false, None);
            }
            if failures_max == 0.0 {
                return (false, Some((None, 0)));
            }
            let ban = record.fail(rules, failures_max, now);
            // Who has to wait is worth remembering.
            let keep = !record.delay(rules, failures_max, now).is_zero() || ban.is_some();
            (keep, Some((ban, record.bans)))
        };
        let make = || Record::new(now);
        match scope {
            Scope::Address => self.addresses.change(&address, most, make, change),
            Scope::Network => self
                .networks
                .change(&network_of(address), most, make, change),
            Scope::User => self.users.change(&user?.into(), most, make, change),
            Scope::Pair => {
                let pair = (network_of(address), user?.into());
                self.pairs.change(&pair, most, make, change)
            }
        }
    }

    fn len(&self) -> usize {
        self.addresses.len()
            + self.networks.len()
            + self.users.len()
            + self.pairs.len()
            + self.familiar.len()
            + self.friends.len()
    }
}

/// Neither the key nor who is in it.
impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("rules", &self.rules())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
