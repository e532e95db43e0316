# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The files of web/ as text, made from them by `make report-page`: change them there."""

from __future__ import annotations

PAGE = r"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
<header class="bar">
<p class="brand" id="brand"></p>
<nav id="views" aria-label="Views"></nav>
<div class="tools">
<button type="button" id="theme" class="quiet">Theme: system</button>
<button type="button" id="print" class="quiet">Print</button>
</div>
</header>
<main id="content" tabindex="-1"><noscript><p>This report needs JavaScript.</p></noscript></main>
<script type="application/json" id="natsops-report">{{ model }}</script>
<script>{{ script }}</script>
</body>
</html>
"""

STYLE = r"""/* Colours are few: ink, muted ink, lines, and one accent for links, selections and what works. All text has a contrast of at least 4.5 to 1. */
:root {
  color-scheme: light dark;
  --paper: #fbfaf7;
  --raised: #ffffff;
  --sunken: #f2efe9;
  --ink: #1b1d20;
  --muted: #5b6068;
  --line: #dedad2;
  --edge: #8b8d8c;
  --accent: #0a6357;
  --accent-soft: #dcebe7;
  --sans: system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
  --serif: Charter, "Iowan Old Style", "Source Serif 4", "Liberation Serif", "DejaVu Serif", Georgia, serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace;
}

@media (prefers-color-scheme: dark) {
  :root:not([data-theme="light"]) {
    --paper: #141619;
    --raised: #1b1e22;
    --sunken: #22262b;
    --ink: #ebe9e4;
    --muted: #a4a9b0;
    --line: #33383e;
    --edge: #7d848b;
    --accent: #6ccbb9;
    --accent-soft: #1d3a36;
  }
}

:root[data-theme="dark"] {
  color-scheme: dark;
  --paper: #141619;
  --raised: #1b1e22;
  --sunken: #22262b;
  --ink: #ebe9e4;
  --muted: #a4a9b0;
  --line: #33383e;
  --edge: #7d848b;
  --accent: #6ccbb9;
  --accent-soft: #1d3a36;
}

:root[data-theme="light"] {
  color-scheme: light;
}

* {
  box-sizing: border-box;
}

html {
  scroll-padding-top: 5rem;
}

body {
  margin: 0;
  background: var(--paper);
  color: var(--ink);
  font: 400 1rem/1.55 var(--sans);
  -webkit-font-smoothing: antialiased;
}

h1,
h2,
h3,
p,
ul,
dl,
dd,
table,
figure {
  margin: 0;
  padding: 0;
}
ul {
  list-style: none;
}
a {
  color: var(--accent);
  text-underline-offset: 0.18em;
  text-decoration-thickness: 1px;
}
:focus-visible {
  outline: 2px solid var(--accent);
  outline-offset: 2px;
  border-radius: 3px;
}
main:focus,
h2:focus {
  outline: none;
}

h1 {
  font: 400 3.25rem/1.05 var(--serif);
  letter-spacing: -0.02em;
}
h2 {
  font: 400 2.1rem/1.15 var(--serif);
  letter-spacing: -0.012em;
}
h3 {
  font: 600 0.8rem/1.4 var(--sans);
  color: var(--muted);
  letter-spacing: 0.01em;
}
.lead {
  max-width: 44rem;
  font-size: 1.125rem;
  color: var(--muted);
  margin-top: 0.75rem;
  text-wrap: pretty;
}
.lead b {
  color: var(--ink);
  font-weight: 600;
}
.mono {
  font: 400 0.875em/1.5 var(--mono);
  overflow-wrap: anywhere;
}
.key {
  font: 400 0.78rem/1.5 var(--mono);
  color: var(--muted);
  overflow-wrap: anywhere;
}
.under {
  margin-top: 1rem;
}
.muted {
  color: var(--muted);
}
.small {
  font-size: 0.875rem;
}
.number {
  text-align: right;
  font-variant-numeric: tabular-nums;
  white-space: nowrap;
}

.skip {
  position: absolute;
  left: -100rem;
}
.skip:focus {
  left: 1rem;
  top: 1rem;
  z-index: 9;
  background: var(--raised);
  padding: 0.5rem 1rem;
}

/* ---- the bar */

.bar {
  position: sticky;
  top: 0;
  z-index: 5;
  display: flex;
  align-items: center;
  gap: 1rem 2.5rem;
  flex-wrap: wrap;
  padding: 0.7rem 2.5rem;
  background: var(--paper);
  border-bottom: 1px solid var(--line);
}
.brand {
  font: 400 1.3rem/1.2 var(--serif);
  max-width: 16rem;
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
}
nav {
  display: flex;
  flex-wrap: wrap;
  gap: 0.15rem;
  flex: 1;
}
nav a {
  padding: 0.35rem 0.75rem;
  border-radius: 2rem;
  color: var(--muted);
  text-decoration: none;
  font-size: 0.94rem;
  white-space: nowrap;
}
nav a:hover {
  color: var(--ink);
  background: var(--sunken);
}
nav a[aria-current] {
  color: var(--ink);
  background: var(--sunken);
  font-weight: 600;
}
nav a .count {
  font-size: 0.8rem;
  font-variant-numeric: tabular-nums;
  margin-left: 0.3rem;
  color: var(--muted);
  font-weight: 400;
}
.tools {
  display: flex;
  gap: 0.25rem;
}

button,
input,
select {
  font: inherit;
  color: inherit;
}
button {
  cursor: pointer;
  background: var(--raised);
  border: 1px solid var(--line);
  border-radius: 0.45rem;
  padding: 0.35rem 0.8rem;
  font-size: 0.9rem;
}
button:hover {
  border-color: var(--edge);
}
button.quiet {
  border-color: transparent;
  background: transparent;
  color: var(--muted);
}
button.quiet:hover {
  color: var(--ink);
  background: var(--sunken);
}
button.link {
  border: 0;
  background: none;
  padding: 0;
  color: var(--accent);
  text-decoration: underline;
  text-underline-offset: 0.18em;
  text-decoration-thickness: 1px;
  text-align: left;
  font-size: inherit;
  overflow-wrap: anywhere;
}
input[type="search"],
input[type="text"],
select {
  background: var(--raised);
  border: 1px solid var(--edge);
  border-radius: 0.45rem;
  padding: 0.45rem 0.8rem;
  min-width: 0;
}
::placeholder {
  color: var(--muted);
  opacity: 1;
}
label {
  font-size: 0.875rem;
  color: var(--muted);
}

/* ---- views */

section {
  padding: 3.5rem 2.5rem 6rem;
  max-width: 76rem;
  margin: 0 auto;
}
section[hidden] {
  display: none;
}
section > * + .block,
.block + .block {
  margin-top: 3.25rem;
}
.block > h3 + * {
  margin-top: 0.75rem;
}

