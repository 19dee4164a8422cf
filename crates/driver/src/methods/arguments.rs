//! A request's arguments.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::Raise;

/// Named arguments; the Python side has checked their types, so a wrong one is a mistake of ours.
pub(crate) struct Arguments(Map<String, Value>);

/// Left out when a call is shown: the defaults of nearly every call.
const DEFAULTS: &[(&str, &str)] = &[
    ("timeout", "900"),
    ("check_return", "true"),
    ("check_output", "true"),
    ("address", "\"localhost\""),
    ("datagram", "false"),
    ("allow_reboot", "false"),
    ("delay", "0.01"),
    ("log", "true"),
    ("target_dir", "\"\""),
    ("keep_state", "false"),
    ("variant", "\"raw\""),
];

impl Arguments {
    pub fn new(map: Map<String, Value>) -> Self {
        Self(map)
    }

    fn wrong(name: &str) -> Raise {
        Raise::new(
            "TypeError",
            format!("the argument '{name}' is missing or of a wrong type"),
        )
    }

    pub fn text(&self, name: &str) -> Result<&str, Raise> {
        self.0
            .get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| Self::wrong(name))
    }

    pub fn maybe_text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub fn texts(&self, name: &str) -> Result<Vec<&str>, Raise> {
        let list = self
            .0
            .get(name)
            .and_then(Value::as_array)
            .ok_or_else(|| Self::wrong(name))?;
        list.iter()
            .map(|item| item.as_str().ok_or_else(|| Self::wrong(name)))
            .collect()
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn number<T: TryFrom<u64>>(&self, name: &str) -> Result<T, Raise> {
        let number = self
            .0
            .get(name)
            .and_then(Value::as_u64)
            .ok_or_else(|| Self::wrong(name))?;
        T::try_from(number).map_err(|_| {
            Raise::new(
                "ValueError",
                format!("the argument '{name}' is out of range: {number}"),
            )
        })
    }

    /// Seconds.
    pub fn seconds(&self, name: &str) -> Result<f64, Raise> {
        self.maybe_seconds(name).ok_or_else(|| Self::wrong(name))
    }

    pub fn maybe_seconds(&self, name: &str) -> Option<f64> {
        self.0.get(name).and_then(Value::as_f64)
    }

    /// As the script wrote it, for messages.
    pub fn raw(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or(Value::Null)
    }

    pub fn pairs(&self, name: &str) -> BTreeMap<String, String> {
        let object = self.0.get(name).and_then(Value::as_object);
        let pair = |(name, value): (&String, &Value)| {
            value.as_str().map(|value| (name.clone(), value.to_owned()))
        };
        object.into_iter().flatten().filter_map(pair).collect()
    }

    /// Bytes written in hexadecimal.
    pub fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, Raise> {
        let Some(text) = self.maybe_text(name) else {
            return Ok(None);
        };
        data_encoding::HEXLOWER
            .decode(text.as_bytes())
            .map(Some)
            .map_err(|_| Self::wrong(name))
    }

    /// For a reader, bounded: the main argument first, the others by name.
    pub fn display(&self) -> String {
        const LONGEST: usize = 400;
        let mut parts = Vec::new();
        for (index, (name, value)) in self.0.iter().enumerate() {
            let plain = match value {
                Value::Null => continue,
                Value::Array(items) if name == "commands" => items
                    .iter()
                    .map(Value::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
                value => value.to_string(),
            };
            if DEFAULTS
                .iter()
                .any(|(known, value)| known == name && *value == plain)
            {
                continue;
            }
            if name == "stdin" {
                parts.push(format!(
                    "stdin=<{} bytes>",
                    plain.len().saturating_sub(2) / 2
                ));
            } else if index == 0 {
                parts.push(plain);
            } else {
                parts.push(format!("{name}={plain}"));
            }
        }
        let mut text = parts.join(", ");
        if text.len() > LONGEST {
            text.truncate(text.floor_char_boundary(LONGEST));
            text.push('…');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(value: Value) -> Arguments {
        match value {
            Value::Object(map) => Arguments::new(map),
            _ => unreachable!("tests pass objects"),
        }
    }

    #[test]
    fn calls_look_as_the_script_wrote_them() {
        let cases = [
            (
                json!({"commands": ["a", "b \"c\""], "timeout": null}),
                r#""a", "b \"c\"""#,
            ),
            (
                json!({"unit": "nginx", "user": null, "timeout": 900}),
                r#""nginx""#,
            ),
            (
                json!({"port": 80, "address": "::1", "timeout": 5}),
                r#"80, address="::1", timeout=5"#,
            ),
            (json!({}), ""),
            (
                json!({"command": "cat", "stdin": "616263"}),
                r#""cat", stdin=<3 bytes>"#,
            ),
        ];
        for (value, expect) in cases {
            assert_eq!(arguments(value).display(), expect);
        }
    }

    #[test]
    fn wrong_types_are_errors() {
        let args = arguments(json!({"port": 70000, "command": 3, "stdin": "xyz"}));
        assert!(args.number::<u16>("port").is_err());
        assert!(args.text("command").is_err());
        assert!(args.bytes("stdin").is_err());
        assert_eq!(args.bytes("none").unwrap(), None);
    }
}
