//! `cck profile`: adds, lists, shows and removes profiles.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::change;
use crate::context::Context;
use crate::error::{Exit, fail};
use crate::key::source::{NAME_STORED, Place, StoredSourceArgs};
use crate::output::one_line;
use crate::profile::file::{self, Entry, Malformed};
use crate::profile::{self, Profile, Profiles, limits::LimitArgs, profile_names};
use crate::records::audit::{AuditArgs, Trail};
use crate::signals;

#[derive(Debug, Args)]
pub(crate) struct ProfileArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a profile: where its key comes from, never the key
    Add(Box<AddArgs>),
    /// List the profiles: yours and the machine's
    #[command(alias = "ls")]
    List {
        /// Report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one profile
    Show {
        /// Its name
        #[arg(add = profile_names())]
        name: String,
        /// Report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove one of your profiles; its config directory stays
    #[command(alias = "rm")]
    Remove {
        /// Its name
        #[arg(add = profile_names())]
        name: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck profile add acme --key-command 'pass show anthropic/acme'
  cck run --profile acme -- claude
  cck set-key --profile acme

Each profile has a CLAUDE_CONFIG_DIR of its own, so tenants share no file.")]
struct AddArgs {
    /// Its name: letters, digits, `.`, `_`, `-`
    name: String,
    /// Its CLAUDE_CONFIG_DIR [default: a directory of cck's own]
    #[arg(long, value_name = "DIR")]
    config_dir: Option<PathBuf>,
    /// The API's address for it: a gateway's, say
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// A description
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    description: Option<String>,
    #[command(flatten)]
    limits: LimitArgs,
    /// Replace the profile of this name, if you have one
    #[arg(long)]
    replace: bool,
    // Last: its heading holds for all flags that follow.
    #[command(flatten)]
    source: StoredSourceArgs,
}

pub(crate) fn run(args: ProfileArgs, context: &mut Context) -> anyhow::Result<Exit> {
    match args.action {
        Action::Add(args) => add(*args, context),
        Action::List { json } => list(json, context),
        Action::Show { name, json } => show(&name, json, context),
        Action::Remove { name } => remove(&name, context),
    }
}

fn add(args: AddArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let name = args.name;
    profile::check_name(&name)
        .map_err(|problem| fail(problem, "choose a plain word: cck profile add acme …"))?;
    let whole = |path: PathBuf| context.cwd().join(path).to_string_lossy().into_owned();
    let source = Entry::of(args.source, context).ok_or_else(|| {
        fail(format!("the profile {name} needs a source for its key"), NAME_STORED)
    })?;
    let entry = Entry {
        config_dir: args.config_dir.map(whole),
        base_url: args.base_url,
        description: args.description,
        budget: args.limits.budget,
        allow_models: args.limits.allow_model,
        on_alert: args.limits.on_alert,
        require_log: args.limits.require_log,
        ..source
    };
    entry
        .check(&name)
        .map_err(|problem| fail(problem, "cck profile add --help shows what a profile holds"))?;

    let profiles = Profiles::load(context)?;
    let mut done = "added";
    if let Some(old) = profiles.list.iter().find(|old| old.name == name) {
        let file = old.file.display();
        if old.entry.locked {
            let problem = format!("the profile {name} is locked by {file}");
            return Err(fail(problem, "choose another name"));
        } else if old.system {
            context.warn(&format!("your profile {name} now overrides the machine's ({file})"));
        } else if !args.replace {
            let advice = format!("--replace replaces it; cck profile show {name} shows it");
            return Err(fail(format!("there is a profile {name} already"), advice));
        } else {
            done = "replaced";
        }
    }
    let file = profile::user_file(context)?;
    let new = profile::resolve(&name, entry.clone(), &file, false, context)?;
    profile::ready_dir(&new.config_dir)?;
    let kind = new.source.place.kind();
    update("profile-add", Some(kind), context, |text| file::with(text, &name, &entry).map(Some))?;
    let (from, dir) = (new.source.place.describe(), context.show(&new.config_dir));
    context.done(format!("{done} the profile {name}: {}; config directory {dir}", one_line(&from)));
    Ok(Exit::Done)
}

fn list(json: bool, context: &mut Context) -> anyhow::Result<Exit> {
    let profiles = Profiles::load(context)?;
    for note in &profiles.notes {
        context.warn(note);
    }
    if json {
        let all = profiles.list.iter().map(|profile| shown(profile, context));
        let all = all.collect::<anyhow::Result<Vec<_>>>()?;
        context.say_json(&json!({"schema": 1, "profiles": all}))?;
        return Ok(Exit::Done);
    }
    if profiles.list.is_empty() {
        context.say("no profiles; cck profile add NAME --key-command CMD adds one");
    }
    let width = profiles.list.iter().map(|profile| profile.name.len()).max().unwrap_or(0);
    for profile in &profiles.list {
        let from = one_line(&profile.source.place.describe());
        let mut line = format!("{:width$}  {from}", profile.name);
        if let Some(description) = &profile.entry.description {
            line += &format!("  # {}", one_line(description));
        }
        for (yes, word) in [
            (profile.system, "the machine's"),
            (profile.entry.locked, "locked"),
            (!profile.is_usable(context)?, "not for you"),
        ] {
            if yes {
                line += &format!("  ({word})");
            }
        }
        context.data(line);
    }
    Ok(Exit::Done)
}

fn show(name: &str, json: bool, context: &mut Context) -> anyhow::Result<Exit> {
    let profiles = Profiles::load(context)?;
    let profile = profiles.find(name)?;
    let Profile { entry, .. } = profile;
    if json {
        context.say_json(&json!({"schema": 1, "profile": shown(profile, context)?}))?;
        return Ok(Exit::Done);
    }
    let listed = |list: &[String]| Some(list.join(", ")).filter(|text| !text.is_empty());
    let budget: Vec<String> = entry.budget.iter().map(|budget| budget.text.clone()).collect();
    let you = if profile.is_usable(context)? { "you are one" } else { "you are none" };
    for (label, text) in [
        ("profile", Some(name.to_owned())),
        ("written in", Some(context.show(&profile.file))),
        ("key from", Some(profile.source.place.describe())),
        ("config directory", Some(context.show(&profile.config_dir))),
        ("base URL", entry.base_url.clone()),
        ("description", entry.description.clone()),
        ("budget", listed(&budget)),
        ("allowed models", listed(&entry.allow_models)),
        ("on alert", entry.on_alert.clone()),
        ("log", entry.require_log.then(|| "no call without its line".into())),
        ("locked", entry.locked.then(|| "no user's profile replaces it".into())),
        ("for members of", listed(&entry.groups).map(|groups| format!("{groups} ({you})"))),
    ] {
        if let Some(text) = text {
            context.data(format!("{label:16}  {}", one_line(&text)));
        }
    }
    Ok(Exit::Done)
}

fn remove(name: &str, context: &mut Context) -> anyhow::Result<Exit> {
    let profiles = Profiles::load(context)?;
    let profile = profiles.find(name)?;
    if profile.system {
        let advice = format!("its administrator removes it from {}", profile.file.display());
        return Err(fail(format!("the profile {name} is the machine's"), advice));
    }
    update("profile-remove", None, context, |text| file::without(text, name))?;
    context.done(format!("removed the profile {name}"));
    if profile.config_dir.exists() {
        let dir = context.show(&profile.config_dir);
        context.say(format!("note: its config directory stays, with any key in it: {dir}"));
    }
    Ok(Exit::Done)
}

/// Edits the user's profiles, with an audit line before and after it.
fn update(
    action: &str,
    source: Option<&str>,
    context: &mut Context,
    edit: impl Fn(&str) -> Result<Option<String>, Malformed>,
) -> anyhow::Result<()> {
    let file = profile::user_file(context)?;
    let held = signals::hold();
    change::clear_expired(context);
    let mut trail = Trail::new(&AuditArgs::default(), action, &file, source);
    trail.start(context)?;
    let result = profile::update(context, edit);
    if result.is_ok() {
        held.finish();
        context.changed = true;
    }
    trail.log(if result.is_ok() { "done" } else { "failed" }, context);
    result
}

fn shown(profile: &Profile, context: &Context) -> anyhow::Result<Value> {
    let (entry, place) = (&profile.entry, &profile.source.place);
    let value = match place {
        Place::Env(name) => name.clone(),
        Place::File(file, _) => file.to_string_lossy().into_owned(),
        Place::Command(command, _) => command.clone(),
        other => other.describe(),
    };
    Ok(json!({
        "name": profile.name,
        "origin": if profile.system { "system" } else { "user" },
        "file": profile.file.to_string_lossy(),
        "source": {"kind": place.kind(), "value": value},
        "config_dir": profile.config_dir.to_string_lossy(),
        "base_url": entry.base_url,
        "description": entry.description,
        "locked": entry.locked,
        "groups": entry.groups,
        "budget": entry.budget,
        "allow_models": entry.allow_models,
        "on_alert": entry.on_alert,
        "require_log": entry.require_log,
        "usable": profile.is_usable(context)?,
    }))
}
