//! Configs shaped like the ones that users report: projects with long histories, and the members cck edits at the end.

use std::fmt::Write;

/// A config of about `size` bytes; the same for the same size.
pub fn config(size: usize) -> String {
    let mut random = Random(7);
    let words: Vec<String> = (0..5000)
        .map(|_| format!("{:x}", random.next() & 0xff_ffff_ffff))
        .chain([r#"\"quoted\""#, r"\\path\\x", "naïve", "键", r"\n"].map(String::from))
        .collect();
    let mut sentence = |count: usize| {
        let picked: Vec<&str> =
            (0..count).map(|_| words[random.next() as usize % words.len()].as_str()).collect();
        picked.join(" ")
    };
    let mut text = String::with_capacity(size + size / 8 + 1024);
    text.push_str("{\n  \"numStartups\": 1734,\n  \"big\": 12345678901234567890,\n  \"ratio\": 1.10,\n  \"projects\": {");
    let mut project = 0;
    while text.len() < size.saturating_sub(400) {
        let comma = if project > 0 { "," } else { "" };
        let _ = write!(
            text,
            "{comma}\n    \"/home/u/p{project}\": {{\n      \"allowedTools\": [],\n      \"history\": ["
        );
        for entry in 0..100 {
            if text.len() >= size.saturating_sub(400) {
                break;
            }
            let comma = if entry > 0 { "," } else { "" };
            // A pasted text is long, but a small file has room for little.
            let (display, pasted) = (sentence(40), sentence(800.min(size / 100)));
            let _ = write!(
                text,
                "{comma}\n        {{\n          \"display\": \"{display}\",\n          \"pastedContents\": {{\n            \
                 \"1\": {{\n              \"id\": 1,\n              \"type\": \"text\",\n              \
                 \"content\": \"{pasted}\"\n            }}\n          }}\n        }}"
            );
        }
        text.push_str("\n      ],\n      \"hasTrustDialogAccepted\": true\n    }");
        project += 1;
    }
    text.push_str("\n  },\n  \"primaryApiKey\": \"sk-ant-api03-OLDOLDOLDOLDOLDOLD\",\n  \"hasCompletedOnboarding\": true,\n");
    text.push_str("  \"userID\": \"abc\"\n}\n");
    text
}

/// Knuth's MMIX generator: enough for words.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 24
    }
}
