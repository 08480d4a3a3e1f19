// Keeps the parts of a page marked data-live up to date: the page itself is asked for again, and
// parts that have changed are replaced. Everything works without this, by links and forms.
"use strict";

let tag = null;
let newest = 0;
let timer = 0;
const picked = [];

async function refresh(address = location.href) {
  const number = ++newest;
  const headers = tag && tag.address === address ? { "If-None-Match": tag.value } : {};
  let response;
  try {
    response = await fetch(address, { headers, cache: "no-store" });
  } catch {
    return say("The server does not answer. Start hybrid-parsl ui again.");
  }
  if (response.status === 403) return say("The server was started again. Open its new address.");
  say("");
  if (response.status === 304) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  if (number !== newest) return; // a later request is on its way
  tag = { address, value: response.headers.get("ETag") };
  document.body.dataset.poll = fresh.body.dataset.poll;
  if (document.title !== fresh.title) document.title = fresh.title;
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (other && other.innerHTML !== part.dataset.shown) replace(part, other);
  }
}

function replace(part, fresh) {
  const shown = fresh.innerHTML;
  if (part.dataset.shown === undefined && shown === part.innerHTML) {
    part.dataset.shown = shown;
    return;
  }
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  const log = part.querySelector(".log");
  const isAtEnd = log && log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  const scrolled = [...part.querySelectorAll(".scroll, .log")].map((each) => [each.scrollLeft, each.scrollTop]);
  part.replaceChildren(...document.adoptNode(fresh).childNodes);
  part.dataset.shown = shown;
  part.querySelectorAll(".scroll, .log").forEach((each, place) => {
    if (scrolled[place]) [each.scrollLeft, each.scrollTop] = scrolled[place];
  });
  if (isAtEnd) toEnd(part);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  showPicked();
}

function say(message) {
  const place = document.getElementById("offline");
  if (place.textContent !== message) place.textContent = message;
}

function poll() {
  clearTimeout(timer);
  const pause = Number(document.body.dataset.poll);
  if (!pause) return;
  timer = setTimeout(async () => {
    if (document.visibilityState === "visible") await refresh();
    poll();
  }, pause);
}

function toEnd(part) {
  const log = part.querySelector(".log");
  if (log) log.scrollTop = log.scrollHeight;
}

// The table of runs: search and sort without leaving the page, with everything in its address.
function showTable(form, submitter) {
  const address = new URL(form.action);
  for (const [key, value] of new FormData(form)) if (value) address.searchParams.set(key, value);
  if (submitter?.name) address.searchParams.set(submitter.name, submitter.value);
  history.replaceState(null, "", address);
  return refresh(address.href);
}

function showPicked() {
  const button = document.getElementById("compare-button");
  if (!button) return;
  for (const box of document.querySelectorAll(".pick input")) box.checked = picked.includes(box.value);
  button.disabled = picked.length !== 2;
  button.classList.toggle("ready", picked.length === 2);
  button.textContent = picked.length === 1 ? "Compare with a second run" : "Compare two runs";
}

document.addEventListener("change", (event) => {
  if (event.target.matches(".pick input")) {
    const place = picked.indexOf(event.target.value);
    if (place >= 0) picked.splice(place, 1);
    if (event.target.checked) picked.push(event.target.value);
    if (picked.length > 2) picked.shift();
    showPicked();
  } else if (event.target.form?.matches("[data-live-form]")) {
    showTable(event.target.form);
  }
});

let typing = 0;
document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-live-form] input")) return;
  clearTimeout(typing);
  typing = setTimeout(() => showTable(event.target.form), 120);
});

document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-live-form]")) {
    event.preventDefault();
    clearTimeout(typing);
    showTable(event.target, event.submitter);
  } else if (event.target.id === "compare" && picked.length === 2) {
    event.preventDefault(); // one of them may be on another page of the table
    location.assign(`/compare?${new URLSearchParams({ a: picked[0], b: picked[1] })}`);
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = document.getElementById("q");
  if (!search || event.target.matches("input, select, textarea")) return;
  event.preventDefault();
  search.select();
});

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && Number(document.body.dataset.poll)) refresh().then(poll);
});

document.querySelectorAll("[data-follows]").forEach(toEnd);
for (const box of document.querySelectorAll(".pick input:checked")) picked.push(box.value);
showPicked();
poll();