.figures {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr));
  gap: 0 2.5rem;
  margin-top: 3.25rem;
  border-top: 1px solid var(--ink);
}
.figure {
  padding: 1.1rem 0 0;
}
.figure strong {
  display: block;
  font: 400 2.5rem/1.1 var(--serif);
  letter-spacing: -0.02em;
  margin: 0.3rem 0 0.35rem;
  font-variant-numeric: lining-nums;
}
.figure p {
  font-size: 0.9rem;
  color: var(--muted);
  max-width: 17rem;
  overflow-wrap: anywhere;
}

.columns {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr));
  gap: 3.25rem 4rem;
}
.columns > .block {
  margin-top: 0;
}
.block.columns {
  margin-top: 3.25rem;
}

.rows > li {
  display: grid;
  grid-template-columns: minmax(0, 1fr) auto;
  gap: 0.25rem 1.5rem;
  padding: 0.6rem 0;
  border-top: 1px solid var(--line);
  align-items: baseline;
}
.rows > li:last-child {
  border-bottom: 1px solid var(--line);
}
.rows .end {
  text-align: right;
  font-variant-numeric: tabular-nums;
  white-space: nowrap;
}

.scroll {
  overflow-x: auto;
}
table {
  width: 100%;
  border-collapse: collapse;
  font-size: 0.94rem;
}
th {
  text-align: left;
  font: 600 0.8rem/1.4 var(--sans);
  color: var(--muted);
  padding: 0.5rem 1.5rem 0.5rem 0;
  border-bottom: 1px solid var(--ink);
  white-space: nowrap;
}
td {
  padding: 0.55rem 1.5rem 0.55rem 0;
  border-bottom: 1px solid var(--line);
  vertical-align: baseline;
  overflow-wrap: anywhere;
}
th:last-child,
td:last-child {
  padding-right: 0;
}
th.number {
  text-align: right;
}

.badge {
  display: inline-block;
  font: 600 0.75rem/1 var(--sans);
  padding: 0.3rem 0.5rem;
  border-radius: 1rem;
  border: 1px solid var(--edge);
  color: var(--ink);
  white-space: nowrap;
}
.badge.strong {
  background: var(--ink);
  border-color: var(--ink);
  color: var(--paper);
}
.more {
  margin-top: 1rem;
}

/* ---- map */

#map {
  max-width: none;
  padding: 0;
}
#map > h2 {
  position: absolute;
  left: -100rem;
}
.stage {
  display: grid;
  grid-template-columns: minmax(0, 1fr) 21rem;
  height: calc(100vh - var(--bar, 3.7rem));
  min-height: 32rem;
}
.canvas {
  position: relative;
  min-width: 0;
  overflow: hidden;
}
.canvas svg {
  display: block;
  width: 100%;
  height: 100%;
  cursor: grab;
  touch-action: none;
  user-select: none;
}
.canvas svg:active {
  cursor: grabbing;
}
.canvas .search {
  position: absolute;
  left: 2.5rem;
  top: 1.5rem;
  display: flex;
  flex-wrap: wrap;
  gap: 0.5rem;
  align-items: center;
  max-width: calc(100% - 5rem);
}
.canvas .search input {
  width: 20rem;
  box-shadow: 0 1px 8px rgb(0 0 0 / 6%);
}
.canvas .search output {
  font-size: 0.875rem;
  color: var(--muted);
  background: var(--paper);
  padding: 0.15rem 0.5rem;
  border-radius: 1rem;
}
.canvas .search output:empty {
  display: none;
}
tbody th {
  border-bottom: 1px solid var(--line);
  font-size: 0.9rem;
}
.words table {
  max-width: 26rem;
}
svg .trust.faint {
  opacity: 0.35;
}
.canvas .zoom {
  position: absolute;
  left: 2.25rem;
  bottom: 1.5rem;
  display: flex;
  gap: 0.35rem;
  padding: 0.35rem;
  border-radius: 0.7rem;
  background: var(--paper);
}
.canvas .zoom button {
  min-width: 2.4rem;
}
.panel {
  border-left: 1px solid var(--line);
  overflow-y: auto;
  padding: 1.75rem 1.75rem 4rem;
  background: var(--raised);
}
.panel h3 {
  margin-top: 2rem;
}
.panel h3 + * {
  margin-top: 0.5rem;
}
.panel .title {
  font: 400 1.75rem/1.15 var(--serif);
  letter-spacing: -0.01em;
  overflow-wrap: anywhere;
  margin: 0;
  color: var(--ink);
}
.panel .actions {
  display: flex;
  flex-wrap: wrap;
  gap: 0.5rem;
  margin-top: 1.25rem;
}
.panel li {
  padding: 0.45rem 0;
  border-top: 1px solid var(--line);
  font-size: 0.9rem;
  overflow-wrap: anywhere;
}
.panel li .small {
  display: block;
}
.panel dl {
  display: grid;
  grid-template-columns: auto minmax(0, 1fr);
  gap: 0.35rem 1.25rem;
  font-size: 0.9rem;
  margin-top: 1.25rem;
}
.panel dt {
  color: var(--muted);
}
.panel dd {
  overflow-wrap: anywhere;
}
.legend {
  margin-top: 1.5rem;
}
.legend li {
  display: grid;
  grid-template-columns: 2.75rem 1fr;
  align-items: center;
}
.legend svg {
  width: 2.25rem;
  height: 1.2rem;
  cursor: auto;
}

svg text {
  font-family: var(--sans);
  fill: var(--ink);
}
svg .tile {
  cursor: pointer;
  outline: none;
}
svg .tile > rect.body {
  fill: var(--raised);
  stroke: var(--line);
}
svg .tile:hover > rect.body {
  stroke: var(--edge);
}
svg .tile:focus-visible > rect.body {
  stroke: var(--accent);
  stroke-width: 2.5;
}
svg .tile[aria-pressed="true"] > rect.body {
  fill: var(--accent-soft);
  stroke: var(--accent);
  stroke-width: 2;
}
svg .tile.near > rect.body {
  stroke: var(--accent);
}
svg .tile.faint {
  opacity: 0.25;
}
svg .tile .name {
  font-size: 14px;
  font-weight: 600;
}
svg .tile.compact .name {
  font-size: 11.5px;
  font-weight: 500;
}
svg .tile .sub,
svg .row {
  font-size: 11.5px;
  fill: var(--muted);
}
svg .row.subject {
  font-family: var(--mono);
  font-size: 11px;
  fill: var(--ink);
}
svg .rule {
  stroke: var(--line);
}
svg .load {
  fill: var(--edge);
}
svg .flag {
  fill: var(--ink);
}
svg .operator > rect.body {
  fill: var(--ink);
  stroke: var(--ink);
}
svg .operator text,
svg .operator .row {
  fill: var(--paper);
}
svg .operator .sub {
  fill: var(--paper);
}
svg .operator .rule {
  stroke: var(--edge);
}
svg .operator[aria-pressed="true"] > rect.body {
  fill: var(--ink);
}
svg .caption {
  font-size: 12px;
  fill: var(--muted);
  font-weight: 600;
}
svg .port {
  fill: var(--accent);
}
svg .port.private {
  fill: var(--raised);
  stroke: var(--accent);
  stroke-width: 1.75;
}
svg .port.idle {
  fill: var(--edge);
}
svg .port.private.idle {
  fill: var(--raised);
  stroke: var(--edge);
}
svg .link {
  fill: none;
  stroke: var(--accent);
  stroke-width: 1.6;
  opacity: 0.75;
}
svg .link.broken {
  stroke: var(--ink);
  stroke-dasharray: 2 5;
  stroke-width: 2;
  stroke-linecap: round;
}
svg .link.faint {
  opacity: 0.1;
}
svg .link.hot {
  opacity: 1;
  stroke-width: 2.2;
}
svg .cross {
  stroke: var(--ink);
  stroke-width: 2;
  stroke-linecap: round;
}
svg .trust {
  fill: none;
  stroke: var(--line);
  stroke-width: 1.25;
}
svg .trust.hot {
  stroke: var(--edge);
}

