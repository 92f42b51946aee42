//! One server, and what may be done to it.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::Kind;

/// A running server; it is ended with this guard.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    port: u16,
    options: Vec<String>,
    directory: TempDir,
    process: Child,
}

impl Server {
    /// Starts one that keeps nothing on disk; `None`, and a line that says so, if it is not installed.
    pub fn start(kind: Kind) -> Option<Self> {
        Self::start_with(kind, &[])
    }

    /// Starts one with more options, as its command line takes them.
    pub fn start_with(kind: Kind, options: &[&str]) -> Option<Self> {
        let program = kind.find_or_say()?;
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        // Somebody else may take a free port before the server does.
        (0..10).find_map(|_| Self::try_start(program.clone(), free_port(), options.clone()))
    }

    fn try_start(program: PathBuf, port: u16, options: Vec<String>) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let process = spawn(&program, port, &options, &directory);
        let mut server = Self { program, port, options, directory, process };
        server.answers().then_some(server)
    }

    /// Waits until it answers; `false` if it has ended.
    fn answers(&mut self) -> bool {
        until("a server that answers", || {
            let ended = self.process.try_wait().expect("its state").is_some();
            (ended || self.connection().is_ok()).then_some(!ended)
        })
    }

    /// Where it listens, on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What clients connect to.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// What clients connect to as that user.
    pub fn url_of(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}/", self.port)
    }

    fn connection(&self) -> redis::RedisResult<redis::Connection> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        redis::cmd("ECHO").arg("there").query::<redis::Value>(&mut connection)?;
        Ok(connection)
    }

    /// Runs a command, given in words.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn run<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split_whitespace();
        let mut run = redis::cmd(words.next().expect("a command"));
        words.for_each(|word| {
            run.arg(word);
        });
        let mut connection = self.connection().expect("a server");
        run.query(&mut connection).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// The keys that there are, in order.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.run("KEYS *");
        keys.sort();
        keys
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Lets it stand still: it takes connections, and answers nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.process.id().to_string()).status();
        assert!(sent.expect("kill").success(), "{signal}");
    }

    /// Starts it again after [`kill`](Self::kill), at its old place.
    ///
    /// # Panics
    ///
    /// If somebody has taken its port.
    pub fn restart(&mut self) {
        self.process = spawn(&self.program, self.port, &self.options, &self.directory);
        assert!(self.answers(), "port {} is taken", self.port);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that stands still ends too.
        self.kill();
    }
}

fn spawn(program: &PathBuf, port: u16, options: &[String], directory: &TempDir) -> Child {
    let mut command = Command::new(program);
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"]);
    command.arg("--port").arg(port.to_string()).arg("--dir").arg(directory.path()).args(options);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// Returns a port that is free now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Looks again and again until there is something, for half a minute at most.
///
/// # Panics
///
/// If there is nothing by then.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
