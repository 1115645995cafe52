//! The conformance suite: what every store must do, as checks that anybody can run on an own one.
//!
//! A check panics with the promise that was broken. [`check_store`] wants an empty store each
//! time it asks; [`check_reopening`] wants the same store again.

mod bodies;
mod deleted;
pub(crate) mod directory;
mod maildrop;
mod reopening;
mod shared;

use std::io::Write;

use crate::{
    BodySource, Delivery, Directory, MaildropId, MaildropStore, MessageId, NewUser, OwnedMaildrop,
    Staging, StoreError, StoreErrorKind, UserName,
};

/// One promise and the check of it.
type Check<S> = (&'static str, fn(&S));

/// Checks all that does not need the store to be opened twice; `make` gives an empty store.
///
/// # Panics
/// At the first promise that is broken, with its name.
pub fn check_store<S: MaildropStore + Directory>(make: &dyn Fn() -> S) {
    let checks = [
        maildrop_checks::<S>(),
        body_checks::<S>(),
        deleted_checks::<S>(),
        directory_checks::<S>(),
    ];
    for (promise, check) in checks.into_iter().flatten() {
        let store = make();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&store)));
        assert!(
            outcome.is_ok(),
            "the store does not keep this promise: {promise}"
        );
        store.close().expect("a store closes");
    }
}

/// Checks what must still be true when a store is opened again. `open` opens the same, at first
/// empty, store each time; the one before was closed or dropped.
///
/// # Panics
/// At the first promise that is broken.
pub fn check_reopening<S: MaildropStore + Directory>(open: &dyn Fn() -> S) {
    reopening::everything_is_there_again(open);
    reopening::numbers_are_not_used_again(open);
}

fn maildrop_checks<S: MaildropStore + Directory>() -> Vec<Check<S>> {
    vec![
        ("a new maildrop is empty", maildrop::new_is_empty),
        (
            "there is no maildrop that nobody made",
            maildrop::unknown_is_not_found,
        ),
        ("there are never two owners", maildrop::one_owner),
        (
            "deliveries are numbered in order",
            maildrop::numbered_in_order,
        ),
        (
            "a batch is delivered wholly or not at all",
            maildrop::all_or_none,
        ),
        (
            "what is staged and dropped was never there",
            maildrop::dropped_staging,
        ),
        (
            "only what is named is removed",
            maildrop::removes_what_is_named,
        ),
        (
            "a number is not used again after removal",
            maildrop::highest_number_is_not_used_again,
        ),
        (
            "the revision grows with every commit",
            maildrop::revision_grows,
        ),
        (
            "carried unique-ids are kept and do not repeat",
            maildrop::carried_unique_ids,
        ),
        (
            "a carried decimal never meets a number",
            maildrop::carried_decimals,
        ),
        ("the octet limit holds", maildrop::octets_max),
        ("received times are kept", maildrop::received_secs),
        (
            "another store's delivery is refused",
            maildrop::foreign_delivery,
        ),
        ("maildrops do not touch each other", maildrop::independent),
        ("a closed store refuses work", maildrop::closed_refuses),
    ]
}

fn body_checks<S: MaildropStore + Directory>() -> Vec<Check<S>> {
    vec![
        ("bodies come back octet for octet", bodies::octet_for_octet),
        ("what is not conforming is repaired", bodies::repaired),
        ("a body of many chunks comes back", bodies::many_chunks),
        ("a removed message is gone", bodies::removed_is_gone),
        ("a source outlives its owner", bodies::source_outlives_owner),
        (
            "an open body can be read after its removal",
            bodies::open_body_survives_removal,
        ),
    ]
}

fn deleted_checks<S: MaildropStore + Directory>() -> Vec<Check<S>> {
    vec![
        (
            "removed messages that are kept are listed",
            deleted::kept_and_listed,
        ),
        (
            "deleted messages come back under new numbers",
            deleted::brought_back,
        ),
        (
            "carried unique-ids of deleted messages stay taken",
            deleted::carried_stay_taken,
        ),
        ("a purge takes what is old enough", deleted::purged),
        ("marks are kept", deleted::marks),
        ("one body reaches many maildrops", shared::one_body_for_many),
        (
            "a shared body that is dropped leaves nothing behind",
            shared::dropped_shared,
        ),
        ("trace lines are header lines", shared::trace_is_checked),
    ]
}

