//! Imports of whole mbox files and Maildirs, and what happens when they break.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use mailroost_storage::import::{
    ImportError, ImportFailure, ImportReport, ImportSettings, Present, Progress, Source, import,
};
use mailroost_storage::{
    Directory, MaildropStore, MemoryStore, NewUser, OwnedMaildrop, StoreError, StoreErrorKind,
    UserName,
};

const FROM: &str = "From x@y Thu Jan  1 00:00:07 1970\n";

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

fn mbox_file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mbox");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn import_all(
    store: &MemoryStore,
    maildrop: &mut dyn OwnedMaildrop,
    source: Source,
    settings: &ImportSettings,
) -> Result<ImportReport, ImportFailure> {
    let mut deliver = |batch| maildrop.deliver(batch);
    import(
        store,
        &source,
        settings,
        Present::default(),
        &mut deliver,
        &mut |_| {},
    )
}

fn bodies(maildrop: &dyn OwnedMaildrop) -> Vec<String> {
    let source = maildrop.bodies();
    let read = |id| {
        let mut body = source.open(id).unwrap();
        let mut octets = vec![0; body.facts().octets as usize];
        let mut filled = 0;
        while filled < octets.len() {
            filled += body.read(&mut octets[filled..]).unwrap();
        }
        String::from_utf8(octets).unwrap()
    };
    maildrop
        .messages()
        .iter()
        .map(|record| read(record.id))
        .collect()
}

#[test]
fn a_thousand_messages_arrive_in_order_with_their_times() {
    let (store, mut maildrop) = target();
    let text: String = (0..1000)
        .map(|n| format!("{FROM}Subject: {n}\n\nBody\n\n"))
        .collect();
    let (_folder, path) = mbox_file(text.trim_end());
    let mut batches = Vec::new();
    let mut steps: Vec<Progress> = Vec::new();
    let report = import(
        &store,
        &Source::Mbox(path),
        &ImportSettings::default(),
        Present::default(),
        &mut |batch| {
            batches.push(batch.len());
            maildrop.deliver(batch)
        },
        &mut |step| steps.push(step),
    )
    .unwrap();
    assert_eq!((report.imported, report.settled), (1000, 1000));
    assert!(
        batches.iter().all(|messages| *messages <= 64),
        "{batches:?}"
    );
    assert!(steps.is_sorted_by_key(|step| (step.octets_done, step.messages)));
    let last = steps.last().unwrap();
    assert_eq!((last.messages, last.octets_done), (1000, last.octets_total));
    let expected: Vec<String> = (0..1000)
        .map(|n| format!("Subject: {n}\r\n\r\nBody\r\n"))
        .collect();
    assert_eq!(bodies(&*maildrop), expected);
    assert!(
        maildrop
            .messages()
            .iter()
            .all(|record| record.received_secs == 7)
    );
}

#[test]
fn what_comes_in_is_repaired() {
    let (store, mut maildrop) = target();
    let text = format!("{FROM}\n{FROM}no header\n\n{FROM}A: 1\n\n{FROM}B: 2\r\n\r\n.\r\nx\ry");
    let (_folder, path) = mbox_file(&text);
    import_all(
        &store,
        &mut *maildrop,
        Source::Mbox(path),
        &ImportSettings::default(),
    )
    .unwrap();
    assert_eq!(
        bodies(&*maildrop),
        [
            "\r\n",
            "\r\nno header\r\n",
            "A: 1\r\n\r\n",
            "B: 2\r\n\r\n.\r\nx\r\ny\r\n"
        ]
    );
}

#[test]
fn a_broken_from_line_keeps_what_came_before_and_tells_how_to_go_on() {
    let (store, mut maildrop) = target();
    let broken = "From x@y Thu Jan 99 00:00:07 1970\n";
    let text = format!("{FROM}A: 1\n\n{FROM}A: 2\n\n{FROM}A: 3\n\n{broken}A: 4\n");
    let (_folder, path) = mbox_file(&text);
    let settings = ImportSettings::default();
    let failure = import_all(
        &store,
        &mut *maildrop,
        Source::Mbox(path.clone()),
        &settings,
    )
    .unwrap_err();
    let text = failure.to_string();
    assert!(
        text.contains("mbox: line 10 (octet 120): \"From x@y Thu Jan 99"),
        "{text}"
    );
    assert!(text.ends_with("messages imported before: 2"), "{text}");
    assert_eq!(failure.report.settled, 2);
    assert_eq!(bodies(&*maildrop), ["A: 1\r\n\r\n", "A: 2\r\n\r\n"]);

    let repaired = fs::read_to_string(&path).unwrap().replace("99", " 9");
    fs::write(&path, repaired).unwrap();
    let settings = ImportSettings {
        pass_over: failure.report.settled,
        ..settings
    };
    let report = import_all(&store, &mut *maildrop, Source::Mbox(path), &settings).unwrap();
    assert_eq!((report.imported, report.settled), (2, 4));
    assert_eq!(bodies(&*maildrop)[2..], ["A: 3\r\n\r\n", "A: 4\r\n\r\n"]);
}

