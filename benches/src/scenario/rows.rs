//! The rows of the comparison.

use super::{Kind, Row, Unit, row};
use crate::mail::Group;
use crate::peer::Door;

/// All, in the order of the table. What changes maildrops comes last: the servers are started anew
/// for it.
pub const ROWS: &[Row] = &[
    row(
        "sessions, 16 clients",
        Kind::Visit,
        Door::Plain,
        Group::Small,
        16,
    )
    .everyone()
    .at_least(8.0),
    row(
        "sessions, 64 clients",
        Kind::Visit,
        Door::Plain,
        Group::Small,
        64,
    )
    .everyone()
    .at_least(8.0),
    row(
        "sessions, TLS in full, 16 clients",
        Kind::Visit,
        Door::Tls,
        Group::Small,
        16,
    )
    .everyone()
    .at_least(4.0),
    row(
        "sessions, TLS resumed, 16 clients",
        Kind::Visit,
        Door::Tls,
        Group::Small,
        16,
    )
    .resumed()
    .at_least(8.0),
    row(
        "sessions, TLS resumed, 64 clients",
        Kind::Visit,
        Door::Tls,
        Group::Small,
        64,
    )
    .resumed()
    .at_least(8.0),
    row(
        "polls of 10,000 messages, 1 client",
        Kind::Visit,
        Door::Plain,
        Group::Many,
        1,
    )
    .everyone()
    .at_least(30.0),
    row(
        "polls of 10,000 messages, 4 clients",
        Kind::Visit,
        Door::Plain,
        Group::Many,
        4,
    )
    .at_least(30.0),
    row(
        "polls of 100,000 messages, 1 client",
        Kind::Visit,
        Door::Plain,
        Group::Huge,
        1,
    ),
    row(
        "RETR of 4 KiB, 1 client",
        Kind::Fetch,
        Door::Plain,
        Group::Small,
        1,
    ),
    row(
        "RETR of 4 KiB, 16 clients",
        Kind::Fetch,
        Door::Plain,
        Group::Small,
        16,
    )
    .everyone()
    .at_least(4.0),
    row(
        "RETR of 4 KiB, TLS, 16 clients",
        Kind::Fetch,
        Door::Tls,
        Group::Small,
        16,
    )
    .everyone(),
    row(
        "RETR of 4 KiB, pipelined, 4 clients",
        Kind::Pipeline,
        Door::Plain,
        Group::Small,
        4,
    ),
    row(
        "RETR of 64 KiB, 4 clients",
        Kind::Fetch,
        Door::Plain,
        Group::Medium,
        4,
    )
    .everyone()
    .in_unit(Unit::Megabytes),
    row(
        "RETR of 64 KiB, TLS, 4 clients",
        Kind::Fetch,
        Door::Tls,
        Group::Medium,
        4,
    )
    .in_unit(Unit::Megabytes),
    row(
        "RETR of 10 MiB, 1 client",
        Kind::Fetch,
        Door::Plain,
        Group::Large,
        1,
    )
    .everyone()
    .in_unit(Unit::Megabytes),
    row(
        "RETR of 10 MiB, TLS, 1 client",
        Kind::Fetch,
        Door::Tls,
        Group::Large,
        1,
    )
    .everyone()
    .in_unit(Unit::Megabytes),
    row(
        "delivery of 4 KiB, 1 connection",
        Kind::Deliver,
        Door::Lmtp,
        Group::Target,
        1,
    )
    .everyone()
    .at_least(4.0),
    row(
        "delivery of 4 KiB, 16 connections",
        Kind::Deliver,
        Door::Lmtp,
        Group::Target,
        16,
    )
    .everyone()
    .at_least(10.0),
    row(
        "a mix, 16 clients",
        Kind::Mix,
        Door::Plain,
        Group::Small,
        16,
    )
    .everyone(),
    row(
        "sessions, 4 clients, alone",
        Kind::Visit,
        Door::Plain,
        Group::Small,
        4,
    )
    .in_unit(Unit::Percentile99),
    row(
        "sessions, 4 clients, beside RETRs",
        Kind::VisitBeside,
        Door::Plain,
        Group::Small,
        4,
    ),
    row(
        "RETR, DELE all, QUIT, 16 clients",
        Kind::Drain,
        Door::Plain,
        Group::Drain,
        16,
    )
    .everyone()
    .at_least(5.0),
];
