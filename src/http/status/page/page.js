
"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  // The page may be at an address without a slash at its end, and its other paths are below it all the same. With the origin:
  // a path that begins with two slashes would name another server.
  const base = location.origin + location.pathname.replace(/\/*$/, "/");
  const FIRST = 100; // routes that are shown at once
  const SILENT = 3000; // ms without news

  const number = new Intl.NumberFormat("en");
  const count = (n) => number.format(n);
  const time = (ms) => {
    if (ms === null) return "–";
    if (ms < 10) return ms.toFixed(1) + " ms";
    if (ms < 1000) return Math.round(ms) + " ms";
    if (ms < 10_000) return (ms / 1000).toFixed(2) + " s";
    if (ms < 600_000) return (ms / 1000).toFixed(1) + " s";
    if (ms < 36_000_000) return Math.round(ms / 60_000) + " min";
    return count(Math.round(ms / 3_600_000)) + " h";
  };
  const size = (bytes) => {
    if (bytes < 1024) return bytes + " B";
    if (bytes < 1024 * 1024) return (bytes / 1024).toFixed(1) + " KiB";
    return (bytes / 1024 / 1024).toFixed(1) + " MiB";
  };
  const byReason = (counts) => Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([reason, n]) => reason + " " + count(n))
    .join(", ");
  const sum = (byRule) => Object.values(byRule).reduce((a, b) => a + b, 0);

  // Writes only what has changed, and always as text: names of routes come from elsewhere.
  const put = (element, text) => {
    text = String(text);
    if (element.textContent !== text) element.textContent = text;
  };
  const set = (id, text) => put(at(id), text);

  let latest = null; // the snapshot that came last, or that was there when the reader paused
  let heard = performance.now(); // the clock on the wall may be set
  let heardAt = null; // by that clock, for the reader
  let made = null;
  let restarted = null;
  let paused = false;
  let frame = 0;
  let source = null;
  let second = -1; // for which the slow parts were drawn
  let by = "calls";
  let descending = true;
  let all = false;

  // ---- news

  const connect = () => {
    if (source) source.close();
    source = null;
    // A hidden tab lets its connection go. Over HTTP/1.1 a browser has six to one server, for all its tabs: some hidden ones would
    // hold up the tabs that are looked at, this page's and the application's own.
    if (document.hidden) return;
    source = new EventSource(base + "events");
    source.onmessage = (event) => {
      const snapshot = JSON.parse(event.data);
      heard = performance.now();
      heardAt = new Date();
      if (made !== null && made !== snapshot.made) {
        restarted = new Date();
        second = -1;
      }
      made = snapshot.made;
      if (paused) return;
      latest = snapshot;
      draw();
    };
  };
  const look = () => {
    if (!source) return;
    const silent = performance.now() - heard;
    const state = at("state");
    const lost = silent > SILENT;
    state.classList.toggle("lost", lost);
    // Said once, not every second: it is read out.
    if (lost) put(state, heardAt ? "No news since " + heardAt.toLocaleTimeString() + "; trying again." : "No answer yet; trying again.");
    else if (paused) put(state, "Paused.");
    else if (restarted) put(state, "Live; the server was started anew at " + restarted.toLocaleTimeString() + ".");
    else if (latest) put(state, "Live.");
    // A browser does not ask again after some failures, and does not notice others.
    if (lost && (source.readyState === EventSource.CLOSED || silent % 10_000 < 1000)) connect();
  };

  // ---- drawing

  const draw = () => {
    if (!frame) frame = requestAnimationFrame(() => { frame = 0; if (latest) show(latest); });
  };

  const show = (s) => {
    at("main").hidden = false;
    look();
    const [led, followed, alone] = s.seconds.at(-1) ?? [0, 0, 0];
    set("rate", count(led + followed + alone));
    set("rate-more", led + followed + alone ? Math.round(100 * followed / (led + followed + alone)) + " % followed" : "");
    set("flights", count(s.now.flights));
    const listed = s.now.by_callers.reduce((a, b) => a + b, 0);
    set("flights-more", s.now.flights > listed ? count(listed) + " of them listed" : "");
    set("under-way", count(s.now.calls));
    set("under-way-more", s.now.flights ? (s.now.calls / s.now.flights).toFixed(1) + " for each flight" : "");
    set("oldest", s.now.oldest ? time(s.now.oldest.age) : "none");
    set("oldest-more", s.now.oldest ? s.now.oldest.route : "");
    set("saved", count(s.calls.saved));
    set("saved-more", s.calls.calls ? (100 * s.calls.saved / s.calls.calls).toFixed(1) + " % of all calls" : "");
    set("saved-wait", time(s.calls.saved_wait));
    set("held", size(s.held.reduce((sum, { bytes }) => sum + bytes, 0)));
    set("held-more", s.held.map(({ name, bytes }) => name + " " + size(bytes)).join(", "));
    const off = [...s.groups, ...s.fleets].reduce((sum, { observers_off }) => sum + observers_off, 0);
    at("off-tile").hidden = off === 0;
    set("off", count(off));
    for (const id of ["calls", "led", "followed", "panicked", "left"]) set(id, count(s.calls[id]));
    set("alone", count(sum(s.calls.alone)));
    set("released", count(sum(s.calls.released)));
    set("cut", count(s.cut));
    set("abandoned", count(s.flights.abandoned));
    set("lost", count(s.flights.lost));
    const names = ["one", "2 to 9", "10 to 99", "100 to 999", "1,000 or more"];
    const parts = s.now.by_callers.map((flights, i) => flights ? count(flights) + " with " + names[i] : "").filter(Boolean);
    set("by-callers", parts.length ? parts.join(", ") + "." : "No flight is under way.");
    at("largest-scroll").hidden = s.now.largest.length === 0;
    rows(at("largest"), s.now.largest, (f) => [f.flight, f.route, count(f.callers), time(f.age)], 1);
    // Once a second is often enough for what is large.
    const now = Math.floor(s.up / 1000);
    if (second !== now) {
      second = now;
      area(s.seconds);
      routes(s.routes);
      at("groups-section").hidden = s.groups.length === 0;
      rows(at("groups"), s.groups, (g) => [g.group, ...[g.in_flight, g.callers, g.waiting, g.led, g.followed, g.alone, g.saved, g.observers_off].map(count)], 1);
      at("fleets-section").hidden = s.fleets.length === 0;
      rows(at("fleets"), s.fleets, (f) => [f.fleet, f.skipping ? "skipped" : "asked", ...[f.led, f.followed, f.local, f.without_engine, f.lost, f.bad_messages, f.unfenced, f.untold, f.observers_off].map(count), byReason(f.local_by)], 1);
      sections(s.sections);
      set("version", s.version);
      set("up", ", up " + time(s.up));
    }
  };

  const area = (seconds) => {
    const top = nice(Math.max(1, ...seconds.map((calls) => calls[0] + calls[1] + calls[2])));
    // A minute at least, so that a server that has just begun shows something.
    const span = Math.max(60, seconds.length);
    const left = span - seconds.length;
    at("seconds").setAttribute("viewBox", "0 0 " + span + " 100");
    let floor = seconds.map(() => 0);
    ["led", "followed", "alone"].forEach((role, i) => {
      const roof = seconds.map((calls, x) => floor[x] + calls[i]);
      const point = (x, y) => (left + x + 0.5) + " " + (100 - 96 * y / top).toFixed(2);
      const up = roof.map((y, x) => point(x, y));
      const down = floor.map((y, x) => point(x, y)).reverse();
      at("area-" + role).setAttribute("d", up.length ? "M" + up.join("L") + "L" + down.join("L") + "Z" : "");
      floor = roof;
    });
    set("top", count(top) + " per second");
    set("span", (span < 120 ? span + " s" : Math.round(span / 60) + " minutes") + " ago");
    const [led, followed, alone] = seconds.at(-1) ?? [0, 0, 0];
    set("now-led", count(led));
    set("now-followed", count(followed));
    set("now-alone", count(alone));
    const most = Math.max(0, ...floor);
    set("seconds-text", "In the last whole second " + count(led) + " led, " + count(followed) + " followed and " + count(alone) + " went alone; at most " + count(most) + " calls in one second.");
  };
  // A round number above.
  const nice = (n) => {
    const ten = 10 ** Math.floor(Math.log10(n));
    return ten * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((m) => ten * m >= n);
  };

  // ---- tables

  const cells = (length, heads, numbers) => {
    const tr = document.createElement("tr");
    for (let i = 0; i < length; i++) {
      const cell = document.createElement(i < heads ? "th" : "td");
      if (i < heads) cell.scope = "row";
      if (numbers(i)) cell.className = "number";
      tr.append(cell);
    }
    return tr;
  };
  const rows = (table, items, texts, heads) => {
    const body = table.tBodies[0];
    const columns = table.tHead.rows[0].cells;
    while (body.rows.length > items.length) body.lastElementChild.remove();
    items.forEach((item, i) => {
      const tr = body.rows[i] ?? body.appendChild(cells(columns.length, heads, (c) => columns[c].className === "number"));
      texts(item).forEach((text, c) => put(tr.cells[c], text));
    });
  };

  const known = new Map(); // the rows of routes, by name
  const value = (route) => {
    if (by === "route") return route.route;
    if (by === "alone" || by === "released") return sum(route[by]);
    return route[by] ?? -1;
  };
  const rules = (route) => byReason(Object.fromEntries(Object.keys({ ...route.released, ...route.alone })
    .map((rule) => [rule, (route.alone[rule] ?? 0) + (route.released[rule] ?? 0)])));
  const routes = (list) => {
    const wanted = at("filter").value;
    const found = list.filter((route) => route.route.includes(wanted)).map((route) => [value(route), route]);
    const order = descending ? -1 : 1;
    found.sort(([a, x], [b, y]) => (a < b ? -order : a > b ? order : x.route < y.route ? -1 : 1));
    const shown = (all ? found : found.slice(0, FIRST)).map(([, route]) => row(route));
    const body = at("routes").tBodies[0];
    if (shown.length !== body.rows.length || shown.some((tr, i) => body.rows[i] !== tr)) body.replaceChildren(...shown);
    if (known.size > list.length) for (const name of known.keys()) if (!list.some((route) => route.route === name)) known.delete(name);
    set("shown", found.length > shown.length ? "The first " + shown.length + " of " + count(found.length) + "." : count(found.length) + (found.length === 1 ? " route." : " routes."));
    at("more").hidden = all || found.length <= FIRST;
  };
  const row = (route) => {
    let tr = known.get(route.route);
    if (!tr) known.set(route.route, tr = cells(10, 1, (c) => c > 0 && c < 9));
    const texts = [route.route, count(route.calls), count(route.led), count(route.followed), count(route.saved), count(sum(route.alone)), count(sum(route.released)), time(route.p50), time(route.p99), rules(route)];
    texts.forEach((text, c) => put(tr.cells[c], text));
    return tr;
  };

  const sections = (list) => {
    const place = at("sections");
    while (place.children.length > list.length) place.lastElementChild.remove();
    list.forEach(({ title, text }, i) => {
      let section = place.children[i];
      if (!section) {
        section = document.createElement("section");
        section.append(document.createElement("h2"), document.createElement("pre"));
        section.lastElementChild.tabIndex = 0;
        section.lastElementChild.setAttribute("role", "region");
        place.append(section);
      }
      put(section.firstElementChild, title);
      section.lastElementChild.setAttribute("aria-label", title);
      put(section.lastElementChild, text);
    });
  };

  // ---- what the reader does

  const again = () => { second = -1; draw(); };
  at("plain").href = base + "plain";
  at("filter").addEventListener("input", again);
  at("more").addEventListener("click", () => { all = true; again(); at("filter").focus(); });
  at("pause").addEventListener("click", () => {
    paused = !paused;
    at("pause").setAttribute("aria-pressed", String(paused));
    look();
    again();
  });
  for (const button of document.querySelectorAll("#routes thead button")) {
    button.addEventListener("click", () => {
      descending = by === button.dataset.by ? !descending : button.dataset.by !== "route";
      by = button.dataset.by;
      for (const th of document.querySelectorAll("#routes thead th")) th.removeAttribute("aria-sort");
      button.parentElement.setAttribute("aria-sort", descending ? "descending" : "ascending");
      again();
    });
  }
  document.addEventListener("visibilitychange", () => {
    heard = performance.now();
    connect();
  });
  setInterval(look, 1000);
  connect();
})();
