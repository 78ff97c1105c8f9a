//! Words of a POSIX shell. Pure.

/// The text as one word, whatever is in it.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The first words of a command line, as far as they are plain or quoted; a word with an expansion in it ends the list.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let text = word.get_or_insert_default();
                if !chars.by_ref().any(|c| {
                    if c == '\'' {
                        true
                    } else {
                        text.push(c);
                        false
                    }
                }) {
                    return words;
                }
            }
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return words,
            },
            '"' | '$' | '`' | ';' | '&' | '|' | '<' | '>' | '(' | ')' | '\n' | '*' | '?' | '['
            | '#' | '~' => {
                return words;
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_is_that_word() {
        for text in ["", "a", "/opt/my cck/cck", "it's", "$(x) `y` \"z\" \\", "a\nb"] {
            assert_eq!(words(&quote(text)), [text], "{}", quote(text));
            let echoed = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", quote(text)))
                .output();
            assert_eq!(String::from_utf8(echoed.unwrap().stdout).unwrap(), text);
        }
        assert_eq!(
            words("'/a b/cck' get-key  --profile x"),
            ["/a b/cck", "get-key", "--profile", "x"]
        );
        assert_eq!(words("cck get-key $(x)"), ["cck", "get-key"]);
        assert_eq!(words("'open"), [""; 0]);
    }
}
