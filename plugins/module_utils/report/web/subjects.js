/* Sets of subjects, as module_utils/access/subject_sets.py has them: unions of terms, each a pattern without some other patterns. Exact on * and >. */

const ONE = "*";
const REST = ">";

/** The tokens of a subject. */
function pattern(subject) {
  return subject.split(".");
}

/** What is wrong with a subject that somebody typed; empty where it is one. */
function subjectFault(subject) {
  if (/\s/.test(subject)) return "A subject has no spaces.";
  const tokens = pattern(subject);
  if (tokens.includes("")) return "A token is empty: a subject does not begin or end with a dot, and has no two in a row.";
  if (tokens.slice(0, -1).includes(REST)) return "The wildcard > is valid only at the end.";
  return "";
}

/** A set as the model has it: patterns, or lists of a pattern and its exceptions. */
function readSet(terms) {
  return terms.map((term) =>
    typeof term === "string" ? { whole: pattern(term), without: [] } : { whole: pattern(term[0]), without: term.slice(1).map(pattern) },
  );
}

function isSamePattern(one, other) {
  return one.length === other.length && one.every((token, index) => token === other[index]);
}

/** The pattern of all subjects that match both; null where there is none. */
function commonPattern(one, other) {
  const found = [];
  for (let index = 0; index < Math.min(one.length, other.length); index += 1) {
    const left = one[index],
      right = other[index];
    if (left === REST) return [...found, ...other.slice(index)];
    if (right === REST) return [...found, ...one.slice(index)];
    if (left === right || right === ONE) found.push(left);
    else if (left === ONE) found.push(right);
    else return null;
  }
  return one.length === other.length ? found : null;
}

/** Whether every subject of the narrow pattern matches the wide one. */
function contains(wide, narrow) {
  for (let index = 0; index < wide.length; index += 1) {
    if (index >= narrow.length) return false;
    if (wide[index] === REST) return true;
    if (narrow[index] === REST || (wide[index] !== ONE && wide[index] !== narrow[index])) return false;
  }
  return wide.length === narrow.length;
}

/** The patterns but those that another one contains. */
function widest(patterns) {
  const found = [];
  for (const one of patterns) if (!found.some((other) => isSamePattern(one, other))) found.push(one);
  return found.filter((one) => !found.some((other) => other !== one && contains(other, one)));
}

/** Whether every subject of a pattern is in one of the others. */
function isCovered(whole, holes) {
  if (!holes.length) return false;
  if (whole[whole.length - 1] !== REST) return holes.some((hole) => contains(hole, whole));
  // Subjects of different lengths may be in different patterns; beyond the longest of these, only > matters.
  const start = whole.slice(0, -1);
  const longest = Math.max(...holes.map((hole) => hole.length));
  for (let count = 1; count <= Math.max(longest - start.length, 0) + 1; count += 1) {
    const tail = Array(count).fill(ONE);
    if (!holes.some((hole) => contains(hole, [...start, ...tail]))) return false;
  }
  return true;
}

/** The term in its shortest form; null where nothing is left. */
function makeTerm(whole, holes) {
  const without = widest(holes.map((hole) => commonPattern(whole, hole)).filter((hole) => hole !== null));
  if (isCovered(whole, without)) return null;
  if (whole[whole.length - 1] === REST) {
    const oneMore = [...whole.slice(0, -1), ONE];
    if (without.some((hole) => isSamePattern(hole, oneMore))) return makeTerm([...oneMore, REST], without);
  }
  return { whole, without };
}

/** The subjects that are in both sets. */
function intersection(one, other) {
  const found = [];
  for (const left of one) {
    for (const right of other) {
      const shared = commonPattern(left.whole, right.whole);
      const term = shared === null ? null : makeTerm(shared, [...left.without, ...right.without]);
      if (term !== null) found.push(term);
    }
  }
  return found;
}

/** The subjects that are in the first set only. */
function difference(one, other) {
  let left = one;
  for (const right of other) left = left.flatMap((term) => minus(term, right));
  return left;
}

function minus(left, right) {
  const shared = commonPattern(left.whole, right.whole);
  if (shared === null) return [left];
  const kept = [makeTerm(left.whole, [...left.without, shared])];
  for (const hole of right.without) {
    const within = commonPattern(shared, hole);
    if (within !== null) kept.push(makeTerm(within, left.without));
  }
  return kept.filter((term) => term !== null);
}

/** Whether every subject of the first set is in the other. */
function isSubset(one, other) {
  return difference(one, other).length === 0;
}

/** How much of the wanted subjects is in a set: all, some or none; and what. */
function howMuch(wanted, set) {
  const part = intersection(wanted, set);
  if (!part.length) return { extent: "none", part };
  return { extent: isSubset(wanted, set) ? "all" : "some", part };
}

/** A set in words: `orders.> but not orders.secret, and prices.*`. Terms that another one contains are omitted. */
function describeSet(set) {
  const terms = set.filter(
    (term, index) =>
      !set.some((other, place) => place !== index && isSubset([term], [other]) && (place < index || !isSubset([other], [term]))),
  );
  const words = terms.map(
    (term) =>
      term.whole.join(".") +
      (term.without.length
        ? ` but not ${term.without
            .map((hole) => hole.join("."))
            .sort()
            .join(" or ")}`
        : ""),
  );
  return words.join(", and ") || "nothing";
}
