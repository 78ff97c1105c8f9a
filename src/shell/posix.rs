//! Words of a POSIX shell. Pure.

/// The text as one word, whatever is in it.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The text that one word means: quoted as a whole, or with nothing in it that means something to a shell.
pub(crate) fn unquote(word: &str) -> Option<String> {
    let quoted = word.strip_prefix('\'').and_then(|word| word.strip_suffix('\''));
    if let Some(text) = quoted.map(|quoted| quoted.replace(r"'\''", "'")) {
        return (quote(&text) == word).then_some(text);
    }
    let is_special = |c| " \t\n'\"\\$`;&|<>()*?[#~".contains(c);
    (!word.replace(r"\ ", "").contains(is_special)).then(|| word.replace(r"\ ", " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_is_that_word() {
        for text in ["", "a", "/opt/my cck/cck", "it's", "$(x) `y` \"z\" \\", "a\nb"] {
            assert_eq!(unquote(&quote(text)).as_deref(), Some(text));
            let echoed = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", quote(text)))
                .output();
            assert_eq!(String::from_utf8(echoed.unwrap().stdout).unwrap(), text);
        }
        assert_eq!(unquote(r"/a\ b/cck").as_deref(), Some("/a b/cck"));
        for text in ["'open", "a b", "$(x)", "'a' 'b'", "\"a", "a;b", "~/x"] {
            assert_eq!(unquote(text), None, "{text}");
        }
    }
}
