//! Everything that is read as text: settings, config, login, profiles, headers, the audit trail, a record for undo, keys.
//!
//! Nothing may panic; what verify reads and what an edit would change agree on what a document is; text that is shown
//! drives no terminal and holds no key.
#![no_main]

use std::path::Path;

use cck::client::config;
use cck::client::federation::AnthropicProfile;
use cck::client::login::read_credentials;
use cck::client::settings::Settings;
use cck::client::source::{Layer, Source};
use cck::client::state::Reading;
use cck::client::{Client, headers};
use cck::document::Document;
use cck::key::{self, ApiKey};
use cck::output::sanitize;
use cck::profile::file::{self, Entry};
use cck::records::audit::chain;
use libfuzzer_sys::fuzz_target;

/// One of each generation.
const CLIENTS: [Client; 4] =
    [Client::at(0, 2, 109), Client::at(1, 0, 128), Client::at(2, 0, 77), Client::V2];

fuzz_target!(|data: &[u8]| {
    json(data);
    if let Ok(text) = std::str::from_utf8(data) {
        profiles(text);
        keys(text);
    }
});

fn json(data: &[u8]) {
    for client in CLIENTS {
        for (layer, _) in Layer::ALL {
            let mut settings = Settings::empty(layer, "/settings.json".into());
            let read = settings.merge(client, data);
            let mut twice = settings.clone();
            assert_eq!(twice.merge(client, data).is_ok(), read.is_ok());
            assert_eq!(
                (&twice.helper, &twice.env),
                (&settings.helper, &settings.env),
                "merging twice"
            );
            assert!(
                read.is_ok() || (settings.helper.is_none() && settings.env.is_empty()),
                "a refused file"
            );
            placed(&read);
        }
        let picked = config::pick(data, 64, Some(Path::new("/cwd")));
        placed(&picked.and_then(|picked| picked.seen_by(client)));
    }
    placed(&read_credentials(data));
    // What can be edited can be read. (The reverse does not hold: bytes that are not UTF-8 are read, but not edited.)
    if let Ok(document) = Document::parse(data) {
        let key = document.get::<String>(&["primaryApiKey"]);
        match config::pick(data, 64, None).and_then(|picked| picked.seen_by(Client::V2)) {
            Ok(config) if key.is_some() => {
                assert_eq!(config.primary_key.as_ref().map(|key| key.reveal()), key.as_deref());
            }
            Ok(_) => {}
            Err(reading) => assert_eq!(reading, Reading::Empty, "what can be edited can be read"),
        }
    }
    let _ = AnthropicProfile::parse("p", data, Some(data), Some(0o600));
    let (records, broken) = chain::read(data);
    assert!(broken.is_some() || records.is_empty() == data.is_empty());
    let _ = serde_json::from_slice::<cck::records::undo::Record>(data);
}

/// An error names a place.
fn placed<T>(read: &Result<T, Reading>) {
    if let Err(Reading::Malformed(error)) = read {
        assert!(error.line > 0 && error.column > 0 && !error.why.is_empty());
    }
}

fn profiles(text: &str) {
    let Ok(entries) = file::parse(text) else {
        return;
    };
    let mut entry = Entry::default();
    entry.key_env = Some("K".into());
    let with = file::with(text, "added", &entry).expect("what parses can be added to");
    let mut expected = entries;
    expected.insert("added".into(), entry);
    assert_eq!(file::parse(&with).expect("what was added to parses"), expected);
    let without =
        file::without(&with, "added").expect("what was added to parses").expect("it is there");
    expected.remove("added");
    assert_eq!(file::parse(&without).expect("what was taken from parses"), expected);
}

fn keys(text: &str) {
    for client in ["0.2.109", "1.0.128", "2.0.77", "2.1.330"] {
        if let Ok(client) = client.parse() {
            let _ = headers::parse(client, text);
        }
    }
    if let Ok(source) = text.parse::<Source>() {
        assert_eq!(source.to_string(), text);
    }
    let _ = text.parse::<Client>();
    if let Ok(key) = ApiKey::parse(text) {
        assert!(key.reveal().chars().all(|c| c.is_ascii_graphic()));
        // The prefix (up to 16 characters) and the last four.
        assert!(key.hint().chars().count() <= 21 && key.reveal().ends_with(key.suffix()));
        assert!(key.reveal().len() < 24 || !key.hint().contains(key.reveal()));
    }
    let masked = key::mask(text);
    for (at, _) in masked.match_indices("sk-ant-") {
        let end = masked[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        assert!(end.unwrap_or(masked.len() - at) <= 16, "a key behind the mask: {masked}");
    }
    assert!(!sanitize(text).chars().any(|c| c.is_control() && c != '\n'));
}
