//! The protocol log: a line for each command, in the layout of Exchange's POP log, written by a
//! thread of its own.
//!
//! Nobody who serves a socket ever waits for it. When the queue is full, because the disk does
//! not keep up, records are dropped; a line `#Lost:` says at that place how many, and the log
//! says it too.

mod files;
mod line;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, SystemTime};

use mailroost_actors::{LoggedSession, ProtocolLog};
use mailroost_protocol::CommandRecord;

pub use files::FileRules;
use files::Files;
use line::Entry;

use crate::config::ProtocolLogSettings;

/// Records that may wait to be written: some tens of milliseconds of a server under full load,
/// and a few MiB at most.
const QUEUE_RECORDS_MAX: usize = 8192;

/// How long `flush` waits for a disk that does not answer.
const FLUSH_PATIENCE: Duration = Duration::from_secs(10);

/// What the time is; a test has its own.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A protocol log in files.
pub struct FileLog {
    queue: SyncSender<Letter>,
    lost: Arc<AtomicU64>,
    clock: Clock,
}

/// What the thread is sent.
enum Letter {
    Entry(Box<Entry>),
    /// Answered when all that came before is with the system.
    Flush(SyncSender<()>),
}

impl FileLog {
    /// Opens the first file and starts the thread. It ends when the last handle to the log is
    /// dropped.
    ///
    /// # Errors
    /// If folder or file cannot be made, or the thread cannot be started.
    pub fn start(rules: FileRules, log: slog::Logger) -> io::Result<Self> {
        Self::start_at(rules, log, Arc::new(SystemTime::now))
    }

    /// The same with another clock.
    ///
    /// # Errors
    /// As `start`.
    pub fn start_at(rules: FileRules, log: slog::Logger, clock: Clock) -> io::Result<Self> {
        let files = Files::begin(rules, clock())?;
        let (queue, letters) = sync_channel(QUEUE_RECORDS_MAX);
        let lost = Arc::<AtomicU64>::default();
        let writer = Writer {
            files,
            lost: Arc::clone(&lost),
            failing: false,
            log,
        };
        std::thread::Builder::new()
            .name("protocol-log".into())
            .spawn(move || writer.run(&letters))?;
        Ok(Self { queue, lost, clock })
    }

    /// Waits until everything recorded so far is with the system. It blocks.
    pub fn flush(&self) {
        let (answer, answered) = sync_channel(1);
        let queue = self.queue.clone();
        // A queue that stays full is a disk that does not answer: only this thread waits for it
        // for ever.
        let asking = std::thread::Builder::new().spawn(move || {
            let _ = queue.send(Letter::Flush(answer));
        });
        if asking.is_ok() {
            let _ = answered.recv_timeout(FLUSH_PATIENCE);
        }
    }
}

impl ProtocolLog for FileLog {
    fn record(&self, session: &LoggedSession<'_>, record: CommandRecord) {
        let entry = Box::new(Entry {
            time: (self.clock)(),
            session: session.number,
            sequence: session.sequence,
            local: session.local,
            peer: session.peer,
            user: session.user.map(Into::into),
            record,
        });
        match self.queue.try_send(Letter::Entry(entry)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The rules that settings come to, for a store in `store`.
pub fn rules_of(settings: &ProtocolLogSettings, store: &std::path::Path) -> FileRules {
    let (age, total) = (settings.age_max.value(), settings.total_size_max.value());
    let software = settings.software.as_ref();
    FileRules {
        folder: settings.folder_in(store),
        roll_over: settings.roll_over,
        file_size_max: settings.file_size_max,
        age_max: (age > 0).then(|| Duration::from_secs(age * 3600)),
        total_octets_max: (total > 0).then_some(total),
        software: software
            .map_or("mailroost", |text| text.as_str())
            .to_owned(),
    }
}

/// The thread's part.
struct Writer {
    files: Files,
    lost: Arc<AtomicU64>,
    /// Whether the last line could not be written; it is said once.
    failing: bool,
    log: slog::Logger,
}

impl Writer {
    /// Writes what comes; whenever nothing waits, the files are up to date.
    fn run(mut self, letters: &Receiver<Letter>) {
        let mut line = String::new();
        while let Ok(letter) = letters.recv() {
            self.take(letter, &mut line);
            while let Ok(letter) = letters.try_recv() {
                self.take(letter, &mut line);
            }
            self.flush();
        }
    }

    fn take(&mut self, letter: Letter, line: &mut String) {
        match letter {
            Letter::Entry(entry) => {
                let lost = self.lost.swap(0, Ordering::Relaxed);
                line.clear();
                if lost > 0 {
                    slog::warn!(self.log, "protocol log: records were dropped"; "records" => lost);
                    line.push_str(&format!("#Lost: {lost}\r\n"));
                }
                entry.push(line);
                if let Err(error) = self.files.write(line, entry.time) {
                    self.lost.fetch_add(lost + 1, Ordering::Relaxed);
                    self.failed(&error);
                }
            }
            Letter::Flush(answer) => {
                self.flush();
                let _ = answer.send(());
            }
        }
    }

    fn flush(&mut self) {
        match self.files.flush() {
            Ok(()) => self.failing = false,
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.files.give_up();
        if !std::mem::replace(&mut self.failing, true) {
            slog::error!(self.log, "protocol log cannot be written"; "error" => %error);
        }
    }
}
