//! Packing and unpacking are inverse; damage is seen.

use proptest::prelude::*;

use super::*;
use crate::{MaildropId, NewUser, Removal, User, UserName};

fn records() -> impl Strategy<Value = Vec<MessageRecord>> {
    let record = (
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
        prop::option::of("[!-~]{1,70}"),
        any::<bool>(),
    );
    prop::collection::btree_map(0_u64..64, record, 0..64).prop_map(|by_offset| {
        let record = |(offset, (exact_octets, stored_octets, received_secs, carried, read))| {
            let carried: Option<String> = carried;
            MessageRecord {
                id: MessageId(5 << SEGMENT_BITS | offset),
                exact_octets,
                stored_octets,
                received_secs,
                carried_unique_id: carried.map(String::into_boxed_str),
                read,
            }
        };
        by_offset.into_iter().map(record).collect()
    })
}

proptest! {
    #[test]
    fn a_segment_comes_back(records in records()) {
        let mut back = Vec::new();
        decode_segment(5, &encode_segment(records.iter()), &mut back).unwrap();
        prop_assert_eq!(back, records);
    }

    #[test]
    fn a_row_comes_back(n in prop::array::uniform8(any::<u64>()), quota_warned: bool) {
        let row = MaildropRow {
            sequence: Sequence { next: n[0], first_own: n[1] },
            revision: n[2],
            messages: n[3],
            exact_octets: n[4],
            stored_octets: n[5],
            quota_warned,
            deleted: n[6],
            deleted_octets: n[7],
        };
        prop_assert_eq!(MaildropRow::decode(&row.encode()), Some(row));
    }

    #[test]
    fn a_journal_entry_comes_back(ids in prop::collection::vec(any::<u64>(), 0..50)) {
        let entry = JournalEntry::Unlink(ids.into_iter().map(MessageId).collect());
        prop_assert_eq!(JournalEntry::decode(&entry.encode()), Some(entry));
    }

    #[test]
    fn deletions_come_back(records in records(), n in prop::array::uniform2(any::<u64>())) {
        let removal = Removal {
            at_secs: n[0],
            session: (n[1] % 2 == 0).then(|| "7f3a".into()),
            keep: true,
        };
        let deleted: Vec<DeletedRecord> = records
            .into_iter()
            .map(|record| record.into_deleted(n[1], &removal))
            .collect();
        let mut back = Vec::new();
        decode_deleted(5, &encode_deleted(deleted.iter()), &mut back).unwrap();
        prop_assert_eq!(&back, &deleted);
        let ids = deleted.iter().map(|record| record.id).collect();
        let files = deleted.iter().map(|record| (record.id, Deletion::of(record)));
        for entry in [
            JournalEntry::Keep(ids, Deletion::by(&removal, n[1])),
            JournalEntry::Forget(files.collect()),
        ] {
            prop_assert_eq!(JournalEntry::decode(&entry.encode()), Some(entry));
        }
    }

    #[test]
    fn no_octets_make_a_decoder_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = MaildropRow::decode(&octets);
        let _ = decode_user(&octets);
        let _ = JournalEntry::decode(&octets);
        let _ = decode_segment(1, &octets, &mut Vec::new());
        let _ = decode_deleted(1, &octets, &mut Vec::new());
        let _ = unseal(b"key", &octets);
    }

    #[test]
    fn a_changed_octet_or_key_breaks_the_seal(
        content in prop::collection::vec(any::<u8>(), 0..50), at in any::<prop::sample::Index>()
    ) {
        let mut sealed = seal(b"key", content.clone());
        prop_assert_eq!(unseal(b"key", &sealed), Some(&content[..]));
        prop_assert_eq!(unseal(b"kez", &sealed), None);
        let at = at.index(sealed.len());
        sealed[at] ^= 0x10;
        prop_assert_eq!(unseal(b"key", &sealed), None);
    }
}

