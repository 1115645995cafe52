//! Known lines, taken apart.

use super::*;

fn arguments(line: &str, separators: Separators) -> Arguments<'_> {
    Command::parse(line.as_bytes(), separators)
        .unwrap()
        .arguments
}

#[test]
fn keywords_in_any_case_and_nothing_else() {
    let stat = Ok(Verb::Transaction(TransactionVerb::Stat));
    let table = [
        ("STAT", stat),
        ("stat", stat),
        ("sTaT ", stat),
        ("STAT\t", stat),
        ("", Err(CommandError::Malformed)),
        (" STAT", Err(CommandError::Malformed)),
        ("\tSTAT", Err(CommandError::Malformed)),
        ("STATUS", Err(CommandError::Unknown)),
        ("STA", Err(CommandError::Unknown)),
        ("STAT\0", Err(CommandError::Unknown)),
        ("STAT\r", Err(CommandError::Unknown)),
        ("APOP a b", Err(CommandError::Unknown)),
        ("LAST", Err(CommandError::Unknown)),
        ("\u{e9}", Err(CommandError::Unknown)),
        (":", Err(CommandError::Unknown)),
    ];
    for (line, expected) in table {
        let parsed = Command::parse(line.as_bytes(), Separators::Lenient);
        assert_eq!(parsed.map(|command| command.verb), expected, "{line:?}");
    }
}

#[test]
fn message_numbers_are_never_wrapped() {
    let one = Ok(MessageNumber::new(1).unwrap());
    let table = [
        ("RETR 1", one),
        ("RETR 0001", one),
        ("RETR \t 1 \t", one),
        ("RETR\t1", one),
        ("RETR 0", Err(CommandError::MessageNumber)),
        ("RETR 00", Err(CommandError::MessageNumber)),
        ("RETR +1", Err(CommandError::MessageNumber)),
        ("RETR -1", Err(CommandError::MessageNumber)),
        ("RETR 1e0", Err(CommandError::MessageNumber)),
        ("RETR 1\0", Err(CommandError::MessageNumber)),
        ("RETR 1,", Err(CommandError::MessageNumber)),
        ("RETR one", Err(CommandError::MessageNumber)),
        ("RETR 4294967296", Err(CommandError::NoSuchMessage)),
        ("RETR 4294967297", Err(CommandError::NoSuchMessage)),
        (
            "RETR 18446744073709551616",
            Err(CommandError::NoSuchMessage),
        ),
        (
            "RETR 18446744073709551617",
            Err(CommandError::NoSuchMessage),
        ),
        ("RETR", Err(CommandError::ArgumentMissing)),
        ("RETR ", Err(CommandError::ArgumentMissing)),
        ("RETR 1 2", Err(CommandError::TooManyArguments)),
        ("RETR 1 2 3 4", Err(CommandError::TooManyArguments)),
    ];
    for (line, expected) in table {
        assert_eq!(
            arguments(line, Separators::Lenient).message_number(),
            expected,
            "{line:?}"
        );
    }
}

#[test]
fn top_wants_two_numbers() {
    let one = MessageNumber::new(1).unwrap();
    let table = [
        ("TOP 1 0", Ok((one, 0))),
        ("TOP 1 99999999", Ok((one, 99_999_999))),
        ("TOP 1 18446744073709551616", Ok((one, u64::MAX))),
        ("TOP 1 -1", Err(CommandError::LineCount)),
        ("TOP 1 x", Err(CommandError::LineCount)),
        ("TOP 0 1", Err(CommandError::MessageNumber)),
        ("TOP 1", Err(CommandError::ArgumentMissing)),
        ("TOP", Err(CommandError::ArgumentMissing)),
        ("TOP 1 2 3", Err(CommandError::TooManyArguments)),
    ];
    for (line, expected) in table {
        let parsed = arguments(line, Separators::Lenient).message_number_and_lines();
        assert_eq!(parsed, expected, "{line:?}");
    }
}

#[test]
fn a_single_space_is_the_only_separator_of_rfc_1939() {
    let one = MessageNumber::new(1).unwrap();
    let parsed = |line| arguments(line, Separators::SingleSpace).message_number();
    assert_eq!(parsed("RETR 1"), Ok(one));
    assert_eq!(parsed("RETR  1"), Err(CommandError::Malformed));
    assert_eq!(parsed("RETR 1 "), Err(CommandError::Malformed));
    assert_eq!(parsed("RETR "), Err(CommandError::Malformed));
    let tab = Command::parse(b"RETR\t1", Separators::SingleSpace);
    assert_eq!(tab.unwrap_err(), CommandError::Unknown);
}

#[test]
fn after_pass_one_separator_goes_and_the_rest_stays() {
    let table = [
        ("PASS secret", Ok("secret")),
        ("PASS  two ", Ok(" two ")),
        ("PASS\t\ttab\t", Ok("\ttab\t")),
        ("PASS a\0b", Ok("a\0b")),
        ("PASS \u{e9}", Ok("\u{e9}")),
        ("PASS ", Ok("")),
        ("PASS", Err(CommandError::ArgumentMissing)),
    ];
    for (line, expected) in table {
        let parsed = arguments(line, Separators::Lenient).verbatim();
        assert_eq!(parsed, expected.map(str::as_bytes), "{line:?}");
    }
}

#[test]
fn a_name_loses_separators_at_its_ends_and_nothing_else() {
    let table: [(&str, &str); 4] = [
        ("USER \t a b \t", "a b"),
        ("USER alice\r", "alice\r"),
        ("USER \x0calice", "\x0calice"),
        ("USER \t \r \t", "\r"),
    ];
    for (line, expected) in table {
        let parsed = arguments(line, Separators::Lenient).remainder();
        assert_eq!(parsed, Ok(expected.as_bytes()), "{line:?}");
    }
    let blank = arguments("USER \t ", Separators::Lenient).remainder();
    assert_eq!(blank, Err(CommandError::ArgumentMissing));
}

#[test]
fn debug_shows_no_argument() {
    let command = Command::parse(b"PASS swordfish", Separators::Lenient).unwrap();
    assert!(!format!("{command:?}").contains("swordfish"));
    assert!(!format!("{command:?}").contains("115"));
}
