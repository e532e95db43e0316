/* What changed since an earlier report. */

function showChanges(section) {
  const changed = model.changes;
  section.append(
    el(
      "p",
      { class: "lead" },
      changed.length
        ? [el("b", {}, count(changed.length, "change")), " since the earlier report."]
        : "Nothing changed since the earlier report.",
    ),
  );
  for (const [kind, title] of [
    ["added", "New"],
    ["removed", "Gone"],
    ["changed", "Changed"],
  ]) {
    const items = changed.filter((change) => change.kind === kind);
    if (items.length)
      section.append(
        el(
          "div",
          { class: "block" },
          el("h3", {}, `${title} (${number(items.length)})`),
          growing(
            el("ul", { class: "rows" }),
            items,
            (change) => el("li", {}, el("span", {}, el("b", {}, change.about), " ", change.text)),
            100,
          ),
        ),
      );
  }
}
