//! Promises about users.

use super::{add_user, deliver, name, own, refused};
use crate::{Directory, MaildropStore, NewUser, StoreErrorKind};

pub(super) fn found_by_name<S: MaildropStore + Directory>(store: &S) {
    let hash = Some("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA".to_owned());
    let new = NewUser {
        name: name("Ann@Example.ORG"),
        password_hash: hash.clone(),
    };
    let added = store.add(new).expect("a user is added");
    assert_eq!(added.name.as_str(), "ann@example.org");
    assert_eq!((added.pop_enabled, added.exact_rfc822_size), (true, None));
    assert!(added.use_protocol_defaults);
    assert_eq!(added.site, None);
    assert_eq!(added.password_hash, hash);
    assert_eq!(
        store
            .find(&name("ANN@example.org"))
            .expect("a look-up works"),
        Some(added)
    );
    assert_eq!(store.find(&name("ann")).expect("a look-up works"), None);
}

pub(super) fn duplicate<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let again = NewUser {
        name: name("ANN"),
        password_hash: Some("other".to_owned()),
    };
    assert_eq!(refused(store.add(again)), StoreErrorKind::Duplicate);
    let kept = store
        .find(&name("ann"))
        .expect("a look-up works")
        .expect("the user is there");
    assert_eq!((kept.maildrop, kept.password_hash), (id, None));
}

pub(super) fn update<S: MaildropStore + Directory>(store: &S) {
    add_user(store, "ann");
    let mut user = store
        .find(&name("ann"))
        .expect("a look-up works")
        .expect("there is ann");
    for (pop_enabled, exact) in [(false, Some(true)), (true, Some(false)), (false, None)] {
        user.pop_enabled = pop_enabled;
        user.use_protocol_defaults = exact != Some(true);
        user.site = exact.map(|_| "north-1".into());
        user.exact_rfc822_size = exact;
        user.password_hash = exact.map(|_| "hash".to_owned());
        store.update(&user).expect("a user is changed");
        assert_eq!(
            store.find(&name("ann")).expect("a look-up works").as_ref(),
            Some(&user)
        );
    }
    let mut other_maildrop = user.clone();
    other_maildrop.maildrop.0 += 1;
    assert_eq!(
        refused(store.update(&other_maildrop)),
        StoreErrorKind::Invalid
    );
    let stranger = crate::User {
        name: name("bob"),
        ..user.clone()
    };
    assert_eq!(refused(store.update(&stranger)), StoreErrorKind::NotFound);
    assert_eq!(
        store.find(&name("ann")).expect("a look-up works"),
        Some(user)
    );
}

pub(super) fn pages<S: MaildropStore + Directory>(store: &S) {
    for text in ["dora", "ann", "cid", "bob", "ann2"] {
        add_user(store, text);
    }
    let page = |after: Option<&str>, count| -> Vec<String> {
        let after = after.map(name);
        let users = store.list(after.as_ref(), count).expect("users are listed");
        users
            .into_iter()
            .map(|user| user.name.as_str().to_owned())
            .collect()
    };
    assert_eq!(page(None, 2), ["ann", "ann2"]);
    assert_eq!(page(Some("ann2"), 2), ["bob", "cid"]);
    assert_eq!(page(Some("cid"), 2), ["dora"]);
    assert_eq!(
        page(Some("b"), 1),
        ["bob"],
        "the name before need not be there"
    );
    assert!(page(Some("dora"), 2).is_empty());
    assert!(page(None, 0).is_empty());
}

pub(super) fn removal<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let mut maildrop = own(store, id);
    let ids = deliver(store, &mut *maildrop, &[b"A: 1\n\n"]);
    let source = maildrop.bodies();
    assert_eq!(refused(store.remove(&name("ann"))), StoreErrorKind::Busy);
    assert_eq!(
        refused(store.remove(&name("bob"))),
        StoreErrorKind::NotFound
    );
    drop(maildrop);
    assert_eq!(
        store
            .remove(&name("ann"))
            .expect("a user is removed")
            .maildrop,
        id
    );
    assert_eq!(store.find(&name("ann")).expect("a look-up works"), None);
    assert_eq!(refused(store.open_maildrop(id)), StoreErrorKind::NotFound);
    assert_eq!(refused(source.open(ids[0])), StoreErrorKind::Gone);
    assert_eq!(
        refused(store.remove(&name("ann"))),
        StoreErrorKind::NotFound
    );
}

pub(super) fn maildrop_number_is_not_used_again<S: MaildropStore + Directory>(store: &S) {
    let first = add_user(store, "ann");
    store.remove(&name("ann")).expect("a user is removed");
    let second = add_user(store, "ann");
    assert!(second > first, "{second} after {first}");
    assert!(own(store, second).messages().is_empty());
}

pub(super) fn names_are_never_paths<S: MaildropStore + Directory>(store: &S) {
    let longest = "x".repeat(255);
    for text in [
        "../../etc/passwd",
        "/",
        ".",
        "..",
        "a/b\\c",
        "ünïcödé@例え",
        &longest,
    ] {
        let id = add_user(store, text);
        let mut maildrop = own(store, id);
        deliver(store, &mut *maildrop, &[b"A: 1\n\n"]);
        assert_eq!(maildrop.messages().len(), 1);
    }
    assert_eq!(store.list(None, 99).expect("users are listed").len(), 7);
}
