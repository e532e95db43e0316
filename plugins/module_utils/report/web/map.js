/* The trust map: the operator with its keys, accounts, and what leads from exports to imports. */

const MOST_LINKS = 160; // more are drawn for the selected account only

const map = { selected: null, focus: null, query: "", view: null, tiles: new Map(), layout: null };

function showMap(section) {
  map.svg = svg("svg", {
    role: "group",
    "aria-label": "Map of accounts. Arrow keys go from account to account, Enter selects, Escape clears, plus, minus and 0 zoom.",
  });
  map.search = el("input", {
    type: "search",
    placeholder: "Find an account, user or subject",
    "aria-label": "Find accounts by name, key, tag, user or subject",
    oninput: () => find(map.search.value),
  });
  map.found = el("output", { "aria-live": "polite" });
  map.only = el("button", { type: "button", hidden: true, onclick: () => onlyFound() }, "Show only these");
  map.all = el("button", { type: "button", hidden: true, onclick: () => narrow(null) }, "Show all accounts");
  map.panel = el("aside", { class: "panel", "aria-label": "Details", "aria-live": "polite", tabindex: "0" });
  const zoom = el(
    "div",
    { class: "zoom" },
    el("button", { type: "button", "aria-label": "Zoom in", onclick: () => scale(1 / 1.3) }, "+"),
    el("button", { type: "button", "aria-label": "Zoom out", onclick: () => scale(1.3) }, "−"),
    el("button", { type: "button", onclick: () => fit("all") }, "Show all"),
  );
  // The map comes after what searches it, so that the Tab key goes from left to right.
  const canvas = el("div", { class: "canvas" }, map.svg, el("div", { class: "search" }, map.search, map.found, map.only, map.all), zoom);
  section.append(el("div", { class: "stage" }, canvas, map.panel));
  listen();
  draw();
  showDetail();
}

/** Redraw what is shown. */
function draw() {
  const shown = map.focus ? [...map.focus] : accounts.map((_account, index) => index);
  map.layout = layOut(shown, (map.svg.getBoundingClientRect().width || 1000) - 80);
  map.tiles.clear();
  const layout = map.layout;
  const front = svg("g");
  map.lines = svg("g", { class: "lines" });
  for (const caption of layout.captions) front.append(svg("text", { class: "caption", x: caption.x, y: caption.y - 22 }, caption.text));
  if (layout.operator) front.append(operatorTile(layout.operator));
  for (const place of layout.boxes.values()) {
    const tile = layout.isDetailed ? card(place) : smallTile(place);
    map.tiles.set(place.index, tile);
    front.append(tile);
  }
  // Between cards lines are behind them; among tiles, which leave them no room, before them.
  replace(map.svg, ...(layout.isDetailed ? [map.lines, front] : [front, map.lines]));
  map.all.hidden = map.focus === null;
  rove(map.selected !== null && map.tiles.has(map.selected) ? map.selected : layout.boxes.keys().next().value);
  drawLinks();
  mark();
  fit();
}

// ---- tiles

function describe(index) {
  const account = accounts[index];
  const words = [
    `account ${account.name}`,
    count(usersOf[index].length, "user"),
    count((account.exports || []).length, "export"),
    count(importsOf[index].length, "import"),
  ];
  if (isTroubled(index)) words.push("something does not work");
  return words.join(", ");
}

function isTroubled(index) {
  return Boolean((accounts[index].refused || []).length) || importsOf[index].some(doesNotWork);
}

function tile(place, kind, ...children) {
  return svg(
    "g",
    {
      class: `tile ${kind}`,
      role: "button",
      tabindex: "-1",
      "aria-pressed": "false",
      "aria-label": describe(place.index),
      "data-account": place.index,
      transform: `translate(${place.x} ${place.y})`,
    },
    svg("title", {}, describe(place.index)),
    svg("rect", { class: "body", width: place.width, height: place.height, rx: kind === "compact" ? 6 : 9 }),
    ...children,
  );
}

function smallTile(place) {
  const account = accounts[place.index];
  const many = usersOf[place.index].length;
  const parts = [];
  if (many)
    parts.push(
      svg("rect", {
        class: "load",
        x: 9,
        y: place.height - 4.5,
        height: 1.5,
        rx: 0.75,
        width: Math.min(place.width - 18, 4 + 9 * Math.log2(1 + many)),
      }),
    );
  if (isTroubled(place.index)) parts.push(svg("circle", { class: "flag", cx: place.width - 10, cy: 12, r: 4 }));
  else if ((account.exports || []).length) parts.push(port(account.exports[0].type, place.width - 10, 12, false, false));
  parts.unshift(
    svg(
      "text",
      { class: "name", x: 9, y: 16 },
      cutTo(account.name, place.width - (parts.length > 1 || (!many && parts.length) ? 28 : 16), FONTS.tile),
    ),
  );
  return tile(place, "compact", ...parts);
}