/* ---- timeline */

.months {
  display: block;
  width: 100%;
  height: 15rem;
  overflow: visible;
}
.months rect {
  fill: var(--accent);
}
.months .past {
  fill: var(--ink);
}
.months text {
  font-size: 12px;
  fill: var(--muted);
}
.months .value {
  fill: var(--ink);
  font-variant-numeric: tabular-nums;
}
.months line {
  stroke: var(--line);
}
.months .now {
  stroke: var(--ink);
}
.buckets {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr));
  gap: 0.5rem;
  margin-top: 2.5rem;
}
.buckets button {
  display: block;
  text-align: left;
  padding: 0.8rem 1rem;
  border-radius: 0.6rem;
}
.buckets button[aria-pressed="true"] {
  border-color: var(--accent);
  background: var(--accent-soft);
}
.buckets strong {
  display: block;
  font: 400 1.7rem/1.2 var(--serif);
  font-variant-numeric: lining-nums;
}
.buckets span {
  font-size: 0.85rem;
  color: var(--muted);
}
.buckets button[aria-pressed="true"] span {
  color: var(--ink);
}

/* ---- findings */

.finding {
  padding: 1.75rem 0;
  border-top: 1px solid var(--line);
  display: grid;
  grid-template-columns: 6rem minmax(0, 1fr);
  gap: 0.5rem 2rem;
}
.finding:first-of-type {
  border-top: 1px solid var(--ink);
}
.finding h3 {
  font: 600 1.125rem/1.35 var(--sans);
  color: var(--ink);
  letter-spacing: 0;
}
.finding .why {
  max-width: 44rem;
  margin-top: 0.35rem;
  color: var(--muted);
  font-size: 0.94rem;
}
.finding .words {
  margin-top: 0.9rem;
}
.finding .who {
  margin-top: 0.15rem;
}
.finding .words + .words {
  padding-top: 0.75rem;
  border-top: 1px dotted var(--edge);
}
.chips {
  display: flex;
  flex-wrap: wrap;
  gap: 0.3rem 0.4rem;
  margin-top: 0.45rem;
}
.chip {
  background: var(--sunken);
  border-radius: 0.3rem;
  padding: 0.12rem 0.5rem;
  font-size: 0.85rem;
  overflow-wrap: anywhere;
  color: var(--ink);
}
button.chip {
  border: 0;
}
button.chip:hover {
  background: var(--accent-soft);
}

/* ---- who may */

.ask {
  display: grid;
  grid-template-columns: minmax(0, 1fr) auto;
  gap: 0.6rem 2rem;
  margin-top: 2.25rem;
  max-width: 52rem;
  align-items: center;
}
.ask input {
  font: 400 1.35rem/1.3 var(--mono);
  padding: 0.75rem 1rem;
  width: 100%;
}
.ask fieldset {
  border: 0;
  margin: 0;
  padding: 0;
  display: flex;
  gap: 1.5rem;
}
.ask fieldset label {
  display: flex;
  gap: 0.5rem;
  align-items: center;
  color: var(--ink);
  font-size: 1rem;
}
.ask input[type="radio"] {
  width: 1.1rem;
  height: 1.1rem;
  accent-color: var(--accent);
  padding: 0;
}
.ask label[for] {
  grid-column: 1 / -1;
}
.answer {
  margin-top: 2.5rem;
}
.answer > * + * {
  margin-top: 1.5rem;
}
.answer > .block {
  margin-top: 3.25rem;
}
svg .lines {
  pointer-events: none;
}
svg .lines path {
  pointer-events: stroke;
}
.answer .account {
  padding: 1.1rem 0;
  border-top: 1px solid var(--line);
  display: grid;
  grid-template-columns: 12rem minmax(0, 1fr);
  gap: 0.5rem 2rem;
}
.answer .account h3 {
  font-size: 1rem;
  color: var(--ink);
  overflow-wrap: anywhere;
}
.answer .group + .group {
  margin-top: 0.8rem;
}

@media (max-width: 62rem) {
  .stage {
    grid-template-columns: 1fr;
    height: auto;
  }
  .canvas {
    height: 70vh;
  }
  .panel {
    border-left: 0;
    border-top: 1px solid var(--line);
  }
  .bar,
  section {
    padding-left: 1.25rem;
    padding-right: 1.25rem;
  }
  .bar {
    position: static;
  }
  .canvas .search,
  .canvas .search output:empty {
    display: none;
  }
  tbody th {
    border-bottom: 1px solid var(--line);
    font-size: 0.9rem;
  }
  .words table {
    max-width: 26rem;
  }
  svg .trust.faint {
    opacity: 0.35;
  }
  .canvas .zoom {
    left: 1.25rem;
  }
  .finding,
  .answer .account {
    grid-template-columns: 1fr;
  }
  h1 {
    font-size: 2.4rem;
  }
}

@media (prefers-reduced-motion: no-preference) {
  svg .tile {
    transition: opacity 0.15s;
  }
  svg .link {
    transition: opacity 0.15s;
  }
}

@media print {
  :root,
  :root:not([data-theme="light"]),
  :root[data-theme="dark"] {
    --paper: #fff;
    --raised: #fff;
    --sunken: #f4f4f4;
    --ink: #000;
    --muted: #444;
    --line: #ccc;
    --edge: #888;
    --accent: #000;
    --accent-soft: #eee;
  }
  body {
    font-size: 10pt;
  }
  .bar,
  .skip,
  #map,
  #who,
  .more,
  .buckets,
  button.link[data-screen] {
    display: none !important;
  }
  section,
  section[hidden] {
    display: block !important;
    padding: 0 0 2rem;
    max-width: none;
  }
  section:not(.filled) {
    display: none !important;
  }
  section + section {
    break-before: auto;
  }
  h1 {
    font-size: 28pt;
  }
  h2 {
    font-size: 18pt;
  }
  button.link,
  button.chip {
    color: #000;
    text-decoration: none;
  }
  tr,
  .finding,
  li {
    break-inside: avoid;
  }
}
"""

SCRIPT = r""""use strict";
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
/* Elements. All text of the model goes through here, as text: nothing of it is ever read as HTML. */

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== "") element.append(child);
  }
  return element;
}

