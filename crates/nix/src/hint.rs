//! "Did you mean …?"

/// Words about the names that are nearest to a misspelt one, if any is near.
pub fn nearest(word: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    let mut near: Vec<(usize, String)> = candidates
        .filter_map(|candidate| {
            let limit = 1 + word.len().min(candidate.len()) / 4;
            let distance = distance(word, &candidate);
            (distance > 0 && distance <= limit.min(3)).then_some((distance, candidate))
        })
        .collect();
    near.sort();
    near.dedup();
    let best = near.first()?.0;
    near.retain(|(distance, _)| *distance <= best + 1);
    near.truncate(3);
    let names: Vec<&str> = near.iter().map(|(_, name)| name.as_str()).collect();
    Some(match names.as_slice() {
        [one] => format!("Did you mean {one}?"),
        [first @ .., last] => format!("Did you mean one of {} or {last}?", first.join(", ")),
        [] => return None,
    })
}

/// Edit distance with transpositions of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let width = b.len() + 1;
    let mut rows = vec![0usize; (a.len() + 1) * width];
    for (j, cell) in rows.iter_mut().take(width).enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        rows[i * width] = i;
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[(i - 1) * width + j] + 1)
                .min(rows[i * width + j - 1] + 1)
                .min(rows[(i - 1) * width + j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[(i - 2) * width + j - 2] + 1);
            }
            rows[i * width + j] = best;
        }
    }
    rows[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let names = ["enable", "enabled", "port", "package"];
        let hint = |word| nearest(word, names.iter().map(|&name| name.to_owned()));
        assert_eq!(
            hint("enbale").as_deref(),
            Some("Did you mean one of enable or enabled?")
        );
        assert_eq!(hint("prot").as_deref(), Some("Did you mean port?"));
        assert_eq!(hint("zzz"), None);
    }
}
