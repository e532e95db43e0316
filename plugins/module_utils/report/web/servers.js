/* How servers differ from each other and from the store. */

function showServers(section) {
  const compared = model.comparison;
  if (compared === null) {
    section.append(
      el(
        "p",
        { class: "lead" },
        "Servers were not compared. Give the task the result of nats_resolver_info as comparison to see here what they hold.",
      ),
    );
    return;
  }
  const drift = differencesCount();
  section.append(
    el(
      "p",
      { class: "lead" },
      el("b", {}, drift ? count(drift, "difference") : "No difference"),
      ` on ${count(compared.servers.length, "server")}; ${count(compared.alike, "account")} ${compared.alike === 1 ? "is" : "are"} alike everywhere.`,
    ),
  );
  if (compared.differences.length)
    section.append(
      el(
        "div",
        { class: "block" },
        el("h3", {}, "Of servers"),
        el(
          "ul",
          { class: "rows" },
          compared.differences.map((line) => el("li", {}, line)),
        ),
      ),
    );
  if (compared.accounts.length)
    section.append(el("div", { class: "block" }, el("h3", {}, "Of accounts"), growing(el("div"), compared.accounts, differing, 40)));
  section.append(el("div", { class: "block scroll" }, el("h3", {}, "Servers"), serverTable(compared.servers)));
}

function differing(account) {
  const index = accounts.findIndex((one) => one.key === account.key);
  const states = el(
    "table",
    {},
    el(
      "tbody",
      {},
      Object.entries(account.servers).map(([name, state]) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, name),
          el("td", { class: "number" }, /^\d{4}-/.test(state) ? `issued ${state.replace("T", " ").replace("Z", " UTC")}` : state),
        ),
      ),
    ),
  );
  return el(
    "article",
    { class: "finding" },
    el("div", {}, el("span", { class: "badge" }, "account")),
    el(
      "div",
      {},
      el("h3", {}, index < 0 ? account.name || account.key : accountLink(index, account.name || account.key)),
      el("p", { class: "key" }, account.key),
      account.differences.map((line) => el("p", { class: "words" }, line)),
      el("div", { class: "words" }, states),
    ),
  );
}

function serverTable(servers) {
  const columns = [
    ["Name", "name"],
    ["Host", "host"],
    ["Cluster", "cluster"],
    ["Version", "version"],
    ["Resolver", "resolver"],
  ];
  return el(
    "table",
    {},
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        columns.map(([title]) => el("th", { scope: "col" }, title)),
        el("th", { scope: "col", class: "number" }, "Accounts"),
      ),
    ),
    el(
      "tbody",
      {},
      servers.map((server) =>
        el(
          "tr",
          {},
          columns.map(([, name]) => el("td", {}, server[name] || "")),
          el("td", { class: "number" }, server.account_count === undefined ? "" : number(server.account_count)),
        ),
      ),
    ),
  );
}
