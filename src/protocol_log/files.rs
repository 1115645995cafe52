//! The files of the protocol log: their names, when one follows another, and which are removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::line::{FIELDS, since_epoch, timestamp};
use crate::calendar::{DAY_SECS, Date};
use crate::config::{FileSize, RollOver};

/// What the names begin and end with.
const PREFIX: &str = "POP3";
const SUFFIX: &str = ".LOG";
/// Names of users and addresses are not for everybody.
const MODE: u32 = 0o640;

/// What the files are like.
#[derive(Debug, Clone)]
pub struct FileRules {
    /// Their folder. It is created when it is not there.
    pub folder: PathBuf,
    /// When a new file is begun, if the size does not decide.
    pub roll_over: RollOver,
    /// What the size decides.
    pub file_size_max: FileSize,
    /// Files that were not written to for longer are removed.
    pub age_max: Option<Duration>,
    /// The octets of all files together, beyond which the oldest are removed.
    pub total_octets_max: Option<u64>,
    /// What `#Software:` says.
    pub software: String,
}

/// The file at hand, and the rules for the next one.
pub(super) struct Files {
    rules: FileRules,
    open: Option<OpenFile>,
}

struct OpenFile {
    path: PathBuf,
    out: BufWriter<File>,
    octets: u64,
    /// When the period began that it is for, in seconds since 1970-01-01.
    period: u64,
    /// Whether anything but the header is in it.
    has_lines: bool,
}

impl Files {
    /// # Errors
    /// If the folder cannot be made or the first file cannot be opened.
    pub(super) fn begin(rules: FileRules, now: SystemTime) -> io::Result<Self> {
        fs::create_dir_all(&rules.folder)?;
        let mut files = Self { rules, open: None };
        files.file_for(now, 0)?;
        files.flush()?;
        Ok(files)
    }

    /// Writes a line, into the file that is its own.
    pub(super) fn write(&mut self, line: &str, now: SystemTime) -> io::Result<()> {
        let octets = line.len() as u64;
        let file = self.file_for(now, octets)?;
        file.out.write_all(line.as_bytes())?;
        file.octets += octets;
        file.has_lines = true;
        Ok(())
    }

    /// Everything written is with the system.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match &mut self.open {
            Some(file) => file.out.flush(),
            None => Err(io::Error::other("no file is open")),
        }
    }

    /// The file is opened again for the next line: something was wrong with it.
    pub(super) fn give_up(&mut self) {
        self.open = None;
    }

    fn file_for(&mut self, now: SystemTime, octets: u64) -> io::Result<&mut OpenFile> {
        let period = self.rules.period(since_epoch(now).0);
        let fits = |file: &OpenFile| match self.rules.file_size_max {
            // Threads do not agree on the time to the millisecond: a period is never gone back to.
            FileSize::ByTime => file.period >= period,
            FileSize::Octets(max) => !file.has_lines || file.octets + octets <= max,
            FileSize::Unlimited => true,
        };
        if let Some(mut full) = self.open.take_if(|file| !fits(file)) {
            full.out.flush()?;
        }
        if self.open.is_none() {
            self.open = Some(self.open_file(now, period, octets)?);
            self.clean_up(now);
        }
        self.open
            .as_mut()
            .ok_or_else(|| io::Error::other("no file is open"))
    }

    /// The file to go on with, or a new one.
    fn open_file(&self, now: SystemTime, period: u64, octets: u64) -> io::Result<OpenFile> {
        let path = self.path_for(period, octets)?;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(MODE);
        let mut file = options.open(&path)?;
        let found = file.metadata()?.len();
        let mut out = String::new();
        if found == 0 {
            out = header(&self.rules.software, now);
        } else if !ends_with_line_end(&mut file)? {
            // The machine stopped amid a line.
            out.push_str("\r\n");
        }
        let mut open = OpenFile {
            path,
            out: BufWriter::new(file),
            octets: found + out.len() as u64,
            period,
            has_lines: found > 0,
        };
        open.out.write_all(out.as_bytes())?;
        Ok(open)
    }

    fn path_for(&self, period: u64, octets: u64) -> io::Result<PathBuf> {
        let rules = &self.rules;
        let name = match rules.file_size_max {
            FileSize::Unlimited => format!("{PREFIX}{SUFFIX}"),
            FileSize::ByTime => rules.name(period, 1),
            FileSize::Octets(max) => {
                let day = rules.name(period, 0);
                let day = day.split('-').next().unwrap_or_default().to_owned();
                let last = own_files(&rules.folder)?
                    .into_iter()
                    .filter(|file| file.stem == day)
                    .max_by_key(|file| file.number);
                match last {
                    Some(last) if last.octets + octets <= max => rules.name(period, last.number),
                    Some(last) => rules.name(period, last.number + 1),
                    None => rules.name(period, 1),
                }
            }
        };
        Ok(rules.folder.join(name))
    }

    /// Removes what is too old or too much, as far as it can be removed.
    fn clean_up(&self, now: SystemTime) {
        let rules = &self.rules;
        if rules.age_max.is_none() && rules.total_octets_max.is_none() {
            return;
        }
        let Ok(mut files) = own_files(&rules.folder) else {
            return;
        };
        let at_hand = self.open.as_ref().map(|file| &file.path);
        files.sort_by_key(|file| (file.modified, file.number));
        let mut total: u64 = files.iter().map(|file| file.octets).sum();
        for file in files.iter().filter(|file| Some(&file.path) != at_hand) {
            let age = now.duration_since(file.modified).unwrap_or_default();
            let too_old = rules.age_max.is_some_and(|max| age > max);
            let too_much = rules.total_octets_max.is_some_and(|max| total > max);
            if (too_old || too_much) && fs::remove_file(&file.path).is_ok() {
                total -= file.octets;
            }
        }
    }
}

