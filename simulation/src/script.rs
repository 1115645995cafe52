//! What happens in a life of the tree, step by step, as the dice fall.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mailroost_actors::{LmtpPeer, Node, Security, TreeHandle, Victim};
use mailroost_storage::MaildropId;
use tokio::task::JoinHandle;

use crate::dice::Dice;
use crate::operator;
use crate::party::lmtp::Mta;
use crate::party::pop3::Pop3;
use crate::party::{Over, Talker, attacker};
use crate::plan::PLENTY;
use crate::store::WatchedStore;
use crate::wire::{Conduct, Line, connection};
use crate::world::{Store, World};

/// A life of the tree: who is in it and what is known of them.
pub(crate) struct Script {
    pub(crate) world: Arc<World>,
    pub(crate) tree: TreeHandle,
    pub(crate) store: WatchedStore,
    pub(crate) maildrops: Arc<[MaildropId]>,
    pub(crate) dice: Dice,
    pub(crate) parties: Vec<JoinHandle<()>>,
    pub(crate) lines: Vec<Line>,
    /// The network behaves.
    pub(crate) is_calm: bool,
    parties_so_far: usize,
}

impl Script {
    pub(crate) fn new(
        world: Arc<World>,
        tree: TreeHandle,
        store: WatchedStore,
        maildrops: Arc<[MaildropId]>,
    ) -> Self {
        Self {
            dice: world.dice(),
            world,
            tree,
            store,
            maildrops,
            parties: Vec::new(),
            lines: Vec::new(),
            is_calm: false,
            parties_so_far: 0,
        }
    }

    /// All steps of this life.
    pub(crate) async fn play(&mut self) {
        for _ in 0..self.world.plan.steps {
            self.step().await;
            self.look().await;
            if self.world.is_wrong() {
                return;
            }
        }
    }

    async fn step(&mut self) {
        match self.dice.below(100) {
            0..37 => self.pop3().await,
            37..48 => self.mta().await,
            48..51 => self.guesser().await,
            51..68 => self.operator(),
            68..76 => self.crash().await,
            76..80 => self.weather(),
            80..83 => self.break_a_line(),
            _ => self.wait().await,
        }
    }

    /// What must hold after each step.
    pub(crate) async fn look(&mut self) {
        self.parties.retain(|party| !party.is_finished());
        self.lines.retain(Line::is_served);
        let limits = self.world.plan.limits();
        let census = self.tree.census().await;
        let places = [
            ("SessionSupervisor", limits.sessions_max),
            ("DeliverySupervisor", limits.lmtp_connections_max),
            ("MailboxSupervisor", self.world.plan.maildrops),
        ];
        for (name, most) in places {
            let there = population(&census, name);
            if there > most {
                self.world
                    .wrong(format!("{name} has {there} children, {most} at most"));
            }
        }
    }

    fn conduct(&mut self) -> Conduct {
        if self.is_calm {
            return Conduct::CALM;
        }
        Conduct {
            delay_millis: self.world.plan.delay_millis,
            window: self.dice.pick(&[1, 64, 1024, 65_536]),
            dribbles: self.dice.percent(20),
        }
    }

    /// One more client of the POP3 side, whoever it is.
    pub(crate) async fn dial(&mut self, from: IpAddr, what: &str) -> Talker {
        let (conduct, dice) = (self.conduct(), self.world.dice());
        let (ours, theirs) = connection(conduct, dice);
        let line = ours.line();
        self.parties_so_far += 1;
        let name = format!("{what} {}", self.parties_so_far);
        let talker = Talker::new(ours, Arc::clone(&self.world), name);
        let peer = SocketAddr::new(from, 50_000);
        let served = self
            .tree
            .serve(Box::new(theirs), peer, Security::Stls, None);
        if served.await.is_err() {
            // Its supervisor died under the question; the connection is closed.
            self.world.excuse();
        }
        self.lines.push(line);
        talker
    }

    async fn pop3(&mut self) {
        let from = honest_address(&mut self.dice);
        let place = self.dice.below(self.maildrops.len());
        let talker = self.dial(from, "client").await;
        talker.note(&format!("wants maildrop {place}"));
        let mut dice = self.world.dice();
        let client = Pop3::new(talker, place);
        self.attend(async move { client.talk(&mut dice).await });
    }

