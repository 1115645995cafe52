//! Another implementation's opinion: where input is beyond doubt, `smtp-proto` reads it as we do.

use proptest::prelude::*;
use smtp_proto::request::receiver::DataReceiver;
use smtp_proto::{EhloResponse, Request};

use super::super::command::Command;
use super::super::data::DataDecoder;
use super::driver::{Connection, HELLO};

#[test]
fn commands_are_read_alike() {
    let lines = [
        "LHLO mta.example",
        "MAIL FROM:<>",
        "MAIL FROM:<a.b+c@x.org> SIZE=77 BODY=8BITMIME SMTPUTF8",
        r#"MAIL FROM:<"a b"@x.org> BODY=7BIT"#,
        "RCPT TO:<@r.org,@s.org:ann@x.org>",
        "DATA",
        "BDAT 86",
        "BDAT 0 LAST",
        "RSET",
        "NOOP",
        "VRFY ann",
        "HELP",
        "QUIT",
    ];
    for line in lines {
        let ours = Command::parse(line.as_bytes()).unwrap();
        let wire = format!("{line}\r\n");
        let theirs = Request::parse(&mut wire.as_bytes().iter()).unwrap();
        match (&ours, theirs) {
            (Command::Lhlo { client }, Request::Lhlo { host }) => assert_eq!(**client, *host),
            (Command::Mail(ours), Request::Mail { from }) => {
                assert_eq!(ours.octets.unwrap_or(0), from.size as u64, "{line}");
                let smtputf8 = from.flags & smtp_proto::MAIL_SMTPUTF8 != 0;
                assert_eq!(ours.smtputf8, smtputf8, "{line}");
                let path = ours.reverse_path.as_ref().map_or("", |path| path.as_str());
                assert_eq!(path.replace('"', ""), from.address, "{line}");
            }
            (Command::Rcpt { path }, Request::Rcpt { to }) => {
                assert_eq!(path.as_str(), to.address, "{line}");
            }
            (
                Command::Bdat { octets, last },
                Request::Bdat {
                    chunk_size,
                    is_last,
                },
            ) => assert_eq!((*octets, *last), (chunk_size as u64, is_last), "{line}"),
            (Command::Data, Request::Data)
            | (Command::Rset, Request::Rset)
            | (Command::Noop, Request::Noop { .. })
            | (Command::Vrfy, Request::Vrfy { .. })
            | (Command::Help, Request::Help { .. })
            | (Command::Quit, Request::Quit) => {}
            (ours, theirs) => panic!("{line}: {ours:?} and {theirs:?}"),
        }
    }
}

#[test]
fn the_offer_can_be_read() {
    let mut connection = Connection::new(super::super::LmtpPolicy::default());
    connection.take();
    connection.send(HELLO.as_bytes());
    let said = connection.take();
    let offer = EhloResponse::parse(&mut said.as_bytes().iter()).unwrap();
    assert_eq!(offer.hostname, "localhost");
    assert_eq!(offer.size, 150 * 1024 * 1024);
    let extensions = [
        smtp_proto::EXT_PIPELINING,
        smtp_proto::EXT_8BIT_MIME,
        smtp_proto::EXT_SMTP_UTF8,
        smtp_proto::EXT_CHUNKING,
        smtp_proto::EXT_ENHANCED_STATUS_CODES,
        smtp_proto::EXT_SIZE,
    ];
    assert_eq!(
        offer.capabilities,
        extensions.iter().fold(0, |all, one| all | one)
    );
}

proptest! {
    /// What nobody doubts: lines that end with CRLF and hold neither CR nor LF, the first of
    /// which does not begin with a dot (there their decoder sees none).
    #[test]
    fn the_end_of_a_message_is_seen_alike(
        lines in proptest::collection::vec("[.a]{0,4}", 0..20), behind in "[.a\r\n]{0,6}",
    ) {
        let mut wire = b"S: x\r\n".to_vec();
        for line in lines.iter().filter(|line| *line != ".") {
            wire.extend_from_slice(line.as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b".\r\n");
        wire.extend_from_slice(behind.as_bytes());
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let decoded = DataDecoder::default().decode(&wire, &mut ours);
        let mut rest = wire.iter();
        let ended = DataReceiver::new().ingest(&mut rest, &mut theirs);
        prop_assert!(ended && decoded.ended);
        prop_assert_eq!(&wire[decoded.used..], rest.as_slice());
        prop_assert_eq!(ours, theirs);
    }
}

/// Why theirs is not used: each of these would be a way to smuggle a message, or to lose one.
#[test]
fn where_input_is_odd_we_are_stricter() {
    let ends = |wire: &[u8]| {
        let theirs = DataReceiver::new().ingest(&mut wire.iter(), &mut Vec::new());
        let ours = DataDecoder::default().decode(wire, &mut Vec::new()).ended;
        (theirs, ours)
    };
    assert_eq!(ends(b"S: x\r\n.\r\r\n"), (true, false));
    assert_eq!(ends(b".\r\n"), (false, true));
    let chunk = b"BDAT 184467440737095516157";
    let wire = [chunk.as_slice(), b"\r\n"].concat();
    let theirs = Request::parse(&mut wire.iter());
    assert!(
        matches!(theirs, Ok(Request::Bdat { chunk_size: 7, .. })),
        "{theirs:?}"
    );
    assert!(Command::parse(chunk).is_err());
    for recipient in ["RCPT TO:<ann>", "RCPT TO:<ann@[192.0.2.1]>"] {
        let wire = format!("{recipient}\r\n");
        assert!(Request::parse(&mut wire.as_bytes().iter()).is_err());
        assert!(Command::parse(recipient.as_bytes()).is_ok());
    }
}
