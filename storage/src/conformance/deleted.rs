//! Promises about removed messages whose bodies are kept, and about marks.

use super::{add_user, deliver, name, numbers, own, refused, staged, whole_body};
use crate::{
    DeletedRecord, Directory, MaildropStore, MessageId, OwnedMaildrop, Purged, Removal, Staging,
    StoreErrorKind, Usage,
};

pub(super) fn keeping(at_secs: u64, session: Option<&str>) -> Removal {
    Removal {
        at_secs,
        session: session.map(Box::from),
        keep: true,
    }
}

fn deleted(maildrop: &dyn OwnedMaildrop) -> Vec<u64> {
    let deleted = maildrop.deleted().expect("deleted messages are listed");
    deleted.iter().map(|record| record.id.0).collect()
}

pub(super) fn kept_and_listed<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    deliver(
        store,
        &mut *maildrop,
        &[b"A: 1\n\n", b"B: 2\n\n", b"C: 3\n\n"],
    );
    let carried = vec![staged(store, b"D: 4\n\n", Some("carried-1"))];
    maildrop.deliver(carried).expect("a delivery is taken");
    let records = maildrop.messages().to_vec();
    let by_session = keeping(1_000, Some("7f3a/2"));
    let removed = maildrop.remove(&[MessageId(4), MessageId(1), MessageId(9)], &by_session);
    assert_eq!(removed.expect("a removal is done"), 2);
    let revision = maildrop.revision();
    let removed = maildrop.remove(&[MessageId(2)], &Removal::default());
    assert_eq!(removed.expect("a removal is done"), 1);
    let expected = [0, 3].map(|place| DeletedRecord {
        id: records[place].id,
        exact_octets: records[place].exact_octets,
        stored_octets: records[place].stored_octets,
        received_secs: records[place].received_secs,
        deleted_secs: 1_000,
        revision,
        session: Some("7f3a/2".into()),
        carried_unique_id: records[place].carried_unique_id.clone(),
    });
    assert_eq!(maildrop.deleted().expect("they are listed"), expected);
    assert_eq!(numbers(&*maildrop), [3]);
    let source = maildrop.bodies();
    assert_eq!(refused(source.open(MessageId(1))), StoreErrorKind::Gone);
    drop(maildrop);
    assert_eq!(
        deleted(&*own(store, id)),
        [1, 4],
        "the next owner sees them"
    );
    for session in ["", "a b", "\u{e9}", &"x".repeat(65)] {
        let outcome = own(store, id).remove(&[MessageId(3)], &keeping(1, Some(session)));
        assert_eq!(refused(outcome), StoreErrorKind::Invalid, "{session:?}");
    }
}

pub(super) fn brought_back<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let received = Staging {
        received_secs: Some(77),
        carried_unique_id: Some("carried-1".into()),
        ..Staging::default()
    };
    let first = store.stage(received).expect("a staging begins");
    let batch = vec![
        first.finish().expect("a staging ends"),
        staged(store, b"B: 2\n\n.dot\n", None),
        staged(store, b"C: 3\n\n", None),
    ];
    let old = maildrop.deliver(batch).expect("a delivery is taken");
    maildrop.mark_read(&old).expect("messages are marked");
    maildrop
        .remove(&old, &keeping(5, None))
        .expect("a removal is done");
    let revision = maildrop.revision();
    let outcome = maildrop.undelete(&[old[0], MessageId(99)], 88);
    assert_eq!(refused(outcome), StoreErrorKind::Gone);
    assert_eq!(
        (numbers(&*maildrop), deleted(&*maildrop)),
        (vec![], vec![1, 2, 3])
    );
    let moved = maildrop
        .undelete(&[old[1], old[0], old[1]], 88)
        .expect("deleted messages are brought back");
    let new: Vec<MessageId> = moved.iter().map(|(_, new)| *new).collect();
    assert_eq!(moved, [(old[0], new[0]), (old[1], new[1])]);
    assert!(new[0] > old[2] && new[1] > new[0], "{new:?} after {old:?}");
    assert!(maildrop.revision() > revision);
    assert_eq!(deleted(&*maildrop), [3]);
    let record = &maildrop.messages()[0];
    assert_eq!(
        (record.received_secs, record.read, &record.carried_unique_id),
        (88, false, &None),
        "its age begins anew"
    );
    let source = maildrop.bodies();
    assert_eq!(whole_body(&*source, new[0]), b"\r\n");
    assert_eq!(whole_body(&*source, new[1]), b"B: 2\r\n\r\n.dot\r\n");
    let facts = source.open(new[1]).expect("a body is opened").facts();
    assert_eq!((facts.header_octets, facts.dot_lines), (8, true));
    assert_eq!(refused(source.open(old[1])), StoreErrorKind::Gone);
    let outcome = maildrop.undelete(&[old[1]], 88);
    assert_eq!(refused(outcome), StoreErrorKind::Gone);
    // Once more around: what was brought back is a message like any other.
    maildrop
        .remove(&new, &keeping(6, None))
        .expect("a removal is done");
    let again = maildrop.undelete(&new, 99).expect("it comes back twice");
    assert_eq!(whole_body(&*source, again[1].1), b"B: 2\r\n\r\n.dot\r\n");
    assert!(
        maildrop
            .undelete(&[], 99)
            .expect("nothing is done")
            .is_empty()
    );
    drop(maildrop);
    assert_eq!(numbers(&*own(store, id)), [again[0].1.0, again[1].1.0]);
}

