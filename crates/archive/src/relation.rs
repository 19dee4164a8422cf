//! Relations between packages: `Depends`, `Provides` and the like.

use std::cmp::Ordering;
use std::fmt;

use debversion::Version;

/// How a version must compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the operators of Debian policy")]
pub enum VersionRelation {
    Earlier,
    EarlierOrEqual,
    Equal,
    LaterOrEqual,
    Later,
}

impl VersionRelation {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<<" => Self::Earlier,
            // `<` and `>` are old spellings that include equality.
            "<=" | "<" => Self::EarlierOrEqual,
            "=" => Self::Equal,
            ">=" | ">" => Self::LaterOrEqual,
            ">>" => Self::Later,
            _ => return None,
        })
    }

    fn allows(self, ordering: Ordering) -> bool {
        match self {
            Self::Earlier => ordering.is_lt(),
            Self::EarlierOrEqual => ordering.is_le(),
            Self::Equal => ordering.is_eq(),
            Self::LaterOrEqual => ordering.is_ge(),
            Self::Later => ordering.is_gt(),
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        }
    }
}

/// One package name with an optional restriction of its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// Name of a package, real or virtual, without architecture qualifier.
    pub name: String,
    /// Restriction of the version.
    pub version: Option<(VersionRelation, String)>,
}

impl Alternative {
    /// Whether a version satisfies the restriction. Versions that cannot be parsed satisfy none.
    pub fn allows(&self, version: &str) -> bool {
        let Some((relation, wanted)) = &self.version else {
            return true;
        };
        let (Ok(version), Ok(wanted)) = (version.parse::<Version>(), wanted.parse::<Version>())
        else {
            return false;
        };
        relation.allows(version.cmp(&wanted))
    }
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.version {
            Some((relation, version)) => write!(f, " ({} {version})", relation.symbol()),
            None => Ok(()),
        }
    }
}

/// Alternatives, any of which will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// In the order of preference.
    pub alternatives: Vec<Alternative>,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, alternative) in self.alternatives.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{alternative}")?;
        }
        Ok(())
    }
}

/// Parses the value of `Depends`, `Provides` and the like, for amd64. Alternatives for other
/// architectures and malformed ones are left out; a relation without any left is left out, too.
pub fn parse_relations(text: &str) -> Vec<Relation> {
    text.split(',')
        .map(|group| Relation {
            alternatives: group.split('|').filter_map(parse_alternative).collect(),
        })
        .filter(|relation| !relation.alternatives.is_empty())
        .collect()
}

fn parse_alternative(text: &str) -> Option<Alternative> {
    let text = text.trim();
    let name_end = text.find([' ', '(', '[', '<', '\n']).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(name_end);
    let name = name.split(':').next().unwrap_or(name);
    if name.is_empty() {
        return None;
    }
    let mut version = None;
    rest = rest.trim_start();
    if let Some(inner) = rest.strip_prefix('(') {
        let (inner, after) = inner.split_once(')')?;
        let inner = inner.trim();
        let split = inner.find(|c| !"<>=".contains(c))?;
        let relation = VersionRelation::parse(&inner[..split])?;
        version = Some((relation, inner[split..].trim().to_owned()));
        rest = after.trim_start();
    }
    if let Some(inner) = rest.strip_prefix('[') {
        let (inner, _) = inner.split_once(']')?;
        let here = ["amd64", "any", "linux-any", "any-amd64"];
        let negative = inner.trim_start().starts_with('!');
        let named = inner
            .split_whitespace()
            .any(|word| here.contains(&word.trim_start_matches('!')));
        if negative == named {
            return None;
        }
    }
    Some(Alternative {
        name: name.to_owned(),
        version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<_> = parse_relations(text)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn relations() {
        check("", &[]);
        check("a", &["a"]);
        check("a, b|c (>=1.0) , d:any", &["a", "b | c (>= 1.0)", "d"]);
        check(
            "a (<< 2~), python3:any (= 3.13)",
            &["a (<< 2~)", "python3 (= 3.13)"],
        );
        check(
            "a [i386], b [amd64 arm64], c [!amd64], d [!i386]",
            &["b", "d"],
        );
        check("a\n (>= 1),\n b", &["a (>= 1)", "b"]);
        check("a (oops 1), b", &["b"]);
    }

    #[test]
    fn versions() {
        let rows = [
            ("a (>= 1.2)", "1.10", true),
            ("a (>= 1:1)", "2", false),
            ("a (<< 2)", "2~rc1", true),
            ("a (= 1-1)", "1-1", true),
            ("a (>> 1-1+deb13u1)", "1-1+deb13u2", true),
            ("a", "whatever", true),
        ];
        for (relation, version, expected) in rows {
            let alternative = &parse_relations(relation)[0].alternatives[0];
            assert_eq!(
                alternative.allows(version),
                expected,
                "{relation} {version}"
            );
        }
    }
}
