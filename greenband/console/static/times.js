// Writes moments in the reader's own clock.

export function writeTimes(root = document) {
  for (const each of root.querySelectorAll("time[data-utc-ms]")) {
    const at = new Date(Number(each.dataset.utcMs));
    each.dateTime = at.toISOString();
    const day = at.toDateString() === new Date().toDateString() ? "" : `${at.toLocaleDateString()} `;
    each.textContent = day + at.toLocaleTimeString([], { hour12: false });
  }
}

writeTimes();
