//! The versions of the client, and which of them was the first to behave in a way. Pure.

use std::str::FromStr;

/// A version of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Client {
    /// The newest 2.x.
    pub const V2: Client = Client::at(2, u32::MAX, u32::MAX);

    /// That very version.
    pub const fn at(major: u32, minor: u32, patch: u32) -> Client {
        Client { major, minor, patch }
    }
}

/// The newest client whose rules are known.
pub(crate) const NEWEST: Client = Client::at(2, 1, 332);

impl FromStr for Client {
    type Err = String;

    /// Takes a version of the client (`2.1.330`), or a generation (`2`, `2.x`, `2.0`), which is its newest.
    fn from_str(version: &str) -> Result<Client, String> {
        let bad = || "not a version of Claude Code, such as 2.1.330".to_owned();
        let mut numbers = [u32::MAX; 3];
        for (at, part) in version.trim_start_matches('v').split('.').enumerate() {
            let number = numbers.get_mut(at).ok_or_else(bad)?;
            match part.parse() {
                Ok(parsed) => *number = parsed,
                Err(_) if at > 0 && part == "x" => break,
                Err(_) => return Err(bad()),
            }
        }
        let [major, minor, patch] = numbers;
        Ok(Client::at(major, minor, patch))
    }
}

/// The first version that behaves so. Where a rule is older than every version tried, it has no line here. Each was found by
/// halving: the version before it in the registry was seen to behave the other way (2026-11-24; `tests/data/edges.json`).
pub mod since {
    use super::Client;

