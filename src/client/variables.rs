//! The variables that decide, each with every place that sets it. Computed once for a state.

use std::collections::BTreeMap;

use super::{
    Client, Layer, Origin, Rule, Secret, Settings, Source, config::Config, js_trim, names,
};

/// The environment of a process, as far as its names matter.
pub type Env = BTreeMap<String, Secret>;

#[derive(Clone, Debug)]
pub struct Place {
    pub source: Source,
    /// Empty text counts as unset, and hides the lower places anyway.
    pub value: Secret,
    pub ignored: Option<&'static str>,
}

#[derive(Clone, Debug, Default)]
pub struct Variables {
    client: Client,
    /// The environment that the client is started with, with what options stand for.
    pub process: Env,
    places: BTreeMap<String, Vec<Place>>,
}

impl Variables {
    pub(crate) fn new(client: Client, process: Env) -> Variables {
        Variables { client, process, places: BTreeMap::new() }
    }

    /// `env` blocks of settings override the process's environment: layers from the highest to the lowest, then `env` of
    /// the global config, then the process (1.0.128, 2.0.77, 2.1.330, observed 2026-11).
    pub(crate) fn lay(&mut self, layers: &[Settings], config: &Config) {
        let blocks = |gave_way| {
            let layers = layers.iter().filter(move |layer| layer.gave_way == gave_way);
            layers.map(|layer| (Origin::Settings(layer.layer), &layer.env))
        };
        let above = blocks(false).chain([(Origin::Config, &config.env)]);
        let mut places: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (origin, env) in above.chain(blocks(true)).chain([(Origin::Process, &self.process)]) {
            for (name, value) in env.iter().filter(|(name, _)| matters(name)) {
                places.entry(name.clone()).or_default().push(Place {
                    source: Source::Variable(origin, name.clone()),
                    value: value.clone(),
                    ignored: self.ignored(origin, name),
                });
            }
        }
        self.places = places;
    }

    pub(crate) fn places(&self, name: &str) -> &[Place] {
        self.places.get(name).map_or(&[], Vec::as_slice)
    }

    /// The places that the client reads, the effective one first.
    pub(crate) fn read(&self, name: &str) -> impl Iterator<Item = &Place> {
        self.places(name).iter().filter(|place| place.ignored.is_none())
    }

    /// The effective value; none where it is unset or empty.
    pub(crate) fn effective(&self, name: &str) -> Option<&Place> {
        self.read(name).next().filter(|place| is_set(self.client, name, &place.value))
    }

