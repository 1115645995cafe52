//! Imports that keep the unique-ids of another server (MS-STANXPOP3 C0009).

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use mailroost_storage::import::unique_ids::UniqueIds;
use mailroost_storage::import::{
    ImportFailure, ImportReport, ImportSettings, Present, Source, import,
};
use mailroost_storage::{
    Directory, MaildropStore, MemoryStore, NewUser, OwnedMaildrop, Removal, UserName,
};

struct Target {
    store: MemoryStore,
    maildrop: Box<dyn OwnedMaildrop>,
    folder: tempfile::TempDir,
}

impl Target {
    fn new() -> Self {
        let store = MemoryStore::new();
        let name = UserName::new("bob").unwrap();
        let user = store
            .add(NewUser {
                name,
                password_hash: None,
            })
            .unwrap();
        let maildrop = store.open_maildrop(user.maildrop).unwrap();
        Self {
            store,
            maildrop,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn import(
        &mut self,
        source: Source,
        unique_ids: UniqueIds,
    ) -> Result<ImportReport, ImportFailure> {
        let settings = ImportSettings {
            unique_ids,
            ..ImportSettings::default()
        };
        let messages = self.maildrop.messages().to_vec();
        let deleted = self.maildrop.deleted().unwrap().into_iter();
        let deleted: Vec<_> = deleted.filter_map(|it| it.carried_unique_id).collect();
        let present = Present {
            messages: &messages,
            deleted_unique_ids: &deleted,
        };
        let maildrop = &mut self.maildrop;
        let mut deliver = |batch| maildrop.deliver(batch);
        import(
            &self.store,
            &source,
            &settings,
            present,
            &mut deliver,
            &mut |_| {},
        )
    }

    /// Unique-id and first header line of each message.
    fn listing(&self) -> Vec<(String, String)> {
        let bodies = self.maildrop.bodies();
        let messages = self.maildrop.messages().iter().map(|record| {
            let mut body = bodies.open(record.id).unwrap();
            let mut start = [0; 80];
            let octets = body.read(&mut start).unwrap();
            let start = String::from_utf8_lossy(&start[..octets]).into_owned();
            let carried = record.carried_unique_id.as_deref().map(str::to_owned);
            let first_line = start.lines().next().unwrap().to_owned();
            (carried.unwrap_or_else(|| record.id.to_string()), first_line)
        });
        messages.collect()
    }
}

fn listed(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(id, line)| ((*id).to_owned(), (*line).to_owned()))
        .collect()
}

fn mbox(messages: &[&str]) -> String {
    let from = "From x@y Thu Jan  1 00:00:01 1970\n";
    messages
        .iter()
        .map(|message| format!("{from}{message}\n\n"))
        .collect()
}

fn maildir(target: &Target, names: &[&str]) -> PathBuf {
    let root = target.folder.path().join("Maildir");
    for folder in ["new", "cur", "tmp"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for name in names {
        target.file(
            &format!("Maildir/cur/{name}"),
            &format!("Subject: {name}\n\n"),
        );
    }
    root
}

#[test]
fn x_uidl_fields_are_kept_and_ours_is_taken_off() {
    let mut target = Target::new();
    let text = mbox(&[
        "X-UIDL: first\nSubject: 1\n\nx",
        "Subject: 2\nX-UIDL: second\n\nx",
        "Subject: 3\n\nX-UIDL: body",
    ]);
    let source = Source::Mbox(target.file("mbox", &text));
    let report = target.import(source, UniqueIds::XUidl).unwrap();
    assert_eq!((report.imported, report.refused.count()), (3, 0));
    let third = target.maildrop.messages()[2].id.to_string();
    assert_eq!(
        target.listing(),
        listed(&[
            ("first", "Subject: 1"),
            ("second", "Subject: 2"),
            (&third, "Subject: 3")
        ])
    );
}

#[test]
fn without_the_wish_the_field_means_nothing() {
    let mut target = Target::new();
    let source = Source::Mbox(target.file("mbox", &mbox(&["X-UIDL: first\n\nx"])));
    target.import(source, UniqueIds::New).unwrap();
    assert_eq!(target.listing(), listed(&[("1", "X-UIDL: first")]));
}

#[test]
fn a_message_without_a_unique_id_comes_last_and_takes_nobodys() {
    let mut target = Target::new();
    let text = mbox(&["A: 0\n", "X-UIDL: 1\nA: 1\n", "A: x\n", "X-UIDL: 3\nA: 3\n"]);
    let source = Source::Mbox(target.file("mbox", &text));
    let report = target.import(source, UniqueIds::XUidl).unwrap();
    assert_eq!(
        (report.imported, report.refused.listed()),
        (4, [].as_slice())
    );
    let listing = target.listing();
    assert_eq!(listing[..2], listed(&[("1", "A: 1"), ("3", "A: 3")]));
    assert_eq!(
        (listing[2].1.as_str(), listing[3].1.as_str()),
        ("A: 0", "A: x")
    );
    let new: Vec<u64> = listing[2..]
        .iter()
        .map(|(id, _)| id.parse().unwrap())
        .collect();
    assert!(new[0] > 3 && new[1] > new[0], "{new:?}");
}

#[test]
fn decimal_unique_ids_are_kept_over_several_batches_and_never_met_again() {
    let mut target = Target::new();
    let messages: Vec<String> = (0..200)
        .map(|n| format!("X-UIDL: {}\nA: {n}\n", 1001 + n))
        .collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    let source = Source::Mbox(target.file("mbox", &mbox(&messages)));
    let report = target.import(source.clone(), UniqueIds::XUidl).unwrap();
    assert_eq!(
        (report.imported, report.refused.listed()),
        (200, [].as_slice())
    );
    let ids: Vec<String> = target.listing().into_iter().map(|(id, _)| id).collect();
    assert_eq!(
        ids,
        (1001..=1200)
            .map(|n: u64| n.to_string())
            .collect::<Vec<_>>()
    );

    let again = target.import(source, UniqueIds::XUidl).unwrap();
    assert_eq!((again.imported, again.refused.count()), (0, 200));

    let later = Source::Mbox(target.file("later", &mbox(&["A: new\n"])));
    target.import(later, UniqueIds::New).unwrap();
    let id: u64 = target.listing()[200].0.parse().unwrap();
    assert!(id > 1200, "{id}");
}

#[test]
fn what_was_removed_and_is_kept_is_not_imported_again() {
    let mut target = Target::new();
    let first = mbox(&["X-UIDL: one\nA: 1\n", "X-UIDL: two\nA: 2\n"]);
    let first = Source::Mbox(target.file("first", &first));
    target.import(first, UniqueIds::XUidl).unwrap();
    let one = target.maildrop.messages()[0].id;
    let keeping = Removal {
        keep: true,
        ..Removal::default()
    };
    target.maildrop.remove(&[one], &keeping).unwrap();
    let again = mbox(&[
        "X-UIDL: one\nA: 1\n",
        "X-UIDL: two\nA: 2\n",
        "X-UIDL: three\nA: 3\n",
    ]);
    let again = Source::Mbox(target.file("again", &again));
    let report = target.import(again.clone(), UniqueIds::XUidl).unwrap();
    assert_eq!((report.imported, report.refused.count()), (1, 2));
    let why = &report.refused.listed()[0];
    assert!(
        why.ends_with("its unique-id one is taken by a message that was removed"),
        "{why}"
    );
    target.maildrop.purge(u64::MAX).unwrap();
    let report = target.import(again, UniqueIds::XUidl).unwrap();
    assert_eq!((report.imported, report.refused.count()), (1, 2));
}

#[test]
fn decimal_unique_ids_that_may_have_been_given_out_are_refused_alone() {
    let mut target = Target::new();
    let own = mbox(&["A: 1\n", "A: 2\n", "A: 3\n", "A: 4\n"]);
    let own = Source::Mbox(target.file("own", &own));
    target.import(own, UniqueIds::New).unwrap();
    let fourth = target.maildrop.messages()[3].id;
    target
        .maildrop
        .remove(&[fourth], &Removal::default())
        .unwrap();
    let ids = [
        "abc",
        "3",
        "4",
        "101",
        "103",
        "102",
        "104",
        "9223372036854775808",
        "def",
    ];
    let messages: Vec<String> = ids
        .iter()
        .map(|id| format!("X-UIDL: {id}\nB: {id}\n"))
        .collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    let source = Source::Mbox(target.file("mbox", &mbox(&messages)));
    let report = target.import(source, UniqueIds::XUidl).unwrap();
    let refused = report.refused.listed().join("\n");
    assert_eq!(
        (report.imported, report.refused.count()),
        (5, 4),
        "{refused}"
    );
    for message in [2, 3, 6, 8] {
        assert!(
            refused.contains(&format!("message {message} (")),
            "{refused}"
        );
    }
    let ids: Vec<String> = target.listing().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["1", "2", "3", "abc", "101", "103", "104", "def"]);
}

#[test]
fn a_unique_id_that_is_taken_is_refused_with_both_places() {
    let mut target = Target::new();
    let first = Source::Mbox(target.file("one", &mbox(&["X-UIDL: same\nA: 1\n"])));
    target.import(first, UniqueIds::XUidl).unwrap();
    let text = mbox(&[
        "X-UIDL: same\nA: 2\n",
        "X-UIDL: other\nA: 3\n",
        "X-UIDL: other\nA: 4\n",
    ]);
    let path = target.file("two", &text);
    let report = target
        .import(Source::Mbox(path.clone()), UniqueIds::XUidl)
        .unwrap();
    let path = path.display();
    assert_eq!(report.imported, 1);
    assert_eq!(
        report.refused.listed(),
        [
            format!(
                "{path}, message 1 (line 1): its unique-id same is taken by message 1 of the \
                 maildrop"
            ),
            format!(
                "{path}, message 3 (line 11): its unique-id other is taken by {path}, message 2 \
                 (line 6)"
            ),
        ]
    );
    assert_eq!(
        target.listing(),
        listed(&[("same", "A: 1"), ("other", "A: 3")])
    );
}

#[test]
fn a_bad_unique_id_refuses_its_message_alone() {
    let mut target = Target::new();
    let long = format!("X-UIDL: {}\n", "x".repeat(71));
    let text = mbox(&["X-UIDL: a b\n", "X-UIDL:\n", &long, "X-UIDL: good\nA: 1\n"]);
    let source = Source::Mbox(target.file("mbox", &text));
    let report = target.import(source, UniqueIds::XUidl).unwrap();
    assert_eq!((report.imported, report.refused.count()), (1, 3));
    assert_eq!(target.listing(), listed(&[("good", "A: 1")]));
}

#[test]
fn what_is_refused_is_told_once() {
    let mut target = Target::new();
    let large = format!("A: {}\n", "x".repeat(2000));
    let text = mbox(&[
        "X-UIDL: a b\nA: 1\n",
        &large,
        "A: 3\n",
        "X-UIDL: good\nA: 4\n",
    ]);
    let source = Source::Mbox(target.file("mbox", &text));
    let settings = ImportSettings {
        unique_ids: UniqueIds::XUidl,
        octets_max: Some(1000),
        ..ImportSettings::default()
    };
    let maildrop = &mut target.maildrop;
    let mut deliver = |batch| maildrop.deliver(batch);
    let report = import(
        &target.store,
        &source,
        &settings,
        Present::default(),
        &mut deliver,
        &mut |_| {},
    )
    .unwrap();
    let refused = report.refused.listed();
    assert_eq!((report.imported, refused.len()), (2, 2), "{refused:?}");
    assert!(refused[0].contains("message 1 (") && refused[1].contains("message 2 ("));
}

#[test]
fn a_field_that_is_cut_at_the_limit_is_none() {
    let mut target = Target::new();
    let root = maildir(&target, &[]);
    let field = "X-UIDL: abcdef\n";
    let before = 256 * 1024 - "X-UIDL: abc".len();
    let header = format!("A: {}\n", "x".repeat(before - "A: \n".len()));
    target.file("Maildir/new/1.x", &format!("{header}{field}\nbody\n"));
    target
        .import(Source::Maildir(root), UniqueIds::XUidl)
        .unwrap();
    assert_eq!(target.listing()[0].0, "1");
}

#[test]
fn dovecot_and_courier_lists_find_messages_by_their_names() {
    let names = [
        "1655390418.M1.h,S=20:2,S",
        "1655390419.M2.h",
        "1655390420.M3.h:2,",
    ];
    let dovecot = "3 V1655390361 N9\n1 :1655390418.M1.h,S=20:2,S\n7 Psaved :1655390419.M2.h\n";
    let courier =
        "/3 9 1655390361\n1655390418.M1.h,S=20 20 5:1655390361:0\n1655390419.M2.h 20 6:0:0\n";
    for (file, text, expected) in [
        ("dovecot-uidlist", dovecot, ["0000000162ab4099", "saved"]),
        ("courierpop3dsizelist", courier, ["UID5-1655390361", "UID6"]),
    ] {
        let mut target = Target::new();
        let root = maildir(&target, &names);
        let list = target.file(&format!("Maildir/{file}"), text);
        let unique_ids = if text == dovecot {
            UniqueIds::Dovecot(list)
        } else {
            UniqueIds::Courier(list)
        };
        let report = target.import(Source::Maildir(root), unique_ids).unwrap();
        assert_eq!((report.imported, report.refused.count()), (3, 0));
        let ids: Vec<String> = target.listing().into_iter().map(|(id, _)| id).collect();
        let third = target.maildrop.messages()[2].id.to_string();
        assert_eq!(ids, [expected[0], expected[1], &third]);
    }
}

#[test]
fn two_columns_name_numbers_or_files() {
    let mut target = Target::new();
    let list = target.file("ids", "1 abc\n2\tdef\n");
    let source = Source::Mbox(target.file("mbox", &mbox(&["A: 1\n", "A: 2\n"])));
    target.import(source, UniqueIds::TwoColumns(list)).unwrap();
    let root = maildir(&target, &["5.x:2,S"]);
    let list = target.file("names", "5.x ghi\n");
    target
        .import(Source::Maildir(root), UniqueIds::TwoColumns(list))
        .unwrap();
    assert_eq!(
        target.listing(),
        listed(&[
            ("abc", "A: 1"),
            ("def", "A: 2"),
            ("ghi", "Subject: 5.x:2,S")
        ])
    );
}

#[test]
fn a_list_that_is_wrong_imports_nothing() {
    let mut target = Target::new();
    let list = target.file("ids", "1 abc\nword\n");
    let source = Source::Mbox(target.file("mbox", &mbox(&["A: 1\n"])));
    let failure = target
        .import(source.clone(), UniqueIds::TwoColumns(list))
        .unwrap_err();
    assert!(
        failure.to_string().contains("ids, line 2: a line is"),
        "{failure}"
    );
    let dovecot = UniqueIds::Dovecot(Path::new("dovecot-uidlist").to_owned());
    let failure = target.import(source, dovecot).unwrap_err();
    assert!(
        failure.to_string().contains("about the files of a maildir"),
        "{failure}"
    );
    assert_eq!(target.listing(), []);
}
