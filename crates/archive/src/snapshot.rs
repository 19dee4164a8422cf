//! One state of the Debian archive, chosen once and recorded.
//!
//! `archive/<id>/` holds the three signed `InRelease` files as they were received, and the index made
//! of the package lists that they vouch for; `archive/current` names the snapshot in use.

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fs_err as fs;
use liblzma::read::XzDecoder;

use crate::release::format_date;
use crate::{
    Downloads, Error, Fetcher, FileLock, Index, Keyring, Origin, Package, Progress, Release,
    Result, Silent, Wanted,
};

/// The parts of a snapshot, later ones on top of earlier ones.
const SUITES: [(Origin, &str); 3] = [
    (Origin::Main, "trixie"),
    (Origin::Main, "trixie-updates"),
    (Origin::Security, "trixie-security"),
];
const LIST: &str = "main/binary-amd64/Packages.xz";
/// Larger than any `InRelease` by far.
const RELEASE_LIMIT: u64 = 16 << 20;
/// A package list is not larger.
const LIST_LIMIT: u64 = 1 << 30;
const LOCK_LIMIT: Duration = Duration::from_secs(300);

/// Where Debian's archives are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrors {
    /// The main archive, without a slash at the end.
    pub main: String,
    /// The security archive.
    pub security: String,
}

impl Default for Mirrors {
    fn default() -> Self {
        Self::at("http://deb.debian.org/debian")
    }
}

impl Mirrors {
    /// A mirror of the main archive; the security archive is expected beside it, at
    /// `…-security`, as on deb.debian.org.
    pub fn at(main: &str) -> Self {
        let main = main.trim_end_matches('/').to_owned();
        Self {
            security: format!("{main}-security"),
            main,
        }
    }

    /// From `SNOWGLOBE_MIRROR` and `SNOWGLOBE_SECURITY_MIRROR`, else Debian's own.
    pub fn from_environment() -> Self {
        let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut mirrors = read("SNOWGLOBE_MIRROR").map_or_else(Self::default, |url| Self::at(&url));
        if let Some(url) = read("SNOWGLOBE_SECURITY_MIRROR") {
            url.trim_end_matches('/').clone_into(&mut mirrors.security);
        }
        mirrors
    }

    /// The base address for an origin.
    pub fn base(&self, origin: Origin) -> &str {
        match origin {
            Origin::Main => &self.main,
            Origin::Security => &self.security,
        }
    }
}

/// How archives are used.
#[derive(Clone)]
pub struct Settings {
    /// Where Debian's archives are.
    pub mirrors: Mirrors,
    /// Who may sign them.
    pub keys: Keyring,
    /// Whether the network must not be used.
    pub offline: bool,
    /// Who is told what happens.
    pub progress: Arc<dyn Progress>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mirrors: Mirrors::from_environment(),
            keys: Keyring::debian(),
            offline: false,
            progress: Arc::new(Silent),
        }
    }
}

/// The archives, seen through a cache directory.
#[derive(Clone)]
pub struct Archive {
    directory: PathBuf,
    settings: Settings,
    downloads: Downloads,
}

impl Archive {
    /// Archives with `archive/` and `downloads/` below a cache directory.
    pub fn new(cache: &Path, settings: Settings) -> Self {
        let fetcher = Fetcher::new(settings.offline, settings.progress.clone());
        let downloads = Downloads::new(cache.join("downloads"), fetcher);
        Self {
            directory: cache.join("archive"),
            settings,
            downloads,
        }
    }

    /// The cache of downloads.
    pub fn downloads(&self) -> &Downloads {
        &self.downloads
    }

    /// Whose signatures are accepted.
    pub(crate) fn keys(&self) -> &Keyring {
        &self.settings.keys
    }

    /// Where Debian's archives are read from.
    pub fn mirrors(&self) -> &Mirrors {
        &self.settings.mirrors
    }

    /// Identifier of the snapshot in use, if one was chosen.
    pub fn current(&self) -> Result<Option<String>> {
        match fs::read_to_string(self.directory.join("current")) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|id| is_id(id))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The snapshot in use; the archive's present state becomes it if there is none yet.
    pub fn open_current_or_fetch(&self) -> Result<Snapshot> {
        if let Some(id) = self.current()? {
            return self.open(&id);
        }
        let _lock = self.lock()?;
        // Another process may have chosen while we waited.
        match self.current()? {
            Some(id) => self.open(&id),
            None => self.fetch(),
        }
    }

    /// Makes the archive's present state the snapshot in use. Older snapshots remain until they are
    /// collected as garbage.
    pub fn update(&self) -> Result<Snapshot> {
        let _lock = self.lock()?;
        self.fetch()
    }

