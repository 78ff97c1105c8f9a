//! Problems that come of how the client is started, and of who else decides.

use crate::client::{
    ANTHROPIC, Case, HelperRun, Kind, Layer, Mode, Problem, Source, Stop, headers,
    keychain::{self, Item},
    names,
    ranking::rank,
    settings,
};

pub(crate) fn add(case: &Case<'_>, problems: &mut Vec<Problem>) {
    let stops = case.modes.iter().filter_map(|mode| case.decision.outcome(*mode).stop.as_ref());
    problems.extend(stops.filter_map(|stop| stopped(case, stop)));
    policy(case, problems);
    problems.extend(race(case));
    problems.extend(side_requests(case));
    let items = &case.state.facts.keychain;
    problems.extend(keychain(&items.key, "an API key"));
    problems.extend(keychain(&items.login, "a login"));
}

fn stopped(case: &Case<'_>, stop: &Stop) -> Option<Problem> {
    let reason = &stop.reason;
    match (stop.code, &stop.source) {
        ("launch", _) => {
            let message = format!("Claude Code ends at once: {reason}");
            let fix = "fix the command line, or the file that it names";
            Some(Problem::error("launch-refused", message, fix))
        }
        ("forced-login", Some(source)) => {
            let fix = match source {
                // What the policy lets pass.
                Source::Variable(..) | Source::Helper(_) => {
                    let remove = case.remove(source);
                    let then = if remove.starts_with("remove ") { ", then:" } else { ";" };
                    format!("{remove}{then} {}", case.set_key())
                }
                _ => "log in as the policy demands: run /login in claude".to_owned(),
            };
            let message = format!("Claude Code does not start: {reason}");
            Some(Problem::error("forced-login", message, fix))
        }
        _ => None,
    }
}

fn policy(case: &Case<'_>, problems: &mut Vec<Problem>) {
    let state = case.state;
    if let Some(program) = state.policy_helper().filter(|_| state.facts.policy.is_none()) {
        let program = case.show(&program);
        problems.push(Problem::warning(
            "policy-helper",
            format!(
                "managed settings have {program} run, and what it prints is laid over them: it is not known here"
            ),
            "to run it as the client does: cck verify --run-helper",
        ));
    }
    if state.layers.iter().any(|layer| layer.layer == Layer::Remote && layer.sets_something()) {
        let file = case.show(&state.paths.server_settings);
        let message =
            format!("settings of your organization, as in {file}, are laid over all others");
        let fix = "to ask for them as the client does: cck verify --online";
        problems.push(Problem::warning("server-settings", message, fix));
    }
    if state.uses_gateway_login() {
        let message = "the login of a cloud gateway goes before every other credential";
        let fix = format!("if you do not mean that gateway: {}", case.remove(&Source::Gateway));
        problems.push(Problem::warning("gateway-login", message, fix));
    }
}

/// A helper beside a TOKEN: print does not wait for it.
fn race(case: &Case<'_>) -> Option<Problem> {
    let found = rank(case.state, Mode::Print);
    let sends = case.modes.contains(&Mode::Print) && case.decision.print.sends;
    if !sends || !headers::helper_races(case.state, Mode::Print, &found) {
        return None;
    }
    let (helper, token) = (&found.get(Kind::Helper)?.source, &found.get(Kind::Token)?.source);
    let so = match &case.state.helper {
        HelperRun::NotRun => "0.2 s is too long".to_owned(),
        HelperRun::Printed(_, took) | HelperRun::Failed(_, took) => {
            let what = if *took > headers::IN_TIME { "too long" } else { "in time" };
            format!("it took {:.1} s, which is {what}", took.as_secs_f64())
        }
    };
    Some(Problem::warning(
        "helper-race",
        format!(
            "claude -p does not wait for {helper} beside {token}: its output is sent as x-api-key only if it ends before the first request ({so})"
        ),
        format!("either {}, or {}", case.remove(token), case.remove(helper)),
    ))
}

/// With a gateway, a key also goes to Anthropic: the client asks its default host about itself (2.1.332, observed
/// 2026-11-25).
fn side_requests(case: &Case<'_>) -> Option<Problem> {
    let is_set = |name| settings::effective(case.state, name).is_some();
    let address = case.destination.address.as_ref().ok()?;
    let is_gateway =
        is_set(names::BASE_URL) && address.host() != ANTHROPIC && !address.is_loopback();
    if !is_gateway || is_set(names::NONESSENTIAL) {
        return None;
    }
    let key = case.modes.iter().find_map(|mode| {
        let outcome = case.decision.outcome(*mode);
        outcome.x_api_key.source().filter(|_| outcome.provider.is_none())
    })?;
    Some(Problem::warning(
        "side-requests",
        format!("{key} also goes to {ANTHROPIC}, which the client asks about itself"),
        format!("export {}=1", names::NONESSENTIAL),
    ))
}

fn keychain(item: &Item, what: &str) -> Option<Problem> {
    let program = keychain::program();
    match item {
        Item::Locked => {
            let message =
                "the Keychain is locked: the client finds nothing in it, and neither does cck";
            let fix = format!("unlock it, then ask again: {program} unlock-keychain");
            Some(Problem::warning("keychain-locked", message, fix))
        }
        Item::Failed(why) => {
            let message = format!("the Keychain could not be asked for {what}: {why}");
            let fix = format!("{program} show-keychain-info");
            Some(Problem::warning("keychain-failed", message, fix))
        }
        Item::Missing | Item::Text(_) => None,
    }
}