impl FileRules {
    /// When the period began that a moment is in; both in seconds since 1970-01-01.
    fn period(&self, secs: u64) -> u64 {
        let day = secs / DAY_SECS;
        match (self.file_size_max, self.roll_over) {
            (FileSize::Unlimited, _) => 0,
            (FileSize::Octets(_), _) | (FileSize::ByTime, RollOver::Daily) => day * DAY_SECS,
            (FileSize::ByTime, RollOver::Hourly) => secs / 3600 * 3600,
            // 1970-01-01 was a Thursday, three days after a Monday.
            (FileSize::ByTime, RollOver::Weekly) => day.saturating_sub((day + 3) % 7) * DAY_SECS,
            (FileSize::ByTime, RollOver::Monthly) => (day + 1 - Date::of_day(day).day) * DAY_SECS,
        }
    }

    /// `POP3yyyymmdd-n.LOG`, or `POP3yyyymmddhh-n.LOG` where a file is for an hour.
    fn name(&self, period: u64, number: u64) -> String {
        let Date { year, month, day } = Date::of_day(period / DAY_SECS);
        let hour = match (self.file_size_max, self.roll_over) {
            (FileSize::ByTime, RollOver::Hourly) => format!("{:02}", period % DAY_SECS / 3600),
            _ => String::new(),
        };
        format!("{PREFIX}{year:04}{month:02}{day:02}{hour}-{number}{SUFFIX}")
    }
}

/// What stands at the top of a file.
fn header(software: &str, now: SystemTime) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let date = timestamp(now);
    format!(
        "#Software: {software}\r\n#Version: {version}\r\n#Log-type: POP3 Protocol Log\r\n\
         #Date: {date}\r\n#Fields: {FIELDS}\r\n"
    )
}

fn ends_with_line_end(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// A file that was written here.
struct OwnFile {
    path: PathBuf,
    stem: String,
    number: u64,
    octets: u64,
    modified: SystemTime,
}

/// The files of a folder whose names are like ours; all others are somebody else's.
fn own_files(folder: &Path) -> io::Result<Vec<OwnFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((stem, number)) = name.to_str().and_then(taken_apart) else {
            continue;
        };
        // It may be gone since.
        let Ok(facts) = entry.metadata() else {
            continue;
        };
        if facts.is_file() {
            files.push(OwnFile {
                path: entry.path(),
                stem: stem.to_owned(),
                number,
                octets: facts.len(),
                modified: facts.modified()?,
            });
        }
    }
    Ok(files)
}

/// What stands before the hyphen, and the number.
fn taken_apart(name: &str) -> Option<(&str, u64)> {
    let (stem, number) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let digits = stem.strip_prefix(PREFIX)?;
    let is_date = matches!(digits.len(), 8 | 10) && digits.bytes().all(|c| c.is_ascii_digit());
    is_date.then_some(())?;
    Some((stem, number.parse().ok()?))
}
