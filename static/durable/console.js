/* What a page gains from a script: it works without. */
"use strict";

(() => {
  const MINUTE = 60, HOUR = 3600, DAY = 86400;
  const two = (n) => String(n).padStart(2, "0");

  /* The same words as the server's: dashboard/wording.py. */
  function took(seconds) {
    const s = Math.max(seconds, 0);
    if (s < 0.9995) return `${Math.round(s * 1000)} ms`;
    if (s < 9.995) return `${s.toFixed(2)} s`;
    if (s < 59.95) return `${s.toFixed(1)} s`;
    const whole = Math.round(s);
    const d = Math.floor(whole / DAY), h = Math.floor((whole % DAY) / HOUR);
    const m = Math.floor((whole % HOUR) / MINUTE);
    if (d) return `${d} d ${h} h ${m} m`;
    return h ? `${h} h ${two(m)} m` : `${m} m ${two(whole % MINUTE)} s`;
  }

  function rough(seconds) {
    const s = Math.floor(Math.max(seconds, 0));
    if (s < 60) return `${s} s`;
    const m = Math.floor(s / MINUTE), h = Math.floor(m / 60);
    if (m < 60) return `${m} m`;
    return h < 24 ? `${h} h ${two(m % 60)} m` : `${Math.floor(h / 24)} d ${h % 24} h`;
  }

  const SAY = {
    ago: (s) => `${rough(s)} ago`,
    since: (s) => (s < 60 ? `${Math.max(Math.round(s), 0)} s` : took(s)),
    until: (s) => (s >= 0 ? "now" : rough(-s)),
  };

  function tick() {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time[data-tick]")) {
      const say = SAY[time.dataset.tick];
      const text = say && say((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (text && text !== time.textContent) time.textContent = text;
    }
  }
  setInterval(tick, 1000);

  /* "/" goes to the search of the page, or of the bar; Escape leaves it and closes menus. */
  function visible(element) {
    return element.getClientRects().length > 0;
  }
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const boxes = [...document.querySelectorAll("[data-slash]")].filter(visible);
      if (boxes.length) {
        event.preventDefault();
        boxes[boxes.length - 1].focus();
      }
    }
    if (event.key === "Escape") {
      if (typing) event.target.blur();
      closeMenus();
    }
  });
  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details.d-menu[open]")) if (menu !== except) menu.open = false;
  }
  document.addEventListener("click", (event) => closeMenus(event.target.closest("details.d-menu")));

  /* <button data-copy="text" hidden>: shown where a script can copy. */
  function offerCopies() {
    if (!navigator.clipboard) return;
    for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
  }
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.dataset.copied = "";
    setTimeout(() => delete button.dataset.copied, 1200);
  });

  /* A hidden tab asks for nothing, nor a part in which a person selects text or has a field in use. */
  document.addEventListener("htmx:beforeRequest", (event) => {
    const element = event.detail.elt;
    if (!element.hasAttribute("data-poll")) return;
    const selection = document.getSelection();
    const selecting = selection && !selection.isCollapsed && element.contains(selection.anchorNode);
    const active = document.activeElement;
    const typing = active && active.matches("input, select, textarea") && element.contains(active);
    const source = sources.get(element.dataset.news);
    const told = event.detail.requestConfig.triggeringEvent;
    const early = source && source.readyState === EventSource.OPEN && !told && Date.now() - source.asked < PATIENCE;
    if (document.hidden || selecting || typing || early) event.preventDefault();
    else if (source) source.asked = Date.now();
  });

  /* data-news="address": word of changes as they happen. What changed, the part asks for itself; while word comes,
     its own clock need not run as fast, and where none can come, the clock is enough. */
  const PATIENCE = 10000;
  const sources = new Map();
  function listen() {
    const wanted = new Set();
    for (const element of document.querySelectorAll("[data-news]")) if (!document.hidden) wanted.add(element.dataset.news);
    for (const [address, source] of sources) {
      if (wanted.has(address)) continue;
      source.close();
      sources.delete(address);
    }
    for (const address of wanted) {
      if (sources.has(address)) continue;
      const source = new EventSource(address);
      const tell = () => {
        for (const element of document.querySelectorAll("[data-news]")) {
          if (element.dataset.news === address) htmx.trigger(element, "durable:news");
        }
      };
      source.asked = 0;
      source.addEventListener("changed", tell);
      source.addEventListener("over", () => { source.close(); tell(); });
      sources.set(address, source);
    }
  }
  document.addEventListener("visibilitychange", listen);
  document.addEventListener("htmx:afterSwap", listen);
  listen();

  /* A list that grows while one watches keeps its newest lines. */
  const LINES = 1000;
  document.addEventListener("htmx:afterSwap", () => {
    for (const list of document.querySelectorAll("[data-tail]")) {
      while (list.children.length > LINES) list.firstElementChild.remove();
    }
  });
  document.addEventListener("durable:fresh", (event) => {
    const fresh = document.getElementById("fresh");
    if (fresh) fresh.textContent = event.detail.value;
  });
  document.addEventListener("htmx:afterSwap", () => { tick(); offerCopies(); });
  document.addEventListener("visibilitychange", tick);
  offerCopies();
})();
