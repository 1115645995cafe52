//! Promises about maildrops: numbers, batches, removal, ownership.

use std::io::Write;

use super::{add_user, deliver, numbers, own, refused, staged, whole_body};
use crate::{
    BodyFacts, Delivery, Directory, MaildropId, MaildropStore, MessageId, Removal, Staging,
    StoreErrorKind,
};

pub(super) fn new_is_empty<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let maildrop = own(store, id);
    assert_eq!(maildrop.id(), id);
    assert!(maildrop.messages().is_empty());
}

pub(super) fn unknown_is_not_found<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    for unknown in [0, id.0 + 1, u64::MAX] {
        let outcome = store.open_maildrop(MaildropId(unknown));
        assert_eq!(refused(outcome), StoreErrorKind::NotFound, "{unknown}");
    }
}

pub(super) fn one_owner<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let first = own(store, id);
    assert_eq!(refused(store.open_maildrop(id)), StoreErrorKind::Busy);
    drop(first);
    let again = own(store, id);
    assert_eq!(refused(store.open_maildrop(id)), StoreErrorKind::Busy);
    drop(again);
}

pub(super) fn numbered_in_order<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    assert_eq!(
        deliver(store, &mut *maildrop, &[b"A: 1\n\n"]),
        [MessageId(1)]
    );
    assert_eq!(
        deliver(store, &mut *maildrop, &[b"B: 2\n\n", b"C: 3\n\nx\n"]),
        [MessageId(2), MessageId(3)]
    );
    assert!(deliver(store, &mut *maildrop, &[]).is_empty());
    assert_eq!(numbers(&*maildrop), [1, 2, 3]);
    let sizes: Vec<u64> = maildrop
        .messages()
        .iter()
        .map(|record| record.exact_octets)
        .collect();
    assert_eq!(sizes, [8, 8, 11]);
    assert!(
        maildrop
            .messages()
            .iter()
            .all(|record| record.stored_octets > 0)
    );
    drop(maildrop);
    assert_eq!(
        numbers(&*own(store, id)),
        [1, 2, 3],
        "the next owner sees the same"
    );
}

pub(super) fn all_or_none<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    deliver(store, &mut *maildrop, &[b"A: 1\n\n"]);
    let before = maildrop.messages().to_vec();
    let batch = vec![
        staged(store, b"B: 2\n\n", None),
        staged(store, b"C: 3\n\n", Some("same")),
        staged(store, b"D: 4\n\n", Some("same")),
    ];
    assert_eq!(refused(maildrop.deliver(batch)), StoreErrorKind::Duplicate);
    assert_eq!(maildrop.messages(), before);
    let batch = vec![staged(store, b"E: 5\n\n", Some("same"))];
    maildrop
        .deliver(batch)
        .expect("the refused batch left no unique-id behind");
    assert_eq!(maildrop.messages().len(), 2);
}

pub(super) fn dropped_staging<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut unfinished = store.stage(Staging::default()).expect("a staging begins");
    unfinished.write_all(b"A: 1\n").expect("octets are taken");
    drop(unfinished);
    drop(staged(store, b"B: 2\n\n", None));
    assert!(own(store, id).messages().is_empty());
    let done = store
        .housekeeping()
        .expect("housekeeping works at any time");
    assert_eq!(
        (done.temporary, done.unlinked),
        (0, 0),
        "nothing was left behind"
    );
}