/** The mark of an export or import: round for a service, square for a stream, hollow for a private one. */
function port(type, x, y, isPrivate, isIdle) {
  const kind = `port ${isPrivate ? "private" : ""} ${isIdle ? "idle" : ""}`;
  return type === "service"
    ? svg("circle", { class: kind, cx: x, cy: y, r: 4 })
    : svg("rect", { class: kind, x: x - 3.75, y: y - 3.75, width: 7.5, height: 7.5 });
}

function card(place) {
  const account = accounts[place.index];
  const parts = [
    svg("text", { class: "name", x: 14, y: 23 }, cutTo(account.name, place.width - 46, FONTS.name)),
    svg("text", { class: "sub", x: 14, y: 40 }, subtitle(place.index)),
  ];
  if (isTroubled(place.index)) parts.push(svg("circle", { class: "flag", cx: place.width - 16, cy: 19, r: 5 }));
  place.ports = { exports: new Map(), imports: new Map(), moreExports: null, moreImports: null };
  let y = CARD.header;
  for (const rows of cardRows(place.index)) {
    parts.push(svg("line", { class: "rule", x1: 0, x2: place.width, y1: y, y2: y }));
    y += CARD.pad / 2;
    for (const row of rows) {
      y += CARD.line;
      parts.push(...cardRow(row, place, y - 6));
    }
    y += CARD.pad / 2;
  }
  return tile(place, "card", ...parts);
}

function subtitle(index) {
  const words = [count(usersOf[index].length, "user")];
  if (accounts[index].system) words.unshift("system account");
  return words.join(", ");
}

function cardRow(row, place, y) {
  const middle = y - 4;
  if (row.kind === "scope")
    return [
      svg("text", { class: "row", x: 14, y }, cutTo(row.text, place.width - 70, FONTS.row)),
      svg("text", { class: "row", x: place.width - 14, y, "text-anchor": "end" }, row.value),
    ];
  if (row.kind === "more") {
    if (row.of !== "scope") place.ports[row.of === "export" ? "moreExports" : "moreImports"] = middle;
    const atEnd = row.of === "export";
    return [svg("text", { class: "row", x: atEnd ? place.width - 14 : 14, y, "text-anchor": atEnd ? "end" : "start" }, row.text)];
  }
  const text = svg(
    "text",
    { class: "row subject", x: row.kind === "export" ? place.width - 14 : 14, y, "text-anchor": row.kind === "export" ? "end" : "start" },
    cutTo(row.text, place.width - 30, FONTS.subject),
  );
  if (row.kind === "export") {
    const key = `${row.item.type} ${row.item.subject}`;
    place.ports.exports.set(key, middle);
    return [text, port(row.item.type, place.width, middle, row.item.private, !exportsTo[place.index].length)];
  }
  place.ports.imports.set(row.link, middle);
  return [text, port(row.link.type, 0, middle, false, doesNotWork(row.link))];
}

function operatorTile(place) {
  const operator = model.operator;
  if (place.isStrip) return operatorStrip(place);
  const parts = [
    svg("text", { class: "name", x: 14, y: 23 }, cut(operator.name, 20)),
    svg("text", { class: "sub", x: 14, y: 40 }, operator.strict ? "operator, strict" : "operator"),
    svg("line", { class: "rule", x1: 0, x2: place.width, y1: CARD.header, y2: CARD.header }),
  ];
  place.ports = new Map();
  const rows = [
    { key: operator.key, text: "identity key" },
    ...place.keys.map((key) => ({ key: key.key, text: `${key.role || "signing key"}${key.generation ? ` (${key.generation})` : ""}` })),
  ];
  rows.forEach((row, index) => {
    const y = CARD.header + CARD.pad / 2 + (index + 1) * CARD.line - 6;
    place.ports.set(row.key, y - 4);
    parts.push(
      svg("text", { class: "row", x: 14, y }, cut(row.text, 18)),
      svg(
        "text",
        { class: "row", x: place.width - 12, y, "text-anchor": "end", "font-family": "monospace" },
        row.key.startsWith("(") ? "new" : `…${row.key.slice(-5)}`,
      ),
    );
  });
  return operatorGroup(place, parts);
}

