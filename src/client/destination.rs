//! Where the client's requests go, who chose that, and whether a credential may be sent there.
//!
//! Everything that gives a key away asks [`may_send`]. Trust depends on where a file lies and who can write it, not on the
//! name of its layer: what lies in the project belongs to its author.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::Client;
use super::rules::Rule;
use super::settings::{self, names};
use super::source::{Layer, Origin, Source};
use super::state::{FileState, Secret, State};
use super::worktree;
use crate::context::Context;
use crate::disk;

/// Where requests go, and who decided that.
#[derive(Debug)]
pub struct Destination {
    /// The base URL as it is set, without what a password could be in.
    pub(crate) shown: String,
    pub(crate) address: Result<Address, Unusable>,
    /// What the project has set to lead requests elsewhere.
    pub(crate) redirect: Option<Redirect>,
    pub(crate) trust: Trust,
    /// Whether the helper in force is that of a folder that the user has not trusted.
    pub(crate) helper_is_untrusted: bool,
}

/// A variable with which a project leads requests, or the connections they go over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) source: Source,
}

impl Redirect {
    pub(crate) fn is_proxy(&self) -> bool {
        self.name != names::BASE_URL
    }
}

/// Whether the user has told the client to trust the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    Trusted,
    Untrusted,
}

/// Why a credential must not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The address cannot be used.
    Unusable(Unusable),
    /// It is not the host that the user named.
    OtherHost(String),
    /// A folder that the user has not trusted chose the way.
    Untrusted(Redirect),
}

/// Whether a credential may be sent there. A host that the user has named may be chosen by anyone.
pub(crate) fn may_send(destination: &Destination, named: Option<&str>) -> Result<(), Refusal> {
    let address = destination.address.as_ref().map_err(|why| Refusal::Unusable(why.clone()))?;
    match (named, &destination.redirect) {
        (Some(named), _) if !address.is_host(named) => Err(Refusal::OtherHost(named.to_owned())),
        (Some(_), Some(redirect)) if !redirect.is_proxy() => Ok(()),
        (_, Some(redirect)) if destination.trust == Trust::Untrusted => {
            Err(Refusal::Untrusted(redirect.clone()))
        }
        _ => Ok(()),
    }
}

impl Refusal {
    /// Why, as the end of `the credential would …`.
    pub(crate) fn reason(&self, destination: &Destination) -> String {
        let shown = &destination.shown;
        match self {
            Refusal::Unusable(Unusable(why)) => {
                format!("go nowhere: {shown} is not an address that Claude Code can use, {why}")
            }
            Refusal::OtherHost(named) => format!("go to {shown}, and not to {named}"),
            Refusal::Untrusted(redirect) if redirect.is_proxy() => {
                "go through a proxy that this folder chose, and you have not trusted it".to_owned()
            }
            Refusal::Untrusted(_) => {
                format!("go to {shown}, which this folder chose, and you have not trusted it")
            }
        }
    }
}

/// Where the requests of this state go. `home` is the user's.
pub fn destination(state: &State, home: Option<&Path>) -> Destination {
    let project = Project::of(&state.paths.project, home);
    let url = url(state);
    let address = Address::parse(url, state.client);
    let redirect = project_redirects(state, &project).into_iter().find(|redirect| {
        // A proxy for http is never asked for this machine.
        let is_loopback = address.as_ref().is_ok_and(Address::is_loopback);
        !redirect.is_proxy() || !is_loopback
    });
    let trust = trust(state, &project);
    let helper_is_untrusted = trust == Trust::Untrusted
        && settings::helper(state)
            .is_some_and(|(layer, _)| project.file_of(&Source::Helper(layer), state).is_some());
    Destination {
        shown: address.as_ref().map_or_else(
            |_| crate::output::one_line(&crate::output::without_user(url)),
            ToString::to_string,
        ),
        address,
        redirect,
        trust,
        helper_is_untrusted,
    }
}

