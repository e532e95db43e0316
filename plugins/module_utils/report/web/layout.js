/* Where everything on the map is. Few accounts are cards with what they export and import, in columns; many are tiles in bands.
   An importing account is placed after the accounts that it imports from. */

const CARD = { width: 236, gap: 34, between: 130, header: 52, line: 20, pad: 12, most: 7 };
const TILE = { width: 136, height: 26, gap: 6, between: 60 };
const MOST_CARDS = 40;
const TALLEST = 1500;

/** The rows of a card. Each export and import has a port, to which its links lead. */
function cardRows(index) {
  const account = accounts[index];
  const scopes = scopesOf(index).map(([name, users]) => ({
    kind: "scope",
    text: `${name || "own permissions"}`,
    value: number(users.length),
  }));
  const exported = (account.exports || []).map((item) => ({ kind: "export", text: item.subject, item }));
  const imported = importsOf[index].map((link) => ({ kind: "import", text: link.local || link.subject, link }));
  return [scopes, exported, imported]
    .filter((rows) => rows.length)
    .map((rows) =>
      rows.length > CARD.most
        ? [...rows.slice(0, CARD.most - 1), { kind: "more", text: `and ${rows.length - CARD.most + 1} more`, of: rows[0].kind }]
        : rows,
    );
}

function cardHeight(groups) {
  return CARD.header + groups.reduce((sum, rows) => sum + rows.length * CARD.line + CARD.pad, 0) + (groups.length ? 4 : 0);
}

/** The accounts by layer, those without exports and imports last. Within a layer, those that share an exporter are near each other. */
function layersOf(shown) {
  const found = new Map();
  for (const index of shown) {
    const layer = accounts[index].layer ?? Infinity;
    if (!found.has(layer)) found.set(layer, []);
    found.get(layer).push(index);
  }
  const ordered = [...found].sort((one, other) => one[0] - other[0]);
  const place = new Map();
  for (const [, members] of ordered) {
    const weight = (index) => {
      const places = importsOf[index].map((link) => place.get(link.from)).filter((value) => value !== undefined);
      return places.length ? places.reduce((sum, value) => sum + value, 0) / places.length : Infinity;
    };
    const weights = new Map(members.map((index) => [index, weight(index)]));
    members.sort((one, other) =>
      weights.get(one) === weights.get(other) ? accountName(one).localeCompare(accountName(other)) : weights.get(one) - weights.get(other),
    );
    members.forEach((index, position) => place.set(index, position));
  }
  return ordered;
}

function layerTitle(layer, all) {
  if (layer === Infinity) return "No exports or imports";
  if (layer === 0) return "Sources";
  return all.filter(([other]) => other !== Infinity).length > 2 ? `Importing, step ${layer}` : "Importing";
}

/** The place of everything: boxes by account, captions, and the size of it all. `room` is the width of the window. */
function layOut(shown, room) {
  const columns = layersOf(shown);
  return shown.length <= MOST_CARDS ? layOutCards(columns) : layOutTiles(columns, room);
}

/** Layers as columns of cards, the operator to the left of them, and below them what has no exports or imports. */
function layOutCards(columns) {
  const boxes = new Map();
  const captions = [];
  const operator = model.operator ? operatorBox() : null;
  const left = operator ? operator.width + CARD.between : 0;
  let x = left,
    height = operator ? operator.height : 0;
  const alone = columns.length > 1 && columns[columns.length - 1][0] === Infinity ? columns.pop()[1] : [];
  for (const [layer, members] of columns) {
    captions.push({ x, y: 0, text: layerTitle(layer, columns) });
    const placed = placeCards(members, x);
    placed.boxes.forEach((box) => boxes.set(box.index, box));
    height = Math.max(height, placed.height);
    x = placed.right + CARD.between;
  }
  // Columns and the operator are centred on the tallest of them.
  if (operator) operator.y = (height - operator.height) / 2;
  centre(boxes, height);
  let width = x - CARD.between;
  if (alone.length) {
    captions.push({ x: left, y: height + 80, text: layerTitle(Infinity, columns) });
    const placed = placeRows(alone, left, height + 80, Math.max(width, left + 3 * CARD.width));
    placed.boxes.forEach((box) => boxes.set(box.index, box));
    height = placed.height;
    width = Math.max(width, placed.right);
  }
  return { isDetailed: true, boxes, captions, operator, width: Math.max(width, 200), height: Math.max(height, 120) };
}

/** Layers as bands of tiles, the operator above them. A row has as many as leave names readable; zoom out to see all at once. */
function layOutTiles(columns, room) {
  const boxes = new Map();
  const captions = [];
  const across = Math.max(4, Math.floor((room * 1.2 + TILE.gap) / (TILE.width + TILE.gap)));
  const width = across * (TILE.width + TILE.gap) - TILE.gap;
  const operator = model.operator ? { ...operatorBox(), width, height: 38, isStrip: true } : null;
  let y = operator ? operator.height + TILE.between : 0;
  for (const [layer, members] of columns) {
    captions.push({ x: 0, y: y + 10, text: `${layerTitle(layer, columns)} (${number(members.length)})` });
    members.forEach((index, place) =>
      boxes.set(index, {
        index,
        x: (place % across) * (TILE.width + TILE.gap),
        y: y + Math.floor(place / across) * (TILE.height + TILE.gap),
        width: TILE.width,
        height: TILE.height,
      }),
    );
    y += Math.ceil(members.length / across) * (TILE.height + TILE.gap) + TILE.between - TILE.gap;
  }
  return { isDetailed: false, boxes, captions, operator, width, height: y - TILE.between };
}

function operatorBox() {
  const rows = model.operator.signing_keys.length ? model.operator.signing_keys : [];
  const shown = rows.slice(0, 8);
  return {
    x: 0,
    y: 0,
    width: 190,
    height: CARD.header + (1 + shown.length) * CARD.line + CARD.pad + 4,
    keys: shown,
    left: rows.length - shown.length,
  };
}

function placeCards(members, left) {
  const boxes = [];
  let x = left,
    y = 0,
    height = 0;
  const heights = members.map((index) => cardHeight(cardRows(index)));
  const whole = heights.reduce((sum, one) => sum + one + CARD.gap, 0);
  const limit = whole <= TALLEST ? Infinity : Math.max(whole / Math.ceil(whole / TALLEST), 500);
  members.forEach((index, place) => {
    if (y > 0 && y + heights[place] > limit + 80) {
      x += CARD.width + CARD.gap;
      y = 0;
    }
    boxes.push({ index, x, y, width: CARD.width, height: heights[place], column: x });
    height = Math.max(height, y + heights[place]);
    y += heights[place] + CARD.gap;
  });
  return { boxes, height, right: x + CARD.width };
}

/** Cards in rows, from a height on and as wide as that. */
function placeRows(members, left, top, right) {
  const boxes = [];
  let x = left,
    y = top,
    bottom = top,
    furthest = left;
  for (const index of members) {
    const height = cardHeight(cardRows(index));
    if (x > left && x + CARD.width > right) {
      x = left;
      y = bottom + CARD.gap;
    }
    boxes.push({ index, x, y, width: CARD.width, height });
    bottom = Math.max(bottom, y + height);
    furthest = Math.max(furthest, x + CARD.width);
    x += CARD.width + CARD.gap;
  }
  return { boxes, height: bottom, right: furthest };
}

function centre(boxes, height) {
  const bottoms = new Map();
  for (const box of boxes.values()) bottoms.set(box.column, Math.max(bottoms.get(box.column) || 0, box.y + box.height));
  for (const box of boxes.values()) box.y += (height - bottoms.get(box.column)) / 2;
}