fn directory_checks<S: MaildropStore + Directory>() -> Vec<Check<S>> {
    vec![
        ("users are found by name", directory::found_by_name),
        ("names are taken once", directory::duplicate),
        (
            "users are changed and keep their maildrop",
            directory::update,
        ),
        (
            "who saw an old user does not undo a change",
            directory::update_if,
        ),
        (
            "a removed user's rights are gone",
            directory::rights_end_with_the_user,
        ),
        ("users are listed in pages", directory::pages),
        (
            "a revision ends with each change of a user",
            directory::revisions,
        ),
        (
            "a removed user takes the maildrop along",
            directory::removal,
        ),
        (
            "a maildrop number is not used again",
            directory::maildrop_number_is_not_used_again,
        ),
        ("an alias is one user's alone", directory::aliases),
        (
            "all that a user has is kept",
            directory::all_that_a_user_has,
        ),
        ("names are never paths", directory::names_are_never_paths),
    ]
}

fn name(text: &str) -> UserName {
    UserName::new(text).expect("the suite uses names that are allowed")
}

fn add_user(store: &impl Directory, text: &str) -> MaildropId {
    let user = NewUser {
        name: name(text),
        password_hash: None,
    };
    store.add(user).expect("a user is added").maildrop
}

fn own(store: &impl MaildropStore, maildrop: MaildropId) -> Box<dyn OwnedMaildrop> {
    store
        .open_maildrop(maildrop)
        .expect("a maildrop without an owner is opened")
}

fn staged(store: &impl MaildropStore, octets: &[u8], carried: Option<&str>) -> Delivery {
    let staging = Staging {
        carried_unique_id: carried.map(Box::from),
        ..Staging::default()
    };
    let mut staged = store.stage(staging).expect("a staging begins");
    staged.write_all(octets).expect("octets are taken");
    staged.finish().expect("a staging ends")
}

fn deliver(
    store: &impl MaildropStore,
    maildrop: &mut dyn OwnedMaildrop,
    bodies: &[&[u8]],
) -> Vec<MessageId> {
    let deliveries = bodies
        .iter()
        .map(|octets| staged(store, octets, None))
        .collect();
    maildrop.deliver(deliveries).expect("a delivery is taken")
}

fn whole_body(source: &dyn BodySource, message: MessageId) -> Vec<u8> {
    let mut body = source.open(message).expect("a body is opened");
    let mut octets = Vec::new();
    let mut buffer = [0; 1000];
    loop {
        match body.read(&mut buffer).expect("a body is read") {
            0 => break,
            count => octets.extend_from_slice(&buffer[..count]),
        }
    }
    assert_eq!(
        octets.len() as u64,
        body.facts().octets,
        "facts say how many octets there are"
    );
    // Where nothing has to be waited for it is the same.
    if let Some(mut now) = source.open_now(message, &mut buffer) {
        assert_eq!(now.facts, body.facts());
        assert_eq!(buffer[..now.filled], octets[..now.filled]);
        let mut read = now.filled;
        while read < octets.len() {
            let rest = now.rest.as_mut().expect("something gives the rest");
            let count = match rest.read_now(&mut buffer) {
                Some(count) => count,
                None => rest.read(&mut buffer).expect("a body is read"),
            };
            assert!(count > 0, "it ends after {read} octets");
            assert!(buffer[..count] == octets[read..read + count]);
            read += count;
        }
    }
    octets
}

fn numbers(maildrop: &dyn OwnedMaildrop) -> Vec<u64> {
    maildrop
        .messages()
        .iter()
        .map(|record| record.id.0)
        .collect()
}

/// The kind of the error that must have happened.
fn refused<T>(outcome: Result<T, StoreError>) -> StoreErrorKind {
    match outcome {
        Ok(_) => panic!("the call succeeded and should not have"),
        Err(error) => {
            assert!(
                !error.to_string().contains('\n'),
                "an error's text is one line"
            );
            error.kind()
        }
    }
}
