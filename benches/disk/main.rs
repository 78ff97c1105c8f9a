//! cck against the floor (`cp` and `sync -d`) and against what people use instead, in the same run.
//!
//! `cargo bench --bench disk` prints the tables; `-- --write` also writes them into docs/performance.md, between its two
//! marks, and the plot to docs/growth.svg; `-- --runs N` sets the number of runs (10), `-- --largest MB` the largest file
//! (240).
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a benchmark reads its arguments, lays files and prints"
)]

mod generate;
mod report;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use report::{median, plot, slope};

/// Where the tables stand in docs/performance.md.
const MARKS: [&str; 2] = ["<!-- measured -->\n", "<!-- end -->"];

const SIZES: [(&str, usize); 6] = [
    ("3 KB", 3_000),
    ("60 KB", 60_000),
    ("1 MB", 1_000_000),
    ("15 MB", 15_000_000),
    ("100 MB", 100_000_000),
    ("240 MB", 240_000_000),
];

/// What is measured: a name, and a shell command that works on `$F` in `$HOME`.
const CONTENDERS: [(&str, &str); 6] = [
    ("cp + sync -d", "cp $F $F.copy && sync -d $F.copy"),
    ("cck set-key", "exec $CCK set-key --config-file $F"),
    ("cck verify", "$CCK verify --json >/dev/null || test $? = 1"),
    ("jq + mv", "jq --arg k \"$ANTHROPIC_API_KEY\" '.primaryApiKey=$k' $F >$F.new && mv $F.new $F"),
    (
        "node",
        "exec node -e 'const f=require(\"fs\"),p=process.env.F;const c=JSON.parse(f.readFileSync(p));\
         c.primaryApiKey=process.env.ANTHROPIC_API_KEY;f.writeFileSync(p,JSON.stringify(c,null,2))'",
    ),
    (
        "python",
        "exec python3 -c 'import json,os;p=os.environ[\"F\"];c=json.load(open(p));\
         c[\"primaryApiKey\"]=os.environ[\"ANTHROPIC_API_KEY\"];json.dump(c,open(p,\"w\"),indent=2)'",
    ),
];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |flag: &str, default: usize| {
        let at = args.iter().position(|arg| arg == flag);
        at.and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    if args.iter().any(|arg| arg == "--test") {
        return;
    }
    let (runs, largest) = (number("--runs", 10), number("--largest", 240) * 1_000_000);
    let home = tempfile::Builder::new().prefix("cck-bench-").tempdir().unwrap();
    // A copy, as installing makes one: what a linker has just written through a memory map lies in the page cache in
    // small pages, and takes a tenth of a millisecond more to start until it is read from the disk anew.
    let cck = home.path().join("cck");
    // The one that is shipped: `cargo bench` links it in another way.
    let built = Command::new("packaging/build").stderr(Stdio::inherit()).output().unwrap();
    fs::copy(String::from_utf8(built.stdout).unwrap().trim_end(), &cck).unwrap();
    let mut text = machine(runs);
    text.push_str(&startup(&cck, home.path(), runs * 20));
    let (table, svg) = sizes(&cck, home.path(), runs, largest);
    text.push_str(&table);
    println!("{text}");
    if args.iter().any(|arg| arg == "--write") {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        fs::write(docs.join("growth.svg"), svg).unwrap();
        let page = docs.join("performance.md");
        let old = fs::read_to_string(&page).unwrap();
        let (before, rest) = old.split_once(MARKS[0]).expect("the first mark");
        let (_, after) = rest.split_once(MARKS[1]).expect("the second mark");
        fs::write(page, [before, MARKS[0], &text, MARKS[1], after].concat()).unwrap();
    }
}

/// Where and how this was measured.
fn machine(runs: usize) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name\t: "))
        .unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    format!(
        "Written by `cargo bench --bench disk -- --write`. {cpu}, {cores} cores, load {load} at the start \
         (above 1, other work was under way and the times are too long, the ratios noisy). \
         Medians of {runs} runs, the contenders in turn{}. The configs were written a minute ago; one that was written within the last second is watched for 8 ms more.\n\n",
        if realtime().is_empty() { "" } else { ", each with the processor to itself (`chrt -f`)" }
    )
}

struct Measured {
    seconds: f64,
    peak_kb: u64,
}

/// What gives a command the processor to itself where that is allowed, so that other work does not lengthen it.
fn realtime() -> &'static [&'static str] {
    static ALLOWED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let try_it = || {
        Command::new("chrt")
            .args(["-f", "50", "true"])
            .status()
            .is_ok_and(|status| status.success())
    };
    if *ALLOWED.get_or_init(try_it) { &["chrt", "-f", "50"] } else { &[] }
}

