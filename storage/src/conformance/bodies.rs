//! Promises about bodies: what comes back is what was accepted.

use super::{add_user, deliver, own, refused, whole_body};
use crate::{Directory, MaildropStore, MessageId, Removal, StoreErrorKind};

pub(super) fn octet_for_octet<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let every_octet: Vec<u8> = (0..=255).filter(|o| ![b'\r', b'\n'].contains(o)).collect();
    let mut octets = b"Subject: all octets\r\nX: y\r\n\r\n.\r\n..dots\r\n".to_vec();
    octets.extend_from_slice(&every_octet);
    octets.extend_from_slice(b"\r\n");
    let ids = deliver(
        store,
        &mut *maildrop,
        &[&octets, b"A: 1\r\n\r\nno dots\r\n"],
    );
    let source = maildrop.bodies();
    assert_eq!(whole_body(&*source, ids[0]), octets);
    let facts = source.open(ids[0]).expect("a body is opened").facts();
    assert_eq!((facts.header_octets, facts.dot_lines), (29, true));
    let facts = source.open(ids[1]).expect("a body is opened").facts();
    assert_eq!(
        (facts.octets, facts.header_octets, facts.dot_lines),
        (17, 8, false)
    );
    assert_eq!(maildrop.messages()[0].exact_octets, octets.len() as u64);
}

pub(super) fn repaired<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let cases: [(&[u8], &[u8]); 5] = [
        (b"A: 1\n\nbody\n", b"A: 1\r\n\r\nbody\r\n"),
        (b"A: 1\r\n\r\nno end", b"A: 1\r\n\r\nno end\r\n"),
        (b"A: 1\r\n", b"A: 1\r\n\r\n"),
        (b"no header\n", b"\r\nno header\r\n"),
        (b"", b"\r\n"),
    ];
    let inputs: Vec<&[u8]> = cases.iter().map(|(input, _)| *input).collect();
    let ids = deliver(store, &mut *maildrop, &inputs);
    let source = maildrop.bodies();
    for (id, (input, output)) in ids.into_iter().zip(cases) {
        assert_eq!(
            whole_body(&*source, id),
            output,
            "{:?}",
            input.escape_ascii().to_string()
        );
    }
}

pub(super) fn many_chunks<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let mut octets = b"Subject: large\r\n\r\n".to_vec();
    for line in 0..40_000 {
        octets.extend_from_slice(format!("{line:>30} of many lines\r\n").as_bytes());
    }
    let ids = deliver(store, &mut *maildrop, &[&octets]);
    assert!(
        whole_body(&*maildrop.bodies(), ids[0]) == octets,
        "a large body comes back"
    );
    assert!(maildrop.messages()[0].stored_octets >= octets.len() as u64);
}

pub(super) fn removed_is_gone<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let ids = deliver(store, &mut *maildrop, &[b"A: 1\n\n", b"B: 2\n\n"]);
    let source = maildrop.bodies();
    maildrop
        .remove(&ids[..1], &Removal::default())
        .expect("a removal is done");
    assert_eq!(refused(source.open(ids[0])), StoreErrorKind::Gone);
    assert_eq!(refused(source.open(MessageId(4711))), StoreErrorKind::Gone);
    assert_eq!(whole_body(&*source, ids[1]), b"B: 2\r\n\r\n");
}

pub(super) fn source_outlives_owner<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let ids = deliver(store, &mut *maildrop, &[b"A: 1\n\n"]);
    let source = maildrop.bodies();
    drop(maildrop);
    assert_eq!(whole_body(&*source, ids[0]), b"A: 1\r\n\r\n");
    let mut next_owner = own(store, id);
    next_owner
        .remove(&ids, &Removal::default())
        .expect("a removal is done");
    assert_eq!(refused(source.open(ids[0])), StoreErrorKind::Gone);
}

pub(super) fn open_body_survives_removal<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let ids = deliver(store, &mut *maildrop, &[b"A: 1\n\n0123456789\n"]);
    let mut body = maildrop.bodies().open(ids[0]).expect("a body is opened");
    let mut octets = [0; 9];
    assert_eq!(body.read(&mut octets).expect("a body is read"), 9);
    maildrop
        .remove(&ids, &Removal::default())
        .expect("a removal is done");
    let mut rest = [0; 99];
    assert_eq!(body.read(&mut rest).expect("a body is read to its end"), 11);
    assert_eq!(rest[..11], *b"123456789\r\n");
    assert_eq!(body.read(&mut rest).expect("its end is its end"), 0);
}