/** The operator above bands of tiles. */
function operatorStrip(place) {
  const operator = model.operator;
  const keys = place.keys.map((key) => `${key.role || "signing key"}${key.generation ? ` (${key.generation})` : ""}`).join(", ");
  const words = `operator${operator.strict ? ", strict" : ""}, signs with ${keys || "its identity key"}${place.left > 0 ? ` and ${place.left} more` : ""}`;
  const name = cutTo(operator.name, 260, FONTS.name);
  return operatorGroup(place, [
    svg("text", { class: "name", x: 14, y: 24 }, name),
    svg(
      "text",
      { class: "sub", x: 30 + widthOf(name, FONTS.name), y: 24 },
      cutTo(words, place.width - 60 - widthOf(name, FONTS.name), FONTS.row),
    ),
  ]);
}

function operatorGroup(place, parts) {
  const operator = model.operator;
  const title = `operator ${operator.name}, ${count(operator.signing_keys.length, "signing key")}`;
  const found = svg(
    "g",
    {
      class: "tile operator",
      role: "button",
      tabindex: "-1",
      "aria-pressed": "false",
      "aria-label": title,
      "data-account": "operator",
      transform: `translate(${place.x} ${place.y})`,
    },
    svg("title", {}, title),
    svg("rect", { class: "body", width: place.width, height: place.height, rx: 9 }),
    ...parts,
  );
  map.tiles.set("operator", found);
  return found;
}

// ---- links

function drawLinks() {
  const { boxes, isDetailed } = map.layout;
  const inside = links.filter((link) => boxes.has(link.to) && boxes.has(link.from));
  const drawn = inside.length <= MOST_LINKS ? inside : inside.filter((link) => link.to === map.selected || link.from === map.selected);
  const paths = isDetailed ? trustPaths() : [];
  for (const link of drawn) {
    const from = boxes.get(link.from),
      to = boxes.get(link.to);
    const isHot = map.selected === link.to || map.selected === link.from;
    const state = `${doesNotWork(link) ? "broken" : ""} ${isHot ? "hot" : map.selected !== null ? "faint" : ""}`;
    paths.push(
      svg(
        "path",
        { class: `link ${state}`, d: isDetailed ? between(link, from, to) : across(from, to) },
        svg("title", {}, linkTitle(link)),
      ),
    );
  }
  replace(map.lines, ...paths);
}

/** The line from a card to another one. */
function between(link, from, to) {
  const start = { x: from.x + from.width, y: from.y + exportHeight(from, link) };
  const end = { x: to.x, y: to.y + importHeight(to, link) };
  return end.x > start.x ? curve(start, end) : detour(start, end, from, to);
}

/** The line from a tile to another one, which is below it or beside it. */
function across(from, to) {
  const start = { x: from.x + from.width / 2, y: from.y + from.height };
  const end = { x: to.x + to.width / 2, y: to.y };
  const reach = end.y > start.y ? Math.max(30, (end.y - start.y) * 0.4) : 60;
  return `M${start.x} ${start.y}C${start.x} ${start.y + reach} ${end.x} ${end.y - reach} ${end.x} ${end.y}`;
}

function linkTitle(link) {
  const fault = doesNotWork(link) ? `, which does not work: ${link.problems.join("; ")}` : "";
  return `${accountName(link.to)} imports the ${link.type} ${link.subject} of ${exporterName(link)}${fault}`;
}

/** A line that goes back: out to the right, through the gap beside the card it comes from, and in from the left. */
function detour(start, end, from, to) {
  const gap = CARD.gap / 2;
  // A little apart from others that go the same way.
  const apart = ((((start.y + end.y) / CARD.line) % 3) - 1) * 5;
  const y = (to.y > from.y ? from.y + from.height + gap : from.y - gap) + apart;
  const reach = 44;
  const out = `M${start.x} ${start.y}C${start.x + reach} ${start.y} ${start.x + reach} ${y} ${start.x - 10} ${y}`;
  return `${out}L${end.x + 10} ${y}C${end.x - reach} ${y} ${end.x - reach} ${end.y} ${end.x} ${end.y}`;
}

/** A line that leaves to the right and arrives from the left. */
function curve(start, end) {
  const reach = Math.min(Math.max((end.x - start.x) * 0.5, 40), 160);
  return `M${start.x} ${start.y}C${start.x + reach} ${start.y} ${end.x - reach} ${end.y} ${end.x} ${end.y}`;
}

