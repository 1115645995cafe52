//! Promises about users.

use super::{add_user, deliver, name, own, refused};
use crate::{
    Credential, Directory, MaildropStore, NewUser, QuotaOverride, RetentionOverride,
    StoreErrorKind, StoredCredential, User,
};

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
    let stranger = User {
        name: name("bob"),
        ..user.clone()
    };
    assert_eq!(refused(store.update(&stranger)), StoreErrorKind::NotFound);
    assert_eq!(
        store.find(&name("ann")).expect("a look-up works"),
        Some(user)
    );
}

pub(super) fn update_if<S: MaildropStore + Directory>(store: &S) {
    let id = add_user(store, "ann");
    let found = || {
        let found = store.find(&name("ann")).expect("a look-up works");
        found.expect("there is ann")
    };
    let seen = found();
    let (mut one, mut other) = (seen.clone(), seen.clone());
    one.password_hash = Some("of the one".to_owned());
    other.pop_enabled = false;
    let written = |seen: &User, user: &User| store.update_if(seen, user).expect("it is looked at");
    assert!(written(&seen, &one));
    assert!(!written(&seen, &other), "it was changed meanwhile");
    assert_eq!(found(), one);
    other = User {
        pop_enabled: false,
        ..one.clone()
    };
    assert!(written(&one, &other));
    assert_eq!(found(), other);
    store.remove(&name("ann")).expect("a user is removed");
    assert_eq!(
        refused(store.update_if(&other, &one)),
        StoreErrorKind::NotFound
    );
    assert!(add_user(store, "ann") > id);
    assert!(!written(&other, &one), "it is another user of that name");
    let mut aliased = found();
    aliased.aliases = vec![name("ann")];
    let outcome = store.update_if(&found(), &aliased);
    assert_eq!(refused(outcome), StoreErrorKind::Duplicate);
}

/// Who gets the name of somebody who was removed gets none of their rights.
pub(super) fn rights_end_with_the_user<S: MaildropStore + Directory>(store: &S) {
    for text in ["ann", "bob", "cid", "dora"] {
        add_user(store, text);
    }
    let found = |text: &str| {
        let found = store.find(&name(text)).expect("a look-up works");
        found.expect("the user is there")
    };
    let mut bob = found("bob");
    bob.aliases = vec![name("bobby")];
    store.update(&bob).expect("an alias is taken");
    for text in ["ann", "cid"] {
        let mut owner = found(text);
        owner.delegates = ["dora", "bob", "bobby", "nobody-yet"].map(name).to_vec();
        store.update(&owner).expect("a user is changed");
    }
    store.remove(&name("bob")).expect("a user is removed");
    add_user(store, "bob");
    for text in ["ann", "cid"] {
        let left = ["dora", "nobody-yet"].map(name).to_vec();
        assert_eq!(found(text).delegates, left, "{text}");
    }
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

pub(super) fn aliases<S: MaildropStore + Directory>(store: &S) {
    for text in ["ann", "bob"] {
        add_user(store, text);
    }
    let resolved = |text: &str| {
        let user = store.resolve(&name(text)).expect("a look-up works");
        user.map(|user| user.name.to_string())
    };
    let user = |text: &str| {
        let user = store.find(&name(text)).expect("a look-up works");
        user.expect("the user is there")
    };
    let mut ann = user("ann");
    ann.aliases = ["ann@example.org", "a.smith"].map(name).to_vec();
    store.update(&ann).expect("aliases are taken");
    assert_eq!(resolved("A.Smith"), Some("ann".to_owned()));
    assert_eq!(resolved("ann"), Some("ann".to_owned()));
    assert_eq!(resolved("smith"), None);
    assert_eq!(store.find(&name("a.smith")).expect("a look-up works"), None);
    let mut bob = user("bob");
    for taken in [["ann"], ["a.smith"], ["bob"]] {
        bob.aliases = taken.map(name).to_vec();
        let error = store.update(&bob).expect_err("it is taken");
        assert!(error.to_string().contains(taken[0]), "{error}");
        assert_eq!(error.kind(), StoreErrorKind::Duplicate);
    }
    bob.aliases = ["b", "b"].map(name).to_vec();
    assert_eq!(refused(store.update(&bob)), StoreErrorKind::Duplicate);
    let new = NewUser {
        name: name("a.smith"),
        password_hash: None,
    };
    assert_eq!(refused(store.add(new.clone())), StoreErrorKind::Duplicate);
    ann.aliases = vec![name("ann@example.org")];
    store.update(&ann).expect("an alias is given up");
    assert_eq!(resolved("a.smith"), None);
    store.add(new).expect("and is free");
    store.remove(&name("ann")).expect("a user is removed");
    assert_eq!(resolved("ann@example.org"), None);
    bob.aliases = vec![name("ann@example.org")];
    store.update(&bob).expect("an alias is free after its user");
    assert_eq!(resolved("ann@example.org"), Some("bob".to_owned()));
}

pub(super) fn all_that_a_user_has<S: MaildropStore + Directory>(store: &S) {
    add_user(store, "ann");
    let ann = store.find(&name("ann")).expect("a look-up works");
    let mut ann = full_user(ann.expect("there is ann"));
    store.update(&ann).expect("a user is changed");
    let found = store.resolve(&name("alias0")).expect("a look-up works");
    assert_eq!(found.as_ref(), Some(&ann));
    let one = ann.credentials[0].clone();
    ann.credentials = vec![one; User::CREDENTIALS_MAX + 1];
    assert_eq!(refused(store.update(&ann)), StoreErrorKind::Invalid);
    ann.credentials.truncate(1);
    ann.credentials[0].value.clear();
    assert_eq!(refused(store.update(&ann)), StoreErrorKind::Invalid);
}

/// With some of everything.
pub(crate) fn full_user(user: User) -> User {
    let names = |what: &str| (0..9).map(|n| name(&format!("{what}{n}"))).collect();
    let kinds = [
        StoredCredential::ScramSha256,
        StoredCredential::NtHash,
        StoredCredential::AppPassword,
    ];
    let credential = |kind| Credential {
        kind,
        label: "phone of ann".into(),
        value: format!("a value of {kind:?}"),
        created_secs: 1_700_000_000,
    };
    User {
        aliases: names("alias"),
        delegates: names("delegate"),
        credentials: kinds.map(credential).to_vec(),
        quota: QuotaOverride {
            octets: Some(u64::MAX),
            messages: None,
        },
        retention: RetentionOverride {
            read_secs: Some(0),
            unread_secs: Some(86_400),
        },
        ..user
    }
}

pub(super) fn revisions<S: MaildropStore + Directory>(store: &S) {
    let Some(empty) = store.revision() else {
        return;
    };
    add_user(store, "ann");
    let added = store.revision();
    assert_ne!(added, Some(empty));
    let mut user = store
        .find(&name("ann"))
        .expect("a look-up works")
        .expect("there is ann");
    assert_eq!(store.revision(), added, "a look-up is no change");
    user.pop_enabled = false;
    store.update(&user).expect("a user is changed");
    let updated = store.revision();
    assert_ne!(updated, added);
    let seen = user.clone();
    user.pop_enabled = true;
    assert!(store.update_if(&seen, &user).expect("a user is changed"));
    let again = store.revision();
    assert_ne!(again, updated);
    store.remove(&name("ann")).expect("a user is removed");
    assert_ne!(store.revision(), again);
}
