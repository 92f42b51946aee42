//! Takes the picture of the live page that the documentation shows: `cargo run --release -p browser-tests -- docs/status.png`.
//! It sends requests for a minute and a half first, so that there is something to see.

use std::{
    cmp::Reverse, collections::HashMap, env, f64::consts::TAU, fs, io::Cursor, process::ExitCode, time::Duration,
};

use axum::{Router, body::Body, extract::Request, http::header, routing::get};
use base64::{Engine, prelude::BASE64_STANDARD};
use browser_tests::{Browser, Fault};
use png::{ColorType, Compression, Decoder, Encoder, Filter};
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{Instant, interval, sleep},
};
use tower::ServiceExt;
use tower_singleflight::{HttpSingleflightLayer, Limits, http::StatusPage};

/// How long requests are sent.
const TIME: Duration = Duration::from_secs(90);

/// A route, a path on it, how many ms its handler takes, and how many are asked for it in each tenth of a second.
const ROUTES: [(&str, &str, u64, f64); 7] = [
    ("/reports/{id}", "/reports/7", 180, 14.0),
    ("/users/{id}/feed", "/users/12/feed", 90, 9.0),
    ("/search", "/search?q=lamp", 240, 7.0),
    ("/prices/{region}", "/prices/eu", 60, 6.0),
    ("/stock", "/stock", 40, 4.0),
    ("/export/{id}", "/export/3", 4_000, 0.3),
    ("/health", "/health", 1, 1.0),
];

#[tokio::main]
async fn main() -> ExitCode {
    let path = env::args().nth(1).unwrap_or_else(|| "docs/status.png".to_owned());
    match take(&path).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn take(path: &str) -> Result<(), Fault> {
    let Some(browser) = Browser::start(1_000).await? else { return Ok(()) };
    let page = StatusPage::new();
    let limits = Limits::new().max_wait(Duration::from_millis(3_500));
    let layer = HttpSingleflightLayer::new().limits(limits).observe(page.clone());
    let group = layer.get_group().clone();
    let mut app = Router::new();
    for (route, _, millis, _) in ROUTES {
        let handler = move || async move {
            sleep(Duration::from_millis(millis)).await;
            "rows"
        };
        app = app.route(route, get(handler));
    }
    let app = app.layer(layer).nest_service("/status", page.group("site", move || group.stats()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app.clone()).into_future());

    browser.client().goto(&format!("http://{address}/status")).await?;
    let load = tokio::spawn(load(app));
    sleep(TIME).await;
    let height = browser.run("return document.documentElement.scrollHeight").await?.as_u64().unwrap_or(1_000);
    browser.client().set_window_size(1_000, u32::try_from(height)?.saturating_add(140)).await?;
    sleep(Duration::from_secs(1)).await;
    // While something is under way.
    browser.until("return document.querySelectorAll('#largest tbody tr').length > 4", true).await?;
    let picture = browser.client().screenshot().await?;
    let picture = in_few_colours(&picture)?;
    fs::write(path, &picture)?;
    // As the documentation embeds it, which has no other files.
    fs::write(format!("{path}.base64"), BASE64_STANDARD.encode(&picture))?;
    println!("{path}: {} bytes", picture.len());
    load.abort();
    browser.close().await
}

/// Sends requests for ever.
async fn load(app: Router) -> Result<(), Fault> {
    let (start, mut ticks, mut calls) = (Instant::now(), interval(Duration::from_millis(100)), JoinSet::new());
    let mut due = [0.0; ROUTES.len()];
    let mut number = 0_u32;
    loop {
        ticks.tick().await;
        let up = start.elapsed().as_secs_f64();
        // More and less over half a minute, with one herd.
        let busy = 1.0 + 0.6 * (up / 30.0 * TAU).sin() + if (50.0..54.0).contains(&up) { 3.0 } else { 0.0 };
        for ((_, path, _, rate), due) in ROUTES.iter().zip(&mut due) {
            *due += rate * busy;
            while *due >= 1.0 {
                *due -= 1.0;
                number += 1;
                let mut request = Request::get(*path).header(header::HOST, "shop");
                if number % 11 == 0 {
                    request = request.header(header::COOKIE, "session=7");
                } else if number % 29 == 0 {
                    request = request.header(header::AUTHORIZATION, "Bearer 7");
                }
                let (app, request) = (app.clone(), request.body(Body::empty())?);
                calls.spawn(async move { app.oneshot(request).await });
            }
        }
        while calls.try_join_next().is_some() {}
    }
}

/// Returns a picture in its 256 most frequent colours, which are nearly all that it has: less than half of the size.
fn in_few_colours(picture: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut reader = Decoder::new(Cursor::new(picture)).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("too large")?];
    let frame = reader.next_frame(&mut pixels)?;
    let pixels: Vec<_> =
        pixels.chunks_exact(frame.color_type.samples()).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    let mut counts: HashMap<[u8; 3], usize> = HashMap::new();
    pixels.iter().for_each(|pixel| *counts.entry(*pixel).or_default() += 1);
    let mut palette: Vec<_> = counts.keys().copied().collect();
    palette.sort_unstable_by_key(|colour| (Reverse(counts[colour]), *colour));
    palette.truncate(256);
    let distance =
        |a: &[u8; 3], b: &[u8; 3]| a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum::<u32>();
    let nearest = |colour: &[u8; 3]| (0..=u8::MAX).zip(&palette).min_by_key(|(_, known)| distance(colour, known));
    let places: HashMap<_, _> = counts.keys().filter_map(|colour| Some((*colour, nearest(colour)?.0))).collect();
    let indices: Vec<u8> = pixels.iter().map(|pixel| places[pixel]).collect();
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, frame.width, frame.height);
    encoder.set_color(ColorType::Indexed);
    encoder.set_palette(palette.concat());
    encoder.set_compression(Compression::High);
    encoder.set_filter(Filter::NoFilter);
    encoder.write_header()?.write_image_data(&indices)?;
    Ok(out)
}