/** The export of an account that a link comes from: the very one, or one that contains its subject. */
function exportOf(link) {
  const exported = (accounts[link.from].exports || []).filter((item) => item.type === link.type);
  return (
    exported.find((item) => item.subject === link.subject) ||
    exported.find((item) => contains(pattern(item.subject), pattern(link.subject)))
  );
}

function exportHeight(box, link) {
  if (!box.ports) return box.height / 2;
  const item = exportOf(link);
  const height = item ? box.ports.exports.get(`${item.type} ${item.subject}`) : undefined;
  return height ?? box.ports.moreExports ?? box.height / 2;
}

function importHeight(box, link) {
  return box.ports ? (box.ports.imports.get(link) ?? box.ports.moreImports ?? box.height / 2) : box.height / 2;
}

function trustPaths() {
  const { boxes, operator } = map.layout;
  if (!operator) return [];
  return [...boxes.values()]
    .filter((box) => operator.ports.has(accounts[box.index].signed_by))
    .map((box) => {
      const start = { x: operator.x + operator.width, y: operator.y + operator.ports.get(accounts[box.index].signed_by) };
      return svg("path", {
        class: `trust ${map.selected === box.index ? "hot" : map.selected !== null && map.selected !== "operator" ? "faint" : ""}`,
        d: curve(start, { x: box.x, y: box.y + 26 }),
      });
    });
}

// ---- selecting, finding, narrowing

function select(index, andFocus) {
  map.selected = index;
  if (index !== null && index !== "operator" && !map.tiles.has(index)) {
    map.focus = null;
    draw();
  }
  drawLinks();
  mark();
  showDetail();
  if (index !== null) {
    rove(index);
    if (andFocus) map.tiles.get(index).focus({ preventScroll: true });
  }
}

/** An account and those that it exports to or imports from. */
function neighbours(index) {
  const found = new Set([index]);
  for (const link of importsOf[index]) if (link.from !== null) found.add(link.from);
  for (const link of exportsTo[index]) found.add(link.to);
  return found;
}

function narrow(shown) {
  map.focus = shown === null ? null : [...shown].sort((one, other) => one - other);
  draw();
}

function matches(index, words) {
  const account = accounts[index];
  const texts = [
    account.name,
    account.key,
    account.description || "",
    ...(account.tags || []),
    ...(account.exports || []).map((item) => item.subject),
    ...importsOf[index].flatMap((link) => [link.subject, link.local || ""]),
  ];
  const isIn = (text) => text.toLowerCase().includes(words);
  return (
    texts.some(isIn) ||
    usersOf[index].some((user) => isIn(user.name) || isIn(user.key) || isIn(user.scope || "") || (user.tags || []).some(isIn))
  );
}

function find(text) {
  map.query = text.trim().toLowerCase();
  map.hits = map.query ? new Set(accounts.map((account) => account.index).filter((index) => matches(index, map.query))) : null;
  map.found.textContent = map.hits ? `${number(map.hits.size)} of ${count(accounts.length, "account")}` : "";
  map.only.hidden = !map.hits || !map.hits.size || map.hits.size === accounts.length;
  mark();
}

function onlyFound() {
  const shown = new Set(map.hits);
  for (const index of map.hits) for (const other of map.hits.size <= 20 ? neighbours(index) : []) shown.add(other);
  narrow(shown);
}

/** Show what is selected, what is near it, and what is found. */
function mark() {
  const near = map.selected === null || map.selected === "operator" ? null : neighbours(map.selected);
  for (const [index, element] of map.tiles) {
    element.setAttribute("aria-pressed", String(index === map.selected));
    element.classList.toggle("near", Boolean(near && index !== map.selected && near.has(index)));
    const isFaint = index !== "operator" && ((map.hits && !map.hits.has(index)) || (!map.hits && near && !near.has(index)));
    element.classList.toggle("faint", Boolean(isFaint));
  }
}

// ---- keys and pointers

/** The one tile that the Tab key comes to. */
function rove(index) {
  map.at = index;
  for (const [other, element] of map.tiles) element.setAttribute("tabindex", other === index ? "0" : "-1");
}

