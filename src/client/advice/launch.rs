//! Problems that come of how the client is started, and of who else decides.

use super::super::address::ANTHROPIC;
use super::super::credentials::{self, Standings};
use super::super::decision::{Mode, Provider};
use super::super::headers;
use super::super::keychain::{self, Item};
use super::super::settings::{self, names};
use super::super::source::{Layer, Source};
use super::super::state::HelperRun;
use super::{Case, Problems};

pub(crate) fn add(case: &Case<'_>, problems: &mut Problems) {
    stops(case, problems);
    policy(case, problems);
    race(case, problems);
    side_requests(case, problems);
    keychain(case, problems);
}

fn stops(case: &Case<'_>, problems: &mut Problems) {
    let stops = case.modes.iter().filter_map(|mode| case.decision.outcome(*mode).stop.as_ref());
    for stop in stops {
        match (stop.code, &stop.source) {
            ("launch", _) => problems.error(
                "launch-refused",
                format!("Claude Code ends at once: {}", stop.reason),
                "fix the command line, or the file that it names",
            ),
            ("forced-login", Some(source)) => {
                let fix = match source {
                    // What the policy lets pass.
                    Source::Variable(..) | Source::Helper(_) => {
                        format!("{}, then: cck set-key", case.remove(source))
                    }
                    _ => "log in as the policy demands: run /login in claude".to_owned(),
                };
                problems.error(
                    "forced-login",
                    format!("Claude Code does not start: {}", stop.reason),
                    fix,
                );
            }
            _ => {}
        }
    }
}

fn policy(case: &Case<'_>, problems: &mut Problems) {
    let state = case.state;
    if let Some(program) = state.policy_helper().filter(|_| state.facts.policy.is_none()) {
        problems.warn(
            "policy-helper",
            format!(
                "managed settings have {} run, and what it prints is laid over them: it is not known here",
                case.show(&program)
            ),
            "to run it as the client does: cck verify --run-helper",
        );
    }
    if state.layers.iter().any(|layer| layer.layer == Layer::Remote && layer.sets_something()) {
        problems.warn(
            "server-settings",
            format!(
                "settings of your organization, as in {}, are laid over all others",
                case.show(&state.paths.server_settings)
            ),
            "to ask for them as the client does: cck verify --online",
        );
    }
    if state.uses_gateway_login() {
        problems.warn(
            "gateway-login",
            "the login of a cloud gateway goes before every other credential",
            "if you do not mean that gateway: claude auth logout",
        );
    }
}

/// A helper beside a TOKEN: print does not wait for it.
fn race(case: &Case<'_>, problems: &mut Problems) {
    let found = credentials::find(case.state, Mode::Print, &mut Standings::default());
    let sends = case.modes.contains(&Mode::Print) && case.decision.print.sends;
    if !sends || !headers::helper_races(case.state, Mode::Print, &found) {
        return;
    }
    let (Some(helper), Some(token)) = (&found.helper, &found.token) else { return };
    let so = match &case.state.helper {
        HelperRun::NotRun => "0.2 s is too long".to_owned(),
        HelperRun::Printed(_, took) | HelperRun::Failed(_, took) => {
            let what = if *took > headers::IN_TIME { "too long" } else { "in time" };
            format!("it took {:.1} s, which is {what}", took.as_secs_f64())
        }
    };
    problems.warn(
        "helper-race",
        format!(
            "claude -p does not wait for {} beside {}: its output is sent as x-api-key only if it ends before the first request ({so})",
            helper.source, token.source
        ),
        format!("either {}, or {}", case.remove(&token.source), case.remove(&helper.source)),
    );
}

/// With a gateway, a key also goes to Anthropic: the client asks its default host about itself (2.1.332, observed
/// 2026-11-25).
fn side_requests(case: &Case<'_>, problems: &mut Problems) {
    let state = case.state;
    let quiet = settings::effective(state, names::NONESSENTIAL).is_some();
    let elsewhere = settings::effective(state, names::BASE_URL).is_some()
        && case
            .destination
            .address
            .as_ref()
            .is_ok_and(|address| address.host() != ANTHROPIC && !address.is_loopback());
    let keys = case.modes.iter().filter_map(|mode| {
        let outcome = case.decision.outcome(*mode);
        outcome.x_api_key.source().filter(|_| outcome.provider == Provider::Anthropic)
    });
    if let Some(key) = keys.into_iter().next().filter(|_| elsewhere && !quiet) {
        problems.warn(
            "side-requests",
            format!("{key} also goes to api.anthropic.com, which the client asks about itself"),
            format!("export {}=1", names::NONESSENTIAL),
        );
    }
}

fn keychain(case: &Case<'_>, problems: &mut Problems) {
    let items = &case.state.facts.keychain;
    for (item, what) in [(&items.key, "an API key"), (&items.login, "a login")] {
        match item {
            Item::Locked => problems.warn(
                "keychain-locked",
                "the Keychain is locked: the client finds nothing in it, and neither does cck",
                format!("{} unlock-keychain, then ask again", keychain::program()),
            ),
            Item::Failed(why) => problems.warn(
                "keychain-failed",
                format!("the Keychain could not be asked for {what}: {why}"),
                format!("{} show-keychain-info", keychain::program()),
            ),
            Item::Missing | Item::Text(_) => {}
        }
    }
}