    /// Opens a snapshot that was fetched before. A damaged index is made again.
    pub fn open(&self, id: &str) -> Result<Snapshot> {
        let directory = self.directory.join(id);
        if !is_id(id) || !directory.is_dir() {
            return Err(Error::NoSuchSnapshot { id: id.to_owned() });
        }
        match open_index(&directory) {
            Ok(index) => Ok(Snapshot {
                id: id.to_owned(),
                directory,
                index,
            }),
            Err(Error::Index { .. } | Error::Io(_)) => self.repair(id),
            Err(error) => Err(error),
        }
    }

    /// Makes the index of a snapshot again, from the `InRelease` files kept beside it.
    pub fn repair(&self, id: &str) -> Result<Snapshot> {
        let directory = self.directory.join(id);
        self.settings
            .progress
            .note(&format!("the index of {id} is damaged; made again"));
        let texts = SUITES.map(|(_, suite)| {
            let path = directory.join(format!("InRelease.{suite}"));
            fs::read_to_string(&path).map(|text| (path.display().to_string(), text))
        });
        let mut releases = Vec::new();
        for text in texts {
            let (what, text) = text?;
            // Not checked for freshness: this state was chosen when it was fresh.
            let release = Release::read(&what, &text, &self.settings.keys, SystemTime::now())?;
            releases.push((what, release));
        }
        self.write_index(&directory, &releases)?;
        let index = Index::open(&directory.join("index"))?;
        Ok(Snapshot {
            id: id.to_owned(),
            directory,
            index,
        })
    }

    /// What to download for a package.
    pub fn wanted(&self, package: &Package) -> Result<Wanted> {
        let base = self.settings.mirrors.base(package.origin());
        Ok(Wanted {
            name: format!("{} {}", package.name(), package.version()),
            urls: vec![format!("{base}/{}", package.file_name())],
            digest: package.digest()?,
            size: Some(package.size()),
        })
    }

    fn lock(&self) -> Result<FileLock> {
        let path = self.directory.join("lock");
        Ok(FileLock::acquire(
            &path,
            "choose an archive snapshot",
            LOCK_LIMIT,
        )?)
    }

    fn fetch(&self) -> Result<Snapshot> {
        if self.settings.offline && !self.settings.mirrors.main.starts_with("file://") {
            let missing = vec!["a snapshot of the Debian archive".to_owned()];
            return Err(Error::Offline { missing });
        }
        let progress = &self.settings.progress;
        const STEP: &str = "fetch the package index";
        progress.started(STEP);
        let result = self.fetch_now();
        progress.finished(STEP);
        result
    }

    fn fetch_now(&self) -> Result<Snapshot> {
        let now = SystemTime::now();
        let texts = in_parallel(&SUITES, |(origin, suite)| {
            let url = format!(
                "{}/dists/{suite}/InRelease",
                self.settings.mirrors.base(*origin)
            );
            let bytes = self.downloads.fetcher().bytes(&url, RELEASE_LIMIT)?;
            let text = String::from_utf8(bytes)
                .map_err(|_| Error::malformed(&url, "not a text in UTF-8"))?;
            let release = Release::read(&url, &text, &self.settings.keys, now)?;
            release.check_fresh(&url, now)?;
            // A validly signed release of another suite must not pass for this one.
            if release.codename != *suite {
                let reason = format!(
                    "it is the release of '{}', not of '{suite}'",
                    release.codename
                );
                return Err(Error::malformed(&url, reason));
            }
            Ok((url, text, release))
        })?;

        let mut hasher = blake3::Hasher::new();
        let mut newest = 0;
        for (_, text, release) in &texts {
            hasher.update(text.as_bytes());
            newest = newest.max(release.date);
        }
        let date: String = format_date(newest)
            .chars()
            .filter(|c| c.is_alphanumeric())
            .collect();
        let id = format!("trixie-{date}-{}", &hasher.finalize().to_hex()[..8]);
        let directory = self.directory.join(&id);
        if !directory.join("index").is_file() {
            fs::create_dir_all(&self.directory)?;
            let temporary = tempfile::Builder::new()
                .prefix(".new-")
                .tempdir_in(&self.directory)?;
            for ((_, suite), (_, text, _)) in SUITES.iter().zip(&texts) {
                fs::write(temporary.path().join(format!("InRelease.{suite}")), text)?;
            }
            let releases: Vec<_> = texts
                .into_iter()
                .map(|(what, _, release)| (what, release))
                .collect();
            self.write_index(temporary.path(), &releases)?;
            if directory.exists() {
                fs::remove_dir_all(&directory)?;
            }
            fs::rename(temporary.keep(), &directory)?;
        }
        let index = Index::open(&directory.join("index"))?;
        let mut current = tempfile::NamedTempFile::new_in(&self.directory)?;
        writeln!(current, "{id}")?;
        current.as_file().sync_all()?;
        current
            .persist(self.directory.join("current"))
            .map_err(|error| error.error)?;
        Ok(Snapshot {
            id,
            directory,
            index,
        })
    }

