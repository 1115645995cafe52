//! Class 8: secrets are compared in constant time, wherever they are compared. The source is
//! searched: what an attacker could measure of one comparison drowns in the network.

use std::fs;
use std::path::{Path, PathBuf};

/// What a secret, or what is computed from one, is called in the code.
const SECRETS: [&str; 12] = [
    "password",
    "secret",
    "proof",
    "mac",
    "mic",
    "digest",
    "tag",
    "stored_key",
    "server_key",
    "ntowf",
    "verifier",
    "answer",
];

/// Comparisons of something else that has such a name: in which file, and the reason.
const OTHERS: [(&str, &str, &str); 2] = [
    (
        "auth/src/ntlm/acceptor.rs",
        "[0; 16]",
        "whether there is one at all",
    ),
    (
        "src/cli/password.rs",
        "Once more",
        "what an administrator types twice",
    ),
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests.rs")
            && !path.components().any(|part| part.as_os_str() == "tests")
        {
            found.push(path);
        }
    }
}

/// The operands of a comparison in a line of code, without paths and calls around them.
fn operands(line: &str) -> Vec<String> {
    let Some((left, right)) = line.split_once(" == ").or_else(|| line.split_once(" != ")) else {
        return Vec::new();
    };
    let word = |text: &str, from_end: bool| {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_.*&".contains(c);
        let part: String = match from_end {
            true => text
                .chars()
                .rev()
                .take_while(|c| is_word(*c))
                .collect::<String>(),
            false => text.chars().take_while(|c| is_word(*c)).collect(),
        };
        let part: String = match from_end {
            true => part.chars().rev().collect(),
            false => part,
        };
        part.trim_start_matches(['*', '&']).to_owned()
    };
    vec![word(left, true), word(right, false)]
}

#[test]
fn class_08_no_secret_is_compared_with_an_operator_that_stops_early() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["auth/src", "src", "pam/src", "storage/src"] {
        files(&root.join(folder), &mut found);
    }
    assert!(found.len() > 100);
    let mut constant_time = 0;
    for file in found {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("mod tests {").next().unwrap();
        constant_time += code.matches(".ct_eq(").count();
        for (number, line) in (1..).zip(code.lines()) {
            for operand in operands(line) {
                let last = operand.rsplit('.').next().unwrap();
                let is_length = last == "len";
                let is_other = OTHERS
                    .iter()
                    .any(|(known, part, _)| file.ends_with(known) && line.contains(part));
                assert!(
                    is_length || is_other || !SECRETS.contains(&last),
                    "{}:{number}: {line}",
                    file.display()
                );
            }
        }
    }
    // Hashes, keys of SCRAM, nonces and bindings, three proofs of NTLM, app passwords, the cache.
    assert!(constant_time >= 9, "{constant_time}");
}