    /// Whether a variable is switched on: `1`, `true`, `yes` or `on`, trimmed and without case; `2`, `y` and the like are
    /// not (1.0.128, 2.0.77, 2.1.330, observed 2026-11). To 0.2.109 all but nothing is on, `0` and `false` too (observed
    /// 2026-11-24).
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.effective(name)
            .is_some_and(|place| self.client.is_v0() || is_truthy(place.value.reveal()))
    }

    /// Whether the client sends to a gateway: it is switched on, by anyone, and there is a token for it that is not a
    /// project's (2.1.195, 2.1.246, 2.1.330, observed 2026-11-24).
    pub(crate) fn is_gateway(&self) -> bool {
        let token = || self.read(names::TOKEN).find(|place| !place.source.is_of_project());
        self.client.has(Rule::GatewayIsKnown)
            && self.is_on(names::GATEWAY)
            && token().is_some_and(|place| is_set(self.client, names::TOKEN, &place.value))
    }

    /// What the process's environment sets a variable to, if not to nothing.
    pub(crate) fn at_start(&self, name: &str) -> Option<&Secret> {
        self.process.get(name).filter(|value| !value.is_empty())
    }

    /// Whether the process's environment switches the variable on.
    pub(crate) fn starts_on(&self, name: &str) -> bool {
        self.process.get(name).is_some_and(|value| is_truthy(value.reveal()))
    }

    pub(crate) fn has_socket(&self) -> bool {
        let socket = self.process.get(names::UNIX_SOCKET);
        self.client.has(Rule::UnixSocketIsKnown)
            && socket.is_some_and(|socket| is_set(self.client, names::UNIX_SOCKET, socket))
    }

    /// The program that started the client, as CLAUDE_CODE_ENTRYPOINT has it.
    pub(crate) fn entrypoint(&self) -> &str {
        let text = self.process.get(names::ENTRYPOINT).map_or("", |value| value.reveal());
        if self.client.has(Rule::EntrypointIsTrimmed) { js_trim(text) } else { text }
    }

    /// Why the client does not read the variable `name` where it is set; `None` where it does.
    fn ignored(&self, origin: Origin, name: &str) -> Option<&'static str> {
        let client = self.client;
        let of_project = matches!(origin, Origin::Settings(layer) if layer.is_of_project());
        // A host manages the credentials, or has named the variable that holds them (2.1.83 to 2.1.332, observed 2026-11-25).
        let named_by_host =
            client.has(Rule::HostAuthVariableIsKnown) && self.at_start(names::HOST_AUTH).is_some();
        let host = named_by_host
            || (client.has(Rule::HostOwnsVariables) && self.starts_on(names::MANAGED_BY_HOST));
        let (desktop, owns) = match self.entrypoint() {
            "claude-desktop" => (true, Rule::DesktopOwnsVariables),
            "claude-desktop-3p" | "local-agent" => (true, Rule::AgentIsKnown),
            _ => (false, Rule::DesktopOwnsVariables),
        };
        // The descriptor of an OAuth token stands for the token.
        let is_given = self.process.contains_key(name)
            || name == names::OAUTH && self.at_start(names::OAUTH_DESCRIPTOR).is_some();
        // 0.2.109, observed 2026-11.
        let is_unknown = match name {
            names::OAUTH | names::KEY_DESCRIPTOR | names::OAUTH_DESCRIPTOR => client.is_v0(),
            _ => false,
        };
        match origin {
            _ if is_unknown => Some(UNKNOWN),
            Origin::Process if name == names::OAUTH_DESCRIPTOR && self.has_socket() => {
                Some("ANTHROPIC_UNIX_SOCKET keeps it out")
            }
            // 0.2.109 takes `env` from managed and project settings only (observed 2026-11).
            Origin::Settings(Layer::Local | Layer::User) if client.is_v0() => {
                Some("this client does not read `env` there")
            }
            Origin::Process => None,
            // Where the login is, they still say (2.1.144 to 2.1.332, observed 2026-11-26).
            _ if host
                && name != names::SECURE_STORAGE
                && (name != names::HEADERS || client.has(Rule::HostOwnsCredentials)) =>
            {
                Some("in a host's session only the environment of the process counts")
            }
            _ if desktop && client.has(owns) && is_given => {
                Some("the app that started the client has set it, and settings do not change that")
            }
            Origin::Settings(layer)
                if desktop
                    && client.has(Rule::DesktopIgnoresBlocks)
                    && (layer.is_managed() || layer.is_of_project())
                    && chooses_credential(name) =>
            {
                Some("the app that starts the client takes it from the user's own settings only")
            }
            _ if matches!(name, names::KEY | names::TOKEN | names::OAUTH) && self.has_socket() => {
                Some("with ANTHROPIC_UNIX_SOCKET it is read from the process's environment only")
            }
            // 2.0.77, 2.1.330, observed 2026-11.
            _ if matches!(name, names::KEY_DESCRIPTOR | names::OAUTH_DESCRIPTOR) => {
                Some("the client reads this variable from its environment only")
            }
            // 1.0.128 and 2.0.77, observed 2026-11-24: read as it was at the start.
            _ if name == names::OAUTH && !client.has(Rule::BlocksAreAppliedFirst) => {
                Some("this client reads it from its environment only")
            }
            // 2.1.330, observed 2026-11: a project's word counts less, in a trusted folder too.
            _ if of_project && is_weak_in_projects(client, name) => {
                Some("the client does not take this variable from a project")
            }
            _ => None,
        }
    }
}

pub(crate) const UNKNOWN: &str = "this client does not know this variable";

pub(crate) fn matters(name: &str) -> bool {
    name.starts_with("ANTHROPIC_") || name.starts_with("CLAUDE_")
}

pub(crate) fn is_truthy(text: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&js_trim(text).to_ascii_lowercase().as_str())
}

/// Whether a variable counts as set: not empty, and not blank; of keys and tokens, for newer clients only (1.0.128, 2.0.77,
/// 2.1.330, observed 2026-11).
pub(crate) fn is_set(client: Client, name: &str, value: &Secret) -> bool {
    if is_trimmed(client, name) { !js_trim(value.reveal()).is_empty() } else { !value.is_empty() }
}

/// Whether the client trims a variable as JavaScript does.
pub(crate) fn is_trimmed(client: Client, name: &str) -> bool {
    match name {
        names::KEY | names::OAUTH | names::UNIX_SOCKET => client.has(Rule::KeyIsTrimmed),
        names::TOKEN => client.has(Rule::TokenIsTrimmed),
        // The base URL, scopes, what names profiles and federation (2.0.50 to 2.1.332, observed 2026-11-27).
        _ => true,
    }
}

/// Whether a variable holds a credential, or says where it is sent.
fn chooses_credential(name: &str) -> bool {
    matches!(name, names::KEY | names::TOKEN | names::OAUTH | names::BASE_URL)
        || name.starts_with("CLAUDE_CODE_USE_")
}

fn is_weak_in_projects(client: Client, name: &str) -> bool {
    match name {
        names::OAUTH => !client.has(Rule::OauthOfProjectsCounts),
        names::SIMPLE => client.has(Rule::SimpleOfProjectsIsIgnored),
        names::PROFILE
        | names::PROFILES_DIR
        | names::FEDERATION_RULE
        | names::ORGANIZATION
        | names::IDENTITY
        | names::IDENTITY_FILE => client.has(Rule::ProfilesAreKnown),
        _ => false,
    }
}
