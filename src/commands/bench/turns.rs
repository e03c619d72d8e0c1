//! Work and its yardstick, run in turns: whatever else the machine does slows down both, so that their ratio holds.

use std::time::Instant;

use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Serialize;

/// Most passes over a work and its yardstick; the median is printed.
const PASSES: usize = 25;
/// Fewest.
const LEAST_PASSES: usize = 3;
/// Seconds after which there are no more passes than the fewest.
const SECONDS: f64 = 2.0;

/// One kind of work.
pub(super) struct Work<'a> {
    /// Its name in the JSON document.
    pub(super) name: &'static str,
    /// What it is, for people.
    pub(super) what: &'static str,
    /// What its rate counts.
    pub(super) unit: &'static str,
    /// How many of them one run does.
    pub(super) items: f64,
    /// One run, on the threads of the current pool. Run 1 may go on beside run 0 and shares no memory with it that is
    /// written, or that takes long to read.
    pub(super) run: &'a (dyn Fn(usize) -> anyhow::Result<()> + Sync),
    /// Whether it is spread over threads.
    pub(super) spread: bool,
    /// What it is compared with.
    pub(super) yardstick: &'static str,
    /// One run of the yardstick, on the threads of the current pool.
    pub(super) plain: &'a (dyn Fn() + Sync),
    /// How many runs of the yardstick are as much work as one of the work.
    pub(super) plain_runs: f64,
}

/// What was measured of one work.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
    #[serde(skip)]
    pub(super) what: &'static str,
    /// What the rates count.
    pub(super) unit: &'static str,
    /// Per second, on one core.
    pub(super) one_core: f64,
    /// Per second, on two; absent where there is one, or where the work is not spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) two_cores: Option<f64>,
    /// How many times as fast two cores are: by the fastest pass on each, which other work disturbed least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) speedup: Option<f64>,
    /// How many times as much as one run on one core two such runs get done at once, each on its own core and with its own
    /// memory: the limit of `speedup` on this machine, where the cores share caches, memory and clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at_once: Option<f64>,
    /// What it is compared with.
    pub(super) yardstick: &'static str,
    /// Time of the work over time of the yardstick, on one core.
    pub(super) time_ratio: f64,
    /// `speedup` of the yardstick: what this machine gives to such work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) yardstick_speedup: Option<f64>,
}

/// Pools of one thread, and where there are two cores another of one and one of two.
pub(super) struct Pools {
    one: ThreadPool,
    more: Option<[ThreadPool; 2]>,
}

impl Pools {
    pub(super) fn new() -> anyhow::Result<Self> {
        let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build();
        let cores = std::thread::available_parallelism()?.get();
        Ok(Self {
            one: pool(1)?,
            more: match cores {
                ..2 => None,
                _ => Some([pool(1)?, pool(2)?]),
            },
        })
    }

    /// Measures one work on one thread, on two, and its yardstick, in turns, after one pass that warms up.
    pub(super) fn measure(&self, work: &Work<'_>) -> anyhow::Result<Row> {
        let plain = || {
            (work.plain)();
            Ok(())
        };
        let more = self.more.as_ref().filter(|_| work.spread);
        let (mut one_core, mut two_cores) = (Passes::default(), Passes::default());
        let mut at_once = Passes::default();
        let (mut plain_one, mut plain_two) = (Passes::default(), Passes::default());
        let began = Instant::now();
        for pass in 0..=PASSES {
            if pass > LEAST_PASSES && began.elapsed().as_secs_f64() > SECONDS {
                break;
            }
            one_core.run(|| self.one.install(|| (work.run)(0)))?;
            plain_one.run(|| self.one.install(plain))?;
            if let Some([beside, two]) = more {
                two_cores.run(|| two.install(|| (work.run)(0)))?;
                plain_two.run(|| two.install(plain))?;
                at_once.run(|| {
                    let mut other = Ok(());
                    let this = beside.in_place_scope(|scope| {
                        scope.spawn(|_| other = (work.run)(1));
                        self.one.install(|| (work.run)(0))
                    });
                    this.and(other)
                })?;
            }
        }
        Ok(Row {
            name: work.name,
            what: work.what,
            unit: work.unit,
            one_core: work.items / one_core.median(),
            two_cores: more.map(|_| work.items / two_cores.median()),
            speedup: more.map(|_| one_core.fastest() / two_cores.fastest()),
            at_once: more.map(|_| 2.0 * one_core.fastest() / at_once.fastest()),
            yardstick: work.yardstick,
            time_ratio: one_core.median() / (plain_one.median() * work.plain_runs),
            yardstick_speedup: more.map(|_| plain_one.fastest() / plain_two.fastest()),
        })
    }
}

/// Seconds of the passes over one work.
#[derive(Default)]
struct Passes(Vec<f64>);

impl Passes {
    fn run(&mut self, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let began = Instant::now();
        work()?;
        self.0.push(began.elapsed().as_secs_f64());
        Ok(())
    }

    /// All but the first, which warms up.
    fn counted(&self) -> Vec<f64> {
        self.0.iter().skip(1).copied().collect()
    }

    fn median(&self) -> f64 {
        middle(self.counted())
    }

    fn fastest(&self) -> f64 {
        self.counted().into_iter().fold(f64::INFINITY, f64::min)
    }
}

/// The median, the upper one of two; 0 of nothing.
pub(in crate::commands::bench) fn middle(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or_default()
}
