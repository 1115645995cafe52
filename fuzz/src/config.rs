//! The configuration: any text is settings or an error of one line, and settings that are printed
//! are read back as the same.

use mailroost::Config;

/// The target: TOML.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Files that are named are opened, and these may never end.
    if ["/dev", "/proc", "/sys"]
        .iter()
        .any(|folder| text.contains(folder))
    {
        return;
    }
    match Config::parse("mailroost.toml", text) {
        Ok(config) => {
            let printed = config.print();
            let again = Config::parse("printed.toml", &printed);
            let again = again.unwrap_or_else(|error| panic!("{error}\n{printed}"));
            assert_eq!(again.effective(), config.effective(), "{printed}");
            assert!(config.needs_restart(&again).is_empty());
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.starts_with("mailroost.toml"), "{said:?}");
            assert!(!said.contains(['\n', '\r', '\0', '\x1b']), "{said:?}");
            assert!(said.len() < 2_000 + 4 * text.len(), "{said:?}");
        }
    }
}