/** An HTML element with attributes, listeners (`onclick`) and children, which are elements or text. */
function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function replace(parent, ...children) {
  parent.replaceChildren();
  return fill(parent, {}, children);
}

/** The items as elements, so many at first, and a button for more. */
function growing(container, items, make, first) {
  let shown = 0;
  const place = el("div");
  const button = el("button", { type: "button", class: "more" });
  button.addEventListener("click", () => {
    const before = container.children.length;
    grow(Math.max(first, 200));
    container.children[before]?.querySelector("button, a")?.focus();
  });
  function grow(count) {
    for (const item of items.slice(shown, shown + count)) container.append(make(item));
    shown = Math.min(items.length, shown + count);
    button.textContent = `Show more (${number(items.length - shown)} left)`;
    button.hidden = shown === items.length;
  }
  grow(first);
  return fill(place, {}, [container, button]);
}

/** The item with its plural: `1 account`, `3 accounts`. */
function count(many, word, plural) {
  return `${number(many)} ${many === 1 ? word : plural || word + "s"}`;
}

function number(value) {
  return value.toLocaleString("en");
}

/** A text cut to so many characters. */
function cut(text, length) {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

const SANS = getComputedStyle(document.documentElement).getPropertyValue("--sans");
const MONO = getComputedStyle(document.documentElement).getPropertyValue("--mono");
const FONTS = { name: `600 14px ${SANS}`, tile: `500 11.5px ${SANS}`, row: `11.5px ${SANS}`, subject: `11px ${MONO}` };
const ruler = document.createElement("canvas").getContext("2d");

/** How wide a text is in a font, in pixels. */
function widthOf(text, font) {
  ruler.font = font;
  return ruler.measureText(text).width;
}

/** A text cut to a width. */
function cutTo(text, width, font) {
  if (widthOf(text, font) <= width) return text;
  let kept = Math.min(text.length, 200);
  while (kept > 1 && widthOf(`${text.slice(0, kept)}…`, font) > width) kept -= 1;
  return `${text.slice(0, kept)}…`;
}

const DAY = 86400;

/** A day as 2026-11-26, in UTC, of unix seconds; the seconds themselves beyond the years that JavaScript knows. */
function day(seconds) {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace(/T.*/, "");
}

/** How far away a time is. */
function away(seconds, now) {
  const distance = Math.abs(seconds - now);
  const days = Math.floor(distance / DAY);
  const hours = Math.floor(distance / 3600);
  const words = days >= 730 ? `${Math.floor(days / 365)} years` : days ? count(days, "day") : hours ? count(hours, "hour") : "minutes";
  return seconds < now ? `${words} ago` : `in ${words}`;
}

/** A span of seconds as the options of the collection write it. */
function span(seconds) {
  for (const [unit, size] of [
    ["d", DAY],
    ["h", 3600],
    ["m", 60],
  ])
    if (seconds % size === 0) return `${seconds / size}${unit}`;
  return `${seconds}s`;
}
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
/* The trust map: the operator with its keys, accounts, and what leads from exports to imports. */

const MOST_LINKS = 160; // more are drawn for the selected account only

const map = { selected: null, focus: null, query: "", view: null, tiles: new Map(), layout: null };

function showMap(section) {
  map.svg = svg("svg", {
    role: "group",
    "aria-label": "Map of accounts. Arrow keys go from account to account, Enter selects, Escape clears, plus, minus and 0 zoom.",
  });
  map.search = el("input", {
    type: "search",
    placeholder: "Find an account, user or subject",
    "aria-label": "Find accounts by name, key, tag, user or subject",
    oninput: () => find(map.search.value),
  });
  map.found = el("output", { "aria-live": "polite" });
  map.only = el("button", { type: "button", hidden: true, onclick: () => onlyFound() }, "Show only these");
  map.all = el("button", { type: "button", hidden: true, onclick: () => narrow(null) }, "Show all accounts");
  map.panel = el("aside", { class: "panel", "aria-label": "Details", "aria-live": "polite", tabindex: "0" });
  const zoom = el(
    "div",
    { class: "zoom" },
    el("button", { type: "button", "aria-label": "Zoom in", onclick: () => scale(1 / 1.3) }, "+"),
    el("button", { type: "button", "aria-label": "Zoom out", onclick: () => scale(1.3) }, "−"),
    el("button", { type: "button", onclick: () => fit("all") }, "Show all"),
  );
  // The map comes after what searches it, so that the Tab key goes from left to right.
  const canvas = el("div", { class: "canvas" }, map.svg, el("div", { class: "search" }, map.search, map.found, map.only, map.all), zoom);
  section.append(el("div", { class: "stage" }, canvas, map.panel));
  listen();
  draw();
  showDetail();
}

/** Redraw what is shown. */
function draw() {
  const shown = map.focus ? [...map.focus] : accounts.map((_account, index) => index);
  map.layout = layOut(shown, (map.svg.getBoundingClientRect().width || 1000) - 80);
  map.tiles.clear();
  const layout = map.layout;
  const front = svg("g");
  map.lines = svg("g", { class: "lines" });
  for (const caption of layout.captions) front.append(svg("text", { class: "caption", x: caption.x, y: caption.y - 22 }, caption.text));
  if (layout.operator) front.append(operatorTile(layout.operator));
  for (const place of layout.boxes.values()) {
    const tile = layout.isDetailed ? card(place) : smallTile(place);
    map.tiles.set(place.index, tile);
    front.append(tile);
  }
  // Between cards lines are behind them; among tiles, which leave them no room, before them.
  replace(map.svg, ...(layout.isDetailed ? [map.lines, front] : [front, map.lines]));
  map.all.hidden = map.focus === null;
  rove(map.selected !== null && map.tiles.has(map.selected) ? map.selected : layout.boxes.keys().next().value);
  drawLinks();
  mark();
  fit();
}

// ---- tiles

function describe(index) {
  const account = accounts[index];
  const words = [
    `account ${account.name}`,
    count(usersOf[index].length, "user"),
    count((account.exports || []).length, "export"),
    count(importsOf[index].length, "import"),
  ];
  if (isTroubled(index)) words.push("something does not work");
  return words.join(", ");
}

function isTroubled(index) {
  return Boolean((accounts[index].refused || []).length) || importsOf[index].some(doesNotWork);
}

function tile(place, kind, ...children) {
  return svg(
    "g",
    {
      class: `tile ${kind}`,
      role: "button",
      tabindex: "-1",
      "aria-pressed": "false",
      "aria-label": describe(place.index),
      "data-account": place.index,
      transform: `translate(${place.x} ${place.y})`,
    },
    svg("title", {}, describe(place.index)),
    svg("rect", { class: "body", width: place.width, height: place.height, rx: kind === "compact" ? 6 : 9 }),
    ...children,
  );
}

function smallTile(place) {
  const account = accounts[place.index];
  const many = usersOf[place.index].length;
  const parts = [];
  if (many)
    parts.push(
      svg("rect", {
        class: "load",
        x: 9,
        y: place.height - 4.5,
        height: 1.5,
        rx: 0.75,
        width: Math.min(place.width - 18, 4 + 9 * Math.log2(1 + many)),
      }),
    );
  if (isTroubled(place.index)) parts.push(svg("circle", { class: "flag", cx: place.width - 10, cy: 12, r: 4 }));
  else if ((account.exports || []).length) parts.push(port(account.exports[0].type, place.width - 10, 12, false, false));
  parts.unshift(
    svg(
      "text",
      { class: "name", x: 9, y: 16 },
      cutTo(account.name, place.width - (parts.length > 1 || (!many && parts.length) ? 28 : 16), FONTS.tile),
    ),
  );
  return tile(place, "compact", ...parts);
}

/** The mark of an export or import: round for a service, square for a stream, hollow for a private one. */
function port(type, x, y, isPrivate, isIdle) {
  const kind = `port ${isPrivate ? "private" : ""} ${isIdle ? "idle" : ""}`;
  return type === "service"
    ? svg("circle", { class: kind, cx: x, cy: y, r: 4 })
    : svg("rect", { class: kind, x: x - 3.75, y: y - 3.75, width: 7.5, height: 7.5 });
}

function card(place) {
  const account = accounts[place.index];
  const parts = [
    svg("text", { class: "name", x: 14, y: 23 }, cutTo(account.name, place.width - 46, FONTS.name)),
    svg("text", { class: "sub", x: 14, y: 40 }, subtitle(place.index)),
  ];
  if (isTroubled(place.index)) parts.push(svg("circle", { class: "flag", cx: place.width - 16, cy: 19, r: 5 }));
  place.ports = { exports: new Map(), imports: new Map(), moreExports: null, moreImports: null };
  let y = CARD.header;
  for (const rows of cardRows(place.index)) {
    parts.push(svg("line", { class: "rule", x1: 0, x2: place.width, y1: y, y2: y }));
    y += CARD.pad / 2;
    for (const row of rows) {
      y += CARD.line;
      parts.push(...cardRow(row, place, y - 6));
    }
    y += CARD.pad / 2;
  }
  return tile(place, "card", ...parts);
}

function subtitle(index) {
  const words = [count(usersOf[index].length, "user")];
  if (accounts[index].system) words.unshift("system account");
  return words.join(", ");
}

function cardRow(row, place, y) {
  const middle = y - 4;
  if (row.kind === "scope")
    return [
      svg("text", { class: "row", x: 14, y }, cutTo(row.text, place.width - 70, FONTS.row)),
      svg("text", { class: "row", x: place.width - 14, y, "text-anchor": "end" }, row.value),
    ];
  if (row.kind === "more") {
    if (row.of !== "scope") place.ports[row.of === "export" ? "moreExports" : "moreImports"] = middle;
    const atEnd = row.of === "export";
    return [svg("text", { class: "row", x: atEnd ? place.width - 14 : 14, y, "text-anchor": atEnd ? "end" : "start" }, row.text)];
  }
  const text = svg(
    "text",
    { class: "row subject", x: row.kind === "export" ? place.width - 14 : 14, y, "text-anchor": row.kind === "export" ? "end" : "start" },
    cutTo(row.text, place.width - 30, FONTS.subject),
  );
  if (row.kind === "export") {
    const key = `${row.item.type} ${row.item.subject}`;
    place.ports.exports.set(key, middle);
    return [text, port(row.item.type, place.width, middle, row.item.private, !exportsTo[place.index].length)];
  }
  place.ports.imports.set(row.link, middle);
  return [text, port(row.link.type, 0, middle, false, doesNotWork(row.link))];
}

function operatorTile(place) {
  const operator = model.operator;
  if (place.isStrip) return operatorStrip(place);
  const parts = [
    svg("text", { class: "name", x: 14, y: 23 }, cut(operator.name, 20)),
    svg("text", { class: "sub", x: 14, y: 40 }, operator.strict ? "operator, strict" : "operator"),
    svg("line", { class: "rule", x1: 0, x2: place.width, y1: CARD.header, y2: CARD.header }),
  ];
  place.ports = new Map();
  const rows = [
    { key: operator.key, text: "identity key" },
    ...place.keys.map((key) => ({ key: key.key, text: `${key.role || "signing key"}${key.generation ? ` (${key.generation})` : ""}` })),
  ];
  rows.forEach((row, index) => {
    const y = CARD.header + CARD.pad / 2 + (index + 1) * CARD.line - 6;
    place.ports.set(row.key, y - 4);
    parts.push(
      svg("text", { class: "row", x: 14, y }, cut(row.text, 18)),
      svg(
        "text",
        { class: "row", x: place.width - 12, y, "text-anchor": "end", "font-family": "monospace" },
        row.key.startsWith("(") ? "new" : `…${row.key.slice(-5)}`,
      ),
    );
  });
  return operatorGroup(place, parts);
}

/** The operator above bands of tiles. */
function operatorStrip(place) {
  const operator = model.operator;
  const keys = place.keys.map((key) => `${key.role || "signing key"}${key.generation ? ` (${key.generation})` : ""}`).join(", ");
  const words = `operator${operator.strict ? ", strict" : ""}, signs with ${keys || "its identity key"}${place.left > 0 ? ` and ${place.left} more` : ""}`;
  const name = cutTo(operator.name, 260, FONTS.name);
  return operatorGroup(place, [
    svg("text", { class: "name", x: 14, y: 24 }, name),
    svg(
      "text",
      { class: "sub", x: 30 + widthOf(name, FONTS.name), y: 24 },
      cutTo(words, place.width - 60 - widthOf(name, FONTS.name), FONTS.row),
    ),
  ]);
}

function operatorGroup(place, parts) {
  const operator = model.operator;
  const title = `operator ${operator.name}, ${count(operator.signing_keys.length, "signing key")}`;
  const found = svg(
    "g",
    {
      class: "tile operator",
      role: "button",
      tabindex: "-1",
      "aria-pressed": "false",
      "aria-label": title,
      "data-account": "operator",
      transform: `translate(${place.x} ${place.y})`,
    },
    svg("title", {}, title),
    svg("rect", { class: "body", width: place.width, height: place.height, rx: 9 }),
    ...parts,
  );
  map.tiles.set("operator", found);
  return found;
}

// ---- links

function drawLinks() {
  const { boxes, isDetailed } = map.layout;
  const inside = links.filter((link) => boxes.has(link.to) && boxes.has(link.from));
  const drawn = inside.length <= MOST_LINKS ? inside : inside.filter((link) => link.to === map.selected || link.from === map.selected);
  const paths = isDetailed ? trustPaths() : [];
  for (const link of drawn) {
    const from = boxes.get(link.from),
      to = boxes.get(link.to);
    const isHot = map.selected === link.to || map.selected === link.from;
    const state = `${doesNotWork(link) ? "broken" : ""} ${isHot ? "hot" : map.selected !== null ? "faint" : ""}`;
    paths.push(
      svg(
        "path",
        { class: `link ${state}`, d: isDetailed ? between(link, from, to) : across(from, to) },
        svg("title", {}, linkTitle(link)),
      ),
    );
  }
  replace(map.lines, ...paths);
}

/** The line from a card to another one. */
function between(link, from, to) {
  const start = { x: from.x + from.width, y: from.y + exportHeight(from, link) };
  const end = { x: to.x, y: to.y + importHeight(to, link) };
  return end.x > start.x ? curve(start, end) : detour(start, end, from, to);
}

/** The line from a tile to another one, which is below it or beside it. */
function across(from, to) {
  const start = { x: from.x + from.width / 2, y: from.y + from.height };
  const end = { x: to.x + to.width / 2, y: to.y };
  const reach = end.y > start.y ? Math.max(30, (end.y - start.y) * 0.4) : 60;
  return `M${start.x} ${start.y}C${start.x} ${start.y + reach} ${end.x} ${end.y - reach} ${end.x} ${end.y}`;
}

function linkTitle(link) {
  const fault = doesNotWork(link) ? `, which does not work: ${link.problems.join("; ")}` : "";
  return `${accountName(link.to)} imports the ${link.type} ${link.subject} of ${exporterName(link)}${fault}`;
}

/** A line that goes back: out to the right, through the gap beside the card it comes from, and in from the left. */
function detour(start, end, from, to) {
  const gap = CARD.gap / 2;
  // A little apart from others that go the same way.
  const apart = ((((start.y + end.y) / CARD.line) % 3) - 1) * 5;
  const y = (to.y > from.y ? from.y + from.height + gap : from.y - gap) + apart;
  const reach = 44;
  const out = `M${start.x} ${start.y}C${start.x + reach} ${start.y} ${start.x + reach} ${y} ${start.x - 10} ${y}`;
  return `${out}L${end.x + 10} ${y}C${end.x - reach} ${y} ${end.x - reach} ${end.y} ${end.x} ${end.y}`;
}

/** A line that leaves to the right and arrives from the left. */
function curve(start, end) {
  const reach = Math.min(Math.max((end.x - start.x) * 0.5, 40), 160);
  return `M${start.x} ${start.y}C${start.x + reach} ${start.y} ${end.x - reach} ${end.y} ${end.x} ${end.y}`;
}

/** The export of an account that a link comes from: the very one, or one that contains its subject. */
function exportOf(link) {
  const exported = (accounts[link.from].exports || []).filter((item) => item.type === link.type);
  return (
    exported.find((item) => item.subject === link.subject) ||
    exported.find((item) => contains(pattern(item.subject), pattern(link.subject)))
  );
}

function exportHeight(box, link) {
  if (!box.ports) return box.height / 2;
  const item = exportOf(link);
  const height = item ? box.ports.exports.get(`${item.type} ${item.subject}`) : undefined;
  return height ?? box.ports.moreExports ?? box.height / 2;
}

function importHeight(box, link) {
  return box.ports ? (box.ports.imports.get(link) ?? box.ports.moreImports ?? box.height / 2) : box.height / 2;
}

function trustPaths() {
  const { boxes, operator } = map.layout;
  if (!operator) return [];
  return [...boxes.values()]
    .filter((box) => operator.ports.has(accounts[box.index].signed_by))
    .map((box) => {
      const start = { x: operator.x + operator.width, y: operator.y + operator.ports.get(accounts[box.index].signed_by) };
      return svg("path", {
        class: `trust ${map.selected === box.index ? "hot" : map.selected !== null && map.selected !== "operator" ? "faint" : ""}`,
        d: curve(start, { x: box.x, y: box.y + 26 }),
      });
    });
}

// ---- selecting, finding, narrowing

function select(index, andFocus) {
  map.selected = index;
  if (index !== null && index !== "operator" && !map.tiles.has(index)) {
    map.focus = null;
    draw();
  }
  drawLinks();
  mark();
  showDetail();
  if (index !== null) {
    rove(index);
    if (andFocus) map.tiles.get(index).focus({ preventScroll: true });
  }
}

/** An account and those that it exports to or imports from. */
function neighbours(index) {
  const found = new Set([index]);
  for (const link of importsOf[index]) if (link.from !== null) found.add(link.from);
  for (const link of exportsTo[index]) found.add(link.to);
  return found;
}

function narrow(shown) {
  map.focus = shown === null ? null : [...shown].sort((one, other) => one - other);
  draw();
}

function matches(index, words) {
  const account = accounts[index];
  const texts = [
    account.name,
    account.key,
    account.description || "",
    ...(account.tags || []),
    ...(account.exports || []).map((item) => item.subject),
    ...importsOf[index].flatMap((link) => [link.subject, link.local || ""]),
  ];
  const isIn = (text) => text.toLowerCase().includes(words);
  return (
    texts.some(isIn) ||
    usersOf[index].some((user) => isIn(user.name) || isIn(user.key) || isIn(user.scope || "") || (user.tags || []).some(isIn))
  );
}

function find(text) {
  map.query = text.trim().toLowerCase();
  map.hits = map.query ? new Set(accounts.map((account) => account.index).filter((index) => matches(index, map.query))) : null;
  map.found.textContent = map.hits ? `${number(map.hits.size)} of ${count(accounts.length, "account")}` : "";
  map.only.hidden = !map.hits || !map.hits.size || map.hits.size === accounts.length;
  mark();
}

function onlyFound() {
  const shown = new Set(map.hits);
  for (const index of map.hits) for (const other of map.hits.size <= 20 ? neighbours(index) : []) shown.add(other);
  narrow(shown);
}

/** Show what is selected, what is near it, and what is found. */
function mark() {
  const near = map.selected === null || map.selected === "operator" ? null : neighbours(map.selected);
  for (const [index, element] of map.tiles) {
    element.setAttribute("aria-pressed", String(index === map.selected));
    element.classList.toggle("near", Boolean(near && index !== map.selected && near.has(index)));
    const isFaint = index !== "operator" && ((map.hits && !map.hits.has(index)) || (!map.hits && near && !near.has(index)));
    element.classList.toggle("faint", Boolean(isFaint));
  }
}

// ---- keys and pointers

/** The one tile that the Tab key comes to. */
function rove(index) {
  map.at = index;
  for (const [other, element] of map.tiles) element.setAttribute("tabindex", other === index ? "0" : "-1");
}

function placeOf(index) {
  return index === "operator" ? map.layout.operator : map.layout.boxes.get(index);
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The nearest tile in a direction; what lies off to the side counts three times. */
function nearest(from, [dx, dy]) {
  const middle = (box) => [box.x + box.width / 2, box.y + box.height / 2];
  const [x, y] = middle(placeOf(from));
  let best = null,
    least = Infinity;
  for (const index of map.tiles.keys()) {
    const [otherX, otherY] = middle(placeOf(index));
    const ahead = (otherX - x) * dx + (otherY - y) * dy;
    const aside = Math.abs((otherX - x) * dy) + Math.abs((otherY - y) * dx);
    if (index !== from && ahead > 1 && ahead + 3 * aside < least) [best, least] = [index, ahead + 3 * aside];
  }
  return best;
}

function accountAt(event) {
  const element = event.target.closest?.(".tile");
  if (!element) return null;
  return element.dataset.account === "operator" ? "operator" : Number(element.dataset.account);
}

function onKey(event) {
  const at = accountAt(event) ?? map.at;
  if (event.key in ARROWS) {
    const next = nearest(at, ARROWS[event.key]);
    if (next !== null) {
      rove(next);
      map.tiles.get(next).focus({ preventScroll: true });
      bringIntoView(placeOf(next));
    }
  } else if (event.key === "Enter" || event.key === " ") select(at === map.selected ? null : at, true);
  else if (event.key === "Escape") select(null);
  else if (event.key === "+" || event.key === "=") scale(1 / 1.3);
  else if (event.key === "-") scale(1.3);
  else if (event.key === "0") fit("all");
  else return;
  event.preventDefault();
}

function listen() {
  let from = null,
    hasMoved = false;
  map.svg.addEventListener("keydown", onKey);
  map.svg.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) scale(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) / 120), event);
      else pan(event.deltaX, event.deltaY);
    },
    { passive: false },
  );
  map.svg.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, y: event.clientY, view: { ...map.view } };
    hasMoved = false;
  });
  map.svg.addEventListener("pointermove", (event) => {
    if (!from || !event.buttons) return;
    const unit = map.view.width / map.svg.getBoundingClientRect().width;
    const [dx, dy] = [(event.clientX - from.x) * unit, (event.clientY - from.y) * unit];
    if (Math.hypot(event.clientX - from.x, event.clientY - from.y) > 4) hasMoved = true;
    if (hasMoved) look({ ...from.view, x: from.view.x - dx, y: from.view.y - dy });
  });
  map.svg.addEventListener("click", (event) => {
    from = null;
    if (hasMoved) return;
    const at = accountAt(event);
    select(at === map.selected ? null : at);
  });
  addEventListener("resize", () => {
    if (map.layout && !document.getElementById("map").hidden) fit();
  });
}

