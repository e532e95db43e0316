/* The texts of a page that do not stand out enough against what is behind them (WCAG 2.2, 1.4.3): 4.5 to 1, and 3 to 1 for large ones. */

const luminance = ([red, green, blue]) => {
  const [r, g, b] = [red, green, blue].map((value) =>
    value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const parse = (color) => color.match(/[\d.]+/g).map(Number);
const isClear = (color) => color === "none" || color === "transparent" || parse(color)[3] === 0;

function behind(element) {
  const tile = element.closest("svg .tile");
  if (tile) return getComputedStyle(tile.querySelector("rect.body")).fill;
  for (let at = element; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    if (!isClear(color)) return color;
  }
  return "rgb(255, 255, 255)";
}

const faults = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let seen = 0;
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement;
  if (!node.textContent.trim() || ["SCRIPT", "STYLE", "TITLE", "title", "NOSCRIPT"].includes(element.tagName)) continue;
  if (!element.getClientRects().length || element.closest(".faint")) continue;
  const style = getComputedStyle(element);
  const color = element instanceof SVGElement ? style.fill : style.color;
  const [one, other] = [luminance(parse(color)), luminance(parse(behind(element)))];
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  const size = parseFloat(style.fontSize);
  const wanted = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
  seen += 1;
  if (ratio < wanted) faults.push(`${ratio.toFixed(2)}: ${node.textContent.trim().slice(0, 40)} (${color} on ${behind(element)})`);
}
return { faults, seen };
