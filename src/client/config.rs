//! The client's config: what of it decides which credential is sent. It may have hundreds of megabytes, so it is read
//! once, in blocks, and only these members are kept.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::{
    Client, Env, FileState, Json, NotJson, Reading, Rule, Secret,
    gather::{MAX_BYTES, files},
    names, parse,
    paths::project_key,
    settings::variable_name,
};
use crate::disk;
use crate::json::{BOM, Pick, Scan};

/// How much is read at a time: what stays in a processor's cache until it is looked at.
const BLOCK: usize = 32 << 10;

/// A list of the client's answers about keys, as it is written.
#[derive(Clone, Debug, Default)]
pub struct Answers(Option<String>);

impl Answers {
    /// Whether the key that ends so is in the list; `None` if the client fails on it. 2.0.77 searches a text, and fails on a
    /// number, a boolean and an object; for 2.1.330 nothing but a list is one.
    pub(crate) fn include(&self, client: Client, suffix: &str) -> Option<bool> {
        let takes_any = !client.has(Rule::ApprovalsMustBeLists);
        let list = self.0.as_deref().map(Json).filter(|list| !list.is_null());
        let list = list.filter(|list| takes_any || list.items().is_some());
        list.map_or(Some(false), |list| list.includes(suffix))
    }
}

#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `primaryApiKey`, if it is text, and not empty.
    pub primary_key: Option<Secret>,
    /// `primaryApiKey` as it is written, where it is not text.
    pub odd_primary: Option<Secret>,
    pub onboarded: bool,
    /// `customApiKeyResponses.approved`.
    pub approved: Answers,
    pub rejected: Answers,
    pub env: Env,
    pub odd_env: Vec<String>,
    /// Whether the project is trusted: `projects.<project>.hasTrustDialogAccepted`, there or for a directory above.
    pub trusted: bool,
    pub misplaced: Vec<&'static str>,
    /// JSON of another type: the client takes it as an object without members, and cck edits objects only.
    pub is_no_object: bool,
}

const MEMBERS: [&str; 4] =
    ["primaryApiKey", "hasCompletedOnboarding", "customApiKeyResponses", "env"];

/// Members with which a key is meant, and which the client does not read there.
const MISPLACED: [&str; 3] = ["apiKeyHelper", "apiKey", names::KEY];

/// The members of a config that matter, as they are written.
#[derive(Clone, Debug, Default)]
pub struct Picked {
    members: [Option<Zeroizing<String>>; MEMBERS.len()],
    has_bom: bool,
    trusted: bool,
    misplaced: Vec<&'static str>,
    is_no_object: bool,
}

/// Reads the config at `path` of a client started in `project`; without one, trust is not looked for.
pub(crate) fn read(path: &Path, project: Option<&Path>) -> (FileState, Picked) {
    let (mut state, file) = files::look(path);
    let Some((file, size)) = file else { return (state, Picked::default()) };
    if size > MAX_BYTES {
        state.reading = Reading::TooLarge(size);
    }
    let block = BLOCK.min(usize::try_from(size).unwrap_or(BLOCK) + 1);
    let picked = parse(&mut state, || pick(file, block, project));
    (state, picked.unwrap_or_default())
}

/// What matters of a config, for a client started in `project`; read in blocks of so many bytes.
pub fn pick(source: impl Read, block: usize, project: Option<&Path>) -> Result<Picked, Reading> {
    let mut paths = MEMBERS.map(|name| vec![name]).to_vec();
    paths.extend(MISPLACED.map(|name| vec![name]));
    let project =
        project.map(|project| disk::real(project).unwrap_or_else(|_| project.to_path_buf()));
    let above: Vec<_> =
        project.iter().flat_map(|project| project.ancestors()).filter_map(project_key).collect();
    paths.extend(above.iter().map(|dir| vec!["projects", &**dir, "hasTrustDialogAccepted"]));

    let mut pick = Scan::new(Pick::new(&paths));
    let mut source = BufReader::with_capacity(block, source);
    let (mut is_first, mut has_bom) = (true, false);
    // A file of nothing but blanks is an empty one, however long, and to JavaScript more is blank than to JSON.
    let (mut blank, mut first, mut stop) = (true, None, None);
    loop {
        let mut bytes = match source.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(|error| files::unreadable(&error))?,
        };
        let length = bytes.len();
        if is_first && let Some(rest) = bytes.strip_prefix(BOM) {
            has_bom = true;
            bytes = rest;
        }
        is_first = false;
        blank = blank && is_blank(bytes);
        first = first.or_else(|| bytes.trim_ascii_start().first().copied());
        if stop.is_none() {
            stop = pick.feed(bytes).err();
        }
        match stop {
            Some(stop) if !blank => return Err(Reading::Malformed(stop)),
            _ if length > 0 => source.consume(length),
            _ if blank => return Err(Reading::Empty),
            _ => break,
        }
    }
    let mut members = pick.finish().map_err(Reading::Malformed)?.found;
    let mut others = members.split_off(MEMBERS.len());
    let trust = others.split_off(MISPLACED.len());
    let trusted = trust.iter().filter_map(json).any(Json::is_truthy);
    let is_text =
        |value| json(value).and_then(Json::string).is_some_and(|text: String| !text.is_empty());
    let misplaced = MISPLACED.into_iter().zip(&others).filter(|(_, value)| is_text(value));
    let misplaced = misplaced.map(|(name, _)| name).collect();
    let members = members.try_into().unwrap_or_default();
    Ok(Picked { members, has_bom, trusted, misplaced, is_no_object: first != Some(b'{') })
}

