// Put a filter above table#ledger: by paper, verdict and grade (the rows' data attributes) and
// by free text. An address such as ledger.html?paper=ivan2019 opens it filtered.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const table = document.querySelector("table#ledger");
  if (!table) return;
  const rows = [...table.tBodies[0].rows];
  const fields = ["paper", "verdict", "grade"];
  const asked = new URLSearchParams(location.search);

  const form = document.createElement("form");
  form.className = "ledger-filter";
  form.setAttribute("role", "search");
  form.setAttribute("aria-label", "Filter the ledger");
  form.addEventListener("submit", (event) => event.preventDefault());

  const add = (name, control) => {
    const label = document.createElement("label");
    control.name = name;
    label.append(name[0].toUpperCase() + name.slice(1), control);
    form.append(label);
    return control;
  };

  for (const field of fields) {
    const values = [...new Set(rows.map((row) => row.dataset[field]))].filter(Boolean).sort();
    const select = add(field, document.createElement("select"));
    select.append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
    if (values.includes(asked.get(field))) select.value = asked.get(field);
  }
  const text = add("text", document.createElement("input"));
  text.type = "search";
  text.value = asked.get("text") || "";

  const count = document.createElement("output");
  form.append(count);

  const apply = () => {
    const chosen = new FormData(form);
    const words = chosen.get("text").toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const content = row.textContent.toLowerCase();
      row.hidden =
        fields.some((field) => chosen.get(field) && chosen.get(field) !== row.dataset[field]) ||
        !words.every((word) => content.includes(word));
      shown += !row.hidden;
    }
    count.value = `${shown} of ${rows.length} rows`;
    // A row that a link points to must be seen, whatever the filter.
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && rows.includes(target)) target.hidden = false;
  };

  form.addEventListener("input", apply);
  window.addEventListener("hashchange", apply);
  table.before(form);
  apply();
});
