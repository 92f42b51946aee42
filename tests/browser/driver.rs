//! A browser, by way of chromedriver.

use std::{
    env,
    error::Error,
    io::{self, Write},
    process::Stdio,
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, wd::WebDriverCompatibleCommand};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{Instant, sleep},
};
use url::{ParseError, Url};

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

/// What went wrong with a browser.
pub type Fault = Box<dyn Error + Send + Sync>;

/// A browser with one window, and the program that drives it.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    /// Killed when it is dropped.
    driver: Child,
}

impl Browser {
    /// Starts a browser with a window of this width; `None`, and a line that says so, if this machine has none.
    ///
    /// # Errors
    ///
    /// If there is one, and it does not start.
    pub async fn start(width: u32) -> Result<Option<Self>, Fault> {
        let program = env::var_os("CHROMEDRIVER").unwrap_or_else(|| "chromedriver".into());
        let mut command = Command::new(&program);
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut driver = match command.spawn() {
            Ok(driver) => driver,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Past the harness, which shows nothing of tests that pass.
                writeln!(io::stderr(), "skipped: there is no {} for the live page", program.to_string_lossy())?;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let mut lines = BufReader::new(driver.stdout.take().ok_or("no output")?).lines();
        let port: u16 = loop {
            let line = lines.next_line().await?.ok_or("chromedriver has ended")?;
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.trim_end_matches('.').parse()?;
            }
        };
        // It goes on writing.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });

        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            &format!("--window-size={width},1000"),
        ];
        let options = json!({ "goog:chromeOptions": { "args": arguments } });
        let Value::Object(options) = options else { return Err("no object".into()) };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(options)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await?;
        Ok(Some(Self { client, driver }))
    }

    /// Closes the browser, and ends the program that drives it.
    ///
    /// # Errors
    ///
    /// If the browser does not answer.
    pub async fn close(mut self) -> Result<(), Fault> {
        let closed = self.client.close().await;
        self.driver.kill().await?;
        Ok(closed?)
    }

    /// Returns the client, to tell the browser what is not here.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a command of the browser's own protocol, which knows more than WebDriver does: colour schemes, phones.
    ///
    /// # Errors
    ///
    /// If the browser refuses it, or does not answer.
    pub async fn command(&self, name: &str, parameters: Value) -> Result<Value, Fault> {
        Ok(self.client.issue_cmd(Own { name: name.to_owned(), parameters }).await?)
    }

    /// Returns what a script returns.
    ///
    /// # Errors
    ///
    /// If the script throws, or the browser does not answer.
    pub async fn run(&self, script: &str) -> Result<Value, Fault> {
        Ok(self.client.execute(script, Vec::new()).await?)
    }

    /// Returns the text of the element with this id, shown or not.
    ///
    /// # Errors
    ///
    /// As above.
    pub async fn text(&self, id: &str) -> Result<String, Fault> {
        let text = self.run(&format!("return document.getElementById('{id}').textContent")).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Returns the element with this id.
    ///
    /// # Errors
    ///
    /// As above.
    pub async fn element(&self, id: &str) -> Result<Element, Fault> {
        Ok(self.client.find(Locator::Id(id)).await?)
    }

    /// Waits until a script returns this.
    ///
    /// # Errors
    ///
    /// If it does not within a minute; says what it returned instead.
    pub async fn until(&self, script: &str, expected: impl Into<Value>) -> Result<(), Fault> {
        let (expected, start) = (expected.into(), Instant::now());
        loop {
            let found = self.run(script).await?;
            if found == expected {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{script}: {found}, not {expected}").into());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the element with this id has this text.
    ///
    /// # Errors
    ///
    /// As above.
    pub async fn until_text(&self, id: &str, expected: &str) -> Result<(), Fault> {
        self.until(&format!("return document.getElementById('{id}').textContent"), expected).await
    }
}

/// A command of the browser's own protocol, by way of chromedriver.
#[derive(Debug)]
struct Own {
    name: String,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "cmd": self.name, "params": self.parameters }).to_string()))
    }
}
