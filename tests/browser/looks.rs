//! How the live page looks and is used: in the dark, by keyboard, on a phone. Where there is no chromedriver, a line says that
//! the test was skipped. One browser for all of it, since to start one takes longest.

use browser_tests::{Browser, Fault, Site};
use fantoccini::key::Key;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower_singleflight::{
    Group,
    fleet::{Fleet, MemoryEngine},
    http::StatusPage,
};

/// Returns each text on the page that is hard to read: with less contrast than WCAG 2.2 asks for (1.4.3), which is 4.5 to 1.
/// What is seldom seen is made to show for it. The first of them says how many texts there are.
const FAINT: &str = "
    document.getElementById('off-tile').hidden = false;
    document.getElementById('state').classList.add('lost');
    document.getElementById('pause').setAttribute('aria-pressed', 'true');
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const luminance = (colour) => {
        const [r, g, b] = channels(colour).map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor;
            const alpha = channels(colour)[3] ?? 1;
            if (alpha === 1) return colour;
            if (alpha > 0) throw new Error('what is half transparent is not known here');
        }
        throw new Error('the page has no ground');
    };
    const faint = [];
    let texts = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const look = (element, text) => {
        if (!text.trim() || !element.checkVisibility({ visibilityProperty: true })) return;
        texts += 1;
        const [a, b] = [luminance(getComputedStyle(element).color), luminance(ground(element))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5 || getComputedStyle(element).opacity !== '1') faint.push(text.trim() + ' ' + contrast.toFixed(2));
    };
    while (walker.nextNode()) look(walker.currentNode.parentElement, walker.currentNode.textContent);
    for (const input of document.querySelectorAll('input')) look(input, 'typed');
    return [texts, ...faint];
";

