//! The protocol log: its layout, that a line stays a line, when files follow one another, and
//! which are removed.

use std::fs;
use std::sync::atomic::AtomicU64 as Seconds;
use std::time::{Instant, UNIX_EPOCH};

use mailroost_protocol::{Answer, Parameters};
use tempfile::TempDir;

use super::*;
use crate::config::{FileSize, RollOver};

/// 2026-11-24 (a Tuesday), 23:59:59.
const EVE: u64 = 1_795_564_799;

fn rules(folder: &TempDir) -> FileRules {
    FileRules {
        folder: folder.path().join("log"),
        roll_over: RollOver::Daily,
        file_size_max: FileSize::ByTime,
        age_max: None,
        total_octets_max: None,
        software: "mailroost".into(),
    }
}

/// A log, and the clock that it goes by.
struct Bench {
    log: FileLog,
    folder: std::path::PathBuf,
    clock: Arc<Seconds>,
}

impl Bench {
    fn new(rules: FileRules) -> Self {
        let folder = rules.folder.clone();
        let clock = Arc::new(Seconds::new(EVE));
        let time = Arc::clone(&clock);
        let now =
            move || UNIX_EPOCH + Duration::from_millis(1000 * time.load(Ordering::Relaxed) + 7);
        let silent = slog::Logger::root(slog::Discard, slog::o!());
        let log = FileLog::start_at(rules, silent, Arc::new(now)).unwrap();
        Self { log, folder, clock }
    }

    fn record(&self, user: Option<&str>, parameters: Parameters, answer: Answer) {
        let began = Instant::now();
        let session = LoggedSession {
            number: 160,
            sequence: 3,
            local: Some("10.135.0.23:995".parse().unwrap()),
            peer: "[2001:db8::1]:58423".parse().unwrap(),
            user,
        };
        let record = CommandRecord {
            command: "USER",
            parameters,
            request_octets: 12,
            reply_octets: 5,
            began,
            ended: began + Duration::from_millis(51),
            answer,
        };
        self.log.record(&session, record);
    }

    fn say(&self, text: &str) {
        self.record(None, Parameters::Shown(text.as_bytes().into()), Answer::Ok);
    }

    /// The names in order, and all that is in the files.
    fn files(&self) -> Vec<(String, String)> {
        self.log.flush();
        let mut files: Vec<_> = fs::read_dir(&self.folder)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    fn names(&self) -> Vec<String> {
        self.files().into_iter().map(|(name, _)| name).collect()
    }
}

/// Takes a CSV line apart (RFC 4180).
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    assert!(!quoted, "{line}");
    fields.push(field);
    fields
}

/// The lines of the only file that are no header.
fn lines(bench: &Bench) -> Vec<Vec<String>> {
    let files = bench.files();
    assert_eq!(files.len(), 1, "{files:?}");
    let text = &files[0].1;
    let lines = text.split_terminator("\r\n");
    lines
        .filter(|line| !line.starts_with('#'))
        .map(fields)
        .collect()
}

#[test]
fn the_layout_is_that_of_exchange() {
    let folder = tempfile::tempdir().unwrap();
    let mut rules = rules(&folder);
    rules.software = "Microsoft Exchange Server".into();
    let bench = Bench::new(rules);
    bench.record(Some("ann"), Parameters::Hidden, Answer::Ok);
    let files = bench.files();
    let (name, text) = &files[0];
    assert_eq!(name, "POP320261124-1.LOG");
    let lines: Vec<_> = text.split_terminator("\r\n").collect();
    assert_eq!(
        lines,
        [
            "#Software: Microsoft Exchange Server",
            concat!("#Version: ", env!("CARGO_PKG_VERSION")),
            "#Log-type: POP3 Protocol Log",
            "#Date: 2026-11-24T23:59:59.007Z",
            "#Fields: dateTime,sessionId,seqNumber,sIp,cIp,user,duration,rqsize,rpsize,command,\
             parameters,context",
            "2026-11-24T23:59:59.007Z,00000000000000A0,3,10.135.0.23:995,[2001:db8::1]:58423,ann,\
             51,12,5,user,*****,R=ok",
        ]
    );
}