function look(view) {
  map.view = view;
  map.svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
}

/** Everything in the window, or of many tiles so much that they can be read. There is room for what searches above and for the buttons below. */
function fit(wanted) {
  const { width, height } = map.layout;
  const box = map.svg.getBoundingClientRect();
  const window_ = { width: box.width || 1000, height: box.height || 700 };
  const [side, above, below] = [40, 110, 76];
  const whole = Math.max(width / (window_.width - 2 * side), (height + 34) / (window_.height - above - below), 0.8);
  const unit = wanted === "all" ? whole : Math.min(whole, Math.max(width / (window_.width - 2 * side), 1));
  const view = { width: window_.width * unit, height: window_.height * unit };
  look({
    ...view,
    x: (width - view.width) / 2,
    y: -34 - above * unit - Math.max(0, (view.height - (above + below) * unit - height - 34) / 2),
  });
}

/** Zoom around the middle, or around where the pointer is. */
function scale(factor, event) {
  const box = map.svg.getBoundingClientRect();
  const [right, down] = event ? [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height] : [0.5, 0.5];
  const width = Math.max(200, Math.min(map.view.width * factor, 20000));
  const height = (map.view.height * width) / map.view.width;
  look({ width, height, x: map.view.x + (map.view.width - width) * right, y: map.view.y + (map.view.height - height) * down });
}

