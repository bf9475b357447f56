//! Processor time, which another program's load disturbs far less than the clock on the wall.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

/// Seconds of processor time that this thread has used.
pub fn thread_cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Seconds of processor time (user and system) that a process has used, from `/proc`.
pub fn process_cpu(pid: u32) -> Result<f64> {
    ticks(&pid.to_string(), 11)
}

/// The same, of the processes that we have started and waited for.
pub fn children_cpu() -> Result<f64> {
    ticks("self", 13)
}

/// Seconds in two neighbouring fields of `/proc/PROCESS/stat`, counted from the one after the name.
fn ticks(process: &str, first: usize) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields = stat.rsplit_once(')').context("/proc/PID/stat")?.1;
    let two = fields.split_whitespace().skip(first).take(2);
    let two = two.map(str::parse::<f64>).collect::<Result<Vec<_>, _>>()?;
    Ok(two.iter().sum::<f64>() / rustix::param::clock_ticks_per_second() as f64)
}

/// A line of `/proc/PID/status` in MiB: `VmRSS` or `VmHWM`.
pub fn memory(pid: u32, line: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let found = status
        .lines()
        .find_map(|given| given.strip_prefix(line)?.strip_prefix(':'));
    let number = found.and_then(|rest| rest.split_whitespace().next());
    Ok(number.context("/proc/PID/status")?.parse::<f64>()? / 1024.0)
}

/// Repeats `work` for so long; answers processor seconds for each.
pub fn cost(seconds: f64, mut work: impl FnMut()) -> f64 {
    let (start, cpu) = (Instant::now(), thread_cpu());
    let mut times = 0_u32;
    while start.elapsed().as_secs_f64() < seconds {
        work();
        times += 1;
    }
    (thread_cpu() - cpu) / f64::from(times.max(1))
}
