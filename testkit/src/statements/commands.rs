//! MS-STANXPOP3 sections 2.2.3 to 2.2.10: the commands of RFC 1939.

use super::choice::{FOREIGN_SITE, LOGIN_TYPE};
use super::{Section, Statement, TestFunction};

pub(super) const SECTIONS: &[Section] = &[
    Section {
        number: "2.2.3",
        title: "[RFC1939] Section 5, STAT Command",
        statements: &[Statement {
            id: "V0004",
            asked: "Anything may follow the size of the maildrop.",
            done: "The line ends behind the size.",
            ..Statement::EMPTY
        }],
    },
    Section {
        number: "2.2.4",
        title: "[RFC1939] Section 5, LIST Command",
        statements: &[Statement {
            id: "V0005",
            asked: "Anything may follow the size of a message.",
            done: "The line ends behind the size.",
            ..Statement::EMPTY
        }],
    },
    Section {
        number: "2.2.5",
        title: "[RFC1939] Section 6, QUIT Command",
        statements: &[Statement {
            id: "V0006",
            asked: "A removal that fails may be done in part; what is not marked stays.",
            done: "All marked messages are removed or none; QUIT is answered `+OK` when it is \
                   durable, and `-ERR` when it did not happen. What is not marked always stays.",
            elsewhere: &[
                TestFunction {
                    file: "tests/snapshot_semantics.rs",
                    name: "quit_removes_all_marks_or_none",
                },
                TestFunction {
                    file: "tests/daemon_signals.rs",
                    name: "a_quit_is_durable_before_it_is_answered",
                },
            ],
            ..Statement::EMPTY
        }],
    },
    Section {
        number: "2.2.6",
        title: "[RFC1939] Section 7, TOP Command",
        statements: &[
            Statement {
                id: "C0006",
                asked: "The commands that are not optional are there in every server.",
                done: "All of RFC 1939's commands are there, the optional ones but APOP too.",
                ..Statement::EMPTY
            },
            Statement {
                id: "V0007",
                asked: "TOP is optional.",
                done: "It is there, and always announced.",
                ..Statement::EMPTY
            },
        ],
    },
    Section {
        number: "2.2.7",
        title: "[RFC1939] Section 7, UIDL Command",
        statements: &[
            Statement {
                id: "C0007",
                asked: "A unique-id is 1 to 70 visible characters and lasts.",
                done: "A message that is delivered here gets a decimal number, greater than \
                       those before it, perhaps with gaps between them. It is the same in \
                       every session and after every start.",
                elsewhere: &[TestFunction {
                    file: "storage/tests/crash.rs",
                    name: "what_was_acknowledged_survives_kill_9",
                }],
                ..Statement::EMPTY
            },
            Statement {
                id: "C0008",
                asked: "A unique-id should never be used again.",
                done: "It never is, not after the highest message was removed, not after a \
                       crash, and not when the index had to be built anew. A message that is \
                       brought back after it was removed gets a new one.",
                elsewhere: &[
                    TestFunction {
                        file: "storage/tests/crash.rs",
                        name: "what_was_acknowledged_survives_kill_9",
                    },
                    TestFunction {
                        file: "storage/tests/crash.rs",
                        name: "an_index_that_is_gone_takes_nothing_with_it",
                    },
                ],
                ..Statement::EMPTY
            },
            Statement {
                id: "C0009",
                asked: "Two copies of a message may have the same unique-id.",
                done: "They have two. A message that was carried over from another server \
                       keeps the unique-id that it had there, in whatever form.",
                elsewhere: &[TestFunction {
                    file: "storage/tests/import_unique_ids.rs",
                    name: "decimal_unique_ids_are_kept_over_several_batches_and_never_met_again",
                }],
                ..Statement::EMPTY
            },
        ],
    },
    Section {
        number: "2.2.8",
        title: "[RFC1939] Section 7, USER Command",
        statements: &[
            Statement {
                id: "V0008",
                asked: "After `-ERR` to USER the client tries something else or leaves.",
                done: "No mailbox is looked for before PASS, so that USER is never refused \
                       for the sake of one.",
                ..Statement::EMPTY
            },
            Statement {
                id: "V0009",
                asked: "USER may be answered `+OK` for a mailbox that is not there.",
                done: "USER is answered alike for every name, and so is PASS for a user who \
                       is not there, who is switched off, or whose password is another.",
                ..Statement::EMPTY
            },
            Statement {
                id: "V0010",
                asked: "USER may be answered `-ERR` where plaintext passwords are not permitted.",
                done: "It is, for every name alike: outside TLS under `secure_login` and \
                       `plain_text_authentication`, nowhere under `plain_text_login`.",
                choices: &[LOGIN_TYPE],
                ..Statement::EMPTY
            },
        ],
    },
    Section {
        number: "2.2.9",
        title: "[RFC1939] Section 7, PASS Command",
        statements: &[
            Statement {
                id: "C0010",
                asked: "PASS decides whether the client gets the maildrop.",
                done: "A user whose `site` is not the server's own fails like one with a wrong \
                       password under `refuse`. Under `hand_on` the right password leads to \
                       the server of that site, which answers from there on; when it cannot \
                       be reached, the log-on fails and says so.",
                choices: &[FOREIGN_SITE],
                elsewhere: &[
                    TestFunction {
                        file: "tests/sites.rs",
                        name: "a_session_is_handed_on_and_works_there",
                    },
                    TestFunction {
                        file: "tests/sites.rs",
                        name: "dovecot_takes_sessions_that_are_handed_on",
                    },
                ],
                ..Statement::EMPTY
            },
            Statement {
                id: "V0011",
                asked: "Spaces in PASS's argument may be part of the password.",
                done: "One separator is taken off; all that follows is the password, with \
                       spaces, tabs and NUL wherever they stand.",
                ..Statement::EMPTY
            },
        ],
    },
    Section {
        number: "2.2.10",
        title: "[RFC1939] Section 7, APOP Command",
        statements: &[Statement {
            id: "V0012",
            asked: "APOP is optional.",
            done: "It is not there: no greeting has a timestamp, and the command is refused.",
            ..Statement::EMPTY
        }],
    },
];