/** Move what is seen by so many pixels, but not away from everything. */
function pan(dx, dy) {
  const unit = map.view.width / (map.svg.getBoundingClientRect().width || 1000);
  const { width, height } = map.layout;
  const within = (value, least, most) => Math.max(least, Math.min(value, most));
  look({
    ...map.view,
    x: within(map.view.x + dx * unit, -map.view.width + 100, width - 100),
    y: within(map.view.y + dy * unit, -map.view.height + 100, height - 100),
  });
}

function bringIntoView(box) {
  const { x, y, width, height } = map.view;
  if (box.x < x || box.y < y || box.x + box.width > x + width || box.y + box.height > y + height) {
    look({ width, height, x: box.x + box.width / 2 - width / 2, y: box.y + box.height / 2 - height / 2 });
  }
}
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
/* What expires, and when. */

const BUCKETS = [
  ["expired", (seconds) => seconds < NOW],
  ["within 7 days", (seconds) => seconds < NOW + 7 * DAY],
  ["within 30 days", (seconds) => seconds < NOW + 30 * DAY],
  ["within 90 days", (seconds) => seconds < NOW + 90 * DAY],
  ["within a year", (seconds) => seconds < NOW + 365 * DAY],
  ["later", () => true],
];

function bucketOf(token) {
  if (isEnding(token)) return BUCKETS.find(([, holds]) => holds(token.entity.expires))[0];
  return token.entity.expires_in ? "not issued yet" : "never";
}

