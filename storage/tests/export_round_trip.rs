//! What is exported and imported again is the same, octet for octet.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;

use mailroost_storage::export::{ExportSettings, to_maildir, to_mbox};
use mailroost_storage::import::unique_ids::UniqueIds;
use mailroost_storage::import::{ImportSettings, Present, Source, import};
use mailroost_storage::{
    Directory, MaildropStore, MemoryStore, NewUser, OwnedMaildrop, Removal, Staging, UserName,
};
use proptest::prelude::*;

fn target() -> (MemoryStore, Box<dyn OwnedMaildrop>) {
    let store = MemoryStore::new();
    let name = UserName::new("bob").unwrap();
    let user = store
        .add(NewUser {
            name,
            password_hash: None,
        })
        .unwrap();
    let maildrop = store.open_maildrop(user.maildrop).unwrap();
    (store, maildrop)
}

fn deliver(
    store: &MemoryStore,
    maildrop: &mut dyn OwnedMaildrop,
    received_secs: u64,
    carried: Option<&str>,
    octets: &[u8],
) {
    let staging = Staging {
        received_secs: Some(received_secs),
        carried_unique_id: carried.map(Box::from),
        ..Staging::default()
    };
    let mut staged = store.stage(staging).unwrap();
    staged.write_all(octets).unwrap();
    maildrop.deliver(vec![staged.finish().unwrap()]).unwrap();
}

/// Time, unique-id and octets of each message.
fn contents(maildrop: &dyn OwnedMaildrop) -> Vec<(u64, String, Vec<u8>)> {
    let source = maildrop.bodies();
    let read = |id| {
        let mut body = source.open(id).unwrap();
        let mut octets = vec![0; body.facts().octets as usize];
        let mut filled = 0;
        while filled < octets.len() {
            filled += body.read(&mut octets[filled..]).unwrap();
        }
        octets
    };
    let messages = maildrop.messages().iter().map(|record| {
        let id = record.carried_unique_id.as_deref().map(str::to_owned);
        let id = id.unwrap_or_else(|| record.id.to_string());
        (record.received_secs, id, read(record.id))
    });
    messages.collect()
}

