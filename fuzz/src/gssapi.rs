//! The choice of a security layer at the end of a GSSAPI exchange (RFC 4752 s3.1): nothing is
//! chosen that was not offered, and a layer only with room for an octet.

use mailroost_auth::gssapi::fuzzing::{choice, offer};

/// The target. The first octet says what the context can do; the rest is the client's message.
pub fn gssapi(data: &[u8]) {
    let Some((context, message)) = data.split_first() else {
        return;
    };
    let [tls, integrity, confidentiality] = [1, 2, 4].map(|bit| context & bit != 0);
    let [layers, size @ ..] = offer(tls, integrity, confidentiality);
    assert_eq!(size == [0; 3], layers == 1);
    let chosen = choice(tls, integrity, confidentiality, message);
    let Some((send_octets_max, authzid)) = chosen else {
        return;
    };
    let layer = message[0];
    assert!(layer.is_power_of_two() && layers & layer != 0);
    let room = u32::from_be_bytes([0, message[1], message[2], message[3]]);
    match layer {
        1 => assert_eq!(send_octets_max, 0),
        _ => assert!((1..room).contains(&send_octets_max)),
    }
    assert_eq!(authzid.unwrap_or_default().as_bytes(), &message[4..]);
    assert!(!authzid.is_some_and(|authzid| authzid.is_empty() || authzid.contains('\0')));
}
