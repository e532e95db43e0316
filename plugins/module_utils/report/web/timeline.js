/* What expires, and when. */

const BUCKETS = [
  ["expired", (seconds) => seconds < NOW],
  ["within 7 days", (seconds) => seconds < NOW + 7 * DAY],
  ["within 30 days", (seconds) => seconds < NOW + 30 * DAY],
  ["within 90 days", (seconds) => seconds < NOW + 90 * DAY],
  ["within a year", (seconds) => seconds < NOW + 365 * DAY],
  ["later", () => true],
];

function bucketOf(token) {
  if (isEnding(token)) return BUCKETS.find(([, holds]) => holds(token.entity.expires))[0];
  return token.entity.expires_in ? "not issued yet" : "never";
}

function showTimeline(section) {
  const never = tokens.filter((token) => !isEnding(token));
  section.append(
    el(
      "p",
      { class: "lead" },
      ending.length
        ? [el("b", {}, count(ending.length, "JWT")), ` of ${number(tokens.length)} here ${ending.length === 1 ? "expires" : "expire"}.`]
        : lifetimes.length
          ? "The document is not issued yet. This is how long its JWTs will be valid."
          : "No JWT here expires.",
    ),
  );
  if (ending.length) section.append(el("div", { class: "block" }, months()));
  const sorted = [...ending, ...never.sort((one, other) => (one.entity.expires_in || Infinity) - (other.entity.expires_in || Infinity))];
  const groups = new Map(
    [...BUCKETS.map(([name]) => name), "not issued yet", "never"].map((name) => [name, sorted.filter((token) => bucketOf(token) === name)]),
  );
  if (!groups.get("not issued yet").length) groups.delete("not issued yet");
  const place = el("div", { class: "block" });
  const buttons = [...groups].map(([name, items]) =>
    el(
      "button",
      { type: "button", "aria-pressed": "false", onclick: () => choose(name) },
      el("strong", {}, number(items.length)),
      el("span", {}, name),
    ),
  );
  function choose(name) {
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String([...groups.keys()][index] === name)));
    replace(place, el("h3", {}, `JWTs: ${name}`), tokenTable(groups.get(name)));
  }
  section.append(el("div", { class: "buckets", role: "group", "aria-label": "When" }, buttons), place);
  choose([...groups].find(([, items]) => items.length)?.[0] || "never");
}

function tokenTable(items) {
  if (!items.length) return el("p", { class: "muted" }, "None.");
  const body = el("tbody");
  const row = (token) =>
    el(
      "tr",
      {},
      el(
        "td",
        {},
        token.account === undefined || token.account === null
          ? token.title
          : token.kind === "account"
            ? accountLink(token.account)
            : [accountLink(token.account), `/${token.entity.name}`],
      ),
      el("td", { class: "muted" }, token.kind),
      el("td", { class: "number" }, token.entity.issued ? day(token.entity.issued) : ""),
      el(
        "td",
        { class: "number" },
        token.entity.expires ? day(token.entity.expires) : token.entity.expires_in ? span(token.entity.expires_in) : "never",
      ),
      el("td", { class: "number muted" }, token.entity.expires ? away(token.entity.expires, NOW) : ""),
    );
  const table = el(
    "table",
    {},
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        ["Name", "Kind"].map((name) => el("th", { scope: "col" }, name)),
        ["Issued", "Expires", "From now"].map((name) => el("th", { scope: "col", class: "number" }, name)),
      ),
    ),
  );
  const grown = growing(body, items, row, 50);
  grown.firstChild.replaceWith(table);
  table.append(body);
  return grown;
}

/** Bars for what is over, for 24 months from now, and for what comes after. */
function months() {
  const start = new Date(NOW * 1000);
  const first = start.getUTCFullYear() * 12 + start.getUTCMonth();
  const bars = Array(26).fill(0); // over, 24 months, later
  for (const token of ending) {
    const at = new Date(token.entity.expires * 1000);
    const month = Number.isNaN(at.getTime()) ? Infinity : at.getUTCFullYear() * 12 + at.getUTCMonth() - first;
    bars[token.entity.expires < NOW ? 0 : Math.min(month, 24) + 1] += 1;
  }
  const most = Math.max(...bars, 1);
  const [step, floor, tall] = [40, 190, 150];
  const x = (index) => index * step + (index === 0 ? 0 : 14) + (index === 25 ? 14 : 0);
  const parts = [
    svg("line", { x1: 0, x2: x(25) + step, y1: floor, y2: floor }),
    svg("line", { class: "now", x1: step + 7, x2: step + 7, y1: 14, y2: floor }),
    svg("text", { x: step, y: 24, "text-anchor": "end" }, "today"),
  ];
  bars.forEach((value, index) => {
    const label = index === 0 ? "over" : index === 25 ? "later" : monthName(first + index - 1);
    // A year stands under its first month.
    const year =
      index > 0 && index < 25 && ((first + index - 1) % 12 === 0 || index === 1) ? String(Math.floor((first + index - 1) / 12)) : "";
    parts.push(svg("text", { x: x(index) + step / 2, y: floor + 20, "text-anchor": "middle" }, label));
    if (year) parts.push(svg("text", { class: "value", x: x(index) + step / 2, y: floor + 38, "text-anchor": "middle" }, year));
    if (!value) return;
    const height = Math.max(5, tall * Math.sqrt(value / most));
    parts.push(
      svg("rect", { class: index === 0 ? "past" : "", x: x(index) + 9, y: floor - height, width: step - 18, height, rx: 2 }),
      svg("text", { class: "value", x: x(index) + step / 2, y: floor - height - 7, "text-anchor": "middle" }, number(value)),
    );
  });
  const text = bars
    .map((value, index) => (value ? `${index === 0 ? "over" : index === 25 ? "later" : monthLong(first + index - 1)}: ${value}` : ""))
    .filter(Boolean)
    .join(", ");
  return svg(
    "svg",
    { class: "months", viewBox: `0 0 ${x(25) + step} 235`, role: "img", "aria-label": `JWTs that expire, by month. ${text || "None"}` },
    ...parts,
  );
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function monthName(month) {
  return MONTHS[month % 12];
}

function monthLong(month) {
  return `${monthName(month)} ${Math.floor(month / 12)}`;
}