/// The address that requests are sent to.
fn url(state: &State) -> &str {
    match state.gateway.as_ref().filter(|_| state.uses_gateway_login()) {
        Some(login) => &login.url,
        None => settings::base_url(state).1,
    }
}

/// Why nothing can be sent to the address that is set.
pub(crate) fn unusable(state: &State) -> Option<String> {
    let why = match Address::parse(url(state), state.client) {
        Err(Unusable(why)) => why,
        // The runtime of older clients refuses it (2.0.77, 2.1.112, observed 2026-11-25).
        Ok(address) if address.has_user && !state.client.has(Rule::UserinfoIsTaken) => {
            "it has a user in it"
        }
        Ok(_) => return None,
    };
    Some(format!("the address in ANTHROPIC_BASE_URL cannot be used: {why}"))
}

/// Whether a user or password is in the address: the client makes a Basic credential of them.
pub(crate) fn has_user(state: &State) -> bool {
    Address::parse(url(state), state.client).is_ok_and(|address| address.has_user)
}

/// Whether the folder is trusted: the client's config says so, and it is not the project's own file that does.
pub(crate) fn trust(state: &State, project: &Project) -> Trust {
    if state.config.trusted && !project.owns(&state.config_file) {
        Trust::Trusted
    } else {
        Trust::Untrusted
    }
}

/// The variables that lead requests, or the connections they go over.
const REDIRECTS: [&str; 7] = [
    names::BASE_URL,
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The variables that are in force and with which files of the project lead requests elsewhere.
pub(crate) fn project_redirects(state: &State, project: &Project) -> Vec<Redirect> {
    let in_force = |name: &str| {
        let (origin, value) = in_blocks(state, name)?;
        (!value.is_empty()).then(|| Source::Variable(origin, name.to_owned()))
    };
    let redirect = |name: &str| {
        let source = if name == names::BASE_URL {
            settings::effective(state, name).map(|setting| setting.source.clone())?
        } else {
            in_force(name)?
        };
        let file = project.file_of(&source, state)?;
        Some(Redirect { name: name.to_owned(), file: file.to_path_buf(), source })
    };
    REDIRECTS.into_iter().filter_map(redirect).collect()
}

/// What the client takes from settings to reach a server, and cck with it (2.1.332, observed 2026-11-25).
const NETWORK: [&str; 9] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "NODE_EXTRA_CA_CERTS",
];

/// Gives the context the proxies and certificates that settings and config name; those of a project only if it is trusted.
pub(crate) fn take_network(state: &State, context: &mut Context) {
    let project = Project::of(&state.paths.project, context.home().as_deref());
    let trusted = trust(state, &project) == Trust::Trusted;
    for name in NETWORK {
        let Some((origin, value)) = in_blocks(state, name) else { continue };
        let source = Source::Variable(origin, name.to_owned());
        if trusted || project.file_of(&source, state).is_none() {
            // A relative file is taken from where the client starts.
            let value = match name {
                "NODE_EXTRA_CA_CERTS" => state.paths.project.join(value.reveal()).into_os_string(),
                _ => value.reveal().into(),
            };
            context.set_var(name, value);
        }
    }
}

/// The `env` block that sets a variable, the highest of them, and to what.
fn in_blocks<'a>(state: &'a State, name: &str) -> Option<(Origin, &'a Secret)> {
    let layers = state
        .layers
        .iter()
        .filter_map(|settings| Some((Origin::Settings(settings.layer), settings.env.get(name)?)));
    let config = state.config.env.get(name).map(|value| (Origin::Config, value));
    layers.chain(config).next()
}

/// The directories whose files belong to the project's author: the project itself, and the git work tree around it.
///
/// A home directory is its user's, and so is what lies in it where it is the project.
#[derive(Debug)]
pub(crate) struct Project {
    dirs: Vec<PathBuf>,
}

