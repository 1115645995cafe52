//! The reader of transcript files.

use std::path::Path;

use super::head::Head;
use super::text::{self, Piece};
use super::{Action, ParseError, Stage, Step, Transcript, direction};
use crate::corpus::Form;
use crate::expect::{Part, Pattern};

pub(super) fn transcript(path: &Path, text: &str) -> Result<Transcript, ParseError> {
    let mut head = Head::default();
    let mut in_head = true;
    let mut steps = Vec::new();
    let mut number = 0;
    for line in text.split('\n') {
        number += 1;
        let result = check_line(line).and_then(|()| {
            if in_head && !line.is_empty() {
                return head.line(line);
            }
            if in_head {
                in_head = false;
                return head.finish();
            }
            if let Some(action) = dialog_line(line, &head.stage)? {
                steps.push(Step {
                    line: number,
                    action,
                });
            }
            Ok(())
        });
        result.map_err(|expected| error(path, number, expected, line))?;
    }
    if steps.is_empty() {
        return Err(error(
            path,
            number,
            "a dialog below an empty line".to_owned(),
            "the end",
        ));
    }
    let Head {
        why, tags, stage, ..
    } = head;
    let why = why.unwrap_or_default();
    Ok(Transcript {
        path: path.to_owned(),
        why,
        tags,
        stage,
        steps,
    })
}

fn error(path: &Path, line: usize, expected: String, found: &str) -> ParseError {
    ParseError {
        path: path.to_owned(),
        line,
        expected,
        found: found.to_owned(),
    }
}

fn check_line(line: &str) -> Result<(), String> {
    match line.chars().last() {
        Some(' ' | '\t') => Err("`\\s` or `\\t` for white space at the end".to_owned()),
        Some('\r') => Err("a line end without CR".to_owned()),
        _ => Ok(()),
    }
}

fn dialog_line(line: &str, stage: &Stage) -> Result<Option<Action>, String> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    if let Some(inner) = line
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        let direction = direction::direction(inner)?;
        if let super::Direction::Deliver(name) = &direction {
            stage.message(name).ok_or("a message of the head")?;
        }
        return Ok(Some(Action::Direct(direction)));
    }
    let form = "`C: `, `S: `, `# ` or `{a stage direction}`";
    let (speaker, text) = line.split_once(':').ok_or(form)?;
    let text = text.strip_prefix(' ').unwrap_or(text);
    let optional = speaker.ends_with('?');
    let speaker = speaker.strip_suffix('?').unwrap_or(speaker);
    let connection = match speaker.get(1..) {
        Some("") => 1,
        Some(number) => number
            .parse()
            .ok()
            .filter(|n| (1..=9).contains(n))
            .ok_or(form)?,
        None => return Err(form.to_owned()),
    };
    match (speaker.as_bytes()[0], optional) {
        (b'C', false) => Ok(Some(Action::Send {
            connection,
            octets: client(text)?,
        })),
        (b'S', _) => {
            let mut pattern = server(text, stage)?;
            pattern.optional = optional;
            Ok(Some(Action::Expect {
                connection,
                pattern,
            }))
        }
        _ => Err(form.to_owned()),
    }
}

fn client(text: &str) -> Result<Vec<u8>, String> {
    match text.strip_suffix("{no crlf}") {
        Some(text) => text::octets(text),
        None => {
            let mut octets = text::octets(text)?;
            octets.extend(b"\r\n");
            Ok(octets)
        }
    }
}

fn server(text: &str, stage: &Stage) -> Result<Pattern, String> {
    if text == "...lines" {
        return Ok(Pattern::lines());
    }
    let (text, free) = match text.strip_suffix("...") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut parts = Vec::new();
    for piece in text::pieces(text)? {
        let words = match piece {
            Piece::Octets(octets) => {
                parts.push(Part::Octets(octets));
                continue;
            }
            Piece::Words(words) => words,
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["octets"] => parts.push(Part::Number),
            ["octets", names @ ..] => {
                let mut total = 0;
                for name in names {
                    total += form(stage, name)?.exact().len();
                }
                parts.push(Part::Octets(total.to_string().into_bytes()));
            }
            ["id", name] => parts.push(Part::UniqueId((*name).to_owned())),
            ["retr", name] => return Ok(Pattern::octets(form(stage, name)?.retr_lines())),
            ["top", name, lines] => {
                let lines = lines
                    .parse()
                    .map_err(|_| "a number of lines in {top name 3}")?;
                return Ok(Pattern::octets(form(stage, name)?.top_lines(lines)));
            }
            _ => {
                return Err("{octets}, {octets name}, {id name}, {retr name}, {top name 3}".into());
            }
        }
    }
    if free {
        parts.push(Part::FreeText);
    }
    Ok(Pattern::line(parts))
}

