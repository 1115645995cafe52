//! Known answers for the normaliser, and properties that hold for any octets.

use proptest::prelude::*;

use super::*;

struct Normalised {
    octets: Vec<u8>,
    header_octets: u64,
    dot_lines: bool,
}

fn normalise_in(chunks: &[&[u8]]) -> Normalised {
    let mut normaliser = Normaliser::new();
    let mut octets = Vec::new();
    for chunk in chunks {
        normaliser.push(chunk, &mut octets);
    }
    normaliser.finish(&mut octets);
    normaliser.finish(&mut octets);
    assert_eq!(normaliser.octets(), octets.len() as u64);
    Normalised {
        octets,
        header_octets: normaliser.header_octets(),
        dot_lines: normaliser.dot_lines(),
    }
}

fn normalise(input: &[u8]) -> Vec<u8> {
    normalise_in(&[input]).octets
}

#[track_caller]
fn check(input: &[u8], expected: &[u8]) {
    let show = |octets: &[u8]| octets.escape_ascii().to_string();
    assert_eq!(
        show(&normalise(input)),
        show(expected),
        "from {}",
        show(input)
    );
    let octet_by_octet: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(
        show(&normalise_in(&octet_by_octet).octets),
        show(expected),
        "octet by octet"
    );
}

#[test]
fn a_conforming_message_passes_untouched() {
    let message = b"From: a@b\r\nTo: c\r\n\tand d\r\n \r\n\r\nHi\r\n\r\n.\r\nX-Not: a header\r\n";
    check(message, message);
}

#[test]
fn every_form_of_line_end_becomes_crlf() {
    check(
        b"A: 1\nB: 2\rC: 3\r\r\nD: 4\r\n\n\rx",
        b"A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n\r\nx\r\n",
    );
}

#[test]
fn cr_cr_lf_is_one_line_end_and_cr_cr_alone_is_two() {
    check(b"A: 1\r\r\n\r\r\nx\r\r\n", b"A: 1\r\n\r\nx\r\n");
    check(b"A: 1\r\n\r\nx\r\ry", b"A: 1\r\n\r\nx\r\n\r\ny\r\n");
    check(
        b"A: 1\r\n\r\nx\r\r\r\ny\r\r",
        b"A: 1\r\n\r\nx\r\n\r\ny\r\n\r\n",
    );
}

#[test]
fn a_missing_last_line_end_is_added() {
    check(b"A: 1\r\n\r\nlast", b"A: 1\r\n\r\nlast\r\n");
    check(b"A: 1\r\n\r\nlast\r", b"A: 1\r\n\r\nlast\r\n");
}

#[test]
fn a_header_alone_gets_its_empty_line() {
    check(b"A: 1", b"A: 1\r\n\r\n");
    check(b"A: 1\r\n", b"A: 1\r\n\r\n");
    check(b"A: 1\r\n\r\n", b"A: 1\r\n\r\n");
    check(b"A:", b"A:\r\n\r\n");
}

#[test]
fn nothing_becomes_one_empty_line() {
    check(b"", b"\r\n");
    check(b"\r", b"\r\n");
    check(b"\n", b"\r\n");
    check(b"\r\n", b"\r\n");
}

#[test]
fn a_first_line_that_is_no_field_begins_the_body() {
    check(b"Hello", b"\r\nHello\r\n");
    check(b"Hello there: you\r\n", b"\r\nHello there: you\r\n");
    check(b" folded: what?\r\n", b"\r\n folded: what?\r\n");
    check(b": no name\r\n", b"\r\n: no name\r\n");
    check(b".\r\n", b"\r\n.\r\n");
    check(b"\0", b"\r\n\0\r\n");
    check("\u{e4}: 1".as_bytes(), "\r\n\u{e4}: 1\r\n".as_bytes());
}

#[test]
fn white_space_before_the_colon_is_the_old_form_of_a_field() {
    check(b"Subject \t: x\r\n\r\n", b"Subject \t: x\r\n\r\n");
}

