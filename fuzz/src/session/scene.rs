//! What a session's input says besides the client's octets: the policy, the connection, and how
//! reads are cut and effects end.
//!
//! | octets | say |
//! | --- | --- |
//! | 4 | policy and connection, a bit or a nibble for each choice |
//! | 1 | how many decisions follow |
//! | so many | decisions, an octet for each; when there are no more, all is well |
//! | the rest | what the client sends |

use std::sync::Arc;

use mailroost_protocol::{
    LoginType, MechanismOffer, OverlongCommand, Policy, Profile, Separators, SizeKind, TlsFacts,
    Transport,
};

/// The longest SASL line, its end counted. Much less than a policy may say, so that an input of a
/// few hundred octets gets over it.
pub const CONTINUATION_OCTETS_MAX: usize = 100;

/// How a session begins.
pub struct Scene<'a> {
    pub policy: Policy,
    pub transport: Transport,
    /// How many messages the maildrop has.
    pub messages: u64,
    /// Whether a record of the commands is kept.
    pub keeps_log: bool,
    pub decisions: Decisions<'a>,
    /// What the client sends.
    pub octets: &'a [u8],
}

impl<'a> Scene<'a> {
    /// Any octets are a scene; those that are missing are zero.
    pub fn new(data: &'a [u8]) -> Self {
        let (head, rest) = data.split_at(data.len().min(5));
        let head: [u8; 5] = std::array::from_fn(|at| head.get(at).copied().unwrap_or_default());
        let [choices, link, counts, limits, decisions] = head;
        let (decisions, octets) = rest.split_at(usize::from(decisions).min(rest.len()));
        let facts = TlsFacts {
            version: "TLSv1.3".to_owned(),
            channel_binding: bit(link, 1),
            client_certificate: bit(link, 2),
            ..TlsFacts::default()
        };
        Self {
            policy: policy(choices, link, counts, limits),
            transport: Transport {
                tls: bit(link, 0).then_some(facts),
                stls: bit(choices, 7),
                mechanisms: mechanisms(),
            },
            messages: u64::from(counts & 0x0f) % 7,
            keeps_log: bit(link, 6),
            decisions: Decisions(decisions),
            octets,
        }
    }
}

fn bit(octet: u8, number: u8) -> bool {
    octet >> number & 1 == 1
}

fn policy(choices: u8, link: u8, counts: u8, limits: u8) -> Policy {
    let profile = Profile::ALL[usize::from(choices & 3)];
    let mut policy = Policy {
        login_type: match choices >> 2 & 3 {
            0 => LoginType::SecureLogin,
            1 => LoginType::PlainTextAuthentication,
            _ => LoginType::PlainTextLogin,
        },
        response_codes: bit(choices, 4),
        refusal_ids: bit(choices, 5),
        pipelining: bit(choices, 6),
        protocol_errors_max: 1 + u32::from(counts >> 4),
        auth_failures_max: 1 + u32::from(limits & 0x0f),
        command_octets_max: 40 + 32 * usize::from(limits >> 4),
        continuation_octets_max: CONTINUATION_OCTETS_MAX,
        ..profile.policy()
    };
    if bit(link, 3) {
        policy.separators = match policy.separators {
            Separators::Lenient => Separators::SingleSpace,
            Separators::SingleSpace => Separators::Lenient,
        };
    }
    if bit(link, 4) {
        policy.overlong_command = match policy.overlong_command {
            OverlongCommand::Close => OverlongCommand::Refuse,
            OverlongCommand::Refuse => OverlongCommand::Close,
        };
    }
    if bit(link, 5) {
        policy.sizes = match policy.sizes {
            SizeKind::Stored => SizeKind::Exact,
            SizeKind::Exact => SizeKind::Stored,
        };
    }
    policy.closing_notice = !bit(link, 7);
    policy
}

/// One of each kind.
fn mechanisms() -> Arc<[MechanismOffer]> {
    let kinds = MechanismOffer::default();
    Arc::new([
        MechanismOffer {
            name: "RIDDLE",
            ..kinds.clone()
        },
        MechanismOffer {
            name: "PLAIN",
            plaintext: true,
            client_first: true,
            ..kinds.clone()
        },
        MechanismOffer {
            name: "BOUND-PLUS",
            client_first: true,
            channel_binding: true,
            ..kinds.clone()
        },
        MechanismOffer {
            name: "EXTERNAL",
            tls: true,
            client_first: true,
            client_certificate: true,
            ..kinds
        },
    ])
}

/// What the outside does, decision by decision.
pub struct Decisions<'a>(&'a [u8]);

impl Decisions<'_> {
    /// The next one.
    pub fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }
}
