//! Messages of MS-NLMP 4.2.4.3 and of real clients; everything that lies outside of one.

use proptest::prelude::*;

use super::authenticate::{Authenticate, Response};
use super::av_pairs::{AvId, AvPairList, AvPairs};
use super::challenge::Challenge;
use super::flags::Flags;
use super::*;

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// The AUTHENTICATE message of MS-NLMP 4.2.4.3.
fn authenticate() -> Vec<u8> {
    octets(
        "4e544c4d53535000 03000000 18001800 6c000000 54005400 84000000 0c000c00 48000000
         08000800 54000000 10001000 5c000000 10001000 d8000000 358288e2 0501280a 0000000f
         44006f006d00610069006e00 5500730065007200 43004f004d00500055005400450052 00
         86c35097ac9cec102554764a57cccc19 aaaaaaaaaaaaaaaa 68cd0ab851e51c96aabc927bebef6a1c
         0101000000000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000
         02000c0044006f006d00610069006e00 01000c0053006500720076006500720000000000 00000000
         c5dad2544fc9799094ce1ce90bc9d03e",
    )
}

fn is_malformed<T>(outcome: &Result<T, AuthError>) -> bool {
    matches!(outcome, Err(AuthError::Malformed(_)))
}

#[test]
fn the_authenticate_message_of_4_2_4_3_is_taken_apart() {
    let message = authenticate();
    let parsed = Authenticate::parse(&message).unwrap();
    assert_eq!(parsed.user, utf16("User"));
    assert_eq!(parsed.domain, utf16("Domain"));
    assert_eq!(parsed.session_key.len(), 16);
    assert!(parsed.flags.has(Flags::KEY_EXCHANGE) && parsed.flags.has(Flags::UNICODE));
    // A version, and no room for a MIC.
    assert_eq!(parsed.mic(), None);
    let Ok(Response::V2 { proof, temp, pairs }) = parsed.response() else {
        panic!("it is NTLMv2");
    };
    assert_eq!(proof[..2], [0x68, 0xcd]);
    assert_eq!(temp.len(), 84 - 16);
    assert_eq!(pairs.find(AvId::NetBiosDomain), Some(&*utf16("Domain")));
    assert_eq!(pairs.find(AvId::NetBiosComputer), Some(&*utf16("Server")));
    assert_eq!(pairs.channel(), None);
    assert!(!pairs.announce_mic());
}

#[test]
fn curls_negotiate_of_32_octets_is_enough() {
    let curl = octets("4e544c4d53535000 01000000 06820800 0000000000000000 0000000000000000");
    let granted = negotiate::flags(&curl).unwrap().granted().unwrap();
    assert!(granted.has(Flags::OEM) && !granted.has(Flags::UNICODE));
    assert!(granted.has(Flags::EXTENDED_SESSION_SECURITY));
    assert!(!granted.has(Flags::KEY_EXCHANGE) && !granted.has(Flags::BITS_128));
}

#[test]
fn unicode_wins_and_what_windows_wants_is_granted() {
    let granted = Flags(0xe208_8297 | 0x2).granted().unwrap();
    assert!(granted.has(Flags::UNICODE) && !granted.has(Flags::OEM));
    for wanted in [
        Flags::BITS_128,
        Flags::BITS_56,
        Flags::KEY_EXCHANGE,
        Flags::SIGN,
    ] {
        assert!(granted.has(wanted), "{wanted:?}");
    }
    // No version (0x02000000), no LM key (0x80).
    assert_eq!(granted.0 & 0x0200_0080, 0);
    assert_eq!(Flags::NTLM.granted(), None);
}

#[test]
fn a_negotiate_message_with_a_name_outside_of_it_is_malformed() {
    let with = |length: u16, offset: u32| {
        let mut message = octets("4e544c4d53535000 01000000 07b20000 00000000 00000000");
        message.extend([length.to_le_bytes(), length.to_le_bytes()].concat());
        message.extend(offset.to_le_bytes());
        message.extend(b"WORKSTATION");
        negotiate::flags(&message)
    };
    assert!(with(11, 32).is_ok());
    assert!(with(0, u32::MAX).is_ok());
    for (length, offset) in [(12, 32), (11, 31), (1, u32::MAX), (u16::MAX, 32), (11, 33)] {
        assert!(is_malformed(&with(length, offset)), "{length} at {offset}");
    }
    let long = [octets("4e544c4d53535000 01000000 07020000"), vec![0; 4096]].concat();
    assert!(is_malformed(&negotiate::flags(&long)));
}