function placeOf(index) {
  return index === "operator" ? map.layout.operator : map.layout.boxes.get(index);
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The nearest tile in a direction; what lies off to the side counts three times. */
function nearest(from, [dx, dy]) {
  const middle = (box) => [box.x + box.width / 2, box.y + box.height / 2];
  const [x, y] = middle(placeOf(from));
  let best = null,
    least = Infinity;
  for (const index of map.tiles.keys()) {
    const [otherX, otherY] = middle(placeOf(index));
    const ahead = (otherX - x) * dx + (otherY - y) * dy;
    const aside = Math.abs((otherX - x) * dy) + Math.abs((otherY - y) * dx);
    if (index !== from && ahead > 1 && ahead + 3 * aside < least) [best, least] = [index, ahead + 3 * aside];
  }
  return best;
}

function accountAt(event) {
  const element = event.target.closest?.(".tile");
  if (!element) return null;
  return element.dataset.account === "operator" ? "operator" : Number(element.dataset.account);
}

function onKey(event) {
  const at = accountAt(event) ?? map.at;
  if (event.key in ARROWS) {
    const next = nearest(at, ARROWS[event.key]);
    if (next !== null) {
      rove(next);
      map.tiles.get(next).focus({ preventScroll: true });
      bringIntoView(placeOf(next));
    }
  } else if (event.key === "Enter" || event.key === " ") select(at === map.selected ? null : at, true);
  else if (event.key === "Escape") select(null);
  else if (event.key === "+" || event.key === "=") scale(1 / 1.3);
  else if (event.key === "-") scale(1.3);
  else if (event.key === "0") fit("all");
  else return;
  event.preventDefault();
}

function listen() {
  let from = null,
    hasMoved = false;
  map.svg.addEventListener("keydown", onKey);
  map.svg.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) scale(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) / 120), event);
      else pan(event.deltaX, event.deltaY);
    },
    { passive: false },
  );
  map.svg.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, y: event.clientY, view: { ...map.view } };
    hasMoved = false;
  });
  map.svg.addEventListener("pointermove", (event) => {
    if (!from || !event.buttons) return;
    const unit = map.view.width / map.svg.getBoundingClientRect().width;
    const [dx, dy] = [(event.clientX - from.x) * unit, (event.clientY - from.y) * unit];
    if (Math.hypot(event.clientX - from.x, event.clientY - from.y) > 4) hasMoved = true;
    if (hasMoved) look({ ...from.view, x: from.view.x - dx, y: from.view.y - dy });
  });
  map.svg.addEventListener("click", (event) => {
    from = null;
    if (hasMoved) return;
    const at = accountAt(event);
    select(at === map.selected ? null : at);
  });
  addEventListener("resize", () => {
    if (map.layout && !document.getElementById("map").hidden) fit();
  });
}

function look(view) {
  map.view = view;
  map.svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
}

/** Everything in the window, or of many tiles so much that they can be read. There is room for what searches above and for the buttons below. */
function fit(wanted) {
  const { width, height } = map.layout;
  const box = map.svg.getBoundingClientRect();
  const window_ = { width: box.width || 1000, height: box.height || 700 };
  const [side, above, below] = [40, 110, 76];
  const whole = Math.max(width / (window_.width - 2 * side), (height + 34) / (window_.height - above - below), 0.8);
  const unit = wanted === "all" ? whole : Math.min(whole, Math.max(width / (window_.width - 2 * side), 1));
  const view = { width: window_.width * unit, height: window_.height * unit };
  look({
    ...view,
    x: (width - view.width) / 2,
    y: -34 - above * unit - Math.max(0, (view.height - (above + below) * unit - height - 34) / 2),
  });
}

/** Zoom around the middle, or around where the pointer is. */
function scale(factor, event) {
  const box = map.svg.getBoundingClientRect();
  const [right, down] = event ? [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height] : [0.5, 0.5];
  const width = Math.max(200, Math.min(map.view.width * factor, 20000));
  const height = (map.view.height * width) / map.view.width;
  look({ width, height, x: map.view.x + (map.view.width - width) * right, y: map.view.y + (map.view.height - height) * down });
}

/** Move what is seen by so many pixels, but not away from everything. */
function pan(dx, dy) {
  const unit = map.view.width / (map.svg.getBoundingClientRect().width || 1000);
  const { width, height } = map.layout;
  const within = (value, least, most) => Math.max(least, Math.min(value, most));
  look({
    ...map.view,
    x: within(map.view.x + dx * unit, -map.view.width + 100, width - 100),
    y: within(map.view.y + dy * unit, -map.view.height + 100, height - 100),
  });
}

function bringIntoView(box) {
  const { x, y, width, height } = map.view;
  if (box.x < x || box.y < y || box.x + box.width > x + width || box.y + box.height > y + height) {
    look({ width, height, x: box.x + box.width / 2 - width / 2, y: box.y + box.height / 2 - height / 2 });
  }
}