    /// Not one of 0.2.x any more. Where the rules of 0.2.x and 1.x differ, only 0.2.109 and 1.0.128 were compared.
    pub(crate) const V1: Client = Client::at(1, 0, 0);
    /// Custom headers suffice, without any other credential.
    pub(crate) const HEADERS_SUFFICE: Client = Client::at(2, 0, 45);
    /// A helper that fails is sent as an empty Bearer, where before nothing was sent.
    pub(crate) const FAILED_HELPER_IS_SENT: Client = Client::at(2, 0, 45);
    /// A `primaryApiKey` that is a number is none, where before its digits were sent.
    pub(crate) const PRIMARY_MUST_BE_TEXT: Client = Client::at(2, 0, 45);
    /// CLAUDE_CODE_USE_FOUNDRY is known.
    pub(crate) const FOUNDRY: Client = Client::at(2, 0, 45);
    /// A config may begin with a byte order mark.
    pub(crate) const CONFIG_BOM: Client = Client::at(2, 0, 69);
    /// A key or token of the environment that an `env` block takes away lets CLAUDE_CODE_OAUTH_TOKEN of such a block count.
    pub(crate) const OAUTH_IS_KEPT: Client = Client::at(2, 0, 77);
    /// It does not any more: what the environment held at the start is all that counts.
    pub(crate) const OAUTH_IS_KEPT_NO_MORE: Client = Client::at(2, 1, 36);
    /// Bad rules in `permissions` are dropped one by one, where before they cost the file.
    pub(crate) const BAD_RULES_ARE_DROPPED: Client = Client::at(2, 1, 47);
    /// CLAUDE_CODE_OAUTH_TOKEN is read from `env` blocks too.
    pub(crate) const OAUTH_OF_SETTINGS: Client = Client::at(2, 1, 53);
    /// A helper sees the variables of settings and config.
    pub(crate) const HELPER_VARIABLES: Client = Client::at(2, 1, 53);
    /// `auto` is a mode of permissions.
    pub(crate) const AUTO_MODE: Client = Client::at(2, 1, 71);
    /// A helper's exit code counts.
    pub(crate) const HELPER_EXIT_CODE: Client = Client::at(2, 1, 77);
    /// CLAUDE_CODE_SIMPLE leaves only variables and custom headers.
    pub(crate) const SIMPLE: Client = Client::at(2, 1, 81);
    /// A project can set CLAUDE_CODE_OAUTH_TOKEN too.
    pub(crate) const OAUTH_OF_PROJECTS: Client = Client::at(2, 1, 81);
    /// Managed drop-ins are read.
    pub(crate) const DROP_INS: Client = Client::at(2, 1, 83);
    /// A line of custom headers with a carriage return or the like inside is not skipped; it keeps the request from
    /// being sent.
    pub(crate) const BREAKS_OF_HEADERS_STOP: Client = Client::at(2, 1, 88);
    /// CLAUDE_CODE_USE_ANTHROPIC_AWS is known.
    pub(crate) const ANTHROPIC_AWS: Client = Client::at(2, 1, 90);
    /// CLAUDE_CODE_USE_MANTLE is known.
    pub(crate) const MANTLE: Client = Client::at(2, 1, 94);
    /// With another provider no key is asked about.
    pub(crate) const PROVIDER_ASKS_NOTHING: Client = Client::at(2, 1, 98);
    /// Unknown names in `hooks` are dropped, where before they cost the file.
    pub(crate) const UNKNOWN_HOOKS_ARE_DROPPED: Client = Client::at(2, 1, 101);
    /// Another JavaScript runtime: other characters fit a header.
    pub(crate) const OTHER_RUNTIME: Client = Client::at(2, 1, 113);
    /// Null in `env` of the config unsets the variable, where before it was the text `null`.
    pub(crate) const CONFIG_ENV_NULL_UNSETS: Client = Client::at(2, 1, 113);
    /// Workload identity and Anthropic profiles are known.
    pub const PROFILES: Client = Client::at(2, 1, 118);
    /// No kind of `hooks` costs the file.
    pub(crate) const ANY_HOOKS: Client = Client::at(2, 1, 122);
    /// The default answer to a settings error goes on, where before it was to exit.
    pub(crate) const SETTINGS_ERROR_GOES_ON: Client = Client::at(2, 1, 124);
    /// Malformed managed settings stop the client, where before they were ignored.
    pub(crate) const STRICT_MANAGED: Client = Client::at(2, 1, 128);
    /// A custom header without a name keeps a request from being sent, where before it was skipped.
    pub(crate) const EMPTY_NAME_STOPS: Client = Client::at(2, 1, 129);
    /// An empty ANTHROPIC_AUTH_TOKEN is not sent as an empty Bearer.
    pub(crate) const EMPTY_TOKEN_IS_UNSET: Client = Client::at(2, 1, 129);
    /// The stored login goes before the default Anthropic profile, where before it came after.
    pub(crate) const LOGIN_BEFORE_DEFAULT_PROFILE: Client = Client::at(2, 1, 154);
    /// A directory in the place of the config is as an empty one.
    pub(crate) const CONFIG_DIRECTORY: Client = Client::at(2, 1, 162);
    /// Members of a wrong type in managed settings are dropped one by one.
    pub(crate) const MANAGED_BY_MEMBER: Client = Client::at(2, 1, 166);
    /// A directory in the place of settings is a settings error.
    pub(crate) const SETTINGS_DIRECTORY_IS_ERROR: Client = Client::at(2, 1, 169);
    /// CLAUDE_CODE_USE_GATEWAY is known.
    pub(crate) const GATEWAY: Client = Client::at(2, 1, 195);
    /// Numbers and the like in `env` of the config are made text again; as KEY or TOKEN they kept 2.1.113 and later
    /// from sending.
    pub(crate) const CONFIG_ENV_ODD_IS_TEXT: Client = Client::at(2, 1, 206);
    /// The local settings of the git work tree's root are read below it.
    pub(crate) const LOCAL_OF_ROOT: Client = Client::at(2, 1, 211);
    /// ANTHROPIC_API_KEY and CLAUDE_CODE_OAUTH_TOKEN are trimmed, before a key's end is compared too; a blank one is as
    /// unset.
    pub(crate) const KEY_IS_TRIMMED: Client = Client::at(2, 1, 212);
    /// CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD is known.
    pub(crate) const ANTHROPIC_GOOGLE_CLOUD: Client = Client::at(2, 1, 213);
    /// ANTHROPIC_AUTH_TOKEN is trimmed, and a blank one is as unset.
    pub(crate) const BLANK_IS_UNSET: Client = Client::at(2, 1, 221);
    /// Null in `env` of the config is the text `null` again.
    pub(crate) const CONFIG_ENV_NULL_IS_TEXT: Client = Client::at(2, 1, 221);
    /// A helper has to print visible ASCII on one line.
    pub(crate) const HELPER_MUST_BE_KEY: Client = Client::at(2, 1, 227);
    /// The interactive client stumbles over a `primaryApiKey` that is no text.
    pub(crate) const ODD_PRIMARY_STOPS: Client = Client::at(2, 1, 232);
    /// A project cannot set CLAUDE_CODE_SIMPLE.
    pub(crate) const SIMPLE_NOT_OF_PROJECTS: Client = Client::at(2, 1, 246);
    /// `--restricted` and CLAUDE_CODE_RESTRICTED are known.
    pub(crate) const RESTRICTED: Client = Client::at(2, 1, 248);
    /// A hook that is known and no list costs the file again.
    pub(crate) const HOOKS_ARE_LISTS: Client = Client::at(2, 1, 257);
    /// Of `env` in the config null, arrays and objects are skipped.
    pub(crate) const CONFIG_ENV_TYPES: Client = Client::at(2, 1, 268);
    /// Approvals that are no list are none.
    pub(crate) const APPROVALS_MUST_BE_LISTS: Client = Client::at(2, 1, 277);
    /// A legacy config of 0 bytes, or a directory there, is passed over.
    pub(crate) const EMPTY_LEGACY_IS_NONE: Client = Client::at(2, 1, 299);
    /// A project cannot set CLAUDE_CODE_OAUTH_TOKEN any more.
    pub(crate) const OAUTH_NOT_OF_PROJECTS: Client = Client::at(2, 1, 312);
    /// A config of 0 bytes or blanks is as an empty one.
    pub(crate) const EMPTY_CONFIG: Client = Client::at(2, 1, 318);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_its_newest_version() {
        let parse = |text: &str| text.parse::<Client>();
        assert_eq!(parse("2.1.330"), Ok(Client::at(2, 1, 330)));
        assert_eq!(parse("v2.0.77"), Ok(Client::at(2, 0, 77)));
        for newest in ["2", "2.x"] {
            assert_eq!(parse(newest), Ok(Client::V2));
        }
        assert!(parse("2.0") > parse("2.0.77") && parse("2.0") < parse("2.1.0"));
        assert!(parse("1.x") < parse("2.0.0") && parse("3.0.1") > parse("2"));
        for bad in ["", "x", "2.", "2.1.330.1", "2.1.-1", "latest"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