impl Project {
    pub(crate) fn of(project: &Path, home: Option<&Path>) -> Project {
        let real = disk::real(project).unwrap_or_else(|_| project.to_path_buf());
        let home = home.and_then(|home| disk::real(home).ok());
        let root = real.ancestors().find(|dir| fs::symlink_metadata(dir.join(".git")).is_ok());
        let mut dirs: Vec<PathBuf> = [Some(real.clone()), root.map(Path::to_path_buf)]
            .into_iter()
            .chain([worktree::root(project, home.as_deref())])
            .flatten()
            .filter(|dir| !home.as_ref().is_some_and(|home| home.starts_with(dir)))
            .collect();
        // As the path is written, too: a link in the project to a file elsewhere is the project's.
        if dirs.contains(&real) {
            dirs.push(project.to_path_buf());
        }
        Project { dirs }
    }

    /// Whether the file lies in the project, or others than the user and root may write it.
    pub(crate) fn owns(&self, file: &FileState) -> bool {
        self.has(&file.path) || is_open_to_others(file)
    }

    /// Whether a path is in the project, as it is written or as it is.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let real = disk::real(path).or_else(|_| disk::real(path.parent().unwrap_or(path)));
        self.dirs.iter().any(|dir| {
            path.starts_with(dir) || real.as_ref().is_ok_and(|real| real.starts_with(dir))
        })
    }

    /// The project's file that brings this source, if it is one of the project's.
    pub(crate) fn file_of<'a>(&self, source: &Source, state: &'a State) -> Option<&'a Path> {
        let of_layer = |layer: Layer| {
            let mut files = state.settings_files.iter().filter(|(other, _)| *other == layer);
            files.find(|(_, file)| file.reading.exists() && self.owns(file)).map(|(_, file)| file)
        };
        let file = match source {
            Source::Variable(Origin::Settings(layer), _) | Source::Helper(layer) => {
                of_layer(*layer)
            }
            Source::Variable(Origin::Config, _) | Source::PrimaryKey => {
                Some(&state.config_file).filter(|file| self.owns(file))
            }
            Source::Login => Some(&state.credentials_file).filter(|file| self.owns(file)),
            _ => None,
        };
        file.map(|file| file.path.as_path())
    }
}

/// Whether someone other than the user and root may write the file.
fn is_open_to_others(file: &FileState) -> bool {
    let user = disk::user();
    cfg!(unix)
        && file.attributes.is_some_and(|attributes| {
            let is_others = attributes.owner != user && attributes.owner != 0 && user != 0;
            is_others || attributes.mode & 0o002 != 0
        })
}

/// A base URL as the client's `new URL()` takes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(crate) is_https: bool,
    /// In lower case; an IPv6 address in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What follows the host and is sent before `/v1/messages`.
    pub(crate) path: String,
    /// It has a query or a fragment, in which `/v1/messages` is lost: requests go to `path` alone.
    pub(crate) loses_path: bool,
    /// Whether a user or password is in it. The client makes a Basic credential of them (2.1.332, 2026-11-25).
    pub(crate) has_user: bool,
}

/// Why nothing can be sent to a base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable(pub(crate) &'static str);