fn imported(source: Source, unique_ids: UniqueIds) -> Vec<(u64, String, Vec<u8>)> {
    let (store, mut maildrop) = target();
    let settings = ImportSettings {
        unique_ids,
        ..ImportSettings::default()
    };
    let report = import(
        &store,
        &source,
        &settings,
        Present::default(),
        &mut |batch| maildrop.deliver(batch),
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(report.refused.listed(), [] as [String; 0]);
    contents(&*maildrop)
}

/// Both ways out and back; `x_uidl` keeps unique-ids.
fn round_trips(maildrop: &dyn OwnedMaildrop, x_uidl: bool) -> [Vec<(u64, String, Vec<u8>)>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let settings = ExportSettings { x_uidl };
    let unique_ids = if x_uidl {
        UniqueIds::XUidl
    } else {
        UniqueIds::New
    };
    let (records, bodies) = (maildrop.messages(), maildrop.bodies());

    let mbox = folder.path().join("mbox");
    let mut file = std::fs::File::create(&mbox).unwrap();
    let report = to_mbox(records, &*bodies, settings, &mut file).unwrap();
    assert_eq!(report.exported, records.len() as u64);

    let root = folder.path().join("Maildir");
    let report = to_maildir(records, &*bodies, settings, &root).unwrap();
    assert_eq!(report.exported, records.len() as u64);
    assert!(is_empty(&root.join("tmp")) && is_empty(&root.join("cur")));

    [
        imported(Source::Mbox(mbox), unique_ids.clone()),
        imported(Source::Maildir(root), unique_ids),
    ]
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

fn nasty_messages() -> Vec<Vec<u8>> {
    let from = b"From x@y Thu Jan  1 00:00:07 1970";
    let mut long = b"A: 1\r\n\r\n".to_vec();
    long.resize(1 << 20, b'>');
    let mut huge_header = Vec::new();
    for number in 0..20_000 {
        huge_header.extend_from_slice(format!("X-Number: {number}\r\n").as_bytes());
    }
    vec![
        b"".to_vec(),
        b"A: 1\r\n\r\nno line end".to_vec(),
        b"A: 1\rB: 2\n\nbare\rand\nbare\r".to_vec(),
        b"A: 1\r\n\r\n.\r\n..\r\n.x".to_vec(),
        b".A: 1\r\n\r\n".to_vec(),
        b"A: 1\r\n".to_vec(),
        b"A: 1\r\n\r\n\r\n\r\n\r\n".to_vec(),
        b"A: 1\r\n\r\n\0\0".to_vec(),
        vec![0xE9, 0xFF, 0x80],
        [
            b"A: 1\r\n\r\n".as_slice(),
            from,
            b"\r\n\r\n",
            from,
            b"\r\n>",
            from,
            b"\r\n>>From ",
        ]
        .concat(),
        from.to_vec(),
        b"X-UIDL: inner\r\nA: 1\r\n\r\nx".to_vec(),
        long,
        huge_header,
    ]
}

#[test]
fn nasty_messages_come_back_octet_for_octet() {
    let (store, mut maildrop) = target();
    for (message, secs) in nasty_messages().iter().zip(1_000_000_000..) {
        deliver(&store, &mut *maildrop, secs, None, message);
    }
    let before = contents(&*maildrop);
    for after in round_trips(&*maildrop, false) {
        assert_same(&before, &after);
    }
    for after in round_trips(&*maildrop, true) {
        assert_same(&before, &after);
    }
}

#[track_caller]
fn assert_same(before: &[(u64, String, Vec<u8>)], after: &[(u64, String, Vec<u8>)]) {
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(after) {
        assert_eq!((before.0, &before.1), (after.0, &after.1));
        assert!(
            before.2 == after.2,
            "message {}: {}",
            before.1,
            after.2.escape_ascii()
        );
    }
}

#[test]
fn unique_ids_come_back_although_messages_are_missing() {
    let (store, mut maildrop) = target();
    deliver(
        &store,
        &mut *maildrop,
        1,
        Some("UID5-1278000000"),
        b"A: 1\n",
    );
    for secs in 2..8 {
        deliver(&store, &mut *maildrop, secs, None, b"A: 2\n");
    }
    let gone: Vec<_> = [1, 3, 6]
        .map(|index| maildrop.messages()[index].id)
        .to_vec();
    maildrop.remove(&gone, &Removal::default()).unwrap();
    let before = contents(&*maildrop);
    for after in round_trips(&*maildrop, true) {
        assert_same(&before, &after);
    }
}

#[test]
fn a_message_that_was_removed_is_passed_over() {
    let (store, mut maildrop) = target();
    deliver(&store, &mut *maildrop, 1, None, b"A: 1\n");
    deliver(&store, &mut *maildrop, 2, None, b"A: 2\n");
    let records = maildrop.messages().to_vec();
    maildrop
        .remove(&[records[0].id], &Removal::default())
        .unwrap();
    let mut out = Vec::new();
    let report = to_mbox(
        &records,
        &*maildrop.bodies(),
        ExportSettings::default(),
        &mut out,
    )
    .unwrap();
    assert_eq!((report.exported, report.passed_over.count()), (1, 1));
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "From MAILER-DAEMON Thu Jan  1 00:00:02 1970\nA: 2\n\n\n"
    );
}

#[test]
fn a_writer_that_refuses_is_an_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (store, mut maildrop) = target();
    deliver(&store, &mut *maildrop, 1, None, b"A: 1\n");
    let settings = ExportSettings::default();
    let error = to_mbox(
        maildrop.messages(),
        &*maildrop.bodies(),
        settings,
        &mut Full,
    )
    .unwrap_err();
    assert!(
        error.to_string().starts_with("cannot write the mbox file"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_messages_come_back(messages in prop::collection::vec(
        "(From |>|\r|\n|\r\n|A: 1\r\n|X-UIDL: 9\n|From a Thu Jan  1 00:00:07 1970\n\
          |.|\u{e4}|\0){0,12}",
        1..6,
    )) {
        let (store, mut maildrop) = target();
        for (message, secs) in messages.iter().zip(1_000..) {
            deliver(&store, &mut *maildrop, secs, None, message.as_bytes());
        }
        let before = contents(&*maildrop);
        for x_uidl in [false, true] {
            for after in round_trips(&*maildrop, x_uidl) {
                prop_assert_eq!(&before, &after);
            }
        }
    }
}
