//! Promises that must outlive the process: everything is there again, nothing is used twice.

use super::deleted::keeping;
use super::{add_user, deliver, name, numbers, own, staged, whole_body};
use crate::{Directory, MaildropStore, NewUser, Removal};

pub(super) fn everything_is_there_again<S: MaildropStore + Directory>(open: &dyn Fn() -> S) {
    let store = open();
    let hash = Some("a hash".to_owned());
    let added = store
        .add(NewUser {
            name: name("ann"),
            password_hash: hash,
        })
        .expect("a user is added");
    let mut user = added.clone();
    user.pop_enabled = false;
    user.use_protocol_defaults = false;
    user.site = Some("north-1".into());
    user.exact_rfc822_size = Some(true);
    let user = super::directory::full_user(user);
    store.update(&user).expect("a user is changed");
    let mut maildrop = own(&store, user.maildrop);
    let ids = deliver(
        &store,
        &mut *maildrop,
        &[b"A: 1\n\n", b"B: 2\n\n.dot\n", b"C: 3\n\n"],
    );
    let carried = vec![staged(&store, b"D: 4\n\n", Some("carried-1"))];
    maildrop
        .deliver(carried)
        .expect("a carried unique-id is taken");
    maildrop
        .remove(&ids[..1], &Removal::default())
        .expect("a removal is done");
    maildrop
        .remove(&ids[2..3], &keeping(7, Some("s1")))
        .expect("a removal is done");
    maildrop.mark_read(&ids).expect("messages are marked");
    maildrop.set_quota_warned(true).expect("a mark is kept");
    let deleted = maildrop.deleted().expect("deleted messages are listed");
    let (messages, revision) = (maildrop.messages().to_vec(), maildrop.revision());
    drop((maildrop, store));
    for how in ["closed", "dropped", "closed"] {
        let store = open();
        assert_eq!(
            store.find(&name("ann")).expect("a look-up works").as_ref(),
            Some(&user)
        );
        let maildrop = own(&store, user.maildrop);
        assert_eq!(maildrop.messages(), messages, "{how}");
        let found = maildrop.deleted().expect("deleted messages are listed");
        assert_eq!((found.len(), &found), (1, &deleted), "{how}");
        assert!(maildrop.quota_warned(), "{how}");
        let alias = store.resolve(&name("alias3")).expect("a look-up works");
        assert_eq!(alias.as_ref(), Some(&user), "{how}");
        assert!(maildrop.revision() >= revision, "{how}");
        assert_eq!(
            whole_body(&*maildrop.bodies(), ids[1]),
            b"B: 2\r\n\r\n.dot\r\n"
        );
        drop(maildrop);
        if how == "closed" {
            store.close().expect("a store closes");
        }
    }
}

pub(super) fn numbers_are_not_used_again<S: MaildropStore + Directory>(open: &dyn Fn() -> S) {
    let store = open();
    let id = add_user(&store, "bob");
    let gone = add_user(&store, "cid");
    store.remove(&name("cid")).expect("a user is removed");
    drop(store);
    let mut highest = 0;
    for round in 0..4 {
        let store = open();
        let mut maildrop = own(&store, id);
        let given = deliver(&store, &mut *maildrop, &[b"A: 1\n\n", b"B: 2\n\n"]);
        assert!(given[0].0 > highest, "{} after {highest}", given[0]);
        highest = given[1].0;
        maildrop
            .remove(&given, &Removal::default())
            .expect("a removal is done");
        assert!(numbers(&*maildrop).is_empty());
        drop(maildrop);
        let user = format!("user{round}");
        assert!(
            add_user(&store, &user) > gone,
            "a maildrop number is not used again"
        );
        if round % 2 == 0 {
            store.close().expect("a store closes");
        }
    }
}
