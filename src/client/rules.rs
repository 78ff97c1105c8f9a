//! What the versions of the client differ in, as data. A rule holds from the first of its versions on, until the second.
//!
//! Each bound was found by bisecting the versions in the registry (observed 2026-11-24 to 2026-11-26). The table in
//! `docs/claude-code.md` is made from this one, and `tests/data/edges.json` has what was seen on both sides of each bound.

use super::Client;

macro_rules! rules {
    ($($(#[doc = $line:literal])+ $name:ident = ($a:literal, $b:literal, $c:literal)
        $(until ($x:literal, $y:literal, $z:literal))?;)*) => {
        /// A behaviour that some versions of the client have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rule { $($(#[doc = $line])+ $name),* }

        /// Every rule: its name, what it says, the first version that has it, the first that has it no longer.
        pub const RULES: &[(Rule, &str, &str, Client, Option<Client>)] = &[$((
            Rule::$name,
            stringify!($name),
            concat!($($line),+),
            Client::at($a, $b, $c),
            rules!(@until $($x, $y, $z)?),
        )),*];
    };
    (@until) => { None };
    (@until $x:literal, $y:literal, $z:literal) => { Some(Client::at($x, $y, $z)) };
}

impl Client {
    /// Whether this version behaves so.
    pub fn has(self, rule: Rule) -> bool {
        let (_, _, _, from, until) = &RULES[rule as usize];
        self >= *from && until.is_none_or(|until| self < until)
    }
}

rules! {
    /// Custom headers suffice without any other credential, and a helper that fails is sent as an empty Bearer; before, nothing
    /// was sent.
    HeadersSuffice = (2, 0, 45);
    /// A `primaryApiKey` that is a number is ignored; before, its digits were sent.
    PrimaryKeyMustBeText = (2, 0, 45);
    /// CLAUDE_CODE_USE_FOUNDRY is known.
    FoundryIsKnown = (2, 0, 45);
    /// CLAUDE_CODE_REMOTE lets a login or `OAUTH` go before `KEY`.
    RemoteLoginBeatsKey = (2, 0, 45);
    /// The config may begin with a byte order mark.
    ConfigMayHaveBom = (2, 0, 69);
    /// Server-managed settings come with `KEY`, `primaryApiKey` or the login of an enterprise.
    ServerIsAsked = (2, 0, 69);
    /// A key or token of the environment that an `env` block takes away lets `OAUTH` of such a block count.
    OauthIsReadLate = (2, 0, 77) until (2, 1, 36);
    /// `primaryApiKey` asks for server-managed settings too late for the first request, the last answer included.
    PrimaryKeyAsksLate = (2, 1, 27) until (2, 1, 47);
    /// CLAUDE_CODE_CUSTOM_OAUTH_URL gives the config another name.
    CustomOauthUrlIsKnown = (2, 1, 32);
    /// In the terminal, managed settings that are not taken are a settings error as well.
    ManagedErrorAsks = (2, 1, 33);
    /// Server-managed settings come with the login of a team.
    ServerIsAskedForTeams = (2, 1, 38);
    /// `env` blocks are applied first: `OAUTH` is read from them too, and a helper sees their variables.
    BlocksAreAppliedFirst = (2, 1, 53);
    /// On Windows, settings come from the registry too.
    RegistryIsRead = (2, 1, 59);
    /// ANTHROPIC_UNIX_SOCKET keeps out the login and what `env` blocks set, and lets `OAUTH` go first.
    UnixSocketIsKnown = (2, 1, 73);
    /// On Windows, managed settings under ProgramData are no longer read.
    ProgramDataIsIgnored = (2, 1, 75);
    /// `forceLoginOrgUUID` in managed settings has a login and `OAUTH` checked online.
    OrganizationIsChecked = (2, 1, 76);
    /// A helper's exit code counts.
    HelperExitCodeCounts = (2, 1, 77);
    /// CLAUDE_CODE_REMOTE lets a login or `OAUTH` go before `TOKEN` and helpers too, and so does the desktop app.
    RemoteLoginBeatsAll = (2, 1, 77);
    /// With a `TOKEN`, the first message does not wait for the helper.
    HelperRacesToken = (2, 1, 77);
    /// The well-known files of a cloud session are read.
    WellKnownFilesAreRead = (2, 1, 78);
    /// CLAUDE_CODE_SIMPLE, and `--bare`, leave only variables, custom headers and the helper of `--settings`.
    SimpleLeavesVariables = (2, 1, 81);
    /// A project can set `OAUTH`.
    OauthOfProjectsCounts = (2, 1, 81) until (2, 1, 312);
    /// Managed drop-ins are read.
    DropInsAreRead = (2, 1, 83);
    /// Without a base URL, an address in CLAUDE_CODE_CUSTOM_OAUTH_URL that is not one of Anthropic's keeps the client from
    /// sending.
    CustomOauthUrlIsChecked = (2, 1, 83);
    /// In a host's session no `env` block sets `KEY`, `TOKEN`, the base URL or a provider.
    HostOwnsVariables = (2, 1, 83);
    /// With `-p`, the name of a command is a prompt.
    CommandIsPromptInPrint = (2, 1, 83);
    /// What the desktop app sets in the environment, settings do not change.
    DesktopOwnsVariables = (2, 1, 84);
    /// Server-managed settings come with `OAUTH`.
    ServerIsAskedWithOauth = (2, 1, 84);
    /// A local agent does not ask for server-managed settings.
    AgentAsksNoServer = (2, 1, 84);
    /// A carriage return or the like inside a line of custom headers keeps the request from being sent; before, the line
    /// was skipped.
    BreaksInHeadersStop = (2, 1, 88);
    /// `forceLoginOrgUUID: []` in managed settings stops `primaryApiKey` as well.
    EmptyOrganizationsStop = (2, 1, 89);
    /// CLAUDE_CODE_USE_ANTHROPIC_AWS is known.
    AnthropicAwsIsKnown = (2, 1, 90);
    /// CLAUDE_CODE_USE_MANTLE is known.
    MantleIsKnown = (2, 1, 94);
    /// With another provider no key is asked about.
    OtherProviderAsksNothing = (2, 1, 98);
    /// Unknown names in `hooks` are dropped; before, they cost the file.
    UnknownHooksAreDropped = (2, 1, 101);
    /// In the terminal, a mistake in the name of a command ends the client; before, it was a prompt.
    MistakenCommandEnds = (2, 1, 111);
    /// `--settings` and `--setting-sources` count only before `--`; before, also after it.
    OptionsEndAtDashes = (2, 1, 113);
    /// Another JavaScript runtime: control characters fit a header, and a base URL may have a user in it.
    RuntimeIsAnother = (2, 1, 113);
    /// A key or token is sent only if it is ASCII; a line of `HEADERS` may be Latin-1.
    CredentialsMustBeAscii = (2, 1, 113) until (2, 1, 257);
    /// Null in `env` of the config unsets the variable; before and after it is the text `null`.
    NullUnsetsConfigVariable = (2, 1, 113) until (2, 1, 221);
    /// Numbers and the like in `env` of the config, as KEY or TOKEN, keep the client from sending.
    OddConfigVariableStops = (2, 1, 113) until (2, 1, 206);
    /// Workload identity and Anthropic profiles are known.
    ProfilesAreKnown = (2, 1, 118);
    /// A known hook that is not a list is taken.
    HookMayBeAnything = (2, 1, 122) until (2, 1, 257);
    /// The default answer to a settings error goes on; before, it was to exit.
    SettingsErrorGoesOn = (2, 1, 124);
    /// Malformed managed settings stop a client that would use `primaryApiKey` or a login; before, they were ignored.
    MalformedManagedStops = (2, 1, 128);
    /// A custom header without a name keeps the request from being sent; before, it was skipped.
    EmptyHeaderNameStops = (2, 1, 129);
    /// An empty `TOKEN` is no longer sent as an empty Bearer.
    EmptyTokenIsUnset = (2, 1, 129);
    /// A managed policyHelper is run, and what it prints is laid over managed settings.
    PolicyHelperIsRun = (2, 1, 136);
    /// A local agent lets a login or `OAUTH` go before every key. With it, or the desktop app for other providers, settings do
    /// not change what it sets in the environment, and neither a profile nor federation counts.
    AgentIsKnown = (2, 1, 141);
    /// CLAUDE_SECURESTORAGE_CONFIG_DIR is where the login is.
    SecureStorageDirIsKnown = (2, 1, 144);
    /// A project can set CLAUDE_SECURESTORAGE_CONFIG_DIR.
    SecureStorageDirOfProjectsCounts = (2, 1, 144) until (2, 1, 251);
    /// Managed forceLoginMethod and forceLoginOrgUUID refuse keys in variables and helpers.
    ForcedLoginRefusesKeys = (2, 1, 146);
    /// The first request waits for the server's settings; before, it had them only if they came in time, with
    /// CLAUDE_CODE_SIMPLE never.
    ServerIsWaitedFor = (2, 1, 147);
    /// Server-managed settings come with a login that does not say its plan.
    ServerIsAskedForAnyLogin = (2, 1, 152);
    /// CLAUDE_CODE_OAUTH_SCOPES without `user:inference` keeps `OAUTH` out.
    OauthScopesAreKnown = (2, 1, 152);
    /// CLAUDE_CODE_HOST_AUTH_ENV_VAR keeps `env` blocks from setting credentials too.
    HostAuthVariableIsKnown = (2, 1, 153);
    /// In a session of the desktop app, or of a local agent, managed and project settings set no credential.
    DesktopIgnoresBlocks = (2, 1, 153);
    /// The stored login goes before the default Anthropic profile; before, it came after.
    LoginBeatsDefaultProfile = (2, 1, 154);
    /// A directory where the config should be counts as an empty config.
    ConfigDirectoryIsEmpty = (2, 1, 162);
    /// The method `gateway` of forceLoginMethod is known.
    ForcedGatewayIsKnown = (2, 1, 162);
    /// Members of a wrong type in managed settings are dropped one by one.
    BadManagedMembersAreDropped = (2, 1, 166);
    /// In a host's session managed forceLoginMethod and forceLoginOrgUUID refuse nothing.
    HostIsRefusedNothing = (2, 1, 167);
    /// A directory where settings should be is a settings error; where managed ones should be, it stops the client.
    SettingsDirectoryIsError = (2, 1, 169);
    /// Of two `--settings` the last counts; before, the first did.
    LastSettingsFlagCounts = (2, 1, 169);
    /// The user and password of ANTHROPIC_BASE_URL are sent as Basic.
    UserinfoIsSent = (2, 1, 176);
    /// No `env` block sets CLAUDE_CODE_REMOTE.
    RemoteIsOfProcess = (2, 1, 195);
    /// CLAUDE_CODE_USE_GATEWAY is known.
    GatewayIsKnown = (2, 1, 195);
    /// The login of a cloud gateway goes before everything.
    CloudGatewayIsKnown = (2, 1, 195);
    /// Settings of more than 2 MiB are not read; managed ones stop the client.
    LargeSettingsAreNotRead = (2, 1, 196);
    /// In a host's session no helper, `primaryApiKey`, login or `HEADERS` of an `env` block counts.
    HostOwnsCredentials = (2, 1, 198);
    /// Cached variables of the server count only where it confirms them; before, they did in that start, just above the
    /// process's environment if it gave others or none.
    CachedVariablesAreConfirmed = (2, 1, 198);
    /// The local settings of the git work tree's root are read below it.
    LocalOfRootIsRead = (2, 1, 211);
    /// `KEY` and `OAUTH` are trimmed, before a key's end is compared too; a blank one counts as unset, and so does
    /// ANTHROPIC_UNIX_SOCKET.
    KeyIsTrimmed = (2, 1, 212);
    /// CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD is known.
    AnthropicGoogleCloudIsKnown = (2, 1, 213);
    /// `--settings` with a file of more than 2 MiB ends the client; before, it was ignored.
    LargeFlagSettingsStop = (2, 1, 213);
    /// CLAUDE_CODE_ENTRYPOINT=claude-coworker does not ask for server-managed settings.
    CoworkerAsksNoServer = (2, 1, 218);
    /// `TOKEN` is trimmed, and a blank one counts as unset.
    TokenIsTrimmed = (2, 1, 221);
    /// `env` of managed files ranks as ever beside settings of the server; before, just above the process's environment.
    ManagedVariablesOutlastServer = (2, 1, 223);
    /// A helper has to print visible ASCII on one line, and not too much of it.
    HelperMustPrintOneKey = (2, 1, 227);
    /// The interactive client fails on a `primaryApiKey` that is not text.
    OddPrimaryKeyStops = (2, 1, 232);
    /// A managed policyHelper is not run if the server has settings; before, what it printed was laid over them.
    PolicyHelperGivesWay = (2, 1, 239);
    /// `--settings` or `--setting-sources` as the value of another option is only that; before, it counted.
    OptionValuesAreNoOptions = (2, 1, 239);
    /// In a host's session the login of a cloud gateway does not count.
    HostKeepsGatewayOut = (2, 1, 242);
    /// A project cannot set CLAUDE_CODE_SIMPLE.
    SimpleOfProjectsIsIgnored = (2, 1, 246);
    /// `--restricted` and CLAUDE_CODE_RESTRICTED are known.
    RestrictedIsKnown = (2, 1, 248);
    /// CLAUDE_CODE_ENTRYPOINT is trimmed.
    EntrypointIsTrimmed = (2, 1, 248);
    /// The login of a cloud gateway needs a `jwt` that is text; before, anything was sent, `undefined` too.
    GatewayTokenMustBeText = (2, 1, 251);
    /// Whether a managed policyHelper is run is decided after the server's answer; before, it was not run with a cached one.
    PolicyHelperWaitsForServer = (2, 1, 257);
    /// On the default host, whether a profile or federation is used is decided before managed settings are read.
    GrantIsDecidedEarly = (2, 1, 257);
    /// Server-managed settings come with an Anthropic profile, where one is used; before, a login beside it could ask.
    ServerIsAskedWithProfile = (2, 1, 257);
    /// Malformed managed settings stop a client with a key in a variable, a helper or the login of a cloud gateway, too.
    MalformedManagedStopsAll = (2, 1, 259);
    /// The method `gateway` of forceLoginMethod refuses everything but the login of a gateway.
    ForcedGatewayRefusesAll = (2, 1, 261);
    /// Of `env` in the config null, arrays and objects are skipped.
    ConfigVariablesMustBeScalars = (2, 1, 268);
    /// Approvals that are not a list count as none.
    ApprovalsMustBeLists = (2, 1, 277);
    /// A cached answer of the server with nothing but variables for credentials lets a policyHelper go before the server;
    /// before, only an empty one did.
    PolicyHelperPassesVariables = (2, 1, 283);
    /// An answer of the server with nothing in it but empty objects counts as none: a managed apiKeyHelper stays.
    EmptyObjectsAreNoAnswer = (2, 1, 283);
    /// Managed settings keep the login of a cloud gateway out, unless their forceLoginMethod is `gateway`.
    ManagedKeepsGatewayOut = (2, 1, 295);
    /// A legacy config of 0 bytes, or a directory there, is passed over.
    EmptyLegacyConfigIsIgnored = (2, 1, 299);
    /// forceLoginMethod of managed files holds beside settings of the server; before, it gave way to them.
    ForcedLoginOutlastsServer = (2, 1, 299);
    /// Where a login goes before a managed helper, an address in CLAUDE_CODE_CUSTOM_OAUTH_URL that is not one of Anthropic's
    /// keeps the client from sending.
    CustomOauthUrlFailsHelper = (2, 1, 314);
    /// A config of 0 bytes or blanks counts as an empty one.
    EmptyConfigIsTaken = (2, 1, 318);
    /// On Windows, HKLM is laid over the managed file; before, the first of the two won whole.
    RegistryIsMerged = (2, 1, 332);
}