fn form(stage: &Stage, name: &str) -> Result<Form, String> {
    let (_, message) = stage.message(name).ok_or("a message of the head")?;
    Ok(Form::of(&message.delivered))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Direction, Tls};

    const HEAD: &str = "# why\ntags: RFC1939 s5, verb STAT\ntls: available\n\
        user: alice password: \"a b\"\nmessage: plain\nmessage: lunch unique-id: 77\n\
        | Subject: x\n|\n| y{no crlf}\n";

    fn parse(text: &str) -> Result<Transcript, ParseError> {
        transcript(Path::new("t.pop3"), text)
    }

    #[test]
    fn the_head_sets_the_stage() {
        let found = parse(&format!("{HEAD}\nC: NOOP\n")).unwrap();
        assert_eq!(found.why, "why");
        assert_eq!(found.tags, ["RFC1939 s5", "verb STAT"]);
        assert_eq!(found.stage.tls, Tls::Available);
        assert_eq!(found.stage.mechanisms, ["PLAIN"]);
        let user = &found.stage.users[0];
        assert_eq!(
            (user.name.as_str(), user.password.as_slice()),
            ("alice", &b"a b"[..])
        );
        assert_eq!(user.messages[0].delivered, corpus_plain());
        assert_eq!(user.messages[1].delivered, b"Subject: x\r\n\r\ny");
        assert_eq!(user.messages[1].carried.as_deref(), Some("77"));
    }

    fn corpus_plain() -> Vec<u8> {
        crate::corpus::find("plain").unwrap().delivered
    }

    #[test]
    fn the_dialog_is_steps_with_line_numbers() {
        let found = parse(&format!(
            "{HEAD}\nC2: NOOP{{no crlf}}\nS?: +OK ...\n{{cut 2}}\n"
        ));
        let steps = found.unwrap().steps;
        assert_eq!(steps[0].line, 11);
        let Action::Send {
            connection: 2,
            octets,
        } = &steps[0].action
        else {
            panic!()
        };
        assert_eq!(octets, b"NOOP");
        let Action::Expect {
            connection: 1,
            pattern,
        } = &steps[1].action
        else {
            panic!()
        };
        assert!(pattern.optional);
        let Action::Direct(direction) = &steps[2].action else {
            panic!()
        };
        assert_eq!(*direction, Direction::Cut(2));
    }

    #[test]
    fn errors_name_file_line_and_what_was_expected() {
        let cases = [
            ("\nC: x\n", 1, "says why"),
            ("# w\nprofil: x\n\nC: x\n", 2, "one of tags"),
            ("# w\ntls: maybe\n\nC: x\n", 2, "implicit"),
            ("# w\nset: nothing = 1\n\nC: x\n", 2, "max_command_size"),
            (
                "# w\nuser: a password: \"b\"\nmessage: unheard-of\n\nC: x\n",
                4,
                "corpus",
            ),
            ("# w\n\nX: x\n", 3, "`C: `"),
            ("# w\n\nS: +OK {id}\n", 3, "{id name}"),
            ("# w\n\n{dance}\n", 3, "stage direction"),
            ("# w\n\n{timer 5}\n", 3, "{timer"),
            ("# w\n\nC: x \n", 3, "\\s"),
            ("# w\n\n", 3, "a dialog"),
        ];
        for (text, line, expected) in cases {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.to_string().contains(expected), "{text:?}: {error}");
            assert!(error.to_string().starts_with("t.pop3:"), "{error}");
        }
    }
}