#[test]
fn whatever_is_said_a_line_has_its_twelve_fields() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(rules(&folder));
    let said = [
        "plain",
        "a,b",
        "\"quoted\"",
        "\",\r\n2026-01-01T00:00:00.000Z,0,0,,,,0,0,0,user,x,R=ok",
        "\u{1b}[2J\0\u{85}\u{2028}\u{202e}",
        "",
    ];
    for text in said {
        bench.say(text);
    }
    bench.record(
        None,
        Parameters::Shown([0xff, b'a', 0xc3].into()),
        Answer::None,
    );
    let refused = Answer::Refused("no \"such\" thing, here".into());
    bench.record(Some("a,\"b"), Parameters::None, refused);
    let lines = lines(&bench);
    assert_eq!(lines.len(), said.len() + 2, "{lines:?}");
    for line in &lines {
        assert_eq!(line.len(), 12, "{line:?}");
        assert!(line.iter().all(|field| !field.contains(char::is_control)));
    }
    assert_eq!(lines[0][10], "plain");
    assert_eq!(lines[1][10], "a,b");
    assert_eq!(lines[2][10], "\"quoted\"");
    assert!(lines[3][10].starts_with("\",\\u{d}\\u{a}2026"), "{lines:?}");
    assert_eq!(lines[6][10], "\\xffa\\xc3");
    assert_eq!(lines[7][5], "a,\"b");
    assert_eq!(lines[7][11], "R=\"-ERR no 'such' thing, here\"");
}

#[test]
fn files_follow_one_another_with_the_time() {
    let table = [
        (
            RollOver::Hourly,
            1,
            "POP32026112423-1.LOG",
            "POP32026112500-1.LOG",
        ),
        (
            RollOver::Daily,
            1,
            "POP320261124-1.LOG",
            "POP320261125-1.LOG",
        ),
        // Monday to Monday.
        (
            RollOver::Weekly,
            5 * 86_400 + 1,
            "POP320261123-1.LOG",
            "POP320261130-1.LOG",
        ),
        (
            RollOver::Monthly,
            6 * 86_400 + 1,
            "POP320261101-1.LOG",
            "POP320261201-1.LOG",
        ),
    ];
    for (roll_over, until_next, first, second) in table {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(FileRules {
            roll_over,
            ..rules(&folder)
        });
        bench.say("one");
        bench.clock.store(EVE + until_next - 1, Ordering::Relaxed);
        bench.say("still one");
        bench.clock.store(EVE + until_next, Ordering::Relaxed);
        bench.say("two");
        // A thread that is a little late.
        bench.clock.store(EVE, Ordering::Relaxed);
        bench.say("late");
        let files = bench.files();
        assert_eq!(bench.names(), [first, second], "{roll_over:?}");
        assert!(files[0].1.contains(",one,") && files[0].1.contains(",still one,"));
        assert!(files[1].1.contains(",two,") && files[1].1.contains(",late,"));
        assert!(files[1].1.starts_with("#Software: "));
    }
}

#[test]
fn files_follow_one_another_with_the_size() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(FileRules {
        file_size_max: FileSize::Octets(4096),
        ..rules(&folder)
    });
    for number in 0..100 {
        bench.say(&format!("line {number}"));
    }
    let files = bench.files();
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    let expected: Vec<_> = (1..=files.len())
        .map(|number| format!("POP320261124-{number}.LOG"))
        .collect();
    assert_eq!(names, expected);
    assert!((3..=9).contains(&files.len()), "{names:?}");
    assert!(files.iter().all(|(_, text)| text.len() <= 4096));
    let all: String = files.iter().map(|(_, text)| text.as_str()).collect();
    assert!((0..100).all(|number| all.contains(&format!(",line {number},"))));
}

