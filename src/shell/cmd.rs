//! Words of cmd.exe, for `cmd /d /s /c "LINE"`, as Node runs a command line. They are read twice: by cmd.exe, to which `^`
//! takes the meaning of the next character and quotes hide all but `%`, and by the program, to which `\"` is a quote.

const SPECIAL: &str = "()%!^\"<>&|";

/// The text as one word, whatever is in it but a line end, which ends a command line.
pub(crate) fn quote(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || r"\/:._-+@~".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut word = String::from("\"");
    let mut backslashes = 0;
    for c in text.chars() {
        if c == '"' {
            word.push_str(&"\\".repeat(backslashes + 1));
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        word.push(c);
    }
    word.push_str(&"\\".repeat(backslashes));
    word.push('"');
    if text.contains(['%', '!', '"', '^']) {
        // Not even the quotes are left to cmd.exe, so that it is never within any.
        let escape = |c| SPECIAL.contains(c).then_some('^').into_iter().chain([c]);
        word.chars().flat_map(escape).collect()
    } else {
        word
    }
}

/// The path of the program, which comes first: cmd.exe has to find it itself.
pub(crate) fn quote_program(path: &str) -> String {
    if quote(path) == path { path.to_owned() } else { format!("\"{path}\"") }
}

/// The path that a word means which [`quote_program`] made.
#[cfg(windows)]
pub(crate) fn unquote(word: &str) -> Option<String> {
    let text = word.trim_matches('"');
    (quote_program(text) == word).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a command line, up to what would start another command.
    fn words(line: &str) -> Vec<String> {
        let mut given = String::new();
        let mut is_quoted = false;
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match c {
                '^' if !is_quoted => given.extend(chars.next()),
                '&' | '|' | '<' | '>' | '\n' if !is_quoted => break,
                c => {
                    is_quoted ^= c == '"';
                    given.push(c);
                }
            }
        }
        split(&given)
    }

    /// The words as the program gets them.
    fn split(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let (mut is_quoted, mut backslashes) = (false, 0);
        for c in line.chars() {
            match c {
                '\\' => backslashes += 1,
                '"' => {
                    let text = word.get_or_insert_default();
                    text.push_str(&"\\".repeat(backslashes / 2));
                    if backslashes % 2 == 1 {
                        text.push('"');
                    } else {
                        is_quoted = !is_quoted;
                    }
                    backslashes = 0;
                }
                c => {
                    if backslashes > 0 {
                        word.get_or_insert_default().push_str(&"\\".repeat(backslashes));
                        backslashes = 0;
                    }
                    match c {
                        ' ' | '\t' if !is_quoted => words.extend(word.take()),
                        c => word.get_or_insert_default().push(c),
                    }
                }
            }
        }
        if backslashes > 0 {
            word.get_or_insert_default().push_str(&"\\".repeat(backslashes));
        }
        words.extend(word);
        words
    }

    #[test]
    fn a_quoted_word_is_that_word() {
        for text in [
            "",
            "a",
            r"C:\Program Files\cck.exe",
            "it's",
            r#"op read "op://a & b/c""#,
            "50% ^ !",
            r"a b\",
            r#"\\"\"#,
            "(x)",
        ] {
            assert_eq!(words(&quote(text)), [text], "{}", quote(text));
            assert_eq!(words(&format!("{} b", quote(text))), [text, "b"]);
        }
        assert_eq!(quote("acme"), "acme");
        assert_eq!(quote("a & b"), r#""a & b""#);
        assert_eq!(quote(r#"x "y""#), r#"^"x \^"y\^"^""#);
        assert_eq!(quote_program(r"C:\a b\cck.exe"), r#""C:\a b\cck.exe""#);
        assert_eq!(
            words(r#""C:\a b\cck.exe" get-key  --profile x & del y"#),
            [r"C:\a b\cck.exe", "get-key", "--profile", "x"]
        );
    }
}
