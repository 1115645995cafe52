//! Promises about messages with many recipients.

use std::io::Write;

use super::deleted::keeping;
use super::{add_user, own, refused, whole_body};
use crate::body::trace::TRACE_OCTETS_MAX;
use crate::{Directory, MaildropStore, SharedBody, Staging, StoreErrorKind};

/// A small body and a large one.
const LINES: [usize; 2] = [3, 4_000];

fn body(lines: usize) -> Vec<u8> {
    let mut octets = b"Subject: to all\r\n\r\n".to_vec();
    for line in 0..lines {
        octets.extend_from_slice(format!("{line:>30} of many lines\r\n").as_bytes());
    }
    octets
}

fn shared(store: &impl MaildropStore, octets: &[u8]) -> Box<dyn SharedBody> {
    let mut staged = store.stage(Staging::default()).expect("a staging begins");
    staged.write_all(octets).expect("octets are taken");
    staged.finish_shared().expect("a staging ends")
}

pub(super) fn one_body_for_many<S: MaildropStore + Directory>(store: &S) {
    let names = ["ann", "bob", "cid"];
    let ids = names.map(|name| add_user(store, name));
    for lines in LINES {
        let octets = body(lines);
        let shared = shared(store, &octets);
        assert_eq!(shared.facts().octets, octets.len() as u64);
        let traces = names.map(|name| format!("Delivered-To: {name}\r\n.X: 1\r\n"));
        for (id, trace) in ids.iter().zip(&traces) {
            let delivery = shared
                .delivery(trace.as_bytes())
                .expect("a delivery is made");
            assert_eq!(delivery.facts.octets, (trace.len() + octets.len()) as u64);
            assert_eq!(delivery.facts.header_octets, trace.len() as u64 + 19);
            assert!(delivery.facts.dot_lines && !shared.facts().dot_lines);
            let mut maildrop = own(store, *id);
            maildrop
                .deliver(vec![delivery])
                .expect("a delivery is taken");
        }
        drop(shared);
        // Who removes it takes it from nobody else.
        let mut first = own(store, ids[0]);
        let number = first.messages().last().expect("there is a message").id;
        first
            .remove(&[number], &keeping(1, None))
            .expect("a removal is done");
        for (id, trace) in ids.iter().zip(&traces).skip(1) {
            let maildrop = own(store, *id);
            let record = maildrop.messages().last().expect("there is a message");
            let expected = [trace.as_bytes(), &octets].concat();
            assert_eq!(record.exact_octets, expected.len() as u64);
            assert!(record.stored_octets >= expected.len() as u64);
            assert!(whole_body(&*maildrop.bodies(), record.id) == expected);
        }
        let back = first.undelete(&[number], 99).expect("it is brought back");
        let expected = [traces[0].as_bytes(), &octets].concat();
        assert!(whole_body(&*first.bodies(), back[0].1) == expected);
    }
}

pub(super) fn dropped_shared<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    for lines in LINES {
        let shared = shared(store, &body(lines));
        drop(shared.delivery(b"A: 1\r\n").expect("a delivery is made"));
        let kept = shared
            .delivery(b"")
            .expect("a delivery without trace is made");
        drop(shared);
        own(store, id)
            .deliver(vec![kept])
            .expect("it outlives what it was made by");
    }
    assert_eq!(own(store, id).messages().len(), 2);
    let done = store
        .housekeeping()
        .expect("housekeeping works at any time");
    assert_eq!(
        (done.temporary, done.unlinked),
        (0, 0),
        "nothing was left behind"
    );
}

pub(super) fn trace_is_checked<S: MaildropStore + Directory>(store: &S) {
    let shared = shared(store, b"A: 1\r\n\r\n");
    let long = format!("A: {}\r\n", "x".repeat(TRACE_OCTETS_MAX));
    for bad in ["A: 1", "A: 1\n", "A: 1\r\n\r\n", " A: 1\r\n", &long] {
        let outcome = shared.delivery(bad.as_bytes());
        assert_eq!(refused(outcome), StoreErrorKind::Invalid, "{bad:?}");
    }
}
