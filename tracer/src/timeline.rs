//! Time as an axis: what there is of it, how busy it was, where in it we are. Plain data, the same for a
//! recording, a pipe that still delivers, and the kept past of a live run.

/// A moment somebody named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// Its name; foreign text.
    pub text: String,
}

/// How fast time passes, as a power of two: 0 is as it was, 3 eight times faster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Speed(i8);

impl Speed {
    /// Slowest and fastest.
    const RANGE: (i8, i8) = (-3, 10);

    /// Faster or slower by so many doublings, as far as it goes.
    #[must_use]
    pub fn stepped(self, by: i8) -> Self {
        Self(self.0.saturating_add(by).clamp(Self::RANGE.0, Self::RANGE.1))
    }

    /// Seconds of the run in a second.
    pub fn factor(self) -> f64 {
        f64::from(self.0).exp2()
    }
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let power = 1u32 << self.0.unsigned_abs().min(31);
        if self.0 < 0 { write!(f, "1/{power}x") } else { write!(f, "{power}x") }
    }
}

/// What can be asked of whoever moves along the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Let time pass; at the end of a complete run, from its start.
    Play,
    /// Stop time.
    Pause,
    /// Let time pass this fast.
    SetSpeed(Speed),
    /// Move by so many intervals, and stop there.
    Step(i32),
    /// Move to this moment on `CLOCK_MONOTONIC`, or as near as there is.
    Seek(u64),
    /// Move to the newest moment, and stay with it while more comes.
    SeekEnd,
}
