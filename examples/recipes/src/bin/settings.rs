//! A configuration in a file, loaded anew at each SIGHUP: a hundred edits in a row, each told by a signal.
//!
//! `cargo run -p recipes --bin settings`

#[cfg(unix)]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::{
        fs,
        process::{self, Command},
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        time::Duration,
    };

    use recipes::settings::Settings;
    use tokio::{
        signal::unix::{SignalKind, signal},
        task::spawn_blocking,
        time::sleep,
    };
    use tower_singleflight::SharedError;

    const EDITS: u32 = 100;

    let directory = tempfile::tempdir()?;
    let path = directory.path().join("limits.conf");
    fs::write(&path, "0")?;
    let loads = Arc::new(AtomicUsize::new(0));
    let (counted, file) = (Arc::clone(&loads), path.clone());
    let load = move || {
        counted.fetch_add(1, Relaxed);
        let file = file.clone();
        async move {
            let text = tokio::task::spawn_blocking(move || fs::read_to_string(file)).await;
            let limit: u32 =
                text.map_err(SharedError::new)?.map_err(SharedError::new)?.parse().map_err(SharedError::new)?;
            // The time to check it, to connect anew, and so on.
            sleep(Duration::from_millis(50)).await;
            Ok::<_, SharedError>(limit)
        }
    };
    let settings = Arc::new(Settings::open(load).await?);
    let mut hangups = signal(SignalKind::hangup())?;
    let watched = Arc::clone(&settings);
    let watcher = tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            watched.changed();
        }
    });

    let mut in_force = settings.subscribe();
    let edited = path.clone();
    let edit = move || {
        for edit in 1..=EDITS {
            // Readers see the whole edit or none, as with editors.
            let draft = edited.with_extension("draft");
            fs::write(&draft, edit.to_string())?;
            fs::rename(&draft, &edited)?;
            // The shell's own `kill`, since not every machine has a program of that name.
            Command::new("sh").arg("-c").arg(format!("kill -HUP {}", process::id())).status()?;
        }
        Ok::<_, std::io::Error>(())
    };
    spawn_blocking(edit).await??;
    // A caller that needs the last edit asks for it; one that only uses the settings follows what is in force.
    println!("asked for after the last edit: {}", settings.fresh().await?);
    println!("in force: {}", **in_force.wait_for(|limit| **limit == EDITS).await?);
    println!("{EDITS} edits, {} loads", loads.load(Relaxed));
    watcher.abort();
    Ok(())
}

/// Other systems have no such signals.
#[cfg(not(unix))]
fn main() {}
