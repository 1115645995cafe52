//! MS-STANXPOP3 sections 2.2.11 to 2.2.14: quota, retention, the form of messages, and the
//! length of commands.

use super::choice::MAX_COMMAND_SIZE;
use super::{Section, Statement, TestFunction};

pub(super) const SECTIONS: &[Section] = &[
    Section {
        number: "2.2.11",
        title: "[RFC1939] Section 8, Scaling and Operational Considerations",
        statements: &[
            Statement {
                id: "E0003",
                asked: "A site may give each maildrop a quota.",
                done: "There are limits for octets and for messages, for everybody in `[quota]` \
                       and for a user by `mailroost user set`. A message that would go beyond \
                       them is refused when it is delivered, whoever delivers it and however \
                       many do at once.",
                elsewhere: &[
                    TestFunction {
                        file: "actors/tests/quota.rs",
                        name: "sixteen_who_deliver_at_once_fill_the_quota_to_the_last_octet_\
                               and_no_further",
                    },
                    TestFunction {
                        file: "tests/command_line_upkeep.rs",
                        name: "a_quota_is_exact_can_be_a_users_own_and_warns",
                    },
                ],
                ..Statement::EMPTY
            },
            Statement {
                id: "E0004",
                asked: "Users should be told when their quota is nearly used up.",
                done: "The delivery that reaches `warn_percent` of a limit is followed by a \
                       message that says so, once for each time that it is reached from below.",
                elsewhere: &[TestFunction {
                    file: "actors/tests/quota.rs",
                    name: "the_user_is_warned_once_for_each_crossing_also_across_a_restart",
                }],
                ..Statement::EMPTY
            },
            Statement {
                id: "E0005",
                asked: "A site may remove messages by their age, read and unread ones apart.",
                done: "There is an age for messages that a session has retrieved and one for \
                       the others, for everybody in `[retention]` and for a user by `mailroost \
                       user set`. The server looks through all maildrops from time to time.",
                elsewhere: &[
                    TestFunction {
                        file: "actors/tests/retention.rs",
                        name: "read_and_unread_messages_go_by_their_own_ages_and_a_dry_run_\
                               changes_nothing",
                    },
                    TestFunction {
                        file: "actors/tests/retention.rs",
                        name: "the_sweeper_does_it_unasked_not_at_once_but_after_a_while",
                    },
                ],
                ..Statement::EMPTY
            },
        ],
    },
    Section {
        number: "2.2.12",
        title: "[RFC1939] Section 11, Message Format",
        statements: &[Statement {
            id: "C0011",
            asked: "What is sent has the form of an Internet message.",
            done: "A message is repaired when it is delivered: CRLF ends each line, and a \
                   header, the empty line and the last line end are added where they are \
                   missing. RETR sends what was stored.",
            elsewhere: &[TestFunction {
                file: "storage/tests/import_messages.rs",
                name: "what_comes_in_is_repaired",
            }],
            ..Statement::EMPTY
        }],
    },
    Section {
        number: "2.2.13",
        title: "[RFC2449] Section 4, Maximum Length of Command",
        statements: &[Statement {
            id: "E0006",
            asked: "A command has up to 255 octets, its CRLF counted.",
            done: "The limit can be set from 40 to 1024 octets; anything else is refused when \
                   the configuration is read, and the range is named.",
            choices: &[MAX_COMMAND_SIZE],
            elsewhere: &[TestFunction {
                file: "src/config/tests.rs",
                name: "what_is_wrong_is_said_in_one_line",
            }],
            ..Statement::EMPTY
        }],
    },
    Section {
        number: "2.2.14",
        title: "[RFC2449] Section 4, Commands Up To 255 Octets",
        statements: &[Statement {
            id: "E0007",
            asked: "Whoever answers CAPA takes commands of 255 octets.",
            done: "So it is with 255 octets and above. In the profile of Exchange 2007, and \
                   wherever less is set, CAPA is answered nevertheless.",
            choices: &[MAX_COMMAND_SIZE],
            ..Statement::EMPTY
        }],
    },
];
