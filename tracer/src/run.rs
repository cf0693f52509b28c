//! What a screen or report says about the run itself, beside its figures. Plain data, filled in by the
//! commands.

/// The run as its header shows it. Text is raw: the views escape it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunInfo {
    /// What is traced: `redis-server 1120`, `whole host`, a file's name in a replay.
    pub target: String,
    /// Name of the host the figures come from.
    pub host: String,
    /// Filters that the kernel applies, as the user gave them: calls they exclude are in no figure.
    pub filter: Option<String>,
    /// Program family: `raw` or `classic`.
    pub family: String,
    /// Fill of the fullest ring, 0 to 1.
    pub ring_fill: f64,
    /// CPU time of the tracer itself over the last interval, in percent of one CPU.
    pub own_cpu_percent: f64,
    /// Time our programs add to one call, in ns; `None` where the kernel does not measure it.
    pub ns_per_call: Option<f64>,
    /// Where the figures come from.
    pub origin: Origin,
    /// The recording that is being written; `None` while none is.
    pub recording: Option<Recording>,
    /// Why the run ended; `None` while it goes on.
    pub ended: Option<String>,
    /// Limits of this run that change how its figures are to be read, one sentence each.
    pub notices: Vec<String>,
}

/// Where figures come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The running kernel.
    #[default]
    Live,
    /// A recording.
    Replay,
}

/// A recording while it is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Its file, as the user would name it.
    pub file: String,
    /// Bytes written so far.
    pub bytes: u64,
}