pub(super) fn removes_what_is_named<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let bodies: Vec<Vec<u8>> = (0..200)
        .map(|n| format!("N: {n}\n\n").into_bytes())
        .collect();
    let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
    let ids = deliver(store, &mut *maildrop, &bodies);
    let some = [
        ids[0],
        ids[63],
        ids[64],
        ids[199],
        MessageId(0),
        MessageId(999),
        ids[64],
    ];
    assert_eq!(
        maildrop
            .remove(&some, &Removal::default())
            .expect("a removal is done"),
        4
    );
    assert_eq!(
        maildrop
            .remove(&some, &Removal::default())
            .expect("what is gone is passed over"),
        0
    );
    assert_eq!(
        maildrop
            .remove(&[], &Removal::default())
            .expect("nothing is removed"),
        0
    );
    let mut expected: Vec<u64> = ids.iter().map(|id| id.0).collect();
    expected.retain(|number| !some.contains(&MessageId(*number)));
    assert_eq!(numbers(&*maildrop), expected);
    let source = maildrop.bodies();
    drop(maildrop);
    assert_eq!(numbers(&*own(store, id)), expected);
    assert_eq!(whole_body(&*source, ids[1]), b"N: 1\r\n\r\n");
}

pub(super) fn highest_number_is_not_used_again<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let first = deliver(store, &mut *maildrop, &[b"A: 1\n\n", b"B: 2\n\n"]);
    maildrop
        .remove(&first, &Removal::default())
        .expect("a removal is done");
    drop(maildrop);
    let mut maildrop = own(store, id);
    let next = deliver(store, &mut *maildrop, &[b"C: 3\n\n"])[0];
    assert!(next > first[1], "{next} after {}", first[1]);
}

pub(super) fn revision_grows<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let new = maildrop.revision();
    let ids = deliver(store, &mut *maildrop, &[b"A: 1\n\n"]);
    let delivered = maildrop.revision();
    assert!(delivered > new);
    maildrop
        .remove(&[MessageId(77)], &Removal::default())
        .expect("nothing is removed");
    assert_eq!(maildrop.revision(), delivered, "nothing changed");
    maildrop
        .remove(&ids, &Removal::default())
        .expect("a removal is done");
    let removed = maildrop.revision();
    assert!(removed > delivered);
    drop(maildrop);
    assert_eq!(own(store, id).revision(), removed);
}

pub(super) fn carried_unique_ids<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let longest = "~".repeat(70);
    for carried in ["00001f3a4b5c", "!", &longest] {
        let batch = vec![staged(store, b"A: 1\n\n", Some(carried))];
        maildrop
            .deliver(batch)
            .expect("a carried unique-id is taken");
        let batch = vec![staged(store, b"A: 1\n\n", Some(carried))];
        assert_eq!(
            refused(maildrop.deliver(batch)),
            StoreErrorKind::Duplicate,
            "{carried}"
        );
    }
    drop(maildrop);
    let mut maildrop = own(store, id);
    let kept = maildrop
        .messages()
        .iter()
        .map(|record| record.carried_unique_id.as_deref());
    assert_eq!(
        kept.collect::<Vec<_>>(),
        [Some("00001f3a4b5c"), Some("!"), Some(&*longest)]
    );
    let batch = vec![staged(store, b"A: 1\n\n", Some("!"))];
    assert_eq!(refused(maildrop.deliver(batch)), StoreErrorKind::Duplicate);
    for bad in ["", "a b", "\u{e9}", &"x".repeat(71)] {
        let staging = Staging {
            carried_unique_id: Some(bad.into()),
            ..Staging::default()
        };
        let outcome = store.stage(staging).and_then(|staged| staged.finish());
        let outcome = outcome.and_then(|delivery| maildrop.deliver(vec![delivery]));
        assert_eq!(refused(outcome), StoreErrorKind::Invalid, "{bad:?}");
    }
}

pub(super) fn carried_decimals<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let batch = vec![
        staged(store, b"A: 1\n\n", Some("1000")),
        staged(store, b"A: 1\n\n", Some("2")),
    ];
    maildrop
        .deliver(batch)
        .expect("decimal unique-ids are carried over in any order");
    drop(maildrop);
    let mut maildrop = own(store, id);
    let own_number = deliver(store, &mut *maildrop, &[b"A: 1\n\n"])[0];
    assert!(
        own_number.0 > 1000,
        "{own_number} was, or may be, somebody's"
    );
    maildrop
        .remove(&[own_number], &Removal::default())
        .expect("a removal is done");
    drop(maildrop);
    let mut maildrop = own(store, id);
    let batch = vec![staged(store, b"A: 1\n\n", Some(&own_number.to_string()))];
    assert_eq!(
        refused(maildrop.deliver(batch)),
        StoreErrorKind::Duplicate,
        "it was used once"
    );
}

