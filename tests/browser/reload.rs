//! Browsers that reload a page at once. Where there is no chromedriver, a line says that the test was skipped.
//!
//! They are browsers and not tabs, since one browser asks with a condition for a page once at a time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use browser_tests::{Browser, Fault};
use futures_util::future::{join_all, try_join_all};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{sleep, timeout},
};
use tower_singleflight::{HttpSingleflightLayer, http::HttpGroup};

/// How many browsers reload, each with a cache of its own, as those of so many people.
const BROWSERS: usize = 4;

const ETAG: HeaderValue = HeaderValue::from_static("\"v1\"");

/// A page with an `ETag`, behind the layer; its answers are kept back while the gate is closed.
#[derive(Clone)]
struct Page {
    address: String,
    group: HttpGroup,
    /// How often the handler was called since the gate was closed.
    calls: Arc<AtomicUsize>,
    /// The requests that came meanwhile.
    asked: Arc<Mutex<Vec<HeaderMap>>>,
    gate: watch::Sender<bool>,
}

impl Page {
    async fn serve(layer: HttpSingleflightLayer) -> Result<Self, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}/", listener.local_addr()?);
        let group = layer.get_group().clone();
        let page =
            Self { address, group, calls: Arc::default(), asked: Arc::default(), gate: watch::Sender::new(true) };
        let (handler, above) = (page.clone(), page.clone());
        let note = move |request: Request, next: Next| {
            // Not for the icon.
            if request.uri().path() == "/" {
                above.asked.lock().unwrap().push(request.headers().clone());
            }
            next.run(request)
        };
        let app = Router::new()
            .route("/", get(move |headers| handler.clone().answer(headers)))
            .layer(layer)
            .layer(middleware::from_fn(note));
        tokio::spawn(axum::serve(listener, app).into_future());
        Ok(page)
    }

    async fn answer(self, headers: HeaderMap) -> Response {
        self.calls.fetch_add(1, SeqCst);
        // Closed with the test.
        let _ = self.gate.subscribe().wait_for(|opened| *opened).await;
        let head = [(header::ETAG, ETAG), (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=600"))];
        match headers.get(header::IF_NONE_MATCH) {
            Some(known) if known == ETAG => (StatusCode::NOT_MODIFIED, head).into_response(),
            _ => (head, Html("<title>Report</title><p id=text>rows</p>")).into_response(),
        }
    }

    /// Returns what the requests of a herd had in their heads, and how many calls they cost: the answers are kept back until
    /// all of it have asked.
    async fn herd<T>(&self, herd: impl Future<Output = Result<T, Fault>>) -> Result<(Vec<HeaderMap>, usize, T), Fault> {
        self.gate.send_replace(false);
        self.calls.store(0, SeqCst);
        self.asked.lock().unwrap().clear();
        let open = async {
            // On a flight, or called for by itself.
            let all = async {
                while self.group.stats().callers.max(self.calls.load(SeqCst)) < BROWSERS {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            let all = timeout(Duration::from_secs(60), all).await;
            self.gate.send_replace(true);
            all.map_err(|_| format!("{} have asked", self.asked.lock().unwrap().len()))
        };
        let (opened, answers) = tokio::join!(open, herd);
        opened?;
        let (asked, calls) = (self.asked.lock().unwrap().clone(), self.calls.load(SeqCst));
        assert_eq!((asked.len(), self.group.is_empty()), (BROWSERS, true));
        Ok((asked, calls, answers?))
    }
}

/// What the button does: the page is asked for with a condition, and is not to come from a cache.
async fn press_reload(browsers: &[Browser], page: &Page) -> Result<usize, Fault> {
    for browser in browsers {
        browser.client().goto(&page.address).await?;
    }
    let reload = async { Ok(try_join_all(browsers.iter().map(|browser| browser.client().refresh())).await?) };
    let (asked, calls, _) = page.herd(reload).await?;
    for headers in asked {
        assert_eq!(
            (&headers[header::IF_NONE_MATCH], headers[header::CACHE_CONTROL].as_bytes()),
            (&ETAG, &b"max-age=0"[..])
        );
    }
    for browser in browsers {
        assert_eq!(browser.text("text").await?, "rows");
    }
    Ok(calls)
}

/// The same by a script, which says how the cache is to be passed by.
async fn fetch(browsers: &[Browser], page: &Page, cache: &str) -> Result<(HeaderMap, usize), Fault> {
    let script = format!(
        "const done = arguments[0];
         fetch('/', {{ cache: '{cache}' }}).then((answer) => answer.text()).then(done, (error) => done('' + error))"
    );
    let fetch = async {
        let fetches = browsers.iter().map(|browser| browser.client().execute_async(&script, Vec::new()));
        Ok(try_join_all(fetches).await?)
    };
    let (mut asked, calls, answers) = page.herd(fetch).await?;
    for answer in answers {
        assert!(answer.as_str().is_some_and(|text| text.contains("rows")), "{answer}");
    }
    Ok((asked.remove(0), calls))
}

/// However long the slowest browser takes to ask, the others wait for the call that is kept back.
fn layer() -> HttpSingleflightLayer {
    HttpSingleflightLayer::new().fresh_wait(Duration::from_secs(60))
}

async fn reload(browsers: &[Browser]) -> Result<(), Fault> {
    let page = Page::serve(layer().key_validators()).await?;
    let calls = press_reload(browsers, &page).await?;
    println!("{BROWSERS} browsers that reload: {calls} calls");
    assert!(calls <= 2, "{calls} calls");
    for (cache, conditional) in [("no-cache", true), ("reload", false)] {
        let (asked, calls) = fetch(browsers, &page, cache).await?;
        println!("the same by fetch, {cache}: {calls} calls");
        assert_eq!(asked.contains_key(header::IF_NONE_MATCH), conditional);
        assert!(calls <= 2, "{cache}: {calls} calls");
    }

    // One browser asks at once where its cache does not matter.
    let script = format!(
        "const done = arguments[0];
         const fetches = Array.from({{ length: {BROWSERS} }}, () => fetch('/', {{ cache: 'reload' }}));
         Promise.all(fetches).then((answers) => done(answers.length), (error) => done('' + error))"
    );
    let fetches = async { Ok(browsers[0].client().execute_async(&script, Vec::new()).await?) };
    let (_, calls, answers) = page.herd(fetches).await?;
    assert_eq!(answers, BROWSERS);
    assert!(calls <= 2, "{calls} calls");

    // Without the setting a condition goes alone.
    let page = Page::serve(layer()).await?;
    assert_eq!(press_reload(browsers, &page).await?, BROWSERS);
    let (_, calls) = fetch(browsers, &page, "reload").await?;
    assert!(calls <= 2, "{calls} calls");
    Ok(())
}

#[tokio::test]
async fn browsers_that_reload_a_page_with_an_etag_at_once_cost_two_calls() {
    let started = join_all((0..BROWSERS).map(|_| Browser::start(800))).await;
    let browsers: Vec<_> = started.into_iter().filter_map(Result::unwrap).collect();
    if browsers.is_empty() {
        return;
    }
    let result = reload(&browsers).await;
    for browser in browsers {
        browser.close().await.unwrap();
    }
    result.unwrap();
}
