//! NTLM's messages 1 and 3: no octets of a client that does not know the hash let anybody in, an
//! honest client is let in, and one whose message was changed on its way, and who announced a
//! check of it, is not.

use std::time::{Duration, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use mailroost_auth::ntlm::{Ntlm, NtlmSettings, V1, nt_hash};
use mailroost_auth::{ExtendedProtection, Link, Mechanism, Progress};
use md5::Md5;

use crate::sasl::source::{Ann, NAME, PASSWORD};

/// Unicode, NTLM, extended session security; with or without an exchange of keys.
const FLAGS: u32 = 0xa208_8205;

/// The target. The first octet says how the server is set, the second whose the messages are:
/// with 0 the client's own (a length, NEGOTIATE, AUTHENTICATE); with others those of an honest
/// client, with a domain of `data` in them, and changed where the next two octets say.
pub fn ntlm(data: &[u8]) {
    let [choices, kind, data @ ..] = data else {
        return;
    };
    let settings = NtlmSettings {
        extended_protection: [
            ExtendedProtection::Allow,
            ExtendedProtection::Off,
            ExtendedProtection::Require,
        ][usize::from(choices % 3)],
        v1: [V1::Refused, V1::Extended, V1::Plain][usize::from(choices / 4 % 3)],
        ..NtlmSettings::default()
    };
    let at = UNIX_EPOCH + Duration::from_secs(1_793_000_000);
    let mechanism = Ntlm::new(settings)
        .unwrap()
        .with_fixed_challenge([1; 8], at);
    match kind {
        0 => raw(&mechanism, data),
        _ => honest(&mechanism, choices % 3 != 2, data),
    }
}

fn raw(mechanism: &Ntlm, data: &[u8]) {
    let Some((length, data)) = data.split_first() else {
        return;
    };
    let (negotiate, authenticate) = data.split_at(usize::from(*length).min(data.len()));
    let source = Ann::default();
    let mut exchange = mechanism.start(&Link::default());
    match exchange.step(negotiate, &source) {
        Progress::Challenge(challenge) => check_challenge(&challenge),
        Progress::Failure(_) => {}
        other => panic!("{other:?}"),
    }
    for message in [authenticate, authenticate] {
        let end = exchange.step(message, &source);
        assert!(matches!(end, Progress::Failure(_)), "{end:?}");
    }
    assert!(source.admitted.into_inner().unwrap().is_empty());
}

/// MS-NLMP 2.2.1.2: what the fields point at lies in the message, and the list has its end.
fn check_challenge(challenge: &[u8]) {
    assert!(challenge.starts_with(b"NTLMSSP\0\x02\0\0\0"));
    for at in [12, 40] {
        let length = usize::from(u16::from_le_bytes(
            challenge[at..at + 2].try_into().unwrap(),
        ));
        let offset = u32::from_le_bytes(challenge[at + 4..at + 8].try_into().unwrap());
        assert!(offset as usize + length <= challenge.len());
    }
    assert!(challenge.ends_with(&[0; 4]));
}

fn honest(mechanism: &Ntlm, binding_is_free: bool, data: &[u8]) {
    let Some((&[options, at, change], domain)) = data.split_first_chunk() else {
        return;
    };
    let domain: Vec<u8> = domain
        .iter()
        .take(40)
        .flat_map(|octet| [octet & 0x7f, 0])
        .collect();
    let flags = match options & 1 {
        0 => FLAGS,
        _ => FLAGS | 0x4000_0000,
    };
    let domain = if options & 2 == 0 { &[] } else { &domain[..] };
    let mut negotiate = b"NTLMSSP\0\x01\0\0\0".to_vec();
    negotiate.extend(flags.to_le_bytes());
    negotiate.extend([0; 16]);
    let source = Ann::default();
    let mut exchange = mechanism.start(&Link::default());
    let Progress::Challenge(challenge) = exchange.step(&negotiate, &source) else {
        panic!("an honest client is not challenged");
    };
    let mut message = authenticate(flags, domain, &negotiate, &challenge);
    let place = usize::from(at) * message.len() / 256;
    message[place] ^= change;
    match exchange.step(&message, &source) {
        Progress::Success(_) => {
            assert_eq!(change, 0, "a message that was changed is accepted");
            assert!(binding_is_free);
            let admitted = source.admitted.into_inner().unwrap();
            assert_eq!(admitted, [(NAME.to_owned(), None)]);
        }
        Progress::Failure(_) => {
            let refused = change != 0 || !domain.is_empty() || !binding_is_free;
            assert!(refused, "Ann is refused");
        }
        other => panic!("{other:?}"),
    }
}

/// AUTHENTICATE_MESSAGE of somebody who knows Ann's password (MS-NLMP 3.1.5.1.2, 3.3.2).
fn authenticate(flags: u32, domain: &[u8], negotiate: &[u8], challenge: &[u8]) -> Vec<u8> {
    let info = u32::from_le_bytes(challenge[44..48].try_into().unwrap()) as usize;
    // The server's pairs but for their end, and then: a MIC is sent.
    let mut pairs = challenge[info..challenge.len() - 4].to_vec();
    pairs.extend([6, 0, 4, 0, 2, 0, 0, 0]);
    pairs.extend([0; 4]);
    let temp = [
        &[1, 1, 0, 0, 0, 0, 0, 0][..],
        &[0; 8],
        &[0xaa; 8],
        &[0; 4],
        &pairs,
        &[0; 4],
    ];
    let temp = temp.concat();
    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let key = mac(&*nt_hash(PASSWORD), &[&wide(&NAME.to_uppercase()), domain]);
    let proof = mac(&key, &[&challenge[24..32], &temp]);
    let base_key = mac(&key, &[&proof]);
    // Keys that are exchanged are enciphered with RC4. One that is all zero has a cipher text
    // that only the server has to know: the session key is what it makes of ours.
    let (session_key, enciphered) = match flags & 0x4000_0000 {
        0 => (base_key, Vec::new()),
        _ => (rc4(&base_key, [0x55; 16]), vec![0x55; 16]),
    };
    let response = [&proof[..], &temp].concat();
    let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
    let mut payload = Vec::new();
    for field in [
        &[0; 24][..],
        &response,
        domain,
        &wide(NAME),
        b"",
        &enciphered,
    ] {
        let length = (field.len() as u16).to_le_bytes();
        message.extend([length, length].concat());
        message.extend((88 + payload.len() as u32).to_le_bytes());
        payload.extend_from_slice(field);
    }
    message.extend(flags.to_le_bytes());
    message.resize(88, 0);
    message.extend(payload);
    let mic = mac(&session_key, &[negotiate, challenge, &message]);
    message[72..88].copy_from_slice(&mic);
    message
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = <Hmac<Md5> as KeyInit>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// RC4, written down from its description: nobody should use it for anything.
fn rc4(key: &[u8; 16], mut octets: [u8; 16]) -> [u8; 16] {
    let mut state: [u8; 256] = std::array::from_fn(|at| at as u8);
    let mut other = 0_u8;
    for at in 0..256 {
        other = other.wrapping_add(state[at]).wrapping_add(key[at % 16]);
        state.swap(at, other.into());
    }
    let (mut one, mut other) = (0_u8, 0_u8);
    for octet in &mut octets {
        one = one.wrapping_add(1);
        other = other.wrapping_add(state[usize::from(one)]);
        state.swap(one.into(), other.into());
        let sum = state[usize::from(one)].wrapping_add(state[usize::from(other)]);
        *octet ^= state[usize::from(sum)];
    }
    octets
}
