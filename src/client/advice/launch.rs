//! Problems that come of how the client is started, and of who else decides.

use super::Problems;
use crate::client::{
    ANTHROPIC, Case, Item, Keychain, Kind, Layer, Mode, Race, Rule, Settings, Source, Stop,
    headers, keychain, names,
};

pub(super) fn add(case: &Case<'_>, found: &mut Problems) {
    for stop in case.outcomes().filter_map(|outcome| outcome.stop.as_ref()) {
        stopped(case, stop, found);
    }
    policy(case, found);
    // The first message does not wait for a helper beside a TOKEN.
    for race in case.outcomes().filter_map(|outcome| outcome.race.as_ref()) {
        let fix = case.remove_either(&race.token, &race.helper);
        found.warning("helper-race", lost(case, race), fix);
    }
    side_requests(case, found);
    keychain(case, found);
}

fn stopped(case: &Case<'_>, stop: &Stop, found: &mut Problems) {
    let reason = &stop.reason;
    match (stop.code, &stop.source) {
        ("launch", _) => {
            let message = format!("Claude Code ends at once: {reason}");
            let fix = "fix the command line, or the file that it names";
            found.error("launch-refused", message, fix);
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
            found.error("forced-login", format!("Claude Code does not start: {reason}"), fix);
        }
        _ => {}
    }
}

fn policy(case: &Case<'_>, found: &mut Problems) {
    let state = case.state;
    if let Some(program) = state.policy_helper().filter(|_| state.facts.policy.is_none()) {
        let program = case.show(&program);
        let message = format!("what {program} prints goes before managed settings: not known here");
        let fix = format!("to run it as the client does: {}", case.cck("verify --run-helper"));
        found.warning("policy-helper", message, fix);
    }
    let mut remote = state.layers.iter().filter(|layer| layer.layer == Layer::Remote);
    let file = case.show(&state.paths.server_settings);
    if remote.clone().any(Settings::sets_something) {
        let message = format!("settings of your organization go before all others ({file})");
        let fix = format!("to ask for them as the client does: {}", case.cck("verify --online"));
        found.warning("server-settings", message, fix);
    }
    // What a slow server says counts from the next start on; what it said before, in this one (2.0.69 to 2.1.146, observed
    // 2026-11-26).
    if !state.client.has(Rule::ServerIsWaitedFor)
        && state.facts.server_settings != state.facts.last_settings
        && remote.any(|layer| layer.has_content)
    {
        let message = format!(
            "Claude Code {} does not wait for its server: the first request may go by the last settings ({file})",
            state.client
        );
        let fix = "update Claude Code: 2.1.147 and later wait";
        found.warning("server-race", message, fix);
    }
    if state.uses_gateway_login() {
        let message = "the login of a cloud gateway goes before every other credential, if the gateway still has the certificate that was pinned: cck does not look";
        let fix = format!("if you do not mean that gateway: {}", case.remove(&Source::Gateway));
        found.warning("gateway-login", message, fix);
    }
}

fn lost(case: &Case<'_>, race: &Race) -> String {
    let Race { helper, token, .. } = race;
    if race.is_after_dialog {
        return format!(
            "{helper} is not sent beside {token} in the session that trusts this folder"
        );
    }
    let so = match &case.state.helper {
        None => "0.2 s is too long for claude -p, 2 s for the terminal".to_owned(),
        Some(run) => {
            let what = match Mode::ALL.map(|mode| run.took > headers::in_time(mode)) {
                [false, _] => "in time",
                [true, false] => "too long for claude -p",
                [true, true] => "too long",
            };
            format!("it took {:.1} s, which is {what}", run.took.as_secs_f64())
        }
    };
    format!("{helper} is sent beside {token} only if it ends before the first request ({so})")
}

/// With a gateway, a key also goes to Anthropic's host, in questions about itself (2.1.332, observed 2026-11-25).
fn side_requests(case: &Case<'_>, found: &mut Problems) {
    let is_set = |name| case.state.variables.effective(name).is_some();
    let is_gateway = case.destination.address.as_ref().is_ok_and(|address| {
        is_set(names::BASE_URL) && address.host() != ANTHROPIC && !address.is_loopback()
    });
    if !is_gateway || is_set(names::NONESSENTIAL) {
        return;
    }
    let mut to_anthropic = case.outcomes().filter(|outcome| outcome.provider.is_none());
    if let Some(key) = to_anthropic.find_map(|outcome| outcome.x_api_key.source()) {
        let message = format!("{key} also goes to {ANTHROPIC}, which the client asks about itself");
        found.warning("side-requests", message, format!("export {}=1", names::NONESSENTIAL));
    }
}

fn keychain(case: &Case<'_>, found: &mut Problems) {
    let Keychain { key, login, services, account, hangs } = &case.state.facts.keychain;
    let failed = [key, login].into_iter().zip(services).find_map(|(item, service)| match item {
        Item::Failed(why) => Some((why, keychain::ask(account, service))),
        _ => None,
    });
    // Beside these the client uses no item.
    let is_apart =
        |source: &Source| matches!(source.kind(), Kind::Key | Kind::Helper | Kind::Oauth);
    if *key == Item::Locked {
        let message = "the Keychain is locked: the client finds nothing in it";
        let fix = "unlock it, then ask again: security unlock-keychain";
        found.warning("keychain-locked", message, fix);
    } else if let Some((why, ask)) = failed {
        let message = format!("the Keychain could not be asked: {why}");
        if *hangs && !case.sent().any(is_apart) {
            let message = format!("{message}, and Claude Code may find a credential in it");
            found.error("keychain-failed", message, ask);
        } else {
            found.warning("keychain-failed", message, ask);
        }
    }
}