#[test]
fn users_come_back() {
    for (password_hash, exact) in [
        (None, None),
        (Some(""), Some(true)),
        (Some("$argon2id$"), Some(false)),
    ] {
        let new = NewUser {
            name: UserName::new("ünï@example.org").unwrap(),
            password_hash: password_hash.map(str::to_owned),
        };
        let user = User {
            pop_enabled: exact.is_some(),
            use_protocol_defaults: exact != Some(true),
            exact_rfc822_size: exact,
            site: password_hash.map(|_| "north-1".into()),
            ..User::new(new, MaildropId(u64::MAX), 1_800_000_000)
        };
        assert_eq!(decode_user(&encode_user(&user)).as_ref(), Some(&user));
        let user = crate::conformance::directory::full_user(user);
        assert_eq!(decode_user(&encode_user(&user)), Some(user));
    }
}

/// Records that were written before there was `use_protocol_defaults`.
#[test]
fn an_override_in_an_earlier_record_acts() {
    for (exact, use_protocol_defaults) in [(None, true), (Some(true), false), (Some(false), false)]
    {
        let new = NewUser {
            name: UserName::new("ann").unwrap(),
            password_hash: Some("hash".to_owned()),
        };
        let user = User {
            use_protocol_defaults,
            exact_rfc822_size: exact,
            ..User::new(new, MaildropId(7), 1_800_000_000)
        };
        let mut earlier = Vec::new();
        put_octets(&mut earlier, b"ann");
        put(&mut earlier, 7);
        put(&mut earlier, user.created_secs);
        earlier.extend([1, exact.map_or(0, |exact| 1 + u8::from(exact)), 1]);
        put_octets(&mut earlier, b"hash");
        assert_eq!(decode_user(&earlier).as_ref(), Some(&user));
        assert_eq!(user.exact_rfc822_size_in_effect(), exact);
    }
}

#[test]
fn ordinary_records_are_small() {
    let records: Vec<MessageRecord> = (0..64)
        .map(|n| MessageRecord {
            id: MessageId(n),
            exact_octets: 40_000,
            stored_octets: 45_056,
            received_secs: 1_800_000_000,
            carried_unique_id: None,
            read: true,
        })
        .collect();
    assert!(encode_segment(records.iter()).len() <= 64 * 13);
    for entry in [
        JournalEntry::Folder,
        JournalEntry::Owner(UserName::new("ann").unwrap()),
    ] {
        assert_eq!(JournalEntry::decode(&entry.encode()), Some(entry));
    }
}

/// Rows, segments and journal entries from before bodies were kept, as octets.
#[test]
fn earlier_records_are_understood() {
    let row = MaildropRow {
        sequence: Sequence {
            next: 300,
            first_own: 1,
        },
        revision: 5,
        messages: 2,
        exact_octets: 129,
        stored_octets: 8_192,
        ..MaildropRow::NEW
    };
    let octets = [0xAC, 0x02, 1, 5, 2, 0x81, 0x01, 0x80, 0x40];
    assert_eq!(MaildropRow::decode(&octets), Some(row));
    let record = |id, carried: Option<&str>| MessageRecord {
        id: MessageId(id),
        exact_octets: 129,
        stored_octets: 4_096,
        received_secs: 7,
        carried_unique_id: carried.map(Box::from),
        read: false,
    };
    let octets = [
        0, 0x81, 0x01, 0x80, 0x20, 7, 0, 63, 0x81, 0x01, 0x80, 0x20, 7, 2, b'i', b'd',
    ];
    let mut records = Vec::new();
    decode_segment(2, &octets, &mut records).unwrap();
    assert_eq!(records, [record(128, None), record(191, Some("id"))]);
    let entry = JournalEntry::Unlink([300, 301].map(MessageId).to_vec());
    assert_eq!(JournalEntry::decode(&[1, 0xAC, 0x02, 1]), Some(entry));
    let octets = b"\x03ann\x07\x09\x01\x02\x01\x04hash\x00\x05north";
    let new = NewUser {
        name: UserName::new("ann").unwrap(),
        password_hash: Some("hash".to_owned()),
    };
    let user = User {
        use_protocol_defaults: false,
        exact_rfc822_size: Some(true),
        site: Some("north".into()),
        ..User::new(new, MaildropId(7), 9)
    };
    assert_eq!(decode_user(octets), Some(user));
}
