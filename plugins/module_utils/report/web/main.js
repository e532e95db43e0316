/* Views, and going from one to the other. Each is made when it is first looked at. */

const VIEWS = [
  { id: "summary", title: "Summary", show: showSummary },
  { id: "map", title: "Map", show: showMap },
  { id: "expiry", title: "Expiry", show: showTimeline },
  { id: "findings", title: "Findings", show: showFindings, count: () => findingsCount() },
  { id: "servers", title: "Servers", show: showServers, count: differencesCount },
  { id: "who", title: "Who may", show: showWho },
  ...(model.changes ? [{ id: "changes", title: "Changes", show: showChanges, count: () => model.changes.length }] : []),
];

const HEADINGS = {
  map: "Map of accounts",
  expiry: "What expires",
  findings: "Findings",
  servers: "Store and servers",
  who: "Who may do what",
  changes: "What changed",
};

function fillView(view) {
  const section = document.getElementById(view.id);
  if (section.classList.contains("filled")) return;
  section.classList.add("filled");
  view.show(section);
}

/** Show the view that the address names, and on the map the account that it names. */
function go(isFirst) {
  const [name, key] = decodeURIComponent(location.hash.slice(1)).split("/");
  const view = VIEWS.find((one) => one.id === name) || VIEWS[0];
  for (const one of VIEWS) {
    document.getElementById(one.id).hidden = one !== view;
    const link = document.querySelector(`nav a[href="#${one.id}"]`);
    if (one === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  fillView(view);
  if (view.id === "map") {
    fit();
    const account = key && accounts.find((one) => one.key === key);
    if (account) select(account.index);
  }
  if (isFirst !== true) {
    scrollTo(0, 0);
    document.querySelector(`#${view.id} h1, #${view.id} h2`)?.focus({ preventScroll: true });
  }
}

function makeViews() {
  const main = document.getElementById("content");
  main.replaceChildren();
  for (const view of VIEWS) {
    const many = view.count ? view.count() : null;
    document
      .getElementById("views")
      .append(el("a", { href: `#${view.id}` }, view.title, many ? el("span", { class: "count" }, number(many)) : null));
    const section = el("section", { id: view.id, "aria-label": view.title, hidden: true });
    if (HEADINGS[view.id]) section.append(el("h2", { tabindex: "-1" }, HEADINGS[view.id]));
    main.append(section);
  }
  document.getElementById("brand").textContent = model.operator ? model.operator.name : "NATS";
  document.documentElement.style.setProperty("--bar", `${document.querySelector(".bar").offsetHeight}px`);
}

const THEMES = ["system", "light", "dark"];

function useTheme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  document.getElementById("theme").textContent = `Theme: ${name}`;
}

function start() {
  makeViews();
  const theme = document.getElementById("theme");
  theme.addEventListener("click", () =>
    useTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme || "system") + 1) % THEMES.length]),
  );
  document.getElementById("print").addEventListener("click", () => print());
  addEventListener("beforeprint", () => VIEWS.filter((view) => !["map", "who"].includes(view.id)).forEach(fillView));
  addEventListener("hashchange", go);
  go(true);
}

start();
