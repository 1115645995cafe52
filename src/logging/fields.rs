//! Reads a line of the log back, in either form: keys and values.

/// Keys and values of one line, in order. A line that is neither form has none.
pub(crate) fn parse(line: &str) -> Vec<(String, String)> {
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line) {
        Ok(object) => object
            .into_iter()
            .map(|(key, value)| match value {
                serde_json::Value::String(text) => (key, text),
                other => (key, other.to_string()),
            })
            .collect(),
        Err(_) => human(line),
    }
}

/// `TIME LEVEL MESSAGE, key: value, key: "a, value"`. Within quotes `\"` is a quote.
fn human(line: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once(": ") {
        let key = before.rsplit_once(", ").map_or(before, |(_, key)| key);
        let (value, end) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = after.find(", ").unwrap_or(after.len());
                (after[..end].to_owned(), end)
            }
        };
        fields.push((key.to_owned(), value));
        rest = &after[end..];
    }
    fields
}

/// The value up to its closing quote, and how many octets it took with both quotes.
fn unquote(quoted: &str) -> (String, usize) {
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            '"' if !escaped => return (value, at + 2),
            '"' => {
                value.pop();
                value.push('"');
                escaped = false;
            }
            c => {
                escaped = c == '\\' && !escaped;
                value.push(c);
            }
        }
    }
    (value, quoted.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(line: &str) -> Vec<(String, String)> {
        parse(line)
    }

    #[test]
    fn both_forms_are_read_back() {
        let expected = [
            ("peer", "192.0.2.1:5"),
            ("why", "wrong password"),
            ("name", "a\", peer: \"b"),
        ];
        let human = "Nov 24 12:00:00.000 WARN log-on failed, peer: 192.0.2.1:5, \
                     why: \"wrong password\", name: \"a\\\", peer: \\\"b\"";
        let found = pairs(human);
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!((found.0.as_str(), found.1.as_str()), expected);
        }
        assert_eq!(found.len(), 3);
        let json = r#"{"msg":"x","peer":"192.0.2.1:5","why":"wrong password","session":7}"#;
        assert!(pairs(json).contains(&("session".to_owned(), "7".to_owned())));
        assert!(pairs("nothing of ours").is_empty());
    }
}
