// Airflow's own switch decides between light and dark: its page frames ours, and only its root element tells.
"use strict";
(() => {
  const own = document.documentElement;
  let outer = null;
  try {
    outer = window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    return; // framed by somebody else: the system's preference stands
  }
  if (!outer) return;
  const take = () => {
    const told = outer.classList.contains("dark") || outer.dataset.theme === "dark";
    own.dataset.theme = told ? "dark" : "light";
  };
  take();
  new MutationObserver(take).observe(outer, { attributes: true, attributeFilter: ["class", "data-theme"] });
})();