impl Address {
    /// Reads a base URL as `client` does (2.1.332 and 2.0.77, observed 2026-11-25, every case of the tests below).
    pub(crate) fn parse(base: &str, client: Client) -> Result<Address, Unusable> {
        // What is before and after is cut, and what breaks lines is taken out wherever it is.
        let base: String = base
            .trim_matches(|c: char| c <= ' ')
            .chars()
            .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
            .collect();
        let base = base.strip_suffix('/').unwrap_or(&base);
        // The client adds the path before it looks at the URL.
        let url = format!("{base}/v1/messages");
        let (scheme, rest) = scheme(&url).ok_or(Unusable("it does not begin with https://"))?;
        let is_https = match scheme.as_str() {
            "https" => true,
            "http" => false,
            // The other runtime takes `host:port` for http.
            _ if client.has(Rule::HeadersTakeControls)
                && rest.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                return address(false, &format!("{scheme}:{rest}"));
            }
            _ => return Err(Unusable("the client sends to https and http only")),
        };
        address(is_https, rest.trim_start_matches(['/', '\\']))
    }

    /// Whether it names this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let v6 = || {
            let address: Ipv6Addr = self.host.trim_matches(['[', ']']).parse().ok()?;
            Some(
                address.is_loopback()
                    || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
            )
        };
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || v6() == Some(true)
    }

    /// Whether a credential crosses no network unencrypted on its way there.
    pub(crate) fn is_private(&self) -> bool {
        self.is_https || self.is_loopback()
    }

    /// Whether it is the host that was named, with or without its port.
    pub(crate) fn is_host(&self, named: &str) -> bool {
        let named = named.trim_end_matches('/').to_ascii_lowercase();
        let named = named.split_once("://").map_or(named.as_str(), |(_, host)| host);
        named == self.host || named == format!("{}:{}", self.host, self.port)
    }
}

/// The URL without what a password could be in.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.is_https { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port != usual {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// The scheme in small letters, and what follows its colon.
fn scheme(url: &str) -> Option<(String, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then(|| (scheme.to_ascii_lowercase(), rest))
}

/// What follows the scheme and its slashes.
fn address(is_https: bool, rest: &str) -> Result<Address, Unusable> {
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (user, host),
        None => ("", authority),
    };
    let port_at = match (host.rfind(']'), host.rfind(':')) {
        (Some(bracket), Some(colon)) if colon < bracket => None,
        (_, colon) => colon,
    };
    let (host, port) = match port_at {
        Some(at) => (&host[..at], &host[at + 1..]),
        None => (host, ""),
    };
    let port = match port {
        "" => {
            if is_https {
                443
            } else {
                80
            }
        }
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map_err(|_| Unusable("its port is not one"))?
        }
        _ => return Err(Unusable("its port is not a number")),
    };
    let host = host_of(host)?;
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let loses_path = end < rest.len();
    let path = rest[..end].replace('\\', "/");
    let path = if loses_path { path } else { path.trim_end_matches("/v1/messages").to_owned() };
    Ok(Address { is_https, host, port, path, loses_path, has_user: !matches!(user, "" | ":") })
}

/// The host as the client takes it.
fn host_of(text: &str) -> Result<String, Unusable> {
    const BAD: Unusable = Unusable("its host is not one");
    if let Some(address) = text.strip_prefix('[') {
        let address: Ipv6Addr =
            address.strip_suffix(']').and_then(|inner| inner.parse().ok()).ok_or(BAD)?;
        return Ok(format!("[{address}]"));
    }
    let host = percent_decoded(text).ok_or(BAD)?.to_lowercase();
    let is_forbidden = |c: char| c <= ' ' || c == '\u{7f}' || "#/:<>?@[\\]^|%".contains(c);
    if host.is_empty() || host.contains(is_forbidden) {
        return Err(BAD);
    }
    let last = host.strip_suffix('.').unwrap_or(&host).rsplit('.').next().unwrap_or_default();
    let is_number =
        number(last).is_some() || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()));
    if is_number { ipv4(&host).map(|address| address.to_string()).ok_or(BAD) } else { Ok(host) }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).ok()
}

/// A part of an IPv4 address: decimal, octal or hexadecimal.
fn number(part: &str) -> Option<u64> {
    match part.strip_prefix("0x") {
        Some("") => Some(0),
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None if part.len() > 1 && part.starts_with('0') => u64::from_str_radix(part, 8).ok(),
        None if part.starts_with('+') => None,
        None => part.parse().ok(),
    }
}

