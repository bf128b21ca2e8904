// What htmx leaves to do: menus that close, arrow keys in the table, and a word
// when the server cannot be reached. Without this file everything still works.
"use strict";

const openMenus = () => document.querySelectorAll("details.menu[open]");

document.addEventListener("click", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of openMenus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
    return;
  }
  const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!move || !event.target.matches?.(".switch")) return;
  const next = neighbour(event.target.closest("td"), ...move);
  if (next) {
    event.preventDefault();
    next.focus();
  }
});

// neighbour is the next switch in a direction, past cells that have none.
function neighbour(cell, down, right) {
  const rows = [...document.querySelectorAll("#table tbody tr:not(.group)")];
  let y = rows.indexOf(cell.parentElement), x = cell.cellIndex;
  do {
    y += down;
    x += right;
    const found = rows[y]?.cells[x]?.querySelector(".switch");
    if (found) return found;
  } while (rows[y]?.cells[x]);
  return null;
}

// A choice from a menu closes it, and leaves the keyboard where it was opened.
document.addEventListener("htmx:afterRequest", (event) => {
  const menu = event.detail.elt.closest?.("details.menu");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

for (const trouble of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(trouble, () => say("The server could not be reached. Nothing was changed."));
}

function say(text) {
  const line = document.createElement("p");
  line.className = "toast bad";
  line.textContent = text;
  document.getElementById("status").replaceChildren(line);
}

// One box ticks all of a list, in the ops console.
document.addEventListener("change", (event) => {
  const name = event.target.dataset?.all;
  if (name) for (const box of event.target.form.querySelectorAll(`input[type=checkbox][name="${name}"]`)) box.checked = event.target.checked;
});

// What comes in the place of something has its details closed. Those that somebody
// has opened stay open, as htmx keeps the focus on what has the same id.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (!detail.shouldSwap) return;
  const opened = [...detail.target.querySelectorAll("details[id][open]")].map((details) => details.id);
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  }, { once: true });
});

// What is asked for from time to time does not replace a form that is open.
document.addEventListener("htmx:beforeRequest", (event) => {
  const elt = event.detail.elt;
  if (elt.matches("[hx-trigger^=every]") && elt.querySelector("details[open] form")) event.preventDefault();
});
