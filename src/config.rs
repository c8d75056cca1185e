//! Placeholder until the table of parameters stands.

/// Settings.
pub struct Config {
    /// Arguments by name.
    pub values: std::collections::BTreeMap<String, String>,
}

impl Config {
    /// From `--name value` pairs.
    pub fn stub(args: &[String]) -> Config {
        let values = args
            .chunks(2)
            .filter_map(|pair| Some((pair[0].strip_prefix("--")?.to_string(), pair.get(1)?.clone())))
            .collect();
        Config { values }
    }
    /// A number.
    pub fn number(&self, name: &str, default: usize) -> usize {
        self.values.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }
}
