//! The control socket asks who is there: its mode is one lock, the peer's uid another one.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::{BECOME, mode, place, uid};

#[test]
fn another_user_is_refused_even_where_the_file_is_open_to_all() {
    let place = place(BECOME);
    let daemon = place.daemon();
    let ask = |uid: u32| {
        let output = Command::new(place.path("mailroost"))
            .arg("--config")
            .arg(place.config())
            .arg("status")
            .uid(uid)
            .gid(uid)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let other = uid() - 1;
    let (ok, said) = ask(other);
    assert!(!ok && said.contains("ermission denied"), "{said}");
    mode(&place.path("store"), 0o755);
    mode(&place.path("store/control"), 0o666);
    let (ok, said) = ask(other);
    assert!(!ok, "{said}");
    let line = daemon.log_of("control connection refused");
    assert_eq!(line["uid"], other);
    // Its own user and root are let in.
    for admitted in [uid(), 0] {
        let (ok, said) = ask(admitted);
        assert!(ok, "{admitted}: {said}");
    }
}
