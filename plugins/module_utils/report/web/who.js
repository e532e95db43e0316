/* Who may publish or receive a subject, computed here from the permissions in the model. */

let publishSets = null,
  receiveSets = null,
  surelySets = null;

function readSets() {
  if (publishSets) return;
  publishSets = model.permissions.map((may) => readSet(may.publish));
  surelySets = model.permissions.map((may) => (may.publish_surely ? readSet(may.publish_surely) : null));
  receiveSets = model.permissions.map((may) => readSet(may.receive));
}

/** For each set of permissions, how much of a subject it has: extent, part, and whether chance decides. */
function ask(word, subject) {
  readSets();
  const wanted = [{ whole: pattern(subject), without: [] }];
  return (word === "publish" ? publishSets : receiveSets).map((set, index) => {
    const found = howMuch(wanted, set);
    const surely = word === "publish" ? surelySets[index] : null;
    found.byChance = Boolean(surely && found.part.length && !isSubset(found.part, surely));
    return found;
  });
}

function showWho(section) {
  const input = el("input", {
    type: "text",
    id: "subject",
    placeholder: "orders.>",
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    "aria-describedby": "who-help",
  });
  const radio = (value, text, isChosen) =>
    el("label", {}, el("input", { type: "radio", name: "word", value, checked: isChosen, onchange: answer }), text);
  const choice = el(
    "fieldset",
    { "aria-label": "What to do with it" },
    radio("publish", "publish", true),
    radio("receive", "receive", false),
  );
  const answers = el("div", { class: "answer", "aria-live": "polite" });
  input.addEventListener("input", answer);
  section.append(
    el(
      "p",
      { class: "lead", id: "who-help" },
      "Users in their own accounts, after mappings, scopes and default permissions, as servers decide it. Wildcards stand for all subjects that match.",
    ),
    el("div", { class: "ask" }, el("label", { for: "subject" }, "Subject"), input, choice),
    answers,
  );
  function answer() {
    const subject = input.value.trim();
    const word = choice.querySelector(":checked").value;
    replace(answers, ...(subject ? answerAbout(word, subject) : [el("p", { class: "muted" }, examples(input, answer))]));
  }
  answer();
}

/** Subjects of this system to begin with. */
function examples(input, answer) {
  const subjects = [
    ...new Set([
      ...links.map((link) => link.subject),
      ...accounts.flatMap((account) => (account.exports || []).map((item) => item.subject)),
      ">",
    ]),
  ].slice(0, 5);
  const button = (subject) =>
    el(
      "button",
      {
        type: "button",
        class: "chip mono",
        onclick: () => {
          input.value = subject;
          answer();
          input.focus();
        },
      },
      subject,
    );
  return ["Type a subject, or begin with ", subjects.flatMap((subject) => [button(subject), " "])];
}

function answerAbout(word, subject) {
  const fault = subjectFault(subject);
  if (fault) return [el("p", {}, fault)];
  const verdicts = ask(word, subject);
  const groups = new Map();
  let all = 0,
    some = 0,
    refused = 0;
  for (const user of model.users) {
    const verdict = user.permissions === undefined ? null : verdicts[user.permissions];
    if (!verdict || verdict.extent === "none") continue;
    if (user.refused) {
      refused += 1;
      continue;
    }
    if (verdict.extent === "all") all += 1;
    else some += 1;
    if (!groups.has(user.account)) groups.set(user.account, []);
    groups.get(user.account).push([user, verdict]);
  }
  const rest = refused ? `; ${number(refused)} more would, but cannot connect` : "";
  const lead =
    all + some
      ? [
          el("b", {}, count(all + some, "user")),
          ` may ${word} ${all && some ? `it, ${number(some)} of them only a part` : some ? "a part of it" : "it"}${rest}.`,
        ]
      : [`No user may ${word} any of it${rest}.`];
  const list = el("div", { class: "block" });
  return [
    el("p", { class: "lead" }, lead),
    growing(list, [...groups], ([index, found]) => accountAnswer(index, found), 30),
    ...carriers(subject),
  ];
}

function accountAnswer(index, found) {
  const parts = new Map();
  for (const [user, verdict] of found) {
    const text =
      verdict.extent === "all"
        ? verdict.byChance
          ? "all of it, in some cases"
          : "all of it"
        : describeSet(verdict.part) + (verdict.byChance ? ", in some cases" : "");
    if (!parts.has(text)) parts.set(text, []);
    parts.get(text).push(user);
  }
  return el(
    "div",
    { class: "account" },
    el("h3", {}, accountLink(index)),
    el(
      "div",
      {},
      [...parts].map(([text, users]) =>
        el(
          "div",
          { class: "group" },
          el("span", { class: text.startsWith("all of it") ? "small muted" : "mono" }, text),
          growing(el("div", { class: "chips" }), users, (user) => el("span", { class: "chip" }, user.name), 40),
        ),
      ),
    ),
  );
}

/** Imports that carry such subjects from one account to another. */
function carriers(subject) {
  const wanted = pattern(subject);
  const carrying = links.filter(
    (link) => !doesNotWork(link) && [link.subject, link.local || link.subject].some((one) => commonPattern(pattern(one), wanted) !== null),
  );
  if (!carrying.length) return [];
  const line = (link) => {
    const carry =
      link.type === "stream"
        ? ["messages on ", el("span", { class: "mono" }, link.subject), " go from ", exporterName(link), " to ", accountName(link.to)]
        : [
            "requests on ",
            el("span", { class: "mono" }, link.local || link.subject),
            " go from ",
            accountName(link.to),
            " to ",
            exporterName(link),
          ];
    return el(
      "li",
      {},
      el("span", {}, carry, link.local ? [", as ", el("span", { class: "mono" }, link.type === "stream" ? link.local : link.subject)] : ""),
      el("span", { class: "end muted" }, link.type),
    );
  };
  return [el("div", { class: "block" }, el("h3", {}, "Between accounts"), growing(el("ul", { class: "rows" }), carrying, line, 20))];
}
