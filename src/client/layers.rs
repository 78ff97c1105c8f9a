//! Reads the layers of settings from the facts, by the rules of one version and one launch. Pure.

use std::path::{Path, PathBuf};

use super::{
    Client, FileState, Json, Layer, Reading, Rule, Secret, Settings, State, launch::FlagSettings,
    names, parse, policy::Policy, settings::decode_settings,
};

const MAX_BYTES: usize = 2 << 20;

impl State {
    pub(super) fn read_layers(&mut self, remote: Option<Settings>) {
        let is_asked = remote.is_some();
        let mut remote = remote.unwrap_or_else(|| Settings::empty(Layer::Remote, PathBuf::new()));
        let policy = match &self.facts.policy {
            Some(Ok(Some(text))) if !self.policy_gives_way(remote.has_content) => {
                Some(text.clone())
            }
            _ => None,
        };
        let has_remote = remote.has_content && policy.is_none();
        if policy.is_some() {
            remote.give_way();
        }
        self.layers.push(remote);
        let mut last = Settings::empty(Layer::Remote, self.paths.server_settings.clone());
        if let Some(text) = &self.facts.last_settings
            && is_asked
            && !self.client.has(Rule::CachedVariablesAreConfirmed)
            && last.merge(self.client, text).is_ok()
        {
            last.give_way();
            self.layers.push(last);
        }
        for (layer, _) in Layer::ALL.into_iter().skip(1) {
            let mut settings = self.layer(layer, policy.as_ref());
            if layer == Layer::Managed && policy.is_some() {
                settings.give_way();
            }
            if layer == Layer::Managed && has_remote {
                // The helper of the files gives way to the server's settings (2.1.200, 2.1.332, observed 2026-11-26).
                settings.helper = None;
                if !self.client.has(Rule::ForcedLoginOutlastsServer) {
                    (settings.login_method, settings.organizations) = (None, None);
                }
                settings.gave_way |= !self.client.has(Rule::ManagedVariablesOutlastServer);
            }
            self.layers.push(settings);
        }
    }

    /// The settings of a layer; `policy` is what a managed policyHelper printed.
    fn layer(&mut self, layer: Layer, policy: Option<&Secret>) -> Settings {
        let client = self.client;
        let files = self.files_of(layer);
        let mut settings = Settings::empty(layer, files.first().cloned().unwrap_or_default());
        if layer == Layer::Policy
            && let Some(text) = policy
            && let Err(reading) = settings.merge(client, text.reveal().as_bytes())
        {
            let fault = reading.fault().unwrap_or_default();
            self.refuse(format!("what the managed policyHelper printed {fault}"));
        }
        if layer == Layer::Flag
            && let Some(FlagSettings::Json(text)) = self.launch.flag_settings()
        {
            match settings.merge(client, text.as_bytes()) {
                Err(Reading::Malformed(at)) => {
                    let (column, why) = (at.column, at.why);
                    self.refuse(format!("--settings is not JSON: column {column}: {why}"));
                }
                Err(reading) => {
                    let file = FileState { reading, ..FileState::missing(Path::new("--settings")) };
                    self.settings_files.push((layer, file));
                }
                Ok(()) => {}
            }
        }
        let is_read = self.reads(layer);
        for path in files.iter().filter(|_| is_read) {
            let (mut file, bytes) = self.facts.file(path);
            if bytes.len() > MAX_BYTES && client.has(Rule::LargeSettingsAreNotRead) {
                file.reading = Reading::TooLarge(bytes.len() as u64);
            }
            parse(&mut file, || settings.merge(client, &bytes));
            if layer == Layer::Flag
                && let Some(why) = unusable_flag(client, &file)
            {
                self.refuse(format!("--settings {}: {why}", path.display()));
            }
            self.settings_files.push((layer, file));
        }
        if layer == Layer::Managed && client.has(Rule::RegistryIsRead) {
            self.lay_policy(&mut settings);
        }
        settings
    }