function showTimeline(section) {
  const never = tokens.filter((token) => !isEnding(token));
  section.append(
    el(
      "p",
      { class: "lead" },
      ending.length
        ? [el("b", {}, count(ending.length, "JWT")), ` of ${number(tokens.length)} here ${ending.length === 1 ? "expires" : "expire"}.`]
        : lifetimes.length
          ? "The document is not issued yet. This is how long its JWTs will be valid."
          : "No JWT here expires.",
    ),
  );
  if (ending.length) section.append(el("div", { class: "block" }, months()));
  const sorted = [...ending, ...never.sort((one, other) => (one.entity.expires_in || Infinity) - (other.entity.expires_in || Infinity))];
  const groups = new Map(
    [...BUCKETS.map(([name]) => name), "not issued yet", "never"].map((name) => [name, sorted.filter((token) => bucketOf(token) === name)]),
  );
  if (!groups.get("not issued yet").length) groups.delete("not issued yet");
  const place = el("div", { class: "block" });
  const buttons = [...groups].map(([name, items]) =>
    el(
      "button",
      { type: "button", "aria-pressed": "false", onclick: () => choose(name) },
      el("strong", {}, number(items.length)),
      el("span", {}, name),
    ),
  );
  function choose(name) {
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String([...groups.keys()][index] === name)));
    replace(place, el("h3", {}, `JWTs: ${name}`), tokenTable(groups.get(name)));
  }
  section.append(el("div", { class: "buckets", role: "group", "aria-label": "When" }, buttons), place);
  choose([...groups].find(([, items]) => items.length)?.[0] || "never");
}