#[test]
fn without_a_limit_it_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(FileRules {
        file_size_max: FileSize::Unlimited,
        ..rules(&folder)
    });
    bench.say("one");
    bench.clock.store(EVE + 400 * 86_400, Ordering::Relaxed);
    bench.say("two");
    assert_eq!(bench.names(), ["POP3.LOG"]);
}

#[test]
fn after_a_restart_the_file_is_continued_even_when_its_last_line_is_torn() {
    for file_size_max in [
        FileSize::ByTime,
        FileSize::Octets(1 << 20),
        FileSize::Unlimited,
    ] {
        let folder = tempfile::tempdir().unwrap();
        let rules = FileRules {
            file_size_max,
            ..rules(&folder)
        };
        let first = Bench::new(rules.clone());
        first.say("before");
        let (name, text) = first.files().remove(0);
        let path = first.folder.join(&name);
        fs::write(&path, &text[..text.len() - 4]).unwrap();
        let second = Bench::new(rules);
        second.say("after");
        let files = second.files();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(files[0].1.matches("#Software").count(), 1);
        assert_eq!(lines(&second)[1][10], "after");
    }
}

#[test]
fn what_is_too_old_or_too_much_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    fs::create_dir(&log).unwrap();
    let put = |name: &str, hours: u64| {
        fs::write(log.join(name), vec![b'x'; 1000]).unwrap();
        let file = fs::File::options()
            .write(true)
            .open(log.join(name))
            .unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(EVE - hours * 3600))
            .unwrap();
    };
    put("POP320261120-1.LOG", 100);
    put("POP320261122-1.LOG", 50);
    put("POP320261123-1.LOG", 30);
    put("POP320261123-2.LOG", 26);
    put("POP3.LOG", 1000);
    put("POP3notes.LOG", 1000);
    put("POP320261120-1.LOG.gz", 1000);
    let bench = Bench::new(FileRules {
        age_max: Some(Duration::from_secs(72 * 3600)),
        total_octets_max: Some(2500),
        ..rules(&folder)
    });
    assert_eq!(
        bench.names(),
        [
            "POP3.LOG",
            "POP320261120-1.LOG.gz",
            "POP320261123-1.LOG",
            "POP320261123-2.LOG",
            "POP320261124-1.LOG",
            "POP3notes.LOG",
        ]
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut rules = rules(&folder);
    fs::write(folder.path().join("log"), "a file").unwrap();
    rules.folder = folder.path().join("log");
    let silent = slog::Logger::root(slog::Discard, slog::o!());
    assert!(FileLog::start(rules, silent).is_err());
}

/// The thread is busy with a queue that nobody empties.
#[test]
fn a_full_queue_drops_records_and_blocks_nobody() {
    let (queue, letters) = sync_channel(2);
    let lost = Arc::<AtomicU64>::default();
    let folder = tempfile::tempdir().unwrap();
    let log = FileLog {
        queue,
        lost: Arc::clone(&lost),
        clock: Arc::new(|| UNIX_EPOCH),
    };
    let bench = Bench {
        log,
        folder: folder.path().join("log"),
        clock: Arc::default(),
    };
    for number in 0..5 {
        bench.say(&format!("line {number}"));
    }
    assert_eq!(lost.load(Ordering::Relaxed), 3);
    let writer = Writer {
        files: Files::begin(rules(&folder), UNIX_EPOCH).unwrap(),
        lost,
        failing: false,
        log: slog::Logger::root(slog::Discard, slog::o!()),
    };
    let Bench { log, folder, .. } = bench;
    drop(log);
    writer.run(&letters);
    let text = fs::read_to_string(folder.join("POP319700101-1.LOG")).unwrap();
    assert!(text.contains("#Lost: 3\r\n"), "{text}");
    assert!(
        text.contains(",line 0,") && text.contains(",line 1,"),
        "{text}"
    );
}
