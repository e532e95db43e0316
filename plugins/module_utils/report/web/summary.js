/* What a person wants to know first, also on paper. */

function showSummary(section) {
  const operator = model.operator;
  const heading = el("h1", {}, operator ? operator.name : "NATS");
  section.append(heading, el("p", { class: "lead" }, ...inWords()));
  if (operator)
    section.append(
      el("p", { class: "key under" }, model.newest ? [operator.key, el("br"), `Newest JWT of ${day(model.newest)}`] : "Not issued yet"),
    );
  section.append(figures());
  section.append(el("div", { class: "block columns" }, nextToExpire(), mostFindings()));
  if (model.problems.length) section.append(problems());
  section.append(accountsTable());
}

function inWords() {
  const operator = model.operator;
  const strong = (text) => el("b", {}, text);
  const exported = accounts.reduce((sum, account) => sum + (account.exports || []).length, 0);
  const words = [
    strong(count(accounts.length, "account")),
    " with ",
    strong(count(model.users.length, "user")),
    ", ",
    strong(count(exported, "export")),
    " and ",
    strong(count(links.length, "import")),
    ". ",
  ];
  if (!operator) return [...words, "The operator is not available. "];
  const keys = operator.signing_keys.length;
  words.push(
    keys ? `The operator signs with ${count(keys, "signing key")}` : "The operator signs with its identity key",
    operator.strict ? ", and accepts nothing that an identity key signed. " : ". ",
  );
  if (operator.system_account !== null) words.push("The system account is ", strong(accountName(operator.system_account)), ".");
  return words;
}

function figure(title, value, text, view) {
  return el(
    "div",
    { class: "figure" },
    el("h3", {}, view ? el("a", { href: `#${view}` }, title) : title),
    el("strong", {}, value),
    el("p", {}, text),
  );
}

function figures() {
  const next = ending.find((token) => token.entity.expires >= NOW);
  const over = ending.filter((token) => token.entity.expires < NOW).length;
  const broken = links.filter(doesNotWork).length;
  const refused = model.users.filter((user) => user.refused).length;
  const drift = differencesCount();
  return el(
    "div",
    { class: "figures" },
    ending.length || !lifetimes.length
      ? figure(
          "Next to expire",
          next ? away(next.entity.expires, NOW).replace("in ", "") : "none",
          `${next ? `${next.kind} ${next.title}, on ${day(next.entity.expires)}` : "Nothing else expires"}${over ? `; ${number(over)} expired already` : ""}`,
          "expiry",
        )
      : figure(
          "Shortest life",
          span(lifetimes[0].entity.expires_in),
          `${lifetimes[0].kind} ${lifetimes[0].title}, once it is issued`,
          "expiry",
        ),
    figure(
      "Findings",
      number(findingsCount()),
      findingsCount()
        ? `${number(findingsCount(1))} of level 1, ${number(findingsCount(2))} of level 2`
        : `${count(model.rules.length, "rule")} checked`,
      "findings",
    ),
    figure(
      "Differences",
      drift === null ? "–" : number(drift),
      drift === null ? "Servers were not compared" : `between the store and ${count(model.comparison.servers.length, "server")}`,
      "servers",
    ),
    figure("Not working", number(broken + refused), `${count(broken, "import")}, and ${count(refused, "user")} that cannot connect`, "map"),
  );
}

function nextToExpire() {
  const items = (ending.length ? ending : lifetimes).slice(0, 8);
  const when = (entity) => (entity.expires ? away(entity.expires, NOW) : `${span(entity.expires_in)} after it is issued`);
  const list = el(
    "ul",
    { class: "rows" },
    items.map((token) =>
      el(
        "li",
        {},
        el("span", {}, token.title, " ", el("span", { class: "muted small" }, token.kind)),
        el("span", { class: "end" }, when(token.entity)),
      ),
    ),
  );
  return el(
    "div",
    { class: "block" },
    el("h3", {}, "Expires next"),
    items.length ? list : el("p", { class: "muted" }, "No JWT here has an end."),
  );
}

function mostFindings() {
  const rules = model.rules
    .filter((rule) => rule.findings)
    .sort((one, other) => one.level - other.level || other.findings - one.findings)
    .slice(0, 8);
  const list = el(
    "ul",
    { class: "rows" },
    rules.map((rule) =>
      el(
        "li",
        {},
        el("span", {}, rule.title, " ", el("span", { class: "muted small" }, `level ${rule.level}`)),
        el("span", { class: "end" }, `${number(rule.findings)} of ${number(rule.checked)}`),
      ),
    ),
  );
  return el(
    "div",
    { class: "block" },
    el("h3", {}, "Rules that are broken"),
    rules.length ? list : el("p", { class: "muted" }, "None of those checked."),
  );
}

function problems() {
  const list = el("ul", { class: "rows" });
  return el(
    "div",
    { class: "block" },
    el("h3", {}, "What this report could not see"),
    growing(list, model.problems, (problem) => el("li", {}, problem), 12),
  );
}

function accountsTable() {
  const body = el("tbody");
  const row = (account) =>
    el(
      "tr",
      {},
      el("td", {}, accountLink(account.index), account.system ? [" ", el("span", { class: "muted small" }, "system")] : null),
      ...[usersOf[account.index].length, (account.exports || []).length, importsOf[account.index].length, findingsOf[account.index]].map(
        (value) => el("td", { class: `number ${value ? "" : "muted"}` }, number(value)),
      ),
      el("td", { class: "number" }, account.expires ? day(account.expires) : account.expires_in ? span(account.expires_in) : "never"),
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
        el("th", { scope: "col" }, "Account"),
        ...["Users", "Exports", "Imports", "Findings", "Expires"].map((title) => el("th", { scope: "col", class: "number" }, title)),
      ),
    ),
    body,
  );
  const grown = growing(body, accounts, row, 25);
  grown.firstChild.replaceWith(table);
  table.append(body);
  return el("div", { class: "block" }, el("h3", {}, "Accounts"), grown);
}
