//! The record of a session: what is told, what never is, and that it adds up.

use std::time::Duration;

use proptest::prelude::*;

use super::driver::{Connection, World};
use crate::session::{CLOSE_SESSION, UNKNOWN_COMMAND};
use crate::{Answer, CommandRecord, Parameters, Policy};

const MESSAGE: &str = "Subject: one\r\n\r\n.\r\n";

/// A connection whose log begins behind the greeting.
fn logged(policy: Policy) -> Connection {
    let mut connection = Connection::new(policy, World::new(&[MESSAGE, MESSAGE]));
    connection.take();
    connection.session.keep_log(connection.now);
    connection
}

/// Says it all at once, hangs up, and takes the records.
fn records(connection: &mut Connection, said: &str) -> Vec<CommandRecord> {
    connection.send(said.as_bytes());
    connection.session.log_end("over", connection.now);
    connection.session.log().collect()
}

fn shown(record: &CommandRecord) -> String {
    let parameters = match &record.parameters {
        Parameters::None => String::new(),
        Parameters::Shown(octets) => String::from_utf8_lossy(octets).into_owned(),
        Parameters::Hidden => "*****".to_owned(),
        Parameters::Mechanism(name, response) => format!("{name} {response}"),
    };
    let answer = match &record.answer {
        Answer::None => "-",
        Answer::Ok => "ok",
        Answer::Refused(text) | Answer::Ended(text) => text,
    };
    format!(
        "{}|{parameters}|{}|{}|{answer}",
        record.command, record.request_octets, record.reply_octets
    )
}

#[test]
fn every_command_is_told_with_its_sizes_and_its_answer() {
    let mut connection = logged(Policy::exchange2013());
    let records = records(
        &mut connection,
        "USER alice\r\nPASS open sesame\r\nSTAT\r\nLIST\r\nRETR  1\r\nDELE 1\r\nLIST\r\nRETR 9\r\n\
         QUIT\r\n",
    );
    let lines: Vec<_> = records.iter().map(shown).collect();
    assert_eq!(
        lines,
        [
            "USER|alice|12|5|ok",
            "PASS|*****|18|34|ok",
            "STAT||6|11|ok",
            "LIST||6|22|ok",
            "RETR|1|9|28|ok",
            "DELE|1|8|5|ok",
            "LIST||6|15|ok",
            "RETR|9|8|44|There is no message with this number.",
            "QUIT||6|61|ok",
            "CloseSession||0|0|over",
        ]
    );
}

#[test]
fn a_secret_is_never_told() {
    let secret = "b3BlbnNlc2FtZQ==";
    let mut connection = logged(Policy::exchange2013());
    let records = records(
        &mut connection,
        &format!(
            "PASS {secret}\r\npass\t{secret}\r\n{secret}\r\n {secret}\r\nAUTH PLAIN {secret}\r\n\
             AUTH {secret}\r\nAUTH PLAIN\r\n{secret}\r\nPASS{secret}\r\nAUTH plain\r\n*\r\n{}\r\n",
            secret.repeat(100)
        ),
    );
    let told = format!("{records:?}");
    assert!(!told.contains(secret), "{told}");
    let octets: Vec<u8> = secret.into();
    assert!(!told.contains(&format!("{octets:?}")[1..40]), "{told}");
    let unknown = |record: &&CommandRecord| record.command == UNKNOWN_COMMAND;
    assert!(records.iter().any(|record| unknown(&record)), "{told}");
    // Of an exchange there is one record, and it counts what came in it.
    let plain = records
        .iter()
        .find(|record| record.parameters == Parameters::Mechanism("PLAIN", false))
        .unwrap();
    assert_eq!(plain.request_octets, 12 + 18);
}

#[test]
fn how_long_an_effect_took_is_told() {
    let mut connection = logged(Policy::exchange2013());
    connection.holds_effects = true;
    connection.send(b"USER alice\r\nPASS open sesame\r\n");
    connection.now += Duration::from_millis(70);
    connection.carry_out();
    let records: Vec<_> = connection.session.log().collect();
    let took = |at: usize| records[at].ended.duration_since(records[at].began);
    assert_eq!(
        (took(0), took(1)),
        (Duration::ZERO, Duration::from_millis(70))
    );
}

#[test]
fn who_wants_no_log_gets_none() {
    let mut connection = Connection::new(Policy::exchange2013(), World::new(&[MESSAGE]));
    connection.send(b"USER alice\r\nNOOP\r\n");
    connection.session.log_end("over", connection.now);
    assert_eq!(connection.session.log().count(), 0);
}

proptest! {
    /// However it is cut: each line has its record, and the replies add up to what was sent.
    #[test]
    fn the_records_add_up(
        commands in prop::collection::vec(prop::sample::select(vec![
            "STAT", "LIST", "LIST 1", "UIDL", "RETR 1", "RETR 2", "TOP 1 0", "DELE 1", "RSET",
            "NOOP", "CAPA", "bad", "", "RETR 7", "AUTH PLAIN", "USER a", "PASS b",
        ]), 0..20),
        cut in 1usize..40,
    ) {
        let policy = Policy { protocol_errors_max: 10_000, ..Policy::exchange2013() };
        let mut connection = Connection::logged_on(policy, World::new(&[MESSAGE, MESSAGE]));
        connection.session.keep_log(connection.now);
        let said: String = commands.iter().map(|command| format!("{command}\r\n")).collect();
        for part in said.as_bytes().chunks(cut) {
            connection.send(part);
        }
        connection.session.log_end("over", connection.now);
        let records: Vec<_> = connection.session.log().collect();
        prop_assert_eq!(records.len(), commands.len() + 1);
        prop_assert_eq!(records.last().map(|record| record.command), Some(CLOSE_SESSION));
        let replied: u64 = records.iter().map(|record| record.reply_octets).sum();
        prop_assert_eq!(replied, connection.take().len() as u64);
        let requested: u64 = records.iter().map(|record| record.request_octets).sum();
        prop_assert_eq!(requested, said.len() as u64);
    }
}