function tokenTable(items) {
  if (!items.length) return el("p", { class: "muted" }, "None.");
  const body = el("tbody");
  const row = (token) =>
    el(
      "tr",
      {},
      el(
        "td",
        {},
        token.account === undefined || token.account === null
          ? token.title
          : token.kind === "account"
            ? accountLink(token.account)
            : [accountLink(token.account), `/${token.entity.name}`],
      ),
      el("td", { class: "muted" }, token.kind),
      el("td", { class: "number" }, token.entity.issued ? day(token.entity.issued) : ""),
      el(
        "td",
        { class: "number" },
        token.entity.expires ? day(token.entity.expires) : token.entity.expires_in ? span(token.entity.expires_in) : "never",
      ),
      el("td", { class: "number muted" }, token.entity.expires ? away(token.entity.expires, NOW) : ""),
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
        ["Name", "Kind"].map((name) => el("th", { scope: "col" }, name)),
        ["Issued", "Expires", "From now"].map((name) => el("th", { scope: "col", class: "number" }, name)),
      ),
    ),
  );
  const grown = growing(body, items, row, 50);
  grown.firstChild.replaceWith(table);
  table.append(body);
  return grown;
}

/** Bars for what is over, for 24 months from now, and for what comes after. */
function months() {
  const start = new Date(NOW * 1000);
  const first = start.getUTCFullYear() * 12 + start.getUTCMonth();
  const bars = Array(26).fill(0); // over, 24 months, later
  for (const token of ending) {
    const at = new Date(token.entity.expires * 1000);
    const month = Number.isNaN(at.getTime()) ? Infinity : at.getUTCFullYear() * 12 + at.getUTCMonth() - first;
    bars[token.entity.expires < NOW ? 0 : Math.min(month, 24) + 1] += 1;
  }
  const most = Math.max(...bars, 1);
  const [step, floor, tall] = [40, 190, 150];
  const x = (index) => index * step + (index === 0 ? 0 : 14) + (index === 25 ? 14 : 0);
  const parts = [
    svg("line", { x1: 0, x2: x(25) + step, y1: floor, y2: floor }),
    svg("line", { class: "now", x1: step + 7, x2: step + 7, y1: 14, y2: floor }),
    svg("text", { x: step, y: 24, "text-anchor": "end" }, "today"),
  ];
  bars.forEach((value, index) => {
    const label = index === 0 ? "over" : index === 25 ? "later" : monthName(first + index - 1);
    // A year stands under its first month.
    const year =
      index > 0 && index < 25 && ((first + index - 1) % 12 === 0 || index === 1) ? String(Math.floor((first + index - 1) / 12)) : "";
    parts.push(svg("text", { x: x(index) + step / 2, y: floor + 20, "text-anchor": "middle" }, label));
    if (year) parts.push(svg("text", { class: "value", x: x(index) + step / 2, y: floor + 38, "text-anchor": "middle" }, year));
    if (!value) return;
    const height = Math.max(5, tall * Math.sqrt(value / most));
    parts.push(
      svg("rect", { class: index === 0 ? "past" : "", x: x(index) + 9, y: floor - height, width: step - 18, height, rx: 2 }),
      svg("text", { class: "value", x: x(index) + step / 2, y: floor - height - 7, "text-anchor": "middle" }, number(value)),
    );
  });
  const text = bars
    .map((value, index) => (value ? `${index === 0 ? "over" : index === 25 ? "later" : monthLong(first + index - 1)}: ${value}` : ""))
    .filter(Boolean)
    .join(", ");
  return svg(
    "svg",
    { class: "months", viewBox: `0 0 ${x(25) + step} 235`, role: "img", "aria-label": `JWTs that expire, by month. ${text || "None"}` },
    ...parts,
  );
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function monthName(month) {
  return MONTHS[month % 12];
}

function monthLong(month) {
  return `${monthName(month)} ${Math.floor(month / 12)}`;
}
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
/* Views, and going from one to the other. Each is made when it is first looked at. */

const VIEWS = [
  { id: "summary", title: "Summary", show: showSummary },
  { id: "map", title: "Map", show: showMap },
  { id: "expiry", title: "Expiry", show: showTimeline },
  { id: "findings", title: "Findings", show: showFindings, count: () => findingsCount() },
  { id: "servers", title: "Servers", show: showServers, count: differencesCount },
  { id: "who", title: "Who may", show: showWho },
  ...(model.changes ? [{ id: "changes", title: "Changes", show: showChanges, count: () => model.changes.length }] : []),
];

const HEADINGS = {
  map: "Map of accounts",
  expiry: "What expires",
  findings: "Findings",
  servers: "Store and servers",
  who: "Who may do what",
  changes: "What changed",
};

function fillView(view) {
  const section = document.getElementById(view.id);
  if (section.classList.contains("filled")) return;
  section.classList.add("filled");
  view.show(section);
}

/** Show the view that the address names, and on the map the account that it names. */
function go(isFirst) {
  const [name, key] = decodeURIComponent(location.hash.slice(1)).split("/");
  const view = VIEWS.find((one) => one.id === name) || VIEWS[0];
  for (const one of VIEWS) {
    document.getElementById(one.id).hidden = one !== view;
    const link = document.querySelector(`nav a[href="#${one.id}"]`);
    if (one === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  fillView(view);
  if (view.id === "map") {
    fit();
    const account = key && accounts.find((one) => one.key === key);
    if (account) select(account.index);
  }
  if (isFirst !== true) {
    scrollTo(0, 0);
    document.querySelector(`#${view.id} h1, #${view.id} h2`)?.focus({ preventScroll: true });
  }
}

function makeViews() {
  const main = document.getElementById("content");
  main.replaceChildren();
  for (const view of VIEWS) {
    const many = view.count ? view.count() : null;
    document
      .getElementById("views")
      .append(el("a", { href: `#${view.id}` }, view.title, many ? el("span", { class: "count" }, number(many)) : null));
    const section = el("section", { id: view.id, "aria-label": view.title, hidden: true });
    if (HEADINGS[view.id]) section.append(el("h2", { tabindex: "-1" }, HEADINGS[view.id]));
    main.append(section);
  }
  document.getElementById("brand").textContent = model.operator ? model.operator.name : "NATS";
  document.documentElement.style.setProperty("--bar", `${document.querySelector(".bar").offsetHeight}px`);
}

const THEMES = ["system", "light", "dark"];

function useTheme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  document.getElementById("theme").textContent = `Theme: ${name}`;
}

function start() {
  makeViews();
  const theme = document.getElementById("theme");
  theme.addEventListener("click", () =>
    useTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme || "system") + 1) % THEMES.length]),
  );
  document.getElementById("print").addEventListener("click", () => print());
  addEventListener("beforeprint", () => VIEWS.filter((view) => !["map", "who"].includes(view.id)).forEach(fillView));
  addEventListener("hashchange", go);
  go(true);
}

start();
"""
