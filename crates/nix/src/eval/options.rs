//! What an evaluation may do.

/// Limits and switches of an evaluation.
#[derive(Clone, Debug)]
pub struct Options {
    /// Calls within calls before `stack overflow; max-call-depth exceeded`.
    pub max_call_depth: u32,
    /// Bytes of values before the evaluation is given up; `None`: no limit.
    pub max_memory: Option<usize>,
    /// How long the evaluation may take; `None`: as long as it likes.
    pub max_time: Option<std::time::Duration>,
    /// Set from another thread (or a signal) to end the evaluation with an error; cleared by it.
    pub interrupt: Option<std::sync::Arc<std::sync::atomic::AtomicBool>>,
    /// `--trace-verbose`.
    pub trace_verbose: bool,
    /// Whether `|>` and `<|` are allowed.
    pub pipe_operators: bool,
    /// `--abort-on-warn`.
    pub abort_on_warn: bool,
    /// Whether `fromTOML` understands times.
    pub toml_timestamps: bool,
    /// Whether `builtins.getFlake` and its relatives exist (they fail by name).
    pub flakes: bool,
    /// Where relative paths of texts that are no files lie.
    pub base_path: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_call_depth: 10_000,
            max_memory: None,
            max_time: None,
            interrupt: None,
            trace_verbose: false,
            pipe_operators: false,
            abort_on_warn: false,
            toml_timestamps: false,
            flakes: false,
            base_path: "/".to_owned(),
        }
    }
}
