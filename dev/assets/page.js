// Shows arrivals as they come and publishes without leaving the page. Without
// this file the page does the same by reloading.

const pause = 300; // ms; arrivals in quick succession are followed and announced as one

const { run, last, longest } = document.body.dataset;
const byId = (id) => document.getElementById(id);
const listOf = (channel) => document.querySelector(`#${channel} .list`);

// What is published.

let fading;

function notify(text, bad = false) {
  byId("notice").textContent = text;
  byId("notice").classList.toggle("bad", bad);
  clearTimeout(fading);
  if (!bad) fading = setTimeout(() => notify(""), 4000);
}

async function publish(form) {
  const button = form.querySelector("button");
  button.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(form.action, { method: "POST", headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(await response.text());
    const { published } = await response.json();
    notify(published.length === 1 ? `Published ${published[0]}.` : "Published one event of each type.");
  } catch (error) {
    notify(error instanceof TypeError ? "Tocsin does not answer. Is it still running?" : error.message, true);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  publish(event.target);
});

const copy = byId("copy");
copy.hidden = false;
copy.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(byId("line").textContent);
    copy.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(byId("line")); // where the browser gives no clipboard
    copy.textContent = "Selected";
  }
  setTimeout(() => { copy.textContent = "Copy"; }, 2000);
});

// What arrived.

// The newest mail and request open by themselves, as long as the person has
// not opened another.

const mailFrame = document.querySelector("iframe[name=mail]");
let opened; // the mail in the frame
let opening;

function markOpened(item) {
  opened?.querySelector("a").removeAttribute("aria-current");
  opened = item;
  opened.querySelector("a").setAttribute("aria-current", "true");
}

function openMail(item) {
  markOpened(item);
  clearTimeout(opening);
  // replace, so that the back button leaves the page and not a mail
  opening = setTimeout(() => mailFrame.contentWindow.location.replace(item.querySelector("a").href), pause);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[target=mail]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openMail(link.closest("li"));
});

function followMail(item) {
  const readable = item.querySelector("a");
  if (readable && opened === (nextReadable(item) ?? undefined)) openMail(item);
}

function nextReadable(item) {
  let next = item.nextElementSibling;
  while (next && !next.querySelector("a")) next = next.nextElementSibling;
  return next;
}

function followRequest(item) {
  const before = item.nextElementSibling;
  if (!before || before.querySelector("details").open) item.querySelector("details").open = true;
}

function show({ channel, title, html }) {
  const template = document.createElement("template");
  template.innerHTML = html; // made and escaped by the server
  const item = template.content.querySelector("li");
  const list = listOf(channel);
  item.classList.add("new");
  list.prepend(item);
  if (channel === "email") followMail(item);
  if (channel === "webhook") followRequest(item);
  while (list.children.length > longest) list.lastElementChild.remove();
  const total = document.querySelector(`#${channel} .total`);
  total.textContent = Number(total.textContent) + 1;
  announce(channel, title);
}

let heard = [];
let speaking;

function announce(channel, title) {
  heard.push(`${byId(`${channel}-label`).firstChild.textContent.trim()}: ${title}`);
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    byId("announce").textContent = heard.length > 4 ? `${heard.length} notifications arrived.` : heard.join(". ");
    heard = [];
  }, pause);
}

// The stream.

function live(text, up) {
  byId("live").textContent = text;
  byId("live").classList.toggle("up", up);
}

const stream = new EventSource(`/stream?after=${last}`);
stream.addEventListener("open", () => live("Live", true));
stream.addEventListener("error", () => live("Reconnecting …", false));
stream.addEventListener("arrival", (event) => show(JSON.parse(event.data)));
stream.addEventListener("run", (event) => {
  if (event.data !== run) location.reload(); // started anew: what is shown here has been forgotten
});

const newestMail = listOf("email").querySelector("li:has(a)");
if (newestMail) markOpened(newestMail);
const newestRequest = listOf("webhook").querySelector("details");
if (newestRequest) newestRequest.open = true;