    async fn mta(&mut self) {
        let (conduct, dice) = (self.conduct(), self.world.dice());
        let (ours, theirs) = connection(conduct, dice);
        self.lines.push(ours.line());
        self.parties_so_far += 1;
        let name = format!("mta {}", self.parties_so_far);
        let talker = Talker::new(ours, Arc::clone(&self.world), name);
        let served = self.tree.serve_lmtp(Box::new(theirs), LmtpPeer::Local);
        if served.await.is_err() {
            self.world.excuse();
        }
        let mut dice = self.world.dice();
        self.attend(async move { Mta { talker }.talk(&mut dice).await });
    }

    async fn guesser(&mut self) {
        let from = IpAddr::from([198, 51, 100, 7]);
        let place = self.dice.below(self.maildrops.len());
        let bans = self.tree.bans();
        // Long enough that it does not end meanwhile.
        let is_banned = bans.iter().any(|ban| {
            ban.address == Some(from) && ban.user.is_none() && ban.left > Duration::from_secs(120)
        });
        let talker = self.dial(from, "guesser").await;
        let mut dice = self.world.dice();
        if is_banned {
            self.attend(async move { attacker::knock(talker, place).await });
        } else {
            self.attend(async move { attacker::guess(talker, place, &mut dice).await });
        }
    }

    fn operator(&mut self) {
        let act = operator::act(self);
        self.attend(act);
    }

    fn attend(&mut self, party: impl Future<Output = Result<(), Over>> + 'static) {
        self.parties.push(actix::spawn(async move {
            // What was wrong with it is in the books already.
            let _ = party.await;
        }));
    }

    async fn crash(&mut self) {
        let maildrop = self.maildrops[self.dice.below(self.maildrops.len())];
        let victim = match self.dice.below(14) {
            0 => Victim::Root,
            1 | 2 => Victim::Timer,
            3 => Victim::Directory,
            4 => Victim::MailboxSupervisor,
            5..8 => Victim::Mailbox(maildrop),
            8 => Victim::SessionSupervisor,
            9 => Victim::Sessions(maildrop),
            10 => Victim::DeliverySupervisor,
            11 => Victim::Deliveries,
            12 => Victim::Listeners,
            _ => Victim::Sweeper,
        };
        self.world.note(&format!("{victim:?} is told to crash"));
        match victim {
            Victim::MailboxSupervisor | Victim::Sessions(_) | Victim::Deliveries => {
                self.world.excuse();
            }
            Victim::Timer | Victim::SessionSupervisor => self.world.excuse_timer(),
            Victim::Root
            | Victim::Directory
            | Victim::Mailbox(_)
            | Victim::DeliverySupervisor
            | Victim::Listeners
            | Victim::Sweeper => {}
        }
        if self.world.plan.restarts_max < PLENTY {
            // The tree may give up.
            self.world.excuse();
        }
        let _ = self.tree.crash(victim).await;
    }

    fn weather(&mut self) {
        let to = self.dice.pick(&[
            Store::Well,
            Store::Well,
            Store::Slow,
            Store::Failing,
            Store::Panicking,
        ]);
        self.world.note(&format!("the store becomes {to:?}"));
        self.world.set_store(to);
    }

    fn break_a_line(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let line = self.lines[self.dice.below(self.lines.len())].clone();
        match self.dice.percent(70) {
            true => {
                self.world.note("a connection is cut");
                line.cut();
            }
            false => {
                self.world.note("a connection falls silent");
                line.fall_silent();
            }
        }
    }

    async fn wait(&mut self) {
        let most = match self.dice.below(20) {
            0 => 100_000_000,
            1..3 => 2_000_000,
            3..10 => 20_000,
            _ => 200,
        };
        let wait = self.dice.millis(most);
        self.world.note(&format!("{wait:?} pass"));
        tokio::time::sleep(wait).await;
    }
}

/// Where those come from who have nothing to hide.
pub(crate) fn honest_address(dice: &mut Dice) -> IpAddr {
    let low = u8::try_from(dice.between(1, 9)).expect("it is below 256");
    IpAddr::from([192, 0, 2, low])
}

/// How many children of that name there are below.
pub(crate) fn population(census: &Node, name: &str) -> usize {
    let child = census.children.iter().find(|child| child.name == name);
    child.map_or(0, |child| child.population)
}
