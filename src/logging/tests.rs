//! One event is one line, nothing is lost, and the level can change.

use std::sync::{Mutex, mpsc};

use proptest::prelude::*;
use slog::{info, o};

use super::harmless::is_seen;
use super::*;

/// What was written, and in how many writes.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<String>>>);

impl Write for Written {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap()
            .push(String::from_utf8(octets.to_vec()).unwrap());
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const PLAIN: Form = Form::Human { colour: false };

/// The lines that were written, each by a write of its own.
fn lines(form: Form, level: Level, log: impl FnOnce(&Logging)) -> Vec<String> {
    let written = Written::default();
    let logging = Logging::to_writer(form, level, written.clone());
    log(&logging);
    drop(logging);
    let lines = written.0.lock().unwrap();
    lines
        .iter()
        .map(|line| {
            let line = line
                .strip_suffix('\n')
                .expect("a line ends with a line feed");
            assert!(line.chars().all(|c| is_seen(c) || c == '\x1b'), "{line:?}");
            line.to_owned()
        })
        .collect()
}

fn line(form: Form, log: impl FnOnce(&Logger)) -> String {
    let mut lines = lines(form, Level::Info, |logging| log(logging.logger()));
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

fn session_end(log: &Logger, user: &[u8]) {
    let log = log.new(o!("session" => 17, "peer" => "[2001:db8::1]:50123"));
    info!(log, "session ended"; "user" => Harmless(user), "tls" => "TLSv1.3",
        "commands" => 12, "removed" => 0, "empty" => "", "reason" => "QUIT, \"as usual\"");
}

#[test]
fn a_session_end_is_one_line_for_people() {
    let line = line(PLAIN, |log| session_end(log, b"alice@contoso.com"));
    let (time, rest) = line.split_at("Nov 24 09:20:37.962".len());
    assert!(time.ends_with(|c: char| c.is_ascii_digit()), "{line}");
    // What the logger carries, then what the event says.
    assert_eq!(
        rest,
        " INFO session ended, session: 17, peer: [2001:db8::1]:50123, user: alice@contoso.com, \
         tls: TLSv1.3, commands: 12, removed: 0, empty: \"\", reason: \"QUIT, \\\"as usual\\\"\""
    );
}

#[test]
fn a_session_end_is_one_line_for_programs() {
    let line = line(Form::Json, |log| session_end(log, b"alice@contoso.com"));
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["msg"], "session ended");
    assert_eq!(json["level"], "INFO");
    assert_eq!(json["user"], "alice@contoso.com");
    assert_eq!(json["commands"], 12);
    assert_eq!(json["session"], 17);
    assert_eq!(json["reason"], "QUIT, \"as usual\"");
    let time = json["ts"].as_str().unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
}

#[test]
fn a_name_cannot_forge_a_line_or_a_value() {
    let evil = b"x\r\nINFO session ended, user: root\x1b[2J\", user: root";
    let human = line(PLAIN, |log| session_end(log, evil));
    let shown = "user: \"x\\r\\nINFO session ended, user: root\\u{1b}[2J\\\", user: root\", tls: ";
    assert!(human.contains(shown), "{human}");
    let json = line(Form::Json, |log| session_end(log, evil));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["user"],
        "x\\r\\nINFO session ended, user: root\\u{1b}[2J\\\", user: root"
    );
}

#[test]
fn what_was_not_made_harmless_stays_on_its_line_all_the_same() {
    let text = "a\r\nb\u{85}\u{2028}\u{202e}\u{e0041}\x1b";
    let human = line(
        PLAIN,
        |log| info!(log, "{text}"; "value" => text, "d" => %text),
    );
    assert!(human.contains("value: a\\r\\nb\\u{85}\\u{2028}\\u{202e}\\u{e0041}\\u{1b}, d: "));
    let json = line(
        Form::Json,
        |log| info!(log, "{text}"; "value" => text, "d" => %text),
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["msg"], &json["value"], &json["d"]),
        (&text.into(), &text.into(), &text.into())
    );
}

#[test]
fn colours_are_set_and_reset_and_the_words_stay() {
    let plain = line(PLAIN, |log| session_end(log, b"a b"));
    let coloured = line(Form::Human { colour: true }, |log| session_end(log, b"a b"));
    assert!(coloured.contains("\x1b[32mINFO"), "{coloured:?}");
    let mut words = String::new();
    for (at, part) in coloured.split('\x1b').enumerate() {
        words += if at == 0 {
            part
        } else {
            part.split_once('m').unwrap().1
        };
    }
    let time = "Nov 24 09:20:37.962".len();
    assert_eq!(words[time..], plain[time..]);
    let last = coloured.rsplit('\x1b').next().unwrap();
    assert_eq!(last, "[0m");
}

#[test]
fn a_burst_loses_nothing_and_keeps_its_order() {
    let count = WAITING_MAX * 3;
    let lines = lines(Form::Json, Level::Info, |logging| {
        for number in 0..count {
            info!(logging.logger(), "burst"; "number" => number);
        }
    });
    assert_eq!(lines.len(), count);
    for (number, line) in lines.iter().enumerate() {
        assert!(line.contains(&format!("\"number\":{number}}}")), "{line}");
    }
}

#[test]
fn the_level_can_change_while_it_is_in_use() {
    let lines = lines(PLAIN, Level::Warning, |logging| {
        let log = logging.logger().new(o!());
        info!(log, "one");
        slog::error!(log, "two");
        logging.set_level(Level::Debug);
        info!(log, "three");
        slog::debug!(log, "four");
        slog::trace!(log, "five");
        logging.set_level(Level::Error);
        slog::warn!(log, "six");
        assert!(!log.is_enabled(Level::Warning) && log.is_enabled(Level::Error));
    });
    let words: Vec<_> = lines
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(words, ["two", "three", "four"]);
}

/// Fails, and tells that it was asked.
struct Gone(mpsc::Sender<()>);

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        self.0.send(()).unwrap();
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_log_that_is_gone_stops_nobody() {
    for form in [PLAIN, Form::Json] {
        let (sender, asked) = mpsc::channel();
        let logging = Logging::to_writer(form, Level::Info, Gone(sender));
        info!(logging.logger(), "one");
        info!(logging.logger(), "two");
        let late = logging.logger().clone();
        drop(logging);
        info!(late, "nobody writes this");
        assert_eq!(asked.iter().count(), 2);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_event_is_one_line_whatever_it_holds(
        octets in proptest::collection::vec(any::<u8>(), 0..200),
        text in any::<String>(),
    ) {
        for form in [PLAIN, Form::Json] {
            // `line` looks for exactly one, without a character that is not seen.
            let line = line(form, |log| {
                info!(log, "{text}"; "octets" => Harmless(&octets), "text" => &text);
            });
            if form == Form::Json {
                let json: serde_json::Value = serde_json::from_str(&line).unwrap();
                prop_assert_eq!(&json["text"], &text);
                prop_assert_eq!(&json["octets"], &Harmless(&octets).to_string());
            }
        }
    }
}