#[test]
fn a_challenge_says_where_its_parts_are() {
    let mut pairs = AvPairList::default();
    pairs.name(AvId::NetBiosComputer, "POP3");
    let target_info = pairs.end();
    for (flags, target) in [
        (Flags::UNICODE, utf16("POP3")),
        (Flags::OEM, b"POP3".to_vec()),
    ] {
        let challenge = Challenge {
            flags,
            target: "POP3",
            nonce: *b"8 octets",
            target_info: &target_info,
        };
        let message = challenge.build();
        expect(&message, 2).unwrap();
        assert_eq!(payload(&message, 12, 56).unwrap(), target);
        assert_eq!(payload(&message, 40, 56).unwrap(), target_info);
        assert_eq!(message[24..32], *b"8 octets");
        // No version is told.
        assert_eq!(message[48..56], [0; 8]);
    }
}

#[test]
fn pairs_may_be_added_and_left_out_but_not_changed() {
    let list = |pairs: &[(AvId, &str)]| {
        let mut list = AvPairList::default();
        for (id, name) in pairs {
            list.name(*id, name);
        }
        list.end()
    };
    let (computer, domain) = (AvId::NetBiosComputer, AvId::NetBiosDomain);
    let ours = list(&[(domain, "MAIL"), (computer, "POP3")]);
    let repeats = |theirs: &[u8]| {
        let parsed = AvPairs::parse(theirs).unwrap();
        parsed.repeat(AvPairs::parse(&ours).unwrap())
    };
    assert!(repeats(&ours));
    assert!(repeats(&[]));
    assert!(repeats(&list(&[
        (computer, "POP3"),
        (AvId::DnsTree, "added")
    ])));
    assert!(!repeats(&list(&[(computer, "OTHER")])));
    assert!(!repeats(&list(&[(computer, "POP3"), (domain, "OTHER")])));
    assert!(!repeats(&list(&[(computer, "POP3"), (computer, "OTHER")])));
}

#[test]
fn lists_that_do_not_end_are_malformed() {
    for list in ["01000200", "0100020041", "010002004100", "0100ffff41004100"] {
        assert!(is_malformed(&AvPairs::parse(&octets(list))), "{list}");
    }
    for list in [
        "",
        "000000",
        "00000000",
        "010002004100 00000000",
        "00000000 01000200",
    ] {
        assert!(AvPairs::parse(&octets(list)).is_ok(), "{list}");
    }
}

#[test]
fn no_truncation_of_a_message_has_a_response() {
    let message = authenticate();
    for length in 0..message.len() {
        let parsed = Authenticate::parse(&message[..length]);
        assert!(is_malformed(&parsed), "{length}");
    }
}

#[test]
fn a_field_that_points_into_the_header_or_out_of_the_message_is_malformed() {
    for at in [12, 20, 28, 36, 44, 52] {
        for offset in [0_u32, 63, 0xd9, 0xffff, u32::MAX] {
            let mut message = authenticate();
            message[at..at + 2].copy_from_slice(&16_u16.to_le_bytes());
            message[at + 4..at + 8].copy_from_slice(&offset.to_le_bytes());
            assert!(
                is_malformed(&Authenticate::parse(&message)),
                "{at}: {offset}"
            );
        }
    }
}

#[test]
fn weak_and_empty_responses_are_named_as_such() {
    let of = |lm: usize, nt: usize| {
        let mut message = authenticate();
        message[12..14].copy_from_slice(&u16::try_from(lm).unwrap().to_le_bytes());
        message[20..22].copy_from_slice(&u16::try_from(nt).unwrap().to_le_bytes());
        Authenticate::parse(&message)
            .unwrap()
            .response()
            .map(|_| ())
    };
    let refused = |why| Err(AuthError::NotPermitted(why));
    assert_eq!(of(0, 0), refused("anonymous log-on"));
    assert_eq!(of(1, 0), refused("anonymous log-on"));
    for (lm, nt) in [(24, 0), (24, 23), (24, 1)] {
        assert_eq!(of(lm, nt), refused("an LM response is refused"));
    }
    for lm in [0, 24] {
        assert_eq!(of(lm, 24), Ok(()));
    }
    for nt in [25, 43] {
        assert!(is_malformed(&of(24, nt)), "{nt}");
    }
    assert_eq!(of(24, 84), Ok(()));
}

proptest! {
    #[test]
    fn no_octets_panic(
        message_type in 0_u8..5, rest in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut message = [SIGNATURE, &[message_type, 0, 0, 0][..]].concat();
        message.extend(rest);
        let _ = negotiate::flags(&message).map(Flags::granted);
        if let Ok(parsed) = Authenticate::parse(&message) {
            let _ = (parsed.response().map(|_| ()), parsed.mic(), parsed.with_mic_zeroed());
        }
    }

    #[test]
    fn no_change_to_a_good_message_panics(at in 0_usize..232, octet in any::<u8>()) {
        let mut message = authenticate();
        message[at] = octet;
        if let Ok(parsed) = Authenticate::parse(&message) {
            let _ = (parsed.response().map(|_| ()), parsed.mic(), parsed.with_mic_zeroed());
        }
    }
}