    /// Downloads the package lists of releases and writes their index into a directory.
    fn write_index(&self, directory: &Path, releases: &[(String, Release)]) -> Result<()> {
        let parts: Vec<_> = SUITES.iter().zip(releases).collect();
        let lists = in_parallel(&parts, |((origin, suite), (what, release))| {
            let listed = release
                .file(LIST)
                .ok_or_else(|| Error::malformed(what, format!("it does not list {LIST}")))?;
            let base = format!(
                "{}/dists/{suite}/main/binary-amd64",
                self.settings.mirrors.base(*origin)
            );
            let by_hash = format!("{base}/by-hash/SHA256/{}", listed.digest.hex());
            let plain = format!("{base}/Packages.xz");
            let path = self.downloads.get(&Wanted {
                name: format!("package list of {suite}"),
                urls: if release.by_hash {
                    vec![by_hash, plain]
                } else {
                    vec![plain]
                },
                digest: listed.digest.clone(),
                size: Some(listed.size),
            })?;
            let mut text = String::new();
            XzDecoder::new(fs::File::open(&path)?)
                .take(LIST_LIMIT)
                .read_to_string(&mut text)
                .map_err(|error| crate::error::at(error, path.display()))?;
            Ok(text)
        })?;
        let mut builder = crate::index::Builder::default();
        for (((origin, _), (what, _)), text) in parts.iter().zip(&lists) {
            builder.add(what, text, *origin)?;
        }
        let temporary = directory.join(".index.new");
        builder.write(&temporary)?;
        fs::rename(&temporary, directory.join("index"))?;
        Ok(())
    }
}

/// One state of the archive.
#[derive(Debug)]
pub struct Snapshot {
    id: String,
    directory: PathBuf,
    index: Index,
}

impl Snapshot {
    /// Identifier: suite, date of the newest part, digest.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// All packages.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// A package by name.
    pub fn package(&self, name: &str) -> Result<Option<Package>> {
        self.index.package(name)
    }

    /// A package by name, or the error that says it does not exist and what does.
    pub fn require(&self, name: &str) -> Result<Package> {
        match self.index.package(name)? {
            Some(package) => Ok(package),
            None => Err(Error::NoSuchPackage {
                name: name.to_owned(),
                snapshot: self.id.clone(),
                similar: self.suggest(name)?,
            }),
        }
    }

    /// Names of packages that look like a word, the most similar first, at most five.
    pub fn suggest(&self, word: &str) -> Result<Vec<String>> {
        let word = word.to_lowercase();
        let limit = word.len() / 3 + 1;
        let names = self.index.names()?;
        let mut scored: Vec<(usize, &String)> = names
            .iter()
            .filter_map(|name| {
                if name.len().abs_diff(word.len()) > limit {
                    let part = word.len() > 2 && name.starts_with(&word);
                    return part.then_some((limit + 1, name));
                }
                let distance = distance(name.as_bytes(), word.as_bytes());
                (distance <= limit).then_some((distance, name))
            })
            .collect();
        scored.sort_by_key(|(distance, name)| (*distance, name.len()));
        Ok(scored
            .into_iter()
            .take(5)
            .map(|(_, name)| name.clone())
            .collect())
    }
}

/// Opens an index. All of it is read if the file has changed since that was done last.
fn open_index(directory: &Path) -> Result<Index> {
    let path = directory.join("index");
    let index = Index::open(&path)?;
    let data = fs::metadata(&path)?;
    let stamp = format!(
        "{} {} {}.{} {}.{}",
        data.len(),
        data.ino(),
        data.mtime(),
        data.mtime_nsec(),
        data.ctime(),
        data.ctime_nsec()
    );
    let seen = directory.join("index.seen");
    if fs::read_to_string(&seen).is_ok_and(|known| known == stamp) {
        return Ok(index);
    }
    index.verify()?;
    // A file that was changed this very moment could still change unnoticed.
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(data.ctime().unsigned_abs() + 1);
    if changed < SystemTime::now() {
        // Only to save time; a cache that cannot be written is fine.
        let _ = fs::write(&seen, stamp);
    }
    Ok(index)
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
}

/// Edits (insert, remove, replace) between two words.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Applies a function to every item, each on a thread of its own; the first error by position wins.
fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    each: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = items
            .iter()
            .map(|item| scope.spawn(|| each(item)))
            .collect();
        threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}
