//! mbox files as they are found, and as they should not be.

use super::*;

const FROM_A: &str = "From a@x.example Thu Jan  1 00:00:01 1970\n";

fn read(file: &[u8]) -> Result<Vec<(MboxMessage, String)>, MboxError> {
    let mut reader = MboxReader::new(file);
    let mut messages = Vec::new();
    while let Some(message) = reader.next_message()? {
        let mut octets = Vec::new();
        while reader.read_chunk(&mut octets, 7)? {}
        messages.push((message, octets.escape_ascii().to_string()));
    }
    assert_eq!(reader.offset(), file.len() as u64);
    Ok(messages)
}

#[track_caller]
fn check(file: &str, expected: &[&str]) {
    let file = file.replace("{A}", FROM_A);
    let bodies: Vec<String> = read(file.as_bytes())
        .unwrap()
        .into_iter()
        .map(|m| m.1)
        .collect();
    assert_eq!(bodies, expected);
}

#[test]
fn a_thousand_messages_are_a_thousand_messages() {
    for line_end in ["\n", "\r\n"] {
        let mut file = String::new();
        for number in 1..=1000 {
            file += &format!("From x@y Thu Jan  1 00:00:00 1970\nSubject: {number}\n\nBody\n\n");
        }
        // The last one has neither an empty line behind it nor a line end.
        let file = file.replace('\n', line_end);
        let file = file.trim_end();
        let messages = read(file.as_bytes()).unwrap();
        assert_eq!(messages.len(), 1000);
        let line_end = line_end.escape_default();
        for (index, (message, body)) in messages.iter().enumerate() {
            assert_eq!(message.number, index as u64 + 1);
            assert_eq!(message.line, index as u64 * 5 + 1);
            let last = if message.number == 1000 {
                String::new()
            } else {
                line_end.to_string()
            };
            assert_eq!(
                *body,
                format!("Subject: {}{line_end}{line_end}Body{last}", message.number)
            );
        }
    }
}

#[test]
fn places_and_times_are_told() {
    let file = format!("{FROM_A}A: 1\n\n\nFrom b Thu Jan  1 00:00:02 1970\nB: 2\n");
    let messages = read(file.as_bytes()).unwrap();
    let second = MboxMessage {
        number: 2,
        line: 5,
        offset: 49,
        received_secs: Some(2),
    };
    assert_eq!(messages[0].0.received_secs, Some(1));
    assert_eq!(messages[1].0, second);
}

#[test]
fn an_empty_file_has_no_messages() {
    assert!(read(b"").unwrap().is_empty());
}

#[test]
fn empty_messages_are_messages() {
    check("{A}", &[""]);
    check("{A}\n{A}\n{A}", &["", "", ""]);
    check("{A}{A}\n", &["", ""]);
    check("{A}\n\n{A}A: 1\n\n", &["\\n", "A: 1\\n"]);
}

#[test]
fn only_the_last_empty_line_is_the_files() {
    check(
        "{A}A: 1\n\nx\n\n\n\n{A}y\n\n",
        &["A: 1\\n\\nx\\n\\n\\n", "y\\n"],
    );
}

#[test]
fn from_in_the_text_is_text() {
    check(
        "{A}\nFrom here\n\nFrom there\n",
        &["\\nFrom here\\n\\nFrom there\\n"],
    );
    check(
        "{A}A: 1\n\nx\n{A}\n",
        &["A: 1\\n\\nx\\nFrom a@x.example Thu Jan  1 00:00:01 1970\\n"],
    );
    check(
        "{A}\nx\n >From me\nxFrom\n",
        &["\\nx\\n >From me\\nxFrom\\n"],
    );
}

#[test]
fn one_quoting_mark_is_taken_off() {
    check(
        "{A}\n\n>From me\n>>From you\n>Fr\n>",
        &["\\n\\nFrom me\\n>From you\\n>Fr\\n>"],
    );
}

#[test]
fn octets_pass_untouched() {
    let mut file = FROM_A.as_bytes().to_vec();
    let body: Vec<u8> = [b"A: 1\r\n\r\n\0\xFF\r.\n".as_slice(), &vec![b'x'; 1 << 20]].concat();
    file.extend_from_slice(&body);
    assert_eq!(read(&file).unwrap()[0].1, body.escape_ascii().to_string());
}

#[test]
fn a_message_can_be_passed_over() {
    let file = format!("{FROM_A}A: 1\n\n{FROM_A}B: 2\n");
    let mut reader = MboxReader::new(file.as_bytes());
    assert_eq!(reader.next_message().unwrap().unwrap().number, 1);
    assert_eq!(reader.next_message().unwrap().unwrap().number, 2);
    let mut octets = Vec::new();
    assert!(!reader.read_chunk(&mut octets, 100).unwrap());
    assert_eq!(octets, b"B: 2\n");
    assert!(reader.next_message().unwrap().is_none());
}

#[test]
fn a_file_of_another_kind_is_refused() {
    for file in [
        "Subject: x\n\nFrom a Thu Jan  1 00:00:01 1970\n",
        "From me to you\n",
        "\n",
    ] {
        assert!(
            matches!(read(file.as_bytes()), Err(MboxError::NoMbox { .. })),
            "{file}"
        );
    }
}

#[test]
fn a_broken_from_line_is_named_before_its_predecessor_ends() {
    let file = format!("{FROM_A}A: 1\n\n{FROM_A}B: 2\n\nFrom c Thu Jan 99 00:00:02 1970\nC: 3\n");
    let mut reader = MboxReader::new(file.as_bytes());
    reader.next_message().unwrap();
    reader.next_message().unwrap();
    let error = reader.read_chunk(&mut Vec::new(), usize::MAX).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 7 (octet 96): \"From c Thu Jan 99 00:00:02 1970\" looks like a \"From \" line \
         without a date"
    );
}