#[test]
fn a_message_that_is_too_large_is_refused_alone() {
    let (store, mut maildrop) = target();
    let text = format!(
        "{FROM}A: 1\n\n{FROM}A: {}\n\n{FROM}A: 3\n",
        "2".repeat(200_000)
    );
    let (_folder, path) = mbox_file(&text);
    let settings = ImportSettings {
        octets_max: Some(1000),
        ..ImportSettings::default()
    };
    let report = import_all(&store, &mut *maildrop, Source::Mbox(path), &settings).unwrap();
    assert_eq!((report.imported, report.settled), (2, 3));
    let refused = report.refused.listed();
    assert!(
        refused.len() == 1 && refused[0].contains("message 2 (line 4): "),
        "{refused:?}"
    );
    assert_eq!(bodies(&*maildrop), ["A: 1\r\n\r\n", "A: 3\r\n\r\n"]);
}

#[test]
fn a_batch_that_is_not_taken_ends_the_import() {
    let (store, mut maildrop) = target();
    let text: String = (0..100).map(|n| format!("{FROM}A: {n}\n\n")).collect();
    let (_folder, path) = mbox_file(&text);
    let mut batches = 0;
    let failure = import(
        &store,
        &Source::Mbox(path),
        &ImportSettings::default(),
        Present::default(),
        &mut |batch| {
            batches += 1;
            if batches == 1 {
                maildrop.deliver(batch)
            } else {
                Err(StoreError::new(StoreErrorKind::Full, "no space"))
            }
        },
        &mut |_| {},
    )
    .unwrap_err();
    assert_eq!(batches, 2);
    assert_eq!((failure.report.imported, failure.report.settled), (64, 64));
    assert_eq!(maildrop.messages().len(), 64);
    let ImportError::Deliver { first, last, .. } = &failure.error else {
        panic!("{failure}")
    };
    assert!(
        first.contains("message 65 ") && last.contains("message 100 "),
        "{failure}"
    );
}

#[test]
fn a_missing_or_strange_source_is_named() {
    let (store, mut maildrop) = target();
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none");
    for source in [
        Source::Mbox(missing.clone()),
        Source::Mbox(folder.path().to_owned()),
        Source::Maildir(missing),
        Source::Maildir(folder.path().to_owned()),
    ] {
        let failure =
            import_all(&store, &mut *maildrop, source, &ImportSettings::default()).unwrap_err();
        assert!(
            failure
                .to_string()
                .contains(folder.path().to_str().unwrap()),
            "{failure}"
        );
    }
}

#[test]
fn a_maildir_comes_in_the_order_of_its_delivery() {
    let (store, mut maildrop) = target();
    let root = tempfile::tempdir().unwrap();
    for folder in ["new", "cur", "tmp"] {
        fs::create_dir(root.path().join(folder)).unwrap();
    }
    for (name, text) in [
        ("new/30.c", "C: 3\n\n.dot"),
        ("cur/10.a:2,S", "A: 1\r\n\r\n"),
        ("cur/20.b", ""),
        ("tmp/5.unfinished", "X: 0\n\n"),
    ] {
        fs::write(root.path().join(name), text).unwrap();
    }
    std::os::unix::fs::symlink("/etc/hostname", root.path().join("new/1.link")).unwrap();
    let source = Source::Maildir(root.path().to_owned());
    let report = import_all(&store, &mut *maildrop, source, &ImportSettings::default()).unwrap();
    assert_eq!((report.imported, report.notes.count()), (3, 1));
    assert_eq!(
        bodies(&*maildrop),
        ["A: 1\r\n\r\n", "\r\n", "C: 3\r\n\r\n.dot\r\n"]
    );
    let times: Vec<u64> = maildrop
        .messages()
        .iter()
        .map(|record| record.received_secs)
        .collect();
    assert_eq!(times, [10, 20, 30]);
}
