//! `--online`: whether the API takes the new key, before anything is changed.

use zeroize::Zeroizing;

use super::super::verify::online::is_untrusted;
use crate::client::Client;
use crate::client::gather;
use crate::client::launch::Launch;
use crate::client::settings;
use crate::context::Context;
use crate::error::fail;
use crate::key::ApiKey;
use crate::online::{self, Answer, Request};
use crate::output::one_line;

/// Asks the API that the client would ask whether it takes the new key.
pub(crate) fn check(new: &ApiKey, context: &Context) -> anyhow::Result<()> {
    let state = gather::gather(context, Client::V2, &Launch::default(), None, None)?;
    let (_, base) = settings::base_url(&state);
    let shown = one_line(&online::without_user(base));
    let unchanged = "nothing was changed";
    if is_untrusted(&state) {
        return Err(fail(
            format!(
                "{shown} was set by this project, which you do not trust yet: the new key was not sent there; {unchanged}"
            ),
            "run it in another directory, or leave --online out",
        ));
    }
    if !online::is_safe(base) {
        return Err(fail(
            format!(
                "{shown} is no https host, so the new key was not sent there to check it; {unchanged}"
            ),
            "leave --online out, or mend ANTHROPIC_BASE_URL",
        ));
    }
    let url = format!("{base}/v1/models?limit=1");
    let headers = vec![
        ("x-api-key", Zeroizing::new(new.reveal().to_owned())),
        ("anthropic-version", Zeroizing::new(online::API_VERSION.to_owned())),
    ];
    let again = "try again, or leave --online out";
    match online::send(context, &Request { method: "GET", url: &url, headers, body: None })? {
        Answer::Status { code: 200..=299, .. } => Ok(()),
        Answer::Status { code: code @ (401 | 403), .. } => Err(fail(
            format!("{shown} rejects the new key (HTTP {code}); {unchanged}"),
            "check the new key, and that it is active",
        )),
        Answer::Status { code, .. } => Err(fail(
            format!("{shown} does not say that the new key works (HTTP {code}); {unchanged}"),
            again,
        )),
        Answer::Unreachable(why) => {
            Err(fail(format!("{shown} cannot be reached: {}; {unchanged}", one_line(&why)), again))
        }
    }
}
