//! The versions of the client. What they differ in is in [`super::rules`]. Pure.

use std::fmt;
use std::str::FromStr;

/// The newest client whose rules are known.
pub(crate) const NEWEST: Client = Client::at(2, 1, 332);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Client {
    /// The newest 2.x.
    pub const V2: Client = Client::at(2, u32::MAX, u32::MAX);

    pub const fn at(major: u32, minor: u32, patch: u32) -> Client {
        Client { major, minor, patch }
    }

    /// Whether this is 0.2.x. It differs in much; of it only 0.2.109 was compared, and of 1.x only 1.0.128.
    pub(crate) fn is_v0(self) -> bool {
        self.major < 1
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Client { major, minor: u32::MAX, .. } => write!(f, "{major}.x"),
            Client { major, minor, patch: u32::MAX } => write!(f, "{major}.{minor}.x"),
            Client { major, minor, patch } => write!(f, "{major}.{minor}.{patch}"),
        }
    }
}

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