/// Runs a shell command under GNU time, with `file` as `$F`.
fn run(command: &str, cck: &Path, home: &Path, file: &Path) -> Option<Measured> {
    let peak = home.join("peak");
    let start = Instant::now();
    let status = Command::new("/usr/bin/time")
        .args(["-q", "-f", "%M", "-o"])
        .arg(&peak)
        .args(realtime())
        .args(["sh", "-c", command])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("CCK", cck)
        .env("F", file)
        .env("ANTHROPIC_API_KEY", format!("sk-ant-api03-{}", "A".repeat(86)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    let seconds = start.elapsed().as_secs_f64();
    let peak_kb = fs::read_to_string(peak).ok()?.trim().parse().ok()?;
    status.success().then_some(Measured { seconds, peak_kb })
}

fn sizes(cck: &Path, home: &Path, runs: usize, largest: usize) -> (String, String) {
    let mut text = String::from(
        "## Time against size\n\nIn ms, and as a multiple of `cp` + `sync -d`, once of the medians and once of the best runs; in brackets the peak memory in MB. \
         Only cck and the floor make sure that the result is on the disk.\n\n",
    );
    let names = CONTENDERS.map(|(name, _)| name).join(" | ");
    let _ = writeln!(text, "| file | {names} |\n|---|{}", "---|".repeat(CONTENDERS.len()));
    let mut lines: Vec<(&str, Vec<(f64, f64)>)> =
        CONTENDERS.iter().map(|(name, _)| (*name, Vec::new())).collect();
    for (size_name, size) in SIZES.into_iter().filter(|(_, size)| *size <= largest) {
        let source = home.join("source.json");
        fs::write(&source, generate::config(size)).unwrap();
        let file: PathBuf = home.join(".claude.json");
        let mut measured: Vec<Vec<Measured>> = CONTENDERS.iter().map(|_| Vec::new()).collect();
        for round in 0..runs {
            for ((name, command), results) in CONTENDERS.iter().zip(&mut measured) {
                // The slow ones are not the question here.
                if size > 50_000_000 && round >= 3 && ["jq + mv", "node", "python"].contains(name) {
                    continue;
                }
                let _ = fs::remove_file(home.join(".claude.json.copy"));
                copy_aged(&source, &file);
                let _ = Command::new("sync").status();
                results.extend(run(command, cck, home, &file));
            }
        }
        let medians: Vec<f64> = measured
            .iter()
            .map(|runs| median(&runs.iter().map(|run| run.seconds).collect::<Vec<_>>()))
            .collect();
        let _ = write!(text, "| {size_name} |");
        for (at, results) in measured.iter().enumerate() {
            if results.is_empty() {
                text.push_str(" not here |");
                continue;
            }
            lines[at].1.push((size as f64, medians[at]));
            let peak = results.iter().map(|run| run.peak_kb).max().unwrap_or(0) as f64 / 1000.0;
            let best = |at: usize| {
                measured[at].iter().map(|run| run.seconds).fold(f64::INFINITY, f64::min)
            };
            let (ms, ratio, best) =
                (medians[at] * 1000.0, medians[at] / medians[0], best(at) / best(0));
            let _ = write!(text, " {ms:.1} ({ratio:.2}×, best {best:.2}×) [{peak:.1}] |");
        }
        text.push('\n');
        eprintln!("{size_name} done");
    }
    text.push_str("\nGrowth (exponent of time against size, from 1 MB on; 1 is linear):");
    for (name, points) in &lines {
        let large: Vec<_> = points.iter().copied().filter(|(size, _)| *size >= 1e6).collect();
        if large.len() >= 2 {
            let _ = write!(text, " {name} {:.2};", slope(&large));
        }
    }
    text.push_str("\n\n![Time against size](growth.svg)\n");
    lines.retain(|(_, points)| !points.is_empty());
    (text, plot(&lines))
}

/// Lays a config that was written a minute ago. At one that was just written, by whom is not known, cck looks for 8 ms more.
fn copy_aged(source: &Path, file: &Path) {
    let _ = fs::copy(source, file);
    let minute = Duration::from_secs(60);
    fs::File::open(file).unwrap().set_modified(SystemTime::now() - minute).unwrap();
}

/// The time from start to end of what should be instant.
fn startup(cck: &Path, home: &Path, runs: usize) -> String {
    fs::write(home.join("source.json"), generate::config(60_000)).unwrap();
    copy_aged(&home.join("source.json"), &home.join(".claude.json"));
    fs::write(home.join("key"), "sk-ant-api03-benchmark-benchmark-benchmark\n").unwrap();
    let cck = cck.to_str().unwrap();
    let commands: [(&str, &[&str]); 6] = [
        ("/bin/true", &["/bin/true"]),
        ("cck --version", &[cck, "--version"]),
        ("cck verify, 60 KB", &[cck, "verify", "--json"]),
        ("cck get-key --key-file", &[cck, "get-key", "--key-file", "key"]),
        ("cck run --key-file … -- true", &[cck, "run", "--key-file", "key", "--", "true"]),
        ("jq --version", &["jq", "--version"]),
    ];
    let myself = |policy: &[&str]| {
        let pid = std::process::id().to_string();
        let _ = Command::new("chrt").args(policy).arg(&pid).status();
    };
    if !realtime().is_empty() {
        myself(&["-f", "-p", "50"]);
    }
    let mut times: Vec<Vec<f64>> = commands.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs {
        for ((_, command), times) in commands.iter().zip(&mut times) {
            let mut child = Command::new(command[0]);
            child
                .args(&command[1..])
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .env("HOME", home)
                .current_dir(home)
                .stdin(Stdio::null());
            let start = Instant::now();
            if child.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok() {
                times.push(start.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
    if !realtime().is_empty() {
        myself(&["-o", "-p", "0"]);
    }
    let mut text = format!(
        "## Startup\n\nMedians of {runs} runs.\n\n| command | ms | times /bin/true |\n|---|---|---|\n"
    );
    for ((name, _), times_of) in commands.iter().zip(&times) {
        let ms = median(times_of);
        let _ = writeln!(text, "| {name} | {ms:.2} | {:.2} |", ms / median(&times[0]));
    }
    let size = fs::metadata(cck).map_or(0, |file| file.len()) as f64 / 1e6;
    let _ = writeln!(text, "\nThe stripped binary has {size:.2} MB, with TLS.\n");
    text
}
