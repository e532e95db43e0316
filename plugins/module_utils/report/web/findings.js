/* What breaks the rules, rule by rule. */

function showFindings(section) {
  const broken = model.rules
    .filter((rule) => rule.findings || rule.excepted)
    .sort((one, other) => Number(!one.findings) - Number(!other.findings) || one.level - other.level || other.findings - one.findings);
  const kept = model.rules.filter((rule) => !rule.findings && !rule.excepted);
  section.append(
    el(
      "p",
      { class: "lead" },
      el("b", {}, count(findingsCount(), "finding")),
      ` of ${count(model.rules.length, "rule")}; ${number(kept.length)} ${kept.length === 1 ? "has" : "have"} none.`,
    ),
  );
  section.append(el("div", { class: "block" }, broken.map(ruleBlock)));
  if (kept.length)
    section.append(
      el(
        "div",
        { class: "block" },
        el("h3", {}, "Rules without findings"),
        el(
          "ul",
          { class: "rows" },
          kept.map((rule) =>
            el(
              "li",
              {},
              el("span", {}, rule.title, " ", el("span", { class: "muted small" }, rule.id)),
              el("span", { class: "end muted" }, count(rule.checked, "checked", "checked")),
            ),
          ),
        ),
      ),
    );
  if (model.notes.length)
    section.append(
      el(
        "div",
        { class: "block" },
        el("h3", {}, "About the policy"),
        el(
          "ul",
          { class: "rows" },
          model.notes.map((note) => el("li", {}, note)),
        ),
      ),
    );
}

function ruleBlock(rule) {
  const found = model.findings.filter((finding) => finding.rule === rule.id);
  const excepted = model.excepted.filter((finding) => finding.rule === rule.id);
  return el(
    "article",
    { class: "finding" },
    el("div", {}, el("span", { class: `badge ${rule.level === 1 && rule.findings ? "strong" : ""}` }, `level ${rule.level}`)),
    el(
      "div",
      {},
      el("h3", {}, rule.title),
      el("p", { class: "why" }, rule.reason),
      el(
        "p",
        { class: "small muted" },
        `${rule.id}: ${number(rule.findings)} of ${number(rule.checked)}` +
          `${rule.excepted ? `, ${number(rule.excepted)} excepted` : ""}${rule.reference ? `. ${rule.reference}` : ""}`,
      ),
      growing(el("div"), found, findingWords, 12),
      excepted.map((finding) => [
        findingWords(finding),
        el(
          "p",
          { class: "small muted" },
          `Excepted by ${finding.exception.owner} until ${finding.exception.until}: ${finding.exception.reason}`,
        ),
      ]),
    ),
  );
}

function findingWords(finding) {
  const operator = finding.operator && model.operator ? [el("span", { class: "chip" }, model.operator.name)] : [];
  const about = [
    ...operator,
    ...(finding.accounts || []).map((index) => () => chip(index, accountName(index))),
    ...(finding.users || []).map((index) => () => chip(model.users[index].account, userTitle(model.users[index]))),
    ...(finding.others || []).map((name) => el("span", { class: "chip" }, name)),
  ];
  return el(
    "div",
    { class: "words" },
    el("p", {}, finding.text.charAt(0).toUpperCase() + finding.text.slice(1)),
    about.length ? growing(el("div", { class: "chips" }), about, (item) => (typeof item === "function" ? item() : item), 24) : null,
  );
}

function chip(index, text) {
  if (index === null) return el("span", { class: "chip" }, text);
  return el(
    "button",
    {
      type: "button",
      class: "chip",
      onclick: () => {
        location.hash = `#map/${accounts[index].key}`;
      },
    },
    text,
  );
}