/// Whether JavaScript's `trim` leaves nothing.
fn is_blank(bytes: &[u8]) -> bool {
    let rest = bytes.trim_ascii_start();
    rest.first().is_none_or(|byte| {
        !byte.is_ascii() && String::from_utf8_lossy(rest).trim_start().is_empty()
    })
}

fn json(value: &Option<Zeroizing<String>>) -> Option<Json<'_>> {
    value.as_deref().map(|text| Json(text))
}

impl Picked {
    pub(crate) fn env(&self) -> Vec<(String, Json<'_>)> {
        let [.., env] = &self.members;
        json(env).map(Json::entries).unwrap_or_default()
    }

    pub fn seen_by(&self, client: Client) -> Result<Config, Reading> {
        // 2.0.77 and 2.1.330 skip a BOM; 1.0.128 stops at it (observed 2026-11).
        if self.has_bom && !client.has(Rule::ConfigMayHaveBom) {
            return Err(Reading::Malformed(NotJson {
                offset: 0,
                line: 1,
                column: 1,
                why: "this client does not take a byte order mark",
            }));
        }
        let [key, onboarded, answers, _] = &self.members;
        let (key, answers) = (json(key), json(answers));
        let list = |name| Answers(answers.and_then(|it| Some(it.get(name)?.0.to_owned())));
        let is_text = |key: &Json<'_>| {
            key.is_string()
                || (!client.has(Rule::PrimaryKeyMustBeText)
                    && key.number().is_some_and(|number| number != 0.0))
        };
        let (env, odd_env) = self.variables(client);
        Ok(Config {
            primary_key: key
                .filter(|key| is_text(key) && key.is_truthy())
                .map(|key| Secret::new(key.to_js_string())),
            odd_primary: key.filter(|key| !is_text(key)).map(|key| Secret::new(key.0.to_owned())),
            onboarded: json(onboarded).is_some_and(Json::is_truthy),
            approved: list("approved"),
            rejected: list("rejected"),
            env,
            odd_env,
            trusted: self.trusted,
            misplaced: self.misplaced.clone(),
            is_no_object: self.is_no_object,
        })
    }

    /// The variables of the `env` block, and the names of those whose values are not text.
    fn variables(&self, client: Client) -> (Env, Vec<String>) {
        let (mut env, mut odd) = (Env::new(), Vec::new());
        for (name, value) in self.env() {
            // 2.1.268 and later skip null, arrays and objects; before text is made of them (2.0.77, 2.1.267, 2.1.331,
            // observed 2026-11).
            let is_scalar = value.is_string() || (value.literal().is_some() && !value.is_null());
            if client.has(Rule::ConfigVariablesMustBeScalars) && !is_scalar {
                continue;
            }
            let name = variable_name(name);
            odd.retain(|odd| *odd != name);
            if !value.is_string() && !value.is_null() {
                odd.push(name.clone());
            }
            let unsets = value.is_null() && client.has(Rule::NullUnsetsConfigVariable);
            let text = if unsets { String::new() } else { value.to_js_string() };
            env.insert(name, Secret::new(text));
        }
        (env, odd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_an_empty_file_whatever_the_blocks() {
        let read = |text: &str, block| pick(text.as_bytes(), block, None).err();
        for block in [1, 4, 64] {
            for blank in ["", " \n", &"\n".repeat(66), &" ".repeat(64)] {
                assert_eq!(read(blank, block), Some(Reading::Empty), "{block} {blank:?}");
            }
            assert_eq!(read("\n\n\n\n\n {} ", block), None);
            let malformed = |text| matches!(read(text, block), Some(Reading::Malformed(_)));
            assert!(malformed("\n\n\n\n\nx") && malformed("{\n\n\n\n\n"));
        }
        // To JavaScript this is blank too.
        assert_eq!(read("\u{a0}\n", 64), Some(Reading::Empty));
        assert_eq!(read("\u{a0}   \n\n", 4), Some(Reading::Empty));
        assert!(matches!(read("\u{a0}   {}", 4), Some(Reading::Malformed(_))));
    }
}
