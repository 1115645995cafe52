//! A whole LMTP session: the same octets, whole, cut as the input says, and one by one, must lead
//! to the same replies and deliveries; and one by one they are watched by the law of where a
//! message ends (see `watch`).

mod dialog;
mod repaired;
mod watch;

use mailroost_protocol::lmtp::{LmtpPolicy, Nonconforming, OverQuota};

use crate::cut;
use dialog::{Dialog, Story};
use watch::Watch;

/// How the outside behaves: the first four octets of an input.
#[derive(Clone)]
pub struct Scene<'a> {
    policy: LmtpPolicy,
    /// The store fails a message that gets longer.
    room: usize,
    /// How recipients, places and deliveries end, over and over.
    decisions: &'a [u8],
}

/// The target. Four octets say how the outside behaves, four how it decides, four how reads are
/// cut; the rest is what the client sends.
pub fn lmtp(data: &[u8]) {
    let Some((&[choices, octets_max, room, errors], data)) = data.split_first_chunk() else {
        return;
    };
    let (decisions, data) = data.split_at(data.len().min(4));
    let policy = LmtpPolicy {
        message_octets_max: 16 * u64::from(octets_max),
        recipients_max: 1 + usize::from(choices >> 4),
        protocol_errors_max: 1 + u32::from(errors),
        nonconforming: match choices & 1 {
            0 => Nonconforming::Repair,
            _ => Nonconforming::Refuse,
        },
        over_quota: match choices & 2 {
            0 => OverQuota::Temporary,
            _ => OverQuota::Permanent,
        },
        ..LmtpPolicy::default()
    };
    let scene = Scene {
        policy,
        room: 64 * usize::from(room),
        decisions,
    };
    let (reads, all) = cut::cut(data);
    let mut watched = Dialog::new(&scene);
    let mut watch = Watch::new(&scene, watched.greeted());
    for octet in all {
        let events = watched.input(std::slice::from_ref(octet));
        if watch.octet(*octet, events).is_closed() {
            break;
        }
    }
    let single = watched.story();
    assert_eq!(told(&scene, &[all]), single);
    assert_eq!(told(&scene, &reads), single);
}

fn told(scene: &Scene<'_>, reads: &[&[u8]]) -> Story {
    let mut dialog = Dialog::new(scene);
    dialog.greeted();
    for read in reads {
        for read in read.chunks(mailroost_protocol::session::INPUT_OCTETS_MAX) {
            dialog.input(read);
        }
    }
    dialog.story()
}
