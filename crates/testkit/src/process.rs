//! A child process whose output is kept and which is gone when dropped.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Lines of output kept of one process; older ones are forgotten (a bound, not a promise).
pub const LINES_MAX: usize = 100_000;

/// How often an exit is looked for while waiting for one.
const EXIT_POLL: Duration = Duration::from_millis(5);

/// A running (or ended) child, with everything it wrote to stdout and stderr, line by line.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
    /// How many streams are read; the output is complete when as many have closed.
    streams: usize,
}

#[derive(Debug, Default)]
struct Output {
    state: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    /// Lines ever read; `kept` holds the newest of them.
    total: usize,
    /// Streams that have reached their end.
    closed: usize,
}

impl Process {
    /// Starts `command` with both outputs captured and no input.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Process {
        Process::start_reading(name, command, Stdio::null())
    }

    /// As [`Process::start`], with something to read.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn start_reading(name: &str, command: &mut Command, input: Stdio) -> Process {
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let output = Arc::new(Output::default());
        let mut readers = Vec::new();
        if let Some(stream) = child.stdout.take() {
            readers.push(capture(stream, Arc::clone(&output)));
        }
        if let Some(stream) = child.stderr.take() {
            readers.push(capture(stream, Arc::clone(&output)));
        }
        Process {
            name: name.to_owned(),
            child,
            output,
            streams: readers.len(),
            readers,
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything kept of the output, lines joined.
    pub fn output(&self) -> String {
        let lines = self.output.lock();
        let mut text = String::new();
        for line in &lines.kept {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Waits until a line contains `needle` and returns it; `None` when the process ends or time runs out first.
    pub fn wait_for_line(&self, needle: &str, limit: Duration) -> Option<String> {
        let deadline = Instant::now() + limit;
        let mut looked_at = 0;
        let mut lines = self.output.lock();
        loop {
            let fresh = (lines.total - looked_at).min(lines.kept.len());
            let found = lines
                .kept
                .iter()
                .rev()
                .take(fresh)
                .find(|line| line.contains(needle));
            if let Some(line) = found {
                return Some(line.clone());
            }
            looked_at = lines.total;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.closed == self.streams {
                return None;
            }
            lines = match self.output.changed.wait_timeout(lines, left) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Panics
    /// When the system cannot tell.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .unwrap_or_else(|error| panic!("cannot look after {}: {error}", self.name))
    }

    /// SIGKILL, and waits until the process is gone. Harmless when it has ended.
    pub fn kill(&mut self) {
        // An error means that it has ended already, which is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_readers();
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Holds it (SIGSTOP): its connections stand, and nothing answers.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Process::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // An error means that it has ended already.
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Panics
    /// When it has not within `limit`; the sentence shows its output.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                self.join_readers();
                return status;
            }
            if Instant::now() >= deadline {
                panic!(
                    "{} did not end within {limit:?}; it wrote:\n{}",
                    self.name,
                    self.output()
                );
            }
            std::thread::sleep(EXIT_POLL);
        }
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            // A reader that panicked has nothing more to give.
            let _ = reader.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        match self.state.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// Reads one stream to its end on a thread of its own.
fn capture(stream: impl Read + Send + 'static, output: Arc<Output>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            let mut lines = output.lock();
            if lines.kept.len() == LINES_MAX {
                lines.kept.pop_front();
            }
            lines.kept.push_back(line);
            lines.total += 1;
            output.changed.notify_all();
        }
        output.lock().closed += 1;
        output.changed.notify_all();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Process {
        Process::start("sh", Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn lines_of_both_streams_are_kept_and_found() {
        let mut process = shell("echo out; echo err >&2; exit 3");
        assert_eq!(process.wait_for_line("err", PATIENCE).as_deref(), Some("err"));
        assert_eq!(process.wait(PATIENCE).code(), Some(3));
        assert!(process.output().contains("out\n"));
    }

    #[test]
    fn waiting_for_a_line_that_never_comes_ends_with_the_process() {
        let process = shell("echo something else");
        assert_eq!(process.wait_for_line("ready", PATIENCE), None);
    }

    #[test]
    fn a_terminated_process_may_clean_up() {
        let mut process = shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done");
        assert!(process.wait_for_line("up", PATIENCE).is_some());
        process.terminate();
        assert_eq!(process.wait(PATIENCE).code(), Some(0));
        assert!(process.output().contains("bye"));
    }
}
