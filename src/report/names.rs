//! Sources as people know them: `primaryApiKey in ~/.claude.json`, where JSON and `--expect` have ids.

use crate::client::source::FIXED;
use crate::client::{Layer, Origin, Source, State, names};
use crate::output::one_line;

pub(crate) struct Names<'a> {
    pub state: &'a State,
    pub is_session: bool,
}

impl Names<'_> {
    pub(crate) fn name(&self, source: &Source) -> String {
        let file = || one_line(&self.state.show(self.state.file_of(source)));
        let in_layer = |member: &str, layer: &Layer| match layer {
            Layer::Remote => format!("{member} in the server-managed settings"),
            Layer::Policy => format!("{member} from the managed policyHelper"),
            Layer::Flag => format!("{member} in --settings"),
            _ => format!("{member} in {}", file()),
        };
        match source {
            _ if self.is_session && *source == Source::env(names::TOKEN) => {
                "the session token of cck run".to_owned()
            }
            Source::Variable(Origin::Process, name) => format!("${name}"),
            Source::Variable(Origin::Config, name) => format!("{name} in {}", file()),
            Source::Variable(Origin::Settings(layer), name) => in_layer(name, layer),
            Source::Helper(layer) => in_layer("apiKeyHelper", layer),
            Source::Profile(name) => format!("the Anthropic profile {name}"),
            Source::Gateway if self.state.login_source == Source::KeychainLogin => {
                "the gateway login in the Keychain".to_owned()
            }
            fixed => {
                let name = FIXED.iter().find(|(it, ..)| it == fixed).map(|(.., name)| *name);
                name.unwrap_or_default().replace("FILE", &file())
            }
        }
    }

    pub(crate) fn of_all(&self, sources: Vec<&Source>) -> String {
        let names = sources.into_iter().map(|source| self.name(source));
        names.collect::<Vec<_>>().join(" and ")
    }

    /// A sentence with its ids made names, except where one is an argument of `--expect`.
    pub(crate) fn in_text(&self, text: &str) -> String {
        let mut words = Vec::new();
        let mut previous = "";
        for word in text.split(' ') {
            let id = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            let source = Source::of_id(id).filter(|_| previous != "--expect");
            words.push(
                source.map_or_else(|| word.to_owned(), |it| word.replace(id, &self.name(&it))),
            );
            previous = word;
        }
        words.join(" ")
    }
}
