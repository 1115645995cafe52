//! `instructions`: what the inner parts execute, counted by callgrind and compared with the
//! baseline in `benches/instructions.toml`. `--renew` writes the baseline anew.
//!
//! Each part is counted in a process of its own, which valgrind runs: this program again, with
//! `--part NAME`. What is counted is the second to the eleventh time that it is done, so that what
//! is made once (tables, buffers, the choice of a CPU's best routine) is not.

#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use mailroost_parts::{COUNTED, Part};

/// How much more or less than the baseline is nothing to be told, in percent.
const ROOM_PERCENT: f64 = 5.0;

/// How often a part is done while it is counted.
const TIMES: u64 = 10;

/// The command that the messages name.
const RENEW: &str = "cargo run --release --locked -p mailroost-parts --bin instructions -- --renew";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        [] => check(),
        ["--renew"] => renew(),
        ["--part", name] => do_part(name),
        _ => Err("usage: instructions [--renew]".to_owned()),
    };
    match outcome {
        Ok(told) => {
            let _ = write!(std::io::stdout(), "{told}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "{why}");
            ExitCode::FAILURE
        }
    }
}

fn baseline_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../instructions.toml")
}

fn baseline() -> Result<String, String> {
    let path = baseline_file();
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The count that the baseline has for a part.
fn expected(baseline: &str, part: &str) -> Option<u64> {
    let mut lines = baseline.lines().filter_map(|line| line.split_once('='));
    let (_, count) = lines.find(|(name, _)| name.trim() == part)?;
    count.trim().replace('_', "").parse().ok()
}

fn check() -> Result<String, String> {
    let baseline = baseline()?;
    let (mut told, mut wrong) = (String::new(), false);
    for part in &COUNTED {
        let counted = count(part.name)?;
        let judged = judge(expected(&baseline, part.name), counted);
        wrong |= judged.is_err();
        let (Ok(verdict) | Err(verdict)) = judged;
        let _ = writeln!(told, "{}: {counted} instructions, {verdict}", part.name);
    }
    match wrong {
        false => Ok(told),
        true => Err(told),
    }
}

/// Whether a count is within the room of its baseline, and what to say.
fn judge(expected: Option<u64>, counted: u64) -> Result<String, String> {
    let Some(expected) = expected else {
        return Err(format!(
            "and the baseline has none: renew it with `{RENEW}`"
        ));
    };
    let percent = (counted as f64 - expected as f64) * 100.0 / expected as f64;
    match percent {
        percent if percent > ROOM_PERCENT => Err(format!(
            "{percent:.1} % more than the baseline of {expected} ({ROOM_PERCENT} % are allowed): \
             find out why; if it has to be, renew the baseline with `{RENEW}`"
        )),
        percent if percent < -ROOM_PERCENT => Err(format!(
            "{:.1} % less than the baseline of {expected}: well done; renew the baseline with \
             `{RENEW}`, so that it stays so",
            -percent
        )),
        percent => Ok(format!("{percent:+.2} % of the baseline")),
    }
}

/// Writes the counts into the baseline; what is said about it there stays.
fn renew() -> Result<String, String> {
    let old = baseline()?;
    let head = old.lines().take_while(|line| line.starts_with('#'));
    let mut text: String = head.map(|line| format!("{line}\n")).collect();
    text.push('\n');
    for part in &COUNTED {
        let _ = writeln!(text, "{} = {}", part.name, count(part.name)?);
    }
    let path = baseline_file();
    std::fs::write(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text)
}

/// Instructions of a part, each time that it is done.
fn count(part: &str) -> Result<u64, String> {
    let failed = |error: std::io::Error| format!("valgrind: {error}");
    let program = std::env::current_exe().map_err(failed)?;
    let out = program.with_file_name(format!("{part}.callgrind"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=instructions::counted"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["--part", part])
        // Nothing of the surroundings, such as a tunable of the C library, may change a count.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .map_err(|error| format!("valgrind (Debian's package of that name): {error}"))?;
    let counted = std::fs::read_to_string(&out).unwrap_or_default();
    let _ = std::fs::remove_file(&out);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("valgrind, {part}: {said}"));
    }
    let total = counted
        .lines()
        .find_map(|line| line.strip_prefix("totals:"));
    let total: Option<u64> = total.and_then(|total| total.trim().parse().ok());
    match total {
        Some(total) if total > 0 => Ok(total / TIMES),
        _ => Err(format!("valgrind counted nothing of {part}")),
    }
}

/// Does a part, once before it is counted.
fn do_part(name: &str) -> Result<String, String> {
    let named = COUNTED.iter().find(|part| part.name == name);
    let named = named.ok_or_else(|| format!("there is no part {name:?}"))?;
    let mut part = (named.make)();
    part.once();
    counted(&mut *part);
    Ok(String::new())
}

/// What is executed in here is counted; callgrind knows it by its name.
#[inline(never)]
fn counted(part: &mut dyn Part) {
    for _ in 0..TIMES {
        part.once();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_or_less_than_the_room_is_told_and_nothing_else() {
        assert!(judge(Some(100_000), 105_000).is_ok());
        assert!(judge(Some(100_000), 95_000).is_ok());
        let more = judge(Some(100_000), 106_000).unwrap_err();
        assert!(more.starts_with("6.0 % more than the baseline"), "{more}");
        let less = judge(Some(100_000), 94_000).unwrap_err();
        assert!(less.starts_with("6.0 % less than the baseline"), "{less}");
        assert!(less.contains("renew the baseline"), "{less}");
        assert!(judge(None, 1).is_err());
    }

    #[test]
    fn every_part_has_a_baseline() {
        let baseline = baseline().unwrap();
        for part in &COUNTED {
            assert!(expected(&baseline, part.name).is_some(), "{}", part.name);
        }
    }
}
