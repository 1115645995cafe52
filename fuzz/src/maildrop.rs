//! A maildrop in memory that messages are delivered to.

use mailroost_storage::{
    Directory, MaildropStore, MemoryStore, NewUser, OwnedMaildrop, Staging, UserName,
};

/// An empty one, and its store.
pub struct Maildrop {
    pub store: MemoryStore,
    pub owned: Box<dyn OwnedMaildrop>,
}

impl Maildrop {
    pub fn new() -> Self {
        let store = MemoryStore::new();
        let user = store.add(NewUser {
            name: UserName::new("ann").unwrap(),
            password_hash: None,
        });
        let owned = store.open_maildrop(user.unwrap().maildrop).unwrap();
        Self { store, owned }
    }

    /// Takes one message in.
    pub fn deliver(&mut self, octets: &[u8], received_secs: Option<u64>) {
        let staging = Staging {
            received_secs,
            ..Staging::default()
        };
        let mut staged = self.store.stage(staging).unwrap();
        staged.write_all(octets).unwrap();
        let delivery = staged.finish().unwrap();
        self.owned.deliver(vec![delivery]).unwrap();
    }

    /// When each was received, and its octets.
    pub fn bodies(&self) -> Vec<(u64, Vec<u8>)> {
        let source = self.owned.bodies();
        let read = |record: &mailroost_storage::MessageRecord| {
            let mut body = source.open(record.id).unwrap();
            let mut octets = vec![0; usize::try_from(body.facts().octets).unwrap()];
            let mut filled = 0;
            while filled < octets.len() {
                filled += body.read(&mut octets[filled..]).unwrap();
            }
            (record.received_secs, octets)
        };
        self.owned.messages().iter().map(read).collect()
    }
}

impl Default for Maildrop {
    fn default() -> Self {
        Self::new()
    }
}
