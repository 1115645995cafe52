//! What the daemon has given up once it is ready, and that it goes on serving: the program itself,
//! started by root, looked at from outside. Restrictions that a kernel lacks are simulated by a
//! filter on the thread that starts the program.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

#[path = "../daemon_program/mod.rs"]
mod daemon_program;

mod control_socket;
mod keys;
mod memory;
mod old_kernels;
mod process;
mod unit;

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use daemon_program::{Daemon, Place, SETTINGS};
use nix::unistd::geteuid;

/// Whom the daemon becomes.
const USER: &str = "nobody";
const BECOME: &str = "[privileges]\nuser = \"nobody\"\n";

/// A place that the user has a way to, with more settings than most.
fn place(more: &str) -> Place {
    assert!(geteuid().is_root(), "only root can become somebody else");
    let mut place = Place::with(&format!("{SETTINGS}{more}"));
    place.open_to_all();
    place
}

fn uid() -> u32 {
    let user = nix::unistd::User::from_name(USER).unwrap().unwrap();
    user.uid.as_raw()
}

fn mode(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What the log says of each measure, up to the line that the daemon is ready.
fn measures(daemon: &Daemon) -> Vec<(String, String, String)> {
    let text = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap().to_owned();
    let said = daemon
        .said
        .iter()
        .filter(|line| line["msg"] == "privileges");
    said.map(|line| {
        (
            text(line, "measure"),
            text(line, "is"),
            text(line, "detail"),
        )
    })
    .collect()
}

#[track_caller]
fn measure(daemon: &Daemon, name: &str) -> (String, String) {
    let measures = measures(daemon);
    let of_name = measures.iter().find(|(measure, ..)| measure == name);
    let (_, is, detail) = of_name.unwrap_or_else(|| panic!("{name}: {measures:?}"));
    (is.clone(), detail.clone())
}