/// An IPv4 address of one to four numbers, of which the last fills the rest.
fn ipv4(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u64> =
        host.strip_suffix('.').unwrap_or(host).split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 8 * (4 - first.len());
    if *last >= 1 << room {
        return None;
    }
    let high = first.iter().enumerate().map(|(at, part)| part << (24 - 8 * at)).sum::<u64>();
    u32::try_from(high + last).ok().map(Ipv4Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Client = Client::at(2, 1, 332);

    /// Every line was given to 2.1.332 as ANTHROPIC_BASE_URL (2026-11-25): where its request arrived.
    #[test]
    fn a_base_url_leads_where_the_client_goes() {
        for url in [
            "http://127.0.0.1:18080",
            "http:127.0.0.1:18080",
            "http:/127.0.0.1:18080",
            "http:\\\\127.0.0.1:18080",
            "HTTP://127.0.0.1:18080",
            " http://127.0.0.1:18080 ",
            "http://127.0.0.1:18080/",
            "http:///127.0.0.1:18080",
            "http://u:p@127.0.0.1:18080",
            "http://0x7f.1:18080",
            "http://127.1:18080",
            "http://2130706433:18080",
            "ht\ntp://127.0.0.1:18080",
            "http://127.0.0.1:018080",
        ] {
            let address = Address::parse(url, NEW).unwrap_or_else(|why| panic!("{url}: {why:?}"));
            assert_eq!(address.to_string(), "http://127.0.0.1:18080", "{url}");
            assert!(address.is_loopback() && !address.loses_path, "{url}");
        }
        for (url, shown) in [
            ("localhost:18080", "http://localhost:18080"),
            ("localhost:18080/x", "http://localhost:18080/x"),
            ("Foo.Example:18080/x", "http://foo.example:18080/x"),
            ("http://%6cocalhost:18080", "http://localhost:18080"),
            ("http://[::ffff:127.0.0.1]:18080", "http://[::ffff:127.0.0.1]:18080"),
            ("http://127.0.0.1:18080\\x", "http://127.0.0.1:18080/x"),
            ("http://127.0.0.1:18080/v1", "http://127.0.0.1:18080/v1"),
            ("http://a_b:80", "http://a_b"),
            ("https://api.anthropic.com", "https://api.anthropic.com"),
            // The path that the client adds becomes the host.
            ("http://", "http://v1/messages"),
        ] {
            assert_eq!(Address::parse(url, NEW).map(|a| a.to_string()), Ok(shown.into()), "{url}");
        }
        for url in ["http://127.0.0.1:1?x=1", "http://127.0.0.1:1#f", "http://127.0.0.1:1/?x#y"] {
            assert!(Address::parse(url, NEW).is_ok_and(|address| address.loses_path), "{url}");
        }
    }

    #[test]
    fn a_base_url_that_the_client_cannot_use_leads_nowhere() {
        for url in [
            "127.0.0.1:18080",
            "\"http://127.0.0.1:18080\"",
            "'http://127.0.0.1:18080'",
            "<http://127.0.0.1:18080>",
            "http://127.0.0.1:99999",
            "http://127.0.0.1:abc",
            "http://127.0.0.1:+18080",
            "http://127.0.0.1.1:18080",
            "http://256.0.0.1:18080",
            "http://local host:18080",
            "http://127.0.0.1 :18080",
            "${URL}",
            "//127.0.0.1:18080",
            "localhost",
            "127.1:18080",
            "a_b:18080",
            "ftp://127.0.0.1:18080",
            "ws://127.0.0.1:18080",
            "unix:/tmp/x",
            "file:///x",
            "data:x",
        ] {
            assert!(Address::parse(url, NEW).is_err(), "{url}");
        }
    }

    #[test]
    fn a_host_is_recognised_with_and_without_its_port() {
        let address = Address::parse("https://Gateway.example/v1", NEW).unwrap();
        for named in ["gateway.example", "GATEWAY.example:443", "https://gateway.example/"] {
            assert!(address.is_host(named), "{named}");
        }
        for other in ["example", "gateway.example:80", "gateway.example.evil"] {
            assert!(!address.is_host(other), "{other}");
        }
        assert!(address.is_private());
        assert!(!Address::parse("http://gateway.example", NEW).unwrap().is_private());
    }
}
