//! Processes that are started, told what to do, stopped and killed.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::worker::Options;

/// No answer takes longer than this, unless a call hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// One process of a fleet; it is ended with this guard.
#[derive(Debug)]
pub struct Worker {
    process: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Lines that were read while another one was waited for.
    kept: Vec<String>,
}

/// What a worker said, by its words.
#[derive(Clone, Debug)]
pub struct Said(HashMap<String, String>);

impl Said {
    fn read(line: &str) -> Self {
        let words = line.split(' ').filter_map(|word| word.split_once('='));
        Self(words.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Returns a word.
    ///
    /// # Panics
    ///
    /// It was not said.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// Returns a number.
    ///
    /// # Panics
    ///
    /// It was not said, or is no number.
    pub fn number(&self, name: &str) -> f64 {
        self.text(name).parse().expect("a number")
    }

    /// Returns a time that was said in microseconds.
    ///
    /// # Panics
    ///
    /// As [`number`](Self::number).
    pub fn time(&self, name: &str) -> Duration {
        Duration::from_secs_f64(self.number(name) / 1e6)
    }
}

impl Worker {
    /// Starts one, and waits until it has reached the servers.
    ///
    /// # Panics
    ///
    /// It cannot.
    pub fn start(program: &PathBuf, options: &Options) -> Self {
        let mut command = Command::new(program);
        command.arg("worker").args(options.arguments()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("a process");
        let (input, output) = (process.stdin.take(), process.stdout.take().expect("its output"));
        let (tell, lines) = channel();
        thread::spawn(move || {
            let said = BufReader::new(output).lines().map_while(Result::ok);
            said.take_while(|line| tell.send(line.clone()).is_ok()).for_each(drop);
        });
        let mut worker = Self { process, input, lines, kept: Vec::new() };
        worker.expect("ready");
        worker
    }

    /// Starts many.
    pub fn start_many(program: &PathBuf, options: &Options, processes: usize) -> Vec<Self> {
        (0..processes).map(|_| Self::start(program, options)).collect()
    }

    /// Says a line to it.
    ///
    /// # Panics
    ///
    /// It has ended.
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input");
        writeln!(input, "{line}").expect("a process that listens");
    }

    /// Waits for a line that begins so.
    ///
    /// # Panics
    ///
    /// None comes within a minute, or the process has ended.
    pub fn expect(&mut self, beginning: &str) -> Said {
        self.expect_within(PATIENCE, beginning)
    }

    /// Likewise, for what takes longer than a minute.
    ///
    /// # Panics
    ///
    /// As [`expect`](Self::expect), when so long has passed.
    pub fn expect_within(&mut self, patience: Duration, beginning: &str) -> Said {
        let is_it =
            |line: &str| line.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        if let Some(at) = self.kept.iter().position(|line| is_it(line)) {
            return Said::read(&self.kept.remove(at));
        }
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|error| panic!("waited for {beginning}: {error}"));
            if is_it(&line) {
                return Said::read(&line);
            }
            self.kept.push(line);
        }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    ///
    /// It cannot be waited for.
    pub fn ended(&mut self) {
        self.process.wait().expect("its end");
    }

    /// Tells it that there is nothing more to do, and waits until it has answered all and ended.
    ///
    /// # Panics
    ///
    /// As [`ended`](Self::ended).
    pub fn finish(&mut self) {
        self.input = None;
        self.ended();
    }

    /// Lets it stand still.
    ///
    /// # Panics
    ///
    /// There is no program `kill`.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    ///
    /// # Panics
    ///
    /// There is no program `kill`.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.process.id().to_string()).status();
        assert!(sent.expect("kill").success(), "{signal}");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A moment soon, in ms since 1970, at which all processes begin.
///
/// # Panics
///
/// The clock is before 1970.
pub fn soon() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    (since + Duration::from_millis(50)).as_millis()
}
