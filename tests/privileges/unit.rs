//! The systemd unit: as hard as it was, judged by systemd itself.

use std::path::Path;
use std::process::Command;

/// Tenths of what `systemd-analyze security` calls the exposure; 0 is none, 100 all.
const EXPOSURE_MAX: &str = "17";

#[test]
fn the_unit_is_not_more_exposed_than_it_was() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd/mailroost.service");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold", EXPOSURE_MAX])
        .arg(unit)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(!complaints.contains("ignoring"), "{complaints}");
}