pub(super) fn octets_max<S: MaildropStore + Directory>(store: &S) {
    let limited = || Staging {
        octets_max: Some(10),
        ..Staging::default()
    };
    let mut enough = store.stage(limited()).expect("a staging begins");
    enough
        .write_all(b"A: 1\n\n1234")
        .expect("ten octets are taken");
    assert_eq!(enough.finish().expect("a staging ends").facts.octets, 14);
    let mut more = store.stage(limited()).expect("a staging begins");
    let outcome = more
        .write_all(b"A: 1\n\n")
        .and_then(|()| more.write_all(b"12345"));
    assert!(outcome.is_err(), "the eleventh octet is refused");
    assert_eq!(refused(more.finish()), StoreErrorKind::Invalid);
}

pub(super) fn received_secs<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let mut deliveries = Vec::new();
    for received_secs in [Some(0), Some(1_000_000_000), Some(u64::MAX), None] {
        let staging = Staging {
            received_secs,
            ..Staging::default()
        };
        let staged = store.stage(staging).expect("a staging begins");
        deliveries.push(staged.finish().expect("a staging ends"));
    }
    maildrop.deliver(deliveries).expect("a delivery is taken");
    drop(maildrop);
    let maildrop = own(store, id);
    let kept: Vec<u64> = maildrop
        .messages()
        .iter()
        .map(|record| record.received_secs)
        .collect();
    assert_eq!(kept[..3], [0, 1_000_000_000, u64::MAX]);
    assert!(
        kept[3] > 1_700_000_000,
        "without a time it is now: {}",
        kept[3]
    );
}

pub(super) fn foreign_delivery<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let foreign = Delivery {
        facts: BodyFacts {
            octets: 2,
            header_octets: 2,
            dot_lines: false,
        },
        received_secs: 0,
        carried_unique_id: None,
        material: Box::new("something else"),
    };
    let batch = vec![staged(store, b"A: 1\n\n", None), foreign];
    assert_eq!(refused(maildrop.deliver(batch)), StoreErrorKind::Invalid);
    assert!(maildrop.messages().is_empty());
}

pub(super) fn independent<S: MaildropStore + Directory>(store: &S) {
    let (ann, bob) = (add_user(store, "ann"), add_user(store, "bob"));
    let (mut anns, mut bobs) = (own(store, ann), own(store, bob));
    deliver(store, &mut *anns, &[b"To: ann\n\n"]);
    let bobs_ids = deliver(store, &mut *bobs, &[b"To: bob\n\n", b"To: bob\n\n2\n"]);
    assert_eq!((numbers(&*anns), numbers(&*bobs)), (vec![1], vec![1, 2]));
    bobs.remove(&bobs_ids, &Removal::default())
        .expect("a removal is done");
    assert_eq!(
        whole_body(&*anns.bodies(), MessageId(1)),
        b"To: ann\r\n\r\n"
    );
    assert_eq!((numbers(&*anns), numbers(&*bobs)), (vec![1], vec![]));
}

pub(super) fn closed_refuses<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let delivery = staged(store, b"A: 1\n\n", None);
    store.close().expect("a store closes");
    store.close().expect("a second close does nothing");
    assert!(maildrop.deliver(vec![delivery]).is_err());
    drop(maildrop);
    assert!(store.open_maildrop(id).is_err());
    assert!(store.stage(Staging::default()).is_err());
    assert!(store.find(&super::name("ann")).is_err());
}
