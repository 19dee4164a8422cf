//! The packages that some packages need.
//!
//! Not a solver: no backtracking, no conflicts. Within one Debian release the first alternative
//! that exists is right nearly always, and where apt is at hand apt decides. This is for the first
//! file system, before there is an apt, and for handing apt a small part of the archive.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{Alternative, Error, Package, Relation, Result, Snapshot};

/// Packages by name.
pub type Closure = BTreeMap<String, Package>;

/// Follows `Pre-Depends` and `Depends` of the named packages. Of alternatives, one that is in the
/// closure already is taken, else the first that exists, else the first provider by name.
/// Packages named in `left_out` are not followed, as if they were installed.
pub fn close(snapshot: &Snapshot, names: &[&str], left_out: &[&str]) -> Result<Closure> {
    let left_out: BTreeSet<&str> = left_out.iter().copied().collect();
    let mut closure = Closure::new();
    let mut queue = VecDeque::new();
    // Everything asked for comes first, so that it is preferred among alternatives.
    for name in names {
        let package = snapshot.require(name)?;
        queue.push_back(package.clone());
        closure.insert(package.name().to_owned(), package);
    }
    while let Some(package) = queue.pop_front() {
        for relation in package.dependencies() {
            if let Some(next) = choose(snapshot, &closure, &left_out, &relation)
                .map_err(|error| error.unwrap_or_else(|| unsatisfied(&package, &relation)))?
            {
                closure.insert(next.name().to_owned(), next.clone());
                queue.push_back(next);
            }
        }
    }
    Ok(closure)
}

/// What to add for a relation; `None` when it is satisfied. `Err(None)`: nothing satisfies it.
fn choose(
    snapshot: &Snapshot,
    closure: &Closure,
    left_out: &BTreeSet<&str>,
    relation: &Relation,
) -> Result<Option<Package>, Option<Error>> {
    let mut candidate = None;
    for alternative in &relation.alternatives {
        if left_out.contains(alternative.name.as_str()) {
            return Ok(None);
        }
        let satisfied = |name: &str| closure.contains_key(name) || left_out.contains(name);
        if closure
            .get(&alternative.name)
            .is_some_and(|p| alternative.allows(p.version()))
        {
            return Ok(None);
        }
        let providers = snapshot.index().providers(alternative).map_err(Some)?;
        if providers.iter().any(|name| satisfied(name)) {
            return Ok(None);
        }
        if candidate.is_none() {
            candidate = real(snapshot, alternative).map_err(Some)?;
        }
        if candidate.is_none()
            && let Some(name) = providers.first()
        {
            candidate = snapshot.index().package(name).map_err(Some)?;
        }
    }
    candidate.map(Some).ok_or(None)
}

fn real(snapshot: &Snapshot, alternative: &Alternative) -> Result<Option<Package>> {
    let package = snapshot.index().package(&alternative.name)?;
    Ok(package.filter(|package| alternative.allows(package.version())))
}

fn unsatisfied(package: &Package, relation: &Relation) -> Error {
    Error::Unsatisfied {
        package: package.name().to_owned(),
        relation: relation.to_string(),
    }
}
