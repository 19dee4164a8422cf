//! `snowglobe cache`.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use serde_json::json;
use snowglobe_images::{Bucket, Cache as ImageCache, Entry, Kept, Limits};

use crate::amounts::{age, ago, human, print, size};
use crate::error::{CliError, Kind, Result};
use crate::places::Places;
use crate::prepare::image_error;

/// `cache`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  snowglobe cache info\n  snowglobe cache gc --max-size 10G --older-than 30d\n  snowglobe cache rm packages-3b0c"
)]
pub struct Cache {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do with the cache.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Show how much is in the cache, by kind
    Info,
    /// List entries, the longest unused first
    List,
    /// Remove what is old or too much; nothing in use and nothing that a link leads to
    #[command(
        after_help = "Without limits, only what interrupted builds left behind is removed. What is needed again is made again."
    )]
    Gc {
        /// Bytes that may stay: 500M, 10G
        #[arg(long, value_name = "N", value_parser = size)]
        max_size: Option<u64>,
        /// Remove what was not used for so long: 12h, 30d
        #[arg(long, value_name = "D", value_parser = age)]
        older_than: Option<Duration>,
        /// Print every entry that is removed
        #[arg(short, long)]
        verbose: bool,
    },
    /// Remove one entry, named by its key or by how only that key begins
    Rm {
        /// Keys of entries, as `list` shows them; none removes nothing, as `nix-store --delete` has it
        #[arg(value_name = "KEY")]
        keys: Vec<String>,
    },
}

/// Looks into the cache, or makes it smaller.
pub fn run(command: &Cache) -> Result {
    let places = Places::from_environment()?;
    let cache = ImageCache::open(&places.cache).map_err(image_error)?;
    match &command.action {
        Action::Info => info(&cache, command.json),
        Action::List => {
            let entries = cache.entries().map_err(image_error)?;
            if command.json {
                return print(&pretty(&entries.iter().map(data).collect::<Vec<_>>())?)
                    .map(|()| Kind::Passed);
            }
            if entries.is_empty() {
                return Ok(Kind::Passed);
            }
            let lines: Vec<String> = entries.iter().map(line).collect();
            print(&lines.join("\n")).map(|()| Kind::Passed)
        }
        Action::Gc {
            max_size,
            older_than,
            verbose,
        } => {
            let limits = Limits {
                max_size: *max_size,
                older_than: *older_than,
            };
            let gone = cache.collect(limits).map_err(image_error)?;
            removed(&gone, command.json, *verbose)
        }
        Action::Rm { keys } => {
            let mut gone = Vec::new();
            for key in keys {
                gone.extend(cache.remove(key).map_err(cache_error)?);
            }
            removed(&gone, command.json, true)
        }
    }
}

fn cache_error(error: snowglobe_images::Error) -> CliError {
    use snowglobe_images::Error as Image;
    match &error {
        Image::NoEntry { .. } => {
            CliError::unusable(error).hint("`snowglobe cache list` shows the keys")
        }
        Image::ManyEntries { .. } | Image::Kept { .. } => CliError::unusable(error),
        _ => image_error(error),
    }
}

/// Number and bytes of the entries of each kind.
fn sums(entries: &[Entry]) -> BTreeMap<Bucket, (usize, u64)> {
    let mut sums: BTreeMap<_, _> = Bucket::ALL.map(|bucket| (bucket, (0, 0))).into();
    for entry in entries {
        let sum = sums.entry(entry.bucket).or_default();
        sum.0 += 1;
        sum.1 += entry.size;
    }
    sums
}

fn kind(bucket: Bucket, (count, bytes): (usize, u64)) -> String {
    format!(
        "{:>10}  {:<10} {count:>5}  {}",
        human(bytes),
        bucket.name(),
        bucket.description()
    )
}

fn info(cache: &ImageCache, as_json: bool) -> Result {
    let entries = cache.entries().map_err(image_error)?;
    let rest = cache.rest_size().map_err(image_error)?;
    let sums = sums(&entries);
    let total = rest + sums.values().map(|sum| sum.1).sum::<u64>();
    if as_json {
        let kinds: serde_json::Map<_, _> = sums
            .iter()
            .map(|(bucket, (count, bytes))| {
                let value = json!({ "entries": count, "bytes": bytes });
                (bucket.name().to_owned(), value)
            })
            .collect();
        return print(&pretty(&json!({
            "directory": cache.root(),
            "kinds": kinds,
            "otherBytes": rest,
            "bytes": total,
        }))?)
        .map(|()| Kind::Passed);
    }
    let mut lines = vec![cache.root().display().to_string()];
    lines.extend(sums.iter().map(|(bucket, sum)| kind(*bucket, *sum)));
    lines.push(format!("{:>10}  other", human(rest)));
    lines.push(format!("{:>10}  in all", human(total)));
    print(&lines.join("\n")).map(|()| Kind::Passed)
}

/// Tells what was removed: every entry, or how much of each kind.
fn removed(entries: &[Entry], as_json: bool, each: bool) -> Result {
    let bytes: u64 = entries.iter().map(|entry| entry.size).sum();
    if as_json {
        let list: Vec<_> = entries.iter().map(data).collect();
        return print(&pretty(&json!({ "removed": list, "bytes": bytes }))?).map(|()| Kind::Passed);
    }
    let mut lines: Vec<String> = if each {
        entries.iter().map(line).collect()
    } else {
        let kinds = sums(entries).into_iter();
        let kinds = kinds.filter(|(_, (count, _))| *count > 0);
        kinds.map(|(bucket, sum)| kind(bucket, sum)).collect()
    };
    lines.push(format!(
        "{} {} removed, {}",
        entries.len(),
        if entries.len() == 1 {
            "entry"
        } else {
            "entries"
        },
        human(bytes)
    ));
    print(&lines.join("\n")).map(|()| Kind::Passed)
}

fn data(entry: &Entry) -> serde_json::Value {
    let used = entry
        .used
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    json!({
        "kind": entry.bucket.name(),
        "key": entry.key,
        "bytes": entry.size,
        "used": used,
        "kept": entry.kept.as_ref().map(why),
    })
}

fn line(entry: &Entry) -> String {
    let age = SystemTime::now().duration_since(entry.used);
    let kept = entry
        .kept
        .as_ref()
        .map_or_else(String::new, |kept| format!("  ({})", why(kept)));
    format!(
        "{:>10}  {:>5}  {:<9}  {}{kept}",
        human(entry.size),
        ago(age.unwrap_or_default()),
        entry.bucket.name(),
        entry.key
    )
}

fn why(kept: &Kept) -> String {
    kept.to_string()
}

fn pretty(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(CliError::environment)
}