/// Returns each shape that is hard to see: with less contrast than WCAG 2.2 asks for (1.4.11), which is 3 to 1. Colours that are
/// forced upon the page leave these as they are. The first of them says how many shapes there are.
const PALE: &str = "
    const luminance = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const of = (selector, property) => [...document.querySelectorAll(selector)].map((e) => [selector + ' ' + e.className, getComputedStyle(e)[property]]);
    const chart = getComputedStyle(document.querySelector('.chart')).backgroundColor;
    const page = getComputedStyle(document.body).backgroundColor;
    const shapes = [...of('.chart path', 'fill').map((shape) => [...shape, chart]), ...of('.legend .mark', 'backgroundColor').map((shape) => [...shape, page]),
        ...of('input', 'borderTopColor').map((shape) => [...shape, page])];
    const pale = shapes.map(([name, colour, ground]) => {
        const [a, b] = [luminance(colour), luminance(ground)];
        return [name, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    }).filter(([, contrast]) => contrast < 3);
    return [shapes.length, ...pale];
";

/// Returns what is wrong with how the page is built: headings, heads of tables, names of what takes the focus, and whatever
/// moves by itself.
const BUILT: &str = "
    const wrong = [];
    const visible = (selector) => [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility());
    let level = 0;
    for (const heading of visible('h1, h2, h3, h4, h5, h6')) {
        const next = Number(heading.tagName[1]);
        if (next > level + 1 || (next === 1) !== (level === 0)) wrong.push('heading ' + heading.textContent);
        level = next;
    }
    for (const table of visible('table')) {
        for (const th of table.tHead.querySelectorAll('th')) if (th.scope !== 'col') wrong.push('no column: ' + th.textContent);
        for (const tr of table.tBodies[0].rows) if (tr.querySelectorAll('th[scope=row]').length !== 1) wrong.push('no row: ' + tr.textContent);
        if (table.tHead.querySelector('td')) wrong.push('a head is no head');
    }
    for (const e of visible('button, a, input, [tabindex]')) {
        const named = e.ariaLabel || e.textContent.trim() || [...e.labels ?? []].map((label) => label.textContent.trim()).join('');
        if (!named) wrong.push('no name: ' + e.outerHTML.slice(0, 200));
        if (e.tabIndex > 0) wrong.push('out of turn: ' + e.outerHTML.slice(0, 200));
        if (e.hasAttribute('tabindex') && e.getAttribute('role') !== 'region') wrong.push('no role: ' + e.outerHTML.slice(0, 200));
    }
    for (const e of document.querySelectorAll('*')) {
        const style = getComputedStyle(e);
        const still = style.animationName === 'none' && style.transitionDuration === '0s' && style.scrollBehavior === 'auto';
        if (!still) wrong.push('it moves: ' + e.outerHTML.slice(0, 200));
    }
    if (document.getAnimations().length) wrong.push('it is moving');
    return wrong;
";

/// Returns all that can be used and is seen, in the order of the page.
const USABLE: &str = "
    window.usable = [...document.querySelectorAll('a[href], button, input, [tabindex=\"0\"]')].filter((e) => e.checkVisibility());
    usable[0].focus();
    return usable.length;
";

/// Returns which of these has the focus; or what is wrong with how that is seen, or where.
const FOCUSED: &str = "
    const e = document.activeElement, at = usable.indexOf(e), style = getComputedStyle(e);
    if (!e.matches(':focus-visible') || style.outlineStyle !== 'solid' || parseFloat(style.outlineWidth) < 2) return 'unseen: ' + e.outerHTML.slice(0, 200);
    const [box, before] = [e, usable[at - 1] ?? e].map((e) => e.getBoundingClientRect());
    const below = box.top >= before.top - 1 || (box.left > before.left && box.bottom > before.top);
    return below ? at : 'above the one before: ' + e.outerHTML.slice(0, 200);
";

async fn emulate(browser: &Browser, scheme: &str, motion: &str) -> Result<(), Fault> {
    let features = json!([
        { "name": "prefers-color-scheme", "value": scheme },
        { "name": "prefers-reduced-motion", "value": motion },
    ]);
    browser.command("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
    Ok(())
}

async fn phone(browser: &Browser, width: u32) -> Result<(), Fault> {
    let size = json!({ "width": width, "height": 740, "deviceScaleFactor": 2, "mobile": true });
    browser.command("Emulation.setDeviceMetricsOverride", size).await?;
    Ok(())
}

async fn can_be_read(browser: &Browser) -> Result<(), Fault> {
    let Value::Array(found) = browser.run(FAINT).await? else { return Err("no list".into()) };
    assert!(found[0].as_u64().is_some_and(|texts| texts > 100), "there is text to look at: {}", found[0]);
    assert_eq!(found[1..], [Value::Null; 0], "it is hard to read");
    assert_eq!(browser.run(PALE).await?, json!([7]), "it is hard to see");
    Ok(())
}

async fn can_be_used(browser: &Browser) -> Result<(), Fault> {
    assert_eq!(browser.run(BUILT).await?, json!([]));
    let usable = browser.run(USABLE).await?.as_u64().unwrap_or_default();
    assert!(usable > 15, "there are buttons, tables and a link: {usable}");
    // Whoever comes by a script sees no focus: on by a key, and back.
    let (on, back) = (Key::Tab.to_string(), format!("{}{}", Key::Shift, Key::Tab));
    browser.client().active_element().await?.send_keys(&on).await?;
    browser.client().active_element().await?.send_keys(&back).await?;
    for number in 0..usable {
        assert_eq!(browser.run(FOCUSED).await?, number);
        browser.client().active_element().await?.send_keys(&on).await?;
    }
    Ok(())
}

/// A page with all that it may have.
fn full_page() -> (StatusPage, Group<u64, ()>) {
    let long = "a name that somebody has given and that is longer than a telephone is wide, with-a-word-that-cannot-be-broken-anywhere";
    let page = StatusPage::new();
    let group = Group::new().observed(page.named(long));
    let stats = group.clone();
    let page = page.group(long, move || stats.stats()).fleet(long, Fleet::new(MemoryEngine::new(), [7; 32]));
    // Without a place to break it.
    let unbroken = "W".repeat(128);
    let odd = Group::new().observed(page.named(&unbroken));
    let page = page.group(&unbroken, move || Group::<u64, ()>::stats(&odd)).section(&unbroken, String::new);
    let page = page.section(long, || "red     /reports/{id}  1,000  answers differ where x-tenant differs\n".repeat(3));
    (page, group)
}

#[tokio::test]
async fn it_is_read_and_used_in_both_schemes_by_keyboard_and_on_a_phone() {
    let Some(browser) = Browser::start(1_200).await.unwrap() else { return };
    let result = looks(&browser).await;
    browser.close().await.unwrap();
    result.unwrap();
}

async fn looks(browser: &Browser) -> Result<(), Fault> {
    let (page, group) = full_page();
    let site = Site::start(([127, 0, 0, 1], 0).into(), page)?;
    let mut calls = JoinSet::new();
    site.send(&mut calls, "/reports/1", 100, false);
    site.send(&mut calls, "/pages/2", 3, true);
    calls.spawn(async move { group.call(7, std::future::pending::<()>).await.value });
    browser.client().goto(&format!("http://{}/status", site.address())).await?;
    browser.until_text("under-way", "104").await?;
    browser.until("return document.querySelectorAll('#routes tbody tr').length", 3).await?;
    browser.until("return document.querySelectorAll('#largest tbody tr').length", 2).await?;

    let mut grounds = Vec::new();
    for (scheme, motion) in [("light", "no-preference"), ("dark", "reduce")] {
        emulate(browser, scheme, motion).await?;
        grounds.push(browser.run("return getComputedStyle(document.body).backgroundColor").await?);
        can_be_read(browser).await?;
        can_be_used(browser).await?;
    }
    assert_ne!(grounds[0], grounds[1], "the dark scheme is another one");

    // As narrow as WCAG 2.2 asks for (1.4.10), which is a window of 1280 at 400 %.
    phone(browser, 320).await?;
    browser.until("return document.documentElement.clientWidth", 320).await?;
    assert_eq!(browser.run("return document.documentElement.scrollWidth").await?, 320, "it is wider than the window");
    can_be_used(browser).await
}
