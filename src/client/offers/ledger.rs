//! What became of each source, and why. Pure.

use std::collections::BTreeMap;

use super::super::decision::Standing;
use super::super::source::Source;

/// What became of each source, and why. The first word about a source stands.
#[derive(Debug, Default)]
pub(crate) struct Ledger(BTreeMap<Source, (Standing, String)>);

impl Ledger {
    /// Notes what became of a source, unless it was noted before.
    pub(crate) fn mark(&mut self, source: &Source, standing: Standing, reason: impl Into<String>) {
        self.0.entry(source.clone()).or_insert((standing, reason.into()));
    }

    /// What was noted of a source.
    pub(crate) fn standing(&self, source: &Source) -> (Standing, String) {
        self.0.get(source).cloned().unwrap_or((Standing::Unset, "not set".into()))
    }

    /// Notes of every source that was to be sent that it is not.
    pub(crate) fn nothing_sent(&mut self, reason: &str) {
        for (standing, because) in self.0.values_mut() {
            if *standing == Standing::Used {
                *standing = Standing::Ignored;
                reason.clone_into(because);
            }
        }
    }
}
