/* The model, with what views look up in it. */

const model = JSON.parse(document.getElementById("natsops-report").textContent);
const NOW = Math.floor(Date.now() / 1000);

const accounts = model.accounts;
const links = model.links;
const usersOf = accounts.map(() => []);
const exportsTo = accounts.map(() => []); // links by exporter
const importsOf = accounts.map(() => []); // links by importer
const withoutAccount = [];

model.users.forEach((user) => (user.account === null ? withoutAccount : usersOf[user.account]).push(user));
links.forEach((link) => {
  importsOf[link.to].push(link);
  if (link.from !== null) exportsTo[link.from].push(link);
});
accounts.forEach((account, index) => {
  account.index = index;
});

const findingsOf = accounts.map(() => 0);
model.findings.forEach((finding) => {
  (finding.accounts || []).forEach((index) => {
    findingsOf[index] += 1;
  });
  (finding.users || []).forEach((index) => {
    const owner = model.users[index].account;
    if (owner !== null) findingsOf[owner] += 1;
  });
});

function accountName(index) {
  return accounts[index].name;
}

function userTitle(user) {
  return `${user.account === null ? user.account_key : accountName(user.account)}/${user.name}`;
}

function doesNotWork(link) {
  return link.works === false;
}

/** The exporting account of a link, in words. */
function exporterName(link) {
  return link.from === null ? `an account that is not available, ${link.from_key}` : accountName(link.from);
}

/** Users by what gives them their permissions: the scopes by name, then their own. */
function scopesOf(index) {
  const found = new Map();
  for (const user of usersOf[index]) {
    const name = user.scope || "";
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(user);
  }
  return [...found].sort((one, other) => (one[0] === "") - (other[0] === "") || one[0].localeCompare(other[0]));
}

/** Everything with an end or without one. */
function allTokens() {
  const found = model.operator ? [{ kind: "operator", title: model.operator.name, entity: model.operator }] : [];
  accounts.forEach((account) => found.push({ kind: "account", title: account.name, entity: account, account: account.index }));
  model.users.forEach((user) => found.push({ kind: "user", title: userTitle(user), entity: user, account: user.account }));
  return found;
}

function isEnding(token) {
  return Boolean(token.entity.expires);
}

const tokens = allTokens();
const ending = tokens.filter(isEnding).sort((one, other) => one.entity.expires - other.entity.expires);

const lifetimes = tokens.filter((token) => token.entity.expires_in).sort((one, other) => one.entity.expires_in - other.entity.expires_in);

function whenExpires(entity) {
  if (entity.expires) return `${day(entity.expires)} (${away(entity.expires, NOW)})`;
  return entity.expires_in ? `${span(entity.expires_in)} after it is issued` : "never";
}

function differencesCount() {
  const compared = model.comparison;
  return compared === null ? null : compared.differences.length + compared.accounts.reduce((sum, one) => sum + one.differences.length, 0);
}

function findingsCount(level) {
  return model.findings.filter((finding) => !level || finding.level === level).reduce((sum, finding) => sum + finding.count, 0);
}

/** A button that shows an account on the map. */
function accountLink(index, text) {
  return el(
    "button",
    {
      type: "button",
      class: "link",
      onclick: () => {
        location.hash = `#map/${accounts[index].key}`;
      },
    },
    text || accountName(index),
  );
}
