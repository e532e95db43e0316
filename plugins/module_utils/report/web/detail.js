/* What there is to know of the account that is selected on the map. */

function showDetail() {
  map.panel.scrollTop = 0;
  if (map.selected === "operator") replace(map.panel, ...operatorDetail());
  else if (map.selected !== null) replace(map.panel, ...accountDetail(accounts[map.selected]));
  else replace(map.panel, ...legend());
}

function facts(pairs) {
  return el(
    "dl",
    {},
    pairs.filter(([, value]) => value).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );
}

function listOf(title, items, make, first) {
  if (!items.length) return [];
  return [el("h3", {}, `${title} (${number(items.length)})`), growing(el("ul"), items, make, first || 12)];
}

function operatorDetail() {
  const operator = model.operator;
  return [
    el("h3", { class: "title" }, operator.name),
    el("p", { class: "key" }, operator.key),
    facts([
      ["Expires", whenExpires(operator)],
      ["Issued", operator.issued && day(operator.issued)],
      ["Strict", operator.strict ? "yes: only signing keys sign" : "no: the identity key may sign"],
      ["Tags", operator.tags.join(", ")],
    ]),
    ...listOf("Signing keys", operator.signing_keys, keyItem),
  ];
}

function keyItem(key) {
  const words = [
    key.scoped === undefined ? null : key.scoped ? "scoped" : "without a scope",
    key.generation,
    key.seed === undefined ? null : key.seed ? "seed available" : "seed not available",
  ].filter(Boolean);
  return el(
    "li",
    {},
    key.role || "signing key",
    words.length ? el("span", { class: "small muted" }, words.join(", ")) : null,
    el("span", { class: "key" }, key.key),
  );
}

function accountDetail(account) {
  const index = account.index;
  const jetstream = account.jetstream ? "yes" : "no";
  return [
    el("h3", { class: "title" }, account.name),
    el("p", { class: "key" }, account.key),
    account.description ? el("p", { class: "small muted" }, account.description) : null,
    el(
      "div",
      { class: "actions" },
      map.focus === null && neighbours(index).size < accounts.length
        ? el("button", { type: "button", onclick: () => narrow(neighbours(index)) }, "Show only its neighbours")
        : null,
      map.focus !== null ? el("button", { type: "button", onclick: () => narrow(null) }, "Show all accounts") : null,
    ),
    facts([
      ["Expires", whenExpires(account)],
      ["Issued", account.issued && day(account.issued)],
      ["Users", number(usersOf[index].length)],
      ["Connections", account.connections < 0 ? "unlimited" : number(account.connections)],
      ["JetStream", jetstream],
      ["Revocations", account.revoked && number(account.revoked)],
      ["Mappings", (account.mappings || []).join(", ")],
      ["Findings", findingsOf[index] && number(findingsOf[index])],
      ["Tags", (account.tags || []).join(", ")],
    ]),
    ...listOf("Servers refuse it", account.refused || [], (reason) => el("li", {}, reason)),
    ...listOf("Exports", account.exports || [], (item) => exportItem(index, item)),
    ...listOf("Imports", importsOf[index], importItem),
    ...scopesOf(index).flatMap(([name, users]) =>
      listOf(name ? `Users of the scope ${name}` : "Users with permissions of their own", users, userItem, 20),
    ),
    ...listOf("Signing keys", account.signing_keys || [], keyItem),
  ];
}

function exportItem(index, item) {
  const taken = exportsTo[index].filter((link) => exportOf(link) === item);
  const importers = [...new Set(taken.map((link) => link.to))];
  return el(
    "li",
    {},
    el("span", { class: "mono" }, item.subject),
    " ",
    el("span", { class: "muted" }, `${item.private ? "private " : ""}${item.type}`),
    importers.length
      ? el(
          "span",
          { class: "small" },
          "to ",
          importers.slice(0, 30).flatMap((other, place) => [place ? ", " : "", accountLink(other)]),
          importers.length > 30 ? ` and ${importers.length - 30} more` : "",
        )
      : el("span", { class: "small muted" }, "not imported here"),
  );
}

function importItem(link) {
  const from = link.from === null ? exporterName(link) : accountLink(link.from);
  const problems = (link.problems || []).map((problem) =>
    el("span", { class: "small" }, `${doesNotWork(link) ? "Does not work" : "May not work"}: ${problem}`),
  );
  return el(
    "li",
    {},
    el("span", { class: "mono" }, link.local || link.subject),
    " ",
    el("span", { class: "muted" }, link.type),
    el("span", { class: "small" }, "from ", from, link.local ? [", where it is ", el("span", { class: "mono" }, link.subject)] : ""),
    problems,
  );
}

function userItem(user) {
  const may = user.permissions === undefined ? null : model.permissions[user.permissions];
  const words = [user.bearer ? "bearer" : null, user.expires || user.expires_in ? `expires ${whenExpires(user)}` : "never expires"]
    .filter(Boolean)
    .join(", ");
  return el(
    "li",
    {},
    user.name,
    el("span", { class: "small muted" }, words),
    may
      ? [
          el("span", { class: "small" }, "publishes ", el("span", { class: "mono" }, describeSet(readSet(may.publish)))),
          el("span", { class: "small" }, "receives ", el("span", { class: "mono" }, describeSet(readSet(may.receive)))),
        ]
      : null,
    (user.refused || []).map((number_) => el("span", { class: "small" }, `Cannot connect: ${model.refusals[number_]}`)),
  );
}

function legend() {
  const sample = (mark, text) => el("li", {}, mark, text);
  const picture = (...parts) => svg("svg", { viewBox: "0 0 36 20", "aria-hidden": "true" }, ...parts);
  const line = (kind) => picture(svg("path", { class: kind, d: "M2 10H34" }));
  return [
    el("h3", { class: "title" }, "The map"),
    el(
      "p",
      { class: "muted small" },
      accounts.length > MOST_CARDS
        ? "Each tile is an account; the line in it grows with its users. An importing account is below the accounts that it imports from. " +
          "Select an account to see its links, and show only its neighbours to see what they exchange."
        : "Each card is an account with its users by scope, its exports on the right and its imports on the left. " +
          "Lines lead from an export to the accounts that import it. Select an account for more.",
    ),
    el(
      "ul",
      { class: "legend" },
      sample(picture(port("stream", 18, 10, false, false)), "a stream: messages to receive"),
      sample(picture(port("service", 18, 10, false, false)), "a service: requests to send"),
      sample(picture(port("service", 18, 10, true, false)), "private: it requires an activation"),
      sample(line("link"), "an import that works"),
      sample(line("link broken"), "an import that does not work"),
      sample(picture(svg("circle", { class: "flag", cx: 18, cy: 10, r: 5 })), "something here does not work"),
      sample(line("trust hot"), "signed by this key"),
    ),
    withoutAccount.length
      ? el(
          "p",
          { class: "small muted" },
          `${count(withoutAccount.length, "user")} of accounts that are not available ${withoutAccount.length === 1 ? "is" : "are"} not on the map.`,
        )
      : null,
  ];
}
