/* Elements. All text of the model goes through here, as text: nothing of it is ever read as HTML. */

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== "") element.append(child);
  }
  return element;
}

/** An HTML element with attributes, listeners (`onclick`) and children, which are elements or text. */
function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function replace(parent, ...children) {
  parent.replaceChildren();
  return fill(parent, {}, children);
}

/** The items as elements, so many at first, and a button for more. */
function growing(container, items, make, first) {
  let shown = 0;
  const place = el("div");
  const button = el("button", { type: "button", class: "more" });
  button.addEventListener("click", () => {
    const before = container.children.length;
    grow(Math.max(first, 200));
    container.children[before]?.querySelector("button, a")?.focus();
  });
  function grow(count) {
    for (const item of items.slice(shown, shown + count)) container.append(make(item));
    shown = Math.min(items.length, shown + count);
    button.textContent = `Show more (${number(items.length - shown)} left)`;
    button.hidden = shown === items.length;
  }
  grow(first);
  return fill(place, {}, [container, button]);
}

/** The item with its plural: `1 account`, `3 accounts`. */
function count(many, word, plural) {
  return `${number(many)} ${many === 1 ? word : plural || word + "s"}`;
}

function number(value) {
  return value.toLocaleString("en");
}

/** A text cut to so many characters. */
function cut(text, length) {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

const SANS = getComputedStyle(document.documentElement).getPropertyValue("--sans");
const MONO = getComputedStyle(document.documentElement).getPropertyValue("--mono");
const FONTS = { name: `600 14px ${SANS}`, tile: `500 11.5px ${SANS}`, row: `11.5px ${SANS}`, subject: `11px ${MONO}` };
const ruler = document.createElement("canvas").getContext("2d");

/** How wide a text is in a font, in pixels. */
function widthOf(text, font) {
  ruler.font = font;
  return ruler.measureText(text).width;
}

/** A text cut to a width. */
function cutTo(text, width, font) {
  if (widthOf(text, font) <= width) return text;
  let kept = Math.min(text.length, 200);
  while (kept > 1 && widthOf(`${text.slice(0, kept)}…`, font) > width) kept -= 1;
  return `${text.slice(0, kept)}…`;
}

const DAY = 86400;

/** A day as 2026-11-26, in UTC, of unix seconds; the seconds themselves beyond the years that JavaScript knows. */
function day(seconds) {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace(/T.*/, "");
}

/** How far away a time is. */
function away(seconds, now) {
  const distance = Math.abs(seconds - now);
  const days = Math.floor(distance / DAY);
  const hours = Math.floor(distance / 3600);
  const words = days >= 730 ? `${Math.floor(days / 365)} years` : days ? count(days, "day") : hours ? count(hours, "hour") : "minutes";
  return seconds < now ? `${words} ago` : `in ${words}`;
}

/** A span of seconds as the options of the collection write it. */
function span(seconds) {
  for (const [unit, size] of [
    ["d", DAY],
    ["h", 3600],
    ["m", 60],
  ])
    if (seconds % size === 0) return `${seconds / size}${unit}`;
  return `${seconds}s`;
}
