//! What a reader should know of the machine; nothing that names it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::peer::run;

/// Processors, memory, kernel, and the file system of the folder.
pub fn machine(folder: &Path) -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unnamed".to_owned());
    let kib: u64 = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    let gibibytes = kib as f64 / 1024.0 / 1024.0;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // `uname -r` may name who built it; the number is what counts.
    let kernel = kernel
        .trim()
        .split(['-', '+'])
        .next()
        .unwrap_or_default()
        .to_owned();
    let file_system = run(Command::new("df").arg("--output=fstype").arg(folder));
    let file_system = file_system.map(|text| String::from_utf8_lossy(&text).into_owned());
    let file_system = file_system
        .ok()
        .and_then(|it| it.lines().nth(1).map(str::to_owned));
    format!(
        "{processors} x {model}, {gibibytes:.0} GiB of memory, Linux {kernel}, {}",
        file_system.unwrap_or_default()
    )
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