    /// The files of a layer; each is laid over those before it.
    fn files_of(&self, layer: Layer) -> Vec<PathBuf> {
        let (client, facts, paths) = (self.client, &self.facts, &self.paths);
        let with = |main: &Path, others: &[PathBuf], rule| {
            let others = others.iter().filter(|_| client.has(rule)).cloned();
            [main.to_path_buf()].into_iter().chain(others).collect()
        };
        match layer {
            Layer::Remote | Layer::Policy => Vec::new(),
            Layer::Managed => with(&paths.managed_settings, &facts.drop_ins, Rule::DropInsAreRead),
            Layer::Flag => match self.launch.flag_settings() {
                Some(FlagSettings::File(file)) => vec![paths.project.join(file)],
                _ => Vec::new(),
            },
            Layer::Local => {
                with(&paths.local_settings, facts.root_local.as_slice(), Rule::LocalOfRootIsRead)
            }
            Layer::Project => vec![paths.project_settings.clone()],
            Layer::User => vec![paths.user_settings.clone()],
        }
    }

    /// Whether the client reads the settings of a layer, started so (2.1.332, observed 2026-11-25).
    fn reads(&self, layer: Layer) -> bool {
        let name = match layer {
            Layer::Local => "local",
            Layer::Project => "project",
            Layer::User => "user",
            _ => return true,
        };
        let restricted =
            self.client.has(Rule::RestrictedIsKnown) && self.variables.starts_on(names::RESTRICTED);
        !restricted && self.launch.reads(name)
    }

    /// Lays the system's policies over managed files. The first of the machine's policy, the files and the user's policy wins
    /// whole (2.1.112 and 2.1.200, observed 2026-11-25). For newer clients `{}` does not count as a policy, and the variables
    /// of the files stay below the machine's; beside empty objects only, all of the files stays (2.1.332, observed
    /// 2026-11-26).
    fn lay_policy(&mut self, managed: &mut Settings) {
        let (client, merges) = (self.client, self.client.has(Rule::RegistryIsMerged));
        let read = |policy: &Option<Policy>| {
            let Policy { place, text } = policy.as_ref()?;
            let text = text.as_ref()?;
            let mut settings = Settings::empty(Layer::Managed, place.clone());
            settings.merge(client, text.as_bytes()).ok()?;
            let text = decode_settings(text.as_bytes());
            let members = Json::object(&text).ok()??;
            Some((settings, members.values().all(|value| value.is_empty_object())))
        };
        let [machine, user] = &self.facts.policies;
        let of_user = read(user);
        match (machine, read(machine)) {
            (None, _) => {}
            (_, Some((settings, true))) if merges => managed.has_content |= settings.has_content,
            (_, Some((mut settings, _))) => {
                for (name, value) in managed.env.iter().filter(|_| merges) {
                    settings.env.entry(name.clone()).or_insert_with(|| value.clone());
                }
                *managed = settings;
                return;
            }
            (Some(Policy { place, .. }), None) => {
                let place = place.display();
                let why = format!("the policy {place} is malformed, and the client does not start");
                merges.then(|| self.refuse(why));
                return;
            }
        }
        if let Some((user, _)) = of_user.filter(|_| !managed.has_content) {
            *managed = user;
        }
    }

    pub(super) fn refuse(&mut self, why: String) {
        self.refusal.get_or_insert(why);
    }
}

/// Why the client ends at once with this file as `--settings`. One that is empty, is not JSON or breaks the schema is ignored
/// (2.0.77 to 2.1.332, observed 2026-11-26).
fn unusable_flag(client: Client, file: &FileState) -> Option<String> {
    let is_old = !client.has(Rule::LargeFlagSettingsStop);
    match &file.reading {
        Reading::Missing => Some("it does not exist".into()),
        Reading::TooLarge(_) if is_old => None,
        // Read as an empty file.
        Reading::NotAFile(_) if is_old && file.path == Path::new("/dev/null") => None,
        Reading::Unreadable(_) | Reading::NotAFile(_) | Reading::TooLarge(_) => {
            file.reading.fault().map(|fault| format!("it {fault}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Facts, Launch, Source};

    #[test]
    fn a_policy_of_the_system_is_named_as_where_it_is() {
        let place = Path::new("/Library/Managed Preferences/com.anthropic.claudecode.plist");
        let state = |text: Option<&str>| {
            let policy = Policy { place: place.to_owned(), text: text.map(str::to_owned) };
            let facts = Facts { policies: [Some(policy), None], ..Facts::default() };
            State::new(facts, "2.1.332".parse().unwrap(), Launch::default())
        };
        let helper = Source::Helper(Layer::Managed);
        assert_eq!(state(Some(r#"{"apiKeyHelper": "x"}"#)).file_of(&helper), place);
        for malformed in [None, Some("{")] {
            let refusal = state(malformed).refusal.unwrap();
            assert!(refusal.contains("claudecode.plist is malformed"), "{refusal}");
        }
    }
}