pub(super) fn carried_stay_taken<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let take = |carried: &str| {
        let batch = vec![staged(store, b"A: 1\n\n", Some(carried))];
        own(store, id).deliver(batch)
    };
    let keep = |ids: &[MessageId], at_secs| {
        let removed = own(store, id).remove(ids, &keeping(at_secs, None));
        assert_eq!(removed.expect("a removal is done"), ids.len());
    };
    let one = take("carried-1").expect("a carried unique-id is taken");
    let two = take("carried-2").expect("a carried unique-id is taken");
    keep(&one, 10);
    keep(&two, 20);
    let mut maildrop = own(store, id);
    for carried in ["carried-1", "carried-2"] {
        let batch = vec![staged(store, b"A: 1\n\n", Some(carried))];
        let outcome = maildrop.deliver(batch);
        assert_eq!(refused(outcome), StoreErrorKind::Duplicate, "{carried}");
    }
    drop(maildrop);
    own(store, id).purge(15).expect("a purge is done");
    let again = take("carried-1").expect("the message that had it is given up");
    assert_eq!(refused(take("carried-2")), StoreErrorKind::Duplicate);
    let outcome = own(store, id).undelete(&two, 30);
    outcome.expect("a deleted message is brought back");
    take("carried-2").expect("nothing has it");
    keep(&again, 40);
    let mut maildrop = own(store, id);
    let batch = vec![staged(store, b"B: 2\n\n", Some("carried-3"))];
    let three = maildrop.deliver(batch).expect("a delivery is taken");
    maildrop
        .remove(&three, &Removal::default())
        .expect("a removal is done");
    maildrop.purge(50).expect("a purge is done");
    drop(maildrop);
    assert_eq!(
        refused(take("carried-2")),
        StoreErrorKind::Duplicate,
        "live"
    );
    for carried in ["carried-1", "carried-3"] {
        take(carried).expect("nothing has it");
    }
}

pub(super) fn purged<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let ids = deliver(
        store,
        &mut *maildrop,
        &[b"A: 1\n\n", b"B: 2\n\n", b"C: 3\n\n"],
    );
    let stored = maildrop.messages()[0].stored_octets;
    for (id, at_secs) in ids.iter().zip([10, 20, 30]) {
        maildrop
            .remove(&[*id], &keeping(at_secs, None))
            .expect("a removal is done");
    }
    let nothing = maildrop.purge(10).expect("a purge is done");
    assert_eq!(nothing, Purged::default());
    let purged = maildrop.purge(21).expect("a purge is done");
    assert_eq!((purged.messages, purged.stored_octets), (2, 2 * stored));
    assert_eq!(deleted(&*maildrop), [3]);
    let outcome = maildrop.undelete(&ids[..1], 88);
    assert_eq!(refused(outcome), StoreErrorKind::Gone);
    let next = deliver(store, &mut *maildrop, &[b"D: 4\n\n"])[0];
    assert!(next > ids[2], "{next} was used");
    drop(maildrop);
    assert_eq!(deleted(&*own(store, id)), [3]);
    store
        .remove(&name("ann"))
        .expect("a user is removed, with deleted messages");
}

pub(super) fn marks<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    assert_eq!(maildrop.usage(), Usage::default());
    let ids = deliver(store, &mut *maildrop, &[b"A: 1\n\n", b"B: 2\n\nxy\n"]);
    let revision = maildrop.revision();
    let marked = maildrop.mark_read(&[ids[1], MessageId(99), ids[1]]);
    assert_eq!(marked.expect("a message is marked"), 1);
    assert_eq!(maildrop.mark_read(&ids[1..]).expect("it is no news"), 0);
    assert!(!maildrop.quota_warned());
    maildrop.set_quota_warned(true).expect("a mark is kept");
    assert_eq!(maildrop.revision(), revision, "there are the same messages");
    let stored_octets = maildrop.messages().iter().map(|it| it.stored_octets).sum();
    let usage = Usage {
        messages: 2,
        exact_octets: 8 + 12,
        stored_octets,
    };
    assert_eq!(maildrop.usage(), usage);
    drop(maildrop);
    let mut maildrop = own(store, id);
    let read: Vec<bool> = maildrop.messages().iter().map(|it| it.read).collect();
    assert_eq!((read, maildrop.quota_warned()), (vec![false, true], true));
    maildrop
        .remove(&ids[..1], &keeping(1, None))
        .expect("a removal is done");
    assert_eq!(
        maildrop.usage().messages,
        1,
        "deleted messages do not count"
    );
    maildrop.set_quota_warned(false).expect("a mark is kept");
    assert!(!maildrop.quota_warned() && maildrop.messages()[0].read);
}
