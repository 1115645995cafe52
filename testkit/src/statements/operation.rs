//! MS-STANXPOP3 sections 2.2.1 and 2.2.2: the connection, and who is let in.

use super::choice::{
    AUTH_FAILURES, AUTHENTICATED_TIMEOUT, CLOSING_NOTICE, MAILDROP_ACCESS, OVERLONG_COMMAND,
    PRE_AUTHENTICATED_TIMEOUT, PROTOCOL_ERRORS, RESPONSE_CODES,
};
use super::{Section, Statement, TestFunction};

pub(super) const SECTIONS: &[Section] = &[
    Section {
        number: "2.2.1",
        title: "[RFC1939] Section 3, Basic Operation",
        statements: &[
            Statement {
                id: "E0001",
                asked: "The service listens on TCP port 110.",
                done: "Without any `[[listener]]`, it listens on port 110 with STLS and on \
                       port 995 with implicit TLS, over IPv4 and IPv6. With them, it has any \
                       number of listeners, each on any address and port.",
                elsewhere: &[
                    TestFunction {
                        file: "tests/standards_support.rs",
                        name: "without_listeners_ports_110_and_995_are_served",
                    },
                    TestFunction {
                        file: "tests/daemon_signals.rs",
                        name: "a_listener_can_have_a_certificate_of_its_own",
                    },
                ],
                ..Statement::EMPTY
            },
            Statement {
                id: "C0001",
                asked: "A response line has at most 512 characters, its CRLF counted.",
                done: "No response line is longer. A text of the configuration that would \
                       make it so is refused when it is read; what a response code then \
                       makes too long is cut between two characters.",
                elsewhere: &[TestFunction {
                    file: "protocol/src/reply.rs",
                    name: "a_first_line_is_cut_between_characters",
                }],
                ..Statement::EMPTY
            },
            Statement {
                id: "C0002",
                asked: "After the greeting the client has to say who it is.",
                done: "Before the log-on there are CAPA, USER, PASS, AUTH, STLS and QUIT. Any \
                       other command is refused as not valid in this state.",
                ..Statement::EMPTY
            },
            Statement {
                id: "V0001",
                asked: "A client cannot tell a command that is not there from one that failed.",
                done: "Every refusal has a text that says why, but never whether the user or \
                       the password was wrong. Where RESP-CODES is among the `capabilities`, \
                       a response code says it to programs as well.",
                choices: &[RESPONSE_CODES],
                ..Statement::EMPTY
            },
            Statement {
                id: "V0002",
                asked: "An inactivity timer has ten minutes at least; any command resets it.",
                done: "There are two timers, one before the log-on and one after it. Any \
                       command begins them anew, an unknown one too.",
                choices: &[PRE_AUTHENTICATED_TIMEOUT, AUTHENTICATED_TIMEOUT],
                ..Statement::EMPTY
            },
            Statement {
                id: "V0003",
                asked: "When the timer ends, the connection is closed without a response, and \
                        nothing is removed.",
                done: "Nothing is removed. With `closing_notice`, one `-ERR` line says before \
                       the close that the client was silent for too long.",
                choices: &[CLOSING_NOTICE],
                ..Statement::EMPTY
            },
        ],
    },
    Section {
        number: "2.2.2",
        title: "[RFC1939] Section 4, The AUTHORIZATION State",
        statements: &[
            Statement {
                id: "C0003",
                asked: "The client must identify and authenticate itself.",
                done: "Nothing of a maildrop is shown before that.",
                ..Statement::EMPTY
            },
            Statement {
                id: "E0002",
                asked: "A server has at least one authentication mechanism.",
                done: "USER and PASS, and AUTH with PLAIN, with NTLM (MS-OXPOP3) and with \
                       GSSAPI (Kerberos V5), as `[auth] mechanisms` says. GSSAPI needs a \
                       program that was built with the Kerberos library.",
                elsewhere: &[
                    TestFunction {
                        file: "tests/gssapi/clients.rs",
                        name: "curl_in_clear_and_inside_tls",
                    },
                    TestFunction {
                        file: "tests/ntlm_clients.rs",
                        name: "curl_logs_on_with_ntlm_and_prefers_it",
                    },
                ],
                ..Statement::EMPTY
            },
            Statement {
                id: "C0004",
                asked: "The lock keeps messages from being changed or removed by others.",
                done: "Each session has the list of messages as it was at its log-on; what \
                       comes or goes later does not change its numbering. RETR and TOP of a \
                       message that is gone are errors; DELE of it is not, as what was asked \
                       is so. Under `exclusive` there is no other session.",
                choices: &[MAILDROP_ACCESS],
                elsewhere: &[
                    TestFunction {
                        file: "tests/snapshot_semantics.rs",
                        name: "what_one_removes_is_an_error_in_the_other_and_numbering_stays",
                    },
                    TestFunction {
                        file: "tests/snapshot_semantics.rs",
                        name: "what_arrives_is_seen_by_the_next_session_only",
                    },
                ],
                ..Statement::EMPTY
            },
            Statement {
                id: "C0005",
                asked: "The server may close the connection behind a negative response.",
                done: "It does so after too many errors in a row, after too many failed \
                       log-ons, when it is shut down, and, under `overlong_command = \
                       \"close\"`, behind a command over the limit.",
                choices: &[PROTOCOL_ERRORS, AUTH_FAILURES, OVERLONG_COMMAND],
                ..Statement::EMPTY
            },
        ],
    },
];
