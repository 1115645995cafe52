//! MS-STANXPOP3 section 2.1: where RFC 1939 is not followed to the letter by default.

use super::choice::{
    CONTINUATION_OCTETS, EXACT_SIZES, MAILDROP_ACCESS, MAX_COMMAND_SIZE, SEPARATORS,
};
use super::{Section, Statement, TestFunction};

/// Over a store on a disk: transcripts have theirs in memory.
const SIZES: &[TestFunction] = &[
    TestFunction {
        file: "tests/sizes.rs",
        name: "stored_sizes_are_what_the_files_occupy",
    },
    TestFunction {
        file: "tests/sizes.rs",
        name: "exact_sizes_are_the_octets_that_retr_sends",
    },
];

pub(super) const SECTIONS: &[Section] = &[
    Section {
        number: "2.1.1",
        title: "[RFC1939] Section 3, Separation by SPACE Character",
        statements: &[Statement {
            id: "2.1.1",
            asked: "One SPACE stands between a keyword and its arguments.",
            done: "Any run of SPACE or TAB separates where `separators` is `lenient`. Where it \
                   is `single_space`, anything but one SPACE is refused.",
            choices: &[SEPARATORS],
            ..Statement::EMPTY
        }],
    },
    Section {
        number: "2.1.2",
        title: "[RFC1939] Section 3, Argument Length",
        statements: &[Statement {
            id: "2.1.2",
            asked: "An argument has up to 40 characters.",
            done: "An argument has no limit of its own; a whole command has one, its CRLF \
                   counted. What is longer is never run, not even its tail. The lines of an \
                   AUTH exchange are no commands and have their own limit.",
            choices: &[MAX_COMMAND_SIZE, CONTINUATION_OCTETS],
            ..Statement::EMPTY
        }],
    },
    Section {
        number: "2.1.3",
        title: "[RFC1939] Section 4, Exclusive-Access Lock on Maildrop",
        statements: &[Statement {
            id: "2.1.3",
            asked: "A session locks its maildrop against all others.",
            done: "Under `snapshot` any number of sessions may open a maildrop at once, up to \
                   `max_connections_per_user`. Under `exclusive` one may, and the next log-on \
                   is refused with `[IN-USE]`.",
            choices: &[MAILDROP_ACCESS],
            elsewhere: &[TestFunction {
                file: "tests/snapshot_semantics.rs",
                name: "both_may_mark_the_same_message",
            }],
            ..Statement::EMPTY
        }],
    },
    Section {
        number: "2.1.4",
        title: "[RFC1939] Section 5, Maildrop Size Returned by STAT Command",
        statements: &[Statement {
            id: "2.1.4",
            asked: "STAT says how many octets the maildrop has.",
            done: "Without `exact_rfc822_size`, STAT is the sum of what the messages occupy \
                   in storage. With it, it is the sum of the octets that RETR sends, CRLF \
                   counted as two and the dots of transparency not at all.",
            choices: &[EXACT_SIZES],
            elsewhere: SIZES,
            ..Statement::EMPTY
        }],
    },
    Section {
        number: "2.1.5",
        title: "[RFC1939] Section 5, Message Size Returned by LIST Command",
        statements: &[Statement {
            id: "2.1.5",
            asked: "A scan listing has the exact size of a message in octets.",
            done: "LIST counts as STAT does, message by message; STAT is the sum of LIST.",
            choices: &[EXACT_SIZES],
            elsewhere: SIZES,
            ..Statement::EMPTY
        }],
    },
];
