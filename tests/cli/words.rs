//! cck speaks plain English: in help, messages, the manual, comments and documents. The words of a translation are
//! found here, and so is a message that the masking of keys would change.

use std::fs;
use std::path::{Path, PathBuf};

/// Phrases, and what to say instead. A phrase ends at a word's end, or goes on where it ends with `*`; up to five words of
/// one sentence stand for `…`.
const PHRASES: &[(&str, &str)] = &[
    ("mend*", "fix"),
    ("stumble*", "fail on"),
    ("unasked", "without asking"),
    ("somebody", "someone"),
    ("whoever", "anyone who"),
    ("besides", "else"),
    ("but for", "except"),
    ("all the same", "anyway"),
    ("in the place of", "instead of"),
    ("hangs on", "depends on"),
    ("is no *", "is not a"),
    ("are no *", "are not"),
    ("there is no such", "… does not exist"),
    ("put right", "fix"),
    ("if so be", "if"),
    ("one a tenant", "one per tenant"),
    ("a word about it", "a description"),
    ("by halving", "by bisecting"),
    ("is now not", "is no longer"),
    ("takes … key out", "removes the key from"),
    ("took … key out", "removed the key from"),
    (", where before", "; before, …"),
];

/// As [`PHRASES`], in documents, messages and help, but not in comments and names.
const TO_PEOPLE: &[(&str, &str)] = &[
    ("told", "said to, reported, known"),
    ("tells", "says, reports"),
    ("gave none", "returned nothing"),
    ("gives none", "returns nothing"),
    ("gave nothing", "returned nothing"),
    ("take … out of", "remove … from"),
    ("takes … out of", "removes … from"),
    ("took … out of", "removed … from"),
    ("where there is none", "if it is missing"),
    ("replaced by its value", "replaced with its value"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What holds phrases on purpose, and what others wrote.
const NOT_OURS: &[&str] = &[
    "tests/cli/words.rs",
    "tests/data/",
    "tests/cli/cases/",
    "tests/client/",
    "fuzz/corpus/",
    "fuzz/seeds/",
    "fuzz/target/",
    "fuzz/Cargo.lock",
];

/// Everything a person reads, relative to the root.
fn files() -> Vec<String> {
    let mut found = Vec::new();
    for name in
        ["src", "docs", "examples", "packaging", "tests", "benches", "fuzz", ".ci", ".github"]
    {
        walk(&root().join(name), &mut found);
    }
    for name in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "justfile"] {
        found.push(root().join(name));
    }
    for name in ["Cargo.toml", "clippy.toml", "deny.toml"] {
        found.push(root().join(name));
    }
    let mut names: Vec<String> = found
        .iter()
        .map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned())
        .filter(|name| !NOT_OURS.iter().any(|start| name.starts_with(start)))
        .collect();
    names.sort();
    names
}

pub fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// A line without the marks of a comment, so that a phrase is found across two of them.
fn words(line: &str) -> &str {
    line.trim().trim_start_matches(['/', '!', '#', '*', '>', '-']).trim()
}

/// What a file says to people: a document whole, of code the texts that a line has in quotes.
fn said(name: &str, text: &str) -> String {
    if !name.ends_with(".rs") {
        return text.to_owned();
    }
    let quoted = |line: &str| match line.trim_start().starts_with("//") {
        true => String::new(),
        false => line.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" . "),
    };
    text.lines().map(|line| quoted(line) + "\n").collect()
}

type Phrase = (&'static str, &'static str);

/// The phrases in a text, with the lines that they start in.
fn offences(text: &str, phrases: &'static [Phrase]) -> Vec<(usize, &'static Phrase)> {
    let lines: Vec<&str> = text.lines().map(words).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let next = lines.get(at + 1).copied().unwrap_or_default();
        let both = format!("{line} {next}").to_lowercase();
        for phrase in phrases {
            if starts(&both, phrase.0).any(|start| start < line.len().max(1)) {
                found.push((at + 1, phrase));
            }
        }
    }
    found
}

/// Where a phrase starts in a text of small letters.
fn starts<'a>(text: &'a str, phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
    let (stem, end) = phrase.split_once(" … ").unwrap_or((phrase.trim_end_matches('*'), ""));
    text.match_indices(stem).filter_map(move |(at, _)| {
        let before = text[..at].chars().next_back();
        let after = &text[at + stem.len()..];
        let whole = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '-')
            && (phrase.ends_with('*') || !after.starts_with(|c: char| c.is_alphanumeric()));
        let right = stem.ends_with(' ')
            && (["longer", "more", "better"].iter().any(|word| after.starts_with(word))
                || !after.starts_with(|c: char| c.is_ascii_lowercase()));
        // "There is no key" is how it is said.
        let right = right || (stem.ends_with(' ') && text[..at].trim_end().ends_with("there"));
        (whole && !right && ends_soon(after, end)).then_some(at)
    })
}

/// Whether the words of `end` follow in the same sentence, after five others at most.
fn ends_soon(after: &str, end: &str) -> bool {
    let count = end.split_whitespace().count();
    let words: Vec<&str> = after.split_whitespace().take(5 + count).collect();
    let stop = words.iter().position(|word| word.ends_with(['.', ';', ':', '?', '|']));
    let sentence = words[..stop.map_or(words.len(), |stop| stop + 1)].join(" ");
    end.is_empty() || format!(" {sentence} ").contains(&format!(" {end} "))
}

#[test]
fn everything_people_read_is_in_plain_english() {
    let mut wrong = Vec::new();
    for name in files() {
        let Ok(text) = fs::read_to_string(root().join(&name)) else { continue };
        let mut found = offences(&text, PHRASES);
        found.extend(offences(&said(&name, &text), TO_PEOPLE));
        for (line, (phrase, better)) in found {
            wrong.push(format!("{name}:{line}: {phrase:?}; say {better:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_phrase_is_found_where_it_stands_and_nowhere_else() {
    for (text, lines) in [
        ("// What it hangs\n// on", vec![1]),
        ("which is no file", vec![1]),
        ("it is no longer there; there are no more", vec![]),
        ("recommend it; amendments", vec![]),
        ("Somebody mends it", vec![1, 1]),
        ("is no", vec![]),
        ("There is no key; there are no keys", vec![]),
        ("There is no such key", vec![1]),
        ("the key is no\n/// whole key", vec![1]),
        ("it takes the old\n// key out", vec![1]),
        ("it takes a key. The way out", vec![]),
        ("it takes the key as it is and does not look out", vec![]),
    ] {
        let found = offences(text, PHRASES);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), lines, "{text:?}");
    }
}

#[test]
fn of_code_only_what_it_says_to_people_has_to_be_plain_in_all() {
    let code = "let told = 1; // told\n/// It tells.\nfail(\"nobody told it\", \"take the file out of git\");";
    for (name, lines) in [("a.rs", vec![3, 3]), ("a.md", vec![1, 2, 3, 3])] {
        let found = offences(&said(name, code), TO_PEOPLE);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), lines, "{name}");
    }
}

/// A mask cuts keys out of what is printed. cck's own sentences must not look like one to it.
#[test]
fn no_sentence_of_cck_looks_like_a_key() {
    for name in files().iter().filter(|name| name.starts_with("src/") && !name.contains("test")) {
        let text = fs::read_to_string(root().join(name)).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            assert_eq!(cck::key::mask(line), line, "{name}");
        }
    }
}
