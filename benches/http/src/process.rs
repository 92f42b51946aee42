//! Other processes: started for a bench, and ended with it.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::Fault;

/// A process that is ended when this is dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a command and waits until the address accepts connections.
    pub(crate) async fn start(mut command: Command, address: SocketAddr) -> Result<Self, Fault> {
        let name = format!("{:?}", command.get_program());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut process = Self { child: child.map_err(|error| format!("{name}: {error}"))? };
        let start = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = process.child.try_wait()? {
                return Err(format!("{name} ends at once: {status}").into());
            }
            if start.elapsed() > Duration::from_secs(20) {
                return Err(format!("{name} does not listen on {address}").into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(process)
    }

    /// Returns the CPU time of the process and its children so far, in clock ticks of 10 ms.
    pub(crate) fn cpu(&self) -> Result<Duration, Fault> {
        let mut ticks = 0;
        for id in self.family()? {
            let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
            let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            let field = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
            ticks += field(11) + field(12);
        }
        Ok(Duration::from_millis(10 * ticks))
    }

    /// Returns the resident memory of the process, in bytes.
    pub(crate) fn resident(&self) -> Result<u64, Fault> {
        resident(&self.child.id().to_string())
    }

    /// The process and those that it started.
    fn family(&self) -> Result<Vec<u32>, Fault> {
        let id = self.child.id();
        let mut family = vec![id];
        for task in fs::read_dir(format!("/proc/{id}/task"))? {
            let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        Ok(family)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked to end, it takes along the processes that it has started. If it has ended already, this does no harm.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the resident memory of a process, in bytes.
pub(crate) fn resident(process: &str) -> Result<u64, Fault> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).ok_or("no VmRSS")?;
    Ok(kib << 10)
}

/// Returns an address that is free now.
pub(crate) fn free() -> Result<SocketAddr, Fault> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Returns the command that runs the proxy, which has to be built.
pub(crate) fn proxy(listen: SocketAddr, upstream: SocketAddr) -> Result<Command, Fault> {
    let mut path = std::env::current_exe()?;
    path.pop();
    path.push("singleflight-proxy");
    if !path.exists() {
        return Err("build the proxy first: cargo build --release -p singleflight-proxy".into());
    }
    let mut command = Command::new(path);
    command.args(["--quiet", "--cache-status", "bench", "--listen", &listen.to_string()]);
    command.args(["--upstream", &format!("http://{upstream}")]);
    Ok(command)
}

/// Returns whether a program is installed; says how to install it if not.
pub(crate) fn installed(program: &str, package: &str) -> bool {
    let found = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .any(|dir| PathBuf::from(dir).join(program).exists());
    if !found {
        println!("{program} is skipped: it is not installed (apt-get install {package})");
    }
    found
}
