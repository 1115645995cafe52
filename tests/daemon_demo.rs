//! The demo, as somebody sees it who tries the server for the first time.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use daemon_program::{Signal, program};

struct Demo {
    child: Child,
    lines: Vec<String>,
}

impl Demo {
    /// Starts it and reads what it prints for people.
    fn start(folder: &std::path::Path) -> Self {
        let mut child = program()
            .arg("demo")
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let last = line.starts_with("Ctrl-C");
            lines.push(line);
            if last {
                break;
            }
        }
        Self { child, lines }
    }

    /// Runs the printed command that begins so, in a shell.
    fn command(&self, begin: &str, home: &std::path::Path) -> String {
        let command = self
            .lines
            .iter()
            .find(|line| line.starts_with(begin))
            .unwrap();
        let output = Command::new("sh")
            .args(["-c", command])
            .env("HOME", home)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}\n{output:?}");
        text
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_three_commands_work_when_copied_and_ctrl_c_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(folder.path());
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "one folder holds it all"
    );

    let shown = demo.command("curl ", home.path());
    assert!(
        shown.contains("Subject: Welcome to the roost\r\n"),
        "{shown}"
    );
    let dialog = demo.command("printf ", home.path());
    assert!(
        dialog.contains("\r\n6 "),
        "six messages are listed: {dialog}"
    );
    let fetched = demo.command("echo ", home.path());
    assert!(
        fetched.contains("zurück: fünf Jungvögel"),
        "8-bit octets arrive"
    );
    assert!(
        fetched.contains("\n.profile has changed"),
        "transparency is undone"
    );
    assert!(fetched.len() > 3 * 1024 * 1024, "the attachment arrives");

    let pid = nix::unistd::Pid::from_raw(demo.child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, Signal::SIGINT).unwrap();
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing is left"
    );
}

#[test]
fn two_demos_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (Demo::start(folder.path()), Demo::start(folder.path()));
    let address = |demo: &Demo| {
        demo.lines
            .iter()
            .find(|line| line.starts_with("POP3 with"))
            .cloned()
    };
    assert!(address(&one).is_some());
    assert_ne!(address(&one), address(&other));
}