#[test]
fn a_broken_line_amid_the_header_begins_the_body() {
    check(
        b"A: 1\r\n>From x@y Thu\r\nB: 2\r\n\r\nbody\r\n",
        b"A: 1\r\n\r\n>From x@y Thu\r\nB: 2\r\n\r\nbody\r\n",
    );
}

#[test]
fn a_name_longer_than_a_line_may_be_is_no_field() {
    let mut longest = vec![b'n'; FIELD_NAME_OCTETS_MAX];
    longest.extend_from_slice(b": x\r\n\r\n");
    check(&longest, &longest);
    let longer = [b"n".as_slice(), &longest].concat();
    check(&longer, &[b"\r\n".as_slice(), &longer].concat());
}

#[test]
fn a_very_long_line_stays_one_line() {
    let body = vec![0xE9; 1 << 20];
    let message = [b"A: 1\r\n\r\n".as_slice(), &body, b"\r\n"].concat();
    assert_eq!(normalise(&message), message);
}

#[test]
fn dots_are_seen_in_fields_bodies_and_behind_repairs() {
    for (input, expected) in [
        (b".x: 1\r\n\r\n".as_slice(), true),
        (b"A: 1\r\n\r\n.", true),
        (b"A: 1\r\n\r\n\r.", true),
        (b".", true),
        (b"A: .\r\n\r\nx.\r\n ..\r\n", false),
    ] {
        assert_eq!(
            normalise_in(&[input]).dot_lines,
            expected,
            "{}",
            input.escape_ascii()
        );
    }
}

/// Octets that matter to the normaliser far more often than chance would have them.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b".".to_vec()),
        Just(b":".to_vec()),
        Just(b" ".to_vec()),
        Just(b"Subject: x\r\n".to_vec()),
        Just(b"From me\n".to_vec()),
        Just(vec![b'n'; 600]),
        prop::collection::vec(any::<u8>(), 0..5),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn without_line_ends(octets: &[u8]) -> Vec<u8> {
    octets
        .iter()
        .copied()
        .filter(|octet| !b"\r\n".contains(octet))
        .collect()
}

proptest! {
    #[test]
    fn normal_messages_stay_as_they_are(input in pieces()) {
        let once = normalise(&input);
        prop_assert_eq!(normalise(&once), once);
    }

    #[test]
    fn chunks_make_no_difference(
        input in pieces(),
        cuts in prop::collection::vec(0..99usize, 0..9),
    ) {
        let mut chunks = Vec::new();
        let mut rest = input.as_slice();
        for cut in cuts {
            let (chunk, after) = rest.split_at(cut.min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        chunks.push(rest);
        let whole = normalise_in(&[&input]);
        let cut = normalise_in(&chunks);
        prop_assert_eq!(whole.octets, cut.octets);
        prop_assert_eq!(whole.header_octets, cut.header_octets);
        prop_assert_eq!(whole.dot_lines, cut.dot_lines);
    }

    #[test]
    fn what_comes_out_conforms(input in pieces()) {
        let Normalised { octets, header_octets, dot_lines } = normalise_in(&[&input]);
        prop_assert!(octets.ends_with(b"\r\n"));
        prop_assert_eq!(without_line_ends(&octets), without_line_ends(&input));
        let text = octets.strip_suffix(b"\r\n").unwrap();
        let lines: Vec<&[u8]> = text
            .split(|&octet| octet == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .collect();
        prop_assert!(lines.iter().all(|line| !line.contains(&b'\r')), "a bare CR");
        prop_assert_eq!(lines.join(b"\r\n".as_slice()), text, "a bare LF");
        prop_assert_eq!(lines.iter().any(|line| line.starts_with(b".")), dot_lines);
        let header = lines.iter().take_while(|line| !line.is_empty());
        let octets: usize = header.map(|line| line.len() + 2).sum();
        prop_assert_eq!(octets as u64 + 2, header_octets);
    }
}
