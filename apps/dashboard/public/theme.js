// Before the first paint, so that a chosen theme does not flash. A file of its own, since the page's policy forbids inline scripts.
(() => {
  try {
    const theme = localStorage.getItem('unfold.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // Without storage the system's preference holds.
  }
})();
